//! The answers of the commands about keys, roots and statements.

use serde::{Deserialize, Serialize};

/// Answer of `key`: the public half of a key file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyShown {
    /// The file.
    pub file: String,
    /// The public key: 64 hexadecimal digits.
    pub key: String,
    /// Its fingerprint, for people to compare.
    pub fingerprint: String,
    /// The id of the node whose first key this is.
    pub node: String,
    /// Whether the file has a passphrase.
    pub encrypted: bool,
}

/// Answer of `root`: a file of roots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RootShown {
    /// The file.
    pub file: String,
    /// The library's id; for a library that is not founded yet, its future id.
    pub library: String,
    /// The fingerprint of the library, for people to compare.
    pub library_fingerprint: String,
    /// The library's label in the current root; in the proposed one before the first is signed.
    pub library_name: String,
    /// The version of the current root; null before the first is signed.
    #[serde(default, with = "crate::json::zero_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u64>"))]
    pub version: u64,
    /// The fingerprint of the current root; null before the first is signed.
    pub fingerprint: Option<String>,
    /// When the current root should be renewed; null for never, and before the first root is signed.
    #[serde(default, with = "crate::json::zero_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<i64>"))]
    pub expires_ms: i64,
    /// The roles of the current root; none before the first is signed.
    pub roles: Vec<RoleShown>,
    /// The proposed root; null if there is none.
    pub proposal: Option<ProposalShown>,
    /// Further notes of the command.
    pub notes: Vec<String>,
}

/// A role of a root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoleShown {
    /// `root`, `operator`, `publisher` or `timekeeper`.
    pub role: String,
    /// The classes to which it is limited; `*` in a name is any run of characters, so `*` alone is all
    /// classes.
    pub classes: Vec<String>,
    /// How many of the keys must sign.
    pub threshold: u8,
    /// The public keys.
    pub keys: Vec<String>,
}

/// A root that is proposed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProposalShown {
    /// Its version.
    pub version: u64,
    /// Its id as a statement.
    #[serde(rename = "statement")]
    pub id: String,
    /// Its fingerprint, for people to compare.
    pub fingerprint: String,
    /// Its changes, in words.
    pub changes: Vec<String>,
    /// The library's label in it.
    #[serde(default)]
    pub library_name: String,
    /// When it should be renewed; null for never.
    #[serde(default, with = "crate::json::zero_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<i64>"))]
    pub expires_ms: i64,
    /// Its roles.
    #[serde(default)]
    pub roles: Vec<RoleShown>,
    /// The keys that signed it.
    #[serde(rename = "signers")]
    pub signed_by: Vec<String>,
    /// The keys that can still add a needed signature.
    pub waiting_for: Vec<String>,
    /// Its signatures by the root role of the current root; null for a first root.
    pub under_old: Option<TallyShown>,
    /// Its signatures by its own root role.
    pub under_new: TallyShown,
    /// Whether it has enough of both.
    pub complete: bool,
}

/// Signatures of a role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TallyShown {
    /// How many signatures there are.
    pub have: u64,
    /// How many signatures are needed.
    pub need: u64,
    /// How many keys the role has.
    pub of: u64,
}

/// Answer of `root fingerprint`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fingerprints {
    /// Of the library.
    #[serde(rename = "library_fingerprint")]
    pub library: String,
    /// The version of the current root; null before the first is signed.
    #[serde(default, with = "crate::json::zero_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u64>"))]
    pub version: u64,
    /// Of the current root.
    #[serde(rename = "fingerprint")]
    pub root: Option<String>,
    /// Of the proposed root.
    pub proposed: Option<String>,
}

/// Answer of `statements export` and `root export`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Carried {
    /// The library's id.
    pub library: String,
    /// The file that was written.
    pub file: String,
    /// Statements in it.
    pub statements: u64,
    /// The size of the file in bytes.
    pub bytes: u64,
}

/// Answer of `rotate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rotated {
    /// The node's id, as before.
    pub node: String,
    /// Its new key.
    pub key: String,
    /// Libraries in which the new key is valid.
    pub libraries: u64,
    /// Libraries, by name, in which it is not: their operator has to bind the new key.
    #[serde(default)]
    pub libraries_refusing: Vec<String>,
    /// How long the old key stays valid.
    pub grace_seconds: u64,
    /// Peers that know the new key already.
    pub told: u64,
}

/// Answer of `statements import` and `root apply`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Offered {
    /// Peers with a known address.
    #[serde(default)]
    pub peers: u64,
    /// Peers among them that have the statements now. The others receive them from these.
    #[serde(default)]
    pub told: u64,
    /// How long the command waited for them.
    #[serde(default)]
    pub asked_seconds: f64,
    /// The library's id.
    pub library: String,
    /// The result for each statement, in the given order.
    pub statements: Vec<OfferedRow>,
}

/// The result for an offered statement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OfferedRow {
    /// Its id.
    pub statement: String,
    /// Its kind.
    pub kind: String,
    /// - `new`, `known`: effective.
    /// - `idle`: known now, but not effective.
    /// - `outdated`: superseded, and not kept.
    /// - `unproved`: no statement that is known here entitles its signer.
    /// - `refused`: invalid.
    pub result: String,
    /// Why it is not effective.
    pub reason: String,
}

impl OfferedRow {
    /// Whether the statement is effective.
    pub fn counts(&self) -> bool {
        matches!(self.result.as_str(), "new" | "known")
    }
}

impl Offered {
    /// How many statements were not accepted.
    pub fn refused(&self) -> usize {
        self.statements.iter().filter(|row| matches!(row.result.as_str(), "unproved" | "refused")).count()
    }
}
