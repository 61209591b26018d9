//! The service `audit`: records contradictions, damage and failed authentications in the audit log of an open
//! home, beside the acts of commands. Decides when the log becomes durable and is signed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use chuan_engine::{
    audit::{Actor, Event, Verb},
    id::{LibraryId, StatementId},
    statement::ConflictKind,
};
use chuan_net::{PeerKey, serve::Refused};
use chuan_storage::Losses;
use tokio_util::sync::CancellationToken;

use super::own_checkpoints::OwnCheckpoints;
use crate::{
    audit_log::{FailedAuths, Remote},
    context::{Context, RefusedAt, Stage},
    exit::{Failure, Result},
    library::LibraryService,
    limits::AUDIT_CHECKPOINT_PERIOD,
};

/// The time between two checks whether a checkpoint is due.
const TICK: Duration = Duration::from_secs(1);
/// Records at the end of the log in which a contradiction is looked up before it is recorded.
const RECENT_RECORDS: u64 = 10_000;
/// Contradictions of one library that one process records at most: a stolen key could make them without end.
/// The owner of another library keeps none of this one out of the log.
const CONFLICTS: usize = 1024;
/// The record in place of further contradictions.
const MORE_CONFLICTS: &str = "more contradictions than are recorded here; `chuan conflicts` lists them";

/// The subjects of contradictions that are recorded, by library.
type Known = BTreeMap<Option<LibraryId>, BTreeSet<String>>;

/// A peer as the actor of an event.
pub(crate) const fn actor(peer: &PeerKey) -> Actor {
    Actor::Peer { key: peer.key, node: peer.node }
}

/// Keeps the audit log of an open home.
#[derive(Debug)]
pub(crate) struct AuditService {
    pub(super) context: Arc<Context>,
    pub(super) library: Arc<LibraryService>,
    /// Failed authentications that are not recorded yet. A lock of its own, never held during input or
    /// output: [`AuditService::refused`] must not block.
    failed: Mutex<FailedAuths>,
    recorded: Mutex<Recorded>,
    /// Set by a test that wants no checkpoint between its steps.
    #[cfg(test)]
    paused: std::sync::atomic::AtomicBool,
}

/// The state of other services that the log has recorded.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    /// Subjects of contradictions by library; `None` until the log was searched for them.
    conflicts: Option<Known>,
    /// Damage of the store.
    losses: Losses,
    /// Checkpoints of this node's own log.
    pub(super) own: OwnCheckpoints,
}

impl AuditService {
    /// Checks the checkpoints of this node against its log: a restored home may be behind them. Blocks.
    pub(crate) fn open(context: Arc<Context>, library: Arc<LibraryService>) -> Self {
        let this = Self {
            context,
            library,
            failed: Mutex::default(),
            recorded: Mutex::default(),
            #[cfg(test)]
            paused: Default::default(),
        };
        this.load_checkpoints();
        this
    }

    /// Counts a peer that failed an authentication. Never blocks on the disk.
    pub(crate) fn refused(&self, peer: Option<&PeerKey>, address: SocketAddr, stage: Refused, why: &str) {
        self.context.metrics.refused.get_or_create(&RefusedAt { stage: stage.name() }).inc();
        let remote = Remote { address: address.ip(), actor: peer.map_or(Actor::Nobody, actor) };
        // Counted before: at most one line for each record, whatever strangers send.
        if self.failed().count(stage.name(), remote, why, self.context.now_ms()) {
            let peer = peer.map(|peer| peer.node.short()).unwrap_or_default();
            tracing::info!(%address, peer, stage = stage.name(), why, "refused");
        }
    }

    /// Counts a statement with an invalid signature that a command on this machine offered.
    pub(crate) fn forged(&self, why: &str) {
        let remote = Remote { address: Ipv4Addr::LOCALHOST.into(), actor: Actor::Nobody };
        self.failed().count("statement", remote, why, self.context.now_ms());
    }

    /// Records what is due, makes the log durable and signs a checkpoint of it. Blocks.
    fn settle(&self) {
        self.record(false);
        self.checkpoint();
    }

    /// The same, where an act was recorded since, or many records were.
    pub(crate) async fn settle_if_due(self: &Arc<Self>) {
        if self.context.log.is_due() {
            self.settle_on_thread().await;
        }
    }

    /// Settles the log when that is due, and at the latest after [`AUDIT_CHECKPOINT_PERIOD`], until `stop` is
    /// cancelled. Then writes the last records. Does not keep the home open.
    pub(crate) async fn run(this: Weak<Self>, stop: CancellationToken) {
        let mut ticks = 0u32;
        loop {
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = stop.cancelled() => break,
            }
            let Some(this) = this.upgrade() else { return };
            #[cfg(test)]
            if this.paused.load(std::sync::atomic::Ordering::SeqCst) {
                continue;
            }
            ticks += 1;
            if this.context.log.is_due() || TICK * ticks >= AUDIT_CHECKPOINT_PERIOD {
                ticks = 0;
                this.settle_on_thread().await;
            }
        }
        if let Some(this) = this.upgrade() {
            let context = Arc::clone(&this.context);
            let closed = context.blocking(move || {
                this.record(true);
                this.context.log.note_closed(this.context.now_ms());
                this.checkpoint();
                Ok(())
            });
            log_failure(closed.await);
        }
    }

    /// Stops making checkpoints by itself.
    #[cfg(test)]
    pub(crate) fn pause(&self) {
        self.paused.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    /// Starts [`AuditService::run`].
    pub(crate) fn start(self: &Arc<Self>) {
        let supervisor = &self.context.supervisor;
        supervisor.spawn(Stage::Audit, Self::run(Arc::downgrade(self), supervisor.stopping(Stage::Audit)));
    }

    pub(crate) async fn settle_on_thread(self: &Arc<Self>) {
        let (this, context) = (Arc::clone(self), Arc::clone(&self.context));
        log_failure(
            context
                .blocking(move || {
                    this.settle();
                    Ok(())
                })
                .await,
        );
    }

    /// Records contradictions, damage, and failed authentications: all of these, or only what is due.
    fn record(&self, all: bool) {
        let now = self.context.now_ms();
        let failed = self.failed().due(now, all);
        self.catch_up();
        let events = self.new_conflicts().into_iter().chain(self.new_losses()).chain(failed);
        events.for_each(|event| self.context.log.note(event, now));
    }

    /// Makes the log durable, and signs how far it is.
    fn checkpoint(&self) {
        match self.context.log.checkpoint(self.context.now_ms()) {
            Ok(at) => self.sign_checkpoint(at),
            Err(failure) if self.is_said(&failure) => {
                tracing::debug!(%failure, "the audit log cannot be written")
            }
            Err(failure) => tracing::error!(%failure, "the audit log cannot be written"),
        }
    }

    /// Whether a failure has the cause that was said when the home was opened: it takes no writes.
    pub(super) fn is_said(&self, failure: &Failure) -> bool {
        self.context.store.read_only().is_some() && failure.is_unwritable()
    }

    /// Contradictions that are not recorded yet.
    fn new_conflicts(&self) -> Vec<Event> {
        let mut events: Vec<_> = self.forked().into_iter().collect();
        for library in self.library.all() {
            for conflict in library.conflicts() {
                let proof: Vec<_> = conflict.statements.iter().map(StatementId::short).collect();
                let what = match conflict.kind {
                    // A node with two logs contradicts itself again and again: one record is enough,
                    // `conflicts` has the proof.
                    ConflictKind::Checkpoint => format!("{} {}", conflict.kind.name(), conflict.subject),
                    kind => format!("{} {}: {}", kind.name(), conflict.subject, proof.join(" ")),
                };
                events.push(Event::new(Verb::Conflict, what).of(library.id()));
            }
        }
        if !events.is_empty() {
            let mut recorded = self.recorded();
            let known = recorded.conflicts.get_or_insert_with(|| self.recent_conflicts());
            keep_unrecorded(&mut events, known);
        }
        events
    }

    /// The contradictions among the last records of the log. An older contradiction is recorded again.
    fn recent_conflicts(&self) -> Known {
        let mut recent = Known::new();
        let log = &self.context.log;
        let from = log.at().count.saturating_sub(RECENT_RECORDS);
        let read = log.files().records(from, |record, _| {
            if record.event.verb == Verb::Conflict {
                recent.entry(record.event.library).or_default().insert(record.event.subject.clone());
            }
            Ok(ControlFlow::Continue(()))
        });
        if let Err(failure) = read {
            tracing::error!(%failure, "the audit log could not be read");
        }
        recent
    }

    /// Objects that the store found damaged, and those that were stored again, since the last call.
    fn new_losses(&self) -> Vec<Event> {
        let now = self.context.store.losses();
        let before = std::mem::replace(&mut self.recorded().losses, now);
        let since = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        let (set_aside, mended) = (since(now.set_aside, before.set_aside), since(now.mended, before.mended));
        let events = [
            (set_aside, format!("set aside as damaged: {set_aside} things that were stored")),
            (mended, format!("stored again: {mended} things that had been damaged")),
        ];
        let events = events.into_iter().filter(|(count, _)| *count > 0);
        events.map(|(_, what)| Event::new(Verb::Heal, what)).collect()
    }

    fn failed(&self) -> MutexGuard<'_, FailedAuths> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops contradictions that are recorded already. Beyond [`CONFLICTS`] of them of one library, one event
/// stands for all others.
fn keep_unrecorded(events: &mut Vec<Event>, known: &mut Known) {
    events.retain(|event| {
        let of_library = known.entry(event.library).or_default();
        of_library.len() < CONFLICTS && of_library.insert(event.subject.clone())
    });
    for (library, of_library) in known.iter_mut().filter(|(_, all)| all.len() >= CONFLICTS) {
        if of_library.insert(MORE_CONFLICTS.to_owned()) {
            events.push(Event { library: *library, ..Event::new(Verb::Conflict, MORE_CONFLICTS) });
        }
    }
}

/// Logs a failure. The audit log reports its own failures; a panic during a write must not fail the command.
fn log_failure(result: Result<()>) {
    if let Err(failure) = result {
        tracing::error!(%failure, "the audit log was not written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: a stolen key made contradictions without end; each was a record of the log, and stayed in
    /// memory.
    #[test]
    fn contradictions_are_recorded_up_to_a_limit() {
        let mut known = Known::new();
        let mut recorded = Vec::new();
        for batch in 0..5 {
            let subjects = (0..=batch * CONFLICTS / 2).map(|number| format!("release {number}"));
            let mut events: Vec<_> = subjects.map(|subject| Event::new(Verb::Conflict, subject)).collect();
            keep_unrecorded(&mut events, &mut known);
            recorded.extend(events.into_iter().map(|event| event.subject));
        }
        let known: usize = known.values().map(BTreeSet::len).sum();
        assert_eq!((recorded.len(), known), (CONFLICTS + 1, CONFLICTS + 1));
        assert_eq!(recorded.last().map(String::as_str), Some(MORE_CONFLICTS));
        assert_eq!(recorded.iter().collect::<BTreeSet<_>>().len(), recorded.len(), "one was recorded twice");
    }
}
