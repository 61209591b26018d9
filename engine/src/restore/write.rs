//! The writing half of a restore: takes steps in order, on its own thread, and writes files.
//!
//! A file is written without a name in the destination. It is moved to its path when it is complete, with its
//! time and mode already set, so that no reader ever sees an incomplete file. This module decides nothing:
//! the bytes to write, and their source, are decided before. A step that fails is listed, and the next step
//! follows; only a full or read-only destination ends the work.

use std::{fs::File, ops::Range, os::fd::AsFd};

use bytes::Bytes;
use crossbeam_channel::Receiver;
use rustix::fs::{Mode, Timespec, Timestamps, UTIME_OMIT, fchmod, futimens};

use super::{
    action::{OnDisk, content_id},
    destination::Destination,
    failures::Failures,
    journal::Journal,
    locks::Hold,
    output::{Buffer, Output},
    record::Remembered,
    small::{Made, Steps},
    stat::{DiskKind, Stat},
    temp::Temp,
};
use crate::{
    error::{Error, Result},
    id::ChunkId,
    limits::RESTORE_DIRECT_BYTES,
    manifest::{Entry, EntryKind, EntryPath, Timestamp},
    xattr::{self, Xattrs},
};

/// One step of the writer.
#[derive(Debug)]
pub(super) enum Step {
    /// Begin a file, as a clone of another file if one is given.
    Begin(Target, Option<File>),
    /// Its next bytes.
    Bytes(Bytes),
    /// Keep this many bytes of the clone.
    Keep(u32),
    /// Skip this many bytes: zeros in a hole.
    Hole(u32),
    /// End the file: it is complete.
    End,
    /// Move the next small file of the batch to its path.
    Small,
    /// Give up the file: its bytes cannot be read, and the failure is listed already.
    Abandon,
    /// Set the time and mode of a file whose content is right already.
    Mend(Target),
    /// Make a symbolic link with the given target.
    Symlink(Target, String),
    /// Make a file a hard link to another one.
    Link(Target, String),
    /// Make a folder, in the place of a file or link if one is given.
    Folder(Target, Option<Stat>),
    /// Set the time and mode of a folder whose content is done.
    EndFolder(Target),
    Remove(OnDisk),
    RemoveTree(OnDisk),
    RemoveFolder(OnDisk),
    /// Record an item that is right already, or that stays.
    Record(Remembered),
}

/// The wanted state of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: String,
    pub(super) kind: EntryKind,
    pub(super) size: u64,
    pub(super) mtime: Timestamp,
    /// Without set-user-id, set-group-id and sticky bits: a publisher must not be able to give any user more
    /// rights here.
    pub(super) mode: u16,
    /// The id of its content in the record.
    pub(super) content: ChunkId,
    pub(super) holes: Vec<Range<u64>>,
    /// The extended attributes that it gets; `None` if they are left as they are.
    pub(super) xattrs: Option<Xattrs>,
    /// Whether the walk of the destination found nothing at the path.
    pub(super) is_new: bool,
    /// Whether it replaces a folder.
    pub(super) over_folder: bool,
}

impl Target {
    pub(super) fn new(path: &EntryPath, entry: &Entry, old: Option<&Stat>) -> Self {
        Self {
            path: path.as_str().to_owned(),
            kind: entry.kind,
            size: entry.size,
            mtime: entry.mtime,
            mode: entry.mode & 0o777,
            content: content_id(entry),
            holes: entry.holes(),
            xattrs: None,
            is_new: old.is_none(),
            over_folder: old.is_some_and(|old| old.kind == DiskKind::Folder),
        }
    }

    /// Checks that the file has as many bytes as its entry says.
    pub(super) fn check_size(&self, taken: u64) -> Result<()> {
        let Self { path, size, .. } = self;
        if taken == *size {
            return Ok(());
        }
        Err(Error::Corrupt(format!("{path:?} has {taken} bytes of chunks but a size of {size}")))
    }

    /// The record entry for it, with its current metadata.
    pub(super) fn remembered(&self, stat: &Stat, is_linked: bool) -> Remembered {
        let (path, kind, content) = (self.path.clone(), self.kind, self.content);
        let mark = if kind == EntryKind::Folder { super::stat::Mark::default() } else { stat.mark };
        Remembered { path, kind, mark, content, is_linked }
    }
}

/// The result of the writing half.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) destination: Destination,
    pub(super) journal: Option<Journal>,
    pub(super) failures: Failures,
    /// The failed files with their bytes, links and folders.
    pub(super) failed: Failed,
    pub(super) files_removed: u64,
    pub(super) folders_removed: u64,
}

/// Counts of items that could not be restored.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failed {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) links: u64,
    pub(super) folders: u64,
}

impl Failed {
    fn count(&mut self, target: &Target) {
        match target.kind {
            EntryKind::File => {
                self.files += 1;
                self.bytes += target.size;
            }
            EntryKind::Symlink => self.links += 1,
            EntryKind::Folder => self.folders += 1,
        }
    }
}

/// Carries out steps until there are no more, or until the destination accepts no more writes.
pub(super) fn write(
    destination: Destination,
    journal: Option<Journal>,
    steps: &Receiver<Steps>,
) -> (Written, Result<()>) {
    let written = Written {
        destination,
        journal,
        failures: Failures::default(),
        failed: Failed::default(),
        files_removed: 0,
        folders_removed: 0,
    };
    let mut writer = Writer { done: written, buffer: Buffer::default(), open: None, is_without_links: false };
    let outcome = steps.iter().try_for_each(|steps| writer.carry_out(steps));
    writer.discard();
    (writer.done, outcome)
}

/// The state of the writing thread.
pub(super) struct Writer {
    pub(super) done: Written,
    buffer: Buffer,
    open: Option<Unfinished>,
    /// Whether the destination has refused a hard link, which is logged once.
    pub(super) is_without_links: bool,
}

/// A file that is being written.
struct Unfinished {
    target: Target,
    temp: Temp,
    output: Output,
}

impl Writer {
    fn carry_out(&mut self, steps: Steps) -> Result<()> {
        let (steps, mut made) = steps.open();
        // Consecutive bytes of one file are written together.
        let mut bytes = Vec::new();
        for step in steps {
            if let Step::Bytes(more) = step {
                bytes.push(more);
                continue;
            }
            self.flush(&mut bytes)?;
            match step {
                Step::Small => made.next().map_or(Ok(()), |made| self.put_small(made))?,
                step => self.step(step)?,
            }
        }
        self.flush(&mut bytes)
    }

    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Begin(target, base) => {
                let begun = self.begin(&target, base.as_ref());
                let open = self.noted(&target, begun)?;
                self.open = open.map(|(temp, output)| Unfinished { target, temp, output });
            }
            Step::Bytes(_) | Step::Small => {}
            Step::Keep(bytes) => self.output(|output, _| output.keep(bytes))?,
            Step::Hole(bytes) => self.output(|output, _| output.hole(bytes))?,
            Step::End => self.end()?,
            Step::Abandon => {
                if let Some(target) = self.discard() {
                    self.done.failures.mark(target.path.as_bytes());
                }
            }
            Step::Mend(target) => {
                let mended = self.mend(&target);
                self.record(&target, mended, false)?;
            }
            Step::Symlink(target, to) => {
                let made = self.symlink(&target, &to);
                self.record(&target, made, false)?;
            }
            Step::Link(target, first) => {
                let made = self.link(&target, &first);
                self.record(&target, made, true)?;
            }
            Step::Folder(target, old) => {
                let made = self.done.destination.make_folder(&target.path, old.as_ref());
                if self.noted(&target, made)?.is_some() {
                    self.remember(target.remembered(&Stat::default(), false));
                }
            }
            Step::EndFolder(target) => {
                let ended = self.end_folder(&target);
                // The folder itself exists: it is not counted as failed.
                self.listed(target.path.as_bytes(), ended)?;
            }
            Step::Remove(disk) => {
                let removed = self.done.destination.remove(&disk.path, &disk.stat);
                self.done.files_removed += u64::from(self.listed(&disk.path, removed)?.is_some());
            }
            Step::RemoveTree(disk) => {
                let (removed, outcome) = self.done.destination.remove_tree(&disk.path);
                self.done.files_removed += removed.files;
                self.done.folders_removed += removed.folders;
                self.listed(&disk.path, outcome)?;
            }
            Step::RemoveFolder(disk) => {
                let removed = self.done.destination.remove_folder(&disk.path);
                self.done.folders_removed += u64::from(self.listed(&disk.path, removed)? == Some(true));
            }
            Step::Record(remembered) => self.remember(remembered),
        }
        Ok(())
    }

    /// Lists a failure; returns an error only if nothing more can be written.
    fn listed<T>(&mut self, path: &[u8], outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(done) => Ok(Some(done)),
            Err(error) if is_final(&error) => Err(error),
            Err(error) => {
                self.done.failures.push(path, &error);
                Ok(None)
            }
        }
    }

    /// Like [`Writer::listed`], for an entry of the release.
    fn noted<T>(&mut self, target: &Target, outcome: Result<T>) -> Result<Option<T>> {
        let done = self.listed(target.path.as_bytes(), outcome)?;
        if done.is_none() {
            self.done.failed.count(target);
        }
        Ok(done)
    }

    fn record(&mut self, target: &Target, done: Result<Stat>, is_linked: bool) -> Result<()> {
        if let Some(stat) = self.noted(target, done)? {
            self.remember(target.remembered(&stat, is_linked));
        }
        Ok(())
    }

    fn remember(&mut self, remembered: Remembered) {
        if let Some(journal) = &mut self.done.journal {
            journal.push(remembered);
        }
    }

    fn begin(&mut self, target: &Target, base: Option<&File>) -> Result<(Temp, Output)> {
        let is_direct = base.is_none() && target.holes.is_empty() && target.size >= RESTORE_DIRECT_BYTES;
        let (file, temp) = self.done.destination.create(&target.path, is_direct)?;
        let begun = match base {
            Some(base) => Output::begin_from(file, target.size, base),
            None => Output::begin(file, target.size, is_direct, target.holes.clone(), &mut self.buffer),
        };
        begun.map(|output| (temp, output)).map_err(|error| failed(target, error))
    }

    /// Runs `work` on the open file, if there is one.
    fn output(&mut self, work: impl FnOnce(&mut Output, &mut Buffer) -> std::io::Result<()>) -> Result<()> {
        let Some(Unfinished { target, output, .. }) = &mut self.open else { return Ok(()) };
        match work(output, &mut self.buffer).map_err(|error| failed(target, error)) {
            Ok(()) => Ok(()),
            Err(error) => {
                let Some(target) = self.discard() else { return Ok(()) };
                self.noted(&target, Err::<(), _>(error)).map(|_| ())
            }
        }
    }

    fn flush(&mut self, bytes: &mut Vec<Bytes>) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(bytes);
        self.output(|output, buffer| output.write(&bytes, buffer))
    }

    /// Drops the open file, and removes its unfinished bytes.
    fn discard(&mut self) -> Option<Target> {
        let Unfinished { target, temp, .. } = self.open.take()?;
        temp.discard();
        Some(target)
    }

    /// Moves the open file to its path.
    fn end(&mut self) -> Result<()> {
        let Some(Unfinished { target, temp, mut output }) = self.open.take() else { return Ok(()) };
        let put = self.put(&target, &temp, &mut output);
        if put.is_err() {
            temp.discard();
        }
        self.record(&target, put, false)
    }

    fn put(&mut self, target: &Target, temp: &Temp, output: &mut Output) -> Result<Stat> {
        target.check_size(output.taken)?;
        output.end(&mut self.buffer).map_err(|error| failed(target, error))?;
        self.set_xattrs(&output.file, target);
        set(&output.file, target)?;
        self.finish(target, temp)?;
        // Read only now: the move changed the file's ctime.
        Stat::of(&output.file).map_err(|error| failed(target, error))
    }

    /// Moves a small file to its path.
    fn put_small(&mut self, Made { target, outcome }: Made) -> Result<()> {
        let put = outcome.and_then(|(temp, made)| {
            let put = self.finish(&target, &temp);
            if put.is_err() {
                temp.discard();
            }
            put.map(|()| made)
        });
        // The move changed the file's ctime. Only the record needs it; another process's file in its place
        // must not get into the record.
        let put = put.map(|made| {
            let is_recorded = self.done.journal.is_some();
            let now = is_recorded.then(|| self.done.destination.look(&target.path).ok().flatten()).flatten();
            now.filter(|now| now.is_same(&made) && now.mark.has_same_content(&made.mark)).unwrap_or(made)
        });
        self.record(&target, put, false)
    }

    /// Sets the extended attributes of a file, if that was requested. A failure is listed, and the file
    /// stays: its content is more than its attributes.
    pub(super) fn set_xattrs(&mut self, file: &File, target: &Target) {
        if let Some(wanted) = &target.xattrs
            && let Err(error) = xattr::set(file, wanted)
        {
            let what = format!("setting extended attributes of {:?} in the destination", target.path);
            self.done.failures.push(target.path.as_bytes(), &Error::io(what, error.into()));
        }
    }

    pub(super) fn finish(&mut self, target: &Target, temp: &Temp) -> Result<()> {
        if !target.over_folder {
            return self.done.destination.finish(&target.path, temp, target.is_new);
        }
        let removed = self.done.destination.finish_over_folder(&target.path, temp)?;
        self.done.files_removed += removed.files;
        self.done.folders_removed += removed.folders;
        Ok(())
    }

    fn mend(&mut self, target: &Target) -> Result<Stat> {
        let vanished =
            || Error::Busy(format!("{:?} in the destination vanished while the restore ran", target.path));
        let file = self.done.destination.open_file(&target.path)?.ok_or_else(vanished)?;
        if target.xattrs.is_some() {
            // Only a file that its owner may write gets attributes; its final mode is set behind them.
            let _ = fchmod(&file, Mode::from_bits_truncate(target.mode.into()) | Mode::WUSR);
            self.set_xattrs(&file, target);
        }
        set(&file, target)?;
        Stat::of(&file).map_err(|error| failed(target, error))
    }

    fn symlink(&mut self, target: &Target, to: &str) -> Result<Stat> {
        let temp = self.done.destination.create_symlink(&target.path, to)?;
        let made = self.done.destination.set_link_times(&temp, &times(target));
        let put = made.map_err(|error| failed(target, error)).and_then(|()| self.finish(target, &temp));
        if put.is_err() {
            temp.discard();
        }
        put?;
        self.look(target)
    }

    pub(super) fn look(&mut self, target: &Target) -> Result<Stat> {
        let gone = || Error::Busy(format!("{:?} in the destination vanished while it was made", target.path));
        self.done.destination.look(&target.path)?.ok_or_else(gone)
    }

    fn end_folder(&mut self, target: &Target) -> Result<()> {
        let (folder, hold) = self.done.destination.open_folder(&target.path)?;
        let stat = Stat::of(&folder).map_err(|error| failed(target, error))?;
        // The temporary rights of the owner are not part of the folder's final mode.
        let now = hold.as_ref().and_then(Hold::mode);
        let now = now.unwrap_or_else(|| Mode::from_bits_truncate(stat.mode.into()));
        let mode = Mode::from_bits_truncate(target.mode.into());
        if stat.mark.mtime == target.mtime && now & Mode::from_bits_truncate(0o777) == mode {
            return Ok(());
        }
        if let Some(hold) = &hold {
            hold.set_final_mode(mode);
        }
        set(&folder, target)
    }
}

/// Whether no more writes are possible.
fn is_final(error: &Error) -> bool {
    match error {
        Error::Full(_) | Error::Cancelled => true,
        Error::Io { source, .. } => source.kind() == std::io::ErrorKind::ReadOnlyFilesystem,
        _ => false,
    }
}

pub(super) fn failed(target: &Target, error: std::io::Error) -> Error {
    Error::io(format!("writing {:?} in the destination", target.path), error)
}

pub(super) fn times(target: &Target) -> Timestamps {
    let Timestamp { seconds, nanos } = target.mtime;
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanos.into() },
    }
}

/// Sets mode and time.
pub(super) fn set(file: impl AsFd, target: &Target) -> Result<()> {
    let mode = Mode::from_bits_truncate(target.mode.into());
    fchmod(&file, mode).and_then(|()| futimens(&file, &times(target))).map_err(|error| {
        Error::io(format!("setting mode and time of {:?} in the destination", target.path), error.into())
    })
}
