//! Where pages end. Pure: hashes and sizes in, cut points out.
//!
//! A level of a tree is cut as FastCDC cuts bytes, with the items in place of bytes and [`boundary_hash`] of
//! (level, key) in place of the rolling hash, so that one edit moves few cuts and the same items always give the same
//! pages:
//!
//! 1. An item **fires** when its hash is below a threshold: none fires before the 16th of a page, few before the 64th,
//!    four times as many after it. A page ends after the first item that fires.
//! 2. A page that no item ended and that cannot take the next one (256 items, or 64 KiB) is **forced** to end: after the
//!    item of its second half with the smallest hash, the last of equals. The items behind it start the next page.
//!
//! The second rule is what keeps periodic content stable: a cut at the 256th item would fall on a different phase of
//! the period after every edit, while the smallest hash is always on the same.
//!
//! **Items carried over by a forced cut never fire in their new page**, so nobody has to look at them again: the
//! threshold only rises with the position, and a carried item's position only falls.
//! It follows that a page which ends by firing ends behind all that the forced pages before it looked at: its end
//! is an end whatever comes after, which is what lets [`edit`](super::builder::edit) keep subtrees.
//!
//! [`boundary_hash`]: crate::id::boundary_hash

use crate::limits::{PAGE_ITEMS_AVG, PAGE_ITEMS_MIN};

/// One item in 128 fires before the average.
const STRICT: u64 = u64::MAX >> 7;
/// One item in 32 fires after it.
const LOOSE: u64 = u64::MAX >> 5;

const _: () = assert!(PAGE_ITEMS_AVG == 64, "the thresholds are half and twice one in 64");

/// Whether an item with this hash ends its page as the `position`-th item (from 1).
pub(super) fn fires(hash: u64, position: usize) -> bool {
    match position {
        _ if position < PAGE_ITEMS_MIN => false,
        _ if position < PAGE_ITEMS_AVG => hash <= STRICT,
        _ => hash <= LOOSE,
    }
}

/// How many of a full page's items stay in it.
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
