//! Many libraries in one store: separate for every query, but written by the same threads in one order.

use std::{fs, fs::OpenOptions, os::unix::fs::FileExt, path::Path, sync::atomic::Ordering};

use chuan_engine::{
    id::LibraryId,
    limits::{OPEN_SEGMENTS, SEGMENT_BLOCK},
    segment::{Item, RECORD_HEADER_BYTES},
    store::{
        Check, PageState,
        objects::{Object, ObjectId, ObjectStores, Objects},
    },
};

use super::support::{
    chunk, content, contents, flip, library_id, object_id, page_of, put, read_back, scratch, scrub, small,
};
use crate::{DiskStore, Error, Options, layout::Layout, objects::LibraryObjects, view::SegmentView, walk};

/// A library's objects: chunks in common with all other libraries, and pages of its own.
fn objects_of(library: &LibraryId) -> Vec<Object> {
    (0..20).map(|seed| chunk(seed, 3000)).chain((0..5).map(|seed| page_of(library, seed))).collect()
}

/// Checks that a library sees none of `objects`: not held, not read, not marked, not lost.
fn check_unseen(library: &LibraryObjects, objects: &[Object]) {
    for object in objects {
        match object {
            Object::Chunk { id, .. } => {
                assert_eq!(library.has_chunks(&[*id]).unwrap(), [false]);
                assert_eq!(library.read_chunks(&[*id], Check::Trust).unwrap(), [None]);
            }
            Object::Page { id, .. } => {
                library.mark(&[(*id, PageState::Full)]).unwrap();
                assert_eq!(library.page_states(&[*id]).unwrap(), [PageState::Absent]);
                assert_eq!(library.read_pages(&[*id]).unwrap(), [None]);
            }
        }
    }
    assert!(library.lost().unwrap().is_empty());
}

/// Symptom: on a mirror of two libraries, the owner of one could read the other by naming its ids. Now an
/// object in common is stored twice and is visible only in libraries to which it was appended, whatever
/// happens to the index.
#[test]
fn a_library_sees_its_own_objects_only() {
    let home = scratch();
    let dir = home.path();
    let (a, b) = (library_id(1), library_id(2));
    let objects = objects_of(&a);
    // No group fills before the crash: a full group is written, and the next open would find it.
    let store = DiskStore::open(dir, Options { group_bytes: 1 << 20, ..small() }).unwrap();
    put(&store.library(a), &objects);
    check_unseen(&store.library(b), &objects);
    // A part is appended to the other library too, and a crash drops the rest.
    let (part, rest) = objects.split_at(7);
    let appended = store.library(b).append(part.to_vec()).unwrap();
    assert_eq!(appended.chunks as usize, part.len(), "an object of another library counted as held");
    store.library(b).commit().unwrap();
    store.library(b).append(rest.to_vec()).unwrap();
    drop(store);

    let check = |store: &DiskStore| {
        assert_eq!(read_back(&store.library(a), &objects).0, contents(&objects));
        assert_eq!(read_back(&store.library(b), part).0, contents(part));
        check_unseen(&store.library(b), rest);
        check_unseen(&store.library(library_id(3)), &objects);
        assert_eq!(store.of(&a).library(), a);
    };
    let store = DiskStore::open(dir, small()).unwrap();
    check(&store);
    store.rebuild(&|_, _| {}).unwrap();
    check(&store);
    drop(store);
    fs::remove_dir_all(dir.join("index")).unwrap();
    let store = DiskStore::open(dir, small()).unwrap();
    check(&store);
    assert_eq!(store.libraries().unwrap(), [a, b]);
    assert_eq!(store.library_stats(&a).unwrap().chunks, 20);
    assert_eq!(store.library_stats(&b).unwrap().chunks, 7);
    assert_eq!(store.stats().unwrap().chunks, 27);
}

#[test]
fn damage_in_one_library_is_not_lost_in_another() {
    let home = scratch();
    let (a, b) = (library_id(1), library_id(2));
    let store = DiskStore::open(home.path(), small()).unwrap();
    [a, b].iter().for_each(|library| put(&store.library(*library), &objects_of(library)));
    let Object::Chunk { id, .. } = &objects_of(&a)[3] else { panic!() };
    let place = store.inner().index.get().unwrap().chunks(&a, &[*id]).unwrap()[0].unwrap();
    let path = store.inner().layout.segment(place.segment);
    flip(&path, u64::from(place.offset) + RECORD_HEADER_BYTES as u64 + 9, 2);
    assert!(matches!(store.library(a).read_chunks(&[*id], Check::Verify), Err(Error::Corrupt(_))));
    assert_eq!(store.library(a).lost().unwrap(), [ObjectId::Chunk(*id)]);
    assert!(store.library(b).lost().unwrap().is_empty());
    assert_eq!(read_back(&store.library(b), &objects_of(&b)).0, contents(&objects_of(&b)));
    put(&store.library(a), &objects_of(&a));
    assert!(store.library(a).lost().unwrap().is_empty());
    assert_eq!(read_back(&store.library(a), &objects_of(&a)).0, contents(&objects_of(&a)));
}

/// A library's objects after some rounds.
fn of_round(library: u8, rounds: u64) -> Vec<Object> {
    (0..rounds).map(|round| chunk(1000 * round + u64::from(library), 700 + usize::from(library))).collect()
}

/// Number of this process's descriptors that are open for writing on a segment below `dir`.
fn open_to_write(dir: &Path) -> usize {
    let writes = |fd: &fs::DirEntry| {
        let is_segment = fs::read_link(fd.path()).is_ok_and(|path| path.starts_with(dir.join("segments")));
        let info = Path::new("/proc/self/fdinfo").join(fd.file_name());
        let flags = fs::read_to_string(info).unwrap_or_default();
        let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).map(str::trim).unwrap_or("0");
        is_segment && u32::from_str_radix(flags, 8).unwrap() & 3 == 1
    };
    fs::read_dir("/proc/self/fd").unwrap().filter(|fd| fd.as_ref().is_ok_and(writes)).count()
}

#[test]
fn forty_libraries_share_sixteen_open_segments() {
    const LIBRARIES: u8 = 40;
    const ROUNDS: u64 = 3;
    let home = scratch();
    let dir = fs::canonicalize(home.path()).unwrap();
    let store = DiskStore::open(&dir, small()).unwrap();
    for round in 0..ROUNDS {
        for library in 0..LIBRARIES {
            let objects = of_round(library, round + 1);
            let handle = store.library(library_id(library));
            handle.append(objects).unwrap();
            // Some commit at once, some after other libraries were written.
            if library % 3 == 0 {
                handle.commit().unwrap();
            }
            assert!(open_to_write(&dir) <= OPEN_SEGMENTS, "library {library} of round {round}");
        }
        for library in 0..LIBRARIES {
            store.library(library_id(library)).commit().unwrap();
            assert!(open_to_write(&dir) <= OPEN_SEGMENTS);
        }
    }
    assert_eq!(open_to_write(&dir), OPEN_SEGMENTS);
    let check = |store: &DiskStore| {
        for library in 0..LIBRARIES {
            let objects = of_round(library, ROUNDS);
            assert_eq!(read_back(&store.library(library_id(library)), &objects).0, contents(&objects));
        }
    };
    check(&store);
    // Each was closed and resumed, not sealed and replaced. A closed segment takes no more than its content.
    let stats = store.stats().unwrap();
    assert_eq!(stats.segments, u64::from(LIBRARIES));
    let block = SEGMENT_BLOCK as u64;
    let closed = (u64::from(LIBRARIES) - OPEN_SEGMENTS as u64) * (1 + 2 * ROUNDS) * block;
    assert!(stats.segment_bytes <= closed + OPEN_SEGMENTS as u64 * 256 * 1024, "{stats:?}");
    assert!(scrub(&store).unwrap().is_clean());
    drop(store);
    let bytes: u64 =
        fs::read_dir(dir.join("segments")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes <= u64::from(LIBRARIES) * (1 + 2 * ROUNDS) * block, "{bytes} bytes after an orderly end");

    let store = DiskStore::open(&dir, small()).unwrap();
    check(&store);
    put(&store.library(library_id(7)), &of_round(7, ROUNDS + 1));
    assert_eq!(store.stats().unwrap().segments, u64::from(LIBRARIES), "a whole segment was not resumed");
    drop(store);
    fs::remove_dir_all(dir.join("index")).unwrap();
    check(&DiskStore::open(&dir, small()).unwrap());
}

#[test]
fn a_commit_covers_one_library_only() {
    let home = scratch();
    let store = DiskStore::open(home.path(), small()).unwrap();
    let (a, b) = (store.library(library_id(1)), store.library(library_id(2)));
    let objects = objects_of(&b.library);
    b.append(objects.clone()).unwrap();
    put(&a, &objects_of(&a.library));
    assert_eq!(read_back(&a, &objects_of(&a.library)).0, contents(&objects_of(&a.library)));
    let early = read_back(&b, &objects).0;
    assert!(early.len() < objects.len(), "the commit of one library committed another");
    b.commit().unwrap();
    assert_eq!(read_back(&b, &objects).0, contents(&objects));
}

/// The library of each segment, and the number of records in each group.
fn groups(layout: &Layout) -> Vec<(LibraryId, Vec<u32>)> {
    let mut found = Vec::new();
    for number in layout.list_segments().unwrap() {
        let view = SegmentView::open(layout, number, None).unwrap();
        let name = view.name.unwrap();
        let mut groups = Vec::new();
        walk::walk(&view.file, &view.path, name, (4096, view.records_end()), &mut |item| {
            if let Item::Marker { marker, .. } = item {
                assert_eq!(marker.segment, name.id);
                groups.push((marker.group, marker.records));
            }
            Ok(())
        })
        .unwrap();
        groups.dedup();
        let numbers: Vec<u64> = groups.iter().map(|(group, _)| *group).collect();
        assert_eq!(numbers, (1..=groups.len() as u64).collect::<Vec<_>>(), "groups are numbered by library");
        found.push((name.library, groups.into_iter().map(|(_, records)| records).collect()));
    }
    found
}

#[test]
fn libraries_that_are_written_at_once_do_not_end_each_others_groups() {
    let home = scratch();
    let store = DiskStore::open(home.path(), Options { direct: false, ..Options::default() }).unwrap();
    let libraries = [1, 2, 3, 4].map(library_id);
    for seed in 0..50 {
        for library in libraries {
            store.library(library).append(vec![chunk(seed, 1000)]).unwrap();
        }
    }
    libraries.iter().for_each(|library| store.library(*library).commit().unwrap());
    let expected: Vec<_> = libraries.iter().map(|library| (*library, vec![50])).collect();
    assert_eq!(groups(&store.inner().layout), expected);
}

#[test]
fn a_torn_tail_affects_one_library_only() {
    let home = scratch();
    let dir = home.path();
    let libraries = [1, 2, 3].map(library_id);
    let store = DiskStore::open(dir, small()).unwrap();
    libraries.iter().for_each(|library| put(&store.library(*library), &objects_of(library)));
    drop(store);
    let layout = Layout::new(dir);
    // The first ends in a group that was never acknowledged, the second in half a record, the third in an
    // orderly way.
    let ends: Vec<u64> = (1..=3).map(|number| layout.segment(number).metadata().unwrap().len()).collect();
    let append = |number: u32, bytes: &[u8]| {
        let file = OpenOptions::new().write(true).open(layout.segment(number)).unwrap();
        file.write_all_at(bytes, ends[number as usize - 1]).unwrap();
    };
    append(1, &content(&chunk(99, 5000)));
    append(2, &[b"\x89CHR\x01\x00\x00\x00".as_slice(), &[7; 200]].concat());
    fs::remove_dir_all(dir.join("index")).unwrap();
    let store = DiskStore::open(dir, small()).unwrap();
    for (at, library) in libraries.iter().enumerate() {
        let objects = objects_of(library);
        assert_eq!(read_back(&store.library(*library), &objects).0, contents(&objects));
        assert_eq!(layout.segment(at as u32 + 1).metadata().unwrap().len(), ends[at], "library {at}");
    }
    // A segment with a torn tail is not appended to again; one without is.
    libraries.iter().for_each(|library| put(&store.library(*library), &[chunk(500, 100)]));
    assert_eq!(
        store.stats().unwrap().segments,
        6,
        "without an index each segment counts as possibly damaged"
    );
    drop(store);
    let store = DiskStore::open(dir, small()).unwrap();
    libraries.iter().for_each(|library| put(&store.library(*library), &[chunk(501, 100)]));
    assert_eq!(store.stats().unwrap().segments, 6);
    assert!(scrub(&store).unwrap().is_clean());
}

#[test]
fn allocation_doubles_with_the_size_of_a_library() {
    let home = scratch();
    let dir = home.path();
    let store = DiskStore::open(dir, Options::default()).unwrap();
    let library = store.library(library_id(1));
    let allocated = || Layout::new(dir).segment(1).metadata().unwrap().len();
    put(&library, &[chunk(1, 100)]);
    assert_eq!(allocated(), 256 * 1024);
    let mut seen = vec![allocated()];
    for seed in 2..60 {
        put(&library, &[chunk(seed, 250_000)]);
        if seen.last() != Some(&allocated()) {
            seen.push(allocated());
        }
    }
    let doubled: Vec<u64> = (0..seen.len() as u32).map(|times| (256 * 1024) << times).collect();
    assert_eq!(seen, doubled);
    drop(store);
    assert!(allocated() < 16 * 1024 * 1024, "an orderly end gives the rest back");
}

#[test]
fn handles_end_with_their_store() {
    let home = scratch();
    let store = DiskStore::open(home.path(), small()).unwrap();
    let handle = store.of(&library_id(1));
    let object = chunk(1, 100);
    handle.append(vec![object.clone()]).unwrap();
    handle.commit().unwrap();
    drop(store);
    let ObjectId::Chunk(id) = object_id(&object) else { panic!() };
    assert!(matches!(handle.has_chunks(&[id]), Err(Error::Busy(_))));
    assert!(matches!(handle.append(vec![object]), Err(Error::Busy(_))));
    assert!(matches!(handle.commit(), Err(Error::Busy(_))));
    // They do not prevent the directory from being opened again.
    assert_eq!(
        DiskStore::open(home.path(), small()).unwrap().of(&library_id(1)).has_chunks(&[id]).unwrap(),
        [true]
    );
}

#[test]
fn a_failed_sync_of_one_library_ends_writes_of_all() {
    let home = scratch();
    let options = small();
    let store = DiskStore::open(home.path(), options.clone()).unwrap();
    let (a, b) = (store.library(library_id(1)), store.library(library_id(2)));
    [&a, &b].into_iter().for_each(|library| put(library, &[chunk(1, 100)]));
    options.faults.fail_sync.store(true, Ordering::Relaxed);
    a.append(vec![chunk(2, 100)]).unwrap();
    assert!(matches!(a.commit(), Err(Error::Poisoned(_))));
    assert!(matches!(b.append(vec![chunk(3, 100)]), Err(Error::Poisoned(_))));
    assert!(matches!(b.commit(), Err(Error::Poisoned(_))));
    let Object::Page { id, .. } = page_of(&b.library, 1) else { panic!() };
    assert!(matches!(b.mark(&[(id, PageState::Full)]), Err(Error::Poisoned(_))));
    assert_eq!(read_back(&b, &[chunk(1, 100)]).0.len(), 1, "reads go on");
}
