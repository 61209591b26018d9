//! The poison of a home: after a failed write or sync of any of its files, no further write is acknowledged.
//!
//! All stores of a home share one. It is cleared when the home is opened again.

use std::sync::{Arc, OnceLock};

use chuan_engine::{Error, Result};

/// Whether an earlier write failed, and its error. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Poison(Arc<OnceLock<String>>);

impl Poison {
    /// Refuses writes from now on. The first cause is kept.
    pub fn set(&self, cause: impl Into<String>) {
        let _ = self.0.set(cause.into());
    }

    /// Fails with [`Error::Poisoned`] if an earlier write failed.
    pub fn check(&self) -> Result<()> {
        match self.0.get() {
            Some(cause) => Err(Error::Poisoned(cause.clone())),
            None => Ok(()),
        }
    }
}
