//! Sessions of peers that follow the protocol.

use std::{
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::{Duration, Instant},
};

use super::pair::{self, CHUNK_LEN, Counter, Origin, Script};
use crate::{Connection, Error, pull::drive};

const MANY: u64 = 2_000;

fn never() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_arrives_whole() {
    let origin = Origin::start(Script { chunks: MANY, ..Script::default() });
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
    assert_eq!(connection.peer().node, pair::origin_id());

    let (machine, went) = drive(&connection, Counter::new(3), &never()).await;
    went.expect("goes well");
    let machine = machine.expect("comes back");
    assert_eq!(machine.ended, 3);
    assert_eq!(machine.frames, 3 * (MANY + 1));
    assert_eq!(machine.bytes, 3 * MANY * CHUNK_LEN as u64);
    assert!(connection.stats().bytes_in > machine.bytes);

    drop(connection);
    let script = origin.stop().await;
    assert_eq!(*script.offered.lock().expect("unpoisoned"), [b"ticket".as_slice()]);
}

/// The first flight carries the hello and the request, and no more: an answer of one frame costs the puller
/// little more than the padded datagrams of the handshake.
#[tokio::test]
async fn an_empty_pull_is_small_on_the_wire() {
    let origin = Origin::start(Script::default());
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
    let (_, went) = drive(&connection, Counter::new(1), &never()).await;
    went.expect("goes well");
    let stats = connection.stats();
    assert!(stats.bytes_in > 1200 && stats.bytes_in < 6 * 1024, "{stats:?}");
    assert!(stats.bytes_out > 1200 && stats.bytes_out < 6 * 1024, "{stats:?}");
    origin.stop().await;
}

#[tokio::test]
async fn both_ends_derive_the_same_secret_for_a_join() {
    let origin = Origin::start(Script::default());
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
    let statements = connection.join(pair::join()).await.expect("joins");
    assert_eq!(statements, [b"root".as_slice(), b"member".as_slice()]);

    let another = pair::connect(&endpoint, origin.address).await.expect("connects");
    let (exporter, other) = (connection.exporter().expect("derives"), another.exporter().expect("derives"));
    assert_ne!(exporter, other, "a proof for one connection must be worth nothing on another");
    let script = origin.stop().await;
    let joined = script.joined.lock().expect("unpoisoned").expect("joined");
    assert_eq!(joined.0.node, pair::identity(pair::MIRROR).node());
    assert_eq!(joined.1, exporter);
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_nothing_else() {
    let origin = Origin::start(Script { unknown: true, chunks: MANY, ..Script::default() });
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
    let (machine, went) = drive(&connection, Counter::new(1), &never()).await;
    went.expect("an answer that refuses is an answer");
    let machine = machine.expect("comes back");
    assert_eq!(machine.frames, 1);
    let refused = machine.refused.expect("refused");
    assert!(refused.contains("chuan join") && !refused.contains("stays here"), "{refused}");
    origin.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_finishes_what_it_is_answering() {
    let mut origin = Origin::start(Script { chunks: MANY, ..Script::default() });
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
    let script = Arc::clone(&origin.host);
    let pulling = tokio::spawn(async move {
        let result = drive(&connection, Counter::new(1), &never()).await;
        (result, connection)
    });
    while script.answers.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    origin.tell_to_stop();
    let ((machine, went), connection) = pulling.await.expect("no panic");
    went.expect("finishes");
    assert_eq!(machine.expect("comes back").frames, MANY + 1);
    origin.stop().await;

    let (_, went) = drive(&connection, Counter::new(1), &never()).await;
    let error = went.expect_err("the server is gone").to_string();
    assert!(error.contains("it is stopping") && error.contains("run the same command again"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_pull_ends_the_thread_that_answers() {
    let origin = Origin::start(Script { chunks: u64::MAX, ..Script::default() });
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
    let cancel = never();
    let flag = Arc::clone(&cancel);
    let script = Arc::clone(&origin.host);
    let canceller = tokio::spawn(async move {
        while script.sent.load(Ordering::Relaxed) < 100 {
            tokio::task::yield_now().await;
        }
        flag.store(true, Ordering::Relaxed);
    });
    let (machine, went) = drive(&connection, Counter::new(1), &cancel).await;
    assert!(matches!(went, Err(Error::Cancelled)), "{went:?}");
    assert!(machine.is_some());
    canceller.await.expect("no panic");
    // The stream was stopped, not the connection: the answering thread must notice that alone.
    while !origin.host.abandoned.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(connection);
    origin.stop().await;
}

#[tokio::test]
async fn another_key_than_expected_is_named() {
    let origin = Origin::start(Script::default());
    let endpoint = pair::dialler();
    let expected = pair::identity([3; 32]).node();
    let addresses = [origin.address.to_string()];
    let error =
        Connection::open(&endpoint, &addresses, expected, &pair::hello()).await.expect_err("wrong key");
    assert!(
        matches!(&error, Error::WrongKey { proved, expected: wanted, .. } if *proved == pair::origin_id() && *wanted == expected),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(text.contains(&addresses[0]) && text.contains("another key"), "{text}");
    let script = origin.stop().await;
    assert!(script.offered.lock().expect("unpoisoned").is_empty());
}

#[tokio::test]
async fn the_second_address_is_tried_when_the_first_is_silent() {
    let origin = Origin::start(Script::default());
    let endpoint = pair::dialler();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
    let addresses = [silent.local_addr().expect("bound").to_string(), origin.address.to_string()];
    let connection =
        Connection::open(&endpoint, &addresses, pair::origin_id(), &pair::hello()).await.expect("connects");
    assert_eq!(connection.address().port(), origin.address.port());
    drop(connection);
    origin.stop().await;
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_told_apart() {
    let endpoint = pair::dialler();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
    let started = Instant::now();
    let error = pair::connect(&endpoint, silent.local_addr().expect("bound")).await.expect_err("silent");
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("chuan serve"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(7));
    let error =
        Connection::open(&endpoint, &[], pair::origin_id(), &pair::hello()).await.expect_err("nowhere");
    assert!(error.to_string().contains("without addresses"), "{error}");
}

/// A killed source sends no notice. The puller must not wait for ever, and its error must name the remedy.
#[test]
fn a_killed_source_is_noticed_within_fifteen_seconds() {
    let serving =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runs");
    let origin = serving.block_on(async { Origin::start(Script { chunks: u64::MAX, ..Script::default() }) });
    let pulling =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runs");
    let went = pulling.block_on(async {
        let endpoint = pair::dialler();
        let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
        let script = Arc::clone(&origin.host);
        let killer = std::thread::spawn(move || {
            while script.sent.load(Ordering::Relaxed) < 100 {
                std::thread::yield_now();
            }
            // Its sockets close without a notice; the answering thread ends with its channel.
            serving.shutdown_background();
            Instant::now()
        });
        let (machine, went) = drive(&connection, Counter::new(1), &never()).await;
        assert!(machine.expect("comes back").bytes > 0, "what came before is kept");
        let killed = killer.join().expect("no panic");
        assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
        went
    });
    let error = went.expect_err("vanished");
    assert!(matches!(error, Error::Vanished { .. }), "{error:?}");
    assert!(error.to_string().contains("run the same command again"), "{error}");
}
