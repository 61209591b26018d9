//! Checkpoints of audit logs. This node's own are signed for every library that it is a member of, and travel with its
//! statements; those of others are kept with these, and can be handed out to whoever wants to prove something.

use chuan_engine::{
    audit::{Event, Point, Verb},
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

impl Inner {
    /// Signs how far the log is durable, for each library in which this node's key speaks for it. Durable when it returns.
    pub(super) fn sign_checkpoint(&self, at: Point) {
        for library in self.libraries.all() {
            if library.key_of(&self.me.id()) != Some(self.key().public()) || at.count == 0 {
                continue;
            }
            if let Err(failure) = self.sign_checkpoint_for(&library, at) {
                tracing::warn!(%failure, library = library.name(), "no checkpoint of the audit log was signed");
            }
        }
    }

    fn sign_checkpoint_for(&self, library: &Library, at: Point) -> Result<()> {
        let now = now_ms();
        self.libraries.change(&library.id(), Vec::new(), now, |library| {
            let body = Checkpoint { node: self.me.id(), count: at.count, head: at.head };
            Ok(vec![checkpoint(library, &self.key(), body, now)?])
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

    /// Where a checkpoint of this node counts more records than its log has: the home was restored or cloned. Told once.
    pub(super) fn overtaken(&self) -> Option<Event> {
        let (me, at) = (self.me.id(), self.log.at());
        let libraries = self.libraries.all();
        let highest = libraries.iter().filter_map(|library| library.checkpoints(&me).into_iter().next());
        let ahead = highest.filter(|said| said.body.count > at.count).max_by_key(|said| said.body.count)?;
        if !lock_of(&self.conflicts).insert(vec![ahead.statement.id()]) {
            return None;
        }
        let what = format!(
            "a checkpoint of this node counts {} records, and the log has {}: this home was restored from a backup, or \
             is a clone",
            ahead.body.count, at.count
        );
        Some(Event::new(Verb::Conflict, what).of(ahead.statement.library()))
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
