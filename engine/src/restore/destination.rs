//! The destination, and the only code that uses names in it.
//!
//! Nothing outside the destination is ever changed, even by a forged manifest, and even if another process
//! swaps folders for links at the same time. There are three independent protections: entry paths are checked
//! when they are decoded; a path is opened one component at a time by folder handles, each without following
//! links, and only names without `/` go to the kernel; and the handles are `cap_std`'s, which resolve nothing
//! above themselves.

use std::{
    ffi::OsStr,
    fmt, io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    sync::Arc,
};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use rustix::{
    fs::{AtFlags, Mode, OFlags, ioctl_ficlone, linkat, openat, readlinkat, symlinkat},
    io::Errno,
};

use super::{
    levels::{self, Levels, in_home, in_the_way, raw, shown},
    locks::{Hold, Locks},
    names::Names,
    remove::{self, Removed, Seen},
    stat::{DiskKind, Mark, Mount, Stat},
    temp::{Temp, TempNames, Temps},
};
use crate::error::{Error, Result};

/// The mode of an unfinished file.
const PRIVATE_FILE: u16 = 0o600;

/// The destination, with open handles to the folder that was used last.
pub(super) struct Destination {
    levels: Levels,
    temps: Temps,
    locks: Locks,
    /// Whether reflinks are possible: the file system has not refused to share blocks between files.
    clones: bool,
}

impl Destination {
    /// Opens the destination, which must exist. `temps` has the names of the folders for unfinished files.
    pub(super) fn open(dest: &Path, temps: &TempNames, locks: &Locks) -> Result<Self> {
        let levels = Levels::open(dest, locks)
            .map_err(|error| Error::io(format!("opening the destination {}", dest.display()), error))?;
        Ok(Self { levels, temps: Temps::new(temps, locks), locks: locks.clone(), clones: true })
    }

    /// The destination itself, for locks and queries about its file system.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.levels.root().dir.as_fd()
    }

    /// The metadata of the item at `path`; `None` if there is none, or if a parent is missing.
    pub(super) fn look(&mut self, path: impl AsRef<[u8]>) -> Result<Option<Stat>> {
        let path = path.as_ref();
        let Some((level, name)) = self.levels.parent(path, false)? else { return Ok(None) };
        Stat::at(&level.dir, name).map_err(|error| failed("looking at", path, error))
    }

    /// The files of which this restore changed a name.
    pub(super) fn names(&self) -> &Names {
        &self.locks.names
    }

    /// The item at `path`, if it is the file that had the mark `seen`, and if only this restore's own changes
    /// of its names made it differ.
    pub(super) fn look_again(&mut self, path: &str, seen: &Mark) -> Option<Stat> {
        let now = self.look(path).ok().flatten()?;
        self.locks.names.explain(seen, &now).then_some(now)
    }

    /// Opens the file at `path`, if it is a regular file.
    pub(super) fn open_file(&mut self, path: &str) -> Result<Option<std::fs::File>> {
        let path = path.as_bytes();
        let Some((level, name)) = self.levels.parent(path, false)? else { return Ok(None) };
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(raw(OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY));
        let opened = level.dir.open_with(OsStr::from_bytes(name), &options).and_then(|file| {
            let is_file = file.metadata()?.is_file();
            Ok(is_file.then(|| file.into_std()))
        });
        opened.map_err(|error| failed("opening", path, error))
    }

    /// The target of the symbolic link at `path`.
    pub(super) fn read_link(&mut self, path: &str) -> Option<Vec<u8>> {
        let (level, name) = self.levels.parent(path.as_bytes(), false).ok()??;
        let target = readlinkat(&level.dir, OsStr::from_bytes(name), Vec::new()).ok()?;
        Some(target.into_bytes())
    }

    /// A clone of a file in the destination: it has no name, and shares the file's blocks. `None` if the file
    /// system cannot share them.
    pub(super) fn clone_of(&mut self, file: &std::fs::File) -> Option<std::fs::File> {
        if !self.clones {
            return None;
        }
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let clone = openat(self.as_fd(), ".", flags, Mode::RUSR | Mode::WUSR).and_then(|clone| {
            ioctl_ficlone(&clone, file)?;
            Ok(clone)
        });
        // Any failure only costs speed.
        self.clones = clone.is_ok();
        clone.ok().map(Into::into)
    }

    /// Removes the unfinished files of an interrupted restore; returns the folder for those of this one.
    pub(super) fn begin(&mut self) -> Result<Arc<Dir>> {
        self.temps.folder(&self.levels, self.levels.root().mount)
    }

    /// Makes all writes durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        rustix::fs::syncfs(self.as_fd())?;
        self.temps.sync(self.levels.root().mount)
    }

    /// Creates an unfinished file for `path`, and the parent folders of `path`.
    pub(super) fn create(&mut self, path: &str, direct: bool) -> Result<(std::fs::File, Temp)> {
        let mount = self.mount_for(path)?;
        let temp = self.temps.next(&self.levels, mount)?;
        let file =
            temp.create(direct, PRIVATE_FILE).map_err(|error| failed("creating", path.as_bytes(), error))?;
        Ok((file.into_std(), temp))
    }

    /// Creates an unfinished symbolic link for `path`, and the parent folders of `path`.
    pub(super) fn create_symlink(&mut self, path: &str, target: &str) -> Result<Temp> {
        let mount = self.mount_for(path)?;
        let temp = self.temps.next(&self.levels, mount)?;
        symlinkat(target, temp.folder(), temp.name())
            .map_err(|error| failed("making the link", path.as_bytes(), error.into()))?;
        Ok(temp)
    }

    /// Creates an unfinished hard link to the file at `first`, which must still be `stat`, for `path`.
    pub(super) fn create_hard_link(&mut self, path: &str, first: &str, stat: &Stat) -> Result<Temp> {
        let context = |error| {
            let remedy = "with the option `no-hard-links` it is written as a file of its own";
            Error::io(format!("linking {path:?} to {first:?} in the destination ({remedy})"), error)
        };
        #[cfg(test)]
        if first.contains("file system without hard links") {
            return Err(context(Errno::PERM.into()));
        }
        let mount = self.mount_for(path)?;
        let found = self.levels.parent(first.as_bytes(), false)?;
        let (from, from_name) = found.ok_or_else(|| in_the_way(first.as_bytes()))?;
        let from = from.dir.try_clone().map_err(context)?;
        // Opens the folder of `path` again: it must be open to find the unfinished files' folder of its
        // mount.
        self.mount_for(path)?;
        let temp = self.temps.next(&self.levels, mount)?.linked();
        let folder = temp.folder();
        let linked = self.locks.names.link((&from, from_name), || {
            Ok(linkat(&from, OsStr::from_bytes(from_name), folder, temp.name(), AtFlags::empty())?)
        });
        linked.map_err(context)?;
        let made = Stat::at(folder, temp.name().as_bytes()).map_err(context)?;
        if made.is_some_and(|made| made.is_same(stat) && made.kind == DiskKind::File) {
            return Ok(temp);
        }
        temp.discard();
        Err(Error::Busy(format!("{first:?} in the destination changed while {path:?} was linked to it")))
    }

    /// The mount of a path's folder; the folder is created if it is missing.
    fn mount_for(&mut self, path: &str) -> Result<Mount> {
        let parent = self.levels.parent(path.as_bytes(), true)?;
        parent.map(|(level, _)| level.mount).ok_or_else(|| in_the_way(path.as_bytes()))
    }

    /// Moves a finished item to its path, over a file or link unless it `is_new`: then nothing was there.
    /// Creates the parent folders of the path.
    pub(super) fn finish(&mut self, path: &str, temp: &Temp, is_new: bool) -> Result<()> {
        let Some((level, name)) = self.levels.parent(path.as_bytes(), true)? else {
            return Err(in_the_way(path.as_bytes()));
        };
        let names = &self.locks.names;
        let put = level.change(|dir| {
            // An unfinished file has other names only if it is a hard link.
            let places = [(temp.folder(), temp.name().as_bytes()), (dir, name)];
            let from = usize::from(!temp.is_linked());
            let places = places.get(from..places.len() - usize::from(is_new)).unwrap_or_default();
            names.change(places, || temp.folder().rename(temp.name(), dir, OsStr::from_bytes(name)))
        });
        put.map_err(|error| match error.kind() {
            io::ErrorKind::IsADirectory => in_the_way(path.as_bytes()),
            _ => failed("putting in its place", path.as_bytes(), error),
        })
    }

    /// Moves a finished item to the path of a folder, and removes that folder with its content: the caller
    /// knows that this is permitted. If the move fails before anything is removed, the folder is moved back.
    pub(super) fn finish_over_folder(&mut self, path: &str, temp: &Temp) -> Result<Removed> {
        let context = |error| failed("putting in its place", path.as_bytes(), error);
        self.levels.forget(path.as_bytes());
        let mount = self.mount_for(path)?;
        let aside = self.temps.next(&self.levels, mount)?;
        let folder = aside.folder();
        let Some((level, name)) = self.levels.parent(path.as_bytes(), false)? else {
            return Err(in_the_way(path.as_bytes()));
        };
        // A home or a mount point in the folder is found before anything is moved.
        remove::count(&level.dir, name, &self.locks, &mut |_, _| {}).1?;
        let name = OsStr::from_bytes(name);
        level.change(|dir| dir.rename(name, folder, aside.name())).map_err(context)?;
        let names = &self.locks.names;
        let place = (temp.folder(), temp.name().as_bytes());
        let put = level.change(|dir| names.change(&[place], || temp.folder().rename(temp.name(), dir, name)));
        if let Err(error) = put {
            let _ = folder.rename(aside.name(), &level.dir, name);
            return Err(context(error));
        }
        let (removed, outcome) = remove::tree(folder, aside.name().as_bytes(), &self.locks);
        outcome.map(|()| removed)
    }

    /// Creates a folder that only its owner may enter until its mode is set. It replaces `old`, a file or
    /// link, if `old` is still there. An existing folder stays as it is.
    pub(super) fn make_folder(&mut self, path: &str, old: Option<&Stat>) -> Result<()> {
        if let Some(old) = old {
            self.remove(path.as_bytes(), old)?;
        }
        let context = |error| failed("making the folder", path.as_bytes(), error);
        let Some((level, name)) = self.levels.parent(path.as_bytes(), true)? else {
            return Err(in_the_way(path.as_bytes()));
        };
        let mut private = DirBuilder::new();
        private.mode(0o700);
        match level.change(|dir| dir.create_dir_with(OsStr::from_bytes(name), &private)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(context(error)),
            _ => {}
        }
        levels::enter(&level.dir, name).map(|_| ()).map_err(|_| in_the_way(path.as_bytes()))
    }

    /// Opens the folder at `path`. Holds temporary rights to it if its mode does not give them to its owner.
    pub(super) fn open_folder(&mut self, path: &str) -> Result<(std::fs::File, Option<Hold>)> {
        // Its final mode will be set: the temporary rights of its open handles must end first.
        self.levels.forget(path.as_bytes());
        let Some((level, name)) = self.levels.parent(path.as_bytes(), false)? else {
            return Err(in_the_way(path.as_bytes()));
        };
        let entered = self.locks.enter(&level.dir, name);
        let context = |error| failed("opening the folder", path.as_bytes(), error);
        let (dir, hold) = entered.map_err(context)?;
        if self.locks.is_home(&dir).map_err(context)? {
            return Err(in_home(path.as_bytes()));
        }
        Ok((dir.into_std_file(), hold))
    }

    /// Sets the times of an unfinished link, without following it.
    pub(super) fn set_link_times(&mut self, temp: &Temp, times: &rustix::fs::Timestamps) -> io::Result<()> {
        Ok(rustix::fs::utimensat(temp.folder(), temp.name(), times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Removes the file or link at `path` if it still is `old`.
    pub(super) fn remove(&mut self, path: &[u8], old: &Stat) -> Result<()> {
        let context = |error| failed("removing", path, error);
        let Some((level, name)) = self.levels.parent(path, false)? else { return Ok(()) };
        let names = &self.locks.names;
        match Stat::at(&level.dir, name).map_err(context)? {
            None => Ok(()),
            Some(now) if old.is_unchanged(&names.undone(now)) => {
                let remove =
                    |dir: &Dir| names.change(&[(dir, name)], || dir.remove_file(OsStr::from_bytes(name)));
                level.change(remove).map_err(context)
            }
            Some(_) => Err(Error::Busy(format!(
                "{:?} in the destination changed while the restore ran; it is left as it is",
                shown(path)
            ))),
        }
    }

    /// Removes the folder at `path` if it is empty; returns whether it was removed.
    pub(super) fn remove_folder(&mut self, path: &[u8]) -> Result<bool> {
        self.levels.forget(path);
        let Some((level, name)) = self.levels.parent(path, false)? else { return Ok(false) };
        let context = |error| failed("removing the folder", path, error);
        // An empty part of a home can only be recognised by its inode.
        if Stat::at(&level.dir, name).map_err(context)?.is_some_and(|stat| self.locks.is_part(&stat)) {
            return Err(in_home(path));
        }
        match level.change(|dir| dir.remove_dir(OsStr::from_bytes(name))) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(error) => Err(context(error)),
        }
    }

    /// Removes the folder at `path` with its content.
    pub(super) fn remove_tree(&mut self, path: &[u8]) -> (Removed, Result<()>) {
        self.levels.forget(path);
        match self.levels.parent(path, false) {
            Ok(Some((level, name))) => remove::tree(&level.dir, name, &self.locks),
            Ok(None) => (Removed::default(), Ok(())),
            Err(error) => (Removed::default(), Err(error)),
        }
    }

    /// Counts what [`Destination::remove_tree`] would remove, and passes the path of each item in the folder
    /// to `seen`, and the size of a file.
    pub(super) fn count_tree(&mut self, path: &[u8], seen: Seen<'_>) -> (Removed, Result<()>) {
        self.levels.forget(path);
        match self.levels.parent(path, false) {
            Ok(Some((level, name))) => {
                let above = path.strip_suffix(name).unwrap_or_default();
                let mut seen = |below: &[u8], size: Option<u64>| seen(&[above, below].concat(), size);
                remove::count(&level.dir, name, &self.locks, &mut seen)
            }
            Ok(None) => (Removed::default(), Ok(())),
            Err(error) => (Removed::default(), Err(error)),
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination").finish_non_exhaustive()
    }
}

fn failed(doing: &str, path: &[u8], error: io::Error) -> Error {
    Error::io(format!("{doing} {:?} in the destination", shown(path)), error)
}

/// Whether a file system refuses the hard link itself: it has none (FUSE, FAT), the names are on two mounts,
/// or the file has as many names as it may have.
pub(super) fn has_no_links(error: &Error) -> bool {
    let Error::Io { source, .. } = error else { return false };
    let refusals = [Errno::XDEV, Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::MLINK];
    Errno::from_io_error(source).is_some_and(|errno| refusals.contains(&errno))
}
