//! What a command says before it ends: progress, notes, rows and content.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::outcome::Row;

/// Something a command says before it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// How far it is.
    Progress(Progress),
    /// A line for people: what was skipped, what is being waited for.
    Note(String),
    /// One line of a listing.
    Row(Row),
    /// Content, of `cat` only; never part of a JSON stream.
    #[serde(skip)]
    Data(Bytes),
}

/// How far a command is. Counts only grow; totals appear when they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done: `publish`, `pull`, `restore`, `verify`, `rebuild`.
    pub phase: String,
    /// Bytes of content dealt with.
    pub bytes_done: u64,
    /// Bytes of content in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<u64>,
    /// Bytes among those done that were not stored or fetched, because they are held already.
    pub bytes_saved: u64,
    /// Files dealt with.
    pub files_done: u64,
    /// Files in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_total: Option<u64>,
}
