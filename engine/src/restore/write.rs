//! The writing half of a restore: takes steps in order, on a thread of its own, and makes files of them.
//!
//! A file is written under another name and renamed when it is whole, with its times and mode already set, so that nobody
//! ever sees half of one. This file decides nothing: what is written, and from where it comes, is settled before.

use std::{fs::File, os::fd::AsFd};

use bytes::Bytes;
use crossbeam_channel::Receiver;
use rustix::fs::{Mode, Timespec, Timestamps, UTIME_OMIT, fchmod, futimens};

use super::{
    output::{Buffer, DIRECT_BYTES, Output},
    place::Place,
};
use crate::{
    error::{Error, Result},
    manifest::{Entry, Timestamp},
};

/// One thing to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Enter the directory of a path, if it is there, which clears it of unfinished files.
    Enter(String),
    /// Begin a file; as a clone of another, if one is given.
    Begin(Target, Option<File>),
    /// Its next bytes.
    Bytes(Bytes),
    /// As many bytes stay what they are in the clone.
    Keep(u32),
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
pub(super) fn write(place: Place, steps: &Receiver<Vec<Step>>) -> Result<()> {
    let mut writer = Writer { place, buffer: Buffer::default(), open: None };
    steps.iter().try_for_each(|steps| writer.carry_out(steps))
}

/// The writing thread's state.
struct Writer {
    place: Place,
    buffer: Buffer,
    open: Option<Unfinished>,
}

/// A file that is being written.
struct Unfinished {
    target: Target,
    temp: String,
    output: Output,
}

impl Writer {
    fn carry_out(&mut self, steps: Vec<Step>) -> Result<()> {
        // Bytes of one file that follow one another are written together.
        let mut bytes = Vec::new();
        for step in steps {
            if let Step::Bytes(more) = step {
                bytes.push(more);
                continue;
            }
            self.flush(&mut bytes)?;
            match step {
                Step::Enter(path) => self.place.enter_parent(&path)?,
                Step::Begin(target, base) => self.begin(target, base.as_ref())?,
                Step::Bytes(_) => {}
                Step::Keep(bytes) => self.keep(bytes)?,
                Step::End => self.end()?,
                Step::Mend(target) => {
                    if let Some(file) = self.place.open_file(&target.path)? {
                        mend(&file, &target)?;
                    }
                }
                Step::Dir(target) => {
                    if let Some(dir) = self.place.make_dir(&target.path)? {
                        mend(&dir, &target)?;
                    }
                }
            }
        }
        self.flush(&mut bytes)
    }

    fn begin(&mut self, target: Target, base: Option<&File>) -> Result<()> {
        let is_direct = base.is_none() && target.size >= DIRECT_BYTES;
        let (file, temp) = self.place.create(&target.path, is_direct)?;
        let begun = match base {
            Some(base) => Output::begin_from(file, target.size, base),
            None => Output::begin(file, target.size, &mut self.buffer),
        };
        match begun {
            Ok(output) => {
                self.open = Some(Unfinished { target, temp, output });
                Ok(())
            }
            Err(error) => {
                self.place.discard(&target.path, &temp);
                Err(failed(&target, error))
            }
        }
    }

    fn flush(&mut self, bytes: &mut Vec<Bytes>) -> Result<()> {
        if let Some(Unfinished { target, output, .. }) = self.open.as_mut().filter(|_| !bytes.is_empty()) {
            output.write(bytes, &mut self.buffer).map_err(|error| failed(target, error))?;
        }
        bytes.clear();
        Ok(())
    }

    fn keep(&mut self, bytes: u32) -> Result<()> {
        let Some(Unfinished { target, output, .. }) = &mut self.open else { return Ok(()) };
        output.keep(bytes).map_err(|error| failed(target, error))
    }

    /// Puts the open file in its place. Until that is done it is still open, to be discarded if anything fails.
    fn end(&mut self) -> Result<()> {
        let Some(Unfinished { target, temp, output }) = &mut self.open else { return Ok(()) };
        if output.taken != target.size {
            let Target { path, size, .. } = target;
            return Err(Error::Corrupt(format!(
                "{path:?} has {} bytes of chunks but a size of {size}",
                output.taken
            )));
        }
        output.end(&mut self.buffer).map_err(|error| failed(target, error))?;
        mend(&output.file, target)?;
        self.place.finish(&target.path, temp)?;
        self.open = None;
        Ok(())
    }
}

/// The steps may end in the midst of a file.
impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(unfinished) = self.open.take() {
            self.place.discard(&unfinished.target.path, &unfinished.temp);
        }
    }
}

fn failed(target: &Target, error: std::io::Error) -> Error {
    Error::io(format!("writing {:?} in the destination", target.path), error)
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
