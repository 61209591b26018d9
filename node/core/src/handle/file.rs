//! [`File`]: a file of a release, read in parts, each verified.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, Write},
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;
use chuan_engine::{
    id::{ChunkId, LibraryId, StatementId},
    manifest::{Content, Entry, EntryPath},
    restore::read_range,
};
use tokio::task::JoinHandle;

use super::{Error, Library, ReleaseName};
use crate::{
    exit::{self, Exit, Failure},
    job::Cancel,
    library::release::{Found, resolve},
    open_home::OpenHome,
    services::Services,
    spec::{At, Spec},
};

/// The length of the parts that a [`FileReader`] returns, in bytes.
const PART_BYTES: u64 = 1024 * 1024;
/// The maximum number of parts that a [`FileReader`] reads ahead.
const PARTS_AHEAD: usize = 4;

/// A file of a release. Cheap to clone; the home stays open as long as it lives.
///
/// Every read verifies the bytes by their hashes before it returns them. Reads run on threads that may block.
///
/// ```no_run
/// # async fn example(films: chuan::Library) -> Result<(), chuan::Error> {
/// use chuan::handle::Channel;
///
/// let film = films.file(Channel::LIVE, "长江/长江.mp4").await?;
/// let first = film.read_at(0..1024).await?;
/// let mut rest = film.reader(1024..film.len());
/// while let Some(bytes) = rest.next().await? {
///     println!("{} bytes", bytes.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct File(Arc<Opened>);

struct Opened {
    home: Arc<OpenHome>,
    library: LibraryId,
    release: StatementId,
    path: EntryPath,
    entry: Entry,
    etag: String,
}

impl File {
    /// The maximum length of a range that [`File::read_at`] reads, in bytes: the range is in memory as a
    /// whole.
    pub const MAX_READ: u64 = 64 * 1024 * 1024;

    /// Finds a file of a release.
    pub(super) async fn open(library: &Library, release: ReleaseName, path: String) -> exit::Result<Self> {
        let (home, id, text) = (Arc::clone(&library.home), library.id(), library.text(&release)?);
        let is_channel = matches!(release, ReleaseName::Channel(_));
        let find = move |services: &Services| {
            let found = found(services, id, &text, is_channel)?;
            found.check_readable(&services.context)?;
            let asked = format!("{}@{text}", found.library.name());
            let (path, entry) = found.file(&services.context, &services.library.holdings, &path, &asked)?;
            Ok((found.id, path, entry))
        };
        let (release, path, entry) = home.services.blocking(find).await?;
        let etag = etag_of(&entry.content);
        Ok(Self(Arc::new(Opened { home, library: id, release, path, entry, etag })))
    }

    /// The release that it is in.
    pub fn release(&self) -> StatementId {
        self.0.release
    }

    /// Its path in the release.
    pub fn path(&self) -> &str {
        self.0.path.as_str()
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.0.entry.size
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When it was modified, in milliseconds since 1970.
    pub fn mtime_ms(&self) -> i64 {
        let time = self.0.entry.mtime;
        time.seconds.saturating_mul(1000).saturating_add(i64::from(time.nanos / 1_000_000))
    }

    /// A tag of the content: 64 hexadecimal digits, made from the hashes of the chunks. Files with equal tags
    /// have equal content. The tag of a path changes only with its content or class, and is the same in every
    /// release and on every node. An HTTP header needs quotes around it.
    pub fn etag(&self) -> &str {
        &self.0.etag
    }

    /// The bytes of a range; fewer where the file ends before the range does. Cancel-safe: a read that is
    /// dropped changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the range has more than [`File::MAX_READ`] bytes of the file: use a
    /// [`FileReader`]; also where the manifest contradicts a chunk. [`Error::Corrupt`] where a chunk is
    /// damaged, [`Error::Missing`] where one is not held.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn read_at(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let range = self.within(range);
        if range.end - range.start > Self::MAX_READ {
            let most = Self::MAX_READ;
            return Err(
                Failure::invalid(format!("a read of more than {most} bytes; read it in parts")).into()
            );
        }
        let stop = StopOnDrop::default();
        Ok(self.clone().read(range, stop.0.clone()).await?)
    }

    /// Reads a range from its begin to its end, in parts, and reads ahead.
    pub fn reader(&self, range: Range<u64>) -> FileReader {
        let Range { start, end } = self.within(range);
        FileReader {
            file: self.clone(),
            position: start,
            begun: start,
            end,
            ahead: 1,
            parts: VecDeque::new(),
            stop: StopOnDrop::default(),
            failed: None,
        }
    }

    /// The part of a range that is within the file; an empty range where there is none.
    fn within(&self, range: Range<u64>) -> Range<u64> {
        let start = range.start.min(self.len());
        start..range.end.clamp(start, self.len())
    }

    /// Reads a range within the file, until `stop` is cancelled.
    async fn read(self, range: Range<u64>, stop: Cancel) -> exit::Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let Opened { home, .. } = &*self.0;
        let services = Arc::clone(&home.services);
        services.blocking(move |services| self.read_blocking(services, range, &stop)).await
    }

    fn read_blocking(&self, services: &Services, range: Range<u64>, stop: &Cancel) -> exit::Result<Bytes> {
        if stop.is_cancelled() {
            return Err(Failure::interrupted());
        }
        let Opened { library, path, entry, .. } = &*self.0;
        let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut out = Out { bytes: Vec::with_capacity(len), stop };
        let read = read_range(&*services.context.objects(library), &entry.content, range, &mut out);
        match read {
            _ if stop.is_cancelled() => Err(Failure::interrupted()),
            Err(error) => Err(error.into()),
            Ok(_) if out.bytes.len() < len => {
                Err(Failure::new(Exit::Corrupt, format!("the content of {path} ends before its size")))
            }
            Ok(_) => Ok(out.bytes.into()),
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Opened { release, path, entry, .. } = &*self.0;
        let mut out = f.debug_struct("File");
        out.field("release", release).field("path", path).field("len", &entry.size).finish_non_exhaustive()
    }
}

/// Reads a range of a [`File`] from its begin to its end. It reads up to 4 MiB ahead of its caller; the first
/// part is read alone, so that a caller that reads little costs little.
#[derive(Debug)]
#[must_use = "a reader reads when its parts are asked for"]
pub struct FileReader {
    file: File,
    /// The first byte that was not returned.
    position: u64,
    /// The first byte whose read has not begun.
    begun: u64,
    end: u64,
    /// The number of parts that are read at the same time.
    ahead: usize,
    /// The parts whose read has begun, in order.
    parts: VecDeque<JoinHandle<exit::Result<Bytes>>>,
    stop: StopOnDrop,
    /// The error that ended the reader.
    failed: Option<Error>,
}

impl FileReader {
    /// The position in the file of the next byte that [`FileReader::next`] returns.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next bytes, at least one; `None` at the end of the range. Cancel-safe: no byte is lost where the
    /// future is dropped. After an error, each call returns that error again.
    ///
    /// # Errors
    ///
    /// As for [`File::read_at`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        while self.parts.len() < self.ahead && self.begun < self.end {
            let part = self.begun..self.end.min(self.begun.saturating_add(PART_BYTES));
            self.begun = part.end;
            self.parts.push_back(tokio::spawn(self.file.clone().read(part, self.stop.0.clone())));
        }
        let Some(part) = self.parts.front_mut() else { return Ok(None) };
        // If the future is dropped during this await, the part stays at the front.
        let read = part.await;
        self.parts.pop_front();
        self.ahead = (2 * self.ahead).min(PARTS_AHEAD);
        let read = read.unwrap_or_else(|error| match error.is_cancelled() {
            // The runtime is shut down.
            true => Err(Failure::interrupted()),
            false => Err(Failure::internal(format!("a read failed: {error}"))),
        });
        match read {
            Ok(bytes) => {
                self.position = self.position.saturating_add(bytes.len() as u64);
                Ok(Some(bytes))
            }
            Err(failure) => {
                self.stop.0.cancel();
                self.parts.clear();
                let error = Error::from(failure);
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }
}

/// A request to stop, made when this is dropped.
#[derive(Debug, Default)]
struct StopOnDrop(Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Collects the bytes of a read, until it is stopped.
struct Out<'a> {
    bytes: Vec<u8>,
    stop: &'a Cancel,
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The release with an id, or the release of a channel, which is subject to the age that the policy allows.
fn found(services: &Services, id: LibraryId, text: &str, is_channel: bool) -> exit::Result<Found> {
    let library = id.to_string();
    if is_channel {
        return resolve(&services.library, &Spec { library, at: At::Name(text.to_owned()) });
    }
    Found::by_id(services.library.named(&library)?, text.parse()?)
}

/// The hash of the chunks' ids and lengths; for a large file, the root of its chunk tree, which covers them.
fn etag_of(content: &Content) -> String {
    match content {
        Content::Tree { root, .. } => root.to_string(),
        Content::Inline(chunks) => {
            let mut list = Vec::new();
            for chunk in chunks {
                list.extend_from_slice(chunk.id.as_bytes());
                list.extend_from_slice(&chunk.len.to_be_bytes());
            }
            ChunkId::of(&list).to_string()
        }
    }
}
