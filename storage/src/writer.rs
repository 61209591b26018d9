//! The one thread that writes: takes jobs from the queue in order, owns the log, and tells the index what is durable.
//!
//! It ends at the first failure and leaves its reason in the queue. It decides when a group ends; the log decides
//! where it goes.

use std::{sync::Arc, thread};

use chuan_engine::{
    Error, Result,
    segment::{
        RecordKey,
        payload::{self, StatementPrefix},
    },
    store::Object,
};

use crate::{
    entry::{Indexed, Location},
    index::{Change, Index},
    log::Log,
    queue::{Job, Queue, Refusal, cost},
    recover::location,
};

/// Starts the thread.
pub(crate) fn start(log: Log, index: Arc<Index>, queue: Arc<Queue>) -> Result<thread::JoinHandle<()>> {
    let writer = Writer { log, index, queue, records: Vec::new(), cost: 0, holds_data: false };
    thread::Builder::new()
        .name("chuan-store".to_owned())
        .spawn(move || writer.run())
        .map_err(|error| Error::io("start the store's thread", error))
}

struct Writer {
    log: Log,
    index: Arc<Index>,
    queue: Arc<Queue>,
    /// The open group's records.
    records: Vec<(Indexed, Location)>,
    /// What they cost in the queue.
    cost: u64,
    /// Whether the open group holds anything but ref moves.
    holds_data: bool,
}

impl Writer {
    fn run(mut self) {
        let _guard = PanicGuard(self.queue.clone());
        while let Some(job) = self.queue.next() {
            let result = match job {
                Job::Objects(objects) => objects.into_iter().try_for_each(|object| self.put(object)),
                Job::Barrier(answer) => {
                    let result = self.commit();
                    let told = match &result {
                        Ok(()) => Ok(()),
                        Err(error) => Err(refusal(error)),
                    };
                    // After the refusal is in place: whoever is told may look at once.
                    if let Err(refusal) = &told {
                        self.queue.refuse(refusal.clone());
                    }
                    let _ = answer.send(told);
                    result
                }
            };
            if let Err(error) = result {
                tracing::error!("the store takes no more: {error}");
                self.queue.refuse(refusal(&error));
                return;
            }
        }
        self.close();
    }

    /// Puts an object into the open group; ends the group first where it must not join it.
    fn put(&mut self, object: Object) -> Result<()> {
        let cost = cost(&object);
        let (indexed, key) = keys(&object);
        let is_ref = matches!(key, RecordKey::Ref);
        let encoded;
        let payload = match &object {
            Object::Chunk { bytes, .. } | Object::Page { bytes, .. } => bytes.as_ref(),
            Object::Statement { library, kind, sequence, bytes, .. } => {
                let prefix = StatementPrefix { library: *library, kind: *kind, sequence: *sequence };
                encoded = prefix.encode(bytes);
                &encoded
            }
            Object::Ref(to) => {
                encoded = payload::encode_ref(to);
                &encoded
            }
        };
        // A ref move goes into a later group than the data before it: a torn group must not leave a ref without them.
        if !self.log.has_room(payload.len()) || (is_ref && self.holds_data) {
            self.commit()?;
        }
        let (segment, entry) = self.log.push(key, payload)?;
        self.records.push((indexed, location(segment, &entry)));
        self.cost += cost;
        self.holds_data |= !is_ref;
        Ok(())
    }

    /// Makes the open group durable, then visible.
    fn commit(&mut self) -> Result<()> {
        if self.log.is_empty() {
            return Ok(());
        }
        let position = self.log.commit()?;
        self.index.apply(&Change { records: &self.records, fresh: true, damaged: &[], position })?;
        let ids = self.records.drain(..).filter_map(|(indexed, _)| indexed.lost_id());
        self.queue.committed(ids, self.cost, self.log.slack());
        (self.cost, self.holds_data) = (0, false);
        Ok(())
    }

    /// An orderly end: the next open finds the index up to date and the segment fit to go on with.
    fn close(self) {
        let closed = self.log.close().and_then(|()| self.index.flush());
        if let Err(error) = closed {
            tracing::warn!(
                "the store was closed in haste and will be looked over at the next start: {error}"
            );
        }
    }
}

fn keys(object: &Object) -> (Indexed, RecordKey) {
    match object {
        Object::Chunk { id, .. } => (Indexed::Chunk(*id), RecordKey::Chunk(*id)),
        Object::Page { id, .. } => (Indexed::Page(*id), RecordKey::Page(*id)),
        Object::Statement { id, library, kind, sequence, .. } => {
            let prefix = StatementPrefix { library: *library, kind: *kind, sequence: *sequence };
            (Indexed::Statement { id: *id, prefix }, RecordKey::Statement(*id))
        }
        Object::Ref(to) => (Indexed::Ref(to.clone()), RecordKey::Ref),
    }
}

fn refusal(error: &Error) -> Refusal {
    match error {
        Error::Full(text) => Refusal::Full(format!("{text}; then start again")),
        other => Refusal::Poisoned(other.to_string()),
    }
}

/// Nobody may wait for a writer that is gone.
struct PanicGuard(Arc<Queue>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.refuse(Refusal::Poisoned("the store's thread panicked".to_owned()));
        }
    }
}
