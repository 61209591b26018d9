//! Where channels stand in this home: on releases whose data is whole here. What statements say may be ahead of that.

use std::collections::BTreeSet;

use chuan_engine::{
    Error,
    id::{LibraryId, StatementId},
    statement::{Library, Release, Said, Statement},
    sync::takeable::{Takeable, takeable},
};

use super::{Inner, said};
use crate::exit::Result;

impl Inner {
    /// The release on which `channel` stands here; none before its first data has come.
    pub(super) fn here<'a>(&self, library: &'a Library, channel: &str) -> Result<Option<Said<'a, Release>>> {
        let refs = self.ledger().refs()?;
        let here = refs.iter().find(|at| at.library == library.id() && at.channel == channel);
        Ok(here.and_then(|at| library.release(&at.release)))
    }

    /// Moves every channel that stands elsewhere by now to where it stands, if that release is whole here; else to the newest of
    /// the releases that lead there which is. The audit log hears of each, but of what the statements `told` do: it was told
    /// of these. Notes which channels are behind then.
    pub(super) fn follow_channels(&self, id: &LibraryId, told: &[Statement]) -> Result<()> {
        let Some(library) = self.libraries.get(id) else { return Ok(()) };
        let refs = self.ledger().refs()?;
        for said in library.channels() {
            let name = &said.body.name;
            let here = refs.iter().find(|at| at.library == *id && at.channel == *name);
            let Some(to) = self.newest_here(&library, &takeable(&library, name, here))? else { continue };
            let Some(statement) = library.statement(&to.statement) else { continue };
            let is_elsewhere = here.is_none_or(|at| at.release != to.release);
            if let Some(release) = library.release(&to.release).filter(|_| is_elsewhere) {
                self.home.note_whole(id, [release.body.manifest])?;
            }
            let moved = self.libraries.move_here(statement, name)?;
            if moved && told.iter().all(|told| told.id() != statement.id()) {
                said::event(statement, &library).into_iter().for_each(|event| self.note(event));
            }
        }
        self.note_lags(&library)
    }

    /// The first of these releases that is whole here.
    fn newest_here(&self, library: &Library, releases: &[Takeable]) -> Result<Option<Takeable>> {
        for takeable in releases {
            let Some(release) = library.release(&takeable.release) else { continue };
            if !self.is_complete(library, &release.body.manifest)? {
                continue;
            }
            match library.check_trespass(&*self.objects(&library.id()), &takeable.release) {
                Err(error @ Error::Trespass(_)) => tracing::warn!(%error, "a release is not taken here"),
                checked => {
                    checked?;
                    return Ok(Some(*takeable));
                }
            }
        }
        Ok(None)
    }

    /// Like [`Inner::follow_channels`], of every library that some of `news` is about.
    pub(super) fn follow_news(&self, news: &[Statement]) {
        self.follow_each(news.iter().map(Statement::library).collect());
    }

    /// Like [`Inner::follow_channels`], of a library of which there may be news.
    pub(super) fn follow_library(&self, id: LibraryId) {
        self.follow_each(BTreeSet::from([id]));
    }

    /// Like [`Inner::follow_channels`], of every library.
    pub(super) fn follow_everything(&self) {
        self.follow_each(self.libraries.all().iter().map(|library| library.id()).collect());
    }

    /// What fails is tried again with the next news.
    fn follow_each(&self, libraries: BTreeSet<LibraryId>) {
        for library in libraries.iter().filter_map(|id| self.libraries.get(id)) {
            if let Err(failure) = self.follow_channels(&library.id(), &[]) {
                tracing::warn!(%failure, library = library.name(), "a channel could not be moved here");
            }
        }
    }

    /// Whether some channel of `library` stands on `release` here.
    pub(super) fn stands_here(&self, library: &Library, release: &StatementId) -> Result<bool> {
        let refs = self.ledger().refs()?;
        Ok(refs.iter().any(|at| at.library == library.id() && at.release == *release))
    }
}
