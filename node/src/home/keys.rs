//! Secret keys as files: one line of text each, readable by their owner only. Owns the form of the file; what a key may
//! do is decided by statements.
//!
//! ```text
//! chuan-secret-key-1 <64 hexadecimal digits: the Ed25519 seed>\n
//! ```

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use chuan_engine::{id::LibraryId, statement::Key};

use super::{Home, file, make_dir};
use crate::exit::{Failure, Result};

const HEADING: &str = "chuan-secret-key-1 ";

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

/// A role whose key a home may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// Changes the root.
    Root,
    /// Admits nodes and moves channels.
    Operator,
    /// Signs releases.
    Publisher,
}

impl KeyRole {
    /// All roles.
    pub const ALL: [KeyRole; 3] = [KeyRole::Root, KeyRole::Operator, KeyRole::Publisher];

    /// The word in file names and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyRole::Root => "root",
            KeyRole::Operator => "operator",
            KeyRole::Publisher => "publisher",
        }
    }
}

impl RoleKeys {
    /// Three new keys.
    pub fn generate() -> Result<Self> {
        Ok(Self { root: generate()?, operator: generate()?, publisher: generate()? })
    }
}

impl Home {
    /// The secret key of a role in a library; [`Exit::Denied`](crate::Exit::Denied) where this home does not have it.
    pub fn role_key(&self, library: &LibraryId, role: KeyRole) -> Result<Key> {
        let path = self.role_key_path(library, role);
        read(&path).map_err(|failure| match failure.exit {
            crate::Exit::Missing => Failure::denied(format!(
                "this home has no {0} key of the library ({1}); run this on the node that founded it",
                role.as_str(),
                path.display()
            )),
            _ => failure,
        })
    }

    /// Which roles of a library this home has the keys of.
    pub fn roles_held(&self, library: &LibraryId) -> Vec<KeyRole> {
        KeyRole::ALL.into_iter().filter(|role| self.role_key_path(library, *role).exists()).collect()
    }

    /// Keeps a new library's keys and its first root statement: all of them or none, durable when it returns.
    ///
    /// The root lies beside the keys so that a founding that a crash cut short is finished with these keys, instead
    /// of founding a second library of the same name.
    pub fn keep_founding(&self, library: &LibraryId, keys: &RoleKeys, root: &[u8]) -> Result<()> {
        let dir = self.keys_dir().join(library.to_string());
        let temp = self.keys_dir().join(format!(".{library}.tmp"));
        let failed = |error| Failure::io(format!("write {}", dir.display()), error);
        if temp.exists() {
            fs::remove_dir_all(&temp).map_err(failed)?;
        }
        make_dir(&temp)?;
        write(&temp.join("root.key"), &keys.root)?;
        write(&temp.join("operator.key"), &keys.operator)?;
        write(&temp.join("publisher.key"), &keys.publisher)?;
        file::write_atomic(&temp.join("root.statement"), root, 0o600)?;
        fs::rename(&temp, &dir).map_err(failed)?;
        file::sync_dir(&self.keys_dir())
    }

    /// The first root statements of all libraries founded here, as kept by [`Home::keep_founding`].
    pub fn foundings(&self) -> Result<Vec<Vec<u8>>> {
        let failed = |error| Failure::io(format!("read {}", self.keys_dir().display()), error);
        let mut roots = Vec::new();
        for entry in fs::read_dir(self.keys_dir()).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path().join("root.statement");
            let named = entry.file_name().to_str().is_some_and(|name| name.parse::<LibraryId>().is_ok());
            if named && path.exists() {
                roots.push(file::read(&path)?);
            }
        }
        roots.sort();
        Ok(roots)
    }

    fn role_key_path(&self, library: &LibraryId, role: KeyRole) -> PathBuf {
        self.keys_dir().join(library.to_string()).join(format!("{}.key", role.as_str()))
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

/// Writes a key's file; durable when it returns.
pub(super) fn write(path: &Path, key: &Key) -> Result<()> {
    let mut text = String::from(HEADING);
    key.seed().iter().for_each(|byte| text.push_str(&format!("{byte:02x}")));
    text.push('\n');
    file::write_atomic(path, text.as_bytes(), 0o600)
}

/// Reads a key's file; refuses one that others may read.
pub(super) fn read(path: &Path) -> Result<Key> {
    let text = file::read(path)?;
    let mode = fs::metadata(path)
        .map_err(|error| Failure::io(format!("read {}", path.display()), error))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(Failure::denied(format!(
            "{0} can be read by others; if it was not, `chmod 600 {0}`, else replace the key",
            path.display()
        )));
    }
    parse(&text).ok_or_else(|| {
        Failure::new(
            crate::Exit::Corrupt,
            format!("{} is no chuan secret key; put it back from a backup", path.display()),
        )
    })
}

fn parse(text: &[u8]) -> Option<Key> {
    let digits = std::str::from_utf8(text).ok()?.strip_prefix(HEADING)?.strip_suffix('\n')?;
    // An id is 32 bytes in 64 hexadecimal digits, like a seed.
    let seed: chuan_engine::id::Salt = digits.parse().ok()?;
    Some(Key::from_seed(*seed.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Exit, command::Role};

    #[test]
    fn a_key_reads_back_and_bad_files_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.key");
        let key = generate().unwrap();
        write(&path, &key).unwrap();
        assert_eq!(read(&path).unwrap().public(), key.public());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(read(&path).unwrap_err().exit, Exit::Denied);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() - 2]).unwrap();
        assert_eq!(read(&path).unwrap_err().exit, Exit::Corrupt);
        assert_eq!(read(&dir.path().join("none")).unwrap_err().exit, Exit::Missing);
    }

    #[test]
    fn a_founding_is_kept_whole() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(dir.path(), None, Role::Origin).unwrap();
        let library = LibraryId::of(b"root");
        assert_eq!(home.role_key(&library, KeyRole::Publisher).unwrap_err().exit, Exit::Denied);
        assert!(home.roles_held(&library).is_empty());

        let keys = RoleKeys::generate().unwrap();
        home.keep_founding(&library, &keys, b"root").unwrap();
        let publisher = home.role_key(&library, KeyRole::Publisher).unwrap();
        assert_eq!(publisher.public(), keys.publisher.public());
        assert_eq!(home.foundings().unwrap(), vec![b"root".to_vec()]);
        assert_eq!(home.roles_held(&library), KeyRole::ALL);
    }
}
