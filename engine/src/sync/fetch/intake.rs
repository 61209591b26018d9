//! What arrives is held against what was expected, and handed to the store.
//!
//! Nothing is stored that no verified page, header or release names: every page and chunk must be expected here first.
//! What to expect next is decided elsewhere; [`Intake::learn`] only says which of a page's children are not held.

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
        place::{Place, Step},
        recent::Recent,
    },
};

/// The receiving end of a fetch.
pub(super) struct Intake {
    store: Arc<dyn Objects>,
    pages: HashMap<PageId, Place>,
    chunks: HashMap<ChunkId, u32>,
    /// Some expectation was dropped for want of room, or a page did not come of a delta: what nobody expects may then be
    /// honest.
    overflowed: bool,
    /// What was taken since the last commit here; the store may not show it yet. Of the pages among it, all that they
    /// name was looked at as they came.
    recent: Recent<[u8; 32]>,
    pending: Vec<Object>,
    pending_bytes: usize,
    unpacker: Unpacker,
    /// The versions that the source was told of.
    bases: Bases,
    /// Whether a delta made nothing that was expected: what it was made from may be damaged here.
    has_failed_deltas: bool,
    /// Bytes that were unpacked, made or read for nothing.
    useless_bytes: u64,
    /// Whether a page's mark says all about what is below it.
    marks_hold: bool,
    pub(super) report: Report,
}

/// How much of a page is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Nothing.
    No,
    /// The page; what is below it may be missing.
    Page(Bytes),
    /// The page, and all below it is held or expected.
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

    /// Takes a page that must be expected; gives what it names. `None` for one that was held anyway.
    pub(super) fn page(&mut self, bytes: Bytes) -> Result<Option<Vec<Step>>> {
        let id = PageId::of(&self.store.library(), &bytes);
        let Some(place) = self.pages.remove(&id) else {
            let held = self.overflowed
                || self.recent.contains(id.as_bytes())
                || self.state(&id)? != PageState::Absent;
            if !held {
                return Err(Error::Peer(format!("page {} is not one that was asked for", id.short())));
            }
            self.waste(bytes.len(), bytes.len());
            return Ok(None);
        };
        self.report.page_bytes_encoded += bytes.len() as u64;
        self.take_page(&place, bytes).map(Some)
    }

    fn take_page(&mut self, place: &Place, bytes: Bytes) -> Result<Vec<Step>> {
        let steps = place.open(&bytes)?;
        self.report.page_bytes += bytes.len() as u64;
        self.keep(*place.id.as_bytes(), bytes.len(), Object::Page { id: place.id, bytes })?;
        Ok(steps)
    }

    /// Says which versions the source is told of, in this order.
    pub(super) fn set_bases(&mut self, have: &[Commitment]) {
        let root = |commitment| ClassHeader::load(self.store(), commitment).ok().map(|header| header.root);
        self.bases = Bases(have.iter().map(root).collect());
    }

    /// Takes what a delta makes and is expected. The rest is of no use, and not a fault of the source: what the delta is
    /// made from may be damaged here. What is missing then is asked for as it is.
    pub(super) fn delta(&mut self, delta: &Delta) -> Result<()> {
        let mut prefix = Vec::new();
        let read = self.bases.read(self.store(), &delta.base, &mut prefix);
        let made = read.and_then(|()| delta.apply(&prefix));
        // What it was made from was read and looked through as well.
        let cost = prefix.len() + delta.base.len() * PAGE_BYTES + delta.raw_len();
        let mut raw = match made {
            Ok(raw) => Bytes::from(raw),
            Err(error) => {
                tracing::debug!(%error, "a delta is of no use here");
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
        let Some(place) = self.pages.remove(&id) else { return Ok(false) };
        let steps = self.take_page(&place, bytes)?;
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
                return Err(Error::Peer(format!("chunk {ordinal} is not what the manifest names there")));
            }
            self.waste(encoded, bytes.len());
            return Ok(());
        };
        self.report.chunk_bytes_encoded += encoded as u64;
        self.take_chunk(id, len, bytes)
    }

    /// Takes a chunk of which a page says that it is `len` long.
    fn take_chunk(&mut self, id: ChunkId, len: u32, bytes: Bytes) -> Result<()> {
        if len as usize != bytes.len() {
            return Err(Error::Invalid(format!(
                "forged manifest: chunk {} is not of the length that a page says",
                id.short()
            )));
        }
        self.report.chunks_fetched += 1;
        self.report.chunk_bytes_fetched += u64::from(len);
        self.keep(*id.as_bytes(), bytes.len(), Object::Chunk { id, bytes })
    }

    /// Counts a frame, or a part of one, that came for nothing: its bytes on the way, and `cost`, those that it became here
    /// and that were read for it.
    pub(super) fn waste(&mut self, encoded: usize, cost: usize) {
        self.report.wasted_bytes += encoded as u64;
        self.useless_bytes += encoded.max(cost).max(WASTE_FRAME_BYTES) as u64;
    }

    /// What came for nothing, as it cost here.
    pub(super) const fn useless_bytes(&self) -> u64 {
        self.useless_bytes
    }

    /// Whether more came for nothing than of use, beyond [`FETCH_WASTE_BYTES`].
    pub(super) fn is_wasteful(&self) -> bool {
        let of_use = self.report.chunk_bytes_fetched.saturating_add(self.report.page_bytes);
        self.useless_bytes > of_use.saturating_add(FETCH_WASTE_BYTES)
    }

    /// Whether deltas have made what they were to make until now.
    pub(super) fn trusts_deltas(&self) -> bool {
        !self.has_failed_deltas
    }

    /// Counts chunks that are missing, and does not ask for them.
    pub(super) fn count_missing(&mut self, chunks: &[(u64, ChunkRef)]) {
        self.report.chunks_missing += chunks.len() as u64;
        self.report.chunk_bytes_missing += chunks.iter().map(|(_, chunk)| u64::from(chunk.len)).sum::<u64>();
        // They stay expected only so that none is counted twice.
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

    /// Expects all that `steps` name and that may come now: what is not held, and held pages of which something below
    /// may be missing.
    pub(super) fn learn(&mut self, steps: Vec<Step>) -> Result<()> {
        let mut places = Vec::new();
        for step in steps {
            match step {
                Step::Page(place) => places.push(place),
                Step::Chunks { chunks, .. } => {
                    self.missing(0, &chunks)?;
                }
            }
        }
        for batch in places.chunks(BATCH_IDS) {
            let ids: Vec<PageId> = batch.iter().map(|place| place.id).collect();
            for (place, state) in batch.iter().zip(self.store.page_states(&ids)?) {
                let whole = state == PageState::Full && self.marks_hold;
                if !whole && !self.recent.contains(place.id.as_bytes()) {
                    self.expect(place.clone());
                }
            }
        }
        Ok(())
    }

    /// How much of the page at `place` is held.
    pub(super) fn held(&self, place: &Place) -> Result<Held> {
        if self.pages.contains_key(&place.id) || self.recent.contains(place.id.as_bytes()) {
            // Its children are looked at when it arrives, or were when it did.
            return Ok(Held::All);
        }
        Ok(match self.state(&place.id)? {
            PageState::Absent => Held::No,
            PageState::Full if self.marks_hold => Held::All,
            _ => match self.store.page(&place.id) {
                Ok(bytes) => Held::Page(bytes),
                // It is lost, and comes anew.
                Err(Error::Corrupt(_) | Error::Missing(_)) => Held::No,
                Err(error) => return Err(error),
            },
        })
    }

    /// Expects a page.
    pub(super) fn expect(&mut self, place: Place) {
        if self.pages.len() >= EXPECTED_PAGES {
            self.overflowed = true;
        } else {
            self.pages.insert(place.id, place);
        }
    }

    /// Expects those of neighbouring chunks that are neither held nor expected already, and gives them.
    pub(super) fn missing(&mut self, first: u64, chunks: &[ChunkRef]) -> Result<Vec<(u64, ChunkRef)>> {
        let mut missing = Vec::new();
        let mut ordinals = first..;
        for batch in chunks.chunks(BATCH_IDS) {
            let ids: Vec<ChunkId> = batch.iter().map(|chunk| chunk.id).collect();
            let held = self.store.has_chunks(&ids)?;
            for ((chunk, held), ordinal) in batch.iter().zip(held).zip(&mut ordinals) {
                if held || self.recent.contains(chunk.id.as_bytes()) || self.chunks.contains_key(&chunk.id) {
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

    /// Expects a page no more; tells whether it was still expected.
    pub(super) fn forget_page(&mut self, id: &PageId) -> bool {
        self.pages.remove(id).is_some()
    }

    /// Expects a chunk no more; tells whether it was still expected.
    pub(super) fn forget_chunk(&mut self, id: &ChunkId) -> bool {
        self.chunks.remove(id).is_some()
    }

    /// Makes what was taken durable and visible, and expects nothing any more.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.pages.clear();
        self.chunks.clear();
        self.overflowed = false;
        self.commit()
    }

    /// Makes what was taken durable and visible. From here on the store alone says what is held.
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
