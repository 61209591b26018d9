//! The poison of a home: after a failed write or sync of any of its files, no further write is acknowledged.
//!
//! All stores of a home share one. It is cleared when the home is opened again.

use std::sync::{Arc, OnceLock};

use chuan_engine::{Error, Result};

/// Whether an earlier write failed, and its error. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Poison(Arc<OnceLock<Cause>>);

#[derive(Debug)]
struct Cause {
    text: String,
    /// Whether there was no room: the caller then has another remedy.
    is_full: bool,
}

impl Poison {
    /// Refuses writes from now on. The first cause is kept.
    pub fn set(&self, cause: impl Into<String>) {
        let _ = self.0.set(Cause { text: cause.into(), is_full: false });
    }

    /// The same after this error of a write.
    pub(crate) fn set_after(&self, error: &Error) {
        let _ = self.0.set(Cause { text: error.to_string(), is_full: matches!(error, Error::Full(_)) });
    }

    /// Fails with [`Error::Poisoned`] if an earlier write failed; with [`Error::Full`] if it found no room.
    pub fn check(&self) -> Result<()> {
        match self.0.get() {
            Some(Cause { text, is_full: true }) => Err(Error::Full(format!(
                "the store refuses writes since an earlier one failed ({text}); start again when there is room"
            ))),
            Some(Cause { text, .. }) => Err(Error::Poisoned(text.clone())),
            None => Ok(()),
        }
    }
}
