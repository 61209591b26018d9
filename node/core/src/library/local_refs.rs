//! The channels of this home: each points to a release whose data is complete here. Statements may name newer
//! releases.

use std::collections::BTreeSet;

use chuan_engine::{
    Error,
    id::{LibraryId, ManifestId, NodeId, StatementId},
    statement::{Body, Library, Release, Signed, Statement},
    store::RefMove,
    sync::takeable::{Choices, Takeable},
};

use super::LibraryService;
use crate::{audit_log::event_of, exit::Result, home::whole};

impl LibraryService {
    /// The ref of a channel in this home; `None` before its first data has come.
    pub(crate) fn ref_of(&self, library: &Library, channel: &str) -> Result<Option<RefMove>> {
        let refs = self.context.ledger().refs()?;
        Ok(refs.into_iter().find(|at| at.library == library.id() && at.channel == channel))
    }

    /// The release to which `channel` points in this home; `None` before its first data has come.
    pub(crate) fn here<'a>(
        &self,
        library: &'a Library,
        channel: &str,
    ) -> Result<Option<Signed<'a, Release>>> {
        Ok(self.ref_of(library, channel)?.and_then(|at| library.release(&at.release)))
    }

    /// Whether a channel of `library` points to `release` in this home.
    pub(crate) fn is_current_here(&self, library: &Library, release: &StatementId) -> Result<bool> {
        let refs = self.context.ledger().refs()?;
        Ok(refs.iter().any(|at| at.library == library.id() && at.release == *release))
    }

    /// For how long the release of a channel in this home may have been out of date, in milliseconds: since
    /// it was last vouched for, by the mover of the channel or by timekeepers; or since a newer statement of
    /// which the data is not here. `None` where that is not known.
    pub(crate) fn staleness_ms(&self, library: &Library, channel: &str) -> Result<Option<u64>> {
        let Some(here) = self.ref_of(library, channel)? else { return Ok(None) };
        let history = library.channel_history(channel);
        let mut later = history.iter().skip_while(|said| said.statement.id() != here.statement);
        let since = match (later.next(), later.next()) {
            (Some(current), None) => library.fresh_since(channel).max(Some(current.statement.time_ms())),
            (_, next) => next.map(|next| next.statement.time_ms()),
        };
        Ok(since.map(|since| self.context.now_ms().saturating_sub(since).max(0).unsigned_abs()))
    }

    /// Seconds since enough timekeepers vouched for a channel; `None` where they did not.
    pub(crate) fn fresh_age(&self, library: &Library, channel: &str) -> Option<u64> {
        fresh_age(library, channel, self.context.now_ms())
    }

    /// The same for the release in this home: `None` too where the channel has moved on to data that is not
    /// here.
    pub(crate) fn fresh_age_here(&self, library: &Library, channel: &str) -> Result<Option<u64>> {
        let current = library.channel(channel).map(|said| said.statement.id());
        let here = self.ref_of(library, channel)?;
        let is_current = here.as_ref().is_some_and(|here| Some(here.statement) == current);
        #[cfg(test)]
        let is_current =
            is_current || (here.is_some() && self.context.planted.is(crate::sim::Bug::FreshElsewhere));
        Ok(is_current.then(|| self.fresh_age(library, channel)).flatten())
    }

    /// Moves every channel of a library to its newest release, if that is complete here; else to its newest
    /// ancestor that is. The audit log records each move by a statement that is not recorded already. Notes
    /// which channels are behind then. Blocks.
    pub(crate) fn follow_channels(
        &self,
        id: &LibraryId,
        is_recorded: &dyn Fn(&Statement) -> bool,
    ) -> Result<()> {
        let Some(library) = self.get(id) else { return Ok(()) };
        let (refs, choices) = (self.context.ledger().refs()?, Choices::new(&library));
        for said in library.channels() {
            let name = &said.body.name;
            let here = refs.iter().find(|at| at.library == *id && at.channel == *name);
            let Some(to) = self.newest_here(&library, &choices.takeable(name, here))? else { continue };
            let Some(statement) = library.statement(&to.statement) else { continue };
            let is_elsewhere = here.is_none_or(|at| at.release != to.release);
            if let Some(release) = library.release(&to.release).filter(|_| is_elsewhere) {
                whole::note(&self.context.home, id, [release.body.manifest])?;
            }
            let moved = self.move_here(statement, name)?;
            if moved && !is_recorded(statement) {
                event_of::event_of(statement, &library)
                    .into_iter()
                    .for_each(|event| self.context.note(event));
            }
        }
        // Newer statements may have come meanwhile.
        self.lags.note(&self.get(id).unwrap_or(library))
    }

    /// Like [`LibraryService::follow_channels`], of every library that a statement of `news` is about.
    pub(crate) fn follow_news(&self, news: &[Statement]) {
        self.follow_each(news.iter().map(Statement::library).collect());
    }

    /// Like [`LibraryService::follow_channels`], of one library. A failure is logged.
    pub(crate) fn follow_library(&self, id: LibraryId) {
        self.follow_each(BTreeSet::from([id]));
    }

    /// Like [`LibraryService::follow_channels`], of every library.
    pub(crate) fn follow_everything(&self) {
        self.follow_each(self.all().iter().map(|library| library.id()).collect());
    }

    /// Notes that a node announced the channel statements of `news` that are the newest of their channel and
    /// not followed here, in an exchange about `library`: of another library it may be no member, or not
    /// under the key that it has proved. A failure is logged: the note is a hint.
    pub(crate) fn note_announcer(&self, library: &LibraryId, node: &NodeId, news: &[Statement]) {
        let Some(library) = self.get(library) else { return };
        for statement in news.iter().filter(|statement| statement.library() == library.id()) {
            let Body::Channel(body) = statement.body() else { continue };
            if let Err(failure) = self.lags.announced_by(node, &library, &body.name, &statement.id()) {
                tracing::warn!(%failure, "the announcer of a release was not kept");
            }
        }
    }

    /// A failure is logged, and tried again with the next statements.
    fn follow_each(&self, libraries: BTreeSet<LibraryId>) {
        for library in libraries.iter().filter_map(|id| self.get(id)) {
            if let Err(failure) = self.follow_channels(&library.id(), &|_| false) {
                tracing::warn!(%failure, library = library.name(), "a channel could not be moved here");
            }
        }
    }

    /// Whether the content of a release is complete here.
    fn is_ready(&self, library: &Library, manifest: &ManifestId) -> Result<bool> {
        #[cfg(test)]
        if self.context.planted.is(crate::sim::Bug::MoveEarly) {
            return Ok(true);
        }
        self.holdings.is_complete(library, manifest)
    }

    /// The first of these releases that is complete here and is not refused.
    fn newest_here(&self, library: &Library, releases: &[Takeable]) -> Result<Option<Takeable>> {
        for takeable in releases {
            let Some(release) = library.release(&takeable.release) else { continue };
            if !self.is_ready(library, &release.body.manifest)? {
                continue;
            }
            match library.check_trespass(&*self.context.objects(&library.id()), &takeable.release) {
                Err(error @ Error::Trespass(_)) => tracing::warn!(%error, "a release is not taken here"),
                checked => {
                    checked?;
                    return Ok(Some(*takeable));
                }
            }
        }
        Ok(None)
    }
}

/// Seconds between the last time enough timekeepers vouched for a channel and `now_ms`; `None` where they did
/// not.
pub(crate) fn fresh_age(library: &Library, channel: &str, now_ms: i64) -> Option<u64> {
    let since = library.fresh_since(channel)?;
    Some(now_ms.saturating_sub(since).max(0).unsigned_abs() / 1000)
}
