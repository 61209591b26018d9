//! The engine's [`Objects`] of one library, and the state that all handles of a store share.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use chuan_engine::{
    Error, Result,
    id::{ChunkId, LibraryId, PageId},
    limits,
    store::{
        Appended, Check, PageState, check_batch,
        objects::{Object, ObjectId, ObjectStores, Objects},
    },
};

use crate::{
    DiskStore,
    entry::{Incoming, Indexed, Location},
    index::Cache,
    layout::Layout,
    queue::{Batch, Queue, cost},
    reader::{Outcome, RecordReader, Wanted},
    slot::IndexSlot,
    stats::LossCounts,
};

/// Bytes of one queued batch: small enough that several fit the queue.
const BATCH_BYTES: u64 = limits::APPEND_QUEUE_BYTES / 4;

/// The state that all handles of a store share.
pub(crate) struct Inner {
    pub(crate) layout: Layout,
    pub(crate) index: Arc<IndexSlot>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) reader: RecordReader,
    pub(crate) cache: Cache,
    pub(crate) losses: Arc<LossCounts>,
    /// Locked during a rebuild.
    pub(crate) rebuilding: Mutex<()>,
}

/// A handle to the objects of one library.
#[derive(Clone, Debug)]
pub(crate) struct LibraryObjects {
    pub(crate) library: LibraryId,
    pub(crate) store: Arc<Inner>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("dir", &self.layout.dir()).finish_non_exhaustive()
    }
}

impl ObjectStores for DiskStore {
    fn of(&self, library: &LibraryId) -> Arc<dyn Objects> {
        Arc::new(self.library(*library))
    }
}

impl Inner {
    /// Reads a library's records of any kind. Damaged records move to the lost set, and the first of them is
    /// the error.
    pub(crate) fn read(
        &self,
        library: &LibraryId,
        records: &[(Indexed, Location)],
        check: Check,
    ) -> Result<Vec<Bytes>> {
        let mut damage = Vec::new();
        let mut read = Vec::with_capacity(records.len());
        for ((indexed, location), outcome) in records.iter().zip(self.try_read(library, records, check)?) {
            match outcome {
                Ok(bytes) => read.push(bytes),
                Err(text) => damage.push((*indexed, *location, text)),
            }
        }
        self.lose(library, &damage)?;
        match damage.into_iter().next() {
            None => Ok(read),
            Some((.., text)) => Err(Error::Corrupt(text)),
        }
    }

    pub(crate) fn try_read(
        &self,
        library: &LibraryId,
        records: &[(Indexed, Location)],
        check: Check,
    ) -> Result<Vec<Outcome>> {
        let wanted: Vec<Wanted> = records
            .iter()
            .map(|(indexed, location)| Wanted {
                library: *library,
                key: indexed.record_key(),
                location: *location,
            })
            .collect();
        self.reader.read(&*self.index.get()?, &wanted, check)
    }

    /// Moves a library's damaged records to the lost set, and logs each as an error.
    pub(crate) fn lose(&self, library: &LibraryId, damage: &[(Indexed, Location, String)]) -> Result<()> {
        for (indexed, _, text) in damage {
            tracing::error!("{text} ({})", indexed.id());
        }
        if damage.is_empty() { Ok(()) } else { self.index.lose(library, damage) }
    }
}

impl LibraryObjects {
    /// Whether the index holds each object.
    fn held(&self, objects: &[Incoming]) -> Result<Vec<bool>> {
        let keys: Vec<Indexed> = objects.iter().map(|object| object.key).collect();
        let located = self.store.index.get()?.locate(&self.library, &keys)?;
        Ok(located.into_iter().map(|located| located.is_some()).collect())
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
        let mut read = self.store.read(&self.library, &held, check)?.into_iter();
        Ok(locations.into_iter().map(|location| location.and_then(|_| read.next())).collect())
    }

    /// Appends objects, in batches.
    pub(crate) fn append_all(&self, objects: Vec<Incoming>) -> Result<Appended> {
        let mut appended = Appended::default();
        for objects in batches(objects) {
            let epoch = self.store.queue.epoch(&self.library)?;
            let held = self.held(&objects)?;
            if held.iter().all(|held| *held) {
                continue;
            }
            let batch = Batch { library: self.library, objects, held, epoch };
            let new = self.store.queue.push(batch, &|objects| self.held(objects))?;
            appended.chunks += new.chunks;
            appended.chunk_bytes += new.chunk_bytes;
            appended.pages += new.pages;
            appended.page_bytes += new.page_bytes;
        }
        Ok(appended)
    }
}

impl Objects for LibraryObjects {
    fn library(&self) -> LibraryId {
        self.library
    }

    fn has_chunks(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        check_batch(ids.len())?;
        self.store.index.get()?.has_chunks(&self.library, ids)
    }

    fn read_chunks(&self, ids: &[ChunkId], check: Check) -> Result<Vec<Option<Bytes>>> {
        check_batch(ids.len())?;
        let locations = self.store.index.get()?.chunks(&self.library, ids)?;
        self.read_some(ids, locations, Indexed::Chunk, check)
    }

    fn read_pages(&self, ids: &[PageId]) -> Result<Vec<Option<Bytes>>> {
        check_batch(ids.len())?;
        let locations = self.store.index.get()?.pages(&self.library, ids)?;
        self.read_some(ids, locations, Indexed::Page, Check::Verify)
    }

    fn page_states(&self, ids: &[PageId]) -> Result<Vec<PageState>> {
        check_batch(ids.len())?;
        self.store.index.get()?.page_states(&self.library, ids)
    }

    fn append(&self, objects: Vec<Object>) -> Result<Appended> {
        objects.iter().try_for_each(Object::check)?;
        self.append_all(objects.into_iter().map(Incoming::from).collect())
    }

    fn commit(&self) -> Result<()> {
        let (answer, answered) = crossbeam_channel::bounded(1);
        self.store.queue.push_barrier(self.library, answer)?;
        match answered.recv() {
            Ok(result) => result.map_err(Error::from),
            // The threads are gone: the queue knows why.
            Err(_) => self
                .store
                .queue
                .epoch(&self.library)
                .and(Err(Error::Poisoned("the store's threads are gone".to_owned()))),
        }
    }

    fn mark(&self, marks: &[(PageId, PageState)]) -> Result<()> {
        // Marks only save work; in memory they would take room without end.
        if self.store.index.get()?.is_read_only() {
            return Ok(());
        }
        self.store.queue.epoch(&self.library)?;
        self.store.index.mark(&self.library, marks)
    }

    fn keep_marks(&self) -> Result<()> {
        if self.store.index.get()?.is_read_only() {
            return Ok(());
        }
        self.store.queue.epoch(&self.library)?;
        self.store.index.get()?.flush()
    }

    fn lost(&self) -> Result<Vec<ObjectId>> {
        self.store.index.get()?.lost(&self.library)
    }

    fn are_lost(&self, ids: &[ObjectId]) -> Result<Vec<bool>> {
        check_batch(ids.len())?;
        self.store.index.get()?.are_lost(&self.library, ids)
    }
}

impl From<Object> for Incoming {
    fn from(object: Object) -> Self {
        let (key, payload) = match object {
            Object::Chunk { id, bytes } => (Indexed::Chunk(id), bytes),
            Object::Page { id, bytes } => (Indexed::Page(id), bytes),
        };
        Self { key, payload }
    }
}

/// Cuts a list into batches for the queue.
fn batches(objects: Vec<Incoming>) -> Vec<Vec<Incoming>> {
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
