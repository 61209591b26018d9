//! The fetching half of a restore: carries out a plan as far as it only looks, and finds the bytes that must be written.
//!
//! Runs on the caller's thread and may block in the store. It looks at the destination and changes nothing in it.

use std::{
    collections::HashMap,
    fs::File,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use crossbeam_channel::Sender;

use super::{
    RestoreReport,
    action::{Action, OnDisk, Wanted},
    batch::{Batch, Draft},
    destination::Destination,
    failures::{FailureKind, Failures},
    held::{self, Windows},
    links::{Links, Shared},
    old::{Found, Old},
    range::read_batch,
    stat::{DiskKind, Stat},
    write::{Failed, Step, Target},
};
use crate::{
    chunk::chunker::BufferPool,
    error::{Error, Result},
    id::ChunkId,
    limits::BATCH_IDS,
    manifest::{ChunkRef, Entry, EntryPath, LinkTarget, cursor, extension},
    progress::{Change, Counts, Progress},
    store::Objects,
};

/// Bytes fetched and handed to the writer at a time.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Old files from this size on are cloned where that is possible: smaller ones are written sooner than cloned.
const CLONED_BYTES: u64 = 1024 * 1024;
/// Lengths of chunks whose zeros' id is remembered.
const ZERO_LENGTHS: usize = 64;
/// Extensions of an entry that a restore knows.
const KNOWN_EXTENSIONS: [u16; 2] = [extension::LINK_GROUP, extension::HOLES];

/// The fetching half of a restore.
pub(super) struct Fetcher<'a> {
    pub(super) store: &'a dyn Objects,
    /// `None` where the destination is not there, and not to be made.
    pub(super) destination: Option<Destination>,
    /// Whether equal size, time, change time and inode are no proof.
    pub(super) checks: bool,
    /// Which names belong together; `None` where every file is to be one of its own.
    pub(super) links: Option<Links<'a>>,
    pub(super) shared: Shared,
    pub(super) cancel: &'a AtomicBool,
    pub(super) progress: &'a mut dyn Progress,
    pub(super) pool: Arc<BufferPool>,
    pub(super) batch: Batch,
    /// `None` where nothing is to be done but said.
    pub(super) steps: Option<Sender<Vec<Step>>>,
    pub(super) counts: Counts,
    pub(super) report: RestoreReport,
    pub(super) failures: Failures,
    /// What was begun and could not be had.
    pub(super) failed: Failed,
    pub(super) zeros: HashMap<u32, ChunkId>,
}

impl Fetcher<'_> {
    /// Carries out a plan.
    pub(super) fn all(&mut self, plan: impl Iterator<Item = Result<Action>>) -> Result<()> {
        for action in plan {
            self.stop_if_cancelled()?;
            self.action(action?)?;
        }
        self.flush()
    }

    fn action(&mut self, action: Action) -> Result<()> {
        match action {
            Action::File { wanted, old, is_proved } => self.file(&wanted, old, is_proved),
            Action::Symlink { wanted, old } => self.symlink(&wanted, old),
            Action::Folder { wanted, old } => self.folder(&wanted, old),
            Action::EndFolder { path, entry } => self.step(Step::EndFolder(Target::new(&path, &entry, None))),
            Action::Remove(disk) => {
                self.report.files_removed += u64::from(self.is_dry());
                self.will(&disk.path, Change::Removed, Some(disk.stat.mark.size), None);
                self.step(Step::Remove(disk))
            }
            Action::RemoveTree(disk) => self.remove_tree(disk),
            Action::RemoveFolder(disk) => {
                self.report.folders_removed += u64::from(self.is_dry());
                self.will(&disk.path, Change::Removed, None, None);
                self.step(Step::RemoveFolder(disk))
            }
            Action::Stays { kind, remembered, .. } => {
                match kind {
                    DiskKind::Folder => self.report.folders_left += 1,
                    _ => self.report.files_left += 1,
                }
                remembered.map_or(Ok(()), |remembered| self.step(Step::Record(remembered)))
            }
            Action::Carry(remembered) => self.step(Step::Record(remembered)),
            Action::Failed { path, why, beneath } => {
                self.failures.add(&path, why.to_string(), FailureKind::Refused, beneath);
                Ok(())
            }
        }
    }

    const fn is_dry(&self) -> bool {
        self.steps.is_none()
    }

    /// Says what would be done.
    fn will(&mut self, path: &[u8], change: Change, size_old: Option<u64>, size_new: Option<u64>) {
        if self.is_dry() {
            self.progress.planned(&super::levels::shown(path), change, size_old, size_new);
        }
    }

    fn remove_tree(&mut self, disk: OnDisk) -> Result<()> {
        if self.is_dry() {
            self.count_tree(&disk.path);
        }
        self.step(Step::RemoveTree(disk))
    }

    fn folder(&mut self, wanted: &Wanted, old: Option<Stat>) -> Result<()> {
        if let Err(error) = check_known(&wanted.path, &wanted.entry) {
            return self.fail(&wanted.path, &error);
        }
        self.report.folders += 1;
        let target = Target::new(&wanted.path, &wanted.entry, None);
        match old {
            Some(old) if old.kind == DiskKind::Folder => {
                self.step(Step::Record(target.remembered(&old, false)))
            }
            old => {
                self.will(target.path.as_bytes(), Change::Made, None, None);
                self.step(Step::Folder(target, old))
            }
        }
    }

    fn symlink(&mut self, wanted: &Wanted, old: Option<Stat>) -> Result<()> {
        let Wanted { path, entry, .. } = wanted;
        let to = entry.target.as_ref().map(LinkTarget::as_str).unwrap_or_default();
        // Checked when the entry was read, and once more before it is made.
        let checked = check_known(path, entry).and_then(|()| LinkTarget::new(to, path).map(|_| ()));
        if let Err(error) = checked {
            return self.fail(path, &error);
        }
        self.report.links += 1;
        let target = Target::new(path, entry, old.as_ref());
        if let Some(old) = old.filter(|old| old.kind == DiskKind::Symlink && old.mark.mtime == entry.mtime) {
            let stands = self.destination.as_mut().and_then(|dest| dest.read_link(path.as_str()));
            if stands.as_deref() == Some(to.as_bytes()) {
                return self.step(Step::Record(target.remembered(&old, false)));
            }
        }
        self.gives_way(&target);
        self.will(target.path.as_bytes(), Change::Made, None, None);
        self.step(Step::Symlink(target, to.to_owned()))
    }

    /// Says that the folder in a target's place goes, with all that is in it.
    fn gives_way(&mut self, target: &Target) {
        if self.is_dry() && target.over_folder {
            self.count_tree(target.path.as_bytes());
        }
    }

    /// Counts what a dry run would remove with a folder.
    fn count_tree(&mut self, path: &[u8]) {
        let progress = &mut *self.progress;
        let mut seen = |below: &[u8]| {
            progress.planned(&super::levels::shown(below), Change::Removed, None, None);
        };
        let counted = self.destination.as_mut().map(|dest| dest.count_tree(path, &mut seen));
        if let Some((removed, outcome)) = counted {
            self.report.files_removed += removed.files;
            self.report.folders_removed += removed.folders;
            if let Err(error) = outcome {
                self.failures.push(path, &error);
            }
        }
        self.will(path, Change::Removed, None, None);
    }

    fn fail(&mut self, path: &EntryPath, error: &Error) -> Result<()> {
        self.failures.push(path.as_str().as_bytes(), error);
        Ok(())
    }

    fn file(&mut self, wanted: &Wanted, old: Option<Stat>, is_proved: bool) -> Result<()> {
        let Wanted { path, entry, .. } = wanted;
        if let Err(error) = check_known(path, entry) {
            return self.fail(path, &error);
        }
        let target = Target::new(path, entry, old.as_ref());
        if let Some(links) = &mut self.links
            && let Some(first) = links.first_of(path, entry)?
            && !self.failures.has(first.as_str())
        {
            self.gives_up(old.as_ref());
            return self.link(target, first.as_str().to_owned());
        }
        let kept = old.filter(|old| old.kind == DiskKind::File);
        if let Some(old) = kept.filter(|_| is_proved && !self.checks) {
            return self.kept(target, entry, &old);
        }
        let file = kept.and_then(|old| Some((old, self.open(path.as_str())?)));
        let outcome = match file {
            Some((old, file)) => match self.is_same(&file, entry, &old) {
                Ok(true) => return self.kept(target, entry, &old),
                Ok(false) => {
                    self.gives_up(Some(&old));
                    self.write(target, entry, Some((file, old.mark.size)))
                }
                Err(error) => Err(error),
            },
            None => self.write(target, entry, None),
        };
        match outcome {
            // A part of the manifest that is only this file's.
            Err(error @ (Error::Missing(_) | Error::Corrupt(_) | Error::Invalid(_))) => {
                if self.failures.has(path.as_str()) {
                    // It was taken off for its first bytes already, and is not counted.
                    self.failed.files -= 1;
                    self.failed.bytes -= entry.size;
                } else {
                    self.fail(path, &error)?;
                }
                self.step(Step::Abandon)
            }
            outcome => outcome,
        }
    }

    /// Takes note that what stands in a path's place does not stay there.
    fn gives_up(&mut self, old: Option<&Stat>) {
        if let Some(old) = old.filter(|old| old.kind == DiskKind::File) {
            self.shared.pass(old);
        }
    }

    /// The file at `path`. One that cannot be opened is as good as none: it can be replaced.
    fn open(&mut self, path: &str) -> Option<File> {
        self.destination.as_mut()?.open_file(path).ok().flatten()
    }

    /// A file whose content is right. Its time and mode are mended where they are not; where that cannot be,
    /// or would change another name of it, it is written anew. So is a file with other names that is to be
    /// one of its own, and one that is the file of another path already, of which the release does not say
    /// so. Other names that the release does not have do not matter: they are the user's own.
    fn kept(&mut self, target: Target, entry: &Entry, old: &Stat) -> Result<()> {
        let is_mended = old.mark.mtime == target.mtime && old.mode & 0o777 == target.mode;
        let is_to_part = self.links.is_none() && entry.link_group().is_some() && old.names > 1;
        let is_anew = is_to_part || (!is_mended && (!old.is_own() || old.names > 1));
        if is_anew {
            self.shared.pass(old);
        }
        if is_anew || self.shared.is_taken(old) {
            let file = self.open(&target.path);
            return self.write(target, entry, file.map(|file| (file, old.mark.size)));
        }
        self.report.files_unchanged += 1;
        self.count(entry.size);
        self.counts.bytes += entry.size;
        self.counts.bytes_saved += entry.size;
        if is_mended {
            return self.step(Step::Record(target.remembered(old, false)));
        }
        self.will(target.path.as_bytes(), Change::Mended, Some(entry.size), Some(entry.size));
        self.step(Step::Mend(target))
    }

    fn link(&mut self, target: Target, first: String) -> Result<()> {
        self.report.files_linked += 1;
        self.count(target.size);
        self.counts.bytes += target.size;
        self.counts.bytes_saved += target.size;
        if self.is_dry() {
            let mut look = |path: &str| self.destination.as_mut()?.look(path).ok().flatten();
            let (now, leads) = (look(&target.path), look(&first));
            if !now.zip(leads).is_some_and(|(now, leads)| now.is_same(&leads)) {
                self.gives_way(&target);
                self.will(target.path.as_bytes(), Change::Linked, None, Some(target.size));
            }
        }
        self.step(Step::Link(target, first))
    }

    fn count(&mut self, size: u64) {
        self.report.files += 1;
        self.report.bytes += size;
        self.counts.files += 1;
    }

    /// Whether a file holds what it shall.
    fn is_same(&mut self, file: &File, entry: &Entry, old: &Stat) -> Result<bool> {
        if old.mark.size != entry.size {
            return Ok(false);
        }
        for window in Windows::new(cursor::chunks(self.store, &entry.content)) {
            self.stop_if_cancelled()?;
            let (offset, window) = window?;
            if held::holds(file, offset, &window).contains(&false) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes a file; what `old`, of so many bytes, has of it is taken from there.
    fn write(&mut self, target: Target, entry: &Entry, old: Option<(File, u64)>) -> Result<()> {
        self.gives_way(&target);
        self.will(
            target.path.as_bytes(),
            Change::Written,
            old.as_ref().map(|(_, size)| *size),
            Some(entry.size),
        );
        if self.is_dry() {
            self.report.bytes_written += entry.size;
            self.counts.bytes += entry.size;
            self.count(entry.size);
            return Ok(());
        }
        // A clone has no holes where the old file had none.
        let mut old = old.filter(|_| target.holes.is_empty()).map(|(file, size)| {
            let clone = self.destination.as_mut().filter(|_| size >= CLONED_BYTES);
            let clone = clone.and_then(|destination| destination.clone_of(&file));
            Old::new(file, clone, entry.profile, &self.pool)
        });
        let (path, holes) = (target.path.clone(), target.holes.clone());
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
            let (mut found, mut at) = (found.into_iter(), offset);
            for chunk in window {
                let next = at.saturating_add(chunk.len.into());
                if self.is_hole(&chunk, at..next, &holes) {
                    self.counts.bytes += u64::from(chunk.len);
                    self.step(Step::Hole(chunk.len))?;
                } else {
                    self.chunk(chunk, found.next().unwrap_or(Found::Nothing))?;
                }
                at = next;
            }
        }
        if let Some(target) = target {
            self.begin(target, None, &path)?;
        }
        self.count(entry.size);
        self.step(Step::End)
    }

    fn begin(&mut self, target: Target, base: Option<File>, path: &str) -> Result<()> {
        let size = target.size;
        self.step(Step::Begin(target, base))?;
        self.batch.files.push((self.batch.wanted.len(), path.to_owned(), size));
        Ok(())
    }

    /// Whether a chunk is zeros that lie in a hole: its id says so, and it need not be read.
    fn is_hole(&mut self, chunk: &ChunkRef, place: Range<u64>, holes: &[Range<u64>]) -> bool {
        let next = holes.partition_point(|hole| hole.end < place.end);
        if holes.get(next).is_none_or(|hole| hole.start > place.start) {
            return false;
        }
        if self.zeros.len() >= ZERO_LENGTHS {
            self.zeros.clear();
        }
        let zeros = || ChunkId::of(&vec![0; chunk.len as usize]);
        *self.zeros.entry(chunk.len).or_insert_with(zeros) == chunk.id
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
        if !self.is_dry() {
            self.batch.steps.push(Draft::Step(step));
        }
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
        self.batch.files.extend(batch.files.last().map(|(_, path, size)| (0, path.clone(), *size)));
        let mut read = self.read(&batch)?.into_iter();
        let steps = batch.steps.into_iter().map(|draft| match draft {
            Draft::Step(step) => step,
            Draft::Wanted => read.next().flatten().map_or(Step::Abandon, Step::Bytes),
        });
        if let Some(sender) = &self.steps {
            // The receiver is gone where the writer has failed, and says why.
            sender.send(steps.collect()).map_err(|_| Error::Cancelled)?;
        }
        self.progress.advanced(&self.counts);
        Ok(())
    }

    /// Reads the chunks that a batch wants; `None` for one that cannot be had, whose file is listed as failed.
    fn read(&mut self, batch: &Batch) -> Result<Vec<Option<Bytes>>> {
        if batch.wanted.is_empty() {
            return Ok(Vec::new());
        }
        match read_batch(self.store, &batch.wanted, |at| batch.context(at)) {
            Ok(read) => return Ok(read.into_iter().map(Some).collect()),
            Err(Error::Missing(_) | Error::Corrupt(_) | Error::Invalid(_)) => {}
            Err(error) => return Err(error),
        }
        let mut read = Vec::with_capacity(batch.wanted.len());
        for (at, chunk) in batch.wanted.iter().enumerate() {
            let (path, size) = batch.file(at);
            let one = match read_batch(self.store, std::slice::from_ref(chunk), |_| batch.context(at)) {
                Ok(mut one) => one.pop(),
                Err(error @ (Error::Missing(_) | Error::Corrupt(_) | Error::Invalid(_))) => {
                    if !self.failures.has(path) {
                        self.failures.push(path.as_bytes(), &error);
                        self.failed.files += 1;
                        self.failed.bytes += size;
                    }
                    None
                }
                Err(error) => return Err(error),
            };
            read.push(one);
        }
        Ok(read)
    }

    fn stop_if_cancelled(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Refuses an entry of which this version does not know all that it must.
fn check_known(path: &EntryPath, entry: &Entry) -> Result<()> {
    match entry.unknown_critical(&KNOWN_EXTENSIONS) {
        None => Ok(()),
        Some(tag) => Err(Error::Invalid(format!(
            "{:?} needs a newer version of chuan (extension {tag}); update, then restore again",
            path.as_str()
        ))),
    }
}
