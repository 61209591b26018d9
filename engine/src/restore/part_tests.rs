//! Parts of the open home that are in the destination, behind a link or a mount: none of them is changed.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use super::{
    home_tests::snapshot,
    sync_tests::{Case, check_failed, delete, file, folder},
    temp_tests::Mount,
    *,
};
use crate::error::Error;

/// A home beside the destination, with `keys` and `run` in the destination's folder `ext`, behind links.
fn make_home(case: &Case) -> PathBuf {
    let home = case.dir.path().join("h");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("chuan.toml"), b"").unwrap();
    fs::create_dir_all(case.path("ext/keys/deep")).unwrap();
    fs::create_dir_all(case.path("ext/run")).unwrap();
    fs::write(case.path("ext/keys/node.key"), b"key").unwrap();
    fs::write(case.path("ext/keys/deep/root.key"), b"key").unwrap();
    for part in ["keys", "run"] {
        symlink(case.path("ext").join(part), home.join(part)).unwrap();
    }
    home
}

/// Symptom: `restore --delete` erased the keys.
#[test]
fn a_part_behind_a_link_is_neither_removed_nor_replaced_nor_written_into() {
    for items in [
        &[file("z", b"z")][..],
        &[file("ext/a", b"1"), file("z", b"z")],
        &[
            folder("ext", 0o755),
            folder("ext/keys", 0o700),
            file("ext/keys/node.key", b"forged"),
            file("z", b"z"),
        ],
        &[file("ext/keys/deep/root.key", b"forged"), file("z", b"z")],
        &[file("ext/keys", b"1"), file("z", b"z")],
        &[folder("ext/run", 0o755), file("z", b"z")],
        &[file("ext/run", b"1"), file("z", b"z")],
        &[file("ext", b"1"), file("z", b"z")],
    ] {
        let case = Case::new();
        let home = make_home(&case);
        let parts = || ["ext/keys", "ext/run"].map(|part| snapshot(&case.path(part)));
        let before = parts();
        for is_dry in [true, false] {
            let report = case.restore(items, |order| {
                delete(order);
                (order.home, order.dry_run) = (Some(home.clone()), is_dry);
            });
            assert!(report.failures_total > 0, "{report:?}");
            assert!(
                report
                    .failures
                    .iter()
                    .all(|failure| failure.reason.contains("the home of a node, or a part")),
                "{report:?}"
            );
            assert_eq!(parts(), before, "{:?}", items.iter().map(|item| &item.0).collect::<Vec<_>>());
        }
        assert_eq!(case.read("z"), "z");
        let report = case.restore(&[file("z", b"z")], |order| order.home = Some(home.clone()));
        assert_eq!((report.failures_total, parts()), (0, before));
    }
}

#[test]
fn a_destination_that_is_or_lies_in_a_part_is_refused() {
    let case = Case::new();
    let home = make_home(&case);
    let before = snapshot(&case.path("ext"));
    for dest in ["ext/keys", "ext/keys/new/er", "ext/keys/deep", "ext/run", "ext/new/../keys"] {
        let refused = case.try_restore(&[file("f", b"1")], |order| {
            delete(order);
            (order.dest, order.home) = (case.path(dest), Some(home.clone()));
        });
        assert!(matches!(refused, Err(Error::Invalid(_))), "{dest}: {refused:?}");
        assert!(home_of(&case.path(dest), &home).unwrap().is_some() || dest.contains(".."), "{dest}");
    }
    let _ = fs::remove_dir(case.path("ext/new"));
    // The new folder was created and removed: only the times of its parent have changed.
    assert_eq!(snapshot(&case.path("ext"))[1..], before[1..]);
    assert_eq!(home_of(&case.path("ext"), &home).unwrap(), None);
}

/// The second protection, after the plan: it also holds for a part that appeared after the plan was made.
#[test]
fn no_path_leads_into_a_part() {
    let case = Case::new();
    let locks = Locks::new(Protected::of(Some(&make_home(&case))), false);
    let before = snapshot(&case.path("ext"));
    let names = TempNames::new(".chuan-restore-0.tmp");
    let mut destination = Destination::open(&case.path(""), &names, &locks).unwrap();
    for path in ["ext/keys/x", "ext/keys/deep/x", "ext/run/x"] {
        let refused = destination.create(path, false).map(|_| ());
        assert!(refused.unwrap_err().to_string().contains("home of a node"));
        assert!(destination.make_folder(path, None).is_err());
    }
    assert!(destination.open_folder("ext/keys").is_err());
    assert!(destination.remove_folder(b"ext/run").is_err());
    assert!(destination.remove_tree(b"ext/keys").1.is_err());
    drop(destination);
    assert_eq!(snapshot(&case.path("ext")), before);
}

/// Under another path there is no link that could be resolved: the folder is recognised by its inode.
#[test]
fn a_part_that_is_mounted_once_more_is_known() {
    let case = Case::new();
    let home = case.dir.path().join("h");
    fs::create_dir_all(home.join("keys/deep")).unwrap();
    fs::write(home.join("chuan.toml"), b"").unwrap();
    fs::write(home.join("keys/node.key"), b"key").unwrap();
    let Some(_mount) = Mount::bind(&home.join("keys"), case.path("kk")) else {
        eprintln!("skipped: mounting needs root in a namespace");
        return;
    };
    let before = snapshot(&home.join("keys"));
    for dest in ["kk", "kk/deep", "kk/new"] {
        let refused = case.try_restore(&[file("f", b"1")], |order| {
            delete(order);
            (order.dest, order.home) = (case.path(dest), Some(home.clone()));
        });
        assert!(matches!(refused, Err(Error::Invalid(_))), "{dest}: {refused:?}");
    }
    let report = case.restore(&[file("kk/node.key", b"forged")], |order| order.home = Some(home.clone()));
    check_failed(&report, "kk", "home of a node");
    let report = case.restore(&[file("f", b"1")], |order| {
        delete(order);
        order.home = Some(home.clone());
    });
    check_failed(&report, "kk", "is not removed");
    assert_eq!(snapshot(&home.join("keys")), before);
}
