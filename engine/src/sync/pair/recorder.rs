//! Objects and a ledger that record what was appended, so that a test can check that nothing else was. They
//! fail at the write that a test chooses.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use crate::{
    error::Result,
    id::{ChunkId, LibraryId, PageId, StatementId},
    statement::StatementKind,
    store::{
        Appended, Check, Kept, Ledger, LostRecord, Object, ObjectId, Objects, PageState, Record, RefMove,
        memory::{MemoryLedger, MemoryObjectStores, MemoryObjects},
    },
};

/// A node's storage, and how many of its writes still succeed.
#[derive(Clone, Debug, Default)]
pub(in crate::sync) struct Disk {
    pub(in crate::sync) stores: MemoryObjectStores,
    pub(in crate::sync) ledger: MemoryLedger,
    /// How many appends and commits still succeed; no limit if `None`.
    pub(in crate::sync) writes_left: Arc<Mutex<Option<usize>>>,
}

impl Disk {
    /// Loses all data that is not durable, and ends the poisoning.
    pub(in crate::sync) fn crash(&self) {
        self.stores.crash();
        self.ledger.crash();
    }

    /// Counts a write. The first write over the limit poisons the home until the next crash.
    fn write(&self) {
        match self.writes_left.lock().unwrap().as_mut() {
            Some(0) => {
                self.stores.poison("the test wants it");
                self.ledger.poison("the test wants it");
            }
            Some(left) => *left -= 1,
            None => {}
        }
    }
}

/// Objects of one library; records the ids of appended objects, and the bytes of chunks that were read.
#[derive(Debug)]
pub(in crate::sync) struct Recorder {
    pub(in crate::sync) inner: MemoryObjects,
    pub(in crate::sync) appended: Mutex<HashSet<ObjectId>>,
    pub(in crate::sync) chunk_bytes_read: AtomicU64,
    disk: Disk,
}

impl Recorder {
    pub(in crate::sync) fn new(disk: &Disk, library: &LibraryId) -> Self {
        let (appended, chunk_bytes_read) = (Mutex::default(), AtomicU64::default());
        Self { inner: disk.stores.objects(library), appended, chunk_bytes_read, disk: disk.clone() }
    }
}

impl Objects for Recorder {
    fn library(&self) -> LibraryId {
        self.inner.library()
    }

    fn has_chunks(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        self.inner.has_chunks(ids)
    }

    fn read_chunks(&self, ids: &[ChunkId], check: Check) -> Result<Vec<Option<Bytes>>> {
        let read = self.inner.read_chunks(ids, check)?;
        let bytes = read.iter().flatten().map(|bytes| bytes.len() as u64).sum();
        self.chunk_bytes_read.fetch_add(bytes, Ordering::Relaxed);
        Ok(read)
    }

    fn read_pages(&self, ids: &[PageId]) -> Result<Vec<Option<Bytes>>> {
        self.inner.read_pages(ids)
    }

    fn page_states(&self, ids: &[PageId]) -> Result<Vec<PageState>> {
        self.inner.page_states(ids)
    }

    fn append(&self, objects: Vec<Object>) -> Result<Appended> {
        self.appended.lock().unwrap().extend(objects.iter().map(Object::id));
        self.disk.write();
        self.inner.append(objects)
    }

    fn commit(&self) -> Result<()> {
        self.disk.write();
        self.inner.commit()
    }

    fn mark(&self, marks: &[(PageId, PageState)]) -> Result<()> {
        self.inner.mark(marks)
    }

    fn keep_marks(&self) -> Result<()> {
        self.inner.keep_marks()
    }

    fn lost(&self) -> Result<Vec<ObjectId>> {
        self.inner.lost()
    }

    fn are_lost(&self, ids: &[ObjectId]) -> Result<Vec<bool>> {
        self.inner.are_lost(ids)
    }
}

/// A ledger that records the ids of appended statements.
#[derive(Debug, Default)]
pub(in crate::sync) struct LedgerRecorder {
    pub(in crate::sync) appended: Mutex<HashSet<StatementId>>,
    disk: Disk,
}

impl LedgerRecorder {
    pub(in crate::sync) fn new(disk: &Disk) -> Self {
        Self { appended: Mutex::default(), disk: disk.clone() }
    }
}

impl Ledger for LedgerRecorder {
    fn append(&self, records: Vec<Record>) -> Result<()> {
        self.appended.lock().unwrap().extend(records.iter().filter_map(Record::statement_id));
        self.disk.write();
        self.disk.ledger.append(records)
    }

    fn statements(&self, library: Option<&LibraryId>, kind: StatementKind) -> Result<Vec<Kept>> {
        self.disk.ledger.statements(library, kind)
    }

    fn refs(&self) -> Result<Vec<RefMove>> {
        self.disk.ledger.refs()
    }

    fn supersede(&self, ids: &[StatementId]) -> Result<()> {
        self.disk.ledger.supersede(ids)
    }

    fn lost(&self) -> Result<Vec<LostRecord>> {
        self.disk.ledger.lost()
    }

    fn highest_arrival(&self) -> u64 {
        self.disk.ledger.highest_arrival()
    }
}
