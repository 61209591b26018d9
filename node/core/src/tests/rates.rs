//! The rate at which a node accepts a key's repeated statements from peers.

use std::sync::Arc;

use bytes::Bytes;
use chuan_engine::{
    id::{NodeId, RecordId, Salt},
    limits::{PASSING_BURST, PASSING_PERIODS_MS},
    statement::{
        Checkpoint, Classes, Key, Library, Member, NodeRole, StatementKind, Verbs,
        library::{Founders, checkpoint, found, member},
    },
    store::{Ledger, memory::MemoryLedger},
};

use crate::{system::Clock, tests::in_memory};

const NOW_MS: i64 = 1_800_000_000_000;

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

/// Symptom: one member's key signed checkpoints without end, and every node wrote 0.93 MB/s of them to its
/// disk and passed them on to all other nodes, although only the newest are kept.
#[test]
fn a_members_flood_of_checkpoints_is_rate_limited() {
    let store = Arc::new(MemoryLedger::default());
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(NOW_MS));
    let libraries = in_memory(dir.path(), &store, clock).unwrap();
    let [root, operator, publisher] = [1, 2, 3].map(key);
    let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
    let (id, first) = found("films", keys, Salt::from_bytes([9; 32]), NOW_MS).unwrap();
    libraries.change(&id, |_| Ok(vec![first])).unwrap();
    let node: NodeId = key(10).node();
    let body = Member {
        node,
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
