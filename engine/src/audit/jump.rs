//! A jump: a log continues at one of its own checkpoints because the records before the checkpoint are
//! missing here. The home was restored from a backup, or its log was removed. If the log continued with its
//! own count instead, no peer would accept its checkpoints until their count exceeds that of the checkpoints
//! that are already known.
//!
//! The first record after a jump is a `conflict`. Its subject describes in words what is missing, and ends
//! with the proof of the jump:
//!
//! ```text
//! … goes on from CHECKPOINT after COUNT HEAD
//! ```
//!
//! CHECKPOINT is the checkpoint statement in hexadecimal. Its count and head are the index of this record and
//! the id of the record before. COUNT and HEAD are the end of the log before the jump.

use bytes::Bytes;
use data_encoding::HEXLOWER;

use super::{chain::Point, event::Event, record::Record, verb::Verb};
use crate::{
    error::{Error, Result},
    id::NodeId,
    limits::AUDIT_JUMP_COUNT,
    statement::{Body, PublicKey, Statement},
};

/// A continuation of a log at a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The end of the log before the jump.
    pub after: Point,
    /// The point at which the log continues.
    pub to: Point,
    /// The node that the checkpoint names as the owner of the log.
    pub node: NodeId,
    /// The key that signed the checkpoint. The caller must check that it is a key of the node.
    pub key: PublicKey,
    checkpoint: Bytes,
}

impl Jump {
    /// A jump from `after` to `checkpoint`. Fails if the statement is not a checkpoint beyond `after` that
    /// exactly one key has signed.
    pub fn new(after: Point, checkpoint: &Statement) -> Result<Self> {
        let keys = checkpoint.verify_signatures()?;
        let (Body::Checkpoint(said), [key]) = (checkpoint.body(), keys.as_slice()) else {
            return Err(Error::Invalid(format!("statement {} is no checkpoint", checkpoint.id().short())));
        };
        if said.count <= after.count || said.count > AUDIT_JUMP_COUNT {
            return Err(Error::Invalid(format!(
                "a log of {} records cannot go on from a checkpoint of {}",
                after.count, said.count
            )));
        }
        let to = Point { count: said.count, head: said.head };
        Ok(Self { after, to, node: said.node, key: *key, checkpoint: checkpoint.bytes().clone() })
    }

    /// Reads the jump from a record. `None` if the record has no jump, or one that does not lead to this
    /// record.
    pub fn of(record: &Record) -> Option<Self> {
        if record.event.verb != Verb::Conflict {
            return None;
        }
        let mut words = record.event.subject.rsplit(' ');
        let (head, count, _after, checkpoint) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let after = Point { count: count.parse().ok()?, head: head.parse().ok()? };
        let checkpoint = HEXLOWER.decode(checkpoint.as_bytes()).ok()?;
        let jump = Self::new(after, &Statement::decode(&checkpoint).ok()?).ok()?;
        (jump.to == Point { count: record.index, head: record.prev }).then_some(jump)
    }

    /// The event of the first record after the jump.
    pub fn event(&self) -> Event {
        let Point { count, head } = self.after;
        let subject = format!(
            "a checkpoint of this node counts {} records, and the log had {count}: this home was restored from a backup, or is a \
             clone, or its log was moved away; goes on from {} after {count} {head}",
            self.to.count,
            HEXLOWER.encode(&self.checkpoint),
        );
        Event::new(Verb::Conflict, subject)
    }
}
