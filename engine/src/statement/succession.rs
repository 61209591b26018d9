//! The body of a `succession` statement: a node's next key.
//!
//! ```text
//! node [32] | old key [32] | new key [32] | grace_ms u64
//! ```

use crate::{
    error::{Error, Result},
    id::NodeId,
    limits::{GRACE_DAYS, GRACE_MS},
    statement::{Body, PublicKey, Statement, wire::Reader},
};

/// Replaces a node's key. Both keys sign, so that only a holder of both can hand the node over. The node
/// keeps its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// The node, by its first key.
    pub node: NodeId,
    /// The key it had.
    pub old: PublicKey,
    /// The key it has from now on.
    pub new: PublicKey,
    /// The time for which the old key stays valid after the statement's time, in ms, at most [`GRACE_MS`].
    pub grace_ms: u64,
}

/// Whether successions among `statements`, whose signatures are checked here, lead from `node`'s first key to
/// `key`. A key that an operator bound is not found in this way: that needs the library.
pub fn leads_to(node: &NodeId, key: &PublicKey, statements: &[Statement]) -> bool {
    key.node() == *node || leads(node, |old| old.node() == *node, key, statements)
}

/// Whether successions of `node` among `statements`, whose signatures are checked here, lead from its key
/// `from` to `key`. Both keys sign a succession, so its library does not matter.
pub fn leads_from(node: &NodeId, from: &PublicKey, key: &PublicKey, statements: &[Statement]) -> bool {
    key == from || leads(node, |old| old == from, key, statements)
}

fn leads(
    node: &NodeId,
    is_start: impl Fn(&PublicKey) -> bool,
    key: &PublicKey,
    statements: &[Statement],
) -> bool {
    let verified = statements.iter().filter_map(|statement| match statement.body() {
        Body::Succession(next) if next.node == *node => {
            let signers = statement.verify_signatures().ok()?;
            next.is_signed_by(&signers).then_some(next)
        }
        _ => None,
    });
    let all: Vec<_> = verified.collect();
    let mut reached: Vec<PublicKey> =
        all.iter().map(|next| next.old).filter(|old| is_start(old)).take(1).collect();
    // Each succession adds at most one key.
    for _ in 0..all.len() {
        let next = all.iter().find(|next| reached.contains(&next.old) && !reached.contains(&next.new));
        reached.extend(next.map(|next| next.new));
    }
    reached.contains(key)
}

impl Succession {
    /// Whether `signers`, each listed once, are exactly the two keys.
    pub(crate) fn is_signed_by(&self, signers: &[PublicKey]) -> bool {
        signers.len() == 2 && signers.contains(&self.old) && signers.contains(&self.new)
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            node: NodeId::from_bytes(reader.array()?),
            old: reader.key()?,
            new: reader.key()?,
            grace_ms: reader.u64()?,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(self.old.as_bytes());
        out.extend_from_slice(self.new.as_bytes());
        out.extend_from_slice(&self.grace_ms.to_le_bytes());
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.old == self.new {
            return Err(Error::Invalid("a key cannot succeed itself".into()));
        }
        if self.grace_ms > GRACE_MS {
            return Err(Error::Invalid(format!("an old key stays good for at most {GRACE_DAYS} days")));
        }
        Ok(())
    }
}
