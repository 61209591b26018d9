//! Object stores and a ledger in memory, for tests of the code above the interfaces.

pub mod ledger;
pub mod objects;

pub use ledger::MemoryLedger;
pub use objects::{MemoryObjectStores, MemoryObjects};

use crate::error::{Error, Result};

/// Why a store in memory refuses writes.
#[derive(Clone, Debug)]
enum Refusal {
    /// A write of the home has failed.
    Poisoned(String),
    /// The store is full.
    Full,
}

impl Refusal {
    /// The error of a write, if writes are refused.
    fn check(refusal: Option<&Self>) -> Result<()> {
        match refusal {
            None => Ok(()),
            Some(Refusal::Poisoned(cause)) => Err(Error::Poisoned(cause.clone())),
            Some(Refusal::Full) => {
                Err(Error::Full("the store in memory is set to be full; free some space in it".to_owned()))
            }
        }
    }
}
