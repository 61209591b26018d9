//! The writing half of a restore: takes steps in order, on a thread of its own, and makes files of them.
//!
//! A file is written under another name and renamed when it is whole, with its times and mode already set, so that nobody
//! ever sees half of one. This file decides nothing: what is written, and from where it comes, is settled before.

use std::{
    fs::File,
    io::{IoSlice, Write},
    os::fd::AsFd,
};

use bytes::Bytes;
use crossbeam_channel::Receiver;
use rustix::{
    fs::{FallocateFlags, Mode, Timespec, Timestamps, UTIME_OMIT, fallocate, fchmod, futimens},
    io::Errno,
};

use super::place::Place;
use crate::{
    error::{Error, Result},
    manifest::{Entry, Timestamp},
};

/// Files from this size on get their space before they are written: it stays in one piece, and a full disk is known at
/// once.
const PREALLOCATED_BYTES: u64 = 1024 * 1024;
/// Slices in one system call at most (`IOV_MAX` is 1,024).
const SLICES: usize = 512;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Begin a file.
    Begin(Target),
    /// Its next bytes.
    Bytes(Bytes),
    /// It is whole.
    End,
    /// A file's content is right already: set its times and mode.
    Mend(Target),
    /// Make an empty directory.
    Dir(Target),
}

/// What a path shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) mtime: Timestamp,
    /// Without set-user-id, set-group-id and sticky bits: what a publisher says must not make anyone powerful here.
    pub(super) mode: u16,
}

impl Target {
    pub(super) fn new(path: &str, entry: &Entry) -> Self {
        Self { path: path.to_owned(), size: entry.size, mtime: entry.mtime, mode: entry.mode & 0o777 }
    }
}

/// Carries out steps until there are no more; fails at the first that cannot be carried out.
pub(super) fn write(mut place: Place, steps: &Receiver<Vec<Step>>) -> Result<()> {
    let mut open: Option<Unfinished> = None;
    let outcome = steps.iter().try_for_each(|steps| carry_out(&mut place, &mut open, steps));
    // The steps may have ended in the midst of a file.
    if let Some(unfinished) = open {
        place.discard(&unfinished.target.path, &unfinished.temp);
    }
    outcome
}

/// A file that is being written.
struct Unfinished {
    target: Target,
    temp: String,
    file: File,
    written: u64,
}

fn carry_out(place: &mut Place, open: &mut Option<Unfinished>, steps: Vec<Step>) -> Result<()> {
    let mut bytes = Vec::new();
    for step in steps {
        let step = match step {
            Step::Bytes(more) => {
                bytes.push(more);
                continue;
            }
            other => other,
        };
        flush(open.as_mut(), &mut bytes)?;
        match step {
            Step::Begin(target) => *open = Some(Unfinished::begin(place, target)?),
            Step::End => {
                if let Some(unfinished) = open.take() {
                    unfinished.end(place)?;
                }
            }
            Step::Mend(target) => {
                if let Some(file) = place.open_file(&target.path)? {
                    mend(&file, &target)?;
                }
            }
            Step::Dir(target) => {
                if let Some(dir) = place.make_dir(&target.path)? {
                    mend(&dir, &target)?;
                }
            }
            Step::Bytes(_) => {}
        }
    }
    flush(open.as_mut(), &mut bytes)
}

fn flush(open: Option<&mut Unfinished>, bytes: &mut Vec<Bytes>) -> Result<()> {
    if let Some(unfinished) = open.filter(|_| !bytes.is_empty()) {
        unfinished.write(bytes)?;
    }
    bytes.clear();
    Ok(())
}

impl Unfinished {
    fn begin(place: &mut Place, target: Target) -> Result<Self> {
        let (file, temp) = place.create(&target.path, false)?;
        let unfinished = Self { target, temp, file, written: 0 };
        if let Err(error) = unfinished.preallocate() {
            place.discard(&unfinished.target.path, &unfinished.temp);
            return Err(unfinished.failed(error.into()));
        }
        Ok(unfinished)
    }

    fn preallocate(&self) -> Result<(), Errno> {
        if self.target.size < PREALLOCATED_BYTES {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::empty(), 0, self.target.size) {
            Err(Errno::NOSPC) => Err(Errno::NOSPC),
            // Only a convenience.
            _ => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[Bytes]) -> Result<()> {
        for group in bytes.chunks(SLICES) {
            let mut slices: Vec<_> = group.iter().map(|bytes| IoSlice::new(bytes)).collect();
            let mut left = slices.as_mut_slice();
            while !left.is_empty() {
                match self.file.write_vectored(left) {
                    Ok(0) => return Err(self.failed(Errno::NOSPC.into())),
                    Ok(written) => {
                        self.written += written as u64;
                        IoSlice::advance_slices(&mut left, written);
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(self.failed(error)),
                }
            }
        }
        Ok(())
    }

    fn end(self, place: &mut Place) -> Result<()> {
        let finished = if self.written == self.target.size {
            mend(&self.file, &self.target).and_then(|()| place.finish(&self.target.path, &self.temp))
        } else {
            Err(Error::Corrupt(format!(
                "{:?} has {} bytes of chunks but a size of {}",
                self.target.path, self.written, self.target.size
            )))
        };
        if finished.is_err() {
            place.discard(&self.target.path, &self.temp);
        }
        finished
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io(format!("writing {:?} in the destination", self.target.path), error)
    }
}

/// Sets mode and time.
fn mend(file: impl AsFd, target: &Target) -> Result<()> {
    let Timestamp { seconds, nanos } = target.mtime;
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanos.into() },
    };
    let mode = Mode::from_bits_truncate(target.mode.into());
    fchmod(&file, mode).and_then(|()| futimens(&file, &times)).map_err(|error| {
        Error::io(format!("setting mode and time of {:?} in the destination", target.path), error.into())
    })
}
