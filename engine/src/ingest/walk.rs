//! Walks a source in the order of a manifest: the bytes of whole paths.
//!
//! That is not the order of names in a directory. A folder is sorted under its name, what is in it under the name and a
//! `/`: between `a` and `a/x` comes `a.txt`, for `.` is less than `/`.
//!
//! One odd item never ends a walk. What cannot be published is found as a gap, with the reason, and what need not be is
//! found as left out. Gaps are names that could not be restored elsewhere (not UTF-8, a control character, too deep, equal
//! to a neighbour's under NFC or case folding) and what cannot be listed. Two whole paths can only collide where two
//! names in one folder do, so neighbours are all that is compared.
//!
//! Memory is one listing per level of depth. Nothing is read but folders, links and lists of excludes.

use std::{
    ffi::OsStr,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use rustix::{
    fs::{FileType, RawDir},
    io::Errno,
};

use super::{
    collide,
    exclude::{EXCLUDE_FILE, Excludes, List, joined},
    secret::{IS_HOME, Protected, is_home, secret_name},
    source::{Source, Stat, open_directory, open_file, read_link},
};
use crate::{
    error::{Error, Result},
    manifest::{EntryPath, LinkTarget},
    restore::is_temp_name,
};

/// Bytes of directory entries fetched at a time.
const LISTING_BYTES: usize = 32 * 1024;

/// Something met on the way. Paths of entries and of gaps that have one are ascending, and no two entries have the same.
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
    /// Not published, and need not be: a special file, a link that leads out, an excluded item, a home.
    LeftOut(LeftOut),
    /// Cannot be published. `at` is its path if a release may have it, and then it stands as it was published before; with
    /// `within`, so does all that was under it, and the folder itself has been found.
    Gap {
        path: String,
        why: String,
        at: Option<EntryPath>,
        within: bool,
    },
    /// Changed into something else between two looks at it.
    Unsettled {
        path: EntryPath,
        why: String,
    },
}

/// Something that is not published and need not be.
#[derive(Clone, Debug)]
pub(super) struct LeftOut {
    pub(super) path: String,
    pub(super) why: String,
    /// Whether a pattern says so: there may be many, and the caller knows of them.
    pub(super) is_excluded: bool,
}

impl LeftOut {
    pub(super) fn new(path: impl ToString, why: impl Into<String>) -> Self {
        Self { path: path.to_string(), why: why.into(), is_excluded: false }
    }
}

/// What a walk goes by.
pub(super) struct Guide<'a> {
    pub(super) excludes: &'a Excludes,
    pub(super) protected: &'a Protected,
    /// Whether a path was published before: of names that collide, that one stays.
    pub(super) was_published: &'a dyn Fn(&EntryPath) -> Result<bool>,
}

/// The walk, outermost folder first.
pub(super) struct Walk<'a> {
    guide: Guide<'a>,
    levels: Vec<Level>,
    /// The path of the innermost level, with a `/` at its end unless it is the root.
    prefix: String,
}

struct Level {
    directory: OwnedFd,
    listing: std::vec::IntoIter<Name>,
    prefix_len: usize,
    /// What the folder itself says is left out.
    excludes: Option<List>,
}

/// A name in a folder, sorted by its key: the name itself, with a `/` behind it for what is in a folder.
pub(super) struct Name {
    pub(super) key: Box<[u8]>,
    pub(super) what: What,
}

/// What is to be done about a name.
pub(super) enum What {
    File,
    Folder,
    /// What is in a folder.
    Inside,
    Link,
    Excluded(String),
    LeftOut(&'static str),
    Gap(String),
}

/// What became of a folder that was to be listed.
enum Entered {
    Yes,
    No(io::Error),
    /// Its list of excludes cannot be used, so it is not known what must stay out.
    BadList(Error),
}

impl<'a> Walk<'a> {
    /// Begins a walk of everything below the root.
    pub(super) fn new(source: &Source, guide: Guide<'a>) -> Result<Self> {
        let context = "listing the source folder";
        let root = source.root().map_err(|error| Error::io(context, error))?;
        let mut walk = Self { guide, levels: Vec::new(), prefix: String::new() };
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

    /// The excludes that a folder has for itself.
    fn list_of_excludes(&self, directory: BorrowedFd<'_>) -> Result<Option<List>> {
        let failed = |error| Error::io(format!("opening {}{EXCLUDE_FILE}", self.prefix), error);
        match Stat::at(directory, EXCLUDE_FILE) {
            Ok(stat) if stat.kind == FileType::RegularFile => match open_file(directory, EXCLUDE_FILE) {
                Ok(file) => List::read(file, &self.prefix),
                // It was deleted, or replaced by a link, since it was looked at.
                Err(error) if is_gone(&error) => Ok(None),
                Err(error) => Err(failed(error)),
            },
            // A link, a folder or nothing.
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn step(&mut self) -> Result<Option<Found>> {
        loop {
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some(Name { key, what }) = level.listing.next() else {
                self.prefix.truncate(level.prefix_len);
                self.levels.pop();
                continue;
            };
            let found = match what {
                What::Excluded(why) => {
                    Some(Found::LeftOut(LeftOut { path: self.shown(&key), why, is_excluded: true }))
                }
                What::LeftOut(why) => Some(Found::LeftOut(LeftOut::new(self.shown(&key), why))),
                What::Gap(why) => Some(self.gap(&key, why)),
                what => match str::from_utf8(&key) {
                    Ok(name) => self.look(name.trim_end_matches('/'), &what)?,
                    Err(_) => None,
                },
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Looks at what a listing named; nothing where there is nothing more to be said.
    fn look(&mut self, name: &str, what: &What) -> Result<Option<Found>> {
        let path = format!("{}{name}", self.prefix);
        let Ok(path) = EntryPath::new(path.as_str()) else {
            // The name alone is right: with those above it, it is too long or too deep.
            let why = EntryPath::new(path.as_str()).err().map(|error| error.to_string());
            let why = why.unwrap_or_default();
            let at_folder = !matches!(what, What::Inside);
            return Ok(at_folder.then_some(Found::Gap { path, why, at: None, within: false }));
        };
        let Some(level) = self.levels.last() else { return Ok(None) };
        let directory = level.directory.as_fd();
        Ok(match what {
            What::File => Some(file(path, Stat::at(directory, name))),
            What::Folder => {
                let is_home = open_directory(directory, name).and_then(is_home).unwrap_or(false);
                Some(folder(path, Stat::at(directory, name), is_home, self.guide.protected))
            }
            What::Link => Some(link(path, directory, name)),
            What::Inside => self.look_inside(path, name)?,
            What::Excluded(_) | What::LeftOut(_) | What::Gap(_) => None,
        })
    }

    /// Goes into a folder.
    fn look_inside(&mut self, path: EntryPath, name: &str) -> Result<Option<Found>> {
        let Some(level) = self.levels.last() else { return Ok(None) };
        let error = match open_directory(level.directory.as_fd(), name) {
            Ok(inner) => {
                let is_protected = Stat::of(&inner).is_ok_and(|stat| self.guide.protected.has(&stat));
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
                        let why = format!("{error}; nothing in its folder is taken: mend the list");
                        return Ok(Some(Found::Gap { path: list, why, at: Some(path), within: true }));
                    }
                }
            }
            Err(error) => error,
        };
        // It was there when the folder above was listed; where something else is in its place, that has been found.
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

    /// A path for people; what is not UTF-8 is replaced.
    fn shown(&self, name: &[u8]) -> String {
        format!("{}{}", self.prefix, String::from_utf8_lossy(name))
    }

    /// Lists the innermost folder in path order, without what stands for itself and its parent.
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
            let what = self.judge(&level.directory, name, entry.file_type());
            if matches!(what, What::Folder) {
                names.push(Name { key: [name, b"/"].concat().into(), what: What::Inside });
            }
            names.push(Name { key: name.into(), what });
        }
        collide::settle(&mut names, &self.prefix, self.guide.was_published);
        names.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        Ok(names)
    }

    /// What is to be done about a name.
    fn judge(&self, directory: &OwnedFd, name: &[u8], listed: FileType) -> What {
        let kind = settled(directory, name, listed);
        let folders = self.levels.iter().filter_map(|level| level.excludes.as_ref());
        let path = joined(&self.prefix, name);
        if let Some(why) = self.guide.excludes.reason(folders, &path, kind == FileType::Directory) {
            return What::Excluded(why);
        }
        if let Some(why) = secret_name(name) {
            return What::LeftOut(why);
        }
        let Ok(text) = str::from_utf8(name) else {
            let hex = data_encoding::HEXLOWER.encode(name);
            return What::Gap(format!(
                "its name is not UTF-8 (bytes {hex}); rename it, for example with convmv"
            ));
        };
        if is_temp_name(text) {
            return What::LeftOut("an unfinished file of a restore");
        }
        if let Some(kind) = special(kind) {
            return What::LeftOut(kind);
        }
        if let Err(error) = EntryPath::new(text) {
            return What::Gap(format!("{error}; rename it"));
        }
        match kind {
            FileType::Directory => What::Folder,
            FileType::Symlink => What::Link,
            _ => What::File,
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

/// What is found at `path` where a listing said that a file is.
fn file(path: EntryPath, stat: io::Result<Stat>) -> Found {
    match stat {
        Ok(stat) if stat.kind == FileType::RegularFile => Found::File { path, stat },
        other => changed(path, other.err()),
    }
}

fn folder(path: EntryPath, stat: io::Result<Stat>, is_home: bool, protected: &Protected) -> Found {
    match stat {
        Ok(stat) if stat.kind == FileType::Directory && (is_home || protected.has(&stat)) => {
            Found::LeftOut(LeftOut::new(path, IS_HOME))
        }
        Ok(stat) if stat.kind == FileType::Directory => Found::Folder { path, stat },
        other => changed(path, other.err()),
    }
}

fn link(path: EntryPath, directory: BorrowedFd<'_>, name: &str) -> Found {
    let read = Stat::at(directory, name).and_then(|stat| Ok((stat, read_link(directory, name)?)));
    let (stat, target) = match read {
        Ok(read) => read,
        Err(error) => return changed(path, Some(error)),
    };
    if stat.kind != FileType::Symlink {
        return changed(path, None);
    }
    if let Some(why) = secret_name(&target) {
        return Found::LeftOut(LeftOut::new(path, why));
    }
    let Ok(target) = String::from_utf8(target) else {
        return gap(path, "a symbolic link whose target is not UTF-8".to_owned());
    };
    match LinkTarget::new(target.as_str(), &path) {
        Ok(target) => Found::Link { path, stat, target },
        Err(_) if LinkTarget::leads_outside(&target, &path) => {
            Found::LeftOut(LeftOut::new(path, format!("a symbolic link that leads out, to {target:?}")))
        }
        Err(error) => gap(path, error.to_string()),
    }
}

/// What a listing named and is no longer so: it vanished, cannot be looked at, or became something else.
fn changed(path: EntryPath, error: Option<io::Error>) -> Found {
    match error {
        Some(error) if error.kind() == io::ErrorKind::NotFound => {
            Found::LeftOut(LeftOut::new(path, VANISHED))
        }
        Some(error) => gap(path, error.to_string()),
        None => Found::Unsettled { path, why: replaced().to_string() },
    }
}

/// A folder of which it cannot be said what is in it.
fn unlisted(path: EntryPath, error: &io::Error) -> Found {
    let why = format!("what is in it cannot be listed: {error}");
    Found::Gap { path: path.to_string(), why, at: Some(path), within: true }
}

fn gap(path: EntryPath, why: String) -> Found {
    Found::Gap { path: path.to_string(), why, at: Some(path), within: false }
}

/// Why an item that was deleted meanwhile is not in the release.
pub(super) const VANISHED: &str = "it was deleted meanwhile";

/// Looks at a single file as the whole of a source.
pub(super) fn single(source: &Source, name: &str) -> Result<(EntryPath, Stat)> {
    let path = EntryPath::new(name)
        .map_err(|error| Error::Invalid(format!("{error}: rename it, then publish again")))?;
    let context = || format!("reading {name:?}");
    let root = source.root().map_err(|error| Error::io(context(), error))?;
    let stat = Stat::at(root.as_fd(), name).map_err(|error| Error::io(context(), error))?;
    if is_temp_name(name) {
        return Err(Error::Invalid(format!(
            "{name:?} is an unfinished file of a restore: publish the folder it is of"
        )));
    }
    match stat.kind {
        FileType::RegularFile => Ok((path, stat)),
        kind => Err(Error::Invalid(format!(
            "{name:?} is a {}: publish a folder or a regular file",
            special(kind).unwrap_or("symbolic link")
        ))),
    }
}

/// What an entry turned into something else between two looks at it is reported as.
pub(super) fn replaced() -> io::Error {
    io::Error::other("it was replaced while it was read")
}

/// Whether something is no longer there, or is a link or something else now.
fn is_gone(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// The kind of a listed name: not every file system says it in the listing.
fn settled(directory: &OwnedFd, name: &[u8], listed: FileType) -> FileType {
    match listed {
        FileType::Unknown => Stat::at(directory.as_fd(), OsStr::from_bytes(name))
            .map_or(FileType::RegularFile, |stat| stat.kind),
        known => known,
    }
}

/// What a thing is that no release has.
fn special(kind: FileType) -> Option<&'static str> {
    match kind {
        FileType::RegularFile | FileType::Directory | FileType::Symlink => None,
        FileType::Fifo => Some("pipe"),
        FileType::Socket => Some("socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("device"),
        _ => Some("special file"),
    }
}
