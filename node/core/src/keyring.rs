//! The secret keys with which a command signs. Reads key files, decrypts them where they have a passphrase,
//! and selects the keys that the root of a library names. Keys are read in the caller's process; a node never
//! reads keys for another process.
//!
//! If the caller names files (`--key`, or `CHUAN_KEY`), only these are read. Otherwise the home's file
//! `keys/LIBRARY/ROLE.key` is read.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use chuan_engine::statement::{Key, Library, PublicKey, RoleKind, Root};

use crate::{
    exit::{Exit, Failure, Result},
    home::Home,
};

pub use crate::key_file::{
    Ask, BACKUP_PASSPHRASE, NEW_PASSPHRASE, PASSPHRASE, Passphrase, check_free, create, is_encrypted,
    passphrase_of, read, write,
};

/// The key files of a command.
#[derive(Debug)]
pub struct Keyring {
    named: Vec<PathBuf>,
    home: Option<Home>,
    ask: Ask,
    /// Keys that were read, so that no passphrase is typed twice.
    read: Mutex<BTreeMap<PathBuf, Key>>,
}

impl Keyring {
    /// The keys in the files `named`; if that is empty, the keys of `home`.
    pub fn new(named: Vec<PathBuf>, home: Option<Home>, ask: Ask) -> Self {
        Self { named, home, ask, read: Mutex::default() }
    }

    /// The keys of a home. A passphrase comes only from the variable.
    pub fn of_home(home: Home) -> Self {
        Self::new(Vec::new(), Some(home), Ask::Nobody)
    }

    /// The keys that sign for `role` in `library`: all available keys that its root names, at least one. The
    /// error names the keys that are needed. Blocks while a passphrase is typed.
    pub fn role_keys(&self, library: &Library, role: RoleKind) -> Result<Vec<Key>> {
        let root = library.root().ok_or_else(|| {
            Failure::missing(format!("the root of library {} is not known here", library.id().short()))
        })?;
        let mut found = Vec::new();
        let mut seen = Vec::new();
        for path in self.paths(library, role) {
            let key = match self.key(&path) {
                Ok(key) => key,
                Err(failure) if failure.exit == Exit::Missing && self.named.is_empty() => {
                    return Err(none_here(library, root, role, &path));
                }
                Err(failure) => return Err(failure),
            };
            let public = key.public();
            seen.push(format!("{} holds {}", path.display(), public.short()));
            if root.names(role, &public) {
                found.push(key);
            }
        }
        if found.is_empty() {
            return Err(Failure::denied(format!(
                "this command needs the {} key of {} ({}); {}; give the right key with the option `key` or CHUAN_KEY",
                role.name(),
                library.name(),
                wanted(root, role),
                seen.join(", ")
            )));
        }
        found.sort_by_key(Key::public);
        found.dedup_by_key(|key| key.public());
        Ok(found)
    }

    /// Whether the caller named files.
    pub fn is_named(&self) -> bool {
        !self.named.is_empty()
    }

    /// Whether there is a home, whose keys are used where no files are named.
    pub fn has_home(&self) -> bool {
        self.home.is_some()
    }

    /// The keys in the named files, of any role.
    pub fn named_keys(&self) -> Result<Vec<Key>> {
        if self.named.is_empty() {
            return Err(Failure::usage("no key is given; name its file with the option `key` or CHUAN_KEY"));
        }
        self.named.iter().map(|path| self.key(path)).collect()
    }

    fn paths(&self, library: &Library, role: RoleKind) -> Vec<PathBuf> {
        if !self.named.is_empty() {
            return self.named.clone();
        }
        self.home.iter().map(|home| home.role_key_path(&library.id(), role)).collect()
    }

    fn key(&self, path: &Path) -> Result<Key> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = read.get(path) {
            return Ok(key.clone());
        }
        let key = crate::key_file::read(path, self.ask)?;
        read.insert(path.to_owned(), key.clone());
        Ok(key)
    }
}

fn none_here(library: &Library, root: &Root, role: RoleKind, path: &Path) -> Failure {
    Failure::denied(format!(
        "this home has no {0} key of {1} ({2}); give its file with the option `key` or CHUAN_KEY, or run this where {3} is",
        role.name(),
        library.name(),
        wanted(root, role),
        path.file_name().unwrap_or_default().to_string_lossy()
    ))
}

/// The keys that hold a role, for people.
fn wanted(root: &Root, role: RoleKind) -> String {
    let keys = root.roles.iter().filter(|held| held.kind == role).flat_map(|held| &held.keys);
    let keys: Vec<_> = keys.map(PublicKey::short).collect();
    if keys.is_empty() { "the root names none".to_owned() } else { keys.join(" or ") }
}
