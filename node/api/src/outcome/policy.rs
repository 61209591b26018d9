//! The answer of the commands about policies.

use serde::{Deserialize, Serialize};

/// Answer of `policy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyShown {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The policy's statement; absent where none stands, and of a file.
    pub statement: Option<String>,
    /// Its sequence; 0 where there is no statement.
    pub sequence: u64,
    /// When it was signed.
    pub time_ms: i64,
    /// The keys that signed it.
    pub signers: Vec<String>,
    /// Whether publishes leave known junk out.
    pub junk: bool,
    /// What publishes leave out, by name.
    pub excludes: Vec<String>,
    /// The rows, by slot.
    pub classes: Vec<ClassPolicyRow>,
    /// Fields that this version does not know.
    pub unknown: u64,
    /// What `set` changes or would change, a line each.
    pub changes: Vec<String>,
    /// What the file says that is for `publish --policy`.
    pub left: Vec<String>,
    /// What `check` found.
    pub findings: Vec<PolicyFinding>,
    /// Whether `set` signed it and put it to use.
    pub set: bool,
}

/// A class's row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassPolicyRow {
    /// The class's slot.
    pub slot: u8,
    /// Its name; absent where this home does not know it.
    pub name: Option<String>,
    /// `static`, `incremental` or `dynamic`, where that is said.
    pub mirror: Option<String>,
    /// How often mirrors look for something new.
    pub every_seconds: Option<u64>,
    /// What is higher goes first.
    pub priority: Option<u8>,
    /// How long after a release a mirror shall have all of it.
    pub complete_by_seconds: Option<u64>,
    /// How long the class may be out of reach.
    pub rto_seconds: Option<u64>,
    /// How far back a copy may be.
    pub rpo_seconds: Option<u64>,
    /// How many viewers at once shall be served.
    pub viewers: Option<u64>,
    /// How many whole copies there shall be.
    pub replicas: Option<u16>,
    /// The regions in which there shall be copies.
    pub regions: Vec<String>,
    /// How many of its newest versions are kept; absent for all.
    pub keep_releases: Option<u64>,
    /// For how long each of its versions is kept; absent for good.
    pub keep_seconds: Option<u64>,
    /// The age above which it is not read by a channel's name.
    pub max_stale_seconds: Option<u64>,
    /// The same in words.
    pub says: Vec<String>,
}

/// Something that `policy check` found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyFinding {
    /// `error`: it cannot be set so; `warning`: it cannot be met as things are.
    pub level: String,
    /// What, and what to do.
    pub text: String,
}
