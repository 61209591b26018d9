//! A Bloom filter over the ids of a sealed segment. It tells that an id is absent without reading the
//! entries.
//!
//! Ids are hashes, so their own bytes choose the bits. Let `bits` = 8 × bytes. Let `a` be the first and `b`
//! the second eight bytes of the id, as little-endian numbers, with `b` made odd. The bits `(a + i·b mod
//! 2^64) mod bits` for `i` from 0 to 6 are set; bit `n` is bit `n mod 8` of byte `n / 8`. A segment has 10
//! bits for each entry, rounded up to whole 8 bytes: one absent id in 120 passes.

use crate::id::ID_LEN;

/// Bits for each entry.
const BITS_PER_ENTRY: usize = 10;
/// Bits that are tested for an id.
const PROBES: u64 = 7;

/// Bytes of a filter for this number of entries.
pub const fn filter_len(entries: usize) -> usize {
    entries.saturating_mul(BITS_PER_ENTRY).div_ceil(64) * 8
}

/// Makes the filter of these `count` ids.
pub fn make(count: usize, ids: impl Iterator<Item = [u8; ID_LEN]>) -> Vec<u8> {
    let mut filter = vec![0; filter_len(count)];
    for id in ids {
        for (byte, bit) in probes(&id, filter.len()) {
            if let Some(byte) = filter.get_mut(byte) {
                *byte |= bit;
            }
        }
    }
    filter
}

/// Whether the filter may contain an id. `false` is certain.
pub fn may_hold(filter: &[u8], id: &[u8; ID_LEN]) -> bool {
    probes(id, filter.len()).all(|(byte, bit)| filter.get(byte).is_some_and(|byte| byte & bit != 0))
}

/// The bytes and bits that an id sets.
fn probes(id: &[u8; ID_LEN], filter_bytes: usize) -> impl Iterator<Item = (usize, u8)> {
    let (numbers, _) = id.as_chunks::<8>();
    let number = |at: usize| numbers.get(at).map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let (a, b) = (number(0), number(1) | 1);
    let bits = (filter_bytes as u64 * 8).max(1);
    (0..PROBES).map(move |probe| {
        let bit = a.wrapping_add(probe.wrapping_mul(b)) % bits;
        (usize::try_from(bit / 8).unwrap_or(usize::MAX), 1 << (bit % 8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChunkId;

    fn id(number: u32) -> [u8; ID_LEN] {
        *ChunkId::of(&number.to_le_bytes()).as_bytes()
    }

    #[test]
    fn golden() {
        let ids = [[1; ID_LEN], [2; ID_LEN]];
        assert_eq!(data_encoding::HEXLOWER.encode(&make(2, ids.into_iter())), "fe49120000000000");
    }

    #[test]
    fn members_pass_and_nearly_no_other_id_does() {
        let ids: Vec<_> = (0..10_000).map(id).collect();
        let filter = make(ids.len(), ids.iter().copied());
        assert_eq!(filter.len(), 12_504);
        assert!(ids.iter().all(|id| may_hold(&filter, id)));
        let passed = (10_000..110_000).map(id).filter(|id| may_hold(&filter, id)).count();
        assert!((400..1_200).contains(&passed), "{passed} of 100,000 absent ids passed");
    }

    #[test]
    fn an_empty_filter_holds_nothing() {
        assert_eq!(make(0, std::iter::empty()), Vec::<u8>::new());
        assert!(!may_hold(&[], &id(1)));
        assert!(!may_hold(&[0; 8], &id(1)));
    }
}
