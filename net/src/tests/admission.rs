//! Which peers are admitted and which sessions go on: unknown peers, and members with several keys.

use std::time::{Duration, Instant};

use chuan_engine::{
    id::SetDigest,
    statement::{Key, library::succession},
    sync::{
        exchange::Talk,
        frame::Frame,
        message::{Hello, Request},
    },
};

use super::{
    films::{Cinema, Films, NOW_MS},
    pair::{self, Origin},
};
use crate::{Endpoint, Identity, endpoint::CloseCode, frame::FrameReader, limits};

const GRACE_MS: u64 = 86_400_000;

/// A peer that completed the handshake and sent a hello.
struct RawPeer {
    quic: quinn::Connection,
    _endpoint: Endpoint,
}

impl RawPeer {
    async fn connect(origin: &Origin<Cinema>, endpoint: Endpoint) -> Self {
        let quic = endpoint.dial(origin.address).expect("dials").await.expect("completes the handshake");
        let hello = Hello { node: endpoint.identity().node(), statements: Vec::new(), ..pair::hello() };
        let hello = Frame::Hello(hello).encode().expect("encodes");
        if let Ok(mut stream) = quic.open_uni().await {
            let _ = stream.write_all_chunks(&mut [hello.head, hello.payload]).await;
            let _ = stream.finish();
        }
        Self { quic, _endpoint: endpoint }
    }

    /// Sends an exchange; returns the answer, or the code with which the other side closed.
    async fn ask(&self, origin: &Origin<Cinema>) -> Result<Frame, u64> {
        let talk = Talk::Digest(SetDigest::from_bytes([0; 32]));
        let request = Request::Exchange { library: origin.host.films.library().id(), talk };
        let request = Frame::Request(request).encode().expect("encodes");
        let answer = async {
            let (mut send, receive) = self.quic.open_bi().await.ok()?;
            send.write_all_chunks(&mut [request.head, request.payload]).await.ok()?;
            send.finish().ok()?;
            FrameReader::new(receive).next().await.ok()?
        };
        match answer.await {
            Some(frame) => Ok(frame),
            None => Err(self.closed().await),
        }
    }

    async fn closed(&self) -> u64 {
        let patience = limits::UNKNOWN_PEER_LIFETIME + Duration::from_secs(3);
        match tokio::time::timeout(patience, self.quic.closed()).await.expect("is closed") {
            quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
            other => panic!("closed otherwise: {other}"),
        }
    }
}

fn dialler(identity: Identity) -> Endpoint {
    Endpoint::dialler(identity).expect("binds")
}

fn unknown_peer(number: u8) -> Endpoint {
    dialler(Identity::new(Key::from_seed([100 + number; 32])))
}

/// Replaces the mirror's key and returns the new one.
fn rotated(origin: &Origin<Cinema>) -> Key {
    let (old, new) = (Key::from_seed(pair::MIRROR), Key::from_seed([56; 32]));
    let said = succession(&origin.host.films.library(), old.node(), &old, &new, GRACE_MS, NOW_MS);
    origin.host.hear(&[said.expect("signs")]);
    new
}

fn origin() -> Origin<Cinema> {
    Origin::start(Cinema::new(Films::found().0))
}

/// Symptom: one machine with free keys held all places for unknown peers, so that no node could join; and a
/// member whose key had been replaced was refused with them. Cause: places were counted for all addresses
/// together, and the acceptor knew nodes only by their first keys.
///
/// Later symptom: strangers behind the same address translation still kept others from joining. Cause: a
/// stranger kept its place for a second without sending anything, and a newcomer was refused unheard.
#[tokio::test]
async fn unknown_peers_at_one_address_block_no_one() {
    let origin = origin();
    let new = rotated(&origin);
    let mut held = Vec::new();
    for number in 0..u8::try_from(3 * limits::UNKNOWN_PEERS_PER_ADDRESS).expect("few") {
        // It completes the handshake and is silent, or sends one request and is silent then.
        let peer = RawPeer::connect(&origin, unknown_peer(number)).await;
        if number % 2 == 0 {
            assert!(matches!(peer.ask(&origin).await, Ok(Frame::Error(_))), "{number} was refused unheard");
        }
        held.push(peer);
    }
    let joiner = RawPeer::connect(&origin, unknown_peer(99)).await;
    assert!(matches!(joiner.ask(&origin).await, Ok(Frame::Error(_))), "its request was judged");
    // The oldest silent strangers made room; the number of places is the same.
    assert_eq!(held[0].closed().await, CloseCode::Busy as u64);
    let open = held.iter().filter(|peer| peer.quic.close_reason().is_none()).count();
    assert!(open <= limits::UNKNOWN_PEERS_PER_ADDRESS, "{open} strangers at one address");
    let node = Key::from_seed(pair::MIRROR).node();
    let mirror = RawPeer::connect(&origin, dialler(Identity::of_node(node, new))).await;
    assert!(matches!(mirror.ask(&origin).await, Ok(Frame::Inventory(_))));
    drop((held, joiner, mirror));
    origin.stop().await;
}

/// Symptom: an unknown peer that sent any request now and then kept its place for ever. Cause: every request
/// extended its time.
#[tokio::test]
async fn an_unknown_peer_that_keeps_asking_is_disconnected() {
    let origin = origin();
    let began = Instant::now();
    let peer = RawPeer::connect(&origin, unknown_peer(0)).await;
    let code = loop {
        match peer.ask(&origin).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(code) => break code,
        }
        assert!(began.elapsed() < limits::UNKNOWN_PEER_LIFETIME + Duration::from_secs(3), "is still in");
    };
    assert_eq!(code, CloseCode::Busy as u64);
    assert!(began.elapsed() >= limits::UNKNOWN_PEER_LIFETIME);
    origin.stop().await;
}

/// Symptom: a member had the full number of connections for each of its keys in grace. Cause: connections
/// were counted by key.
#[tokio::test]
async fn all_keys_of_a_node_share_its_places() {
    let origin = origin();
    let new = rotated(&origin);
    let (old, node) = (pair::identity(pair::MIRROR), Key::from_seed(pair::MIRROR).node());
    let mut held = Vec::new();
    for _ in 0..limits::CONNECTIONS_PER_NODE {
        let peer = RawPeer::connect(&origin, dialler(old.clone())).await;
        assert!(matches!(peer.ask(&origin).await, Ok(Frame::Inventory(_))));
        held.push(peer);
    }
    let one_more = RawPeer::connect(&origin, dialler(Identity::of_node(node, new))).await;
    assert_eq!(one_more.closed().await, CloseCode::Busy as u64);
    drop(held);
    origin.stop().await;
}

/// Symptom: a dialler that allowed no stream to itself kept its place for ever at a node whose key was not
/// its first. Cause: the node introduced itself before anything else, and waited for that without a limit.
#[tokio::test]
async fn a_session_does_not_wait_for_its_introduction() {
    let origin = origin();
    let (old, new) = (Key::from_seed(pair::ORIGIN), Key::from_seed([55; 32]));
    let said = succession(&origin.host.films.library(), old.node(), &old, &new, GRACE_MS, NOW_MS);
    origin.host.hear(&[said.expect("signs")]);
    let identity = Identity::of_node(old.node(), new);
    *origin.host.identity.write().expect("unpoisoned") = identity.clone();
    origin.endpoint.set_identity(identity).expect("is set");
    let peer = RawPeer::connect(&origin, pair::dialler().without_streams()).await;
    let answer = tokio::time::timeout(2 * limits::REQUEST_TIMEOUT, peer.ask(&origin)).await;
    assert!(matches!(answer.expect("in time"), Ok(Frame::Inventory(_))));
    origin.stop().await;
}
