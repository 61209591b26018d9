//! The answer of the commands about policies.

use serde::{Deserialize, Serialize};

/// Answer of `policy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PolicyShown {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The policy's statement; null if the library has no policy, and for a policy file.
    pub statement: Option<String>,
    /// Its sequence; null if there is no statement.
    #[serde(default, with = "crate::json::zero_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u64>"))]
    pub sequence: u64,
    /// When it was signed; null if there is no statement.
    #[serde(default, with = "crate::json::zero_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<i64>"))]
    pub time_ms: i64,
    /// The keys that signed it.
    pub signers: Vec<String>,
    /// Whether publishes leave known junk out.
    pub junk: bool,
    /// The patterns of names that publishes leave out.
    pub excludes: Vec<String>,
    /// The rows, sorted by slot.
    pub classes: Vec<ClassPolicyRow>,
    /// Fields that this version does not know.
    pub unknown: u64,
    /// The changes that `set` makes or would make, one line each.
    pub changes: Vec<String>,
    /// The classes of which `set` keeps, copies or serves less than before.
    #[serde(default)]
    pub takes: Vec<String>,
    /// The settings of the file that are for `publish --policy`.
    pub left: Vec<String>,
    /// The findings of `check`.
    pub findings: Vec<PolicyFinding>,
    /// Whether this was a dry run of `set`, which signs nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether `set` signed and applied the policy.
    pub set: bool,
}

/// A class's row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClassPolicyRow {
    /// The class's slot.
    pub slot: u8,
    /// Its name; null if this home does not know it.
    pub name: Option<String>,
    /// `static`, `incremental` or `dynamic`; null if not set.
    pub mirror: Option<String>,
    /// How often mirrors look for a new release.
    pub every_seconds: Option<u64>,
    /// Classes with a higher number go first.
    pub priority: Option<u8>,
    /// How long after a release a mirror shall have all of it.
    pub complete_by_seconds: Option<u64>,
    /// How long the class may be out of reach.
    pub rto_seconds: Option<u64>,
    /// How far back a copy may be.
    pub rpo_seconds: Option<u64>,
    /// How many viewers shall be served at the same time.
    pub viewers: Option<u64>,
    /// How many complete copies there shall be.
    pub replicas: Option<u16>,
    /// The regions in which there shall be copies.
    pub regions: Vec<String>,
    /// How many of its newest versions are kept; null for all.
    pub keep_releases: Option<u64>,
    /// How long each of its versions is kept; null for no limit.
    pub keep_seconds: Option<u64>,
    /// The age above which it is not read by a channel's name.
    pub max_stale_seconds: Option<u64>,
    /// The settings above in words.
    pub says: Vec<String>,
}

/// A finding of `policy check`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PolicyFinding {
    /// `error`: the policy cannot be set like this. `warning`: the present members and regions cannot meet
    /// it.
    pub level: String,
    /// The problem and the remedy.
    pub text: String,
}
