//! The answers about the audit log. The fields of a record are exactly the content of its canonical bytes, so
//! a record can be verified from its JSON.

use serde::{Deserialize, Serialize};

/// A record of the audit log: one line of `audit export`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditRecord {
    /// The number of records before this one.
    pub index: u64,
    /// When it was written.
    pub time_ms: i64,
    /// The action: a word, or `verb-N` for an action that only a newer version knows.
    pub verb: String,
    /// The actor.
    pub actor: AuditActor,
    /// The library's id, if the record is about a library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// The subject of the action.
    pub subject: String,
    /// `ok`, `refused` or `failed`.
    pub ending: String,
    /// Why it was refused or failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// How many times.
    pub count: u32,
    /// From the first time to the last.
    pub span_ms: u64,
    /// The id of the previous record; zeros in the first.
    pub prev: String,
    /// The highest arrival number of the ledger when the record was written.
    pub arrival: u64,
    /// The record's own id.
    pub id: String,
}

/// The actor of an action, as far as it was proved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum AuditActor {
    /// The node whose log it is.
    #[default]
    Node,
    /// A node that proved its key.
    Peer {
        /// The key.
        key: String,
        /// The node.
        node: String,
    },
    /// The holder of a role's key.
    Role {
        /// The key.
        key: String,
        /// `root`, `operator`, `publisher` or `timekeeper`.
        role: String,
    },
    /// An actor that proved no key.
    Nobody,
}

/// Answer of `audit tail`, `show` and `export`; the records come before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Audited {
    /// Records in the log.
    pub count: u64,
    /// The id of the last record; zeros if there is none.
    pub head: String,
    /// The file to which they were written, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Answer of `audit verify`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditVerified {
    /// - `proved`: a checkpoint covers the last record.
    /// - `unproved`: the chain of records is valid, but from record `proved` on nothing shows that the
    ///   records are complete and unchanged.
    /// - `gap`: as `proved` or `unproved`, but records are missing.
    /// - `torn`: as one of these, and a crash tore the last record.
    /// - `altered`: something was changed, added, moved or removed.
    pub finding: String,
    /// Records whose chain is valid.
    pub count: u64,
    /// The id of the last of them; zeros if there is none.
    pub head: String,
    /// How many of them a checkpoint covers.
    pub proved: u64,
    /// Origin of that checkpoint: `file` for the given one, `home` for this home's own, null for none.
    #[serde(default, with = "crate::json::empty_is_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub by: String,
    /// The node that the given checkpoint names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_node: Option<String>,
    /// The key that signed it. Without a home nothing proves that this is the node's key: compare them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_key: Option<String>,
    /// Missing records: the log continues from a checkpoint after them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<AuditGap>,
    /// Torn bytes at the end.
    pub torn_bytes: u64,
    /// The record that shows an alteration. This record was altered, or an earlier one from `proved` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// The evidence of the alteration, in words.
    #[serde(default, rename = "reason", skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Records that a checkpoint of the node counts, and that are missing or differ in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditGap {
    /// The first of them.
    pub from: u64,
    /// The record with which the log continues.
    pub to: u64,
    /// The node that the checkpoint names from which the log continues.
    pub checkpoint_node: String,
    /// The key that signed it. Without a home nothing proves that this is the node's key: compare them.
    pub checkpoint_key: String,
}

/// Answer of `audit checkpoint`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckpointShown {
    /// The node whose log it covers.
    pub node: String,
    /// The number of records that it covers.
    pub count: u64,
    /// The id of the last of them.
    pub head: String,
    /// When it was signed.
    pub time_ms: i64,
    /// The key that signed it.
    pub key: String,
    /// The file to which it was written.
    pub file: String,
}

impl AuditVerified {
    /// Whether something was changed, added, moved or removed.
    pub fn is_altered(&self) -> bool {
        self.finding == "altered"
    }
}
