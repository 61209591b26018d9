//! Speed of a session, compared with QUIC itself. Run it alone, in release:
//! `cargo test --release -p chuan-net -- --ignored --nocapture speed`.

use std::{
    future::Future,
    net::Ipv4Addr,
    pin::Pin,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use bytes::Bytes;

use super::pair::{self, CHUNK_LEN, Counter, Origin, Script};
use crate::{Endpoint, endpoint::plain_loopback, pull::drive};

const CHUNKS: u64 = 32 * 1024;
const ROUNDS: usize = 3;

#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_a_pull_beside_raw_streams() {
    for _ in 0..ROUNDS {
        measured("quinn as it comes", raw_stream(false));
        measured("quinn on our endpoints", raw_stream(true));
        measured("a session", session());
    }
}

/// Runs a transfer of all chunks and prints its speed, and the processor time of both ends, which depends
/// less on other work on the machine.
pub(super) fn measured(what: &str, transfer: impl Future<Output = u64>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runs");
    let (before, started) = (processor_seconds(), Instant::now());
    let bytes = runtime.block_on(transfer) as f64;
    let (seconds, processor) = (started.elapsed().as_secs_f64(), processor_seconds() - before);
    println!(
        "{what}: {:.2} GB/s, {:.2} processor seconds per GB",
        bytes / seconds / 1e9,
        processor / bytes * 1e9
    );
}

/// User and system time of this process so far, from `/proc` (see proc(5), fields 14 and 15 in ticks of 10
/// ms).
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok());
    f64::from(ticks.sum::<u32>()) / 100.0
}

async fn session() -> u64 {
    let origin = Origin::start(Script { chunks: CHUNKS, ..Script::default() });
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
    let (machine, went) = drive(&connection, Counter::new(1), &Arc::new(AtomicBool::new(false))).await;
    went.expect("goes well");
    let bytes = machine.expect("comes back").bytes;
    assert_eq!(bytes, CHUNKS * CHUNK_LEN as u64);
    drop(connection);
    origin.stop().await;
    bytes
}

/// One stream of the same bytes, read and dropped; with quinn's own settings or with ours.
async fn raw_stream(ours: bool) -> u64 {
    let identity = pair::identity(pair::ORIGIN);
    let (incoming, dialled): (Pin<Box<dyn Future<Output = quinn::Incoming> + Send>>, _) = if ours {
        let listener = Endpoint::listen((Ipv4Addr::LOCALHOST, 0).into(), identity).expect("binds");
        let address = listener.local_address().expect("bound");
        let dialled = pair::dialler().dial(address).expect("dials");
        (Box::pin(async move { listener.accept().await.expect("accepts") }), dialled)
    } else {
        let (incoming, dialled) = plain_loopback(&identity);
        (Box::pin(incoming), dialled)
    };
    let serving = tokio::spawn(async move {
        let connection = incoming.await.await.expect("completes the handshake");
        let (mut send, _receive) = connection.accept_bi().await.expect("is asked");
        let data = Bytes::from(vec![7; CHUNK_LEN]);
        for _ in 0..CHUNKS {
            send.write_chunk(data.clone()).await.expect("writes");
        }
        send.finish().expect("finishes");
        connection.closed().await;
    });
    let connection = dialled.await.expect("completes the handshake");
    let (mut send, mut receive) = connection.open_bi().await.expect("opens");
    send.write_all(b"go").await.expect("writes");
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    while let Some(count) = receive.read(&mut buffer).await.expect("reads") {
        bytes += count as u64;
    }
    assert_eq!(bytes, CHUNKS * CHUNK_LEN as u64);
    connection.close(0u32.into(), b"");
    serving.await.expect("no panic");
    bytes
}
