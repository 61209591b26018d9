//! Recovery at open after a crash or damage, rule by rule.

use std::{
    fs::{self, OpenOptions},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use chuan_engine::{
    Error,
    segment::{Item, RECORD_HEADER_BYTES},
    store::{
        PageState,
        objects::{Object, ObjectId, Objects},
    },
};

use super::support::{
    FILMS, capture_log, chunk, contents, copy_dir, files, films, flip, page, put, read_back, rebuild,
    scratch, scrub, small,
};
use crate::{
    DiskStore,
    entry::{Location, Position},
    index::Generation,
    layout::Layout,
    view::SegmentView,
    walk,
};

type Break = fn(&Path);

/// Objects of every kind, over several segments.
fn library() -> Vec<Object> {
    let mut objects: Vec<Object> = (0..80).map(|seed| chunk(seed, 1000 + seed as usize * 150)).collect();
    objects.extend((0..10).map(page));
    objects
}

fn filled(dir: &Path, objects: &[Object]) -> DiskStore {
    let store = DiskStore::open(dir, small()).unwrap();
    for objects in objects.chunks(7) {
        films(&store).append(objects.to_vec()).unwrap();
    }
    films(&store).commit().unwrap();
    store
}

/// The position up to which the library is durable.
fn position(store: &DiskStore) -> Position {
    store.inner().index.durable()[&FILMS]
}

/// Where a chunk lies.
fn place_of(store: &DiskStore, object: &Object) -> Location {
    store.inner().index.get().unwrap().chunks(&FILMS, &[chunk_id(object)]).unwrap()[0].unwrap()
}

/// The directory of the index in use.
fn current(index: &Path) -> std::path::PathBuf {
    Generation::current(index).unwrap().dir()
}

#[test]
fn a_tail_torn_at_any_byte_loses_nothing_acknowledged() {
    let home = scratch();
    let dir = home.path();
    let store = filled(dir, &[chunk(1, 3000), chunk(2, 100)]);
    let acknowledged = position(&store);
    films(&store).append(vec![chunk(3, 2000), page(1), chunk(4, 3000)]).unwrap();
    films(&store).commit().unwrap();
    let torn = position(&store);
    drop(store);
    let path = Layout::new(dir).segment(torn.segment);
    let name = SegmentView::name(&Layout::new(dir), torn.segment).unwrap().unwrap();
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole.len() as u64, torn.end);
    // Cut short, and overwritten with zeros to its old length, at each byte of the last group.
    for len in acknowledged.end..torn.end {
        for pad in [false, true] {
            let mut bytes = whole[..len as usize].to_vec();
            bytes.resize(if pad { whole.len() } else { bytes.len() }, 0);
            fs::write(&path, bytes).unwrap();
            let view = SegmentView::open(&Layout::new(dir), torn.segment, None).unwrap();
            let (mut records, mut markers) = (0, 0);
            walk::walk(&view.file, &view.path, name, (4096, view.len), &mut |item| {
                match item {
                    Item::Record { payload: Some(_), .. } if markers == 0 => records += 1,
                    Item::Marker { .. } => markers += 1,
                    Item::Record { .. } | Item::Gap { .. } => {}
                }
                Ok(())
            })
            .unwrap();
            assert!(records >= 2 && markers >= 2, "{len} bytes: {records} records, {markers} markers");
        }
    }
    // Then through the public interface at some of them, with an empty index.
    for len in (acknowledged.end..=torn.end).step_by(517) {
        fs::write(&path, &whole[..len as usize]).unwrap();
        fs::remove_dir_all(dir.join("index")).unwrap();
        let store = DiskStore::open(dir, small()).unwrap();
        let (found, errors) = read_back(&films(&store), &[chunk(1, 3000), chunk(2, 100)]);
        assert_eq!((found.len(), errors.len()), (2, 0), "{len} bytes");
        assert!(films(&store).lost().unwrap().is_empty());
        let again = [chunk(3, 2000), page(1), chunk(4, 3000), chunk(5, 10)];
        films(&store).append(again.to_vec()).unwrap();
        films(&store).commit().unwrap();
        assert_eq!(read_back(&films(&store), &again).0, contents(&again));
        drop(store);
        for number in
            Layout::new(dir).list_segments().unwrap().into_iter().filter(|number| *number > torn.segment)
        {
            fs::remove_file(Layout::new(dir).segment(number)).unwrap();
        }
    }
}

#[test]
fn damage_before_a_marker_is_kept_reported_and_never_cut() {
    let home = scratch();
    let dir = home.path();
    let all = [chunk(1, 3000), chunk(2, 3000), chunk(3, 3000)];
    let store = filled(dir, &all);
    let position = position(&store);
    let place = place_of(&store, &all[1]);
    drop(store);
    let path = Layout::new(dir).segment(place.segment);
    fs::remove_dir_all(dir.join("index")).unwrap();
    // With a damaged payload the header still has the id; with a damaged header nothing has it.
    for (at, tells) in [(RECORD_HEADER_BYTES as u64 + 5, true), (20, false)] {
        let offset = u64::from(place.offset) + at;
        flip(&path, offset, 0);
        let (store, logged) = capture_log(|| DiskStore::open(dir, small()).unwrap());
        let text = format!("{} at offset {}", path.display(), place.offset);
        assert!(logged.iter().any(|line| line.contains(&text)), "{logged:?}");
        let expected: &[ObjectId] = if tells { &[ObjectId::Chunk(chunk_id(&all[1]))] } else { &[] };
        assert_eq!(films(&store).lost().unwrap(), expected);
        let (found, _) = read_back(&films(&store), &all);
        assert_eq!(found.len(), 2);
        drop(store);
        assert_eq!(path.metadata().unwrap().len(), position.end, "the segment was cut");
        flip(&path, offset, 0);
        fs::remove_dir_all(dir.join("index")).unwrap();
    }
}

#[test]
fn an_index_that_is_gone_or_damaged_is_rebuilt() {
    let home = scratch();
    let dir = home.path();
    let objects = library();
    drop(filled(dir, &objects));
    let before = contents(&objects);
    let break_index: [(&str, Break); 4] = [
        ("gone", |index| fs::remove_dir_all(index).unwrap()),
        ("without its first file", |index| fs::remove_file(current(index).join("CURRENT")).unwrap()),
        ("with its first file garbled", |index| {
            fs::write(current(index).join("CURRENT"), "MANIFEST-999999\n").unwrap()
        }),
        ("without its tables", |index| {
            for (path, _) in
                files(index).iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "sst"))
            {
                fs::remove_file(path).unwrap();
            }
        }),
    ];
    for (what, break_index) in break_index {
        break_index(&dir.join("index"));
        let (store, logged) = capture_log(|| DiskStore::open(dir, small()).unwrap());
        assert_eq!(read_back(&films(&store), &objects).0, before, "an index {what}");
        if !["gone", "without its first file"].contains(&what) {
            assert!(logged.iter().any(|line| line.contains("index")), "an index {what}: {logged:?}");
        }
        assert!(scrub(&store).unwrap().is_clean());
    }
}

#[test]
fn rebuild_gives_the_same_set() {
    let home = scratch();
    let dir = home.path();
    let objects = library();
    let store = filled(dir, &objects);
    let Object::Page { id, .. } = &objects[80] else { panic!() };
    films(&store).mark(&[(*id, PageState::Full)]).unwrap();
    let stats = store.stats().unwrap();
    assert!(stats.segments > 2, "{stats:?}");
    drop(store);
    let report = rebuild(dir).unwrap();
    assert_eq!((report.chunks, report.pages), (stats.chunks, stats.pages));
    assert_eq!((report.segments, report.scanned), (stats.segments, 1));
    assert!(report.damage.is_empty());
    let store = DiskStore::open(dir, small()).unwrap();
    assert_eq!(read_back(&films(&store), &objects).0, contents(&objects));
    let after = store.stats().unwrap();
    assert_eq!((after.chunk_bytes, after.page_bytes, after.lost), (stats.chunk_bytes, stats.page_bytes, 0));
}

#[test]
fn a_damaged_footer_only_costs_a_scan() {
    let home = scratch();
    let dir = home.path();
    let objects = library();
    drop(filled(dir, &objects));
    let path = Layout::new(dir).segment(1);
    let len = path.metadata().unwrap().len();
    for back in [100, 20, 4000] {
        flip(&path, len - back, 3);
        let report = rebuild(dir).unwrap();
        assert_eq!(report.scanned, 2, "{back} from the end");
        let store = DiskStore::open(dir, small()).unwrap();
        assert_eq!(read_back(&films(&store), &objects).0, contents(&objects));
        drop(store);
        flip(&path, len - back, 3);
    }
}

#[test]
fn a_damaged_copy_of_a_header_loses_nothing_and_is_reported() {
    let home = scratch();
    let dir = home.path();
    let objects = library();
    drop(filled(dir, &objects));
    for (at, number) in Layout::new(dir).list_segments().unwrap().into_iter().enumerate() {
        flip(&Layout::new(dir).segment(number), if at % 2 == 0 { 17 } else { 2048 + 40 }, 0);
    }
    fs::remove_dir_all(dir.join("index")).unwrap();
    let (store, logged) = capture_log(|| DiskStore::open(dir, small()).unwrap());
    let reported = logged.iter().filter(|line| line.contains("the segment header is damaged")).count();
    assert_eq!(reported as u64, store.stats().unwrap().segments, "{logged:?}");
    assert_eq!(read_back(&films(&store), &objects).0, contents(&objects));
}

/// Without its header nothing in a segment names its library. A guess could give one library's content to
/// another.
#[test]
fn a_segment_without_a_header_belongs_to_no_library() {
    let home = scratch();
    let dir = home.path();
    let objects = library();
    drop(filled(dir, &objects));
    let path = Layout::new(dir).segment(1);
    flip(&path, 17, 0);
    flip(&path, 2048 + 17, 0);
    let before = fs::read(&path).unwrap();
    // The index has the name from the header when that was intact, and passes it to a rebuild beside it.
    let store = DiskStore::open(dir, small()).unwrap();
    assert_eq!(read_back(&films(&store), &objects).0, contents(&objects));
    let report = scrub(&store).unwrap();
    let [damage] = &report.damage[..] else { panic!("{report:?}") };
    assert!(damage.is_header_lost && damage.library == Some(FILMS), "{damage:?}");
    store.rebuild(&|_, _| {}).unwrap();
    assert_eq!(read_back(&films(&store), &objects).0, contents(&objects));
    drop(store);

    fs::remove_dir_all(dir.join("index")).unwrap();
    for _ in 0..2 {
        let (store, logged) = capture_log(|| DiskStore::open(dir, small()).unwrap());
        let is_named = |line: &String| line.contains(path.to_str().unwrap()) && line.contains("quarantined");
        assert!(logged.iter().any(is_named), "{logged:?}");
        let (found, errors) = read_back(&films(&store), &objects);
        assert!(!found.is_empty() && found.len() < objects.len() && errors.is_empty());
        assert_eq!(store.libraries().unwrap(), [FILMS]);
        let report = scrub(&store).unwrap();
        let [damage] = &report.damage[..] else { panic!("{report:?}") };
        assert_eq!((&damage.file, damage.library, damage.is_header_lost), (&path, None, false));
    }
    let store = DiskStore::open(dir, small()).unwrap();
    put(&films(&store), &objects);
    assert_eq!(read_back(&films(&store), &objects).0, contents(&objects));
    drop(store);
    assert_eq!(fs::read(&path).unwrap(), before, "a quarantined segment was changed");
}

#[test]
fn other_formats_are_refused_and_nothing_is_touched() {
    let home = scratch();
    let dir = home.path();
    drop(filled(dir, &library()));
    let path = Layout::new(dir).segment(1);
    let whole = fs::read(&path).unwrap();
    for (version, hint) in [(1u16, "publish or pull into a new home"), (3, "a newer chuan wrote it")] {
        let mut bytes = whole.clone();
        bytes[8..10].copy_from_slice(&version.to_le_bytes());
        // Format 1 had one copy, with its checksum at the end of the block.
        let crc_at = if version == 1 { 4092 } else { 2044 };
        let crc = crc32c::crc32c(&bytes[..crc_at]).to_le_bytes();
        bytes[crc_at..crc_at + 4].copy_from_slice(&crc);
        if version > 1 {
            bytes.copy_within(..2048, 2048);
        }
        fs::write(&path, bytes).unwrap();
        let before = files(dir);
        let Err(Error::Invalid(text)) = DiskStore::open(dir, small()) else { panic!("{version} is taken") };
        assert!(text.contains(&format!("format {version}")) && text.contains(hint), "{text}");
        assert!(text.contains(path.to_str().unwrap()), "{text}");
        assert_eq!(files(dir), before);
    }
}

#[test]
fn a_scrub_finds_damage_before_any_read() {
    let home = scratch();
    let dir = home.path();
    let objects = library();
    let store = filled(dir, &objects);
    let not = AtomicBool::new(false);
    let report = store.scrub(&|_, _| {}, &not).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.records, objects.len() as u64);

    let place = place_of(&store, &objects[3]);
    let path = store.inner().layout.segment(place.segment);
    flip(&path, u64::from(place.offset) + 500, 7);
    let report = store.scrub(&|_, _| {}, &not).unwrap();
    let [damage] = &report.damage[..] else { panic!("{report:?}") };
    assert_eq!((&damage.file, damage.offset), (&path, u64::from(place.offset)));
    assert_eq!(films(&store).lost().unwrap(), [ObjectId::Chunk(chunk_id(&objects[3]))]);
    assert_eq!(films(&store).append(vec![objects[3].clone()]).unwrap().chunks, 1);
    films(&store).commit().unwrap();
    assert!(films(&store).lost().unwrap().is_empty());
    assert_eq!(read_back(&films(&store), &objects).0, contents(&objects));

    not.store(true, Ordering::Relaxed);
    assert!(matches!(store.scrub(&|_, _| {}, &not), Err(Error::Cancelled)));
}

#[test]
fn a_scrub_finds_index_entries_without_a_record() {
    let home = scratch();
    let dir = home.path();
    let objects = library();
    let store = filled(dir, &objects);
    let place = place_of(&store, &objects[3]);
    // A damaged header has no id: only the index knows what is missing.
    flip(&store.inner().layout.segment(place.segment), u64::from(place.offset) + 2, 0);
    let report = scrub(&store).unwrap();
    assert!(!report.is_clean());
    assert_eq!(films(&store).lost().unwrap(), [ObjectId::Chunk(chunk_id(&objects[3]))]);
}

#[test]
fn a_missing_segment_is_reported_and_its_objects_are_lost() {
    let home = scratch();
    let dir = home.path();
    let objects = library();
    drop(filled(dir, &objects));
    let path = Layout::new(dir).segment(2);
    fs::remove_file(&path).unwrap();
    let (store, logged) = capture_log(|| DiskStore::open(dir, small()).unwrap());
    assert!(logged.iter().any(|line| line.contains(&path.display().to_string())), "{logged:?}");
    let (found, _) = read_back(&films(&store), &objects);
    let lost = films(&store).lost().unwrap();
    assert!(!lost.is_empty());
    assert_eq!(found.len() + lost.len(), objects.len());
    films(&store).append(objects.clone()).unwrap();
    films(&store).commit().unwrap();
    assert!(films(&store).lost().unwrap().is_empty());
    assert_eq!(read_back(&films(&store), &objects).0, contents(&objects));
}

#[test]
fn a_segment_cut_from_outside_is_reported() {
    let home = scratch();
    let dir = home.path();
    let objects = library();
    drop(filled(dir, &objects));
    let last = Layout::new(dir).list_segments().unwrap().pop().unwrap();
    let path = Layout::new(dir).segment(last);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(4096).unwrap();
    let (store, logged) = capture_log(|| DiskStore::open(dir, small()).unwrap());
    assert!(logged.iter().any(|line| line.contains(&path.display().to_string())), "{logged:?}");
    films(&store).append(vec![chunk(1000, 10)]).unwrap();
    films(&store).commit().unwrap();
    assert_eq!(path.metadata().unwrap().len(), 4096, "a damaged segment was written to");
}

#[test]
fn a_failed_write_poisons_and_the_next_start_has_acknowledged_objects() {
    let home = scratch();
    let dir = home.path();
    for sync in [false, true] {
        let options = small();
        let store = DiskStore::open(dir, options.clone()).unwrap();
        films(&store).append(vec![chunk(1, 100)]).unwrap();
        films(&store).commit().unwrap();
        let fault = if sync { &options.faults.fail_sync } else { &options.faults.fail_write };
        fault.store(true, Ordering::Relaxed);
        films(&store).append(vec![chunk(2, 100)]).unwrap();
        assert!(matches!(films(&store).commit(), Err(Error::Poisoned(_))));
        fault.store(false, Ordering::Relaxed);
        assert!(matches!(films(&store).append(vec![chunk(3, 100)]), Err(Error::Poisoned(_))), "it took more");
        let segment = position(&store).segment;
        drop(store);
        let store = DiskStore::open(dir, small()).unwrap();
        assert_eq!(read_back(&films(&store), &[chunk(1, 100)]).0.len(), 1);
        films(&store).append(vec![chunk(4 + u64::from(sync), 100)]).unwrap();
        films(&store).commit().unwrap();
        let now = position(&store).segment;
        assert_eq!(now > segment, sync, "a file whose sync failed must not be synced again");
    }
}

/// The next group is written while the one before is synced, but without its end. If a later marker were on
/// the disk when a sync fails, the records before it would be taken for acknowledged.
#[test]
fn no_marker_is_written_before_the_group_ahead_is_durable() {
    let home = scratch();
    let options = small();
    let store = DiskStore::open(home.path(), options.clone()).unwrap();
    let held = options.faults.hold_sync.lock().unwrap();
    let bytes = usize::try_from(options.group_bytes / 8).unwrap();
    films(&store).append((0..24).map(|seed| chunk(seed, bytes)).collect()).unwrap();
    // Of each segment: the number of markers, and of records after them.
    let written = || {
        let layout = &store.inner().layout;
        let (mut markers, mut after) = (0, 0);
        for number in layout.list_segments().unwrap() {
            let Ok(SegmentView { name: Some(name), file, path, len, .. }) =
                SegmentView::open(layout, number, None)
            else {
                continue;
            };
            walk::walk(&file, &path, name, (4096, len), &mut |item| {
                match item {
                    Item::Marker { .. } => (markers, after) = (markers + 1, 0),
                    Item::Record { .. } => after += 1,
                    Item::Gap { .. } => {}
                }
                Ok(())
            })
            .unwrap();
        }
        (markers, after)
    };
    let begun = std::time::Instant::now();
    while !matches!(written(), (2, 1..)) {
        assert!(
            begun.elapsed().as_secs() < 60,
            "nothing is written while a sync is under way: {:?}",
            written()
        );
        std::thread::yield_now();
    }
    options.faults.fail_sync.store(true, Ordering::Relaxed);
    drop(held);
    assert!(matches!(films(&store).commit(), Err(Error::Poisoned(_))));
    assert_eq!(written().0, 2, "the second group was ended");
}

#[test]
fn a_segment_without_its_first_group_is_not_damage() {
    let home = scratch();
    let dir = home.path();
    drop(filled(dir, &[chunk(1, 100)]));
    // As after a crash between the creation of the file and its first durable group.
    fs::write(Layout::new(dir).segment(2), vec![0; 100_000]).unwrap();
    let (store, logged) = capture_log(|| DiskStore::open(dir, small()).unwrap());
    assert!(logged.is_empty(), "{logged:?}");
    films(&store).append(vec![chunk(2, 100)]).unwrap();
    films(&store).commit().unwrap();
    assert_eq!(read_back(&films(&store), &[chunk(1, 100), chunk(2, 100)]).0.len(), 2);
    assert!(scrub(&store).unwrap().is_clean());
}

#[test]
fn two_stores_in_one_directory_are_refused_and_harm_nothing() {
    let home = scratch();
    let first = filled(home.path(), &[chunk(1, 100)]);
    assert!(matches!(DiskStore::open(home.path(), small()), Err(Error::Busy(_))));
    assert_eq!(read_back(&films(&first), &[chunk(1, 100)]).0.len(), 1);
    films(&first).append(vec![chunk(2, 100)]).unwrap();
    films(&first).commit().unwrap();
}

#[test]
fn a_copy_taken_while_open_is_a_crash_and_opens() {
    let home = scratch();
    let (dir, copy) = (home.path().join("a"), home.path().join("b"));
    let objects = library();
    let store = filled(&dir, &objects);
    copy_dir(&dir, &copy);
    drop(store);
    let store = DiskStore::open(&copy, small()).unwrap();
    assert_eq!(read_back(&films(&store), &objects).0, contents(&objects));
}

fn chunk_id(object: &Object) -> chuan_engine::id::ChunkId {
    match object {
        Object::Chunk { id, .. } => *id,
        other => panic!("{other:?} is no chunk"),
    }
}
