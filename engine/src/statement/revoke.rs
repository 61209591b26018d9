//! The body of a `revoke` statement: the end of a node's grants.
//!
//! ```text
//! node [32] | up_to u64 | reason (len u16, UTF-8)
//! ```

use crate::{
    error::{Error, Result},
    id::NodeId,
    limits::REASON_BYTES,
    statement::wire::{Reader, put_string},
};

/// Ends a node's memberships. A revocation is never undone: an operator admits the node again with a newer
/// member statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoke {
    /// The node.
    pub node: NodeId,
    /// Every member statement of an operator about the node up to this sequence is void, and every ticket it
    /// joined with; at least 1.
    pub up_to: u64,
    /// The reason, for people: at most [`REASON_BYTES`] bytes in one line.
    pub reason: String,
}

impl Revoke {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            node: NodeId::from_bytes(reader.array()?),
            up_to: reader.u64()?,
            reason: reader.string(REASON_BYTES)?,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(&self.up_to.to_le_bytes());
        put_string(out, &self.reason);
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.up_to == 0 || self.up_to >= u64::MAX - 1 {
            return Err(Error::Invalid("a revocation must leave a sequence for what follows it".into()));
        }
        if self.reason.len() > REASON_BYTES || self.reason.contains(char::is_control) {
            return Err(Error::Invalid(format!(
                "the reason of a revocation is one line of at most {REASON_BYTES} bytes"
            )));
        }
        Ok(())
    }
}
