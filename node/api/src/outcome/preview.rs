//! The answer of an act's dry run: what the act would take away.

use serde::{Deserialize, Serialize};

/// Answer of `grant`, `revoke`, `channel set`, `promote` and `rollback` with `--dry-run`. Nothing was signed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Preview {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// Always true: nothing was signed.
    #[serde(default)]
    pub dry_run: bool,
    /// The kind of the act's statement.
    pub kind: String,
    /// The content of the act, one line each.
    pub says: Vec<String>,
    /// The nodes that lose rights, by id.
    pub nodes: Vec<NodeTaken>,
    /// The channels that leave releases, by name.
    pub channels: Vec<ChannelTaken>,
    /// Whether the node of this home is among the nodes that lose their membership.
    pub this_node: bool,
    /// Whether the act needs a confirmation, `--yes`, where there is no terminal to ask on: it takes more
    /// than the command names.
    pub confirm: bool,
    /// Whether the command asks on a terminal.
    pub asks: bool,
    /// Why the act would be refused as it was given; absent if it would not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A node that loses rights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeTaken {
    /// Its id.
    pub node: String,
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: String,
    /// `membership`: it loses all rights; `rights`: it keeps some.
    pub loses: String,
    /// Its rights before the act, as `pull in all classes`.
    pub before: String,
    /// Its rights after the act; empty if it loses its membership.
    pub after: String,
}

/// A channel whose release after the act does not contain its release before: it moves back, or to a release
/// that was made beside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelTaken {
    /// Its name.
    pub name: String,
    /// The sequence of its release before the act.
    pub sequence_before: u64,
    /// The sequence of its release after the act; absent if the channel then has no release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_after: Option<u64>,
    /// How many releases readers of the channel lose.
    pub releases: u64,
    /// The sequences of these releases, ascending; at most 1,000.
    #[serde(default)]
    pub leaves: Vec<u64>,
}
