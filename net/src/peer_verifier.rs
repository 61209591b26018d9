//! Whether whoever answers at an address is the node that was meant.

use bytes::Bytes;
use chuan_engine::{
    id::NodeId,
    statement::{Heading, PublicKey, Statement, StatementKind, succession},
};

/// What the dialler knows of other nodes' keys. A node keeps its id when its key is replaced, so a key alone does not
/// say whose it is.
pub trait Acquaintance: Send + Sync {
    /// The node that has `key`, by what is known already, if it may stand for `expected`.
    fn recognise(&self, expected: &NodeId, key: &PublicKey) -> Option<NodeId>;

    /// Whether the node that introduces itself will do where `expected` was meant. Whether it is who it says is asked after.
    fn stands_for(&self, expected: &NodeId, introduced: &NodeId) -> bool {
        introduced == expected
    }

    /// Whether `key` is `node`'s, by what it shows of itself: statements of anybody, unverified. Asked only where
    /// [`recognise`](Self::recognise) finds nobody.
    fn is_shown(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool;
}

/// Knows nobody: a node is known by its first key, or by successions that lead from it to the key it has.
#[derive(Clone, Copy, Debug)]
pub struct Stranger;

impl Acquaintance for Stranger {
    fn recognise(&self, expected: &NodeId, key: &PublicKey) -> Option<NodeId> {
        (key.node() == *expected).then_some(*expected)
    }

    fn is_shown(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool {
        // Whoever answers may have sent anything: only what can lead from key to key is decoded.
        let is_succession = |bytes: &&Bytes| {
            Heading::read(bytes).is_ok_and(|heading| heading.kind() == Some(StatementKind::Succession))
        };
        let successions = statements.iter().filter(is_succession);
        let statements: Vec<_> = successions.filter_map(|bytes| Statement::decode(bytes).ok()).collect();
        succession::leads_to(node, key, &statements)
    }
}

/// Takes whoever answers.
#[derive(Clone, Copy, Debug)]
pub struct Anybody;

impl Acquaintance for Anybody {
    fn recognise(&self, _expected: &NodeId, key: &PublicKey) -> Option<NodeId> {
        Some(key.node())
    }

    fn is_shown(&self, _node: &NodeId, _key: &PublicKey, _statements: &[Bytes]) -> bool {
        true
    }
}
