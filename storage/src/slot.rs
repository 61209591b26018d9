//! Holds the index in use, and how far each library's segments are durable.
//!
//! A reader takes the index in use and keeps it for the whole read. Every change of the index goes through
//! this slot, one at a time, so that a rebuild can replace the index at one moment and miss no change.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use chuan_engine::{
    Error, Result,
    id::{LibraryId, PageId},
    store::PageState,
};

use crate::{
    entry::{Indexed, Location, Position},
    index::{Change, Index},
};

/// The position of each library.
pub(crate) type Positions = BTreeMap<LibraryId, Position>;

/// The index in use.
#[derive(Debug)]
pub(crate) struct IndexSlot {
    current: RwLock<Option<Arc<Index>>>,
    /// Locked during every change.
    durable: Mutex<Positions>,
}

impl IndexSlot {
    pub(crate) fn new(index: Index, durable: Positions) -> Self {
        Self { current: RwLock::new(Some(Arc::new(index))), durable: Mutex::new(durable) }
    }

    /// The index in use.
    pub(crate) fn get(&self) -> Result<Arc<Index>> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or_else(|| Error::Busy("the store is closed".to_owned()))
    }

    /// How far each library is durable.
    pub(crate) fn durable(&self) -> Positions {
        self.lock().clone()
    }

    /// Applies a group that became durable.
    pub(crate) fn apply(&self, change: &Change<'_>) -> Result<()> {
        let mut durable = self.lock();
        self.get()?.apply(change)?;
        durable.insert(change.library, change.position);
        Ok(())
    }

    /// Moves records that can no longer be read to the lost set.
    pub(crate) fn lose(&self, library: &LibraryId, records: &[(Indexed, Location, String)]) -> Result<()> {
        let _durable = self.lock();
        self.get()?.lose(library, records)
    }

    /// Raises the states of pages.
    pub(crate) fn mark(&self, library: &LibraryId, marks: &[(PageId, PageState)]) -> Result<()> {
        let _durable = self.lock();
        self.get()?.mark(library, marks)
    }

    /// Sets a library back to an earlier position. `remove` removes the records after it from the index.
    /// Durable when it returns.
    pub(crate) fn rewind(
        &self,
        library: &LibraryId,
        position: Option<Position>,
        remove: impl FnOnce(&Index) -> Result<()>,
    ) -> Result<()> {
        let mut durable = self.lock();
        let index = self.get()?;
        // First: whatever a crash keeps of the rest, the next open reads everything after the position again.
        index.set_position(library, position)?;
        remove(&index)?;
        index.flush()?;
        match position {
            Some(position) => durable.insert(*library, position),
            None => durable.remove(library),
        };
        Ok(())
    }

    /// Replaces the index in use. `finish` brings the new one up to date while nothing changes.
    pub(crate) fn replace(
        &self,
        index: Index,
        finish: impl FnOnce(&Index, &Positions) -> Result<()>,
    ) -> Result<()> {
        let durable = self.lock();
        let old = self.get()?;
        finish(&index, &durable)?;
        old.discard_when_closed();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(index));
        Ok(())
    }

    /// Closes the index once the last running read has ended.
    pub(crate) fn close(&self) {
        drop(self.current.write().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn lock(&self) -> MutexGuard<'_, Positions> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
