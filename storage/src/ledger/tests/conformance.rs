//! The engine's conformance suite for ledgers, on a real directory and on the disk in memory.

use std::{fs, path::PathBuf, sync::Arc};

use chuan_engine::{
    ledger::{RECORD_HEADER_BYTES, Side},
    statement::StatementKind,
    store::{
        conformance::ledger::{Subject, run},
        ledger::Ledger,
    },
};

use super::{
    DiskLedger, NODE,
    disk::{Disk, Reached},
    founded,
};
use crate::{Poison, ledger::create};

/// A ledger in a directory.
struct OnDisk {
    _home: tempfile::TempDir,
    dir: PathBuf,
    poison: Poison,
    ledger: Option<DiskLedger>,
}

impl OnDisk {
    fn make() -> Box<Self> {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("ledger");
        create(&dir, NODE).unwrap();
        let mut made = Self { _home: home, dir, poison: Poison::default(), ledger: None };
        made.crash();
        Box::new(made)
    }
}

impl Subject for OnDisk {
    fn ledger(&self) -> &dyn Ledger {
        self.ledger.as_ref().unwrap()
    }

    fn crash(&mut self) {
        self.ledger = None;
        self.poison = Poison::default();
        self.ledger = Some(DiskLedger::open(&self.dir, NODE, 0, self.poison.clone()).unwrap().ledger);
    }

    fn damage(&mut self, arrival: u64) {
        let at = payload_of(self.ledger.as_ref().unwrap(), arrival);
        for side in Side::BOTH {
            let path = self.dir.join(side.name());
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 1;
            fs::write(path, bytes).unwrap();
        }
    }

    fn poison(&mut self) {
        self.poison.set("sync store/segments/00000001.seg: a test's fault");
    }
}

/// A ledger on the disk in memory. A crash drops everything that was not synced.
struct InMemory {
    disk: Arc<Disk>,
    poison: Poison,
    ledger: Option<DiskLedger>,
}

impl InMemory {
    fn make() -> Box<Self> {
        let mut made = Self { disk: founded(), poison: Poison::default(), ledger: None };
        made.crash();
        Box::new(made)
    }
}

impl Subject for InMemory {
    fn ledger(&self) -> &dyn Ledger {
        self.ledger.as_ref().unwrap()
    }

    fn crash(&mut self) {
        self.ledger = None;
        self.disk = Arc::new(self.disk.restart(Reached::Nothing));
        self.poison = Poison::default();
        let opened = DiskLedger::open_files(self.disk.clone(), NODE, 0, self.poison.clone()).unwrap();
        self.ledger = Some(opened.ledger);
    }

    fn damage(&mut self, arrival: u64) {
        let at = payload_of(self.ledger.as_ref().unwrap(), arrival);
        for side in Side::BOTH {
            let mut bytes = self.disk.bytes(side.name()).unwrap();
            bytes[at] ^= 1;
            self.disk.put(side.name(), Some(bytes));
        }
    }

    fn poison(&mut self) {
        self.poison.set("a test's fault");
    }
}

/// Where the payload of a release's record begins, in both files.
fn payload_of(ledger: &DiskLedger, arrival: u64) -> usize {
    let view = ledger.view();
    let listed = view.state.listed(None, StatementKind::Release);
    let (_, held) = listed.iter().find(|(_, held)| held.arrival == arrival).unwrap();
    assert_eq!(held.offsets[0], held.offsets[1]);
    usize::try_from(held.offsets[0].unwrap()).unwrap() + RECORD_HEADER_BYTES
}

#[test]
fn keeps_every_guarantee_on_a_disk() {
    run(&|| OnDisk::make());
}

#[test]
fn keeps_every_guarantee_without_unsynced_writes() {
    run(&|| InMemory::make());
}
