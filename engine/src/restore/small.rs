//! Small files. To create one costs more than to write its bytes, so threads of their own do it: each file is
//! written whole, with its mode and time, under a name in the folder of unfinished files. The writing half
//! moves it to its path when its turn comes, so the order of all changes in the destination stays.
//!
//! The fetching half sends the files of a batch in shares to these threads, and the batch with the channels
//! of their results to the writing half. Nothing here uses a path of the release.

use std::{io, sync::Arc};

use bytes::Bytes;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};
use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::fs::{Mode, fchmod, futimens};

use super::{
    levels,
    output::{Buffer, Output},
    stat::Stat,
    temp::{PRIVATE, Temp, TempNames},
    write::{Step, Target, failed, times},
};
use crate::{
    error::{Error, Result},
    limits::RESTORE_SMALL_BYTES,
    xattr::Xattrs,
};

/// Files of one share at most: several shares of a batch are written at once.
const SHARE_FILES: usize = 64;
/// Folders of one thread. The files of a share are moved out of one while the next share is created in the
/// other, so that two threads rarely wait for one folder.
const FOLDERS: usize = 2;
/// The mode of a file that its owner may not read and write: it gets its final mode at the end.
const WRITABLE: u16 = 0o600;

/// A file with all its bytes.
#[derive(Debug)]
struct Whole {
    target: Target,
    bytes: Vec<Bytes>,
}

/// Files that one thread writes, one after the other.
#[derive(Debug)]
pub(super) struct Share {
    files: Vec<Whole>,
    made: Sender<Vec<Made>>,
}

/// A file that is complete under a temporary name, with its metadata there; or the reason why it is not.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) target: Target,
    pub(super) outcome: Result<(Temp, Stat)>,
}

/// A batch for the writing half.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) steps: Vec<Step>,
    made: Vec<Receiver<Vec<Made>>>,
}

/// The channels out of the fetching half.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) steps: Sender<Steps>,
    pub(super) shares: Sender<Share>,
    pub(super) temps: TempNames,
}

impl Outlet {
    /// Sends a batch. Its small files are written meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] if a receiver is gone: the writing half has failed, and returns the error.
    pub(super) fn send(&self, steps: impl Iterator<Item = Step>) -> Result<()> {
        let (steps, mut files) = split(steps, |target| self.is_small(target));
        let (mut shares, mut made) = (Vec::new(), Vec::new());
        while !files.is_empty() {
            let rest = files.split_off(files.len().min(SHARE_FILES));
            // Room for the result: a thread never waits for the writing half.
            let (sender, receiver) = bounded(1);
            shares.push(Share { files, made: sender });
            made.push(receiver);
            files = rest;
        }
        // Before its shares: so no more batches are under way than their channel has room for.
        self.steps.send(Steps { steps, made }).map_err(|_| Error::Cancelled)?;
        shares.into_iter().try_for_each(|share| self.shares.send(share).map_err(|_| Error::Cancelled))
    }

    /// Whether the file is written here: a small one in the destination's own mount, since a rename cannot
    /// move it to another. Extended attributes are left to the writing half, which lists their failures.
    fn is_small(&self, target: &Target) -> bool {
        target.size < RESTORE_SMALL_BYTES
            && target.holes.is_empty()
            && !target.over_folder
            && target.xattrs.as_ref().is_none_or(Xattrs::is_empty)
            && self.temps.is_at_top(target.path.as_bytes())
    }
}

impl Steps {
    /// The steps, and the results of the small files in the order of their steps. The iterator waits for a
    /// result that is not there yet.
    pub(super) fn open(self) -> (Vec<Step>, impl Iterator<Item = Made>) {
        // A share without a result is one of a thread that panicked, which ends the restore.
        let made = self.made.into_iter().flat_map(|share| share.recv().unwrap_or_default());
        (self.steps, made)
    }
}

/// Takes the small files out of a batch if all their bytes are in it, and leaves a [`Step::Small`] for each.
fn split(steps: impl Iterator<Item = Step>, is_small: impl Fn(&Target) -> bool) -> (Vec<Step>, Vec<Whole>) {
    let (mut left, mut files) = (Vec::new(), Vec::new());
    let mut open: Option<Whole> = None;
    for step in steps {
        match (step, open.take()) {
            (Step::Begin(target, None), None) if is_small(&target) => {
                open = Some(Whole { target, bytes: Vec::new() });
            }
            (Step::Bytes(more), Some(mut file)) => {
                file.bytes.push(more);
                open = Some(file);
            }
            (Step::End, Some(file)) => {
                files.push(file);
                left.push(Step::Small);
            }
            (step, unfinished) => {
                left.extend(unfinished.into_iter().flat_map(Whole::steps));
                left.push(step);
            }
        }
    }
    left.extend(open.into_iter().flat_map(Whole::steps));
    (left, files)
}

impl Whole {
    /// The steps of a file that is not complete in its batch.
    fn steps(self) -> impl Iterator<Item = Step> {
        let begin = Step::Begin(self.target, None);
        std::iter::once(begin).chain(self.bytes.into_iter().map(Step::Bytes))
    }
}

/// Writes the shares that arrive, until no more can come. `number` tells the threads of a restore apart, and
/// `top` is the folder of unfinished files.
pub(super) fn make(number: usize, top: &Dir, shares: &Receiver<Share>) {
    let mut maker = Maker { number, top, folders: Default::default(), last: 0 };
    for (turn, Share { files, made }) in shares.iter().enumerate() {
        let files = files.into_iter().map(|file| maker.make(turn % FOLDERS, file)).collect();
        // Without a receiver the writing half has failed, and the files are removed at the end.
        let _ = made.send(files);
    }
}

/// The state of one thread.
struct Maker<'a> {
    number: usize,
    top: &'a Dir,
    folders: [Option<Arc<Dir>>; FOLDERS],
    /// The number of the last file.
    last: u64,
}

impl Maker<'_> {
    fn make(&mut self, turn: usize, Whole { target, bytes }: Whole) -> Made {
        let outcome = self.folder(turn).map_err(|error| failed(&target, error)).and_then(|folder| {
            self.last += 1;
            let temp = Temp::new(format!("{:08x}", self.last), folder);
            match write(&temp, &target, &bytes) {
                Ok(stat) => Ok((temp, stat)),
                Err(error) => {
                    temp.discard();
                    Err(error)
                }
            }
        });
        Made { target, outcome }
    }

    /// One of the thread's folders; the first use creates it.
    fn folder(&mut self, turn: usize) -> io::Result<Arc<Dir>> {
        if let Some(Some(folder)) = self.folders.get(turn) {
            return Ok(folder.clone());
        }
        let name = format!("{}-{turn}", self.number);
        let mut private = DirBuilder::new();
        private.mode(PRIVATE.into());
        match self.top.create_dir_with(&name, &private) {
            // One of an interrupted restore that could not be removed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let folder = Arc::new(levels::enter(self.top, name.as_bytes())?);
        if let Some(place) = self.folders.get_mut(turn) {
            *place = Some(folder.clone());
        }
        Ok(folder)
    }
}

/// Writes one file with its mode and time. No other user can reach it before it is moved.
fn write(temp: &Temp, target: &Target, bytes: &[Bytes]) -> Result<Stat> {
    let size: u64 = bytes.iter().map(|bytes| bytes.len() as u64).sum();
    target.check_size(size)?;
    let is_writable = target.mode & WRITABLE == WRITABLE;
    let mode = if is_writable { target.mode } else { WRITABLE };
    let work = || {
        let file = temp.create(false, mode)?.into_std();
        // A buffer is used by direct writes only.
        let mut buffer = Buffer::default();
        let mut output = Output::begin(file, size, false, Vec::new(), &mut buffer)?;
        output.write(bytes, &mut buffer)?;
        output.end(&mut buffer)?;
        futimens(&output.file, &times(target))?;
        let stat = Stat::of(&output.file)?;
        // The process's mask may have removed rights.
        if stat.mode != target.mode {
            fchmod(&output.file, Mode::from_bits_truncate(target.mode.into()))?;
        }
        Ok(stat)
    };
    work().map_err(|error| failed(target, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{manifest::EntryPath, restore::tests::plain_entry};

    fn target(path: &str, size: u64) -> Target {
        let entry = crate::manifest::Entry { size, ..plain_entry(crate::manifest::EntryKind::File) };
        Target::new(&EntryPath::new(path).unwrap(), &entry, None)
    }

    /// The words of steps, for comparison.
    fn words(steps: &[Step]) -> Vec<String> {
        let word = |step: &Step| match step {
            Step::Begin(target, _) => format!("begin {}", target.path),
            Step::Bytes(bytes) => format!("bytes {}", bytes.len()),
            other => format!("{other:?}"),
        };
        steps.iter().map(word).collect()
    }

    fn bytes(len: usize) -> Step {
        Step::Bytes(Bytes::from(vec![0; len]))
    }

    #[test]
    fn only_small_files_with_all_their_bytes_are_taken_out() {
        let steps = [
            bytes(9),
            Step::End,
            Step::Begin(target("a", 3), None),
            bytes(1),
            bytes(2),
            Step::End,
            Step::Begin(target("large", 100), None),
            bytes(100),
            Step::End,
            Step::Begin(target("lost", 5), None),
            bytes(1),
            Step::Abandon,
            Step::End,
            Step::Begin(target("empty", 0), None),
            Step::End,
            Step::Begin(target("cut", 5), None),
            bytes(4),
        ];
        let (left, files) = split(steps.into_iter(), |target| target.size < 100);
        let found: Vec<_> = files.iter().map(|file| (file.target.path.as_str(), file.bytes.len())).collect();
        assert_eq!(found, [("a", 2), ("empty", 0)]);
        let expected = [
            "bytes 9",
            "End",
            "Small",
            "begin large",
            "bytes 100",
            "End",
            "begin lost",
            "bytes 1",
            "Abandon",
            "End",
            "Small",
            "begin cut",
            "bytes 4",
        ];
        assert_eq!(words(&left), expected);
    }
}
