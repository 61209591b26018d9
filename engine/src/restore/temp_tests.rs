//! Folders of unfinished files on file systems that are mounted in the destination.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};

use super::{
    sync_tests::{Case, file, keep},
    *,
};

/// A mount for a test.
pub(super) struct Mount(PathBuf);

// By system calls: a child process would briefly inherit the locks of other tests.
impl Mount {
    /// A file system in memory; `None` where nothing may be mounted.
    fn new(at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        mount("chuan-test", &at, "tmpfs", MountFlags::empty(), None).ok().map(|()| Self(at))
    }

    /// Mounts a folder a second time, at another path.
    pub(super) fn bind(folder: &Path, at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        mount_bind(folder, &at).ok().map(|()| Self(at))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// Symptom: a restore removed files of the release on a mounted file system. Cause: the name of the folder
/// was checked only against the root of the release.
#[test]
fn release_files_on_a_mounted_file_system_are_not_swept() {
    let case = Case::new();
    let Some(_mount) = Mount::new(case.path("a/m")) else {
        eprintln!("skipped: mounting needs root in a namespace");
        return;
    };
    let release = |content: &[u8]| {
        [
            file("a/m/.chuan-restore-0.tmp/deep/f", content),
            file("a/m/.chuan-restore-1.tmp", content),
            file("a/m/x", content),
            file("z", content),
        ]
    };
    for content in [b"one", b"one", b"two"] {
        // Files that an interrupted restore left.
        make(&case.path("a/m/.chuan-restore-2.tmp"), 0o700);
        fs::write(case.path("a/m/.chuan-restore-2.tmp/00000001"), b"half").unwrap();
        let report = case.restore(&release(content), keep);
        assert_eq!((&report.failures[..], report.files, report.files_left), (&[][..], 4, 0));
        for (path, ..) in release(content) {
            assert_eq!(case.read(&path).as_bytes(), content, "{path}");
        }
        // The folder is removed only if there is something to write.
        let _ = fs::remove_dir_all(case.path("a/m/.chuan-restore-2.tmp"));
    }
}

#[test]
fn a_name_is_chosen_once_a_folder_and_never_one_of_the_release() {
    let names = TempNames::new(".chuan-restore-5.tmp");
    let dir = tempfile::tempdir().unwrap();
    let above = Dir::from_std_file(fs::File::open(dir.path()).unwrap());
    let mut asked = Vec::new();
    let mut is_taken = |path: &str| {
        asked.push(path.to_owned());
        Ok(path == "m/n/.chuan-restore-0.tmp")
    };
    assert_eq!(names.at(b"m/n"), None);
    assert_eq!(names.choose(b"m/n", &above, &mut is_taken).unwrap(), ".chuan-restore-1.tmp");
    assert_eq!(names.choose(b"m/n", &above, &mut is_taken).unwrap(), ".chuan-restore-1.tmp");
    assert_eq!(names.choose(b"", &above, &mut is_taken).unwrap(), ".chuan-restore-5.tmp");
    assert_eq!(names.choose(b"\xff", &above, &mut is_taken).unwrap(), ".chuan-restore-0.tmp");
    assert_eq!(asked, ["m/n/.chuan-restore-0.tmp", "m/n/.chuan-restore-1.tmp"]);
    assert_eq!(names.clone().at(b"m/n").unwrap(), ".chuan-restore-1.tmp");
    assert!(names.choose(b"p", &above, &mut |_| Ok(true)).is_err());
}

fn make(at: &Path, mode: u32) {
    fs::create_dir(at).unwrap();
    fs::set_permissions(at, fs::Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Symptom: another user replaced unfinished files before they got their names. Cause: that user had created
/// the folder in a destination that all users may write to.
#[test]
fn a_folder_that_others_may_write_to_is_not_used_for_unfinished_files() {
    for (mode, owner) in [(0o777, None), (0o1777, None), (0o770, None), (0o755, None), (0o700, Some(12345))] {
        if owner.is_some() && !is_root() {
            eprintln!("skipped: only root can give a folder away");
            continue;
        }
        let case = Case::new();
        fs::create_dir(case.path("")).unwrap();
        make(&case.path(".chuan-restore-0.tmp"), mode);
        fs::write(case.path(".chuan-restore-0.tmp/theirs"), b"1").unwrap();
        chown(case.path(".chuan-restore-0.tmp"), owner, None).unwrap();
        // Files that an interrupted restore left.
        make(&case.path(".chuan-restore-1.tmp"), 0o700);
        fs::write(case.path(".chuan-restore-1.tmp/00000001"), b"half").unwrap();
        let report = case.restore(&[file("f", b"1")], keep);
        assert_eq!((report.files, report.failures_total, report.folders_left), (1, 0, 1));
        assert_eq!(case.names(), [".chuan-restore-0.tmp", ".chuan-restore-0.tmp/theirs", "f"], "{mode:o}");
    }
}

/// The folder is created after the name was chosen: the open folder is checked again.
#[test]
fn a_folder_that_is_planted_late_is_refused() {
    let case = Case::new();
    fs::create_dir(case.path("")).unwrap();
    let locks = Locks::default();
    let names = TempNames::new(".chuan-restore-0.tmp");
    let mut destination = Destination::open(&case.path(""), &names, &locks).unwrap();
    make(&case.path(".chuan-restore-0.tmp"), 0o777);
    let refused = destination.create("f", false).map(|_| ());
    assert!(refused.unwrap_err().to_string().contains("another program"));
    assert!(destination.begin().is_err());
}

/// Symptom: every restore ended with an error.
#[test]
fn a_file_or_link_occupies_a_name_of_the_unfinished_folder() {
    let case = Case::new();
    fs::create_dir(case.path("")).unwrap();
    fs::write(case.path(".chuan-restore-0.tmp"), b"file").unwrap();
    symlink("nowhere", case.path(".chuan-restore-1.tmp")).unwrap();
    symlink(case.dir.path(), case.path(".chuan-restore-2.tmp")).unwrap();
    for _ in 0..2 {
        let report = case.restore(&[file("f", b"1")], keep);
        assert_eq!((report.files, report.failures_total, report.files_left), (1, 0, 3));
    }
    let report = case.restore(&[file("f", b"1")], |order| order.delete = true);
    assert_eq!((report.failures_total, report.files_removed), (0, 3));
    assert_eq!(case.names(), ["f"]);
}

/// Another user has taken all numbers: a random name, which cannot be guessed, is used.
#[test]
fn a_random_name_is_taken_where_all_numbers_are() {
    let dir = tempfile::tempdir().unwrap();
    let above = Dir::from_std_file(fs::File::open(dir.path()).unwrap());
    for number in 0..64 {
        fs::write(dir.path().join(format!(".chuan-restore-{number}.tmp")), b"").unwrap();
    }
    let name = temp::folder_name(Some(&above), |_| Ok(false)).unwrap();
    assert!(is_temp_name(&name) && name.len() > ".chuan-restore-63.tmp".len(), "{name}");
    assert_ne!(temp::folder_name(Some(&above), |_| Ok(false)).unwrap(), name);
    assert_eq!(temp::folder_name(None, |_| Ok(false)).unwrap(), ".chuan-restore-0.tmp");
}

/// Symptom: files behind a mount of the same file system were erased with the folder around the mount. Cause:
/// only the device was compared.
#[test]
fn mounts_in_the_destination_are_not_removed() {
    let case = Case::new();
    let elsewhere = case.dir.path().join("elsewhere");
    fs::create_dir_all(elsewhere.join("deep")).unwrap();
    fs::write(elsewhere.join("deep/film"), b"film").unwrap();
    let Some(_mount) = Mount::bind(&elsewhere, case.path("old/m")) else {
        eprintln!("skipped: mounting needs root in a namespace");
        return;
    };
    for items in
        [&[file("f", b"1")][..], &[file("old", b"1")], &[file("old/x", b"1")], &[file("old/m", b"1")]]
    {
        for is_dry in [true, false] {
            let report = case.restore(items, |order| (order.delete, order.dry_run) = (true, is_dry));
            assert_eq!((report.failures_total, report.files_removed), (1, 0), "{report:?}");
            assert!(report.failures[0].reason.contains("a file system is mounted there"), "{report:?}");
        }
        let _ = fs::remove_file(case.path("f"));
        let _ = fs::remove_file(case.path("old/x"));
        assert_eq!(fs::read(elsewhere.join("deep/film")).unwrap(), b"film");
    }
    // Files of the release in a mount are written: the unfinished files are in the same mount.
    let report = case.restore(&[file("old/m/deep/film", b"new"), file("f", b"1")], keep);
    assert_eq!((&report.failures[..], report.files), (&[][..], 2));
    assert_eq!(fs::read(elsewhere.join("deep/film")).unwrap(), b"new");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
}

/// Needs no right to mount: uses the mounts that every system has.
#[test]
fn a_mount_point_is_told_from_a_folder() {
    let open = |path: &str| fs::File::open(path).unwrap();
    let root = stat::Mount::of(open("/")).unwrap();
    assert!(stat::is_mount_point(open("/proc"), root).unwrap());
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    let above = stat::Mount::of(fs::File::open(dir.path()).unwrap()).unwrap();
    assert!(!stat::is_mount_point(fs::File::open(dir.path().join("d")).unwrap(), above).unwrap());
    // Uses the kernel's report about the folder itself, not its parent.
    let proc = stat::Mount::of(open("/proc")).unwrap();
    let says = rustix::fs::statx(
        open("/proc"),
        "",
        rustix::fs::AtFlags::EMPTY_PATH,
        rustix::fs::StatxFlags::empty(),
    );
    let knows =
        says.is_ok_and(|found| found.stx_attributes_mask.contains(rustix::fs::StatxAttributes::MOUNT_ROOT));
    assert_eq!(stat::is_mount_point(open("/proc"), proc).unwrap(), knows);
}
