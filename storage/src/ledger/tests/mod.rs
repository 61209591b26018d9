//! The ledger on a disk that fails at every step, and on a real one.

mod conformance;
mod damage;
mod disk;
mod steps;

use std::sync::Arc;

use bytes::Bytes;
use chuan_engine::{
    Result,
    id::{LibraryId, NodeId, StatementId},
    ledger::{LedgerRecord, image::image},
    statement::StatementKind,
    store::{
        RefMove,
        ledger::{Kept, Ledger, Record},
    },
};

use super::{DiskLedger, Opened, files::Files, open::identity, pair::Pair};
use crate::Poison;
use disk::Disk;

const NODE: NodeId = NodeId::from_bytes([9; 32]);

fn library() -> LibraryId {
    LibraryId::of(b"films")
}

fn statement(number: u64) -> Record {
    let bytes = Bytes::from(format!("statement {number}"));
    Record::Statement {
        id: StatementId::of(&bytes),
        library: library(),
        kind: StatementKind::Release,
        sequence: number,
        bytes,
        again: false,
    }
}

fn id(record: &Record) -> StatementId {
    LedgerRecord::of(0, record).id
}

fn reference(number: u64) -> RefMove {
    RefMove {
        library: library(),
        channel: "live".to_owned(),
        statement: StatementId::of(&number.to_le_bytes()),
        release: StatementId::of(b"a release"),
        sequence: number,
    }
}

/// A new ledger on a disk in memory.
fn founded() -> Arc<Disk> {
    let disk = Arc::new(Disk::default());
    let pair = Pair::new(disk.clone(), Poison::default());
    pair.renew(&image(identity(NODE).unwrap(), 0, &[]).unwrap()).unwrap();
    disk
}

fn try_open(disk: &Arc<Disk>) -> Result<Opened> {
    DiskLedger::open_files(disk.clone() as Arc<dyn Files>, NODE, 0, Poison::default())
}

fn open(disk: &Arc<Disk>) -> DiskLedger {
    let opened = try_open(disk).unwrap();
    assert!(!opened.damaged && !opened.gone, "{:?}", opened.found);
    opened.ledger
}

/// The sequences of the releases that are kept, with their arrival numbers.
fn kept(ledger: &DiskLedger) -> Vec<(u64, u64)> {
    let listed: Vec<Kept> = ledger.statements(None, StatementKind::Release).unwrap();
    let sequence = |kept: &Kept| {
        let text = std::str::from_utf8(&kept.bytes).unwrap();
        text.strip_prefix("statement ").unwrap().parse::<u64>().unwrap()
    };
    listed.iter().map(|kept| (sequence(kept), kept.arrival)).collect()
}

fn sequences(ledger: &DiskLedger) -> Vec<u64> {
    kept(ledger).into_iter().map(|(sequence, _)| sequence).collect()
}

#[test]
fn appended_records_keep_their_order() {
    let disk = founded();
    let ledger = open(&disk);
    assert_eq!(ledger.highest_arrival(), 0);
    ledger.append(vec![statement(5), statement(3)]).unwrap();
    ledger.append(vec![statement(4), Record::Ref(reference(1))]).unwrap();
    // A record that is held or occurs twice is not written again.
    ledger.append(vec![statement(5), statement(6), statement(6), Record::Ref(reference(1))]).unwrap();
    assert_eq!(ledger.highest_arrival(), 5);
    for ledger in [ledger, open(&disk)] {
        assert_eq!(kept(&ledger), [(3, 2), (4, 3), (5, 1), (6, 5)]);
        assert_eq!(ledger.refs().unwrap(), [reference(1)]);
        assert_eq!(ledger.highest_arrival(), 5);
    }
    assert_eq!(disk.bytes("a"), disk.bytes("b"));
}

#[test]
fn more_signatures_keep_the_arrival_number() {
    let disk = founded();
    let ledger = open(&disk);
    ledger.append(vec![statement(1), statement(2)]).unwrap();
    let Record::Statement { id, library, kind, sequence, .. } = statement(1) else { panic!() };
    let more = Record::Statement {
        id,
        library,
        kind,
        sequence,
        bytes: Bytes::from_static(b"statement 1"),
        again: true,
    };
    ledger.append(vec![more]).unwrap();
    assert_eq!(ledger.highest_arrival(), 2, "the same bytes are not written again");
    let bytes = Bytes::from_static(b"statement 100");
    ledger.append(vec![Record::Statement { id, library, kind, sequence, bytes, again: true }]).unwrap();
    assert_eq!(kept(&ledger), [(100, 1), (2, 2)]);
    let ledger = open(&disk);
    assert_eq!(kept(&ledger), [(100, 1), (2, 2)]);
    let mut end = ledger.lock();
    ledger.renew(&mut end).unwrap();
    drop(end);
    assert_eq!((kept(&ledger), ledger.highest_arrival()), (vec![(100, 1), (2, 2)], 3));
    assert_eq!(kept(&open(&disk)), [(100, 1), (2, 2)]);
}

/// With passing statements without end, the files stay within twice the size of the live records, and numbers
/// continue.
#[test]
fn the_files_are_compacted_automatically() {
    let disk = founded();
    let ledger = open(&disk);
    let long = |number: u64| {
        let bytes = Bytes::from(format!("statement {number:0>30000}"));
        Record::Statement {
            id: StatementId::of(&bytes),
            library: library(),
            kind: StatementKind::Fresh,
            sequence: number,
            bytes,
            again: false,
        }
    };
    ledger.append(vec![statement(1), Record::Ref(reference(1))]).unwrap();
    let mut largest = 0;
    for number in 0..100 {
        ledger.append(vec![long(number)]).unwrap();
        if number > 0 {
            ledger.supersede(&[id(&long(number - 1))]).unwrap();
        }
        largest = largest.max(ledger.size().1);
    }
    assert!(largest < 2 * chuan_engine::limits::LEDGER_COMPACT_BYTES, "{largest} bytes");
    assert!(ledger.size().1 < chuan_engine::limits::LEDGER_COMPACT_BYTES);
    for ledger in [ledger, open(&disk)] {
        assert_eq!(ledger.highest_arrival(), 102);
        assert_eq!(kept(&ledger), [(1, 1)]);
        assert_eq!(ledger.refs().unwrap(), [reference(1)]);
        let fresh = ledger.statements(None, StatementKind::Fresh).unwrap();
        assert_eq!(fresh.last().unwrap().arrival, 102);
    }
}

#[test]
fn ledger_files_are_accessible_to_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("ledger");
    super::create(&dir, NODE).unwrap();
    super::create(&dir, NODE).unwrap();
    let open = || DiskLedger::open(&dir, NODE, 0, Poison::default()).unwrap();
    let opened = open();
    assert!(opened.found.is_empty() && !opened.gone, "{:?}", opened.found);
    for number in 1..=50 {
        opened.ledger.append(vec![statement(number)]).unwrap();
    }
    drop(opened);
    let mode = |name: &str| std::fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("a"), mode("b")), (0o700, 0o600, 0o600));
    let opened = open();
    assert!(opened.found.is_empty());
    assert_eq!(sequences(&opened.ledger), (1..=50).collect::<Vec<_>>());
    let mut end = opened.ledger.lock();
    opened.ledger.renew(&mut end).unwrap();
    drop(end);
    opened.ledger.append(vec![statement(51)]).unwrap();
    drop(opened);
    assert_eq!(sequences(&open().ledger), (1..=51).collect::<Vec<_>>());
    assert_eq!(std::fs::read(dir.join("a")).unwrap(), std::fs::read(dir.join("b")).unwrap());
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2);
}
