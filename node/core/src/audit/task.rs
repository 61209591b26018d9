//! The audit log of an open home: what commands tell it, what keeps it durable, and `audit` itself.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufWriter, Write},
    net::{Ipv4Addr, SocketAddr},
    ops::ControlFlow,
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use chuan_engine::{
    audit::{Actor, Event, Verb},
    id::StatementId,
    statement::{Body, ConflictKind, Library, Statement},
};
use chuan_net::{PeerKey, serve::Refused};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{Inner, Node, lock_of, now_ms, on_thread, said};
use crate::{
    audit::{CHECKPOINT_PERIOD, Files, Remote, line, verify_files},
    command::{AuditVerb, Tail},
    exit::{Failure, Result},
    job::Job,
    outcome::{Audited, Outcome, Row},
};

/// How often a full stretch of records is looked for.
const TICK: Duration = Duration::from_secs(1);
/// How long a follower waits before it looks whether it was asked to stop.
const FOLLOW_PAUSE: Duration = Duration::from_millis(200);
/// Records among which is looked whether a contradiction was told already.
const TOLD_RECORDS: u64 = 10_000;
/// Contradictions that the log is told of at most, as long as the process runs: a stolen key could make them without end.
const TOLD: usize = 1024;
/// What the log is told instead of more of them.
const MORE_CONFLICTS: &str = "more contradictions than are told here; `chuan conflicts` lists them";
/// Bytes of lines that are handed out at once.
const EXPORT_BYTES: usize = 64 * 1024;

/// What a peer that acts over a connection is in the log.
pub(super) const fn peer(peer: &PeerKey) -> Actor {
    Actor::Peer { key: peer.key, node: peer.node }
}

impl Inner {
    /// Tells the audit log what is about to be done with authority. Durable when it returns; where it fails, nothing may be
    /// done. Blocks.
    pub(super) fn audit(&self, event: Event) -> Result<()> {
        self.log.append(event, now_ms())
    }

    /// Tells the audit log what has happened. Never fails: what cannot be written is counted, and the number is written when
    /// that is possible again. Blocks little.
    pub(super) fn note(&self, event: Event) {
        self.log.note(event, now_ms());
    }

    /// Counts somebody who did not prove what was needed. Never blocks on the disk.
    pub(super) fn refused(&self, who: Option<&PeerKey>, address: SocketAddr, what: Refused, why: &str) {
        let actor = who.map_or(Actor::Nobody, peer);
        let remote = Remote { address: address.ip(), actor };
        lock_of(&self.failed).count(what.name(), remote, why, now_ms());
    }

    /// Counts a statement that was brought on this machine under a signature that is none.
    pub(super) fn forged(&self, why: &str) {
        let remote = Remote { address: Ipv4Addr::LOCALHOST.into(), actor: Actor::Nobody };
        lock_of(&self.failed).count("statement", remote, why, now_ms());
    }

    /// Tells the audit log of statements that are about to be kept because a command of this home brought them. Blocks.
    pub(super) fn audit_statements(&self, library: &Library, statements: &[&Statement]) -> Result<()> {
        statements
            .iter()
            .filter_map(|statement| said::event(statement, library))
            .try_for_each(|event| self.audit(event))
    }

    /// Tells the audit log of statements that peers brought. Releases, channels and tickets are told by what uses them, and who
    /// vouches for a channel does so every few minutes.
    pub(super) fn note_statements(&self, statements: &[Statement]) {
        for statement in statements {
            let Some(library) = self.libraries.get(&statement.library()) else { continue };
            if !matches!(
                statement.body(),
                Body::Release(_) | Body::Channel(_) | Body::Ticket(_) | Body::Fresh(_)
            ) {
                said::event(statement, &library).into_iter().for_each(|event| self.note(event));
            }
        }
    }

    /// Contradictions that the log was not told of yet.
    fn new_conflicts(&self) -> Vec<Event> {
        let mut events: Vec<_> = self.forked().into_iter().collect();
        for library in self.libraries.all() {
            for conflict in library.conflicts() {
                let proof: Vec<_> = conflict.statements.iter().map(StatementId::short).collect();
                let what = match conflict.kind {
                    // A node with two logs goes on contradicting itself: the log hears of it once. `conflicts` has the proof.
                    ConflictKind::Checkpoint => format!("{} {}", conflict.kind.name(), conflict.subject),
                    kind => format!("{} {}: {}", kind.name(), conflict.subject, proof.join(" ")),
                };
                events.push(Event::new(Verb::Conflict, what).of(library.id()));
            }
        }
        if !events.is_empty() {
            let mut told = lock_of(&self.told);
            let told = told.get_or_insert_with(|| self.told_before());
            events.retain(|event| told.len() < TOLD && told.insert(event.subject.clone()));
            if told.len() >= TOLD && told.insert(MORE_CONFLICTS.to_owned()) {
                events.push(Event::new(Verb::Conflict, MORE_CONFLICTS));
            }
        }
        events
    }

    /// The contradictions among the log's last records. One that was told longer ago is told once more.
    fn told_before(&self) -> BTreeSet<String> {
        let mut told = BTreeSet::new();
        let from = self.log.at().count.saturating_sub(TOLD_RECORDS);
        let read = self.log.files().records(from, |record, _| {
            if record.event.verb == Verb::Conflict {
                told.insert(record.event.subject.clone());
            }
            Ok(ControlFlow::Continue(()))
        });
        if let Err(failure) = read {
            tracing::error!(%failure, "the audit log could not be read");
        }
        told
    }

    /// What the store has set aside as unreadable, and what of it came back, that the log was not told of yet.
    fn new_losses(&self) -> Vec<Event> {
        let now = self.store.disk().losses();
        let told = std::mem::replace(&mut *lock_of(&self.losses), now);
        let since = |now: u64, told: u64| now.checked_sub(told).unwrap_or(now);
        let (set_aside, mended) = (since(now.set_aside, told.set_aside), since(now.mended, told.mended));
        let events = [
            (set_aside, format!("set aside as damaged: {set_aside} things that were stored")),
            (mended, format!("stored again: {mended} things that had been damaged")),
        ];
        events
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(_, what)| Event::new(Verb::Heal, what))
            .collect()
    }

    /// Tells the log of contradictions, of damage, and of what was gathered of failures, all of it or what is due.
    fn tell_gathered(&self, all: bool) {
        let now = now_ms();
        let failed = lock_of(&self.failed).due(now, all);
        self.catch_up();
        let events = self.new_conflicts().into_iter().chain(self.new_losses()).chain(failed);
        events.for_each(|event| self.log.note(event, now));
    }

    /// Makes the log durable, and signs how far that is.
    fn checkpoint(&self) {
        match self.log.checkpoint(now_ms()) {
            Ok(at) => self.sign_checkpoint(at),
            Err(failure) => tracing::error!(%failure, "the audit log cannot be written"),
        }
    }
}

/// Keeps the log durable while the node lives: after so many records, or so much time.
#[derive(Debug)]
pub(super) struct Keeper {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Keeper {
    pub(super) fn start(node: Weak<Inner>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(keep(node, stopped)) }
    }

    /// Returns when it does nothing any more.
    async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn keep(node: Weak<Inner>, mut stopped: oneshot::Receiver<()>) {
    let mut ticks = 0u32;
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            // Also where the node was dropped without being closed.
            _ = &mut stopped => return,
        }
        let Some(node) = node.upgrade() else { return };
        ticks += 1;
        if node.log.is_due() || TICK * ticks >= CHECKPOINT_PERIOD {
            ticks = 0;
            Node(node).settle_audit().await;
        }
    }
}

impl Node {
    /// Tells the log what is due, makes it durable and signs how far that is.
    pub(super) async fn settle_audit(&self) {
        let node = Arc::clone(&self.0);
        let settled = on_thread(move || {
            node.tell_gathered(false);
            node.checkpoint();
            Ok(())
        });
        log_failure(settled.await);
    }

    /// The same, where something was done with authority since, or much was told.
    pub(super) async fn settle_audit_if_due(&self) {
        if self.0.log.is_due() {
            self.settle_audit().await;
        }
    }

    /// The last of what this process tells the log.
    pub(super) async fn close_audit(&self) {
        let keeper = lock_of(&self.0.keeper).take();
        if let Some(keeper) = keeper {
            keeper.stop().await;
        }
        let node = Arc::clone(&self.0);
        let closed = on_thread(move || {
            node.tell_gathered(true);
            node.log.tell_closed(now_ms());
            node.checkpoint();
            Ok(())
        });
        log_failure(closed.await);
    }

    /// Reads, verifies or exports the audit log; the records come as rows, or as bytes where an export names no file.
    pub async fn audit(&self, verb: AuditVerb, job: &Job) -> Result<Outcome> {
        let (node, job) = (Arc::clone(&self.0), job.clone());
        // Needs no store: a node that is being rebuilt can be asked what happened.
        on_thread(move || match verb {
            AuditVerb::Tail(options) => node.tail(&options, &job),
            AuditVerb::Show(options) => node.show(options.record, &job),
            AuditVerb::Verify(options) => {
                let (own, given) = (node.own_checkpoints(), node.given(&options)?);
                let verified = verify_files(node.log.files(), &own, given.as_ref(), |jump| node.is_own(jump));
                verified.map(Outcome::AuditVerify)
            }
            AuditVerb::Checkpoint(options) => node.write_checkpoint(&options).map(Outcome::AuditCheckpoint),
            AuditVerb::Export(options) => match &options.file {
                Some(file) => node.export_to(file),
                None => node.export(&job),
            },
        })
        .await
    }
}

impl Inner {
    fn tail(&self, options: &Tail, job: &Job) -> Result<Outcome> {
        let mut next = self.log.at().count.saturating_sub(options.number);
        loop {
            job.check()?;
            // To find what comes after `next`, all of a file is read.
            if self.log.at().count > next {
                self.log.files().records(next, |record, id| {
                    next = record.index.saturating_add(1);
                    job.row(Row::Record(Box::new(line::shown(record, id))))?;
                    Ok(ControlFlow::Continue(()))
                })?;
            }
            if !options.follow {
                return Ok(Outcome::Audit(self.audit_end()));
            }
            self.log.wait_beyond(next, FOLLOW_PAUSE);
        }
    }

    fn show(&self, record: Option<u64>, job: &Job) -> Result<Outcome> {
        let mut shown = false;
        self.log.files().records(record.unwrap_or(0), |found, id| {
            if record.is_some_and(|record| record != found.index) {
                return Ok(ControlFlow::Break(()));
            }
            job.row(Row::Record(Box::new(line::shown(found, id))))?;
            shown = true;
            Ok(if record.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        match record {
            Some(record) if !shown => {
                let count = self.log.at().count;
                Err(Failure::missing(format!("no record {record}: the log has {count}, numbered from 0")))
            }
            _ => Ok(Outcome::Audit(self.audit_end())),
        }
    }

    fn export(&self, job: &Job) -> Result<Outcome> {
        let mut lines = Vec::new();
        let exported = write_lines(self.log.files(), |line| {
            lines.extend_from_slice(line);
            if lines.len() < EXPORT_BYTES {
                return Ok(());
            }
            job.data(Bytes::from(std::mem::take(&mut lines)))
        })?;
        if !lines.is_empty() {
            job.data(Bytes::from(lines))?;
        }
        Ok(Outcome::AuditExport(exported))
    }

    fn export_to(&self, path: &Path) -> Result<Outcome> {
        let failed = |error| Failure::io(format!("write {}", path.display()), error);
        let mut file = BufWriter::new(File::create(path).map_err(failed)?);
        let exported = write_lines(self.log.files(), |line| file.write_all(line).map_err(failed))?;
        file.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
        Ok(Outcome::AuditExport(Audited { file: Some(path.display().to_string()), ..exported }))
    }

    fn audit_end(&self) -> Audited {
        let at = self.log.at();
        Audited { count: at.count, head: at.head.to_string(), file: None }
    }
}

/// A panic while the log is written is the log's to tell, not the caller's to fail with.
fn log_failure(result: Result<()>) {
    if let Err(failure) = result {
        tracing::error!(%failure, "the audit log was not kept");
    }
}

/// Gives every record as a line of JSON; returns how many that were.
fn write_lines(files: &Files, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<Audited> {
    let mut exported = Audited { head: chuan_engine::id::RecordId::NONE.to_string(), ..Audited::default() };
    files.records(0, |record, id| {
        let mut line = serde_json::to_vec(&line::shown(record, id))
            .map_err(|error| Failure::internal(format!("cannot encode a record: {error}")))?;
        line.push(b'\n');
        take(&line)?;
        (exported.count, exported.head) = (record.index.saturating_add(1), id.to_string());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(exported)
}
