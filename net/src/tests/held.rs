//! Sources that delay their dialler.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use chuan_engine::{
    id::LibraryId,
    sync::{
        exchange::Talk,
        frame::Frame,
        message::{End, Hello, Request},
    },
};
use tokio::task::JoinHandle;

use super::pair::{self, Origin, Script};
use crate::{
    Connection, Endpoint, Error, FirstKeyOnly, PeerVerifier,
    dial::reach_by,
    frame,
    pull::{Machine, drive},
};

/// More than an acceptor's window holds.
const LARGE: usize = 700 * 1024;

/// Accepts one connection and runs `then` on it.
pub(super) fn acceptor<F: Future<Output = ()> + Send + 'static>(
    then: impl FnOnce(quinn::Connection) -> F + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let endpoint = Endpoint::listen("127.0.0.1:0".parse().expect("parses"), pair::identity(pair::ORIGIN));
    acceptor_on(endpoint.expect("binds"), then)
}

pub(super) fn acceptor_on<F: Future<Output = ()> + Send + 'static>(
    endpoint: Endpoint,
    then: impl FnOnce(quinn::Connection) -> F + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let address = endpoint.local_address().expect("bound");
    let serving = tokio::spawn(async move {
        let connection = endpoint.accept().await.expect("accepts").await.expect("completes the handshake");
        then(connection.clone()).await;
        connection.closed().await;
    });
    (address, serving)
}

/// Sends one request that is larger than the peer reads.
struct Insists(bool);

impl Machine for Insists {
    fn poll_request(&mut self) -> chuan_engine::Result<Option<(u64, Request)>> {
        let talk = Talk::Offer(vec![vec![7; LARGE]]);
        let request = Request::Exchange { library: LibraryId::from_bytes([9; 32]), talk };
        Ok(std::mem::take(&mut self.0).then_some((1, request)))
    }

    fn handle_frames(&mut self, _id: u64, _frames: Vec<Frame>) -> chuan_engine::Result<()> {
        Ok(())
    }

    fn handle_end(&mut self, _id: u64) -> chuan_engine::Result<()> {
        Ok(())
    }

    fn useful_bytes(&self) -> u64 {
        0
    }

    fn stop(&mut self, _failed: bool) {}
}

/// Symptom: `chuan pull` from a source that read no request hung, and Ctrl-C did nothing. Cause: the flag was
/// not checked while a request was being sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_never_read_can_be_interrupted() {
    let (address, serving) = acceptor(|_| async {});
    let dialler = pair::dialler();
    let connection = pair::connect(&dialler, address).await.expect("connects");
    let cancel = Arc::new(AtomicBool::new(false));
    let before = connection.stats().frame_bytes_out;
    let interrupt = async {
        while connection.stats().frame_bytes_out == before {
            tokio::task::yield_now().await;
        }
        cancel.store(true, Ordering::Relaxed);
    };
    let driven = async { tokio::join!(drive(&connection, Insists(true), &cancel), interrupt).0 };
    let (_, went) = tokio::time::timeout(Duration::from_secs(5), driven).await.expect("is interrupted");
    assert!(matches!(went, Err(Error::Cancelled)), "{went:?}");
    drop(connection);
    serving.await.expect("no panic");
}

/// Symptom and cause as above, for the hello: sending it had no time limit.
#[tokio::test]
async fn a_hello_that_is_never_read_times_out() {
    let identity = pair::identity(pair::ORIGIN);
    let (address, serving) = acceptor_on(Endpoint::listen_narrow(identity, 64).expect("binds"), |_| async {});
    let hello = Hello { statements: vec![vec![7; 400]; 16], ..pair::hello() };
    let dialler = pair::dialler();
    let addresses = [address.to_string()];
    let opened = Connection::open(&dialler, &addresses, pair::origin_id(), &hello);
    let error =
        tokio::time::timeout(Duration::from_secs(10), opened).await.expect("gives up").expect_err("fails");
    assert!(matches!(error, Error::Vanished { .. }), "{error:?}");
    serving.await.expect("no panic");
}

/// Symptom: a node that asked a hostile node for other members held dozens of megabytes. Cause: each hint was
/// kept with the statements in it, which are never read.
#[tokio::test]
async fn hints_about_peers_are_kept_without_statements() {
    let (address, serving) = acceptor(|connection| async move {
        let (mut send, _receive) = connection.accept_bi().await.expect("is asked");
        let hint = Hello { statements: vec![vec![7; 400]; 16], ..pair::hello() };
        let frames = [Frame::Hello(hint), Frame::End(End::default())];
        let frames = frames.map(|frame| frame.encode().expect("encodes")).to_vec();
        assert!(frame::write(&mut send, frames, Duration::MAX, &AtomicU64::new(0)).await.is_ok());
        send.finish().expect("finishes");
    });
    let dialler = pair::dialler();
    let connection = pair::connect(&dialler, address).await.expect("connects");
    let peers = connection.peers(LibraryId::from_bytes([9; 32])).await.expect("answers");
    assert_eq!(peers, [Hello { statements: Vec::new(), ..pair::hello() }]);
    drop(connection);
    serving.await.expect("no panic");
}

/// Symptom: a reachable node was not reached while the servers of another of its names were silent. Cause:
/// all names were looked up before the first address was dialled, one after the other.
#[tokio::test]
async fn a_name_that_is_never_resolved_delays_no_other() {
    let origin = Origin::start(Script::default());
    let address = origin.address;
    let look_up = move |name: String| async move {
        match name.as_str() {
            "origin.example:1" => Ok(vec![address]),
            "gone.example:1" => Err(io::Error::other("no such host")),
            _ => pending().await,
        }
    };
    let verifier: Arc<dyn PeerVerifier> = Arc::new(FirstKeyOnly);
    let endpoint = pair::dialler();
    for addresses in [
        vec!["silent.example:1".into(), address.to_string()],
        vec!["silent.example:1".into(), "gone.example:1".into(), "origin.example:1".into()],
    ] {
        let reached = reach_by(look_up, &endpoint, &addresses, pair::origin_id(), &verifier);
        let reached = tokio::time::timeout(Duration::from_secs(3), reached).await.expect("is not held up");
        let (connection, peer) = reached.expect("connects");
        assert_eq!(peer.node, pair::origin_id());
        drop(connection);
    }
    origin.stop().await;
}
