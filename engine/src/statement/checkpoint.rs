//! The body of a `checkpoint` statement: the length and last record of a node's audit log.
//!
//! ```text
//! node [32] | count u64 | head [32]
//! ```

use crate::{
    error::{Error, Result},
    id::{NodeId, RecordId},
    statement::wire::Reader,
};

/// Fixes a node's audit log up to a record; signed with the node's key. The statement's sequence is the
/// count, so a node with two histories signs contradicting statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The node whose log it is.
    pub node: NodeId,
    /// Records so far, at least 1.
    pub count: u64,
    /// The last record.
    pub head: RecordId,
}

impl Checkpoint {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            node: NodeId::from_bytes(reader.array()?),
            count: reader.u64()?,
            head: RecordId::from_bytes(reader.array()?),
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(self.head.as_bytes());
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.count == 0 {
            return Err(Error::Invalid("a checkpoint of no record".into()));
        }
        Ok(())
    }
}
