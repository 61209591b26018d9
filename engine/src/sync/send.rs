//! The outgoing side of an answer: gathers chunks into batches, reads, packs and frames them.
//!
//! Owns the rules that an object is sent at most once, and within the scope and the budget, and the choice
//! between full data and a delta. Other modules choose the objects and the bases of deltas. A chunk that
//! cannot be read is left out, and the answer's end says that the answer is incomplete.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{ChunkId, PageId},
    limits::{
        ANSWER_BATCH_BYTES, ANSWER_FREE_BYTES, ANSWER_SENT, BATCH_IDS, DELTA_BASE_BYTES, DELTA_ITEMS,
        DELTA_RAW_BYTES, DELTA_RUNS,
    },
    manifest::ChunkRef,
    store::{Check, Objects},
    sync::{
        delta::{Bases, Delta, DeltaKind, Part, Run},
        frame::Frame,
        message::{End, Packing, Scope},
        pack::Packer,
        recent::Recent,
    },
};

/// The destination of an answer.
pub trait Outlet {
    /// Takes a frame; false once no more frames are taken.
    fn send(&mut self, frame: Frame) -> bool;

    /// Bytes per second that the link to the peer carries, as measured now; `None` where that is not
    /// measured.
    fn rate(&self) -> Option<u64> {
        None
    }

    /// The time since a fixed moment; the cost of making an answer is measured by it.
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl<F: FnMut(Frame) -> bool> Outlet for F {
    fn send(&mut self, frame: Frame) -> bool {
        self(frame)
    }
}

/// Maximum number of deltas that are skipped after a delta that saved nothing.
const MAX_BACKOFF: u32 = 15;

/// Sends the objects of one answer.
pub(super) struct Sender<'a> {
    store: &'a dyn Objects,
    out: &'a mut dyn Outlet,
    packing: Packing,
    bases: Bases,
    /// Whether pages are left out, because only chunks were requested.
    is_without_pages: bool,
    /// Pages that wait for a common delta from the same run.
    pages: Vec<Bytes>,
    pages_from: Option<Run>,
    pages_bytes: usize,
    /// Chunks that wait for a common delta, and its base.
    chunks: Vec<(u64, ChunkRef)>,
    chunks_from: Vec<Run>,
    chunks_bytes: u64,
    chunks_from_bytes: u64,
    delta_stats: DeltaStats,
    scope: Option<Scope>,
    budget: u64,
    sent: Recent<u64>,
    batch: Vec<(u64, ChunkRef)>,
    batch_bytes: usize,
    packer: Packer,
    end: End,
    spent: bool,
}

/// Statistics of the deltas that were made: their cost and the back-off.
#[derive(Debug, Default)]
struct DeltaStats {
    bytes: u64,
    time: Duration,
    to_skip: u32,
    backoff: u32,
}

impl<'a> Sender<'a> {
    pub(super) fn new(
        store: &'a dyn Objects,
        out: &'a mut dyn Outlet,
        packing: Packing,
        scope: Option<Scope>,
        budget: u64,
    ) -> Self {
        Self {
            store,
            out,
            packing,
            bases: Bases::default(),
            is_without_pages: false,
            pages: Vec::new(),
            pages_from: None,
            pages_bytes: 0,
            chunks: Vec::new(),
            chunks_from: Vec::new(),
            chunks_bytes: 0,
            chunks_from_bytes: 0,
            delta_stats: DeltaStats::default(),
            scope,
            budget,
            sent: Recent::new(ANSWER_SENT),
            batch: Vec::new(),
            batch_bytes: 0,
            packer: Packer::new(packing),
            end: End { complete: true, ..End::default() },
            spent: false,
        }
    }

    /// Sends one frame after all data before it; costs no budget.
    pub(super) fn frame(&mut self, frame: Frame) -> Result<()> {
        self.flush_delta()?;
        self.flush_pages()?;
        self.out(frame)
    }

    fn out(&mut self, frame: Frame) -> Result<()> {
        if self.out.send(frame) { Ok(()) } else { Err(Error::Cancelled) }
    }

    /// Sets the class versions from which deltas may be made from here on.
    pub(super) fn set_bases(&mut self, bases: Bases) {
        self.bases = bases;
    }

    /// Sends no pages from here on.
    pub(super) fn leave_pages(&mut self) {
        self.is_without_pages = true;
    }

    /// Whether only chunks are sent.
    pub(super) fn is_without_pages(&self) -> bool {
        self.is_without_pages
    }

    /// Whether any of the ordinals in `range` is wanted.
    pub(super) fn wants(&self, range: &std::ops::Range<u64>) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.meets(range))
    }

    /// Whether any of `chunks` is wanted.
    pub(super) fn wants_some(&self, chunks: &[(u64, ChunkRef)]) -> bool {
        chunks.iter().any(|(ordinal, _)| self.scope.as_ref().is_none_or(|scope| scope.contains(*ordinal)))
    }

    /// Does work that the deltas need, and counts its time as theirs.
    pub(super) fn timed<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = self.out.now();
        let done = work();
        self.delta_stats.time += self.out.now().saturating_sub(started);
        done
    }

    /// The roots of the class versions for deltas.
    pub(super) fn roots(&self) -> Vec<Option<PageId>> {
        self.bases.0.clone()
    }

    /// Sends a page, once; as a delta from the pages of `from` where that is smaller.
    pub(super) fn page(&mut self, id: &PageId, bytes: &Bytes, from: Option<Run>) -> Result<()> {
        if self.is_without_pages || !self.sent.insert(prefix(id.as_bytes()), 1) {
            return Ok(());
        }
        let is_full = self.pages.len() >= DELTA_ITEMS || self.pages_bytes + bytes.len() > DELTA_RAW_BYTES;
        if from != self.pages_from || is_full {
            self.flush_pages()?;
        }
        if from.is_none() || self.packing == Packing::Fastest {
            self.spend(bytes.len())?;
            return self.out(Frame::Page(bytes.clone()));
        }
        self.pages_from = from;
        self.pages_bytes += bytes.len();
        self.pages.push(bytes.clone());
        Ok(())
    }

    /// Sends the waiting pages.
    fn flush_pages(&mut self) -> Result<()> {
        self.pages_bytes = 0;
        let pages = std::mem::take(&mut self.pages);
        let Some(from) = self.pages_from.take() else { return Ok(()) };
        match self.make(DeltaKind::Pages, vec![from], &pages) {
            Some(delta) => self.send_delta(delta),
            None => pages.into_iter().try_for_each(|bytes| {
                self.spend(bytes.len())?;
                self.out(Frame::Page(bytes))
            }),
        }
    }

    /// Whether it is worth time now to save bytes.
    pub(super) fn saves_bytes(&self) -> bool {
        match self.packing {
            Packing::Smallest => true,
            Packing::Fastest => false,
            Packing::Auto => {
                let micros = u64::try_from(self.delta_stats.time.as_micros()).unwrap_or(u64::MAX);
                let speed = self.delta_stats.bytes.saturating_mul(1_000_000).checked_div(micros);
                self.delta_stats.bytes < ANSWER_FREE_BYTES
                    || self.out.rate().is_none_or(|link| speed.is_none_or(|speed| link <= speed))
            }
        }
    }

    /// Sends chunks that fit one delta: each once, and only those in the scope. They are sent as a delta from
    /// `from`, a base of `len` bytes, where that is smaller. Some chunks wait, so that many small runs share
    /// one delta.
    pub(super) fn delta(&mut self, chunks: &[(u64, ChunkRef)], from: &[Run], len: u64) -> Result<()> {
        if from.is_empty() {
            return self.full(chunks);
        }
        let is_wanted = |ordinal| self.scope.as_ref().is_none_or(|scope| scope.contains(ordinal));
        let mut wanted: Vec<_> = chunks.iter().filter(|(ordinal, _)| is_wanted(*ordinal)).copied().collect();
        wanted.retain(|(_, chunk)| self.sent.insert(prefix(chunk.id.as_bytes()), 1));
        let bytes: u64 = wanted.iter().map(|(_, chunk)| u64::from(chunk.len)).sum();
        let is_full = self.chunks.len() + wanted.len() > DELTA_ITEMS
            || self.chunks_bytes + bytes > DELTA_RAW_BYTES as u64
            || self.chunks_from.len() + from.len() > DELTA_RUNS
            || self.chunks_from_bytes + len > DELTA_BASE_BYTES as u64;
        if is_full {
            self.flush_delta()?;
        }
        self.chunks.append(&mut wanted);
        self.chunks_bytes += bytes;
        self.chunks_from.extend(from);
        self.chunks_from_bytes += len;
        Ok(())
    }

    /// Sends the chunks that wait for a delta.
    fn flush_delta(&mut self) -> Result<()> {
        (self.chunks_bytes, self.chunks_from_bytes) = (0, 0);
        let wanted = std::mem::take(&mut self.chunks);
        let from = std::mem::take(&mut self.chunks_from);
        if wanted.is_empty() {
            return Ok(());
        }
        self.flush_pages()?;
        let ids: Vec<ChunkId> = wanted.iter().map(|(_, chunk)| chunk.id).collect();
        let read = self.read(&ids);
        let is_sound = |((_, chunk), bytes): (&(u64, ChunkRef), &Option<Bytes>)| {
            bytes.as_ref().is_some_and(|bytes| bytes.len() == chunk.len as usize)
        };
        self.delta_stats.to_skip = self.delta_stats.to_skip.saturating_sub(1);
        if self.delta_stats.to_skip == 0 && wanted.iter().zip(&read).all(is_sound) {
            let raw: Vec<Bytes> = read.iter().flatten().cloned().collect();
            if let Some(delta) = self.make(DeltaKind::Chunks, merged(from), &raw) {
                self.delta_stats.backoff = 0;
                self.end.chunks += raw.len() as u64;
                self.end.chunk_bytes += delta.raw_len() as u64;
                return self.send_delta(delta);
            }
            self.delta_stats.backoff = (2 * self.delta_stats.backoff + 1).min(MAX_BACKOFF);
            self.delta_stats.to_skip = self.delta_stats.backoff + 1;
        }
        wanted
            .into_iter()
            .zip(read)
            .try_for_each(|((ordinal, chunk), bytes)| self.put(ordinal, &chunk, bytes))
    }

    /// A delta of `parts`, where it is smaller than they are.
    fn make(&mut self, kind: DeltaKind, base: Vec<Run>, parts: &[Bytes]) -> Option<Delta> {
        let started = self.out.now();
        let raw = parts.concat();
        let lens = parts.iter().map(|part| u32::try_from(part.len()).unwrap_or(u32::MAX)).collect();
        let mut prefix = Vec::new();
        self.bases.read(self.store, &base, &mut prefix).ok()?;
        let delta = Delta::make(kind, base, &prefix, lens, &raw, raw.len() - raw.len() / 16);
        self.delta_stats.bytes += raw.len() as u64;
        self.delta_stats.time += self.out.now().saturating_sub(started);
        delta
    }

    fn send_delta(&mut self, delta: Delta) -> Result<()> {
        self.spend(delta.data.len())?;
        self.out(Frame::Delta(delta))
    }

    /// Sends chunks in full, each once, those in the scope.
    pub(super) fn full(&mut self, chunks: &[(u64, ChunkRef)]) -> Result<()> {
        chunks.iter().try_for_each(|(ordinal, chunk)| self.chunks(*ordinal, std::slice::from_ref(chunk)))
    }

    /// Sends neighbouring chunks in full, each once, those in the scope.
    pub(super) fn chunks(&mut self, first: u64, chunks: &[ChunkRef]) -> Result<()> {
        for (ordinal, chunk) in (first..).zip(chunks) {
            if self.scope.as_ref().is_none_or(|scope| scope.contains(ordinal)) {
                self.chunk(ordinal, chunk)?;
            }
        }
        Ok(())
    }

    fn chunk(&mut self, ordinal: u64, chunk: &ChunkRef) -> Result<()> {
        if !self.sent.insert(prefix(chunk.id.as_bytes()), 1) {
            return Ok(());
        }
        self.batch.push((ordinal, *chunk));
        self.batch_bytes += chunk.len as usize;
        if self.batch_bytes >= ANSWER_BATCH_BYTES || self.batch.len() >= BATCH_IDS {
            self.flush()?;
        }
        Ok(())
    }

    /// Marks the answer as incomplete: the peer may want data that is not in it.
    pub(super) fn be_incomplete(&mut self) {
        self.end.complete = false;
    }

    /// Leaves wanted data out of the answer, and marks the answer as incomplete.
    pub(super) fn leave_out(&mut self, what: &dyn std::fmt::Display, error: &Error) {
        self.be_incomplete();
        tracing::warn!(%what, %error, "left out of an answer");
    }

    /// Sends all waiting data and the end; `went` is the result of the work before.
    pub(super) fn finish(mut self, went: Result<()>) -> Result<()> {
        match went.and_then(|()| self.flush()) {
            Ok(()) => {}
            Err(Error::Cancelled) if self.spent => self.end.complete = false,
            Err(error) => return Err(error),
        }
        let end = self.end;
        // All data before the end was flushed, or is not sent any more.
        self.out(Frame::End(end))
    }

    /// Reads, packs and sends the batch.
    fn flush(&mut self) -> Result<()> {
        self.flush_delta()?;
        self.flush_pages()?;
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let ids: Vec<ChunkId> = batch.iter().map(|(_, chunk)| chunk.id).collect();
        let read = self.read(&ids);
        batch.into_iter().zip(read).try_for_each(|((ordinal, chunk), bytes)| self.put(ordinal, &chunk, bytes))
    }

    /// Packs and sends a chunk, if it could be read.
    fn put(&mut self, ordinal: u64, chunk: &ChunkRef, bytes: Option<Bytes>) -> Result<()> {
        let Some(bytes) = bytes.filter(|bytes| bytes.len() == chunk.len as usize) else {
            self.end.complete = false;
            return Ok(());
        };
        let packed = self.packer.pack(ordinal, bytes);
        self.spend(packed.data.len())?;
        self.end.chunks += 1;
        self.end.chunk_bytes += u64::from(chunk.len);
        self.out(Frame::Chunk(packed))
    }

    /// Reads those of `ids` that can be read. A damaged chunk fails the whole batch, so the chunks are then
    /// read one by one.
    fn read(&mut self, ids: &[ChunkId]) -> Vec<Option<Bytes>> {
        if ids.is_empty() {
            return Vec::new();
        }
        if let Ok(all) = self.store.read_chunks(ids, Check::Trust) {
            return all;
        }
        let read_one = |id: &ChunkId| match self.store.read_chunks(std::slice::from_ref(id), Check::Trust) {
            Ok(mut one) => one.pop().flatten(),
            Err(error) => {
                tracing::warn!(chunk = %id.short(), %error, "left out of an answer");
                None
            }
        };
        ids.iter().map(read_one).collect()
    }

    /// Takes bytes from the budget; fails as cancelled where the budget was used up before.
    fn spend(&mut self, bytes: usize) -> Result<()> {
        if self.budget == 0 {
            self.spent = true;
            return Err(Error::Cancelled);
        }
        self.budget = self.budget.saturating_sub(bytes as u64);
        Ok(())
    }
}

/// Sorts runs, and merges runs of chunks that touch or overlap: two gaps beside one chunk share it as a
/// neighbour.
fn merged(mut runs: Vec<Run>) -> Vec<Run> {
    let place = |run: &Run| match run.part {
        Part::Chunks { first, count } => (run.have, first, count),
        Part::Pages { first, count } => (run.have, first.ordinal, count),
    };
    runs.sort_unstable_by_key(place);
    runs.dedup_by(|next, run| match (&mut run.part, next.part) {
        (Part::Chunks { first, count }, Part::Chunks { first: next_first, count: next_count }) => {
            let end = first.saturating_add(*count);
            let joins = run.have == next.have && next_first <= end;
            if joins {
                *count = end.max(next_first.saturating_add(next_count)) - *first;
            }
            joins
        }
        _ => false,
    });
    runs
}

/// The first eight bytes of an id: enough to remember it. A chunk that is left out because another id has the
/// same prefix is requested again by the peer.
fn prefix(id: &[u8; 32]) -> u64 {
    id.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
