//! The peers with which a node exchanges statements, those to which it sends none, and the time it waits for
//! slow ones.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use chuan_engine::{
    id::{LibraryId, Salt},
    statement::{
        Key, Member, PublicKey, RoleKind,
        library::{self as author, Founders, found},
    },
    sync::{message, session::Outlet},
};
use chuan_net::{
    Endpoint, Identity, PeerKey,
    serve::{self, Caller, Identified, PeerHandler, Refused},
};

use super::{
    mesh::{films, mirror, role_key, store, until},
    *,
};

/// Copies all statements of the library from one home to another.
fn copy_statements(from: &Node, to: &Node) {
    let library = films(from);
    let all: Vec<_> = library.statements().into_iter().cloned().collect();
    to.library_service().take(&library.id(), &all, false, |_, _| Ok(())).unwrap();
}

/// Suspends `node`, which joined with a ticket, at `origin`: a second node joins with a copy of the ticket.
fn suspend(origin: &Node, node: &Node) {
    let second = Key::from_seed([41; 32]).public();
    let library = films(origin);
    let joined = library.member(&node.id()).unwrap().body.clone();
    let body = Member { node: second.node(), key: second, name: "second".into(), ..joined };
    let made = author::member(&library, &origin.context().signing_key(), body, now_ms()).unwrap();
    origin.library_service().take(&library.id(), &[made], false, |_, _| Ok(())).unwrap();
    assert!(films(origin).is_suspended(&node.id()));
}

/// Symptom: every peer dialled a suspended node that still listened, and sent it all statements that it said
/// it lacked. Cause: the dialler left out revoked nodes only, and did not check the answerer's rights after
/// it had dialled.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_node_gets_no_statements_from_its_diallers() {
    let place = Place::new();
    let origin = place.origin().await;
    let suspended = mirror(&place, &origin, "suspended").await;
    suspend(&origin, &suspended);
    let reach = origin.services().exchange.ask_all(&films(&origin).id(), &Job::silent()).await.unwrap();
    assert_eq!((reach.known, reach.reached), (0, 0));
    assert!(!films(&suspended).is_suspended(&suspended.id()));

    // A suspended node may be a source, since content is verified. It gets no statement in return.
    let from = Pull { from: Some(suspended.id().to_string()), ..Pull::default() };
    assert!(!origin.pull(from, &Job::silent()).await.unwrap().changed);
    assert!(!films(&suspended).is_suspended(&suspended.id()));
}

/// Symptom: the operator of one library bound a key of its own to another node's id, answered where that node
/// was dialled for a second library, and got all statements of the second library. Cause: a key that any
/// library bound to a node was accepted in an exchange about every library.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_bound_by_one_library_gives_no_access_to_another() {
    let place = Place::new();
    let origin = place.origin().await;
    let victim = mirror(&place, &origin, "victim").await;
    let thief = place.node("thief").await;
    copy_statements(&origin, &thief);
    let address = thief.serve(Some("127.0.0.1:0")).await.unwrap().to_string();

    let [root, operator, publisher] = [51, 52, 53].map(|seed| Key::from_seed([seed; 32]));
    let founders = Founders { root: &root, operator: &operator, publisher: &publisher };
    let (other, founding) = found("other", founders, Salt::from_bytes([7; 32]), 1).unwrap();
    victim.library_service().take(&other, &[founding], false, |_, _| Ok(())).unwrap();
    let posing = Member {
        key: thief.context().signing_key().public(),
        ticket: None,
        ..films(&victim).member(&origin.id()).unwrap().body.clone()
    };
    let library = victim.library_service().get(&other).unwrap();
    store(&victim, author::member(&library, &operator, posing, now_ms()).unwrap());

    origin.close().await;
    victim.close().await;
    let news = author::revoke(
        &films(&victim),
        &role_key(&origin, RoleKind::Operator),
        NodeId::of(&[9; 32]),
        "news",
        now_ms(),
    )
    .unwrap();
    store(&victim, news.clone());
    let films_id: LibraryId = films(&victim).id();
    victim.peers().clear();
    victim.peers().record_dial(&origin.id(), "origin", &[address], &films_id).unwrap();
    let reach = victim.services().exchange.ask_all(&films_id, &Job::silent()).await.unwrap();
    assert_eq!((reach.known, reach.reached), (1, 0));
    assert!(films(&thief).statement(&news.id()).is_none());
}

/// A mirror that joined while a node was offline is a stranger to that node. The node takes the mirror's
/// statements first, and sends its own only when they have proved that the mirror is a member.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_joined_meanwhile_proves_its_membership_first() {
    let place = Place::new();
    let origin = place.origin().await;
    let away = place.node("away").await;
    away.join(ticket(&origin).await).await.unwrap();
    pull(&away).await.unwrap();
    let new = mirror(&place, &origin, "new").await;
    origin.close().await;
    assert!(films(&away).member(&new.id()).is_none());
    let address = new.listening().unwrap().to_string();
    let pulled = away.pull(Pull { from: Some(address), ..Pull::default() }, &Job::silent()).await.unwrap();
    assert_eq!(pulled.from, new.id().to_string());
    assert!(films(&away).is_member(&new.id(), now_ms()));
}

/// A member that answers while `gate` is unlocked, and accepts at most `max_sessions` sessions, of the node
/// `peer` only.
struct GatedPeer {
    libraries: Vec<Arc<Library>>,
    peer: NodeId,
    max_sessions: usize,
    gate: Arc<tokio::sync::Mutex<()>>,
    sessions: AtomicUsize,
}

impl GatedPeer {
    /// Listens as the node with this first key, and returns the address.
    fn listen(self: &Arc<Self>, key: &Key) -> String {
        let identity = Identity::of_node(key.public().node(), key.clone());
        let endpoint = Endpoint::listen("127.0.0.1:0".parse().unwrap(), identity).unwrap();
        let address = endpoint.local_address().unwrap().to_string();
        tokio::spawn(serve::run(endpoint, listener(Arc::clone(self)), std::future::pending()));
        address
    }

    fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }
}

impl PeerHandler for GatedPeer {
    fn identify(&self, key: &PublicKey) -> Identified {
        Identified { node: key.node(), bound: Vec::new(), introduction: None }
    }

    fn memberships(&self, _peer: &PeerKey) -> Vec<LibraryId> {
        self.libraries.iter().map(|library| library.id()).collect()
    }

    fn greet(&self, peer: &PeerKey, _: message::Hello) -> bool {
        peer.node == self.peer && self.sessions.fetch_add(1, Ordering::Relaxed) < self.max_sessions
    }

    fn answer(
        &self,
        caller: &Caller,
        request: message::Request,
        out: &mut dyn Outlet,
    ) -> chuan_engine::Result<()> {
        drop(self.gate.blocking_lock());
        let library = self.libraries.iter().find(|library| library.id() == *request.library());
        answer_without_content(library, caller, request, out)
    }

    fn ended(&self, _: &PeerKey) {}

    fn refused(&self, _: Option<&PeerKey>, _: SocketAddr, _: Refused, _: &str) {}
}

/// The member statement of the node with this first key.
fn gated_member(origin: &Node, key: &Key) -> Member {
    let like = films(origin).member(&origin.id()).unwrap().body.clone();
    Member { node: key.public().node(), key: key.public(), name: "gated".into(), ticket: None, ..like }
}

/// Symptom: over a path with a long delay no exchange was ever completed. Cause: two seconds after another
/// peer had answered, an exchange was dropped with all received statements, and began again with the next
/// round. Now a slow peer is asked once; the exchange is completed in both directions, and delays no other
/// peer.
#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_with_a_slow_peer_completes_and_delays_no_other() {
    let place = Place::new();
    let origin = place.origin().await;
    let near = mirror(&place, &origin, "near").await;
    let (id, operator) = (films(&origin).id(), role_key(&origin, RoleKind::Operator));
    let revoke = |library: &Library, node| {
        author::revoke(library, &operator, NodeId::of(&[node; 32]), "news", now_ms()).unwrap()
    };
    let key = Key::from_seed([61; 32]);
    let body = gated_member(&origin, &key);
    let granted = author::member(&films(&origin), &operator, body, now_ms()).unwrap();

    let mut library = (*films(&origin)).clone();
    assert!(library.offer(&granted, now_ms()).unwrap().is_news());
    let news = revoke(&library, 1);
    assert!(library.offer(&news, now_ms()).unwrap().is_news());
    let gate = Arc::new(tokio::sync::Mutex::new(()));
    let shut = gate.lock().await;
    let slow = Arc::new(GatedPeer {
        libraries: vec![Arc::new(library)],
        peer: origin.id(),
        max_sessions: 1,
        gate: Arc::clone(&gate),
        sessions: AtomicUsize::new(0),
    });
    let address = slow.listen(&key);
    origin.peers().record_dial(&key.public().node(), "gated", &[address], &id).unwrap();
    store(&origin, granted);
    until("the slow peer is dialled", || slow.sessions() == 1).await;
    let reach = origin.services().exchange.pass_on(&id, &Job::silent()).await;
    assert_eq!((reach.known, reach.reached), (2, 1));
    for node in 2..5 {
        let said = revoke(&films(&origin), node);
        store(&origin, said.clone());
        until("the near peer has the news", || films(&near).statement(&said.id()).is_some()).await;
    }
    assert_eq!(slow.sessions(), 1);
    assert!(films(&origin).statement(&news.id()).is_none());
    drop(shut);
    until("the slow peer's news is here", || films(&origin).statement(&news.id()).is_some()).await;
}

/// Symptom: a dead address before the working one cost every exchange its timeout. Cause: the address that
/// worked was not stored after an exchange.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_that_worked_is_tried_first_next_time() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    let (id, live) = (films(&mirror).id(), origin.listening().unwrap().to_string());
    mirror.peers().clear();
    let dead = "127.0.0.1:1".to_owned();
    mirror.peers().record_dial(&origin.id(), "origin", &[dead.clone(), live.clone()], &id).unwrap();
    assert_eq!(mirror.services().exchange.ask_all(&id, &Job::silent()).await.unwrap().reached, 1);
    // Closing saves the address book.
    mirror.close().await;
    assert_eq!(mirror.context().home.peers().unwrap().iter().next().unwrap().addresses, [live, dead]);
}

/// Nodes that share many libraries dial each other once for each library. A peer accepts four connections of
/// one node and refuses more.
#[tokio::test(flavor = "multi_thread")]
async fn peers_of_many_libraries_exchange_all_of_them_at_once() {
    let place = Place::new();
    let origin = place.origin().await;
    let key = Key::from_seed([62; 32]);
    let [root, operator, publisher] = [51, 52, 53].map(|seed| Key::from_seed([seed; 32]));
    let founders = Founders { root: &root, operator: &operator, publisher: &publisher };
    let mut libraries = Vec::new();
    for number in 0..6 {
        let (id, founding) = found("other", founders, Salt::from_bytes([number; 32]), 1).unwrap();
        let mut library = Library::open(id, [founding], now_ms()).unwrap();
        let own = films(&origin).member(&origin.id()).unwrap().body.clone();
        for body in [own, gated_member(&origin, &key)] {
            let said = author::member(&library, &operator, body, now_ms()).unwrap();
            assert!(library.offer(&said, now_ms()).unwrap().is_news());
        }
        let all: Vec<_> = library.statements().into_iter().cloned().collect();
        origin.library_service().take(&id, &all, false, |_, _| Ok(())).unwrap();
        libraries.push(Arc::new(library));
    }
    let gate = Arc::new(tokio::sync::Mutex::new(()));
    let shut = gate.lock().await;
    let gated = Arc::new(GatedPeer {
        libraries: libraries.clone(),
        peer: origin.id(),
        max_sessions: usize::MAX,
        gate: Arc::clone(&gate),
        sessions: AtomicUsize::new(0),
    });
    let (node, addresses) = (key.public().node(), vec![gated.listen(&key)]);

    let endpoint = Endpoint::dialler(origin.context().key.identity()).unwrap();
    let (service, closing) = (Arc::clone(&origin.services().exchange), Default::default());
    let exchanges = ExchangeScheduler::over(Arc::new(endpoint), service, closing);
    let peer = || Source { node, name: "gated".into(), addresses: addresses.clone(), any_node: false };
    let started: Vec<_> =
        libraries.iter().map(|library| exchanges.exchange_with(library.id(), peer())).collect();
    until("the first exchanges have connected", || gated.sessions() >= 2).await;
    drop(shut);
    for exchange in started {
        assert_eq!(exchange.await, Ok(0));
    }
    exchanges.end().await;
}

/// An exchange with a peer that never answers does not keep the home open after the node is closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_closes_while_a_peer_is_silent() {
    let place = Place::new();
    let origin = place.origin().await;
    let key = Key::from_seed([63; 32]);
    let operator = role_key(&origin, RoleKind::Operator);
    let granted = author::member(&films(&origin), &operator, gated_member(&origin, &key), now_ms()).unwrap();
    let gate = Arc::new(tokio::sync::Mutex::new(()));
    let _shut = gate.lock().await;
    let silent = Arc::new(GatedPeer {
        libraries: vec![films(&origin)],
        peer: origin.id(),
        max_sessions: 1,
        gate: Arc::clone(&gate),
        sessions: AtomicUsize::new(0),
    });
    let address = silent.listen(&key);
    origin.peers().record_dial(&key.public().node(), "gated", &[address], &films(&origin).id()).unwrap();
    store(&origin, granted);
    until("the silent peer is dialled", || silent.sessions() == 1).await;
    origin.close().await;
    drop(origin);
    Node::open(place.path("origin")).await.unwrap();
}
