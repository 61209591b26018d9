//! Sources that hold their dialler up.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
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
    Acquaintance, Connection, Endpoint, Error, Stranger,
    dial::reach_by,
    frame,
    patience::Patience,
    pull::{Machine, drive},
};

/// More than an acceptor's window takes.
const LARGE: usize = 700 * 1024;

/// Accepts one connection and does `then` with it.
fn acceptor<F: Future<Output = ()> + Send + 'static>(
    then: impl FnOnce(quinn::Connection) -> F + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let endpoint = Endpoint::listen("127.0.0.1:0".parse().expect("parses"), pair::identity(pair::ORIGIN));
    acceptor_on(endpoint.expect("binds"), then)
}

fn acceptor_on<F: Future<Output = ()> + Send + 'static>(
    endpoint: Endpoint,
    then: impl FnOnce(quinn::Connection) -> F + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let address = endpoint.local_address().expect("bound");
    let serving = tokio::spawn(async move {
        let connection = endpoint.accept().await.expect("accepts").await.expect("shakes hands");
        then(connection.clone()).await;
        connection.closed().await;
    });
    (address, serving)
}

/// Asks once for more than is read.
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

/// Symptom: `chuan pull` from a source that took no request hung, and Ctrl-C did nothing. Cause: the flag was not looked at while
/// a request was being sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_nobody_takes_can_be_interrupted() {
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

/// Symptom and cause as above, of the hello: nothing looked at the clock while it was sent.
#[tokio::test]
async fn a_hello_that_nobody_takes_is_given_up() {
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

/// Symptom: who asked a hostile node for other members held dozens of megabytes. Cause: each hint was kept with the statements in
/// it, which nobody looks at.
#[tokio::test]
async fn hints_about_peers_are_kept_without_what_they_bring() {
    let (address, serving) = acceptor(|connection| async move {
        let (mut send, _receive) = connection.accept_bi().await.expect("is asked");
        let hint = Hello { statements: vec![vec![7; 400]; 16], ..pair::hello() };
        let frames = [Frame::Hello(hint), Frame::End(End::default())];
        let frames = frames.map(|frame| frame.encode().expect("encodes")).to_vec();
        assert!(frame::write(&mut send, frames, Patience::endless()).await.is_ok());
        send.finish().expect("finishes");
    });
    let dialler = pair::dialler();
    let connection = pair::connect(&dialler, address).await.expect("connects");
    let peers = connection.peers(LibraryId::from_bytes([9; 32])).await.expect("answers");
    assert_eq!(peers, [Hello { statements: Vec::new(), ..pair::hello() }]);
    drop(connection);
    serving.await.expect("no panic");
}

/// Symptom: a node that could be reached was not, while the servers of another of its names were silent. Cause: all names were
/// looked up before the first address was dialled, one after the other.
#[tokio::test]
async fn a_name_that_is_never_resolved_holds_up_nothing() {
    let origin = Origin::start(Script::default());
    let address = origin.address;
    let look_up = move |name: String| async move {
        match name.as_str() {
            "origin.example:1" => Ok(vec![address]),
            "gone.example:1" => Err(io::Error::other("no such host")),
            _ => pending().await,
        }
    };
    let stranger: Arc<dyn Acquaintance> = Arc::new(Stranger);
    let endpoint = pair::dialler();
    for addresses in [
        vec!["silent.example:1".into(), address.to_string()],
        vec!["silent.example:1".into(), "gone.example:1".into(), "origin.example:1".into()],
    ] {
        let reached = reach_by(look_up, &endpoint, &addresses, pair::origin_id(), &stranger);
        let reached = tokio::time::timeout(Duration::from_secs(3), reached).await.expect("is not held up");
        let (connection, peer) = reached.expect("connects");
        assert_eq!(peer.node, pair::origin_id());
        drop(connection);
    }
    origin.stop().await;
}
