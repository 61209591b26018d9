//! The node's audit log on disk: `H/audit/`, append-only. The format of a record and its proof are in
//! `chuan_engine::audit`; each event is made where it happens.
//!
//! ```text
//! H/audit/
//!   00000000000000000000.log   records in order; the name is the index of the first record
//!   00000000000000081920.log   the next file: after a full file, or after a gap
//!   checkpoint                 a point up to which the log is durable, and its position in the files
//!   torn-00000000000000082000  bytes that a crash left at the end; they were cut off and copied here
//! ```

pub(crate) mod event_of;
mod failed;
mod files;
mod kept;
pub(crate) mod line;
mod log;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use failed::{FailedAuths, Remote};
pub(crate) use files::Files;
pub(crate) use log::Log;
pub use verify::verify_export;
pub(crate) use verify::{Given, verify_files};
