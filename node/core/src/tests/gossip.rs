//! Whom a node talks to of its libraries, whom it tells nothing, and whom it waits for.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use chuan_engine::{
    id::{LibraryId, Salt},
    statement::{
        Key, Member, RoleKind,
        library::{self as author, Founders, found},
    },
    store::{
        Ledger, Objects,
        memory::{MemoryLedger, MemoryObjects},
    },
    sync::message,
};
use chuan_net::{
    Endpoint, Identity as Proof, PeerKey,
    serve::{self, Host},
};

use super::{
    super::{peer::Source, talks::Talks},
    mesh::{films, mirror, role_key, say, until},
    *,
};

/// Shows a home all that another knows of a library.
fn show_all(from: &Node, to: &Node) {
    let library = films(from);
    let all: Vec<_> = library.statements().into_iter().cloned().collect();
    to.0.libraries.take(&library.id(), &all, false, now_ms(), |_, _| Ok(())).unwrap();
}

/// Suspends `node`, which joined with a ticket, at `origin`: somebody else joined with a copy of it.
fn suspend(origin: &Node, node: &Node) {
    let twin = Key::from_seed([41; 32]).public();
    let library = films(origin);
    let joined = library.member(&node.id()).unwrap().body.clone();
    let body = Member { node: twin.node(), key: twin, name: "twin".into(), ..joined };
    let made = author::member(&library, &origin.0.key(), body, now_ms()).unwrap();
    origin.0.libraries.take(&library.id(), &[made], false, now_ms(), |_, _| Ok(())).unwrap();
    assert!(films(origin).is_suspended(&node.id()));
}

/// A node that was suspended and went on listening was dialled by every peer, asked for what it claimed to lack, and was given
/// every statement: only revoked nodes were left out by the dialling side, and nothing was asked once it had dialled.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_suspended_is_told_nothing_by_who_dials_it() {
    let place = Place::new();
    let origin = place.origin().await;
    let suspended = mirror(&place, &origin, "suspended").await;
    suspend(&origin, &suspended);
    let spread = origin.ask_everybody(&films(&origin).id()).await.unwrap();
    assert_eq!((spread.known, spread.reached), (0, 0));
    assert!(!films(&suspended).is_suspended(&suspended.id()));

    // Data is checked, so it may come from there; a word about the library does not go there.
    let from = Pull { from: Some(suspended.id().to_string()), ..Pull::default() };
    assert!(!origin.pull(from, &Job::silent()).await.unwrap().changed);
    assert!(!films(&suspended).is_suspended(&suspended.id()));
}

/// Whose key a peer has was decided by any library. The operator of one could name a key of its own as another node's, answer
/// where that node was dialled for a second library, and be given all of that library's statements.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_library_says_opens_no_library() {
    let place = Place::new();
    let origin = place.origin().await;
    let victim = mirror(&place, &origin, "victim").await;
    let thief = place.node("thief").await;
    show_all(&origin, &thief);
    let address = thief.serve(Some("127.0.0.1:0")).await.unwrap().to_string();

    let [root, operator, publisher] = [51, 52, 53].map(|seed| Key::from_seed([seed; 32]));
    let founders = Founders { root: &root, operator: &operator, publisher: &publisher };
    let (other, founding) = found("other", founders, Salt::from_bytes([7; 32]), 1).unwrap();
    victim.0.libraries.take(&other, &[founding], false, now_ms(), |_, _| Ok(())).unwrap();
    let posing = Member {
        key: thief.0.key().public(),
        ticket: None,
        ..films(&victim).member(&origin.id()).unwrap().body.clone()
    };
    let library = victim.0.libraries.get(&other).unwrap();
    say(&victim, author::member(&library, &operator, posing, now_ms()).unwrap());

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
    say(&victim, news.clone());
    let films_id: LibraryId = films(&victim).id();
    std::fs::remove_file(victim.0.home.peers_path()).unwrap();
    victim.0.met(&origin.id(), "origin", &[address], &films_id).unwrap();
    let spread = victim.ask_everybody(&films_id).await.unwrap();
    assert_eq!((spread.known, spread.reached), (1, 0));
    assert!(films(&thief).statement(&news.id()).is_none());
}

/// A mirror that joined while a node was away is a stranger to it. It is told nothing until what it knows has shown that it
/// belongs.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_joined_meanwhile_is_heard_first() {
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

/// A member that answers when it is let, and takes connections of one node, so many in all.
struct Far {
    libraries: Vec<Arc<Library>>,
    friend: NodeId,
    most: usize,
    gate: Arc<tokio::sync::Mutex<()>>,
    guests: AtomicUsize,
}

impl Far {
    /// Has it listen as the node with this first key; gives where.
    fn listen(self: &Arc<Self>, key: &Key) -> String {
        let proof = Proof::of_node(key.public().node(), key.clone());
        let endpoint = Endpoint::listen("127.0.0.1:0".parse().unwrap(), proof).unwrap();
        let address = endpoint.local_address().unwrap().to_string();
        tokio::spawn(serve::run(endpoint, Arc::clone(self) as _, std::future::pending()));
        address
    }

    fn guests(&self) -> usize {
        self.guests.load(Ordering::Relaxed)
    }
}

impl Host for Far {
    fn objects(&self, library: &LibraryId) -> Arc<dyn Objects> {
        Arc::new(MemoryObjects::new(*library))
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::new(MemoryLedger::new())
    }

    fn library(&self, id: &LibraryId) -> Option<Arc<Library>> {
        drop(self.gate.blocking_lock());
        self.libraries.iter().find(|library| library.id() == *id).cloned()
    }

    fn now_ms(&self) -> i64 {
        now_ms()
    }

    fn memberships(&self, _peer: &PeerKey) -> Vec<LibraryId> {
        self.libraries.iter().map(|library| library.id()).collect()
    }

    fn recognises(&self, peer: &PeerKey) -> bool {
        peer.node == self.friend && self.guests.fetch_add(1, Ordering::Relaxed) < self.most
    }

    fn offer(&self, _statements: Vec<Bytes>) {}

    fn join(&self, _: &PeerKey, _: &[u8; 32], _: &message::Join) -> Result<Vec<Bytes>, Error> {
        Err(Error::Denied("no".into()))
    }
}

/// What makes the node with this first key a member.
fn far_member(origin: &Node, key: &Key) -> Member {
    let like = films(origin).member(&origin.id()).unwrap().body.clone();
    Member { node: key.public().node(), key: key.public(), name: "far".into(), ticket: None, ..like }
}

/// An exchange was thrown away two seconds after any other peer had answered, with all that it had brought, and begun anew with the
/// next round: over a long path it never came to its end. A peer that is slow is asked once, hears and is heard in the end, and
/// keeps no news from the others meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_peer_is_heard_in_the_end_and_holds_up_nobody() {
    let place = Place::new();
    let origin = place.origin().await;
    let near = mirror(&place, &origin, "near").await;
    let (id, operator) = (films(&origin).id(), role_key(&origin, RoleKind::Operator));
    let revoke = |library: &Library, node| {
        author::revoke(library, &operator, NodeId::of(&[node; 32]), "news", now_ms()).unwrap()
    };
    let key = Key::from_seed([61; 32]);
    let body = far_member(&origin, &key);
    let granted = author::member(&films(&origin), &operator, body, now_ms()).unwrap();

    let mut library = (*films(&origin)).clone();
    assert!(library.offer(&granted, now_ms()).unwrap().is_news());
    let news = revoke(&library, 1);
    assert!(library.offer(&news, now_ms()).unwrap().is_news());
    let gate = Arc::new(tokio::sync::Mutex::new(()));
    let shut = gate.lock().await;
    let far = Arc::new(Far {
        libraries: vec![Arc::new(library)],
        friend: origin.id(),
        most: 1,
        gate: Arc::clone(&gate),
        guests: AtomicUsize::new(0),
    });
    let address = far.listen(&key);
    origin.0.met(&key.public().node(), "far", &[address], &id).unwrap();
    say(&origin, granted);
    until("the far one is dialled", || far.guests() == 1).await;
    let spread = origin.pass_on(&id).await;
    assert_eq!((spread.known, spread.reached), (2, 1));
    for node in 2..5 {
        let said = revoke(&films(&origin), node);
        say(&origin, said.clone());
        until("the near one has heard", || films(&near).statement(&said.id()).is_some()).await;
    }
    assert_eq!(far.guests(), 1);
    assert!(films(&origin).statement(&news.id()).is_none());
    drop(shut);
    until("what the far one knows has come", || films(&origin).statement(&news.id()).is_some()).await;
}

/// Which of a peer's addresses works was forgotten after each exchange: a dead one in front of it cost every later one its time.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_that_worked_is_tried_first_from_then_on() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    let (id, live) = (films(&mirror).id(), origin.listening().unwrap().to_string());
    std::fs::remove_file(mirror.0.home.peers_path()).unwrap();
    let dead = "127.0.0.1:1".to_owned();
    mirror.0.met(&origin.id(), "origin", &[dead.clone(), live.clone()], &id).unwrap();
    assert_eq!(mirror.ask_everybody(&id).await.unwrap().reached, 1);
    assert_eq!(mirror.0.home.peers().unwrap().iter().next().unwrap().addresses, [live, dead]);
}

/// Nodes that share many libraries dial each other once for each. A peer takes four connections of one node, and turns away more.
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
        for body in [own, far_member(&origin, &key)] {
            let said = author::member(&library, &operator, body, now_ms()).unwrap();
            assert!(library.offer(&said, now_ms()).unwrap().is_news());
        }
        let all: Vec<_> = library.statements().into_iter().cloned().collect();
        origin.0.libraries.take(&id, &all, false, now_ms(), |_, _| Ok(())).unwrap();
        libraries.push(Arc::new(library));
    }
    let gate = Arc::new(tokio::sync::Mutex::new(()));
    let shut = gate.lock().await;
    let far = Arc::new(Far {
        libraries: libraries.clone(),
        friend: origin.id(),
        most: usize::MAX,
        gate: Arc::clone(&gate),
        guests: AtomicUsize::new(0),
    });
    let (node, addresses) = (key.public().node(), vec![far.listen(&key)]);

    let talks = Talks::over(Endpoint::dialler(origin.0.me.identity()).unwrap());
    let peer = || Source { node, name: "far".into(), addresses: addresses.clone(), any_node: false };
    let told: Vec<_> = libraries.iter().map(|library| talks.with(&origin.0, library.id(), peer())).collect();
    until("the first are there", || far.guests() >= 2).await;
    drop(shut);
    for told in told {
        assert_eq!(told.await, Ok(0));
    }
    talks.end().await;
}

/// What goes on with a peer holds the home no longer than the node is open, though that peer never answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_closes_while_a_peer_is_silent() {
    let place = Place::new();
    let origin = place.origin().await;
    let key = Key::from_seed([63; 32]);
    let operator = role_key(&origin, RoleKind::Operator);
    let granted = author::member(&films(&origin), &operator, far_member(&origin, &key), now_ms()).unwrap();
    let gate = Arc::new(tokio::sync::Mutex::new(()));
    let _shut = gate.lock().await;
    let far = Arc::new(Far {
        libraries: vec![films(&origin)],
        friend: origin.id(),
        most: 1,
        gate: Arc::clone(&gate),
        guests: AtomicUsize::new(0),
    });
    let address = far.listen(&key);
    origin.0.met(&key.public().node(), "far", &[address], &films(&origin).id()).unwrap();
    say(&origin, granted);
    until("the silent one is dialled", || far.guests() == 1).await;
    origin.close().await;
    drop(origin);
    Node::open(&place.path("origin")).await.unwrap();
}
