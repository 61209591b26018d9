//! Folders that are the home of a node or a part of one. They hold secret keys: nothing in them is published,
//! and nothing is restored into them.
//!
//! A home is recognised by its `chuan.toml` and its `keys` folder. The open home is also recognised by the
//! inodes of its folders, under any other path at which they are mounted.

use std::{
    collections::BTreeSet,
    fs::Metadata,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat};

use crate::rights::raised;

/// Maximum depth of the folders of a home that are recognised by their inodes.
const HOME_DEPTH: usize = 3;
/// Maximum number of folders of a home that are recognised by their inodes.
const HOME_FOLDERS: usize = 4096;

/// The parts of a home.
const HOME_PARTS: [&str; 11] =
    ["keys", "store", "ledger", "audit", "pulls", "cache", "run", "restored", "heard", "behind", "whole"];

/// The folders of the open home, which no publish and no restore enters.
#[derive(Debug, Default)]
pub(crate) struct Protected(BTreeSet<(u64, u64)>);

impl Protected {
    /// Collects the folders of `home`. Folders that cannot be listed are missing; their keys are still
    /// recognised by their heading.
    pub(crate) fn of(home: Option<&Path>) -> Self {
        let mut protected = Self::default();
        let Some(home) = home else { return protected };
        let parts = HOME_PARTS.map(|part| home.join(part));
        // The parts come first, because the number of folders below them is limited.
        for part in &parts {
            protected.insert(part);
        }
        protected.add(home, 0);
        // Parts of a home may be elsewhere, behind a link.
        for part in parts.iter().filter(|part| part.is_symlink()) {
            protected.add(part, 1);
        }
        protected
    }

    fn add(&mut self, folder: &Path, depth: usize) {
        if depth > HOME_DEPTH || self.0.len() >= HOME_FOLDERS || !self.insert(folder) {
            return;
        }
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.add(&entry.path(), depth + 1);
            }
        }
    }

    /// Adds a folder; `false` if there is none.
    fn insert(&mut self, folder: &Path) -> bool {
        let found = std::fs::metadata(folder).ok().filter(Metadata::is_dir);
        found.is_some_and(|found| {
            self.0.insert((found.dev(), found.ino()));
            true
        })
    }

    /// Whether the folder with this device and inode belongs to the home.
    pub(crate) fn has_inode(&self, device: u64, inode: u64) -> bool {
        self.0.contains(&(device, inode))
    }
}

/// Whether an open folder is the home of a node. Nothing in a home is published, and nothing is restored into
/// one.
///
/// A home has a file `chuan.toml` and a folder `keys`, or symbolic links to them. A broken link also matches:
/// its target may not be mounted now.
///
/// # Errors
///
/// The system's error if it denies access to the folder: then the folder may be a home.
pub(crate) fn is_home(folder: impl AsFd) -> io::Result<bool> {
    let has = |name: &str, kind| {
        let look = |flags| {
            let found = raised(|| Ok(statat(folder.as_fd(), name, flags)?));
            found.map(|stat| FileType::from_raw_mode(stat.st_mode))
        };
        match look(AtFlags::SYMLINK_NOFOLLOW) {
            Ok(FileType::Symlink) => Ok(look(AtFlags::empty()).map_or(true, |found| found == kind)),
            Ok(found) => Ok(found == kind),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    };
    Ok(has("chuan.toml", FileType::RegularFile)? && has("keys", FileType::Directory)?)
}

/// The home or protected folder that `folder` is or lies in, if any. `folder` contains no links; its last
/// components need not exist.
pub(crate) fn home_around<'p>(folder: &'p Path, protected: &Protected) -> Option<&'p Path> {
    folder.ancestors().find(|above| is_home_at(above, protected))
}

/// Opens a folder to look up names in it, which needs no right to list it.
fn open_folder(folder: &Path) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    raised(|| Ok(openat(CWD, folder, flags, Mode::empty())?)).ok()
}

fn is_home_at(folder: &Path, protected: &Protected) -> bool {
    let Some(opened) = open_folder(folder) else { return false };
    let is_part = fstat(&opened).is_ok_and(|stat| protected.has_inode(stat.st_dev, stat.st_ino));
    is_part || is_home(&opened).unwrap_or(false)
}
