//! The rule for the ends of pages. Pure: hashes and sizes in, cut points out.
//!
//! A level of a tree is cut as FastCDC cuts bytes. The items take the place of the bytes, and
//! [`boundary_hash`] of (level, key) takes the place of the rolling hash. So one edit moves few cuts, and the
//! same items always give the same pages:
//!
//! 1. An item **fires** when its hash is below a threshold. No item before the 16th of a page fires, few
//!    before the 64th fire, and four times as many after it. A page ends after the first item that fires.
//! 2. A page in which no item fired and which cannot take the next item (256 items, or 64 KiB) is **forced**
//!    to end: after the item of its second half with the smallest hash, or the last of several equal ones.
//!    The items after it start the next page.
//!
//! The second rule keeps periodic content stable. A cut at the 256th item would be at a different phase of
//! the period after every edit, but the item with the smallest hash is always at the same phase.
//!
//! **Items carried over by a forced cut never fire in their new page**, so their hashes need not be tested
//! again: the threshold only rises with the position, and the position of a carried item only falls. It
//! follows that a page which ends by firing ends after all items that the forced pages before it examined.
//! Its end is a page end whatever items follow. For this reason [`edit`](super::builder::edit) can keep
//! subtrees.
//!
//! [`boundary_hash`]: crate::id::boundary_hash

use crate::limits::{PAGE_ITEMS_AVG, PAGE_ITEMS_MIN};

/// Before the average, one item in 128 fires.
const STRICT: u64 = u64::MAX >> 7;
/// After the average, one item in 32 fires.
const LOOSE: u64 = u64::MAX >> 5;

const _: () = assert!(PAGE_ITEMS_AVG == 64, "the thresholds are half and twice one in 64");

/// Whether an item with this hash ends its page as the item at `position` (from 1).
pub(super) fn fires(hash: u64, position: usize) -> bool {
    match position {
        _ if position < PAGE_ITEMS_MIN => false,
        _ if position < PAGE_ITEMS_AVG => hash <= STRICT,
        _ => hash <= LOOSE,
    }
}

/// The number of items of a full page that stay in it.
pub(super) fn forced(hashes: impl ExactSizeIterator<Item = u64>) -> usize {
    let first_half = hashes.len() / 2;
    let mut best = (u64::MAX, hashes.len());
    for (at, hash) in hashes.enumerate().skip(first_half) {
        if hash <= best.0 {
            best = (hash, at + 1);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_one_in_128_and_one_in_32() {
        assert!(!fires(0, 15) && fires(0, 16));
        assert!(fires(STRICT, 63) && !fires(STRICT + 1, 63));
        assert!(fires(LOOSE, 64) && !fires(LOOSE + 1, 64));
    }

    #[test]
    fn forced_cut_takes_the_last_smallest_of_the_second_half() {
        assert_eq!(forced([0, 9, 5, 3, 7, 3, 8, 4].into_iter()), 6);
        assert_eq!(forced([7; 256].into_iter()), 256);
        assert_eq!(forced([u64::MAX; 5].into_iter()), 5);
        assert_eq!(forced([1].into_iter()), 1);
    }
}
