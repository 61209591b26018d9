//! Exclude lists that are invalid: nothing that such a list could exclude is published, and everything else
//! is.

use std::fs;

use super::{
    gap_tests::check_gaps,
    tests::{Library, check_refused},
    *,
};
use crate::limits::EXCLUDE_BYTES;

/// Symptom: a download that contained such a list ended every publish of its library.
#[test]
fn a_list_that_cannot_be_understood_is_a_gap_and_all_else_is_published() {
    let mut library = Library::new();
    for name in ["a/film", "bad/old", "bad/sub/older", "bad.txt", "long/old", "z"] {
        library.write(name, name.as_bytes());
    }
    library.publish();
    library.write("bad/.chuanignore", b"ok\n[z-a]\n");
    library.write("bad/old", b"changed");
    library.write("bad/private", b"private");
    library.write("bad/sub/private", b"private");
    library.write("latin/.chuanignore", b"caf\xe9\n");
    library.write("latin/private", b"private");
    library.write("long/.chuanignore", &vec![b'x'; EXCLUDE_BYTES + 1]);
    library.write("z", b"new");
    fs::remove_file(library.path("bad/sub/older")).unwrap();
    let seen = preview(&library.store, &library.ingest(), &mut (), &AtomicBool::new(false)).unwrap();
    let tally = library.publish();
    for tally in [&seen, &tally] {
        check_gaps(
            &tally.gaps,
            &[
                ("bad/.chuanignore", "[z-a]", true),
                ("latin/.chuanignore", "not UTF-8", false),
                ("long/.chuanignore", "longer than", true),
            ],
        );
    }
    assert_eq!(library.files(), ["a/film", "bad.txt", "bad/old", "bad/sub/older", "long/old", "z"]);
    let entries = library.entries();
    assert_eq!(library.content(&entries["bad/old"]), b"bad/old");
    assert_eq!(library.content(&entries["z"]), b"new");
    let id = crate::id::ChunkId::of(b"private");
    assert!(library.store.read_chunks(&[id], crate::store::Check::Verify).unwrap()[0].is_none());

    // Once the list is corrected, it is effective, and the files that it excludes leave the release.
    library.write("bad/.chuanignore", b"private\n");
    fs::remove_dir_all(library.path("latin")).unwrap();
    fs::remove_file(library.path("long/.chuanignore")).unwrap();
    assert_eq!(library.publish().gaps.count, 0);
    assert_eq!(library.files(), ["a/film", "bad.txt", "bad/.chuanignore", "bad/old", "long/old", "z"]);
}

/// A pattern of a parent folder also applies in a folder with an invalid list.
#[test]
fn a_bad_list_in_an_excluded_folder_is_not_looked_at() {
    let mut library = Library::new();
    library.write(".chuanignore", b"downloads/\n");
    library.write("downloads/x/.chuanignore", b"[z-a]\n");
    library.write("film", b"film");
    assert_eq!(library.publish().gaps.count, 0);
    assert_eq!(library.files(), [".chuanignore", "film"]);
}

#[test]
fn a_bad_list_at_the_root_of_the_source_is_refused() {
    let mut library = Library::new();
    library.write("film", b"film");
    library.publish();
    for list in [&b"[z-a]\n"[..], b"\xff"] {
        library.write(".chuanignore", list);
        check_refused(library.try_publish(&library.ingest()), &[".chuanignore"]);
    }
}
