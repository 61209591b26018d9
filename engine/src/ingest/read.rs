//! What a worker does: it reads, cuts and names, one job or one part of a large file at a time, while the bytes are in its
//! core's cache.
//!
//! A file counts as read when what the kernel says of it is the same before and after and as many bytes came as it says;
//! else it is read again, and reported when it does not come to rest. Where a growing file may be taken, the last reading
//! counts up to the size that the file had when it was opened. Small files are looked through for secrets, which are
//! never published. Large files are [`large`](super::large)'s.

use std::{
    fs::File,
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use rustix::{fs::FileType, io::Errno};

use super::{
    large::Large,
    plan::{Item, Job, ToRead},
    run::{Ends, Mark, Run, Said},
    seam::Broken,
    secret::{LOOKED_THROUGH_BYTES, secret_in},
    source::{Source, Stat},
    walk::VANISHED,
};
use crate::{
    chunk::{
        chunker::{BufferPool, READ_BYTES},
        guide::Cutter,
    },
    manifest::ChunkRef,
    store::Objects,
};

/// A file up to this size shares a job and a buffer with others.
pub(super) const SMALL_BYTES: u64 = 256 * 1024;
/// How often a file that changes under the reader is read.
pub(super) const ATTEMPTS: u32 = 3;
/// What a writer gets to finish before the file is read again.
pub(super) const SETTLE: Duration = Duration::from_millis(50);

/// Whether small files of `bytes` in all fit one buffer.
pub(super) fn buffer_holds(bytes: u64) -> bool {
    bytes <= READ_BYTES as u64
}

/// Why a reader stops.
#[derive(Debug)]
pub(super) enum Stop {
    /// The caller cancelled, or nobody takes runs any more.
    Ended,
    /// This file cannot be read.
    Failed(io::Error),
    /// This file changed while it was read.
    Changed,
    /// This file holds a secret, as said.
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

/// What a worker takes up.
#[derive(Debug)]
pub(super) enum Work {
    /// Small files, and what need not be read.
    Small(Job),
    /// A part of a large file.
    Part(Arc<Large>, u32),
}

/// One working thread's state.
pub(super) struct Worker<'a> {
    pub(super) source: &'a Source,
    /// Where older versions are looked up.
    pub(super) store: &'a dyn Objects,
    pub(super) pool: Arc<BufferPool>,
    pub(super) cancel: &'a AtomicBool,
    /// Whether a file that grows is taken up to the size that it had when it was opened.
    pub(super) takes_growing: bool,
    /// Takes a run on; `false` when nobody wants it.
    pub(super) send: &'a mut dyn FnMut(Run) -> bool,
}

impl Worker<'_> {
    /// Does a piece of work; `false` when there is no use in going on.
    pub(super) fn work(&mut self, work: Work) -> bool {
        match work {
            Work::Small(job) => self.small(job.number, job.items).is_ok(),
            Work::Part(large, part) => self.part(&large, part).is_ok(),
        }
    }

    /// Reads many small files into one buffer, or none at all where nothing must be read.
    fn small(&mut self, job: u64, items: Vec<Item>) -> Result<(), Stop> {
        let mut run = Run { job, ends: Ends::Job, ..Run::default() };
        let takes_growing = self.takes_growing;
        let mut shelf =
            Shelf { pool: &self.pool, buffer: Vec::new(), filled: 0, chunks: Vec::new(), takes_growing };
        for item in items {
            let said = match item {
                Item::Keep(kept) => Said::Keep(kept),
                Item::LeftOut(item) => Said::LeftOut { item, gone: None },
                Item::Gap { path, why, stands, is_unsettled } => {
                    Said::Gap { path, why, stands, is_unsettled }
                }
                Item::Read(read) => {
                    if self.cancel.load(Ordering::Relaxed) {
                        return Err(Stop::Ended);
                    }
                    match shelf.read_steady(self.source, &read) {
                        Ok((stat, file)) => Said::file(&read, stat, Some(&file)),
                        Err(stop) => not_read(&read, &stop),
                    }
                }
            };
            run.marks.push(Mark { chunks: shelf.chunks.len(), said });
        }
        run.chunks = shelf.into_chunks();
        self.hand_on(run)
    }

    pub(super) fn hand_on(&mut self, run: Run) -> Result<(), Stop> {
        if self.cancel.load(Ordering::Relaxed) || !(self.send)(run) { Err(Stop::Ended) } else { Ok(()) }
    }
}

/// Small files side by side in one buffer.
struct Shelf<'a> {
    pool: &'a BufferPool,
    buffer: Vec<u8>,
    filled: usize,
    /// The chunks in the buffer.
    chunks: Vec<ChunkRef>,
    takes_growing: bool,
}

impl Shelf<'_> {
    fn read_steady(&mut self, source: &Source, file: &ToRead) -> Result<(Stat, File), Stop> {
        let mut attempt = 1;
        loop {
            match self.read(source, file, self.takes_growing && attempt == ATTEMPTS) {
                Err(Stop::Changed) if attempt < ATTEMPTS => thread::sleep(SETTLE * attempt),
                outcome => return outcome,
            }
            attempt += 1;
        }
    }

    /// Reads a file behind those before it, once; gives what it looked like and its handle. Nothing is kept of one that
    /// cannot be read whole.
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
        if before.size <= LOOKED_THROUGH_BYTES
            && let Some(secret) = secret_in(room)
        {
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

/// Opens a regular file and looks at it.
pub(super) fn open(source: &Source, path: &str) -> Result<(File, Stat), Stop> {
    let file = source.file(path).map_err(|error| match Errno::from_io_error(&error) {
        // Something else is in the place of the file, or of a folder on the way to it.
        Some(Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO) => Stop::Changed,
        _ => Stop::Failed(error),
    })?;
    let stat = Stat::of(&file)?;
    if stat.kind == FileType::RegularFile { Ok((file, stat)) } else { Err(Stop::Changed) }
}

/// What becomes of a file that was not read.
pub(super) fn not_read(read: &ToRead, stop: &Stop) -> Said {
    match stop {
        Stop::Failed(error) if error.kind() == io::ErrorKind::NotFound => Said::left_out(read, VANISHED),
        Stop::Failed(error) => Said::unreadable(read, error),
        Stop::Changed | Stop::Ended => Said::unsettled(read),
        Stop::Secret(why) => Said::left_out(read, why),
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

    /// Reads `film`, which is appended to before each of the first `changes` attempts has ended; gives what was said
    /// and the bytes that belong to it.
    fn read_restless(changes: usize, takes_growing: bool) -> (Vec<String>, Vec<u8>, Vec<u8>) {
        let home = tempfile::tempdir().unwrap();
        let film = home.path().join("film");
        fs::write(&film, noise(1, 3_000_000)).unwrap();
        let mut left = changes;
        let mut said = Vec::new();
        let mut bytes = Vec::new();
        let mut due = std::collections::BTreeSet::new();
        let mut send = |run: Run| {
            let expected = due.insert((run.part, run.number));
            assert!(expected, "no repetition");
            bytes.extend(run.chunks.iter().flat_map(|(_, bytes)| bytes.to_vec()));
            for mark in run.marks {
                match mark.said {
                    Said::Again => {
                        bytes.clear();
                        said.push("again".to_owned());
                    }
                    Said::File { stat, .. } => said.push(format!("file of {}", stat.size)),
                    Said::Gap { why, is_unsettled, .. } => {
                        assert!(is_unsettled, "{why}");
                        said.push(why);
                    }
                    other => panic!("{other:?}"),
                }
            }
            // Once an attempt: after its first run.
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
        let mut worker =
            Worker { source: &source, store: &store, pool, cancel: &cancel, takes_growing, send: &mut send };
        let stat = Stat::at(source.root().unwrap().as_fd(), "film").unwrap();
        let path = EntryPath::new("film").unwrap();
        let read = ToRead { path, slot: 0, stat, profile: Profile::Video, group: None, before: None };
        let large = Arc::new(Large::new(0, read, 1 << 24));
        assert_eq!(large.parts(), 1);
        assert!(worker.work(Work::Part(large, 0)));
        (said, bytes, fs::read(Path::new(&film)).unwrap())
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_read_again() {
        let (said, bytes, content) = read_restless(0, false);
        assert_eq!((said, bytes), (vec!["file of 3000000".to_owned()], content));
        let (said, bytes, content) = read_restless(2, false);
        assert_eq!(said, ["again", "again", "file of 3000008"]);
        assert_eq!(bytes, content);
    }

    #[test]
    fn a_file_that_never_rests_is_reported_and_not_published() {
        let (said, ..) = read_restless(usize::MAX, false);
        assert_eq!(said, ["again", "again", "it changes while it is read"]);
    }

    /// Two changes before the last attempt make the file eight bytes longer, and a third comes while that reads.
    #[test]
    fn a_growing_file_is_taken_up_to_its_size_at_opening_where_that_is_asked_for() {
        let (said, bytes, content) = read_restless(usize::MAX, true);
        assert_eq!(said, ["again", "again", "file of 3000008"]);
        assert!(content.len() > bytes.len() && content.starts_with(&bytes));
    }
}
