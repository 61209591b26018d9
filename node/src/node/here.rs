//! Where channels stand in this home: on releases whose data is whole here. What statements say may be ahead of that.

use chuan_engine::{
    id::StatementId,
    statement::{Library, Release, Said},
};

use super::Inner;
use crate::exit::Result;

impl Inner {
    /// The release on which `channel` stands here; none before its first data has come.
    pub(super) fn here<'a>(&self, library: &'a Library, channel: &str) -> Result<Option<Said<'a, Release>>> {
        let refs = self.store().refs()?;
        let here = refs.iter().find(|at| at.library == library.id() && at.channel == channel);
        Ok(here.and_then(|at| library.release(&at.release)))
    }

    /// Whether some channel of `library` stands on `release` here.
    pub(super) fn stands_here(&self, library: &Library, release: &StatementId) -> Result<bool> {
        let refs = self.store().refs()?;
        Ok(refs.iter().any(|at| at.library == library.id() && at.release == *release))
    }
}
