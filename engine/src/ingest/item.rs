//! The item behind a name in a folder of the source: an entry, a gap, or left out.

use std::{
    ffi::OsStr,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use rustix::{fs::FileType, io::Errno};

use super::{
    secret::{IS_HOME, secret_name},
    source::{Stat, read_link},
    walk::{Found, LeftOut},
};
use crate::{
    error::Result,
    home::Protected,
    manifest::{EntryPath, LinkTarget},
};

/// Whether a path, or a path below it, was published before.
pub(super) type WasPublished<'a> = &'a dyn Fn(&EntryPath) -> Result<bool>;

/// The item at `path`, which a listing called a file.
pub(super) fn file(path: EntryPath, stat: io::Result<Stat>) -> Found {
    match stat {
        Ok(stat) if stat.kind == FileType::RegularFile => Found::File { path, stat },
        other => changed(path, other.err()),
    }
}

pub(super) fn folder(path: EntryPath, stat: io::Result<Stat>, is_home: bool, protected: &Protected) -> Found {
    match stat {
        Ok(stat)
            if stat.kind == FileType::Directory
                && (is_home || protected.has_inode(stat.device, stat.inode)) =>
        {
            Found::LeftOut(LeftOut::new(path, IS_HOME))
        }
        Ok(stat) if stat.kind == FileType::Directory => Found::Folder { path, stat },
        other => changed(path, other.err()),
    }
}

/// The item at `path`, which a listing called a link. A link that leads out is left out; in the place of
/// published content it is a gap, since that content has probably moved to another disk.
pub(super) fn link(
    path: EntryPath,
    directory: BorrowedFd<'_>,
    name: &str,
    was_published: WasPublished<'_>,
) -> Result<Found> {
    let read = Stat::at(directory, name).and_then(|stat| Ok((stat, read_link(directory, name)?)));
    let (stat, target) = match read {
        Ok(read) => read,
        // It is no link any more.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => return Ok(changed(path, None)),
        Err(error) => return Ok(changed(path, Some(error))),
    };
    if stat.kind != FileType::Symlink {
        return Ok(changed(path, None));
    }
    if let Some(why) = secret_name(&target) {
        return Ok(Found::LeftOut(LeftOut::new(path, why)));
    }
    let Ok(target) = String::from_utf8(target) else {
        return Ok(gap(path, "a symbolic link whose target is not UTF-8".to_owned()));
    };
    Ok(match LinkTarget::new(target.as_str(), &path) {
        Ok(target) => Found::Link { path, stat, target },
        Err(_) if LinkTarget::leads_outside(&target, &path) => match was_published(&path)? {
            false => {
                Found::LeftOut(LeftOut::new(path, format!("a symbolic link that leads out, to {target:?}")))
            }
            true => gap(
                path,
                format!(
                    "published content was replaced by a symbolic link that leads out, to {target:?}; the option \
                     `exclude` lets it leave the library"
                ),
            ),
        },
        Err(error) => gap(path, error.to_string()),
    })
}

/// An item of a kind that no release can have, at the path `shown`.
pub(super) fn special_item(
    shown: String,
    kind: &'static str,
    was_published: WasPublished<'_>,
) -> Result<Found> {
    match EntryPath::new(shown.as_str()) {
        Ok(path) if was_published(&path)? => Ok(gap(
            path,
            format!(
                "published content was replaced by a {kind}; the option `exclude` lets it leave the library"
            ),
        )),
        _ => Ok(Found::LeftOut(LeftOut::new(shown, kind))),
    }
}

/// An item that differs from its listing: it vanished, cannot be examined, or became something else.
fn changed(path: EntryPath, error: Option<io::Error>) -> Found {
    match error {
        Some(error) if error.kind() == io::ErrorKind::NotFound => {
            Found::LeftOut(LeftOut::new(path, VANISHED))
        }
        Some(error) => gap(path, error.to_string()),
        None => Found::Unsettled { path, why: replaced().to_string() },
    }
}

/// A folder whose content is not known.
pub(super) fn unlisted(path: EntryPath, error: &io::Error) -> Found {
    let why = format!("its content cannot be listed: {error}");
    Found::Gap { path: path.to_string(), why, at: Some(path), within: true }
}

fn gap(path: EntryPath, why: String) -> Found {
    Found::Gap { path: path.to_string(), why, at: Some(path), within: false }
}

/// Why an item that was deleted meanwhile is not in the release.
pub(super) const VANISHED: &str = "it was deleted meanwhile";

/// The error for an entry that was replaced during the walk.
fn replaced() -> io::Error {
    io::Error::other("it was replaced while it was read")
}

/// Whether the item no longer exists, or is a link or another kind of item now.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// The kind of a listed name: not every file system reports it in the listing.
pub(super) fn file_type_of(directory: &OwnedFd, name: &[u8], listed: FileType) -> FileType {
    match listed {
        FileType::Unknown => Stat::at(directory.as_fd(), OsStr::from_bytes(name))
            .map_or(FileType::RegularFile, |stat| stat.kind),
        known => known,
    }
}

/// The name of a kind that no release can have.
pub(super) fn special(kind: FileType) -> Option<&'static str> {
    Some(match kind {
        FileType::RegularFile | FileType::Directory | FileType::Symlink => return None,
        FileType::Fifo => "pipe",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        _ => "special file",
    })
}
