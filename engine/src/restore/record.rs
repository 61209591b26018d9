//! The record of a restored folder: the items that the last restore left, by path. With it, the next restore
//! knows which items it may replace, and it need not read files that are unchanged.
//!
//! The record never decides about content. If it is missing, damaged or about another folder, the next
//! restore takes more time and replaces less, but is never wrong: an item that is not in the record was not
//! written by a restore, and is not removed to make room. `docs/format.md` has the byte map. Reading and
//! writing both stream, in path order.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::stat::Mark;
use crate::{
    error::{Error, Result},
    id::{ChunkId, ID_LEN},
    limits::{PATH_BYTES, RECORD_BLOCK_BYTES},
    manifest::{EntryKind, Timestamp},
};

const MAGIC: [u8; 4] = *b"CHRR";
const VERSION: u8 = 1;
/// Magic, version, zeros, length of the folder's path.
const HEADER_BYTES: usize = 12;
/// Maximum length of a folder's path in bytes, as in the kernel.
const FOLDER_BYTES: usize = 4096;
/// Bytes of an entry besides its path.
const FIXED_BYTES: usize = 2 + 8 + 12 + 12 + 8 + ID_LEN;

/// An item that a restore left at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) path: String,
    pub(super) kind: EntryKind,
    /// The state after the write. All zeros for a folder: files are added and removed in it.
    pub(super) mark: Mark,
    /// BLAKE3 of a file's list of chunks, or of a link's target; all zeros for a folder.
    pub(super) content: ChunkId,
    /// Whether the file was linked to another: its ctime changes when another link is made.
    pub(super) is_linked: bool,
}

/// Reads a record's entries, in path order, up to its end or the first damaged block.
#[derive(Debug)]
pub(super) struct Reader {
    file: BufReader<File>,
    block: Vec<u8>,
    at: usize,
    left: u32,
    path: String,
    /// Whether the end block of a complete record was read.
    is_whole: bool,
}

impl Reader {
    /// Opens the record of `folder` at `path`; `None` if there is none, or if it is not a regular file.
    fn open(path: &Path, folder: &[u8]) -> Option<Self> {
        // A pipe would wait for a writer, and a terminal would become the controlling terminal.
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(path).ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut file = BufReader::with_capacity(64 * 1024, file);
        let expected = header(folder);
        let mut found = vec![0; expected.len()];
        file.read_exact(&mut found).ok()?;
        // A header has exactly one encoding.
        (found == expected).then(|| Self {
            file,
            block: Vec::new(),
            at: 0,
            left: 0,
            path: String::new(),
            is_whole: false,
        })
    }

    /// Opens a record that must be complete: the first pass checks every block.
    fn open_whole(path: &Path, folder: &[u8]) -> Option<Self> {
        let mut reader = Self::open(path, folder)?;
        reader.by_ref().for_each(drop);
        if reader.is_whole { Self::open(path, folder) } else { None }
    }

    /// Reads the next block; `None` at the end and at damage.
    fn next_block(&mut self) -> Option<()> {
        let mut head = [0; 8];
        self.file.read_exact(&mut head).ok()?;
        let [a, b, c, d, e, f, g, h] = head;
        let (len, entries) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        let len = usize::try_from(len).ok().filter(|len| *len <= RECORD_BLOCK_BYTES)?;
        self.block.resize(len, 0);
        self.file.read_exact(&mut self.block).ok()?;
        let mut sum = [0; 4];
        self.file.read_exact(&mut sum).ok()?;
        if u32::from_le_bytes(sum) != crc32c::crc32c_append(crc32c::crc32c(&head), &self.block) {
            return None;
        }
        if len == 0 {
            self.is_whole = self.file.read(&mut sum).is_ok_and(|read| read == 0);
            return None;
        }
        (self.at, self.left) = (0, entries);
        self.path.clear();
        Some(())
    }

    fn take(&mut self, len: usize) -> Option<&[u8]> {
        let bytes = self.block.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(bytes)
    }

    fn entry(&mut self) -> Option<Remembered> {
        let &[a, b, c, d] = self.take(4)?.first_chunk()?;
        let (shared, rest) = (u16::from_le_bytes([a, b]), usize::from(u16::from_le_bytes([c, d])));
        let rest = std::str::from_utf8(self.take(rest)?).ok()?.to_owned();
        let mut path = self.path.get(..usize::from(shared))?.to_owned();
        path.push_str(&rest);
        let mut fixed = self.take(FIXED_BYTES)?;
        let [kind, is_linked] = take(&mut fixed)?;
        let kind = match kind {
            1 => EntryKind::File,
            2 => EntryKind::Folder,
            3 => EntryKind::Symlink,
            _ => return None,
        };
        let mark = Mark {
            size: u64::from_le_bytes(take(&mut fixed)?),
            mtime: take_time(&mut fixed)?,
            ctime: take_time(&mut fixed)?,
            inode: u64::from_le_bytes(take(&mut fixed)?),
        };
        let content = ChunkId::from_bytes(take(&mut fixed)?);
        if path.is_empty() || path.len() > PATH_BYTES || path <= self.path || is_linked > 1 {
            return None;
        }
        self.path.clone_from(&path);
        Some(Remembered { path, kind, mark, content, is_linked: is_linked == 1 })
    }
}

impl Iterator for Reader {
    type Item = Remembered;

    fn next(&mut self) -> Option<Remembered> {
        while self.left == 0 {
            // Paths also ascend across blocks, but each block can be decoded alone.
            self.next_block()?;
        }
        self.left -= 1;
        let entry = self.entry();
        if entry.is_none() {
            self.left = 0;
        }
        entry
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn take_time(bytes: &mut &[u8]) -> Option<Timestamp> {
    Some(Timestamp { seconds: i64::from_le_bytes(take(bytes)?), nanos: u32::from_le_bytes(take(bytes)?) })
}

fn header(folder: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + folder.len() + 4);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
    let len = u32::try_from(folder.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(folder);
    let sum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// Writes a record's entries, which must come in path order.
#[derive(Debug)]
pub(super) struct Writer {
    file: BufWriter<File>,
    block: Vec<u8>,
    entries: u32,
    last: String,
}

impl Writer {
    fn create(path: &Path, folder: &[u8]) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        let mut file = BufWriter::with_capacity(64 * 1024, file);
        file.write_all(&header(folder))?;
        Ok(Self { file, block: Vec::new(), entries: 0, last: String::new() })
    }

    /// Whether an entry at `path` may be written now: it comes after the last one.
    pub(super) fn is_next(&self, path: &str) -> bool {
        path > self.last.as_str()
    }

    /// Writes one entry.
    pub(super) fn push(&mut self, entry: &Remembered) -> io::Result<()> {
        let room = RECORD_BLOCK_BYTES - FIXED_BYTES - 4 - PATH_BYTES;
        if self.block.len() > room {
            self.end_block()?;
        }
        let before = if self.entries == 0 { "" } else { self.last.as_str() };
        let shared = shared_prefix(before, &entry.path);
        let rest = entry.path.get(shared..).unwrap_or_default();
        let block = &mut self.block;
        for len in [shared, rest.len()] {
            block.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes());
        }
        block.extend_from_slice(rest.as_bytes());
        block.extend_from_slice(&[entry.kind as u8, entry.is_linked.into()]);
        let Mark { size, mtime, ctime, inode } = entry.mark;
        block.extend_from_slice(&size.to_le_bytes());
        for time in [mtime, ctime] {
            block.extend_from_slice(&time.seconds.to_le_bytes());
            block.extend_from_slice(&time.nanos.to_le_bytes());
        }
        block.extend_from_slice(&inode.to_le_bytes());
        block.extend_from_slice(entry.content.as_bytes());
        self.entries += 1;
        self.last.clone_from(&entry.path);
        Ok(())
    }

    /// Flushes the collected entries, so that they survive the end of the process.
    fn end_block(&mut self) -> io::Result<()> {
        if self.entries == 0 {
            return Ok(());
        }
        self.write_block()?;
        self.file.flush()
    }

    fn write_block(&mut self) -> io::Result<()> {
        let mut head = Vec::with_capacity(8);
        head.extend_from_slice(&u32::try_from(self.block.len()).unwrap_or(u32::MAX).to_le_bytes());
        head.extend_from_slice(&self.entries.to_le_bytes());
        let sum = crc32c::crc32c_append(crc32c::crc32c(&head), &self.block);
        self.file.write_all(&head)?;
        self.file.write_all(&self.block)?;
        self.file.write_all(&sum.to_le_bytes())?;
        self.block.clear();
        self.entries = 0;
        Ok(())
    }

    /// Ends a complete record; durable when it returns.
    fn finish(mut self) -> io::Result<()> {
        self.end_block()?;
        self.write_block()?;
        self.file.flush()?;
        self.file.get_ref().sync_data()
    }
}

/// The length in bytes of the common prefix of two texts, at a character boundary.
fn shared_prefix(a: &str, b: &str) -> usize {
    let shared = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    (0..=shared).rev().find(|at| b.is_char_boundary(*at)).unwrap_or_default()
}

/// The files of the record of one restored folder.
///
/// `NAME` is the record. `NAME.part` is the unfinished next record of a running or a killed restore.
/// `NAME.new` is a record that is being assembled.
#[derive(Clone, Debug)]
pub(super) struct Files {
    record: PathBuf,
    part: PathBuf,
    new: PathBuf,
    folder: Vec<u8>,
}

impl Files {
    /// The record at `record`, of the folder whose canonical path is `folder`.
    pub(super) fn at(record: &Path, folder: &[u8]) -> Result<Self> {
        if folder.len() > FOLDER_BYTES {
            return Err(Error::Invalid(format!(
                "the destination's path has {} bytes; at most {FOLDER_BYTES} are taken",
                folder.len()
            )));
        }
        let with = |end: &str| {
            let mut name = record.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        Ok(Self {
            record: record.to_owned(),
            part: with(".part"),
            new: with(".new"),
            folder: folder.to_owned(),
        })
    }

    /// The entries that the last restore left. After a killed restore: its own entries up to the path that it
    /// reached, and the entries of the record before it after that path.
    pub(super) fn read(&self) -> impl Iterator<Item = Remembered> + use<> {
        let (mut part, record) =
            (Reader::open(&self.part, &self.folder), Reader::open_whole(&self.record, &self.folder));
        let mut record = record.into_iter().flatten().peekable();
        let mut last: Option<String> = None;
        std::iter::from_fn(move || {
            if let Some(entry) = part.as_mut().and_then(Iterator::next) {
                last = Some(entry.path.clone());
                return Some(entry);
            }
            part = None;
            if let Some(last) = last.take() {
                while record.next_if(|entry| entry.path <= last).is_some() {}
            }
            record.next()
        })
    }

    /// Begins the next record. The part of a killed restore is merged into the record first.
    pub(super) fn begin(&self) -> Result<Writer> {
        let begin = || {
            if self.part.exists() {
                let mut joined = Writer::create(&self.new, &self.folder)?;
                self.read().try_for_each(|entry| joined.push(&entry))?;
                self.put(joined)?;
            }
            Writer::create(&self.part, &self.folder)
        };
        begin().map_err(|error| self.failed(error))
    }

    /// Replaces the record with the next one. It has the written entries, in which `restat` updates the marks
    /// of files with links; the entries `late`, sorted by path; and, for a restore that did not complete, the
    /// entries of the old record behind `reached`.
    pub(super) fn finish(
        &self,
        mut written: Writer,
        late: impl Iterator<Item = Remembered>,
        reached: Option<&str>,
        restat: &mut dyn FnMut(Remembered) -> Remembered,
    ) -> Result<()> {
        let finish = || {
            written.end_block()?;
            let mut new = Writer::create(&self.new, &self.folder)?;
            let mut late = late.peekable();
            let old = reached.and_then(|_| Reader::open_whole(&self.record, &self.folder));
            let old =
                old.into_iter().flatten().skip_while(|entry| reached.is_some_and(|at| *entry.path <= *at));
            let entries = Reader::open(&self.part, &self.folder).into_iter().flatten().chain(old);
            for entry in entries {
                while let Some(before) = late.next_if(|late| late.path <= entry.path) {
                    new.push(&restat(before))?;
                }
                if new.is_next(&entry.path) {
                    new.push(&restat(entry))?;
                }
            }
            late.try_for_each(|entry| new.push(&restat(entry)))?;
            self.put(new)
        };
        finish().map_err(|error| self.failed(error))
    }

    fn put(&self, new: Writer) -> io::Result<()> {
        new.finish()?;
        fs::rename(&self.new, &self.record)?;
        match fs::remove_file(&self.part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.record.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    /// An error about the record.
    pub(super) fn failed(&self, error: io::Error) -> Error {
        Error::io(format!("writing the record of restored files {}", self.record.display()), error)
    }
}
