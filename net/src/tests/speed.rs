//! How near the session comes to QUIC itself. Run it alone, in release:
//! `cargo test --release -p chuan-net -- --ignored --nocapture speed`.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use bytes::Bytes;

use super::pair::{self, CHUNK_LEN, Counter, Origin, Script};
use crate::{Endpoint, identity::Expectation, pull::drive};

const CHUNKS: u64 = 32 * 1024;
const ROUNDS: usize = 3;

#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_a_pull_beside_raw_streams() {
    for round in 0..ROUNDS {
        let raw = runtime().block_on(raw_stream(false));
        let tuned = runtime().block_on(raw_stream(true));
        let pull = runtime().block_on(session());
        println!(
            "round {round}: quinn as it comes {raw:.2} GB/s, on our endpoints {tuned:.2} GB/s, a session {pull:.2} GB/s"
        );
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runs")
}

fn gigabytes_per_second(started: Instant) -> f64 {
    (CHUNKS * CHUNK_LEN as u64) as f64 / started.elapsed().as_secs_f64() / 1e9
}

async fn session() -> f64 {
    let origin = Origin::start(Script { chunks: CHUNKS, ..Script::default() });
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
    let started = Instant::now();
    let (machine, went) = drive(&connection, Counter::new(1), &Arc::new(AtomicBool::new(false))).await;
    went.expect("goes well");
    assert_eq!(machine.expect("comes back").bytes, CHUNKS * CHUNK_LEN as u64);
    let speed = gigabytes_per_second(started);
    drop(connection);
    origin.stop().await;
    speed
}

/// One stream of the same bytes, read and dropped; with quinn's own settings or with ours.
async fn raw_stream(ours: bool) -> f64 {
    let listener = Endpoint::listen("127.0.0.1:0".parse().expect("parses"), pair::identity(pair::ORIGIN))
        .expect("binds");
    let dialler = pair::dialler();
    let (listener, dialled) = if ours {
        let address = listener.local_address().expect("bound");
        let expectation = Expectation::new(pair::origin_id());
        let dialled = dialler.dial(address, &expectation).expect("dials");
        (listener.quic().clone(), dialled)
    } else {
        let (server, client) = crate::endpoint::plain_configs(listener.identity());
        let address = "127.0.0.1:0".parse().expect("parses");
        let listener = quinn::Endpoint::server(server, address).expect("binds");
        let dialler = quinn::Endpoint::client(address).expect("binds");
        let dialled = dialler
            .connect_with(client, listener.local_addr().expect("bound"), "chuan.invalid")
            .expect("dials");
        (listener, dialled)
    };
    let serving = tokio::spawn(async move {
        let connection = listener.accept().await.expect("accepts").await.expect("shakes hands");
        let (mut send, _receive) = connection.accept_bi().await.expect("is asked");
        let data = Bytes::from(vec![7; CHUNK_LEN]);
        for _ in 0..CHUNKS {
            send.write_chunk(data.clone()).await.expect("writes");
        }
        send.finish().expect("finishes");
        connection.closed().await;
    });
    let connection = dialled.await.expect("shakes hands");
    let started = Instant::now();
    let (mut send, mut receive) = connection.open_bi().await.expect("opens");
    send.write_all(b"go").await.expect("writes");
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    while let Some(count) = receive.read(&mut buffer).await.expect("reads") {
        bytes += count;
    }
    assert_eq!(bytes as u64, CHUNKS * CHUNK_LEN as u64);
    let speed = gigabytes_per_second(started);
    connection.close(0u32.into(), b"");
    serving.await.expect("no panic");
    speed
}
