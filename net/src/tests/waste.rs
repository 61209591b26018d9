//! Sources over real sockets that send what is of no use for as long as anybody takes it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bytes::Bytes;
use chuan_engine::{
    id::LibraryId,
    limits::{ANSWER_STATEMENTS_BYTES, FETCH_WASTE_BYTES, STATEMENT_BYTES},
    statement::{Kinds, library::Library},
    store::{Ledger, Objects},
    sync::{
        fetch::{Fetch, Options, Report},
        frame::Frame,
        message::{Join, Request},
        session::{Answer, Outlet},
    },
};

use super::{
    films::{Cinema, Films, NOW_MS, live},
    pair::{self, Origin},
};
use crate::{Error, PeerKey, serve::Host};

const CHUNKS: u64 = 40;

/// What a source sends on and on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Junk {
    /// The last chunk that it sent.
    Chunk,
    /// Statements as large as may be, whose headings are of the library and whose rest is nothing.
    Statement,
}

/// Answers as it should, and then with junk until nobody takes any.
struct Flood {
    cinema: Cinema,
    junk: Junk,
    sent: AtomicU64,
    answers: AtomicU64,
}

impl Host for Flood {
    fn objects(&self, library: &LibraryId) -> Arc<dyn Objects> {
        self.cinema.objects(library)
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        self.cinema.ledger()
    }

    fn library(&self, id: &LibraryId) -> Option<Arc<Library>> {
        self.cinema.library(id)
    }

    fn now_ms(&self) -> i64 {
        NOW_MS
    }

    fn memberships(&self, peer: &PeerKey) -> Vec<LibraryId> {
        self.cinema.memberships(peer)
    }

    fn offer(&self, statements: Vec<Bytes>) {
        self.cinema.offer(statements);
    }

    fn answer(
        &self,
        peer: &PeerKey,
        _: Kinds,
        request: Request,
        out: &mut dyn Outlet,
    ) -> chuan_engine::Result<()> {
        self.answers.fetch_add(1, Ordering::Relaxed);
        let library = self.cinema.films.library();
        let (objects, ledger) = (self.objects(&library.id()), self.ledger());
        let answer = Answer::new(objects, &*ledger, &library, request, &peer.node, NOW_MS)?;
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

    fn join(&self, _: &PeerKey, _: &[u8; 32], _: &Join) -> chuan_engine::Result<Vec<Bytes>> {
        let sent = vec![0; STATEMENT_BYTES];
        Ok((0..=ANSWER_STATEMENTS_BYTES / STATEMENT_BYTES).map(|_| sent.clone().into()).collect())
    }
}

/// Pulls from such a source; gives how it went, and the report as it was last.
async fn pull_from(junk: Junk) -> (crate::Result<Report>, Report, Arc<Flood>, u64) {
    let (origin, mirror) = Films::found();
    origin.publish(CHUNKS, 0, 0);
    let (sent, answers) = Default::default();
    let origin = Origin::start(Flood { cinema: Cinema::new(origin), junk, sent, answers });
    let endpoint = pair::dialler();
    let connection = pair::connect(&endpoint, origin.address).await.expect("connects");
    let (objects, ledger) = (Arc::clone(&mirror.store), Arc::clone(&mirror.ledger));
    let fetch = Fetch::new(objects, ledger, mirror.library(), live(), NOW_MS, Options::default());
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

/// Symptom: 30 GB of what was held already were taken from one source, and the pull never ended. What comes for nothing
/// has a bound; where all has come by then, the pull is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_what_is_held_ends() {
    let (went, report, host, came) = pull_from(Junk::Chunk).await;
    let useful = report.chunk_bytes_fetched + report.page_bytes;
    assert!(went.expect("all that is needed came").done);
    assert_eq!(host.answers.load(Ordering::Relaxed), 1);
    assert!(report.wasted_bytes > FETCH_WASTE_BYTES && host.sent.load(Ordering::Relaxed) > 0, "{report:?}");
    assert!(report.wasted_bytes < FETCH_WASTE_BYTES + useful + 1024 * 1024, "{report:?}");
    // Of what was on its way when it was stopped, no more than a window and a batch came.
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

/// A redeemer's answer is bounded like a source's.
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
