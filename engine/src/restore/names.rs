//! The changes that a restore itself makes to files with several names. Removing or adding one name of a file
//! changes the ctime that all its other names show.
//!
//! The walk of the destination and the writing half examine files at different times. Both see a file as it
//! was before this restore changed any of its names. So only changes by other processes are seen as changes.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags, openat};

use super::stat::{DiskKind, Mark, Stat};
use crate::{limits::RESTORE_CHANGED_FILES, manifest::Timestamp};

/// The files of which this restore changed a name.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Arc<Mutex<BTreeMap<Key, Times>>>);

/// A file's inode and device.
type Key = (u64, u64);

/// The ctimes of a file before the first and after the last change by this restore, if no other process
/// changed it in between.
#[derive(Clone, Copy, Debug)]
struct Times {
    before: Timestamp,
    after: Timestamp,
}

impl Times {
    fn has(&self, time: Timestamp) -> bool {
        (self.before..=self.after).contains(&time)
    }
}

/// A file that is about to lose or gain a name.
struct Held {
    file: OwnedFd,
    before: Stat,
}

impl Names {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Times>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a change that removes names of the files at `places`, or adds names to them.
    pub(super) fn change<T>(
        &self,
        places: &[(&Dir, &[u8])],
        change: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let held: Vec<_> = places.iter().filter_map(|(folder, name)| hold(folder, name)).collect();
        if held.is_empty() {
            return change();
        }
        // The lock is held over the change, so that a thread that examines such a file learns of
        // the change before it compares.
        let mut all = self.all();
        let done = change()?;
        for Held { file, before } in held {
            if let Ok(after) = Stat::of(&file) {
                note(&mut all, &before, &after);
            }
        }
        Ok(done)
    }

    /// Like [`Names::change`], for a file at `place` that may have only one name.
    pub(super) fn link<T>(
        &self,
        place: (&Dir, &[u8]),
        change: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let held = open(place.0, place.1);
        let mut all = self.all();
        let done = change()?;
        if let Some(Held { file, before }) = held
            && let Ok(after) = Stat::of(&file)
        {
            note(&mut all, &before, &after);
        }
        Ok(done)
    }

    /// Whether this restore changed a name of a file with this inode, on any device.
    pub(super) fn has(&self, inode: u64) -> bool {
        self.all().range((inode, 0)..=(inode, u64::MAX)).next().is_some()
    }

    /// The metadata of a file as it was before this restore changed its names.
    pub(super) fn undone(&self, mut stat: Stat) -> Stat {
        if stat.kind != DiskKind::Folder
            && let Some(times) = self.all().get(&key(&stat)).filter(|times| times.has(stat.mark.ctime))
        {
            stat.mark.ctime = times.before;
        }
        stat
    }

    /// Whether a file that had the mark `seen` now differs only because this restore changed its names.
    pub(super) fn explain(&self, seen: &Mark, now: &Stat) -> bool {
        let all = self.all();
        let times = all.get(&key(now)).filter(|_| seen.has_same_content(&now.mark));
        times.is_some_and(|times| times.has(seen.ctime) && times.has(now.mark.ctime))
    }
}

fn key(stat: &Stat) -> Key {
    (stat.mark.inode, stat.device)
}

fn note(all: &mut BTreeMap<Key, Times>, before: &Stat, after: &Stat) {
    let key = key(before);
    if after.names == 0 {
        all.remove(&key);
        return;
    }
    let (before, after) = (before.mark.ctime, after.mark.ctime);
    match all.get_mut(&key) {
        Some(times) if times.after == before => times.after = after,
        // A change by another process in between is not hidden.
        Some(times) => *times = Times { before, after },
        None => {
            if all.len() >= RESTORE_CHANGED_FILES {
                all.clear();
            }
            all.insert(key, Times { before, after });
        }
    }
}

/// Opens a file with several names as a path handle: its metadata can be read even after the name is gone.
fn hold(folder: &Dir, name: &[u8]) -> Option<Held> {
    let looked = Stat::at(folder, name).ok().flatten();
    looked.filter(|stat| stat.kind != DiskKind::Folder && stat.names > 1)?;
    open(folder, name)
}

fn open(folder: &Dir, name: &[u8]) -> Option<Held> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, OsStr::from_bytes(name), flags, Mode::empty()).ok()?;
    let before = Stat::of(&file).ok()?;
    Some(Held { file, before })
}
