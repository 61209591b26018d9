//! Walks a source in the order of a manifest: the bytes of whole paths.
//!
//! That is not the order of names in a directory. `a/x` comes after `a.txt`, for `.` is less than `/`; so a directory
//! with something in it is sorted under its name and a `/`, an empty one, which is an entry itself, under its name.
//! Names that could not be restored elsewhere are refused here: not UTF-8, or equal to a neighbour's under NFC or case
//! folding. Two whole paths can only collide where two names in one directory do, so neighbours are all that is compared.
//!
//! Memory is one listing per level of depth. Nothing is read but directories.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::fs::{FileType, RawDir};

use super::source::{Source, Stat, open_directory};
use crate::{
    error::{Error, Result},
    manifest::{EntryPath, path::collision_key},
};

/// Names in one error message at most.
const NAMED: usize = 10;
/// Bytes of directory entries fetched at a time.
const LISTING_BYTES: usize = 32 * 1024;

/// Something met on the way. Paths of files and empty directories are strictly ascending.
#[derive(Debug)]
pub(super) enum Found {
    File {
        path: EntryPath,
        stat: Stat,
    },
    EmptyDir {
        path: EntryPath,
        stat: Stat,
    },
    /// A link or special file: not published.
    Skipped {
        path: String,
        kind: &'static str,
    },
    /// A directory or file that cannot be looked at.
    Unreadable {
        path: String,
        error: io::Error,
    },
}

/// The walk, outermost directory first.
#[derive(Debug)]
pub(super) struct Walk {
    levels: Vec<Level>,
    /// The path of the innermost level, with a `/` at its end unless it is the root.
    prefix: String,
    /// Links and special files of a directory that has nothing else.
    aside: Vec<Found>,
}

#[derive(Debug)]
struct Level {
    directory: OwnedFd,
    listing: std::vec::IntoIter<Name>,
    prefix_len: usize,
}

/// A name in a directory. That of a directory with something in it ends in `/`.
#[derive(Debug)]
struct Name {
    key: Box<str>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File,
    FullDir,
    /// Nothing in it will be an entry: links and special files, by name, are all there is.
    EmptyDir(Vec<(Box<str>, &'static str)>),
    Other(&'static str),
}

impl Walk {
    /// Begins a walk of everything below the root.
    pub(super) fn new(source: &Source) -> Result<Self> {
        let context = "listing the source directory";
        let root = source.root().map_err(|error| Error::io(context, error))?;
        let mut walk = Self { levels: Vec::new(), prefix: String::new(), aside: Vec::new() };
        walk.enter(root, 0)?.map_err(|error| Error::io(context, error))?;
        Ok(walk)
    }

    /// Lists a directory and makes it the innermost level. The outer error ends the walk, the inner one is this
    /// directory's only.
    fn enter(&mut self, directory: OwnedFd, prefix_len: usize) -> Result<io::Result<()>> {
        let listing = match list(&directory, &self.prefix)? {
            Ok(listing) => listing.into_iter(),
            Err(error) => return Ok(Err(error)),
        };
        self.levels.push(Level { directory, listing, prefix_len });
        Ok(Ok(()))
    }

    fn step(&mut self) -> Result<Option<Found>> {
        loop {
            if let Some(aside) = self.aside.pop() {
                return Ok(Some(aside));
            }
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some(Name { key, kind }) = level.listing.next() else {
                self.prefix.truncate(level.prefix_len);
                self.levels.pop();
                continue;
            };
            let directory = level.directory.as_fd();
            let name = key.trim_end_matches('/');
            let path = format!("{}{name}", self.prefix);
            match kind {
                Kind::Other(kind) => return Ok(Some(Found::Skipped { path, kind })),
                Kind::FullDir => match open_directory(directory, name) {
                    Ok(inner) => {
                        let prefix_len = self.prefix.len();
                        self.prefix.push_str(&key);
                        // The depth of a path is bounded, and with it the handles that a walk holds.
                        EntryPath::new(path.as_str()).map_err(unpublishable)?;
                        if let Err(error) = self.enter(inner, prefix_len)? {
                            self.prefix.truncate(prefix_len);
                            return Ok(Some(Found::Unreadable { path, error }));
                        }
                    }
                    Err(error) => return Ok(Some(Found::Unreadable { path, error })),
                },
                Kind::File => {
                    let stat = Stat::at(directory, name);
                    return entry(path, stat, FileType::RegularFile).map(Some);
                }
                Kind::EmptyDir(inside) => {
                    let skip = |(name, kind)| Found::Skipped { path: format!("{path}/{name}"), kind };
                    self.aside.extend(inside.into_iter().map(skip));
                    let stat = Stat::at(directory, name);
                    return entry(path, stat, FileType::Directory).map(Some);
                }
            }
        }
    }
}

/// What is found at `path` if it still is what the listing said.
fn entry(path: String, stat: io::Result<Stat>, listed: FileType) -> Result<Found> {
    let stat = match stat {
        Ok(stat) if stat.kind == listed => stat,
        Ok(_) => return Ok(Found::Unreadable { path, error: replaced() }),
        Err(error) => return Ok(Found::Unreadable { path, error }),
    };
    let path = EntryPath::new(path).map_err(unpublishable)?;
    Ok(if listed == FileType::Directory {
        Found::EmptyDir { path, stat }
    } else {
        Found::File { path, stat }
    })
}

impl Iterator for Walk {
    type Item = Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.step().transpose();
        if matches!(found, Some(Err(_))) {
            self.levels.clear();
        }
        found
    }
}

/// Looks at a single file as the whole of a source.
pub(super) fn single(source: &Source, name: &str) -> Result<(EntryPath, Stat)> {
    let path = EntryPath::new(name).map_err(unpublishable)?;
    let context = || format!("reading {name:?}");
    let root = source.root().map_err(|error| Error::io(context(), error))?;
    let stat = Stat::at(root.as_fd(), name).map_err(|error| Error::io(context(), error))?;
    match stat.kind {
        FileType::RegularFile => Ok((path, stat)),
        kind => Err(Error::Invalid(format!(
            "{name:?} is a {}: publish a directory or a regular file",
            special(kind)
        ))),
    }
}

/// What an entry turned into something else between two looks at it is reported as.
pub(super) fn replaced() -> io::Error {
    io::Error::other("it was replaced while it was read")
}

/// Lists a directory in path order, without what stands for itself and its parent.
fn list(directory: &OwnedFd, prefix: &str) -> Result<io::Result<Vec<Name>>> {
    let mut names = Vec::new();
    let mut foreign = Vec::new();
    let mut buffer = Vec::with_capacity(LISTING_BYTES);
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Ok(Err(error.into())),
        };
        let bytes = entry.file_name().to_bytes();
        if bytes == b"." || bytes == b".." {
            continue;
        }
        match std::str::from_utf8(bytes) {
            Ok(name) => names.push(classify(directory, name, entry.file_type())),
            Err(_) => foreign.push(bytes.to_vec()),
        }
    }
    refuse_foreign(prefix, &foreign)?;
    refuse_collisions(prefix, &names)?;
    names.sort_unstable_by(|left, right| left.key.cmp(&right.key));
    Ok(Ok(names))
}

fn classify(directory: &OwnedFd, name: &str, listed: FileType) -> Name {
    let (key, kind) = match settled(directory, name, listed) {
        FileType::RegularFile => (name.into(), Kind::File),
        FileType::Directory => match without_entries(directory, name) {
            Some(inside) => (name.into(), Kind::EmptyDir(inside)),
            None => (format!("{name}/").into(), Kind::FullDir),
        },
        other => (name.into(), Kind::Other(special(other))),
    };
    Name { key, kind }
}

/// What is in a directory of which nothing will be an entry, or `None` where something will. One that cannot be listed
/// counts as having something in it: entering it will say why.
fn without_entries(parent: &OwnedFd, name: &str) -> Option<Vec<(Box<str>, &'static str)>> {
    let directory = open_directory(parent.as_fd(), name).ok()?;
    let mut buffer = Vec::with_capacity(LISTING_BYTES);
    let mut entries = RawDir::new(&directory, buffer.spare_capacity_mut());
    let mut inside = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry.ok()?;
        let name = entry.file_name().to_str().ok()?;
        if matches!(name, "." | "..") {
            continue;
        }
        match settled(&directory, name, entry.file_type()) {
            FileType::RegularFile | FileType::Directory => return None,
            other => inside.push((name.into(), special(other))),
        }
    }
    Some(inside)
}

/// The kind of a listed name: not every file system says it in the listing.
fn settled(directory: &OwnedFd, name: &str, listed: FileType) -> FileType {
    match listed {
        FileType::Unknown => {
            Stat::at(directory.as_fd(), name).map_or(FileType::RegularFile, |stat| stat.kind)
        }
        known => known,
    }
}

fn special(kind: FileType) -> &'static str {
    match kind {
        FileType::Symlink => "symbolic link",
        FileType::Fifo => "pipe",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        FileType::Directory => "directory",
        _ => "special file",
    }
}

fn unpublishable(error: Error) -> Error {
    Error::Invalid(format!("{error}: rename it, then publish again"))
}

fn refuse_foreign(prefix: &str, foreign: &[Vec<u8>]) -> Result<()> {
    if foreign.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = foreign
        .iter()
        .take(NAMED)
        .map(|name| {
            let hex = data_encoding::HEXLOWER.encode(name);
            format!("{:?} (bytes {hex})", format!("{prefix}{}", String::from_utf8_lossy(name)))
        })
        .collect();
    Err(Error::Invalid(format!(
        "{} not UTF-8: {}; rename (for example with convmv), then publish again",
        plural(foreign.len(), "name is", "names are"),
        enumeration(&named, foreign.len())
    )))
}

fn refuse_collisions(prefix: &str, names: &[Name]) -> Result<()> {
    let mut keys = Vec::with_capacity(names.len());
    for name in names.iter().filter(|name| !matches!(name.kind, Kind::Other(_))) {
        let plain = name.key.trim_end_matches('/');
        let path = EntryPath::new(plain).map_err(|error| {
            let context = if prefix.is_empty() { String::new() } else { format!("in {prefix:?}: ") };
            Error::Invalid(format!("{context}{error}: rename it, then publish again"))
        })?;
        keys.push((collision_key(&path), plain));
    }
    keys.sort_unstable();
    let named: Vec<_> = keys
        .iter()
        .zip(keys.iter().skip(1))
        .filter(|((left, _), (right, _))| left == right)
        .map(|((_, left), (_, right))| {
            format!("{:?} and {:?}", format!("{prefix}{left}"), format!("{prefix}{right}"))
        })
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "names that some systems take for the same: {}; rename one of each, then publish again",
        enumeration(named.get(..NAMED).unwrap_or(&named), named.len())
    )))
}

/// `1 name is`, `3 names are`.
pub(super) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The items, and how many more there are.
pub(super) fn enumeration(named: &[String], count: usize) -> String {
    let more = count.saturating_sub(named.len());
    let listed = named.join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}
