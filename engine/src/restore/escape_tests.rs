//! T9 of the threat model: nothing outside the destination changes, even by a forged manifest, and even if
//! another process swaps links at the same time. The tests forge paths without
//! [`EntryPath`](crate::manifest::EntryPath), which refuses nearly all of them.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use proptest::prelude::*;

use super::{destination::Destination, locks::Locks, temp::TempNames};
use crate::id::ChunkId;

fn open(dest: &Path) -> Destination {
    Destination::open(dest, &TempNames::new(".chuan-restore-0.tmp"), &Locks::default()).unwrap()
}

/// Everything below a directory: names, kinds, content and times.
fn snapshot(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let times = (metadata.mtime(), metadata.mtime_nsec(), metadata.mode());
        lines.push(format!("{} {times:?} {}", path.display(), ChunkId::of(&content)));
        if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    lines.sort();
    lines
}

/// Paths that must never be written.
fn nasty_paths() -> Vec<String> {
    let mut parts: Vec<String> =
        ["..", ".", "", "../..", "/", "//", "a/..", "./..", "../canary", "\0", "a\0b", "..\0"]
            .map(Into::into)
            .into();
    parts.extend(
        ["/etc/passwd", "/tmp/x", "link", "link/x", "link/../x", "dir-link/x", "abs-link/canary"]
            .map(Into::into),
    );
    let mut paths = Vec::new();
    for left in &parts {
        for middle in ["", "a/", "sub/", "link/", "../", "./", "dir-link/", "sub/dir-link/"] {
            for right in ["", "/x", "/../canary", "/../../outside/canary", "/..", "/."] {
                paths.push(format!("{middle}{left}{right}"));
            }
        }
    }
    paths.push("../".repeat(64) + "etc/chuan-test");
    paths.push("sub/".to_owned() + &"../".repeat(3) + "outside/canary");
    paths
}

#[test]
fn no_forged_path_leaves_the_destination() {
    let home = tempfile::tempdir().unwrap();
    let (dest, outside) = (home.path().join("dest"), home.path().join("outside"));
    fs::create_dir_all(dest.join("sub")).unwrap();
    fs::create_dir_all(outside.join("deep")).unwrap();
    for canary in [home.path().join("canary"), outside.join("canary"), outside.join("deep/canary")] {
        fs::write(canary, b"canary").unwrap();
    }
    symlink("../outside/canary", dest.join("link")).unwrap();
    symlink("../outside", dest.join("dir-link")).unwrap();
    symlink("../../outside", dest.join("sub/dir-link")).unwrap();
    symlink(&outside, dest.join("abs-link")).unwrap();
    let before = (snapshot(&outside), fs::read(home.path().join("canary")).unwrap());
    let names_before = fs::read_dir(home.path()).unwrap().count();
    let paths = nasty_paths();
    assert!(paths.len() >= 500, "{}", paths.len());
    let mut refused = 0;
    for path in &paths {
        // As the two halves of a restore use it: each opens the destination anew.
        let mut place = open(&dest);
        let _ = place.look(path);
        let _ = place.open_file(path).map(|file| assert!(file.is_none(), "{path:?} was opened"));
        let written = place.create(path, false).and_then(|(_, temp)| place.finish(path, &temp, false));
        let _ = place.create_symlink(path, "../outside").and_then(|temp| place.finish(path, &temp, false));
        let _ = place.remove_tree(path.as_bytes());
        let _ = place.remove_folder(path.as_bytes());
        let made = place.make_folder(path, None);
        refused += usize::from(written.is_err() && made.is_err());
        fs::create_dir_all(dest.join("sub")).unwrap();
        for link in ["link", "dir-link", "sub/dir-link", "abs-link"] {
            // Replacing a link at the end of a path is right. It is put back for the next path.
            if !fs::symlink_metadata(dest.join(link)).is_ok_and(|m| m.is_symlink()) {
                let _ = fs::remove_file(dest.join(link));
                let target = if link == "link" { outside.join("canary") } else { outside.clone() };
                symlink(target, dest.join(link)).unwrap();
            }
        }
    }
    assert!(refused > 450, "{refused} of {}", paths.len());
    assert_eq!(before, (snapshot(&outside), fs::read(home.path().join("canary")).unwrap()));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), names_before);
}

/// Another thread repeatedly swaps a directory for a link while files are restored into it.
#[test]
fn a_directory_swapped_for_a_link_leads_nowhere() {
    let home = tempfile::tempdir().unwrap();
    let (dest, outside) = (home.path().join("dest"), home.path().join("outside"));
    fs::create_dir_all(dest.join("real")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("f"), b"canary").unwrap();
    symlink(&outside, dest.join("way")).unwrap();
    let before = snapshot(&outside);
    let ended = AtomicBool::new(false);
    let (mut written, mut refused) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let dir = rustix::fs::CWD;
                rustix::fs::renameat_with(dir, dest.join("real"), dir, dest.join("way"), flags).unwrap();
            }
        });
        for _ in 0..5000 {
            let mut place = open(&dest);
            let outcome = place.create("real/f", false).and_then(|(mut file, temp)| {
                std::io::Write::write_all(&mut file, b"new").unwrap();
                place.finish("real/f", &temp, false)
            });
            let made = place.make_folder("real/d/e", None);
            if outcome.is_ok() && made.is_ok() { written += 1 } else { refused += 1 }
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert_eq!(before, snapshot(&outside));
    assert!(written > 0 && refused > 0, "no race: {written} written, {refused} refused");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any text as a path: nothing is written outside the destination.
    #[test]
    fn any_text_as_a_path_stays_inside(path in "[./a\\\\\u{0}-\u{20}é]{0,12}") {
        let home = tempfile::tempdir().unwrap();
        let dest = home.path().join("x/y/dest");
        fs::create_dir_all(&dest).unwrap();
        let mut place = open(&dest);
        let _ = place.create(&path, false).and_then(|(_, temp)| place.finish(&path, &temp, false));
        let _ = place.make_folder(&path, None);
        for (parent, count) in [(home.path().to_owned(), 1), (home.path().join("x"), 1), (home.path().join("x/y"), 1)] {
            prop_assert_eq!(fs::read_dir(parent).unwrap().count(), count);
        }
    }
}
