//! The events of a command before its outcome: progress, notes, rows and bytes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::outcome::Row;

/// An event of a command before its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The progress so far.
    Progress(Progress),
    /// A line for people: a skipped item, a wait, a warning.
    Note(String),
    /// One line of a listing.
    Row(Row),
    /// Bytes of an answer: of `cat`, of `audit export` without a file, of the bundle of `statements`. Never
    /// part of a JSON stream.
    #[serde(skip)]
    Data(Bytes),
}

/// The progress of a command. Counts only grow; totals appear when they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Progress {
    /// The work: `publish`, `pull`, `restore`, `verify`, `rebuild`.
    pub phase: String,
    /// Bytes of content processed.
    pub bytes_done: u64,
    /// All bytes of content to process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<u64>,
    /// Bytes of `bytes_done` that were neither stored nor fetched, because they are held already.
    pub bytes_saved: u64,
    /// Files processed.
    pub files_done: u64,
    /// All files to process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_total: Option<u64>,
}
