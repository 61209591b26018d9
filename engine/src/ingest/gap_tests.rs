//! Items in real folders that cannot be published, that need not be published, and that are never published.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
};

use super::{
    plan::{Fallback, Previous},
    tests::{Library, check_refused},
    *,
};
use crate::chunk::testing::noise;

/// Checks gaps: the path, a part of the reason, and whether the previous entry is kept.
#[track_caller]
pub(super) fn check_gaps(gaps: &Listed<Gap>, expected: &[(&str, &str, bool)]) {
    assert_eq!(gaps.count, gaps.first.len() as u64);
    let found: Vec<_> =
        gaps.first.iter().map(|gap| (gap.path.as_str(), gap.reason.as_str(), gap.stands)).collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((path, reason, stands), (expected, part, expected_stands)) in found.iter().zip(expected) {
        assert_eq!((path, stands), (expected, expected_stands), "{found:?}");
        assert!(reason.contains(part), "{part:?} is not in {reason:?}");
    }
}

#[track_caller]
pub(super) fn check_left_out(items: &Listed<(String, String)>, expected: &[(&str, &str)]) {
    let found: Vec<_> = items.first.iter().map(|(path, why)| (path.as_str(), why.as_str())).collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((path, why), (expected, part)) in found.iter().zip(expected) {
        assert_eq!(path, expected, "{found:?}");
        assert!(why.contains(part), "{part:?} is not in {why:?}");
    }
}

pub(super) fn key() -> String {
    format!("{KEY_HEADING}{}\n", "5a".repeat(32))
}

/// Symptom: one name with a line break, one name in Latin-1 or one path that was too deep ended the whole
/// publish. Now they are gaps.
#[test]
fn names_that_cannot_be_kept_are_gaps_and_all_else_is_published() {
    let mut library = Library::new();
    library.write("d/film.mkv", b"film");
    library.write("d/line\nbreak", b"x");
    fs::write(library.path("d").join(OsStr::from_bytes(b"caf\xe9")), b"x").unwrap();
    let deep = vec!["n"; 63].join("/");
    library.write(&format!("{deep}/last"), b"x");
    library.write(&format!("{deep}/folder/file"), b"x");
    let tally = library.publish();
    check_gaps(
        &tally.gaps,
        &[
            ("d/caf\u{fffd}", "636166e9", false),
            ("d/line\nbreak", "control character", false),
            (&format!("{deep}/folder/file"), "64 components", false),
        ],
    );
    assert_eq!(library.files(), ["d/film.mkv".to_owned(), format!("{deep}/last")]);
    assert_eq!(library.publish().gaps.count, 3, "a second run does not take them either");
}

#[test]
fn of_colliding_names_the_published_one_is_kept() {
    let mut library = Library::new();
    library.write("d/film.MKV", b"1");
    library.write("d/cafe\u{301}/x", b"x");
    library.publish();
    library.write("d/Film.mkv", b"other");
    library.write("d/caf\u{e9}/y", b"y");
    let tally = library.publish();
    check_gaps(&tally.gaps, &[("d/Film.mkv", "`film.MKV`", false), ("d/caf\u{e9}", "rename one", false)]);
    assert_eq!(library.files(), ["d/cafe\u{301}/x", "d/film.MKV"]);

    // Neither name was published: the first is kept. Excluded names collide with nothing.
    let mut library = Library::new();
    library.write("A", b"1");
    library.write("a", b"2");
    library.write("b.PART", b"1");
    library.write("B.part", b"1");
    check_gaps(&library.publish().gaps, &[("a", "`A`", false)]);
    assert_eq!(library.files(), ["A"]);
    let (patterns, max_delete) = (own(&["A"]), MaxDelete::Percent(100));
    let gap = library.try_publish(&Ingest { patterns, max_delete, ..library.ingest() }).unwrap().gaps;
    check_gaps(&gap, &[]);
    assert_eq!(library.files(), ["a"], "an exclude ends a gap");
}

/// Patterns of the command line.
pub(super) fn own(patterns: &[&str]) -> Patterns {
    Patterns { own: patterns.iter().map(|&pattern| pattern.into()).collect(), ..Patterns::default() }
}

#[test]
fn special_files_are_left_out_and_named() {
    let mut library = Library::new();
    library.write("real", b"x");
    let _socket = std::os::unix::net::UnixListener::bind(library.path("socket")).unwrap();
    let (directory, mode) = (rustix::fs::CWD, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(directory, library.path("pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let tally = library.publish();
    assert_eq!(library.files(), ["real"]);
    check_left_out(&tally.skipped, &[("pipe", "pipe"), ("socket", "socket")]);
    assert_eq!(tally.gaps.count, 0);
}

/// Symptom: `publish ~` put the secret keys in `~/.chuan` into a release, and every mirror received them.
#[test]
fn no_key_and_no_home_is_ever_published() {
    let mut library = Library::new();
    library.write("film.mkv", b"film");
    for (name, text) in [
        (".chuan/chuan.toml", String::new()),
        (".chuan/keys/node.key", key()),
        (".chuan/store/000001.seg", "segment".into()),
        ("copies/old home/chuan.toml", String::new()),
        ("copies/old home/keys/films/root.key", key()),
        ("notes/root key.txt", format!("keep this safe:\n{}", key())),
        ("usb/operator.age", format!("{KEY_ARMOR}\nYWdlLWVu\n-----END AGE ENCRYPTED FILE-----\n")),
        ("keys/films/publisher.key", key()),
        ("app/chuan.toml", "no home".into()),
        ("docs/keys.md", "a key file begins with `chuan-secret-key-1 `".into()),
    ] {
        library.write(name, text.as_bytes());
    }
    let tally = library.publish();
    assert_eq!(library.files(), ["app/chuan.toml", "docs/keys.md", "film.mkv"]);
    check_left_out(
        &tally.skipped,
        &[
            (".chuan", "home"),
            ("copies/old home", "home"),
            ("keys/films/publisher.key", "secret key"),
            ("notes/root key.txt", "secret key"),
            ("usb/operator.age", "secret key"),
        ],
    );
    // No part of a key is in the store.
    let id = crate::id::ChunkId::of(key().as_bytes());
    assert!(library.store.read_chunks(&[id], crate::store::Check::Verify).unwrap()[0].is_none());

    for inside in [".chuan", ".chuan/keys", ".chuan/store", "copies/old home/keys/films"] {
        let source = library.path(inside);
        check_refused(library.try_publish(&Ingest { source, ..library.ingest() }), &["home", "secret keys"]);
    }
    symlink(".chuan/keys", library.path("way in")).unwrap();
    let source = library.path("way in");
    check_refused(library.try_publish(&Ingest { source, ..library.ingest() }), &["home"]);
    let source = library.path("notes/root key.txt");
    let beside = Ingest { source, keep_others: true, ..library.ingest() };
    check_refused(library.try_publish(&beside), &["secret key"]);
    let source = library.path(".chuan/keys/node.key");
    check_refused(library.try_publish(&Ingest { source, ..library.ingest() }), &["home"]);
}

/// A folder is recognised as a home also if its keys are elsewhere, behind a link, mounted or not.
#[test]
fn a_home_with_links_in_it_is_not_published() {
    let mut library = Library::new();
    library.write("film.mkv", b"film");
    library.write("away/keys/films", b"x");
    for (home, keys, toml) in [("a", "../away/keys", None), ("b", "/nowhere", None), ("c", "", Some("../t"))]
    {
        library.write(&format!("{home}/store/1"), b"segment");
        match keys {
            "" => fs::create_dir(library.path("c/keys")).unwrap(),
            to => symlink(to, library.path(home).join("keys")).unwrap(),
        }
        match toml {
            Some(to) => symlink(to, library.path(home).join("chuan.toml")).unwrap(),
            None => library.write(&format!("{home}/chuan.toml"), b""),
        }
    }
    let tally = library.publish();
    check_left_out(&tally.skipped, &[("a", "home"), ("b", "home"), ("c", "home")]);
    assert_eq!(library.files(), ["away/keys/films", "film.mkv"]);
}

/// The open home is recognised by its inodes: its parts are left out under any path.
#[test]
fn the_open_home_is_known_under_any_path() {
    let mut library = Library::new();
    library.write("film.mkv", b"film");
    library.write("part/of/home/segments/1", b"segment");
    let home = library.home.path().join("home");
    fs::create_dir(&home).unwrap();
    symlink(library.path("part/of/home"), home.join("store")).unwrap();
    let ingest = Ingest { home: Some(home), ..library.ingest() };
    let tally = library.try_publish(&ingest).unwrap();
    check_left_out(&tally.skipped, &[("part/of/home", "home")]);
    assert_eq!(library.files(), ["film.mkv"]);
    let source = library.path("part/of/home/segments");
    check_refused(library.try_publish(&Ingest { source, ..ingest }), &["home"]);
}

/// A published file into which a key was pasted leaves the library, and counts as gone.
#[test]
fn a_file_that_became_a_key_leaves_the_release() {
    let mut library = Library::new();
    library.write("notes.txt", b"notes");
    library.write("film.mkv", &noise(1, 100_000));
    library.publish();
    library.write("notes.txt", key().as_bytes());
    let tally = library.publish();
    assert_eq!((library.files(), tally.files_gone), (vec!["film.mkv".to_owned()], 1));
}

#[test]
fn unfinished_files_of_a_restore_are_never_published() {
    let mut library = Library::new();
    library.write("f", b"x");
    library.write("a/.chuan-restore-00000001.tmp", b"half");
    library.write("a/.chuan-restore-notes.txt", b"mine");
    let include = Patterns { junk: false, ..own(&["!*.tmp"]) };
    let tally = library.try_publish(&Ingest { patterns: include, ..library.ingest() }).unwrap();
    assert_eq!(library.files(), ["a/.chuan-restore-notes.txt", "f"]);
    check_left_out(&tally.skipped, &[("a/.chuan-restore-00000001.tmp", "restore")]);
    let source = library.path("a/.chuan-restore-00000001.tmp");
    check_refused(library.try_publish(&Ingest { source, ..library.ingest() }), &["unfinished"]);
}

#[test]
fn excludes_of_all_lists_are_kept_out_whatever_their_names() {
    let mut library = Library::new();
    for name in [
        "film.mkv",
        ".DS_Store",
        "._film.mkv",
        "Icon\r",
        "new.part",
        "raw/take.tmp",
        "raw/keep.tmp",
        "raw/deep/b.tmp",
        "node_modules/a/b/c",
        "x.log",
        "sub/x.iso",
        "sub/keep.iso",
    ] {
        library.write(name, name.as_bytes());
    }
    fs::write(library.path("raw").join(OsStr::from_bytes(b"\xff.tmp")), b"x").unwrap();
    library.write(".chuanignore", b"node_modules/\n*.tmp\n");
    library.write("raw/.chuanignore", b"!keep.tmp\n");
    let patterns = Patterns { policy: vec!["*.iso".into()], ..own(&["*.log", "!keep.iso"]) };
    let tally = library.try_publish(&Ingest { patterns, ..library.ingest() }).unwrap();
    assert_eq!(
        library.files(),
        [".chuanignore", "film.mkv", "raw/.chuanignore", "raw/keep.tmp", "sub/keep.iso"]
    );
    assert_eq!((tally.gaps.count, tally.excluded.count), (0, 10), "{:?}", tally.excluded);
    let reason = |path: &str| {
        let found = tally.excluded.first.iter().find(|(found, _)| found == path);
        found.map(|(_, why)| why.as_str()).unwrap_or_default()
    };
    assert_eq!(reason("node_modules"), "excluded by `node_modules/` (.chuanignore)");
    assert_eq!(reason("sub/x.iso"), "excluded by `*.iso` (the library's policy)");
    assert_eq!(reason("x.log"), "excluded by `*.log` (the option `exclude`)");
    assert_eq!(reason(".DS_Store"), "excluded by `.DS_Store` (junk)");

    let bad = Ingest { patterns: own(&["[z-a]"]), ..library.ingest() };
    check_refused(library.try_publish(&bad), &["malformed pattern", "the option `exclude`"]);
}

#[test]
fn newly_excluded_files_leave_the_release_and_count_as_gone() {
    let mut library = Library::new();
    (0..10).for_each(|n| library.write(&format!("{n}.mkv"), b"film"));
    library.publish();
    let some = Ingest { patterns: own(&["[0-3].mkv"]), ..library.ingest() };
    let most = Ingest { patterns: own(&["[0-5].mkv"]), ..library.ingest() };
    check_refused(
        library.try_publish(&most),
        &["6 of 10 published files", "excluded", "the option `max-delete`"],
    );
    assert_eq!(library.files().len(), 10);
    let tally = library.try_publish(&some).unwrap();
    assert_eq!((tally.files_gone, tally.bytes_gone, library.files().len()), (4, 16, 6));
}

/// Symptom: the disk was not mounted, its folder was empty, and an empty release became `live`.
#[test]
fn an_empty_source_is_not_published_over_a_library() {
    let mut library = Library::new();
    (0..20).for_each(|n| library.write(&format!("d/{n}.mkv"), b"film"));
    library.publish();
    fs::remove_dir_all(library.path("d")).unwrap();
    let before = library.previous.clone();
    check_refused(
        library.try_publish(&library.ingest()),
        &["20 of 20 published files", "80 of 80 bytes", "mounted"],
    );
    // A folder that was renamed: the refusal counts what is new.
    (0..19).for_each(|n| library.write(&format!("e/{n}.mkv"), b"film"));
    check_refused(library.try_publish(&library.ingest()), &["20 of 20", "new paths: 19, with 76 bytes"]);
    fs::remove_dir_all(library.path("e")).unwrap();
    let count = Ingest { max_delete: MaxDelete::Files(19), ..library.ingest() };
    check_refused(library.try_publish(&count), &["at most 19"]);
    assert_eq!(library.previous, before);
    let all = Ingest { max_delete: MaxDelete::Percent(100), ..library.ingest() };
    assert_eq!(library.try_publish(&all).unwrap().files_gone, 20);
    assert!(library.files().is_empty());
}

/// Early in the walk, more is gone than the limit permits. Then all deletions are counted, and no more files
/// are read.
#[test]
fn a_publish_that_will_be_refused_reads_nothing_more() {
    let mut library = Library::new();
    (0..10).for_each(|n| library.write(&format!("a/{n}.mkv"), b"film"));
    library.publish();
    fs::remove_dir_all(library.path("a")).unwrap();
    library.write("z/new.mkv", &noise(1, 1_000_000));
    // If any object were appended, this store would fail instead.
    library.store.stores().set_full(true);
    check_refused(library.try_publish(&library.ingest()), &["10 of 10"]);
}

/// Plans `found` against the published trees; returns the kept entries, the gaps and the number of files
/// gone.
fn planned(library: &Library, found: Vec<Found>) -> (Vec<String>, Vec<(String, bool)>, u64) {
    let previous = Previous::new(union(&library.store, &library.previous), None).unwrap();
    let classes = Classifier::default();
    let rules = Rules { classes: &classes, check: false, only_path: None };
    let mut gone = Gone::new(MaxDelete::Percent(100), published(&library.store, &library.previous).unwrap());
    let (mut kept, mut gaps) = (Vec::new(), Vec::new());
    let mut emit = |job: Job| {
        for item in job.items {
            match item {
                Item::Keep(entry) | Item::Unchanged(entry) => kept.push(entry.path.to_string()),
                Item::Gap { path, fallback, .. } => {
                    gaps.push((path, !matches!(fallback, Fallback::Nothing)));
                    if let Fallback::Previous(entry) = fallback {
                        kept.push(entry.path.to_string());
                    }
                }
                Item::Read(read) => kept.push(format!("read {}", read.path)),
                Item::LeftOut(item) => kept.push(format!("out {}", item.path)),
            }
        }
        true
    };
    plan(found.into_iter().map(Ok), previous, &rules, &mut gone, &mut emit).unwrap();
    (kept, gaps, gone.files)
}

fn gap(path: &str, within: bool) -> Found {
    let at = Some(EntryPath::new(path).unwrap());
    Found::Gap { path: path.to_owned(), why: "denied".to_owned(), at, within }
}

/// Symptom: with `--skip-unreadable`, a wrong permission removed a film from every mirror, with exit code 0.
#[test]
fn unreadable_items_keep_their_published_entries() {
    let mut library = Library::new();
    for name in ["a/1", "a/sub/2", "a!", "a.txt", "ab/3", "b", "c/4"] {
        library.write(name, name.as_bytes());
    }
    library.publish();
    // The folder `a` was examined but could not be listed; `b` could not be examined; the rest is gone.
    let folder = Found::Folder {
        path: EntryPath::new("a").unwrap(),
        stat: source::Stat::at(rustix::fs::CWD, library.path("a").as_os_str()).unwrap(),
    };
    let (kept, gaps, gone) =
        planned(&library, vec![folder, gap("a", true), gap("b", false), gap("new", false)]);
    assert_eq!(kept, ["a", "a/1", "a/sub", "a/sub/2", "b"]);
    assert_eq!(gaps, [("a".to_owned(), true), ("b".to_owned(), true), ("new".to_owned(), false)]);
    assert_eq!(gone, 4, "a!, a.txt, ab/3, c/4");

    // The former folder `a` cannot be examined now: all its published content is kept, its neighbours are
    // not.
    let (kept, gaps, gone) = planned(&library, vec![gap("a", false)]);
    assert_eq!(kept, ["a", "a/1", "a/sub", "a/sub/2"]);
    assert_eq!((gaps, gone), (vec![("a".to_owned(), true)], 5));
    // Nothing was published in this folder, so nothing is kept.
    let (kept, gaps, _) = planned(&library, vec![gap("c/5", true)]);
    assert_eq!((kept, gaps), (vec![], vec![("c/5".to_owned(), false)]));
}

/// Runs as any user except root, which may read all files.
#[test]
fn unreadable_files_and_folders_are_gaps() {
    let mut library = Library::new();
    // Kernel files that are write-only: even root cannot read them.
    let kernel = Path::new("/sys/bus/cpu");
    if kernel.join("drivers_probe").exists() {
        let ingest = Ingest { source: kernel.join("drivers_probe"), ..library.ingest() };
        check_refused(library.try_publish(&ingest), &["drivers_probe", "denied"]);
        let report = publish(
            &library.store,
            &Ingest { source: kernel.to_owned(), ..library.ingest() },
            &mut (),
            &AtomicBool::new(false),
        );
        let gaps = report.unwrap().tally.gaps;
        assert!(gaps.first.iter().any(|gap| gap.path == "drivers_probe" && !gap.stands), "{gaps:?}");
    } else {
        eprintln!("skipped in part: no {}", kernel.display());
    }
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped in part: root may read all files");
        return;
    }
    for name in ["good", "bad", "dir/file"] {
        library.write(name, b"x");
    }
    library.publish();
    library.write("bad", b"new");
    library.write("worse", b"x");
    for name in ["bad", "worse", "dir"] {
        fs::set_permissions(library.path(name), fs::Permissions::from_mode(0o0)).unwrap();
    }
    let tally = library.publish();
    check_gaps(&tally.gaps, &[("bad", "denied", true), ("dir", "denied", true), ("worse", "denied", false)]);
    assert_eq!(library.files(), ["bad", "dir/file", "good"]);
    fs::set_permissions(library.path("dir"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_preview_counts_what_a_publish_does_and_stores_nothing() {
    let mut library = Library::new();
    for name in ["same", "changed", "gone", "d/x"] {
        library.write(name, name.as_bytes());
    }
    library.publish();
    library.write("changed", b"changed now");
    library.write("new", &noise(1, 400_000));
    library.write("secret", key().as_bytes());
    library.write("a\nb", b"x");
    library.write("new.part", b"x");
    fs::remove_file(library.path("gone")).unwrap();
    library.store.stores().set_full(true);
    let scan = fs::read(library.home.path().join("scan")).unwrap();
    let seen = preview(&library.store, &library.ingest(), &mut (), &AtomicBool::new(false)).unwrap();
    library.store.stores().set_full(false);
    assert_eq!(fs::read(library.home.path().join("scan")).unwrap(), scan);
    let made = library.publish();
    let counts =
        |tally: &Tally| Tally { chunks_new: 0, chunk_bytes_new: 0, page_bytes_new: 0, ..tally.clone() };
    // Only a preview lists changes and counts by class.
    let (changes, classes) = (made.changes.clone(), made.classes.clone());
    assert_eq!(Tally { changes, classes, ..seen.clone() }, counts(&made));
    assert_eq!(seen.changes.count, 3);
    assert_eq!((seen.files_new, seen.files_changed, seen.files_gone), (1, 1, 1));
    assert_eq!((seen.bytes_new, seen.bytes_changed, seen.bytes_gone), (400_000, 11, 4));
    assert_eq!((seen.gaps.count, seen.skipped.count, seen.excluded.count), (1, 1, 1));
}
