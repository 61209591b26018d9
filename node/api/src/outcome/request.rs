//! The answer about a request file: an act of operators that gathers signatures.

use serde::{Deserialize, Serialize};

use super::TallyShown;

/// Answer of `sign`, and of every act with `--request`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestShown {
    /// The request file.
    pub file: String,
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The fingerprint of the library, for people to compare.
    pub library_fingerprint: String,
    /// The kind of the act's statement.
    pub kind: String,
    /// The id of the act's statement; it does not depend on the signatures.
    pub statement: String,
    /// The fingerprint of the act, for people to compare.
    pub fingerprint: String,
    /// Its sequence.
    pub sequence: u64,
    /// The content of the act, one line each.
    pub says: Vec<String>,
    /// When it was made.
    pub time_ms: i64,
    /// When it can no longer be signed and applied.
    pub expires_ms: i64,
    /// The keys that signed.
    #[serde(rename = "signers")]
    pub signed_by: Vec<String>,
    /// The keys that may sign and have not; none if enough have.
    pub waiting_for: Vec<String>,
    /// The signatures so far, and how many are needed.
    pub signatures: TallyShown,
    /// Whether enough keys signed.
    pub complete: bool,
    /// Whether the act is effective in this home now.
    pub applied: bool,
    /// The ticket, for an invitation: valid once the request is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// For an invitation: whether none of the addresses in the ticket can be reached from other networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses_private: Option<bool>,
    /// Further notes of the command.
    pub notes: Vec<String>,
}
