//! Where a log goes on from a checkpoint of its own because the records before that are not here: the home was restored from a
//! backup, or its log taken away. If it counted from where it is, no peer would take its checkpoints until they count more than
//! those that are known already.
//!
//! The first record after a jump is a `conflict`. Its subject tells people what is missing, and ends with what proves the jump:
//!
//! ```text
//! … goes on from CHECKPOINT after COUNT HEAD
//! ```
//!
//! CHECKPOINT is the statement in hex, whose count and head are the place of the record and the id of the one before; COUNT
//! and HEAD are how far the log went.

use bytes::Bytes;
use data_encoding::HEXLOWER;

use super::{chain::Point, event::Event, record::Record, verb::Verb};
use crate::{
    error::{Error, Result},
    id::NodeId,
    limits::AUDIT_JUMP_COUNT,
    statement::{Body, PublicKey, Statement},
};

/// A log that goes on elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// How far the log went.
    pub after: Point,
    /// Where it goes on.
    pub to: Point,
    /// Whose log the checkpoint says that to be.
    pub node: NodeId,
    /// Which key signed that. Whether it is the node's is for others to say.
    pub key: PublicKey,
    checkpoint: Bytes,
}

impl Jump {
    /// A jump from `after` to where `checkpoint` is. Fails where it is no checkpoint further on that one key has signed.
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

    /// The jump that a record tells of; `None` where it tells of none that leads to it.
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

    /// What the first record after it tells.
    pub fn event(&self) -> Event {
        let Point { count, head } = self.after;
        let what = format!(
            "a checkpoint of this node counts {} records, and the log had {count}: this home was restored from a backup, or is a \
             clone, or its log was moved away; goes on from {} after {count} {head}",
            self.to.count,
            HEXLOWER.encode(&self.checkpoint),
        );
        Event::new(Verb::Conflict, what)
    }
}
