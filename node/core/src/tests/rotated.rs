//! Nodes whose key was replaced, and peers that do not know the new key yet.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chuan_engine::{
    id::NodeId,
    statement::{PublicKey, Statement, StatementKind},
};
use chuan_net::{Connection, Endpoint, FirstKeyOnly, Identity, PeerVerifier};

use super::*;
use crate::command::Rotate;

/// Recognises no key, and keeps the statements of an introduction.
#[derive(Default)]
struct RecordingVerifier(Mutex<Vec<Bytes>>);

impl PeerVerifier for RecordingVerifier {
    fn recognise(&self, _expected: &NodeId, _key: &PublicKey) -> Option<NodeId> {
        None
    }

    fn verify_statements(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool {
        self.0.lock().unwrap().extend_from_slice(statements);
        FirstKeyOnly.verify_statements(node, key, statements)
    }
}

/// Symptom: a node whose key had been replaced revealed its grants, its tickets and its operators' keys to
/// every dialler. Cause: its introduction had all statements that prove its membership. Its successions are
/// enough to prove its key.
#[tokio::test(flavor = "multi_thread")]
async fn an_introduction_has_successions_only() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    let address = mirror.serve(Some("127.0.0.1:0")).await.unwrap();
    for _ in 0..2 {
        mirror.rotate(Rotate::default()).await.unwrap();
    }
    let stranger = place.node("stranger").await;
    let hello = stranger.peers().hello(None).unwrap();
    let endpoint = Endpoint::dialler(Identity::new(stranger.context().signing_key())).unwrap();
    let verifier = Arc::new(RecordingVerifier::default());
    let known = Arc::clone(&verifier) as Arc<dyn PeerVerifier>;
    let addresses = [address.to_string()];
    let connection =
        Connection::open_known(&endpoint, &addresses, mirror.id(), &hello, &known).await.unwrap();
    assert_eq!(connection.peer().key, mirror.context().signing_key().public());
    let shown: Vec<_> =
        verifier.0.lock().unwrap().iter().map(|bytes| Statement::decode(bytes).unwrap().kind()).collect();
    assert_eq!(shown, [StatementKind::Succession; 2]);
}

/// Symptom: no ticket could be redeemed once the node that had made it was gone, if the other redeemers had
/// new keys. Cause: a redeemer with a key that was not its first one had to be the node that made the ticket.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_redeemed_by_another_node_with_a_new_key() {
    let place = Place::new();
    let origin = place.origin().await;
    let one = place.node("one").await;
    one.serve(Some("127.0.0.1:0")).await.unwrap();
    one.join(ticket(&origin).await).await.unwrap();
    pull(&one).await.unwrap();
    origin
        .services()
        .exchange
        .ask_all(&one.library_service().named("films").unwrap().id(), &Job::silent())
        .await
        .unwrap();
    one.rotate(Rotate::default()).await.unwrap();
    let ticket = ticket(&origin).await;
    origin.close().await;
    let two = place.node("two").await;
    let joined = two.join(ticket).await.unwrap();
    assert_eq!(joined.from, one.id().to_string());
}
