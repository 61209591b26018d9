//! Opens items below a source without ever following a symbolic link, and reads their metadata.
//!
//! Every path is opened relative to one directory handle, so renaming or replacing a parent of the source
//! during a publish has no effect. This module does not select the published items.

use std::{
    fs::File,
    io,
    ops::Range,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, SeekFrom, fstat, openat, openat2, readlinkat,
        seek, statat,
    },
    io::Errno,
};

use crate::{
    manifest::{EntryPath, Timestamp},
    rights::{self, Covered, raised},
};

/// Without `NONBLOCK`, opening a pipe would wait for a writer; without `NOCTTY`, a terminal would become the
/// controlling terminal. On regular files neither flag has an effect.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NO_LINKS: ResolveFlags = ResolveFlags::NO_SYMLINKS.union(ResolveFlags::NO_MAGICLINKS);
const STRICT: ResolveFlags = ResolveFlags::BENEATH.union(NO_LINKS);

/// The kernel's metadata of a file: enough to tell whether the file changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub(super) kind: FileType,
    pub(super) mode: u16,
    pub(super) size: u64,
    pub(super) mtime: Timestamp,
    pub(super) ctime: Timestamp,
    pub(super) inode: u64,
    pub(super) device: u64,
    /// Number of names of the file.
    pub(super) links: u64,
    /// Bytes that the file occupies on its disk. They may change although the file does not.
    allocated: u64,
}

impl Stat {
    /// Whether this is the same file, unchanged since `other` was read.
    pub(super) fn is_unchanged(&self, other: &Self) -> bool {
        let key =
            |stat: &Self| (stat.kind, stat.mode, stat.size, stat.mtime, stat.ctime, stat.inode, stat.device);
        key(self) == key(other)
    }

    /// The bytes of the file without its holes.
    pub(super) fn occupied(&self) -> u64 {
        self.size.min(self.allocated)
    }

    /// Whether the file may occupy less space than its size.
    pub(super) fn may_have_holes(&self) -> bool {
        self.allocated < self.size
    }

    /// Whether this is the same file, which may have grown since `earlier` was read.
    pub(super) fn has_only_grown(&self, earlier: &Self) -> bool {
        let key = |stat: &Self| (stat.kind, stat.inode, stat.device);
        key(self) == key(earlier) && self.size >= earlier.size
    }

    /// The metadata of an open file.
    pub(super) fn of(file: impl AsFd) -> io::Result<Self> {
        Ok(Self::from_kernel(&fstat(file)?))
    }

    /// The metadata of a name in a directory, without following a link.
    pub(super) fn at(directory: BorrowedFd<'_>, name: impl rustix::path::Arg + Copy) -> io::Result<Self> {
        raised(|| Ok(Self::from_kernel(&statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?)))
    }

    // The field widths differ between platforms; the values fit on all of them.
    #[expect(clippy::cast_possible_truncation, reason = "nanoseconds and permission bits fit")]
    #[allow(clippy::unnecessary_cast, reason = "widths differ between platforms")]
    fn from_kernel(stat: &rustix::fs::Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(stat.st_mode),
            mode: (stat.st_mode & 0o7777) as u16,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            mtime: Timestamp { seconds: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u32 },
            ctime: Timestamp { seconds: stat.st_ctime as i64, nanos: stat.st_ctime_nsec as u32 },
            inode: stat.st_ino as u64,
            device: stat.st_dev as u64,
            links: stat.st_nlink as u64,
            allocated: u64::try_from(stat.st_blocks).unwrap_or_default().saturating_mul(512),
        }
    }
}

/// The first `limit` holes of an open file: ranges of zeros that occupy no space. Empty, without a system
/// call, if the file occupies its full size.
pub(super) fn holes(file: &File, stat: &Stat, limit: usize) -> Vec<Range<u64>> {
    let mut holes = Vec::new();
    if !stat.may_have_holes() {
        return holes;
    }
    let mut at = 0;
    // If a file system reports no holes, or the file changes meanwhile, a copy only needs more space.
    while at < stat.size && holes.len() < limit {
        let Ok(start) = seek(file, SeekFrom::Hole(at)) else { break };
        // Every file has a virtual hole behind its last byte. It is ignored.
        if start >= stat.size {
            break;
        }
        let end = match seek(file, SeekFrom::Data(start)) {
            Ok(end) => end.min(stat.size),
            Err(Errno::NXIO) => stat.size,
            Err(_) => break,
        };
        if end > start {
            holes.push(start..end);
        }
        at = end.max(start + 1);
    }
    holes
}

/// The root directory of a publish.
#[derive(Debug)]
pub(super) struct Source {
    root: OwnedFd,
    /// Whether the kernel can resolve whole paths strictly; otherwise paths are opened component by
    /// component.
    strict: bool,
    /// The only file of a source that is a file: its path in the library, and its name in the root.
    single: Option<(String, String)>,
    /// Whether files are read that only root may read.
    reads_all: bool,
}

impl Source {
    /// Opens the source's root. Links in the path that the user gave are followed.
    ///
    /// A source behind a link is read without the rights of root: another user may have made the link.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let direct = match rights::is_covered() {
            true => raised(|| Ok(openat2(CWD, root, DIRECTORY, Mode::empty(), NO_LINKS)?)).ok(),
            false => None,
        };
        let reads_all = direct.is_some();
        let root = match direct {
            Some(root) => root,
            None => openat(CWD, root, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty())?,
        };
        let _covered = rights::cover(reads_all);
        let strict = raised(|| Ok(openat2(&root, ".", DIRECTORY, Mode::empty(), STRICT)?)).is_ok();
        Ok(Self { root, strict, single: None, reads_all })
    }

    /// Opens the folder of a single file, which the library has at `path`.
    pub(super) fn of_file(folder: &Path, name: &str, path: &EntryPath) -> io::Result<Self> {
        Ok(Self { single: Some((path.to_string(), name.to_owned())), ..Self::open(folder)? })
    }

    /// The name of a path of the library below the root.
    pub(super) fn name_of<'a>(&'a self, path: &'a str) -> &'a str {
        self.single.as_ref().filter(|(at, _)| at == path).map_or(path, |(_, name)| name)
    }

    /// Lets this thread read what only root may read, if the source may be read so, until the answer is
    /// dropped.
    pub(super) fn cover(&self) -> Covered {
        rights::cover(self.reads_all)
    }

    /// Opens a file for reading. The caller checks that it is a regular file.
    pub(super) fn file(&self, path: &str) -> io::Result<File> {
        raised(|| Ok(self.open_below(self.name_of(path), FILE)?.into()))
    }

    /// Opens the root again, for listing.
    pub(super) fn root(&self) -> io::Result<OwnedFd> {
        raised(|| Ok(openat(&self.root, ".", DIRECTORY, Mode::empty())?))
    }

    fn open_below(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        if self.strict {
            let opened = openat2(&self.root, path, flags, Mode::empty(), STRICT);
            // A path of a library may be one byte longer than the kernel permits.
            if !matches!(opened, Err(Errno::NAMETOOLONG)) {
                return opened;
            }
        }
        let Some((parents, name)) = path.rsplit_once('/') else {
            return openat(&self.root, path, flags, Mode::empty());
        };
        let mut components = parents.split('/');
        let outermost = components.next().unwrap_or_default();
        let mut directory = openat(&self.root, outermost, DIRECTORY, Mode::empty())?;
        for component in components {
            directory = openat(&directory, component, DIRECTORY, Mode::empty())?;
        }
        openat(&directory, name, flags, Mode::empty())
    }
}

/// The target of a link in a directory, as bytes.
pub(super) fn read_link(parent: BorrowedFd<'_>, name: &str) -> io::Result<Vec<u8>> {
    raised(|| Ok(readlinkat(parent, name, Vec::new())?.into_bytes()))
}

/// Opens a file in a directory for reading, unless it is a link.
pub(super) fn open_file(parent: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    raised(|| Ok(openat(parent, name, FILE, Mode::empty())?.into()))
}

/// Opens a file below a root for reading. Links are followed as long as they stay below the root.
pub(super) fn open_beneath(root: BorrowedFd<'_>, path: &str) -> io::Result<File> {
    let beneath = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
    raised(|| Ok(openat2(root, path, FILE.difference(OFlags::NOFOLLOW), Mode::empty(), beneath)?.into()))
}

/// Opens a directory in a directory, for listing, unless it is a link.
pub(super) fn open_directory(parent: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    raised(|| Ok(openat(parent, name, DIRECTORY, Mode::empty())?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_component_of_a_path_may_be_a_link() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        std::fs::create_dir_all(root.join("real/deep")).unwrap();
        std::fs::write(root.join("real/deep/file"), b"x").unwrap();
        std::fs::write(outer.path().join("secret"), b"s").unwrap();
        symlink("real", root.join("way")).unwrap();
        symlink("file", root.join("real/deep/last")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        for strict in [true, false] {
            let source = Source { strict, ..Source::open(&root).unwrap() };
            assert!(source.file("real/deep/file").is_ok());
            for path in ["way/deep/file", "real/deep/last", "out"] {
                let error = source.file(path).unwrap_err();
                let refused = [Some(Errno::LOOP.raw_os_error()), Some(Errno::NOTDIR.raw_os_error())];
                assert!(refused.contains(&error.raw_os_error()), "{path}, strict {strict}: {error}");
            }
        }
    }
}
