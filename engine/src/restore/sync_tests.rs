//! A folder that is brought from release to release, on a real disk: the record, removed and kept items, and
//! the kinds of entries besides files.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use super::*;
use crate::{
    chunk::testing::noise,
    manifest::{Entry, EntryPath, Extension, LinkTarget, Timestamp, testing::LIBRARY},
    restore::tests::{keep_entries, plain_entry},
    store::memory::MemoryObjects,
};

/// A destination, a store for releases, and the home's records.
pub(super) struct Case {
    pub(super) dir: tempfile::TempDir,
    pub(super) store: MemoryObjects,
}

/// A release's entry at a path, with its bytes.
pub(super) type Item = (String, Entry, Vec<u8>);

pub(super) fn file(path: &str, bytes: &[u8]) -> Item {
    (path.to_owned(), plain_entry(EntryKind::File), bytes.to_vec())
}

pub(super) fn folder(path: &str, mode: u16) -> Item {
    (path.to_owned(), Entry { mode, ..plain_entry(EntryKind::Folder) }, Vec::new())
}

fn link(path: &str, to: &str) -> Item {
    let target = LinkTarget::new(to, &EntryPath::new(path).unwrap()).unwrap();
    let entry = plain_entry(EntryKind::Symlink);
    (path.to_owned(), Entry { target: Some(target), mode: Entry::LINK_MODE, ..entry }, Vec::new())
}

pub(super) fn further_name(path: &str, first: &str, bytes: &[u8]) -> Item {
    let extensions = vec![Extension::link_group(first)];
    (path.to_owned(), Entry { extensions, ..plain_entry(EntryKind::File) }, bytes.to_vec())
}

impl Case {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("records")).unwrap();
        Self { dir, store: MemoryObjects::new(LIBRARY) }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("dest").join(name)
    }

    /// Restores a release; parent folders without an entry are implied.
    pub(super) fn restore(&self, items: &[Item], change: impl FnOnce(&mut Restore)) -> RestoreReport {
        self.try_restore(items, change).unwrap()
    }

    pub(super) fn try_restore(
        &self,
        items: &[Item],
        change: impl FnOnce(&mut Restore),
    ) -> Result<RestoreReport> {
        let root = keep_entries(&self.store, items.to_vec());
        let mut order = Restore::new(vec![(0, root)], self.dir.path().join("dest"));
        order.records = Some(self.dir.path().join("records"));
        change(&mut order);
        restore(&self.store, &order, &mut (), &AtomicBool::new(false))
    }

    pub(super) fn read(&self, name: &str) -> String {
        String::from_utf8(fs::read(self.path(name)).unwrap()).unwrap()
    }

    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut open = vec![self.path("")];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
                let path = entry.path();
                names.push(path.strip_prefix(self.path("")).unwrap().display().to_string());
                if entry.file_type().unwrap().is_dir() {
                    open.push(path);
                }
            }
        }
        names.sort();
        names
    }
}

#[track_caller]
pub(super) fn check_failed(report: &RestoreReport, path: &str, part: &str) {
    let found = report.failures.iter().find(|failure| failure.path == path);
    let found = found.unwrap_or_else(|| panic!("{path} did not fail: {report:?}"));
    assert!(found.reason.contains(part), "{part:?} is not in {:?}", found.reason);
}

pub(super) fn keep(_: &mut Restore) {}

pub(super) fn delete(order: &mut Restore) {
    order.delete = true;
}

fn stat(path: &Path) -> fs::Metadata {
    fs::symlink_metadata(path).unwrap()
}

/// Symptom: after a restore of one release, a second release was not written. Cause: the two releases
/// differed only in a file's content, not in its size or time, and content was not compared.
#[test]
fn a_release_that_differs_in_content_alone_is_restored() {
    let case = Case::new();
    case.restore(&[file("f", b"AAAA"), file("g", b"same")], keep);
    let untouched = stat(&case.path("g"));
    let report = case.restore(&[file("f", b"BBBB"), file("g", b"same")], keep);
    assert_eq!(case.read("f"), "BBBB");
    assert_eq!((report.files_unchanged, report.bytes_written), (1, 4));
    assert_eq!(
        (stat(&case.path("g")).ino(), stat(&case.path("g")).ctime_nsec()),
        (untouched.ino(), untouched.ctime_nsec())
    );
    // The user's own change, with the time set back.
    fs::write(case.path("f"), b"CCCC").unwrap();
    let time = fs::metadata(case.path("g")).unwrap().modified().unwrap();
    fs::File::options().write(true).open(case.path("f")).unwrap().set_modified(time).unwrap();
    case.restore(&[file("f", b"BBBB"), file("g", b"same")], keep);
    assert_eq!(case.read("f"), "BBBB");
}

#[test]
fn files_and_folders_take_each_others_places() {
    let case = Case::new();
    let one = [file("extras", b"one"), file("keep", b"k"), folder("season", 0o755), file("season/1", b"1")];
    let two = [
        folder("extras", 0o700),
        file("extras/a", b"two"),
        file("keep", b"k"),
        file("season", b"now a file"),
    ];
    for (items, kind) in [(&one, "file"), (&two, "folder"), (&one, "file"), (&two, "folder")] {
        let report = case.restore(items, keep);
        assert_eq!(report.failures, [], "{kind}");
        assert_eq!(case.path("extras").is_dir(), kind == "folder");
        assert_eq!(case.path("season").is_dir(), kind == "file");
    }
    assert_eq!(case.names(), ["extras", "extras/a", "keep", "season"]);
}

#[test]
fn user_files_are_not_removed_for_a_swap() {
    let case = Case::new();
    case.restore(&[folder("a", 0o755), file("a/1", b"1"), file("b", b"b"), file("c", b"c")], keep);
    fs::write(case.path("a/mine"), b"mine").unwrap();
    fs::write(case.path("b"), b"edited").unwrap();
    let two =
        [file("a", b"now a file"), folder("b", 0o755), file("b/1", b"1"), file("b/2", b"2"), file("c", b"C")];
    let report = case.restore(&two, keep);
    check_failed(&report, "a", "a folder with 1 thing that this restore did not write is in the way");
    check_failed(&report, "b", "2 paths under it are not restored");
    assert_eq!((report.failures_total, report.failure), (4, Some(FailureKind::Refused)));
    assert_eq!(
        (case.read("a/mine"), case.read("b"), case.read("c")),
        ("mine".into(), "edited".into(), "C".into())
    );
    assert_eq!(case.read("a/1"), "1", "a failed swap removes nothing");
    let dry = case.restore(&two, |order| {
        delete(order);
        order.dry_run = true;
    });
    assert_eq!((dry.files_removed, case.read("a/mine")), (2, "mine".into()), "removals are reported");
    let report = case.restore(&two, delete);
    // The items in `a`. The folder `b` replaces a file, and that does not count as a removal.
    assert_eq!((report.failures_total, report.files_removed), (0, 2));
    assert_eq!(case.names(), ["a", "b", "b/1", "b/2", "c"]);
}

#[test]
fn items_that_left_the_release_stay_and_delete_removes_them() {
    let case = Case::new();
    let one = [
        folder("s", 0o755),
        file("s/1", b"1"),
        file("s/2", b"2"),
        folder("gone", 0o755),
        file("gone/x", b"x"),
    ];
    case.restore(&one, keep);
    fs::create_dir_all(case.path("mine/deep")).unwrap();
    fs::write(case.path("mine/deep/f"), b"f").unwrap();
    symlink("/nowhere", case.path("s/link")).unwrap();
    let two = [folder("s", 0o755), file("s/2", b"2"), file("s/9", b"1")];
    let report = case.restore(&two, keep);
    // The files s/1, s/link and gone/x; the folders gone and mine.
    assert_eq!((report.files_left, report.folders_left, report.files_removed), (3, 2, 0));
    assert!(case.path("gone/x").exists());
    let report = case.restore(&two, |order| {
        order.delete = true;
        order.filter = Some("s".into());
    });
    assert_eq!((report.files_removed, report.folders_removed), (2, 0));
    assert!(case.path("gone/x").exists() && case.path("mine/deep/f").exists());
    let report = case.restore(&two, delete);
    assert_eq!((report.files_removed, report.folders_removed, report.files_left), (2, 3, 0));
    assert_eq!(case.names(), ["s", "s/2", "s/9"]);
}

#[test]
fn a_dry_run_says_all_and_changes_nothing() {
    #[derive(Default)]
    struct Planned(Vec<String>);
    impl Progress for Planned {
        fn advanced(&mut self, _: &Counts) {}
        fn skipped(&mut self, _: &str, _: &str) {}
        fn planned(
            &mut self,
            path: &str,
            change: crate::progress::Change,
            old: Option<u64>,
            new: Option<u64>,
        ) {
            self.0.push(format!("{} {path} {old:?} {new:?}", change.word()));
        }
    }
    let case = Case::new();
    let one = [folder("s", 0o755), file("s/1", b"1"), file("s/2", b"2"), file("t", b"t")];
    let two =
        [folder("s", 0o755), file("s/1", b"one"), folder("t", 0o755), file("t/x", b"x"), link("u", "t/x")];
    let dry = |items: &[Item]| {
        let root = keep_entries(&case.store, items.to_vec());
        let mut order = Restore::new(vec![(0, root)], case.path(""));
        (order.dry_run, order.delete) = (true, true);
        order.records = Some(case.dir.path().join("records"));
        let mut planned = Planned::default();
        let report = restore(&case.store, &order, &mut planned, &AtomicBool::new(false)).unwrap();
        (planned.0, report)
    };
    let (planned, report) = dry(&one);
    assert_eq!(planned.len(), 4);
    assert_eq!((report.files, report.bytes_written, report.folders), (3, 3, 1));
    assert!(!case.path("").exists() && fs::read_dir(case.dir.path().join("records")).unwrap().count() == 0);
    case.restore(&one, keep);
    // The user's files, in a folder of his own: each item that would be removed is reported.
    fs::create_dir_all(case.path("d/e")).unwrap();
    fs::write(case.path("d/user"), "1").unwrap();
    fs::write(case.path("d/e/f"), "2").unwrap();
    let before: Vec<_> = case
        .names()
        .iter()
        .map(|name| (stat(&case.path(name)).ino(), stat(&case.path(name)).ctime_nsec()))
        .collect();
    let (mut planned, report) = dry(&two);
    let mut of_user: Vec<_> = planned.drain(..4).collect();
    of_user.sort();
    let expected = ["d None", "d/e None", "d/e/f Some(1)", "d/user Some(1)"];
    assert_eq!(of_user, expected.map(|row| format!("removed {row} None")));
    let expected = [
        "written s/1 Some(1) Some(3)",
        "removed s/2 Some(1) None",
        "removed t Some(1) None",
        "made t None None",
        "written t/x None Some(1)",
        "made u None None",
    ];
    assert_eq!(planned, expected);
    assert_eq!((report.files_removed, report.folders_removed, report.failures_total), (3, 2, 0));
    let after: Vec<_> = case
        .names()
        .iter()
        .map(|name| (stat(&case.path(name)).ino(), stat(&case.path(name)).ctime_nsec()))
        .collect();
    assert_eq!(before, after);
}

#[test]
fn folders_have_the_mode_and_time_of_the_release_whatever_is_written_in_them() {
    let case = Case::new();
    let one = [
        folder("p", 0o700),
        folder("p/q", 0o2555),
        file("p/q/f", b"1"),
        folder("p.x", 0o755),
        folder("r", 0o711),
    ];
    let check = |items: &[Item]| {
        for (path, entry, _) in items.iter().filter(|(_, entry, _)| entry.kind == EntryKind::Folder) {
            let found = stat(&case.path(path));
            assert_eq!(found.mode() & 0o7777, u32::from(entry.mode & 0o777), "{path}");
            assert_eq!(
                (found.mtime(), found.mtime_nsec()),
                (entry.mtime.seconds, entry.mtime.nanos.into()),
                "{path}"
            );
        }
    };
    case.restore(&one, keep);
    check(&one);
    let two = [
        folder("p", 0o750),
        folder("p/q", 0o2555),
        file("p/q/f", b"2"),
        file("p/q/g", b"3"),
        folder("r", 0o711),
    ];
    assert_eq!(case.restore(&two, delete).failures, []);
    check(&two);
    fs::set_permissions(case.path("r"), fs::Permissions::from_mode(0o777)).unwrap();
    case.restore(&two, keep);
    check(&two);
}

#[test]
fn a_folder_above_what_is_selected_is_as_closed_as_in_the_release() {
    let case = Case::new();
    let items = [folder("p", 0o700), folder("p/q", 0o750), file("p/q/f", b"1"), file("p/x", b"x")];
    case.restore(&items, |order| order.filter = Some("p/q/f".into()));
    assert_eq!(case.names(), ["p", "p/q", "p/q/f"]);
    assert_eq!(
        (stat(&case.path("p")).mode() & 0o777, stat(&case.path("p/q")).mode() & 0o777),
        (0o700, 0o750)
    );
}

#[test]
fn links_come_back_and_are_never_followed() {
    let case = Case::new();
    let items = [
        folder("s", 0o755),
        file("s/1", b"1"),
        link("latest", "s"),
        link("s/up", "../s/1"),
        link("loop", "."),
    ];
    let report = case.restore(&items, keep);
    assert_eq!((report.links, report.failures_total), (3, 0));
    let target = |name: &str| fs::read_link(case.path(name)).unwrap().display().to_string();
    assert_eq!([target("latest"), target("s/up"), target("loop")], ["s", "../s/1", "."]);
    let entry = plain_entry(EntryKind::Symlink);
    let found = stat(&case.path("latest"));
    assert_eq!((found.mtime(), found.mtime_nsec()), (entry.mtime.seconds, entry.mtime.nanos.into()));
    let untouched = found.ino();
    assert_eq!(case.restore(&items, keep).failures, []);
    assert_eq!(stat(&case.path("latest")).ino(), untouched);
    // A link becomes a folder and a folder a link; nothing is written through the link.
    let two = [
        link("s", "other"),
        folder("other", 0o755),
        file("other/2", b"2"),
        folder("latest", 0o755),
        file("latest/x", b"x"),
    ];
    assert_eq!(case.restore(&two, delete).failures, []);
    assert_eq!(case.names(), ["latest", "latest/x", "other", "other/2", "s"]);
    assert!(stat(&case.path("latest")).is_dir() && stat(&case.path("s")).is_symlink());
}

#[test]
fn names_of_one_file_are_one_file_again() {
    let case = Case::new();
    let film = noise(3, 200_000);
    let items = [
        file("a", &film),
        further_name("b", "a", &film),
        folder("c", 0o755),
        further_name("c/d", "a", &film),
        file("e", &film),
    ];
    let inode = |name: &str| stat(&case.path(name)).ino();
    let report = case.restore(&items, keep);
    assert_eq!((report.files, report.files_linked, report.bytes_written), (4, 2, 400_000));
    assert!(inode("a") == inode("b") && inode("a") == inode("c/d") && inode("a") != inode("e"));
    let report = case.restore(&items, keep);
    assert_eq!((report.files_unchanged, report.files_linked, report.bytes_written), (2, 2, 0));
    // One name leaves the group and gets another time: the others keep theirs.
    let mut alone = file("b", &film);
    alone.1.mtime = Timestamp { seconds: 5, nanos: 0 };
    let items =
        [file("a", &film), alone, folder("c", 0o755), further_name("c/d", "a", &film), file("e", &film)];
    case.restore(&items, keep);
    assert!(inode("a") != inode("b") && inode("a") == inode("c/d"));
    assert_eq!(
        (stat(&case.path("b")).mtime(), stat(&case.path("a")).mtime()),
        (5, plain_entry(EntryKind::File).mtime.seconds)
    );
    assert_eq!(case.restore(&items, keep).bytes_written, 0);
}

#[test]
fn names_of_one_file_whose_first_is_not_there_are_linked_to_each_other() {
    let case = Case::new();
    let film = noise(3, 200_000);
    let items = [
        file("a", &film),
        folder("c", 0o755),
        further_name("c/d", "a", &film),
        further_name("c/e", "a", &film),
    ];
    let report = case.restore(&items, |order| order.filter = Some("c".into()));
    assert_eq!((report.files, report.files_linked, report.bytes_written), (2, 1, 200_000));
    assert_eq!(stat(&case.path("c/d")).ino(), stat(&case.path("c/e")).ino());
    let other = Case::new();
    other.restore(&items, |order| order.hard_links = false);
    assert_ne!(stat(&other.path("a")).ino(), stat(&other.path("c/d")).ino());
    // Linked names are separated, and linked again.
    let inodes = || ["a", "c/d", "c/e"].map(|name| stat(&other.path(name)).ino());
    other.restore(&items, keep);
    let [a, d, e] = inodes();
    assert!(a == d && a == e);
    other.restore(&items, |order| order.hard_links = false);
    let [a, d, e] = inodes();
    assert!(a != d && a != e && d != e);
    assert_eq!(other.restore(&items, |order| order.hard_links = false).bytes_written, 0);
}

/// An entry that claims to be a hard link to a file with other content gets a file of its own.
#[test]
fn a_forged_link_group_shares_nothing() {
    let case = Case::new();
    let items = [file("a", b"AAAA"), further_name("b", "a", b"BBBB"), further_name("c", "a", b"AAAA")];
    case.restore(&items, keep);
    assert_eq!(
        (case.read("a"), case.read("b"), case.read("c")),
        ("AAAA".into(), "BBBB".into(), "AAAA".into())
    );
    assert_ne!(stat(&case.path("a")).ino(), stat(&case.path("b")).ino());
}

#[test]
fn holes_are_holes_again_and_what_lies_in_one_is_written() {
    let case = Case::new();
    let mut bytes = vec![0; 9_000_000];
    bytes[..5].copy_from_slice(b"begin");
    bytes[8_000_000..8_000_004].copy_from_slice(b"tail");
    // The second hole is false: its bytes are written, whatever the release says.
    let holes = vec![4096..7_995_392, 7_999_488..8_003_584, 8_003_585..9_000_000];
    let mut item = file("disk.img", &bytes);
    item.1.extensions = Extension::holes(holes).into_iter().collect();
    let report = case.restore(&[item.clone()], keep);
    assert!(fs::read(case.path("disk.img")).unwrap() == bytes);
    assert!(report.bytes_written < 1_500_000, "{report:?}");
    let (room, plain) = (stat(&case.path("disk.img")).blocks(), 9_000_000 / 512);
    fs::write(case.dir.path().join("sparse"), b"").unwrap();
    fs::File::options().write(true).open(case.dir.path().join("sparse")).unwrap().set_len(9_000_000).unwrap();
    if stat(&case.dir.path().join("sparse")).blocks() > plain / 2 {
        eprintln!("skipped in part: {} keeps no holes", case.dir.path().display());
    } else {
        assert!(room < plain / 4, "{room} blocks");
    }
    assert_eq!(case.restore(&[item], keep).files_unchanged, 1);
}

/// One home in the folder of the release, and one in a user's folder: neither is changed.
#[test]
fn a_home_in_the_folder_is_left_alone() {
    let case = Case::new();
    for home in ["h", "mine/deep/home"] {
        fs::create_dir_all(case.path(home).join("keys")).unwrap();
        fs::write(case.path(home).join("chuan.toml"), b"name = 1").unwrap();
    }
    let report = case.restore(&[folder("h", 0o755), file("h/x", b"x"), file("z", b"z")], delete);
    check_failed(&report, "h", "home of a node");
    check_failed(&report, "mine", "home of a node");
    assert_eq!(case.read("z"), "z");
    assert!(case.path("h/keys").is_dir() && !case.path("h/x").exists());
    assert!(case.path("mine/deep/home/keys").is_dir() && case.path("mine/deep/home/chuan.toml").is_file());
}

#[test]
fn an_exact_path_comes_before_a_pattern() {
    let case = Case::new();
    let items = [
        folder("Film [1080p]", 0o755),
        file("Film [1080p]/film [x265].mkv", b"1"),
        file("Film 1.mkv", b"2"),
        file("{a} b.mkv", b"3"),
    ];
    let restored = |filter: &str| {
        let _ = fs::remove_dir_all(case.path(""));
        case.try_restore(&items, |order| order.filter = Some(filter.into())).map(|report| report.files)
    };
    assert_eq!(restored("Film [1080p]/film [x265].mkv").unwrap(), 1);
    assert_eq!(restored("/Film [1080p]/").unwrap(), 1);
    assert_eq!(restored("{a} b.mkv").unwrap(), 1);
    assert_eq!(restored("Film*").unwrap(), 2, "a matching folder selects all in it");
    assert_eq!(restored("Film [0-9].mkv").unwrap(), 1);
    assert!(matches!(restored("film*"), Err(Error::Missing(_))));
}
