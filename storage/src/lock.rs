//! The lock on a home: one process holds it, and the file names that process, for people.
//!
//! The lock is the kernel's (`flock`), so that it ends with its process. The content of the file decides
//! nothing.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use chuan_engine::{Error, Result, own_file};
use rustix::fs::FlockOperation;

const NAME: &str = "lock";
/// More than any holder writes.
const TEXT_BYTES: u64 = 4096;

/// A locked home; unlocks when dropped.
#[derive(Debug)]
pub struct HomeLock {
    file: File,
    path: PathBuf,
}

/// The place of a locked home in the file system.
#[derive(Clone, Debug)]
pub struct HomePlace {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl HomePlace {
    /// Whether the locked home is still at its path: not moved, not deleted, not replaced by another one, and
    /// its disk still mounted. Also `true` where the system gives no answer. Blocks.
    pub fn is_current(&self) -> bool {
        match std::fs::symlink_metadata(&self.path) {
            Ok(found) => (found.dev(), found.ino()) == (self.device, self.inode),
            Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        }
    }
}

impl HomeLock {
    /// Locks `home`, which must be a directory, for this process. [`Error::Busy`] names the holder.
    pub fn acquire(home: &Path) -> Result<Self> {
        let program = std::env::current_exe().ok();
        let program =
            program.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        Self::acquire_for(home, program.as_deref().unwrap_or("chuan"))
    }

    /// Locks `home` and writes `command` to the file, for people. It must hold no secret: others may read the
    /// file.
    pub fn acquire_for(home: &Path, command: &str) -> Result<Self> {
        let path = home.join(NAME);
        let context = |error| Error::io(format!("lock {}", path.display()), error);
        let (file, how) = open(&path).map_err(context)?;
        match rustix::fs::flock(&file, how) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = file.take(TEXT_BYTES).read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
                return Err(Error::Busy(format!("{} is in use by {holder}", home.display())));
            }
            Err(error) => return Err(context(error.into())),
        }
        // On a full or read-only file system the file keeps an older text: the lock itself needs no write.
        if let Err(error) = note(&file, command) {
            tracing::debug!(%error, "{} does not name this process", path.display());
        }
        Ok(Self { file, path })
    }

    /// The place of the home now.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the system cannot tell.
    pub fn place(&self) -> Result<HomePlace> {
        let context = |error| Error::io(format!("look at {}", self.path.display()), error);
        let found = self.file.metadata().map_err(context)?;
        Ok(HomePlace { path: self.path.clone(), device: found.dev(), inode: found.ino() })
    }
}

/// Opens the lock's file, or makes it; also returns how to lock it. A read-only file system has the file from
/// earlier, and processes that cannot write may share it.
fn open(path: &Path) -> io::Result<(File, FlockOperation)> {
    let mut how = OpenOptions::new();
    how.read(true).write(true).create(true).truncate(false).mode(0o600);
    match own_file::open(&how, path) {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            Ok((own_file::read(path)?, FlockOperation::NonBlockingLockShared))
        }
        opened => Ok((opened?, FlockOperation::NonBlockingLockExclusive)),
    }
}

/// Replaces the content of the lock's file. The text is written before the rest of an older one is cut off,
/// so that a full disk has room for it.
fn note(file: &File, command: &str) -> io::Result<()> {
    let text = format!("process {} ({command})\n", std::process::id());
    file.write_all_at(text.as_bytes(), 0)?;
    file.set_len(text.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_it_is_named() {
        let home = tempfile::tempdir().unwrap();
        let held = HomeLock::acquire_for(home.path(), "chuan serve").unwrap();
        let Err(Error::Busy(text)) = HomeLock::acquire(home.path()) else { panic!("two hold the lock") };
        assert!(text.contains(&std::process::id().to_string()) && text.contains("chuan serve"), "{text}");
        drop(held);
        HomeLock::acquire(home.path()).unwrap();
    }

    /// Symptom: a process whose home was deleted went on, and wrote into the next home at that path.
    #[test]
    fn a_home_that_was_moved_deleted_or_replaced_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (home, moved) = (dir.path().join("home"), dir.path().join("moved"));
        std::fs::create_dir(&home).unwrap();
        let lock = HomeLock::acquire(&home).unwrap();
        let place = lock.place().unwrap();
        assert!(place.is_current());
        std::fs::rename(&home, &moved).unwrap();
        assert!(!place.is_current(), "moved");
        std::fs::create_dir(&home).unwrap();
        assert!(!place.is_current(), "an empty folder is there");
        let _other = HomeLock::acquire(&home).unwrap();
        assert!(!place.is_current(), "another home is there");
        std::fs::remove_dir_all(&home).unwrap();
        std::fs::rename(&moved, &home).unwrap();
        assert!(place.is_current(), "it is back");
    }

    /// The file behind a link that another user had put in the place of the lock was overwritten.
    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let victim = home.path().join("victim");
        std::fs::write(&victim, "precious, and longer than the name of a process").unwrap();
        std::os::unix::fs::symlink(&victim, home.path().join(NAME)).unwrap();
        let Err(Error::Io { source, .. }) = HomeLock::acquire(home.path()) else { panic!("it was locked") };
        assert_eq!(source.kind(), io::ErrorKind::PermissionDenied, "{source}");
        assert!(std::fs::read_to_string(&victim).unwrap().starts_with("precious"));
    }

    #[test]
    fn a_home_that_is_not_there_is_an_error_that_names_it() {
        let Err(Error::Io { context, .. }) = HomeLock::acquire(Path::new("/nowhere/at/all")) else {
            panic!()
        };
        assert!(context.contains("/nowhere/at/all"));
    }
}
