//! The output of an answering thread: batches of frames for the stream of the answer, which another task
//! writes.

use std::time::Duration;

use chuan_engine::sync::{
    frame::{Encoded, Frame},
    message::{ErrorCode, Refusal},
    session::Outlet,
};
use tokio::{sync::mpsc, time::Instant};

use crate::{driver::Permit, limits};

/// Collects frames into batches for the stream.
pub(crate) struct Sink {
    batches: mpsc::Sender<Vec<Encoded>>,
    waiting: Vec<Encoded>,
    len: usize,
    open: bool,
    quic: quinn::Connection,
    started: Instant,
    /// Held while the answer is being made.
    _permit: Permit,
}

impl Sink {
    pub(crate) fn new(batches: mpsc::Sender<Vec<Encoded>>, quic: quinn::Connection, permit: Permit) -> Self {
        let started = Instant::now();
        Self { batches, waiting: Vec::new(), len: 0, open: true, quic, started, _permit: permit }
    }

    /// Adds a frame; false once the stream takes no more.
    pub(crate) fn push(&mut self, frame: Frame) -> bool {
        if let Some(encoded) = encode(&frame) {
            self.len += encoded.len();
            self.waiting.push(encoded);
        }
        // While the stream waits for work a small batch now is better than a full one later.
        let idle = self.batches.capacity() == self.batches.max_capacity();
        if self.len >= if idle { limits::ANSWER_BATCH_BYTES / 4 } else { limits::ANSWER_BATCH_BYTES } {
            self.flush();
        }
        self.open
    }

    pub(crate) fn flush(&mut self) {
        self.len = 0;
        let batch = std::mem::take(&mut self.waiting);
        self.open &= batch.is_empty() || self.batches.blocking_send(batch).is_ok();
    }
}

impl Outlet for Sink {
    fn send(&mut self, frame: Frame) -> bool {
        self.push(frame)
    }

    /// The bytes that the congestion controller permits in a round trip.
    fn rate(&self) -> Option<u64> {
        let path = self.quic.stats().path;
        let micros = u64::try_from(path.rtt.as_micros()).ok()?.max(1);
        path.cwnd.saturating_mul(1_000_000).checked_div(micros)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The encoded frame; a refusal in place of a frame that cannot be sent.
pub(crate) fn encode(frame: &Frame) -> Option<Encoded> {
    let refusal = || Frame::Error(Refusal::new(ErrorCode::Internal, ""));
    frame
        .encode()
        .inspect_err(|error| tracing::error!(%error, "a frame of an answer cannot be sent"))
        .or_else(|_| refusal().encode())
        .ok()
}
