//! Chooses the delta base of a file's new chunks: the old bytes that they replaced.
//!
//! An edit replaces the bytes between two unchanged chunks. So the base of a run of new chunks is the part of
//! the old content between the same two chunks. Where that part is much smaller than the run, runs that the
//! old content has and the new content lacks are added: these bytes may have moved.

use crate::{
    error::Result,
    id::PageId,
    limits::{BATCH_IDS, CHUNK_BYTES, DELTA_BASE_BYTES, DELTA_ITEMS, DELTA_RAW_BYTES},
    manifest::{
        ChunkRef, Content,
        diff::{Gap, Match, Spare},
        position,
    },
    store::Objects,
    sync::delta::{Part, Run},
};

/// Maximum number of possibly moved runs in the base of one new run.
const MOVED_RUNS: usize = 3;
/// Bytes of old content on either side of the position at which a part of a long run is expected.
const MARGIN_BYTES: u64 = 512 * 1024;

const _: () =
    assert!(DELTA_RAW_BYTES as u64 + 2 * (MARGIN_BYTES - CHUNK_BYTES as u64) <= DELTA_BASE_BYTES as u64);

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
}

/// Takes new chunks by class-wide ordinal, the runs of their delta base (possibly none), and the bytes of
/// that base.
pub(super) type Take<'a> = &'a mut dyn FnMut(&[(u64, ChunkRef)], Vec<Run>, u64) -> Result<()>;

/// Neighbouring old chunks.
#[derive(Debug, Default)]
struct Window {
    have: u8,
    first: u64,
    /// The offset of each chunk, in bytes from the first, and the offset at which the last chunk ends.
    offsets: Vec<u64>,
    /// The bytes of the chunks in the gap itself.
    gap: u64,
}

impl<'s> Origin<'s> {
    pub(super) fn new(store: &'s dyn Objects, roots: Vec<Option<PageId>>, old: Vec<Old>) -> Self {
        Self { store, roots, old }
    }

    /// Passes `run` to `take` in parts that each fit a delta, each with its base.
    pub(super) fn split(
        &self,
        run: &[(u64, ChunkRef)],
        gap: Gap,
        unused_base_runs: &[Spare],
        take: Take<'_>,
    ) -> Result<()> {
        let total: u64 = run.iter().map(|(_, chunk)| u64::from(chunk.len)).sum();
        let window = self.window(gap, total)?;
        let (moved, moved_len) = self.moved(&window, unused_base_runs, total);
        let mut rest = run;
        let mut offset = 0;
        while !rest.is_empty() {
            let (count, len) = fitting(rest);
            let (part, after) = rest.split_at(count);
            let (mut base, mut base_len) = (moved.clone(), moved_len);
            if let Some((run, len)) = window.part(offset, len, total) {
                base.insert(0, run);
                base_len += len;
            }
            take(part, base, base_len)?;
            (rest, offset) = (after, offset + len);
        }
        Ok(())
    }

    /// The chunks of the old content in a gap, with one chunk on either side.
    fn window(&self, gap: Gap, total: u64) -> Result<Window> {
        let reach = total.saturating_add(MARGIN_BYTES);
        let closed = |from: &Match, to: &Match| from.content == to.content && from.ordinal <= to.ordinal;
        let (content, first, end) = match (gap.from, gap.to) {
            (Some(from), Some(to)) if closed(&from, &to) => (from.content, from.ordinal, to.ordinal),
            (Some(from), _) => (from.content, from.ordinal, u64::MAX - 1),
            // The start of the file was replaced.
            (None, Some(to)) => (to.content, 0, to.ordinal),
            (None, None) => return Ok(Window::default()),
        };
        let Some(old) = self.old.get(content) else { return Ok(Window::default()) };
        let root = self.roots.get(usize::from(old.have)).copied().flatten();
        let Some(root) = root else { return Ok(Window::default()) };
        let gap = first..end.min(old.content.chunks());
        let first = first.saturating_sub(1);
        let end = gap.end.saturating_add(1).min(old.content.chunks()).max(first);
        let mut window =
            Window { have: old.have, first: old.first_chunk.saturating_add(first), offsets: vec![0], gap: 0 };
        let count = (end - first).min(BATCH_IDS as u64);
        let is_open = end - first > count;
        let mut len = 0;
        for (ordinal, chunk) in (first..).zip(position::chunks(self.store, &root, window.first, count)) {
            let chunk = u64::from(chunk?.1.len);
            len += chunk;
            window.offsets.push(len);
            window.gap += if gap.contains(&ordinal) { chunk } else { 0 };
            if is_open && len > reach {
                break;
            }
        }
        Ok(window)
    }

    /// Runs that may have moved into a run for which its window is too small, and their bytes: at most the
    /// rest of a base.
    fn moved(&self, window: &Window, unused_base_runs: &[Spare], total: u64) -> (Vec<Run>, u64) {
        let room = (DELTA_BASE_BYTES as u64).saturating_sub(window.len());
        if window.gap > total / 2 {
            return (Vec::new(), 0);
        }
        let mut left = room;
        let mut near: Vec<_> = unused_base_runs.iter().filter(|run| !self.covers(window, run)).collect();
        near.sort_by_key(|run| run.bytes.abs_diff(total));
        let mut runs = Vec::new();
        for unused in near {
            let Some(old) = self.old.get(unused.first.content) else { continue };
            if runs.len() < MOVED_RUNS && unused.bytes <= left && unused.chunks <= BATCH_IDS as u64 {
                left -= unused.bytes;
                let first = old.first_chunk.saturating_add(unused.first.ordinal);
                runs.push(Run { have: old.have, part: Part::Chunks { first, count: unused.chunks } });
            }
        }
        (runs, room - left)
    }

    fn covers(&self, window: &Window, unused: &Spare) -> bool {
        self.old.get(unused.first.content).is_some_and(|old| {
            let first = old.first_chunk.saturating_add(unused.first.ordinal);
            old.have == window.have && window.first <= first && first < window.end()
        })
    }
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
