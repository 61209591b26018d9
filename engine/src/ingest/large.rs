//! One large file, cut by several threads at once, and published only if it was read completely.
//!
//! Each thread cuts a part, guided by the old version of the file; [`seam`](super::seam) decides where one
//! part ends and the next begins. The thread that ends the last part decides the outcome: if a part failed or
//! the file changed, this thread reads the whole file again.

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
    read::{Stop, Worker, not_read, open},
    run::{Ends, ItemOutcome, Mark, Run},
    seam::{Broken, Seams},
    secret::secret_in,
    source::Stat,
};
use crate::{
    chunk::{
        chunker::Chunker,
        guide::{Cutter, Guide},
    },
    error::Result,
    limits::{CHUNKER_READ_BYTES, GUIDE_CHUNKS, INGEST_ATTEMPTS, INGEST_RETRY_DELAY, INGEST_SEARCHED_BYTES},
    manifest::{ChunkRef, Content, cursor},
    store::Objects,
};

/// Bytes read at a time past a part's end, where the needed length is not known.
const BEYOND_BYTES: usize = CHUNKER_READ_BYTES / 4;

/// A large file that is being read.
#[derive(Debug)]
pub(super) struct Large {
    job: u64,
    read: ToRead,
    seams: Seams,
    /// The metadata of the file when its first part began.
    before: OnceLock<Stat>,
    old: Option<OldVersion>,
}

/// The old version of the file.
#[derive(Debug)]
struct OldVersion {
    content: Content,
    known: Mutex<Known>,
}

/// The old chunks that currently guide the parts.
#[derive(Debug, Default)]
struct Known {
    guide: Arc<Guide>,
    /// Whether these are the last chunks of the old version.
    to_end: bool,
}

impl Large {
    /// A file to be read in parts of `part_bytes`.
    pub(super) fn new(job: u64, read: ToRead, part_bytes: u64) -> Self {
        let old = read
            .old_content()
            .map(|content| OldVersion { content: content.clone(), known: Mutex::default() });
        let seams = Seams::new(read.stat.size, part_bytes);
        Self { job, read, seams, before: OnceLock::new(), old }
    }

    /// The number of parts.
    pub(super) fn parts(&self) -> u32 {
        self.seams.parts()
    }

    fn path(&self) -> &str {
        self.read.path.as_str()
    }
}

impl Worker<'_> {
    /// Reads a part; after the last part, decides the outcome of the file.
    pub(super) fn part(&mut self, large: &Large, part: u32) -> Result<(), Stop> {
        // If this part ends early for any reason, the parts that wait for it are woken.
        let failing = FailOnDrop(&large.seams);
        let mut next = RunPosition { job: large.job, part, number: 0, offset: 0, slot: large.read.slot };
        match self.try_part(large, &mut next) {
            Err(Stop::Ended) => return Err(Stop::Ended),
            Err(Stop::Failed(_) | Stop::Changed | Stop::Secret(_)) => large.seams.fail(),
            Ok(()) => {}
        }
        self.send_run(Run { ends: Ends::Part, ..next.run() })?;
        std::mem::forget(failing);
        if large.seams.end(part) { self.finish_file(large) } else { Ok(()) }
    }

    /// Reads a part until the next part continues. Every part opens the file itself, so that the kernel reads
    /// ahead for each part.
    fn try_part(&mut self, large: &Large, next: &mut RunPosition) -> Result<(), Stop> {
        let (file, stat) = open(self.source, large.path())?;
        if !stat.is_unchanged(large.before.get_or_init(|| stat)) || stat.size != large.read.stat.size {
            return Err(Stop::Changed);
        }
        // This is only advice to the kernel.
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
            let bytes = usize::try_from(end.saturating_sub(source.at)).unwrap_or(CHUNKER_READ_BYTES);
            let mut run = next.run();
            let more = chunker.next_run(
                &mut source,
                bytes.clamp(BEYOND_BYTES, CHUNKER_READ_BYTES),
                &mut run.chunks,
            )?;
            let is_done = record_cuts(large, next, &mut run.chunks)?;
            next.number += 1;
            self.send_run(run)?;
            if is_done {
                break;
            }
            if !more {
                return Err(Stop::Changed);
            }
        }
        if Stat::of(&file)?.is_unchanged(&stat) { Ok(()) } else { Err(Stop::Changed) }
    }

    /// Sends the outcome of a file whose parts have all ended.
    fn finish_file(&mut self, large: &Large) -> Result<(), Stop> {
        let slot = large.read.slot;
        let mut next = RunPosition { job: large.job, part: large.parts(), number: 0, offset: 0, slot };
        let outcome = match large.before.get() {
            Some(stat) if !large.seams.failed() => self.outcome_of_parts(large, *stat),
            _ => None,
        };
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => self.reread(large, &mut next)?,
        };
        let marks = vec![Mark { chunks: 0, outcome }];
        self.send_run(Run { ends: Ends::Job, marks, ..next.run() })
    }

    /// The outcome of a file that was read in parts; `None` if it changed since.
    fn outcome_of_parts(&self, large: &Large, before: Stat) -> Option<ItemOutcome> {
        let file = open(self.source, large.path()).ok().filter(|(_, stat)| stat.is_unchanged(&before));
        if file.is_none() && before.may_have_holes() {
            return None;
        }
        let file = file.as_ref().map(|(file, _)| file);
        Some(ItemOutcome::file(&large.read, before, file, self.xattrs))
    }

    /// Reads a file that changed or that could not be read from its beginning, until it no longer changes.
    fn reread(&mut self, large: &Large, next: &mut RunPosition) -> Result<ItemOutcome, Stop> {
        for attempt in 2.. {
            let marks = vec![Mark { chunks: 0, outcome: ItemOutcome::Retry }];
            next.offset = 0;
            self.send_run(Run { marks, ..next.run() })?;
            next.number += 1;
            thread::sleep(INGEST_RETRY_DELAY * (attempt - 1));
            match self.stream(large, next, self.takes_growing && attempt == INGEST_ATTEMPTS) {
                Ok((stat, file)) => {
                    return Ok(ItemOutcome::file(&large.read, stat, Some(&file), self.xattrs));
                }
                Err(Stop::Ended) => return Err(Stop::Ended),
                Err(Stop::Changed) if attempt < INGEST_ATTEMPTS => {}
                Err(stop) => return Ok(not_read(&large.read, &stop)),
            }
        }
        Err(Stop::Ended)
    }

    /// Reads the whole file once in this thread; returns its metadata and its handle.
    fn stream(
        &mut self,
        large: &Large,
        next: &mut RunPosition,
        may_grow: bool,
    ) -> Result<(Stat, File), Stop> {
        let (file, before) = open(self.source, large.path())?;
        let mut span = Span { file: &file, at: 0, end: before.size };
        let mut small = Vec::new();
        // The file may have been replaced by a key file. Its bytes are searched for secrets before any of
        // them is sent, and exactly the searched bytes are sent.
        if before.size <= INGEST_SEARCHED_BYTES {
            span.read_to_end(&mut small)?;
            if let Some(secret) = secret_in(&small) {
                return Err(Stop::Secret(secret));
            }
        }
        let mut source = small.as_slice().chain(span);
        let mut chunker = Chunker::new(Cutter::plain(large.read.profile), Arc::clone(&self.pool));
        loop {
            let mut run = next.run();
            let more = chunker.next_run(&mut source, CHUNKER_READ_BYTES, &mut run.chunks)?;
            next.offset += run.chunks.iter().map(|(chunk, _)| u64::from(chunk.len)).sum::<u64>();
            next.number += 1;
            self.send_run(run)?;
            if !more {
                break;
            }
        }
        let after = Stat::of(&file)?;
        let is_right = after.is_unchanged(&before) || may_grow && after.has_only_grown(&before);
        if is_right && next.offset == before.size { Ok((before, file)) } else { Err(Stop::Changed) }
    }
}

/// Records the cuts of a run for the other parts, and truncates the run where another part continues; returns
/// `true` if one does.
fn record_cuts(
    large: &Large,
    next: &mut RunPosition,
    chunks: &mut Vec<(ChunkRef, Bytes)>,
) -> Result<bool, Broken> {
    if chunks.is_empty() {
        return large.seams.ends_at(next.part, next.offset);
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
        if large.seams.ends_at(next.part, end)? {
            chunks.truncate(count);
            return Ok(true);
        }
    }
    Ok(false)
}

impl OldVersion {
    /// The old chunks around `offset`. If they cannot be read, there is no guide, and the file is scanned
    /// instead.
    fn guide(&self, store: &dyn Objects, offset: u64) -> Arc<Guide> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let span = known.guide.span();
        let quarter = (span.end - span.start) / 4;
        if !known.to_end && offset >= span.end - quarter {
            *known = self.read(store, offset.saturating_sub(quarter)).unwrap_or_else(|error| {
                tracing::warn!(%error, "the chunks of the old version cannot be read; the file is scanned");
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
        // The last chunk ends because the old file ends there. Its end is not a cut.
        if to_end {
            chunks.pop();
        }
        Ok(Known { guide: Arc::new(Guide::new(offset - before, chunks)), to_end })
    }
}

/// Wakes the waiting parts if a part ends without a report.
struct FailOnDrop<'a>(&'a Seams);

impl Drop for FailOnDrop<'_> {
    fn drop(&mut self) {
        self.0.fail();
    }
}

/// The position of the next run of a part.
#[derive(Clone, Copy, Debug)]
struct RunPosition {
    job: u64,
    part: u32,
    number: u32,
    offset: u64,
    slot: u8,
}

impl RunPosition {
    fn run(&self) -> Run {
        let Self { job, part, number, offset, slot } = *self;
        Run { job, part, number, offset, slot, ..Run::default() }
    }
}

/// A file from an offset on, up to the end that it had when it was opened.
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
