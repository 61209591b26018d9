//! The answers of `releases`, `ls` and `diff`, and the rows that come before them.

use std::collections::BTreeMap;

use chuan_engine::manifest::table::ClassHeader;
use serde::{Deserialize, Serialize};

use super::{AuditRecord, Lag};

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Row {
    /// Of `diff`.
    Change {
        /// The path.
        path: String,
        /// `added`, `removed`, `changed`, or `reclassified`: only its class changed.
        change: String,
        /// Old size in bytes; null if added.
        #[serde(rename = "bytes_old")]
        size_old: Option<u64>,
        /// New size in bytes; null if removed.
        #[serde(rename = "bytes_new")]
        size_new: Option<u64>,
    },
    /// Of `ls`.
    Entry {
        /// The path.
        path: String,
        /// `file`, `dir` or `link`.
        kind: String,
        /// Size in bytes.
        #[serde(rename = "bytes")]
        size: u64,
        /// Modification time.
        mtime_ms: i64,
        /// Permission bits.
        mode: u16,
        /// Chunks of content.
        chunks: u64,
        /// The class it is in.
        #[serde(default)]
        class: String,
        /// The target of a link.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<String>,
    },
    /// Of `audit tail` and `show`.
    Record(Box<AuditRecord>),
}

/// A class of a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClassRow {
    /// Its name.
    pub name: String,
    /// Its slot in the class table, which never changes.
    pub slot: u8,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl ClassRow {
    /// The row of a class with this header.
    pub fn of(header: &ClassHeader) -> Self {
        Self {
            name: header.name.clone(),
            slot: header.slot,
            files: header.sums.files,
            bytes: header.sums.bytes,
        }
    }
}

/// The classes of a library that are known here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClassList {
    /// The library's id.
    pub library: String,
    /// By slot. A class that is known only from a release's list of names has no files here.
    pub classes: Vec<ClassRow>,
}

/// A release, in lists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseRow {
    /// Its id.
    pub release: String,
    /// Its sequence.
    pub sequence: u64,
    /// When it was made, by the publisher's clock.
    pub time_ms: i64,
    /// Its manifest.
    pub manifest: String,
    /// The publisher's message.
    pub message: String,
    /// Channels that point to it here.
    pub channels: Vec<String>,
    /// For each of them, seconds since enough timekeepers vouched for the release here; null if too few did.
    #[serde(default)]
    pub fresh_ages_seconds: BTreeMap<String, Option<u64>>,
    /// Files in the classes that are here; null if the manifest is not held.
    pub files: Option<u64>,
    /// Their bytes; null if the manifest is not held.
    pub bytes: Option<u64>,
    /// Whether all of its data that is granted to this node is known to be held.
    pub complete: bool,
}

/// Answer of `releases`, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseList {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// How many keys the library's root names as timekeepers. Without one, nothing is ever vouched for.
    #[serde(default)]
    pub timekeepers: u64,
    /// Newest first.
    pub releases: Vec<ReleaseRow>,
}

/// Answer of `ls`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Listed {
    /// The release.
    pub release: String,
    /// The channel that the request named; null if it named a release.
    #[serde(default)]
    pub channel: Option<String>,
    /// Seconds since enough timekeepers vouched for that channel; null if too few did.
    #[serde(default)]
    pub fresh_age_seconds: Option<u64>,
    /// How many keys the library's root names as timekeepers. Without one, nothing is ever vouched for.
    #[serde(default)]
    pub timekeepers: u64,
    /// The release of that channel here, and the announced release; absent if the request named a release.
    #[serde(flatten)]
    pub lag: Option<Lag>,
    /// Its sequence.
    pub sequence: u64,
    /// The classes that are here.
    #[serde(default)]
    pub classes: Vec<ClassRow>,
    /// Classes of the release that are not granted to this node.
    #[serde(default)]
    pub classes_absent: u64,
    /// Classes that were left out, because the last vouch for the channel is older than they allow
    /// (`max_stale`).
    #[serde(default)]
    pub classes_stale: Vec<String>,
    /// Files in the listed classes.
    pub files: u64,
    /// Their bytes.
    pub bytes_total: u64,
}

/// Answer of `diff`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Differed {
    /// The library's id.
    #[serde(default)]
    pub library: String,
    /// Its label.
    #[serde(default)]
    pub library_name: String,
    /// The old release.
    pub old: String,
    /// The new release.
    pub new: String,
    /// The channel that the request named for the old release; null if it named a release.
    #[serde(default)]
    pub old_channel: Option<String>,
    /// Seconds since enough timekeepers vouched for that channel; null if too few did.
    #[serde(default)]
    pub old_fresh_age_seconds: Option<u64>,
    /// The channel that the request named for the new release; null if it named a release.
    #[serde(default)]
    pub new_channel: Option<String>,
    /// Seconds since enough timekeepers vouched for that channel; null if too few did.
    #[serde(default)]
    pub new_fresh_age_seconds: Option<u64>,
    /// How many keys the library's root names as timekeepers. Without one, nothing is ever vouched for.
    #[serde(default)]
    pub timekeepers: u64,
    /// Paths only in the new.
    pub added: u64,
    /// Paths only in the old.
    pub removed: u64,
    /// Paths that differ.
    pub changed: u64,
    /// Paths that differ only in their class.
    #[serde(default)]
    pub reclassified: u64,
    /// Classes that were not compared, because they are not granted to this node.
    #[serde(default)]
    pub classes_absent: u64,
}
