//! Which nodes a pull asks for which release, and in which order.
//!
//! First the newest release is asked for, of the nodes that announced it before the others. Where none of those that answer
//! has it, the newest of its ancestors that one of them has is taken. Then those that announced the newest are asked again.

use std::collections::VecDeque;

use chuan_engine::{
    id::{LibraryId, NodeId, StatementId},
    statement::Library,
    sync::{
        message::{Holding, Want},
        takeable::takeable,
    },
};
use chuan_net::Endpoint;

use super::{Brought, Plan};
use crate::{
    exit::{Exit, Failure, Result},
    job::Job,
    node::{
        Node,
        lag::{BEHIND, BROUGHT, asked},
        on_thread,
        peer::Source,
    },
    outcome::Asked,
};

/// What a pull has asked and heard.
pub(super) struct Seek<'a> {
    pub(super) node: &'a Node,
    pub(super) endpoint: &'a Endpoint,
    pub(super) id: LibraryId,
    pub(super) plan: Plan,
    pub(super) job: &'a Job,
    /// The release on which the channel stands here.
    pub(super) here: Option<StatementId>,
    /// What came, of all sources together; the last of them is named.
    pub(super) brought: Option<Brought>,
    /// The nodes that answered and do not have what is announced, with what they have.
    pub(super) behind: Vec<(Source, Holding)>,
    pub(super) failures: Vec<Failure>,
    /// What each node answered last, in the order in which they were asked.
    pub(super) asked: Vec<Asked>,
}

impl Seek<'_> {
    /// Asks until what is announced is here, or nobody is left to be asked.
    ///
    /// # Errors
    ///
    /// What would fail with every source. That no source brought anything is none.
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
        // Time has gone by since they were asked.
        let announcers = self.announcers().await?;
        let again = sources.into_iter().filter(|source| {
            let last = self.asked.iter().rfind(|asked| asked.node == source.node.to_string());
            let announces = announcers.contains(&source.node) || last.is_some_and(|asked| asked.announces);
            announces && last.is_some_and(|asked| asked.answer != BROUGHT)
        });
        let again = again.collect();
        if self.plan.is_dry_run || !self.is_behind().await? { Ok(()) } else { self.newest(again).await }
    }

    /// Asks for the release that was named, until a source has brought it.
    async fn named(&mut self, release: StatementId, sources: Vec<Source>) -> Result<()> {
        for source in sources {
            if self.ask(&source, Want::Release(release)).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Asks for the newest release, until it is here. A source that knows of nothing newer than it has may bring an older one.
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

    /// Takes the newest ancestor of the announced release from a node that said that it has it; gives whether one came.
    async fn ancestor(&mut self) -> Result<bool> {
        let (inner, library, channel) = (self.node.0.clone(), self.library()?, self.plan.channel.clone());
        let releases = on_thread(move || {
            let here = inner.ref_of(&library, &channel)?;
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

    /// Asks one source; gives whether it brought the release. What fails with this source alone is noted.
    async fn ask(&mut self, source: &Source, want: Want) -> Result<bool> {
        self.job.check()?;
        let library = self.library()?;
        let pulled =
            self.node.pull_from(self.endpoint, &library, source.clone(), &want, &self.plan, self.job).await;
        let brought = match pulled {
            Ok(brought) => brought,
            Err(failure) => {
                // What fails here fails with every source.
                let is_of_source =
                    matches!(failure.exit, Exit::Peer | Exit::Denied | Exit::Missing | Exit::Busy);
                if failure.is_final || !is_of_source {
                    return Err(failure);
                }
                let message = Some(failure.message.clone());
                self.note(Asked { message, ..asked(source, None, failure.exit.code()) }, None).await?;
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
            self.note(Asked { holds, ..asked(&source, address, BEHIND) }, holding.heard).await?;
            self.behind.push((source, holding));
            return Ok(false);
        }
        let holds = self.sequence(brought.report.release.as_ref())?;
        self.take_up(brought).await?;
        self.note(Asked { holds, ..asked(&source, address, BROUGHT) }, None).await?;
        Ok(true)
    }

    /// Takes up what came, and adds it to what came before.
    async fn take_up(&mut self, brought: Brought) -> Result<()> {
        if !self.plan.is_dry_run {
            let (inner, id, plan) = (self.node.0.clone(), self.id, self.plan.clone());
            let (brought, before) = (brought.clone(), self.here);
            on_thread(move || inner.take_up_pulled(&id, &plan, &brought, before)).await?;
            self.here = self.stands().await?;
            // What is here now is no part of a pull that was cut short.
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
            let (inner, id, channel) = (self.node.0.clone(), self.id, self.plan.channel.clone());
            on_thread(move || inner.note_answer(&id, &channel, heard.as_ref(), asked)).await?
        };
        self.asked.retain(|other| other.node != asked.node);
        self.asked.push(asked);
        Ok(())
    }

    /// The library as it is known by now: statements come beside the data.
    fn library(&self) -> Result<std::sync::Arc<Library>> {
        self.node.0.libraries.named(&self.id.to_string())
    }

    fn sequence(&self, release: Option<&StatementId>) -> Result<Option<u64>> {
        let library = self.library()?;
        Ok(release.and_then(|release| library.release(release)).map(|said| said.statement.sequence()))
    }

    async fn is_behind(&self) -> Result<bool> {
        let (inner, library, channel) = (self.node.0.clone(), self.library()?, self.plan.channel.clone());
        on_thread(move || inner.is_behind(&library, &channel)).await
    }

    /// The release on which the channel stands here.
    async fn stands(&self) -> Result<Option<StatementId>> {
        let (inner, library, channel) = (self.node.0.clone(), self.library()?, self.plan.channel.clone());
        let at = on_thread(move || inner.ref_of(&library, &channel)).await?;
        Ok(at.map(|at| at.release))
    }

    async fn announcers(&self) -> Result<Vec<NodeId>> {
        let (inner, library, channel) = (self.node.0.clone(), self.library()?, self.plan.channel.clone());
        on_thread(move || inner.announcers(&library, &channel)).await
    }
}
