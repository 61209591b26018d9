//! The order in which a pull asks sources, and for which release.
//!
//! First it asks for the newest release, its announcers before other nodes. Where no node that answers has
//! it, it fetches the newest ancestor that one of them has. Then it asks the announcers again.

use std::sync::Arc;

use chuan_engine::{
    id::{LibraryId, NodeId, StatementId},
    statement::Library,
    sync::{
        message::{Holding, Want},
        takeable::takeable,
    },
};
use chuan_net::link::Socket;

use super::{
    PullPlan, PullResult, adopt_result,
    dials::{Dialled, Dials},
    pull_over,
};
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
    pub(super) socket: &'a Arc<dyn Socket>,
    pub(super) id: LibraryId,
    pub(super) plan: PullPlan,
    pub(super) job: &'a Job,
    /// The release to which the channel points here.
    pub(super) here: Option<StatementId>,
    /// The sum of the results of all sources; it names the last source.
    pub(super) brought: Option<PullResult>,
    /// The nodes that answered and lack the announced release, with the releases that they have.
    pub(super) behind: Vec<(Source, Holding)>,
    /// The failures of sources, each with the number of the source in the order of preference.
    pub(super) failures: Vec<(usize, Failure)>,
    /// The last answer of each node, in the order in which they were asked.
    pub(super) asked: Vec<Asked>,
    /// The sum of the figures of sources that failed on the way.
    pub(super) part: Option<PullResult>,
}

impl<'a> Seek<'a> {
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
        self.release(release, sources).await.map(drop)
    }

    /// Asks for the newest release until it is here. A source may send an older one, where it knows no newer.
    async fn newest(&mut self, sources: Vec<Source>) -> Result<()> {
        let mut dials = self.dial(sources);
        while let Some(dialled) = dials.next().await? {
            let want = self.plan.want.clone();
            if self.ask(&mut dials, dialled, want).await?
                && (self.plan.is_dry_run || !self.is_behind().await?)
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Asks for one release until a source has sent it; returns whether one has.
    async fn release(&mut self, release: StatementId, sources: Vec<Source>) -> Result<bool> {
        let mut dials = self.dial(sources);
        while let Some(dialled) = dials.next().await? {
            if self.ask(&mut dials, dialled, Want::Release(release)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn dial(&self, sources: Vec<Source>) -> Dials<'a> {
        Dials::new(self.services, self.socket, self.job, self.id, sources)
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
            if self.release(takeable.release, sources).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks a source that was dialled; returns whether it sent the release. A failure of this source alone is
    /// noted. One that is busy is dialled again: a part may have come before it refused.
    async fn ask(&mut self, dials: &mut Dials<'a>, dialled: Dialled, want: Want) -> Result<bool> {
        let Dialled { number, mut source, link, silent } = dialled;
        let peer = link.as_ref().ok().map(|link| link.peer());
        if let Some(peer) = peer {
            self.name_source(&mut source, peer.node)?;
        }
        self.note_silence(&source, &silent).await?;
        let mut part = None;
        let pulled = match link {
            Ok(link) => {
                let (library, of) = (self.library()?, source.clone());
                let (services, plan, job) = (self.services, &self.plan, self.job);
                let pulled = pull_over(services, &*link, &library, of, (&want, plan), job, &mut part);
                // On the heap: it is nested deeply.
                let pulled = Box::pin(pulled).await;
                self.add_part(&part);
                match pulled {
                    Err(failure) if dials.is_asked_again(number, &failure)? => {
                        self.plan.resume = true;
                        dials.tell_busy(number, &failure).await;
                        return Ok(false);
                    }
                    pulled => pulled,
                }
            }
            Err(failure) => Err(failure),
        };
        // Its statements, which came beside the data, may show that its key is a known node's new key.
        if let Some(peer) = peer.filter(|_| source.any_node) {
            let node = self.services.library.keys().node_in(&self.id, &peer.key);
            self.name_source(&mut source, node)?;
        }
        self.note_refusal(&source, pulled.as_ref().err()).await?;
        let brought = match pulled {
            Ok(brought) => PullResult { source: source.clone(), ..brought },
            Err(failure) => {
                // Other failures are local: they would recur with every source.
                let is_of_source =
                    matches!(failure.exit, Exit::Peer | Exit::Denied | Exit::Missing | Exit::Busy);
                if failure.is_final || !is_of_source {
                    return Err(failure);
                }
                let message = Some(failure.message.clone());
                let chunk_bytes = part.as_ref().and_then(PullResult::chunk_bytes);
                let answered = self.answered(&source, None, failure.exit.code());
                self.note(Asked { message, chunk_bytes, ..answered }, None).await?;
                self.failures.push((number, failure));
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
        let chunk_bytes = brought.chunk_bytes();
        self.adopt(brought).await?;
        let answered = self.answered(&source, address, BROUGHT);
        self.note(Asked { holds, chunk_bytes, ..answered }, None).await?;
        Ok(true)
    }

    /// Notes which node a source is.
    fn name_source(&self, source: &mut Source, node: NodeId) -> Result<()> {
        if node != source.node {
            source.name = self.library()?.member(&node).map_or("", |said| &said.body.name).to_owned();
            source.node = node;
        }
        Ok(())
    }

    /// Notes the refusal of a source, or that it answered.
    async fn note_refusal(&self, source: &Source, failure: Option<&Failure>) -> Result<()> {
        if !source.is_known() {
            return Ok(());
        }
        let (id, node, failure) = (self.id, source.node, failure.cloned());
        let noted = self.services.blocking(move |services| {
            services.peers.note_answer(&id, &node, failure.as_ref());
            Ok(())
        });
        noted.await
    }

    /// Says and notes which sources did not answer before `taken` did. They are asked again if it does not
    /// have the release.
    async fn note_silence(&mut self, taken: &Source, silent: &[Source]) -> Result<()> {
        if silent.is_empty() {
            return Ok(());
        }
        let places: Vec<String> = silent.iter().map(Source::place).collect();
        self.job.say(format!("no answer from {}: asking {}", places.join(", "), taken.place())).await;
        for source in silent {
            let message = Some("no answer before another node answered".to_owned());
            self.note(Asked { message, ..self.answered(source, None, Exit::Peer.code()) }, None).await?;
        }
        Ok(())
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

    /// Adds the figures of a source that failed on the way.
    fn add_part(&mut self, part: &Option<PullResult>) {
        self.part = match (self.part.take(), part.clone()) {
            (Some(before), Some(part)) => Some(before.and(part)),
            (before, part) => part.or(before),
        };
    }

    async fn note(&mut self, asked: Asked, heard: Option<StatementId>) -> Result<()> {
        let asked = if self.plan.is_dry_run {
            asked
        } else {
            let (library, channel) = (self.library()?, self.plan.channel.clone());
            self.services
                .blocking(move |services| {
                    if let Some((node, holds)) = asked.node.parse().ok().zip(asked.holds) {
                        services.peers.contacts.note_release(&node, holds);
                    }
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
            node: if source.is_known() { source.node.to_string() } else { String::new() },
            name,
            address: address.or_else(|| source.addresses.first().cloned()),
            at_ms: self.services.context.now_ms(),
            answer: answer.to_owned(),
            ..Asked::default()
        }
    }
}
