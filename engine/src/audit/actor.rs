//! The actor of an event, as far as it was proved, and its encoding.
//!
//! ```text
//! kind u8 | 0 the node itself: nothing | 1 a peer: key [32], node [32] | 2 a role: key [32], role u8
//!         | 3 no proved key: nothing
//! ```

use crate::{
    error::Result,
    id::NodeId,
    statement::{PublicKey, RoleKind, wire::Reader},
};

/// The actor of an event, as far as it was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The node that owns the log, or a process that can open its home.
    Node,
    /// A node that proved its key over a connection.
    Peer {
        /// The key.
        key: PublicKey,
        /// The node that the key belongs to.
        node: NodeId,
    },
    /// A holder of the key of a role, proved by a signature.
    Role {
        /// The key.
        key: PublicKey,
        /// The role of the key.
        role: RoleKind,
    },
    /// An actor that proved no key.
    Nobody,
}

impl Actor {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Actor::Node => out.push(0),
            Actor::Peer { key, node } => {
                out.push(1);
                out.extend_from_slice(key.as_bytes());
                out.extend_from_slice(node.as_bytes());
            }
            Actor::Role { key, role } => {
                out.push(2);
                out.extend_from_slice(key.as_bytes());
                out.push(*role as u8);
            }
            Actor::Nobody => out.push(3),
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        match reader.u8()? {
            0 => Ok(Actor::Node),
            1 => Ok(Actor::Peer { key: reader.key()?, node: NodeId::from_bytes(reader.array()?) }),
            2 => {
                let (key, tag) = (reader.key()?, reader.u8()?);
                let role = RoleKind::ALL.into_iter().find(|role| *role as u8 == tag);
                let role = role.ok_or_else(|| reader.invalid(format!("unknown role {tag}")))?;
                Ok(Actor::Role { key, role })
            }
            3 => Ok(Actor::Nobody),
            other => Err(reader.invalid(format!("unknown kind of actor {other}"))),
        }
    }
}
