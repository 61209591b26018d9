//! Whether what is here is behind what was announced. Owns what is noted of that: since when, who announced the newest
//! release, and what the nodes answered that were asked for it. A peer that announces a release and says that it does not
//! have it must not look like one that has never heard of it.

use chuan_engine::{
    id::{LibraryId, NodeId, StatementId},
    statement::{Body, Channel, Library, Said, Statement},
    store::RefMove,
    sync::takeable::is_onward,
};

use super::{Inner, lock_of, now_ms, peer::Source};
use crate::{
    exit::Result,
    home::lag::Lagging,
    outcome::{Announced, Announcer, Asked, Lag, ReleaseRef},
};

impl Inner {
    /// Where a channel is here, and where it was announced to be.
    pub(super) fn lag(&self, library: &Library, channel: &str) -> Result<Lag> {
        let refer = |release: &StatementId| ReleaseRef {
            release: release.to_string(),
            sequence: library.release(release).map_or(0, |said| said.statement.sequence()),
        };
        let here = self.ref_of(library, channel)?;
        let here_ref = here.as_ref().map(|at| refer(&at.release));
        let mut lag = Lag { here: here_ref, at_ms: now_ms(), ..Lag::default() };
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
        lag.behind_since_ms = noted.as_ref().map(|noted| noted.since_ms);
        lag.asked = noted.map(|noted| noted.asked).unwrap_or_default();
        Ok(lag)
    }

    /// Where the channel stands here.
    pub(super) fn ref_of(&self, library: &Library, channel: &str) -> Result<Option<RefMove>> {
        let refs = self.ledger().refs()?;
        Ok(refs.into_iter().find(|at| at.library == library.id() && at.channel == channel))
    }

    /// Whether something newer was announced on a channel than is here.
    pub(super) fn is_behind(&self, library: &Library, channel: &str) -> Result<bool> {
        let here = self.ref_of(library, channel)?;
        Ok(library.channel(channel).is_some_and(|said| !is_here(library, &said, here.as_ref())))
    }

    /// The nodes that announced what is newest on a channel and not here.
    pub(super) fn announcers(&self, library: &Library, channel: &str) -> Result<Vec<NodeId>> {
        let Some(said) = library.channel(channel) else { return Ok(Vec::new()) };
        let noted = self.lagging(library, &said)?;
        let announcers = noted.map(|noted| noted.announcers).unwrap_or_default();
        Ok(announcers.iter().filter_map(|node| node.parse().ok()).collect())
    }

    /// What is noted of the newest statement about a channel.
    fn lagging(&self, library: &Library, said: &Said<'_, Channel>) -> Result<Option<Lagging>> {
        let mut lags = self.home.lags(&library.id())?;
        let noted = lags.0.remove(&said.body.name);
        Ok(noted.filter(|noted| noted.statement == said.statement.id().to_string()))
    }

    /// Notes which channels of a library are behind here, and which are not any more.
    pub(super) fn note_lags(&self, library: &Library) -> Result<()> {
        let refs = self.ledger().refs()?;
        self.change_lags(library, |lags| {
            for said in library.channels() {
                let name = &said.body.name;
                let here = refs.iter().find(|at| at.library == library.id() && at.channel == *name);
                if is_here(library, &said, here) {
                    lags.0.remove(name);
                } else {
                    lags.announced(name, &said.statement.id().to_string(), now_ms());
                }
            }
        })
    }

    /// Notes that a node announced those of `news` that are the newest about their channel and not followed here. What fails
    /// costs a hint, and no more.
    pub(super) fn note_announcer(&self, node: &NodeId, news: &[Statement]) {
        for statement in news {
            let Body::Channel(body) = statement.body() else { continue };
            let Some(library) = self.libraries.get(&statement.library()) else { continue };
            if let Err(failure) = self.announced_by(node, &library, &body.name, &statement.id()) {
                tracing::warn!(%failure, "who announced a release was not kept");
            }
        }
    }

    /// Notes that a node knows `statement` about a channel, where that is the newest one and not followed here.
    fn announced_by(
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
        self.change_lags(library, |lags| {
            lags.announced(channel, &statement.to_string(), now_ms()).announced_by(node);
        })?;
        Ok(true)
    }

    /// Notes what a node answered that was asked for the newest release of a channel, and `heard`, the statement by which it
    /// says the channel stands. Gives the answer as it is told.
    pub(super) fn note_answer(
        &self,
        id: &LibraryId,
        channel: &str,
        heard: Option<&StatementId>,
        mut asked: Asked,
    ) -> Result<Asked> {
        let Some(library) = self.libraries.get(id) else { return Ok(asked) };
        let node = asked.node.parse().ok();
        if let Some((node, heard)) = node.zip(heard) {
            asked.announces = self.announced_by(&node, &library, channel, heard)?;
        }
        if let Some(said) = library.channel(channel).filter(|_| asked.answer != BROUGHT)
            && self.is_behind(&library, channel)?
        {
            self.change_lags(&library, |lags| {
                let lagging = lags.announced(channel, &said.statement.id().to_string(), now_ms());
                lagging.answered(asked.clone());
            })?;
        }
        Ok(asked)
    }

    fn change_lags(&self, library: &Library, change: impl FnOnce(&mut crate::home::lag::Lags)) -> Result<()> {
        let _lags = lock_of(&self.peers);
        let before = self.home.lags(&library.id())?;
        let mut lags = before.clone();
        change(&mut lags);
        if lags == before { Ok(()) } else { self.home.keep_lags(&library.id(), &lags) }
    }
}

/// The answer of a node that brought a release.
pub(super) const BROUGHT: &str = "brought";
/// The answer of one that does not have the release that is announced.
pub(super) const BEHIND: &str = "behind";

/// What a node was asked now and has answered.
pub(super) fn asked(source: &Source, address: Option<String>, answer: &str) -> Asked {
    let name = Some(source.name.clone()).filter(|name| !name.is_empty());
    Asked {
        node: source.node.to_string(),
        name,
        address: address.or_else(|| source.addresses.first().cloned()),
        at_ms: now_ms(),
        answer: answer.to_owned(),
        ..Asked::default()
    }
}

/// Whether nothing newer was announced on a channel than is here. That another statement names the same release is no lag,
/// nor that two statements contradict each other and the one before them stands.
fn is_here(library: &Library, said: &Said<'_, Channel>, here: Option<&RefMove>) -> bool {
    let is_newer = |here| is_onward(library, &said.body.name, &said.statement.id(), here);
    here.is_some_and(|here| here.release == said.body.release || !is_newer(here))
}

fn announcer(library: &Library, node: &str) -> Announcer {
    let member = node.parse().ok().and_then(|node| library.member(&node));
    let name = member.map(|said| said.body.name.clone()).filter(|name| !name.is_empty());
    Announcer { node: node.to_owned(), name }
}
