//! Whose key a peer shows, by the libraries of this home.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use chuan_engine::{
    id::NodeId,
    statement::{Library, PublicKey},
};
use chuan_net::{Acquaintance, Stranger};

use super::{Inner, now_ms};

/// What a node knows of its peers' keys, by any of its libraries: a peer that all know may have replaced its key, and only one
/// has heard. What a peer may be told of a library is for that library to say. Does not keep the node open.
pub(super) struct Acquainted {
    node: Weak<Inner>,
    /// Whether whoever answers will do, since a person named the address alone.
    anybody: bool,
}

impl Acquainted {
    pub(super) fn of(node: &Arc<Inner>, anybody: bool) -> Arc<dyn Acquaintance> {
        Arc::new(Self { node: Arc::downgrade(node), anybody })
    }
}

impl Inner {
    /// Whether `key` is `node`'s: by a library of which the node is a member, else by the key itself, or by what is remembered of
    /// a node that was revoked, so that it is told that.
    pub(super) fn holds_key(&self, node: &NodeId, key: &PublicKey) -> bool {
        let all = self.libraries.all();
        let mut known = all.iter().filter(|library| library.key_of(node).is_some()).peekable();
        let holds = |library: &Arc<Library>| library.holds_key(node, key, now_ms());
        if known.peek().is_some() {
            return known.any(holds);
        }
        key.node() == *node || all.iter().any(|library| library.has_had_key(node, key))
    }
}

impl Acquaintance for Acquainted {
    fn recognise(&self, expected: &NodeId, key: &PublicKey) -> Option<NodeId> {
        let mine = self.node.upgrade()?;
        if self.anybody {
            let all = mine.libraries.all();
            let known = all.iter().find_map(|library| library.node_of(key, now_ms()));
            return Some(known.unwrap_or_else(|| key.node()));
        }
        mine.holds_key(expected, key).then_some(*expected)
    }

    fn is_shown(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool {
        let Some(mine) = self.node.upgrade() else { return false };
        mine.hear(statements);
        let all = mine.libraries.all();
        if all.iter().any(|library| library.key_of(node).is_some()) {
            return mine.holds_key(node, key);
        }
        Stranger.is_shown(node, key, statements)
    }
}
