//! Published content that an item of another kind replaces, or that goes while it is read.

use std::{fs, os::unix::fs::symlink, sync::atomic::AtomicBool};

use super::{
    gap_tests::{check_gaps, check_left_out, key, own},
    tests::{Library, check_refused},
    *,
};
use crate::chunk::testing::noise;

/// Symptom: a folder moved to a larger disk, with a link to it in its place, left the library with exit 0,
/// and all mirrors removed it. Now it is a gap, and stays as it was published.
#[test]
fn an_item_that_is_never_published_does_not_replace_published_content() {
    let mut library = Library::new();
    for name in ["Movies/1.mkv", "Movies/sub/2.mkv", "Movies.nfo", "song.flac", "rest/x"] {
        library.write(name, name.as_bytes());
    }
    library.publish();
    let (files, roots) = (library.files(), library.previous.clone());
    let away = library.home.path().join("away");
    fs::rename(library.path("Movies"), &away).unwrap();
    symlink(&away, library.path("Movies")).unwrap();
    symlink("/etc", library.path("new")).unwrap();
    fs::remove_file(library.path("song.flac")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(library.path("song.flac")).unwrap();
    for _ in 0..2 {
        let tally = library.publish();
        check_gaps(
            &tally.gaps,
            &[("Movies", "a symbolic link that leads out", true), ("song.flac", "by a socket", true)],
        );
        check_left_out(&tally.skipped, &[("new", "leads out")]);
        assert_eq!((library.files(), tally.files_gone), (files.clone(), 0));
        assert_eq!(library.previous, roots);
    }
    // The operator lets it go.
    let patterns = own(&["/Movies"]);
    let tally = library.try_publish(&Ingest { patterns, ..library.ingest() }).unwrap();
    assert_eq!(
        (library.files(), tally.files_gone),
        (vec!["Movies.nfo".into(), "rest/x".into(), "song.flac".into()], 2)
    );
}

/// Symptom: files that were deleted while a publish read the others left the library, whatever
/// `--max-delete` permits. Cause: the limit was checked for the walk only. A file that became a key is also
/// left out only when it is read.
#[test]
fn files_that_are_left_out_while_they_are_read_count_for_the_limit() {
    let mut library = Library::new();
    library.write("notes.txt", b"notes");
    library.write("film.mkv", &noise(1, 100_000));
    library.publish();
    library.write("notes.txt", key().as_bytes());
    let strict = Ingest { max_delete: MaxDelete::Files(0), ..library.ingest() };
    check_refused(library.try_publish(&strict), &["1 of 2 published files", "at most 0"]);
    let seen = preview(&library.store, &strict, &mut (), &AtomicBool::new(false));
    check_refused(seen, &["1 of 2 published files"]);
    assert_eq!(library.files(), ["film.mkv", "notes.txt"]);
}
