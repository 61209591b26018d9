//! What an open home keeps: the content of its libraries and its ledger. Both close before the home's lock is
//! given up.

use std::sync::Arc;

use chuan_engine::{
    Result,
    id::{LibraryId, StatementId},
    statement::StatementKind,
    store::{Kept, Ledger, LostRecord, Objects, Record, RefMove, Shelves},
};
use chuan_storage::{
    DiskStore, Options, Poison,
    ledger::{DiskLedger, Opened},
    lock::HomeLock,
};

use crate::home::Home;

/// The store and the ledger of a home, as long as it is locked.
#[derive(Debug)]
pub(super) struct HomeStore {
    objects: DiskStore,
    ledger: DiskLedger,
    /// What was found in the ledger's files when they were opened, in words.
    found: Vec<String>,
    /// Last, and here: the home stays locked exactly as long as the others may be open.
    _lock: HomeLock,
}

impl HomeStore {
    /// Opens both, under one poison. `known` is the highest arrival number that the audit log names. The
    /// ledger comes first: where an operator must decide about it, nothing else is begun.
    pub(super) fn open(home: &Home, lock: HomeLock, known: u64) -> crate::exit::Result<Self> {
        let poison = Poison::default();
        let Opened { ledger, found, gone, damaged } =
            DiskLedger::open(&home.ledger_dir(), home.node_id()?, known, poison.clone())?;
        for found in &found {
            tracing::warn!(damaged, "{found}; mended");
        }
        if gone {
            tracing::error!(
                "both files of the ledger are gone: what was said is lost here; ask peers for it with `chuan pull`"
            );
        }
        let objects = DiskStore::open(&home.store_dir(), Options { poison, ..Options::default() })?;
        Ok(Self { objects, ledger, found, _lock: lock })
    }

    /// The ledger on disk.
    pub(super) fn disk_ledger(&self) -> &DiskLedger {
        &self.ledger
    }

    /// What was found in the ledger's files when they were opened, in words.
    pub(super) fn found(&self) -> &[String] {
        &self.found
    }

    /// The store on disk, for what is done to all libraries at once.
    pub(super) fn disk(&self) -> &DiskStore {
        &self.objects
    }
}

impl Shelves for HomeStore {
    fn of(&self, library: &LibraryId) -> Arc<dyn Objects> {
        self.objects.of(library)
    }
}

impl Ledger for HomeStore {
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
