//! The answers of `verify` and `rebuild`.

use serde::{Deserialize, Serialize};

/// Answer of `verify`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// Whether nothing is missing and nothing corrupt.
    pub ok: bool,
    /// Whether bytes were hashed.
    pub deep: bool,
    /// Releases whose structure was walked.
    pub releases: u64,
    /// Pages checked.
    pub pages: u64,
    /// Chunks checked.
    pub chunks: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// Things that are named and not held.
    pub missing: u64,
    /// Things whose bytes are damaged.
    pub corrupt: u64,
    /// Classes that releases have and that are not granted to this node.
    #[serde(default)]
    pub classes_absent: u64,
    /// Damaged records whose content has been fetched or published again since: no harm, and no use.
    pub superseded: u64,
    /// The first of them, in words.
    pub problems: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// Answer of `rebuild`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rebuilt {
    /// Segments read.
    pub segments: u64,
    /// Chunks indexed.
    pub chunks: u64,
    /// Pages indexed.
    pub pages: u64,
    /// Statements indexed.
    pub statements: u64,
    /// Records that could not be read back.
    pub lost: u64,
    /// What was found damaged, in words.
    pub problems: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}
