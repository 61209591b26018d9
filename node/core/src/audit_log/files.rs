//! The files of a log: names, order, and sequential reads.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    ops::ControlFlow,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use chuan_engine::{
    audit::{Chain, Jump, Record},
    id::RecordId,
    limits::AUDIT_RECORD_BYTES,
    own_file,
};

use crate::{
    exit::{Exit, Failure, Result},
    file::{sync_dir, write_atomic},
};

/// Digits of a file's name: enough for every u64.
const DIGITS: usize = 20;
const SUFFIX: &str = ".log";
/// A file in the folder that makes its next sync fail, in tests.
#[cfg(test)]
pub(super) const UNSYNCABLE: &str = "unsyncable";
/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;

/// The folder of a log.
#[derive(Clone, Debug)]
pub(crate) struct Files(PathBuf);

impl Files {
    /// The log in `dir`, which need not exist.
    pub(crate) fn at(dir: PathBuf) -> Self {
        Self(dir)
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    /// Makes the folder, for its owner only. Durable after a [`Files::sync`].
    pub(super) fn make(&self) -> Result<()> {
        if self.0.is_dir() {
            return Ok(());
        }
        let made = DirBuilder::new().mode(0o700).create(&self.0);
        made.map_err(|error| Failure::io(format!("make {}", self.0.display()), error))
    }

    /// Makes the folder and its entries durable. After a failure, the state of the disk is unknown, and a
    /// second call would not show it: the kernel reports an error only once.
    pub(super) fn sync(&self) -> Result<()> {
        #[cfg(test)]
        if self.0.join(UNSYNCABLE).exists() {
            let refused = std::io::ErrorKind::Other.into();
            fs::remove_file(self.0.join(UNSYNCABLE)).map_err(|error| Failure::io("remove", error))?;
            return Err(Failure::io(format!("sync {}", self.0.display()), refused));
        }
        self.0.parent().map_or(Ok(()), sync_dir)?;
        sync_dir(&self.0)
    }

    /// The indices of the files' first records, ascending; none where there is no log.
    pub(super) fn list(&self) -> Result<Vec<u64>> {
        let failed = |error| Failure::io(format!("list {}", self.0.display()), error);
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut firsts = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            let digits = digits.filter(|digits| digits.len() == DIGITS);
            firsts.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// The path of the file that begins with this record.
    pub(super) fn path(&self, first: u64) -> PathBuf {
        self.0.join(format!("{first:0DIGITS$}{SUFFIX}"))
    }

    /// The length of a file in bytes.
    pub(super) fn len(&self, first: u64) -> Result<u64> {
        let path = self.path(first);
        let failed = |error| Failure::io(format!("read {}", path.display()), error);
        Ok(fs::metadata(&path).map_err(failed)?.len())
    }

    /// Opens a file to append to it; returns it with its length. Makes the file where it does not exist: it
    /// is durable only after a [`Files::sync`].
    pub(super) fn open_to_append(&self, first: u64) -> Result<(File, u64)> {
        let path = self.path(first);
        let failed = |error| Failure::io(format!("open {}", path.display()), error);
        let file =
            open_to_write(OpenOptions::new().append(true).create(true).mode(0o600), &path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        Ok((file, len))
    }

    /// Makes a file with a first record, atomically. Durable when it returns.
    pub(super) fn begin(&self, first: u64, record: &[u8]) -> Result<()> {
        write_atomic(&self.path(first), record, 0o600)
    }

    /// Copies the bytes of the file from `offset` on to a file `torn-COUNT`. Durable when it returns.
    pub(super) fn keep_torn(&self, first: u64, offset: u64, count: u64) -> Result<()> {
        let mut torn = Vec::new();
        self.read(first, offset, |bytes| torn.extend_from_slice(bytes))?;
        write_atomic(&self.0.join(format!("torn-{count:0DIGITS$}")), &torn, 0o600)
    }

    /// Cuts off the bytes of the file from `offset` on. Durable when it returns. After a failure, the state
    /// of the disk is unknown, as with [`Files::sync`].
    pub(super) fn cut(&self, first: u64, offset: u64) -> Result<()> {
        let path = self.path(first);
        let failed = |error| Failure::io(format!("repair {}", path.display()), error);
        let file = open_to_write(OpenOptions::new().write(true), &path).map_err(failed)?;
        file.set_len(offset).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Moves a walk to the beginning of a file. If records are missing before it, the walk jumps over the
    /// gap, provided that the first record of the file is a jump to this position.
    pub(super) fn enter(&self, chain: &mut Chain, first: u64) -> Result<()> {
        chain.seal();
        if chain.at().count == first {
            return Ok(());
        }
        let path = self.path(first);
        let failed = |error| Failure::io(format!("read {}", path.display()), error);
        let mut begin = Vec::new();
        let file = open_to_read(&path).map_err(failed)?;
        file.take(AUDIT_RECORD_BYTES as u64).read_to_end(&mut begin).map_err(failed)?;
        // Bytes that are no record are reported when the walk reads them.
        if let Ok(Some((record, _))) = Record::decode_front(&begin) {
            let jump = Jump::of(&record).filter(|jump| jump.to.count == first);
            jump.into_iter().for_each(|jump| chain.jump(jump));
        }
        Ok(())
    }

    /// Reads a file from `offset` to its current end, in pieces.
    pub(super) fn read(&self, first: u64, offset: u64, mut take: impl FnMut(&[u8])) -> Result<()> {
        let path = self.path(first);
        let failed = |error| Failure::io(format!("read {}", path.display()), error);
        let mut file = open_to_read(&path).map_err(failed)?;
        let end = file.metadata().map_err(failed)?.len();
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut file = file.take(end.saturating_sub(offset));
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let len = file.read(&mut buffer).map_err(failed)?;
            let bytes = buffer.get(..len).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
            take(bytes);
        }
    }

    /// Passes the written records from `from` on to `each`, until it breaks. Checks that the bytes are
    /// records. Whether they are unchanged is checked by [`verify_files`](super::verify_files).
    pub(crate) fn records(
        &self,
        from: u64,
        mut each: impl FnMut(&Record, RecordId) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let firsts = self.list()?;
        let begin = firsts.iter().rposition(|first| *first <= from).unwrap_or(0);
        for first in firsts.into_iter().skip(begin) {
            let mut partial = Vec::new();
            let mut end = Ok(ControlFlow::Continue(()));
            self.read(first, 0, |bytes| {
                if matches!(end, Ok(ControlFlow::Continue(()))) {
                    partial.extend_from_slice(bytes);
                    end = drain(&mut partial, from, &mut each);
                }
            })?;
            if end.map_err(|failure| unreadable(&self.path(first), failure))?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// In tests, a link to a device stands for a disk with a fault.
fn stands_for_a_fault(path: &Path) -> bool {
    cfg!(test) && path.is_symlink()
}

fn open_to_write(how: &OpenOptions, path: &Path) -> io::Result<File> {
    if stands_for_a_fault(path) { how.open(path) } else { own_file::open(how, path) }
}

fn open_to_read(path: &Path) -> io::Result<File> {
    if stands_for_a_fault(path) { File::open(path) } else { own_file::read(path) }
}

/// Removes the complete records from the front of `bytes`, and passes those from `from` on to `each`.
fn drain(
    bytes: &mut Vec<u8>,
    from: u64,
    mut each: impl FnMut(&Record, RecordId) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let mut taken = 0;
    while let Some((record, len)) = Record::decode_front(bytes.get(taken..).unwrap_or_default())? {
        let whole = bytes.get(taken..taken + len).unwrap_or_default();
        taken += len;
        if record.index >= from && each(&record, RecordId::of(whole))?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    bytes.drain(..taken);
    Ok(ControlFlow::Continue(()))
}

fn unreadable(path: &Path, failure: Failure) -> Failure {
    match failure.exit {
        Exit::Corrupt => Failure::new(
            Exit::Corrupt,
            format!("{}: {}; run `chuan audit verify` for details", path.display(), failure.message),
        ),
        _ => failure,
    }
}
