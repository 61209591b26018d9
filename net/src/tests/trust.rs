//! Replaced keys, ended memberships, and statements that travel with a hello.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use chuan_engine::{
    Error as EngineError,
    id::NodeId,
    statement::{
        Key, PublicKey,
        library::{revoke, succession},
    },
    sync::{
        fetch::{Fetch, Options, Report},
        frame::FrameKind,
        message::{Hello, Packing, Pull, Request},
    },
};

use super::{
    films::{Cinema, Films, NOW_MS, live},
    pair::{self, Origin},
};
use crate::{Connection, Endpoint, Error, FirstKeyOnly, Identity, PeerVerifier, Result};

const DAY_MS: u64 = 86_400_000;
/// Chunks of a film, more than any window holds.
const CHUNKS: u64 = 200;

/// The mirror's knowledge of keys, from its library.
struct Knows(Films);

impl PeerVerifier for Knows {
    fn recognise(&self, expected: &NodeId, key: &PublicKey) -> Option<NodeId> {
        self.0.library().holds_key(expected, key, NOW_MS).then_some(*expected)
    }

    fn verify_statements(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool {
        self.0.take(statements);
        self.0.library().holds_key(node, key, NOW_MS)
    }
}

fn hello(films: &Films, identity: &Identity) -> Hello {
    let library = films.library();
    let shown = library.credentials(&identity.node());
    let statements = shown.into_iter().map(|statement| statement.bytes().to_vec()).collect();
    Hello { node: identity.node(), statements, ..pair::hello() }
}

async fn connect(endpoint: &Endpoint, origin: &Origin<Cinema>, knows: &Arc<Knows>) -> Result<Connection> {
    let hello = hello(&knows.0, &endpoint.identity());
    let known = Arc::clone(knows) as Arc<dyn PeerVerifier>;
    Connection::open_known(endpoint, &[origin.address.to_string()], pair::origin_id(), &hello, &known).await
}

fn pair_of_nodes() -> (Origin<Cinema>, Arc<Knows>) {
    let (origin, mirror) = Films::found();
    (Origin::start(Cinema::new(origin)), Arc::new(Knows(mirror)))
}

#[tokio::test]
async fn an_exchange_takes_statements_both_ways() {
    let (origin, mirror) = pair_of_nodes();
    origin.host.films.publish(3, 0, 0);
    let gone = revoke(&mirror.0.library(), &Films::operator(), Key::from_seed([77; 32]).node(), "", NOW_MS);
    mirror.0.learn(&[gone.expect("signs")]);
    let endpoint = pair::dialler();
    let connection = connect(&endpoint, &origin, &mirror).await.expect("connects");
    let news = connection.exchange(mirror.0.library()).await.expect("exchanges");
    assert_eq!(news.len(), 2, "a release and a channel");
    mirror.0.take(&news);
    assert_eq!(mirror.0.library().statements(), origin.host.films.library().statements());
    let before = connection.stats();
    assert!(connection.exchange(mirror.0.library()).await.expect("exchanges").is_empty());
    let after = connection.stats();
    let spent = after.frame_bytes_in + after.frame_bytes_out - before.frame_bytes_in - before.frame_bytes_out;
    assert!(spent < 128, "a digest when nothing is new, not {spent} bytes");
    drop(connection);
    origin.stop().await;
}

#[tokio::test]
async fn an_unknown_peer_exchanges_nothing() {
    let (origin, mirror) = pair_of_nodes();
    let unknown = Identity::new(Key::from_seed([66; 32]));
    let endpoint = Endpoint::dialler(unknown).expect("binds");
    let connection = connect(&endpoint, &origin, &mirror).await.expect("connects");
    let error = connection.exchange(mirror.0.library()).await.expect_err("is refused");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    drop(connection);
    origin.stop().await;
}

/// The acceptor's key is replaced while a pull runs: the pull completes, the next connection shows the new
/// key, and a dialler that does not know the new key learns it from the node itself.
#[tokio::test]
async fn an_acceptor_goes_on_under_another_key() {
    let (origin, mirror) = pair_of_nodes();
    let release = origin.host.films.publish(200, 0, 0);
    let endpoint = pair::dialler();
    let connection = connect(&endpoint, &origin, &mirror).await.expect("connects");
    assert_eq!(connection.peer().key, Key::from_seed(pair::ORIGIN).public());

    let (old, new) = (Key::from_seed(pair::ORIGIN), Key::from_seed([55; 32]));
    let films = &origin.host.films;
    let mut switch = Some(|| {
        let said = succession(&films.library(), pair::origin_id(), &old, &new, DAY_MS, NOW_MS);
        films.learn(&[said.expect("signs")]);
        let identity = Identity::of_node(pair::origin_id(), new.clone());
        *origin.host.identity.write().expect("unpoisoned") = identity.clone();
        origin.endpoint.set_identity(identity).expect("is set");
    });
    let fetch = {
        let objects = Arc::clone(&mirror.0.store);
        Fetch::new(objects, mirror.0.library(), live(), NOW_MS, Options::default())
    }
    .expect("begins");
    let cancel = Arc::new(AtomicBool::new(false));
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let pull = connection.pull(
        fetch,
        move |report: &Report| {
            let _ = told.send(report.done);
        },
        &cancel,
    );
    let report = {
        tokio::pin!(pull);
        loop {
            tokio::select! {
                report = &mut pull => break report.expect("pulls"),
                Some(_) = hears.recv() => if let Some(switch) = switch.take() { switch() },
            }
        }
    };
    assert_eq!(report.release, Some(release));
    assert!(switch.is_none(), "the key was replaced while the pull ran");

    let again = connect(&endpoint, &origin, &mirror).await.expect("connects");
    assert_eq!((again.peer().key, again.peer().node), (new.public(), pair::origin_id()));
    again.exchange(mirror.0.library()).await.expect("is a member still");
    let unaware = pair::connect(&endpoint, origin.address).await.expect("the chain of keys shows it");
    assert_eq!(unaware.peer().key, new.public());
    drop((connection, again));
    origin.stop().await;
}

/// Accepts one of several nodes, as for the redeemers of a ticket.
struct AnyOf(Vec<NodeId>);

impl PeerVerifier for AnyOf {
    fn recognise(&self, _expected: &NodeId, key: &PublicKey) -> Option<NodeId> {
        self.0.contains(&key.node()).then(|| key.node())
    }

    fn accepts(&self, _expected: &NodeId, introduced: &NodeId) -> bool {
        self.0.contains(introduced)
    }

    fn verify_statements(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool {
        FirstKeyOnly.verify_statements(node, key, statements)
    }
}

/// Symptom: when the issuer of a ticket was gone, no node could join through another redeemer of the ticket
/// whose key was not its first. Cause: the node that introduced itself had to be the node whose id was
/// expected.
#[tokio::test]
async fn another_accepted_node_may_have_a_new_key() {
    let (origin, _) = pair_of_nodes();
    let (old, new) = (Key::from_seed(pair::ORIGIN), Key::from_seed([55; 32]));
    let said = succession(&origin.host.films.library(), old.node(), &old, &new, DAY_MS, NOW_MS);
    origin.host.films.learn(&[said.expect("signs")]);
    let identity = Identity::of_node(old.node(), new.clone());
    *origin.host.identity.write().expect("unpoisoned") = identity.clone();
    origin.endpoint.set_identity(identity).expect("is set");
    let gone = Key::from_seed([54; 32]).node();
    let endpoint = pair::dialler();
    let addresses = [origin.address.to_string()];
    let any: Arc<dyn PeerVerifier> = Arc::new(AnyOf(vec![gone, old.node()]));
    let connection =
        Connection::open_known(&endpoint, &addresses, gone, &pair::hello(), &any).await.expect("is taken");
    assert_eq!((connection.peer().node, connection.peer().key), (old.node(), new.public()));
    let other: Arc<dyn PeerVerifier> = Arc::new(AnyOf(vec![gone]));
    let error = Connection::open_known(&endpoint, &addresses, gone, &pair::hello(), &other).await;
    assert!(matches!(error, Err(Error::WrongKey { .. })), "{error:?}");
    drop(connection);
    origin.stop().await;
}

/// A node that has only the old key is not the node any more.
#[tokio::test]
async fn a_replaced_key_has_no_node() {
    let (origin, mirror) = pair_of_nodes();
    let (old, new) = (Key::from_seed(pair::MIRROR), Key::from_seed([56; 32]));
    let said = succession(&mirror.0.library(), old.node(), &old, &new, 0, NOW_MS - 1).expect("signs");
    mirror.0.learn(&[said]);
    let endpoint = Endpoint::dialler(Identity::of_node(old.node(), new)).expect("binds");
    let connection = connect(&endpoint, &origin, &mirror).await.expect("connects");
    // The hello carried the succession.
    connection.exchange(mirror.0.library()).await.expect("the new key is the node's");
    let thief = pair::dialler();
    let stolen = connect(&thief, &origin, &mirror).await.expect("completes the handshake");
    let error = stolen.exchange(mirror.0.library()).await.expect_err("is shown out");
    assert!(!matches!(error, Error::Unreachable { .. }), "{error:?}");
    drop((connection, stolen));
    origin.stop().await;
}

/// The node's connections are closed, also an idle one, and an answer under way ends at once. If only its
/// requests were refused, all of them would stay open.
#[tokio::test]
async fn a_revoked_node_is_disconnected_at_once() {
    let (origin, mirror) = pair_of_nodes();
    origin.host.films.publish(CHUNKS, 0, 0);
    let endpoint = pair::dialler();
    let mut open = Vec::new();
    for _ in 0..3 {
        let connection = connect(&endpoint, &origin, &mirror).await.expect("connects");
        connection.exchange(mirror.0.library()).await.expect("is a member");
        open.push(connection);
    }
    let whole = Request::Pull(Pull { packing: Packing::Fastest, ..pair::whole(mirror.0.library().id()) });
    let mut answer = open[0].ask(whole).await.expect("asks");
    assert!(answer.next().await.expect("begins").is_some());
    let node = pair::identity(pair::MIRROR).node();
    let gone =
        revoke(&origin.host.films.library(), &Films::operator(), node, "stolen", NOW_MS).expect("signs");
    // The revoked node itself brings the statement: it is effective by its signer, whichever node carries it.
    mirror.0.learn(&[gone]);
    let _ = open[1].exchange(mirror.0.library()).await;
    for connection in &open {
        let end = tokio::time::timeout(Duration::from_secs(60), connection.closed()).await;
        let end = end.expect("is closed");
        assert!(matches!(end, Error::Refused { source: EngineError::Denied(_), .. }), "{end:?}");
    }
    let mut chunks = 0;
    while let Ok(Some(frame)) = answer.next().await {
        assert_ne!(frame.kind(), FrameKind::End, "the answer was cut");
        chunks += u64::from(frame.kind() == FrameKind::Chunk);
    }
    assert!(chunks < CHUNKS, "{chunks}");
    // It may complete a handshake again, and gets no data.
    let again = connect(&endpoint, &origin, &mirror).await.expect("connects");
    let error = again.exchange(mirror.0.library()).await.expect_err("is refused");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    drop((open, again));
    origin.stop().await;
}
