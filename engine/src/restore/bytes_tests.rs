//! Byte-exact tests: ranges of files, and restores over any older version of a file.

#![expect(clippy::cast_possible_truncation, reason = "counts in tests are small")]

use proptest::prelude::*;

use super::{
    tests::{Case, keep},
    *,
};
use crate::{
    chunk::testing::noise,
    manifest::{Content, EntryPath, cursor},
    store::Check,
};

#[test]
fn ranges_are_exact_at_every_edge() {
    let film = noise(1, 3_000_000);
    let case = Case::new(&[("a.mkv", &film), ("small", b"0123456789")]);
    let content = |name: &str| {
        let path = EntryPath::new(name).unwrap();
        cursor::find(&case.store, &case.root, &path).unwrap().unwrap().content
    };
    let check = |content: &Content, bytes: &[u8], from: u64, to: u64| {
        let mut out = Vec::new();
        let written = read_range(&case.store, content, from..to, &mut out).unwrap();
        let upto = (to as usize).min(bytes.len());
        let expected = bytes.get(from as usize..upto).unwrap_or_default();
        assert!(out == expected && written == out.len() as u64, "{from}..{to}: {} bytes", out.len());
    };
    let film_content = content("a.mkv");
    let edges: Vec<u64> = cursor::chunks(&case.store, &film_content)
        .scan(0, |at, chunk| {
            *at += u64::from(chunk.unwrap().len);
            Some(*at)
        })
        .collect();
    for edge in [0].into_iter().chain(edges) {
        for from in [edge.saturating_sub(1), edge, edge + 1] {
            for len in [0, 1, 2, 100_000, u64::MAX - 4_000_000] {
                check(&film_content, &film, from, from + len);
            }
        }
    }
    (0..12).for_each(|from| (0..14).for_each(|to| check(&content("small"), b"0123456789", from, to)));
    assert_eq!(case.store.read_chunks(&[], Check::Verify).unwrap().len(), 0);
}

/// One edit of a file's bytes.
fn edit(bytes: &mut Vec<u8>, (kind, at, len): (u8, usize, usize)) {
    let at = at % (bytes.len() + 1);
    let end = (at + len).min(bytes.len());
    match kind {
        0 => drop(bytes.splice(at..at, noise(len as u64, len))),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let other = noise(at as u64, end - at);
            bytes[at..end].copy_from_slice(&other);
        }
        3 => bytes.rotate_left(at),
        _ => bytes.truncate(at),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Over any older version of a file, a restore writes the new version, and the next restore has nothing
    /// to do.
    #[test]
    fn over_any_older_version_the_new_one_comes_back(
        seed: u64,
        len in 0usize..12_000_000,
        edits in proptest::collection::vec((0u8..5, any::<usize>(), 0usize..400_000), 0..6),
    ) {
        let film = noise(seed, len);
        let case = Case::new(&[("a.mkv", &film)]);
        case.restore();
        let mut edited = film.clone();
        edits.into_iter().for_each(|one| edit(&mut edited, one));
        let root = keep(&case.store, &[("a.mkv", &edited)]);
        let options = Restore { trees: vec![(0, root)], check: true, ..case.options() };
        case.run(&options).unwrap();
        case.check(&[("a.mkv", &edited)]);
        let again = case.run(&options).unwrap();
        prop_assert_eq!((again.files_unchanged, again.bytes_written), (1, 0));
    }
}
