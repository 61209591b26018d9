//! A segment file open for writing: O_DIRECT if the file system allows it, preallocated, synced.
//!
//! It knows offsets and bytes, not records. After any error the caller must not write to it again.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use chuan_engine::{Error, Result, own_file};
use rustix::fs::FallocateFlags;

use crate::space;

/// A segment file open for appending.
#[derive(Debug)]
pub(crate) struct AppendFile {
    file: Arc<File>,
    path: PathBuf,
    direct: bool,
    /// The offset up to which the file's blocks are allocated.
    allocated: u64,
    #[cfg(test)]
    faults: Arc<Faults>,
}

/// Makes a segment file durable.
#[derive(Debug)]
pub(crate) struct SyncHandle {
    file: Arc<File>,
    path: PathBuf,
    #[cfg(test)]
    faults: Arc<Faults>,
}

/// Failures that a test asks for.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) fail_sync: std::sync::atomic::AtomicBool,
    pub(crate) fail_write: std::sync::atomic::AtomicBool,
    /// While a test holds it, no sync begins.
    pub(crate) hold_sync: std::sync::Mutex<()>,
}

impl AppendFile {
    /// Creates a file that must not exist yet.
    pub(crate) fn create(path: &Path, options: &crate::Options) -> Result<Self> {
        Self::with(path, options, OpenOptions::new().write(true).create_new(true), 0)
    }

    /// Opens a file to append after `end`.
    pub(crate) fn open(path: &Path, options: &crate::Options) -> Result<Self> {
        let len =
            path.metadata().map_err(|error| Error::io(format!("open {}", path.display()), error))?.len();
        Self::with(path, options, OpenOptions::new().write(true), len)
    }

    fn with(path: &Path, options: &crate::Options, how: &OpenOptions, allocated: u64) -> Result<Self> {
        // Content may be granted to some users only.
        let how = how.clone().mode(0o600).to_owned();
        let mut direct = options.direct;
        let opened = own_file::open_with(&how, path, if direct { libc::O_DIRECT } else { 0 });
        let file = match opened {
            Err(error) if direct && refuses_direct(&error) => {
                direct = false;
                // A refused create may have left the file behind.
                own_file::open(how.clone().create_new(false).create(allocated == 0), path)
            }
            other => other,
        }
        .map_err(|error| Error::io(format!("open {}", path.display()), error))?;
        Ok(Self {
            file: Arc::new(file),
            path: path.to_owned(),
            direct,
            allocated,
            #[cfg(test)]
            faults: options.faults.clone(),
        })
    }

    pub(crate) fn allocated(&self) -> u64 {
        self.allocated
    }

    /// Allocates blocks up to `end`. Returns whether the file system did; if it cannot, writes allocate.
    pub(crate) fn allocate(&mut self, end: u64) -> bool {
        if end <= self.allocated {
            return true;
        }
        let len = end - self.allocated;
        let done = rustix::fs::fallocate(&self.file, FallocateFlags::empty(), self.allocated, len).is_ok();
        if done {
            self.allocated = end;
        }
        done
    }

    /// Writes whole blocks at a block's offset; not durable before [`SyncHandle::sync`].
    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
        #[cfg(test)]
        if self.faults.fail_write.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(self.failed("write", io::Error::other("a test's fault")));
        }
        let written = match self.file.write_all_at(bytes, offset) {
            Err(error) if self.direct && refuses_direct(&error) => {
                self.reopen_buffered()?;
                self.file.write_all_at(bytes, offset)
            }
            other => other,
        };
        written.map_err(|error| self.failed("write", error))?;
        self.allocated = self.allocated.max(offset + bytes.len() as u64);
        Ok(())
    }

    /// A handle with which another thread makes the file durable.
    pub(crate) fn handle(&self) -> SyncHandle {
        SyncHandle {
            file: Arc::clone(&self.file),
            path: self.path.clone(),
            #[cfg(test)]
            faults: self.faults.clone(),
        }
    }

    /// Cuts the file to `len`: removes preallocated space, or bytes after the last marker.
    pub(crate) fn truncate(&mut self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(|error| self.failed("truncate", error))?;
        self.allocated = len;
        Ok(())
    }

    fn reopen_buffered(&mut self) -> Result<()> {
        let file = own_file::open(OpenOptions::new().write(true), &self.path);
        self.file = Arc::new(file.map_err(|error| self.failed("open", error))?);
        self.direct = false;
        Ok(())
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        failed(&self.path, what, error)
    }
}

impl SyncHandle {
    /// Makes all earlier writes durable. After an error the file must never be synced again.
    pub(crate) fn sync(&self) -> Result<()> {
        #[cfg(test)]
        drop(self.faults.hold_sync.lock());
        #[cfg(test)]
        if self.faults.fail_sync.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(failed(&self.path, "sync", io::Error::other("a test's fault")));
        }
        self.file.sync_data().map_err(|error| failed(&self.path, "sync", error))
    }
}

fn failed(path: &Path, what: &str, error: io::Error) -> Error {
    match Error::io(format!("{what} {}", path.display()), error) {
        Error::Full(text) => space::full(path.parent().unwrap_or(path), &text),
        other => other,
    }
}

fn refuses_direct(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINVAL)
}
