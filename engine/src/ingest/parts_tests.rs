//! Large files in parts, guided by their older versions, compared with a plain scan.

#![expect(clippy::cast_possible_truncation, reason = "test data is small")]

use std::{collections::BTreeSet, fs};

use fastcdc::v2020::{Normalization, get_gear_with_seed, select_masks};
use proptest::prelude::*;

use super::{
    tests::{Library, roots},
    *,
};
use crate::{
    chunk::{
        Profile,
        testing::{content, edited, noise, plain},
    },
    id::ChunkId,
    manifest::{ChunkRef, cursor},
};

impl Library {
    /// Publishes with large files cut in small parts, and compares each file's chunks with those of a plain
    /// scan.
    fn check_parts(&mut self, part_bytes: u64) -> Tally {
        let ingest = self.ingest();
        let report =
            publish_in_parts(&self.store, &ingest, part_bytes, &mut (), &AtomicBool::new(false)).unwrap();
        self.previous = roots(&report);
        for (path, entry) in self.entries() {
            let chunks: Vec<ChunkRef> =
                cursor::chunks(&self.store, &entry.content).collect::<Result<_>>().unwrap();
            let data = fs::read(self.path(&path)).unwrap();
            assert!(chunks == plain(entry.profile, &data), "{path}: not cut as one scan cuts it");
        }
        report.tally
    }
}

#[test]
fn chunks_of_a_file_in_parts_equal_those_of_one_scan() {
    let mut library = Library::new();
    let parts: u64 = 512 * 1024;
    for kind in 0..4 {
        for extra in [-1, 0, 1] {
            let len = (6 * parts).strict_add_signed(extra) as usize;
            library.write(&format!("{kind} {extra}.mkv"), &content(kind, kind + 5, len));
            library.write(&format!("{kind} {extra}.srt"), &content(kind, kind + 6, len / 3));
        }
    }
    // The cuts of the parts differ from the first part on and never agree again.
    library.write("late.mkv", &[noise(9, 70_001), vec![7; 4_000_000]].concat());
    library.check_parts(parts);
    assert_eq!(library.check_parts(parts).chunks_new, 0);
}

/// Only the chunks of the file are stored, not the chunks of a part before its seam.
#[test]
fn chunks_before_a_seam_are_not_stored() {
    let mut library = Library::new();
    let data = noise(4, 9_000_000);
    library.write("film.mkv", &data);
    let tally = library.check_parts(512 * 1024);
    assert_eq!(
        (tally.chunks_new, tally.chunk_bytes_new),
        (plain(Profile::Video, &data).len() as u64, 9_000_000)
    );
}

/// In a file with an odd number of bytes, the scan does not test the last byte. Such a file can have a last
/// chunk that a scan of a longer file would cut one byte earlier. If the last chunk guided the next version,
/// that cut would be wrong.
#[test]
fn the_last_chunk_of_the_old_version_guides_no_cut() {
    let profile = Profile::Fine;
    let (gear, _) = get_gear_with_seed(0);
    let (_, mask) = select_masks(profile.avg(), Normalization::Level1);
    let roll = |hash: u64, byte: u8| (hash << 1).wrapping_add(gear[usize::from(byte)]);
    // 64 bytes after which the mask matches, and one byte after which it matches again.
    let noise = noise(3, 8 << 20);
    let (fires, again) = noise
        .windows(64)
        .map(|bytes| (bytes, bytes.iter().fold(0, |hash, byte| roll(hash, *byte))))
        .filter(|(_, hash)| hash & mask == 0)
        .find_map(|(bytes, hash)| {
            (0..=255).find(|byte| roll(hash, *byte) & mask == 0).map(|byte| (bytes, byte))
        })
        .unwrap();
    let last = profile.avg() + 1001;
    let mut data = vec![0; 6 * profile.max() + last - 64];
    data.extend(fires);
    let mut library = Library::new();
    library.write("text.srt", &data);
    library.check_parts(1 << 24);
    data.push(again);
    data.extend(&noise[..2 * profile.max()]);
    assert_eq!(plain(profile, &data)[6].len as usize, last - 1);
    library.write("text.srt", &data);
    library.check_parts(1 << 24);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any content after any edits, in parts, guided by the old version: the cuts equal those of a plain
    /// scan, and only new chunks are stored.
    #[test]
    fn guided_cuts_in_parts_equal_a_plain_scan(
        kind in 0u64..4,
        seed: u64,
        len in 300_000usize..3_000_000,
        edits in 0u64..5,
        parts in 300_000u64..900_000,
    ) {
        let mut library = Library::new();
        let old = content(kind, seed, len);
        let new = edited(&old, seed, edits);
        for name in ["film.mkv", "text.srt"] {
            library.write(name, &old);
        }
        library.check_parts(parts);
        for name in ["film.mkv", "text.srt"] {
            library.write(name, &new);
        }
        let tally = library.check_parts(parts);
        let ids = |data: &[u8]| -> BTreeSet<ChunkId> {
            Profile::ALL.iter().flat_map(|profile| plain(*profile, data)).map(|chunk| chunk.id).collect()
        };
        prop_assert_eq!(tally.chunks_new as usize, ids(&new).difference(&ids(&old)).count());
    }
}
