//! Nodes whose key was replaced, and peers that do not know the new key yet.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chuan_engine::{
    id::NodeId,
    statement::{
        Classes, Key, Member, NodeRole, PublicKey, RoleKind, Statement, StatementKind, Verbs, library::member,
    },
};
use chuan_net::{Connection, Endpoint, FirstKeyOnly, Identity, PeerVerifier};

use super::{
    mesh::{films, role_key, store},
    *,
};
use crate::{command::Rotate, introduction, outcome::UNVERIFIED};

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
    let shown = introduced(&stranger, &mirror, &address.to_string()).await;
    let kinds: Vec<_> = shown.iter().map(Statement::kind).collect();
    assert_eq!(kinds, [StatementKind::Succession; 2]);
}

/// The statements in the introduction of a node to another one.
async fn introduced(from: &Node, to: &Node, address: &str) -> Vec<Statement> {
    let hello = from.peers().hello(None).unwrap();
    let endpoint = Endpoint::dialler(Identity::new(from.context().signing_key())).unwrap();
    let verifier = Arc::new(RecordingVerifier::default());
    let known = Arc::clone(&verifier) as Arc<dyn PeerVerifier>;
    let connection =
        Connection::open_known(&endpoint, &[address.to_owned()], to.id(), &hello, &known).await.unwrap();
    assert_eq!(connection.peer().key, to.context().signing_key().public());
    let shown = verifier.0.lock().unwrap();
    shown.iter().map(|bytes| Statement::decode(bytes).unwrap()).collect()
}

/// An origin that listens, with its libraries in the order of their ids.
async fn origin_of(place: &Place, libraries: usize) -> (Node, Vec<Arc<Library>>) {
    place.write("a.mp4", "one");
    let origin = place.node("origin").await;
    for number in 0..libraries {
        let (source, library) = (place.path("films"), format!("films-{number}"));
        let publish = Publish { source, library, found: true, ..Publish::default() };
        origin.publish(publish, &Job::silent()).await.unwrap();
    }
    origin.serve(Some("127.0.0.1:0")).await.unwrap();
    let all = origin.library_service().all();
    (origin, all)
}

async fn join_one(node: &Node, origin: &Node, library: &Library) {
    let invite = Invite { library: Some(library.id().to_string()), ..Invite::default() };
    let ticket = origin.invite(invite).await.unwrap().ticket;
    node.join(Join { ticket, ..Join::default() }).await.unwrap();
}

/// Symptom: a mirror that was not connected while a node with several libraries got a new key could not reach
/// the node any more. Cause: the introduction had the successions of the first library, and the dialler took
/// successions of its own libraries only.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_of_any_library_finds_a_node_with_a_new_key() {
    for (libraries, rotations) in [(4, 1), (2, 2), (10, 2)] {
        let place = Place::new();
        let (origin, all) = origin_of(&place, libraries).await;
        let mirrors = [place.node("first").await, place.node("last").await];
        let ends = [&all[0], &all[libraries - 1]];
        for (mirror, library) in mirrors.iter().zip(ends) {
            join_one(mirror, &origin, library).await;
            pull(mirror).await.unwrap();
        }
        for _ in 0..rotations {
            origin.rotate(Rotate::default()).await.unwrap();
        }
        for mirror in &mirrors {
            let pulled = pull(mirror).await.unwrap();
            assert_eq!(pulled.from, origin.id().to_string(), "{libraries} libraries");
            let status = mirror.status().await.unwrap();
            assert!(status.libraries[0].refusals.is_empty(), "{status:?}");
        }
    }
}

/// An introduction tells a member of a library of this library only, and any other dialler of one library.
#[tokio::test(flavor = "multi_thread")]
async fn an_introduction_tells_a_member_of_its_own_libraries_only() {
    let place = Place::new();
    let (origin, all) = origin_of(&place, 3).await;
    let address = origin.listening().unwrap().to_string();
    let (member, stranger) = (place.node("member").await, place.node("stranger").await);
    join_one(&member, &origin, &all[1]).await;
    origin.rotate(Rotate::default()).await.unwrap();
    let libraries = |shown: Vec<Statement>| -> Vec<_> { shown.iter().map(Statement::library).collect() };
    assert_eq!(libraries(introduced(&member, &origin, &address).await), [all[1].id()]);
    assert_eq!(libraries(introduced(&stranger, &origin, &address).await), [all[0].id()]);
}

/// Binds a key to an origin, by its operator's key.
fn bind(origin: &Node, key: &Key) {
    let body = Member {
        node: origin.id(),
        key: key.public(),
        name: "origin".into(),
        role: NodeRole::Origin,
        region: None,
        classes: Classes::all(),
        verbs: Verbs::PULL,
        expires_ms: 0,
        ticket: None,
    };
    let operator = role_key(origin, RoleKind::Operator);
    store(origin, member(&films(origin), &operator, body, now_ms()).unwrap());
}

/// A key that an operator bound is proved by the grant, which only members of the library get.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_introduced_to_members_only() {
    let place = Place::new();
    let origin = place.origin().await;
    let bound = Key::from_seed([31; 32]);
    bind(&origin, &bound);
    let all = origin.library_service().all();
    let shown =
        |is_member: bool| introduction::statements(&all, |_| is_member, &origin.id(), &bound.public()).len();
    assert_eq!((shown(false), shown(true) > 0), (0, true));
}

/// Symptom: a mirror whose only source had a key that it could not verify was shown as current.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_with_an_unknown_key_is_in_the_status() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    pull(&mirror).await.unwrap();
    // Nothing proves this key yet.
    let bound = Key::from_seed([32; 32]);
    origin.context().key.replace(bound.clone());
    origin.services().exchange.set_identity(origin.context().key.identity()).unwrap();
    let failure = pull(&mirror).await.unwrap_err();
    assert!(failure.exit == Exit::Peer && failure.message.contains("`from HOST:PORT`"), "{failure}");
    let status = mirror.status().await.unwrap();
    let [kept] = &status.libraries[0].refusals[..] else { panic!("{status:?}") };
    assert_eq!((kept.code.as_str(), kept.node.clone()), (UNVERIFIED, origin.id().to_string()));
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
