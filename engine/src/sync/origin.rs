//! What new chunks of a file are made from: old bytes that stood in their place.
//!
//! An edit replaces what lies between two chunks that stay. So a run of new chunks is made from what the old content has
//! between the same two chunks, and where that is much less than the run, also from what the old content has and the new
//! one lacks: it may have moved.

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

/// Runs that may have moved into one new run, at most.
const MOVED_RUNS: usize = 3;
/// Bytes of old content on either side of where a part of a long run should lie.
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

/// What one file may be made from.
pub(super) struct Origin<'s> {
    store: &'s dyn Objects,
    /// The roots of the versions, by their index in the pull's `have`.
    roots: Vec<Option<PageId>>,
    pub(super) old: Vec<Old>,
}

/// Takes new chunks by class-wide ordinal, what they are made from, perhaps nothing, and how many bytes that is.
pub(super) type Take<'a> = &'a mut dyn FnMut(&[(u64, ChunkRef)], Vec<Run>, u64) -> Result<()>;

/// Neighbouring old chunks.
#[derive(Debug, Default)]
struct Window {
    have: u8,
    first: u64,
    /// Where each begins, in bytes from the first, and where the last ends.
    offsets: Vec<u64>,
    /// The bytes of those that lie in the gap itself.
    gap: u64,
}

impl<'s> Origin<'s> {
    pub(super) fn new(store: &'s dyn Objects, roots: Vec<Option<PageId>>, old: Vec<Old>) -> Self {
        Self { store, roots, old }
    }

    /// Gives `run` to `take` in parts that each fit a delta, with what each is made from.
    pub(super) fn split(
        &self,
        run: &[(u64, ChunkRef)],
        gap: Gap,
        spare: &[Spare],
        take: Take<'_>,
    ) -> Result<()> {
        let total: u64 = run.iter().map(|(_, chunk)| u64::from(chunk.len)).sum();
        let window = self.window(gap, total)?;
        let (moved, moved_len) = self.moved(&window, spare, total);
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

    /// What the old content has in a gap, with a chunk on either side of it.
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

    /// What may have moved into a run for which its window is too small, and its bytes: at most what is left of a base.
    fn moved(&self, window: &Window, spare: &[Spare], total: u64) -> (Vec<Run>, u64) {
        let room = (DELTA_BASE_BYTES as u64).saturating_sub(window.len());
        if window.gap > total / 2 {
            return (Vec::new(), 0);
        }
        let mut left = room;
        let mut near: Vec<_> = spare.iter().filter(|spare| !self.covers(window, spare)).collect();
        near.sort_by_key(|spare| spare.bytes.abs_diff(total));
        let mut runs = Vec::new();
        for spare in near {
            let Some(old) = self.old.get(spare.first.content) else { continue };
            if runs.len() < MOVED_RUNS && spare.bytes <= left && spare.chunks <= BATCH_IDS as u64 {
                left -= spare.bytes;
                let first = old.first_chunk.saturating_add(spare.first.ordinal);
                runs.push(Run { have: old.have, part: Part::Chunks { first, count: spare.chunks } });
            }
        }
        (runs, room - left)
    }

    fn covers(&self, window: &Window, spare: &Spare) -> bool {
        self.old.get(spare.first.content).is_some_and(|old| {
            let first = old.first_chunk.saturating_add(spare.first.ordinal);
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
    /// Bytes.
    fn len(&self) -> u64 {
        self.offsets.last().copied().unwrap_or(0)
    }

    fn end(&self) -> u64 {
        self.first.saturating_add(self.offsets.len().saturating_sub(1) as u64)
    }

    /// What the `len` bytes at `offset` of a run of `total` are made from: everything, or where that is too much what lies
    /// as far into it. Also how many bytes that is.
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
