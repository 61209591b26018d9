//! Folders of unfinished files on file systems that are mounted in the destination.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    sync_tests::{Case, file, keep},
    *,
};

/// What is mounted for a test.
pub(super) struct Mount(PathBuf);

impl Mount {
    /// A file system in memory; `None` where nothing may be mounted.
    fn new(at: PathBuf) -> Option<Self> {
        Self::with(&["-t".as_ref(), "tmpfs".as_ref(), "chuan-test".as_ref()], at)
    }

    /// A folder once more, at another path.
    pub(super) fn bind(folder: &Path, at: PathBuf) -> Option<Self> {
        Self::with(&["--bind".as_ref(), folder.as_os_str()], at)
    }

    fn with(what: &[&OsStr], at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount").args(what).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The name was compared with what the release has at its root alone, and what it had there was swept.
#[test]
fn what_a_release_has_on_another_file_system_is_not_taken_for_unfinished() {
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
        // What an interrupted restore left.
        fs::create_dir(case.path("a/m/.chuan-restore-2.tmp")).unwrap();
        fs::write(case.path("a/m/.chuan-restore-2.tmp/00000001"), b"half").unwrap();
        let report = case.restore(&release(content), keep);
        assert_eq!((&report.failures[..], report.files, report.files_left), (&[][..], 4, 0));
        for (path, ..) in release(content) {
            assert_eq!(case.read(&path).as_bytes(), content, "{path}");
        }
        // It is removed where there is something to write.
        let _ = fs::remove_dir_all(case.path("a/m/.chuan-restore-2.tmp"));
    }
}

#[test]
fn a_name_is_chosen_once_a_folder_and_never_one_of_the_release() {
    let names = TempNames::new(".chuan-restore-5.tmp");
    let mut asked = Vec::new();
    let mut is_taken = |path: &str| {
        asked.push(path.to_owned());
        Ok(path == "m/n/.chuan-restore-0.tmp")
    };
    assert_eq!(names.at(b"m/n"), None);
    assert_eq!(names.choose(b"m/n", &mut is_taken).unwrap(), ".chuan-restore-1.tmp");
    assert_eq!(names.choose(b"m/n", &mut is_taken).unwrap(), ".chuan-restore-1.tmp");
    assert_eq!(names.choose(b"", &mut is_taken).unwrap(), ".chuan-restore-5.tmp");
    assert_eq!(names.choose(b"\xff", &mut is_taken).unwrap(), ".chuan-restore-0.tmp");
    assert_eq!(asked, ["m/n/.chuan-restore-0.tmp", "m/n/.chuan-restore-1.tmp"]);
    assert_eq!(names.clone().at(b"m/n").unwrap(), ".chuan-restore-1.tmp");
    assert!(names.choose(b"p", &mut |_| Ok(true)).is_err());
}
