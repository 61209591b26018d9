//! Who this node is: an id for good, and the key that it has now.

use std::sync::{PoisonError, RwLock};

use chuan_engine::{id::NodeId, statement::Key};
use chuan_net::Identity;

use crate::{exit::Result, home::Home};

/// The node of an open home.
#[derive(Debug)]
pub(super) struct Me {
    node: NodeId,
    key: RwLock<Key>,
}

impl Me {
    /// Reads the id and the key of a home.
    pub(super) fn of(home: &Home) -> Result<Self> {
        Ok(Self { node: home.node_id()?, key: RwLock::new(home.node_key()?) })
    }

    /// The id.
    pub(super) const fn id(&self) -> NodeId {
        self.node
    }

    /// The key.
    pub(super) fn key(&self) -> Key {
        self.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on under another key.
    pub(super) fn set_key(&self, key: Key) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// What connections prove from now on.
    pub(super) fn identity(&self) -> Identity {
        Identity::of_node(self.node, self.key())
    }
}
