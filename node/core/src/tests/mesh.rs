//! Several nodes that exchange statements: revocations, copied tickets and key rotations reach all of them.

use std::{
    io::Write,
    net::SocketAddr,
    path::Path,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use chuan_api::node_event::NodeEvent;
use chuan_engine::{
    id::LibraryId,
    statement::{
        Accepted, ConflictKind, Key, RoleKind, Statement,
        library::{self as author, succession},
    },
    store::{Objects, memory::MemoryObjects},
    sync::{
        fetch::{Fetch, Options, Report},
        message::Want,
    },
};
use chuan_net::{Connection, Endpoint, Error as NetError, Identity};

use super::*;
use crate::{context::Next, keyring::Keyring};

/// Length of a file that does not fit into the flow control window between two nodes.
const FILM_BYTES: usize = 32 << 20;
/// Time after which every peer has closed the connections of a revoked node. Less than 30 s: after that time
/// a node asks its peers by itself.
const CLOSED_BY: Duration = Duration::from_secs(20);

/// Waits until `is` returns true. That takes milliseconds, or a few seconds on a machine under load.
pub(super) async fn until(state: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not reached in time: {state}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn films(node: &Node) -> Arc<Library> {
    node.library_service().named("films").unwrap()
}

pub(super) fn role_key(origin: &Node, role: RoleKind) -> Key {
    let keys = Keyring::of_home(origin.context().home.clone()).role_keys(&films(origin), role).unwrap();
    keys.into_iter().next().unwrap()
}

/// A mirror that listens, has joined and has pulled.
pub(super) async fn mirror(place: &Place, origin: &Node, name: &str) -> Node {
    let mirror = place.node(name).await;
    mirror.serve(Some("127.0.0.1:0")).await.unwrap();
    mirror.join(ticket(origin).await).await.unwrap();
    pull(&mirror).await.unwrap();
    mirror
}

/// Stores a signed statement in a home, as a command of the node does.
pub(super) fn store(node: &Node, statement: Statement) {
    let id: LibraryId = statement.library();
    let outcomes = node.library_service().take(&id, &[statement], false, |_, _| Ok(())).unwrap();
    assert!(matches!(outcomes.as_slice(), [Ok(Accepted::New)]), "{outcomes:?}");
}

/// Opens a connection in the name of `member`, with `key` as its node key.
pub(super) async fn dial(key: &Key, member: &Node, to: &Node) -> Result<Connection, NetError> {
    let endpoint = Endpoint::dialler(Identity::of_node(member.id(), key.clone())).unwrap();
    let address = to.listening().unwrap().to_string();
    let hello = member.peers().hello(Some(&films(member))).unwrap();
    Connection::open(&endpoint, &[address], to.id(), &hello).await
}

/// Listens again on the address that a node had before it was closed. Retries, since another process may have
/// the port for a moment.
async fn serve_again(node: &Node, address: SocketAddr) {
    let begun = Instant::now();
    while let Err(failure) = node.serve(Some(&address.to_string())).await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{failure}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A pull that has begun and is paused.
pub(super) struct PausedPull {
    pull: tokio::task::JoinHandle<Result<Report, NetError>>,
    resume: std::sync::mpsc::Sender<()>,
}

impl PausedPull {
    /// Pulls the release to which `live` points in `library`, up to the first bytes of content.
    pub(super) async fn begin(
        connection: Arc<Connection>,
        objects: Arc<dyn Objects>,
        library: Library,
    ) -> Self {
        let want = Want::Channel("live".into());
        let fetch = Fetch::new(objects, library, want, now_ms(), Options::default()).unwrap();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (resume, resumed) = std::sync::mpsc::channel::<()>();
        let mut begun = Some(begun);
        // Called on the thread that fetches, which it blocks.
        let progress = move |report: &Report| {
            if report.chunk_bytes_fetched > 0
                && let Some(begun) = begun.take()
            {
                begun.send(()).unwrap();
                let _ = resumed.recv();
            }
        };
        let cancel = Arc::new(AtomicBool::new(false));
        let pull = tokio::spawn(async move { connection.pull(fetch, progress, &cancel).await });
        begins.await.unwrap();
        Self { pull, resume }
    }

    /// Resumes the pull and waits until it ends.
    pub(super) async fn end(self) -> Result<Report, NetError> {
        drop(self.resume);
        self.pull.await.unwrap()
    }
}

fn denied(error: &NetError) -> bool {
    matches!(error, NetError::Refused { source: Error::Denied(_), .. })
}

/// An operator revokes a node at any one of its peers. All peers learn of it and close the node's
/// connections: idle ones, and one in the middle of an answer. The revocation is still effective after a
/// restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_every_peer() {
    let place = Place::new();
    let origin = place.origin().await;
    let one = mirror(&place, &origin, "one").await;
    let two = mirror(&place, &origin, "two").await;
    let stolen = mirror(&place, &origin, "stolen").await;
    let peers = [&origin, &one, &two];
    until("all nodes know the stolen node", || {
        peers.iter().all(|peer| films(peer).is_member(&stolen.id(), now_ms()))
    })
    .await;
    stolen.close().await;
    write_noise(&place.path("films").join("large.bin"), FILM_BYTES);
    place.publish(&origin).await.unwrap();
    let thief = stolen.context().signing_key();
    let mut open = Vec::new();
    for peer in peers {
        let connection = dial(&thief, &stolen, peer).await.unwrap();
        connection.exchange((*films(&stolen)).clone()).await.unwrap();
        open.push(connection);
    }
    let busy = Arc::new(dial(&thief, &stolen, &origin).await.unwrap());
    let library = films(&stolen);
    let objects = Arc::new(MemoryObjects::new(library.id()));
    let pulling = PausedPull::begin(Arc::clone(&busy), objects, (*library).clone()).await;

    let begun = Instant::now();
    let revoked =
        author::revoke(&films(&two), &role_key(&origin, RoleKind::Operator), stolen.id(), "stolen", now_ms())
            .unwrap();
    store(&two, revoked);
    for connection in open.iter().chain([&*busy]) {
        let closed = tokio::time::timeout(Duration::from_secs(60), connection.closed());
        let closed = closed.await.expect("every peer closes the connection");
        assert!(denied(&closed), "{closed:?}");
    }
    let took = begun.elapsed();
    println!("all of 3 peers closed the revoked node's connections after {took:?}");
    assert!(took < CLOSED_BY, "{took:?}: the revocation was not passed on at once");
    let cut = pulling.end().await.unwrap_err();
    assert!(denied(&cut), "{cut:?}");

    one.close().await;
    drop(one);
    let one = Node::open(place.path("one")).await.unwrap();
    one.serve(Some("127.0.0.1:0")).await.unwrap();
    let again = dial(&thief, &stolen, &one).await.unwrap();
    let error = again.exchange((*films(&stolen)).clone()).await.unwrap_err();
    assert!(matches!(error, NetError::Refused { .. }), "{error:?}");
}

/// Two redeemers that cannot reach each other redeem one ticket for two nodes: both nodes become members.
/// When the redeemers exchange statements again, both are suspended.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_redeemed_on_both_sides_of_a_partition_suspends_both() {
    let place = Place::new();
    let origin = place.origin().await;
    let one = mirror(&place, &origin, "one").await;
    let two = mirror(&place, &origin, "two").await;
    until("all nodes know all members", || {
        [&origin, &one, &two].iter().all(|node| films(node).members().len() == 3)
    })
    .await;
    until("all nodes know the addresses of the others", || {
        [&origin, &one, &two].iter().all(|node| node.context().home.peers().unwrap().iter().count() == 2)
    })
    .await;
    let ticket = ticket(&origin).await;
    let ticket_id = chuan_engine::statement::Ticket::parse(&ticket.ticket).unwrap().statement;
    until("both redeemers know the ticket", || {
        [&one, &two].iter().all(|node| films(node).ticket(&ticket_id).is_some())
    })
    .await;
    // One redeemer is enough: the node that made the ticket is gone.
    origin.close().await;
    let (address_one, address_two) = (one.listening().unwrap(), two.listening().unwrap());
    two.close().await;
    drop(two);
    let three = place.node("three").await;
    let joined = three.join(ticket.clone()).await.unwrap();
    assert_eq!(joined.from, one.id().to_string());
    assert!(films(&one).is_member(&three.id(), now_ms()));

    one.close().await;
    drop(one);
    let two = Node::open(place.path("two")).await.unwrap();
    serve_again(&two, address_two).await;
    let four = place.node("four").await;
    let joined = four.join(ticket).await.unwrap();
    assert_eq!(joined.from, two.id().to_string());

    let one = Node::open(place.path("one")).await.unwrap();
    serve_again(&one, address_one).await;
    until("both redeemers know both uses", || {
        [&one, &two].iter().all(|node| {
            let films = films(node);
            films.is_suspended(&three.id()) && films.is_suspended(&four.id()) && films.conflicts().len() == 1
        })
    })
    .await;
    for node in [&one, &two] {
        let films = films(node);
        let conflict = &films.conflicts()[0];
        assert_eq!((conflict.kind, conflict.settled), (ConflictKind::Ticket, false));
        assert_eq!(node.status().await.unwrap().libraries[0].conflicts_open, 1);
        node.audit_service().settle_on_thread().await;
        let mut recorded = super::audit::read_log(node);
        recorded.retain(|record| record.verb == "conflict");
        assert!(recorded.iter().any(|record| record.subject.starts_with("ticket ")), "{recorded:?}");
    }
    let error = pull(&three).await.unwrap_err();
    assert_eq!(error.exit, Exit::Denied, "{error}");
}

/// A crash in a rotation: it is finished if the succession is stored, and undone if only the new key is.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_rotation_is_finished_or_undone() {
    let place = Place::new();
    let origin = place.origin().await;
    let (id, old) = (origin.id(), origin.context().signing_key());
    let home = origin.context().home.clone();
    home.keep_next_key(&Key::from_seed([31; 32])).unwrap();
    origin.close().await;
    drop(origin);
    let origin = Node::open(place.path("origin")).await.unwrap();
    assert_eq!(
        (origin.id(), origin.context().signing_key().public()),
        (id, old.public()),
        "no succession is stored"
    );
    assert!(home.next_key().unwrap().is_none());

    let new = Key::from_seed([32; 32]);
    home.keep_next_key(&new).unwrap();
    store(&origin, succession(&films(&origin), id, &old, &new, 0, now_ms()).unwrap());
    origin.close().await;
    drop(origin);
    let origin = Node::open(place.path("origin")).await.unwrap();
    assert_eq!((origin.id(), origin.context().signing_key().public()), (id, new.public()));
    assert_eq!(home.node_key().unwrap().public(), new.public());
}

/// Writes a file of pseudo-random bytes, so that no two chunks are equal.
pub(super) fn write_noise(path: &Path, mut bytes: usize) {
    let mut file = std::fs::File::create(path).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut piece = vec![0; 1 << 20];
    while bytes > 0 {
        for word in piece.as_chunks_mut::<8>().0 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *word = state.to_le_bytes();
        }
        let len = bytes.min(piece.len());
        file.write_all(&piece[..len]).unwrap();
        bytes -= len;
    }
}

/// A node that does not listen made a new list of reachable peers for each command, and reported each peer as
/// reached again. Now the list is of the node.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_listen_reports_a_reached_peer_once() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    let mut events = mirror.events();
    mirror.join(ticket(&origin).await).await.unwrap();
    let library = films(&mirror).id();
    for _ in 0..3 {
        assert_eq!(mirror.services().exchange.ask_all(&library, &Job::silent()).await.unwrap().reached, 1);
    }
    mirror.close().await;
    let mut reached = Vec::new();
    while let Some(next) = events.next().await {
        let Next::Event(stamped) = next else { continue };
        if let NodeEvent::PeerReached { node, .. } = stamped.event {
            reached.push(node);
        }
    }
    assert_eq!(reached, [origin.id().to_string()]);
}
