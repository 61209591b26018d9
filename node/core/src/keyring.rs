//! The secret keys that a command signs with: found in files, opened with a passphrase if they have one, and matched
//! with what a library's root says. Keys are read in the process of whoever calls, never by a node for somebody else.
//!
//! Files that the caller names (`--key`, or `CHUAN_KEY`) are the only ones that are looked at; where none is named, it is
//! the home's own, `keys/LIBRARY/ROLE.key`.

mod file;
mod passphrase;

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

pub use file::{check_free, create, is_encrypted, passphrase_of, read, write};
pub use passphrase::{Ask, NEW_PASSPHRASE, PASSPHRASE};

/// Where to look for keys.
#[derive(Debug)]
pub struct Keyring {
    named: Vec<PathBuf>,
    home: Option<Home>,
    ask: Ask,
    /// What was read, so that nobody types a passphrase twice.
    read: Mutex<BTreeMap<PathBuf, Key>>,
}

impl Keyring {
    /// The keys in the files `named`, else those of `home`.
    pub fn new(named: Vec<PathBuf>, home: Option<Home>, ask: Ask) -> Self {
        Self { named, home, ask, read: Mutex::default() }
    }

    /// The keys of a home. Where they have a passphrase, only the variable is asked for it.
    pub fn of_home(home: Home) -> Self {
        Self::new(Vec::new(), Some(home), Ask::Nobody)
    }

    /// The keys that sign for `role` in `library`: all of those at hand that its root names. There is at least one; the
    /// error says which were wanted. Blocks while a passphrase is typed.
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
                "that needs the {} key of {} ({}); {}; give the right one with --key or CHUAN_KEY",
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

    /// Whether there is a home whose keys are looked at where none are named.
    pub fn has_home(&self) -> bool {
        self.home.is_some()
    }

    /// The keys in the named files, whatever they are for.
    pub fn named_keys(&self) -> Result<Vec<Key>> {
        if self.named.is_empty() {
            return Err(Failure::usage("which key? name its file with --key or CHUAN_KEY"));
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
        let key = file::read(path, self.ask)?;
        read.insert(path.to_owned(), key.clone());
        Ok(key)
    }
}

fn none_here(library: &Library, root: &Root, role: RoleKind, path: &Path) -> Failure {
    Failure::denied(format!(
        "this home has no {0} key of {1} ({2}); give its file with --key or CHUAN_KEY, or run this where {3} is",
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
