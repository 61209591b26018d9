//! The store on disk behind the engine's [`Store`] trait: who appends, who reads, and what happens to damage.

use std::{path::Path, sync::Arc, thread::JoinHandle};

use bytes::Bytes;
use chuan_engine::{
    Error, Result,
    id::{ChunkId, LibraryId, PageId, StatementId},
    limits,
    segment::{RecordKey, payload::StatementPrefix},
    statement::StatementKind,
    store::{Appended, Check, LostId, Mark, Object, PageState, RefMove, Store, check_batch, check_object},
};

use crate::{
    Losses, Options, Stats,
    disk::Disk,
    entry::{Indexed, Location},
    file::AppendFile,
    index::Index,
    layout::Layout,
    log::Log,
    queue::{Batch, Queue, cost},
    reader::{Outcome, Reader, Wanted},
    recover::{self, Recovered},
    settle::Settle,
    space::Space,
    writer,
};

/// Bytes of one queued batch: small enough that several fit the queue.
const BATCH_BYTES: u64 = limits::APPEND_QUEUE_BYTES / 4;

/// Keeps objects in a directory.
///
/// Dropping it ends the writer: what no commit has made durable is dropped. One process opens a directory at a time;
/// take [`HomeLock`](crate::lock::HomeLock) first.
#[derive(Debug)]
pub struct DiskStore {
    layout: Layout,
    index: Arc<Index>,
    queue: Arc<Queue>,
    reader: Reader,
    writer: Option<JoinHandle<()>>,
}

impl DiskStore {
    /// Opens the store in `dir`, or makes one there.
    ///
    /// Finishes what a crash interrupted: takes in groups that the index does not know, and cuts what follows the last
    /// marker. Builds the index anew, with a warning that names it, where it is damaged. Damage in segments is logged
    /// with file and offset; the store opens all the same.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        let layout = Layout::new(dir);
        layout.create()?;
        let (index, recovered) = open_index(&layout)?;
        let index = Arc::new(index);
        let open = recovered.resume.open;
        let file = open.map(|position| AppendFile::open(&layout.segment(position.segment), &options));
        let file = file.transpose()?.zip(open);
        let slack = file.as_ref().map_or(0, |(file, open)| file.allocated().saturating_sub(open.end));
        let queue = Arc::new(Queue::new(dir.to_owned(), slack));
        let settle = Settle::start(layout.clone(), index.clone(), queue.clone())?;
        let disk = Disk::start(layout.clone(), options.clone(), file, queue.clone(), settle)?;
        let log = Log::resume(disk, options, recovered.resume);
        let writer = Some(writer::start(log, queue.clone())?);
        Ok(Self { reader: Reader::new(layout.clone()), layout, index, queue, writer })
    }

    /// What the store holds, in numbers.
    pub fn stats(&self) -> Result<Stats> {
        let totals = self.index.totals();
        let numbers = self.layout.list_segments()?;
        let segment_bytes = numbers
            .iter()
            .filter_map(|number| Some(self.layout.segment(*number).metadata().ok()?.len()))
            .sum();
        Ok(Stats {
            chunks: totals.chunks,
            chunk_bytes: totals.chunk_bytes,
            pages: totals.pages,
            page_bytes: totals.page_bytes,
            statements: totals.statements,
            lost: self.index.lost_count(),
            segments: numbers.len() as u64,
            segment_bytes,
            usable_bytes: Space::of(self.layout.dir())?.usable(),
        })
    }

    /// What damage has come and gone since the store was opened, what the opening found included.
    pub fn losses(&self) -> Losses {
        self.index.losses()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Reads records of any kind; the damaged ones go to the lost set, and the first of them is the error.
    fn read(&self, records: &[(Indexed, Location)], check: Check) -> Result<Vec<Bytes>> {
        let mut damage = Vec::new();
        let mut read = Vec::with_capacity(records.len());
        for ((indexed, location), outcome) in records.iter().zip(self.try_read(records, check)?) {
            match outcome {
                Ok(bytes) => read.push(bytes),
                Err(text) => damage.push((indexed.clone(), *location, text)),
            }
        }
        self.lose(&damage)?;
        match damage.into_iter().next() {
            None => Ok(read),
            Some((.., text)) => Err(Error::Corrupt(text)),
        }
    }

    pub(crate) fn try_read(&self, records: &[(Indexed, Location)], check: Check) -> Result<Vec<Outcome>> {
        let wanted: Vec<Wanted> = records
            .iter()
            .map(|(indexed, location)| Wanted { key: record_key(indexed), location: *location })
            .collect();
        self.reader.read(&self.index, &wanted, check)
    }

    /// Moves damaged records to the lost set, loudly.
    pub(crate) fn lose(&self, damage: &[(Indexed, Location, String)]) -> Result<()> {
        for (indexed, _, text) in damage {
            tracing::error!("{text} ({:?})", indexed.lost_id());
        }
        if damage.is_empty() { Ok(()) } else { self.index.lose(damage) }
    }

    /// Whether the index holds each object; a ref move is always new.
    fn held(&self, objects: &[Object]) -> Result<Vec<bool>> {
        let records: Vec<Indexed> = objects.iter().filter_map(indexed).collect();
        let mut located = self.index.locate(&records)?.into_iter();
        Ok(objects
            .iter()
            .map(|object| {
                let held = indexed(object).is_some() && located.next().flatten().is_some();
                held && object.held_as().is_some()
            })
            .collect())
    }

    fn read_some<Id: Copy>(
        &self,
        ids: &[Id],
        locations: Vec<Option<Location>>,
        key: fn(Id) -> Indexed,
        check: Check,
    ) -> Result<Vec<Option<Bytes>>> {
        let held: Vec<(Indexed, Location)> =
            ids.iter().zip(&locations).filter_map(|(id, location)| Some((key(*id), (*location)?))).collect();
        let mut read = self.read(&held, check)?.into_iter();
        Ok(locations.into_iter().map(|location| location.and_then(|_| read.next())).collect())
    }
}

impl Store for DiskStore {
    fn has_chunks(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        check_batch(ids.len())?;
        self.index.has_chunks(ids)
    }

    fn read_chunks(&self, ids: &[ChunkId], check: Check) -> Result<Vec<Option<Bytes>>> {
        check_batch(ids.len())?;
        self.read_some(ids, self.index.chunks(ids)?, Indexed::Chunk, check)
    }

    fn read_pages(&self, ids: &[PageId]) -> Result<Vec<Option<Bytes>>> {
        check_batch(ids.len())?;
        self.read_some(ids, self.index.pages(ids)?, Indexed::Page, Check::Verify)
    }

    fn page_states(&self, ids: &[PageId]) -> Result<Vec<PageState>> {
        check_batch(ids.len())?;
        self.index.page_states(ids)
    }

    fn append(&self, objects: Vec<Object>) -> Result<Appended> {
        objects.iter().try_for_each(check_object)?;
        let mut appended = Appended::default();
        for objects in batches(objects) {
            let epoch = self.queue.epoch()?;
            let held = self.held(&objects)?;
            if held.iter().all(|held| *held) {
                continue;
            }
            let new = self.queue.push(Batch { objects, held, epoch }, &|objects| self.held(objects))?;
            appended.chunks += new.chunks;
            appended.chunk_bytes += new.chunk_bytes;
            appended.pages += new.pages;
            appended.page_bytes += new.page_bytes;
        }
        Ok(appended)
    }

    fn commit(&self) -> Result<()> {
        let (answer, answered) = crossbeam_channel::bounded(1);
        self.queue.push_barrier(answer)?;
        match answered.recv() {
            Ok(result) => result.map_err(Error::from),
            // Nobody is there to answer: the queue knows why.
            Err(_) => self.queue.epoch().and(Err(Error::Poisoned("the store's threads are gone".to_owned()))),
        }
    }

    fn mark(&self, marks: &[Mark]) -> Result<()> {
        self.queue.epoch()?;
        self.index.mark(marks)
    }

    fn statements(
        &self,
        library: Option<&LibraryId>,
        kind: StatementKind,
    ) -> Result<Vec<(StatementId, Bytes)>> {
        let records = self.index.current_statements(library, kind)?;
        let payloads = self.read(&records, Check::Verify)?;
        let envelopes = records.into_iter().zip(payloads).map(|((indexed, _), payload)| {
            let (_, envelope) = StatementPrefix::decode(&payload)?;
            let envelope = payload.slice_ref(envelope);
            match indexed {
                Indexed::Statement { id, .. } => Ok((id, envelope)),
                Indexed::Chunk(_) | Indexed::Page(_) | Indexed::Ref(_) => Err(Error::Corrupt(
                    "the index lists something else as a statement; run `chuan rebuild`".to_owned(),
                )),
            }
        });
        envelopes.collect()
    }

    fn refs(&self) -> Result<Vec<RefMove>> {
        Ok(self.index.refs()?.into_iter().map(|(to, _)| to).collect())
    }

    fn lost(&self) -> Result<Vec<LostId>> {
        self.index.lost()
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        self.queue.close();
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the store's thread panicked");
        }
    }
}

/// Opens the index and brings it up to date; where it is damaged, throws it away and builds it from the segments.
fn open_index(layout: &Layout) -> Result<(Index, Recovered)> {
    let open = || {
        let index = Index::open(layout)?;
        let recovered = recover::recover(layout, &index, &|_, _| {})?;
        Ok((index, recovered))
    };
    let damage = if layout.damaged_index().exists() {
        "it was found damaged while it was in use".to_owned()
    } else {
        match open() {
            Err(Error::Corrupt(text)) => text,
            other => return other,
        }
    };
    tracing::warn!("building the index {} anew from the segments: {damage}", layout.index().display());
    Index::discard(layout)?;
    open()
}

fn record_key(indexed: &Indexed) -> RecordKey {
    match indexed {
        Indexed::Chunk(id) => RecordKey::Chunk(*id),
        Indexed::Page(id) => RecordKey::Page(*id),
        Indexed::Statement { id, .. } => RecordKey::Statement(*id),
        Indexed::Ref(_) => RecordKey::Ref,
    }
}

fn indexed(object: &Object) -> Option<Indexed> {
    match object {
        Object::Chunk { id, .. } => Some(Indexed::Chunk(*id)),
        Object::Page { id, .. } => Some(Indexed::Page(*id)),
        Object::Statement { id, library, kind, sequence, .. } => {
            let prefix = StatementPrefix { library: *library, kind: *kind, sequence: *sequence };
            Some(Indexed::Statement { id: *id, prefix })
        }
        Object::Ref(_) => None,
    }
}

/// Cuts a list into batches for the queue.
fn batches(objects: Vec<Object>) -> Vec<Vec<Object>> {
    let mut batches = vec![Vec::new()];
    let mut bytes = 0;
    for object in objects {
        bytes += cost(&object);
        if let Some(batch) = batches.last_mut() {
            batch.push(object);
        }
        if bytes >= BATCH_BYTES {
            batches.push(Vec::new());
            bytes = 0;
        }
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}
