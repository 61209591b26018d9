//! The fetching half of a restore: decides for every entry what must be written, and finds the bytes.
//!
//! Runs on the caller's thread and may block in the store. It looks at the destination and changes nothing in it.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use crossbeam_channel::Sender;

use super::{
    RestoreReport,
    held::{self, Windows},
    old::{Found, Old},
    place::{Place, Standing, in_the_way},
    range::read_batch,
    write::{Step, Target},
};
use crate::{
    chunk::chunker::BufferPool,
    error::{Error, Result},
    limits::BATCH_IDS,
    manifest::{ChunkRef, Entry, EntryKind, EntryPath, cursor},
    progress::{Counts, Progress},
    store::Objects,
};

/// Bytes fetched and handed to the writer at a time.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Old files from this size on are cloned where that is possible: smaller ones are written sooner than cloned.
const CLONED_BYTES: u64 = 1024 * 1024;

/// The fetching half of a restore.
pub(super) struct Fetcher<'a> {
    pub(super) store: &'a dyn Objects,
    pub(super) place: &'a mut Place,
    pub(super) check: bool,
    pub(super) cancel: &'a AtomicBool,
    pub(super) progress: &'a mut dyn Progress,
    pub(super) pool: Arc<BufferPool>,
    pub(super) batch: Batch,
    /// The directory that the writer was last told to enter.
    pub(super) entered: Option<String>,
    pub(super) steps: Sender<Vec<Step>>,
    pub(super) counts: Counts,
    pub(super) report: RestoreReport,
}

/// Steps on their way to the writer, some still without their bytes.
#[derive(Default)]
pub(super) struct Batch {
    steps: Vec<Draft>,
    wanted: Vec<ChunkRef>,
    bytes: usize,
    /// The files begun, each with how many chunks were wanted before it.
    files: Vec<(usize, String)>,
}

impl Batch {
    /// Begins an error about the wanted chunk `at`.
    fn file(&self, at: usize) -> String {
        let file = self.files.iter().rev().find(|(first, _)| *first <= at);
        file.map_or_else(String::new, |(_, path)| format!("{path:?}: "))
    }
}

enum Draft {
    Step(Step),
    /// The bytes of the next wanted chunk.
    Wanted,
}

impl Fetcher<'_> {
    /// Fetches all that `entries` need.
    pub(super) fn all(&mut self, entries: impl Iterator<Item = Result<(EntryPath, Entry)>>) -> Result<()> {
        for entry in entries {
            let (path, entry) = entry?;
            self.entry(path.as_str(), &entry)?;
        }
        self.flush()
    }

    fn entry(&mut self, path: &str, entry: &Entry) -> Result<()> {
        self.stop_if_cancelled()?;
        self.enter(path)?;
        let target = Target::new(path, entry);
        // Links are passed over.
        if entry.kind == EntryKind::Symlink {
            return Ok(());
        }
        if entry.kind == EntryKind::Folder {
            self.report.directories += 1;
            return self.step(Step::Dir(target));
        }
        let old = match self.place.look(path)? {
            Standing::File { size, mtime, mode } => {
                let is_mended = mtime == target.mtime && mode & 0o777 == target.mode;
                if size == entry.size && mtime == entry.mtime && !self.check {
                    return self.unchanged(target, is_mended);
                }
                let Some(file) = self.place.open_file(path)? else { return self.file(target, entry, None) };
                if size == entry.size && self.is_same(&file, entry)? {
                    return self.unchanged(target, is_mended);
                }
                let clone = if size < CLONED_BYTES { None } else { self.place.clone_of(&file) };
                Some(Old::new(file, clone, entry.profile, &self.pool))
            }
            Standing::Directory => return Err(in_the_way(path)),
            Standing::Nothing | Standing::Other => None,
        };
        self.file(target, entry, old)
    }

    /// Tells the writer of a new directory, even if nothing will be written there: an unfinished file may be in it.
    fn enter(&mut self, path: &str) -> Result<()> {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        if self.entered.as_deref() == Some(directory) {
            return Ok(());
        }
        self.entered = Some(directory.to_owned());
        self.step(Step::Enter(path.to_owned()))
    }

    /// A file's content is left as it is, and so are time and mode unless they must be mended.
    fn unchanged(&mut self, target: Target, is_mended: bool) -> Result<()> {
        self.report.files += 1;
        self.report.files_unchanged += 1;
        self.report.bytes += target.size;
        self.counts.files += 1;
        self.counts.bytes += target.size;
        self.counts.bytes_saved += target.size;
        if is_mended { Ok(()) } else { self.step(Step::Mend(target)) }
    }

    /// Whether a file of the right size holds what it shall.
    fn is_same(&mut self, file: &File, entry: &Entry) -> Result<bool> {
        for window in Windows::new(cursor::chunks(self.store, &entry.content)) {
            self.stop_if_cancelled()?;
            let (offset, window) = window?;
            if held::holds(file, offset, &window).contains(&false) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn file(&mut self, target: Target, entry: &Entry, mut old: Option<Old>) -> Result<()> {
        let path = target.path.clone();
        let mut target = Some(target);
        for window in Windows::new(cursor::chunks(self.store, &entry.content)) {
            self.stop_if_cancelled()?;
            let (offset, window) = window?;
            let cancel = self.cancel;
            let found = old.as_mut().map(|old| old.find(offset, &window, || cancel.load(Ordering::Relaxed)));
            let found = found.unwrap_or_default();
            if let Some(target) = target.take() {
                let base = old.as_mut().map(|old| old.base(&found)).transpose()?.flatten();
                self.begin(target, base, &path)?;
            }
            let mut found = found.into_iter();
            for chunk in window {
                self.chunk(chunk, found.next().unwrap_or(Found::Nothing))?;
            }
        }
        if let Some(target) = target {
            self.begin(target, None, &path)?;
        }
        self.report.files += 1;
        self.report.bytes += entry.size;
        self.counts.files += 1;
        self.step(Step::End)
    }

    fn begin(&mut self, target: Target, base: Option<File>, path: &str) -> Result<()> {
        self.step(Step::Begin(target, base))?;
        self.batch.files.push((self.batch.wanted.len(), path.to_owned()));
        Ok(())
    }

    fn chunk(&mut self, chunk: ChunkRef, found: Found) -> Result<()> {
        let len = u64::from(chunk.len);
        self.counts.bytes += len;
        if found != Found::Nothing {
            self.counts.bytes_saved += len;
        }
        if found != Found::InPlace {
            self.report.bytes_written += len;
            self.batch.bytes += usize::try_from(len).unwrap_or_default();
        }
        self.batch.steps.push(match found {
            Found::InPlace => Draft::Step(Step::Keep(chunk.len)),
            Found::Bytes(bytes) => {
                self.report.bytes_reused += len;
                Draft::Step(Step::Bytes(bytes))
            }
            Found::Nothing => {
                self.batch.wanted.push(chunk);
                Draft::Wanted
            }
        });
        self.flush_if_full()
    }

    fn step(&mut self, step: Step) -> Result<()> {
        self.batch.steps.push(Draft::Step(step));
        self.flush_if_full()
    }

    fn flush_if_full(&mut self) -> Result<()> {
        let Batch { steps, wanted, bytes, .. } = &self.batch;
        let is_full = *bytes >= BATCH_BYTES || wanted.len() >= BATCH_IDS || steps.len() >= 4 * BATCH_IDS;
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Reads what is wanted and hands the batch to the writer.
    fn flush(&mut self) -> Result<()> {
        self.stop_if_cancelled()?;
        let batch = std::mem::take(&mut self.batch);
        // The file that is open goes on in the next batch.
        self.batch.files.extend(batch.files.last().map(|(_, path)| (0, path.clone())));
        let mut read = match batch.wanted.as_slice() {
            [] => Vec::new(),
            wanted => read_batch(self.store, wanted, |at| batch.file(at))?,
        }
        .into_iter();
        let steps = batch.steps.into_iter().map(|draft| match draft {
            Draft::Step(step) => step,
            Draft::Wanted => Step::Bytes(read.next().unwrap_or_else(Bytes::new)),
        });
        // Nobody receives: the writer has failed, and says why.
        self.steps.send(steps.collect()).map_err(|_| Error::Cancelled)?;
        self.progress.advanced(&self.counts);
        Ok(())
    }

    fn stop_if_cancelled(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}
