//! The answers about channels and contradictory statements.

use serde::{Deserialize, Serialize};

/// Answer of `channel list`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelList {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// By name.
    pub channels: Vec<ChannelRow>,
}

/// A channel and its release, by the newest statement and in this home.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelRow {
    /// Its name.
    pub name: String,
    /// The current statement about it.
    #[serde(flatten)]
    pub said: MoveRow,
    /// The release to which it points in this home, whose data is here; null before the first data.
    #[serde(rename = "here_release")]
    pub here: Option<String>,
    /// That release's sequence.
    pub here_sequence: Option<u64>,
    /// Whether it points to the release of the statement in this home, too.
    pub up_to_date: bool,
    /// Seconds since enough timekeepers vouched for the statement; null if too few did.
    #[serde(default)]
    pub fresh_age_seconds: Option<u64>,
    /// How many keys the library's root names as timekeepers. Without one, nothing is ever vouched for.
    #[serde(default)]
    pub timekeepers: u64,
}

/// A statement about a channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MoveRow {
    /// The statement's id.
    pub statement: String,
    /// The statement's own sequence, which never goes back.
    pub statement_sequence: u64,
    /// The release that it names.
    pub release: String,
    /// That release's sequence.
    pub sequence: u64,
    /// The publisher's message in the release.
    pub message: String,
    /// When it was signed, by the signer's clock.
    pub time_ms: i64,
    /// The role that its signer had when it signed: `operator` or `publisher`.
    pub by: String,
    /// Whether it is effective. A move of a key that the root no longer names is not, unless the root pins
    /// it.
    #[serde(default)]
    pub effective: bool,
    /// The keys that signed it.
    pub signers: Vec<String>,
    /// The publisher that moves the channel from there.
    pub publisher: String,
    /// Whether new releases of that publisher move the channel at once.
    pub follow: bool,
}

/// Answer of `channel set`, `promote` and `rollback`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelMoved {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The release to which the channel pointed before; null for a new channel.
    pub before: Option<String>,
    /// That release's sequence.
    pub before_sequence: Option<u64>,
    /// How many releases readers of the channel lose by the move; 0 where its release contains the one
    /// before.
    #[serde(default)]
    pub releases_back: u64,
    /// The sequences of these releases, ascending; at most 1,000.
    #[serde(default)]
    pub leaves: Vec<u64>,
    /// The channel now.
    #[serde(flatten)]
    pub channel: ChannelRow,
}

/// Answer of `history`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelHistory {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The channel.
    pub channel: String,
    /// Seconds since enough timekeepers vouched for the current statement; null if too few did.
    #[serde(default)]
    pub fresh_age_seconds: Option<u64>,
    /// How many keys the library's root names as timekeepers. Without one, nothing is ever vouched for.
    #[serde(default)]
    pub timekeepers: u64,
    /// Newest first: the first is the current statement. Moves that are no longer effective are among them.
    pub moves: Vec<MoveRow>,
}

/// Answer of `conflicts`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConflictList {
    /// Open ones first.
    pub conflicts: Vec<ConflictRow>,
}

/// Statements that contradict each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConflictRow {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// `root`, `release`, `channel`, `operators`, `ticket`, `succession` or `checkpoint`.
    pub kind: String,
    /// The subject of the statements.
    pub subject: String,
    /// The remedy.
    pub advice: String,
    /// Whether an operator has decided since.
    pub settled: bool,
    /// The keys that signed any of the statements.
    pub signers: Vec<String>,
    /// The proof, which can be checked with the library's roots.
    pub statements: Vec<ConflictProof>,
}

/// One of the statements of a contradiction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConflictProof {
    /// Its id.
    pub statement: String,
    /// Its sequence.
    pub sequence: u64,
    /// When it was made, by the signer's clock.
    pub time_ms: i64,
    /// The keys that signed it.
    pub signers: Vec<String>,
    /// The envelope as it was signed, in hexadecimal digits.
    pub envelope: String,
}

/// Answer of `fresh`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Vouched {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The channel.
    pub channel: String,
    /// The channel statement that was vouched for.
    pub statement: String,
    /// The release that it names.
    pub release: String,
    /// That release's sequence.
    pub sequence: u64,
    /// The timekeepers that vouched.
    pub signers: Vec<String>,
    /// Seconds since enough timekeepers vouched; null until enough have.
    pub fresh_age_seconds: Option<u64>,
}
