//! The answers of `ledger show` and `ledger keep`, and the ledger in `status`.

use serde::{Deserialize, Serialize};

/// Answer of `ledger show`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LedgerShown {
    /// The node whose home it is.
    pub node: String,
    /// `sound`: nothing to do. `mended`: the next start repairs it. `lost`: both files are gone or
    /// unreadable, the next start begins a new ledger. `refused`: an operator must choose a file.
    pub verdict: String,
    /// Why it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The findings about the files, in words.
    pub found: Vec<String>,
    /// Records of which no file has a valid copy.
    pub lost: u64,
    /// The files, `a` first.
    pub copies: Vec<LedgerCopy>,
}

/// One file of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LedgerCopy {
    /// `a` or `b`.
    pub name: String,
    /// Its path.
    pub path: String,
    /// Whether it exists.
    pub present: bool,
    /// Its size in bytes.
    pub bytes: u64,
    /// The node that its header names; absent if the header is damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The ledger's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<String>,
    /// How often the whole file was rewritten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Records that can be read.
    pub records: u64,
    /// The first arrival number; null for none.
    #[serde(default, with = "crate::json::zero_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u64>"))]
    pub first: u64,
    /// The last arrival number; null for none.
    #[serde(default, with = "crate::json::zero_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u64>"))]
    pub last: u64,
    /// Damaged stretches.
    pub damaged: u64,
}

/// The ledger, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LedgerStatus {
    /// `sound`: no damage. `mended`: damage was found and repaired when the home was opened. `lost`: records
    /// are lost, or a library is left out, until a peer sends them again. `read-only`: the damage could not
    /// be repaired.
    pub state: String,
    /// The findings about the files when the home was opened, in words.
    pub found: Vec<String>,
    /// Records of which no file has a valid copy.
    pub lost: u64,
    /// Libraries of which statements are held, but not the root.
    pub left_out: Vec<LeftOut>,
    /// The highest arrival number given.
    pub arrival: u64,
    /// Statements held.
    pub statements: u64,
    /// Bytes of each of the two files.
    pub bytes: u64,
}

/// A library of which statements are held, but not the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeftOut {
    /// Its id.
    pub library: String,
    /// Why.
    pub reason: String,
}

/// Answer of `ledger keep`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LedgerKept {
    /// The node whose home it is.
    #[serde(default)]
    pub node: String,
    /// The file that was kept: `a` or `b`.
    pub kept: String,
    /// Whether it was done; `false` with `--dry-run`.
    pub done: bool,
    /// The file that is kept.
    #[serde(rename = "kept_copy")]
    pub from: LedgerCopy,
    /// The other file.
    pub instead_of: LedgerCopy,
    /// Records of the other file after the last record of the kept file. They stay in the saved copy of the
    /// other file.
    pub left_behind: u64,
    /// Paths of the saved copies of the old files.
    pub set_aside: Vec<String>,
}
