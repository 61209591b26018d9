//! What alters the index: a group that became durable, an object that was lost, a mark.
//!
//! Each is one batch under one lock, so that totals, entries, marks and position agree at every moment.

use std::{
    collections::HashSet,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
};

use chuan_engine::{
    Result,
    id::PageId,
    segment::SegmentId,
    store::{LostId, Mark, PageState},
};
use rocksdb::WriteBatch;

use super::{Index, LOST, MARKS, META, key, tuning};
use crate::{
    entry::{Indexed, Location, Position, malformed},
    stats::Losses,
};

/// What the index counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) chunks: u64,
    pub(crate) chunk_bytes: u64,
    pub(crate) pages: u64,
    pub(crate) page_bytes: u64,
    pub(crate) statements: u64,
}

/// Records that became durable, and how far the segments are known with them.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// The records, in order; a later one of the same key wins.
    pub(crate) records: &'a [(Indexed, Location)],
    /// Whether it is known that the index has none of them.
    pub(crate) fresh: bool,
    /// Damaged ones, with where they lie; those held elsewhere are passed over.
    pub(crate) damaged: &'a [(LostId, String)],
    /// The position after them.
    pub(crate) position: Position,
}

impl Index {
    /// Takes in what became durable.
    pub(crate) fn apply(&self, change: &Change<'_>) -> Result<()> {
        let mut totals = self.lock();
        let mut after = *totals;
        let mut batch = WriteBatch::default();
        let was_lost = self.lost_among(change)?;
        self.put_records(change, &mut after, &mut batch)?;
        for id in &was_lost {
            batch.delete_cf(self.family(LOST)?, key::lost(id));
        }
        let set_aside = self.put_damaged(change, &mut batch)?;
        let Position { segment, id, .. } = change.position;
        batch.put_cf(self.family(META)?, key::POSITION, change.position.encode());
        batch.put_cf(self.family(META)?, key::TOTALS, after.encode());
        batch.put_cf(self.family(META)?, key::segment(segment), id.as_bytes());
        // Before the entries can be seen: a reader that finds one needs its segment's name.
        self.know(segment, id);
        self.write(batch)?;
        *totals = after;
        self.count_losses(Losses { set_aside, mended: was_lost.len() as u64 });
        Ok(())
    }

    /// Moves a record that can no longer be read to the lost set, unless it lies elsewhere by now. Durable on return.
    pub(crate) fn lose(&self, records: &[(Indexed, Location, String)]) -> Result<()> {
        let mut totals = self.lock();
        let mut after = *totals;
        let mut batch = WriteBatch::default();
        let mut seen = HashSet::new();
        for (indexed, location, place) in records {
            let held = self.locate(std::slice::from_ref(indexed))?;
            let Some(id) = indexed.lost_id() else { continue };
            if held != [Some(*location)] || !seen.insert(id) {
                continue;
            }
            let (family, key) = key::record_key(indexed);
            batch.delete_cf(self.family(family)?, key);
            if let Indexed::Page(id) = indexed {
                batch.delete_cf(self.family(MARKS)?, id.as_bytes());
            }
            batch.put_cf(self.family(LOST)?, key::lost(&id), place);
            after.remove(indexed, location);
        }
        batch.put_cf(self.family(META)?, key::TOTALS, after.encode());
        self.write(batch)?;
        *totals = after;
        self.count_losses(Losses { set_aside: seen.len() as u64, mended: 0 });
        self.flush()
    }

    /// Raises the states of pages that are held, and remembers which statements are outdated.
    pub(crate) fn mark(&self, marks: &[Mark]) -> Result<()> {
        let _lock = self.lock();
        let mut batch = WriteBatch::default();
        let mut pages = Vec::new();
        for mark in marks {
            match mark {
                Mark::Page(id, to) => pages.push((*id, *to)),
                Mark::Outdated(id) => batch.put_cf(self.family(MARKS)?, id.as_bytes(), key::OUTDATED),
            }
        }
        let ids: Vec<PageId> = pages.iter().map(|(id, _)| *id).collect();
        let mut raised: std::collections::HashMap<PageId, PageState> = Default::default();
        for ((id, to), now) in pages.iter().zip(self.page_states(&ids)?) {
            let now = raised.get(id).copied().unwrap_or(now);
            let Some(value) = key::mark(*to).filter(|_| now != PageState::Absent && now < *to) else {
                continue;
            };
            batch.put_cf(self.family(MARKS)?, id.as_bytes(), value);
            raised.insert(*id, *to);
        }
        self.write(batch)
    }

    /// Forgets a segment whose records are all lost.
    pub(crate) fn forget_segment(&self, number: u32) -> Result<()> {
        let _lock = self.lock();
        let mut batch = WriteBatch::default();
        batch.delete_cf(self.family(META)?, key::segment(number));
        self.write(batch)?;
        self.segments.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
        self.flush()
    }

    /// Makes the index's own state durable. Entries need none of it: they can be read from the segments again.
    pub(crate) fn flush(&self) -> Result<()> {
        let families: Vec<_> =
            tuning::FAMILIES.iter().map(|(name, _)| self.family(name)).collect::<Result<_>>()?;
        self.db
            .flush_cfs_opt(&families, &rocksdb::FlushOptions::default())
            .map_err(|error| self.failed(&error))
    }

    /// Which of the change's records are in the lost set now.
    fn lost_among(&self, change: &Change<'_>) -> Result<HashSet<LostId>> {
        if self.lost_count() == 0 {
            return Ok(HashSet::new());
        }
        let ids: HashSet<LostId> =
            change.records.iter().filter_map(|(indexed, _)| indexed.lost_id()).collect();
        let ids: Vec<LostId> = ids.into_iter().collect();
        let keys: Vec<Vec<u8>> = ids.iter().map(key::lost).collect();
        let held = self.multi_get(LOST, keys.iter(), |value| Ok(value.is_some()))?;
        Ok(ids.into_iter().zip(held).filter(|(_, held)| *held).map(|(id, _)| id).collect())
    }

    fn put_records(&self, change: &Change<'_>, totals: &mut Totals, batch: &mut WriteBatch) -> Result<()> {
        let mut before = if change.fresh {
            Vec::new()
        } else {
            let records: Vec<Indexed> = change.records.iter().map(|(indexed, _)| indexed.clone()).collect();
            self.locate(&records)?
        }
        .into_iter();
        let mut seen = HashSet::new();
        for (indexed, location) in change.records {
            let (family, key, value) = key::record(indexed, location);
            let held = before.next().flatten().is_some();
            // Within a change that is not fresh, the same record may come twice.
            if change.fresh || (!held && seen.insert((family, key.clone()))) {
                totals.add(indexed, location);
            }
            batch.put_cf(self.family(family)?, key, value);
        }
        Ok(())
    }

    /// Puts what is damaged and not held elsewhere into the lost set; how many were not in it before.
    fn put_damaged(&self, change: &Change<'_>, batch: &mut WriteBatch) -> Result<u64> {
        let good: HashSet<LostId> =
            change.records.iter().filter_map(|(indexed, _)| indexed.lost_id()).collect();
        let mut new = HashSet::new();
        for (id, place) in change.damaged.iter().filter(|(id, _)| !good.contains(id)) {
            let held = match id {
                LostId::Chunk(id) => self.chunks(std::slice::from_ref(id))? != [None],
                LostId::Page(id) => self.pages(std::slice::from_ref(id))? != [None],
                // Its library and sequence are not known without its payload; one too many in the set does no harm.
                LostId::Statement(_) => false,
            };
            if held || self.get(LOST, &key::lost(id))?.is_some() || !new.insert(*id) {
                continue;
            }
            batch.put_cf(self.family(LOST)?, key::lost(id), place);
        }
        Ok(new.len() as u64)
    }

    /// To be called with the totals locked, after what it counts was written.
    fn count_losses(&self, new: Losses) {
        let lost = self.lost_count() + new.set_aside;
        self.lost.store(lost.saturating_sub(new.mended), Ordering::Release);
        self.set_aside.fetch_add(new.set_aside, Ordering::Relaxed);
        self.mended.fetch_add(new.mended, Ordering::Relaxed);
    }

    fn know(&self, segment: u32, id: SegmentId) {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).insert(segment, id);
    }

    fn write(&self, batch: WriteBatch) -> Result<()> {
        self.db.write_opt(batch, &tuning::write()).map_err(|error| self.failed(&error))
    }

    fn lock(&self) -> MutexGuard<'_, Totals> {
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
            Indexed::Statement { .. } => self.statements += 1,
            Indexed::Ref(_) => {}
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
            Indexed::Statement { .. } => self.statements = self.statements.saturating_sub(1),
            Indexed::Ref(_) => {}
        }
    }

    fn encode(&self) -> Vec<u8> {
        [self.chunks, self.chunk_bytes, self.pages, self.page_bytes, self.statements]
            .iter()
            .flat_map(|total| total.to_le_bytes())
            .collect()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let (totals, rest) = bytes.as_chunks::<8>();
        let [chunks, chunk_bytes, pages, page_bytes, statements] = totals else {
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
            statements: number(statements),
        })
    }
}
