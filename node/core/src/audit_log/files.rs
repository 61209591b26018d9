//! The files of a log: their names, their order, and reading along them.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    ops::ControlFlow,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use chuan_engine::{
    audit::{Chain, Jump, Record},
    id::RecordId,
    limits::AUDIT_RECORD_BYTES,
};

use crate::{
    exit::{Exit, Failure, Result},
    home::file::{sync_dir, write_atomic},
};

/// Digits of a file's name: all of a u64's.
const DIGITS: usize = 20;
const SUFFIX: &str = ".log";
/// A file in the folder that makes its next sync fail, in tests.
#[cfg(test)]
pub(super) const UNSYNCABLE: &str = "unsyncable";
/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// The folder of a log.
#[derive(Clone, Debug)]
pub(crate) struct Files(PathBuf);

impl Files {
    /// The log in `dir`, which need not be there.
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

    /// Makes durable that the folder is there, and which files are in it. What a failure leaves on the disk is not known, and
    /// another try would not tell: the kernel reports it once.
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

    /// The file that begins with this record.
    pub(super) fn path(&self, first: u64) -> PathBuf {
        self.0.join(format!("{first:0DIGITS$}{SUFFIX}"))
    }

    /// Bytes of a file.
    pub(super) fn len(&self, first: u64) -> Result<u64> {
        let path = self.path(first);
        let failed = |error| Failure::io(format!("read {}", path.display()), error);
        Ok(fs::metadata(&path).map_err(failed)?.len())
    }

    /// Opens a file to append to it, and makes it where it is not there, durably only after a [`Files::sync`]; with its length.
    pub(super) fn open_to_append(&self, first: u64) -> Result<(File, u64)> {
        let path = self.path(first);
        let failed = |error| Failure::io(format!("open {}", path.display()), error);
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        Ok((file, len))
    }

    /// Begins a file with a record, both or nothing.
    pub(super) fn begin(&self, first: u64, record: &[u8]) -> Result<()> {
        write_atomic(&self.path(first), record, 0o600)
    }

    /// Keeps the bytes of the file from `offset` on beside it. Durable when it returns.
    pub(super) fn keep_torn(&self, first: u64, offset: u64, count: u64) -> Result<()> {
        let mut torn = Vec::new();
        self.read(first, offset, |bytes| torn.extend_from_slice(bytes))?;
        write_atomic(&self.0.join(format!("torn-{count:0DIGITS$}")), &torn, 0o600)
    }

    /// Cuts off the bytes of the file from `offset` on. Durable when it returns; like [`Files::sync`] where it fails.
    pub(super) fn cut(&self, first: u64, offset: u64) -> Result<()> {
        let path = self.path(first);
        let failed = |error| Failure::io(format!("repair {}", path.display()), error);
        let file = OpenOptions::new().write(true).open(&path).map_err(failed)?;
        file.set_len(offset).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Brings a walk to the beginning of a file, behind a gap where the file's first record tells of one that leads there.
    pub(super) fn enter(&self, chain: &mut Chain, first: u64) -> Result<()> {
        chain.seal();
        if chain.at().count == first {
            return Ok(());
        }
        let path = self.path(first);
        let failed = |error| Failure::io(format!("read {}", path.display()), error);
        let mut begin = Vec::new();
        let file = File::open(&path).map_err(failed)?;
        file.take(AUDIT_RECORD_BYTES as u64).read_to_end(&mut begin).map_err(failed)?;
        // What is no record is told by whoever walks on.
        if let Ok(Some((record, _))) = Record::decode_front(&begin) {
            let jump = Jump::of(&record).filter(|jump| jump.to.count == first);
            jump.into_iter().for_each(|jump| chain.jump(jump));
        }
        Ok(())
    }

    /// Reads a file from `offset` to the end it has now, piece by piece.
    pub(super) fn read(&self, first: u64, offset: u64, mut take: impl FnMut(&[u8])) -> Result<()> {
        let path = self.path(first);
        let failed = |error| Failure::io(format!("read {}", path.display()), error);
        let mut file = File::open(&path).map_err(failed)?;
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

    /// Gives the records from `from` on to `each`, as far as they are written, until it breaks. Checks that they are
    /// records, not that they are the right ones: that is [`verify_files`](super::verify_files)'s.
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

/// Takes the whole records off the front of `bytes`, and gives those from `from` on to `each`.
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
            format!("{}: {}; `chuan audit verify` says more", path.display(), failure.message),
        ),
        _ => failure,
    }
}
