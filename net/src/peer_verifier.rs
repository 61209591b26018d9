//! Checks that the node which answers at an address is the expected node.

use bytes::Bytes;
use chuan_engine::{
    id::NodeId,
    statement::{Heading, PublicKey, Statement, StatementKind, succession},
};

/// The dialler's knowledge of the keys of other nodes. A node keeps its id when its key is replaced, so a
/// key alone does not identify its node.
pub trait PeerVerifier: Send + Sync {
    /// Returns the node that has `key`, by local knowledge, if that node is acceptable in place of
    /// `expected`.
    fn recognise(&self, expected: &NodeId, key: &PublicKey) -> Option<NodeId>;

    /// Whether the node that introduces itself is acceptable in place of `expected`. This compares ids only:
    /// [`verify_statements`](Self::verify_statements) then checks the key.
    fn accepts(&self, expected: &NodeId, introduced: &NodeId) -> bool {
        introduced == expected
    }

    /// Whether `statements`, which the node itself sent, show that `key` is `node`'s. Their signers are
    /// unknown and nothing of them is verified yet. Called only where [`recognise`](Self::recognise) returns
    /// `None`.
    fn verify_statements(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool;
}

/// Has no local knowledge: accepts the first key of a node, or a key to which successions lead from its first
/// key.
#[derive(Clone, Copy, Debug)]
pub struct FirstKeyOnly;

impl PeerVerifier for FirstKeyOnly {
    fn recognise(&self, expected: &NodeId, key: &PublicKey) -> Option<NodeId> {
        (key.node() == *expected).then_some(*expected)
    }

    fn verify_statements(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool {
        succession::leads_to(node, key, &successions(statements))
    }
}

/// The successions among the statements of an introduction. The peer is unverified and may have sent
/// anything: no other statement is decoded, since only successions lead from key to key.
pub fn successions(statements: &[Bytes]) -> Vec<Statement> {
    let is_succession = |bytes: &&Bytes| {
        Heading::read(bytes).is_ok_and(|heading| heading.kind() == Some(StatementKind::Succession))
    };
    statements.iter().filter(is_succession).filter_map(|bytes| Statement::decode(bytes).ok()).collect()
}

/// Accepts every node.
#[derive(Clone, Copy, Debug)]
pub struct AcceptAny;

impl PeerVerifier for AcceptAny {
    fn recognise(&self, _expected: &NodeId, key: &PublicKey) -> Option<NodeId> {
        Some(key.node())
    }

    fn verify_statements(&self, _node: &NodeId, _key: &PublicKey, _statements: &[Bytes]) -> bool {
        true
    }
}
