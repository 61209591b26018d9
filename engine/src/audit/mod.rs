//! The audit log's form and its verifier: who did what, when, and with which result, as a chain of records.
//!
//! A [`Record`] holds the id of the one before, so that the id of the last record stands for all of them. A [`Point`] (how
//! many records, and the last one's id) that a node has signed and a peer has kept therefore fixes everything before it:
//! whoever alters, drops, adds or moves a record there ends in another id, and [`Chain`] sees it. What was written after the
//! last such point is only known to hang together: it may have been cut off, or written anew.
//!
//! Here are bytes and rules only. When records are written, what happens where they cannot be, and how often a point is
//! signed, is the node's to say.

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
