//! Checkpoints of audit logs. This node's own are signed for every library that it is a member of, and travel with its
//! statements; those of others are kept with these, and can be handed out to whoever wants to prove something.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use chuan_engine::{
    audit::{Event, Jump, Point, Verb},
    id::{RecordId, StatementId},
    limits::{AUDIT_JUMP_COUNT, CHECKPOINTS},
    statement::{Checkpoint, Library, Said, library::checkpoint},
};

use super::{Inner, lock_of, member_named, now_ms};
use crate::{
    audit::Given,
    command::{AuditCheckpoint, AuditVerify},
    exit::{Exit, Failure, Result},
    home::file::write_atomic,
    outcome::CheckpointShown,
};

/// How long the log goes on from no other checkpoint after it did from one: two homes of one key would chase each other.
const JUMP_PAUSE: Duration = Duration::from_secs(600);

/// What this process has made of the checkpoints of its own log.
#[derive(Debug, Default)]
pub(super) struct OwnCheckpoints {
    /// Those that need not be held to the log: that was done, or it was signed here.
    seen: BTreeSet<StatementId>,
    /// When the log went on from one.
    jumped: Option<Instant>,
}

impl Inner {
    /// Signs how far the log is durable, for each library in which this node's key speaks for it, unless that is said already.
    /// Durable when it returns; what fails is tried again with the next.
    pub(super) fn sign_checkpoint(&self, at: Point) {
        for library in self.libraries.all() {
            let speaks = library.key_of(&self.me.id()) == Some(self.key().public());
            if !speaks || at.count == 0 || !is_news(&library.checkpoints(&self.me.id()), at) {
                continue;
            }
            if let Err(failure) = self.sign_checkpoint_for(&library, at) {
                tracing::warn!(%failure, library = library.name(), "no checkpoint of the audit log was signed");
            }
        }
    }

    fn sign_checkpoint_for(&self, library: &Library, at: Point) -> Result<()> {
        let (me, now) = (self.me.id(), now_ms());
        self.libraries.change(&library.id(), now, |library| {
            if !is_news(&library.checkpoints(&me), at) {
                return Ok(Vec::new());
            }
            let body = Checkpoint { node: me, count: at.count, head: at.head };
            let signed = checkpoint(library, &self.key(), body, now)?;
            lock_of(&self.own).seen.insert(signed.id());
            Ok(vec![signed])
        })?;
        Ok(())
    }

    /// What the statements here say of this node's log.
    pub(super) fn own_checkpoints(&self) -> Vec<Point> {
        let me = self.me.id();
        let libraries = self.libraries.all();
        let all = libraries.iter().flat_map(|library| library.checkpoints(&me));
        all.map(|said| Point { count: said.body.count, head: said.body.head }).collect()
    }

    /// Whether a log may go on by this jump: the checkpoint is of this node, by a key that it has or had.
    pub(super) fn is_own(&self, jump: &Jump) -> bool {
        let (me, key) = (self.me.id(), &jump.key);
        let is_known = || self.libraries.all().iter().any(|library| library.has_had_key(&me, key));
        jump.node == me && (key.node() == me || *key == self.key().public() || is_known())
    }

    /// Goes on from the highest checkpoint of this node, where that counts more records than the log has: otherwise nobody
    /// would keep what is signed here until there are as many.
    pub(super) fn catch_up(&self) {
        let me = self.me.id();
        let libraries = self.libraries.all();
        let all = libraries.iter().flat_map(|library| library.checkpoints(&me));
        let highest =
            all.filter(|said| said.body.count <= AUDIT_JUMP_COUNT).max_by_key(|said| said.body.count);
        let Some(highest) = highest.filter(|said| said.body.count > self.log.at().count) else { return };
        if lock_of(&self.own).jumped.is_some_and(|jumped| jumped.elapsed() < JUMP_PAUSE) {
            return;
        }
        let now = now_ms();
        // The point that is left behind, too: where a peer keeps it beside another of that count, it proves two histories.
        let jumped = self.log.checkpoint(now).and_then(|at| {
            self.sign_checkpoint(at);
            self.log.jump(highest.statement, now)
        });
        match jumped {
            Ok(()) => lock_of(&self.own).jumped = Some(Instant::now()),
            Err(failure) => tracing::error!(%failure, "the audit log could not go on from its checkpoint"),
        }
    }

    /// Takes the checkpoints that the log went by when this home was open before as seen.
    pub(super) fn take_up_checkpoints(&self) {
        let seen = self.within().iter().map(|(id, _)| *id).collect();
        lock_of(&self.own).seen = seen;
        self.catch_up();
    }

    /// Where a checkpoint of this node that was heard of names another record than the log has at its place: the home was
    /// restored and went on, or cloned.
    pub(super) fn forked(&self) -> Option<Event> {
        let within = self.within();
        let seen = within.iter().map(|(id, _)| *id).collect();
        let seen = mem::replace(&mut lock_of(&self.own).seen, seen);
        let mut heads: BTreeMap<u64, BTreeSet<RecordId>> = BTreeMap::new();
        for (id, point) in within {
            if !seen.contains(&id) {
                heads.entry(point.count.saturating_sub(1)).or_default().insert(point.head);
            }
        }
        let first = *heads.keys().next()?;
        let mut fork = None;
        let read = self.log.files().records(first, |record, id| {
            let is_other = |heads: BTreeSet<RecordId>| heads.iter().any(|head| *head != id);
            if heads.remove(&record.index).is_some_and(is_other) {
                fork = Some(record.index);
            }
            let is_done = fork.is_some() || heads.is_empty();
            Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        if let Err(failure) = read {
            tracing::error!(%failure, "the audit log could not be held to its checkpoints");
        }
        let what = format!(
            "a checkpoint of this node names another record {} than the log has: this home was restored from a backup, or is a clone",
            fork?
        );
        Some(Event::new(Verb::Conflict, what))
    }

    /// The checkpoints of this node that count no more records than the log has.
    fn within(&self) -> Vec<(StatementId, Point)> {
        let (me, at) = (self.me.id(), self.log.at());
        let libraries = self.libraries.all();
        let all = libraries.iter().flat_map(|library| library.checkpoints(&me));
        all.filter(|said| said.body.count <= at.count)
            .map(|said| (said.statement.id(), Point { count: said.body.count, head: said.body.head }))
            .collect()
    }

    /// The checkpoint that `audit verify` was given; fails where it is not one of this node's log, by a key of this node.
    pub(super) fn given(&self, options: &AuditVerify) -> Result<Option<Given>> {
        let Some(given) = Given::read(options)? else { return Ok(None) };
        let me = self.me.id();
        if given.node != me {
            let (theirs, mine) = (given.node.short(), me.short());
            return Err(Failure::invalid(format!("the checkpoint is of node {theirs}; this is node {mine}")));
        }
        let libraries = self.libraries.all();
        let known = |library: &std::sync::Arc<Library>| {
            library.checkpoints(&me).iter().any(|said| said.statement.id() == given.id)
                || library.holds_key(&me, &given.key, now_ms())
        };
        if given.key != self.key().public() && !libraries.iter().any(known) {
            let key = given.key.short();
            return Err(Failure::denied(format!(
                "the checkpoint is signed by key {key}, which is none of this node's"
            )));
        }
        Ok(Some(given))
    }

    /// Writes the newest checkpoint that is known of a node's log to a file.
    pub(super) fn write_checkpoint(&self, options: &AuditCheckpoint) -> Result<CheckpointShown> {
        let libraries = self.libraries.all();
        let mut newest: Option<Said<'_, Checkpoint>> = None;
        for library in &libraries {
            let node = match member_named(library, &options.node) {
                Err(failure) if failure.exit == Exit::Missing => continue,
                node => node?,
            };
            let said = library.checkpoints(&node).into_iter().next();
            newest = newest.into_iter().chain(said).max_by_key(|said| said.body.count);
        }
        let Some(said) = newest else {
            return Err(Failure::missing(format!(
                "no checkpoint of `{}` is known here; `chuan members` lists whom a library knows",
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

/// Whether a checkpoint at `at` adds to those that are known, the newest first: it is not there, and would be kept.
fn is_news(known: &[Said<'_, Checkpoint>], at: Point) -> bool {
    let newer = known.iter().filter(|said| said.body.count > at.count).count();
    newer < CHECKPOINTS && !known.iter().any(|said| (said.body.count, said.body.head) == (at.count, at.head))
}
