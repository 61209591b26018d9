//! Small files, written complete and durably: write, fsync, rename, fsync of the folder. No other module does
//! this.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::io::Errno;

use crate::exit::{Exit, Failure, Result};

/// The maximum length of a small file of a home, in bytes.
const SMALL_BYTES: usize = 64 << 20;

/// Reads a complete small file of the home; [`Exit::Missing`] where it does not exist. A pipe or a device in
/// its place is an error: the call never waits for it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    check_is_file(path)?;
    read_at_most(path, SMALL_BYTES)
}

/// Whether there is something at `path`; a link counts if its target is there.
///
/// # Errors
///
/// [`Exit::Io`] where the system does not let this user look: that is not the same as absent.
pub fn exists(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        // A link to itself leads nowhere.
        Err(error) if is_absent(&error) || Errno::from_io_error(&error) == Some(Errno::LOOP) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(not_permitted(path, error)),
        Err(error) => Err(Failure::io(format!("look at {}", path.display()), error)),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The failure for a path at which this user may not look. Names the user that the folder on its path belongs
/// to which this user may not enter.
fn not_permitted(path: &Path, error: io::Error) -> Failure {
    let closed = path.ancestors().skip(1).find_map(|folder| Some((folder, fs::metadata(folder).ok()?)));
    let context = match closed {
        Some((folder, stat)) => {
            format!("look at {} ({} belongs to user {})", path.display(), folder.display(), stat.uid())
        }
        None => format!("look at {}", path.display()),
    };
    Failure::io(format!("{context}; run the command as that user, or as root"), error)
}

/// Fails where `path` is not a regular file: opening a pipe would wait for its writer.
pub fn check_is_file(path: &Path) -> Result<()> {
    let found = fs::metadata(path).map_err(|error| Failure::io(format!("read {}", path.display()), error))?;
    if found.is_file() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Corrupt,
        format!("{} is not a regular file; remove it, and put the file back from a backup", path.display()),
    ))
}

/// Reads a complete file of untrusted origin; fails where it has more than `max` bytes. It may be a pipe.
pub fn read_at_most(path: &Path, max: usize) -> Result<Vec<u8>> {
    let failed = |error| Failure::io(format!("read {}", path.display()), error);
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > max {
        return Err(Failure::invalid(format!("{} has more than {max} bytes", path.display())));
    }
    Ok(bytes)
}

/// Makes the file at `path`, with permission bits `mode`; durable when it returns. Fails where the path
/// exists, also when it appears at the last moment: no file is ever overwritten. A crash may leave a partial
/// file.
///
/// Written in place: not every file system has hard links or a rename that replaces nothing, and a file for
/// another person may be on a USB stick.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let failed = |error| Failure::io(format!("write {}", path.display()), error);
    let path = &std::path::absolute(path).map_err(failed)?;
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(|error| match error
            .kind()
        {
            io::ErrorKind::AlreadyExists => is_there(path),
            _ => failed(error),
        })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
        let _ = fs::remove_file(path);
        failed(error)
    })?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// The error for a new file at a path that exists.
pub fn is_there(path: &Path) -> Failure {
    Failure::invalid(format!("{} is there already; choose another name", path.display()))
}

/// Replaces the file at `path` by `bytes` with permission bits `mode`. A crash leaves the old file or the new
/// one, never a part; durable when it returns.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    replace(path, mode, |file| {
        file.write_all(bytes).map_err(|error| Failure::io(format!("write {}", path.display()), error))
    })
}

/// Replaces the file at `path` by what `write` writes, with permission bits `mode`. A link at `path` is
/// replaced, never followed. A crash leaves the old file or the new one, never a part; durable when it
/// returns.
pub fn replace<T>(path: &Path, mode: u32, write: impl FnOnce(&mut File) -> Result<T>) -> Result<T> {
    let failed = |error| Failure::io(format!("write {}", path.display()), error);
    // A path of one name has an empty parent, which is not a folder.
    let path = &std::path::absolute(path).map_err(failed)?;
    let dir = path.parent().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    // One temporary name per file, not per write: the next write replaces what a crash has left. The home
    // lock excludes other processes, and callers in this process hold a lock of their own.
    let mut temp_name = std::ffi::OsString::from(".");
    temp_name.push(name);
    temp_name.push(".tmp");
    let temp = dir.join(temp_name);
    let replaced = new_file(&temp, mode).map_err(failed).and_then(|mut file| {
        let written = write(&mut file)?;
        file.sync_all().and_then(|()| fs::rename(&temp, path)).map_err(failed)?;
        Ok(written)
    });
    let written = replaced.inspect_err(|_| {
        let _ = fs::remove_file(&temp);
    })?;
    sync_dir(dir)?;
    Ok(written)
}

/// Makes a file in place of one that a crash has left.
fn new_file(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Removes a file; durable when it returns. A file that does not exist is no error.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync_dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::io(format!("remove {}", path.display()), error)),
    }
}

/// Makes a folder's entries durable.
pub fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| Failure::io(format!("sync {}", dir.display()), error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_atomic_write_replaces_the_file_and_leaves_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(dir.path().join(".x.tmp"), b"left by a crash").unwrap();
        write_atomic(&path, b"first, and longer", 0o600).unwrap();
        write_atomic(&path, b"second", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    /// A file that appeared between the check and the write was overwritten.
    #[test]
    fn a_new_file_never_overwrites_another() {
        let dir = tempfile::tempdir().unwrap();
        let [path, link] = ["x", "link"].map(|name| dir.path().join(name));
        std::os::unix::fs::symlink(dir.path().join("nothing"), &link).unwrap();
        write_new(&path, b"first", 0o600).unwrap();
        for taken in [&path, &link] {
            assert_eq!(write_new(taken, b"second", 0o600).unwrap_err().exit, crate::Exit::Invalid);
        }
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        write_atomic(&path, b"old", 0o600).unwrap();
        fs::create_dir(dir.path().join(".x.tmp")).unwrap();
        assert!(write_atomic(&path, b"new", 0o600).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
