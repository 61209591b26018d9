//! Slow links and slow sources, in virtual time: real sockets and frames, but the clock moves only where a
//! test moves it, or where all tasks wait for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use bytes::Bytes;
use chuan_engine::{
    limits::CHUNK_BYTES,
    sync::{
        frame::{ChunkCodec, ChunkFrame, Encoded, Frame},
        message::{End, Request},
    },
};
use quinn::{RecvStream, SendStream};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{advance, pause, sleep},
};

use super::{
    held::{acceptor, acceptor_on},
    pair::{self, Counter},
};
use crate::{
    Connection, Endpoint, Error,
    frame::{self, StreamError},
    limits,
    pull::{Machine, drive},
};

/// Bytes that a slow link brings at a time: less than a datagram.
const PIECE: usize = 1024;
/// The stream window of a slow reader.
const WINDOW: u32 = 16 * 1024;
/// How much longer than its time limit an answer without use is tried.
const TRIES: u32 = 10;

/// The time that a piece takes at this many bytes a second.
fn step(rate: u64) -> Duration {
    Duration::from_micros(PIECE as u64 * 1_000_000 / rate)
}

/// A frame with a chunk of `len` bytes.
fn chunk(len: usize) -> Encoded {
    let data = Bytes::from(vec![7; len]);
    let raw_len = u32::try_from(len).expect("small");
    let frame = ChunkFrame { ordinal: 0, codec: ChunkCodec::Raw, raw_len, data };
    Frame::Chunk(frame).encode().expect("encodes")
}

fn joined(frames: impl IntoIterator<Item = Encoded>) -> Vec<u8> {
    frames.into_iter().flat_map(|frame| [frame.head, frame.payload].concat()).collect()
}

/// Counts nothing as useful.
struct Useless(Counter);

impl Machine for Useless {
    fn poll_request(&mut self) -> chuan_engine::Result<Option<(u64, Request)>> {
        self.0.poll_request()
    }

    fn handle_frames(&mut self, id: u64, frames: Vec<Frame>) -> chuan_engine::Result<()> {
        self.0.handle_frames(id, frames)
    }

    fn handle_end(&mut self, id: u64) -> chuan_engine::Result<()> {
        self.0.handle_end(id)
    }

    fn useful_bytes(&self) -> u64 {
        0
    }

    fn stop(&mut self, _failed: bool) {}
}

/// A pull under way, and the stream on which the test answers it.
struct Answering<M> {
    connection: Arc<Connection>,
    driven: JoinHandle<(Option<M>, crate::Result<()>)>,
    stream: SendStream,
    /// Kept: dropping it would tell the puller to stop its request.
    request: RecvStream,
    sent: u64,
    serving: JoinHandle<()>,
}

impl<M: Machine> Answering<M> {
    /// Connects, starts the pull, and stops the clock.
    async fn begin(machine: M) -> Self {
        let (accepted, answer) = oneshot::channel();
        let (address, serving) = acceptor(|connection| async move {
            let streams = connection.accept_bi().await.expect("is asked");
            drop(accepted.send(streams));
        });
        let endpoint = pair::dialler();
        let connection = Arc::new(pair::connect(&endpoint, address).await.expect("connects"));
        let of = Arc::clone(&connection);
        let driven = tokio::spawn(async move {
            let _endpoint = endpoint;
            drive(&of, machine, &Arc::new(AtomicBool::new(false))).await
        });
        let (stream, request) = answer.await.expect("is asked");
        pause();
        Self { connection, driven, stream, request, sent: 0, serving }
    }

    /// Sends bytes, waits until the puller has them, and moves the clock. False once the puller has ended.
    async fn send(&mut self, bytes: &[u8], takes: Duration) -> bool {
        let written = self.stream.write_all(bytes).await.is_ok();
        self.sent += bytes.len() as u64;
        while written && self.connection.stats().frame_bytes_in < self.sent && !self.driven.is_finished() {
            tokio::task::yield_now().await;
        }
        advance(takes).await;
        written && !self.driven.is_finished()
    }

    async fn end(mut self) -> (M, crate::Result<()>) {
        let _ = self.stream.finish();
        let (machine, went) = self.driven.await.expect("no panic");
        drop((self.request, self.connection));
        self.serving.await.expect("no panic");
        (machine.expect("comes back"), went)
    }
}

/// Symptom: below 4.4 kB/s no chunk ever arrived, though 1.6 kB/s is the promised least rate. Cause: the
/// puller took only whole frames for progress.
#[tokio::test]
async fn a_chunk_arrives_over_a_link_of_the_least_rate() {
    let takes = step(limits::PROGRESS_BYTES * 6 / 5);
    let mut answering = Answering::begin(Counter::new(1)).await;
    let end = Frame::End(End { complete: true, chunks: 1, chunk_bytes: 0 });
    let bytes = joined([chunk(CHUNK_BYTES), end.encode().expect("encodes")]);
    assert!(takes * u32::try_from(bytes.len() / PIECE).expect("small") > 2 * limits::SILENCE_TIMEOUT);
    for (number, piece) in bytes.chunks(PIECE).enumerate() {
        let goes_on = answering.send(piece, takes).await;
        assert!(goes_on || number + 1 == bytes.len().div_ceil(PIECE), "given up after {number} pieces");
    }
    let (counter, went) = answering.end().await;
    went.expect("the chunk arrived");
    assert_eq!((counter.frames, counter.bytes), (2, CHUNK_BYTES as u64));
}

/// Symptom: a source held a pull for ever with 2.5 kB/s of junk, and the next source was never asked. Cause:
/// all bytes were progress, not only those of use.
#[tokio::test]
async fn junk_at_a_trickle_ends_like_silence() {
    let takes = step(2500);
    let mut answering = Answering::begin(Useless(Counter::new(1))).await;
    // A whole frame each time: no part of a frame waits for its rest.
    let junk = joined([chunk(PIECE - 64)]);
    let mut passed = Duration::ZERO;
    while answering.send(&junk, takes).await {
        passed += takes;
        assert!(passed < TRIES * limits::SILENCE_TIMEOUT, "the pull goes on");
    }
    let (_, went) = answering.end().await;
    assert!(matches!(went, Err(Error::Vanished { .. })), "{went:?}");
}

/// Writes `len` bytes of chunks to a peer that reads at `rate`; returns the result of the writer.
async fn written(len: usize, rate: u64) -> Result<(), StreamError> {
    let listener = Endpoint::listen_narrow(pair::identity(pair::ORIGIN), WINDOW).expect("binds");
    let (stopped, stop) = oneshot::channel::<()>();
    let (address, serving) = acceptor_on(listener, move |connection| async move {
        let mut hello = connection.accept_uni().await.expect("greets");
        hello.read_to_end(CHUNK_BYTES).await.expect("a hello");
        let mut stream = connection.accept_uni().await.expect("is written to");
        let mut piece = [0; PIECE];
        let read = async {
            while let Ok(Some(_)) = stream.read(&mut piece).await {
                sleep(step(rate)).await;
            }
        };
        tokio::select! {
            () = read => {}
            _ = stop => {}
        }
    });
    let dialler = pair::dialler();
    let connection = pair::connect(&dialler, address).await.expect("connects");
    let mut stream = connection.open_uni().await;
    pause();
    let frames = (0..len / CHUNK_BYTES).map(|_| chunk(CHUNK_BYTES)).collect();
    let went = frame::write(&mut stream, frames, limits::STALL_TIMEOUT, &AtomicU64::new(0)).await;
    drop(stopped);
    drop(connection);
    serving.await.expect("no panic");
    went
}

/// Symptom: below 8.7 kB/s an answer was given up. Cause: a whole batch of frames had 30 seconds, however
/// large it was and however steadily it was read.
#[tokio::test]
async fn a_batch_is_written_to_a_reader_of_the_least_rate() {
    let rate = limits::PROGRESS_BYTES * 6 / 5;
    assert!(limits::ANSWER_BATCH_BYTES as u64 / rate > 2 * limits::STALL_TIMEOUT.as_secs());
    written(limits::ANSWER_BATCH_BYTES, rate).await.expect("is read steadily");
}

/// The same batch, read at half the rate: the writer gives up.
#[tokio::test]
async fn a_reader_below_the_least_rate_loses_its_answer() {
    let went = written(limits::ANSWER_BATCH_BYTES, limits::PROGRESS_BYTES / 2).await;
    assert!(matches!(went, Err(StreamError::Silent)), "{went:?}");
}
