//! The keys of a home: their paths, and the atomic write of a new library's keys. The module `key_file`
//! defines the format of a key file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chuan_engine::{
    id::LibraryId,
    statement::{Key, RoleKind},
};

use super::{Home, make_dir};
use crate::{
    exit::{Failure, Result},
    file, key_file,
    system::Randomness,
};

/// The roles whose keys a home may hold.
const ROLES: [RoleKind; 4] = [RoleKind::Root, RoleKind::Operator, RoleKind::Publisher, RoleKind::Timekeeper];
/// The first root of a library that was founded here, beside its keys.
const ROOT: &str = "root.statement";

/// The keys of a library's roles, made when it is founded.
#[derive(Debug)]
pub struct RoleKeys {
    /// Changes the root.
    pub root: Key,
    /// Admits nodes and moves channels.
    pub operator: Key,
    /// Signs releases.
    pub publisher: Key,
}

impl RoleKeys {
    /// Three new keys.
    pub(crate) fn generate(randomness: Randomness) -> Result<Self> {
        Ok(Self { root: randomness.key()?, operator: randomness.key()?, publisher: randomness.key()? })
    }
}

impl Home {
    /// The roles of a library whose keys are in this home.
    pub fn roles_held(&self, library: &LibraryId) -> Vec<RoleKind> {
        ROLES.into_iter().filter(|role| self.role_key_path(library, *role).exists()).collect()
    }

    /// Stores a new library's keys and its first root statement: all of them or none, durable when it
    /// returns. Keys that are already stored stay: a publish that another command interfered with starts
    /// again with the same keys.
    ///
    /// The root is stored beside the keys for a crash while a library is founded: the next publish goes on
    /// with these keys, and does not found a second library of the same name.
    pub fn keep_founding(&self, library: &LibraryId, keys: &RoleKeys, root: &[u8]) -> Result<()> {
        let dir = self.keys_dir().join(library.to_string());
        let temp = self.keys_dir().join(format!(".{library}.tmp"));
        let failed = |error| Failure::io(format!("write {}", dir.display()), error);
        if file::exists(&dir.join(ROOT))? {
            return Ok(());
        }
        if file::exists(&temp)? {
            fs::remove_dir_all(&temp).map_err(failed)?;
        }
        make_dir(&temp)?;
        key_file::write(&temp.join("root.key"), &keys.root, None)?;
        key_file::write(&temp.join("operator.key"), &keys.operator, None)?;
        key_file::write(&temp.join("publisher.key"), &keys.publisher, None)?;
        file::write_atomic(&temp.join(ROOT), root, 0o600)?;
        fs::rename(&temp, &dir).map_err(failed)?;
        file::sync_dir(&self.keys_dir())
    }

    /// Stores the first root of a library beside the keys, where it is missing or damaged: the home still
    /// knows the library by this root when the ledger is lost. Durable when it returns.
    pub fn keep_root(&self, library: &LibraryId, root: &[u8]) -> Result<()> {
        let dir = self.keys_dir().join(library.to_string());
        if file::read(&dir.join(ROOT)).is_ok_and(|kept| kept == root) {
            return Ok(());
        }
        make_dir(&dir)?;
        file::write_atomic(&dir.join(ROOT), root, 0o600)
    }

    /// The first root statements of all libraries founded here, as stored by [`Home::keep_founding`].
    pub fn foundings(&self) -> Result<Vec<Vec<u8>>> {
        self.kept_roots(|dir| file::exists(&dir.join("root.key")))
    }

    /// The first root statements of all libraries that were known here.
    pub fn roots(&self) -> Result<Vec<Vec<u8>>> {
        self.kept_roots(|_| Ok(true))
    }

    fn kept_roots(&self, is_wanted: impl Fn(&Path) -> Result<bool>) -> Result<Vec<Vec<u8>>> {
        let failed = |error| Failure::io(format!("read {}", self.keys_dir().display()), error);
        let mut roots = Vec::new();
        for entry in fs::read_dir(self.keys_dir()).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path().join(ROOT);
            let named = entry.file_name().to_str().is_some_and(|name| name.parse::<LibraryId>().is_ok());
            if !named || !file::exists(&path)? || !is_wanted(&entry.path())? {
                continue;
            }
            match file::read(&path) {
                Ok(root) => roots.push(root),
                // The other roots are still useful.
                Err(failure) => tracing::warn!("the first root of a library cannot be read: {failure}"),
            }
        }
        roots.sort();
        Ok(roots)
    }

    /// The path of the key of a role in a library, whether or not this home has the key.
    pub fn role_key_path(&self, library: &LibraryId, role: RoleKind) -> PathBuf {
        self.keys_dir().join(library.to_string()).join(format!("{}.key", role.name()))
    }
}

/// A new key from the system's randomness: for a new home, and for key files that belong to no home.
pub fn generate() -> Result<Key> {
    Randomness::System.key()
}

/// 32 bytes from the system's randomness: for a library that is founded without a home.
pub fn random() -> Result<[u8; 32]> {
    Randomness::System.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::Role, key_file::Ask};

    #[test]
    fn keys_of_a_new_library_are_stored_once() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(dir.path(), None, Role::Origin).unwrap();
        let library = LibraryId::of(b"root");
        assert!(home.roles_held(&library).is_empty());

        let keys = RoleKeys::generate(Randomness::System).unwrap();
        home.keep_founding(&library, &keys, b"root").unwrap();
        let path = home.role_key_path(&library, RoleKind::Publisher);
        let publisher = key_file::read(&path, Ask::Nobody).unwrap();
        assert_eq!(publisher.public(), keys.publisher.public());
        assert_eq!(home.foundings().unwrap(), vec![b"root".to_vec()]);
        assert_eq!(home.roles_held(&library), ROLES[..3]);

        // Another command signed a statement at the same time, so the publish that founds the library started
        // again. It failed with a file system error, since the folder existed.
        home.keep_founding(&library, &keys, b"root").unwrap();
        assert_eq!(key_file::read(&path, Ask::Nobody).unwrap().public(), keys.publisher.public());
    }

    #[test]
    fn a_damaged_root_is_written_again_and_an_unreadable_one_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(dir.path(), None, Role::Mirror).unwrap();
        let [sound, damaged, odd] = ["sound", "damaged", "odd"].map(|text| LibraryId::of(text.as_bytes()));
        home.keep_root(&sound, b"sound").unwrap();
        home.keep_root(&damaged, b"damaged").unwrap();
        fs::create_dir_all(home.keys_dir().join(odd.to_string()).join(ROOT)).unwrap();
        fs::write(home.keys_dir().join(damaged.to_string()).join(ROOT), b"dam\0ged").unwrap();
        assert_eq!(home.roots().unwrap(), vec![b"dam\0ged".to_vec(), b"sound".to_vec()]);
        home.keep_root(&damaged, b"damaged").unwrap();
        assert_eq!(home.roots().unwrap(), vec![b"damaged".to_vec(), b"sound".to_vec()]);
    }
}
