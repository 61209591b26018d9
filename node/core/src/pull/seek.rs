//! The order in which a pull asks sources, and for which release.
//!
//! First it asks for the newest release, its announcers before other nodes. Where no node that answers has
//! it, it fetches the newest ancestor that one of them has. Then it asks the announcers again.

use std::{collections::VecDeque, sync::Arc};

use chuan_engine::{
    id::{LibraryId, NodeId, StatementId},
    statement::Library,
    sync::{
        busy::BusyWaits,
        message::{Holding, Want},
        takeable::takeable,
    },
};
use chuan_net::link::Socket;

use super::{PullPlan, PullResult, adopt_result, pull_from};
use crate::{
    exit::{Exit, Failure, Result},
    job::Job,
    library::lag::{BEHIND, BROUGHT},
    outcome::Asked,
    peers::Source,
    services::Services,
};

/// The requests and answers of a pull.
pub(super) struct Seek<'a> {
    pub(super) services: &'a Arc<Services>,
    pub(super) socket: &'a dyn Socket,
    pub(super) id: LibraryId,
    pub(super) plan: PullPlan,
    pub(super) job: &'a Job,
    /// The release to which the channel points here.
    pub(super) here: Option<StatementId>,
    /// The sum of the results of all sources; it names the last source.
    pub(super) brought: Option<PullResult>,
    /// The nodes that answered and lack the announced release, with the releases that they have.
    pub(super) behind: Vec<(Source, Holding)>,
    pub(super) failures: Vec<Failure>,
    /// The last answer of each node, in the order in which they were asked.
    pub(super) asked: Vec<Asked>,
}

impl Seek<'_> {
    /// Asks until the announced release is here, or no source is left.
    ///
    /// # Errors
    ///
    /// Failures that every source would give. That no source has the release is no error.
    pub(super) async fn run(&mut self, sources: Vec<Source>) -> Result<()> {
        if let Want::Release(release) = self.plan.want {
            return self.named(release, sources).await;
        }
        self.newest(sources.clone()).await?;
        if self.brought.is_some() && (self.plan.is_dry_run || !self.is_behind().await?) {
            return Ok(());
        }
        let came = self.brought.is_some();
        if !self.ancestor().await? && !came {
            return Ok(());
        }
        // Announcers may have received the release since they were asked.
        let announcers = self.announcers().await?;
        let again = sources.into_iter().filter(|source| {
            let last = self.asked.iter().rfind(|asked| asked.node == source.node.to_string());
            let announces = announcers.contains(&source.node) || last.is_some_and(|asked| asked.announces);
            announces && last.is_some_and(|asked| asked.answer != BROUGHT)
        });
        let again = again.collect();
        if self.plan.is_dry_run || !self.is_behind().await? { Ok(()) } else { self.newest(again).await }
    }

    /// Asks for the named release until a source has sent it.
    async fn named(&mut self, release: StatementId, sources: Vec<Source>) -> Result<()> {
        for source in sources {
            if self.ask(&source, Want::Release(release)).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Asks for the newest release until it is here. A source may send an older one, where it knows no newer.
    async fn newest(&mut self, sources: Vec<Source>) -> Result<()> {
        let mut open = VecDeque::from(sources);
        while let Some(source) = open.pop_front() {
            let want = self.plan.want.clone();
            if self.ask(&source, want).await? && (self.plan.is_dry_run || !self.is_behind().await?) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Fetches the newest ancestor of the announced release from a node that has it; returns whether one
    /// came.
    async fn ancestor(&mut self) -> Result<bool> {
        let (library, channel) = (self.library()?, self.plan.channel.clone());
        let releases = self.services.blocking(move |services| {
            let here = services.library.ref_of(&library, &channel)?;
            Ok(takeable(&library, &channel, here.as_ref()))
        });
        for takeable in releases.await? {
            let has = |(_, holding): &&(Source, Holding)| holding.held.contains(&takeable.release);
            let sources: Vec<_> = self.behind.iter().filter(has).map(|(source, _)| source.clone()).collect();
            for source in sources {
                if self.ask(&source, Want::Release(takeable.release)).await? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Asks one source; returns whether it sent the release. A failure of this source alone is noted.
    async fn ask(&mut self, source: &Source, want: Want) -> Result<bool> {
        self.job.check()?;
        let pulled = self.pull_when_ready(source, &want).await;
        self.note_refusal(source, pulled.as_ref().err()).await?;
        let brought = match pulled {
            Ok(brought) => brought,
            Err(failure) => {
                // Other failures are local: they would recur with every source.
                let is_of_source =
                    matches!(failure.exit, Exit::Peer | Exit::Denied | Exit::Missing | Exit::Busy);
                if failure.is_final || !is_of_source {
                    return Err(failure);
                }
                let message = Some(failure.message.clone());
                self.note(Asked { message, ..self.answered(source, None, failure.exit.code()) }, None)
                    .await?;
                self.failures.push(failure);
                self.plan.resume = true;
                return Ok(false);
            }
        };
        let (source, address) = (brought.source.clone(), Some(brought.address.clone()));
        if let Some(holding) =
            brought.report.holding.clone().filter(|_| !brought.is_whole(self.plan.is_dry_run))
        {
            let holds = self.sequence(holding.held.first())?;
            self.note(Asked { holds, ..self.answered(&source, address, BEHIND) }, holding.heard).await?;
            self.behind.push((source, holding));
            return Ok(false);
        }
        let holds = self.sequence(brought.report.release.as_ref())?;
        self.adopt(brought).await?;
        self.note(Asked { holds, ..self.answered(&source, address, BROUGHT) }, None).await?;
        Ok(true)
    }

    /// Notes the refusal of a source, or that it answered.
    async fn note_refusal(&self, source: &Source, failure: Option<&Failure>) -> Result<()> {
        let (id, node, failure) = (self.id, source.node, failure.cloned());
        let noted = self.services.blocking(move |services| {
            services.peers.refusals.note_answer(&id, &node, failure.as_ref());
            Ok(())
        });
        noted.await
    }

    /// Pulls from a source. One that is busy is asked again after a pause, for as long as [`BusyWaits`]
    /// allows: it may be the only one, and it is often busy only with connections that this node left behind.
    async fn pull_when_ready(&mut self, source: &Source, want: &Want) -> Result<PullResult> {
        let mut waits = BusyWaits::default();
        let mut is_told = false;
        loop {
            let library = self.library()?;
            let pulled =
                pull_from(self.services, self.socket, &library, source.clone(), want, &self.plan, self.job)
                    .await;
            let busy = match pulled {
                Err(failure) if failure.exit == Exit::Busy && !failure.is_final => failure,
                pulled => return pulled,
            };
            // A part may have come before the refusal.
            self.plan.resume = true;
            let left = waits.left().as_secs();
            let Some(wait) = waits.next(self.services.context.randomness.number()?) else { return Err(busy) };
            if !std::mem::replace(&mut is_told, true) {
                self.job.say(format!("{busy}: asking it again for up to {left} s")).await;
            }
            tokio::select! {
                biased;
                () = self.job.cancel().cancelled() => return Err(Failure::interrupted()),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Adopts a result, and adds it to the earlier ones.
    async fn adopt(&mut self, brought: PullResult) -> Result<()> {
        if !self.plan.is_dry_run {
            let (id, plan) = (self.id, self.plan.clone());
            let (brought, before) = (brought.clone(), self.here);
            self.services
                .blocking(move |services| adopt_result(services, &id, &plan, &brought, before))
                .await?;
            self.here = self.current().await?;
            // The content here now belongs to a finished pull.
            self.plan.resume = false;
        }
        self.brought = Some(match self.brought.take() {
            Some(before) => before.and(brought),
            None => brought,
        });
        Ok(())
    }

    async fn note(&mut self, asked: Asked, heard: Option<StatementId>) -> Result<()> {
        let asked = if self.plan.is_dry_run {
            asked
        } else {
            let (library, channel) = (self.library()?, self.plan.channel.clone());
            self.services
                .blocking(move |services| {
                    services.library.lags.note_answer(&library, &channel, heard.as_ref(), asked)
                })
                .await?
        };
        self.asked.retain(|other| other.node != asked.node);
        self.asked.push(asked);
        Ok(())
    }

    /// The library as it is known now: statements arrive beside the data.
    fn library(&self) -> Result<Arc<Library>> {
        self.services.library.named(&self.id.to_string())
    }

    fn sequence(&self, release: Option<&StatementId>) -> Result<Option<u64>> {
        let library = self.library()?;
        Ok(release.and_then(|release| library.release(release)).map(|said| said.statement.sequence()))
    }

    async fn is_behind(&self) -> Result<bool> {
        let (library, channel) = (self.library()?, self.plan.channel.clone());
        self.services.blocking(move |services| services.library.lags.is_behind(&library, &channel)).await
    }

    /// The release to which the channel points here.
    async fn current(&self) -> Result<Option<StatementId>> {
        let (library, channel) = (self.library()?, self.plan.channel.clone());
        let at = self.services.blocking(move |services| services.library.ref_of(&library, &channel)).await?;
        Ok(at.map(|at| at.release))
    }

    async fn announcers(&self) -> Result<Vec<NodeId>> {
        let (library, channel) = (self.library()?, self.plan.channel.clone());
        self.services.blocking(move |services| services.library.lags.announcers(&library, &channel)).await
    }

    /// A node that was asked now, and its answer.
    fn answered(&self, source: &Source, address: Option<String>, answer: &str) -> Asked {
        let name = Some(source.name.clone()).filter(|name| !name.is_empty());
        Asked {
            node: source.node.to_string(),
            name,
            address: address.or_else(|| source.addresses.first().cloned()),
            at_ms: self.services.context.now_ms(),
            answer: answer.to_owned(),
            ..Asked::default()
        }
    }
}
