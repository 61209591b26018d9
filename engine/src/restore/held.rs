//! Which chunks a file holds at their offsets: the chunks are read in file order, each is hashed, on all
//! cores.
//!
//! No content-defined cutting is needed: the manifest has the offset of each chunk, so this runs at the speed
//! of the hash. A concurrent writer can change the result, but never the returned bytes: every returned byte
//! was hashed after it was read.

use std::{fs::File, num::NonZeroU64, sync::LazyLock, thread};

use bytes::Bytes;
use rustix::{
    fs::{Advice, fadvise},
    io::Errno,
};

use crate::{error::Result, id::ChunkId, manifest::ChunkRef};

/// Bytes checked in one call.
pub(super) const WINDOW_BYTES: u64 = 8 * 1024 * 1024;
/// A smaller amount is not worth another thread.
const SHARED_BYTES: u64 = 1024 * 1024;
/// Bytes of one read: they are hashed while they are in the cache of the core.
const READ_BYTES: u64 = 512 * 1024;
/// Maximum number of threads: more would only wait for the disk.
const THREADS: usize = 8;
/// Number of threads that share a window. Cached, because the query reads several files.
static CORES: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from).min(THREADS));

/// The chunks of a file, one window at a time, each with the offset of its first chunk.
pub(super) struct Windows<I> {
    chunks: I,
    offset: u64,
}

impl<I: Iterator<Item = Result<ChunkRef>>> Windows<I> {
    pub(super) fn new(chunks: I) -> Self {
        Self { chunks, offset: 0 }
    }
}

impl<I: Iterator<Item = Result<ChunkRef>>> Iterator for Windows<I> {
    type Item = Result<(u64, Vec<ChunkRef>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let (offset, mut window) = (self.offset, Vec::new());
        while self.offset - offset < WINDOW_BYTES {
            match self.chunks.next() {
                Some(Ok(chunk)) => {
                    self.offset += u64::from(chunk.len);
                    window.push(chunk);
                }
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            }
        }
        (!window.is_empty()).then_some(Ok((offset, window)))
    }
}

/// The bytes of those chunks of `wanted` that `file` holds one after another from `offset` on; `None` for a
/// chunk that is not at its offset. A file that cannot be read holds no chunk.
pub(super) fn read(file: &File, offset: u64, wanted: &[ChunkRef]) -> Vec<Option<Bytes>> {
    look(file, offset, wanted, &|held| held)
}

/// Which chunks of `wanted` [`read`] would return. The bytes are dropped while they are in the cache of the
/// core, which is twice as fast.
pub(super) fn holds(file: &File, offset: u64, wanted: &[ChunkRef]) -> Vec<bool> {
    look(file, offset, wanted, &|held| held.is_some())
}

/// One chunk, if `file` holds it at `offset`.
pub(super) fn read_one(file: &File, offset: u64, wanted: ChunkRef) -> Option<Bytes> {
    look_at_part(file, offset, &[wanted], &|held| held).pop().flatten()
}

fn look<T: Send>(
    file: &File,
    offset: u64,
    wanted: &[ChunkRef],
    take: &(impl Fn(Option<Bytes>) -> T + Sync),
) -> Vec<T> {
    let bytes = bytes_of(wanted);
    // The next window is read ahead while this one is hashed. This is only advice: nothing depends on it.
    let _ = fadvise(file, offset.saturating_add(bytes), NonZeroU64::new(WINDOW_BYTES), Advice::WillNeed);
    let threads = match bytes {
        ..SHARED_BYTES => 1,
        _ => *CORES,
    };
    let mut at = offset;
    let mut parts = wanted.chunks(wanted.len().div_ceil(threads).max(1)).map(|part| {
        let from = at;
        at = at.saturating_add(bytes_of(part));
        (from, part)
    });
    let first = parts.next();
    thread::scope(|scope| {
        let others: Vec<_> =
            parts.map(|(from, part)| scope.spawn(move || look_at_part(file, from, part, take))).collect();
        let mut found = first.map_or_else(Vec::new, |(from, part)| look_at_part(file, from, part, take));
        for other in others {
            found.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        found
    })
}

fn look_at_part<T>(
    file: &File,
    mut offset: u64,
    wanted: &[ChunkRef],
    take: &impl Fn(Option<Bytes>) -> T,
) -> Vec<T> {
    let mut found = Vec::with_capacity(wanted.len());
    let mut rest = wanted;
    while !rest.is_empty() {
        let mut len = 0;
        let fitting = rest.iter().take_while(|chunk| {
            len += u64::from(chunk.len);
            len <= READ_BYTES
        });
        let count = fitting.count().max(1);
        let (now, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        let len = bytes_of(now);
        let mut bytes = read_bytes(file, offset, len);
        for chunk in now {
            let len = chunk.len as usize;
            let held = bytes.split_to(len.min(bytes.len()));
            found.push(take((held.len() == len && ChunkId::of(&held) == chunk.id).then_some(held)));
        }
        offset = offset.saturating_add(len);
        rest = later;
    }
    found
}

/// As many of the bytes as the file has.
fn read_bytes(file: &File, offset: u64, len: u64) -> Bytes {
    let len = usize::try_from(len).unwrap_or_default();
    // The memory is not zeroed first: at the speed of the hash, zeroing would be noticeable.
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let at = offset.saturating_add(bytes.len() as u64);
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), at) {
            Err(Errno::INTR) => {}
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    bytes.truncate(len);
    bytes.into()
}

fn bytes_of(chunks: &[ChunkRef]) -> u64 {
    chunks.iter().map(|chunk| u64::from(chunk.len)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::testing::noise;

    /// Chunks of different lengths, and the file that they form.
    fn file(len: usize) -> (tempfile::NamedTempFile, Vec<u8>, Vec<ChunkRef>) {
        let bytes = noise(7, len);
        let mut chunks = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (chunk, tail) = rest.split_at((20_000 + 777 * chunks.len()).min(rest.len()));
            chunks.push(ChunkRef { id: ChunkId::of(chunk), len: u32::try_from(chunk.len()).unwrap() });
            rest = tail;
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        (file, bytes, chunks)
    }

    #[test]
    fn windows_hold_every_chunk_once_at_its_offset() {
        let (_, bytes, chunks) = file(20_000_000);
        let windows: Vec<_> = Windows::new(chunks.iter().copied().map(Ok)).map(|one| one.unwrap()).collect();
        let mut expected = 0;
        for (offset, window) in &windows {
            assert_eq!(*offset, expected);
            expected += bytes_of(window);
        }
        assert_eq!(expected, bytes.len() as u64);
        assert_eq!(windows.len(), 3);
        assert_eq!(windows.into_iter().flat_map(|(_, window)| window).collect::<Vec<_>>(), chunks);
        assert!(Windows::new(std::iter::empty()).next().is_none());
    }

    #[test]
    fn only_chunks_in_their_place_are_returned() {
        let (file, mut bytes, chunks) = file(3_000_000);
        let found = read(file.as_file(), 0, &chunks);
        assert_eq!(found.into_iter().map(Option::unwrap).collect::<Vec<_>>().concat(), bytes);
        bytes[1_500_000] ^= 1;
        bytes.truncate(2_999_999);
        std::fs::write(file.path(), &bytes).unwrap();
        let found = read(file.as_file(), 0, &chunks);
        let missing: Vec<_> = (0..chunks.len()).filter(|at| found[*at].is_none()).collect();
        let flipped = found.iter().zip(&chunks).scan(0, |end, (_, chunk)| {
            *end += chunk.len;
            Some(*end)
        });
        let flipped = flipped.take_while(|end| *end <= 1_500_000).count();
        assert_eq!(missing, [flipped, chunks.len() - 1]);
        assert!(read(file.as_file(), 1, &chunks).iter().all(Option::is_none));
        assert!(read(file.as_file(), u64::MAX, &chunks).iter().all(Option::is_none));
        assert!(read(file.as_file(), 0, &[]).is_empty());
        let held: Vec<_> = found.iter().map(Option::is_some).collect();
        assert_eq!(holds(file.as_file(), 0, &chunks), held);
        assert_eq!(read_one(file.as_file(), 20_000, chunks[1]), found[1]);
    }
}
