//! Publishing real directories into the strict store in memory.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, time::SystemTime};

use proptest::prelude::*;

use super::*;
use crate::{
    chunk::{Profile, cut, testing::noise},
    id::ChunkId,
    manifest::{Content, Entry, EntryKind, cursor, testing::LIBRARY},
    store::{Check, memory::MemoryObjects},
};

/// A library's directory, its store, and the trees of the last publish.
pub(super) struct Library {
    pub(super) home: tempfile::TempDir,
    pub(super) store: MemoryObjects,
    pub(super) previous: Vec<(u8, PageId)>,
}

impl Library {
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("src")).unwrap();
        Self { home, store: MemoryObjects::new(LIBRARY), previous: Vec::new() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("src").join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The options of the next publish, which begins long after all files were written.
    pub(super) fn ingest(&self) -> Ingest {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        Ingest {
            previous: self.previous.clone(),
            cache: Some(self.home.path().join("scan")),
            ..Ingest::new(self.path(""), Timestamp { seconds: now as i64 + 100, nanos: 0 })
        }
    }

    /// The paths of the files.
    pub(super) fn files(&self) -> Vec<String> {
        let files = self.entries().into_iter().filter(|(_, entry)| entry.kind == EntryKind::File);
        files.map(|(path, _)| path).collect()
    }

    pub(super) fn try_publish(&mut self, ingest: &Ingest) -> Result<Tally> {
        let report = publish(&self.store, ingest, &mut (), &AtomicBool::new(false))?;
        self.previous = roots(&report);
        if let Some(cache) = report.cache {
            cache.install()?;
        }
        let bytes: u64 = report.trees.iter().map(|(_, tree)| tree.sums.bytes).sum();
        assert_eq!(bytes, report.tally.bytes_read + report.tally.bytes_skipped);
        Ok(report.tally)
    }

    pub(super) fn publish(&mut self) -> Tally {
        self.try_publish(&self.ingest()).unwrap()
    }

    pub(super) fn entries(&self) -> BTreeMap<String, Entry> {
        let entries = union(&self.store, &self.previous);
        entries.map(|entry| entry.map(|(_, path, entry)| (path.to_string(), entry)).unwrap()).collect()
    }

    pub(super) fn content(&self, entry: &Entry) -> Vec<u8> {
        let mut bytes = Vec::new();
        for chunk in cursor::chunks(&self.store, &entry.content) {
            let chunk = self.store.read_chunks(&[chunk.unwrap().id], Check::Verify).unwrap();
            bytes.extend_from_slice(chunk[0].as_ref().unwrap());
        }
        bytes
    }
}

/// The trees of a report, as the next publish needs them.
pub(super) fn roots(report: &IngestReport) -> Vec<(u8, PageId)> {
    report.trees.iter().map(|(slot, tree)| (*slot, tree.root)).collect()
}

#[track_caller]
pub(super) fn check_refused(outcome: Result<Tally>, parts: &[&str]) {
    let error = outcome.unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn files_large_and_small_come_back_whole() {
    let mut library = Library::new();
    let files = [
        ("film.mkv", noise(1, 9_000_001)),
        ("film.zh.srt", noise(2, 70_000)),
        ("一/二/三.txt", b"text".to_vec()),
        ("empty.bin", Vec::new()),
        ("exact.bin", noise(3, 1024 * 1024)),
        ("zeros.bin", vec![0; 3_000_000]),
    ];
    files.iter().for_each(|(name, bytes)| library.write(name, bytes));
    let tally = library.publish();
    assert_eq!((tally.files, tally.files_read, tally.bytes_skipped), (6, 6, 0));
    let entries = library.entries();
    assert_eq!(library.files().len(), 6);
    for (name, bytes) in &files {
        let entry = &entries[*name];
        assert_eq!(library.content(entry), *bytes, "{name}");
        let mut rest = bytes.as_slice();
        for chunk in cursor::chunks(&library.store, &entry.content) {
            let (head, tail) = rest.split_at(cut::next(entry.profile, rest));
            assert_eq!(chunk.unwrap().id, ChunkId::of(head), "{name}");
            rest = tail;
        }
    }
    assert_eq!(entries["film.zh.srt"].profile, Profile::Fine);
    assert_eq!(entries["film.mkv"].profile, Profile::Video);
}

#[test]
fn paths_ascend_where_directory_order_does_not() {
    let mut library = Library::new();
    let names = ["a/x", "a.txt", "a-b", "a0", "a/b/c", "a/b.c", "b/deep/er/f", "b.d/f", "c"];
    names.iter().for_each(|name| library.write(name, name.as_bytes()));
    for name in ["e", "a!", "a/empty", "a.e", "b/deep.e"] {
        fs::create_dir_all(library.path(name)).unwrap();
    }
    fs::create_dir(library.path("only-links")).unwrap();
    symlink("/etc/passwd", library.path("only-links/way-out")).unwrap();
    let tally = library.publish();
    let entries = library.entries();
    let dirs: Vec<_> =
        entries.iter().filter(|(_, e)| e.kind == EntryKind::Folder).map(|(p, _)| p.as_str()).collect();
    assert_eq!(
        dirs,
        [
            "a",
            "a!",
            "a.e",
            "a/b",
            "a/empty",
            "b",
            "b.d",
            "b/deep",
            "b/deep.e",
            "b/deep/er",
            "e",
            "only-links"
        ]
    );
    assert_eq!(entries.len(), names.len() + dirs.len());
    let why = "a symbolic link that leads out, to \"/etc/passwd\"";
    assert_eq!(tally.skipped.first, [("only-links/way-out".to_owned(), why.to_owned())]);
}

#[test]
fn an_unchanged_library_is_not_read_again() {
    let mut library = Library::new();
    (0..700).for_each(|n| library.write(&format!("d{}/{n}.txt", n % 7), format!("file {n}").as_bytes()));
    library.write("film.mkv", &noise(1, 3_000_000));
    let first = library.publish();
    let roots = library.previous.clone();
    let second = library.publish();
    assert_eq!((second.files_read, second.bytes_read, second.chunks_new), (0, 0, 0));
    assert_eq!(second.bytes_skipped, first.bytes_read);
    assert_eq!(library.previous, roots);

    // The film has only a new time: it is read, but nothing in it is new.
    fs::File::open(library.path("film.mkv")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    library.write("d3/3.txt", b"other!");
    fs::remove_file(library.path("d4/4.txt")).unwrap();
    let third = library.publish();
    assert_eq!((third.files, third.files_read, third.chunks_new), (700, 2, 1));
    assert_eq!(library.entries()["film.mkv"].mtime, Timestamp::default());

    let checked = library.try_publish(&Ingest { check: true, ..library.ingest() }).unwrap();
    assert_eq!((checked.files_read, checked.bytes_skipped, checked.chunks_new), (700, 0, 0));
}

/// The racy-git problem: a file that changes within the clock's resolution of a scan keeps its times.
#[test]
fn a_file_as_young_as_the_scan_is_read_again() {
    let mut library = Library::new();
    library.write("young", b"x");
    let now = library.ingest().began.seconds - 100;
    let began = |seconds| Timestamp { seconds, nanos: 0 };
    library.try_publish(&Ingest { began: began(now), ..library.ingest() }).unwrap();
    assert_eq!(library.publish().files_read, 1);
    assert_eq!(library.publish().files_read, 0);
}

#[test]
fn a_foreign_or_damaged_cache_costs_only_a_read() {
    let mut library = Library::new();
    library.write("a", b"a");
    library.publish();
    let scan = library.home.path().join("scan");
    let mut bytes = fs::read(&scan).unwrap();
    bytes[70] ^= 1;
    fs::write(&scan, bytes).unwrap();
    assert_eq!(library.publish().files_read, 1);
    assert_eq!(library.publish().files_read, 0);
    library.previous.clear();
    assert_eq!(library.publish().files_read, 1);
}

#[test]
fn a_path_keeps_its_profile_for_life() {
    let mut library = Library::new();
    library.write("notes.txt", &noise(1, 100_000));
    library.publish();
    let fine = library.entries()["notes.txt"].clone();
    assert_eq!(fine.profile, Profile::Fine);
    // As an older version might have published it.
    let video = Entry { profile: Profile::Video, ..fine };
    let mut pages = Vec::new();
    let mut builder = crate::manifest::builder::EntryTreeBuilder::new(LIBRARY, 0).unwrap();
    builder.push("notes.txt".to_owned().try_into_path(), &video, &mut pages).unwrap();
    let tree = builder.finish(&mut pages).unwrap();
    let objects = pages.into_iter().map(|(id, bytes)| crate::store::Object::Page { id, bytes }).collect();
    library.store.append(objects).unwrap();
    library.store.commit().unwrap();
    library.previous = vec![(0, tree.root)];
    library.write("notes.txt", &noise(2, 100_000));
    library.publish();
    assert_eq!(library.entries()["notes.txt"].profile, Profile::Video);
}

trait TryIntoPath {
    fn try_into_path(self) -> crate::manifest::EntryPath;
}

impl TryIntoPath for String {
    fn try_into_path(self) -> crate::manifest::EntryPath {
        crate::manifest::EntryPath::new(self).unwrap()
    }
}

#[test]
fn a_single_file_is_published_alone_or_beside_the_others() {
    let mut library = Library::new();
    library.write("Film.mp4", b"film");
    library.write("b.txt", b"b");
    library.publish();
    library.write("b.txt", b"b2");
    let one = Ingest { source: library.path("b.txt"), keep_others: true, ..library.ingest() };
    let tally = library.try_publish(&one).unwrap();
    assert_eq!((tally.files, tally.files_read), (2, 1));
    assert_eq!(library.content(&library.entries()["b.txt"]), b"b2");

    library.write("film.mp4", b"other case");
    let collides = Ingest { source: library.path("film.mp4"), ..one.clone() };
    check_refused(library.try_publish(&collides), &["film.mp4", "Film.mp4", "rename"]);

    let alone = Ingest { keep_others: false, max_delete: MaxDelete::Percent(49), ..one };
    check_refused(library.try_publish(&alone), &["1 of 2 published files", "the option `max-delete`"]);
    library.try_publish(&Ingest { max_delete: MaxDelete::Percent(100), ..alone }).unwrap();
    assert_eq!(library.entries().into_keys().collect::<Vec<_>>(), ["b.txt"]);
}

/// Symptom: `publish films/masters/cut.txt` put the file at the top of the library, in another class.
#[test]
fn a_single_file_is_published_at_the_given_path() {
    let mut library = Library::new();
    library.write("masters/cut.txt", b"cut");
    library.write("top.txt", b"top");
    library.publish();
    library.write("masters/cut.txt", b"cut 2");
    let at = |path: &str| Some(EntryPath::new(path).unwrap());
    let one = Ingest {
        source: library.path("masters/cut.txt"),
        path: at("masters/cut.txt"),
        keep_others: true,
        ..library.ingest()
    };
    let tally = library.try_publish(&one).unwrap();
    assert_eq!((tally.files, tally.files_read, tally.files_changed), (2, 1, 1));
    assert_eq!(library.content(&library.entries()["masters/cut.txt"]), b"cut 2");

    // A new folder needs no entry of its own.
    let new = Ingest { path: at("new/deep/name.txt"), ..one.clone() };
    assert_eq!(library.try_publish(&new).unwrap().files_new, 1);
    assert_eq!(library.content(&library.entries()["new/deep/name.txt"]), b"cut 2");
    let named = |name: &str, limit| {
        let found = paths_of_name(&library.store, &library.previous, name, limit).unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(named("cut.txt", 9), ["masters/cut.txt"]);
    assert_eq!((named("masters", 9), named("top.txt", 0)), (Vec::new(), Vec::new()));
    for taken in ["Masters/cut.txt", "masters/CUT.txt", "MASTERS", "masters", "top.txt/below"] {
        let collides = Ingest { path: at(taken), ..one.clone() };
        check_refused(library.try_publish(&collides), &[taken, "collide"]);
    }
}

/// A library's path may be as long as the kernel's limit, which counts one byte more.
#[test]
fn the_longest_path_is_published() {
    let mut library = Library::new();
    let mut components = vec!["x".repeat(255); 15];
    components.extend(["y".repeat(127), "z".repeat(128)]);
    let path = components.join("/");
    assert_eq!(path.len(), crate::limits::PATH_BYTES);
    let (name, parents) = components.split_last().unwrap();
    let mut at = fs::File::open(library.path("")).unwrap().into();
    for parent in parents {
        rustix::fs::mkdirat(&at, parent.as_str(), rustix::fs::Mode::RWXU).unwrap();
        at = source::open_directory(std::os::fd::AsFd::as_fd(&at), parent).unwrap();
    }
    let flags = rustix::fs::OFlags::CREATE.union(rustix::fs::OFlags::WRONLY);
    rustix::fs::openat(&at, name.as_str(), flags, rustix::fs::Mode::RUSR).unwrap();
    assert_eq!(library.publish().files, 1);
    assert_eq!(library.files(), [path]);
}

#[test]
fn a_cancelled_publish_stops_and_the_next_one_ends_it() {
    /// Sets the flag after some bytes.
    struct Canceller<'a>(&'a AtomicBool);

    impl Progress for Canceller<'_> {
        fn advanced(&mut self, counts: &crate::progress::Counts) {
            self.0.store(counts.bytes > 2_000_000, Ordering::Relaxed);
        }

        fn skipped(&mut self, _path: &str, _why: &str) {}
    }

    let mut library = Library::new();
    (0..6).for_each(|n| library.write(&format!("{n}.mkv"), &noise(n, 4_000_000)));
    let cancel = AtomicBool::new(false);
    let outcome = publish(&library.store, &library.ingest(), &mut Canceller(&cancel), &cancel);
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    library.store.commit().unwrap();
    let tally = library.publish();
    assert_eq!(tally.bytes_read, 24_000_000);
    assert!(tally.chunk_bytes_new < 23_000_000, "chunks of the first run are stored again: {tally:?}");
}

#[test]
fn a_store_that_fails_ends_the_publish() {
    let mut library = Library::new();
    (0..40).for_each(|n| library.write(&format!("{n}.mkv"), &noise(n, 1_000_000)));
    library.store.stores().set_full(true);
    assert!(matches!(library.try_publish(&library.ingest()), Err(Error::Full(_))));
    library.store.stores().set_full(false);
    assert_eq!(library.publish().files, 40);
}

#[test]
fn a_source_that_is_not_there_is_named() {
    let mut library = Library::new();
    let gone = Ingest { source: library.path("gone"), ..library.ingest() };
    check_refused(library.try_publish(&gone), &["gone", "No such file"]);
}

#[test]
fn an_empty_source_is_an_empty_tree() {
    let mut library = Library::new();
    let tally = library.publish();
    assert_eq!(Tally { page_bytes_new: 0, ..tally }, Tally::default());
    assert!(library.entries().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any tree of directories is walked in the order of its paths: the tree builder refuses any other order.
    #[test]
    fn any_directory_is_walked_in_path_order(paths in prop::collection::vec("[a\\-./0é]{1,4}(/[a\\-.0]{1,3}){0,3}", 1..40)) {
        let mut library = Library::new();
        let mut expected = std::collections::BTreeSet::new();
        for path in paths {
            let plain: Vec<_> = path.split('/').filter(|c| !matches!(*c, "" | "." | "..")).collect();
            let full = library.path(&plain.join("/"));
            let made = !plain.is_empty()
                && fs::create_dir_all(full.parent().unwrap()).is_ok()
                && !full.exists()
                && fs::write(&full, b"x").is_ok();
            if made {
                expected.insert(plain.join("/"));
            }
        }
        library.publish();
        let files: std::collections::BTreeSet<_> = library
            .entries()
            .into_iter()
            .filter(|(_, entry)| entry.content != Content::Inline(Vec::new()))
            .map(|(path, _)| path)
            .collect();
        prop_assert_eq!(files, expected);
    }
}

#[test]
fn the_total_is_what_the_publish_takes() {
    let mut library = Library::new();
    (0..5).for_each(|n| library.write(&format!("{n}.mkv"), &noise(n, 100_000)));
    library.publish();
    (5..8).for_each(|n| library.write(&format!("{n}.mkv"), &noise(n, 50_000)));
    library.write("a.part", b"left out");
    let ingest = library.ingest();
    let opened = Opened::new(&ingest).unwrap();
    let total = total::count(&library.store, &ingest, &opened, &AtomicBool::new(false)).unwrap();
    assert_eq!(total, total::Total { files: 8, bytes: 650_000 });
    assert_eq!(library.publish().files, total.files);
}

#[test]
fn a_long_publish_says_its_total() {
    /// Keeps the last counts.
    struct Last(crate::progress::Counts);

    impl Progress for Last {
        fn advanced(&mut self, counts: &crate::progress::Counts) {
            self.0 = *counts;
        }

        fn skipped(&mut self, _path: &str, _why: &str) {}
    }

    let library = Library::new();
    library.write("a.mkv", &noise(1, 100_000));
    let ingest = library.ingest();
    let opened = Opened::new(&ingest).unwrap();
    let (counting, (begin, begun)) = (total::Counting::default(), bounded(1));
    let mut last = Last(crate::progress::Counts::default());
    let mut progress = total::WithTotal { progress: &mut last, counting: &counting, begin: Some(begin) };
    let counts = |bytes| crate::progress::Counts { bytes, ..Default::default() };
    progress.advanced(&counts(crate::limits::INGEST_TOTAL_AFTER_BYTES - 1));
    assert!(begun.is_empty(), "short work is counted");
    progress.advanced(&counts(crate::limits::INGEST_TOTAL_AFTER_BYTES));
    counting.run(&library.store, &ingest, &opened, &begun);
    progress.advanced(&counts(60_000));
    assert_eq!((last.0.bytes_total, last.0.files_total), (Some(100_000), Some(1)));
}
