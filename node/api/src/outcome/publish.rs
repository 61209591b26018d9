//! The answer of `publish`.

use chuan_engine::ingest::{Gap, Planned, Tally};
use serde::{Deserialize, Serialize};

use super::{ClassRow, MoveRow};

/// An item that is left out of a release without a gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Skipped {
    /// The path; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// An item that differs between the release and the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GapRow {
    /// The path; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// Why.
    pub reason: String,
    /// The item in the release: `previous`, as it was published before, or `absent`.
    pub stands: String,
}

/// A file that a dry run finds otherwise than it is in the last release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedRow {
    /// Its path.
    pub path: String,
    /// `added`, `changed` in size, time or mode, `reclassified`: only its class changes, or `removed`.
    pub change: String,
    /// The name of its class; where it is removed, of the class in which it is.
    pub class: String,
    /// The name of its class in the last release, if that is another; absent if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_old: Option<String>,
    /// Old size in bytes; null if added.
    pub bytes_old: Option<u64>,
    /// New size in bytes; null if removed.
    pub bytes_new: Option<u64>,
}

impl PlannedRow {
    /// The row of a file; `name` returns the name of the class in a slot.
    pub fn of(planned: Planned, name: impl Fn(u8) -> String) -> Self {
        Self {
            path: planned.path,
            change: planned.change.word().to_owned(),
            class: name(planned.slot),
            class_old: planned.slot_old.map(name),
            bytes_old: planned.bytes_old,
            bytes_new: planned.bytes_new,
        }
    }
}

/// Answer of `publish`. Each list names at most 1,000 items; its total counts all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Published {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The release that is current now.
    pub release: String,
    /// Its sequence.
    pub sequence: u64,
    /// Its manifest.
    pub manifest: String,
    /// Whether a new release was made; `false` if nothing changed.
    pub changed: bool,
    /// Whether this publish founded the library; of a dry run, whether it would.
    pub founded: bool,
    /// Of a dry run that would found a library: the names of the other libraries of this home. The run then
    /// needs `--found`, or an answer on a terminal. Absent if there are none, or with `--found`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// The home with the keys of the new library, if this publish founded it, or is the first one and the
    /// home has no backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Whether this was a dry run, which changes nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// The path in the library of a single file; absent where a folder was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its class; absent where a folder was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The classes that were published, of a dry run as they would be; other classes are unchanged.
    #[serde(default)]
    pub classes: Vec<ClassRow>,
    /// Whether `live` did not move to the release, or of a dry run would not, because it follows another
    /// publisher or none.
    #[serde(default)]
    pub side: bool,
    /// Whether `live` did not move because it is contradicted: its publisher's key moved it to two releases
    /// at one sequence. It stays until an operator moves it. Absent if it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contradicted: bool,
    /// The publisher that moves `live`.
    #[serde(default)]
    pub live_publisher: String,
    /// Whether `live` follows that publisher.
    #[serde(default)]
    pub live_follows: bool,
    /// The sequence of the release to which `live` points.
    #[serde(default)]
    pub live_sequence: u64,
    /// The statement that moved `live` back, where this release replaces that: `live` moves on with it.
    /// Absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<MoveRow>,
    /// Files in the classes.
    pub files: u64,
    /// Their bytes.
    pub bytes_total: u64,
    /// Bytes read from the source; of a dry run, bytes that would be read.
    pub bytes_read: u64,
    /// Bytes of unchanged files, which were not read.
    pub bytes_skipped: u64,
    /// Files at paths that had no file.
    #[serde(default)]
    pub files_new: u64,
    /// Their bytes.
    #[serde(default)]
    pub bytes_new: u64,
    /// Files whose size, time or mode differs from the published one.
    #[serde(default)]
    pub files_changed: u64,
    /// Their bytes now.
    #[serde(default)]
    pub bytes_changed: u64,
    /// Files that were published before and are not in this release.
    #[serde(default)]
    pub files_gone: u64,
    /// Their bytes.
    #[serde(default)]
    pub bytes_gone: u64,
    /// Of a dry run, the files that the release would have otherwise than the last one, in path order.
    #[serde(default)]
    pub changes: Vec<PlannedRow>,
    /// The number of these files.
    #[serde(default)]
    pub changes_total: u64,
    /// Chunks that the store did not hold.
    pub chunks_new: u64,
    /// Their bytes.
    pub chunk_bytes_new: u64,
    /// Items that are never published: special files, links that lead outside, keys and homes, items deleted
    /// meanwhile.
    pub skipped: Vec<Skipped>,
    /// The number of skipped items.
    #[serde(default)]
    pub skipped_total: u64,
    /// Items that patterns leave out. A folder is one item.
    #[serde(default)]
    pub excluded: Vec<Skipped>,
    /// The number of excluded items.
    #[serde(default)]
    pub excluded_total: u64,
    /// Items that could not be taken; a second run would not take them either.
    #[serde(default)]
    pub gaps: Vec<GapRow>,
    /// The number of gaps.
    #[serde(default)]
    pub gaps_total: u64,
    /// Files that changed while they were read.
    #[serde(default)]
    pub unsettled: Vec<GapRow>,
    /// The number of unsettled files.
    #[serde(default)]
    pub unsettled_total: u64,
    /// Files with extended attributes that are not in the release. A dry run does not look for them.
    #[serde(default)]
    pub xattrs_left_total: u64,
    /// Duration of the publish.
    pub seconds: f64,
    /// The part of it in which the publish waited for peers.
    #[serde(default)]
    pub asked_seconds: f64,
}

impl Published {
    /// The counts and lists of a tally; all other fields are empty.
    pub fn of_tally(tally: Tally) -> Self {
        let skipped = |(path, reason)| Skipped { path, reason };
        Self {
            bytes_read: tally.bytes_read,
            bytes_skipped: tally.bytes_skipped,
            files_new: tally.files_new,
            bytes_new: tally.bytes_new,
            files_changed: tally.files_changed,
            bytes_changed: tally.bytes_changed,
            files_gone: tally.files_gone,
            bytes_gone: tally.bytes_gone,
            chunks_new: tally.chunks_new,
            chunk_bytes_new: tally.chunk_bytes_new,
            xattrs_left_total: tally.xattrs_left,
            skipped_total: tally.skipped.count,
            skipped: tally.skipped.first.into_iter().map(skipped).collect(),
            excluded_total: tally.excluded.count,
            excluded: tally.excluded.first.into_iter().map(skipped).collect(),
            gaps_total: tally.gaps.count,
            gaps: tally.gaps.first.into_iter().map(GapRow::from).collect(),
            unsettled_total: tally.unsettled.count,
            unsettled: tally.unsettled.first.into_iter().map(GapRow::from).collect(),
            ..Self::default()
        }
    }
}

impl From<Gap> for GapRow {
    fn from(gap: Gap) -> Self {
        let stands = if gap.stands { "previous" } else { "absent" };
        Self { path: gap.path, reason: gap.reason, stands: stands.to_owned() }
    }
}
