//! Reads files and cuts them, job by job, and never lets half a file through.
//!
//! A file counts as read when what the kernel says of it is the same before and after and as many bytes came as it says;
//! else it is read again, and reported when it does not come to rest. This file hashes nothing and knows no store.

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
use rustix::fs::{Advice, FileType, fadvise};

use super::{
    cache::Record,
    plan::{Item, Job},
    source::{Source, Stat},
    walk::replaced,
};
use crate::{
    chunk::{
        Profile,
        chunker::{BufferPool, Chunker, READ_BYTES},
        cut,
    },
    manifest::{ChunkRef, Entry, EntryPath},
};

/// A file up to this size shares a job and a buffer with others.
pub(super) const SMALL_BYTES: u64 = 256 * 1024;
/// How often a file that changes under the reader is read.
const ATTEMPTS: u32 = 3;
/// What a writer gets to finish before the file is read again.
const SETTLE: Duration = Duration::from_millis(50);

/// Whether small files of `bytes` in all fit one buffer.
pub(super) fn buffer_holds(bytes: u64) -> bool {
    bytes <= READ_BYTES as u64
}

/// What a reader made of a part of a job: chunks, and what became of the items they belong to.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) job: u64,
    /// Counts up from 0 within the job.
    pub(super) number: u32,
    /// Whether the job ends here.
    pub(super) last: bool,
    pub(super) chunks: Vec<Bytes>,
    /// The names of `chunks`: filled in by the hashers.
    pub(super) refs: Vec<ChunkRef>,
    pub(super) marks: Vec<Mark>,
}

/// Something to be known once the first `chunks` chunks of a run are.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) chunks: usize,
    pub(super) said: Said,
}

/// What became of an item.
#[derive(Debug)]
pub(super) enum Said {
    /// The entry stands as it is.
    Keep { path: EntryPath, entry: Entry, record: Option<Record> },
    /// The chunks since the last mark, and those of earlier runs, are the whole of this file.
    File { path: EntryPath, stat: Stat, profile: Profile },
    /// The chunks since the last mark are worth nothing: the file changed and is read again.
    Again,
    /// A link or special file.
    Skipped { path: String, why: &'static str },
    /// The file could not be read. Chunks of it that came before are worth nothing.
    Unreadable { path: String, why: String },
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
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Failed(error)
    }
}

/// One reading thread's state.
pub(super) struct FileReader<'a> {
    pub(super) source: &'a Source,
    pub(super) pool: Arc<BufferPool>,
    pub(super) cancel: &'a AtomicBool,
    /// Takes a run on; `false` when nobody wants it.
    pub(super) send: &'a mut dyn FnMut(Run) -> bool,
}

impl FileReader<'_> {
    /// Deals with a job; `false` when there is no use in going on.
    pub(super) fn job(&mut self, job: Job) -> bool {
        let outcome = match <[Item; 1]>::try_from(job.items) {
            Ok([Item::Read { path, size, profile }]) if size > SMALL_BYTES => {
                self.large(job.number, path, profile)
            }
            Ok([item]) => self.small(job.number, vec![item]),
            Err(items) => self.small(job.number, items),
        };
        outcome.is_ok()
    }

    /// Reads one file, a run per buffer.
    fn large(&mut self, job: u64, path: EntryPath, profile: Profile) -> Result<(), Stop> {
        let mut next = 0;
        for attempt in 1.. {
            match self.stream(job, &mut next, path.as_str(), profile) {
                Ok((mut run, stat)) => {
                    run.marks
                        .push(Mark { chunks: run.chunks.len(), said: Said::File { path, stat, profile } });
                    run.last = true;
                    return self.hand_on(run);
                }
                Err(Stop::Ended) => return Err(Stop::Ended),
                Err(Stop::Changed) if attempt < ATTEMPTS => {
                    let marks = vec![Mark { chunks: 0, said: Said::Again }];
                    self.hand_on(Run { job, number: next, marks, ..Run::default() })?;
                    next += 1;
                    thread::sleep(SETTLE * attempt);
                }
                Err(stop) => {
                    let marks = vec![Mark { chunks: 0, said: unreadable(path.as_str(), &stop) }];
                    return self.hand_on(Run { job, number: next, last: true, marks, ..Run::default() });
                }
            }
        }
        Ok(())
    }

    /// Reads one file once; gives its last run, not yet handed on, and what it looked like. `next` is the number of the
    /// next run to be handed on: there must be no gap, whatever happens.
    fn stream(
        &mut self,
        job: u64,
        next: &mut u32,
        path: &str,
        profile: Profile,
    ) -> Result<(Run, Stat), Stop> {
        let (file, before) = open(self.source, path)?;
        // Advice only.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        let mut chunker = Chunker::new(profile, Arc::clone(&self.pool));
        let mut content = Counted { source: (&file).take(before.size), bytes: 0 };
        loop {
            let mut run = Run { job, number: *next, ..Run::default() };
            if !chunker.next_run(&mut content, &mut run.chunks)? {
                let after = Stat::of(&file)?;
                if after != before || content.bytes != before.size {
                    return Err(Stop::Changed);
                }
                return Ok((run, after));
            }
            self.hand_on(run)?;
            *next += 1;
        }
    }

    /// Reads many small files into one buffer, or none at all where nothing must be read.
    fn small(&mut self, job: u64, items: Vec<Item>) -> Result<(), Stop> {
        let mut run = Run { job, last: true, ..Run::default() };
        let mut shelf = Shelf { pool: &self.pool, buffer: Vec::new(), filled: 0, cuts: Vec::new() };
        for item in items {
            let said = match item {
                Item::Keep { path, entry, record } => Said::Keep { path, entry, record },
                Item::Skipped { path, why } => Said::Skipped { path, why },
                Item::Unreadable { path, why } => Said::Unreadable { path, why },
                Item::Read { path, profile, .. } => {
                    if self.cancel.load(Ordering::Relaxed) {
                        return Err(Stop::Ended);
                    }
                    match shelf.read_steady(self.source, path.as_str(), profile) {
                        Ok(stat) => Said::File { path, stat, profile },
                        Err(stop) => unreadable(path.as_str(), &stop),
                    }
                }
            };
            run.marks.push(Mark { chunks: shelf.cuts.len(), said });
        }
        run.chunks = shelf.into_chunks();
        self.hand_on(run)
    }

    fn hand_on(&mut self, run: Run) -> Result<(), Stop> {
        if self.cancel.load(Ordering::Relaxed) || !(self.send)(run) { Err(Stop::Ended) } else { Ok(()) }
    }
}

/// Small files side by side in one buffer.
struct Shelf<'a> {
    pool: &'a BufferPool,
    buffer: Vec<u8>,
    filled: usize,
    /// The lengths of the chunks in the buffer.
    cuts: Vec<usize>,
}

impl Shelf<'_> {
    fn read_steady(&mut self, source: &Source, path: &str, profile: Profile) -> Result<Stat, Stop> {
        let mut attempt = 1;
        loop {
            match self.read(source, path, profile) {
                Err(Stop::Changed) if attempt < ATTEMPTS => thread::sleep(SETTLE * attempt),
                outcome => return outcome,
            }
            attempt += 1;
        }
    }

    /// Reads a file behind those before it, once. Nothing is kept of one that cannot be read whole.
    fn read(&mut self, source: &Source, path: &str, profile: Profile) -> Result<Stat, Stop> {
        let (mut file, before) = open(source, path)?;
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
        if Stat::of(&file)? != before {
            return Err(Stop::Changed);
        }
        let mut rest = &*room;
        while !rest.is_empty() {
            let (chunk, behind) = rest.split_at(cut::next(profile, rest));
            self.cuts.push(chunk.len());
            rest = behind;
        }
        self.filled = end;
        Ok(before)
    }

    fn into_chunks(self) -> Vec<Bytes> {
        if self.cuts.is_empty() {
            return Vec::new();
        }
        let mut rest = self.pool.share(self.buffer);
        self.cuts.into_iter().map(|len| rest.split_to(len)).collect()
    }
}

/// Opens a regular file and looks at it.
fn open(source: &Source, path: &str) -> Result<(File, Stat), Stop> {
    let file = source.file(path)?;
    let stat = Stat::of(&file)?;
    if stat.kind != FileType::RegularFile {
        return Err(Stop::Failed(replaced()));
    }
    Ok((file, stat))
}

fn unreadable(path: &str, stop: &Stop) -> Said {
    let why = match stop {
        Stop::Failed(error) => error.to_string(),
        Stop::Changed | Stop::Ended => "it changes while it is read".to_owned(),
    };
    Said::Unreadable { path: path.to_owned(), why }
}

/// Counts what passes.
struct Counted<R> {
    source: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, path::Path};

    use super::*;
    use crate::chunk::testing::noise;

    /// Reads `film`, which is appended to before each of the first `changes` attempts has ended; gives what was said
    /// and the bytes that belong to it.
    fn read_restless(changes: usize) -> (Vec<String>, Vec<u8>, Vec<u8>) {
        let home = tempfile::tempdir().unwrap();
        let film = home.path().join("film");
        fs::write(&film, noise(1, 3_000_000)).unwrap();
        let mut left = changes;
        let mut said = Vec::new();
        let mut bytes = Vec::new();
        let mut expected = 0;
        let mut send = |run: Run| {
            assert_eq!(run.number, expected, "no gap and no repetition");
            expected += 1;
            bytes.extend(run.chunks.concat());
            for mark in run.marks {
                match mark.said {
                    Said::Again => {
                        bytes.clear();
                        said.push("again".to_owned());
                    }
                    Said::File { stat, .. } => said.push(format!("file of {}", stat.size)),
                    Said::Unreadable { why, .. } => said.push(why),
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
        let mut reader = FileReader { source: &source, pool, cancel: &cancel, send: &mut send };
        let path = EntryPath::new("film").unwrap();
        let item = Item::Read { path, size: 3_000_000, profile: Profile::Video };
        assert!(reader.job(Job { number: 0, items: vec![item] }));
        (said, bytes, fs::read(Path::new(&film)).unwrap())
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_read_again() {
        let (said, bytes, content) = read_restless(0);
        assert_eq!((said, bytes), (vec!["file of 3000000".to_owned()], content));
        let (said, bytes, content) = read_restless(2);
        assert_eq!(said, ["again", "again", "file of 3000008"]);
        assert_eq!(bytes, content);
    }

    #[test]
    fn a_file_that_never_rests_is_reported_and_not_published() {
        let (said, ..) = read_restless(usize::MAX);
        assert_eq!(said, ["again", "again", "it changes while it is read"]);
    }
}
