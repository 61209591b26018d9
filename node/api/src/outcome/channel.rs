//! The answers about channels, and about what was said twice.

use serde::{Deserialize, Serialize};

/// Answer of `channel list`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChannelList {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// By name.
    pub channels: Vec<ChannelRow>,
}

/// Where a channel stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChannelRow {
    /// Its name.
    pub name: String,
    /// What was said of it last.
    #[serde(flatten)]
    pub said: MoveRow,
    /// The release on which it stands in this home, whose data is here; absent before any has come.
    pub here: Option<String>,
    /// That release's sequence.
    pub here_sequence: Option<u64>,
    /// Whether it stands here where it was said to.
    pub up_to_date: bool,
    /// Seconds since enough timekeepers vouched that it stands where it was said to; absent where they don't.
    #[serde(default)]
    pub fresh_age_seconds: Option<u64>,
}

/// A statement about a channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MoveRow {
    /// The statement's id.
    pub statement: String,
    /// Its own sequence, which never goes back.
    pub statement_sequence: u64,
    /// The release it names.
    pub release: String,
    /// That release's sequence.
    pub sequence: u64,
    /// What the publisher said of the release.
    pub message: String,
    /// When it was said, by the signer's clock.
    pub time_ms: i64,
    /// On whose word: `operator` or `publisher`.
    pub by: String,
    /// The keys that signed it.
    pub signers: Vec<String>,
    /// The publisher that moves the channel from there.
    pub publisher: String,
    /// Whether that publisher's new releases are current at once.
    pub follow: bool,
}

/// Answer of `channel set`, `promote` and `rollback`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChannelMoved {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The release on which the channel stood before; absent where it is new.
    pub before: Option<String>,
    /// That release's sequence.
    pub before_sequence: Option<u64>,
    /// Where it stands now.
    #[serde(flatten)]
    pub channel: ChannelRow,
}

/// Answer of `history`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChannelHistory {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The channel.
    pub channel: String,
    /// Seconds since enough timekeepers vouched that it stands there; absent where they don't.
    #[serde(default)]
    pub fresh_age_seconds: Option<u64>,
    /// Newest first: the first is where the channel stands.
    pub moves: Vec<MoveRow>,
}

/// Answer of `conflicts`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConflictList {
    /// Open ones first.
    pub conflicts: Vec<ConflictRow>,
}

/// Statements that cannot all be meant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConflictRow {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// `root`, `release`, `channel`, `operators`, `ticket`, `succession` or `checkpoint`.
    pub kind: String,
    /// What was contradicted.
    pub subject: String,
    /// What to do about it.
    pub advice: String,
    /// Whether an operator has decided since.
    pub settled: bool,
    /// The keys that signed any of the statements.
    pub signers: Vec<String>,
    /// The proof: whoever has the library's roots can check it.
    pub statements: Vec<ConflictProof>,
}

/// One of the statements of a contradiction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Seconds since enough timekeepers have; absent while more have to.
    pub fresh_age_seconds: Option<u64>,
}
