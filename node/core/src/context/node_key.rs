//! The node's identity: an id that never changes, and the key that it has now.

use std::sync::{PoisonError, RwLock};

use chuan_engine::{id::NodeId, statement::Key};
use chuan_net::Identity;

use crate::{exit::Result, home::Home};

/// The id and the current key of the node of an open home.
#[derive(Debug)]
pub(crate) struct NodeKey {
    node: NodeId,
    key: RwLock<Key>,
}

impl NodeKey {
    /// Reads the id and the key of a home.
    pub(crate) fn of(home: &Home) -> Result<Self> {
        Ok(Self { node: home.node_id()?, key: RwLock::new(home.node_key()?) })
    }

    /// The id.
    pub(crate) const fn id(&self) -> NodeId {
        self.node
    }

    /// The key that the node has now.
    pub(crate) fn current(&self) -> Key {
        self.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the key.
    pub(crate) fn replace(&self, key: Key) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// The identity that new connections prove.
    pub(crate) fn identity(&self) -> Identity {
        Identity::of_node(self.node, self.current())
    }
}
