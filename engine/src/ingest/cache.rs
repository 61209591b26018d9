//! The scan cache: the kernel's metadata of every file at the last publish. A publish does not read a file
//! again whose metadata is unchanged.
//!
//! The cache repeats nothing of the manifest. Record *i* belongs to entry *i*, in path order over all
//! classes, of the trees that the header names, and holds only the fields that a manifest does not have. A
//! cache that is missing, damaged or bound to other trees costs time, never correctness. Reading and writing
//! both stream.
//!
//! ```text
//! offset  bytes
//!      0      4  "CHSC"
//!      4      1  version, 1
//!      5      3  zero
//!      8      8  the scan began: seconds, i64
//!     16      4  nanoseconds, u32
//!     20      4  zero
//!     24      8  records, u64
//!     32     32  root of the entry tree; of several classes, the BLAKE3 of their slots and roots
//!     64      4  CRC32C of bytes 0..64
//!     68         blocks: up to 1024 records of 32 bytes, and their CRC32C
//!
//! record: ctime seconds i64 | inode u64 | device u64 | ctime nanoseconds u32 |
//!         1 if known, else all 32 bytes zero: u32
//! ```
//!
//! All integers are little-endian.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::source::Stat;
use crate::{
    error::{Error, Result},
    id::{ChunkId, ID_LEN, PageId},
    manifest::{Entry, Timestamp},
    own_file,
};

const MAGIC: [u8; 4] = *b"CHSC";
const VERSION: u8 = 1;
/// Bytes of the header.
const HEADER_BYTES: usize = 68;
/// Bytes of a record.
const RECORD_BYTES: usize = 32;
/// Records of a block at most.
const BLOCK_RECORDS: u64 = 1024;
/// A file that changed this many seconds before the scan began, or later, may have changed again without a
/// change of its times.
const RACY_SECONDS: i64 = 2;

/// The cached metadata of one file, in addition to its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    ctime: Timestamp,
    inode: u64,
    device: u64,
}

impl Record {
    pub(super) fn of(stat: &Stat) -> Self {
        Self { ctime: stat.ctime, inode: stat.inode, device: stat.device }
    }

    /// Whether a file that now has the metadata `stat` is provably the file that was published as `entry` by
    /// the scan that began at `began`.
    pub(super) fn proves_unchanged(&self, entry: &Entry, stat: &Stat, began: Timestamp) -> bool {
        let settled = |time: Timestamp| {
            began
                .seconds
                .checked_sub(RACY_SECONDS)
                .is_some_and(|seconds| time < Timestamp { seconds, ..began })
        };
        *self == Self::of(stat)
            && entry.size == stat.size
            && entry.mtime == stat.mtime
            && settled(stat.mtime)
            && settled(stat.ctime)
    }

    fn encode(record: Option<Self>) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        if let Some(Self { ctime, inode, device }) = record {
            let mut at = bytes.as_mut_slice();
            // Writing to a slice that is long enough does not fail.
            let _ = at.write_all(&ctime.seconds.to_le_bytes());
            let _ = at.write_all(&inode.to_le_bytes());
            let _ = at.write_all(&device.to_le_bytes());
            let _ = at.write_all(&ctime.nanos.to_le_bytes());
            let _ = at.write_all(&1u32.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let mut at = bytes.as_slice();
        let seconds = i64::from_le_bytes(take(&mut at)?);
        let inode = u64::from_le_bytes(take(&mut at)?);
        let device = u64::from_le_bytes(take(&mut at)?);
        let nanos = u32::from_le_bytes(take(&mut at)?);
        let known = u32::from_le_bytes(take(&mut at)?);
        (known == 1).then_some(Self { ctime: Timestamp { seconds, nanos }, inode, device })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    began: Timestamp,
    records: u64,
    trees: PageId,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
        bytes.extend_from_slice(&self.began.seconds.to_le_bytes());
        bytes.extend_from_slice(&self.began.nanos.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.records.to_le_bytes());
        bytes.extend_from_slice(self.trees.as_bytes());
        let sum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut at = bytes.as_slice();
        let _lead: [u8; 8] = take(&mut at)?;
        let seconds = i64::from_le_bytes(take(&mut at)?);
        let nanos = u32::from_le_bytes(take(&mut at)?);
        let _zero: [u8; 4] = take(&mut at)?;
        let records = u64::from_le_bytes(take(&mut at)?);
        let trees = PageId::from_bytes(take::<ID_LEN>(&mut at)?);
        let header = Self { began: Timestamp { seconds, nanos }, records, trees };
        // Checks magic, version, zeros and checksum at once: a header has exactly one encoding.
        (header.encode() == bytes).then_some(header)
    }
}

/// The id of `trees` in the header.
fn trees_id(trees: &[(u8, PageId)]) -> PageId {
    match trees {
        [(_, root)] => *root,
        several => {
            let parts = several.iter().flat_map(|(slot, root)| [&[*slot][..], root.as_bytes()].concat());
            PageId::from_bytes(*ChunkId::of(&parts.collect::<Vec<_>>()).as_bytes())
        }
    }
}

/// Reads the cache of the previous scan, record by record. Keeps one block of records in memory, for a cache
/// of any length.
#[derive(Debug)]
pub struct Reader<R = BufReader<File>> {
    file: R,
    path: PathBuf,
    began: Timestamp,
    left: u64,
    block: std::vec::IntoIter<Option<Record>>,
}

impl Reader {
    /// Opens the cache at `path` if it describes `trees`. A damaged cache is logged and ignored.
    pub(super) fn open(path: &Path, trees: &[(u8, PageId)]) -> Option<Self> {
        let file = match own_file::read(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "scan cache not read; every file is read instead");
                return None;
            }
        };
        Self::new(BufReader::with_capacity(64 * 1024, file), path, trees)
    }
}

impl<R: Read> Reader<R> {
    /// Reads the cache in `file` if it describes `trees`, the slots and roots of the entry trees. `path` is
    /// the name of the file in messages. A damaged cache is logged and ignored.
    pub fn new(mut file: R, path: impl AsRef<Path>, trees: &[(u8, PageId)]) -> Option<Self> {
        let path = path.as_ref();
        let mut bytes = [0; HEADER_BYTES];
        let header = file.read_exact(&mut bytes).ok().and_then(|()| Header::decode(&bytes));
        let Some(header) = header else {
            tracing::warn!(path = %path.display(), "scan cache damaged or of another version; every file is read instead");
            return None;
        };
        if header.trees != trees_id(trees) {
            tracing::info!(path = %path.display(), "scan cache is of another release; every file is read");
            return None;
        }
        Some(Self {
            file,
            path: path.to_owned(),
            began: header.began,
            left: header.records,
            block: Vec::new().into_iter(),
        })
    }

    /// The time at which the scan that wrote this cache began.
    pub(super) fn began(&self) -> Timestamp {
        self.began
    }

    /// The record of the next entry; `None` for an entry without one, after the end, and from the first
    /// damaged block on.
    #[expect(clippy::should_implement_trait, reason = "more may come after `None`")]
    pub fn next(&mut self) -> Option<Record> {
        if self.block.len() == 0 && self.left > 0 {
            match self.read_block() {
                Ok(block) => self.block = block.into_iter(),
                Err(error) => {
                    self.left = 0;
                    tracing::warn!(path = %self.path.display(), %error, "scan cache damaged; the rest is read");
                }
            }
        }
        self.block.next().flatten()
    }

    fn read_block(&mut self) -> io::Result<Vec<Option<Record>>> {
        let records = self.left.min(BLOCK_RECORDS);
        let mut bytes = Vec::new();
        let len = records * RECORD_BYTES as u64 + 4;
        Read::by_ref(&mut self.file).take(len).read_to_end(&mut bytes)?;
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(io::ErrorKind::UnexpectedEof)?;
        if bytes.len() as u64 != len || crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a block's checksum is wrong"));
        }
        self.left -= records;
        let (records, _) = body.as_chunks::<RECORD_BYTES>();
        Ok(records.iter().map(Record::decode).collect())
    }
}

/// Writes the cache of this scan next to the old cache.
#[derive(Debug)]
pub(super) struct Writer {
    file: BufWriter<File>,
    path: PathBuf,
    fresh: PathBuf,
    block: Vec<u8>,
    records: u64,
}

impl Writer {
    /// Begins a cache that will replace the one at `path`.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        let mut file = BufWriter::with_capacity(64 * 1024, own_file::replace(&fresh)?);
        file.write_all(&[0; HEADER_BYTES])?;
        Ok(Self { file, path: path.to_owned(), fresh, block: Vec::new(), records: 0 })
    }

    /// Adds the record of the next entry.
    pub(super) fn push(&mut self, record: Option<Record>) -> io::Result<()> {
        self.block.extend_from_slice(&Record::encode(record));
        self.records += 1;
        if self.records.is_multiple_of(BLOCK_RECORDS) { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> io::Result<()> {
        self.file.write_all(&self.block)?;
        self.file.write_all(&crc32c::crc32c(&self.block).to_le_bytes())?;
        self.block.clear();
        Ok(())
    }

    /// Completes the cache and binds it to the trees that it describes.
    pub(super) fn finish(mut self, began: Timestamp, trees: &[(u8, PageId)]) -> io::Result<ScanCache> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&Header { began, records: self.records, trees: trees_id(trees) }.encode())?;
        self.file.flush()?;
        Ok(ScanCache { path: self.path, fresh: self.fresh })
    }
}

/// A complete scan cache that has not replaced the previous cache yet.
#[derive(Debug)]
#[must_use = "install it once the release is signed, or the next publish reads every file again"]
pub struct ScanCache {
    path: PathBuf,
    fresh: PathBuf,
}

impl ScanCache {
    /// Replaces the previous cache. Call this when the release with these trees is current; until then the
    /// old cache is the useful one. Not fsynced: the loss of a cache in a crash costs only time.
    pub fn install(self) -> Result<()> {
        std::fs::rename(&self.fresh, &self.path)
            .map_err(|error| Error::io(format!("installing the scan cache {}", self.path.display()), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: u64) -> Option<Record> {
        let ctime = Timestamp { seconds: -5 + n as i64, nanos: 7 };
        (!n.is_multiple_of(3)).then_some(Record { ctime, inode: n * 1000, device: 0xfe01 })
    }

    fn write(path: &Path, records: u64) -> PageId {
        let root = PageId::from_bytes([0x9a; 32]);
        let mut writer = Writer::create(path).unwrap();
        (0..records).for_each(|n| writer.push(record(n)).unwrap());
        writer
            .finish(Timestamp { seconds: 1_800_000_000, nanos: 5 }, &[(0, root)])
            .unwrap()
            .install()
            .unwrap();
        root
    }

    fn read(path: &Path, root: &PageId) -> Option<Vec<Option<Record>>> {
        let mut reader = Reader::open(path, &[(0, *root)])?;
        Some((0..reader.left).map(|_| reader.next()).collect())
    }

    #[test]
    fn written_records_are_read_back() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("scan");
        for records in [0, 1, BLOCK_RECORDS - 1, BLOCK_RECORDS, 2 * BLOCK_RECORDS + 1] {
            let root = write(&path, records);
            let expected: Vec<_> = (0..records).map(record).collect();
            assert_eq!(read(&path, &root), Some(expected), "{records}");
            assert_eq!(read(&path, &PageId::from_bytes([7; 32])), None);
        }
    }

    #[test]
    fn the_bytes_are_the_format() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("scan");
        write(&path, 2);
        let hex = data_encoding::HEXLOWER.encode(&std::fs::read(path).unwrap());
        assert_eq!(
            hex,
            concat!(
                "43485343",
                "01000000",
                "00d2496b00000000",
                "05000000",
                "00000000",
                "0200000000000000",
                "9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a",
                "645852da",
                "0000000000000000000000000000000000000000000000000000000000000000",
                "fcffffffffffffff",
                "e803000000000000",
                "01fe000000000000",
                "07000000",
                "01000000",
                "9f7fedec",
            )
        );
    }

    #[test]
    fn a_cache_with_a_damaged_byte_gives_no_records() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("scan");
        let root = write(&path, 3);
        let good = std::fs::read(&path).unwrap();
        let expected = read(&path, &root).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            std::fs::write(&path, bad).unwrap();
            let got = read(&path, &root).unwrap_or_default();
            assert!(got.iter().flatten().count() == 0, "byte {at}: {got:?}, not {expected:?}");
        }
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert_eq!(read(&path, &root).unwrap().iter().flatten().count(), 0);
    }
}
