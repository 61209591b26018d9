//! How far what is here is behind what was announced: a part of the answers of `pull` and `status`.

use serde::{Deserialize, Serialize};

/// Where a channel is here, and where it was announced to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// The release on which the channel stands here; absent before its first data has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub here: Option<ReleaseRef>,
    /// The release on which it stands by the newest statement that this node has heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<Announced>,
    /// When this was so, by this node's clock.
    #[serde(default)]
    pub at_ms: i64,
    /// Since when something newer was announced than is here, by this node's clock; absent where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind_since_ms: Option<i64>,
    /// The nodes that were asked for the announced release, and what each answered last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Asked>,
}

/// A release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReleaseRef {
    /// Its id.
    pub release: String,
    /// Its sequence.
    pub sequence: u64,
}

/// The newest release of a channel that this node has heard of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Announced {
    /// Its id.
    pub release: String,
    /// Its sequence; absent where its statement has not come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// When the channel was moved there, by the signer's clock.
    pub time_ms: i64,
    /// When this node first heard of it; absent where it is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_ms: Option<i64>,
    /// The nodes that announced it to this one, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<Announcer>,
}

/// A node that announced a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Announcer {
    /// Its id.
    pub node: String,
    /// What it is called, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A node that was asked for a release, and its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Its id.
    pub node: String,
    /// What it is called, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it was asked, or looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When.
    pub at_ms: i64,
    /// `brought` a release; `behind`: it does not have the announced one; else why it brought nothing, as the code of an
    /// error: `peer` where it was not reached or broke off, `denied`, `missing`, `busy`.
    pub answer: String,
    /// Whether it announces the release that it says it does not have.
    #[serde(default)]
    pub announces: bool,
    /// The newest release that it has, or brought, by its sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<u64>,
    /// The error, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
