//! The rate at which a node accepts a key's repeated statements from peers.

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use chuan_engine::{
    audit::Verb,
    id::{LibraryId, RecordId, Salt},
    limits::{CHECKPOINTS, PASSING_BURST, PASSING_PERIODS_MS},
    statement::{
        Checkpoint, Classes, Key, Library, Member, NodeRole, StatementKind, Verbs,
        library::{Founders, checkpoint, found, member},
    },
    store::{
        Ledger,
        memory::{MemoryLedger, MemoryObjectStores},
    },
};

use crate::{
    audit::AuditService, context::Context, library::LibraryService, system::Clock, tests::in_memory,
};

const NOW_MS: i64 = 1_800_000_000_000;
/// Pairs of checkpoints that contradict each other.
const CONTRADICTIONS: u64 = 1024;
/// The audit log is brought up to date after so many of them.
const SETTLED_EVERY: u64 = 32;

fn key(seed: u8) -> Key {
    Key::from_seed([seed; 32])
}

/// `count` checkpoints of a member's log, each with a higher count than the one before.
fn flood(library: &Library, first: u64, count: u64) -> Vec<Bytes> {
    let node = key(10).node();
    let said = (first..first + count).map(|count| {
        let body = Checkpoint { node, count, head: RecordId::from_bytes([7; 32]) };
        checkpoint(library, &key(10), body, NOW_MS).unwrap().bytes().clone()
    });
    said.collect()
}

/// Founds a library of which the key of the flood is a member.
fn library_with_member(libraries: &LibraryService) -> LibraryId {
    let [root, operator, publisher] = [1, 2, 3].map(key);
    let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
    let (id, first) = found("films", keys, Salt::from_bytes([9; 32]), NOW_MS).unwrap();
    libraries.change(&id, |_| Ok(vec![first])).unwrap();
    let body = Member {
        node: key(10).node(),
        key: key(10).public(),
        name: "flood".into(),
        role: NodeRole::Mirror,
        region: None,
        classes: Classes::all(),
        verbs: Verbs::PULL,
        expires_ms: 0,
        ticket: None,
    };
    let grant = |library: &Library| Ok(vec![member(library, &operator, body, NOW_MS)?]);
    libraries.change(&id, grant).unwrap();
    id
}

/// Symptom: one member's key signed checkpoints without end, and every node wrote 0.93 MB/s of them to its
/// disk and passed them on to all other nodes, although only the newest are kept.
#[test]
fn a_members_flood_of_checkpoints_is_rate_limited() {
    let store = Arc::new(MemoryLedger::default());
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(NOW_MS));
    let libraries = in_memory(dir.path(), &store, clock).unwrap();
    let id = library_with_member(&libraries);
    let library = libraries.get(&id).unwrap();
    let (mut taken, mut next) = (0, 1);
    let mut offer = |now_ms: i64| {
        clock.set(now_ms);
        let accepted = libraries.offer(&flood(&library, next, 50)).unwrap();
        next += 50;
        (accepted.len(), accepted.last().map(chuan_engine::statement::Statement::sequence), next - 1)
    };
    for _ in 0..40 {
        taken += offer(NOW_MS).0;
    }
    assert_eq!(taken, PASSING_BURST as usize, "of 2,000");
    let [_, period_ms] = PASSING_PERIODS_MS;
    let (count, sequence, last) = offer(NOW_MS + period_ms);
    assert_eq!((count, sequence), (1, Some(last)), "one more each period: the last of the batch");
    let kept = store.statements(Some(&id), StatementKind::Checkpoint).unwrap();
    assert!(kept.len() <= PASSING_BURST as usize, "{} are listed", kept.len());
}

/// Symptom: a member's key signed checkpoints that contradict each other, without end; each contradiction was
/// a record of every node's audit log, and stayed in memory.
#[tokio::test(flavor = "multi_thread")]
async fn contradictions_of_checkpoints_are_bounded() {
    let store = Arc::new(MemoryLedger::default());
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(NOW_MS));
    let objects = Arc::new(MemoryObjectStores::new());
    let context = Arc::new(Context::in_memory(dir.path(), objects, Arc::clone(&store) as _, clock).unwrap());
    let libraries = Arc::new(LibraryService::load(Arc::clone(&context)).unwrap());
    let id = library_with_member(&libraries);
    let audit = Arc::new(AuditService::open(Arc::clone(&context), Arc::clone(&libraries)));
    let [_, period_ms] = PASSING_PERIODS_MS;
    let library = libraries.get(&id).unwrap();
    let mut now_ms = NOW_MS;
    for count in 1..=CONTRADICTIONS {
        // The rate of the key lets both pass.
        now_ms += 2 * period_ms;
        clock.set(now_ms);
        let both = [7, 8].map(|head| {
            let body = Checkpoint { node: key(10).node(), count, head: RecordId::from_bytes([head; 32]) };
            checkpoint(&library, &key(10), body, NOW_MS).unwrap().bytes().clone()
        });
        assert_eq!(libraries.offer(&both).unwrap().len(), both.len(), "contradiction {count}");
        if count % SETTLED_EVERY == 0 {
            audit.settle_on_thread().await;
        }
    }
    let known = libraries.get(&id).unwrap();
    assert_eq!(known.conflicts().len(), 1, "{:?}", known.conflicts());
    let kept = store.statements(Some(&id), StatementKind::Checkpoint).unwrap();
    assert!(kept.len() <= CHECKPOINTS, "{} are listed", kept.len());
    let mut recorded = 0;
    let records = context.log.files().records(0, |record, _| {
        recorded += u32::from(record.event.verb == Verb::Conflict);
        Ok(ControlFlow::Continue(()))
    });
    records.unwrap();
    assert_eq!(recorded, 1, "records of {CONTRADICTIONS} contradictions");
}
