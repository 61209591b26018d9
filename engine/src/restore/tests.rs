//! Restoring from the strict store in memory to real directories.

#![expect(clippy::cast_possible_truncation, reason = "counts in tests are small")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    time::SystemTime,
};

use super::*;
use crate::{
    chunk::{Profile, cut, testing::noise},
    id::ChunkId,
    manifest::{
        ChunkRef, Content, Entry, EntryKind, EntryPath, Timestamp,
        builder::{ContentBuilder, EntryTreeBuilder},
        cursor,
        testing::LIBRARY,
    },
    store::{Object, ObjectId, memory::MemoryObjects},
};

const MTIME: Timestamp = Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 };

/// A store with one tree in it, and a directory to restore to.
pub(super) struct Case {
    home: tempfile::TempDir,
    pub(super) store: MemoryObjects,
    pub(super) root: PageId,
}

impl Case {
    /// Stores `files`; a path that ends in `/` is an empty directory.
    pub(super) fn new(files: &[(&str, &[u8])]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = MemoryObjects::new(LIBRARY);
        let root = keep(&store, files);
        Self { home, store, root }
    }

    pub(super) fn dest(&self) -> PathBuf {
        self.home.path().join("dest")
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dest().join(name)
    }

    pub(super) fn options(&self) -> Restore {
        Restore::new(vec![(0, self.root)], self.dest())
    }

    pub(super) fn run(&self, options: &Restore) -> Result<RestoreReport> {
        restore(&self.store, options, &mut (), &AtomicBool::new(false))
    }

    pub(super) fn restore(&self) -> RestoreReport {
        self.run(&self.options()).unwrap()
    }

    #[track_caller]
    pub(super) fn check(&self, files: &[(&str, &[u8])]) {
        for (name, bytes) in files.iter().filter(|(name, _)| !name.ends_with('/')) {
            assert!(fs::read(self.path(name)).unwrap() == *bytes, "{name} differs");
            let metadata = fs::metadata(self.path(name)).unwrap();
            let mtime = (metadata.mtime(), metadata.mtime_nsec());
            assert_eq!(mtime, (MTIME.seconds, MTIME.nanos.into()), "{name}");
            assert_eq!(metadata.mode() & 0o7777, 0o640, "{name}");
        }
    }
}

/// Stores plain files; a path that ends in `/` is a folder.
pub(super) fn keep(store: &MemoryObjects, files: &[(&str, &[u8])]) -> PageId {
    let item = |(name, bytes): &(&str, &[u8])| {
        let kind = if name.ends_with('/') { EntryKind::Folder } else { EntryKind::File };
        // The set-user-id bit of the manifest must not be restored.
        let entry = Entry { mode: 0o4640, ..plain_entry(kind) };
        (name.trim_end_matches('/').to_owned(), entry, bytes.to_vec())
    };
    keep_entries(store, files.iter().map(item).collect())
}

/// An entry without content.
pub(super) fn plain_entry(kind: EntryKind) -> Entry {
    Entry {
        kind,
        size: 0,
        mtime: MTIME,
        mode: 0o644,
        profile: Profile::Fine,
        content: Content::Inline(vec![]),
        target: None,
        extensions: vec![],
    }
}

/// Stores entries, each with its path and its bytes as content; returns the root of their tree.
pub(super) fn keep_entries(store: &MemoryObjects, mut items: Vec<(String, Entry, Vec<u8>)>) -> PageId {
    let mut pages = Vec::new();
    let mut tree = EntryTreeBuilder::new(LIBRARY, 0).unwrap();
    items.sort_by(|a, b| a.0.cmp(&b.0));
    for (path, entry, bytes) in items {
        let profile = Profile::for_path(&path);
        let mut content = ContentBuilder::new(LIBRARY, 0).unwrap();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (chunk, tail) = rest.split_at(cut::next(profile, rest));
            let id = ChunkId::of(chunk);
            let bytes = bytes::Bytes::copy_from_slice(chunk);
            content.push(ChunkRef { id, len: chunk.len() as u32 }, &mut pages).unwrap();
            store.append(vec![Object::Chunk { id, bytes }]).unwrap();
            rest = tail;
        }
        let content = content.finish(&mut pages).unwrap();
        let entry = Entry { size: bytes.len() as u64, profile, content, ..entry };
        tree.push(EntryPath::new(path).unwrap(), &entry, &mut pages).unwrap();
    }
    let root = tree.finish(&mut pages).unwrap().root;
    for (id, bytes) in pages {
        store.append(vec![Object::Page { id, bytes }]).unwrap();
    }
    store.commit().unwrap();
    root
}

/// Bytes that came from the old version of a changed file.
fn from_old(report: &RestoreReport) -> u64 {
    report.bytes - report.bytes_written + report.bytes_reused
}

/// Checks the bytes that a restore wrote: the changed files completely, or, if the file system shares blocks,
/// only their changes.
#[track_caller]
fn check_written(case: &Case, report: &RestoreReport, all: u64, changed: std::ops::Range<u64>) {
    let [from, to] = ["shared", "sharing"].map(|name| {
        let path = case.home.path().join(name);
        fs::write(&path, b"x").unwrap();
        fs::File::options().read(true).write(true).open(path).unwrap()
    });
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        assert!(changed.contains(&report.bytes_written), "{report:?}");
    } else {
        eprintln!("skipped in part: {} shares no blocks between files", case.home.path().display());
        assert_eq!(report.bytes_written, all, "{report:?}");
    }
}

#[track_caller]
fn check_refused<T: std::fmt::Debug>(outcome: Result<T>, parts: &[&str]) {
    let error = outcome.unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn files_come_back_byte_for_byte_with_time_and_mode() {
    let film = noise(1, 20_000_003);
    let files: &[(&str, &[u8])] = &[
        ("film.mkv", &film),
        ("一/二/三.srt", &film[..90_000]),
        ("empty", b""),
        ("d/none/", b""),
        ("d.txt", b"x"),
    ];
    let case = Case::new(files);
    let report = case.restore();
    case.check(files);
    assert!(case.path("d/none").is_dir());
    let expected = RestoreReport {
        files: 4,
        bytes: 20_090_004,
        bytes_written: 20_090_004,
        folders: 1,
        ..RestoreReport::default()
    };
    assert_eq!(report, expected);
    let again = case.restore();
    assert_eq!(again, RestoreReport { files_unchanged: 4, bytes_written: 0, ..expected });
}

#[test]
fn many_small_files_come_back() {
    let names: Vec<_> = (0..5000).map(|n| format!("目录{}/文件{n}.txt", n / 300)).collect();
    let contents: Vec<_> = (0..5000).map(|n| noise(n, (n as usize * 37) % 9000)).collect();
    let files: Vec<_> = names.iter().map(String::as_str).zip(contents.iter().map(Vec::as_slice)).collect();
    let case = Case::new(&files);
    assert_eq!(case.restore().files, 5000);
    case.check(&files);
}

/// Symptom: a restore of many files into new directories sometimes failed with "No such file". Cause: the
/// half that reads the destination entered a directory that the writing half had just created, took the file
/// being written for a leftover, and removed it. Only the writing half removes leftovers now.
#[test]
fn a_directory_made_meanwhile_is_not_cleared_of_the_file_being_written() {
    let film = noise(1, 5_000_000);
    let names: Vec<_> = (0..40).map(|n| format!("new{}/film{n:02}.mkv", n / 8)).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), film.as_slice())).collect();
    let case = Case::new(&files);
    assert_eq!(case.restore().files, 40);
    case.check(&files);
}

#[test]
fn only_what_differs_is_written_and_old_bytes_are_used() {
    let film = noise(1, 6_000_000);
    let case = Case::new(&[("a.mkv", &film), ("b.mkv", &film[..2_000_000])]);
    case.restore();
    let untouched = fs::metadata(case.path("b.mkv")).unwrap().ino();

    let mut edited = film.clone();
    edited.splice(3_000_000..3_000_000, noise(2, 1000));
    let root = keep(&case.store, &[("a.mkv", &edited), ("b.mkv", &film[..2_000_000])]);
    let report = case.run(&Restore { trees: vec![(0, root)], ..case.options() }).unwrap();
    case.check(&[("a.mkv", &edited), ("b.mkv", &film[..2_000_000])]);
    assert_eq!(report.files_unchanged, 1);
    check_written(&case, &report, 6_001_000, 2_500_000..3_500_000);
    assert!((7_400_000..8_000_000).contains(&from_old(&report)), "{report:?}");
    assert_eq!(fs::metadata(case.path("b.mkv")).unwrap().ino(), untouched);
}

/// An insertion near the front moves everything behind it: cutting the old file once finds its chunks.
#[test]
fn content_that_moved_is_found_again() {
    let film = noise(1, 20_000_000);
    let case = Case::new(&[("a.mkv", &film)]);
    case.restore();
    let mut edited = film.clone();
    edited.splice(100..100, noise(2, 777));
    edited.drain(12_000_000..12_500_000);
    let root = keep(&case.store, &[("a.mkv", &edited)]);
    let report = case.run(&Restore { trees: vec![(0, root)], ..case.options() }).unwrap();
    case.check(&[("a.mkv", &edited)]);
    assert!(from_old(&report) > 18_500_000, "{report:?}");
}

/// The old file must not change until the new one is complete, because other processes may have it open or
/// have another link to it.
#[test]
fn a_changed_file_is_replaced_never_written_to() {
    let film = noise(1, 6_000_000);
    let case = Case::new(&[("a.mkv", &film)]);
    case.restore();
    let link = case.home.path().join("link");
    fs::hard_link(case.path("a.mkv"), &link).unwrap();
    let mut edited = film.clone();
    edited[2_000_000..2_001_000].copy_from_slice(&noise(2, 1000));
    edited.truncate(5_999_000);
    let root = keep(&case.store, &[("a.mkv", &edited)]);
    let report = case.run(&Restore { trees: vec![(0, root)], ..case.options() }).unwrap();
    case.check(&[("a.mkv", &edited)]);
    check_written(&case, &report, 5_999_000, 1..700_000);
    assert!(fs::read(link).unwrap() == film, "the old file was written to");
}

#[test]
fn reused_bytes_need_no_chunk_in_the_store() {
    let film = noise(1, 3_000_000);
    let case = Case::new(&[("a.mkv", &film)]);
    case.restore();
    fs::File::open(case.path("a.mkv")).unwrap().set_modified(SystemTime::now()).unwrap();
    fs::OpenOptions::new()
        .append(true)
        .open(case.path("a.mkv"))
        .map(|f| f.set_len(3_000_100))
        .unwrap()
        .unwrap();
    let entry = cursor::find(&case.store, &case.root, &EntryPath::new("a.mkv").unwrap()).unwrap().unwrap();
    let first = cursor::chunks(&case.store, &entry.content).next().unwrap().unwrap();
    assert!(case.store.lose(ObjectId::Chunk(first.id)));
    assert!(from_old(&case.restore()) > 2_500_000);
    case.check(&[("a.mkv", &film)]);
}

#[test]
fn a_touched_file_gets_its_time_and_mode_back_only() {
    let case = Case::new(&[("a.mkv", &noise(1, 3_000_000))]);
    case.restore();
    let inode = fs::metadata(case.path("a.mkv")).unwrap().ino();
    fs::File::open(case.path("a.mkv")).unwrap().set_modified(SystemTime::now()).unwrap();
    fs::set_permissions(case.path("a.mkv"), fs::Permissions::from_mode(0o400)).unwrap();
    let report = case.restore();
    assert_eq!((report.files_unchanged, report.bytes_written), (1, 0));
    case.check(&[("a.mkv", &noise(1, 3_000_000))]);
    assert_eq!(fs::metadata(case.path("a.mkv")).unwrap().ino(), inode);
}

#[test]
fn a_change_that_keeps_size_and_time_is_found() {
    let film = noise(1, 3_000_000);
    let case = Case::new(&[("a.mkv", &film)]);
    case.restore();
    let mut bad = film.clone();
    bad[1_500_000] ^= 1;
    fs::write(case.path("a.mkv"), bad).unwrap();
    let time = SystemTime::UNIX_EPOCH + std::time::Duration::new(MTIME.seconds as u64, MTIME.nanos);
    fs::File::open(case.path("a.mkv")).unwrap().set_modified(time).unwrap();
    let report = case.restore();
    assert_eq!(report.files_unchanged, 0);
    check_written(&case, &report, 3_000_000, 1..300_000);
    case.check(&[("a.mkv", &film)]);
    assert_eq!(case.run(&Restore { check: true, ..case.options() }).unwrap().files_unchanged, 1);
}

#[test]
fn a_glob_selects_and_its_star_stays_in_a_directory() {
    let case = Case::new(&[("a/1.srt", b"1"), ("a/b/2.srt", b"2"), ("3.srt", b"3"), ("a/4.mkv", b"4")]);
    let run = |glob: &str| {
        let _ = fs::remove_dir_all(case.dest());
        case.run(&Restore { filter: Some(glob.into()), ..case.options() }).map(|report| report.files)
    };
    assert_eq!(run("*.srt").unwrap(), 1);
    assert_eq!(run("a/*.srt").unwrap(), 1);
    assert_eq!(run("**/*.srt").unwrap(), 3);
    assert_eq!(run("a/**").unwrap(), 3);
    assert_eq!(run("a").unwrap(), 3);
    assert_eq!(run("./a/b/").unwrap(), 1);
    check_refused(run("none"), &["nothing in the release", "`none`", "chuan ls"]);
    check_refused(run("a["), &["malformed path pattern"]);
}

#[test]
fn leftovers_of_an_interrupted_restore_are_removed() {
    let case = Case::new(&[("a/b/f", b"x"), ("g", b"y")]);
    fs::create_dir_all(case.path(".chuan-restore-0.tmp/00000002/deep")).unwrap();
    fs::set_permissions(case.path(".chuan-restore-0.tmp"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(case.path(".chuan-restore-0.tmp/00000001"), b"half").unwrap();
    fs::write(case.path(".chuan-restore-0.tmp/00000002/deep/f"), b"moved out of the way").unwrap();
    fs::create_dir_all(case.path("a")).unwrap();
    fs::write(case.path("a/.chuan-restore-notes.tmp"), b"mine").unwrap();
    case.restore();
    assert!(!case.path(".chuan-restore-0.tmp").exists());
    assert!(case.path("a/.chuan-restore-notes.tmp").exists());
}

/// Symptom: files of the release with names of unfinished files were removed by the second restore, without a
/// message.
#[test]
fn a_file_that_is_called_like_an_unfinished_one_stays() {
    let files: &[(&str, &[u8])] = &[
        (".chuan-restore-00000001.tmp", b"half"),
        (".chuan-restore-0.tmp/00000001", b"a folder of such files"),
        ("a/.chuan-restore-0.tmp", b"deeper"),
        ("f", b"x"),
    ];
    let case = Case::new(files);
    for _ in 0..2 {
        assert_eq!(case.restore().files, 4);
        case.check(files);
    }
    assert_eq!(fs::read_dir(case.dest()).unwrap().count(), 4);
}

#[test]
fn a_damaged_chunk_is_named_with_its_file_and_the_rest_goes_on() {
    let case = Case::new(&[("a.mkv", &noise(1, 300_000)), ("b.mkv", &noise(2, 9_000_000)), ("c", b"c")]);
    let entry = cursor::find(&case.store, &case.root, &EntryPath::new("b.mkv").unwrap()).unwrap().unwrap();
    let last = cursor::chunks(&case.store, &entry.content).last().unwrap().unwrap();
    assert!(case.store.lose(ObjectId::Chunk(last.id)));
    let report = case.restore();
    let [failure] = report.failures.as_slice() else { panic!("{report:?}") };
    assert!(failure.path == "b.mkv" && failure.reason.contains(&last.id.short()), "{failure:?}");
    assert_eq!((report.failures_total, report.failure), (1, Some(FailureKind::Corrupt)));
    assert_eq!((report.files, report.bytes), (2, 300_001));
    let mut names: Vec<_> = fs::read_dir(case.dest()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.mkv", "c"]);
}

#[test]
fn a_cancelled_restore_leaves_whole_files_only() {
    struct Canceller<'a>(&'a AtomicBool);

    impl Progress for Canceller<'_> {
        fn advanced(&mut self, _counts: &Counts) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }

        fn skipped(&mut self, _path: &str, _why: &str) {}
    }

    let film = noise(1, 30_000_000);
    let case = Case::new(&[("a.mkv", &film[..1000]), ("b.mkv", &film)]);
    let cancel = AtomicBool::new(false);
    let outcome = restore(&case.store, &case.options(), &mut Canceller(&cancel), &cancel);
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    let names: Vec<_> = fs::read_dir(case.dest()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["a.mkv"]);
    case.restore();
    case.check(&[("b.mkv", &film)]);
}

#[test]
fn a_second_restore_to_the_same_place_is_told_to_wait() {
    let case = Case::new(&[("a", b"x")]);
    fs::create_dir(case.dest()).unwrap();
    let other = fs::File::open(case.dest()).unwrap();
    other.lock().unwrap();
    let outcome = case.run(&case.options());
    assert!(matches!(outcome, Err(Error::Busy(_))), "{outcome:?}");
}

#[test]
fn a_release_that_does_not_fit_is_refused_before_anything_is_written() {
    // The manifest claims a size that no disk has; its chunks need not exist for this test.
    let case = Case::new(&[]);
    let mut pages = Vec::new();
    let mut content = ContentBuilder::new(LIBRARY, 0).unwrap();
    let chunk = ChunkRef { id: ChunkId::of(b"x"), len: 262_144 };
    (0..100_000).for_each(|_| content.push(chunk, &mut pages).unwrap());
    let content = content.finish(&mut pages).unwrap();
    let size = 100_000 * 262_144;
    let entry = Entry {
        kind: EntryKind::File,
        size,
        mtime: MTIME,
        mode: 0o644,
        profile: Profile::Video,
        content,
        target: None,
        extensions: vec![],
    };
    let mut tree = EntryTreeBuilder::new(LIBRARY, 0).unwrap();
    for n in 0..40_000 {
        tree.push(EntryPath::new(format!("{n:05}")).unwrap(), &entry, &mut pages).unwrap();
    }
    let root = tree.finish(&mut pages).unwrap().root;
    for (id, bytes) in pages {
        case.store.append(vec![Object::Page { id, bytes }]).unwrap();
    }
    case.store.commit().unwrap();
    let outcome = case.run(&Restore { trees: vec![(0, root)], ..case.options() });
    assert!(matches!(outcome, Err(Error::Full(_))), "{outcome:?}");
    check_refused(outcome, &["1048576000000000 bytes", "free", "dest"]);
    assert_eq!(fs::read_dir(case.dest()).unwrap().count(), 0);
}

#[test]
fn items_in_the_way_are_named_and_stay() {
    let case = Case::new(&[("a/b/f", b"x"), ("z", b"z")]);
    let check = |path: &str| {
        let report = case.restore();
        let [failure] = report.failures.as_slice() else { panic!("{report:?}") };
        assert!(failure.path == path && failure.reason.contains("in the way"), "{failure:?}");
        assert_eq!((report.files, report.failure), (1, Some(FailureKind::Refused)));
        case.check(&[("z", b"z")]);
    };
    fs::create_dir_all(case.dest()).unwrap();
    fs::write(case.path("a"), b"mine").unwrap();
    check("a");
    assert_eq!(fs::read(case.path("a")).unwrap(), b"mine");
    fs::remove_file(case.path("a")).unwrap();
    fs::create_dir_all(case.path("a/b/f")).unwrap();
    check("a/b/f");
    fs::remove_dir_all(case.path("a/b")).unwrap();
    fs::create_dir(case.path("elsewhere")).unwrap();
    symlink("../elsewhere", case.path("a/b")).unwrap();
    check("a/b");
    assert_eq!(fs::read_dir(case.path("elsewhere")).unwrap().count(), 0);
}

#[test]
fn a_link_in_a_files_place_is_replaced_not_followed() {
    let case = Case::new(&[("f", b"new")]);
    fs::create_dir_all(case.dest()).unwrap();
    let outside = case.home.path().join("outside");
    fs::write(&outside, b"canary").unwrap();
    symlink(&outside, case.path("f")).unwrap();
    case.restore();
    assert_eq!(fs::read(&outside).unwrap(), b"canary");
    case.check(&[("f", b"new")]);
    assert!(fs::symlink_metadata(case.path("f")).unwrap().is_file());
}
