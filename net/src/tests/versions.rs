//! Nodes of different versions over real sockets. A node that does not know a kind of statement receives none
//! of it, whichever node dials, and agrees with the others on the rest.

use bytes::Bytes;
use chuan_engine::{
    id::RecordId,
    statement::{
        Checkpoint, Kinds, Statement, StatementKind,
        library::{checkpoint, revoke},
    },
    sync::message::Hello,
};

use super::{
    films::{Cinema, Films, NOW_MS},
    pair::{self, Origin},
};
use crate::{Connection, Endpoint};

const LATER: StatementKind = StatementKind::Checkpoint;
/// The kinds that each node knows: the second is of an earlier version.
const KINDS: [Kinds; 3] = [Kinds::KNOWN, Kinds::KNOWN.without(LATER), Kinds::KNOWN];

/// Node `asker`, which dials under the mirror's key, exchanges with node `answerer`; returns the received
/// statements.
async fn exchange(nodes: &[Origin<Cinema>], asker: usize, answerer: usize) -> Vec<Bytes> {
    let identity = pair::identity(pair::MIRROR);
    let (node, statements) = (identity.node(), Vec::new());
    let hello = Hello { node, statements, kinds: KINDS[asker], ..pair::hello() };
    let endpoint = Endpoint::dialler(identity).expect("binds");
    let addresses = [nodes[answerer].address.to_string()];
    let connection =
        Connection::open(&endpoint, &addresses, pair::origin_id(), &hello).await.expect("connects");
    let films = &nodes[asker].host.films;
    let came = connection.exchange(films.library()).await.expect("exchanges");
    films.take(&came);
    came
}

fn knows(node: &Origin<Cinema>, statement: &Statement) -> bool {
    node.host.films.library().statement(&statement.id()).is_some()
}

#[tokio::test]
async fn a_kind_goes_around_a_node_that_does_not_know_it() {
    let (first, second) = Films::found();
    let third = Films::found().0;
    let nodes: Vec<_> = [first, second, third]
        .into_iter()
        .zip(KINDS)
        .map(|(films, kinds)| Origin::start(Cinema::new(films).of_version(kinds)))
        .collect();
    let library = nodes[0].host.films.library();
    let mirror = chuan_engine::statement::Key::from_seed(pair::MIRROR);
    let body = Checkpoint { node: mirror.node(), count: 1, head: RecordId::from_bytes([7; 32]) };
    let later = checkpoint(&library, &mirror, body, NOW_MS).expect("signs");
    let gone = chuan_engine::statement::Key::from_seed([99; 32]).node();
    let known = revoke(&library, &Films::operator(), gone, "", NOW_MS).expect("signs");
    nodes[0].host.hear(&[later.clone(), known.clone()]);

    // The old node receives, as dialler and as acceptor, the kinds that it knows.
    exchange(&nodes, 0, 1).await;
    assert!(knows(&nodes[1], &known) && !knows(&nodes[1], &later));
    assert!(exchange(&nodes, 1, 0).await.is_empty(), "the old node was sent an unknown kind");
    // It passes on the statements that it has.
    exchange(&nodes, 2, 1).await;
    assert!(knows(&nodes[2], &known) && !knows(&nodes[2], &later));
    // The rest comes from a node that has it.
    assert_eq!(exchange(&nodes, 2, 0).await.as_slice(), [later.bytes().clone()]);
    assert!(knows(&nodes[2], &later));
    // Now no node has a new statement for another.
    for (asker, answerer) in [(0, 1), (1, 2), (2, 0), (2, 1), (1, 0)] {
        assert!(exchange(&nodes, asker, answerer).await.is_empty(), "{asker} asks {answerer}");
        assert!(!knows(&nodes[1], &later));
    }
    for node in nodes {
        node.stop().await;
    }
}
