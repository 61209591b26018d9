//! The engine's frames over QUIC streams: many at a time, each length checked before anything of it is kept.
//!
//! Only moves frames; what they mean is the engine's, what to do about a lost stream is the caller's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chuan_engine::sync::frame::{Assembler, Encoded, Frame};
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, WriteError};
use tokio::time::timeout;

use crate::limits;

/// Buffers taken from a stream under one lock of its connection; each holds about a datagram.
const BUFFERS: usize = limits::PULL_BATCH_BYTES / limits::DATAGRAM_BYTES as usize;

/// Why a stream gave no more frames.
#[derive(Debug)]
pub(crate) enum StreamError {
    /// The connection ended.
    Lost(ConnectionError),
    /// The peer gave the stream up.
    Abandoned,
    /// Nothing came for [`SILENCE_TIMEOUT`](limits::SILENCE_TIMEOUT), or so little that it comes to the same.
    Silent,
    /// The stream ended within a frame.
    Cut,
    /// A frame that may not be.
    Malformed(chuan_engine::Error),
}

impl std::fmt::Display for StreamError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StreamError::Lost(error) => error.fmt(f),
            StreamError::Abandoned => f.write_str("the stream was given up"),
            StreamError::Silent => f.write_str("nothing came any more"),
            StreamError::Cut => f.write_str("a stream ended within a frame"),
            StreamError::Malformed(error) => error.fmt(f),
        }
    }
}

/// Reads frames from a stream.
#[derive(Debug)]
pub(crate) struct FrameReader {
    stream: RecvStream,
    assembler: Assembler,
    buffers: Vec<Bytes>,
    ended: bool,
    /// Where the bytes that come are counted.
    count: Arc<AtomicU64>,
    patience: Patience,
}

/// How long an answer is still waited for. Waiting uses it up, and what comes fills it again.
#[derive(Debug)]
pub(crate) struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(limits::SILENCE_TIMEOUT)
    }
}

impl Patience {
    /// How long it lasts if nothing comes.
    pub(crate) const fn left(&self) -> Duration {
        self.0
    }

    /// Takes note of `bytes` that came after `waited`.
    pub(crate) fn note(&mut self, waited: Duration, bytes: u64) {
        let earned = Duration::from_millis(1000 * bytes / limits::PROGRESS_BYTES);
        self.0 = self.0.saturating_sub(waited).saturating_add(earned).min(limits::SILENCE_TIMEOUT);
    }
}

impl FrameReader {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self::counting(stream, Arc::default())
    }

    /// A reader that adds the bytes it takes to `count`.
    pub(crate) fn counting(stream: RecvStream, count: Arc<AtomicU64>) -> Self {
        let buffers = vec![Bytes::new(); BUFFERS];
        let (assembler, patience) = (Assembler::default(), Patience::default());
        Self { stream, assembler, buffers, ended: false, count, patience }
    }

    /// The stream alone, with what nobody has read of it.
    pub(crate) fn into_stream(self) -> RecvStream {
        self.stream
    }

    /// The next frame; `None` where the stream ends between frames. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, StreamError> {
        loop {
            if let Some(frame) = self.assembler.next().map_err(StreamError::Malformed)? {
                return Ok(Some(frame));
            }
            if self.ended {
                return if self.assembler.is_between() { Ok(None) } else { Err(StreamError::Cut) };
            }
            self.fill().await?;
        }
    }

    /// Waits for at least one frame, then takes those that are here already; about
    /// [`PULL_BATCH_BYTES`](limits::PULL_BATCH_BYTES) at most. Empty where the stream has ended. Cancel-safe.
    pub(crate) async fn batch(&mut self) -> Result<Vec<Frame>, StreamError> {
        let Some(first) = self.next().await? else { return Ok(Vec::new()) };
        let mut frames = vec![first];
        while let Some(frame) = self.assembler.next().map_err(StreamError::Malformed)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    async fn fill(&mut self) -> Result<(), StreamError> {
        let since = Instant::now();
        let read = timeout(self.patience.0, self.stream.read_chunks(&mut self.buffers));
        match read.await.map_err(|_| StreamError::Silent)? {
            Ok(Some(count)) => {
                let mut bytes = 0;
                for buffer in self.buffers.iter_mut().take(count) {
                    bytes += buffer.len() as u64;
                    self.assembler.push(std::mem::take(buffer));
                }
                self.count.fetch_add(bytes, Ordering::Relaxed);
                self.patience.note(since.elapsed(), bytes);
            }
            Ok(None) => self.ended = true,
            Err(ReadError::ConnectionLost(error)) => return Err(StreamError::Lost(error)),
            Err(_) => return Err(StreamError::Abandoned),
        }
        Ok(())
    }
}

/// Writes frames in one go. Not cancel-safe: a part of a frame may be out.
pub(crate) async fn write(stream: &mut SendStream, frames: Vec<Encoded>) -> Result<(), StreamError> {
    let mut parts: Vec<Bytes> = Vec::with_capacity(2 * frames.len());
    for frame in frames {
        parts.push(frame.head);
        if !frame.payload.is_empty() {
            parts.push(frame.payload);
        }
    }
    stream.write_all_chunks(&mut parts).await.map_err(|error| match error {
        WriteError::ConnectionLost(error) => StreamError::Lost(error),
        _ => StreamError::Abandoned,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: a source that sent one byte a minute kept whoever had asked it waiting for days. Cause: any byte counted as
    /// progress.
    #[test]
    fn a_trickle_uses_patience_up_and_a_slow_answer_does_not() {
        let mut patience = Patience(limits::SILENCE_TIMEOUT);
        patience.note(Duration::from_secs(50), 1);
        assert!(patience.0 <= Duration::from_secs(10), "{patience:?}");
        let mut patience = Patience(limits::SILENCE_TIMEOUT);
        for _ in 0..10_000 {
            patience.note(Duration::from_secs(10), 16 * 1024);
        }
        assert!(patience.0 > Duration::from_secs(50), "{patience:?}");
        // What came in plenty before buys no more than what is given at first.
        patience.note(Duration::ZERO, u64::from(u32::MAX));
        assert_eq!(patience.0, limits::SILENCE_TIMEOUT);
        // Of a pull, only what is of use counts: junk, however much of it, leaves as little as silence.
        patience.note(limits::SILENCE_TIMEOUT, 0);
        assert_eq!(patience.left(), Duration::ZERO);
    }
}
