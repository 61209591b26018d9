//! The engine's frames over QUIC streams: read in batches, with each length checked before any data of the
//! frame is kept.
//!
//! Only moves frames. The engine interprets them, and the caller handles a lost stream.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chuan_engine::sync::frame::{Assembler, Encoded, Frame};
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::time::{Instant, timeout};

use crate::{
    limits,
    patience::{Patience, Progress},
};

/// Buffers taken from a stream under one lock of its connection; each holds about a datagram.
const BUFFERS: usize = limits::PULL_BATCH_BYTES / limits::DATAGRAM_BYTES as usize;

/// The same for a stream that carries one short message.
const FEW_BUFFERS: usize = 8;

/// Why a stream gave no more frames.
#[derive(Debug)]
pub(crate) enum StreamError {
    /// The connection ended.
    Lost(ConnectionError),
    /// The peer reset the stream, with this code, or stopped it.
    Abandoned(Option<VarInt>),
    /// Nothing arrived for [`SILENCE_TIMEOUT`](limits::SILENCE_TIMEOUT), or too little.
    Silent,
    /// The stream ended within a frame.
    Cut,
    /// A frame that is not allowed.
    Malformed(chuan_engine::Error),
}

impl std::fmt::Display for StreamError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StreamError::Lost(error) => error.fmt(f),
            StreamError::Abandoned(_) => f.write_str("the peer reset the stream"),
            StreamError::Silent => f.write_str("the peer was silent for too long"),
            StreamError::Cut => f.write_str("a stream ended within a frame"),
            StreamError::Malformed(error) => error.fmt(f),
        }
    }
}

/// Bytes of frames that have arrived in part, over the answers that share it.
#[derive(Debug, Default)]
pub(crate) struct Partial(AtomicU64);

impl Partial {
    /// The bytes now.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The share of one reader in a [`Partial`], which it gives back on drop.
#[derive(Debug, Default)]
struct Share {
    of: Arc<Partial>,
    bytes: u64,
}

impl Share {
    fn set(&mut self, bytes: u64) {
        // Added first: another thread must not see the sum below zero.
        self.of.0.fetch_add(bytes, Ordering::Relaxed);
        self.of.0.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Reads frames from a stream.
#[derive(Debug)]
pub(crate) struct FrameReader {
    stream: RecvStream,
    assembler: Assembler,
    buffers: Vec<Bytes>,
    ended: bool,
    /// Counter of the bytes that arrive.
    count: Arc<AtomicU64>,
    partial: Share,
    patience: Patience,
}

impl FrameReader {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self::counting(stream, Arc::default())
    }

    /// A reader that adds the bytes it takes to `count`.
    pub(crate) fn counting(stream: RecvStream, count: Arc<AtomicU64>) -> Self {
        let buffers = vec![Bytes::new(); BUFFERS];
        let (assembler, patience) = (Assembler::default(), Patience::of(limits::SILENCE_TIMEOUT));
        Self { stream, assembler, buffers, ended: false, count, partial: Share::default(), patience }
    }

    /// The same reader with this time limit for its frames: a frame may take longer by the time that its
    /// bytes earn.
    pub(crate) fn within(self, most: Duration) -> Self {
        Self { patience: Patience::of(most), ..self }
    }

    /// The same reader without a time limit of its own, which counts the bytes of frames that have arrived in
    /// part in `partial`: for several answers that share one time limit.
    pub(crate) fn sharing(self, partial: &Arc<Partial>) -> Self {
        let partial = Share { of: Arc::clone(partial), bytes: 0 };
        Self { patience: Patience::endless(), partial, ..self }
    }

    /// A reader that refuses frames with a payload longer than `most`: of such a frame it reads only the
    /// header.
    pub(crate) fn up_to(stream: RecvStream, most: usize) -> Self {
        let buffers = vec![Bytes::new(); FEW_BUFFERS];
        Self { assembler: Assembler::up_to(most), buffers, ..Self::new(stream) }
    }

    /// The stream alone, with its unread rest.
    pub(crate) fn into_stream(self) -> RecvStream {
        self.stream
    }

    /// The next frame; `None` if the stream ends between frames. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, StreamError> {
        loop {
            let frame = self.assembler.next().map_err(StreamError::Malformed)?;
            self.partial.set(self.assembler.buffered() as u64);
            if let Some(frame) = frame {
                return Ok(Some(frame));
            }
            if self.ended {
                return if self.assembler.is_between() { Ok(None) } else { Err(StreamError::Cut) };
            }
            self.fill().await?;
        }
    }

    /// Waits for at least one frame, then also returns those that have arrived already; about
    /// [`PULL_BATCH_BYTES`](limits::PULL_BATCH_BYTES) at most. Empty if the stream has ended. Cancel-safe.
    pub(crate) async fn batch(&mut self) -> Result<Vec<Frame>, StreamError> {
        let Some(first) = self.next().await? else { return Ok(Vec::new()) };
        let mut frames = vec![first];
        while let Some(frame) = self.assembler.next().map_err(StreamError::Malformed)? {
            frames.push(frame);
        }
        self.partial.set(self.assembler.buffered() as u64);
        Ok(frames)
    }

    async fn fill(&mut self) -> Result<(), StreamError> {
        let since = Instant::now();
        let read = timeout(self.patience.left(), self.stream.read_chunks(&mut self.buffers));
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
            Err(ReadError::Reset(code)) => return Err(StreamError::Abandoned(Some(code))),
            Err(_) => return Err(StreamError::Abandoned(None)),
        }
        Ok(())
    }
}

/// Writes frames in one call. Adds the bytes that the peer takes to `taken`, the sum over all streams of its
/// connection. Not cancel-safe: a part of a frame may have been sent.
///
/// # Errors
///
/// [`StreamError::Silent`] where the peer takes so little, on all streams together, that `most` runs out. The
/// total time has no limit while the peer reads steadily.
pub(crate) async fn write(
    stream: &mut SendStream,
    frames: Vec<Encoded>,
    most: Duration,
    taken: &AtomicU64,
) -> Result<(), StreamError> {
    let mut progress = Progress::of(most, taken.load(Ordering::Relaxed));
    let mut parts: Vec<Bytes> = Vec::with_capacity(2 * frames.len());
    for frame in frames {
        parts.push(frame.head);
        if !frame.payload.is_empty() {
            parts.push(frame.payload);
        }
    }
    let mut parts = parts.as_mut_slice();
    while !parts.is_empty() {
        let since = Instant::now();
        // Cancel-safe: what did not complete has written nothing.
        let written = timeout(progress.left(), stream.write_chunks(parts)).await;
        let Ok(written) = written else {
            // Other answers to the same peer may have gone on meanwhile.
            progress.note(since.elapsed(), taken.load(Ordering::Relaxed));
            if progress.left().is_zero() {
                return Err(StreamError::Silent);
            }
            continue;
        };
        let written = written.map_err(|error| match error {
            WriteError::ConnectionLost(error) => StreamError::Lost(error),
            _ => StreamError::Abandoned(None),
        })?;
        let bytes = written.bytes as u64;
        progress.note(since.elapsed(), taken.fetch_add(bytes, Ordering::Relaxed) + bytes);
        // `write_chunks` has cut the written part off the first remaining chunk.
        parts = parts.get_mut(written.chunks..).unwrap_or_default();
    }
    Ok(())
}
