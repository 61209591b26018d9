//! [`NodeKeys`]: which key is whose. A binding counts in the library that has it and in no other: the
//! operators of a library may bind any key to any node, without a proof that the node holds it. In all
//! libraries counts only what the node itself signed: its first key, of which its id is the hash, and
//! successions, which both keys sign.

use std::sync::Arc;

use chuan_engine::{
    id::{LibraryId, NodeId},
    statement::{Body, Library, PublicKey, Statement, succession},
};

/// The keys of nodes in the libraries of a home, at one moment.
pub(crate) struct NodeKeys {
    pub(super) all: Vec<Arc<Library>>,
    pub(super) now_ms: i64,
}

impl NodeKeys {
    /// The node that holds `key` in any library; else the node whose first key it would be. For messages
    /// only: the peer's hello names the node, and each library decides about it by itself.
    pub(crate) fn node_of(&self, key: &PublicKey) -> NodeId {
        let first = key.node();
        let mut bound = self.bindings(key).into_iter().map(|(_, node)| node).peekable();
        let found = bound.peek().copied().unwrap_or(first);
        // No library takes a key from the node that owns it in another library.
        if bound.any(|node| node == first) { first } else { found }
    }

    /// The libraries that bind `key` to a node now, each with this node.
    pub(crate) fn bindings(&self, key: &PublicKey) -> Vec<(LibraryId, NodeId)> {
        let bound = |library: &Arc<Library>| Some((library.id(), library.node_of(key, self.now_ms)?));
        self.all.iter().filter_map(bound).collect()
    }

    /// Whether `key` is `node`'s in any library. It says nothing about a certain library.
    pub(crate) fn holds_in_any(&self, node: &NodeId, key: &PublicKey) -> bool {
        let is_in = |library: &Arc<Library>| {
            library.holds_key(node, key, self.now_ms)
                || (library.key_of(node).is_none() && library.has_had_key(node, key))
        };
        if self.all.is_empty() { key.node() == *node } else { self.all.iter().any(is_in) }
    }

    /// Whether `key` is `node`'s in one library, or succeeds a key that is: a node that replaces its key
    /// signs that for all its libraries, and this one may not have the statement yet. Of a node that is no
    /// member its first key counts, and the known keys of a revoked one, so that it can be told of its
    /// revocation.
    pub(crate) fn holds_in(&self, library: &LibraryId, node: &NodeId, key: &PublicKey) -> bool {
        self.is_shown_in(library, node, key, &[])
    }

    /// As [`holds_in`](Self::holds_in), also by `successions` that are in no library here, such as those of
    /// an introduction.
    pub(crate) fn is_shown_in(
        &self,
        library: &LibraryId,
        node: &NodeId,
        key: &PublicKey,
        successions: &[Statement],
    ) -> bool {
        let known = self.all.iter().find(|known| known.id() == *library);
        let all = [&self.successions(node), successions].concat();
        match known.and_then(|known| known.key_of(node)) {
            Some(current) => {
                known.is_some_and(|known| known.holds_key(node, key, self.now_ms))
                    || succession::leads_from(node, &current, key, &all)
            }
            None => {
                succession::leads_to(node, key, &all)
                    || known.is_some_and(|known| known.has_had_key(node, key))
            }
        }
    }

    /// The node that holds `key` in one library, as [`holds_in`](Self::holds_in) tells; else the node whose
    /// first key it would be.
    pub(crate) fn node_in(&self, library: &LibraryId, key: &PublicKey) -> NodeId {
        let bound = self.bindings(key);
        let here = bound.iter().find(|(id, _)| id == library);
        let succeeds = || bound.iter().find(|(_, node)| self.holds_in(library, node, key));
        here.or_else(succeeds).map_or_else(|| key.node(), |(_, node)| *node)
    }

    /// Whether `key` counts as `node`'s in all libraries: it is the node's first key, or successions lead
    /// from that to it.
    pub(crate) fn is_proved(&self, node: &NodeId, key: &PublicKey) -> bool {
        succession::leads_to(node, key, &self.successions(node))
    }

    /// Whether successions of `node` lead from its key `from` to `key`.
    pub(crate) fn leads(&self, node: &NodeId, from: &PublicKey, key: &PublicKey) -> bool {
        succession::leads_from(node, from, key, &self.successions(node))
    }

    /// The successions of a node, in all libraries.
    fn successions(&self, node: &NodeId) -> Vec<Statement> {
        let of_node = self.all.iter().flat_map(|library| library.credentials(node));
        of_node.filter(|said| matches!(said.body(), Body::Succession(_))).cloned().collect()
    }
}
