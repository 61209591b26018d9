//! Folders of this user whose mode does not permit their owner to list, enter or change them. A restore gives
//! itself these rights while it works in such a folder. Then it sets the folder's old mode, or the mode that
//! the release gives it.
//!
//! Three parts of a restore use the same folder at different times: the walk of the destination, the fetching
//! half and the writing half. They share one list, so that no part removes the rights while another part
//! needs them. A killed restore leaves the owner more rights than the release gives; the next restore sets
//! the mode again.

use std::{
    collections::{BTreeMap, btree_map},
    ffi::OsStr,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cap_std::fs::Dir;
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, chmodat, fchmod, openat},
    io::{Errno, fcntl_dupfd_cloexec},
};

use super::{levels, names::Names, stat::Stat};
use crate::home::{Protected, is_home};

/// The rights that an owner needs to work in a folder.
const WORKABLE: Mode = Mode::RWXU;

/// The state that the parts of a restore share: the folders with temporary rights, the folders that are never
/// changed, and the files of which the restore changed a name.
#[derive(Clone, Debug, Default)]
pub(super) struct Locks {
    /// Whether no mode is changed.
    is_off: bool,
    /// The folders of the open home.
    protected: Arc<Protected>,
    pub(super) names: Names,
    held: Arc<Mutex<BTreeMap<Key, Held>>>,
}

/// A folder's device and inode.
type Key = (u64, u64);

#[derive(Debug)]
struct Held {
    /// The mode that is set when the last holder ends.
    mode: Mode,
    holders: usize,
}

/// Temporary rights to a folder: when the last holder is dropped, the folder's mode is set.
#[derive(Debug)]
pub(super) struct Hold {
    locks: Locks,
    key: Key,
    folder: OwnedFd,
}

impl Locks {
    /// Locks of a restore that changes nothing in `protected`. With `is_off` no mode is changed, for a dry
    /// run.
    pub(super) fn new(protected: Protected, is_off: bool) -> Self {
        Self { is_off, protected: Arc::new(protected), ..Self::default() }
    }

    /// Whether an open folder is the home of a node, or a part of the open home.
    pub(super) fn is_home(&self, folder: impl AsFd) -> io::Result<bool> {
        Ok(self.is_part(&Stat::of(&folder)?) || is_home(folder)?)
    }

    /// Whether the folder with the metadata `stat` is a part of the open home.
    pub(super) fn is_part(&self, stat: &Stat) -> bool {
        self.protected.has_inode(stat.device, stat.mark.inode)
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Key, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a folder in a folder, unless it is a link. If the owner may change the mode, takes the rights to
    /// list and enter it.
    pub(super) fn enter(&self, above: &Dir, name: &[u8]) -> io::Result<(Dir, Option<Hold>)> {
        match levels::enter(above, name) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let closed = openat(above, OsStr::from_bytes(name), flags, Mode::empty())?;
                let hold = self.hold(&closed, true)?.ok_or(error)?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let folder = openat(&closed, ".", flags, Mode::empty())?;
                Ok((Dir::from_std_file(folder.into()), Some(hold)))
            }
            Err(error) => Err(error),
            Ok(dir) => {
                let hold = self.hold_entered(&dir)?;
                Ok((dir, hold))
            }
        }
    }

    /// Takes rights to a folder that can be listed, if it cannot be entered or is held already.
    pub(super) fn hold_entered(&self, dir: &Dir) -> io::Result<Option<Hold>> {
        let looked = Stat::at(dir, b".");
        self.hold(dir, looked.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied))
    }

    /// Takes rights to a folder that is held already, or that denies its owner something (`refuses`); `None`
    /// if no rights are needed or none can be taken.
    pub(super) fn hold(&self, folder: impl AsFd, refuses: bool) -> io::Result<Option<Hold>> {
        if self.is_off {
            return Ok(None);
        }
        let stat = Stat::of(&folder)?;
        let key = (stat.device, stat.mark.inode);
        let mut held = self.held();
        match held.entry(key) {
            btree_map::Entry::Occupied(mut entry) => {
                let own = fcntl_dupfd_cloexec(&folder, 0)?;
                entry.get_mut().holders += 1;
                Ok(Some(Hold { locks: self.clone(), key, folder: own }))
            }
            btree_map::Entry::Vacant(entry) => {
                let mode = Mode::from_bits_truncate(stat.mode.into());
                if !refuses || mode.contains(WORKABLE) || !stat.is_own() {
                    return Ok(None);
                }
                let own = fcntl_dupfd_cloexec(&folder, 0)?;
                set_mode(folder.as_fd(), mode | WORKABLE)?;
                entry.insert(Held { mode, holders: 1 });
                Ok(Some(Hold { locks: self.clone(), key, folder: own }))
            }
        }
    }
}

impl Hold {
    /// The mode that is set when the last holder is dropped.
    pub(super) fn mode(&self) -> Option<Mode> {
        self.locks.held().get(&self.key).map(|held| held.mode)
    }

    /// Changes that mode.
    pub(super) fn set_final_mode(&self, mode: Mode) {
        if let Some(held) = self.locks.held().get_mut(&self.key) {
            held.mode = mode;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut all = self.locks.held();
        let Some(held) = all.get_mut(&self.key) else { return };
        held.holders -= 1;
        if held.holders == 0 {
            let mode = held.mode;
            all.remove(&self.key);
            // An error here cannot be reported. The next restore sets the mode if the folder belongs to the
            // release.
            let _ = set_mode(self.folder.as_fd(), mode);
        }
    }
}

/// Sets the mode of an open folder, also of one that is opened with `PATH` only. It never changes another
/// folder that took its path.
fn set_mode(folder: BorrowedFd<'_>, mode: Mode) -> io::Result<()> {
    match fchmod(folder, mode) {
        Err(Errno::BADF) => {
            let place = format!("/proc/self/fd/{}", folder.as_raw_fd());
            Ok(chmodat(CWD, place, mode, AtFlags::empty())?)
        }
        outcome => Ok(outcome?),
    }
}
