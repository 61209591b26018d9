//! The owner of one library at work against a node that is a member of another one too: what the owner signs,
//! names or holds back takes no turn, no dial, no record and no proof from the other library.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Mutex, atomic::AtomicBool, mpsc},
    time::Duration,
};

use chuan_engine::{
    id::{ManifestId, RecordId},
    statement::{Body, Checkpoint, Header, Key, PublicKey, Release, RoleKind, library as author},
    sync::fetch::{Fetch, Report},
};
use chuan_net::{
    Endpoint, Error as NetError, Identity, PeerKey, PeerVerifier, Result as NetResult, WireStats,
    link::{BoxFuture, Link, Socket, Take},
    serve::{self, Identified, Refused},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    audit::read_log,
    mesh::{films, role_key, until},
    neighbour::World,
    *,
};
use crate::{command::AuditCheckpoint, keyring::Keyring};

/// Accepts every member, and answers no pull before the test is over.
struct Stalled {
    of: LibraryId,
    asked: Arc<Notify>,
    over: Mutex<mpsc::Receiver<()>>,
}

impl PeerHandler for Stalled {
    fn identify(&self, key: &PublicKey) -> Identified {
        Identified { node: key.node(), bound: Vec::new(), introduction: None }
    }

    fn memberships(&self, _: &PeerKey) -> Vec<LibraryId> {
        vec![self.of]
    }

    fn greet(&self, _: &PeerKey, _: Hello) -> bool {
        true
    }

    fn answer(&self, _: &Caller, request: Request, _: &mut dyn Outlet) -> chuan_engine::Result<()> {
        if matches!(request, Request::Pull(_)) {
            self.asked.notify_one();
            let _ = self.over.lock().unwrap().recv();
        }
        Err(Error::Missing("nothing".into()))
    }

    fn ended(&self, _: &PeerKey) {}

    fn refused(&self, _: Option<&PeerKey>, _: SocketAddr, _: Refused, _: &str) {}
}

/// Symptom: pulls of one library waited for the end of a pull of another library with the same name, and the
/// owner of that one let it last for ever. Cause: the turn of a library went by its name, which its owner
/// chooses.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_waits_for_no_pull_of_another_library_with_the_same_name() {
    let world = World::with_other("films").await;
    let own = world.origin.library_service().named("films").unwrap().id();
    let identity = Identity::of_node(world.owner.id(), world.owner.context().signing_key());
    let address = world.owner.listening().unwrap();
    world.owner.close().await;
    let endpoint = loop {
        match Endpoint::listen(address, identity.clone()) {
            Ok(endpoint) => break endpoint,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let (asked, (_over, over)) = (Arc::new(Notify::new()), mpsc::channel());
    let stalled = Stalled { of: world.other, asked: Arc::clone(&asked), over: Mutex::new(over) };
    tokio::spawn(serve::run(endpoint, listener(Arc::new(stalled)), std::future::pending()));
    let of = |library: LibraryId| Pull { library: Some(library.to_string()), ..Pull::default() };
    let (victim, other) = (world.victim.clone(), world.other);
    let pulling = tokio::spawn(async move { victim.pull(of(other), &Job::silent()).await });
    asked.notified().await;
    let pulled =
        tokio::time::timeout(Duration::from_secs(30), world.victim.pull(of(own), &Job::silent())).await;
    assert!(!pulled.expect("has its turn").unwrap().changed);
    assert!(!pulling.is_finished());
    pulling.abort();
}

/// A socket over which peers never answer: a dial, or only the first request after it.
#[derive(Debug, Default)]
struct Silent {
    /// The key that each peer proves, where it answers dials.
    key: Option<PublicKey>,
    dialled: Mutex<BTreeSet<NodeId>>,
    asked: Arc<Mutex<BTreeSet<NodeId>>>,
}

impl Silent {
    fn dialled(&self) -> BTreeSet<NodeId> {
        self.dialled.lock().unwrap().clone()
    }

    fn asked(&self) -> BTreeSet<NodeId> {
        self.asked.lock().unwrap().clone()
    }
}

/// A connection to a peer that never answers a request.
#[derive(Debug)]
struct Mute {
    peer: PeerKey,
    asked: Arc<Mutex<BTreeSet<NodeId>>>,
}

impl Link for Mute {
    fn peer(&self) -> PeerKey {
        self.peer
    }

    fn kinds(&self) -> Kinds {
        Kinds::KNOWN
    }

    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }

    fn exporter(&self) -> NetResult<[u8; 32]> {
        Err(NetError::Local("it has none".into()))
    }

    fn stats(&self) -> WireStats {
        WireStats::default()
    }

    fn ask<'a>(&'a self, _: Request, _: Take<'a>) -> BoxFuture<'a, NetResult<()>> {
        self.asked.lock().unwrap().insert(self.peer.node);
        Box::pin(std::future::pending())
    }

    fn pull<'a>(
        &'a self,
        _: Fetch,
        _: Box<dyn FnMut(&Report) + Send>,
        _: &'a Arc<AtomicBool>,
    ) -> BoxFuture<'a, NetResult<Report>> {
        Box::pin(std::future::pending())
    }

    fn close(&self) {}
}

impl Socket for Silent {
    fn local_address(&self) -> NetResult<SocketAddr> {
        Ok(([127, 0, 0, 1], 1).into())
    }

    fn open<'a>(
        &'a self,
        _: &'a [String],
        expected: NodeId,
        _: &'a Hello,
        _: &'a Arc<dyn PeerVerifier>,
    ) -> BoxFuture<'a, NetResult<Box<dyn Link>>> {
        self.dialled.lock().unwrap().insert(expected);
        let Some(key) = self.key else { return Box::pin(std::future::pending()) };
        let mute = Mute { peer: PeerKey { node: expected, key }, asked: Arc::clone(&self.asked) };
        Box::pin(std::future::ready(Ok(Box::new(mute) as Box<dyn Link>)))
    }

    fn serve(&self, _: Listener, _: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn set_identity(&self, _: Identity) -> NetResult<()> {
        Err(NetError::Local("it has none".into()))
    }

    fn hang_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn source(node: NodeId) -> Source {
    Source { node, name: String::new(), addresses: vec!["192.0.2.1:9".into()], any_node: false }
}

/// Symptom: a node exchanged no statements of one library, revocations among them, for as long as it dialled
/// the members of another library, which its owner had invented. Cause: all libraries shared the dials.
#[tokio::test(flavor = "multi_thread")]
async fn members_of_another_library_that_do_not_answer_hold_up_no_exchange() {
    let world = World::open().await;
    let socket = Arc::new(Silent::default());
    let (exchange, closing) = (Arc::clone(&world.victim.services().exchange), CancellationToken::new());
    let scheduler = ExchangeScheduler::over(Arc::clone(&socket) as _, exchange, closing.clone());
    for number in 0..100 {
        drop(scheduler.exchange_with(world.other, source(NodeId::of(&[number; 32]))));
    }
    until("many dials are under way", || socket.dialled().len() > 8).await;
    drop(scheduler.exchange_with(films(&world.victim).id(), source(world.origin.id())));
    until("the origin is dialled", || socket.dialled().contains(&world.origin.id())).await;
    assert!(socket.dialled().len() < 100, "their number is bounded");
    closing.cancel();
}

/// Symptom: the memory of a node grew with each invented member of a library that answered a dial and then no
/// request: each exchange held a copy of the library, for minutes. Cause: their number had no limit.
#[tokio::test(flavor = "multi_thread")]
async fn members_that_answer_no_request_hold_a_bounded_number_of_exchanges() {
    let world = World::open().await;
    let key = Some(Key::from_seed([91; 32]).public());
    let socket = Arc::new(Silent { key, ..Silent::default() });
    let (exchange, closing) = (Arc::clone(&world.victim.services().exchange), CancellationToken::new());
    let scheduler = ExchangeScheduler::over(Arc::clone(&socket) as _, exchange, closing.clone());
    for number in 0..200 {
        drop(scheduler.exchange_with(world.other, source(NodeId::of(&[number; 32]))));
    }
    until("exchanges are under way", || socket.asked().len() >= 64).await;
    drop(scheduler.exchange_with(films(&world.victim).id(), source(world.origin.id())));
    until("the origin is asked", || socket.asked().contains(&world.origin.id())).await;
    assert!(socket.asked().len() < 100, "{} exchanges", socket.asked().len());
    closing.cancel();
}

/// Symptom: with each statement that the owner of one library signed, a node dialled all members of its other
/// libraries too. Cause: a change of any library began exchanges of all.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_one_library_begins_no_exchange_of_another() {
    let world = World::open().await;
    for node in [&world.origin, &world.owner, &world.victim] {
        node.audit_service().pause();
    }
    let sessions = |node: &Node| node.services().serve.counts().now().sessions;
    let before = sessions(&world.origin);
    for number in 0..16u8 {
        let before = sessions(&world.owner);
        let key = Key::from_seed([100 + number; 32]);
        world.bind(key.public().node(), &key);
        until("the owner is asked", || sessions(&world.owner) > before).await;
    }
    let more = sessions(&world.origin) - before;
    assert!(more < 8, "the origin got {more} exchanges");
}

/// Two releases of `films` or of `other` at one sequence.
fn rivals(library: &Library, publisher: &Key, sequence: u64) -> [Statement; 2] {
    [1u8, 2].map(|n| {
        let (manifest, message) = (ManifestId::from_bytes([n; 32]), String::new());
        let body = Release { parents: Vec::new(), manifest, message, classes: Vec::new() };
        let header = Header { library: Some(library.id()), sequence, time_ms: now_ms() };
        Statement::sign(header, &Body::Release(body), &[publisher]).unwrap()
    })
}

/// Symptom: the audit log of a node recorded no contradiction of a library any more. Cause: the owner of
/// another library had signed so many that the limit of all libraries together was reached.
#[tokio::test(flavor = "multi_thread")]
async fn contradictions_of_another_library_keep_none_out_of_the_log() {
    let world = World::open().await;
    let library = world.owner.library_service().get(&world.other).unwrap();
    let keyring = Keyring::of_home(world.owner.context().home.clone());
    let publisher = keyring.role_keys(&library, RoleKind::Publisher).unwrap().remove(0);
    let said: Vec<_> = (2..1300).flat_map(|sequence| rivals(&library, &publisher, sequence)).collect();
    let bytes: Vec<_> = said.iter().map(|said| said.bytes().clone()).collect();
    assert_eq!(world.victim.library_service().hear(&bytes).len(), bytes.len());
    let audit = world.victim.audit_service();
    audit.settle_on_thread().await;
    let own = films(&world.victim);
    let said = rivals(&own, &role_key(&world.origin, RoleKind::Publisher), 2);
    world.victim.hear(&said.map(|said| said.bytes().clone()));
    audit.settle_on_thread().await;
    let records = read_log(&world.victim);
    let of = |library: LibraryId| {
        let conflicts = records.iter().filter(|record| record.verb == "conflict");
        conflicts.filter(|record| record.library == Some(library.to_string())).count()
    };
    assert_eq!(of(own.id()), 1);
    assert!((1000..1100).contains(&of(world.other)), "{}", of(world.other));
}

/// Symptom: `audit checkpoint` wrote a checkpoint that the owner of another library had signed in the name of
/// the node, and no proof of the node's log could be had. Cause: the highest count of all libraries won, by
/// any key, and any node with the name.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_a_key_that_another_library_binds_is_not_written() {
    let world = World::open().await;
    world.origin.audit_service().settle_on_thread().await;
    let known = films(&world.origin);
    let said = known.checkpoints(&world.origin.id());
    let honest: Vec<_> = said.iter().map(|said| said.body.count).collect();
    let bytes: Vec<_> = said.iter().map(|said| said.statement.bytes().clone()).collect();
    world.victim.hear(&bytes);
    let thief = Key::from_seed([90; 32]);
    world.bind(world.origin.id(), &thief);
    let library = world.owner.library_service().get(&world.other).unwrap();
    let body = Checkpoint { node: world.origin.id(), count: 1 << 40, head: RecordId::from_bytes([6; 32]) };
    let forged = author::checkpoint(&library, &thief, body, now_ms()).unwrap();
    world.victim.hear(&[forged.bytes().clone()]);
    let write = |node: String| {
        let file = world.place.path("origin.checkpoint");
        world.victim.audit_service().write_checkpoint(&AuditCheckpoint { node, file })
    };
    let shown = write(world.origin.id().to_string()).unwrap();
    assert!(honest.contains(&shown.count), "{} records", shown.count);
    assert_eq!(shown.key, world.origin.context().signing_key().public().to_string());
}
