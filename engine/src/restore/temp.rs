//! Unfinished files: they lie in one folder of their own at the top of the destination, and at the top of every further
//! file system that is mounted in it, since a rename does not lead from one to another.
//!
//! The folder's name is one that no release that this program publishes has ([`is_temp_name`]); where a release has it
//! all the same, another is taken. What is in the folder is this restore's alone: an interrupted one leaves files there,
//! and the next removes them.

use std::{ffi::OsStr, io, os::unix::ffi::OsStrExt};

use cap_std::fs::{Dir, DirBuilderExt, File, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

use super::{
    levels::{self, Levels, raw},
    locks::Locks,
    remove,
};
use crate::error::{Error, Result};

const PREFIX: &str = ".chuan-restore-";
const SUFFIX: &str = ".tmp";
/// Names tried for the folder.
const NAMES: u32 = 64;

/// Whether a restore may give this name to what it has not finished: nothing called so is published.
pub fn is_temp_name(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// The name for the folder of unfinished files: the first that is not taken by the release.
pub(super) fn folder_name(mut is_taken: impl FnMut(&str) -> Result<bool>) -> Result<String> {
    for number in 0..NAMES {
        let name = format!("{PREFIX}{number}{SUFFIX}");
        if !is_taken(&name)? {
            return Ok(name);
        }
    }
    Err(Error::Invalid(format!(
        "the release has paths called {PREFIX}0{SUFFIX} and so on: all names that a restore gives to unfinished files"
    )))
}

/// The folders of unfinished files, one a file system.
#[derive(Debug)]
pub(super) struct Temps {
    name: String,
    folders: Vec<Folder>,
    /// The number of the last unfinished file.
    last: u64,
}

#[derive(Debug)]
struct Folder {
    device: u64,
    above: Dir,
    dir: Dir,
}

/// Something new that has no name in the destination yet.
#[derive(Debug)]
pub(super) struct Temp {
    name: String,
    device: u64,
}

impl Temps {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), folders: Vec::new(), last: 0 }
    }

    /// A name for something new on a device, and the folder to make it in.
    pub(super) fn next(&mut self, levels: &Levels, device: u64) -> Result<(Temp, &Dir)> {
        self.last += 1;
        let temp = Temp { name: format!("{:08x}", self.last), device };
        Ok((temp, self.folder(levels, device)?))
    }

    /// The folder of unfinished files of a device; made, or cleared of what an interrupted restore left, with the first use.
    pub(super) fn folder(&mut self, levels: &Levels, device: u64) -> Result<&Dir> {
        let found = self.folders.iter().position(|folder| folder.device == device);
        let at = match found {
            Some(at) => at,
            None => {
                let folder = self.make(levels, device).map_err(|error| {
                    let (name, why) = (&self.name, "the folder for unfinished files in the destination");
                    Error::io(format!("making {name}, {why}"), error)
                })?;
                self.folders.push(folder);
                self.folders.len() - 1
            }
        };
        let folder = self.folders.get(at).map(|folder| &folder.dir);
        folder.ok_or_else(|| Error::Missing(format!("no folder {} in the destination", self.name)))
    }

    fn make(&self, levels: &Levels, device: u64) -> io::Result<Folder> {
        let top = levels.top_of(device).unwrap_or(levels.root());
        let above = top.dir.try_clone()?;
        let mut private = cap_std::fs::DirBuilder::new();
        private.mode(0o700);
        match above.create_dir_with(&self.name, &private) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let dir = levels::enter(&above, self.name.as_bytes())?;
        sweep(&dir);
        Ok(Folder { device, above, dir })
    }

    /// The folder that a file was made in.
    pub(super) fn of(&self, temp: &Temp) -> io::Result<&Dir> {
        let found = self.folders.iter().find(|folder| folder.device == temp.device);
        found.map(|folder| &folder.dir).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Removes an unfinished file. One that stays is removed by the next restore.
    pub(super) fn discard(&self, temp: &Temp) {
        if let Ok(folder) = self.of(temp) {
            let _ = folder.remove_file(temp.name());
        }
    }

    /// Syncs the other file systems that something was written to.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.folders.iter().try_for_each(|folder| Ok(rustix::fs::syncfs(&folder.dir)?))
    }
}

impl Drop for Temps {
    fn drop(&mut self) {
        for folder in &self.folders {
            sweep(&folder.dir);
            let _ = folder.above.remove_dir(&self.name);
        }
    }
}

impl Temp {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Creates the file.
    pub(super) fn create(&self, folder: &Dir, direct: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        if direct {
            options.custom_flags(raw(OFlags::DIRECT));
            match folder.open_with(&self.name, &options) {
                // Not every file system can; it may have made the file before it found out.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    let _ = folder.remove_file(&self.name);
                    options.custom_flags(0);
                }
                outcome => return outcome,
            }
        }
        folder.open_with(&self.name, &options)
    }
}

/// Removes what an interrupted restore left: files, and folders that were out of their place already.
fn sweep(folder: &Dir) {
    let Ok(entries) = folder.entries() else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if folder.remove_file(OsStr::from_bytes(name.as_bytes())).is_err() {
            // What stays is tried again by the next restore.
            let _ = remove::tree(folder, name.as_bytes(), &Locks::default());
        }
    }
}
