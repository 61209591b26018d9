//! Writes the bytes of one file to disk.
//!
//! Large files bypass the page cache (`O_DIRECT`) from an aligned buffer. For new files this is several times
//! as fast, and it does not evict other pages from the cache. If the file system refuses `O_DIRECT`, and for
//! small files and changes in a clone of an old file, ordinary writes are used. Holes are kept: zeros in them
//! are not written. This module names and renames no file.

use std::{
    fs::File,
    io::{self, IoSlice, Seek, Write},
    ops::Range,
};

use bytes::Bytes;
use rustix::{
    fs::{FallocateFlags, OFlags, fallocate, fcntl_getfl, fcntl_setfl, ioctl_ficlone},
    io::Errno,
};

/// Files from this size on get their space before they are written: the space is contiguous, and a full disk
/// is found at once.
const PREALLOCATED_BYTES: u64 = 1024 * 1024;
/// Bytes of one direct write.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// The memory address, the file offset and the length of a direct write must be multiples of this.
const ALIGNMENT: usize = 4096;
/// Maximum number of slices in one system call (`IOV_MAX` is 1,024).
const SLICES: usize = 512;

const _: () = assert!(BUFFER_BYTES.is_multiple_of(ALIGNMENT));

/// A buffer that begins at an aligned address. Its memory is allocated with the first use.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    memory: Vec<u8>,
    filled: usize,
}

impl Buffer {
    fn start(&self) -> usize {
        self.memory.as_ptr().align_offset(ALIGNMENT)
    }

    /// Copies as many of the bytes as fit; returns the rest.
    fn fill<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        self.memory.resize(BUFFER_BYTES + ALIGNMENT, 0);
        let from = self.start() + self.filled;
        let taken = bytes.len().min(BUFFER_BYTES - self.filled);
        let (head, rest) = bytes.split_at(taken);
        if let Some(room) = self.memory.get_mut(from..from + taken) {
            room.copy_from_slice(head);
        }
        self.filled += taken;
        rest
    }

    fn is_full(&self) -> bool {
        self.filled == BUFFER_BYTES
    }

    /// The filled bytes, padded to a multiple of the alignment with arbitrary bytes.
    fn padded(&self) -> &[u8] {
        let start = self.start();
        self.memory.get(start..start + self.filled.next_multiple_of(ALIGNMENT)).unwrap_or_default()
    }

    fn filled(&self) -> &[u8] {
        let start = self.start();
        self.memory.get(start..start + self.filled).unwrap_or_default()
    }
}

/// A new file of known size.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) file: File,
    size: u64,
    /// Bytes written or skipped so far.
    pub(super) taken: u64,
    is_direct: bool,
    /// The ranges in which zeros occupy no space; ascending.
    holes: Vec<Range<u64>>,
}

impl Output {
    /// Begins an empty file, which uses `buffer` until its end. Only one that `may_be_direct` may be opened
    /// for direct writes; one with `holes` may not.
    pub(super) fn begin(
        file: File,
        size: u64,
        may_be_direct: bool,
        holes: Vec<Range<u64>>,
        buffer: &mut Buffer,
    ) -> io::Result<Self> {
        buffer.filled = 0;
        let is_direct = may_be_direct && fcntl_getfl(&file).is_ok_and(|flags| flags.contains(OFlags::DIRECT));
        let is_sparse = !holes.is_empty();
        let output = Self { file, size, taken: 0, is_direct, holes };
        let is_full = size >= PREALLOCATED_BYTES
            && !is_sparse
            && fallocate(&output.file, FallocateFlags::empty(), 0, size) == Err(Errno::NOSPC);
        // Any other error only costs speed.
        if is_full { Err(Errno::NOSPC.into()) } else { Ok(output) }
    }

    /// Begins a file as a clone of `base`, whose blocks it shares until they are overwritten.
    pub(super) fn begin_from(file: File, size: u64, base: &File) -> io::Result<Self> {
        ioctl_ficlone(&file, base)?;
        file.set_len(size)?;
        Ok(Self { file, size, taken: 0, is_direct: false, holes: Vec::new() })
    }

    /// Keeps the next `bytes` of the clone.
    pub(super) fn keep(&mut self, bytes: u32) -> io::Result<()> {
        self.taken += u64::from(bytes);
        self.file.seek_relative(bytes.into())
    }

    /// Skips the next `bytes`, which are zeros in a hole.
    pub(super) fn hole(&mut self, bytes: u32) -> io::Result<()> {
        self.keep(bytes)
    }

    /// Writes the next bytes.
    pub(super) fn write(&mut self, bytes: &[Bytes], buffer: &mut Buffer) -> io::Result<()> {
        if !self.holes.is_empty() {
            return bytes.iter().try_for_each(|bytes| self.write_sparse(bytes));
        }
        self.taken += bytes.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        for (at, piece) in bytes.iter().enumerate() {
            if !self.is_direct {
                return self.write_slices(bytes.get(at..).unwrap_or_default());
            }
            let mut rest = piece.as_ref();
            while !rest.is_empty() {
                rest = buffer.fill(rest);
                if buffer.is_full() {
                    self.write_out(buffer)?;
                }
                if !self.is_direct {
                    self.file.write_all(rest)?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Writes the bytes outside of holes. Bytes in a hole that are not zero are written too, whatever the
    /// release says.
    fn write_sparse(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let at = self.taken;
            let next = self.holes.partition_point(|hole| hole.end <= at);
            let hole = self.holes.get(next).filter(|hole| hole.start < at.saturating_add(bytes.len() as u64));
            let (upto, is_hole) = match hole {
                Some(hole) if hole.start <= at => (hole.end - at, true),
                Some(hole) => (hole.start - at, false),
                None => (bytes.len() as u64, false),
            };
            let upto = usize::try_from(upto).unwrap_or(usize::MAX);
            let (part, rest) = bytes.split_at_checked(upto).unwrap_or((bytes, &[]));
            self.taken += part.len() as u64;
            if is_hole && part.iter().all(|byte| *byte == 0) {
                self.file.seek_relative(i64::try_from(part.len()).unwrap_or_default())?;
            } else {
                self.file.write_all(part)?;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Writes the rest. The caller has checked that the number of bytes is the size of the file.
    pub(super) fn end(&mut self, buffer: &mut Buffer) -> io::Result<()> {
        let is_cut = self.is_direct || !self.holes.is_empty();
        if self.is_direct {
            self.write_out(buffer)?;
        }
        if is_cut { self.file.set_len(self.size) } else { Ok(()) }
    }

    /// Writes the buffer past the page cache; if that is refused, changes to ordinary writes.
    fn write_out(&mut self, buffer: &mut Buffer) -> io::Result<()> {
        let outcome = match self.file.write_all(buffer.padded()) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                fcntl_setfl(&self.file, fcntl_getfl(&self.file)?.difference(OFlags::DIRECT))?;
                self.is_direct = false;
                self.file.write_all(buffer.filled())
            }
            outcome => outcome,
        };
        buffer.filled = 0;
        outcome
    }

    fn write_slices(&mut self, bytes: &[Bytes]) -> io::Result<()> {
        for group in bytes.chunks(SLICES) {
            let mut slices: Vec<_> = group.iter().map(|bytes| IoSlice::new(bytes)).collect();
            let mut left = slices.as_mut_slice();
            while !left.is_empty() {
                match self.file.write_vectored(left) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => IoSlice::advance_slices(&mut left, written),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::testing::noise;

    /// Writes `bytes` in pieces and returns the content of the file.
    fn write(dir: &std::path::Path, bytes: &[u8], step: usize, direct: bool) -> Vec<u8> {
        let path = dir.join("file");
        let _ = std::fs::remove_file(&path);
        let flags = OFlags::CREATE | OFlags::WRONLY | if direct { OFlags::DIRECT } else { OFlags::empty() };
        let mode = rustix::fs::Mode::RUSR;
        let Ok(file) = rustix::fs::openat(rustix::fs::CWD, &path, flags, mode) else {
            eprintln!("skipped in part: no O_DIRECT in {}", dir.display());
            return bytes.to_vec();
        };
        let mut buffer = Buffer::default();
        let mut output =
            Output::begin(file.into(), bytes.len() as u64, direct, Vec::new(), &mut buffer).unwrap();
        let pieces: Vec<_> = bytes.chunks(step).map(Bytes::copy_from_slice).collect();
        pieces.chunks(7).for_each(|pieces| output.write(pieces, &mut buffer).unwrap());
        output.end(&mut buffer).unwrap();
        assert_eq!(output.taken, bytes.len() as u64);
        std::fs::read(path).unwrap()
    }

    #[test]
    fn both_ways_write_the_same_bytes_at_every_edge() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = noise(1, 2 * BUFFER_BYTES + ALIGNMENT + 1);
        for len in
            [0, 1, ALIGNMENT - 1, ALIGNMENT, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, bytes.len()]
        {
            for step in [65_537, BUFFER_BYTES + 5] {
                for direct in [true, false] {
                    let written = write(dir.path(), &bytes[..len], step, direct);
                    assert!(written == bytes[..len], "{len} bytes by {step}, direct {direct}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn any_length_in_any_pieces(seed: u64, len in 0usize..9_000_000, step in 30_000usize..300_000) {
            let dir = tempfile::tempdir().unwrap();
            let bytes = noise(seed, len);
            prop_assert!(write(dir.path(), &bytes, step, true) == bytes);
        }
    }
}
