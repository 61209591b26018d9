//! Finds cut points: FastCDC 2020 at normalisation level 1, bit-identical to `fastcdc::v2020`.
//!
//! The gear table and the masks are those of the crate. The scan loop is our own, with a shorter dependency
//! chain: it is about 1.45 times as fast. Cut points are part of the format: any difference from the crate is
//! a bug here, and the tests below look for one. This file does not allocate, and reads only the slice that
//! it is given.

use std::sync::LazyLock;

use fastcdc::v2020::{Normalization, get_gear_with_seed, select_masks};

use super::Profile;

/// The length of the next chunk of `data`: 1 to [`Profile::max`] bytes, or 0 if `data` is empty.
///
/// The result is a cut point of the format only if `data` holds at least [`Profile::max`] bytes or reaches to
/// the end of the file.
pub fn next(profile: Profile, data: &[u8]) -> usize {
    let window = data.get(..profile.max()).unwrap_or(data);
    // The crate tests bytes in pairs, so it never cuts at an odd last byte.
    let scanned = window.len() & !1;
    let middle = profile.avg().min(scanned);
    let (Some(before), Some(after)) = (window.get(profile.min()..middle), window.get(middle..scanned)) else {
        return window.len();
    };
    let (strict, loose) = select_masks(profile.avg(), Normalization::Level1);
    let gear: &[u64; 256] = &GEAR;
    let mut hash = 0;
    if let Some(at) = scan(gear, before, strict, &mut hash) {
        return profile.min() + at;
    }
    scan(gear, after, loose, &mut hash).map_or(window.len(), |at| middle + at)
}

/// Whether [`next`] cuts `data` after `len` bytes, if it does not cut before. Reads only 64 bytes: earlier
/// bytes are no longer part of the hash.
///
/// Also returns `false` if the answer is not known: if `data` is shorter than [`Profile::max`], or if `len`
/// is not a possible length of a chunk that another chunk follows.
pub fn cuts_at(profile: Profile, data: &[u8], len: usize) -> bool {
    if data.len() < profile.max() || !(profile.min()..=profile.max()).contains(&len) {
        return false;
    }
    if len == profile.max() {
        return true;
    }
    let (strict, loose) = select_masks(profile.avg(), Normalization::Level1);
    let mask = if len < profile.avg() { strict } else { loose };
    // The hash starts with the byte after the minimum.
    let from = len.saturating_sub(HASH_BYTES - 1).max(profile.min());
    let rolled = data.get(from..=len).unwrap_or_default().iter().fold(0u64, |hash, byte| {
        (hash << 1).wrapping_add(GEAR.get(usize::from(*byte)).copied().unwrap_or_default())
    });
    rolled & mask == 0
}

/// Bytes that a gear hash depends on: every byte shifts the earlier ones by one bit.
const HASH_BYTES: usize = u64::BITS as usize;

/// The table of random numbers of FastCDC, one per byte value.
static GEAR: LazyLock<[u64; 256]> = LazyLock::new(|| {
    let (gear, _) = get_gear_with_seed(0);
    std::array::from_fn(|byte| gear.get(byte).copied().unwrap_or_default())
});

/// The table of random numbers of FastCDC, for other rolling hashes.
pub(crate) fn gear_table() -> &'static [u64; 256] {
    &GEAR
}

/// Rolls `hash` over `data` until no bit of `mask` is set after a byte. Returns the position of that byte.
///
/// The gear hash is `hash = 2·hash + gear[byte]`. The number of the next byte is looked up one step ahead. So
/// it is in a register when it is added, and the step is one `lea` of one cycle. If it were added from
/// memory, the step would be two instructions, each of which waits for the one before.
fn scan(gear: &[u64; 256], data: &[u8], mask: u64, hash: &mut u64) -> Option<usize> {
    #[expect(clippy::indexing_slicing, reason = "a byte is always within a table of 256")]
    let gear = |byte: u8| gear[usize::from(byte)];
    let (first, rest) = data.split_first()?;
    let mut rolled = *hash;
    let mut number = gear(*first);
    for (at, &ahead) in rest.iter().enumerate() {
        rolled = (rolled << 1).wrapping_add(number);
        if rolled & mask == 0 {
            return Some(at);
        }
        number = gear(ahead);
    }
    *hash = (rolled << 1).wrapping_add(number);
    (*hash & mask == 0).then_some(rest.len())
}

#[cfg(test)]
mod tests {
    use fastcdc::v2020::FastCDC;
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::testing::{noise, periodic};

    /// The lengths into which the crate cuts `data`.
    fn reference(profile: Profile, data: &[u8]) -> Vec<usize> {
        FastCDC::with_level(data, profile.min(), profile.avg(), profile.max(), Normalization::Level1)
            .map(|chunk| chunk.length)
            .collect()
    }

    fn lengths(profile: Profile, mut data: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while !data.is_empty() {
            let len = next(profile, data);
            lengths.push(len);
            data = &data[len..];
        }
        lengths
    }

    #[track_caller]
    fn check(profile: Profile, data: &[u8]) {
        assert_eq!(lengths(profile, data), reference(profile, data), "{profile:?}, {} bytes", data.len());
    }

    #[test]
    fn long_noise_is_cut_as_the_crate_cuts_it() {
        let data = noise(7, 24 << 20);
        for profile in Profile::ALL {
            check(profile, &data);
        }
    }

    #[test]
    fn lengths_around_the_bounds_are_cut_as_the_crate_cuts_them() {
        for profile in Profile::ALL {
            for bound in [0, profile.min(), profile.avg(), profile.max(), 2 * profile.max()] {
                for len in bound.saturating_sub(18)..bound + 18 {
                    check(profile, &noise(len as u64, len));
                    check(profile, &vec![0; len]);
                }
            }
        }
    }

    #[test]
    fn constant_content_is_cut_at_the_maximum() {
        for profile in Profile::ALL {
            for byte in [0u8, 1, 0x55, 0xff] {
                check(profile, &vec![byte; 3 * profile.max() + 5]);
            }
        }
    }

    #[test]
    fn an_empty_slice_has_no_chunk() {
        assert_eq!(next(Profile::Video, &[]), 0);
    }

    /// For data without an earlier cut, `cuts_at` agrees with `next` at every length.
    #[test]
    fn a_length_that_is_tried_cuts_where_the_scan_does() {
        for profile in Profile::ALL {
            let mut tried = [0; 2];
            for seed in 0..200 {
                let data = noise(seed, profile.max() + 8);
                let cut = next(profile, &data);
                for len in (profile.min()..cut).step_by(101).chain(cut - 70..=cut) {
                    if len >= profile.min() {
                        assert_eq!(
                            cuts_at(profile, &data, len),
                            len == cut,
                            "{profile:?}, seed {seed}, {len}"
                        );
                        tried[usize::from(len == cut)] += 1;
                    }
                }
            }
            assert!(tried[0] > 10_000 && tried[1] == 200, "{tried:?}");
        }
    }

    #[test]
    fn a_length_that_no_inner_chunk_has_is_no_cut() {
        for profile in Profile::ALL {
            let data = vec![0; profile.max() + 1];
            assert!(cuts_at(profile, &data, profile.max()));
            for len in [0, profile.min() - 1, profile.max() + 1, usize::MAX] {
                assert!(!cuts_at(profile, &data, len), "{len}");
            }
            assert!(!cuts_at(profile, &data[..profile.max() - 1], profile.max()));
        }
    }

    /// 64 bytes whose hash matches the loose mask, and matches the strict mask or not.
    fn trigger(profile: Profile, fires_strict: bool) -> [u8; 64] {
        let (strict, loose) = select_masks(profile.avg(), Normalization::Level1);
        let noise = noise(11, 4 << 20);
        let hash =
            |bytes: &[u8]| bytes.iter().fold(0u64, |h, &b| (h << 1).wrapping_add(GEAR[usize::from(b)]));
        let found = noise
            .windows(64)
            .find(|bytes| hash(bytes) & loose == 0 && (hash(bytes) & strict == 0) == fires_strict);
        found.unwrap().try_into().unwrap()
    }

    /// Noise seldom cuts exactly at the change from one mask to the other, so this test places a cut there.
    #[test]
    fn a_cut_at_any_place_around_the_bounds_is_the_crates() {
        for (profile, fires_strict) in Profile::ALL.into_iter().flat_map(|p| [(p, false), (p, true)]) {
            let trigger = trigger(profile, fires_strict);
            let mut cuts = 0;
            for bound in [profile.min(), profile.min() + 64, profile.avg(), profile.max()] {
                for end in bound - 6..bound + 6 {
                    let mut data = vec![0; profile.max() + 64];
                    data[end - 64..end].copy_from_slice(&trigger);
                    check(profile, &data);
                    check(profile, &data[..end]);
                    check(profile, &data[..end + 1]);
                    let cut = next(profile, &data);
                    cuts += usize::from(cut == end - 1);
                    assert!(cuts_at(profile, &data, cut), "{profile:?}, {cut}");
                }
            }
            assert!(cuts >= 6, "{profile:?}: the trigger fired only {cuts} times");
        }
    }

    /// The cut points of a fixed content, as numbers: a new version of the crate with other cut points must
    /// fail this test.
    #[test]
    fn cut_points_are_part_of_the_format() {
        let data = noise(1, 1 << 20);
        assert_eq!(lengths(Profile::Video, &data)[..4], [67822, 68399, 19536, 69288]);
        assert_eq!(lengths(Profile::Fine, &data)[..4], [34833, 21506, 11483, 18451]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_noise(seed: u64, len in 0usize..1_200_000) {
            let data = noise(seed, len);
            for profile in Profile::ALL {
                check(profile, &data);
            }
        }

        #[test]
        fn any_period(seed: u64, period in 1usize..5000, len in 0usize..1_200_000) {
            let data = periodic(seed, period, len);
            for profile in Profile::ALL {
                check(profile, &data);
            }
        }
    }
}
