//! The answers of `members`, `grant` and `revoke`.

use serde::{Deserialize, Serialize};

/// Answer of `members`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberList {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// By node.
    pub members: Vec<MemberRow>,
}

/// What is said of a node; also the answer of `grant` and `revoke`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberRow {
    /// The node's id.
    pub node: String,
    /// What people call it.
    pub name: String,
    /// `member`; `suspended` until an operator decides a conflict; `expired`; `revoked`; or `stranger`.
    pub state: String,
    /// On whose word: `operator` or `ticket`.
    pub by: String,
    /// `origin`, `mirror` or `edge`.
    pub role: String,
    /// The region that its grant binds it to; empty for none.
    #[serde(default)]
    pub region: String,
    /// The classes it is granted; none means all.
    pub classes: Vec<String>,
    /// What it may do with them: `pull`, `watch`.
    pub verbs: String,
    /// Until when; 0 = for good.
    pub expires_ms: i64,
    /// The key it proves today.
    pub key: String,
    /// Why it was revoked, if it was.
    pub reason: String,
}
