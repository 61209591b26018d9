//! Checks arrived data against the expected data, and passes it to the store.
//!
//! Only data that a verified page, header or release names is stored: every page and chunk must be expected
//! first. Other modules decide what to request next; [`Intake::learn`] only finds which of a page's children
//! are not held.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use super::Report;
use crate::{
    error::{Error, Result},
    id::{ChunkId, Commitment, PageId},
    limits::{
        APPEND_BYTES, BATCH_IDS, EXPECTED_CHUNKS, EXPECTED_PAGES, FETCH_WASTE_BYTES, PAGE_BYTES,
        RECENT_BYTES, RECENT_OBJECT_BYTES, WASTE_FRAME_BYTES,
    },
    manifest::{ChunkRef, PageSource, table::ClassHeader},
    store::{Object, Objects, PageState},
    sync::{
        delta::{Bases, Delta, DeltaKind},
        frame::ChunkFrame,
        pack::Unpacker,
        place::{PageRef, Step},
        recent::Recent,
    },
};

/// The receiving end of a fetch, with the expected and the recently stored objects.
pub(super) struct Intake {
    store: Arc<dyn Objects>,
    pages: HashMap<PageId, PageRef>,
    chunks: HashMap<ChunkId, u32>,
    /// Some expectation was dropped for lack of room, or a delta did not give an expected page. An unexpected
    /// object may then come from an honest source.
    overflowed: bool,
    /// Objects stored since the last commit; the store may not show them yet. The children of the pages among
    /// them were processed when the pages arrived.
    recent: Recent<[u8; 32]>,
    pending: Vec<Object>,
    pending_bytes: usize,
    unpacker: Unpacker,
    /// The class versions in the `have` that was sent to the source.
    bases: Bases,
    /// Whether a delta gave no expected object: its base may be damaged here.
    has_failed_deltas: bool,
    /// Bytes that were unpacked, made or read without use.
    useless_bytes: u64,
    /// Whether page marks can be trusted: the store has no lost objects.
    marks_hold: bool,
    pub(super) report: Report,
}

/// How much of a page is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// The page is not held.
    No,
    /// The page is held; data below it may be missing.
    Page(Bytes),
    /// The page is held, and all data below it is held or expected.
    All,
}

impl Intake {
    pub(super) fn new(store: Arc<dyn Objects>) -> Result<Self> {
        let marks_hold = store.lost()?.is_empty();
        Ok(Self {
            store,
            pages: HashMap::new(),
            chunks: HashMap::new(),
            overflowed: false,
            recent: Recent::new(RECENT_BYTES),
            pending: Vec::new(),
            pending_bytes: 0,
            unpacker: Unpacker::new(),
            bases: Bases::default(),
            has_failed_deltas: false,
            useless_bytes: 0,
            marks_hold,
            report: Report::default(),
        })
    }

    pub(super) fn store(&self) -> &dyn Objects {
        &*self.store
    }

    /// Takes a page that must be expected; returns the pages and chunks that it names. `None` for a page that
    /// was held already.
    pub(super) fn page(&mut self, bytes: Bytes) -> Result<Option<Vec<Step>>> {
        let id = PageId::of(&self.store.library(), &bytes);
        let Some(page) = self.pages.remove(&id) else {
            let held = self.overflowed
                || self.recent.contains(id.as_bytes())
                || self.state(&id)? != PageState::Absent;
            if !held {
                return Err(Error::Peer(format!("page {} is not expected", id.short())));
            }
            self.waste(bytes.len(), bytes.len());
            return Ok(None);
        };
        self.report.page_bytes_encoded += bytes.len() as u64;
        self.take_page(&page, bytes).map(Some)
    }

    fn take_page(&mut self, page: &PageRef, bytes: Bytes) -> Result<Vec<Step>> {
        let steps = page.open(&bytes)?;
        self.report.page_bytes += bytes.len() as u64;
        self.keep(*page.id.as_bytes(), bytes.len(), Object::Page { id: page.id, bytes })?;
        Ok(steps)
    }

    /// Sets the class versions that are sent to the source, in this order.
    pub(super) fn set_bases(&mut self, have: &[Commitment]) {
        let root = |commitment| ClassHeader::load(self.store(), commitment).ok().map(|header| header.root);
        self.bases = Bases(have.iter().map(root).collect());
    }

    /// Takes those objects of a delta that are expected. The others are useless, which is no fault of the
    /// source: the base of the delta may be damaged here. Missing objects are then requested in full.
    pub(super) fn delta(&mut self, delta: &Delta) -> Result<()> {
        let mut prefix = Vec::new();
        let read = self.bases.read(self.store(), &delta.base, &mut prefix);
        let made = read.and_then(|()| delta.apply(&prefix));
        // The base was read and processed too.
        let cost = prefix.len() + delta.base.len() * PAGE_BYTES + delta.raw_len();
        let mut raw = match made {
            Ok(raw) => Bytes::from(raw),
            Err(error) => {
                tracing::debug!(%error, "a delta could not be applied");
                self.overflowed |= delta.kind == DeltaKind::Pages;
                self.has_failed_deltas = true;
                self.waste(delta.data.len(), cost);
                return Ok(());
            }
        };
        let mut useless = 0;
        for len in &delta.lens {
            let bytes = raw.split_to((*len as usize).min(raw.len()));
            let is_of_use = match delta.kind {
                DeltaKind::Chunks => self.made_chunk(bytes)?,
                DeltaKind::Pages => self.made_page(bytes)?,
            };
            useless += usize::from(!is_of_use);
        }
        self.overflowed |= useless > 0 && delta.kind == DeltaKind::Pages;
        let encoded = delta.data.len();
        let share = |bytes: usize| (bytes * useless).div_ceil(delta.lens.len().max(1));
        let wasted = share(encoded);
        self.has_failed_deltas |= useless == delta.lens.len();
        if useless == delta.lens.len() {
            self.waste(wasted, cost);
        } else if useless > 0 {
            self.waste(wasted, share(delta.raw_len()));
        }
        let counted = match delta.kind {
            DeltaKind::Chunks => &mut self.report.chunk_bytes_encoded,
            DeltaKind::Pages => &mut self.report.page_bytes_encoded,
        };
        *counted += (encoded - wasted) as u64;
        Ok(())
    }

    fn made_chunk(&mut self, bytes: Bytes) -> Result<bool> {
        let id = ChunkId::of(&bytes);
        let Some(len) = self.chunks.remove(&id) else { return Ok(false) };
        self.report.chunks_from_deltas += 1;
        self.take_chunk(id, len, bytes)?;
        Ok(true)
    }

    fn made_page(&mut self, bytes: Bytes) -> Result<bool> {
        let id = PageId::of(&self.store.library(), &bytes);
        let Some(page) = self.pages.remove(&id) else { return Ok(false) };
        let steps = self.take_page(&page, bytes)?;
        self.learn(steps)?;
        Ok(true)
    }

    /// Takes a chunk that must be expected.
    pub(super) fn chunk(&mut self, frame: ChunkFrame) -> Result<()> {
        let (ordinal, encoded) = (frame.ordinal, frame.data.len());
        let bytes = self.unpacker.unpack(frame)?;
        let id = ChunkId::of(&bytes);
        let Some(len) = self.chunks.remove(&id) else {
            let held = self.overflowed
                || self.recent.contains(id.as_bytes())
                || self.store.has_chunks(&[id])?.first() == Some(&true);
            if !held {
                return Err(Error::Peer(format!("chunk {ordinal} does not match the manifest")));
            }
            self.waste(encoded, bytes.len());
            return Ok(());
        };
        self.report.chunk_bytes_encoded += encoded as u64;
        self.take_chunk(id, len, bytes)
    }

    /// Takes a chunk whose length is `len` according to a page.
    fn take_chunk(&mut self, id: ChunkId, len: u32, bytes: Bytes) -> Result<()> {
        if len as usize != bytes.len() {
            return Err(Error::Invalid(format!(
                "forged manifest: chunk {} does not have the length that a page states",
                id.short()
            )));
        }
        self.report.chunks_fetched += 1;
        self.report.chunk_bytes_fetched += u64::from(len);
        self.keep(*id.as_bytes(), bytes.len(), Object::Chunk { id, bytes })
    }

    /// Records a frame, or a part of one, as useless: its bytes on the link, and `cost`, the bytes that were
    /// unpacked or read for it.
    pub(super) fn waste(&mut self, encoded: usize, cost: usize) {
        self.report.wasted_bytes += encoded as u64;
        self.useless_bytes += encoded.max(cost).max(WASTE_FRAME_BYTES) as u64;
    }

    /// The cost of all useless data so far, in bytes.
    pub(super) const fn useless_bytes(&self) -> u64 {
        self.useless_bytes
    }

    /// Whether useless bytes exceed useful bytes by more than [`FETCH_WASTE_BYTES`].
    pub(super) fn is_wasteful(&self) -> bool {
        let of_use = self.report.chunk_bytes_fetched.saturating_add(self.report.page_bytes);
        self.useless_bytes > of_use.saturating_add(FETCH_WASTE_BYTES)
    }

    /// Whether every delta so far gave some expected object.
    pub(super) fn trusts_deltas(&self) -> bool {
        !self.has_failed_deltas
    }

    /// Counts missing chunks without requesting them.
    pub(super) fn count_missing(&mut self, chunks: &[(u64, ChunkRef)]) {
        self.report.chunks_missing += chunks.len() as u64;
        self.report.chunk_bytes_missing += chunks.iter().map(|(_, chunk)| u64::from(chunk.len)).sum::<u64>();
        // They stay expected only so that no chunk is counted twice.
        if self.chunks.len() > EXPECTED_CHUNKS / 2 {
            self.chunks.clear();
        }
    }

    /// Keeps a class table or header, which its caller has verified.
    pub(super) fn document(&mut self, id: PageId, bytes: Bytes) -> Result<()> {
        self.report.page_bytes += bytes.len() as u64;
        self.report.page_bytes_encoded += bytes.len() as u64;
        self.keep(*id.as_bytes(), bytes.len(), Object::Page { id, bytes })
    }

    /// Expects the objects in `steps` that may come now: those that are not held, and held pages with
    /// possibly missing data below them.
    pub(super) fn learn(&mut self, steps: Vec<Step>) -> Result<()> {
        let mut pages = Vec::new();
        for step in steps {
            match step {
                Step::Page(page) => pages.push(page),
                Step::Chunks { chunks, .. } => {
                    self.missing(0, &chunks)?;
                }
            }
        }
        for batch in pages.chunks(BATCH_IDS) {
            let ids: Vec<PageId> = batch.iter().map(|page| page.id).collect();
            for (page, state) in batch.iter().zip(self.store.page_states(&ids)?) {
                let whole = state == PageState::Full && self.marks_hold;
                if !whole && !self.recent.contains(page.id.as_bytes()) {
                    self.expect(page.clone());
                } else {
                    self.hold(page.content_bytes());
                }
            }
        }
        Ok(())
    }

    /// How much of `page` is held.
    pub(super) fn held(&self, page: &PageRef) -> Result<Held> {
        if self.pages.contains_key(&page.id) || self.recent.contains(page.id.as_bytes()) {
            // Its children are processed when it arrives, or were processed when it did.
            return Ok(Held::All);
        }
        Ok(match self.state(&page.id)? {
            PageState::Absent => Held::No,
            PageState::Full if self.marks_hold => Held::All,
            _ => match self.store.page(&page.id) {
                Ok(bytes) => Held::Page(bytes),
                // The page is lost and is fetched again.
                Err(Error::Corrupt(_) | Error::Missing(_)) => Held::No,
                Err(error) => return Err(error),
            },
        })
    }

    /// Expects a page.
    pub(super) fn expect(&mut self, page: PageRef) {
        if self.pages.len() >= EXPECTED_PAGES {
            self.overflowed = true;
        } else {
            self.pages.insert(page.id, page);
        }
    }

    /// Expects those of the neighbouring chunks that are neither held nor expected, and returns them.
    pub(super) fn missing(&mut self, first: u64, chunks: &[ChunkRef]) -> Result<Vec<(u64, ChunkRef)>> {
        let mut missing = Vec::new();
        let mut ordinals = first..;
        for batch in chunks.chunks(BATCH_IDS) {
            let ids: Vec<ChunkId> = batch.iter().map(|chunk| chunk.id).collect();
            let held = self.store.has_chunks(&ids)?;
            for ((chunk, held), ordinal) in batch.iter().zip(held).zip(&mut ordinals) {
                if held || self.recent.contains(chunk.id.as_bytes()) || self.chunks.contains_key(&chunk.id) {
                    self.hold(chunk.len.into());
                    continue;
                }
                if self.chunks.len() >= EXPECTED_CHUNKS {
                    self.overflowed = true;
                    continue;
                }
                self.chunks.insert(chunk.id, chunk.len);
                missing.push((ordinal, *chunk));
            }
        }
        Ok(missing)
    }

    /// Counts content that need not come.
    pub(super) fn hold(&mut self, bytes: u64) {
        self.report.chunk_bytes_held = self.report.chunk_bytes_held.saturating_add(bytes);
    }

    /// Stops expecting a page; returns whether it was still expected.
    pub(super) fn forget_page(&mut self, id: &PageId) -> bool {
        self.pages.remove(id).is_some()
    }

    /// Stops expecting a chunk; returns whether it was still expected.
    pub(super) fn forget_chunk(&mut self, id: &ChunkId) -> bool {
        self.chunks.remove(id).is_some()
    }

    /// Makes stored data durable and visible, and drops all expectations.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.pages.clear();
        self.chunks.clear();
        self.overflowed = false;
        self.commit()
    }

    /// Makes stored data durable and visible. From here on only the store tells which data is held.
    pub(super) fn commit(&mut self) -> Result<()> {
        self.flush()?;
        self.store.commit()?;
        self.recent.clear();
        self.marks_hold = self.store.lost()?.is_empty();
        Ok(())
    }

    fn state(&self, id: &PageId) -> Result<PageState> {
        Ok(self.store.page_states(std::slice::from_ref(id))?.first().copied().unwrap_or(PageState::Absent))
    }

    fn keep(&mut self, id: [u8; 32], len: usize, object: Object) -> Result<()> {
        self.recent.insert(id, len as u64 + RECENT_OBJECT_BYTES);
        self.pending.push(object);
        self.pending_bytes += len;
        if self.pending_bytes >= APPEND_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.pending_bytes = 0;
        if !self.pending.is_empty() {
            self.store.append(std::mem::take(&mut self.pending))?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake")
            .field("pages", &self.pages.len())
            .field("chunks", &self.chunks.len())
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}
