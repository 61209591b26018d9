//! Files with several names of which a restore changes some. The other names must not look as if another
//! process had changed them.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt};

use super::{
    sync_tests::{Case, check_failed, delete, file, folder, further_name, keep},
    *,
};

const NAMES: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];

/// One file with the names `keep` and n1 to n5, and a folder with two more of its names.
fn linked() -> Vec<sync_tests::Item> {
    let names = NAMES.iter().chain(&["old/a", "old/b"]);
    let further = names.map(|name| further_name(name, "keep", b"film"));
    [file("keep", b"film"), folder("old", 0o755)].into_iter().chain(further).collect()
}

fn inode(case: &Case, name: &str) -> u64 {
    fs::symlink_metadata(case.path(name)).unwrap().ino()
}

/// Symptom: each run removed only one name. Cause: removing the first name changed the ctime of the others.
#[test]
fn all_names_that_left_the_release_go_at_once() {
    let case = Case::new();
    case.restore(&linked(), keep);
    let report = case.restore(&[file("keep", b"film")], delete);
    assert_eq!((&report.failures[..], report.files_removed, report.files_unchanged), (&[][..], 7, 1));
    assert_eq!(case.names(), ["keep"]);
    // Without `delete`, a folder replaces only files that the last restore wrote: the record still proves
    // that for this file.
    let report = case.restore(&[folder("keep", 0o755), file("keep/x", b"x")], keep);
    assert_eq!((&report.failures[..], case.read("keep/x")), (&[][..], "x".into()));
}

#[test]
fn all_names_become_folders_at_once() {
    for change in [keep, delete] {
        let case = Case::new();
        case.restore(&linked(), keep);
        let items: Vec<_> = NAMES.iter().map(|name| file(&format!("{name}/in"), b"1")).collect();
        let folders = NAMES.iter().map(|name| folder(name, 0o755));
        let report = case.restore(&items.into_iter().chain(folders).collect::<Vec<_>>(), change);
        assert_eq!((&report.failures[..], report.files), (&[][..], 5));
    }
}

/// The old file also loses a name if another file replaces it, and gains a name by a link.
#[test]
fn names_are_replaced_linked_and_removed_in_one_restore() {
    let case = Case::new();
    case.restore(&linked(), keep);
    let items = [
        file("keep", b"film"),
        file("n1", b"another"),
        further_name("n2", "n1", b"another"),
        further_name("n21", "keep", b"film"),
        further_name("n5", "keep", b"film"),
    ];
    let report = case.restore(&items, delete);
    assert_eq!((&report.failures[..], report.files_removed), (&[][..], 4));
    assert_eq!(case.names(), ["keep", "n1", "n2", "n21", "n5"]);
    assert_eq!((case.read("n1"), case.read("n21")), ("another".into(), "film".into()));
    assert!(inode(&case, "n1") == inode(&case, "n2") && inode(&case, "keep") == inode(&case, "n21"));
    let report = case.restore(&items, delete);
    assert_eq!((report.files_unchanged, report.bytes_written, report.files_removed), (2, 0, 0));
}

/// A change of a file by another process between two changes of the restore is still seen.
#[test]
fn a_foreign_change_between_own_changes_is_seen() {
    let case = Case::new();
    case.restore(&linked(), keep);
    let locks = Locks::default();
    let temps = TempNames::new(".chuan-restore-0.tmp");
    let mut destination = Destination::open(&case.path(""), &temps, &locks).unwrap();
    let seen = |name: &str, destination: &mut Destination| destination.look(name).unwrap().unwrap();
    let [n2, n3, n4] = ["n2", "n3", "n4"].map(|name| seen(name, &mut destination));
    let n1 = seen("n1", &mut destination);
    destination.remove(b"n1", &n1).unwrap();
    destination.remove(b"n2", &n2).unwrap();
    // Waits for the next tick of the file system's clock, which may be coarse.
    let (changed, before) = (case.path("keep"), seen("keep", &mut destination).mark.ctime);
    while seen("keep", &mut destination).mark.ctime == before {
        fs::set_permissions(&changed, fs::metadata(&changed).unwrap().permissions()).unwrap();
    }
    assert!(matches!(destination.remove(b"n3", &n3), Err(crate::Error::Busy(_))));
    let n3 = locks.names.undone(seen("n3", &mut destination));
    destination.remove(b"n3", &n3).unwrap();
    assert!(matches!(destination.remove(b"n4", &n4), Err(crate::Error::Busy(_))));
    assert!(case.path("n4").exists());
}

/// The user's own change after the last restore is never treated as a change of the restore.
#[test]
fn a_name_that_the_user_changed_is_still_in_the_way_of_a_folder() {
    let case = Case::new();
    case.restore(&linked(), keep);
    fs::hard_link(case.path("keep"), case.path("mine")).unwrap();
    let report = case.restore(&[file("keep", b"film"), folder("n1", 0o755), file("n1/x", b"x")], keep);
    check_failed(&report, "n1", "in the way");
}

/// Symptom: groups were merged. Cause: the first name of each group kept the file that it had, and the others
/// were linked to it.
#[test]
fn groups_that_change_are_parted_as_the_release_says() {
    let case = Case::new();
    let film = crate::chunk::testing::noise(7, 50_000);
    let (first, further) =
        (|path: &str| file(path, &film), |path: &str, to: &str| further_name(path, to, &film));
    let check = |items: &[sync_tests::Item], groups: &[&[&str]], change: fn(&mut Restore)| {
        let dry = case.restore(items, |order| {
            change(order);
            order.dry_run = true;
        });
        let report = case.restore(items, change);
        assert_eq!((&report.failures[..], report.files), (&[][..], items.len() as u64));
        assert_eq!(dry.bytes_written, report.bytes_written);
        let of = |group: &&[&str]| group.iter().map(|name| inode(&case, name)).collect::<BTreeSet<_>>();
        let inodes: Vec<_> = groups.iter().map(of).collect();
        assert!(inodes.iter().all(|group| group.len() == 1), "{inodes:?}");
        assert_eq!(inodes.iter().flatten().collect::<BTreeSet<_>>().len(), groups.len(), "{inodes:?}");
        assert_eq!(case.restore(items, change).bytes_written, 0);
        report
    };
    let pairs = [first("a"), further("b", "a"), first("c"), further("d", "c")];
    check(&pairs, &[&["a", "b"], &["c", "d"]], keep);
    let crossed = [first("a"), first("b"), further("c", "b"), further("d", "a")];
    let report = check(&crossed, &[&["a", "d"], &["b", "c"]], keep);
    // The content is taken from the old file.
    assert_eq!((report.bytes_written, report.bytes_reused), (50_000, 50_000));
    let one = [first("a"), further("b", "a"), further("c", "a"), further("d", "a")];
    check(&one, &[&["a", "b", "c", "d"]], keep);
    check(&crossed, &[&["a", "d"], &["b", "c"]], delete);
    check(&one, &[&["a", "b", "c", "d"]], delete);
    let apart = ["a", "b", "c", "d"].map(first);
    check(&apart, &[&["a"], &["b"], &["c"], &["d"]], keep);
    check(&one, &[&["a", "b", "c", "d"]], keep);
    check(&apart, &[&["a"], &["b"], &["c"], &["d"]], |order| order.hard_links = false);
    check(&one, &[&["a", "b", "c", "d"]], keep);
    let three = [first("a"), first("b"), further("d", "b"), first("c")];
    check(&three, &[&["a"], &["b", "d"], &["c"]], |order| order.check = true);
}

/// Names that the release does not have belong to the user.
#[test]
fn a_file_with_names_elsewhere_stays() {
    let case = Case::new();
    let items = [file("a", b"film"), file("b", b"film"), further_name("c", "b", b"film")];
    case.restore(&items, keep);
    fs::hard_link(case.path("a"), case.dir.path().join("mine")).unwrap();
    fs::hard_link(case.path("b"), case.path("d")).unwrap();
    let before = ["a", "b", "c", "d"].map(|name| inode(&case, name));
    let report = case.restore(&items, keep);
    assert_eq!((report.files_unchanged, report.bytes_written, report.files_left), (2, 0, 1));
    assert_eq!(["a", "b", "c", "d"].map(|name| inode(&case, name)), before);
}

/// Files with one name are not remembered, and other files only until all their names were seen.
#[test]
fn only_files_with_names_to_come_are_remembered() {
    let stat = |inode: u64, names: u64| stat::Stat {
        mark: stat::Mark { inode, ..stat::Mark::default() },
        names,
        ..stat::Stat::default()
    };
    let mut shared = Shared::default();
    for inode in 0..1000 {
        assert!(!shared.is_taken(&stat(inode, 1)));
    }
    assert_eq!(shared.len(), 0);
    for inode in 0..1000 {
        assert!(!shared.is_taken(&stat(inode, 3)));
        assert_eq!((shared.len(), shared.is_taken(&stat(inode, 3))), (1, true));
        assert_eq!((shared.len(), shared.pass(&stat(inode, 2)), shared.len()), (1, true, 0));
    }
    for inode in 0..crate::limits::RESTORE_SHARED_FILES as u64 + 100 {
        assert!(!shared.is_taken(&stat(inode, 2)));
    }
    assert_eq!(shared.len(), crate::limits::RESTORE_SHARED_FILES);
}

/// Symptom: on a file system without hard links, the second name of a file was never restored, and the reason
/// was wrong.
#[test]
fn a_hard_link_that_the_file_system_refuses_becomes_a_file_of_its_own() {
    let case = super::sync_tests::Case::new();
    let first = "file system without hard links";
    let items =
        [super::sync_tests::file(first, b"AAAA"), super::sync_tests::further_name("second", first, b"AAAA")];
    let report = case.restore(&items, super::sync_tests::keep);
    assert!(report.failures.is_empty(), "{report:?}");
    assert_eq!(case.read("second"), "AAAA");
    let stat = |name: &str| std::fs::metadata(case.path(name)).unwrap();
    let inode = |name: &str| std::os::unix::fs::MetadataExt::ino(&stat(name));
    assert_ne!(inode(first), inode("second"));
    assert_eq!(stat(first).modified().unwrap(), stat("second").modified().unwrap());
}
