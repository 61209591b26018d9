//! The derived index: where each object lies. The only files that name `rocksdb`.
//!
//! [`change`] holds what alters it, under one lock; this file opens and reads it. It is never the only holder of
//! anything but marks and the lost set, and never decides what is durable: its caller tells it after the fact.

mod change;
mod key;
mod tuning;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use chuan_engine::{
    Error, Result,
    id::{ChunkId, LibraryId, PageId},
    segment::SegmentId,
    statement::StatementKind,
    store::{LostId, PageState, RefMove},
};
use rocksdb::{ColumnFamily, ColumnFamilyDescriptor, DB, Direction, ErrorKind, IteratorMode};

pub(crate) use change::{Change, Totals};

use crate::{
    entry::{Indexed, Location, Position},
    layout::Layout,
    stats::Losses,
};

const META: &str = "meta";
const CHUNKS: &str = "chunks";
const PAGES: &str = "pages";
const STATEMENTS: &str = "statements";
const REFS: &str = "refs";
const MARKS: &str = "marks";
const LOST: &str = "lost";

/// The open index.
pub(crate) struct Index {
    db: DB,
    dir: PathBuf,
    damaged_flag: PathBuf,
    /// Held over every read-then-write: by the writer's groups, losses and marks.
    totals: Mutex<Totals>,
    segments: RwLock<BTreeMap<u32, SegmentId>>,
    /// Objects in the lost set.
    lost: AtomicU64,
    set_aside: AtomicU64,
    mended: AtomicU64,
}

impl Index {
    /// Opens the index, or makes an empty one where there is none.
    pub(crate) fn open(layout: &Layout) -> Result<Self> {
        let dir = layout.index();
        let exists = dir.join("CURRENT").exists();
        let cache = tuning::cache();
        let families = tuning::FAMILIES
            .map(|(name, bytes)| ColumnFamilyDescriptor::new(name, tuning::column_family(&cache, bytes)));
        let damaged_flag = layout.damaged_index();
        let db = DB::open_cf_descriptors(&tuning::database(exists), &dir, families)
            .map_err(|error| failed(&dir, &damaged_flag, &error))?;
        let mut index = Self {
            db,
            dir,
            damaged_flag,
            totals: Mutex::default(),
            segments: RwLock::default(),
            lost: AtomicU64::new(0),
            set_aside: AtomicU64::new(0),
            mended: AtomicU64::new(0),
        };
        index.load()?;
        Ok(index)
    }

    /// Throws the index away, open or damaged or not there at all.
    pub(crate) fn discard(layout: &Layout) -> Result<()> {
        let (from, to) = (layout.index(), layout.discarded_index());
        let gone = |path: &Path, result: std::io::Result<()>| match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(format!("remove {}", path.display()), error))
            }
            _ => Ok(()),
        };
        // By a rename first: half an index must never be taken for a whole one.
        gone(&to, fs::remove_dir_all(&to))?;
        gone(&from, fs::rename(&from, &to))?;
        gone(&to, fs::remove_dir_all(&to))?;
        let flag = layout.damaged_index();
        gone(&flag, fs::remove_file(&flag))
    }

    fn load(&mut self) -> Result<()> {
        let totals = self.get(META, key::TOTALS)?.map(|bytes| Totals::decode(&bytes)).transpose()?;
        self.totals = Mutex::new(totals.unwrap_or_default());
        let mut segments = BTreeMap::new();
        self.scan(META, &[key::SEGMENT_PREFIX], |key, value| {
            let number = key::parse_segment(key).ok_or_else(|| crate::entry::malformed("segment number"))?;
            let id = value.try_into().map_err(|_| crate::entry::malformed("segment id"))?;
            segments.insert(number, SegmentId::from_bytes(id));
            Ok(())
        })?;
        self.segments = RwLock::new(segments);
        let mut lost = 0;
        self.scan(LOST, &[], |_, _| {
            lost += 1;
            Ok(())
        })?;
        self.lost = AtomicU64::new(lost);
        Ok(())
    }

    /// How far the index knows the segments; `None` where it knows nothing.
    pub(crate) fn position(&self) -> Result<Option<Position>> {
        self.get(META, key::POSITION)?.map(|bytes| Position::decode(&bytes)).transpose()
    }

    /// Segments that the index knows.
    pub(crate) fn segments(&self) -> BTreeMap<u32, SegmentId> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn segment_id(&self, number: u32) -> Option<SegmentId> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).get(&number).copied()
    }

    pub(crate) fn totals(&self) -> Totals {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_chunks(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        self.multi_get(CHUNKS, ids.iter().map(ChunkId::as_bytes), |value| Ok(value.is_some()))
    }

    pub(crate) fn chunks(&self, ids: &[ChunkId]) -> Result<Vec<Option<Location>>> {
        self.multi_get(CHUNKS, ids.iter().map(ChunkId::as_bytes), location)
    }

    pub(crate) fn pages(&self, ids: &[PageId]) -> Result<Vec<Option<Location>>> {
        self.multi_get(PAGES, ids.iter().map(PageId::as_bytes), location)
    }

    /// Where the index has each of `records`, of whatever kind.
    pub(crate) fn locate(&self, records: &[Indexed]) -> Result<Vec<Option<Location>>> {
        let keys: Vec<_> = records.iter().map(key::record_key).collect();
        let mut found = vec![None; records.len()];
        for family in [CHUNKS, PAGES, STATEMENTS, REFS] {
            let of_family = || keys.iter().filter(|(of, _)| *of == family).map(|(_, key)| key.as_slice());
            if of_family().next().is_none() {
                continue;
            }
            let locations = self.multi_get(family, of_family(), |value| {
                location(value.and_then(|value| value.get(..crate::entry::LOCATION_BYTES)))
            })?;
            let slots = found.iter_mut().zip(&keys).filter(|(_, (of, _))| *of == family);
            for ((slot, _), location) in slots.zip(locations) {
                *slot = location;
            }
        }
        Ok(found)
    }

    pub(crate) fn page_states(&self, ids: &[PageId]) -> Result<Vec<PageState>> {
        let held = self.multi_get(PAGES, ids.iter().map(PageId::as_bytes), |value| Ok(value.is_some()))?;
        let marks = self.multi_get(MARKS, ids.iter().map(PageId::as_bytes), |value| {
            value.map_or(Ok(PageState::Present), key::parse_mark)
        })?;
        Ok(held
            .into_iter()
            .zip(marks)
            .map(|(held, mark)| if held { mark } else { PageState::Absent })
            .collect())
    }

    /// Statements of one kind, of one library or of all, outdated ones too, by library and sequence, and then by where they lie:
    /// segments are written in order.
    pub(crate) fn statements(
        &self,
        library: Option<&LibraryId>,
        kind: StatementKind,
    ) -> Result<Vec<(Indexed, Location)>> {
        let mut found = Vec::new();
        self.scan(STATEMENTS, &key::statements_prefix(kind, library), |key, value| {
            found.push((key::parse_statement(kind, key)?, Location::decode(value)?));
            Ok(())
        })?;
        found.sort_by_key(|(indexed, place)| match indexed {
            Indexed::Statement { prefix, .. } => {
                Some((prefix.library, prefix.sequence, place.segment, place.offset))
            }
            _ => None,
        });
        Ok(found)
    }

    /// The same without the outdated ones.
    pub(crate) fn current_statements(
        &self,
        library: Option<&LibraryId>,
        kind: StatementKind,
    ) -> Result<Vec<(Indexed, Location)>> {
        let all = self.statements(library, kind)?;
        let id = |(indexed, _): &(Indexed, Location)| match indexed {
            Indexed::Statement { id, .. } => *id.as_bytes(),
            _ => [0; 32],
        };
        let ids: Vec<_> = all.iter().map(id).collect();
        let outdated =
            self.multi_get(MARKS, ids.iter(), |value| Ok(value == Some(key::OUTDATED.as_slice())))?;
        Ok(all.into_iter().zip(outdated).filter(|(_, outdated)| !outdated).map(|(said, _)| said).collect())
    }

    pub(crate) fn refs(&self) -> Result<Vec<(RefMove, Location)>> {
        let mut found = Vec::new();
        self.scan(REFS, &[], |_, value| {
            found.push(key::parse_ref(value)?);
            Ok(())
        })?;
        Ok(found)
    }

    pub(crate) fn lost(&self) -> Result<Vec<LostId>> {
        let mut found = Vec::new();
        if self.lost_count() > 0 {
            self.scan(LOST, &[], |key, _| {
                found.push(key::parse_lost(key)?);
                Ok(())
            })?;
        }
        Ok(found)
    }

    pub(crate) fn lost_count(&self) -> u64 {
        self.lost.load(Ordering::Acquire)
    }

    /// What damage has come and gone since this was opened.
    pub(crate) fn losses(&self) -> Losses {
        Losses {
            set_aside: self.set_aside.load(Ordering::Relaxed),
            mended: self.mended.load(Ordering::Relaxed),
        }
    }

    /// Visits every record the index knows, family by family in key order.
    pub(crate) fn visit(&self, mut visit: impl FnMut(Indexed, Location) -> Result<()>) -> Result<()> {
        let id = |key: &[u8]| key.try_into().map_err(|_| crate::entry::malformed("id"));
        self.scan(CHUNKS, &[], |key, value| {
            visit(Indexed::Chunk(ChunkId::from_bytes(id(key)?)), Location::decode(value)?)
        })?;
        self.scan(PAGES, &[], |key, value| {
            visit(Indexed::Page(PageId::from_bytes(id(key)?)), Location::decode(value)?)
        })?;
        for kind in StatementKind::ALL {
            for (indexed, location) in self.statements(None, kind)? {
                visit(indexed, location)?;
            }
        }
        self.refs()?.into_iter().try_for_each(|(to, location)| visit(Indexed::Ref(to), location))
    }

    fn get(&self, family: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.db.get_cf_opt(self.family(family)?, key, &tuning::read()).map_err(|error| self.failed(&error))
    }

    fn multi_get<'a, K, T>(
        &self,
        family: &str,
        keys: impl Iterator<Item = &'a K>,
        mut each: impl FnMut(Option<&[u8]>) -> Result<T>,
    ) -> Result<Vec<T>>
    where
        K: AsRef<[u8]> + ?Sized + 'a,
    {
        self.db
            .batched_multi_get_cf_opt(self.family(family)?, keys, false, &tuning::read())
            .into_iter()
            .map(|value| {
                let value = value.map_err(|error| self.failed(&error))?;
                each(value.as_deref())
            })
            .collect()
    }

    fn scan(
        &self,
        family: &str,
        prefix: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let from = IteratorMode::From(prefix, Direction::Forward);
        let mut options = tuning::read();
        options.fill_cache(false);
        for item in self.db.iterator_cf_opt(self.family(family)?, options, from) {
            let (key, value) = item.map_err(|error| self.failed(&error))?;
            if !key.starts_with(prefix) {
                break;
            }
            each(&key, &value)?;
        }
        Ok(())
    }

    fn family(&self, name: &str) -> Result<&ColumnFamily> {
        self.db.cf_handle(name).ok_or_else(|| crate::entry::malformed("set of column families"))
    }

    fn failed(&self, error: &rocksdb::Error) -> Error {
        failed(&self.dir, &self.damaged_flag, error)
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Turns RocksDB's error into ours. Where it may be the index's own fault, the error is [`Error::Corrupt`] and word is left
/// for the next open that the index is to be built anew.
fn failed(dir: &Path, damaged_flag: &Path, error: &rocksdb::Error) -> Error {
    let text = format!("the index {}: {error}", dir.display());
    if error.kind() == ErrorKind::IOError {
        if text.contains("No space left") {
            return Error::Full(format!("{text}; free some space there, then start again"));
        }
        if text.contains("lock") && text.contains("LOCK") {
            return Error::Busy(format!("{text}: another process has the store open"));
        }
        if OF_THE_SYSTEM.iter().any(|cause| text.contains(cause)) {
            return Error::Io { context: text, source: std::io::Error::other("not the index's own fault") };
        }
    }
    leave_word(damaged_flag);
    Error::Corrupt(format!(
        "{text}; the index is rebuilt from the segments at the next start, or by `chuan rebuild`"
    ))
}

/// Causes of an I/O error that building the index anew would not mend.
const OF_THE_SYSTEM: [&str; 5] = [
    "Too many open files",
    "Cannot allocate memory",
    "Permission denied",
    "Read-only file system",
    "Operation not permitted",
];

fn leave_word(damaged_flag: &Path) {
    // Best effort: where even this cannot be written, the error itself still says it.
    if let Err(error) = fs::write(damaged_flag, b"") {
        tracing::error!("{}: cannot note that the index is damaged: {error}", damaged_flag.display());
    }
}

fn location(value: Option<&[u8]>) -> Result<Option<Location>> {
    value.map(Location::decode).transpose()
}
