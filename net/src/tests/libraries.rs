//! Peers of a node that has two libraries: what happens in one of them changes nothing in the other.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use chuan_engine::{
    Error as EngineError,
    id::LibraryId,
    statement::PublicKey,
    sync::{
        frame::{ChunkCodec, ChunkFrame, Frame},
        message::{Hello, Request},
        session::Outlet,
    },
};
use tokio::{sync::watch, task::JoinSet};

use super::pair::{self, CHUNK_LEN, Host, Origin};
use crate::{
    Connection, Endpoint, Error, PeerKey,
    frame::{FrameReader, StreamError},
    limits,
    serve::{Caller, Identified, PeerHandler, Refused},
};

/// Answers every pull with chunks, without an end. Each peer is a member of the same libraries.
struct Endless {
    member_of: Mutex<Vec<LibraryId>>,
    changes: watch::Sender<u64>,
    /// Answers begun, and answers that the peer or the server ended.
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl Endless {
    fn new() -> Self {
        let member_of = Mutex::new(vec![library(1), library(2)]);
        Self {
            member_of,
            changes: watch::Sender::new(0),
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        }
    }

    /// Ends the membership of all peers in a library.
    fn revoke(&self, library: LibraryId) {
        self.member_of.lock().expect("unpoisoned").retain(|other| *other != library);
        self.changes.send_modify(|change| *change += 1);
    }
}

impl Host for Endless {
    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl PeerHandler for Endless {
    fn identify(&self, key: &PublicKey) -> Identified {
        Identified { node: key.node(), bound: Vec::new(), introduction: None }
    }

    fn memberships(&self, _: &PeerKey) -> Vec<LibraryId> {
        self.member_of.lock().expect("unpoisoned").clone()
    }

    fn greet(&self, _: &PeerKey, _: Hello) -> bool {
        true
    }

    fn answer(&self, _: &Caller, _: Request, out: &mut dyn Outlet) -> chuan_engine::Result<()> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let data = Bytes::from(vec![7; CHUNK_LEN]);
        let raw_len = u32::try_from(CHUNK_LEN).expect("small");
        let chunk = |ordinal| ChunkFrame { ordinal, codec: ChunkCodec::Raw, raw_len, data: data.clone() };
        let _ = (0..).all(|ordinal| out.send(Frame::Chunk(chunk(ordinal))));
        self.ended.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn ended(&self, _: &PeerKey) {}

    fn refused(&self, _: Option<&PeerKey>, _: SocketAddr, _: Refused, _: &str) {}
}

fn library(number: u8) -> LibraryId {
    LibraryId::from_bytes([number; 32])
}

async fn connect(origin: &Origin<Endless>, number: u8) -> Connection {
    let identity = pair::identity([100 + number; 32]);
    let hello = Hello { node: identity.node(), ..pair::hello() };
    let endpoint = Endpoint::dialler(identity).expect("binds");
    let addresses = [origin.address.to_string()];
    Connection::open(&endpoint, &addresses, pair::origin_id(), &hello).await.expect("connects")
}

async fn pull(connection: &Connection, of: LibraryId) -> FrameReader {
    connection.ask(Request::Pull(pair::whole(of))).await.expect("asks")
}

async fn assert_chunks(answer: &mut FrameReader, count: usize) {
    for _ in 0..count {
        let frame = answer.next().await.expect("goes on");
        assert!(matches!(frame, Some(Frame::Chunk(_))), "{frame:?}");
    }
}

async fn end_of(answer: &mut FrameReader) -> StreamError {
    loop {
        match answer.next().await {
            Err(error) => return error,
            Ok(frame) => assert!(frame.is_some(), "an answer without an end ended"),
        }
    }
}

fn is_denied(error: &Error) -> bool {
    matches!(error, Error::Refused { source: EngineError::Denied(_), .. })
}

/// Symptom: the owner of one library made a node its member and revoked it, and so closed the node's
/// connections in the middle of pulls of another library. Cause: a connection was closed with the first
/// membership that ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_membership_that_ends_ends_the_answers_of_its_library_only() {
    let origin = Origin::start(Endless::new());
    let connection = connect(&origin, 0).await;
    let (mut one, mut two) = (pull(&connection, library(1)).await, pull(&connection, library(2)).await);
    // Both are read all the time: an answer that is not read uses up the window that both share.
    let is_over = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn({
        let is_over = Arc::clone(&is_over);
        async move {
            while !is_over.load(Ordering::SeqCst) {
                assert_chunks(&mut two, 1).await;
            }
            two
        }
    });
    assert_chunks(&mut one, 1).await;
    origin.host.revoke(library(1));
    let ended = connection.broken(end_of(&mut one).await);
    assert!(is_denied(&ended), "{ended:?}");
    is_over.store(true, Ordering::SeqCst);
    let mut two = reading.await.expect("goes on");
    assert_chunks(&mut two, 200).await;

    origin.host.revoke(library(2));
    let closed = connection.closed().await;
    assert!(is_denied(&closed), "{closed:?}");
    origin.stop().await;
}

/// Symptom: four nodes of one library took all answers of a node, read them slowly, and starved every pull
/// of another library. Cause: a request got the next free slot, whatever its library and its key held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_whose_nodes_hold_all_answers_yields_one() {
    let origin = Origin::start(Endless::new());
    let mut held = Vec::new();
    let per_key = limits::CONNECTIONS_PER_NODE * limits::ANSWERS_PER_CONNECTION;
    for number in 0..limits::ANSWERS / per_key {
        for _ in 0..limits::CONNECTIONS_PER_NODE {
            let connection = Arc::new(connect(&origin, u8::try_from(number).expect("few")).await);
            for _ in 0..limits::ANSWERS_PER_CONNECTION {
                held.push((Arc::clone(&connection), pull(&connection, library(1)).await));
            }
        }
    }
    while origin.host.begun.load(Ordering::SeqCst) < limits::ANSWERS {
        tokio::task::yield_now().await;
    }
    let connection = connect(&origin, 90).await;
    let mut answer = pull(&connection, library(2)).await;
    assert_chunks(&mut answer, 1).await;
    let host = &origin.host;
    assert_eq!(host.begun.load(Ordering::SeqCst), limits::ANSWERS + 1);
    assert_eq!(host.ended.load(Ordering::SeqCst), 1, "one answer made room");
    let mut ends = JoinSet::new();
    for (connection, mut answer) in held {
        ends.spawn(async move { connection.broken(end_of(&mut answer).await) });
    }
    let ended = ends.join_next().await.expect("has answers").expect("no panic");
    assert!(matches!(ended, Error::Busy(_)), "{ended:?}");
    drop((ends, connection));
    origin.stop().await;
}
