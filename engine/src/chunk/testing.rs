//! Reproducible content from a seed, and the chunks that a plain scan cuts it into.

#![expect(clippy::cast_possible_truncation, reason = "test data is small")]

use super::{ChunkRef, Profile, cut};
use crate::id::ChunkId;

/// The chunks of a file, cut by the scan only.
pub(crate) fn plain(profile: Profile, mut data: &[u8]) -> Vec<ChunkRef> {
    let mut chunks = Vec::new();
    while !data.is_empty() {
        let (chunk, rest) = data.split_at(cut::next(profile, data));
        chunks.push(ChunkRef { id: ChunkId::of(chunk), len: chunk.len() as u32 });
        data = rest;
    }
    chunks
}

/// Noise, one repeated byte, a period, or runs of all three.
pub(crate) fn content(kind: u64, seed: u64, len: usize) -> Vec<u8> {
    match kind {
        0 => noise(seed, len),
        1 => vec![seed as u8; len],
        2 => periodic(seed, 1 + seed as usize % 5000, len),
        _ => {
            let mut data = Vec::with_capacity(len + 400_000);
            for turn in 0.. {
                if data.len() >= len {
                    break;
                }
                data.extend(content(turn % 3, seed ^ turn, 1 + (seed ^ turn) as usize % 400_000));
            }
            data.truncate(len);
            data
        }
    }
}

/// `data` after the given number of edits: inserts, deletions, overwrites, moves, a truncation, an append.
pub(crate) fn edited(data: &[u8], seed: u64, edits: u64) -> Vec<u8> {
    let mut data = data.to_vec();
    let random = noise(!seed, 24 * edits as usize);
    for (edit, random) in random.as_chunks::<24>().0.iter().enumerate() {
        let (numbers, _) = random.as_chunks::<8>();
        let [kind, place, size] = [0, 1, 2].map(|at| u64::from_le_bytes(numbers[at]) as usize);
        let at = place % (data.len() + 1);
        let len = (1 << (size % 18)) + size / 32 % 3;
        let end = (at + len).min(data.len());
        let fresh = noise(seed ^ edit as u64, len);
        match kind % 6 {
            0 => drop(data.splice(at..at, fresh)),
            1 => drop(data.drain(at..end)),
            2 => drop(data.splice(at..end, fresh)),
            3 => {
                let moved: Vec<_> = data.drain(at..end).collect();
                let to = size % (data.len() + 1);
                drop(data.splice(to..to, moved));
            }
            4 => data.truncate(at.max(data.len() / 2)),
            _ => data.extend(fresh),
        }
    }
    data
}

/// Incompressible bytes (xorshift64*).
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// `period` incompressible bytes, repeated.
pub(crate) fn periodic(seed: u64, period: usize, len: usize) -> Vec<u8> {
    noise(seed, period).into_iter().cycle().take(len).collect()
}
