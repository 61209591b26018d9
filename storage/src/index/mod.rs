//! The derived index: where each object lies. Only these files use `rocksdb`.
//!
//! [`change`] holds the changes, under one lock; this file opens and reads the index. Only marks and the lost
//! set exist nowhere else. The index never decides what is durable: its caller reports that afterwards.

mod batch;
mod change;
mod form;
mod generation;
mod key;
mod tuning;
mod versions;

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use chuan_engine::{
    Error, Result,
    id::{ChunkId, LibraryId, PageId},
    segment::SegmentName,
    store::{ObjectId, PageState},
};
use rocksdb::{ColumnFamily, DB, Direction, ErrorKind, IteratorMode};

pub(crate) use change::{Change, Totals};
pub use form::IndexEntry;
pub(crate) use generation::Generation;
pub(crate) use tuning::{Cache, cache};

use crate::{
    entry::{Indexed, Location, Position},
    layout::make_private,
    slot::Positions,
    stats::LossCounts,
};

const META: &str = "meta";
const CHUNKS: &str = "chunks";
const PAGES: &str = "pages";
const MARKS: &str = "marks";
const LOST: &str = "lost";

/// The open index.
pub(crate) struct Index {
    db: DB,
    generation: Generation,
    /// Locked during every read-then-write: by the writer's groups, by losses and by marks.
    totals: Mutex<change::AllTotals>,
    segments: RwLock<BTreeMap<u32, SegmentName>>,
    losses: Arc<LossCounts>,
    /// Changes, where the database is open for reading only.
    overlay: Option<batch::Overlay>,
    /// Declared after the database, so that it is dropped when the database is closed.
    cleanup: DirectoryCleanup,
}

/// Removes the directory of an index that was replaced.
struct DirectoryCleanup {
    generation: Generation,
    discard: AtomicBool,
}

impl Index {
    /// Opens the index, or creates an empty one. The cache is shared: two open indexes use no more of it.
    pub(crate) fn open(generation: Generation, cache: &Cache, losses: Arc<LossCounts>) -> Result<Self> {
        let dir = generation.dir();
        let exists = dir.join("CURRENT").exists();
        make_private(&dir)?;
        tuning::check_resources()?;
        check_versions(&generation)?;
        let db = DB::open_cf_descriptors(&tuning::database(exists), &dir, tuning::families(cache));
        // Nothing is read of an index that does not exist yet.
        let access = if exists { Access::Read } else { Access::Write };
        Self::load(db, generation, losses, None, access)
    }

    /// Opens an index that exists, without a write to the disk: changes are kept in memory.
    pub(crate) fn open_read_only(
        generation: Generation,
        cache: &Cache,
        losses: Arc<LossCounts>,
    ) -> Result<Self> {
        tuning::check_resources()?;
        check_versions(&generation)?;
        let (options, families) = (tuning::database(true), tuning::families(cache));
        let db = DB::open_cf_descriptors_read_only(&options, generation.dir(), families, false);
        Self::load(db, generation, losses, Some(batch::Overlay::default()), Access::Read)
    }

    fn load(
        db: std::result::Result<DB, rocksdb::Error>,
        generation: Generation,
        losses: Arc<LossCounts>,
        overlay: Option<batch::Overlay>,
        access: Access,
    ) -> Result<Self> {
        let db = db.map_err(|error| failed(&generation, &error, access))?;
        let cleanup = DirectoryCleanup { generation: generation.clone(), discard: AtomicBool::new(false) };
        let (totals, segments) = (Mutex::default(), RwLock::default());
        let mut index = Self { db, generation, totals, segments, losses, overlay, cleanup };
        index.load_totals()?;
        Ok(index)
    }

    /// Whether changes go to memory only.
    pub(crate) fn is_read_only(&self) -> bool {
        self.overlay.is_some()
    }

    /// Which one it is.
    pub(crate) fn generation(&self) -> &Generation {
        &self.generation
    }

    /// Removes its directory once it is closed.
    pub(crate) fn discard_when_closed(&self) {
        self.cleanup.discard.store(true, Ordering::Relaxed);
    }

    fn load_totals(&mut self) -> Result<()> {
        let mut totals = change::AllTotals::new();
        self.scan(META, &[key::TOTALS_PREFIX], |key, value| {
            totals.insert(key::parse_of_library(key)?, Totals::decode(value)?);
            Ok(())
        })?;
        self.scan(LOST, &[], |key, _| {
            totals.entry(key::parse_lost(key)?.0).or_default().lost += 1;
            Ok(())
        })?;
        self.totals = Mutex::new(totals);
        let mut segments = BTreeMap::new();
        self.scan(META, &[key::SEGMENT_PREFIX], |key, value| {
            let number = key::parse_segment(key).ok_or_else(|| crate::entry::malformed("segment number"))?;
            segments.insert(number, key::parse_segment_name(value)?);
            Ok(())
        })?;
        self.segments = RwLock::new(segments);
        Ok(())
    }

    /// How far the index knows the segments of each library.
    pub(crate) fn positions(&self) -> Result<Positions> {
        let mut positions = Positions::new();
        self.scan(META, &[key::POSITION_PREFIX], |key, value| {
            positions.insert(key::parse_of_library(key)?, Position::decode(value)?);
            Ok(())
        })?;
        Ok(positions)
    }

    /// The segments that the index knows.
    pub(crate) fn segments(&self) -> BTreeMap<u32, SegmentName> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn segment(&self, number: u32) -> Option<SegmentName> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).get(&number).copied()
    }

    /// The totals of each library.
    pub(crate) fn totals(&self) -> BTreeMap<LibraryId, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn has_chunks(&self, library: &LibraryId, ids: &[ChunkId]) -> Result<Vec<bool>> {
        let keys = ids.iter().map(|id| key::object(library, id.as_bytes()));
        self.multi_get(CHUNKS, keys, |value| Ok(value.is_some()))
    }

    pub(crate) fn chunks(&self, library: &LibraryId, ids: &[ChunkId]) -> Result<Vec<Option<Location>>> {
        self.multi_get(CHUNKS, ids.iter().map(|id| key::object(library, id.as_bytes())), location)
    }

    pub(crate) fn pages(&self, library: &LibraryId, ids: &[PageId]) -> Result<Vec<Option<Location>>> {
        self.multi_get(PAGES, ids.iter().map(|id| key::object(library, id.as_bytes())), location)
    }

    /// Where the index has each of a library's `records`, of any kind.
    pub(crate) fn locate(&self, library: &LibraryId, records: &[Indexed]) -> Result<Vec<Option<Location>>> {
        let keys: Vec<_> = records.iter().map(|record| key::record_key(library, record)).collect();
        let mut found = vec![None; records.len()];
        for family in [CHUNKS, PAGES] {
            let of_family = || keys.iter().filter(|(of, _)| *of == family).map(|(_, key)| key.as_slice());
            if of_family().next().is_none() {
                continue;
            }
            let locations = self.multi_get(family, of_family(), location)?;
            let slots = found.iter_mut().zip(&keys).filter(|(_, (of, _))| *of == family);
            for ((slot, _), location) in slots.zip(locations) {
                *slot = location;
            }
        }
        Ok(found)
    }

    pub(crate) fn page_states(&self, library: &LibraryId, ids: &[PageId]) -> Result<Vec<PageState>> {
        let keys: Vec<_> = ids.iter().map(|id| key::object(library, id.as_bytes())).collect();
        let held = self.multi_get(PAGES, keys.iter(), |value| Ok(value.is_some()))?;
        let marks = self
            .multi_get(MARKS, keys.iter(), |value| value.map_or(Ok(PageState::Present), key::parse_mark))?;
        Ok(held
            .into_iter()
            .zip(marks)
            .map(|(held, mark)| if held { mark } else { PageState::Absent })
            .collect())
    }

    /// The lost set of a library.
    pub(crate) fn lost(&self, library: &LibraryId) -> Result<Vec<ObjectId>> {
        let mut found = Vec::new();
        let count =
            self.totals.lock().unwrap_or_else(PoisonError::into_inner).get(library).map_or(0, |t| t.lost);
        if count > 0 {
            self.scan(LOST, library.as_bytes(), |key, _| {
                found.push(key::parse_lost(key)?.1);
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Whether each object is in the lost set of a library.
    pub(crate) fn are_lost(&self, library: &LibraryId, ids: &[ObjectId]) -> Result<Vec<bool>> {
        self.multi_get(LOST, ids.iter().map(|id| key::lost(library, id)), |value| Ok(value.is_some()))
    }

    /// Visits every record of a library that the index knows, family by family in key order.
    pub(crate) fn visit(
        &self,
        library: &LibraryId,
        mut visit: impl FnMut(Indexed, Location) -> Result<()>,
    ) -> Result<()> {
        self.scan(CHUNKS, library.as_bytes(), |key, value| {
            visit(Indexed::Chunk(ChunkId::from_bytes(key::parse_object(key)?)), Location::decode(value)?)
        })?;
        self.scan(PAGES, library.as_bytes(), |key, value| {
            visit(Indexed::Page(PageId::from_bytes(key::parse_object(key)?)), Location::decode(value)?)
        })
    }

    fn get(&self, family: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(value) = self.overlaid(family, key) {
            return Ok(value);
        }
        self.db.get_cf_opt(self.family(family)?, key, &tuning::read()).map_err(|error| self.failed(&error))
    }

    fn multi_get<T>(
        &self,
        family: &'static str,
        keys: impl Iterator<Item = impl AsRef<[u8]>>,
        mut each: impl FnMut(Option<&[u8]>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let keys: Vec<_> = keys.collect();
        self.db
            .batched_multi_get_cf_opt(self.family(family)?, &keys, false, &tuning::read())
            .into_iter()
            .zip(&keys)
            .map(|(value, key)| {
                if let Some(value) = self.overlaid(family, key.as_ref()) {
                    return each(value.as_deref());
                }
                let value = value.map_err(|error| self.failed(&error))?;
                each(value.as_deref())
            })
            .collect()
    }

    /// The entry that hides the database's: `Some(None)` if it is deleted.
    fn overlaid(&self, family: &'static str, key: &[u8]) -> Option<Option<Vec<u8>>> {
        self.overlay.as_ref()?.get(family, key)
    }

    fn scan(
        &self,
        family: &'static str,
        prefix: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        // A copy: `each` may change the overlay.
        let overlay = self.overlay.as_ref().map(|overlay| overlay.range(family, prefix));
        let mut overlay = overlay.unwrap_or_default();
        let from = IteratorMode::From(prefix, Direction::Forward);
        let mut options = tuning::read();
        options.fill_cache(false);
        for item in self.db.iterator_cf_opt(self.family(family)?, options, from) {
            let (key, value) = item.map_err(|error| self.failed(&error))?;
            if !key.starts_with(prefix) {
                break;
            }
            match overlay.remove(&*key) {
                None => each(&key, &value)?,
                Some(hiding) => hiding.map_or(Ok(()), |value| each(&key, &value))?,
            }
        }
        overlay.iter().try_for_each(|(key, value)| value.iter().try_for_each(|value| each(key, value)))
    }

    fn family(&self, name: &str) -> Result<&ColumnFamily> {
        self.db.cf_handle(name).ok_or_else(|| crate::entry::malformed("set of column families"))
    }

    fn failed(&self, error: &rocksdb::Error) -> Error {
        failed(&self.generation, error, Access::Read)
    }

    fn failed_write(&self, error: &rocksdb::Error) -> Error {
        failed(&self.generation, error, Access::Write)
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl Drop for DirectoryCleanup {
    fn drop(&mut self) {
        if !self.discard.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.generation.remove() {
            tracing::warn!("an index that was replaced is left over until the next start: {error}");
        }
    }
}

/// Looks for damage that RocksDB would not survive.
fn check_versions(generation: &Generation) -> Result<()> {
    versions::check(&generation.dir()).map_err(|error| damaged(generation, &error))
}

/// An error of damage that a new index repairs, noted for the next open.
fn damaged(generation: &Generation, error: &dyn std::fmt::Display) -> Error {
    generation.note_damaged();
    Error::Corrupt(format!(
        "the index {}: {error}; the index is rebuilt from the segments at the next start, or by `chuan rebuild`",
        generation.dir().display()
    ))
}

/// The operation that RocksDB was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Converts RocksDB's error. Only damage that a new index would repair is [`Error::Corrupt`]; a note then
/// makes the next open build one. Any other error is the system's, and the index stays as it is.
fn failed(generation: &Generation, error: &rocksdb::Error, access: Access) -> Error {
    let text = format!("the index {}: {error}", generation.dir().display());
    if is_damage(error.as_ref(), error.kind(), access) {
        return damaged(generation, error);
    }
    refusal(cause(error.as_ref()), text, error.as_ref().contains("/LOCK"))
}

/// The error where the system refused something to RocksDB, for this cause.
fn refusal(cause: Option<i32>, text: String, is_of_lock: bool) -> Error {
    match cause {
        Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG) => {
            Error::Full(format!("{text}; free some space there, then start again"))
        }
        Some(cause) => Error::Io { context: text, source: io::Error::from_raw_os_error(cause) },
        None if is_of_lock => Error::Busy(format!("{text}: another process has the store open")),
        None => Error::Io { context: text, source: io::Error::other("not damage of the index") },
    }
}

/// Whether an error means that the index itself is damaged: one of its files is missing or unreadable, or
/// else the error's kind says so. A system cause takes precedence over the kind: RocksDB also reports a table
/// as corrupt that it could not open. A write that the disk refuses damages nothing: the position in the
/// index says how far it is complete.
fn is_damage(text: &str, kind: ErrorKind, access: Access) -> bool {
    match cause(text) {
        Some(libc::EIO) if access == Access::Write => false,
        Some(libc::ENOENT | libc::EIO) => !text.contains("/LOCK"),
        Some(_) => false,
        None => {
            matches!(kind, ErrorKind::Corruption | ErrorKind::InvalidArgument | ErrorKind::NotSupported)
        }
    }
}

/// System causes that are distinguished.
const CAUSES: [i32; 17] = [
    libc::ENOENT,
    libc::EIO,
    libc::ENOSPC,
    libc::EDQUOT,
    libc::EFBIG,
    libc::EMFILE,
    libc::ENFILE,
    libc::ENOMEM,
    libc::EACCES,
    libc::EPERM,
    libc::EROFS,
    // A disk that is away, or a network file system.
    libc::ENODEV,
    libc::ENXIO,
    libc::ESTALE,
    libc::ETIMEDOUT,
    libc::ENOTCONN,
    // A damaged file system: no new index repairs it.
    libc::EUCLEAN,
];

/// The system cause of an error. RocksDB's C interface passes no number, only the system's message at the end
/// of the text.
fn cause(text: &str) -> Option<i32> {
    CAUSES.into_iter().find(|cause| {
        let words = io::Error::from_raw_os_error(*cause).to_string();
        let words = words.split(" (os error").next().unwrap_or_default();
        text.ends_with(words)
    })
}

fn location(value: Option<&[u8]>) -> Result<Option<Location>> {
    value.map(Location::decode).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: one EDQUOT at an open removed a healthy index. That cost hours of rebuild for a large
    /// library, and room that lacked. Cause: errors were told apart by the kind that RocksDB gives them.
    #[test]
    fn only_damage_of_the_index_is_damage() {
        let during = [
            "While open a file for random read",
            "While appending to file",
            "While fsync",
            "While lock file",
        ];
        let files = ["000012.log", "000008.sst", "MANIFEST-000005", "CURRENT"];
        for cause in CAUSES {
            let words = io::Error::from_raw_os_error(cause).to_string();
            let words = words.split(" (os error").next().unwrap_or_default();
            for (during, file) in during.into_iter().flat_map(|during| files.map(|file| (during, file))) {
                let path = format!("/h/store/index/00000001/{file}");
                let plain = format!("IO error: {during}: {path}: {words}");
                // A table that cannot be opened is "corrupt" too.
                let table = format!("Corruption: Can't access /{file}: {plain}");
                for (text, kind) in [(plain, ErrorKind::IOError), (table, ErrorKind::Corruption)] {
                    assert_eq!(super::cause(&text), Some(cause), "{text}");
                    let is_bad = |access| is_damage(&text, kind.clone(), access);
                    let expected = (cause == libc::ENOENT || cause == libc::EIO, cause == libc::ENOENT);
                    assert_eq!((is_bad(Access::Read), is_bad(Access::Write)), expected, "{text}");
                }
            }
            let lock = format!("IO error: While lock file: /h/store/index/00000001/LOCK: {words}");
            assert!(!is_damage(&lock, ErrorKind::IOError, Access::Read), "{lock}");
        }
        for (text, kind, expected) in [
            ("Corruption: block checksum mismatch", ErrorKind::Corruption, true),
            ("Invalid argument: Column families not opened", ErrorKind::InvalidArgument, true),
            ("Not implemented: unknown format", ErrorKind::NotSupported, true),
            (
                "IO error: While lock file: /h/LOCK: Resource temporarily unavailable",
                ErrorKind::IOError,
                false,
            ),
            ("Operation aborted", ErrorKind::Aborted, false),
        ] {
            assert_eq!(is_damage(text, kind, Access::Read), expected, "{text}");
        }
    }

    /// Callers open a home on a full disk for reading, and wait for a home that is in use.
    #[test]
    fn a_full_disk_and_a_quota_are_no_room() {
        for cause in [libc::ENOSPC, libc::EDQUOT, libc::EFBIG] {
            let error = refusal(Some(cause), "text".into(), false);
            assert!(matches!(&error, Error::Full(text) if text.contains("free some space")), "{error:?}");
        }
        let denied = refusal(Some(libc::EACCES), "text".into(), false);
        assert!(
            matches!(&denied, Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
        );
        assert!(matches!(refusal(None, "text".into(), true), Error::Busy(_)));
        assert!(matches!(refusal(None, "text".into(), false), Error::Io { .. }));
    }
}
