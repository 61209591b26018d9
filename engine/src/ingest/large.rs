//! One large file, cut by several threads at once, and never let through by half.
//!
//! Each thread takes a part, guided by what the file was before; [`seam`](super::seam) says where the parts meet. Who ends
//! the last part looks whether the file is still what it was, and if not, reads it again alone.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
};

use bytes::Bytes;
use rustix::fs::{Advice, fadvise};

use super::{
    plan::ToRead,
    read::{ATTEMPTS, SETTLE, Stop, Worker, not_read, open},
    run::{Ends, Mark, Run, Said},
    seam::{Broken, Seams},
    secret::{LOOKED_THROUGH_BYTES, secret_in},
    source::Stat,
};
use crate::{
    chunk::{
        chunker::{Chunker, READ_BYTES},
        guide::{Cutter, Guide},
    },
    error::Result,
    limits::GUIDE_CHUNKS,
    manifest::{ChunkRef, Content, cursor},
    store::Objects,
};

/// What is read at a time beyond a part's end, where nobody knows how much will be needed.
const BEYOND_BYTES: usize = READ_BYTES / 4;

/// A large file that is being read.
#[derive(Debug)]
pub(super) struct Large {
    job: u64,
    read: ToRead,
    seams: Seams,
    /// What the file looked like when its first part was begun.
    before: OnceLock<Stat>,
    old: Option<Old>,
}

/// What the file was made of.
#[derive(Debug)]
struct Old {
    content: Content,
    known: Mutex<Known>,
}

/// The old chunks that parts are guided by now.
#[derive(Debug, Default)]
struct Known {
    guide: Arc<Guide>,
    /// Whether there are none behind them.
    to_end: bool,
}

impl Large {
    /// A file to be read in parts of `part_bytes`.
    pub(super) fn new(job: u64, read: ToRead, part_bytes: u64) -> Self {
        let old = read.old_content().map(|content| Old { content: content.clone(), known: Mutex::default() });
        let seams = Seams::new(read.stat.size, part_bytes);
        Self { job, read, seams, before: OnceLock::new(), old }
    }

    /// Parts to be read.
    pub(super) fn parts(&self) -> u32 {
        self.seams.parts()
    }

    fn path(&self) -> &str {
        self.read.path.as_str()
    }
}

impl Worker<'_> {
    /// Reads a part; after the last, settles what becomes of the file.
    pub(super) fn part(&mut self, large: &Large, part: u32) -> Result<(), Stop> {
        // Whatever ends this part early: nobody may wait for it.
        let failing = FailOnDrop(&large.seams);
        let mut next = Place { job: large.job, part, number: 0, offset: 0, slot: large.read.slot };
        match self.try_part(large, &mut next) {
            Err(Stop::Ended) => return Err(Stop::Ended),
            Err(Stop::Failed(_) | Stop::Changed | Stop::Secret(_)) => large.seams.fail(),
            Ok(()) => {}
        }
        self.hand_on(Run { ends: Ends::Part, ..next.run() })?;
        std::mem::forget(failing);
        if large.seams.end(part) { self.settle(large) } else { Ok(()) }
    }

    /// Reads a part until another goes on. Every part opens the file for itself, so that the kernel reads ahead of each.
    fn try_part(&mut self, large: &Large, next: &mut Place) -> Result<(), Stop> {
        let (file, stat) = open(self.source, large.path())?;
        if !stat.is_unchanged(large.before.get_or_init(|| stat)) || stat.size != large.read.stat.size {
            return Err(Stop::Changed);
        }
        // Advice only.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        let front = large.seams.front(next.part);
        let guide = large.old.as_ref().map_or_else(Arc::default, |old| old.guide(self.store, front));
        let guess = guide.boundary(front).filter(|_| next.part > 0).unwrap_or(front);
        next.offset = large.seams.begin(next.part, guess);
        let mut source = Span { file: &file, at: next.offset, end: stat.size };
        let mut chunker =
            Chunker::new(Cutter::new(large.read.profile, guide, next.offset), Arc::clone(&self.pool));
        let end = large.seams.front(next.part + 1);
        loop {
            let bytes = usize::try_from(end.saturating_sub(source.at)).unwrap_or(READ_BYTES);
            let mut run = next.run();
            let more =
                chunker.next_run(&mut source, bytes.clamp(BEYOND_BYTES, READ_BYTES), &mut run.chunks)?;
            let met = meet(large, next, &mut run.chunks)?;
            next.number += 1;
            self.hand_on(run)?;
            if met {
                break;
            }
            if !more {
                return Err(Stop::Changed);
            }
        }
        if Stat::of(&file)?.is_unchanged(&stat) { Ok(()) } else { Err(Stop::Changed) }
    }

    /// Says what became of a file of which all parts have ended.
    fn settle(&mut self, large: &Large) -> Result<(), Stop> {
        let slot = large.read.slot;
        let mut next = Place { job: large.job, part: large.parts(), number: 0, offset: 0, slot };
        let said = match large.before.get() {
            Some(stat) if !large.seams.failed() => self.whole(large, *stat),
            _ => None,
        };
        let said = match said {
            Some(said) => said,
            None => self.again(large, &mut next)?,
        };
        let marks = vec![Mark { chunks: 0, said }];
        self.hand_on(Run { ends: Ends::Job, marks, ..next.run() })
    }

    /// Says that a file was read in parts; `None` where it is no longer what was read.
    fn whole(&self, large: &Large, before: Stat) -> Option<Said> {
        if !before.may_have_holes() {
            return Some(Said::file(&large.read, before, None));
        }
        let (file, stat) = open(self.source, large.path()).ok()?;
        stat.is_unchanged(&before).then(|| Said::file(&large.read, stat, Some(&file)))
    }

    /// Reads a file that changed, or could not be read, from its beginning, until it comes to rest.
    fn again(&mut self, large: &Large, next: &mut Place) -> Result<Said, Stop> {
        for attempt in 2.. {
            let marks = vec![Mark { chunks: 0, said: Said::Again }];
            next.offset = 0;
            self.hand_on(Run { marks, ..next.run() })?;
            next.number += 1;
            thread::sleep(SETTLE * (attempt - 1));
            match self.stream(large, next, self.takes_growing && attempt == ATTEMPTS) {
                Ok((stat, file)) => return Ok(Said::file(&large.read, stat, Some(&file))),
                Err(Stop::Ended) => return Err(Stop::Ended),
                Err(Stop::Changed) if attempt < ATTEMPTS => {}
                Err(stop) => return Ok(not_read(&large.read, &stop)),
            }
        }
        Err(Stop::Ended)
    }

    /// Reads the whole file once, alone; gives what it looked like, and its handle.
    fn stream(&mut self, large: &Large, next: &mut Place, may_grow: bool) -> Result<(Stat, File), Stop> {
        let (file, before) = open(self.source, large.path())?;
        let mut span = Span { file: &file, at: 0, end: before.size };
        let mut small = Vec::new();
        // What is in the file's place now may be a key file: it is looked through before any of it is handed on, and
        // what is handed on is what was looked through.
        if before.size <= LOOKED_THROUGH_BYTES {
            span.read_to_end(&mut small)?;
            if let Some(secret) = secret_in(&small) {
                return Err(Stop::Secret(secret));
            }
        }
        let mut source = small.as_slice().chain(span);
        let mut chunker = Chunker::new(Cutter::plain(large.read.profile), Arc::clone(&self.pool));
        loop {
            let mut run = next.run();
            let more = chunker.next_run(&mut source, READ_BYTES, &mut run.chunks)?;
            next.offset += run.chunks.iter().map(|(chunk, _)| u64::from(chunk.len)).sum::<u64>();
            next.number += 1;
            self.hand_on(run)?;
            if !more {
                break;
            }
        }
        let after = Stat::of(&file)?;
        let is_right = after.is_unchanged(&before) || may_grow && after.has_only_grown(&before);
        if is_right && next.offset == before.size { Ok((before, file)) } else { Err(Stop::Changed) }
    }
}

/// Tells the other parts of the cuts of a run, and ends the run where another part goes on; `true` if it does.
fn meet(large: &Large, next: &mut Place, chunks: &mut Vec<(ChunkRef, Bytes)>) -> Result<bool, Broken> {
    if chunks.is_empty() {
        return large.seams.meets(next.part, next.offset);
    }
    let mut end = next.offset;
    let ends = chunks.iter().map(|(chunk, _)| {
        end += u64::from(chunk.len);
        end
    });
    let ends: Vec<u64> = ends.collect();
    large.seams.cut(next.part, &ends)?;
    for (count, end) in (1..).zip(ends) {
        next.offset = end;
        if large.seams.meets(next.part, end)? {
            chunks.truncate(count);
            return Ok(true);
        }
    }
    Ok(false)
}

impl Old {
    /// The old chunks around `offset`. What cannot be read of them guides nobody, and costs a scan.
    fn guide(&self, store: &dyn Objects, offset: u64) -> Arc<Guide> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let span = known.guide.span();
        let quarter = (span.end - span.start) / 4;
        if !known.to_end && offset >= span.end - quarter {
            *known = self.read(store, offset.saturating_sub(quarter)).unwrap_or_else(|error| {
                tracing::warn!(%error, "the older version's chunks are not known; the file is scanned");
                Known { guide: Arc::default(), to_end: true }
            });
        }
        known.guide.clone()
    }

    /// Reads the old chunks from `offset` on, as many as a guide may hold.
    fn read(&self, store: &dyn Objects, offset: u64) -> Result<Known> {
        let (before, mut rest) = cursor::chunks_at(store, &self.content, offset)?;
        let mut chunks = rest.by_ref().take(GUIDE_CHUNKS).collect::<Result<Vec<ChunkRef>>>()?;
        let to_end = rest.next().transpose()?.is_none();
        // The old file's last chunk ends because the file does: it says nothing of cuts.
        if to_end {
            chunks.pop();
        }
        Ok(Known { guide: Arc::new(Guide::new(offset - before, chunks)), to_end })
    }
}

/// Ends the others' waiting when a part ends without saying so.
struct FailOnDrop<'a>(&'a Seams);

impl Drop for FailOnDrop<'_> {
    fn drop(&mut self) {
        self.0.fail();
    }
}

/// Where the next run of a part belongs.
#[derive(Clone, Copy, Debug)]
struct Place {
    job: u64,
    part: u32,
    number: u32,
    offset: u64,
    slot: u8,
}

impl Place {
    fn run(&self) -> Run {
        let Self { job, part, number, offset, slot } = *self;
        Run { job, part, number, offset, slot, ..Run::default() }
    }
}

/// A file from a place on, up to the end that it had.
struct Span<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Span<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        let read = self.file.read_at(buffer.get_mut(..len).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
