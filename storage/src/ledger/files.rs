//! The files of the ledger, as single steps. This is an interface so that a test can use a disk that crashes
//! or is full at any step.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use chuan_engine::own_file;
use rustix::{fs::FallocateFlags, io::Errno};

/// One directory with a few small files. Each method is one step that may fail. No step is durable before its
/// sync.
pub(crate) trait Files: Send + Sync + fmt::Debug {
    /// The path of the directory, for people.
    fn path(&self) -> PathBuf;
    /// The whole file; `None` if it does not exist.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// A part of a file; fewer bytes if the file ends before.
    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    /// If both names are one file, which is only one copy: the index of the name to be rewritten. That is the
    /// name that is a link, else the second.
    fn same_file(&self, names: [&str; 2]) -> io::Result<Option<usize>>;
    /// Allocates blocks up to `end` without changing the length. No error if the file system cannot do that.
    fn reserve(&self, name: &str, end: u64) -> io::Result<()>;
    /// Writes at `offset`; creates the file if it does not exist.
    fn write(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes the file's content durable.
    fn sync(&self, name: &str) -> io::Result<()>;
    /// Cuts the file to `len`.
    fn cut(&self, name: &str, len: u64) -> io::Result<()>;
    /// Renames a file; replaces the file that has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file; no error if it does not exist.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the directory's entries durable.
    fn sync_names(&self) -> io::Result<()>;
}

/// A directory on disk.
#[derive(Debug)]
pub(crate) struct Directory {
    dir: PathBuf,
    /// Files in use. The handle that wrote is the one that syncs, so that no write error is missed.
    open: Mutex<BTreeMap<String, Arc<File>>>,
}

impl Directory {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: Mutex::default() }
    }

    /// Creates the directory with access for its owner only, durably.
    pub(crate) fn create(&self) -> io::Result<()> {
        if self.dir.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        self.dir.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }

    fn handle(&self, name: &str) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(name) {
            return Ok(Arc::clone(file));
        }
        let mut how = OpenOptions::new();
        how.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = Arc::new(own_file::open(&how, &self.dir.join(name))?);
        open.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn forget(&self, names: &[&str]) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|name, _| !names.contains(&name.as_str()));
    }
}

impl Files for Directory {
    fn path(&self) -> PathBuf {
        self.dir.clone()
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.dir.join(name);
        let read = fs::metadata(&path).and_then(|meta| match meta.is_file() {
            true => fs::read(&path),
            // A pipe, a device or a folder holds no ledger, and reading it may never end.
            false => Ok(Vec::new()),
        });
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        // Opened for each read: a home on a read-only medium has no handle for writing.
        let file = File::open(self.dir.join(name))?;
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn same_file(&self, names: [&str; 2]) -> io::Result<Option<usize>> {
        let [one, other] = names.map(|name| match fs::metadata(self.dir.join(name)) {
            Ok(meta) => Ok(Some((meta.dev(), meta.ino()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        let (one, other) = (one?, other?);
        if one.is_none() || one != other {
            return Ok(None);
        }
        let is_link = |name: &str| self.dir.join(name).is_symlink();
        Ok(Some(names.into_iter().position(is_link).unwrap_or(1)))
    }

    fn reserve(&self, name: &str, end: u64) -> io::Result<()> {
        let file = self.handle(name)?;
        let begin = file.metadata()?.len();
        if end <= begin {
            return Ok(());
        }
        match rustix::fs::fallocate(&*file, FallocateFlags::KEEP_SIZE, begin, end - begin) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            other => Ok(other?),
        }
    }

    fn write(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.handle(name)?.write_all_at(bytes, offset)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.handle(name)?.sync_data()
    }

    fn cut(&self, name: &str, len: u64) -> io::Result<()> {
        self.handle(name)?.set_len(len)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.forget(&[from, to]);
        fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.forget(&[name]);
        match fs::remove_file(self.dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}
