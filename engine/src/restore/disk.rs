//! Walks the destination in the order of a manifest: the bytes of whole paths.
//!
//! A folder comes under its name, and its content under the name and a `/`; other names may come between the
//! two, as `a.b` between `a` and `a/x`. Folders are entered only if the caller wants it. Only folders are
//! read, and no link is followed.
//!
//! Memory is at most [`LISTED_NAMES`] names for each level of depth: a larger folder is listed several times,
//! each time for the next names.

use std::{collections::BinaryHeap, io, path::Path};

use cap_std::fs::Dir;
use rustix::fs::{FileType, Mode, OFlags, RawDir, openat};

use super::{
    action::{Closed, Disk, Lookup, OnDisk},
    locks::{Hold, Locks},
    stat::{DiskKind, Mount, Stat},
    temp::TempNames,
};
use crate::{
    error::{Error, Result},
    limits::LISTED_NAMES,
};

/// Bytes of directory entries fetched at a time.
const LISTING_BYTES: usize = 32 * 1024;

/// Whether the release has a path, or a path below it.
pub(super) type IsTaken<'a> = Box<dyn FnMut(&str) -> Result<bool> + 'a>;

/// The walk; the outermost folder is the first level.
pub(super) struct DiskWalk<'a> {
    levels: Vec<Level>,
    /// The path of the innermost level, with a `/` at its end unless it is the destination.
    prefix: Vec<u8>,
    /// The name of the folder that was announced last; the next step enters it.
    inside: Option<Vec<u8>>,
    /// The names of the folders for unfinished files.
    temps: TempNames,
    /// Whether the release has a path.
    is_taken: IsTaken<'a>,
    locks: Locks,
    /// Maximum number of names listed at a time.
    names: usize,
}

#[derive(Debug)]
struct Level {
    dir: Dir,
    _hold: Option<Hold>,
    mount: Mount,
    /// The name of the folder for unfinished files, if another mount begins here.
    temp: Option<String>,
    listing: std::vec::IntoIter<Key>,
    /// The last key of a truncated listing.
    after: Option<Key>,
    prefix_len: usize,
}

/// A name in a folder; for a folder there is a second key with a `/` at its end, for its content.
type Key = Box<[u8]>;

impl<'a> DiskWalk<'a> {
    /// Begins a walk of everything below `dest`; the walk is empty if `dest` does not exist.
    pub(super) fn new(dest: &Path, temps: &TempNames, locks: &Locks, is_taken: IsTaken<'a>) -> Result<Self> {
        Self::with_names(dest, temps, locks, is_taken, LISTED_NAMES)
    }

    /// Like [`DiskWalk::new`], with at most `names` names listed at a time.
    pub(super) fn with_names(
        dest: &Path,
        temps: &TempNames,
        locks: &Locks,
        is_taken: IsTaken<'a>,
        names: usize,
    ) -> Result<Self> {
        let mut walk = Self {
            levels: Vec::new(),
            prefix: Vec::new(),
            inside: None,
            temps: temps.clone(),
            is_taken,
            locks: locks.clone(),
            names,
        };
        let context = |error| Error::io(format!("listing the destination {}", dest.display()), error);
        match std::fs::File::open(dest) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(context(error)),
            Ok(root) => {
                let root = Dir::from_std_file(root);
                let hold = locks.hold_entered(&root).map_err(context)?;
                walk.enter(root, hold).map_err(context)?;
            }
        }
        Ok(walk)
    }

    /// Lists a folder and makes it the innermost level.
    fn enter(&mut self, dir: Dir, hold: Option<Hold>) -> io::Result<()> {
        let mount = Mount::of(&dir)?;
        let is_top = self.levels.last().is_none_or(|level| level.mount != mount);
        let folder = self.prefix.strip_suffix(b"/").unwrap_or(&self.prefix);
        let temp = is_top.then(|| self.temps.choose(folder, &dir, &mut self.is_taken)).transpose();
        let temp = temp.map_err(|error| io::Error::other(error.to_string()))?;
        let mut level = Level {
            dir,
            _hold: hold,
            mount,
            temp,
            listing: Vec::new().into_iter(),
            after: None,
            prefix_len: self.prefix.len(),
        };
        level.list(self.names)?;
        self.levels.push(level);
        Ok(())
    }

    /// Enters the folder that was announced last.
    fn enter_announced(&mut self, name: &[u8]) -> Result<Option<Lookup>> {
        let Some(level) = self.levels.last() else { return Ok(None) };
        let before = self.prefix.len();
        let path = [self.prefix.as_slice(), name].concat();
        let entered = self.locks.enter(&level.dir, name).and_then(|(dir, hold)| {
            if self.locks.is_home(&dir)? {
                return Ok(false);
            }
            self.prefix.extend_from_slice(name);
            self.prefix.push(b'/');
            self.enter(dir, hold).map(|()| true)
        });
        let reason = match entered {
            Ok(true) => {
                if let Some(level) = self.levels.last_mut() {
                    level.prefix_len = before;
                }
                return Ok(None);
            }
            Ok(false) => Closed::Home,
            Err(error) => Closed::Unreadable(error.to_string()),
        };
        self.prefix.truncate(before);
        Ok(Some(Lookup::Closed { path, reason }))
    }

    fn step(&mut self) -> Result<Option<Lookup>> {
        if let Some(name) = self.inside.take()
            && let Some(closed) = self.enter_announced(&name)?
        {
            return Ok(Some(closed));
        }
        loop {
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some(key) = level.listing.next() else {
                if level.after.is_some() {
                    match level.list(self.names) {
                        Ok(()) => {}
                        Err(error) if self.prefix.is_empty() => {
                            return Err(Error::io("listing the destination", error));
                        }
                        Err(error) => return Ok(Some(self.give_up(&error))),
                    }
                    continue;
                }
                self.prefix.truncate(level.prefix_len);
                self.levels.pop();
                continue;
            };
            if let Some(name) = key.strip_suffix(b"/") {
                self.inside = Some(name.to_vec());
                return Ok(Some(Lookup::Inside([self.prefix.as_slice(), name].concat())));
            }
            let path = [self.prefix.as_slice(), &key].concat();
            // An item that vanished since the listing is skipped.
            match Stat::at(&level.dir, &key) {
                Ok(Some(stat)) => {
                    let stat = self.locks.names.undone(stat);
                    return Ok(Some(Lookup::Item(OnDisk { path, stat })));
                }
                Ok(None) => {}
                Err(error) => return Ok(Some(Lookup::Unknown { path, reason: error.to_string() })),
            }
        }
    }

    /// Leaves the innermost folder, whose remaining names cannot be listed.
    fn give_up(&mut self, error: &io::Error) -> Lookup {
        let path = self.prefix.strip_suffix(b"/").unwrap_or(&self.prefix).to_vec();
        if let Some(level) = self.levels.pop() {
            self.prefix.truncate(level.prefix_len);
        }
        Lookup::Closed { path, reason: Closed::Unreadable(error.to_string()) }
    }
}

impl Disk for DiskWalk<'_> {
    fn next(&mut self) -> Result<Option<Lookup>> {
        self.step()
    }

    fn pass_over(&mut self) {
        self.inside = None;
    }
}

impl Level {
    /// Lists the next names.
    fn list(&mut self, names: usize) -> io::Result<()> {
        let after = self.after.take();
        let mut next = BinaryHeap::new();
        let mut is_cut = false;
        // Opens a handle of its own, because the position in a listing belongs to the handle.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(&self.dir, ".", flags, Mode::empty())?;
        let mut buffer = Vec::with_capacity(LISTING_BYTES);
        let mut entries = RawDir::new(&dir, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || self.temp.as_ref().is_some_and(|temp| name == temp.as_bytes())
            {
                continue;
            }
            let is_folder = match entry.file_type() {
                FileType::Directory => true,
                // An item that cannot be examined is reported when the walk reaches it.
                FileType::Unknown => Stat::at(&self.dir, name)
                    .is_ok_and(|found| found.is_some_and(|stat| stat.kind == DiskKind::Folder)),
                _ => false,
            };
            let inside = is_folder.then(|| [name, b"/"].concat().into_boxed_slice());
            for key in std::iter::once(Key::from(name)).chain(inside) {
                if after.as_ref().is_some_and(|after| key <= *after) {
                    continue;
                }
                next.push(key);
                if next.len() > names {
                    next.pop();
                    is_cut = true;
                }
            }
        }
        let listing = next.into_sorted_vec();
        self.after = listing.last().filter(|_| is_cut).cloned();
        self.listing = listing.into_iter();
        Ok(())
    }
}
