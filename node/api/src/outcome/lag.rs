//! How far this node is behind the announced release of a channel: a part of the answers of `pull`,
//! `status`, `ls` and `restore`.

use serde::{Deserialize, Serialize};

/// The release of a channel here, and the announced release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lag {
    /// The release to which the channel points here; absent before its first data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub here: Option<ReleaseRef>,
    /// The release to which it points by the newest statement that this node knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<Announced>,
    /// The time of this answer, by this node's clock. Without a default: an answer without a lag has no such
    /// key, and is read as one without a lag.
    pub at_ms: i64,
    /// By how many releases the one here is behind the announced one; 0 if it is not behind. Where that
    /// number is unknown, or the channel moved back, it is 1.
    #[serde(default)]
    pub behind: u64,
    /// Since when a newer release is announced than is here, by this node's clock; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind_since_ms: Option<i64>,
    /// The nodes that were asked for the announced release, with the last answer of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Asked>,
    /// Whether the channel is contradicted: one key moved it to two releases at one sequence. It stays until
    /// an operator moves it; `chuan conflicts` has the proof. Absent if it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contradicted: bool,
}

/// A release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseRef {
    /// Its id.
    pub release: String,
    /// Its sequence.
    pub sequence: u64,
}

/// The newest release of a channel that this node knows of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Announced {
    /// Its id.
    pub release: String,
    /// Its sequence; absent if its statement is not known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// When the channel was moved to it, by the signer's clock.
    pub time_ms: i64,
    /// When this node first learned of it; absent if the release is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_ms: Option<i64>,
    /// The nodes that announced it to this node, the earliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<Announcer>,
}

/// A node that announced a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Announcer {
    /// Its id.
    pub node: String,
    /// Its name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A node that was asked for a release, and its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Asked {
    /// Its id; null where no node answered at an address that the command names.
    #[serde(default, with = "crate::json::empty_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub node: String,
    /// Its name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address at which it was asked, or tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When.
    pub at_ms: i64,
    /// `brought`: it sent a release. `behind`: it does not have the announced release. Else the code of the
    /// error: `peer` (not reached, or the connection broke), `denied`, `missing`, `busy`.
    pub answer: String,
    /// Whether it announces a release that it says it does not have.
    #[serde(default)]
    pub announces: bool,
    /// The sequence of the newest release that it has, or sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<u64>,
    /// Raw bytes of the chunks that it sent, even if it failed after them; absent if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<u64>,
    /// The error, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
