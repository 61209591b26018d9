//! Verifies that a dialled node holds the key that it proves, by the libraries of this home.

use std::sync::Arc;

use bytes::Bytes;
use chuan_engine::{id::NodeId, statement::PublicKey};
use chuan_net::{FirstKeyOnly, PeerVerifier};

use crate::library::LibraryService;

/// The keys of peers by any library of this node: a peer that is known to all of them may have replaced its
/// key, and only one library has the succession. Each library decides by itself what a peer may have of it.
pub(crate) struct KnownPeers {
    library: Arc<LibraryService>,
    /// Whether any node that answers is accepted, since the operator named only the address.
    any_node: bool,
}

impl KnownPeers {
    pub(crate) fn verifier(library: &Arc<LibraryService>, any_node: bool) -> Arc<dyn PeerVerifier> {
        Arc::new(Self { library: Arc::clone(library), any_node })
    }
}

impl PeerVerifier for KnownPeers {
    fn recognise(&self, expected: &NodeId, key: &PublicKey) -> Option<NodeId> {
        if self.any_node {
            return Some(self.library.node_of(key));
        }
        self.library.holds_key(expected, key).then_some(*expected)
    }

    fn verify_statements(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool {
        let news = self.library.hear(statements);
        self.library.follow_news(&news);
        let all = self.library.all();
        if all.iter().any(|library| library.key_of(node).is_some()) {
            return self.library.holds_key(node, key);
        }
        FirstKeyOnly.verify_statements(node, key, statements)
    }
}
