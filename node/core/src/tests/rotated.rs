//! Nodes that go on under another key, as those see them who don't know that yet.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chuan_engine::{
    id::NodeId,
    statement::{PublicKey, Statement, StatementKind},
};
use chuan_net::{Acquaintance, Connection, Endpoint, Identity, Stranger};

use super::*;
use crate::command::Rotate;

/// Knows nobody, and remembers what it was shown.
#[derive(Default)]
struct Onlooker(Mutex<Vec<Bytes>>);

impl Acquaintance for Onlooker {
    fn recognise(&self, _expected: &NodeId, _key: &PublicKey) -> Option<NodeId> {
        None
    }

    fn is_shown(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool {
        self.0.lock().unwrap().extend_from_slice(statements);
        Stranger.is_shown(node, key, statements)
    }
}

/// Symptom: a node whose key had been replaced told anybody who dialled it what its grants and tickets were and which keys its
/// operators had. Cause: it introduced itself with all that shows its membership, where its successions show whose key it has.
#[tokio::test(flavor = "multi_thread")]
async fn an_introduction_says_whose_key_it_is_and_nothing_else() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    let address = mirror.serve(Some("127.0.0.1:0")).await.unwrap();
    for _ in 0..2 {
        mirror.rotate(Rotate::default()).await.unwrap();
    }
    let stranger = place.node("stranger").await;
    let hello = stranger.0.hello(None, None).unwrap();
    let endpoint = Endpoint::dialler(Identity::new(stranger.0.key())).unwrap();
    let onlooker = Arc::new(Onlooker::default());
    let known = Arc::clone(&onlooker) as Arc<dyn Acquaintance>;
    let addresses = [address.to_string()];
    let connection =
        Connection::open_known(&endpoint, &addresses, mirror.id(), &hello, &known).await.unwrap();
    assert_eq!(connection.peer().key, mirror.0.key().public());
    let shown: Vec<_> =
        onlooker.0.lock().unwrap().iter().map(|bytes| Statement::decode(bytes).unwrap().kind()).collect();
    assert_eq!(shown, [StatementKind::Succession; 2]);
}

/// Symptom: a ticket was dead as soon as the node that had made it was gone, where the others that it named had new keys. Cause:
/// who answered under a key that was not its first had to be the node that made the ticket.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_redeemed_by_another_node_with_a_new_key() {
    let place = Place::new();
    let origin = place.origin().await;
    let one = place.node("one").await;
    one.serve(Some("127.0.0.1:0")).await.unwrap();
    one.join(ticket(&origin).await).await.unwrap();
    pull(&one).await.unwrap();
    origin.ask_everybody(&one.0.libraries.named("films").unwrap().id()).await.unwrap();
    one.rotate(Rotate::default()).await.unwrap();
    let ticket = ticket(&origin).await;
    origin.close().await;
    let two = place.node("two").await;
    let joined = two.join(ticket).await.unwrap();
    assert_eq!(joined.from, one.id().to_string());
}
