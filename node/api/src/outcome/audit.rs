//! The answers about the audit log. A record's fields are all that its canonical bytes are made of, so that whoever has the
//! JSON can verify it.

use serde::{Deserialize, Serialize};

/// A record of the audit log: one line of `audit export`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Records before it.
    pub index: u64,
    /// When it was written.
    pub time_ms: i64,
    /// What was done: a word, or `verb-N` for one that only a newer version knows.
    pub verb: String,
    /// Who did it.
    pub actor: AuditActor,
    /// The library's id, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// To what it was done.
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
    /// The id of the record before; zeros in the first.
    pub prev: String,
    /// The highest arrival number of the ledger when it was written.
    pub arrival: u64,
    /// Its own id.
    pub id: String,
}

/// Who did something, as far as it was proved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whoever has a role's key.
    Role {
        /// The key.
        key: String,
        /// `root`, `operator`, `publisher` or `timekeeper`.
        role: String,
    },
    /// Somebody who proved no key.
    Nobody,
}

/// Answer of `audit tail`, `show` and `export`; the records came before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// Records in the log.
    pub count: u64,
    /// The last one's id; zeros where there is none.
    pub head: String,
    /// Where they were written to, if to a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Answer of `audit verify`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditVerified {
    /// `proved`: a checkpoint covers the last record. `unproved`: the records from `proved` on hang together, and nothing shows
    /// whether they are all and unchanged. `gap`: one of these, but for records that are missing. `torn`: the same, and a crash
    /// has torn the last one. `altered`: something was changed, added, moved or taken away.
    pub finding: String,
    /// Records that hang together.
    pub count: u64,
    /// The last one's id; zeros where there is none.
    pub head: String,
    /// How many of them a checkpoint covers.
    pub proved: u64,
    /// Whose checkpoint that is: `file` for the one given, `home` for this home's own, empty for none.
    pub by: String,
    /// The node of whose log the checkpoint given is, by what it says itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_node: Option<String>,
    /// The key that signed it. Without a home nothing says whose that is: compare it with the node's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_key: Option<String>,
    /// Records that are missing, because the log goes on from a checkpoint behind them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<AuditGap>,
    /// Torn bytes at the end.
    pub torn_bytes: u64,
    /// Where an alteration shows; it may be this record, or one since `proved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// What shows there, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Records that the node's checkpoints count, and that are not in the log or not those that they count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditGap {
    /// The first of them.
    pub from: u64,
    /// The record with which the log goes on.
    pub to: u64,
    /// Whose log the checkpoint is of that it goes on from, by what that says itself.
    pub checkpoint_node: String,
    /// The key that signed it. Without a home nothing says whose that is: compare it with the node's.
    pub checkpoint_key: String,
}

/// Answer of `audit checkpoint`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointShown {
    /// The node whose log it is of.
    pub node: String,
    /// Records then.
    pub count: u64,
    /// The last one's id.
    pub head: String,
    /// When it was signed.
    pub time_ms: i64,
    /// The key that signed it.
    pub key: String,
    /// Where it was written to.
    pub file: String,
}

impl AuditVerified {
    /// Whether something was changed, added, moved or taken away.
    pub fn is_altered(&self) -> bool {
        self.finding == "altered"
    }
}
