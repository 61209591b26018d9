//! Nodes of different versions. A statement of a kind that a node does not know is never sent to it, and is
//! dropped if it comes. On all other kinds the node agrees with the others. Each run removes one kind from a
//! node, which then acts as a node of an earlier version.

use bytes::Bytes;

use super::{
    EnvelopeId, Exchange, Inventory, Talk, answer,
    mesh::{Mesh, NODES, START_MS, key, node_key},
    people::{ANN, PUBLISHER, found, member},
};
use crate::{
    id::{ManifestId, RecordId},
    limits::EXCHANGE_BUCKETS,
    statement::{Accepted, Checkpoint, Kinds, Library, Statement, StatementKind, library},
    sync::{
        frame::Frame,
        message::{End, Request},
    },
};

const SEEDS: u64 = 40;
const LATER: [StatementKind; 3] = [StatementKind::Release, StatementKind::Revoke, StatementKind::Checkpoint];

fn sign(library: &Library, kind: StatementKind, n: u8) -> Statement {
    match kind {
        StatementKind::Release => {
            let manifest = ManifestId::from_bytes([n; 32]);
            library::release(library, &key(PUBLISHER), vec![], manifest, "", START_MS)
        }
        StatementKind::Revoke => library::revoke(library, &key(ANN), key(100 + n).node(), "", START_MS),
        StatementKind::Checkpoint => {
            let node = node_key(0);
            let (count, head) = (u64::from(n) + 1, RecordId::from_bytes([n; 32]));
            library::checkpoint(library, &node, Checkpoint { node: node.node(), count, head }, START_MS)
        }
        _ => library::member(library, &key(ANN), member(&key(150 + n), None), START_MS),
    }
    .unwrap()
}

fn count(library: &Library, kind: StatementKind) -> usize {
    library.statements().iter().filter(|statement| statement.kind() == kind).count()
}

#[test]
fn a_node_of_an_earlier_version_agrees_on_all_that_it_knows() {
    for kind in LATER {
        for seed in 0..SEEDS {
            run(kind, seed);
        }
    }
}

fn run(kind: StatementKind, seed: u64) {
    const STATEMENTS: u8 = 6;
    let mut mesh = Mesh::new(seed, &found());
    let old = mesh.rng.below(NODES);
    mesh.kinds[old] = Kinds::KNOWN.without(kind);
    let members = count(&mesh.nodes[old], StatementKind::Member);
    for n in 0..STATEMENTS {
        // Statements of the common kind are signed at any node, those of the new kind only at nodes that know
        // it.
        let (anywhere, newer) = (mesh.rng.below(NODES), (old + 1 + mesh.rng.below(NODES - 1)) % NODES);
        for (at, kind) in [(anywhere, StatementKind::Member), (newer, kind)] {
            let said = sign(&mesh.nodes[at], kind, n);
            assert!(mesh.nodes[at].offer(&said, START_MS).unwrap().is_news(), "seed {seed}");
        }
    }
    mesh.heal();
    for (at, node) in mesh.nodes.iter().enumerate() {
        assert_eq!(count(node, StatementKind::Member), members + usize::from(STATEMENTS), "seed {seed}");
        let expected = if at == old { 0 } else { usize::from(STATEMENTS) };
        assert_eq!(count(node, kind), expected, "seed {seed}: node {at} of {kind:?}");
    }
    let sent = |to| mesh.sent.iter().filter(|sent| **sent == (to, kind)).count();
    assert_eq!(sent(old), 0, "seed {seed}: sent a kind that the peer does not know");
    assert!((0..NODES).map(sent).sum::<usize>() > 0, "seed {seed}: nothing of {kind:?} was sent at all");
    // Between two nodes that agree only digests are sent: a single one where both nodes are of one version.
    let newer = (old + 1) % NODES;
    mesh.sent.clear();
    for (one, other, requests) in [(newer, old, 1), (old, newer, 1), (newer, (old + 2) % NODES, 1)] {
        assert_eq!(mesh.run_exchange(one, other).requests, requests, "seed {seed}");
    }
    assert!(mesh.sent.is_empty(), "seed {seed}");
}

/// A peer that sends such kinds nevertheless breaks nothing, and none of them is stored. The same is true of
/// a kind that no version knows.
#[test]
fn unknown_kinds_are_dropped() {
    let small = || Library::open(found()[0].library(), found(), START_MS).unwrap();
    for kind in LATER {
        let kinds = Kinds::KNOWN.without(kind);
        let known = sign(&small(), StatementKind::Member, 1).bytes().clone();
        let unknown = sign(&small(), kind, 1).bytes().clone();
        let mut of_no_version = unknown.to_vec();
        of_no_version[5] = 63;
        let of_no_version = Bytes::from(of_no_version);
        let all = [&unknown, &known, &of_no_version];

        let offer = Talk::Offer(all.iter().map(|bytes| bytes.to_vec()).collect());
        let reply = answer(&small(), kinds, offer, &node_key(0).node(), START_MS).unwrap();
        assert_eq!(reply.offered, std::slice::from_ref(&known));

        let mut exchange = Exchange::new(small(), kinds);
        exchange.poll_request().unwrap();
        let buckets = vec![1; EXCHANGE_BUCKETS];
        let inventory = Inventory { buckets, lacks: Vec::<EnvelopeId>::new(), kinds: Kinds::KNOWN };
        exchange.handle(Frame::Inventory(inventory)).unwrap();
        exchange.handle(Frame::End(End { complete: true, ..End::default() })).unwrap();
        let asked = exchange.poll_request().unwrap();
        assert!(matches!(asked, Request::Exchange { talk: Talk::Known { .. }, .. }));
        for bytes in all {
            exchange.handle(Frame::Statement(bytes.clone())).unwrap();
        }
        assert_eq!(exchange.take_received(), [known]);
    }
}

/// A statement of another library is dropped, whatever it is and whichever node could read it.
#[test]
fn statements_of_other_libraries_are_dropped() {
    let library = Library::open(found()[0].library(), found(), START_MS).unwrap();
    let (_, foreign) = crate::statement::tests::found();
    assert_ne!(foreign.library(), library.id());
    let offer = Talk::Offer(vec![foreign.bytes().to_vec()]);
    let reply = answer(&library, Kinds::KNOWN, offer, &node_key(0).node(), START_MS).unwrap();
    assert!(reply.offered.is_empty());
    assert!(matches!(Library::new(foreign.library()).offer(&foreign, START_MS), Ok(Accepted::New)));
}
