//! The format of the audit log and its verifier. The log records each action with its actor, time and result,
//! as a chain of records.
//!
//! A [`Record`] contains the id of the record before, so the id of the last record covers all of them. A
//! [`Point`] is a number of records and the id of the last one. If a node signed a point and a peer stored
//! it, then the point fixes all records before it: any change, removal, addition or move of a record there
//! results in another id, and [`Chain`] detects it. For records after the last such point, only their links
//! are verified: records may have been cut off or rewritten.
//!
//! This module has formats and rules only. The node decides when records are written, how a failed write is
//! handled, and how often a point is signed.

mod actor;
mod chain;
mod event;
mod jump;
mod record;
#[cfg(test)]
mod tests;
mod verb;

pub use actor::Actor;
pub use chain::{Chain, Finding, Gap, Point, Verdict};
pub use event::{Ending, Event};
pub use jump::Jump;
pub use record::Record;
pub use verb::Verb;
