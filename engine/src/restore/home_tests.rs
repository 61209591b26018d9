//! Homes of nodes below the destination: nothing in a home is written, changed or removed, whatever the
//! release has there.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
};

use super::{
    sync_tests::{Case, check_failed, delete, file, folder, keep},
    *,
};
use crate::error::Error;

/// Names, inodes and times of all items in a folder.
pub(super) fn snapshot(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let stat = fs::symlink_metadata(&path).unwrap();
        let times = (stat.mtime(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec());
        lines.push(format!("{} {} {:o} {times:?}", path.display(), stat.ino(), stat.mode()));
        if stat.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    lines.sort();
    lines
}

/// Makes a home. `linked` selects a variant: `keys` or `chuan.toml` is a link to another folder, or the
/// target of the link does not exist.
fn make_home(case: &Case, path: &str, linked: &str) {
    let (home, away) = (case.path(path), case.dir.path().join("away"));
    fs::create_dir_all(&home).unwrap();
    fs::create_dir_all(away.join("keys")).unwrap();
    fs::write(away.join("chuan.toml"), b"").unwrap();
    match linked {
        "keys" => symlink(away.join("keys"), home.join("keys")).unwrap(),
        "gone" => symlink("/nowhere/keys", home.join("keys")).unwrap(),
        _ => fs::create_dir(home.join("keys")).unwrap(),
    }
    match linked {
        "toml" => symlink(away.join("chuan.toml"), home.join("chuan.toml")).unwrap(),
        _ => fs::write(home.join("chuan.toml"), b"name = 1").unwrap(),
    }
}

/// Symptom: a restore wrote into a home. Cause: the release had a key file below the home, but no entry for
/// the folders on its path.
#[test]
fn a_home_that_the_release_only_implies_is_left_alone() {
    for linked in ["", "keys", "toml", "gone"] {
        let case = Case::new();
        make_home(&case, "alice/.chuan", linked);
        fs::write(case.path("alice/.chuan/node.key"), b"key").unwrap();
        let before = snapshot(&case.path("alice/.chuan"));
        let items = [
            file("alice/.chuan/keys/node.key", b"forged"),
            file("alice/.chuan/node.key", b"forged"),
            file("alice/film", b"film"),
            file("z", b"z"),
        ];
        for change in [keep, delete] {
            for is_dry in [true, false] {
                let report = case.restore(&items, |order| {
                    change(order);
                    order.dry_run = is_dry;
                });
                check_failed(&report, "alice/.chuan", "is the home of a node");
                assert_eq!((report.failures_total, report.files), (3, 2), "{report:?}");
                assert_eq!((report.files_removed, report.folders_removed, report.folders_left), (0, 0, 0));
            }
            assert_eq!(snapshot(&case.path("alice/.chuan")), before, "{linked}");
            assert_eq!((case.read("alice/film"), case.read("z")), ("film".to_owned(), "z".to_owned()));
        }
    }
}

#[test]
fn a_home_with_links_in_it_is_neither_removed_nor_replaced() {
    for linked in ["", "keys", "toml", "gone"] {
        let case = Case::new();
        for home in ["h", "mine/deep/home", "swap", "swap2/h"] {
            make_home(&case, home, linked);
        }
        let homes = ["h", "mine/deep/home", "swap", "swap2/h"];
        let before = homes.map(|home| snapshot(&case.path(home)));
        let items =
            [folder("h", 0o755), file("h/x", b"x"), file("swap", b"1"), file("swap2", b"2"), file("z", b"z")];
        let report = case.restore(&items, delete);
        for path in ["h", "mine", "swap", "swap2"] {
            check_failed(&report, path, "home of a node");
        }
        assert_eq!(homes.map(|home| snapshot(&case.path(home))), before, "{linked}");
        assert_eq!(case.read("z"), "z");
    }
}

/// Files of a restore in a folder that became a home later: the record has them, but they are not treated as
/// the restore's own.
#[test]
fn a_folder_of_the_release_that_became_a_home_is_left_alone() {
    let case = Case::new();
    let items = [folder("d", 0o755), file("d/e/f", b"1"), file("z", b"z")];
    case.restore(&items, keep);
    make_home(&case, "d/e", "keys");
    let before = snapshot(&case.path("d/e"));
    for items in [
        &[folder("d", 0o755), file("d/e/f", b"2")][..],
        &[file("d", b"now a file")],
        &[file("d/e", b"now a file")],
        &[file("z", b"z")],
    ] {
        let report = case.restore(items, keep);
        assert!(report.failures_total > 0 || items.len() == 1, "{report:?}");
        assert_eq!(snapshot(&case.path("d/e")), before);
    }
}

#[test]
fn a_destination_in_a_home_is_refused_and_nothing_is_made_there() {
    for linked in ["", "keys", "toml", "gone"] {
        let case = Case::new();
        make_home(&case, "home", linked);
        let before = snapshot(&case.path("home"));
        for dest in ["home", "home/new/deep", "home/keys"] {
            let refused = case.try_restore(&[file("f", b"1")], |order| order.dest = case.path(dest));
            // Keys behind a link are in another folder, which is no home.
            if dest != "home/keys" || matches!(linked, "" | "toml") {
                assert!(matches!(refused, Err(Error::Invalid(_))), "{dest}: {refused:?}");
            }
        }
        assert_eq!(snapshot(&case.path("home")), before);
    }
}

/// The second protection, after the plan: it also holds for a home that appeared after the plan was made.
#[test]
fn no_path_leads_into_a_home() {
    let case = Case::new();
    make_home(&case, "a/home", "keys");
    let before = snapshot(&case.path("a/home"));
    let mut destination =
        Destination::open(&case.path(""), &TempNames::new(".chuan-restore-0.tmp"), &Locks::default())
            .unwrap();
    for path in ["a/home/x", "a/home/store/x"] {
        let refused = destination.create(path, false).map(|_| ());
        assert!(refused.unwrap_err().to_string().contains("home of a node"));
        assert!(destination.make_folder(path, None).is_err());
        assert!(destination.remove_folder(path.as_bytes()).is_err());
    }
    drop(destination);
    assert_eq!(snapshot(&case.path("a/home")), before);
}
