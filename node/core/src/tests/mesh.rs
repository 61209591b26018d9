//! Several nodes that hear from each other: what reaches whom, and what happens to keys on the way.

use std::{
    io::Write,
    net::SocketAddr,
    path::Path,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use chuan_engine::{
    id::LibraryId,
    statement::{
        Accepted, ConflictKind, Key, RoleKind, Statement,
        library::{self as author, succession},
    },
    store::{
        Ledger, Objects,
        memory::{MemoryLedger, MemoryObjects},
    },
    sync::{
        fetch::{Fetch, Options, Report},
        message::Want,
    },
};
use chuan_net::{Connection, Endpoint, Error as NetError, Identity};

use super::*;
use crate::keyring::Keyring;

/// Bytes of a film that no window between two nodes holds whole.
const FILM_BYTES: usize = 32 << 20;
/// By then a revocation has closed what the node had open everywhere. A node that nobody tells asks its peers after 30 s.
const CLOSED_BY: Duration = Duration::from_secs(20);

/// Waits for `is` to become true; what is waited for takes milliseconds, and a machine under load a few seconds.
pub(super) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn films(node: &Node) -> Arc<Library> {
    node.0.libraries.named("films").unwrap()
}

pub(super) fn role_key(origin: &Node, role: RoleKind) -> Key {
    let keys = Keyring::of_home(origin.0.home.clone()).role_keys(&films(origin), role).unwrap();
    keys.into_iter().next().unwrap()
}

/// A mirror that has joined, listens and has pulled.
pub(super) async fn mirror(place: &Place, origin: &Node, name: &str) -> Node {
    let mirror = place.node(name).await;
    mirror.serve(Some("127.0.0.1:0")).await.unwrap();
    mirror.join(ticket(origin).await).await.unwrap();
    pull(&mirror).await.unwrap();
    mirror
}

/// Puts a finished statement into a home, as a command of its own would.
pub(super) fn say(node: &Node, statement: Statement) {
    let id: LibraryId = statement.library();
    let outcomes = node.0.libraries.take(&id, &[statement], false, now_ms(), |_, _| Ok(())).unwrap();
    assert!(matches!(outcomes.as_slice(), [Ok(Accepted::New)]), "{outcomes:?}");
}

/// A connection as whoever has `key` makes it, in the name of `member`.
pub(super) async fn dial(key: &Key, member: &Node, to: &Node) -> Result<Connection, NetError> {
    let endpoint = Endpoint::dialler(Identity::of_node(member.id(), key.clone())).unwrap();
    let address = to.listening().unwrap().to_string();
    let hello = member.0.hello(Some(&films(member)), None).unwrap();
    Connection::open(&endpoint, &[address], to.id(), &hello).await
}

/// Listens again where a node did before it was closed: somebody else may have been given the port for a moment.
async fn serve_again(node: &Node, address: SocketAddr) {
    let begun = Instant::now();
    while let Err(failure) = node.serve(Some(&address.to_string())).await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{failure}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A pull that has begun and goes on when it is let.
pub(super) struct Held {
    pull: tokio::task::JoinHandle<Result<Report, NetError>>,
    go: std::sync::mpsc::Sender<()>,
}

impl Held {
    /// Pulls what `library` says is live, up to the first bytes of content.
    pub(super) async fn begin(
        connection: Arc<Connection>,
        (objects, ledger): (Arc<dyn Objects>, Arc<dyn Ledger>),
        library: Library,
    ) -> Self {
        let want = Want::Channel("live".into());
        let fetch = Fetch::new(objects, ledger, library, want, now_ms(), Options::default()).unwrap();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (go, goes) = std::sync::mpsc::channel::<()>();
        let mut begun = Some(begun);
        // Called on the thread that fetches.
        let progress = move |report: &Report| {
            if report.chunk_bytes_fetched > 0
                && let Some(begun) = begun.take()
            {
                begun.send(()).unwrap();
                let _ = goes.recv();
            }
        };
        let cancel = Arc::new(AtomicBool::new(false));
        let pull = tokio::spawn(async move { connection.pull(fetch, progress, &cancel).await });
        begins.await.unwrap();
        Self { pull, go }
    }

    /// Lets it go on, and waits for its end.
    pub(super) async fn end(self) -> Result<Report, NetError> {
        drop(self.go);
        self.pull.await.unwrap()
    }
}

fn denied(error: &NetError) -> bool {
    matches!(error, NetError::Refused { source: Error::Denied(_), .. })
}

/// An operator speaks at one node, through whichever; all others hear of it and close what the node had open, whether it asks
/// for something or not, in the middle of an answer too. Nothing changes that when they start again.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_every_peer() {
    let place = Place::new();
    let origin = place.origin().await;
    let one = mirror(&place, &origin, "one").await;
    let two = mirror(&place, &origin, "two").await;
    let stolen = mirror(&place, &origin, "stolen").await;
    let peers = [&origin, &one, &two];
    until("everybody knows the stolen node", || {
        peers.iter().all(|peer| films(peer).is_member(&stolen.id(), now_ms()))
    })
    .await;
    stolen.close().await;
    write_noise(&place.path("films").join("large.bin"), FILM_BYTES);
    place.publish(&origin).await.unwrap();
    let thief = stolen.0.key();
    let mut open = Vec::new();
    for peer in peers {
        let connection = dial(&thief, &stolen, peer).await.unwrap();
        connection.exchange((*films(&stolen)).clone()).await.unwrap();
        open.push(connection);
    }
    let busy = Arc::new(dial(&thief, &stolen, &origin).await.unwrap());
    let library = films(&stolen);
    let (objects, ledger) = (MemoryObjects::new(library.id()), MemoryLedger::new());
    let kept: (Arc<dyn Objects>, Arc<dyn Ledger>) = (Arc::new(objects), Arc::new(ledger));
    let pulling = Held::begin(Arc::clone(&busy), kept, (*library).clone()).await;

    let begun = Instant::now();
    let revoked =
        author::revoke(&films(&two), &role_key(&origin, RoleKind::Operator), stolen.id(), "stolen", now_ms())
            .unwrap();
    say(&two, revoked);
    for connection in open.iter().chain([&*busy]) {
        let closed = tokio::time::timeout(Duration::from_secs(60), connection.closed());
        let closed = closed.await.expect("every peer closes the connection");
        assert!(denied(&closed), "{closed:?}");
    }
    let took = begun.elapsed();
    println!("all of 3 peers closed the revoked node's connections after {took:?}");
    assert!(took < CLOSED_BY, "{took:?}: the news was not passed on at once");
    let cut = pulling.end().await.unwrap_err();
    assert!(denied(&cut), "{cut:?}");

    one.close().await;
    drop(one);
    let one = Node::open(&place.path("one")).await.unwrap();
    one.serve(Some("127.0.0.1:0")).await.unwrap();
    let again = dial(&thief, &stolen, &one).await.unwrap();
    let error = again.exchange((*films(&stolen)).clone()).await.unwrap_err();
    assert!(matches!(error, NetError::Refused { .. }), "{error:?}");
}

/// One ticket, two redeemers that cannot reach each other, two nodes: both get in, and out again when the two halves meet.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_redeemed_on_both_sides_of_a_partition_suspends_both() {
    let place = Place::new();
    let origin = place.origin().await;
    let one = mirror(&place, &origin, "one").await;
    let two = mirror(&place, &origin, "two").await;
    until("everybody knows everybody", || {
        [&origin, &one, &two].iter().all(|node| films(node).members().len() == 3)
    })
    .await;
    until("everybody knows where the others are", || {
        [&origin, &one, &two].iter().all(|node| node.0.home.peers().unwrap().iter().count() == 2)
    })
    .await;
    let ticket = ticket(&origin).await;
    let ticket_id = chuan_engine::statement::Ticket::parse(&ticket.ticket).unwrap().statement;
    until("both redeemers know the ticket", || {
        [&one, &two].iter().all(|node| films(node).ticket(&ticket_id).is_some())
    })
    .await;
    // Nobody is needed but a redeemer: the node that made the ticket is gone.
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
    let two = Node::open(&place.path("two")).await.unwrap();
    serve_again(&two, address_two).await;
    let four = place.node("four").await;
    let joined = four.join(ticket).await.unwrap();
    assert_eq!(joined.from, two.id().to_string());

    let one = Node::open(&place.path("one")).await.unwrap();
    serve_again(&one, address_one).await;
    until("both halves know of both", || {
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
        node.settle_audit().await;
        let told: Vec<_> =
            super::audit::told(node).into_iter().filter(|told| told.verb == "conflict").collect();
        assert!(told.iter().any(|told| told.subject.starts_with("ticket ")), "{told:?}");
    }
    let error = pull(&three).await.unwrap_err();
    assert_eq!(error.exit, Exit::Denied, "{error}");
}

/// A crash between a new key and its becoming the node's is finished where anybody was told, and else undone.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_cut_short_is_finished_or_undone() {
    let place = Place::new();
    let origin = place.origin().await;
    let (id, old) = (origin.id(), origin.0.key());
    let home = origin.0.home.clone();
    home.keep_next_key(&Key::from_seed([31; 32])).unwrap();
    origin.close().await;
    drop(origin);
    let origin = Node::open(&place.path("origin")).await.unwrap();
    assert_eq!((origin.id(), origin.0.key().public()), (id, old.public()), "nobody was told");
    assert!(home.next_key().unwrap().is_none());

    let new = Key::from_seed([32; 32]);
    home.keep_next_key(&new).unwrap();
    say(&origin, succession(&films(&origin), id, &old, &new, 0, now_ms()).unwrap());
    origin.close().await;
    drop(origin);
    let origin = Node::open(&place.path("origin")).await.unwrap();
    assert_eq!((origin.id(), origin.0.key().public()), (id, new.public()));
    assert_eq!(home.node_key().unwrap().public(), new.public());
}

/// Writes a file of bytes that no chunk shares with another, a piece at a time.
pub(super) fn write_noise(path: &Path, mut bytes: usize) {
    let mut file = std::fs::File::create(path).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut piece = vec![0; 1 << 20];
    while bytes > 0 {
        for word in piece.chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let len = bytes.min(piece.len());
        file.write_all(&piece[..len]).unwrap();
        bytes -= len;
    }
}
