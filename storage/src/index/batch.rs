//! A change of the index as a list, and the overlay that takes changes where the disk takes none.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use chuan_engine::{Error, Result};
use rocksdb::WriteBatch;

use super::Index;

/// Maximum entries of an overlay, at about 200 bytes each: more than a process that is killed leaves.
const ENTRIES: usize = 1 << 18;

/// A key: its column family and its bytes.
type Key = (&'static str, Vec<u8>);

/// Values by key; `None` for an entry that is deleted.
type Entries = BTreeMap<Key, Option<Vec<u8>>>;

/// Entries to put and to delete, as one change.
#[derive(Debug, Default)]
pub(super) struct Batch(Vec<(Key, Option<Vec<u8>>)>);

impl Batch {
    pub(super) fn put(&mut self, family: &'static str, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.0.push(((family, key.as_ref().to_vec()), Some(value.as_ref().to_vec())));
    }

    pub(super) fn delete(&mut self, family: &'static str, key: impl AsRef<[u8]>) {
        self.0.push(((family, key.as_ref().to_vec()), None));
    }

    /// The same for the database.
    pub(super) fn encode(&self, index: &Index) -> Result<WriteBatch> {
        let mut batch = WriteBatch::default();
        for ((family, key), value) in &self.0 {
            let family = index.family(family)?;
            match value {
                Some(value) => batch.put_cf(family, key, value),
                None => batch.delete_cf(family, key),
            }
        }
        Ok(batch)
    }
}

/// The changes of an index that was opened for reading only: its entries hide those of the database. At open
/// it takes what the database does not know of the segments, which is bounded by the memory of the process
/// that wrote them; later only damage that reads find.
#[derive(Debug, Default)]
pub(super) struct Overlay(RwLock<Entries>);

impl Overlay {
    /// Takes a change; fails if the overlay would take too much memory.
    pub(super) fn take(&self, batch: Batch) -> Result<()> {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() + batch.0.len() > ENTRIES {
            return Err(Error::Full(format!(
                "the index lacks more than {ENTRIES} entries, and they cannot be written to it; make room on the disk"
            )));
        }
        entries.extend(batch.0);
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry of a key: `Some(None)` for one that is deleted, `None` if the database decides.
    pub(super) fn get(&self, family: &'static str, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let entries = self.read();
        if entries.is_empty() { None } else { entries.get(&(family, key.to_vec())).cloned() }
    }

    /// The entries of a family whose keys begin with `prefix`.
    pub(super) fn range(&self, family: &'static str, prefix: &[u8]) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        let from = (family, prefix.to_vec());
        let entries = self.read();
        let of = entries.range(from..).take_while(|((of, key), _)| *of == family && key.starts_with(prefix));
        of.map(|((_, key), value)| (key.clone(), value.clone())).collect()
    }
}
