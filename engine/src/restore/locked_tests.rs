//! Folders that cannot be entered or listed, as a user to whom permissions apply: as `nobody` if the test
//! runs as root.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};

use cap_std::fs::Dir;
use rustix::{
    process::{Uid, geteuid},
    thread::set_thread_res_uid,
};

use super::{
    sync_tests::{Case, check_failed, delete, file, folder, keep},
    *,
};

const NOBODY: u32 = 65_534;

/// Gives a path with its content to `nobody`.
fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if fs::symlink_metadata(path).unwrap().is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    }
}

/// Works as a user to whom permissions apply. Only this thread and the threads that it starts change their
/// user.
fn bound(case: &Case, work: impl FnOnce() + Send) {
    if !geteuid().is_root() {
        return work();
    }
    give(case.dir.path());
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let nobody = Uid::from_raw(NOBODY);
            set_thread_res_uid(nobody, nobody, nobody).unwrap();
            work();
        });
        worker.join().unwrap();
    });
}

fn mode(case: &Case, path: &str) -> u32 {
    fs::symlink_metadata(case.path(path)).unwrap().mode() & 0o7777
}

/// Symptom: a second restore of such a release failed. Cause: the owner may not enter the folder.
#[test]
fn a_folder_that_its_owner_may_not_enter_is_restored_again_and_keeps_its_mode() {
    let case = Case::new();
    bound(&case, || {
        let release = |content: &[u8]| {
            [
                folder("d", 0o644),
                folder("d/closed", 0o000),
                file("d/closed/f", content),
                folder("d/unlisted", 0o311),
                file("d/unlisted/deep/f", content),
                file("d/x", b"same"),
                folder("e", 0o500),
                file("e/f", b"same"),
                file("z", content),
            ]
        };
        let check_modes = || {
            let modes = |case: &Case| [mode(case, "d"), mode(case, "e")];
            assert_eq!(modes(&case), [0o644, 0o500]);
            let locks = Locks::default();
            let top = Dir::open_ambient_dir(case.path(""), cap_std::ambient_authority()).unwrap();
            let (dir, _hold) = locks.enter(&top, b"d").unwrap();
            let of = |name: &[u8]| stat::Stat::at(&dir, name).unwrap().unwrap().mode;
            assert_eq!((of(b"closed"), of(b"unlisted")), (0o000, 0o311));
        };
        for (content, unchanged) in [(b"one", 0), (b"one", 5), (b"two", 2), (b"two", 5)] {
            let report = case.restore(&release(content), keep);
            assert_eq!((&report.failures[..], report.files), (&[][..], 5));
            assert_eq!(report.files_unchanged, unchanged);
            check_modes();
        }
        // A dry run reports the folders that it cannot list, and changes nothing.
        let report = case.restore(&release(b"two"), |order| order.dry_run = true);
        check_failed(&report, "d", "cannot be examined or listed");
        assert_eq!(report.files, 2);
        check_modes();
        // The mode of the release changes, and so does the mode of the folder.
        let mut open = release(b"two");
        open[0] = folder("d", 0o755);
        open[1] = folder("d/closed", 0o700);
        case.restore(&open, keep);
        assert_eq!((mode(&case, "d"), mode(&case, "d/closed")), (0o755, 0o700));
        case.restore(&release(b"two"), keep);
        // A file replaces such a folder, and items that left the release are removed.
        let report = case.restore(&[file("d", b"now a file"), file("z", b"two")], delete);
        assert_eq!(report.failures, []);
        assert_eq!(case.names(), ["d", "z"]);
    });
}

/// Symptom: one folder without `x` ended the whole restore.
#[test]
fn a_folder_of_another_user_that_cannot_be_entered_is_a_failure_and_the_rest_goes_on() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can make folders of another user");
        return;
    }
    let case = Case::new();
    fs::create_dir(case.path("")).unwrap();
    bound(&case, || {});
    let foreign = [("a/implied", 0o744), ("b", 0o644), ("c", 0o711), ("d/unused", 0o744)];
    for (path, mode) in foreign {
        fs::create_dir_all(case.path(path)).unwrap();
        fs::write(case.path(path).join("theirs"), b"theirs").unwrap();
        fs::set_permissions(case.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let items = [
        file("a/implied/x", b"x"),
        file("a/implied/y", b"y"),
        folder("b", 0o755),
        file("b/x", b"x"),
        file("c/x", b"x"),
        file("z", b"z"),
    ];
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let nobody = Uid::from_raw(NOBODY);
            set_thread_res_uid(nobody, nobody, nobody).unwrap();
            for (change, more) in [(keep as fn(&mut Restore), 0), (delete, 1)] {
                let report = case.restore(&items, change);
                for path in ["a/implied", "b", "c"] {
                    check_failed(&report, path, "ermission denied");
                }
                assert_eq!((report.files, report.failures_total), (1, 3 + 4 + more), "{report:?}");
                assert_eq!(case.read("z"), "z");
            }
        });
        worker.join().unwrap();
    });
    for (path, bits) in foreign {
        assert_eq!((case.read(&format!("{path}/theirs")), mode(&case, path)), ("theirs".to_owned(), bits));
    }
}

#[test]
fn the_last_holder_sets_the_mode() {
    let case = Case::new();
    fs::create_dir_all(case.path("d")).unwrap();
    fs::set_permissions(case.path("d"), fs::Permissions::from_mode(0o640)).unwrap();
    let locks = Locks::default();
    let top = Dir::open_ambient_dir(case.path(""), cap_std::ambient_authority()).unwrap();
    let dir = levels::enter(&top, b"d").unwrap();
    assert!(Locks::new(Protected::default(), true).hold(&dir, true).unwrap().is_none());
    assert!(locks.hold(&dir, false).unwrap().is_none(), "nothing was refused");
    let first = locks.hold(&dir, true).unwrap().unwrap();
    assert_eq!(mode(&case, "d"), 0o740);
    let second = locks.hold(&dir, false).unwrap().unwrap();
    drop(first);
    assert_eq!(mode(&case, "d"), 0o740);
    second.set_final_mode(rustix::fs::Mode::from_raw_mode(0o600));
    drop(second);
    assert_eq!(mode(&case, "d"), 0o600);
    fs::set_permissions(case.path("d"), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(locks.hold(&dir, true).unwrap().is_none(), "all rights are there");
}
