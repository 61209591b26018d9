//! The chunks that a comparison remembers: those of the old contents with their positions, and those that
//! were reported.

use std::{cmp::Reverse, collections::HashSet};

use super::{
    diff_content::{Match, Spare},
    entry::ChunkRef,
    seen::Seen,
};
use crate::{
    id::ChunkId,
    limits::{DIFF_CHUNKS, DIFF_SPARES},
};

/// Chunks that need not be reported (again), and their positions in the old contents. Only the first bytes of
/// ids are compared. If two ids agree in them, a chunk may not be sent although it is new; the peer then
/// requests it.
pub(super) struct Known {
    old: Seen,
    /// For each id in `old`, the length of its chunk, and whether the new content has it.
    lens: Vec<(u32, bool)>,
    /// For each added leaf, the index of its first chunk in `old`, and its position.
    leaves: Vec<(usize, Match)>,
    /// The index of the leaf of the last match.
    leaf: usize,
    /// The number of old chunks that may still be remembered.
    left: usize,
    reported: HashSet<ChunkId>,
}

/// The result of a lookup of a chunk of the new content.
pub(super) enum Lookup {
    /// An old content has the chunk, at this position.
    Old(Match),
    /// The chunk is new.
    New,
    /// The chunk is new, and was classified before.
    Again,
}

impl Known {
    pub(super) fn new() -> Self {
        let (old, lens, leaves) = (Seen::default(), Vec::new(), Vec::new());
        Self { old, lens, leaves, leaf: 0, left: DIFF_CHUNKS, reported: HashSet::new() }
    }

    /// Reserves space for `more` old chunks, as far as the limit allows.
    pub(super) fn reserve(&mut self, more: u64) {
        let more = usize::try_from(more).unwrap_or(usize::MAX).min(self.left);
        self.left -= more;
        self.old.reserve(more);
    }

    /// Adds the chunks of an old leaf that starts at `start`.
    pub(super) fn add(&mut self, chunks: impl Iterator<Item = ChunkRef>, start: Match) {
        self.leaves.push((self.old.len(), start));
        for chunk in chunks {
            self.old.push(chunk.id.as_bytes());
            self.lens.push((chunk.len, false));
        }
        // Chunks without reserved space were not added to `old`.
        self.lens.truncate(self.old.len());
    }

    /// Classifies a chunk of a new leaf, and remembers it.
    pub(super) fn classify(&mut self, id: &ChunkId) -> Lookup {
        match self.old.find(id.as_bytes()) {
            Some(at) => {
                if let Some((_, used)) = self.lens.get_mut(at) {
                    *used = true;
                }
                Lookup::Old(self.position(at))
            }
            None if self.reported.len() >= DIFF_CHUNKS || self.reported.insert(*id) => Lookup::New,
            None => Lookup::Again,
        }
    }

    /// The position of the old chunk at index `at` in its content. It is mostly in the leaf of the last
    /// match.
    fn position(&mut self, at: usize) -> Match {
        let begins = |leaf: usize| self.leaves.get(leaf).map(|(begin, _)| *begin);
        let is_in = |leaf: usize| begins(leaf) <= Some(at) && begins(leaf + 1).is_none_or(|end| at < end);
        if !is_in(self.leaf) {
            self.leaf = self.leaves.partition_point(|(begin, _)| *begin <= at).saturating_sub(1);
        }
        let (begin, start) = self.leaves.get(self.leaf).copied().unwrap_or_default();
        Match { ordinal: start.ordinal.saturating_add((at - begin) as u64), ..start }
    }

    /// The [`DIFF_SPARES`] largest runs of old chunks that the new content does not use. If an old content
    /// has a chunk twice, one of the two may be reported as unused.
    pub(super) fn unused_base_runs(&self) -> Vec<Spare> {
        let mut runs: Vec<Spare> = Vec::new();
        for (index, (begin, start)) in self.leaves.iter().enumerate() {
            let end = self.leaves.get(index + 1).map_or(self.lens.len(), |(next, _)| *next);
            for (ordinal, (len, used)) in
                (start.ordinal..).zip(self.lens.get(*begin..end).unwrap_or_default())
            {
                let bytes = u64::from(*len);
                match runs.last_mut() {
                    _ if *used => {}
                    Some(last)
                        if last.first.content == start.content
                            && last.first.ordinal.saturating_add(last.chunks) == ordinal =>
                    {
                        last.chunks += 1;
                        last.bytes = last.bytes.saturating_add(bytes);
                    }
                    _ => runs.push(Spare { first: Match { ordinal, ..*start }, chunks: 1, bytes }),
                }
            }
        }
        runs.sort_by_key(|run| Reverse(run.bytes));
        runs.truncate(DIFF_SPARES);
        runs
    }
}
