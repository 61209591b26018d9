//! Open handles from the destination to the folder that was used last: one handle for each component, each
//! opened in its parent without following a link.

use std::{ffi::OsStr, io, os::unix::ffi::OsStrExt, path::Path};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::{fs::OFlags, io::Errno};

use super::{
    locks::{Hold, Locks},
    stat::Mount,
};
use crate::error::{Error, Result};

/// An open folder.
#[derive(Debug)]
pub(super) struct Level {
    name: Vec<u8>,
    pub(super) dir: Dir,
    pub(super) mount: Mount,
    locks: Locks,
    /// Held while its owner needs rights that its mode does not give.
    hold: Option<Hold>,
}

impl Level {
    fn of(name: &[u8], dir: Dir, hold: Option<Hold>, locks: &Locks) -> io::Result<Self> {
        let mount = Mount::of(&dir)?;
        Ok(Self { name: name.to_vec(), dir, mount, locks: locks.clone(), hold })
    }

    /// Changes something in the folder. If the folder belongs to this user and is not writable, it is made
    /// writable first.
    pub(super) fn change<T>(&mut self, change: impl Fn(&Dir) -> io::Result<T>) -> io::Result<T> {
        match change(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && self.hold.is_none() => {
                self.hold = self.locks.hold(&self.dir, true)?;
                if self.hold.is_some() { change(&self.dir) } else { Err(error) }
            }
            outcome => outcome,
        }
    }
}

/// The open folders, outermost first.
#[derive(Debug)]
pub(super) struct Levels {
    root: Level,
    below: Vec<Level>,
}

impl Levels {
    /// Opens the destination, which must exist. Links in the user's own path to it are followed.
    pub(super) fn open(dest: &Path, locks: &Locks) -> io::Result<Self> {
        // Not `open_ambient_dir`: its handle can neither be locked nor synced.
        let dir = Dir::from_std_file(std::fs::File::open(dest)?);
        let hold = locks.hold_entered(&dir)?;
        let root = Level::of(b"", dir, hold, locks)?;
        Ok(Self { root, below: Vec::new() })
    }

    /// The destination itself.
    pub(super) fn root(&self) -> &Level {
        &self.root
    }

    /// The outermost open folder of a mount, and its path.
    pub(super) fn top_of(&self, mount: Mount) -> Option<(&Level, Vec<u8>)> {
        if self.root.mount == mount {
            return Some((&self.root, Vec::new()));
        }
        let at = self.below.iter().position(|level| level.mount == mount)?;
        let names: Vec<_> = self.below.iter().take(at + 1).map(|level| level.name.as_slice()).collect();
        Some((self.below.get(at)?, names.join(&b'/')))
    }

    /// The folder of `path`, and the last component. `None` if a parent is missing and must not be created.
    pub(super) fn parent<'p>(
        &mut self,
        path: &'p [u8],
        make: bool,
    ) -> Result<Option<(&mut Level, &'p [u8])>> {
        let mut components = path.split(|byte| *byte == b'/').map(|name| checked(path, name));
        let name = components.next_back().unwrap_or_else(|| Err(escape(path)))?;
        let mut depth = 0;
        for component in components {
            let component = component?;
            if self.below.get(depth).is_none_or(|level| level.name != component) {
                self.below.truncate(depth);
                let above = self.below.last_mut().unwrap_or(&mut self.root);
                match descend(above, component, make) {
                    Ok((dir, hold)) => {
                        // The plan leaves homes out. This check also finds a home that appeared after the
                        // plan was made.
                        if self.root.locks.is_home(&dir).map_err(|error| failed(path, error))? {
                            return Err(in_home(path));
                        }
                        let level = Level::of(component, dir, hold, &self.root.locks);
                        self.below.push(level.map_err(|error| failed(path, error))?);
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound && !make => return Ok(None),
                    Err(error) if is_no_folder(&error) => {
                        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
                        let end = ends.map(|(at, _)| at).nth(depth).unwrap_or(path.len());
                        return Err(in_the_way(path.get(..end).unwrap_or(path)));
                    }
                    Err(error) => return Err(failed(path, error)),
                }
            }
            depth += 1;
        }
        self.below.truncate(depth);
        Ok(Some((self.below.last_mut().unwrap_or(&mut self.root), name)))
    }

    /// Closes the handles at and below `path`, which is another folder now, or was removed.
    pub(super) fn forget(&mut self, path: &[u8]) {
        let depth = path.split(|byte| *byte == b'/').count();
        self.below.truncate(depth.saturating_sub(1));
    }
}

/// Opens a folder in a folder, unless it is a link; creates it first if `make` is set.
fn descend(above: &mut Level, name: &[u8], make: bool) -> io::Result<(Dir, Option<Hold>)> {
    match above.locks.enter(&above.dir, name) {
        Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
            match above.change(|dir| dir.create_dir(OsStr::from_bytes(name))) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            above.locks.enter(&above.dir, name)
        }
        outcome => outcome,
    }
}

/// Opens a folder in a folder, unless it is a link.
pub(super) fn enter(above: &Dir, name: &[u8]) -> io::Result<Dir> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(raw(OFlags::DIRECTORY | OFlags::NOFOLLOW));
    Ok(Dir::from_std_file(above.open_with(OsStr::from_bytes(name), &options)?.into_std()))
}

pub(super) fn raw(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

fn is_no_folder(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOTDIR | Errno::LOOP))
}

/// Accepts a name only if it stays in its folder.
fn checked<'p>(path: &[u8], name: &'p [u8]) -> Result<&'p [u8]> {
    let stays = !matches!(name, b"" | b"." | b"..") && !name.contains(&0);
    if stays { Ok(name) } else { Err(escape(path)) }
}

/// A path as text; bytes that are not UTF-8 are replaced.
pub(super) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn failed(path: &[u8], error: io::Error) -> Error {
    Error::io(format!("opening the folder of {:?} in the destination", shown(path)), error)
}

pub(super) fn escape(path: &[u8]) -> Error {
    Error::Invalid(format!("path {:?} leads out of the destination; it is not written", shown(path)))
}

pub(super) fn in_home(path: &[u8]) -> Error {
    Error::Invalid(format!(
        "{:?} is, or lies in, the home of a node or a part of one: nothing in it is touched",
        shown(path)
    ))
}

pub(super) fn in_the_way(path: &[u8]) -> Error {
    Error::Invalid(format!(
        "{:?} in the destination is in the way (a file or link where a folder must be, or the other way round): \
         move it away, then restore again",
        shown(path)
    ))
}
