//! The answers of `verify` and `rebuild`.

use serde::{Deserialize, Serialize};

/// Answer of `verify`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verified {
    /// Whether nothing is missing and nothing is corrupt.
    pub ok: bool,
    /// Whether stored bytes were hashed.
    pub deep: bool,
    /// Releases whose pages were walked.
    pub releases: u64,
    /// Pages checked.
    pub pages: u64,
    /// Chunks checked.
    pub chunks: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// Objects that a release names and that are not held.
    pub missing: u64,
    /// Of the missing objects, those of releases that were complete here before.
    #[serde(default)]
    pub lost: u64,
    /// Damaged objects.
    pub corrupt: u64,
    /// Classes of the releases that are not granted to this node.
    #[serde(default)]
    pub classes_absent: u64,
    /// Damaged places in segments that do no harm: their content was stored again, or no release needs it.
    pub superseded: u64,
    /// The first missing and corrupt objects, in words.
    pub problems: Vec<String>,
    /// The number of missing and corrupt objects.
    #[serde(default)]
    pub problems_total: u64,
    /// Duration of the check.
    pub seconds: f64,
}

/// Answer of `rebuild`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rebuilt {
    /// Segments read.
    pub segments: u64,
    /// Chunks indexed.
    pub chunks: u64,
    /// Pages indexed.
    pub pages: u64,
    /// Statements indexed.
    pub statements: u64,
    /// Records that could not be read, and that are needed.
    pub lost: u64,
    /// Damaged places in segments that do no harm: their content was stored again, or no release needs it.
    #[serde(default)]
    pub superseded: u64,
    /// The first damaged records, in words.
    pub problems: Vec<String>,
    /// The number of damaged records.
    #[serde(default)]
    pub problems_total: u64,
    /// Duration of the rebuild.
    pub seconds: f64,
}
