//! The answers of `members`, `grant` and `revoke`.

use chuan_engine::statement::Classes;
use serde::{Deserialize, Serialize};

use super::NodeTaken;

/// The pattern of class names that matches each: it stands for all classes, also those added later.
pub const ALL_CLASSES: &str = "*";

/// The patterns of class names of a right, for answers.
pub fn class_names(classes: &Classes) -> Vec<String> {
    if classes.is_all() { vec![ALL_CLASSES.to_owned()] } else { classes.patterns().to_vec() }
}

/// Answer of `members`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberList {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// Sorted by node.
    pub members: Vec<MemberRow>,
}

/// A node of a library.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberRow {
    /// The node's id.
    pub node: String,
    /// Its name, for people.
    pub name: String,
    /// `member`; `suspended` until an operator decides a conflict; `expired`; `revoked`; `lapsed`: it was a
    /// member until another statement ended that, such as the revocation of the node that admitted it; or
    /// `stranger`.
    pub state: String,
    /// The basis of its state: `operator` or `ticket`; null for a stranger.
    #[serde(default, with = "crate::json::empty_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub by: String,
    /// `origin`, `mirror` or `edge`; null if it is no member.
    #[serde(default, with = "crate::json::empty_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub role: String,
    /// The region that its grant binds it to; null for none.
    #[serde(default, with = "crate::json::empty_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub region: String,
    /// The classes that are granted to it; `*` in a name is any run of characters, so `*` alone is all
    /// classes. Empty if it is no member.
    pub classes: Vec<String>,
    /// The verbs that are granted to it on them: `pull`, `watch`.
    pub verbs: String,
    /// When the grant expires; null for never.
    #[serde(default, with = "crate::json::zero_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<i64>"))]
    pub expires_ms: i64,
    /// Its current key; null if it is no member.
    #[serde(default, with = "crate::json::empty_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub key: String,
    /// Why it was revoked, or why its membership lapsed, if it is so.
    pub reason: String,
    /// When it was revoked, by the operator's clock; absent if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<i64>,
}

/// Answer of `grant` and `revoke`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberChanged {
    /// The node after the act.
    #[serde(flatten)]
    pub row: MemberRow,
    /// Of `grant`: the membership before; absent if it was no member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<MemberRow>,
    /// The nodes that lost rights by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<NodeTaken>,
}
