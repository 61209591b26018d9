//! Small files on a real disk: they are made by other threads, and everything else stays as with one.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use super::{
    sync_tests::{Case, Item, check_failed, file, folder, further_name, keep},
    *,
};
use crate::{chunk::testing::noise, manifest::Entry, store::ObjectId};

/// Files for many shares and several batches, some of them too large to be small.
fn many() -> Vec<Item> {
    let mut items = Vec::new();
    for number in 0..1500u32 {
        let len = match number % 500 {
            0 => 0,
            1 => 1_500_000,
            _ => number as usize % 20_000,
        };
        items.push(file(&format!("{}/{number:04}", number / 400), &noise(number.into(), len)));
    }
    items
}

#[test]
fn files_in_many_shares_have_their_bytes_and_are_known_the_next_time() {
    let case = Case::new();
    let items = many();
    let report = case.restore(&items, keep);
    assert_eq!((report.files, report.failures_total), (1500, 0));
    for (path, _, bytes) in &items {
        assert!(fs::read(case.path(path)).unwrap() == *bytes, "{path}");
    }
    let files_and_folders = 1500 + 4;
    assert_eq!(case.names().len(), files_and_folders, "no unfinished file stays");
    // The record has the marks after the moves: no file is read again.
    for (path, entry, _) in &items {
        assert!(fs::metadata(case.path(path)).unwrap().ctime() >= entry.mtime.seconds);
    }
    for (_, _, bytes) in &items {
        for chunk in bytes.chunks(bytes.len().max(1)) {
            case.store.lose(ObjectId::Chunk(crate::id::ChunkId::of(chunk)));
        }
    }
    assert_eq!(case.restore(&items, keep).files_unchanged, 1500);
}

/// Rights that the process's mask removes, and files that their owner may not write or read.
#[test]
fn each_file_has_exactly_its_mode() {
    let case = Case::new();
    let modes = [0o644, 0o600, 0o666, 0o777, 0o622, 0o444, 0o400, 0o200, 0o077, 0];
    let items: Vec<Item> = modes
        .iter()
        .map(|mode| {
            let (path, entry, bytes) = file(&format!("{mode:o}"), b"content");
            (path, Entry { mode: *mode, ..entry }, bytes)
        })
        .collect();
    assert_eq!(case.restore(&items, keep).failures, []);
    for (path, entry, _) in &items {
        let found = fs::metadata(case.path(path)).unwrap();
        let mtime = (found.mtime(), found.mtime_nsec());
        assert_eq!(found.permissions().mode() & 0o7777, u32::from(entry.mode), "{path}");
        assert_eq!(mtime, (entry.mtime.seconds, entry.mtime.nanos.into()), "{path}");
    }
}

/// One file has lost its bytes: all others are written.
#[test]
fn a_file_that_cannot_be_written_stops_no_other() {
    let case = Case::new();
    let items = [file("a", b"a"), file("lost", b"gone"), file("z", b"z")];
    let root = tests::keep_entries(&case.store, items.to_vec());
    case.store.lose(ObjectId::Chunk(crate::id::ChunkId::of(b"gone")));
    let order = Restore::new(vec![(0, root)], case.path(""));
    let report = restore(&case.store, &order, &mut (), &AtomicBool::new(false)).unwrap();
    check_failed(&report, "lost", "pull");
    assert_eq!((report.files, report.bytes, report.failures_total), (2, 2, 1));
    assert_eq!(case.names(), ["a", "z"]);
}

/// A file replaces a folder, and another file gets a second name: both are moved in the order of the release.
#[test]
fn links_and_swaps_keep_their_order() {
    let case = Case::new();
    let one = [folder("a", 0o755), file("a/1", b"1"), folder("c", 0o700), file("c/x", b"x")];
    case.restore(&one, keep);
    let two = [
        file("a", b"now a file"),
        file("b", b"two names"),
        folder("c", 0o500),
        file("c/w", b"new"),
        file("c/x", b"xx"),
        further_name("d", "b", b"two names"),
    ];
    let report = case.restore(&two, keep);
    assert_eq!((&report.failures[..], report.files_linked), (&[][..], 1));
    assert_eq!(case.names(), ["a", "b", "c", "c/w", "c/x", "d"]);
    assert_eq!((case.read("a"), case.read("c/x")), ("now a file".into(), "xx".into()));
    let stat = |name: &str| fs::metadata(case.path(name)).unwrap();
    assert_eq!((stat("b").ino(), stat("c").mode() & 0o777), (stat("d").ino(), 0o500));
    let mtime = plain_time();
    assert_eq!((stat("c").mtime(), stat("c").mtime_nsec()), mtime, "the folder's time is set last");
    assert_eq!(case.restore(&two, keep).files_unchanged, 4);
}

fn plain_time() -> (i64, i64) {
    let time = tests::plain_entry(EntryKind::Folder).mtime;
    (time.seconds, time.nanos.into())
}

/// A killed restore leaves the folders of its threads.
#[test]
fn unfinished_files_of_a_killed_restore_are_removed() {
    let case = Case::new();
    let unfinished = case.path(".chuan-restore-0.tmp");
    fs::create_dir_all(unfinished.join("0-0")).unwrap();
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(unfinished.join("0-0/00000001"), b"half").unwrap();
    fs::write(unfinished.join("00000001"), b"half").unwrap();
    let report = case.restore(&[file("f", b"whole")], keep);
    assert_eq!((report.files, report.failures_total), (1, 0));
    assert_eq!((case.names(), case.read("f")), (vec!["f".to_owned()], "whole".to_owned()));
}
