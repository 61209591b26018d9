//! The answer of `publish`.

use chuan_engine::ingest::{Gap, Tally};
use serde::{Deserialize, Serialize};

use super::ClassRow;

/// Something that is not published and need not be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    /// The path, with what is not UTF-8 replaced.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Something that the release has not as the source has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GapRow {
    /// The path, with what is not UTF-8 replaced.
    pub path: String,
    /// Why.
    pub reason: String,
    /// What the release has in its place: `previous`, as it was published before, or `absent`.
    pub stands: String,
}

/// Answer of `publish`. Lists name at most 1,000; their totals count all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Whether a new release was made; `false` when nothing changed.
    pub changed: bool,
    /// Whether the library was founded by this publish; of a dry run, whether it would be.
    pub founded: bool,
    /// Whether this is what would be done, and nothing was.
    #[serde(default)]
    pub dry_run: bool,
    /// The classes that were published; others are as they were.
    #[serde(default)]
    pub classes: Vec<ClassRow>,
    /// Whether the release lies beside `live`, which stays where it was.
    #[serde(default)]
    pub side: bool,
    /// The publisher that moves `live`.
    #[serde(default)]
    pub live_publisher: String,
    /// Whether `live` follows that publisher.
    #[serde(default)]
    pub live_follows: bool,
    /// Files in the classes.
    pub files: u64,
    /// Their bytes.
    pub bytes_total: u64,
    /// Bytes read from the source; of a dry run, those that would be.
    pub bytes_read: u64,
    /// Bytes of files that had not changed and were not read.
    pub bytes_skipped: u64,
    /// Files at paths that had none.
    #[serde(default)]
    pub files_new: u64,
    /// Their bytes.
    #[serde(default)]
    pub bytes_new: u64,
    /// Files whose size, time or mode is not what was published.
    #[serde(default)]
    pub files_changed: u64,
    /// Their bytes now.
    #[serde(default)]
    pub bytes_changed: u64,
    /// Files that were published and are not any more.
    #[serde(default)]
    pub files_gone: u64,
    /// Their bytes.
    #[serde(default)]
    pub bytes_gone: u64,
    /// Chunks the store did not hold.
    pub chunks_new: u64,
    /// Their bytes.
    pub chunk_bytes_new: u64,
    /// What is not published and need not be: special files, links that lead out, keys and homes, what was deleted meanwhile.
    pub skipped: Vec<Skipped>,
    /// How many those are.
    #[serde(default)]
    pub skipped_total: u64,
    /// What patterns leave out. A folder counts once.
    #[serde(default)]
    pub excluded: Vec<Skipped>,
    /// How many those are.
    #[serde(default)]
    pub excluded_total: u64,
    /// What cannot be published, and a second run would not take either.
    #[serde(default)]
    pub gaps: Vec<GapRow>,
    /// How many those are.
    #[serde(default)]
    pub gaps_total: u64,
    /// Files that changed while they were read.
    #[serde(default)]
    pub unsettled: Vec<GapRow>,
    /// How many those are.
    #[serde(default)]
    pub unsettled_total: u64,
    /// How long it took.
    pub seconds: f64,
}

impl Published {
    /// What was read, and what was not taken.
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
