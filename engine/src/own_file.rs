//! Files of a home, opened so that no other user can choose what is opened.
//!
//! A user who may write in a folder can put a link, a pipe or a file of their own in the place of a file of a
//! home. A process that followed such a link would overwrite the file at its end.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::{fs::OFlags, io::Errno, process::geteuid};

/// Opens a regular file of this process's user, or of root, as `how` says. A link in the last place of the
/// path is not followed.
///
/// `how` must not truncate: an older file is checked only after it is open.
///
/// # Errors
///
/// [`io::ErrorKind::PermissionDenied`], with the reason, for a link, a file that is not regular, and a file
/// of another user.
pub fn open(how: &OpenOptions, path: &Path) -> io::Result<File> {
    open_with(how, path, 0)
}

/// Like [`open`], with more flags of the system.
pub fn open_with(how: &OpenOptions, path: &Path, flags: i32) -> io::Result<File> {
    let file = open_plain(how, path, flags)?;
    let owner = file.metadata()?.uid();
    if is_trusted(owner) { Ok(file) } else { Err(foreign(owner)) }
}

/// Opens a regular file of any user for reading. A link in the last place of the path is not followed.
///
/// # Errors
///
/// As for [`open`], except for a file of another user.
pub fn read(path: &Path) -> io::Result<File> {
    open_plain(OpenOptions::new().read(true), path, 0)
}

/// Makes a file for this user only, in place of a file or a link of the same name.
pub fn replace(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Whether a file of this owner may be used: it belongs to this process's user, or to root.
pub fn is_trusted(owner: u32) -> bool {
    owner == geteuid().as_raw() || owner == 0
}

/// The error for a file of another user.
pub fn foreign(owner: u32) -> io::Error {
    refused(format!("it belongs to user {owner}, and this process works as user {}", geteuid().as_raw()))
}

fn open_plain(how: &OpenOptions, path: &Path, flags: i32) -> io::Result<File> {
    // The bits of the flags are the same in both types. Without `NONBLOCK`, opening a pipe would wait.
    let plain = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file =
        how.clone().custom_flags(plain | flags).open(path).map_err(|error| {
            match Errno::from_io_error(&error) {
                Some(Errno::LOOP) => refused("it is a link, which is not followed".into()),
                _ => error,
            }
        })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused("it is not a regular file".into())) }
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    /// A file behind a link that had been planted in the place of another file was opened, and cut.
    #[test]
    fn a_link_a_pipe_and_a_file_of_another_user_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let [victim, link, dangling, pipe, own] =
            ["victim", "link", "dangling", "pipe", "own"].map(|name| dir.path().join(name));
        fs::write(&victim, b"victim").unwrap();
        symlink(&victim, &link).unwrap();
        symlink(dir.path().join("new"), &dangling).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let mut how = OpenOptions::new();
        how.read(true).write(true).create(true).truncate(false);
        for planted in [&link, &dangling, &pipe] {
            let error = open(&how, planted).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{}: {error}", planted.display());
            assert!(read(planted).is_err());
        }
        assert!(!dir.path().join("new").exists());
        open(&how, &own).unwrap();
        replace(&link).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"victim");
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
        if geteuid().is_root() {
            chown(&own, Some(65534), None).unwrap();
            let error = open(&how, &own).unwrap_err();
            assert!(error.to_string().contains("user 65534"), "{error}");
            read(&own).unwrap();
        }
    }
}
