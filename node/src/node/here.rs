//! Where channels stand in this home: on releases whose data is whole here. What statements say may be ahead of that.

use std::collections::BTreeSet;

use chuan_engine::{
    id::{LibraryId, StatementId},
    statement::{Library, Release, Said, Statement},
};

use super::{Inner, libraries::is_onward, said};
use crate::exit::Result;

impl Inner {
    /// The release on which `channel` stands here; none before its first data has come.
    pub(super) fn here<'a>(&self, library: &'a Library, channel: &str) -> Result<Option<Said<'a, Release>>> {
        let refs = self.store().refs()?;
        let here = refs.iter().find(|at| at.library == library.id() && at.channel == channel);
        Ok(here.and_then(|at| library.release(&at.release)))
    }

    /// Moves every channel that stands elsewhere by now, and whose release is whole here, to where it stands; gives the statements
    /// that moved them.
    pub(super) fn follow_channels(&self, id: &LibraryId) -> Result<Vec<Statement>> {
        let mut moved = Vec::new();
        let Some(library) = self.libraries.get(id) else { return Ok(moved) };
        let refs = self.store().refs()?;
        for said in library.channels() {
            let name = &said.body.name;
            let here = refs.iter().find(|at| at.library == *id && at.channel == *name);
            if here.is_some_and(|here| !is_onward(&library, &said.statement.id(), here)) {
                continue;
            }
            let Some(release) = library.release(&said.body.release) else { continue };
            if self.is_complete(&library, &release.body.manifest)? {
                self.libraries.move_here(said.statement, said.body)?;
                moved.push(said.statement.clone());
            }
        }
        Ok(moved)
    }

    /// Like [`Inner::follow_channels`], of every library that some of `news` is about.
    pub(super) fn follow_news(&self, news: &[Statement]) {
        self.follow_each(news.iter().map(Statement::library).collect());
    }

    /// Like [`Inner::follow_channels`], of every library.
    pub(super) fn follow_everything(&self) {
        self.follow_each(self.libraries.all().iter().map(|library| library.id()).collect());
    }

    /// What fails is tried again with the next news. No command asked for these moves: the audit log hears of them here.
    fn follow_each(&self, libraries: BTreeSet<LibraryId>) {
        for library in libraries.iter().filter_map(|id| self.libraries.get(id)) {
            match self.follow_channels(&library.id()) {
                Ok(moved) => {
                    let events = moved.iter().filter_map(|statement| said::event(statement, &library));
                    events.for_each(|event| self.note(event));
                }
                Err(failure) => {
                    tracing::warn!(%failure, library = library.name(), "a channel could not be moved here");
                }
            }
        }
    }

    /// Whether some channel of `library` stands on `release` here.
    pub(super) fn stands_here(&self, library: &Library, release: &StatementId) -> Result<bool> {
        let refs = self.store().refs()?;
        Ok(refs.iter().any(|at| at.library == library.id() && at.release == *release))
    }
}
