//! The answers of `members`, `grant` and `revoke`.

use serde::{Deserialize, Serialize};

/// Answer of `members`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberList {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// Sorted by node.
    pub members: Vec<MemberRow>,
}

/// A node of a library; also the answer of `grant` and `revoke`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberRow {
    /// The node's id.
    pub node: String,
    /// Its name, for people.
    pub name: String,
    /// `member`; `suspended` until an operator decides a conflict; `expired`; `revoked`; or `stranger`.
    pub state: String,
    /// The basis of its state: `operator` or `ticket`; empty for a stranger.
    pub by: String,
    /// `origin`, `mirror` or `edge`.
    pub role: String,
    /// The region that its grant binds it to; empty for none.
    #[serde(default)]
    pub region: String,
    /// The classes that are granted to it; an empty list means all.
    pub classes: Vec<String>,
    /// The verbs that are granted to it on them: `pull`, `watch`.
    pub verbs: String,
    /// When the grant expires; 0 = never.
    pub expires_ms: i64,
    /// Its current key.
    pub key: String,
    /// Why it was revoked, if it was.
    pub reason: String,
    /// When it was revoked, by the operator's clock; absent if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<i64>,
}
