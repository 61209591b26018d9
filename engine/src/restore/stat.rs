//! The kernel's metadata of an item in the destination.

use std::{ffi::OsStr, io, os::fd::AsFd, os::unix::ffi::OsStrExt};

use rustix::{
    fs::{AtFlags, FileType, StatxAttributes, StatxFlags, fstat, statat, statx},
    io::Errno,
    process::geteuid,
};

use crate::manifest::Timestamp;

/// As long as all fields are equal, the content of a file or link is unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) size: u64,
    pub(super) mtime: Timestamp,
    pub(super) ctime: Timestamp,
    pub(super) inode: u64,
}

impl Mark {
    /// Whether size, mtime and inode are equal. The ctime also changes when a file is moved.
    pub(super) fn has_same_content(&self, other: &Self) -> bool {
        (self.size, self.mtime, self.inode) == (other.size, other.mtime, other.inode)
    }
}

/// The mount that a folder is in. A file system may be mounted at several places, and a rename cannot move an
/// item from one mount to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    device: u64,
    /// `None` if the kernel does not report it.
    id: Option<u64>,
}

impl Mount {
    /// The mount of an open folder.
    pub(super) fn of(folder: impl AsFd) -> io::Result<Self> {
        let device = Stat::of(&folder)?.device;
        let looked = statx(folder, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID);
        let id = looked.ok().filter(|found| found.stx_mask & StatxFlags::MNT_ID.bits() != 0);
        Ok(Self { device, id: id.map(|found| found.stx_mnt_id) })
    }
}

impl Mount {
    /// Whether a sync of one also syncs the other.
    pub(super) fn is_on_device_of(self, other: Self) -> bool {
        self.device == other.device
    }
}

/// Whether an open folder is a mount point; its parent is in the mount `above`.
pub(super) fn is_mount_point(folder: impl AsFd, above: Mount) -> io::Result<bool> {
    let looked = statx(&folder, "", AtFlags::EMPTY_PATH, StatxFlags::empty());
    let root = StatxAttributes::MOUNT_ROOT;
    let is_root = looked.is_ok_and(|found| (found.stx_attributes_mask & found.stx_attributes).contains(root));
    Ok(is_root || Mount::of(folder)? != above)
}

/// The kind of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DiskKind {
    #[default]
    File,
    Folder,
    Symlink,
    /// A device, pipe or socket.
    Special,
}

/// The metadata of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) kind: DiskKind,
    pub(super) mark: Mark,
    pub(super) mode: u16,
    pub(super) device: u64,
    pub(super) owner: u32,
    /// Number of names of the file.
    pub(super) names: u64,
}

impl Stat {
    /// The metadata of a name in a folder, without following a link; `None` if there is none.
    pub(super) fn at(folder: impl AsFd, name: &[u8]) -> io::Result<Option<Self>> {
        match statat(folder, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Self::from_kernel(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The metadata of an open file or folder.
    pub(super) fn of(file: impl AsFd) -> io::Result<Self> {
        Ok(Self::from_kernel(&fstat(file)?))
    }

    // The field widths differ between platforms; the values fit on all of them.
    #[expect(clippy::cast_possible_truncation, reason = "nanoseconds and permission bits fit")]
    #[allow(clippy::unnecessary_cast, reason = "widths differ between platforms")]
    fn from_kernel(stat: &rustix::fs::Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => DiskKind::File,
            FileType::Directory => DiskKind::Folder,
            FileType::Symlink => DiskKind::Symlink,
            _ => DiskKind::Special,
        };
        let mark = Mark {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            mtime: Timestamp { seconds: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u32 },
            ctime: Timestamp { seconds: stat.st_ctime as i64, nanos: stat.st_ctime_nsec as u32 },
            inode: stat.st_ino as u64,
        };
        Self {
            kind,
            mark,
            mode: (stat.st_mode & 0o7777) as u16,
            device: stat.st_dev as u64,
            owner: stat.st_uid,
            names: stat.st_nlink as u64,
        }
    }

    /// Whether this process may set the item's mode and times.
    pub(super) fn is_own(&self) -> bool {
        let user = geteuid();
        user.is_root() || user.as_raw() == self.owner
    }

    /// Whether both are the same item.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.mark.inode, self.device) == (other.mark.inode, other.device)
    }

    /// Whether both are the same item, unchanged in between. A folder's content may have changed.
    pub(super) fn is_unchanged(&self, now: &Self) -> bool {
        self.is_same(now) && self.kind == now.kind && (self.kind == DiskKind::Folder || self.mark == now.mark)
    }
}
