//! Checkpoints of audit logs. This node signs its own for every library of which it is a member, and they
//! travel with its statements. Checkpoints of other nodes are stored likewise, and can be written to a file
//! as proof.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    ops::ControlFlow,
    time::Duration,
};

use chuan_engine::{
    audit::{Event, Jump, Point, Verb},
    id::{RecordId, StatementId},
    limits::{AUDIT_JUMP_COUNT, CHECKPOINTS},
    statement::{Checkpoint, Library, PublicKey, Signed, Statement, library::checkpoint},
};

use super::task::AuditService;
use tokio::time::Instant;

use crate::{
    audit_log::Given,
    command::{AuditCheckpoint, AuditVerify},
    exit::{Exit, Failure, Result},
    file::write_atomic,
    library::members::named as member_named,
    outcome::CheckpointShown,
};

/// The minimum time between two jumps of the log to a checkpoint: otherwise two homes with one key would jump
/// to each other's checkpoints again and again.
const JUMP_PAUSE: Duration = Duration::from_secs(600);

/// The state of this process about the checkpoints of its own log.
#[derive(Debug, Default)]
pub(super) struct OwnCheckpoints {
    /// Checkpoints that were compared with the log, or that this process signed.
    seen: BTreeSet<StatementId>,
    /// The time of the last jump to a checkpoint.
    jumped: Option<Instant>,
}

/// A checkpoint of this node's log.
struct OwnCheckpoint {
    statement: Statement,
    body: Checkpoint,
}

impl AuditService {
    /// Signs the durable point `at`, for each library in which the signing key is this node's current key,
    /// unless a known checkpoint covers it. Durable when it returns; after a failure, the next checkpoint is
    /// the next attempt.
    pub(crate) fn sign_checkpoint(&self, at: Point) {
        for library in self.library.all() {
            let is_current = library.key_of(&self.context.me()) == Some(self.context.signing_key().public());
            let is_lost = self.library.check_not_lost(Some(&library.id())).is_err();
            if is_lost
                || !is_current
                || at.count == 0
                || !is_new(&library.checkpoints(&self.context.me()), at)
            {
                continue;
            }
            if let Err(failure) = self.sign_checkpoint_for(&library, at) {
                tracing::warn!(%failure, library = library.name(), "no checkpoint of the audit log was signed");
            }
        }
    }

    fn sign_checkpoint_for(&self, library: &Library, at: Point) -> Result<()> {
        let (me, now) = (self.context.me(), self.context.now_ms());
        self.library.change(&library.id(), |library| {
            if !is_new(&library.checkpoints(&me), at) {
                return Ok(Vec::new());
            }
            let body = Checkpoint { node: me, count: at.count, head: at.head };
            let signed = checkpoint(library, &self.context.signing_key(), body, now)?;
            self.recorded().own.seen.insert(signed.id());
            Ok(vec![signed])
        })?;
        Ok(())
    }

    /// The points of all known checkpoints of this node's log.
    pub(crate) fn own_checkpoints(&self) -> Vec<Point> {
        let own = self.own();
        own.iter().map(|said| Point { count: said.body.count, head: said.body.head }).collect()
    }

    /// The known checkpoints of this node's log, by keys that this home holds or held: the operators of a
    /// library may bind a key of their own to this node, and sign what they like with it.
    fn own(&self) -> Vec<OwnCheckpoint> {
        let (me, mut is_own) = (self.context.me(), BTreeMap::new());
        let libraries = self.library.all();
        let all = libraries.iter().flat_map(|library| library.checkpoints(&me));
        let own = all.filter(|said| {
            let mut signers = said.statement.signers();
            signers.any(|key| *is_own.entry(*key).or_insert_with(|| self.is_own_key(key)))
        });
        own.map(|said| OwnCheckpoint { statement: said.statement.clone(), body: said.body.clone() }).collect()
    }

    /// Whether this home holds or held `key` as the key of its node: its signing key, and the keys from which
    /// successions lead to it.
    fn is_own_key(&self, key: &PublicKey) -> bool {
        let current = self.context.signing_key().public();
        *key == current || self.library.keys().leads(&self.context.me(), key, &current)
    }

    /// Whether the log may continue by this jump: the checkpoint is of this node, by a key that the node has
    /// or had.
    pub(crate) fn is_own(&self, jump: &Jump) -> bool {
        let (me, key) = (self.context.me(), &jump.key);
        let is_known = || self.library.all().iter().any(|library| library.has_had_key(&me, key));
        jump.node == me && (key.node() == me || *key == self.context.signing_key().public() || is_known())
    }

    /// Continues the log from the highest checkpoint of this node, where that counts more records than the
    /// log has. Otherwise peers would not keep the checkpoints that are signed here before the log has as
    /// many records.
    pub(crate) fn catch_up(&self) {
        let all = self.own().into_iter().filter(|said| said.body.count <= AUDIT_JUMP_COUNT);
        let highest = all.max_by_key(|said| said.body.count);
        let Some(highest) = highest.filter(|said| said.body.count > self.context.log.at().count) else {
            return;
        };
        if self.recorded().own.jumped.is_some_and(|jumped| jumped.elapsed() < JUMP_PAUSE) {
            return;
        }
        let now = self.context.now_ms();
        // Also sign the point before the jump: where a peer has another checkpoint of that count, the two
        // prove two histories. A home that was restored from a backup begins a log anew and has no other
        // history: it proves nothing against itself.
        let jumped = self.context.log.checkpoint(now).and_then(|at| {
            if self.has_signed() {
                self.sign_checkpoint(at);
            }
            self.context.log.jump(&highest.statement, now)
        });
        match jumped {
            Ok(()) => self.recorded().own.jumped = Some(self.context.clock.instant()),
            Err(failure) if self.is_said(&failure) => {
                tracing::debug!(%failure, "the audit log could not continue from its checkpoint");
            }
            Err(failure) => {
                tracing::error!(%failure, "the audit log could not continue from its checkpoint");
            }
        }
    }

    /// Marks the checkpoints within the log as seen: an earlier process compared them. Then catches up.
    pub(crate) fn load_checkpoints(&self) {
        let seen = self.within().iter().map(|(id, _)| *id).collect();
        self.recorded().own.seen = seen;
        self.catch_up();
    }

    /// The event where a received checkpoint of this node names another record than the log has at that
    /// index: the home was restored from a backup and continued, or was cloned.
    pub(crate) fn forked(&self) -> Option<Event> {
        let within = self.within();
        let seen = within.iter().map(|(id, _)| *id).collect();
        let seen = mem::replace(&mut self.recorded().own.seen, seen);
        let mut heads: BTreeMap<u64, BTreeSet<RecordId>> = BTreeMap::new();
        for (id, point) in within {
            if !seen.contains(&id) {
                heads.entry(point.count.saturating_sub(1)).or_default().insert(point.head);
            }
        }
        let first = *heads.keys().next()?;
        let mut fork = None;
        let read = self.context.log.files().records(first, |record, id| {
            let is_other = |heads: BTreeSet<RecordId>| heads.iter().any(|head| *head != id);
            if heads.remove(&record.index).is_some_and(is_other) {
                fork = Some(record.index);
            }
            let is_done = fork.is_some() || heads.is_empty();
            Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        if let Err(failure) = read {
            tracing::error!(%failure, "the audit log could not be compared with its checkpoints");
        }
        let what = format!(
            "a checkpoint of this node names another record {} than the log has: this home was restored from a backup, or is a clone",
            fork?
        );
        Some(Event::new(Verb::Conflict, what))
    }

    /// Whether the log has a record that a known checkpoint of this node names as its head. Where the log
    /// cannot be read, it is taken to have one.
    fn has_signed(&self) -> bool {
        let heads: BTreeSet<RecordId> = self.within().into_iter().map(|(_, point)| point.head).collect();
        let mut has_signed = false;
        let read = self.context.log.files().records(0, |_, id| {
            has_signed |= heads.contains(&id);
            Ok(if has_signed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        has_signed || read.is_err()
    }

    /// The checkpoints of this node that count no more records than the log has.
    fn within(&self) -> Vec<(StatementId, Point)> {
        let at = self.context.log.at();
        let all = self.own().into_iter().filter(|said| said.body.count <= at.count);
        all.map(|said| (said.statement.id(), Point { count: said.body.count, head: said.body.head }))
            .collect()
    }

    /// The checkpoint file that `audit verify` names; fails where the checkpoint is not of this node's log,
    /// or not by a key of this node.
    pub(crate) fn given(&self, options: &AuditVerify) -> Result<Option<Given>> {
        let Some(given) = Given::read(options)? else { return Ok(None) };
        let me = self.context.me();
        if given.node != me {
            let (theirs, mine) = (given.node.short(), me.short());
            return Err(Failure::invalid(format!("the checkpoint is of node {theirs}; this is node {mine}")));
        }
        if !self.is_own_key(&given.key) && !self.own().iter().any(|said| said.statement.id() == given.id) {
            let key = given.key.short();
            return Err(Failure::denied(format!(
                "the checkpoint is signed by key {key}, which is not a key of this node"
            )));
        }
        Ok(Some(given))
    }

    /// Writes the newest known checkpoint of a node's log to a file. Those by keys that count in all
    /// libraries go first: the operators of a library may bind a key of their own to any node.
    ///
    /// # Errors
    ///
    /// Usage where the name is that of several nodes, as the libraries here name them.
    pub(crate) fn write_checkpoint(&self, options: &AuditCheckpoint) -> Result<CheckpointShown> {
        let libraries = self.library.all();
        let mut nodes = BTreeSet::new();
        for library in &libraries {
            match member_named(library, &options.node) {
                Err(failure) if failure.exit == Exit::Missing => {}
                node => drop(nodes.insert(node?)),
            }
        }
        if nodes.len() > 1 {
            let ids: Vec<_> = nodes.iter().map(ToString::to_string).collect();
            return Err(Failure::usage(format!(
                "several nodes match `{}`; name one by its id: {}",
                options.node,
                ids.join(", ")
            )));
        }
        let keys = self.library.keys();
        let known = nodes.iter().flat_map(|node| libraries.iter().flat_map(|it| it.checkpoints(node)));
        let newest = known.max_by_key(|said| {
            let is_proved = said.statement.signers().all(|key| keys.is_proved(&said.body.node, key));
            (is_proved, said.body.count)
        });
        let Some(said) = newest else {
            return Err(Failure::missing(format!(
                "no checkpoint of `{}` is known here; `chuan members` lists the members of a library",
                options.node
            )));
        };
        write_atomic(&options.file, said.statement.bytes(), 0o644)?;
        Ok(CheckpointShown {
            node: said.body.node.to_string(),
            count: said.body.count,
            head: said.body.head.to_string(),
            time_ms: said.statement.time_ms(),
            key: said.statement.signers().next().map(ToString::to_string).unwrap_or_default(),
            file: options.file.display().to_string(),
        })
    }
}

/// Whether a checkpoint at `at` is new beside the known ones, and among the newest, which are kept.
fn is_new(known: &[Signed<'_, Checkpoint>], at: Point) -> bool {
    let newer = known.iter().filter(|said| said.body.count > at.count).count();
    newer < CHECKPOINTS && !known.iter().any(|said| (said.body.count, said.body.head) == (at.count, at.head))
}
