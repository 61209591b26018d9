//! A secret key as a file that only its owner can read: one line of text, plain or encrypted with a
//! passphrase by `age` (armored, so that it can be printed and typed). Owns the format; statements decide the
//! rights of a key.
//!
//! ```text
//! chuan-secret-key-1 <64 hexadecimal digits: the Ed25519 seed>\n
//! ```

mod passphrase;

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use age::DecryptError;
use chuan_engine::{
    id::Salt,
    ingest::{KEY_ARMOR, KEY_HEADING as HEADING},
    limits::KEY_FILE_BYTES as FILE_BYTES,
    statement::Key,
};

use crate::{
    exit::{Exit, Failure, Result},
    file::{is_there, write_atomic, write_new},
};

pub use passphrase::{Ask, BACKUP_PASSPHRASE, NEW_PASSPHRASE, PASSPHRASE, Passphrase};

const ARMOR: &[u8] = KEY_ARMOR.as_bytes();
/// Permission bits of a key file.
const MODE: u32 = 0o600;
/// The scrypt work factor (log2 N) of files written here: half a second and 128 MiB.
const WORK: u8 = 17;
/// The maximum work factor of a file that is read: 256 MiB. A file may come from outside.
const WORK_MAX: u8 = 18;

const _: () = assert!(WORK <= WORK_MAX);

/// Reads a key file; refuses a file that other users may read. Uses `ask` only if the file has a passphrase.
pub fn read(path: &Path, ask: Ask) -> Result<Key> {
    let text = contents(path)?;
    if !text.starts_with(ARMOR) {
        return parse(&text).ok_or_else(|| no_key(path));
    }
    let plain = decrypted(path, &text, ask.known(path)?, no_key)?;
    parse(&plain).ok_or_else(|| no_key(path))
}

/// Decrypts the armored `text` of the file at `path`; `damaged` is the error for a text that is not complete.
pub(crate) fn decrypted(
    path: &Path,
    text: &[u8],
    passphrase: Passphrase,
    damaged: fn(&Path) -> Failure,
) -> Result<Vec<u8>> {
    let mut identity = age::scrypt::Identity::new(passphrase.into_secret());
    identity.set_max_work_factor(WORK_MAX);
    age::decrypt(&identity, text).map_err(|error| match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::InvalidMac => {
            Failure::denied(format!("that is not the passphrase of {}", path.display()))
        }
        DecryptError::ExcessiveWork { required, .. } => Failure::invalid(format!(
            "{} needs 2^{required} of scrypt work, and the maximum is 2^{WORK_MAX}; decrypt it with `age` and encrypt it \
             again with less",
            path.display()
        )),
        DecryptError::NoMatchingKeys => {
            Failure::invalid(format!("{} is not encrypted with a passphrase", path.display()))
        }
        _ => damaged(path),
    })
}

/// Encrypts the text of the file at `path`, armored.
pub(crate) fn encrypted(path: &Path, text: &[u8], passphrase: Passphrase) -> Result<String> {
    let mut recipient = age::scrypt::Recipient::new(passphrase.into_secret());
    recipient.set_work_factor(WORK);
    age::encrypt_and_armor(&recipient, text)
        .map_err(|error| Failure::internal(format!("cannot encrypt {}: {error}", path.display())))
}

/// Whether the file at `path` has a passphrase.
pub fn is_encrypted(path: &Path) -> Result<bool> {
    Ok(contents(path)?.starts_with(ARMOR))
}

/// The passphrase of the file at `path`, for a file that replaces it.
pub fn passphrase_of(path: &Path, ask: Ask) -> Result<Option<Passphrase>> {
    if is_encrypted(path)? { ask.known(path).map(Some) } else { Ok(None) }
}

/// Makes a key file, encrypted if there is a passphrase; durable when it returns. Fails where `path` exists.
pub fn create(path: &Path, key: &Key, passphrase: Option<Passphrase>) -> Result<()> {
    write_new(path, text(path, key, passphrase)?.as_bytes(), MODE)
}

/// Like [`create`], but replaces the file at `path`. Where `path` is a link, it replaces the target of the
/// link: otherwise the old file would remain, with the key in it.
pub fn write(path: &Path, key: &Key, passphrase: Option<Passphrase>) -> Result<()> {
    let place = match fs::canonicalize(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => path.to_owned(),
        place => place.map_err(|error| Failure::io(format!("look at {}", path.display()), error))?,
    };
    write_atomic(&place, text(path, key, passphrase)?.as_bytes(), MODE)
}

/// The text of a key file.
fn text(path: &Path, key: &Key, passphrase: Option<Passphrase>) -> Result<String> {
    let mut text = String::from(HEADING);
    key.seed().iter().for_each(|byte| text.push_str(&format!("{byte:02x}")));
    text.push('\n');
    if let Some(passphrase) = passphrase {
        text = encrypted(path, text.as_bytes(), passphrase)?;
    }
    Ok(text)
}

fn contents(path: &Path) -> Result<Vec<u8>> {
    let failed = |error| Failure::io(format!("read {}", path.display()), error);
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Failure::denied(format!(
            "{0} can be read by others; if it was not, `chmod 600 {0}`, else replace the key",
            path.display()
        )));
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES { Err(no_key(path)) } else { Ok(text) }
}

fn no_key(path: &Path) -> Failure {
    Failure::new(
        Exit::Corrupt,
        format!("{} is not a chuan secret key; put it back from a backup", path.display()),
    )
}

fn parse(text: &[u8]) -> Option<Key> {
    let digits = std::str::from_utf8(text).ok()?.strip_prefix(HEADING)?.strip_suffix('\n')?;
    // An id is 32 bytes in 64 hexadecimal digits, like a seed.
    let seed: Salt = digits.parse().ok()?;
    Some(Key::from_seed(*seed.as_bytes()))
}

/// Fails where `path` exists: a secret key is never overwritten.
pub fn check_free(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::io(format!("look at {}", path.display()), error)),
        Ok(_) => Err(is_there(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::keys::generate;

    fn secret(text: &str) -> Passphrase {
        Passphrase::from(text.to_owned())
    }

    /// Opens `text` as an age file with a passphrase, without a terminal.
    fn open(text: &[u8], passphrase: &str) -> Result<Vec<u8>, DecryptError> {
        let mut identity = age::scrypt::Identity::new(secret(passphrase).into_secret());
        identity.set_max_work_factor(WORK_MAX);
        age::decrypt(&identity, text)
    }

    #[test]
    fn a_key_reads_back_and_each_bad_file_has_its_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.key");
        let key = generate().unwrap();
        check_free(&path).unwrap();
        write(&path, &key, None).unwrap();
        assert_eq!(read(&path, Ask::Nobody).unwrap().public(), key.public());
        assert_eq!(check_free(&path).unwrap_err().exit, Exit::Invalid);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(read(&path, Ask::Nobody).unwrap_err().exit, Exit::Denied);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() - 2]).unwrap();
        assert_eq!(read(&path, Ask::Nobody).unwrap_err().exit, Exit::Corrupt);
        fs::write(&path, vec![b'x'; 5000]).unwrap();
        assert_eq!(read(&path, Ask::Nobody).unwrap_err().exit, Exit::Corrupt);
        assert_eq!(read(&dir.path().join("none"), Ask::Nobody).unwrap_err().exit, Exit::Missing);
    }

    /// `operator.key` was a link to a file on a USB stick. The link was replaced by the encrypted key, and
    /// the plain key stayed on the stick.
    #[test]
    fn writing_a_key_through_a_link_replaces_the_target() {
        let dir = tempfile::tempdir().unwrap();
        let [stick, link] = ["stick.key", "operator.key"].map(|name| dir.path().join(name));
        let key = generate().unwrap();
        create(&stick, &key, None).unwrap();
        std::os::unix::fs::symlink(&stick, &link).unwrap();
        assert_eq!(create(&link, &key, None).unwrap_err().exit, Exit::Invalid);
        write(&link, &key, Some(secret("川流不息"))).unwrap();
        assert!(is_encrypted(&stick).unwrap() && is_encrypted(&link).unwrap());
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn an_encrypted_key_is_an_age_file_of_the_plain_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.key");
        let key = generate().unwrap();
        write(&path, &key, Some(secret("川流不息"))).unwrap();
        assert!(is_encrypted(&path).unwrap());
        let text = fs::read(&path).unwrap();
        assert!(text.len() < 1024 && text.starts_with(ARMOR));
        assert_eq!(parse(&open(&text, "川流不息").unwrap()).unwrap().public(), key.public());
        assert!(matches!(open(&text, "川流"), Err(DecryptError::DecryptionFailed)));
        // Without a terminal, a missing passphrase is a usage error.
        assert_eq!(read(&path, Ask::Nobody).unwrap_err().exit, Exit::Usage);
    }

    /// A file from outside must not occupy this process for an hour or use all memory.
    #[test]
    fn too_much_work_is_refused_before_it_begins() {
        let mut recipient = age::scrypt::Recipient::new(secret("x").into_secret());
        recipient.set_work_factor(10);
        let text = age::encrypt(&recipient, b"x").unwrap();
        let (at, _) = text.windows(4).enumerate().find(|(_, part)| *part == b" 10\n").unwrap();
        let mut heavy = text.clone();
        heavy[at + 1..at + 3].copy_from_slice(b"30");
        assert!(matches!(open(&heavy, "x"), Err(DecryptError::ExcessiveWork { required: 30, .. })));
    }

    #[test]
    fn damaged_files_end_in_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.key");
        let empty = b"-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----\n";
        for text in [ARMOR, empty] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(is_encrypted(&path).unwrap());
            assert!(open(text, "x").is_err());
        }
    }
}
