//! Contradictions, with their proof.

use crate::id::StatementId;

/// Statements that cannot all be meant. Each carries its signer's signature, so the list is a proof that anybody can check.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// What was contradicted.
    pub kind: ConflictKind,
    /// About what, for people.
    pub subject: String,
    /// The proof, ascending.
    pub statements: Vec<StatementId>,
    /// Whether an operator has decided since, so that nothing hangs on it any more.
    pub settled: bool,
}

/// Kinds of contradiction, by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConflictKind {
    /// A root quorum signed two roots of one version. The one that was known first stands here; whoever knew the other first
    /// stands on that, until a next root has the signatures that both ask for.
    Root,
    /// A publisher signed two releases at one sequence: two homes have its key, or one was restored from a backup. Both are
    /// versions of the library.
    Release,
    /// One key moved a channel to two places at one sequence. The channel stays until an operator moves it.
    Channel,
    /// Two operators moved a channel at one sequence, not knowing of each other. The later one counts.
    Operators,
    /// Operators signed two policies at one sequence. The one before stands until they sign a newer one.
    Policy,
    /// More nodes joined with a ticket than it is for: it was copied. All of them are suspended until an operator grants or
    /// revokes them.
    Ticket,
    /// A node's key was succeeded by two keys: one of them is a thief's. The node is suspended until an operator binds a key.
    Succession,
    /// A node's audit log has two histories: its home was cloned, or restored from a backup.
    Checkpoint,
}

impl ConflictKind {
    /// The word for people and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            ConflictKind::Root => "root",
            ConflictKind::Release => "release",
            ConflictKind::Channel => "channel",
            ConflictKind::Operators => "operators",
            ConflictKind::Policy => "policy",
            ConflictKind::Ticket => "ticket",
            ConflictKind::Succession => "succession",
            ConflictKind::Checkpoint => "checkpoint",
        }
    }

    /// What it means and what to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            ConflictKind::Root => {
                "two roots of one version: a root key is in wrong hands; the one known first stands, and the next root replaces the keys"
            }
            ConflictKind::Release => {
                "the publisher's key is in two homes, or its home was restored from a backup; `chuan pull` there before publishing"
            }
            ConflictKind::Channel => {
                "one key moved the channel to two places; it stays until an operator moves it (`chuan channel set`)"
            }
            ConflictKind::Operators => "two operators moved the channel at once; the later one counts",
            ConflictKind::Policy => {
                "two policies were set at once, and the one before stands; agree on one and set it (`chuan policy set`)"
            }
            ConflictKind::Ticket => {
                "more nodes joined with the ticket than it is for; grant those that should belong, revoke the others"
            }
            ConflictKind::Succession => {
                "two keys claim to succeed the node's; bind the right one with `chuan grant --node-key`"
            }
            ConflictKind::Checkpoint => {
                "the node's home was cloned, or restored from a backup; run one of them only, the other with a home of its own"
            }
        }
    }
}
