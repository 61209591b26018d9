//! A publish that does not fit is refused before it writes.

use std::fs;

use super::{tests::Library, *};

/// The least room with which a publish of the library's folder is not refused.
fn needed(library: &Library) -> u64 {
    needed_beside(library, 0)
}

/// The same where unfinished publishes have left content.
fn needed_beside(library: &Library, left: u64) -> u64 {
    let check = |room| check_room(&library.store, &library.ingest(), room, &AtomicBool::new(false));
    let fits = |usable| match check(Room { usable, left }) {
        Ok(()) => true,
        Err(Error::Full(text)) => {
            assert!(text.contains(&usable.to_string()) && text.contains("`force`"), "{text}");
            false
        }
        Err(error) => panic!("{error}"),
    };
    let (mut low, mut high) = (0, 1 << 20);
    while low < high {
        let middle = (low + high) / 2;
        if fits(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

#[test]
fn only_what_the_store_cannot_have_needs_room() {
    let mut library = Library::new();
    library.write("a/film", &[1; 100_000]);
    library.write("b", &[2; 50_000]);
    fs::hard_link(library.path("b"), library.path("c")).unwrap();
    assert_eq!(needed(&library), 150_000);
    library.publish();

    library.write("new", &[3; 20_000]);
    assert_eq!(needed(&library), 20_000);
    // A file that grew needs its growth, and a file that moved needs nothing.
    library.write("a/film", &[1; 130_000]);
    assert_eq!(needed(&library), 20_000 + 30_000);
    fs::rename(library.path("a/film"), library.path("moved")).unwrap();
    assert_eq!(needed(&library), 20_000 + 30_000);

    // Symptom: content that an interrupted publish had stored needed its room a second time.
    assert_eq!(needed_beside(&library, 35_000), 15_000);
    assert_eq!(needed_beside(&library, 60_000), 0);

    // Holes need nothing.
    let sparse = fs::File::create(library.path("sparse")).unwrap();
    sparse.set_len(1 << 19).unwrap();
    assert_eq!(needed(&library), 20_000 + 30_000);
}
