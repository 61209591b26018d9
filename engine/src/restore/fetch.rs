//! The fetching half of a restore: carries out a plan as far as it only reads, and finds the bytes that must
//! be written.
//!
//! Runs on the caller's thread and may block in the store. It reads the destination and changes nothing in
//! it.

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

use super::{
    RestoreReport,
    action::{Action, OnDisk, Wanted, check_known},
    batch::{Batch, Draft},
    destination::Destination,
    failures::{FailureKind, Failures},
    held::{self, Windows},
    links::{Links, Shared},
    old::{Found, Old},
    range::read_batch,
    small::Outlet,
    stat::{DiskKind, Stat},
    write::{Failed, Step, Target},
};
use crate::{
    chunk::chunker::BufferPool,
    error::{Error, Result},
    id::ChunkId,
    limits::{BATCH_IDS, XATTR_BYTES},
    manifest::{ChunkRef, Entry, EntryPath, LinkTarget, cursor},
    progress::{Change, Counts, Progress},
    store::Objects,
    xattr,
};

/// Bytes fetched and sent to the writer at a time.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Old files from this size on are cloned if possible: writing a smaller file is faster than cloning it.
const CLONED_BYTES: u64 = 1024 * 1024;
/// Maximum number of chunk lengths whose id of zeros is cached.
const ZERO_LENGTHS: usize = 64;

/// The fetching half of a restore.
pub(super) struct Fetcher<'a> {
    pub(super) store: &'a dyn Objects,
    /// `None` if the destination does not exist and must not be created.
    pub(super) destination: Option<Destination>,
    /// Whether to compare content even if size, times and inode equal those of the record.
    pub(super) checks: bool,
    /// The link groups; `None` if every path gets a file of its own.
    pub(super) links: Option<Links<'a>>,
    /// Whether extended attributes are restored.
    pub(super) xattrs: bool,
    pub(super) shared: Shared,
    pub(super) cancel: &'a AtomicBool,
    pub(super) progress: &'a mut dyn Progress,
    pub(super) pool: Arc<BufferPool>,
    pub(super) batch: Batch,
    /// `None` in a dry run.
    pub(super) steps: Option<Outlet>,
    pub(super) counts: Counts,
    pub(super) report: RestoreReport,
    pub(super) failures: Failures,
    /// Files that were begun and whose chunks could not be read.
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
                self.planned(&disk.path, Change::Removed, Some(disk.stat.mark.size), None);
                self.step(Step::Remove(disk))
            }
            Action::RemoveTree(disk) => self.remove_tree(disk),
            Action::RemoveFolder(disk) => {
                self.report.folders_removed += u64::from(self.is_dry());
                self.planned(&disk.path, Change::Removed, None, None);
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
            Action::Failed { path, reason, beneath } => {
                self.failures.add(&path, reason.to_string(), FailureKind::Refused, beneath);
                Ok(())
            }
        }
    }

    const fn is_dry(&self) -> bool {
        self.steps.is_none()
    }

    /// Reports a planned change in a dry run.
    fn planned(&mut self, path: &[u8], change: Change, size_old: Option<u64>, size_new: Option<u64>) {
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
                if let Some(old) = &old {
                    self.planned(target.path.as_bytes(), Change::Removed, Some(old.mark.size), None);
                }
                self.planned(target.path.as_bytes(), Change::Made, None, None);
                self.step(Step::Folder(target, old))
            }
        }
    }

    fn symlink(&mut self, wanted: &Wanted, old: Option<Stat>) -> Result<()> {
        let Wanted { path, entry, .. } = wanted;
        let to = entry.target.as_ref().map(LinkTarget::as_str).unwrap_or_default();
        // The target was checked when the entry was read. It is checked once more before the link is made.
        let checked = check_known(path, entry).and_then(|()| LinkTarget::new(to, path).map(|_| ()));
        if let Err(error) = checked {
            return self.fail(path, &error);
        }
        self.report.links += 1;
        let target = Target::new(path, entry, old.as_ref());
        if let Some(old) = old.filter(|old| old.kind == DiskKind::Symlink && old.mark.mtime == entry.mtime) {
            let found = self.destination.as_mut().and_then(|dest| dest.read_link(path.as_str()));
            if found.as_deref() == Some(to.as_bytes()) {
                return self.step(Step::Record(target.remembered(&old, false)));
            }
        }
        self.report_replaced(&target);
        self.planned(target.path.as_bytes(), Change::Made, None, None);
        self.step(Step::Symlink(target, to.to_owned()))
    }

    /// Reports, in a dry run, that the folder in a target's place is removed with its content.
    fn report_replaced(&mut self, target: &Target) {
        if self.is_dry() && target.over_folder {
            self.count_tree(target.path.as_bytes());
        }
    }

    /// Counts and reports the items that a dry run would remove with a folder.
    fn count_tree(&mut self, path: &[u8]) {
        let progress = &mut *self.progress;
        let mut seen = |below: &[u8], size: Option<u64>| {
            progress.planned(&super::levels::shown(below), Change::Removed, size, None);
        };
        let counted = self.destination.as_mut().map(|dest| dest.count_tree(path, &mut seen));
        if let Some((removed, outcome)) = counted {
            self.report.files_removed += removed.files;
            self.report.folders_removed += removed.folders;
            if let Err(error) = outcome {
                self.failures.push(path, &error);
            }
        }
        self.planned(path, Change::Removed, None, None);
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
        let mut target = Target::new(path, entry, old.as_ref());
        let xattrs = entry.xattrs();
        self.report.xattrs_left += u64::from(!self.xattrs && !xattrs.is_empty());
        target.xattrs = self.xattrs.then_some(xattrs);
        if let Some(links) = &mut self.links
            && let Some(first) = links.first_of(path, entry)?
            && !self.failures.has(first.as_str())
        {
            self.note_replaced(old.as_ref());
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
                    self.note_replaced(Some(&old));
                    self.write(target, entry, Some((file, old.mark.size)))
                }
                Err(error) => Err(error),
            },
            None => self.write(target, entry, None),
        };
        match outcome {
            // The error is in a part of the manifest that belongs only to this file.
            Err(error @ (Error::Missing(_) | Error::Corrupt(_) | Error::Invalid(_))) => {
                if self.failures.has(path.as_str()) {
                    // `failed` includes the file because of its first chunks. The report does not count it,
                    // so it is taken out of `failed`.
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

    /// Notes that the old file at a path does not stay there.
    fn note_replaced(&mut self, old: Option<&Stat>) {
        if let Some(old) = old.filter(|old| old.kind == DiskKind::File) {
            self.shared.pass(old);
        }
    }

    /// The file at `path`. A file that cannot be opened is treated as missing: it can be replaced.
    fn open(&mut self, path: &str) -> Option<File> {
        self.destination.as_mut()?.open_file(path).ok().flatten()
    }

    /// Handles a file whose content is right. Its time and mode are corrected if they differ. The file is
    /// written anew if they cannot be corrected, or if the correction would change another name of the file.
    /// It is also written anew if it has other names but must be a file of its own, and if it is already the
    /// file of another path although the release does not link the two. Names that the release does not have
    /// do not matter: they belong to the user.
    fn kept(&mut self, target: Target, entry: &Entry, old: &Stat) -> Result<()> {
        let is_mended =
            old.mark.mtime == target.mtime && old.mode & 0o777 == target.mode && self.has_xattrs(&target);
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
        self.planned(target.path.as_bytes(), Change::Mended, Some(entry.size), Some(entry.size));
        self.step(Step::Mend(target))
    }

    /// Whether a file has the extended attributes that it gets. Attributes that cannot be read count as
    /// wrong.
    fn has_xattrs(&mut self, target: &Target) -> bool {
        let Some(wanted) = &target.xattrs else { return true };
        let read = self.open(&target.path).map(|file| xattr::read(file, XATTR_BYTES));
        matches!(read, Some(Ok((found, false))) if found == *wanted)
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
                self.report_replaced(&target);
                self.planned(target.path.as_bytes(), Change::Linked, None, Some(target.size));
            }
        }
        self.step(Step::Link(target, first))
    }

    fn count(&mut self, size: u64) {
        self.report.files += 1;
        self.report.bytes += size;
        self.counts.files += 1;
    }

    /// Whether a file has the content of its entry.
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

    /// Writes a file, and reuses the bytes of the old file, which is given with its size.
    fn write(&mut self, target: Target, entry: &Entry, old: Option<(File, u64)>) -> Result<()> {
        self.report_replaced(&target);
        let size_old = old.as_ref().map(|(_, size)| *size);
        self.planned(target.path.as_bytes(), Change::Written, size_old, Some(entry.size));
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

    /// Whether a chunk is all zeros and is in a hole: its id proves it, and the chunk need not be read.
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

    /// Reads the wanted chunks and sends the batch to the writer.
    fn flush(&mut self) -> Result<()> {
        self.stop_if_cancelled()?;
        let batch = std::mem::take(&mut self.batch);
        // The open file continues in the next batch.
        self.batch.files.extend(batch.files.last().map(|(_, path, size)| (0, path.clone(), *size)));
        let mut read = self.read(&batch)?.into_iter();
        let steps = batch.steps.into_iter().map(|draft| match draft {
            Draft::Step(step) => step,
            Draft::Wanted => read.next().flatten().map_or(Step::Abandon, Step::Bytes),
        });
        if let Some(outlet) = &self.steps {
            outlet.send(steps)?;
        }
        self.progress.advanced(&self.counts);
        Ok(())
    }

    /// Reads the chunks of a batch; `None` for a chunk that cannot be read, whose file is listed as failed.
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
