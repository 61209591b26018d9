//! The store and the ledger of an open home. Both close before the home's lock is released.

use std::{fmt, path::Path, sync::Arc};

use chuan_engine::{
    Error, Result,
    id::{LibraryId, StatementId},
    statement::StatementKind,
    store::{Kept, Ledger, LostRecord, ObjectStores, Objects, Record, RefMove},
};
use chuan_storage::{
    DiskStore, LibraryEnd, Losses, Options, Poison,
    ledger::{DiskLedger, Opened},
    lock::HomeLock,
};

use crate::{exit, home::Home};

/// The store and the ledger of a home, as long as it is locked.
pub(crate) struct StoreHandle {
    objects: Arc<dyn ObjectStores>,
    ledger: Arc<dyn Ledger>,
    /// The same on disk; `None` where a test keeps both in memory.
    disk: Option<Disk>,
    /// Declared last: fields are dropped in order, so the home stays locked until store and ledger are
    /// closed.
    _lock: Option<HomeLock>,
}

/// The parts that maintenance needs.
#[derive(Debug)]
struct Disk {
    store: Arc<DiskStore>,
    ledger: Arc<DiskLedger>,
    /// The damage that was found in the ledger's files at opening, as text.
    found: Vec<String>,
    /// Why the home takes no writes, if it was opened for reading only.
    read_only: Option<String>,
}

/// Why a store takes no writes, in a sentence: the text of the index about it has no use for a person.
fn short(error: &Error, dir: &Path) -> String {
    tracing::debug!(%error, "the store takes no writes");
    match error {
        Error::Full(_) => format!("the disk of {} is full", dir.display()),
        _ => format!("the disk of {} is read-only", dir.display()),
    }
}

impl StoreHandle {
    /// Opens both with one poison flag: a failed sync of either stops writes to both. `known` is the highest
    /// arrival number that the audit log names. The ledger comes first: where an operator must decide about
    /// it, nothing else is opened.
    pub(crate) fn open(home: &Home, lock: HomeLock, known: u64) -> exit::Result<Self> {
        let poison = Poison::default();
        let Opened { ledger, found, gone, damaged } =
            DiskLedger::open(&home.ledger_dir(), home.node_id()?, known, poison.clone())?;
        for found in &found {
            tracing::warn!(damaged, "{found}; mended");
        }
        if gone && !home.store_dir().exists() {
            tracing::info!(
                "this home has no statements and no content yet: `chuan pull` gets both from peers"
            );
        } else if gone {
            tracing::error!(
                "both files of the ledger are missing: all statements are lost here; `chuan pull` asks peers for them"
            );
        }
        let dir = home.store_dir();
        let (store, read_only) = match DiskStore::open(&dir, Options { poison, ..Options::default() }) {
            Err(error) if error.is_unwritable() => {
                let why = short(&error, &dir);
                (DiskStore::open_read_only(&dir, &why)?, Some(why))
            }
            opened => (opened?, None),
        };
        let disk = Disk { store: Arc::new(store), ledger: Arc::new(ledger), found, read_only };
        let objects = Arc::clone(&disk.store) as Arc<dyn ObjectStores>;
        let ledger = Arc::clone(&disk.ledger) as Arc<dyn Ledger>;
        Ok(Self { objects, ledger, disk: Some(disk), _lock: Some(lock) })
    }

    /// A store and a ledger in memory.
    #[cfg(test)]
    pub(crate) fn in_memory(objects: Arc<dyn ObjectStores>, ledger: Arc<dyn Ledger>) -> Self {
        Self { objects, ledger, disk: None, _lock: None }
    }

    /// The store on disk, for maintenance of all libraries at once.
    pub(crate) fn disk(&self) -> exit::Result<&DiskStore> {
        self.disk.as_ref().map(|disk| &*disk.store).ok_or_else(in_memory)
    }

    /// The ledger on disk.
    pub(crate) fn disk_ledger(&self) -> exit::Result<&DiskLedger> {
        self.disk.as_ref().map(|disk| &*disk.ledger).ok_or_else(in_memory)
    }

    /// The damage that was found in the ledger's files at opening, as text.
    pub(crate) fn found(&self) -> &[String] {
        self.disk.as_ref().map(|disk| disk.found.as_slice()).unwrap_or_default()
    }

    /// The bytes that the store can still take; `None` for a store in memory.
    pub(crate) fn usable_bytes(&self) -> exit::Result<Option<u64>> {
        Ok(self.disk.as_ref().map(|disk| disk.store.stats()).transpose()?.map(|stats| stats.usable_bytes))
    }

    /// The end of a library's content; `None` for a store in memory.
    pub(crate) fn end(&self, library: &LibraryId) -> exit::Result<Option<LibraryEnd>> {
        Ok(self.disk.as_ref().map(|disk| disk.store.end(library)).transpose()?)
    }

    /// Removes what was appended to a library after `end`, and that nothing names. Returns the freed bytes.
    pub(crate) fn give_back(&self, end: &LibraryEnd) -> exit::Result<u64> {
        Ok(self.disk()?.give_back(end)?)
    }

    /// Why the home takes no writes, if it was opened for reading only.
    pub(crate) fn read_only(&self) -> Option<&str> {
        self.disk.as_ref()?.read_only.as_deref()
    }

    /// The raw bytes of the chunks of a library; 0 for a store in memory.
    pub(crate) fn chunk_bytes(&self, library: &LibraryId) -> exit::Result<u64> {
        let stats = self.disk.as_ref().map(|disk| disk.store.library_stats(library)).transpose()?;
        Ok(stats.unwrap_or_default().chunk_bytes)
    }

    /// Whether any chunk of a library is here.
    pub(crate) fn has_chunks(&self, library: &LibraryId) -> exit::Result<bool> {
        match &self.disk {
            Some(disk) => Ok(disk.store.library_stats(library)?.chunks > 0),
            // A store in memory has no statistics: a pull then looks for missing content.
            None => Ok(true),
        }
    }

    /// The number of objects that were lost as damaged, and of those that were stored again.
    pub(crate) fn losses(&self) -> Losses {
        self.disk.as_ref().map(|disk| disk.store.losses()).unwrap_or_default()
    }
}

impl fmt::Debug for StoreHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreHandle").field("disk", &self.disk).finish_non_exhaustive()
    }
}

fn in_memory() -> exit::Failure {
    exit::Failure::internal("this node keeps its content in memory")
}

impl ObjectStores for StoreHandle {
    fn of(&self, library: &LibraryId) -> Arc<dyn Objects> {
        self.objects.of(library)
    }
}

impl Ledger for StoreHandle {
    fn append(&self, records: Vec<Record>) -> Result<()> {
        self.ledger.append(records)
    }

    fn statements(&self, library: Option<&LibraryId>, kind: StatementKind) -> Result<Vec<Kept>> {
        self.ledger.statements(library, kind)
    }

    fn refs(&self) -> Result<Vec<RefMove>> {
        self.ledger.refs()
    }

    fn supersede(&self, ids: &[StatementId]) -> Result<()> {
        self.ledger.supersede(ids)
    }

    fn lost(&self) -> Result<Vec<LostRecord>> {
        self.ledger.lost()
    }

    fn highest_arrival(&self) -> u64 {
        self.ledger.highest_arrival()
    }
}
