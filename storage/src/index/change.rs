//! The changes of the index: a group that became durable, an object that was lost, a mark.
//!
//! Each change is one batch under one lock, so that totals, entries, marks and position agree at every
//! moment.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{MutexGuard, PoisonError},
};

use chuan_engine::{
    Result,
    id::{LibraryId, PageId},
    segment::SegmentName,
    store::{ObjectId, PageState},
};

use super::{Index, LOST, MARKS, META, batch::Batch, key, tuning};
use crate::{
    entry::{Indexed, Location, Position, malformed},
    stats::Losses,
};

/// Totals of every library that has or had objects.
pub(super) type AllTotals = BTreeMap<LibraryId, Totals>;

/// The index's totals of a library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) chunks: u64,
    pub(crate) chunk_bytes: u64,
    pub(crate) pages: u64,
    pub(crate) page_bytes: u64,
    /// Objects in the lost set. Counted at open, not stored.
    pub(crate) lost: u64,
}

/// Records of a library that became durable, and the position after them.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// The library.
    pub(crate) library: LibraryId,
    /// The records, in order. Of several with the same key the last one wins.
    pub(crate) records: &'a [(Indexed, Location)],
    /// Whether none of them is in the index, as the caller knows.
    pub(crate) fresh: bool,
    /// Damaged records, and where they lie. Those held elsewhere are ignored.
    pub(crate) damaged: &'a [(ObjectId, String)],
    /// The position after them.
    pub(crate) position: Position,
}

impl Index {
    /// Applies a group that became durable.
    pub(crate) fn apply(&self, change: &Change<'_>) -> Result<()> {
        let mut totals = self.lock();
        let library = change.library;
        let mut after = totals.get(&library).copied().unwrap_or_default();
        let mut batch = Batch::default();
        let was_lost = if after.lost > 0 { self.lost_among(change)? } else { HashSet::new() };
        self.put_records(change, &mut after, &mut batch)?;
        for id in &was_lost {
            batch.delete(LOST, key::lost(&library, id));
        }
        let set_aside = self.put_damaged(change, &mut batch)?;
        let mended = was_lost.len() as u64;
        after.lost = (after.lost + set_aside).saturating_sub(mended);
        let Position { segment, id, .. } = change.position;
        let name = SegmentName { id, library };
        batch.put(META, key::of_library(key::POSITION_PREFIX, &library), change.position.encode());
        batch.put(META, key::of_library(key::TOTALS_PREFIX, &library), after.encode());
        batch.put(META, key::segment(segment), key::segment_name(&name));
        // Before the entries become visible: a reader that finds one needs its segment's name.
        self.know(segment, name);
        self.write(batch)?;
        totals.insert(library, after);
        self.losses.add(Losses { set_aside, mended });
        Ok(())
    }

    /// Moves records of a library that can no longer be read to the lost set, unless the index has them
    /// elsewhere by now. Durable on return.
    pub(crate) fn lose(&self, library: &LibraryId, records: &[(Indexed, Location, String)]) -> Result<()> {
        let mut totals = self.lock();
        let mut after = totals.get(library).copied().unwrap_or_default();
        let mut batch = Batch::default();
        let mut seen = HashSet::new();
        for (indexed, location, place) in records {
            let held = self.locate(library, std::slice::from_ref(indexed))?;
            let id = indexed.id();
            if held != [Some(*location)] || !seen.insert(id) {
                continue;
            }
            let (family, key) = key::record_key(library, indexed);
            batch.delete(family, key);
            if let Indexed::Page(id) = indexed {
                batch.delete(MARKS, key::object(library, id.as_bytes()));
            }
            batch.put(LOST, key::lost(library, &id), place);
            after.remove(indexed, location);
        }
        let set_aside = seen.len() as u64;
        after.lost += set_aside;
        batch.put(META, key::of_library(key::TOTALS_PREFIX, library), after.encode());
        self.write(batch)?;
        totals.insert(*library, after);
        self.losses.add(Losses { set_aside, mended: 0 });
        self.flush()
    }

    /// Raises the states of those pages of a library that are held.
    pub(crate) fn mark(&self, library: &LibraryId, marks: &[(PageId, PageState)]) -> Result<()> {
        let _lock = self.lock();
        let mut batch = Batch::default();
        let ids: Vec<PageId> = marks.iter().map(|(id, _)| *id).collect();
        let mut raised: HashMap<PageId, PageState> = HashMap::new();
        for ((id, to), now) in marks.iter().zip(self.page_states(library, &ids)?) {
            let now = raised.get(id).copied().unwrap_or(now);
            let Some(value) = key::mark(*to).filter(|_| now != PageState::Absent && now < *to) else {
                continue;
            };
            batch.put(MARKS, key::object(library, id.as_bytes()), value);
            raised.insert(*id, *to);
        }
        self.write(batch)
    }

    /// Sets how far the index knows the segments of a library, without a change of its entries.
    pub(crate) fn set_position(&self, library: &LibraryId, position: Option<Position>) -> Result<()> {
        let _lock = self.lock();
        let mut batch = Batch::default();
        let key = key::of_library(key::POSITION_PREFIX, library);
        match position {
            Some(position) => batch.put(META, key, position.encode()),
            None => batch.delete(META, key),
        }
        self.write(batch)
    }

    /// Removes those of a library's records, and their marks, that the index has at these places.
    pub(crate) fn remove(&self, library: &LibraryId, records: &[(Indexed, Location)]) -> Result<()> {
        let mut totals = self.lock();
        let mut after = totals.get(library).copied().unwrap_or_default();
        let mut batch = Batch::default();
        let keys: Vec<Indexed> = records.iter().map(|(indexed, _)| *indexed).collect();
        for ((indexed, location), held) in records.iter().zip(self.locate(library, &keys)?) {
            if held != Some(*location) {
                continue;
            }
            let (family, key) = key::record_key(library, indexed);
            batch.delete(family, key);
            if let Indexed::Page(id) = indexed {
                batch.delete(MARKS, key::object(library, id.as_bytes()));
            }
            after.remove(indexed, location);
        }
        batch.put(META, key::of_library(key::TOTALS_PREFIX, library), after.encode());
        self.write(batch)?;
        totals.insert(*library, after);
        Ok(())
    }

    /// Removes the entries of segments that have no records any more.
    pub(crate) fn forget_segments(&self, numbers: &[u32]) -> Result<()> {
        let _lock = self.lock();
        let mut batch = Batch::default();
        numbers.iter().for_each(|number| batch.delete(META, key::segment(*number)));
        self.write(batch)?;
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        segments.retain(|number, _| !numbers.contains(number));
        Ok(())
    }

    /// Removes the entry of a segment whose records are all lost.
    pub(crate) fn forget_segment(&self, number: u32) -> Result<()> {
        self.forget_segments(&[number])?;
        self.flush()
    }

    /// Makes the index durable. Entries do not need it: they can be read from the segments again.
    pub(crate) fn flush(&self) -> Result<()> {
        if self.is_read_only() {
            return Ok(());
        }
        let families: Vec<_> =
            tuning::FAMILIES.iter().map(|(name, _)| self.family(name)).collect::<Result<_>>()?;
        self.db
            .flush_cfs_opt(&families, &rocksdb::FlushOptions::default())
            .map_err(|error| self.failed_write(&error))
    }

    /// The records of the change that are in the lost set now.
    fn lost_among(&self, change: &Change<'_>) -> Result<HashSet<ObjectId>> {
        let ids: HashSet<ObjectId> = change.records.iter().map(|(indexed, _)| indexed.id()).collect();
        let ids: Vec<ObjectId> = ids.into_iter().collect();
        let held = self.are_lost(&change.library, &ids)?;
        Ok(ids.into_iter().zip(held).filter(|(_, held)| *held).map(|(id, _)| id).collect())
    }

    fn put_records(&self, change: &Change<'_>, totals: &mut Totals, batch: &mut Batch) -> Result<()> {
        let mut before = if change.fresh {
            Vec::new()
        } else {
            let records: Vec<Indexed> = change.records.iter().map(|(indexed, _)| *indexed).collect();
            self.locate(&change.library, &records)?
        }
        .into_iter();
        let mut seen = HashSet::new();
        for (indexed, location) in change.records {
            let (family, key, value) = key::record(&change.library, indexed, location);
            let held = before.next().flatten().is_some();
            // In a change that is not fresh, the same record may occur twice.
            if change.fresh || (!held && seen.insert((family, key.clone()))) {
                totals.add(indexed, location);
            }
            batch.put(family, key, value);
        }
        Ok(())
    }

    /// Puts damaged records that are not held elsewhere into the lost set. Returns how many were not in it
    /// before.
    fn put_damaged(&self, change: &Change<'_>, batch: &mut Batch) -> Result<u64> {
        let good: HashSet<ObjectId> = change.records.iter().map(|(indexed, _)| indexed.id()).collect();
        let mut new = HashSet::new();
        for (id, place) in change.damaged.iter().filter(|(id, _)| !good.contains(id)) {
            let held = match id {
                ObjectId::Chunk(id) => self.chunks(&change.library, std::slice::from_ref(id))? != [None],
                ObjectId::Page(id) => self.pages(&change.library, std::slice::from_ref(id))? != [None],
            };
            let key = key::lost(&change.library, id);
            if held || self.get(LOST, &key)?.is_some() || !new.insert(*id) {
                continue;
            }
            batch.put(LOST, key, place);
        }
        Ok(new.len() as u64)
    }

    fn know(&self, segment: u32, name: SegmentName) {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).insert(segment, name);
    }

    fn write(&self, batch: Batch) -> Result<()> {
        if let Some(overlay) = &self.overlay {
            return overlay.take(batch);
        }
        self.db.write_opt(batch.encode(self)?, &tuning::write()).map_err(|error| self.failed_write(&error))
    }

    fn lock(&self) -> MutexGuard<'_, AllTotals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Totals {
    fn add(&mut self, indexed: &Indexed, location: &Location) {
        match indexed {
            Indexed::Chunk(_) => {
                self.chunks += 1;
                self.chunk_bytes += u64::from(location.raw_len);
            }
            Indexed::Page(_) => {
                self.pages += 1;
                self.page_bytes += u64::from(location.raw_len);
            }
        }
    }

    fn remove(&mut self, indexed: &Indexed, location: &Location) {
        match indexed {
            Indexed::Chunk(_) => {
                self.chunks = self.chunks.saturating_sub(1);
                self.chunk_bytes = self.chunk_bytes.saturating_sub(u64::from(location.raw_len));
            }
            Indexed::Page(_) => {
                self.pages = self.pages.saturating_sub(1);
                self.page_bytes = self.page_bytes.saturating_sub(u64::from(location.raw_len));
            }
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        [self.chunks, self.chunk_bytes, self.pages, self.page_bytes]
            .iter()
            .flat_map(|total| total.to_le_bytes())
            .collect()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let (totals, rest) = bytes.as_chunks::<8>();
        let [chunks, chunk_bytes, pages, page_bytes] = totals else {
            return Err(malformed("totals"));
        };
        if !rest.is_empty() {
            return Err(malformed("totals"));
        }
        let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        Ok(Self {
            chunks: number(chunks),
            chunk_bytes: number(chunk_bytes),
            pages: number(pages),
            page_bytes: number(page_bytes),
            lost: 0,
        })
    }
}
