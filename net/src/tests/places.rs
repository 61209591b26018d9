//! Places for connections at a node that has two libraries: the nodes of one of them leave the nodes of the
//! other a place, although its owner can make any number of nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    sync::Mutex,
};

use chuan_engine::{
    id::{LibraryId, SetDigest},
    statement::{Key, PublicKey},
    sync::{
        exchange::Talk,
        frame::Frame,
        message::{End, Hello, Request},
        session::Outlet,
    },
};

use super::pair::{self, Host, Origin};
use crate::{
    Endpoint, Identity, PeerKey,
    endpoint::CloseCode,
    frame::FrameReader,
    limits,
    serve::{Caller, Identified, PeerHandler, Refused},
};

/// Knows the libraries of each key, and answers every request with an end.
struct Registry {
    libraries: BTreeMap<PublicKey, Vec<LibraryId>>,
    /// Keys that have proved their membership; `None` where that is known of all.
    proved: Option<Mutex<BTreeSet<PublicKey>>>,
}

impl Registry {
    fn new(is_proved: bool) -> Self {
        let of = |number| (key(number).public(), vec![of_node(number)]);
        Self { libraries: (1..=450).map(of).collect(), proved: (!is_proved).then(Mutex::default) }
    }
}

impl Host for Registry {}

impl PeerHandler for Registry {
    fn identify(&self, key: &PublicKey) -> Identified {
        Identified { node: key.node(), bound: Vec::new(), introduction: None }
    }

    fn memberships(&self, peer: &PeerKey) -> Vec<LibraryId> {
        let is_proved =
            self.proved.as_ref().is_none_or(|proved| proved.lock().expect("unpoisoned").contains(&peer.key));
        self.libraries.get(&peer.key).filter(|_| is_proved).cloned().unwrap_or_default()
    }

    fn greet(&self, peer: &PeerKey, _: Hello) -> bool {
        let proved = self.proved.iter().map(|proved| proved.lock().expect("unpoisoned").insert(peer.key));
        let _ = proved.count();
        true
    }

    fn answer(&self, _: &Caller, _: Request, out: &mut dyn Outlet) -> chuan_engine::Result<()> {
        let _ = out.send(Frame::End(End { complete: true, ..End::default() }));
        Ok(())
    }

    fn ended(&self, _: &PeerKey) {}

    fn refused(&self, _: Option<&PeerKey>, _: SocketAddr, _: Refused, _: &str) {}
}

fn library(number: u8) -> LibraryId {
    LibraryId::from_bytes([number; 32])
}

/// The library of a node: nodes up to 400 are members of library 1, all others of library 2.
fn of_node(number: u16) -> LibraryId {
    library(if number <= 400 { 1 } else { 2 })
}

fn key(number: u16) -> Key {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&number.to_le_bytes());
    Key::from_seed(seed)
}

/// An address that few nodes share, so that only the number of all connections is used up.
fn address(number: u16) -> [u8; 4] {
    [127, 0, 1, u8::try_from(1 + number / 16).expect("few")]
}

/// An open connection of a node, which has sent its hello.
struct Peer {
    quic: quinn::Connection,
    of: LibraryId,
    _endpoint: Endpoint,
}

impl Peer {
    /// Connects from an address of its own; `None` where it was refused before its key was known.
    async fn connect(origin: &Origin<Registry>, number: u16) -> Option<Self> {
        let identity = Identity::new(key(number));
        let endpoint = Endpoint::listen((address(number), 0).into(), identity).expect("binds");
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, origin.address.port()));
        let quic = endpoint.dial(to).expect("dials").await.ok()?;
        let hello = Hello { node: endpoint.identity().node(), ..pair::hello() };
        let hello = Frame::Hello(hello).encode().expect("encodes");
        let mut stream = quic.open_uni().await.ok()?;
        stream.write_all_chunks(&mut [hello.head, hello.payload]).await.ok()?;
        stream.finish().ok()?;
        Some(Self { quic, of: of_node(number), _endpoint: endpoint })
    }

    /// Whether a request is answered, which shows that the connection has its place.
    async fn is_answered(&self) -> bool {
        let talk = Talk::Digest(SetDigest::from_bytes([0; 32]));
        let request = Request::Exchange { library: self.of, talk };
        let request = Frame::Request(request).encode().expect("encodes");
        let answer = async {
            let (mut send, receive) = self.quic.open_bi().await.ok()?;
            send.write_all_chunks(&mut [request.head, request.payload]).await.ok()?;
            send.finish().ok()?;
            FrameReader::new(receive).next().await.ok()?
        };
        matches!(answer.await, Some(Frame::End(_)))
    }
}

/// Symptom: the owner of one library made nodes of its own its members and opened connections with all of
/// them, until no node of another library got one. Cause: the first 256 connections of members stayed,
/// whatever their libraries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nodes_of_one_library_leave_the_nodes_of_another_a_place() {
    let origin = Origin::start_at((Ipv4Addr::UNSPECIFIED, 0).into(), Registry::new(true));
    let mut held = Vec::new();
    for at in 0..limits::CONNECTIONS {
        let number = u16::try_from(1 + at / limits::CONNECTIONS_PER_NODE).expect("few");
        let peer = Peer::connect(&origin, number).await.expect("has a place");
        assert!(peer.is_answered().await);
        held.push(peer);
    }
    let own = Peer::connect(&origin, 430).await.expect("completes its handshake");
    assert!(own.is_answered().await, "it has a place");
    let ended: Vec<_> = held.iter().filter_map(|peer| peer.quic.close_reason()).collect();
    let busy = CloseCode::Busy as u64;
    let is_busy = |reason: &quinn::ConnectionError| matches!(reason, quinn::ConnectionError::ApplicationClosed(close) if close.error_code.into_inner() == busy);
    assert!(ended.len() == 1 && ended.iter().all(is_busy), "one made room: {ended:?}");

    // A node of the library that has most of the places gets none by that.
    let one_more = Peer::connect(&origin, 390).await;
    let has_place = match one_more {
        Some(peer) => peer.is_answered().await,
        None => false,
    };
    assert!(!has_place, "no two nodes of one library end each other's connections");
    drop((held, own));
    origin.stop().await;
}

/// A peer that is a stranger at its handshake, and proves its membership in its hello, counts from then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_prove_it_in_their_hello_are_limited_too() {
    let origin = Origin::start_at((Ipv4Addr::UNSPECIFIED, 0).into(), Registry::new(false));
    let mut held = Vec::new();
    for number in 1..=300 {
        let peer = Peer::connect(&origin, number).await.expect("completes its handshake");
        let _ = peer.is_answered().await;
        held.push(peer);
    }
    let open = held.iter().filter(|peer| peer.quic.close_reason().is_none()).count();
    assert!(open <= limits::CONNECTIONS + 2, "{open} connections");
    let own = Peer::connect(&origin, 430).await.expect("completes its handshake");
    assert!(own.is_answered().await, "it has a place");
    drop(held);
    origin.stop().await;
}
