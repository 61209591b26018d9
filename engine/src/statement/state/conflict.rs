//! Contradictions, with their proof.

use crate::id::StatementId;

/// Statements that contradict each other. Each carries its signer's signature, so every node can check the
/// proof.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// The kind of contradiction.
    pub kind: ConflictKind,
    /// The subject of the contradiction, for people.
    pub subject: String,
    /// The proof, ascending.
    pub statements: Vec<StatementId>,
    /// Whether an operator or a newer root has decided since, so that nothing depends on the contradiction
    /// any more.
    pub settled: bool,
}

/// Kinds of contradiction, by what they contradict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConflictKind {
    /// A root quorum signed two roots of one version. Each node treats the root that it knew first as
    /// effective, until a next root has the signatures that both require.
    Root,
    /// A publisher signed two releases at one sequence: two homes have its key, or one home was restored from
    /// a backup. Both are versions of the library.
    Release,
    /// One key moved a channel to two releases at one sequence. The channel stays until an operator moves it.
    Channel,
    /// Two operators moved a channel at one sequence without knowing of each other. The later statement is
    /// effective.
    Operators,
    /// Operators signed two policies at one sequence. The policy before them stays effective until they sign
    /// a newer one.
    Policy,
    /// More nodes joined with a ticket than it allows: it was copied. All of them are suspended until an
    /// operator grants or revokes them.
    Ticket,
    /// Two keys succeeded a node's key: one of them is a thief's. The node is suspended until an operator
    /// binds a key.
    Succession,
    /// A node's audit log has two histories: its home was cloned, or restored from a backup.
    Checkpoint,
}

impl ConflictKind {
    /// The name for people and scripts.
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

    /// The meaning of the contradiction, and what to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            ConflictKind::Root => {
                "two roots of one version: a root key is in wrong hands; the one known first is effective, and the next root replaces the keys"
            }
            ConflictKind::Release => {
                "the publisher's key is in two homes, or its home was restored from a backup; `chuan pull` there before publishing"
            }
            ConflictKind::Channel => {
                "one key moved the channel to two places; it stays until an operator moves it (`chuan channel set`)"
            }
            ConflictKind::Operators => "two operators moved the channel at once; the later one is effective",
            ConflictKind::Policy => {
                "two policies were set at once, and the one before them stays effective; agree on one and set it (`chuan policy set`)"
            }
            ConflictKind::Ticket => {
                "more nodes joined with the ticket than it is for; grant those that should belong, revoke the others"
            }
            ConflictKind::Succession => {
                "two keys claim to succeed the node's; bind the right one by a grant with the option `node-key`"
            }
            ConflictKind::Checkpoint => {
                "the node's home was cloned, or restored from a backup; run one of them only, the other with a home of its own"
            }
        }
    }
}
