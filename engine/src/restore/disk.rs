//! Walks the destination in the order of a manifest: the bytes of whole paths.
//!
//! A folder comes under its name, and what is in it under its name and a `/`: between the two others may come, as `a.b`
//! between `a` and `a/x`. Folders are entered only where the caller wants them to be. Nothing is read but folders, and no
//! link is followed.
//!
//! Memory is at most [`LISTED_NAMES`] names a level of depth: a folder with more is listed several times, each time for
//! the names that come next.

use std::{collections::BinaryHeap, io, path::Path};

use cap_std::fs::Dir;
use rustix::fs::{FileType, Mode, OFlags, RawDir, openat};

use super::{
    action::{Closed, Disk, Met, OnDisk},
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

/// Whether the release has something at a path, or under it.
pub(super) type IsTaken<'a> = Box<dyn FnMut(&str) -> Result<bool> + 'a>;

/// The walk, outermost folder first.
pub(super) struct DiskWalk<'a> {
    levels: Vec<Level>,
    /// The path of the innermost level, with a `/` at its end unless it is the destination.
    prefix: Vec<u8>,
    /// The name of the folder that was announced last, to be entered with the next step.
    inside: Option<Vec<u8>>,
    /// What the folders of unfinished files are called.
    temps: TempNames,
    /// Whether the release has a path.
    is_taken: IsTaken<'a>,
    locks: Locks,
    /// Names listed at a time, at most.
    names: usize,
}

#[derive(Debug)]
struct Level {
    dir: Dir,
    _hold: Option<Hold>,
    mount: Mount,
    /// The folder of unfinished files, where another mount begins here.
    temp: Option<String>,
    listing: std::vec::IntoIter<Key>,
    /// The last key of a listing that was cut short.
    after: Option<Key>,
    prefix_len: usize,
}

/// A name in a folder; that of a folder a second time with a `/` at its end, for what is in it.
type Key = Box<[u8]>;

impl<'a> DiskWalk<'a> {
    /// Begins a walk of everything below `dest`; of nothing where that is not there.
    pub(super) fn new(dest: &Path, temps: &TempNames, locks: &Locks, is_taken: IsTaken<'a>) -> Result<Self> {
        Self::with_names(dest, temps, locks, is_taken, LISTED_NAMES)
    }

    /// Like [`DiskWalk::new`], with at most so many names listed at a time.
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
    fn enter_announced(&mut self, name: &[u8]) -> Result<Option<Met>> {
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
        let why = match entered {
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
        Ok(Some(Met::Closed { path, why }))
    }

    fn step(&mut self) -> Result<Option<Met>> {
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
                return Ok(Some(Met::Inside([self.prefix.as_slice(), name].concat())));
            }
            let path = [self.prefix.as_slice(), &key].concat();
            // What vanished since it was listed is not there.
            match Stat::at(&level.dir, &key) {
                Ok(Some(stat)) => {
                    let stat = self.locks.names.undone(stat);
                    return Ok(Some(Met::Item(OnDisk { path, stat })));
                }
                Ok(None) => {}
                Err(error) => return Ok(Some(Met::Unknown { path, why: error.to_string() })),
            }
        }
    }

    /// Leaves the innermost folder, of which the rest cannot be listed.
    fn give_up(&mut self, error: &io::Error) -> Met {
        let path = self.prefix.strip_suffix(b"/").unwrap_or(&self.prefix).to_vec();
        if let Some(level) = self.levels.pop() {
            self.prefix.truncate(level.prefix_len);
        }
        Met::Closed { path, why: Closed::Unreadable(error.to_string()) }
    }
}

impl Disk for DiskWalk<'_> {
    fn next(&mut self) -> Result<Option<Met>> {
        self.step()
    }

    fn pass_over(&mut self) {
        self.inside = None;
    }
}

impl Level {
    /// Lists the names that come next.
    fn list(&mut self, names: usize) -> io::Result<()> {
        let after = self.after.take();
        let mut next = BinaryHeap::new();
        let mut is_cut = false;
        // A handle of its own: the place in a listing belongs to the handle.
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
                // What cannot be looked at is found so later.
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
