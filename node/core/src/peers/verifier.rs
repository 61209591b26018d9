//! Verifies that a dialled node holds the key that it proves, by the library for which it is dialled.

use std::sync::Arc;

use bytes::Bytes;
use chuan_engine::{
    id::{LibraryId, NodeId},
    statement::PublicKey,
};
use chuan_net::{PeerVerifier, successions};

use crate::library::LibraryService;

/// The keys of peers in one library. The hello for a library tells of it, and the requests after it tell
/// more: so a key that another library binds to the node is not enough.
pub(crate) struct KnownPeers {
    library: Arc<LibraryService>,
    of: LibraryId,
    /// Whether any node that answers is accepted, since the operator named only the address.
    any_node: bool,
}

impl KnownPeers {
    /// Verifies the peers that are dialled for the library `of`.
    pub(crate) fn verifier(
        library: &Arc<LibraryService>,
        of: LibraryId,
        any_node: bool,
    ) -> Arc<dyn PeerVerifier> {
        Arc::new(Self { library: Arc::clone(library), of, any_node })
    }
}

impl PeerVerifier for KnownPeers {
    fn recognise(&self, expected: &NodeId, key: &PublicKey) -> Option<NodeId> {
        if self.any_node {
            return Some(self.library.keys().node_in(&self.of, key));
        }
        self.library.keys().holds_in(&self.of, expected, key).then_some(*expected)
    }

    fn verify_statements(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool {
        let news = self.library.hear(statements);
        self.library.follow_news(&news);
        self.library.keys().is_shown_in(&self.of, node, key, &successions(statements))
    }
}
