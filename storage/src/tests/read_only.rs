//! A store on a disk that takes no writes is read as it is.

use std::{fs, path::Path};

use chuan_engine::{
    Error,
    store::{ObjectId, PageState, objects::Objects},
};

use super::support::{
    FILMS, chunk, contents, copy_dir, files, films, flip, library_id, object_id, page, put, read_back,
    scratch, scrub, small,
};
use crate::DiskStore;

/// All files and their content, without RocksDB's own log.
fn state(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let is_log = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("LOG"));
    let found = files(dir).into_iter().map(|(path, _)| path).filter(|path| !is_log(path));
    found.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_killed_store_is_read_without_a_write() {
    let home = scratch();
    let (dir, copy) = (home.path().join("a"), home.path().join("b"));
    let kept: Vec<_> = (0..200).map(|seed| chunk(seed, 4_000)).chain((0..20).map(page)).collect();
    let store = DiskStore::open(&dir, small()).unwrap();
    put(&films(&store), &kept[..100]);
    put(&store.library(library_id(2)), &kept[..10]);
    drop(store);
    // The second half is only in the memory of the index, and a group is torn.
    let store = DiskStore::open(&dir, small()).unwrap();
    put(&films(&store), &kept[100..]);
    films(&store).append((1_000..1_030).map(|seed| chunk(seed, 4_000)).collect()).unwrap();
    copy_dir(&dir, &copy);
    drop(store);

    let before = state(&copy);
    let store = DiskStore::open_read_only(&copy, "no room").unwrap();
    assert_eq!(read_back(&films(&store), &kept).0, contents(&kept));
    let other = store.library(library_id(2));
    assert_eq!(read_back(&other, &kept).0, contents(&kept[..10]));
    drop(other);
    let totals = store.library_stats(&FILMS).unwrap();
    assert!(totals.chunks >= 200, "{totals:?}");
    assert_eq!((totals.pages, totals.lost), (20, 0));
    assert!(scrub(&store).unwrap().is_clean());
    let ObjectId::Page(id) = object_id(&kept[219]) else { panic!() };
    films(&store).mark(&[(id, PageState::Full)]).unwrap();
    films(&store).keep_marks().unwrap();
    for refused in [films(&store).append(vec![chunk(9_999, 10)]).map(drop), films(&store).commit()] {
        assert!(matches!(&refused, Err(Error::Full(text)) if text.contains("no room")), "{refused:?}");
    }
    assert!(matches!(store.rebuild(&|_, _| {}), Err(Error::Full(_))));
    drop(store);
    assert!(state(&copy) == before, "a store that only reads changed its files");

    // With room, it opens as any store that was killed.
    let store = DiskStore::open(&copy, small()).unwrap();
    // Groups of the last append that were durable at the copy count, in both ways of opening.
    assert_eq!(store.library_stats(&FILMS).unwrap(), totals);
    assert_eq!(read_back(&films(&store), &kept).0, contents(&kept));
    put(&films(&store), &[chunk(9_999, 10)]);
}

#[test]
fn damage_is_known_until_the_store_is_closed() {
    let home = scratch();
    let dir = home.path();
    let kept: Vec<_> = (0..40).map(|seed| chunk(seed, 4_000)).collect();
    let store = DiskStore::open(dir, small()).unwrap();
    put(&films(&store), &kept);
    drop(store);
    let (segment, len) = files(&dir.join("segments")).remove(0);
    flip(&segment, len / 2, 1);
    for _ in 0..2 {
        let store = DiskStore::open_read_only(dir, "no room").unwrap();
        let (found, errors) = read_back(&films(&store), &kept);
        assert_eq!((found.len(), errors.len()), (39, 1));
        let lost = films(&store).lost().unwrap();
        assert_eq!(films(&store).are_lost(&lost).unwrap(), [true]);
        assert_eq!(store.library_stats(&FILMS).unwrap().chunks, 39);
    }
}

/// Building an index needs room.
#[test]
fn a_damaged_index_is_an_error_that_names_the_cause() {
    let home = scratch();
    let dir = home.path();
    let store = DiskStore::open(dir, small()).unwrap();
    put(&films(&store), &[chunk(1, 100)]);
    drop(store);
    fs::remove_dir_all(dir.join("index")).unwrap();
    let refused = DiskStore::open_read_only(dir, "no room").unwrap_err();
    assert!(matches!(&refused, Error::Full(text) if text.contains("no room")), "{refused:?}");
}
