//! Cuts a stream with a [`Cutter`]: large reads, and chunks that are slices of the read buffer.
//!
//! Only the bytes left over at the end of a buffer are copied, to the front of the next one. Chunks are not
//! copied. Buffers come from a [`BufferPool`] and return to it when their last slice is dropped, so that
//! steady work allocates no new memory. This file does not use a store.

use std::{
    io::{self, Read},
    sync::Arc,
};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};

use super::{ChunkRef, guide::Cutter};
use crate::limits::{CHUNK_BYTES, CHUNKER_READ_BYTES};

/// Size of a buffer in bytes: the bytes left over from the buffer before, and a full read.
const BUFFER_BYTES: usize = CHUNKER_READ_BYTES + CHUNK_BYTES;

/// Used buffers that are free. It only saves allocations and is not a limit: if no buffer is free, a new one
/// is allocated.
#[derive(Clone, Debug)]
pub struct BufferPool {
    free: Receiver<Vec<u8>>,
    back: Sender<Vec<u8>>,
}

impl BufferPool {
    /// A pool that keeps at most `buffers` free buffers.
    pub fn new(buffers: usize) -> Self {
        let (back, free) = crossbeam_channel::bounded(buffers);
        Self { free, back }
    }

    /// A buffer of at least [`CHUNKER_READ_BYTES`] plus the largest chunk, with arbitrary content.
    pub fn take(&self) -> Vec<u8> {
        self.free.try_recv().unwrap_or_else(|_| vec![0; BUFFER_BYTES])
    }

    /// Makes a buffer shareable. It returns to the pool when its last slice is dropped.
    pub fn share(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(PooledBuffer { buffer, back: self.back.clone() })
    }
}

/// A buffer that returns to its pool when it is dropped.
struct PooledBuffer {
    buffer: Vec<u8>,
    back: Sender<Vec<u8>>,
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        // If the pool is full or dropped, the buffer is freed.
        let _ = self.back.try_send(std::mem::take(&mut self.buffer));
    }
}

/// Cuts one stream into chunks, a run at a time, and hashes them while their bytes are in the cache.
#[derive(Debug)]
pub struct Chunker {
    cutter: Cutter,
    pool: Arc<BufferPool>,
    /// The end of the last buffer: the start of a chunk that may not be complete yet.
    carry: Bytes,
    ended: bool,
}

impl Chunker {
    /// A chunker at the start of a stream.
    pub fn new(cutter: Cutter, pool: Arc<BufferPool>) -> Self {
        Self { cutter, pool, carry: Bytes::new(), ended: false }
    }

    /// Reads about `bytes` bytes ([`CHUNKER_READ_BYTES`] at most) and appends the complete chunks to `run`.
    /// Returns `false` at the end of the stream, when all chunks have been returned. After an error the
    /// chunker must not be used again.
    pub fn next_run(
        &mut self,
        source: &mut dyn Read,
        bytes: usize,
        run: &mut Vec<(ChunkRef, Bytes)>,
    ) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let bytes = bytes.clamp(1, CHUNKER_READ_BYTES);
        let mut buffer = self.pool.take();
        let start = self.carry.len();
        if let Some(front) = buffer.get_mut(..start) {
            front.copy_from_slice(&self.carry);
        }
        let room = buffer.get_mut(start..start + bytes).unwrap_or_default();
        let read = read_full(source, room)?;
        self.ended = read < bytes;
        let mut rest = self.pool.share(buffer).slice(..start + read);
        while !rest.is_empty() && (self.ended || rest.len() >= self.cutter.profile().max()) {
            let chunk = self.cutter.next(&rest);
            run.push((chunk, rest.split_to(chunk.len as usize)));
        }
        self.carry = rest;
        Ok(!self.ended)
    }
}

/// Reads until `buffer` is full or the stream ends. Returns the number of bytes read.
fn read_full(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match source.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::{
        Profile,
        testing::{noise, plain},
    };

    /// Returns at most `step` bytes per read, like a pipe or a slow disk.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = buffer.len().min(self.1);
            self.0.read(&mut buffer[..len])
        }
    }

    fn chunks(profile: Profile, data: &[u8], step: usize, bytes: usize) -> Vec<ChunkRef> {
        let mut chunker = Chunker::new(Cutter::plain(profile), Arc::new(BufferPool::new(2)));
        let mut run = Vec::new();
        let mut source = Trickle(data, step);
        while chunker.next_run(&mut source, bytes, &mut run).unwrap() {}
        let bytes: Vec<&[u8]> = run.iter().map(|(_, bytes)| bytes.as_ref()).collect();
        assert!(bytes.concat() == data);
        run.into_iter().map(|(chunk, _)| chunk).collect()
    }

    #[test]
    fn a_stream_is_cut_as_the_whole_file_is() {
        for profile in Profile::ALL {
            for len in [
                0,
                1,
                CHUNKER_READ_BYTES - 1,
                CHUNKER_READ_BYTES,
                CHUNKER_READ_BYTES + 1,
                5 * CHUNKER_READ_BYTES + 77,
            ] {
                let data = noise(len as u64, len);
                assert_eq!(
                    chunks(profile, &data, usize::MAX, CHUNKER_READ_BYTES),
                    plain(profile, &data),
                    "{profile:?} {len}"
                );
            }
        }
    }

    #[test]
    fn a_buffer_is_reused_after_its_chunks_are_dropped() {
        let pool = BufferPool::new(1);
        let buffer = pool.take();
        let address = buffer.as_ptr();
        let shared = pool.share(buffer);
        let slice = shared.slice(5..9);
        drop(shared);
        let other = pool.take();
        assert_ne!(other.as_ptr(), address, "reused while a slice is alive");
        drop(slice);
        let again = pool.take();
        assert_eq!(again.as_ptr(), address);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn reads_of_any_size_cut_the_same(
            seed: u64,
            len in 0usize..3_500_000,
            step in 1000usize..2_000_000,
            bytes in 10_000usize..2_000_000,
        ) {
            let data = noise(seed, len);
            for profile in Profile::ALL {
                prop_assert_eq!(chunks(profile, &data, step, bytes), plain(profile, &data));
            }
        }
    }
}
