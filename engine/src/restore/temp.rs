//! Unfinished files. They are in one folder at the top of the destination, and in one at the top of every
//! other mount in the destination, because a rename cannot move a file from one mount to another, even of the
//! same file system.
//!
//! No release that this program publishes has the folder's name ([`is_temp_name`]). If a release has it
//! anyway, another name is used. The content of the folder belongs only to this restore: an interrupted
//! restore leaves files there, and the next one removes them.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    os::unix::ffi::OsStrExt,
    sync::{Arc, Mutex, PoisonError},
};

use cap_std::fs::{Dir, DirBuilderExt, File, OpenOptions, OpenOptionsExt};
use rustix::{fs::OFlags, process::geteuid};

use super::{
    levels::{self, Levels, raw},
    locks::Locks,
    plan::is_beneath,
    remove,
    stat::{DiskKind, Mount, Stat},
};
use crate::error::{Error, Result};

const PREFIX: &str = ".chuan-restore-";
const SUFFIX: &str = ".tmp";
/// Numbers tried for the folder's name.
const NAMES: u32 = 64;
/// Random names tried after that.
const RANDOM_NAMES: u32 = 4;
/// The mode of the folder: no other user may create files in it.
pub(super) const PRIVATE: u16 = 0o700;

/// Whether a restore may use this name for unfinished files: such a name is never published.
pub fn is_temp_name(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// The name for the folder of unfinished files in the folder `above`, if `above` exists: the first name that
/// neither the release nor another item in `above` uses.
pub(super) fn folder_name(
    above: Option<&Dir>,
    mut is_taken: impl FnMut(&str) -> Result<bool>,
) -> Result<String> {
    let numbers = (0..NAMES).map(|number| number.to_string());
    let random = (0..RANDOM_NAMES).map(|_| format!("{:016x}", RandomState::new().build_hasher().finish()));
    for which in numbers.chain(random) {
        let name = format!("{PREFIX}{which}{SUFFIX}");
        if above.is_none_or(|above| is_free(above, &name)) && !is_taken(&name)? {
            return Ok(name);
        }
    }
    Err(Error::Invalid(format!(
        "the release or the destination has paths called {PREFIX}0{SUFFIX} and so on: all names that a restore gives to \
         unfinished files"
    )))
}

/// Whether a folder of unfinished files may have this name: nothing has it, or a folder that only this user
/// could write to.
fn is_free(above: &Dir, name: &str) -> bool {
    Stat::at(above, name.as_bytes()).is_ok_and(|found| found.is_none_or(|found| is_private(&found)))
}

/// Whether no other user can create files in a folder, now or earlier. A folder of another user does not
/// belong to this restore.
fn is_private(found: &Stat) -> bool {
    let is_own = found.owner == geteuid().as_raw();
    found.kind == DiskKind::Folder && is_own && found.mode & 0o777 == PRIVATE
}

/// Like [`is_private`], for a folder that was just created in `above`: some file systems have neither owners
/// nor modes, and report the same values for every folder.
fn is_private_as_can_be(made: &Stat, above: &Stat) -> bool {
    let key = |stat: &Stat| (stat.owner, stat.mode);
    let is_safe = made.owner == geteuid().as_raw() && made.mode & 0o022 == 0;
    is_private(made) || (made.kind == DiskKind::Folder && (is_safe || key(made) == key(above)))
}

/// The names of the folders of unfinished files: the destination's own, and one for every file system mounted
/// in it.
///
/// The walk of the destination chooses the name when it reaches such a file system, and the writing half,
/// which comes later, looks it up here.
#[derive(Clone, Debug)]
pub(super) struct TempNames {
    root: Arc<str>,
    /// By the folder at which a file system is mounted.
    mounted: Arc<Mutex<BTreeMap<Vec<u8>, String>>>,
}

impl TempNames {
    /// Only the name of the destination's own folder is known at first.
    pub(super) fn new(root: &str) -> Self {
        Self { root: root.into(), mounted: Arc::default() }
    }

    /// The name in the folder at a path; the path is empty for the destination itself.
    pub(super) fn at(&self, folder: &[u8]) -> Option<String> {
        if folder.is_empty() {
            return Some(self.root.as_ref().to_owned());
        }
        self.mounted.lock().unwrap_or_else(PoisonError::into_inner).get(folder).cloned()
    }

    /// Whether no file system that the walk has found is mounted above a path.
    pub(super) fn is_at_top(&self, path: &[u8]) -> bool {
        let mounted = self.mounted.lock().unwrap_or_else(PoisonError::into_inner);
        mounted.keys().all(|folder| !is_beneath(path, folder))
    }

    /// Chooses the name in the open folder at a path: a name that neither the release nor another program
    /// uses there.
    pub(super) fn choose(
        &self,
        folder: &[u8],
        above: &Dir,
        is_taken: &mut dyn FnMut(&str) -> Result<bool>,
    ) -> Result<String> {
        if let Some(name) = self.at(folder) {
            return Ok(name);
        }
        let name = match str::from_utf8(folder) {
            Ok(folder) => folder_name(Some(above), |name| is_taken(&format!("{folder}/{name}")))?,
            // A release has no path there.
            Err(_) => folder_name(Some(above), |_| Ok(false))?,
        };
        let mut mounted = self.mounted.lock().unwrap_or_else(PoisonError::into_inner);
        mounted.insert(folder.to_vec(), name.clone());
        Ok(name)
    }
}

/// The folders of unfinished files, one for each mount.
#[derive(Debug)]
pub(super) struct Temps {
    names: TempNames,
    locks: Locks,
    folders: Vec<Folder>,
    /// The number of the last unfinished file.
    last: u64,
}

#[derive(Debug)]
struct Folder {
    name: String,
    mount: Mount,
    above: Dir,
    dir: Arc<Dir>,
}

/// A new item that has no name in the destination yet.
#[derive(Debug)]
pub(super) struct Temp {
    name: String,
    folder: Arc<Dir>,
    /// Whether it is a hard link to a file in the destination.
    is_linked: bool,
}

impl Temps {
    pub(super) fn new(names: &TempNames, locks: &Locks) -> Self {
        Self { names: names.clone(), locks: locks.clone(), folders: Vec::new(), last: 0 }
    }

    /// A name for a new item in a mount.
    pub(super) fn next(&mut self, levels: &Levels, mount: Mount) -> Result<Temp> {
        self.last += 1;
        Ok(Temp::new(format!("{:08x}", self.last), self.folder(levels, mount)?))
    }

    /// The folder of unfinished files of a mount. The first use creates it, or removes the leftovers of an
    /// interrupted restore.
    pub(super) fn folder(&mut self, levels: &Levels, mount: Mount) -> Result<Arc<Dir>> {
        let found = self.folders.iter().position(|folder| folder.mount == mount);
        let at = match found {
            Some(at) => at,
            None => {
                let folder = self.make(levels, mount).map_err(|error| {
                    Error::io("making the folder for unfinished files in the destination", error)
                })?;
                self.folders.push(folder);
                self.folders.len() - 1
            }
        };
        let folder = self.folders.get(at).map(|folder| folder.dir.clone());
        folder.ok_or_else(|| Error::Missing("no folder for unfinished files in the destination".into()))
    }

    fn make(&self, levels: &Levels, mount: Mount) -> io::Result<Folder> {
        let (top, path) = levels.top_of(mount).unwrap_or_else(|| (levels.root(), Vec::new()));
        let name = self.names.at(&path).ok_or_else(|| {
            io::Error::other(format!("a file system was mounted at {:?} meanwhile", levels::shown(&path)))
        })?;
        let above = top.dir.try_clone()?;
        let mut private = cap_std::fs::DirBuilder::new();
        private.mode(PRIVATE.into());
        let is_new = match above.create_dir_with(&name, &private) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            made => made.is_ok(),
        };
        let dir = levels::enter(&above, name.as_bytes())?;
        // Checks the open folder: the name may refer to another folder by now.
        let found = Stat::of(&dir)?;
        let is_fit = is_private(&found) || (is_new && is_private_as_can_be(&found, &Stat::of(&above)?));
        if !is_fit {
            return Err(io::Error::other(format!(
                "another program created {name:?} there meanwhile; restore again"
            )));
        }
        sweep(&dir, &self.locks);
        Ok(Folder { name, mount, above, dir: Arc::new(dir) })
    }

    /// Syncs the file systems of these folders, except the one of `synced`.
    pub(super) fn sync(&self, synced: Mount) -> io::Result<()> {
        let mut others = self.folders.iter().filter(|folder| !folder.mount.is_on_device_of(synced));
        others.try_for_each(|folder| Ok(rustix::fs::syncfs(&folder.dir)?))
    }
}

impl Drop for Temps {
    fn drop(&mut self) {
        for folder in &self.folders {
            sweep(&folder.dir, &self.locks);
            let _ = folder.above.remove_dir(&folder.name);
        }
    }
}

impl Temp {
    /// A name in a folder of unfinished files.
    pub(super) fn new(name: String, folder: Arc<Dir>) -> Self {
        Self { name, folder, is_linked: false }
    }

    /// The same for an item that is a hard link.
    pub(super) fn linked(self) -> Self {
        Self { is_linked: true, ..self }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn folder(&self) -> &Dir {
        &self.folder
    }

    pub(super) const fn is_linked(&self) -> bool {
        self.is_linked
    }

    /// Removes the item. If that fails, the next restore removes it.
    pub(super) fn discard(&self) {
        let _ = self.folder.remove_file(&self.name);
    }

    /// Creates the file.
    pub(super) fn create(&self, direct: bool, mode: u16) -> io::Result<File> {
        let folder = &self.folder;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode.into());
        if direct {
            options.custom_flags(raw(OFlags::DIRECT));
            match folder.open_with(&self.name, &options) {
                // Not every file system supports it, and the file may have been created before the error.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.discard();
                    options.custom_flags(0);
                }
                outcome => return outcome,
            }
        }
        folder.open_with(&self.name, &options)
    }
}

/// Removes the leftovers of an interrupted restore: files, and folders that were moved out of their place.
fn sweep(folder: &Dir, locks: &Locks) {
    let Ok(entries) = folder.entries() else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if folder.remove_file(OsStr::from_bytes(name.as_bytes())).is_err() {
            // If that fails, the next restore tries again.
            let _ = remove::tree(folder, name.as_bytes(), locks);
        }
    }
}
