//! Channels that are behind: a newer release was announced than is here. Owns the notes about them
//! (`H/behind/`): since when, which nodes announced the release, and the answers of the nodes that were asked
//! for it. So a peer that announces a release and refuses to send it is distinguished from a peer that does
//! not know it.

use std::sync::{Arc, Mutex, PoisonError};

use chuan_api::node_event::NodeEvent;
use chuan_engine::{
    id::{NodeId, StatementId},
    statement::{Channel, Library, Signed},
    store::RefMove,
    sync::takeable::is_onward,
};

use crate::{
    context::Context,
    exit::Result,
    home::lag::{Lagging, Lags as Noted},
    outcome::{Announced, Announcer, Asked, Lag, ReleaseRef},
};

/// The notes about channels that are behind.
#[derive(Debug)]
pub(crate) struct Lags {
    context: Arc<Context>,
    /// Held while a note is read and written again.
    notes: Mutex<()>,
}

impl Lags {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, notes: Mutex::new(()) }
    }

    /// The release of a channel in this home, and the release that was announced.
    pub(crate) fn of(&self, library: &Library, channel: &str) -> Result<Lag> {
        let refer = |release: &StatementId| ReleaseRef {
            release: release.to_string(),
            sequence: library.release(release).map_or(0, |said| said.statement.sequence()),
        };
        let here = self.ref_of(library, channel)?;
        let here_ref = here.as_ref().map(|at| refer(&at.release));
        let contradicted = library.contradiction(channel).is_some();
        let mut lag = Lag { here: here_ref, at_ms: self.context.now_ms(), contradicted, ..Lag::default() };
        let Some(said) = library.channel(channel) else { return Ok(lag) };
        let noted = if is_here(library, &said, here.as_ref()) { None } else { self.lagging(library, &said)? };
        lag.announced = Some(Announced {
            release: said.body.release.to_string(),
            sequence: library.release(&said.body.release).map(|release| release.statement.sequence()),
            time_ms: said.statement.time_ms(),
            heard_ms: noted.as_ref().map(|noted| noted.announced_ms),
            by: noted
                .iter()
                .flat_map(|noted| &noted.announcers)
                .map(|node| announcer(library, node))
                .collect(),
        });
        lag.behind = match is_here(library, &said, here.as_ref()) {
            true => 0,
            false => releases_between(library, here.as_ref(), &said.body.release),
        };
        lag.behind_since_ms = noted.as_ref().map(|noted| noted.since_ms);
        lag.asked = noted.map(|noted| noted.asked).unwrap_or_default();
        Ok(lag)
    }

    fn ref_of(&self, library: &Library, channel: &str) -> Result<Option<RefMove>> {
        let refs = self.context.ledger().refs()?;
        Ok(refs.into_iter().find(|at| at.library == library.id() && at.channel == channel))
    }

    /// Whether a newer release of a channel was announced than is here.
    pub(crate) fn is_behind(&self, library: &Library, channel: &str) -> Result<bool> {
        let here = self.ref_of(library, channel)?;
        Ok(library.channel(channel).is_some_and(|said| !is_here(library, &said, here.as_ref())))
    }

    /// The nodes that announced the newest release of a channel, if it is not here.
    pub(crate) fn announcers(&self, library: &Library, channel: &str) -> Result<Vec<NodeId>> {
        let Some(said) = library.channel(channel) else { return Ok(Vec::new()) };
        let noted = self.lagging(library, &said)?;
        let announcers = noted.map(|noted| noted.announcers).unwrap_or_default();
        Ok(announcers.iter().filter_map(|node| node.parse().ok()).collect())
    }

    /// The note about the newest statement about a channel.
    fn lagging(&self, library: &Library, said: &Signed<'_, Channel>) -> Result<Option<Lagging>> {
        let mut lags = Noted::read(&self.context.home, &library.id())?;
        let noted = lags.0.remove(&said.body.name);
        Ok(noted.filter(|noted| noted.statement == said.statement.id().to_string()))
    }

    /// Notes which channels of a library are behind here, and removes the notes of those that are not.
    pub(crate) fn note(&self, library: &Library) -> Result<()> {
        let refs = self.context.ledger().refs()?;
        self.change(library, |lags| {
            for said in library.channels() {
                let name = &said.body.name;
                let here = refs.iter().find(|at| at.library == library.id() && at.channel == *name);
                if is_here(library, &said, here) {
                    lags.0.remove(name);
                } else {
                    lags.announced(name, &said.statement.id().to_string(), self.context.now_ms());
                }
            }
        })
    }

    /// Notes that a node knows `statement` about a channel, where that is the newest one and not followed
    /// here.
    pub(super) fn announced_by(
        &self,
        node: &NodeId,
        library: &Library,
        channel: &str,
        statement: &StatementId,
    ) -> Result<bool> {
        let is_newest = library.channel(channel).is_some_and(|said| said.statement.id() == *statement);
        if !is_newest || !self.is_behind(library, channel)? {
            return Ok(false);
        }
        self.change(library, |lags| {
            lags.announced(channel, &statement.to_string(), self.context.now_ms()).announced_by(node);
        })?;
        Ok(true)
    }

    /// Notes the answer of a node that was asked for the newest release of a channel. `heard` is the channel
    /// statement that the node names as its newest. Returns the answer with `announces` set.
    pub(crate) fn note_answer(
        &self,
        library: &Library,
        channel: &str,
        heard: Option<&StatementId>,
        mut asked: Asked,
    ) -> Result<Asked> {
        let node = asked.node.parse().ok();
        if let Some((node, heard)) = node.zip(heard) {
            asked.announces = self.announced_by(&node, library, channel, heard)?;
        }
        if let Some(said) = library.channel(channel).filter(|_| asked.answer != BROUGHT)
            && self.is_behind(library, channel)?
        {
            self.change(library, |lags| {
                let lagging =
                    lags.announced(channel, &said.statement.id().to_string(), self.context.now_ms());
                lagging.answered(asked.clone());
            })?;
        }
        Ok(asked)
    }

    fn change(&self, library: &Library, change: impl FnOnce(&mut Noted)) -> Result<()> {
        let _notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let before = Noted::read(&self.context.home, &library.id())?;
        let mut lags = before.clone();
        change(&mut lags);
        if lags == before {
            return Ok(());
        }
        lags.keep(&self.context.home, &library.id())?;
        let is_new = |(name, lagging): &(&String, &Lagging)| {
            before.0.get(*name).is_none_or(|before| before.statement != lagging.statement)
        };
        for (channel, _) in lags.0.iter().filter(is_new) {
            let release = library.channel(channel).map(|said| said.body.release.to_string());
            self.context.emit(NodeEvent::Behind {
                library: library.id().to_string(),
                channel: channel.clone(),
                release: release.unwrap_or_default(),
            });
        }
        Ok(())
    }
}

/// The answer of a node that sent a release.
pub(crate) const BROUGHT: &str = "brought";
/// The answer of a node that does not have the announced release.
pub(crate) const BEHIND: &str = "behind";

/// Whether the newest announced release of a channel is here. Another statement about the same release is no
/// lag, and neither is a statement that is ineffective since another statement contradicts it.
fn is_here(library: &Library, said: &Signed<'_, Channel>, here: Option<&RefMove>) -> bool {
    let is_newer = |here| is_onward(library, &said.body.name, &said.statement.id(), here);
    here.is_some_and(|here| here.release == said.body.release || !is_newer(here))
}

/// By how many releases the one here is behind `newest`, by sequence; at least 1.
fn releases_between(library: &Library, here: Option<&RefMove>, newest: &StatementId) -> u64 {
    let sequence = |id: &StatementId| library.release(id).map(|said| said.statement.sequence());
    let from = here.map_or(Some(0), |here| sequence(&here.release));
    match (from, sequence(newest)) {
        (Some(from), Some(to)) => {
            let between = library.releases().into_iter().map(|said| said.statement.sequence());
            between.filter(|at| (from + 1..=to).contains(at)).count().max(1) as u64
        }
        _ => 1,
    }
}

fn announcer(library: &Library, node: &str) -> Announcer {
    let member = node.parse().ok().and_then(|node| library.member(&node));
    let name = member.map(|said| said.body.name.clone()).filter(|name| !name.is_empty());
    Announcer { node: node.to_owned(), name }
}
