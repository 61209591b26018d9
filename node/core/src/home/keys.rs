//! The keys of a home: where they lie, and how those of a new library are kept whole. The form of a key file is
//! [`keyring`]'s.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chuan_engine::{
    id::LibraryId,
    statement::{Key, RoleKind},
};

use super::{Home, file, make_dir};
use crate::{
    exit::{Failure, Result},
    keyring,
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
    pub fn generate() -> Result<Self> {
        Ok(Self { root: generate()?, operator: generate()?, publisher: generate()? })
    }
}

impl Home {
    /// Which roles of a library this home has the keys of.
    pub fn roles_held(&self, library: &LibraryId) -> Vec<RoleKind> {
        ROLES.into_iter().filter(|role| self.role_key_path(library, *role).exists()).collect()
    }

    /// Keeps a new library's keys and its first root statement: all of them or none, durable when it returns. Those that are
    /// kept already stay: a publish that was contended begins anew with the same.
    ///
    /// The root lies beside the keys so that a founding that a crash cut short is finished with these keys, instead
    /// of founding a second library of the same name.
    pub fn keep_founding(&self, library: &LibraryId, keys: &RoleKeys, root: &[u8]) -> Result<()> {
        let dir = self.keys_dir().join(library.to_string());
        let temp = self.keys_dir().join(format!(".{library}.tmp"));
        let failed = |error| Failure::io(format!("write {}", dir.display()), error);
        if dir.join(ROOT).exists() {
            return Ok(());
        }
        if temp.exists() {
            fs::remove_dir_all(&temp).map_err(failed)?;
        }
        make_dir(&temp)?;
        keyring::write(&temp.join("root.key"), &keys.root, None)?;
        keyring::write(&temp.join("operator.key"), &keys.operator, None)?;
        keyring::write(&temp.join("publisher.key"), &keys.publisher, None)?;
        file::write_atomic(&temp.join(ROOT), root, 0o600)?;
        fs::rename(&temp, &dir).map_err(failed)?;
        file::sync_dir(&self.keys_dir())
    }

    /// Keeps the first root of a library beside the keys, where it is not yet or is damaged: what is left of the library where
    /// the ledger is lost. Durable when it returns.
    pub fn keep_root(&self, library: &LibraryId, root: &[u8]) -> Result<()> {
        let dir = self.keys_dir().join(library.to_string());
        if file::read(&dir.join(ROOT)).is_ok_and(|kept| kept == root) {
            return Ok(());
        }
        make_dir(&dir)?;
        file::write_atomic(&dir.join(ROOT), root, 0o600)
    }

    /// The first root statements of all libraries founded here, as kept by [`Home::keep_founding`].
    pub fn foundings(&self) -> Result<Vec<Vec<u8>>> {
        self.kept_roots(|dir| dir.join("root.key").exists())
    }

    /// The first root statements of all libraries that were known here.
    pub fn roots(&self) -> Result<Vec<Vec<u8>>> {
        self.kept_roots(|_| true)
    }

    fn kept_roots(&self, is_wanted: impl Fn(&Path) -> bool) -> Result<Vec<Vec<u8>>> {
        let failed = |error| Failure::io(format!("read {}", self.keys_dir().display()), error);
        let mut roots = Vec::new();
        for entry in fs::read_dir(self.keys_dir()).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path().join(ROOT);
            let named = entry.file_name().to_str().is_some_and(|name| name.parse::<LibraryId>().is_ok());
            if !named || !path.exists() || !is_wanted(&entry.path()) {
                continue;
            }
            match file::read(&path) {
                Ok(root) => roots.push(root),
                // The others are of use all the same.
                Err(failure) => tracing::warn!("a library's first root is left out: {failure}"),
            }
        }
        roots.sort();
        Ok(roots)
    }

    /// Where the key of a role in a library lies, if it is in this home.
    pub fn role_key_path(&self, library: &LibraryId, role: RoleKind) -> PathBuf {
        self.keys_dir().join(library.to_string()).join(format!("{}.key", role.name()))
    }
}

/// A new key from the system's randomness.
pub fn generate() -> Result<Key> {
    Ok(Key::from_seed(random()?))
}

/// 32 bytes from the system's randomness.
pub fn random() -> Result<[u8; 32]> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::internal(format!("the system has no randomness: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::Role, keyring::Ask};

    #[test]
    fn a_founding_is_kept_whole() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(dir.path(), None, Role::Origin).unwrap();
        let library = LibraryId::of(b"root");
        assert!(home.roles_held(&library).is_empty());

        let keys = RoleKeys::generate().unwrap();
        home.keep_founding(&library, &keys, b"root").unwrap();
        let path = home.role_key_path(&library, RoleKind::Publisher);
        let publisher = keyring::read(&path, Ask::Nobody).unwrap();
        assert_eq!(publisher.public(), keys.publisher.public());
        assert_eq!(home.foundings().unwrap(), vec![b"root".to_vec()]);
        assert_eq!(home.roles_held(&library), ROLES[..3]);

        // Another command spoke at the same time, and the publish that founds began anew: it ended in an error of the file
        // system, since the folder was there.
        home.keep_founding(&library, &keys, b"root").unwrap();
        assert_eq!(keyring::read(&path, Ask::Nobody).unwrap().public(), keys.publisher.public());
    }

    #[test]
    fn a_damaged_root_is_written_anew_and_an_odd_one_stops_no_other() {
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
