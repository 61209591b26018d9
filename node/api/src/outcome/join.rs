//! The answers of `invite` and `join`.

use serde::{Deserialize, Serialize};

/// Answer of `invite`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Invited {
    /// The ticket.
    pub ticket: String,
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The addresses in the ticket.
    pub addresses: Vec<String>,
    /// Whether none of them can be reached from other networks: all are private, loopback or link-local.
    #[serde(default)]
    pub addresses_private: bool,
    /// When it expires.
    pub expires_ms: i64,
    /// How many nodes may join with it.
    pub uses: u32,
}

/// Answer of `join`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Joined {
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The node that admitted this one.
    #[serde(rename = "node")]
    pub from: String,
    /// The address at which it was reached.
    pub address: String,
    /// The role of this node in the library.
    pub role: String,
    /// Whether this node made the ticket and is a member: nothing was done. Absent if it joined.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already: bool,
}
