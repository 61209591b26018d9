//! Feeds a [`Cutter`] from a stream: large reads, and chunks handed out as slices of the read buffer.
//!
//! Only what is left over at a buffer's end is copied, to the front of the next one; chunks are not. Buffers come from
//! a [`BufferPool`] and go back to it when the last slice of them is dropped, so that steady work touches no fresh
//! memory. This file knows no store.

use std::{
    io::{self, Read},
    sync::Arc,
};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};

use super::guide::Cutter;
use crate::{limits::CHUNK_BYTES, manifest::ChunkRef};

/// Bytes asked of the source at a time: enough to make system calls cheap, little enough to stay in a core's cache
/// between reading and cutting. One chunk that is kept also keeps the buffer it lies in, so more would cost memory.
pub const READ_BYTES: usize = 1024 * 1024;

/// Bytes of a buffer: what is left over from the one before, and a full read.
const BUFFER_BYTES: usize = READ_BYTES + CHUNK_BYTES;

/// Buffers that were used and are free. A memory of allocations, not a limit: where none is free a new one is made.
#[derive(Clone, Debug)]
pub struct BufferPool {
    free: Receiver<Vec<u8>>,
    back: Sender<Vec<u8>>,
}

impl BufferPool {
    /// A pool that keeps at most `buffers` free ones.
    pub fn new(buffers: usize) -> Self {
        let (back, free) = crossbeam_channel::bounded(buffers);
        Self { free, back }
    }

    /// A buffer of at least [`READ_BYTES`] plus the largest chunk, with arbitrary content.
    pub fn take(&self) -> Vec<u8> {
        self.free.try_recv().unwrap_or_else(|_| vec![0; BUFFER_BYTES])
    }

    /// Makes a buffer shareable; it comes back to the pool when its last slice is dropped.
    pub fn share(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, back: self.back.clone() })
    }
}

/// A buffer that goes back to its pool.
struct Lent {
    buffer: Vec<u8>,
    back: Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // A full pool, or one that is gone, lets the buffer go.
        let _ = self.back.try_send(std::mem::take(&mut self.buffer));
    }
}

/// Cuts one stream into chunks, a run at a time, and names them while their bytes are in the cache.
#[derive(Debug)]
pub struct Chunker {
    cutter: Cutter,
    pool: Arc<BufferPool>,
    /// The end of the last buffer that may be the beginning of a chunk not yet read to its end.
    carry: Bytes,
    ended: bool,
}

impl Chunker {
    /// A chunker at the beginning of a stream.
    pub fn new(cutter: Cutter, pool: Arc<BufferPool>) -> Self {
        Self { cutter, pool, carry: Bytes::new(), ended: false }
    }

    /// Reads about `bytes`, which are [`READ_BYTES`] at most, and appends the chunks that are complete to `run`. `false` at
    /// the end of the stream, when everything has been handed out. After an error the chunker is of no further use.
    pub fn next_run(
        &mut self,
        source: &mut dyn Read,
        bytes: usize,
        run: &mut Vec<(ChunkRef, Bytes)>,
    ) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let bytes = bytes.clamp(1, READ_BYTES);
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

/// Reads until `buffer` is full or the stream ends; gives how much was read.
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

    /// Gives at most `step` bytes a read, as a pipe or a slow disk would.
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
            for len in [0, 1, READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, 5 * READ_BYTES + 77] {
                let data = noise(len as u64, len);
                assert_eq!(
                    chunks(profile, &data, usize::MAX, READ_BYTES),
                    plain(profile, &data),
                    "{profile:?} {len}"
                );
            }
        }
    }

    #[test]
    fn a_buffer_is_used_again_once_its_chunks_are_gone() {
        let pool = BufferPool::new(1);
        let buffer = pool.take();
        let place = buffer.as_ptr();
        let shared = pool.share(buffer);
        let slice = shared.slice(5..9);
        drop(shared);
        let other = pool.take();
        assert_ne!(other.as_ptr(), place, "taken while a slice is alive");
        drop(slice);
        let again = pool.take();
        assert_eq!(again.as_ptr(), place);
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
