//! Nodes of different versions: a kind that a node does not know is never sent to it and is dropped if it comes, and on all
//! other kinds it agrees with the rest. Each run takes away one kind of today, so that a node is of an earlier version.

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

fn say(library: &Library, kind: StatementKind, n: u8) -> Statement {
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
    const SAID: u8 = 6;
    let mut mesh = Mesh::new(seed, &found());
    let old = mesh.rng.below(NODES);
    mesh.kinds[old] = Kinds::KNOWN.without(kind);
    let members = count(&mesh.nodes[old], StatementKind::Member);
    for n in 0..SAID {
        // What everybody knows is said anywhere, the new kind only by nodes that know it.
        let (anywhere, newer) = (mesh.rng.below(NODES), (old + 1 + mesh.rng.below(NODES - 1)) % NODES);
        for (at, kind) in [(anywhere, StatementKind::Member), (newer, kind)] {
            let said = say(&mesh.nodes[at], kind, n);
            assert!(mesh.nodes[at].offer(&said, START_MS).unwrap().is_news(), "seed {seed}");
        }
    }
    mesh.heal();
    for (at, node) in mesh.nodes.iter().enumerate() {
        assert_eq!(count(node, StatementKind::Member), members + usize::from(SAID), "seed {seed}");
        let expected = if at == old { 0 } else { usize::from(SAID) };
        assert_eq!(count(node, kind), expected, "seed {seed}: node {at} of {kind:?}");
    }
    let sent = |to| mesh.sent.iter().filter(|sent| **sent == (to, kind)).count();
    assert_eq!(sent(old), 0, "seed {seed}: sent what the peer cannot read");
    assert!((0..NODES).map(sent).sum::<usize>() > 0, "seed {seed}: nothing of {kind:?} was sent at all");
    // Between two that agree nothing but digests goes: one of them where both are of one version.
    let newer = (old + 1) % NODES;
    mesh.sent.clear();
    for (one, other, requests) in [(newer, old, 1), (old, newer, 1), (newer, (old + 2) % NODES, 1)] {
        assert_eq!(mesh.talk(one, other).requests, requests, "seed {seed}");
    }
    assert!(mesh.sent.is_empty(), "seed {seed}");
}

/// A peer that sends such kinds all the same breaks nothing, and nothing of it is kept; neither is what no version knows.
#[test]
fn what_is_not_known_is_dropped_if_it_comes() {
    let small = || Library::open(found()[0].library(), found(), START_MS).unwrap();
    for kind in LATER {
        let kinds = Kinds::KNOWN.without(kind);
        let known = say(&small(), StatementKind::Member, 1).bytes().clone();
        let unknown = say(&small(), kind, 1).bytes().clone();
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

/// A statement of another library is no part of this exchange, whatever it says and whoever could read it.
#[test]
fn other_libraries_are_not_spoken_of() {
    let library = Library::open(found()[0].library(), found(), START_MS).unwrap();
    let (_, foreign) = crate::statement::tests::found();
    assert_ne!(foreign.library(), library.id());
    let offer = Talk::Offer(vec![foreign.bytes().to_vec()]);
    let reply = answer(&library, Kinds::KNOWN, offer, &node_key(0).node(), START_MS).unwrap();
    assert!(reply.offered.is_empty());
    assert!(matches!(Library::new(foreign.library()).offer(&foreign, START_MS), Ok(Accepted::New)));
}
