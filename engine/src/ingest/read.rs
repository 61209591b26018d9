//! A worker: it reads, cuts and hashes one job, or one part of a large file, at a time, while the bytes are
//! in the cache of its core.
//!
//! A read is valid if the metadata is the same before and after, and if as many bytes arrived as the metadata
//! says. Otherwise the file is read again, and reported if it keeps changing. If growing files are permitted,
//! the last attempt is valid up to the size that the file had when it was opened. Small files are searched
//! for secrets, which are never published. [`large`](super::large) reads large files.

use std::{
    fs::File,
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use bytes::Bytes;
use rustix::{fs::FileType, io::Errno};

use super::{
    item::VANISHED,
    large::Large,
    plan::{Item, Job, ToRead},
    run::{Ends, ItemOutcome, Mark, Run},
    seam::Broken,
    secret::{secret_at_start, secret_in},
    source::{Source, Stat},
};
use crate::{
    chunk::{chunker::BufferPool, guide::Cutter},
    limits::{CHUNKER_READ_BYTES, INGEST_ATTEMPTS, INGEST_RETRY_DELAY, INGEST_SEARCHED_BYTES},
    manifest::ChunkRef,
    store::Objects,
};

/// Whether small files of `bytes` in total fit in one buffer.
pub(super) fn buffer_holds(bytes: u64) -> bool {
    bytes <= CHUNKER_READ_BYTES as u64
}

/// Why a reader stops.
#[derive(Debug)]
pub(super) enum Stop {
    /// The publish was cancelled, or the assembler has ended.
    Ended,
    /// This file cannot be read.
    Failed(io::Error),
    /// This file changed during the read.
    Changed,
    /// This file holds a secret; the text is the reason.
    Secret(&'static str),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Failed(error)
    }
}

impl From<Broken> for Stop {
    fn from(_: Broken) -> Self {
        Stop::Changed
    }
}

/// The work of a worker.
#[derive(Debug)]
pub(super) enum Work {
    /// Small files, and items that need no read.
    Small(Job),
    /// A part of a large file.
    Part(Arc<Large>, u32),
}

/// The state of one worker thread.
pub(super) struct Worker<'a> {
    pub(super) source: &'a Source,
    /// The store with the older versions.
    pub(super) store: &'a dyn Objects,
    pub(super) pool: Arc<BufferPool>,
    pub(super) cancel: &'a AtomicBool,
    /// Whether a growing file is taken up to the size that it had when it was opened.
    pub(super) takes_growing: bool,
    /// Whether extended attributes are taken.
    pub(super) xattrs: bool,
    /// Sends a run to the assembler; `false` if the assembler has ended.
    pub(super) send: &'a mut dyn FnMut(Run) -> bool,
}

impl Worker<'_> {
    /// Does one piece of work; `false` if the worker must end.
    pub(super) fn work(&mut self, work: Work) -> bool {
        let _covered = self.source.cover();
        match work {
            Work::Small(job) => self.small(job.number, job.items).is_ok(),
            Work::Part(large, part) => self.part(&large, part).is_ok(),
        }
    }

    /// Reads the small files of a job into one buffer. Needs no buffer if no file must be read.
    fn small(&mut self, job: u64, items: Vec<Item>) -> Result<(), Stop> {
        let mut run = Run { job, ends: Ends::Job, ..Run::default() };
        let takes_growing = self.takes_growing;
        let mut files = SmallFileBuffer {
            pool: &self.pool,
            buffer: Vec::new(),
            filled: 0,
            chunks: Vec::new(),
            takes_growing,
        };
        for item in items {
            let outcome = match item {
                Item::Keep(kept) => ItemOutcome::Keep(kept),
                Item::Unchanged(kept) => ItemOutcome::unchanged(self.source, kept, self.xattrs),
                Item::LeftOut(item) => ItemOutcome::LeftOut { item, gone: None },
                Item::Gap { path, why, fallback, is_unsettled } => {
                    ItemOutcome::Gap { path, why, fallback, is_unsettled }
                }
                Item::Read(read) => {
                    if self.cancel.load(Ordering::Relaxed) {
                        return Err(Stop::Ended);
                    }
                    match files.read_steady(self.source, &read) {
                        Ok((stat, file)) => ItemOutcome::file(&read, stat, Some(&file), self.xattrs),
                        Err(stop) => not_read(&read, &stop),
                    }
                }
            };
            run.marks.push(Mark { chunks: files.chunks.len(), outcome });
        }
        run.chunks = files.into_chunks();
        self.send_run(run)
    }

    pub(super) fn send_run(&mut self, run: Run) -> Result<(), Stop> {
        if self.cancel.load(Ordering::Relaxed) || !(self.send)(run) { Err(Stop::Ended) } else { Ok(()) }
    }
}

/// The small files of a job, one after another in one buffer.
struct SmallFileBuffer<'a> {
    pool: &'a BufferPool,
    buffer: Vec<u8>,
    filled: usize,
    /// The chunks in the buffer.
    chunks: Vec<ChunkRef>,
    takes_growing: bool,
}

impl SmallFileBuffer<'_> {
    fn read_steady(&mut self, source: &Source, file: &ToRead) -> Result<(Stat, File), Stop> {
        let mut attempt = 1;
        loop {
            match self.read(source, file, self.takes_growing && attempt == INGEST_ATTEMPTS) {
                Err(Stop::Changed) if attempt < INGEST_ATTEMPTS => {
                    thread::sleep(INGEST_RETRY_DELAY * attempt)
                }
                outcome => return outcome,
            }
            attempt += 1;
        }
    }

    /// Appends a file to the buffer, in one attempt; returns its metadata and its handle. A file that cannot
    /// be read completely leaves nothing in the buffer.
    fn read(&mut self, source: &Source, read: &ToRead, may_grow: bool) -> Result<(Stat, File), Stop> {
        let (mut file, before) = open(source, read.path.as_str())?;
        let size = usize::try_from(before.size).map_err(|_| Stop::Changed)?;
        if size > 0 && self.buffer.is_empty() {
            self.buffer = self.pool.take();
        }
        // A file that grew since the plan was made may not fit any more.
        let end = self.filled.saturating_add(size);
        let room = self.buffer.get_mut(self.filled..end).ok_or(Stop::Changed)?;
        match file.read_exact(room) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Stop::Changed),
            outcome => outcome?,
        }
        let after = Stat::of(&file)?;
        if !(after.is_unchanged(&before) || may_grow && after.has_only_grown(&before)) {
            return Err(Stop::Changed);
        }
        let is_searched = before.size <= INGEST_SEARCHED_BYTES;
        if let Some(secret) = if is_searched { secret_in(room) } else { secret_at_start(room) } {
            return Err(Stop::Secret(secret));
        }
        let mut cutter = Cutter::plain(read.profile);
        let mut rest = &*room;
        while !rest.is_empty() {
            let chunk = cutter.next(rest);
            self.chunks.push(chunk);
            rest = rest.get(chunk.len as usize..).unwrap_or_default();
        }
        self.filled = end;
        Ok((before, file))
    }

    fn into_chunks(self) -> Vec<(ChunkRef, Bytes)> {
        if self.chunks.is_empty() {
            return Vec::new();
        }
        let mut rest = self.pool.share(self.buffer);
        self.chunks.into_iter().map(|chunk| (chunk, rest.split_to(chunk.len as usize))).collect()
    }
}

/// Opens a regular file and reads its metadata.
pub(super) fn open(source: &Source, path: &str) -> Result<(File, Stat), Stop> {
    let file = source.file(path).map_err(|error| match Errno::from_io_error(&error) {
        // The file, or a folder on its path, was replaced by something else.
        Some(Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO) => Stop::Changed,
        _ => Stop::Failed(error),
    })?;
    let stat = Stat::of(&file)?;
    if stat.kind == FileType::RegularFile { Ok((file, stat)) } else { Err(Stop::Changed) }
}

/// The outcome of a file that was not read.
pub(super) fn not_read(read: &ToRead, stop: &Stop) -> ItemOutcome {
    match stop {
        Stop::Failed(error) if error.kind() == io::ErrorKind::NotFound => {
            ItemOutcome::left_out(read, VANISHED)
        }
        Stop::Failed(error) => ItemOutcome::unreadable(read, error),
        Stop::Changed | Stop::Ended => ItemOutcome::unsettled(read),
        Stop::Secret(why) => ItemOutcome::left_out(read, why),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, os::fd::AsFd, path::Path};

    use super::*;
    use crate::{
        chunk::{Profile, testing::noise},
        manifest::{EntryPath, testing::LIBRARY},
        store::memory::MemoryObjects,
    };

    /// Reads `film`, which is appended to during each of the first `changes` attempts; returns the outcomes
    /// and the bytes that belong to them.
    fn read_restless(changes: usize, takes_growing: bool) -> (Vec<String>, Vec<u8>, Vec<u8>) {
        let home = tempfile::tempdir().unwrap();
        let film = home.path().join("film");
        fs::write(&film, noise(1, 3_000_000)).unwrap();
        let mut left = changes;
        let mut outcomes = Vec::new();
        let mut bytes = Vec::new();
        let mut due = std::collections::BTreeSet::new();
        let mut send = |run: Run| {
            let expected = due.insert((run.part, run.number));
            assert!(expected, "no repetition");
            bytes.extend(run.chunks.iter().flat_map(|(_, bytes)| bytes.to_vec()));
            for mark in run.marks {
                match mark.outcome {
                    ItemOutcome::Retry => {
                        bytes.clear();
                        outcomes.push("retry".to_owned());
                    }
                    ItemOutcome::File { stat, .. } => outcomes.push(format!("file of {}", stat.size)),
                    ItemOutcome::Gap { why, is_unsettled, .. } => {
                        assert!(is_unsettled, "{why}");
                        outcomes.push(why);
                    }
                    other => panic!("{other:?}"),
                }
            }
            // Once for each attempt: after its first run.
            if left > 0 && bytes.len() < 1_500_000 && !bytes.is_empty() {
                left -= 1;
                fs::OpenOptions::new().append(true).open(&film).unwrap().write_all(b"more").unwrap();
            }
            true
        };
        let source = Source::open(home.path()).unwrap();
        let pool = Arc::new(BufferPool::new(4));
        let cancel = AtomicBool::new(false);
        let store = MemoryObjects::new(LIBRARY);
        let mut worker = Worker {
            source: &source,
            store: &store,
            pool,
            cancel: &cancel,
            takes_growing,
            xattrs: false,
            send: &mut send,
        };
        let stat = Stat::at(source.root().unwrap().as_fd(), "film").unwrap();
        let path = EntryPath::new("film").unwrap();
        let read = ToRead { path, slot: 0, stat, profile: Profile::Video, group: None, before: None };
        let large = Arc::new(Large::new(0, read, 1 << 24));
        assert_eq!(large.parts(), 1);
        assert!(worker.work(Work::Part(large, 0)));
        (outcomes, bytes, fs::read(Path::new(&film)).unwrap())
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_read_again() {
        let (outcomes, bytes, content) = read_restless(0, false);
        assert_eq!((outcomes, bytes), (vec!["file of 3000000".to_owned()], content));
        let (outcomes, bytes, content) = read_restless(2, false);
        assert_eq!(outcomes, ["retry", "retry", "file of 3000008"]);
        assert_eq!(bytes, content);
    }

    #[test]
    fn a_file_that_never_rests_is_reported_and_not_published() {
        let (outcomes, ..) = read_restless(usize::MAX, false);
        assert_eq!(outcomes, ["retry", "retry", "it changes while it is read"]);
    }

    /// Two changes before the last attempt make the file eight bytes longer, and a third change comes during
    /// the last attempt.
    #[test]
    fn a_growing_file_is_taken_up_to_its_size_at_opening_if_permitted() {
        let (outcomes, bytes, content) = read_restless(usize::MAX, true);
        assert_eq!(outcomes, ["retry", "retry", "file of 3000008"]);
        assert!(content.len() > bytes.len() && content.starts_with(&bytes));
    }
}
