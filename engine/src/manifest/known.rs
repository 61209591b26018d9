//! A comparison's memory of the chunks of both sides: which the old contents have, and where; which were reported.

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

/// Chunks that need not be reported (again), and where the old contents have them. What a peer was not sent for the
/// likeness of two ids it asks for.
pub(super) struct Known {
    old: Seen,
    /// Of each of them, its length, and whether the new content has it.
    lens: Vec<(u32, bool)>,
    /// Where the leaves that were added begin among `old`.
    leaves: Vec<(usize, Match)>,
    /// The leaf of the last find.
    leaf: usize,
    /// How many old chunks there is still room for.
    left: usize,
    reported: HashSet<ChunkId>,
}

/// What is known of a chunk of the new content.
pub(super) enum Met {
    Old(Match),
    New,
    Again,
}

impl Known {
    pub(super) fn new() -> Self {
        let (old, lens, leaves) = (Seen::default(), Vec::new(), Vec::new());
        Self { old, lens, leaves, leaf: 0, left: DIFF_CHUNKS, reported: HashSet::new() }
    }

    /// Makes room for old chunks, as far as they are remembered.
    pub(super) fn reserve(&mut self, more: u64) {
        let more = usize::try_from(more).unwrap_or(usize::MAX).min(self.left);
        self.left -= more;
        self.old.reserve(more);
    }

    /// Adds the chunks of an old leaf that begins at `start`.
    pub(super) fn add(&mut self, chunks: impl Iterator<Item = ChunkRef>, start: Match) {
        self.leaves.push((self.old.len(), start));
        for chunk in chunks {
            self.old.push(chunk.id.as_bytes());
            self.lens.push((chunk.len, false));
        }
        // Without room none was taken.
        self.lens.truncate(self.old.len());
    }

    /// What is known of a chunk of a new leaf, which is then known.
    pub(super) fn meet(&mut self, id: &ChunkId) -> Met {
        match self.old.find(id.as_bytes()) {
            Some(at) => {
                if let Some((_, used)) = self.lens.get_mut(at) {
                    *used = true;
                }
                Met::Old(self.place(at))
            }
            None if self.reported.len() >= DIFF_CHUNKS || self.reported.insert(*id) => Met::New,
            None => Met::Again,
        }
    }

    /// Where the `at`-th of the old chunks stands in its content: mostly in the leaf of the last find.
    fn place(&mut self, at: usize) -> Match {
        let begins = |leaf: usize| self.leaves.get(leaf).map(|(begin, _)| *begin);
        let is_in = |leaf: usize| begins(leaf) <= Some(at) && begins(leaf + 1).is_none_or(|end| at < end);
        if !is_in(self.leaf) {
            self.leaf = self.leaves.partition_point(|(begin, _)| *begin <= at).saturating_sub(1);
        }
        let (begin, start) = self.leaves.get(self.leaf).copied().unwrap_or_default();
        Match { ordinal: start.ordinal.saturating_add((at - begin) as u64), ..start }
    }

    /// What of the old leaves was not met, the [`DIFF_SPARES`] largest runs of it. Of a chunk that an old content has twice,
    /// one may not have been.
    pub(super) fn spare(&self) -> Vec<Spare> {
        let mut spare: Vec<Spare> = Vec::new();
        for (index, (begin, start)) in self.leaves.iter().enumerate() {
            let end = self.leaves.get(index + 1).map_or(self.lens.len(), |(next, _)| *next);
            for (ordinal, (len, used)) in
                (start.ordinal..).zip(self.lens.get(*begin..end).unwrap_or_default())
            {
                let bytes = u64::from(*len);
                match spare.last_mut() {
                    _ if *used => {}
                    Some(last)
                        if last.first.content == start.content
                            && last.first.ordinal.saturating_add(last.chunks) == ordinal =>
                    {
                        last.chunks += 1;
                        last.bytes = last.bytes.saturating_add(bytes);
                    }
                    _ => spare.push(Spare { first: Match { ordinal, ..*start }, chunks: 1, bytes }),
                }
            }
        }
        spare.sort_by_key(|spare| Reverse(spare.bytes));
        spare.truncate(DIFF_SPARES);
        spare
    }
}
