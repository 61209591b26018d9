//! The store of an open home, which can be taken away for a while: a rebuild needs it closed, and whoever reads from it
//! meanwhile is told so instead of waiting.

use std::{
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use bytes::Bytes;
use chuan_engine::{
    Error, Result,
    id::{ChunkId, LibraryId, PageId, StatementId},
    statement::StatementKind,
    store::{Appended, Check, LostId, Mark, Object, PageState, RefMove, Store},
};
use chuan_storage::{
    DiskStore, Options,
    lock::HomeLock,
    rebuild::{RebuildReport, rebuild},
};

/// A [`DiskStore`] and the place where it is open, or not at the moment.
#[derive(Debug)]
pub(super) struct Shelf {
    store: RwLock<Option<DiskStore>>,
    dir: PathBuf,
    /// Last, and here: the home stays locked exactly as long as the store may be open.
    _lock: HomeLock,
}

/// The store, open as long as this is held.
struct Open<'a>(RwLockReadGuard<'a, Option<DiskStore>>);

impl Shelf {
    /// Opens the store in `dir`, which lies in the home that `lock` locks.
    pub(super) fn open(dir: &Path, lock: HomeLock) -> Result<Self> {
        let store = DiskStore::open(dir, Options::default())?;
        Ok(Self { store: RwLock::new(Some(store)), dir: dir.to_owned(), _lock: lock })
    }

    /// Works on the store itself; it stays open until `work` returns.
    pub(super) fn with<T>(&self, work: impl FnOnce(&DiskStore) -> Result<T>) -> Result<T> {
        work(self.read()?.get()?)
    }

    /// Closes the store, builds its index anew and opens it again. If that fails, the store is opened all the same,
    /// which finishes what can be finished.
    pub(super) fn rebuild(&self, progress: &dyn Fn(u64, u64)) -> Result<RebuildReport> {
        let mut slot = self.store.write().unwrap_or_else(PoisonError::into_inner);
        drop(slot.take());
        let report = rebuild(&self.dir, progress);
        *slot = Some(DiskStore::open(&self.dir, Options::default())?);
        report
    }

    /// A rebuild holds the lock for writing; whoever comes then shall not wait for minutes.
    fn read(&self) -> Result<Open<'_>> {
        match self.store.try_read() {
            Ok(guard) => Ok(Open(guard)),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Ok(Open(poisoned.into_inner())),
            Err(std::sync::TryLockError::WouldBlock) => Err(closed()),
        }
    }
}

impl Open<'_> {
    fn get(&self) -> Result<&DiskStore> {
        self.0.as_ref().ok_or_else(closed)
    }
}

fn closed() -> Error {
    Error::Busy("the store's index is being rebuilt; try again when that has ended".into())
}

impl Store for Shelf {
    fn has_chunks(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        self.read()?.get()?.has_chunks(ids)
    }

    fn read_chunks(&self, ids: &[ChunkId], check: Check) -> Result<Vec<Option<Bytes>>> {
        self.read()?.get()?.read_chunks(ids, check)
    }

    fn read_pages(&self, ids: &[PageId]) -> Result<Vec<Option<Bytes>>> {
        self.read()?.get()?.read_pages(ids)
    }

    fn page_states(&self, ids: &[PageId]) -> Result<Vec<PageState>> {
        self.read()?.get()?.page_states(ids)
    }

    fn append(&self, objects: Vec<Object>) -> Result<Appended> {
        self.read()?.get()?.append(objects)
    }

    fn commit(&self) -> Result<()> {
        self.read()?.get()?.commit()
    }

    fn mark(&self, marks: &[Mark]) -> Result<()> {
        self.read()?.get()?.mark(marks)
    }

    fn statements(
        &self,
        library: Option<&LibraryId>,
        kind: StatementKind,
    ) -> Result<Vec<(StatementId, Bytes)>> {
        self.read()?.get()?.statements(library, kind)
    }

    fn refs(&self) -> Result<Vec<RefMove>> {
        self.read()?.get()?.refs()
    }

    fn lost(&self) -> Result<Vec<LostId>> {
        self.read()?.get()?.lost()
    }
}
