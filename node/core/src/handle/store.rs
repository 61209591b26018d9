//! [`Store`]: the chunks, pages and statements of an open home.

use std::sync::Arc;

use super::{Progress, Update, answer};
use crate::{
    command::{Command, Verify},
    open_home::OpenHome,
    outcome::{Rebuilt, Verified},
};

/// The store of an open home: the content of all libraries, and the ledger.
#[derive(Clone, Debug)]
pub struct Store(pub(super) Arc<OpenHome>);

impl Store {
    /// Checks that every object is held that the held releases name. With `deep`, first compares every stored
    /// byte with its hash. A finding is an answer, not an error.
    pub fn verify(&self, deep: bool) -> Progress<Verified> {
        let home = Arc::clone(&self.0);
        Progress::new(Update::of, move |job| async move {
            answer!(Verify)(home.run(Command::Verify(Verify { deep }), job).await?)
        })
    }

    /// Builds the index again from the segments, while other commands and peers use the old one.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`](super::Error::Busy) where another rebuild is under way.
    pub fn rebuild(&self) -> Progress<Rebuilt> {
        let home = Arc::clone(&self.0);
        Progress::new(Update::of, move |job| async move {
            answer!(Rebuild)(home.run(Command::Rebuild, job).await?)
        })
    }
}
