//! Chooses the delta base of a file's new chunks: the old bytes that they replaced, or that resemble them.
//!
//! An edit replaces the bytes between two unchanged chunks. So the base of a run of new chunks is the part of
//! the old content between the same two chunks. That is not enough where one of the two is missing (the start
//! or the end of the file moved), or where the part is too large for a base or much smaller than the run.
//! Then the old chunks that the new content lacks are searched for bytes that resemble the run.

use std::cell::{Cell, OnceCell};

use bytes::Bytes;

use crate::{
    error::Result,
    id::{ChunkId, PageId},
    limits::{
        BATCH_IDS, CHUNK_BYTES, DELTA_BASE_BYTES, DELTA_ITEMS, DELTA_RAW_BYTES, DELTA_RUNS, SEARCH_BYTES,
    },
    manifest::{
        ChunkRef, Content,
        diff::{Gap, Match, Spare},
        position,
    },
    store::{Check, Objects},
    sync::{
        delta::{Part, Run},
        shingles::{Found, OldChunk, Shingles},
    },
};

/// Maximum number of possibly moved runs in the base of one new run.
const MOVED_RUNS: usize = 3;
/// Maximum number of runs of resembling chunks in the base of one part: space remains for the window, and for
/// small parts that share the delta.
const FOUND_RUNS: usize = DELTA_RUNS - 4;
/// Bytes of old content on either side of the position at which a part of a long run is expected.
const MARGIN_BYTES: u64 = 512 * 1024;
/// Chunks before an open gap that are looked at, at most: with one more at either end, one batch.
const WINDOW_BEFORE: u64 = BATCH_IDS as u64 - 2;

const _: () =
    assert!(DELTA_RAW_BYTES as u64 + 2 * (MARGIN_BYTES - CHUNK_BYTES as u64) <= DELTA_BASE_BYTES as u64);
const _: () = assert!(FOUND_RUNS + MOVED_RUNS < DELTA_RUNS);

/// A file's content in a version that the peer has.
#[derive(Clone, Debug)]
pub(super) struct Old {
    /// The version, as its index in the pull's `have`.
    pub(super) have: u8,
    /// The class-wide ordinal of the file's first chunk in it.
    pub(super) first_chunk: u64,
    pub(super) content: Content,
}

/// The old contents from which one file's new chunks may be made.
pub(super) struct Origin<'s> {
    store: &'s dyn Objects,
    /// The roots of the versions, by their index in the pull's `have`.
    roots: Vec<Option<PageId>>,
    pub(super) old: Vec<Old>,
    /// Bytes of old chunks that may still be read for a search.
    search_bytes: &'s Cell<u64>,
    /// The unused old chunks; read at the first search.
    shingles: OnceCell<Shingles>,
}

/// The old content that may be the base of one run of new chunks.
pub(super) struct Plan {
    window: Window,
    moved: Moved,
    /// The bytes of the run.
    total: u64,
    /// Whether other old chunks may resemble the run.
    searches: bool,
}

/// Unused old runs that may have moved into a run, and their bytes.
#[derive(Default)]
struct Moved {
    runs: Vec<Run>,
    bytes: u64,
}

/// New chunks that fit one delta.
pub(super) struct Piece<'a> {
    pub(super) chunks: &'a [(u64, ChunkRef)],
    /// Their offset in the run, in bytes.
    offset: u64,
    /// Their bytes.
    len: u64,
}

/// Neighbouring old chunks.
#[derive(Debug, Default)]
struct Window {
    have: u8,
    first: u64,
    /// The offset of each chunk, in bytes from the first, and the offset at which the last chunk ends.
    offsets: Vec<u64>,
    /// The bytes of the chunks in the gap itself.
    gap: u64,
    /// Whether the gap has two ends in one content, and all its chunks are in the window.
    is_closed: bool,
}

impl<'s> Origin<'s> {
    /// `search_bytes` is the number of bytes of old chunks that may still be read for a search; it is shared
    /// by the files of an answer.
    pub(super) fn new(
        store: &'s dyn Objects,
        roots: Vec<Option<PageId>>,
        old: Vec<Old>,
        search_bytes: &'s Cell<u64>,
    ) -> Self {
        Self { store, roots, old, search_bytes, shingles: OnceCell::new() }
    }

    /// Finds the old content that may be the base of the new chunks `run`.
    pub(super) fn plan(&self, run: &[(u64, ChunkRef)], gap: Gap, unused_base_runs: &[Spare]) -> Result<Plan> {
        let total = run.iter().map(|(_, chunk)| u64::from(chunk.len)).sum();
        let window = self.window(gap, total)?;
        if window.is_closed && window.len() <= DELTA_BASE_BYTES as u64 && window.gap > total / 2 {
            return Ok(Plan { window, moved: Moved::default(), total, searches: false });
        }
        let far: Vec<&Spare> = unused_base_runs.iter().filter(|run| !self.covers(&window, run)).collect();
        // The window holds about as many bytes as the run: other runs hardly moved there.
        let moved = if window.gap > total / 2 { Moved::default() } else { self.moved(&window, &far, total) };
        let searches = moved.runs.len() < far.len();
        if searches && self.shingles.get().is_none() {
            let chunks = self.searched(unused_base_runs)?;
            let _ = self.shingles.set(Shingles::take(self.store, chunks));
        }
        Ok(Plan { window, moved, total, searches })
    }

    /// The runs of the base of a piece, possibly none, and their bytes.
    pub(super) fn base(&self, plan: &Plan, piece: &Piece<'_>) -> (Vec<Run>, u64) {
        let room = DELTA_BASE_BYTES as u64;
        let (mut base, mut len) = (Vec::new(), 0);
        let near = plan.window.part(piece.offset, piece.len, plan.total);
        let shingles = self.shingles.get().filter(|_| plan.searches);
        let found = shingles.map(|shingles| (shingles, shingles.search(&self.read(piece))));
        let wants_all = |(shingles, found): &(&Shingles, Found)| {
            found.covers_most.then(|| shingles.choose(found, room, FOUND_RUNS))
        };
        match (near, found.as_ref().and_then(wants_all)) {
            // The window is only a guess, and gives way.
            (Some((_, near_len)), Some((runs, bytes))) if near_len + bytes > room => return (runs, bytes),
            (Some((run, near_len)), _) => {
                base.push(run);
                len = near_len;
            }
            (None, _) => {}
        }
        if let Some((shingles, found)) = found {
            let (runs, bytes) = shingles.choose(&found, room - len, FOUND_RUNS);
            len += bytes;
            base.extend(runs);
        }
        if base.len() <= 1 && len + plan.moved.bytes <= room {
            len += plan.moved.bytes;
            base.extend(&plan.moved.runs);
        }
        (base, len)
    }

    /// The bytes of a piece, as far as they can be read.
    fn read(&self, piece: &Piece<'_>) -> Vec<Bytes> {
        let ids: Vec<ChunkId> = piece.chunks.iter().map(|(_, chunk)| chunk.id).collect();
        self.store.read_chunks(&ids, Check::Trust).unwrap_or_default().into_iter().flatten().collect()
    }

    /// The chunks of `unused_base_runs` that are searched: all, or of the largest runs both ends.
    fn searched(&self, unused_base_runs: &[Spare]) -> Result<Vec<OldChunk>> {
        let mut left = self.search_bytes.get().min(SEARCH_BYTES);
        let mut runs = unused_base_runs.to_vec();
        runs.sort_by_key(|run| run.bytes);
        let mut found = Vec::new();
        for (run, rest) in runs.iter().zip((1..=runs.len() as u64).rev()) {
            let most = run.bytes.min(left / rest);
            let taken = self.ends(run, most, &mut found)?;
            left = left.saturating_sub(taken);
            self.search_bytes.set(self.search_bytes.get().saturating_sub(taken));
        }
        found.sort_by_key(|(content, chunk): &(usize, OldChunk)| (*content, chunk.ordinal));
        Ok(found.into_iter().map(|(_, chunk)| chunk).collect())
    }

    /// Appends the chunks of a run, or about `most` bytes of them from both its ends. Returns their bytes.
    fn ends(&self, run: &Spare, most: u64, found: &mut Vec<(usize, OldChunk)>) -> Result<u64> {
        let Some(old) = self.old.get(run.first.content) else { return Ok(0) };
        let Some(root) = self.roots.get(usize::from(old.have)).copied().flatten() else { return Ok(0) };
        let average = (run.bytes / run.chunks.max(1)).max(1);
        let half = if most < run.bytes { most / 2 / average } else { run.chunks };
        let first = old.first_chunk.saturating_add(run.first.ordinal);
        let end = first.saturating_add(run.chunks);
        let second = end.saturating_sub(half).max(first.saturating_add(half));
        let mut bytes = 0;
        for (from, count) in [(first, half), (second, end - second.min(end))] {
            for chunk in position::chunks(self.store, &root, from, count) {
                let (ordinal, ChunkRef { id, len }) = chunk?;
                bytes += u64::from(len);
                found.push((run.first.content, OldChunk { have: old.have, ordinal, id, len }));
            }
        }
        Ok(bytes)
    }

    /// The chunks of the old content in a gap, with one chunk on either side. Where the gap has one end only,
    /// the chunks on the open side of it.
    fn window(&self, gap: Gap, total: u64) -> Result<Window> {
        let reach = total.saturating_add(MARGIN_BYTES);
        let closed = |from: &Match, to: &Match| from.content == to.content && from.ordinal <= to.ordinal;
        let (content, first, end) = match (gap.from, gap.to) {
            (Some(from), Some(to)) if closed(&from, &to) => (from.content, from.ordinal, to.ordinal),
            (Some(from), _) => (from.content, from.ordinal, u64::MAX - 1),
            (None, Some(to)) => (to.content, to.ordinal.saturating_sub(WINDOW_BEFORE), to.ordinal),
            (None, None) => return Ok(Window::default()),
        };
        let Some(old) = self.old.get(content) else { return Ok(Window::default()) };
        let root = self.roots.get(usize::from(old.have)).copied().flatten();
        let Some(root) = root else { return Ok(Window::default()) };
        let chunks = old.content.chunks();
        let gap_chunks = first..end.min(chunks);
        let first = first.saturating_sub(1);
        let end = gap_chunks.end.saturating_add(1).min(chunks).max(first);
        let count = (end - first).min(BATCH_IDS as u64);
        let first_chunk = old.first_chunk.saturating_add(first);
        let mut window = Window { have: old.have, first: first_chunk, offsets: vec![0], ..Window::default() };
        let mut len = 0;
        for (ordinal, chunk) in (first..).zip(position::chunks(self.store, &root, first_chunk, count)) {
            let chunk = u64::from(chunk?.1.len);
            len += chunk;
            window.offsets.push(len);
            window.gap += if gap_chunks.contains(&ordinal) { chunk } else { 0 };
            if gap.from.is_some() && end - first > count && len > reach {
                break;
            }
        }
        window.is_closed =
            gap.from.zip(gap.to).is_some_and(|(from, to)| closed(&from, &to)) && end - first <= count;
        if gap.from.is_none() {
            window.keep_last(reach);
        }
        Ok(window)
    }

    /// The runs of `far` that may have moved into a run, those nearest in size first: at most the rest of a
    /// base beside the window.
    fn moved(&self, window: &Window, far: &[&Spare], total: u64) -> Moved {
        let mut left = (DELTA_BASE_BYTES as u64).saturating_sub(window.len());
        let mut near = far.to_vec();
        near.sort_by_key(|run| run.bytes.abs_diff(total));
        let mut moved = Moved::default();
        for unused in near {
            let Some(old) = self.old.get(unused.first.content) else { continue };
            if moved.runs.len() < MOVED_RUNS && unused.bytes <= left && unused.chunks <= BATCH_IDS as u64 {
                left -= unused.bytes;
                moved.bytes += unused.bytes;
                let first = old.first_chunk.saturating_add(unused.first.ordinal);
                moved.runs.push(Run { have: old.have, part: Part::Chunks { first, count: unused.chunks } });
            }
        }
        moved
    }

    /// Whether the window has all chunks of a run.
    fn covers(&self, window: &Window, unused: &Spare) -> bool {
        self.old.get(unused.first.content).is_some_and(|old| {
            let first = old.first_chunk.saturating_add(unused.first.ordinal);
            let end = first.saturating_add(unused.chunks);
            old.have == window.have && window.first <= first && end <= window.end()
        })
    }
}

/// The pieces of a run that each fit one delta.
pub(super) fn pieces(run: &[(u64, ChunkRef)]) -> impl Iterator<Item = Piece<'_>> {
    let (mut rest, mut offset) = (run, 0);
    std::iter::from_fn(move || {
        let (count, len) = fitting(rest);
        let (chunks, after) = rest.split_at(count);
        let piece = Piece { chunks, offset, len };
        (rest, offset) = (after, offset + len);
        (count > 0).then_some(piece)
    })
}

/// How many chunks fit one delta, and their bytes.
fn fitting(run: &[(u64, ChunkRef)]) -> (usize, u64) {
    let (mut count, mut len) = (0, 0);
    for (_, chunk) in run.iter().take(DELTA_ITEMS) {
        let more = len + u64::from(chunk.len);
        if count > 0 && more > DELTA_RAW_BYTES as u64 {
            break;
        }
        (count, len) = (count + 1, more);
    }
    (count, len)
}

impl Window {
    /// The bytes of all chunks.
    fn len(&self) -> u64 {
        self.offsets.last().copied().unwrap_or(0)
    }

    fn end(&self) -> u64 {
        self.first.saturating_add(self.offsets.len().saturating_sub(1) as u64)
    }

    /// Drops chunks from the front as long as `reach` bytes remain.
    fn keep_last(&mut self, reach: u64) {
        let from = self.len().saturating_sub(reach);
        let dropped = self.offsets.partition_point(|offset| *offset <= from).saturating_sub(1);
        self.first = self.first.saturating_add(dropped as u64);
        self.offsets.drain(..dropped);
        let start = self.offsets.first().copied().unwrap_or(0);
        self.offsets.iter_mut().for_each(|offset| *offset -= start);
    }

    /// The base of the `len` bytes at `offset` of a run of `total` bytes: the whole window, or, where that is
    /// too large, the part of it at the same relative position. Also the bytes of that base.
    fn part(&self, offset: u64, len: u64, total: u64) -> Option<(Run, u64)> {
        let count = self.offsets.len().checked_sub(1).filter(|count| *count > 0)?;
        let (mut begin, mut end) = (0, count);
        if self.len() > DELTA_BASE_BYTES as u64 {
            let place = |offset: u64| {
                let scaled = u128::from(offset) * u128::from(self.len()) / u128::from(total.max(1));
                u64::try_from(scaled).unwrap_or(u64::MAX)
            };
            let from = place(offset).saturating_sub(MARGIN_BYTES);
            let to = from.saturating_add(len + 2 * (MARGIN_BYTES - CHUNK_BYTES as u64));
            begin = self.offsets.partition_point(|start| *start < from).min(count - 1);
            end =
                self.offsets.partition_point(|start| *start <= to).saturating_sub(1).clamp(begin + 1, count);
        }
        let part =
            Part::Chunks { first: self.first.saturating_add(begin as u64), count: (end - begin) as u64 };
        let start = |index: usize| self.offsets.get(index).copied().unwrap_or(0);
        Some((Run { have: self.have, part }, start(end) - start(begin)))
    }
}
