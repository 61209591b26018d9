//! Finds the old chunks that resemble new bytes, wherever both are.
//!
//! A shingle is [`SPAN`] consecutive bytes. Of the old chunks, the shingles with the smallest hashes are
//! remembered, at most [`SEARCH_SHINGLES`] of them. New bytes have the same shingles as the old bytes that
//! they resemble, and the choice by hash does not depend on the place. The result only chooses the base of a
//! delta; a wrong one costs bytes, never correctness.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{
    chunk::cut::gear_table,
    id::ChunkId,
    limits::{SEARCH_BATCH_CHUNKS, SEARCH_SHINGLES},
    store::{Check, Objects},
    sync::delta::{Part, Run},
};

/// Bits by which every byte shifts the bytes before it out of the hash.
const SHIFT: u32 = 2;
/// Bytes of a shingle: those that the hash depends on.
const SPAN: usize = (u64::BITS / SHIFT) as usize;
/// Base-2 logarithm of the bytes per remembered shingle, at least.
const DENSEST_BITS: u32 = 4;
/// Shingles of a chunk that are remembered beyond twice the expected number. More come from repeated bytes.
const SLACK: usize = 16;

/// A chunk that the receiver has.
#[derive(Clone, Copy, Debug)]
pub(super) struct OldChunk {
    /// The class version, as its index in the pull's `have`.
    pub(super) have: u8,
    /// The class-wide ordinal in that version.
    pub(super) ordinal: u64,
    pub(super) id: ChunkId,
    pub(super) len: u32,
}

/// Shingles of old chunks, and the chunks in which they are.
#[derive(Debug)]
pub(super) struct Shingles {
    /// One shingle in 2^bits is remembered.
    bits: u32,
    chunks: Vec<OldChunk>,
    /// Hash and index of the chunk, ascending; of each hash the first chunk.
    places: Vec<(u32, u32)>,
}

/// The old chunks that resemble new bytes.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Their indexes, those that share most shingles first.
    order: Vec<usize>,
    /// Whether most of the new bytes resemble them.
    pub(super) covers_most: bool,
}

impl Shingles {
    /// Reads `chunks` and remembers shingles of them. Chunks that cannot be read are left out.
    pub(super) fn take(store: &dyn Objects, chunks: Vec<OldChunk>) -> Self {
        let total: u64 = chunks.iter().map(|chunk| u64::from(chunk.len)).sum();
        let bits = (total / SEARCH_SHINGLES).max(1).ilog2().max(DENSEST_BITS);
        let mut places = Vec::new();
        let mut indexes = 0u32..;
        let mut hashes = Vec::new();
        for batch in chunks.chunks(SEARCH_BATCH_CHUNKS) {
            let ids: Vec<ChunkId> = batch.iter().map(|chunk| chunk.id).collect();
            let read = store.read_chunks(&ids, Check::Trust).unwrap_or_default();
            for (at, index) in (0..batch.len()).zip(&mut indexes) {
                hashes.clear();
                if let Some(bytes) = read.get(at).and_then(Option::as_ref) {
                    shingles(bytes, bits, &mut hashes);
                }
                places.extend(hashes.iter().map(|hash| (*hash, index)));
            }
        }
        places.sort_unstable();
        places.dedup_by_key(|(hash, _)| *hash);
        Self { bits, chunks, places }
    }

    /// The old chunks that share shingles with the new bytes in `parts`.
    pub(super) fn search(&self, parts: &[Bytes]) -> Found {
        let mut hashes = Vec::new();
        for bytes in parts {
            shingles(bytes, self.bits, &mut hashes);
        }
        hashes.sort_unstable();
        hashes.dedup();
        let mut shared = vec![0u32; self.chunks.len()];
        for hash in &hashes {
            let at = self.places.partition_point(|(other, _)| other < hash);
            if let Some((_, index)) = self.places.get(at).filter(|(other, _)| other == hash)
                && let Some(count) = shared.get_mut(*index as usize)
            {
                *count += 1;
            }
        }
        let covered: u64 = shared.iter().map(|count| u64::from(*count)).sum();
        let mut order: Vec<usize> = (0..shared.len()).filter(|index| shared.get(*index) > Some(&0)).collect();
        order.sort_by_key(|index| std::cmp::Reverse(shared.get(*index)));
        Found { order, covers_most: 2 * covered > hashes.len() as u64 }
    }

    /// Those chunks of `found` that fit in `room` bytes and `most` runs, as runs; and their bytes.
    pub(super) fn choose(&self, found: &Found, room: u64, most: usize) -> (Vec<Run>, u64) {
        let mut chosen = BTreeSet::new();
        let (mut bytes, mut count) = (0, 0);
        for index in &found.order {
            let Some(chunk) = self.chunks.get(*index) else { continue };
            let before = index
                .checked_sub(1)
                .is_some_and(|before| chosen.contains(&before) && self.follows(before, *index));
            let after = chosen.contains(&(index + 1)) && self.follows(*index, index + 1);
            let runs = count + 1 - usize::from(before) - usize::from(after);
            let len = bytes + u64::from(chunk.len);
            if runs <= most && len <= room {
                chosen.insert(*index);
                (bytes, count) = (len, runs);
            }
        }
        let mut runs: Vec<Run> = Vec::with_capacity(count);
        let mut last = None;
        for index in chosen {
            let Some(chunk) = self.chunks.get(index) else { continue };
            match runs.last_mut() {
                Some(Run { part: Part::Chunks { count, .. }, .. })
                    if last.is_some_and(|last| self.follows(last, index)) =>
                {
                    *count += 1;
                }
                _ => {
                    runs.push(Run { have: chunk.have, part: Part::Chunks { first: chunk.ordinal, count: 1 } })
                }
            }
            last = Some(index);
        }
        (runs, bytes)
    }

    /// Whether the second chunk follows the first in the version.
    fn follows(&self, first: usize, second: usize) -> bool {
        let (first, second) = (self.chunks.get(first), self.chunks.get(second));
        first.zip(second).is_some_and(|(first, second)| {
            first.have == second.have && first.ordinal.checked_add(1) == Some(second.ordinal)
        })
    }
}

/// Appends the hashes of those shingles of `bytes` that are remembered where one in 2^`bits` is.
fn shingles(bytes: &[u8], bits: u32, out: &mut Vec<u32>) {
    let gear = gear_table();
    let most = out.len() + 2 * (bytes.len() >> bits) + SLACK;
    let limit = u64::MAX >> bits;
    let mut hash = 0u64;
    for (at, byte) in bytes.iter().enumerate() {
        #[expect(clippy::indexing_slicing, reason = "a byte is always within a table of 256")]
        let random = gear[usize::from(*byte)];
        hash = (hash << SHIFT).wrapping_add(random);
        if hash <= limit && at + 1 >= SPAN {
            // The bits below the zeros; they depend on more than half of the shingle.
            #[expect(clippy::cast_possible_truncation, reason = "the upper bits are zero")]
            let short = (hash >> (u64::BITS / 2 - bits)) as u32;
            if out.last() != Some(&short) && out.len() < most {
                out.push(short);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        chunk::testing::{noise, periodic},
        id::LibraryId,
        store::{Object, memory::MemoryObjectStores},
    };

    /// The shingles of chunks with these contents; each run of chunks is in another version.
    fn index(runs: &[Vec<Vec<u8>>]) -> Shingles {
        let store = MemoryObjectStores::default().objects(&LibraryId::from_bytes([7; 32]));
        let mut chunks = Vec::new();
        for (have, run) in (0u8..).zip(runs) {
            for (ordinal, bytes) in (10u64..).zip(run) {
                let id = ChunkId::of(bytes);
                store.append(vec![Object::Chunk { id, bytes: bytes.clone().into() }]).unwrap();
                let len = u32::try_from(bytes.len()).unwrap();
                chunks.push(OldChunk { have, ordinal, id, len });
            }
        }
        store.commit().unwrap();
        Shingles::take(&store, chunks)
    }

    fn ordinals(runs: &[Run]) -> Vec<(u8, u64)> {
        let each = |run: &Run| match run.part {
            Part::Chunks { first, count } => (first..first + count).map(|at| (run.have, at)).collect(),
            Part::Pages { .. } => vec![],
        };
        runs.iter().flat_map(each).collect()
    }

    proptest! {
        /// The chunks from which pieces of the new bytes come are found, whatever the order and the place of
        /// the pieces; no others are.
        #[test]
        fn the_chunks_of_moved_pieces_are_found(
            lens in vec(4096usize..20_000, 1..40),
            pieces in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0usize..100), 1..8),
        ) {
            let old: Vec<Vec<u8>> = (1u64..).zip(&lens).map(|(seed, len)| noise(seed, *len)).collect();
            let shingles = index(std::slice::from_ref(&old));
            let (mut new, mut from) = (Vec::new(), BTreeSet::new());
            for (chunk, start, gap) in pieces {
                let at = chunk.index(old.len());
                let bytes = &old[at];
                let start = start.index(bytes.len() - 2048);
                new.extend(noise(1000 + gap as u64, gap));
                new.extend(&bytes[start..start + 2048]);
                from.insert((0u8, 10 + at as u64));
            }
            let found = shingles.search(&[new.into()]);
            prop_assert!(found.covers_most);
            let (runs, bytes) = shingles.choose(&found, u64::MAX, usize::MAX);
            prop_assert_eq!(ordinals(&runs), from.iter().copied().collect::<Vec<_>>());
            let len = |at: &u64| lens[usize::try_from(at - 10).unwrap()] as u64;
            let expected: u64 = from.iter().map(|(_, at)| len(at)).sum();
            prop_assert_eq!(bytes, expected);
            for (room, most) in [(0, 16), (30_000, 16), (u64::MAX, 2), (50_000, 1)] {
                let (runs, bytes) = shingles.choose(&found, room, most);
                prop_assert!(bytes <= room && runs.len() <= most);
                prop_assert!(ordinals(&runs).iter().all(|at| from.contains(at)));
            }
        }
    }

    #[test]
    fn runs_do_not_cross_from_one_version_to_the_next() {
        let chunks: Vec<Vec<u8>> = (1..=4).map(|seed| noise(seed, 5000)).collect();
        let shingles = index(&[chunks[..2].to_vec(), chunks[2..].to_vec()]);
        let found = shingles.search(&[chunks.concat().into()]);
        let (runs, _) = shingles.choose(&found, u64::MAX, usize::MAX);
        assert_eq!(runs.len(), 2);
        assert_eq!(ordinals(&runs), [(0, 10), (0, 11), (1, 10), (1, 11)]);
    }

    #[test]
    fn other_bytes_are_not_found() {
        let shingles = index(&[(1..=40).map(|seed| noise(seed, 20_000)).collect()]);
        let found = shingles.search(&[noise(99, 1 << 20).into()]);
        assert!(!found.covers_most && found.order.is_empty(), "{found:?}");
    }

    /// Every shingle of a repeated byte has the same hash, and those of a short period have few. They must
    /// not fill the memory.
    #[test]
    fn repeated_bytes_take_no_more_memory_than_others() {
        for period in 1..200 {
            let chunk = periodic(period as u64, period, 1 << 18);
            let mut hashes = Vec::new();
            shingles(&chunk, DENSEST_BITS, &mut hashes);
            assert!(hashes.len() <= 2 * (chunk.len() >> DENSEST_BITS) + SLACK, "period {period}");
        }
    }
}
