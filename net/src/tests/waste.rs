//! Sources over real sockets that send useless data for as long as it is read.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use chuan_engine::{
    id::LibraryId,
    limits::{ANSWER_STATEMENTS_BYTES, FETCH_WASTE_BYTES, STATEMENT_BYTES},
    statement::PublicKey,
    store::ObjectStores,
    sync::{
        fetch::{Fetch, Options, Report},
        frame::Frame,
        message::{End, Hello, Request},
        session::{Answer, Outlet},
    },
};

use super::{
    films::{Cinema, Films, NOW_MS, live},
    pair::{self, Origin},
};
use crate::{
    Error, PeerKey,
    serve::{Caller, Identified, PeerHandler, Refused},
};

const CHUNKS: u64 = 40;

/// The data that a source sends without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Junk {
    /// The last chunk that it sent.
    Chunk,
    /// Statements of the largest size, with headings that name the library, and an invalid rest.
    Statement,
}

/// Answers correctly, and then sends junk until the stream is stopped.
struct Flood {
    cinema: Cinema,
    junk: Junk,
    sent: AtomicU64,
    answers: AtomicU64,
}

impl PeerHandler for Flood {
    fn identify(&self, key: &PublicKey) -> Identified {
        self.cinema.identify(key)
    }

    fn memberships(&self, peer: &PeerKey) -> Vec<LibraryId> {
        self.cinema.memberships(peer)
    }

    fn greet(&self, peer: &PeerKey, hello: Hello) -> bool {
        self.cinema.greet(peer, hello)
    }

    fn answer(&self, caller: &Caller, request: Request, out: &mut dyn Outlet) -> chuan_engine::Result<()> {
        if let Request::Join(_) = request {
            let sent = vec![0; STATEMENT_BYTES];
            let statements = std::iter::repeat_n(sent, ANSWER_STATEMENTS_BYTES / STATEMENT_BYTES + 1);
            let _ = statements.map(|sent| Frame::Statement(sent.into())).all(|frame| out.send(frame));
            out.send(Frame::End(End { complete: true, ..End::default() }));
            return Ok(());
        }
        self.answers.fetch_add(1, Ordering::Relaxed);
        let films = &self.cinema.films;
        let library = films.library();
        let (objects, ledger) = (films.store.stores().of(&library.id()), &*films.ledger);
        let answer = Answer::new(objects, ledger, &library, request, &caller.peer.node, NOW_MS)?;
        let mut statement =
            library.statements().first().map(|said| said.bytes().to_vec()).unwrap_or_default();
        statement.resize(STATEMENT_BYTES, 0);
        let mut last = Frame::Statement(statement.into());
        if self.junk == Junk::Chunk {
            answer.run(&mut |frame: Frame| {
                if matches!(frame, Frame::Chunk(_)) {
                    last = frame.clone();
                }
                matches!(frame, Frame::End(_)) || out.send(frame)
            })?;
        }
        while out.send(last.clone()) {
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn ended(&self, _: &PeerKey) {}

    fn refused(&self, _: Option<&PeerKey>, _: SocketAddr, _: Refused, _: &str) {}
}

impl pair::Host for Flood {}

/// Pulls from such a source; returns the result, the last report, the host, and the bytes received.
async fn pull_from(junk: Junk) -> (crate::Result<Report>, Report, Arc<Flood>, u64) {
    let (origin, mirror) = Films::found();
    origin.publish(CHUNKS, 0, 0);
    let (sent, answers) = Default::default();
    let origin = Origin::start(Flood { cinema: Cinema::new(origin), junk, sent, answers });
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
    let objects = Arc::clone(&mirror.store);
    let fetch = Fetch::new(objects, mirror.library(), live(), NOW_MS, Options::default());
    let fetch = fetch.expect("prepares");
    let last = Arc::new(Mutex::new(Report::default()));
    let note = Arc::clone(&last);
    let cancel = Arc::new(AtomicBool::new(false));
    let tell = move |report: &Report| *note.lock().expect("unpoisoned") = report.clone();
    let went = connection.pull(fetch, tell, &cancel).await;
    let came = connection.stats().frame_bytes_in;
    drop(connection);
    let host = origin.stop().await;
    let report = last.lock().expect("unpoisoned").clone();
    (went, report, host, came)
}

/// Symptom: 30 GB of chunks that were held already were read from one source, and the pull never ended.
/// Useless data now has a limit; if all needed data has arrived by then, the pull is complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_held_chunks_ends() {
    let (went, report, host, came) = pull_from(Junk::Chunk).await;
    let useful = report.chunk_bytes_fetched + report.page_bytes;
    assert!(went.expect("all that is needed came").done);
    assert_eq!(host.answers.load(Ordering::Relaxed), 1);
    assert!(report.wasted_bytes > FETCH_WASTE_BYTES && host.sent.load(Ordering::Relaxed) > 0, "{report:?}");
    assert!(report.wasted_bytes < FETCH_WASTE_BYTES + useful + 1024 * 1024, "{report:?}");
    // Of the data in flight when it was stopped, no more than a window and a batch arrived.
    assert!(came < FETCH_WASTE_BYTES + 2 * useful + 4 * 1024 * 1024, "{came} bytes came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_statements_ends() {
    let (went, report, _, came) = pull_from(Junk::Statement).await;
    let error = went.expect_err("nothing was proved");
    assert!(matches!(&error, Error::Protocol { text, .. } if text.contains("statements")), "{error}");
    let most = (ANSWER_STATEMENTS_BYTES + STATEMENT_BYTES) as u64;
    assert!(report.statement_bytes <= most && came < 2 * most, "{report:?}, {came} bytes came");
}

/// The answer to a join is bounded like the answer of a source.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_takes_statements_up_to_a_bound_in_bytes() {
    let (origin, _) = Films::found();
    let (sent, answers) = Default::default();
    let origin = Origin::start(Flood { cinema: Cinema::new(origin), junk: Junk::Statement, sent, answers });
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
    let error = connection.join(pair::join()).await.expect_err("too many");
    assert!(matches!(&error, Error::Protocol { text, .. } if text.contains("too many")), "{error}");
    drop(connection);
    origin.stop().await;
}
