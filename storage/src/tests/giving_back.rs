//! The room of failed work is free again, and everything else stays.

use std::{fs, path::Path};

use chuan_engine::{
    Error,
    store::{
        PageState,
        objects::{Object, Objects},
    },
};

use super::support::{
    FILMS, chunk, contents, copy_dir, files, films, library_id, page, put, read_back, scratch, scrub, small,
};
use crate::DiskStore;

/// Bytes of the segments' files.
fn segment_bytes(dir: &Path) -> u64 {
    files(&dir.join("segments")).into_iter().map(|(_, len)| len).sum()
}

fn objects(seeds: std::ops::Range<u64>) -> Vec<Object> {
    seeds.clone().map(|seed| chunk(seed, 4_000)).chain(seeds.map(page)).collect()
}

/// Checks that `kept` is all that a store has, also after it was opened again and rebuilt.
fn check_only(store: DiskStore, dir: &Path, kept: &[Object], gone: &[Object]) {
    let check = |store: &DiskStore| {
        assert_eq!(read_back(&films(store), kept).0, contents(kept));
        assert_eq!(read_back(&films(store), gone), (Default::default(), Vec::new()));
        let stats = store.library_stats(&FILMS).unwrap();
        assert_eq!(stats.chunks + stats.pages, kept.len() as u64);
        assert_eq!(stats.lost, 0);
        assert!(scrub(store).unwrap().is_clean());
    };
    check(&store);
    drop(store);
    let store = DiskStore::open(dir, small()).unwrap();
    check(&store);
    store.rebuild(&|_, _| {}).unwrap();
    check(&store);
    // It takes new content, also the same again.
    put(&films(&store), gone);
    assert_eq!(read_back(&films(&store), gone).0, contents(gone));
}

/// Symptom: a publish that filled the disk failed and kept the disk full, with content that no release names.
#[test]
fn what_was_appended_after_a_moment_is_gone_and_its_room_is_free() {
    for (before, after) in [(0..40, 100..140), (0..40, 100..400), (0..400, 1_000..1_001), (0..0, 100..400)] {
        let home = scratch();
        let (dir, copy) = (&home.path().join("a"), home.path().join("b"));
        let store = DiskStore::open(dir, small()).unwrap();
        let (kept, gone) = (objects(before), objects(after));
        put(&films(&store), &kept);
        // The ids of pages are those of one library.
        let chunks = &kept[..kept.len() / 2];
        put(&store.library(library_id(2)), chunks);
        let end = store.end(&FILMS).unwrap();
        // A closed segment has no preallocated room.
        copy_dir(dir, &copy);
        drop(DiskStore::open(&copy, small()).unwrap());
        let bytes = segment_bytes(&copy);
        put(&films(&store), &gone);
        let Object::Page { id, .. } = gone.last().unwrap() else { panic!() };
        films(&store).mark(&[(*id, PageState::Full)]).unwrap();
        // Not committed.
        films(&store).append(objects(5_000..5_010)).unwrap();

        let freed = store.give_back(&end).unwrap();
        assert!(freed > 0 || gone.len() < 10);
        assert_eq!(films(&store).page_states(&[*id]).unwrap(), [PageState::Absent]);
        // The same again is stored again.
        put(&films(&store), &objects(5_000..5_010));
        assert_eq!(read_back(&films(&store), &objects(5_000..5_010)).0.len(), 20);
        let end_again = store.end(&FILMS).unwrap();
        assert_eq!(store.give_back(&end_again).unwrap(), 0);
        assert!(store.give_back(&end).unwrap() > 0);
        let other = store.library(library_id(2));
        assert_eq!(read_back(&other, chunks).0, contents(chunks));
        drop(other);
        drop(store);
        let store = DiskStore::open(dir, small()).unwrap();
        assert!(segment_bytes(dir) <= bytes, "{} bytes before, {} after", bytes, segment_bytes(dir));
        check_only(store, dir, &kept, &gone);
    }
}

/// The index forgets first, durably; then files change. A crash in between leaves files that the next open
/// takes in again: nothing before the end is lost.
#[test]
fn a_crash_while_room_is_given_back_loses_nothing() {
    let home = scratch();
    let (dir, copy) = (home.path().join("a"), home.path().join("b"));
    let store = DiskStore::open(&dir, small()).unwrap();
    let (kept, gone) = (objects(0..40), objects(100..400));
    put(&films(&store), &kept);
    let end = store.end(&FILMS).unwrap();
    put(&films(&store), &gone);
    copy_dir(&dir, &copy);
    store.give_back(&end).unwrap();
    drop(store);
    // The index of after, the segments of before.
    fs::remove_dir_all(copy.join("index")).unwrap();
    copy_dir(&dir.join("index"), &copy.join("index"));
    let store = DiskStore::open(&copy, small()).unwrap();
    let all: Vec<Object> = kept.iter().chain(&gone).cloned().collect();
    assert_eq!(read_back(&films(&store), &all).0, contents(&all));
    assert!(scrub(&store).unwrap().is_clean());
}

/// A later append may have healed a lost object: then it stays.
#[test]
fn nothing_is_removed_from_a_library_that_had_lost_objects() {
    let home = scratch();
    let dir = home.path();
    let store = DiskStore::open(dir, small()).unwrap();
    let kept = objects(0..40);
    put(&films(&store), &kept);
    drop(store);
    let (first, len) = files(&dir.join("segments")).remove(0);
    super::support::flip(&first, len / 2, 3);
    let store = DiskStore::open(dir, small()).unwrap();
    scrub(&store).unwrap();
    assert!(store.library_stats(&FILMS).unwrap().lost > 0, "the test damaged nothing");
    let end = store.end(&FILMS).unwrap();
    put(&films(&store), &kept);
    assert_eq!(store.give_back(&end).unwrap(), 0);
    assert_eq!(read_back(&films(&store), &kept).0, contents(&kept));
}

/// A store that refuses writes because the disk became full gives room back too; one whose disk is not known
/// does not.
#[test]
fn a_store_that_takes_no_writes_gives_back_only_after_a_full_disk() {
    let home = scratch();
    for (name, refusal) in [
        ("full", crate::queue::Refusal::Full("no room".into())),
        ("poisoned", crate::queue::Refusal::Poisoned("a failed sync".into())),
    ] {
        let dir = home.path().join(name);
        let store = DiskStore::open(&dir, small()).unwrap();
        let (kept, gone) = (objects(0..40), objects(100..400));
        put(&films(&store), &kept);
        let end = store.end(&FILMS).unwrap();
        put(&films(&store), &gone);
        store.inner().queue.refuse(refusal);
        match store.give_back(&end) {
            Ok(freed) => {
                assert!(freed > 0 && name == "full");
                check_only(store, &dir, &kept, &gone);
            }
            Err(error) => assert!(matches!(error, Error::Poisoned(_)) && name == "poisoned", "{error:?}"),
        }
    }
}
