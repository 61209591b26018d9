//! Two nodes with a bad network between them: round trips by the relay's clock, and transfers that survive
//! loss.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    pair::Pair,
    program::{Server, number},
    relay::{Direction, Path, Relay},
};

/// One way; a round trip is twice that.
const DELAY: Duration = Duration::from_millis(100);

/// The mirror joins through a relay, which its later pulls then use, too.
fn connect_through_relay(pair: &Pair, path: Path) -> Result<(Server, Relay)> {
    let server = pair.origin.serve()?;
    let relay = Relay::start(server.address, path, path, 5)?;
    let text = pair.origin.run(["invite", "--library", "films", "--address", &relay.address.to_string()])?;
    let ticket = text.lines().last().context("no ticket")?;
    pair.mirror.run(["join", ticket])?;
    Ok((server, relay))
}

#[test]
fn the_first_chunk_byte_comes_one_round_trip_after_the_handshake() -> Result<()> {
    let pair = Pair::new()?;
    let film = pair.library.join("a.mp4");
    media::film(&film, 8_000_000, 6)?;
    pair.publish()?;
    let (_server, relay) = connect_through_relay(&pair, Path { delay: DELAY, ..Path::default() })?;
    pair.pull()?;
    media::edit(&film, media::Edit::Inserts, 7)?;
    pair.publish()?;
    relay.clear();
    let pulled = pair.pull()?;
    let encoded = number(&pulled, "chunk_bytes_encoded")?;
    ensure!((10_000..1_000_000).contains(&encoded), "too few or too many bytes for this test: {pulled}");

    // Arrivals at the relay, in delays since the dialler's first datagram: the server's handshake at 1, the
    // request at 2, its answer at 3, and the answer to a later request at 5 or more. The rest is the
    // machine's own time.
    let seen = relay.seen();
    let start = seen.first().context("nothing passed the relay")?.at;
    let answered_by = |deadline: Duration| -> u64 {
        let before =
            seen.iter().filter(|seen| seen.direction == Direction::ToClient && seen.at - start < deadline);
        before.map(|seen| seen.bytes as u64).sum()
    };
    let handshake = answered_by(DELAY * 29 / 10);
    ensure!(handshake < 8192, "{handshake} bytes came before the request could be answered");
    let first_flight = answered_by(DELAY * 49 / 10);
    ensure!(
        first_flight > handshake + encoded,
        "{first_flight} bytes had come one round trip after the handshake, {encoded} were to come"
    );
    ensure!(number(&pulled, "round_trips")? == 1, "{pulled}");
    pair.check_restored()
}

#[test]
fn a_pull_through_loss_jitter_and_reordering_is_whole() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 2, 2_000_000, 8)?;
    pair.publish()?;
    let path = Path {
        delay: Duration::from_millis(5),
        jitter: Duration::from_millis(4),
        loss: 0.02,
        reorder: 0.02,
        ..Path::default()
    };
    let (_server, relay) = connect_through_relay(&pair, path)?;
    pair.pull()?;
    let measured = relay.measured_loss(Direction::ToClient);
    ensure!((0.005..0.05).contains(&measured), "the relay lost {measured}, 0.02 was asked for");
    pair.check_restored()
}

/// Symptom: QUIC closed the connection of a pull over a long fast path. Cause: with a window of 16 MiB from
/// the start, slow start sent twice the capacity of path and queue. Every other datagram of some ten
/// megabytes was lost, and the stream had more than a thousand gaps. The window now grows with the data that
/// arrives.
#[test]
fn a_pull_over_a_long_fast_path_outlives_its_slow_start() -> Result<()> {
    const RATE: u64 = 25_000_000;
    let pair = Pair::new()?;
    media::film(&pair.library.join("a.mp4"), 2 * RATE, 9)?;
    pair.publish()?;
    let queue = RATE * u64::try_from(2 * DELAY.as_millis())? / 1000;
    let path = Path { delay: DELAY, rate: Some(RATE), queue: Some(queue), ..Path::default() };
    let (_server, _relay) = connect_through_relay(&pair, path)?;
    pair.pull()?;
    pair.check_restored()
}
