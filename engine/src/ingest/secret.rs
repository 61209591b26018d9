//! Items that are never published, whatever their names and wherever they are: secret keys, tickets, and
//! homes, which hold keys.
//!
//! A key file is recognised by its heading ([`KEY_HEADING`], which every writer of a key file uses), or by
//! the armor of an encrypted key. A home is recognised by its `chuan.toml` and its `keys` folder. The open
//! home is also recognised by the inodes of its folders, under any other path at which they are mounted.

use std::{
    collections::BTreeSet,
    fs::Metadata,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
};

use memchr::memmem;
use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat},
    io::Errno,
};

use super::source::Stat;
use crate::{
    error::{Error, Result},
    limits::TICKET_BYTES,
    statement::ticket::PREFIX,
};

/// The beginning of a key file; 64 hexadecimal digits follow.
pub const KEY_HEADING: &str = "chuan-secret-key-1 ";
/// The beginning of an encrypted key file.
pub const KEY_ARMOR: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
/// Maximum size of a key file in bytes: an encrypted one has about 500.
pub const KEY_FILE_BYTES: u64 = 4096;

/// The heading of every version of a key file, without its number.
const ANY_HEADING: &[u8] = b"chuan-secret-key-";
/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 64;
/// Minimum number of base32 digits of a ticket: the parts of a fixed length alone have more than 250.
const TICKET_DIGITS: usize = 128;
/// Maximum depth of the folders of a home that are recognised by their inodes.
const HOME_DEPTH: usize = 3;
/// Maximum number of folders of a home that are recognised by their inodes.
const HOME_FOLDERS: usize = 4096;

/// The parts of a home.
const HOME_PARTS: [&str; 11] =
    ["keys", "store", "ledger", "audit", "pulls", "cache", "run", "restored", "heard", "behind", "whole"];

/// Files up to this size are searched for keys: a key that was pasted into notes is also a key.
pub(super) const LOOKED_THROUGH_BYTES: u64 = 64 * 1024;

/// Why a file with a key is left out.
const IS_KEY: &str = "it holds a secret key of chuan";
/// Why a file with a ticket is left out.
const IS_TICKET: &str = "it is a ticket of chuan, which holds a secret";
/// Why a home is left out.
pub(super) const IS_HOME: &str = "it is a home of chuan, with its secret keys";

/// Why the content of a small file is not published, if it holds a secret.
pub(super) fn secret_in(bytes: &[u8]) -> Option<&'static str> {
    if holds_key(bytes) {
        Some(IS_KEY)
    } else if is_ticket(bytes) {
        Some(IS_TICKET)
    } else {
        None
    }
}

/// Why an item with this name, or a link with this target, is not published, if it is a secret.
pub(super) fn secret_name(text: &[u8]) -> Option<&'static str> {
    secret_in(text).map(|_| "its name or target holds a secret of chuan")
}

/// Whether the bytes are a ticket and nothing else. A damaged ticket, or one that a mail program wrapped, is
/// also a ticket.
fn is_ticket(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii();
    let Some(encoded) = text.strip_prefix(PREFIX.as_bytes()) else { return false };
    let is_base32 = |byte: &u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
    let digits = encoded.iter().filter(|byte| !byte.is_ascii_whitespace());
    digits.clone().all(is_base32) && (TICKET_DIGITS..=TICKET_BYTES).contains(&digits.count())
}

/// Whether the bytes, the content of a small file, hold a secret key.
fn holds_key(bytes: &[u8]) -> bool {
    let is_plain = memmem::find_iter(bytes, ANY_HEADING).any(|at| {
        let rest = bytes.get(at + ANY_HEADING.len()..).unwrap_or_default();
        let rest = rest.trim_ascii_start_of(u8::is_ascii_digit);
        // A mail program wraps the line, and marks it as quoted or as continued.
        let is_between = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'=');
        let digits = rest.iter().filter(|byte| !is_between(byte));
        digits.take_while(|byte| byte.is_ascii_hexdigit()).take(KEY_DIGITS).count() == KEY_DIGITS
    });
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start();
    is_plain || (bytes.len() as u64 <= KEY_FILE_BYTES && text.starts_with(KEY_ARMOR.as_bytes()))
}

trait TrimStart {
    /// The bytes after the leading bytes for which `is` holds.
    fn trim_ascii_start_of(&self, is: impl Fn(&u8) -> bool) -> &Self;
}

impl TrimStart for [u8] {
    fn trim_ascii_start_of(&self, is: impl Fn(&u8) -> bool) -> &[u8] {
        let end = self.iter().take_while(|byte| is(byte)).count();
        self.get(end..).unwrap_or_default()
    }
}

/// The folders of the open home, which no publish and no restore enters.
#[derive(Debug, Default)]
pub(crate) struct Protected(BTreeSet<(u64, u64)>);

impl Protected {
    /// Collects the folders of `home`. Folders that cannot be listed are missing; their keys are still
    /// recognised by their heading.
    pub(crate) fn of(home: Option<&Path>) -> Self {
        let mut protected = Self::default();
        let Some(home) = home else { return protected };
        let parts = HOME_PARTS.map(|part| home.join(part));
        // The parts come first, because the number of folders below them is limited.
        for part in &parts {
            protected.insert(part);
        }
        protected.add(home, 0);
        // Parts of a home may be elsewhere, behind a link.
        for part in parts.iter().filter(|part| part.is_symlink()) {
            protected.add(part, 1);
        }
        protected
    }

    fn add(&mut self, folder: &Path, depth: usize) {
        if depth > HOME_DEPTH || self.0.len() >= HOME_FOLDERS || !self.insert(folder) {
            return;
        }
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.add(&entry.path(), depth + 1);
            }
        }
    }

    /// Adds a folder; `false` if there is none.
    fn insert(&mut self, folder: &Path) -> bool {
        let found = std::fs::metadata(folder).ok().filter(Metadata::is_dir);
        found.is_some_and(|found| {
            self.0.insert((found.dev(), found.ino()));
            true
        })
    }

    /// Whether the folder with the metadata `stat` belongs to the home.
    pub(super) fn has(&self, stat: &Stat) -> bool {
        self.has_inode(stat.device, stat.inode)
    }

    /// Whether the folder with this device and inode belongs to the home.
    pub(crate) fn has_inode(&self, device: u64, inode: u64) -> bool {
        self.0.contains(&(device, inode))
    }
}

/// Whether an open folder is the home of a node. Nothing in a home is published, and nothing is restored into
/// one.
///
/// A home has a file `chuan.toml` and a folder `keys`, or symbolic links to them. A broken link also matches:
/// its target may not be mounted now.
///
/// # Errors
///
/// The system's error if it denies access to the folder: then the folder may be a home.
pub(crate) fn is_home(folder: impl AsFd) -> io::Result<bool> {
    let has = |name: &str, kind| {
        let look = |flags| statat(folder.as_fd(), name, flags).map(|s| FileType::from_raw_mode(s.st_mode));
        match look(AtFlags::SYMLINK_NOFOLLOW) {
            Ok(FileType::Symlink) => Ok(look(AtFlags::empty()).map_or(true, |found| found == kind)),
            Ok(found) => Ok(found == kind),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(io::Error::from(error)),
        }
    };
    Ok(has("chuan.toml", FileType::RegularFile)? && has("keys", FileType::Directory)?)
}

/// The home or protected folder that `folder` is or lies in, if any. `folder` contains no links; its last
/// components need not exist.
pub(crate) fn home_around<'p>(folder: &'p Path, protected: &Protected) -> Option<&'p Path> {
    folder.ancestors().find(|above| is_home_at(above, protected))
}

/// Opens a folder to look up names in it, which needs no right to list it.
fn open_folder(folder: &Path) -> Option<OwnedFd> {
    openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Refuses a source that is a home or lies inside one, under any path.
pub(super) fn refuse_home(source: &Path, protected: &Protected) -> Result<()> {
    let context = || format!("opening the source {}", source.display());
    let real = source.canonicalize().map_err(|error| Error::io(context(), error))?;
    match home_around(&real, protected) {
        None => Ok(()),
        Some(folder) => Err(Error::Invalid(format!(
            "{} is, or lies inside, the chuan home {}: a home is never published, since it holds secret keys; publish \
             another folder",
            source.display(),
            folder.display()
        ))),
    }
}

fn is_home_at(folder: &Path, protected: &Protected) -> bool {
    let Some(opened) = open_folder(folder) else { return false };
    Stat::of(&opened).is_ok_and(|stat| protected.has(&stat)) || is_home(&opened).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> String {
        format!("chuan-secret-key-{number} {}\n", "0f".repeat(32))
    }

    #[test]
    fn keys_are_recognised_by_their_content() {
        for text in [
            key(1),
            key(12),
            format!("\u{feff}{}", key(1)),
            format!("my root key, keep safe:\n\n  {}", key(1)),
            key(1).replace(' ', "  \t").to_uppercase().replace("CHUAN-SECRET-KEY", "chuan-secret-key"),
            format!("{KEY_ARMOR}\nYWdl\n"),
            format!("\r\n {KEY_ARMOR}\r\n"),
        ] {
            assert!(holds_key(text.as_bytes()), "{text:?} was taken");
        }
        let digits = "0f".repeat(32);
        for text in [
            String::new(),
            "chuan-secret-key-1 <64 hexadecimal digits: the Ed25519 seed>".to_owned(),
            format!("chuan-secret-key-1 {}", &digits[..62]),
            format!("chuan-secret-key {digits}"),
            digits.clone(),
            format!("to encrypt, see {KEY_ARMOR}"),
            format!("{KEY_ARMOR}\n{}", "x".repeat(5000)),
        ] {
            assert!(!holds_key(text.as_bytes()), "{text:?} was left out");
        }
    }
}
