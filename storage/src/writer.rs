//! The one thread that packs: takes jobs from the queue in order and owns the log.
//!
//! It ends at the first failure and leaves its reason in the queue. It decides when a group ends; the log decides
//! where it goes; other threads write it and make it durable.

use std::{mem, sync::Arc, thread};

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
    log::Log,
    queue::{Job, Queue, Refusal, cost},
    recover::location,
};

/// Starts the thread.
pub(crate) fn start(log: Log, queue: Arc<Queue>) -> Result<thread::JoinHandle<()>> {
    let writer = Writer { log, queue, records: Vec::new(), cost: 0, holds_data: false };
    thread::Builder::new()
        .name("chuan-store".to_owned())
        .spawn(move || writer.run())
        .map_err(|error| Error::io("start the store's thread", error))
}

struct Writer {
    log: Log,
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
        let _guard = self.queue.guard();
        while let Some(job) = self.queue.next() {
            let result = match job {
                Job::Objects(objects) => objects.into_iter().try_for_each(|object| self.put(object)),
                Job::Barrier(answer) => self.commit().and_then(|()| self.log.barrier(answer)),
            };
            if let Err(error) = result {
                self.queue.refuse(Refusal::of(&error));
                return;
            }
        }
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

    /// Ends the open group, if there is one.
    fn commit(&mut self) -> Result<()> {
        if self.log.is_empty() {
            return Ok(());
        }
        self.holds_data = false;
        self.log.commit(mem::take(&mut self.records), mem::take(&mut self.cost))
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
