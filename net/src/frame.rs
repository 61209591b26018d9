//! The engine's frames over QUIC streams: read in batches, with each length checked before any data of the
//! frame is kept.
//!
//! Only moves frames. The engine interprets them, and the caller handles a lost stream.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use chuan_engine::sync::frame::{Assembler, Encoded, Frame};
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, WriteError};
use tokio::time::timeout;

use crate::{limits, patience::Patience};

/// Buffers taken from a stream under one lock of its connection; each holds about a datagram.
const BUFFERS: usize = limits::PULL_BATCH_BYTES / limits::DATAGRAM_BYTES as usize;

/// The same for a stream that carries one short message.
const FEW_BUFFERS: usize = 8;

/// Why a stream gave no more frames.
#[derive(Debug)]
pub(crate) enum StreamError {
    /// The connection ended.
    Lost(ConnectionError),
    /// The peer reset or stopped the stream.
    Abandoned,
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
            StreamError::Abandoned => f.write_str("the peer reset the stream"),
            StreamError::Silent => f.write_str("the peer was silent for too long"),
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
    /// Counter of the bytes that arrive.
    count: Arc<AtomicU64>,
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
        Self { stream, assembler, buffers, ended: false, count, patience }
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
            if let Some(frame) = self.assembler.next().map_err(StreamError::Malformed)? {
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
            Err(_) => return Err(StreamError::Abandoned),
        }
        Ok(())
    }
}

/// Writes frames in one call. Not cancel-safe: a part of a frame may have been sent.
///
/// # Errors
///
/// [`StreamError::Silent`] where the peer reads so little that `patience` runs out. The total time has no
/// limit while the peer reads steadily.
pub(crate) async fn write(
    stream: &mut SendStream,
    frames: Vec<Encoded>,
    mut patience: Patience,
) -> Result<(), StreamError> {
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
        let taken = timeout(patience.left(), stream.write_chunks(parts));
        let taken = taken.await.map_err(|_| StreamError::Silent)?.map_err(|error| match error {
            WriteError::ConnectionLost(error) => StreamError::Lost(error),
            _ => StreamError::Abandoned,
        })?;
        patience.note(since.elapsed(), taken.bytes as u64);
        // `write_chunks` has cut the written part off the first remaining chunk.
        parts = parts.get_mut(taken.chunks..).unwrap_or_default();
    }
    Ok(())
}
