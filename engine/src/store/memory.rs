//! The twins in memory of what keeps a home's content and statements, for tests of everything above the seams.

pub mod ledger;
pub mod objects;

pub use ledger::MemoryLedger;
pub use objects::{MemoryObjects, MemoryShelves};

use crate::error::{Error, Result};

/// Why a twin takes no writes.
#[derive(Clone, Debug)]
enum Refusal {
    /// A write of the home has failed.
    Poisoned(String),
    /// There is no room.
    Full,
}

impl Refusal {
    /// The error of a write, if it is refused.
    fn check(refusal: Option<&Self>) -> Result<()> {
        match refusal {
            None => Ok(()),
            Some(Refusal::Poisoned(cause)) => Err(Error::Poisoned(cause.clone())),
            Some(Refusal::Full) => {
                Err(Error::Full("the store in memory was told to be full; make room in it".to_owned()))
            }
        }
    }
}
