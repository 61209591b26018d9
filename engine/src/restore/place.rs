//! The destination, and the only code that names things in it.
//!
//! Nothing outside is ever touched, whatever a manifest says and whoever swaps directories for links meanwhile. Three
//! walls stand behind one another: entry paths are checked when they are decoded; a path is walked one component at a
//! time by directory handles, each opened without following links, and only names without `/` go to the kernel; and
//! the handles are `cap_std`'s, which resolve nothing above themselves.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use cap_std::fs::{Dir, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use rustix::fs::{Mode, OFlags, ioctl_ficlone, openat};

use crate::{
    error::{Error, Result},
    manifest::Timestamp,
};

/// Unfinished files are called this, a number and [`SUFFIX`]; whatever is called so is removed by the next restore.
const PREFIX: &str = ".chuan-restore-";
const SUFFIX: &str = ".tmp";

/// The destination and the way to the directory that was used last.
pub(super) struct Place {
    root: Dir,
    levels: Vec<Level>,
    /// Whether directories are cleared of unfinished files when they are entered: only by who writes them, lest the
    /// other remove the one that is being written.
    sweeps: bool,
    /// Whether the file system has not refused to share blocks between files.
    clones: bool,
    /// The number of the last unfinished file.
    temps: u64,
}

struct Level {
    name: String,
    dir: Dir,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Nothing,
    File {
        size: u64,
        mtime: Timestamp,
        mode: u16,
    },
    Directory,
    /// A link or special file.
    Other,
}

impl Place {
    /// Opens the destination, which must exist. The user's own path to it may lead over links.
    pub(super) fn open(dest: &Path, sweeps: bool) -> Result<Self> {
        // Not `open_ambient_dir`, whose handle can neither be locked nor synced.
        let root = std::fs::File::open(dest)
            .map_err(|error| Error::io(format!("opening the destination {}", dest.display()), error))?;
        let place =
            Self { root: Dir::from_std_file(root), levels: Vec::new(), sweeps, clones: true, temps: 0 };
        if sweeps {
            sweep(&place.root);
        }
        Ok(place)
    }

    /// The destination itself, for locks and questions about its file system.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Enters the directory of `path`, if it is there.
    pub(super) fn enter_parent(&mut self, path: &str) -> Result<()> {
        self.parent(path, false).map(|_| ())
    }

    /// What stands at `path`; nothing where a parent is missing.
    pub(super) fn look(&mut self, path: &str) -> Result<Standing> {
        let context = |error| Error::io(format!("looking at {path:?} in the destination"), error);
        let Some((dir, name)) = self.parent(path, false)? else { return Ok(Standing::Nothing) };
        match dir.symlink_metadata(name) {
            Ok(metadata) => Ok(standing(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Standing::Nothing),
            Err(error) => Err(context(error)),
        }
    }

    /// Opens the regular file at `path`, if that is what stands there.
    pub(super) fn open_file(&mut self, path: &str) -> Result<Option<std::fs::File>> {
        let Some((dir, name)) = self.parent(path, false)? else { return Ok(None) };
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(raw(OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY));
        let opened = dir.open_with(name, &options).and_then(|file| {
            let is_file = file.metadata()?.is_file();
            Ok(is_file.then(|| file.into_std()))
        });
        opened.map_err(|error| Error::io(format!("opening {path:?} in the destination"), error))
    }

    /// A clone of a file of the destination: it has no name, and shares the file's blocks. None where the file system
    /// cannot share them.
    pub(super) fn clone_of(&mut self, file: &std::fs::File) -> Option<std::fs::File> {
        if !self.clones {
            return None;
        }
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let clone = openat(&self.root, ".", flags, Mode::RUSR | Mode::WUSR).and_then(|clone| {
            ioctl_ficlone(&clone, file)?;
            Ok(clone)
        });
        // Whatever the reason is, it costs speed only.
        self.clones = clone.is_ok();
        clone.ok().map(Into::into)
    }

    /// Makes an unfinished file beside `path`, and the directories on the way to it.
    pub(super) fn create(&mut self, path: &str, direct: bool) -> Result<(std::fs::File, String)> {
        let context = |error| Error::io(format!("creating a file for {path:?} in the destination"), error);
        let mut number = self.temps;
        let Some((dir, _)) = self.parent(path, true)? else { return Err(in_the_way(path)) };
        let (file, temp) = loop {
            number += 1;
            let temp = format!("{PREFIX}{number:08x}{SUFFIX}");
            match create_new(dir, &temp, direct) {
                Ok(file) => break (file.into_std(), temp),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(context(error)),
            }
        };
        self.temps = number;
        Ok((file, temp))
    }

    /// Puts a finished file in its place, over a file or a link that stands there.
    pub(super) fn finish(&mut self, path: &str, temp: &str) -> Result<()> {
        let Some((dir, name)) = self.parent(path, false)? else { return Err(in_the_way(path)) };
        dir.rename(temp, dir, name).map_err(|error| match error.kind() {
            io::ErrorKind::IsADirectory => in_the_way(path),
            _ => Error::io(format!("putting {path:?} in its place in the destination"), error),
        })
    }

    /// Removes an unfinished file.
    pub(super) fn discard(&mut self, path: &str, temp: &str) {
        if let Ok(Some((dir, _))) = self.parent(path, false) {
            // One that stays is removed by the next restore.
            let _ = dir.remove_file(temp);
        }
    }

    /// Makes a directory at `path`, and those on the way; gives a handle to it if it was not there.
    pub(super) fn make_dir(&mut self, path: &str) -> Result<Option<std::fs::File>> {
        let Some((dir, name)) = self.parent(path, true)? else { return Err(in_the_way(path)) };
        let made = match dir.create_dir(name) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(Error::io(format!("making {path:?} in the destination"), error)),
        };
        let dir = enter(dir, name).map_err(|_| in_the_way(path))?;
        Ok(made.then(|| dir.into_std_file()))
    }

    /// The directory of `path` and its last component. `None` where a directory on the way is missing and shall not
    /// be made.
    fn parent<'p>(&mut self, path: &'p str, make: bool) -> Result<Option<(&Dir, &'p str)>> {
        let mut components = path.split('/').map(|name| checked(path, name));
        let name = components.next_back().unwrap_or(Err(escape(path)))?;
        let mut depth = 0;
        for component in components {
            let component = component?;
            if self.levels.get(depth).is_none_or(|level| level.name != component) {
                self.levels.truncate(depth);
                let above = self.levels.last().map_or(&self.root, |level| &level.dir);
                match descend(above, component, make) {
                    Ok(dir) => {
                        if self.sweeps {
                            sweep(&dir);
                        }
                        self.levels.push(Level { name: component.to_owned(), dir });
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound && !make => return Ok(None),
                    Err(error) if is_no_directory(&error) => {
                        return Err(in_the_way(
                            path.split_inclusive('/').take(depth + 1).collect::<String>(),
                        ));
                    }
                    Err(error) => {
                        return Err(Error::io(format!("opening the directory of {path:?}"), error));
                    }
                }
            }
            depth += 1;
        }
        self.levels.truncate(depth);
        Ok(Some((self.levels.last().map_or(&self.root, |level| &level.dir), name)))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("depth", &self.levels.len()).finish_non_exhaustive()
    }
}

/// Lets a name pass that stays in the directory it is used in.
fn checked<'p>(path: &str, name: &'p str) -> Result<&'p str> {
    let stays = !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']);
    if stays { Ok(name) } else { Err(escape(path)) }
}

fn escape(path: &str) -> Error {
    Error::Invalid(format!("path {path:?} leads out of the destination; it is not written"))
}

pub(super) fn in_the_way(path: impl AsRef<str>) -> Error {
    let path = path.as_ref().trim_end_matches('/');
    Error::Invalid(format!(
        "{path:?} in the destination is in the way (a file or link where a directory must be, or the other way \
         round): move it away, then restore again"
    ))
}

/// Opens a directory in a directory, unless it is a link; makes it first if asked to.
fn descend(above: &Dir, name: &str, make: bool) -> io::Result<Dir> {
    match enter(above, name) {
        Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
            match above.create_dir(name) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            enter(above, name)
        }
        outcome => outcome,
    }
}

fn enter(above: &Dir, name: &str) -> io::Result<Dir> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(raw(OFlags::DIRECTORY | OFlags::NOFOLLOW));
    Ok(Dir::from_std_file(above.open_with(name, &options)?.into_std()))
}

fn create_new(dir: &Dir, name: &str, direct: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    if direct {
        options.custom_flags(raw(OFlags::DIRECT));
        match dir.open_with(name, &options) {
            // Not every file system can; it may have made the file before it found out.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                let _ = dir.remove_file(name);
                options.custom_flags(0);
            }
            outcome => return outcome,
        }
    }
    dir.open_with(name, &options)
}

fn raw(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

fn is_no_directory(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    matches!(errno, Some(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP))
}

/// Removes what an interrupted restore left in a directory.
fn sweep(dir: &Dir) {
    let Ok(entries) = dir.entries() else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(is_temp_name);
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = dir.remove_file(&name);
        }
    }
}

/// Whether a file of this name is an unfinished one of a restore.
pub(crate) fn is_temp_name(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

fn standing(metadata: &Metadata) -> Standing {
    if metadata.is_dir() {
        return Standing::Directory;
    }
    if !metadata.is_file() {
        return Standing::Other;
    }
    let nanos = u32::try_from(metadata.mtime_nsec()).unwrap_or_default();
    Standing::File {
        size: metadata.len(),
        mtime: Timestamp { seconds: metadata.mtime(), nanos },
        mode: (metadata.mode() & 0o7777) as u16,
    }
}
