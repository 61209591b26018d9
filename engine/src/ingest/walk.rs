//! Walks a source in the order of a manifest: the bytes of whole paths.
//!
//! This is not the order of names in a directory. A folder is sorted under its name, its content under the
//! name and a `/`: `a.txt` comes between `a` and `a/x`, because `.` is less than `/`.
//!
//! One unusual item never ends a walk. An item that cannot be published is found as a gap, with the reason;
//! an item that need not be published is found as left out. Gaps are names that could not be restored
//! elsewhere (not UTF-8, a control character, too deep, equal to a neighbour under NFC or case folding), and
//! folders that cannot be listed. Two whole paths can only collide if two names in one folder do, so only
//! neighbours are compared.
//!
//! Memory is one listing for each level of depth. Only folders, links and exclude lists are read.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::fs::{FileType, RawDir};

use super::{
    collide,
    exclude::{EXCLUDE_FILE, Excludes, List, joined, no_list},
    item::{WasPublished, file, file_type_of, folder, is_gone, link, special, special_item, unlisted},
    secret::secret_name,
    source::{Source, Stat, open_beneath, open_directory, open_file},
};
use crate::{
    error::{Error, Result},
    home::{Protected, is_home},
    manifest::{EntryPath, LinkTarget},
    restore::is_temp_name,
    rights::{cover, is_covered},
};

/// Bytes of directory entries fetched at a time.
const LISTING_BYTES: usize = 32 * 1024;

/// An item of the walk. The paths of entries, and of gaps that have a path, are ascending, and no two entries
/// have the same path.
#[derive(Debug)]
pub(super) enum Found {
    File {
        path: EntryPath,
        stat: Stat,
    },
    Folder {
        path: EntryPath,
        stat: Stat,
    },
    Link {
        path: EntryPath,
        stat: Stat,
        target: LinkTarget,
    },
    /// Left out, and this is not an error: a special file, a link that leads out, an excluded item, a home.
    LeftOut(LeftOut),
    /// Cannot be published. `at` is its path if a release can have this path; then its previous entry is
    /// kept. With `within`, the gap is the content of the folder `at`: the previous entries below it are
    /// kept, and the folder itself was found before.
    Gap {
        path: String,
        why: String,
        at: Option<EntryPath>,
        within: bool,
    },
    /// Changed into another kind of item during the walk.
    Unsettled {
        path: EntryPath,
        why: String,
    },
}

/// An item that is left out, which is not an error.
#[derive(Clone, Debug)]
pub(super) struct LeftOut {
    pub(super) path: String,
    pub(super) why: String,
    /// Whether a pattern excludes it: there may be many such items, and the caller knows of them.
    pub(super) is_excluded: bool,
}

impl LeftOut {
    pub(super) fn new(path: impl ToString, why: impl Into<String>) -> Self {
        Self { path: path.to_string(), why: why.into(), is_excluded: false }
    }
}

/// The rules of a walk.
pub(super) struct WalkRules<'a> {
    pub(super) excludes: &'a Excludes,
    pub(super) protected: &'a Protected,
    /// Of colliding names, the published one is kept; so is published content whose place an item takes that
    /// no release can have.
    pub(super) was_published: WasPublished<'a>,
}

/// The walk; the outermost folder is the first level.
pub(super) struct Walk<'a> {
    rules: WalkRules<'a>,
    levels: Vec<Level>,
    /// The path of the innermost level, with a `/` at its end unless it is the root.
    prefix: String,
    /// Whether it sees what only root may see.
    reads_all: bool,
}

struct Level {
    directory: OwnedFd,
    listing: std::vec::IntoIter<Name>,
    prefix_len: usize,
    /// The folder's own exclude list.
    excludes: Option<List>,
}

/// A name in a folder, sorted by its key: the name itself, or the name and a `/` for the content of a folder.
pub(super) struct Name {
    pub(super) key: Box<[u8]>,
    pub(super) kind: NameKind,
}

/// The kind of a name, which decides how it is handled.
pub(super) enum NameKind {
    File,
    Folder,
    /// The content of a folder.
    Inside,
    Link,
    Excluded(String),
    LeftOut(&'static str),
    /// An item of a kind that no release can have; the text is the kind.
    Special(&'static str),
    Gap(String),
}

/// The result of entering a folder.
enum Entered {
    Yes,
    No(io::Error),
    /// Its exclude list is invalid, so it is not known which items must be left out.
    BadList(Error),
}

impl<'a> Walk<'a> {
    /// Begins a walk of everything below the root.
    pub(super) fn new(source: &Source, rules: WalkRules<'a>) -> Result<Self> {
        let context = "listing the source folder";
        let _covered = source.cover();
        let root = source.root().map_err(|error| Error::io(context, error))?;
        let mut walk = Self { rules, levels: Vec::new(), prefix: String::new(), reads_all: is_covered() };
        match walk.enter(root, 0) {
            Entered::Yes => Ok(walk),
            Entered::No(error) => Err(Error::io(context, error)),
            Entered::BadList(error) => Err(error),
        }
    }

    /// Lists a folder and makes it the innermost level.
    fn enter(&mut self, directory: OwnedFd, prefix_len: usize) -> Entered {
        let excludes = match self.list_of_excludes(directory.as_fd()) {
            Ok(excludes) => excludes,
            Err(error) => return Entered::BadList(error),
        };
        self.levels.push(Level { directory, listing: Vec::new().into_iter(), prefix_len, excludes });
        match (self.list(), self.levels.last_mut()) {
            (Ok(listing), Some(level)) => level.listing = listing.into_iter(),
            (Err(error), _) => {
                self.levels.pop();
                return Entered::No(error);
            }
            (Ok(_), None) => {}
        }
        Entered::Yes
    }

    /// The exclude list of a folder. A link to a list elsewhere in the source is followed.
    fn list_of_excludes(&self, directory: BorrowedFd<'_>) -> Result<Option<List>> {
        let path = format!("{}{EXCLUDE_FILE}", self.prefix);
        let failed = |error| Error::io(format!("opening {path}"), error);
        let stat = match Stat::at(directory, EXCLUDE_FILE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            stat => stat.map_err(failed)?,
        };
        let opened = match stat.kind {
            FileType::Symlink => {
                let root = self.levels.first().map_or(directory, |level| level.directory.as_fd());
                open_beneath(root, &path)
            }
            FileType::RegularFile => open_file(directory, EXCLUDE_FILE),
            kind => return Err(no_list(&path, special(kind).unwrap_or("folder"))),
        };
        let file = match opened {
            Ok(file) => file,
            Err(error) if stat.kind == FileType::Symlink => {
                let what = format!("link that leads to no file of the published folder ({error})");
                return Err(no_list(&path, &what));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        match Stat::of(&file).map_err(failed)?.kind {
            FileType::RegularFile => List::read(file, &self.prefix),
            _ => Err(no_list(&path, "link to something else than a file")),
        }
    }

    fn step(&mut self) -> Result<Option<Found>> {
        let _covered = cover(self.reads_all);
        loop {
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some(Name { key, kind }) = level.listing.next() else {
                self.prefix.truncate(level.prefix_len);
                self.levels.pop();
                continue;
            };
            let found = match kind {
                NameKind::Excluded(why) => {
                    Some(Found::LeftOut(LeftOut { path: self.shown(&key), why, is_excluded: true }))
                }
                NameKind::LeftOut(why) => Some(Found::LeftOut(LeftOut::new(self.shown(&key), why))),
                NameKind::Special(kind) => {
                    Some(special_item(self.shown(&key), kind, self.rules.was_published)?)
                }
                NameKind::Gap(why) => Some(self.gap(&key, why)),
                kind => match str::from_utf8(&key) {
                    Ok(name) => self.look(name.trim_end_matches('/'), &kind)?,
                    Err(_) => None,
                },
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Looks at a listed name; `None` if there is nothing to report.
    fn look(&mut self, name: &str, kind: &NameKind) -> Result<Option<Found>> {
        let path = format!("{}{name}", self.prefix);
        let Ok(path) = EntryPath::new(path.as_str()) else {
            // The name alone is valid: with the folders above it, the path is too long or too deep.
            let why = EntryPath::new(path.as_str()).err().map(|error| error.to_string());
            let why = why.unwrap_or_default();
            let at_folder = !matches!(kind, NameKind::Inside);
            return Ok(at_folder.then_some(Found::Gap { path, why, at: None, within: false }));
        };
        let Some(level) = self.levels.last() else { return Ok(None) };
        let directory = level.directory.as_fd();
        Ok(match kind {
            NameKind::File => Some(file(path, Stat::at(directory, name))),
            NameKind::Folder => {
                let is_home = open_directory(directory, name).and_then(is_home).unwrap_or(false);
                Some(folder(path, Stat::at(directory, name), is_home, self.rules.protected))
            }
            NameKind::Link => Some(link(path, directory, name, self.rules.was_published)?),
            NameKind::Inside => self.look_inside(path, name)?,
            NameKind::Excluded(_) | NameKind::LeftOut(_) | NameKind::Special(_) | NameKind::Gap(_) => None,
        })
    }

    /// Enters a folder.
    fn look_inside(&mut self, path: EntryPath, name: &str) -> Result<Option<Found>> {
        let Some(level) = self.levels.last() else { return Ok(None) };
        let error = match open_directory(level.directory.as_fd(), name) {
            Ok(inner) => {
                let is_protected = Stat::of(&inner)
                    .is_ok_and(|stat| self.rules.protected.has_inode(stat.device, stat.inode));
                match is_home(&inner) {
                    Ok(is_home) if is_home || is_protected => return Ok(None),
                    Ok(_) => {}
                    Err(error) => return Ok(Some(unlisted(path, &error))),
                }
                let prefix_len = self.prefix.len();
                self.prefix.push_str(name);
                self.prefix.push('/');
                let entered = self.enter(inner, prefix_len);
                if !matches!(entered, Entered::Yes) {
                    self.prefix.truncate(prefix_len);
                }
                match entered {
                    Entered::Yes => return Ok(None),
                    Entered::No(error) => error,
                    Entered::BadList(error) => {
                        let list = format!("{path}/{EXCLUDE_FILE}");
                        let why = format!("{error}; nothing in its folder is published: correct the list");
                        return Ok(Some(Found::Gap { path: list, why, at: Some(path), within: true }));
                    }
                }
            }
            Err(error) => error,
        };
        // It existed when its parent was listed. If something else is in its place, that was found already.
        if is_gone(&error) {
            return Ok(None);
        }
        Ok(Some(unlisted(path, &error)))
    }

    fn gap(&self, key: &[u8], why: String) -> Found {
        let path = self.shown(key);
        let at =
            str::from_utf8(key).ok().and_then(|name| EntryPath::new(format!("{}{name}", self.prefix)).ok());
        Found::Gap { path, why, at, within: false }
    }

    /// A path for messages; bytes that are not UTF-8 are replaced.
    fn shown(&self, name: &[u8]) -> String {
        format!("{}{}", self.prefix, String::from_utf8_lossy(name))
    }

    /// Lists the innermost folder in path order, without `.` and `..`.
    fn list(&self) -> io::Result<Vec<Name>> {
        let Some(level) = self.levels.last() else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        let mut buffer = Vec::with_capacity(LISTING_BYTES);
        let mut entries = RawDir::new(&level.directory, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let kind = self.classify(&level.directory, name, entry.file_type());
            if matches!(kind, NameKind::Folder) {
                names.push(Name { key: [name, b"/"].concat().into(), kind: NameKind::Inside });
            }
            names.push(Name { key: name.into(), kind });
        }
        collide::resolve(&mut names, &self.prefix, self.rules.was_published);
        names.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        Ok(names)
    }

    /// Determines the kind of a name.
    fn classify(&self, directory: &OwnedFd, name: &[u8], listed: FileType) -> NameKind {
        let kind = file_type_of(directory, name, listed);
        let folders = self.levels.iter().filter_map(|level| level.excludes.as_ref());
        let path = joined(&self.prefix, name);
        if let Some(why) = self.rules.excludes.reason(folders, &path, kind == FileType::Directory) {
            return NameKind::Excluded(why);
        }
        if let Some(why) = secret_name(name) {
            return NameKind::LeftOut(why);
        }
        let Ok(text) = str::from_utf8(name) else {
            let hex = data_encoding::HEXLOWER.encode(name);
            return NameKind::Gap(format!(
                "its name is not UTF-8 (bytes {hex}); rename it, for example with convmv"
            ));
        };
        if is_temp_name(text) {
            return NameKind::LeftOut("an unfinished file of a restore");
        }
        if let Some(kind) = special(kind) {
            return NameKind::Special(kind);
        }
        if let Err(error) = EntryPath::new(text) {
            return NameKind::Gap(format!("{error}; rename it"));
        }
        match kind {
            FileType::Directory => NameKind::Folder,
            FileType::Symlink => NameKind::Link,
            _ => NameKind::File,
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.step().transpose();
        if matches!(found, Some(Err(_))) {
            self.levels.clear();
        }
        found
    }
}

/// Looks at a single file that is the whole source. `path` is its path in the library.
pub(super) fn single(source: &Source, path: &EntryPath) -> Result<Stat> {
    let name = source.name_of(path.as_str());
    let context = || format!("reading {name:?}");
    let _covered = source.cover();
    let root = source.root().map_err(|error| Error::io(context(), error))?;
    let stat = Stat::at(root.as_fd(), name).map_err(|error| Error::io(context(), error))?;
    if is_temp_name(name) {
        return Err(Error::Invalid(format!(
            "{name:?} is an unfinished file of a restore: publish the folder that was restored"
        )));
    }
    match stat.kind {
        FileType::RegularFile => Ok(stat),
        kind => Err(Error::Invalid(format!(
            "{name:?} is a {}: publish a folder or a regular file",
            special(kind).unwrap_or("symbolic link")
        ))),
    }
}
