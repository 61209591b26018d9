//! The node's audit log on disk: `H/audit/`, written once and never again. What a record is and what proves it is
//! `chuan_engine::audit`'s; which events there are is said where they happen.
//!
//! ```text
//! H/audit/
//!   00000000000000000000.log   records, one after the other; the name is the index of the first
//!   00000000000000081920.log   the next file, once the one before was full, or behind a gap
//!   checkpoint                 how far the log was durable at least, and where that is in which file
//!   torn-00000000000000082000  bytes that a crash had left at the end, kept when they were cut off
//! ```

mod failed;
mod files;
mod kept;
pub(crate) mod line;
mod log;
#[cfg(test)]
mod tests;
mod verify;

use std::time::Duration;

pub(crate) use failed::{FailedAuths, Remote};
pub(crate) use files::Files;
pub(crate) use log::Log;
pub use verify::verify_export;
pub(crate) use verify::{Given, verify_files};

/// Bytes of a file of the log; a new one begins where it would grow beyond.
const FILE_BYTES: u64 = 16 * 1024 * 1024;
/// Records after which a checkpoint is made, at the latest.
const CHECKPOINT_RECORDS: u64 = 100;
/// Time after which one is made, at the latest.
pub(crate) const CHECKPOINT_PERIOD: Duration = Duration::from_secs(10);
