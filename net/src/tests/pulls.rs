//! Complete pulls of a real library over real sockets.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use chuan_engine::sync::{
    fetch::{Fetch, Options, Report},
    message::{Hello, Packing, Request},
};

use super::{
    films::{Cinema, Films, NOW_MS, live},
    pair::{self, CHUNK_LEN, Origin},
    speed::measured,
};
use crate::{Connection, Endpoint, Error, WireStats};

const CHUNKS: u64 = 400;

fn fetch(mirror: &Films, resume: bool) -> Fetch {
    let options = Options { resume, ..Options::default() };
    let objects = Arc::clone(&mirror.store);
    Fetch::new(objects, mirror.library(), live(), NOW_MS, options).expect("prepares")
}

/// One pull over a connection of its own.
async fn pull(mirror: &Films, origin: &Origin<Cinema>, resume: bool) -> crate::Result<(Report, WireStats)> {
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await?;
    let cancel = Arc::new(AtomicBool::new(false));
    let report = connection.pull(fetch(mirror, resume), |_| (), &cancel).await?;
    mirror.adopt(&report);
    mirror.reload();
    Ok((report, connection.stats()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_is_replicated_and_then_only_what_changed() {
    let (origin, mirror) = Films::found();
    let origin = Origin::start(Cinema::new(origin));
    let first = origin.host.films.publish(CHUNKS, 0, 0);
    let (report, stats) = pull(&mirror, &origin, false).await.expect("pulls");
    assert_eq!((report.done, report.chunks_fetched, report.round_trips), (true, CHUNKS, 1));
    assert_eq!(mirror.current(), Some(first));
    assert!(stats.bytes_in > CHUNKS * CHUNK_LEN as u64);

    let second = origin.host.films.publish(CHUNKS, 7, 1);
    let (report, stats) = pull(&mirror, &origin, false).await.expect("pulls");
    assert_eq!((report.done, report.chunks_fetched, report.round_trips), (true, 7, 1));
    assert_eq!(mirror.current(), Some(second));
    assert!(stats.bytes_in < 10 * CHUNK_LEN as u64, "{stats:?}");
    origin.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_with_nothing_new_is_one_round_trip_and_a_few_datagrams() {
    let (origin, mirror) = Films::found();
    let origin = Origin::start(Cinema::new(origin));
    origin.host.films.publish(CHUNKS, 0, 0);
    pull(&mirror, &origin, false).await.expect("pulls");

    let (report, stats) = pull(&mirror, &origin, false).await.expect("pulls");
    assert_eq!((report.done, report.chunks_fetched, report.round_trips), (true, 0, 1));
    assert!(stats.bytes_in < 8 * 1024 && stats.bytes_out < 8 * 1024, "{stats:?}");
    origin.stop().await;
}

/// A node that is no member gets the same answer for a library that is here and one that is not, for chunks
/// that exist and chunks that do not: no information.
#[tokio::test]
async fn an_unknown_peer_gets_one_answer_for_everything() {
    let (origin, _) = Films::found();
    let origin = Origin::start(Cinema::new(origin));
    origin.host.films.publish(8, 0, 0);
    let library = origin.host.films.library().id();
    let release = origin.host.films.current().expect("is published");
    let commitment = chuan_engine::id::Commitment::from_bytes([5; 32]);

    let identity = pair::identity([66; 32]);
    let hello = Hello { node: identity.node(), ..pair::hello() };
    let endpoint = Endpoint::dialler(identity).expect("binds");
    let addresses = [origin.address.to_string()];
    let connection =
        Connection::open(&endpoint, &addresses, pair::origin_id(), &hello).await.expect("connects");
    let Request::Pull(elsewhere) = pair::pull() else { panic!("a pull") };
    let here = chuan_engine::sync::message::Pull { library, ..elsewhere.clone() };
    let by_release = chuan_engine::sync::message::Pull {
        want: chuan_engine::sync::message::Want::Release(release),
        ..here.clone()
    };
    let scope = chuan_engine::sync::message::Scope::of([0]);
    let mut answers = Vec::new();
    for request in [
        Request::Pull(elsewhere),
        Request::Pull(here),
        Request::Pull(by_release),
        Request::Chunks { library, commitment, scope, have: Vec::new(), packing: Packing::default() },
    ] {
        let mut reader = connection.ask(request).await.expect("asks");
        let answer = reader.next().await.expect("reads").expect("is an answer");
        assert!(reader.next().await.expect("reads").is_none(), "nothing follows");
        answers.push(answer.encode().expect("encodes"));
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    origin.stop().await;
}

#[tokio::test]
async fn an_unknown_peer_is_told_to_join() {
    let (origin, mirror) = Films::found();
    let origin = Origin::start(Cinema::new(origin));
    origin.host.films.publish(8, 0, 0);
    let identity = pair::identity([66; 32]);
    let hello = Hello { node: identity.node(), ..pair::hello() };
    let endpoint = Endpoint::dialler(identity).expect("binds");
    let addresses = [origin.address.to_string()];
    let connection =
        Connection::open(&endpoint, &addresses, pair::origin_id(), &hello).await.expect("connects");
    let cancel = Arc::new(AtomicBool::new(false));
    let error = connection.pull(fetch(&mirror, false), |_| (), &cancel).await.expect_err("denied");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("chuan join"), "{error}");
    assert_eq!(mirror.current(), None);
    origin.stop().await;
}

/// The data that arrived before the end of a pull is kept, and the next pull fetches only the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_pull_goes_on_where_it_was() {
    let (origin, mirror) = Films::found();
    let origin = Origin::start(Cinema::new(origin));
    let release = origin.host.films.publish(CHUNKS, 0, 0);

    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
    let cancel = Arc::new(AtomicBool::new(false));
    let (flag, fetched) = (Arc::clone(&cancel), Arc::new(AtomicU64::new(0)));
    let seen = Arc::clone(&fetched);
    let progress = move |report: &Report| {
        seen.store(report.chunks_fetched, Ordering::Relaxed);
        if report.chunks_fetched > CHUNKS / 2 {
            flag.store(true, Ordering::Relaxed);
        }
    };
    let error = connection.pull(fetch(&mirror, false), progress, &cancel).await.expect_err("interrupted");
    assert!(matches!(error, Error::Cancelled), "{error:?}");
    assert_eq!(mirror.current(), None, "the channel moves last");
    let kept = fetched.load(Ordering::Relaxed);
    assert!(kept > CHUNKS / 2 && kept < CHUNKS, "{kept}");

    let (report, _) = pull(&mirror, &origin, true).await.expect("pulls");
    assert_eq!(report.chunks_fetched, CHUNKS - kept, "nothing comes twice");
    assert_eq!(mirror.current(), Some(release));
    origin.stop().await;
}

/// Between two stores in memory, so that only the session and the engine's machines are measured. Run it in
/// release: `cargo test --release -p chuan-net -- --ignored --nocapture speed`.
#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_a_pull_between_stores_in_memory() {
    const CHUNKS: u64 = 8 * 1024;
    let (origin, _) = Films::found();
    origin.publish(CHUNKS, 0, 0);
    let cinema = Arc::new(Cinema::new(origin));
    for _ in 0..3 {
        let host = Arc::clone(&cinema);
        measured("a pull between stores in memory", async {
            let (_, mirror) = Films::found();
            let origin = Origin::start_shared(host);
            let (report, _) = pull(&mirror, &origin, false).await.expect("pulls");
            origin.stop().await;
            report.chunk_bytes_fetched
        });
    }
}
