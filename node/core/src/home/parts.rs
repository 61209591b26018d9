//! The parts of a home, before any of them is used: each belongs to the user of this process.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use chuan_engine::own_file::{foreign, is_trusted};
use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::exit::{Failure, Result};

/// The names at the top of a home.
pub(super) const TOP: [&str; 18] = [
    "chuan.toml",
    "lock",
    "store",
    "ledger",
    "keys",
    "audit",
    "peers.json",
    "refusals.json",
    "contacts.json",
    "silent.json",
    "pulls",
    "behind",
    "heard",
    "whole",
    "cache",
    "restored",
    "run",
    "backup.json",
];
/// The parts below the top, and those of a home that is being moved.
const OTHERS: [&str; 4] = ["store/segments", "store/index", "moving", "moved"];
/// The parts that only the running process uses. The others may be elsewhere, behind a link.
const NO_LINKS: [&str; 2] = ["lock", "run"];

/// Fails where the home at `root`, or a part of it, belongs to a user who is neither the user of this process
/// nor root. For a part behind a link, this holds for the link and for its target. Parts that do not exist
/// are no error, and a home on a medium that takes no writes is not checked.
///
/// # Errors
///
/// Denied, with the path, the owner and the remedy.
pub(super) fn check(root: &Path) -> Result<()> {
    if statvfs(root).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return Ok(());
    }
    check_owner(root, root, fs::metadata(root).ok().map(|found| found.uid()))?;
    for name in TOP.into_iter().chain(OTHERS) {
        let path = root.join(name);
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        check_owner(root, &path, Some(found.uid()))?;
        if found.is_symlink() {
            if NO_LINKS.contains(&name) {
                return Err(Failure::denied(format!(
                    "{} is a link, which is not followed; remove it, and it is made again",
                    path.display()
                )));
            }
            check_owner(root, &path, fs::metadata(&path).ok().map(|target| target.uid()))?;
        }
    }
    Ok(())
}

fn check_owner(root: &Path, path: &Path, owner: Option<u32>) -> Result<()> {
    match owner {
        Some(owner) if !is_trusted(owner) => Err(Failure::denied(format!(
            "{} is not used: {}; give it and the rest of {} to one user with `chown`, or remove it",
            path.display(),
            foreign(owner),
            root.display()
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, lchown, symlink};

    use super::*;
    use crate::{command::Role, exit::Exit, home::Home};

    /// Any user.
    const OTHER: Option<u32> = Some(65534);

    #[test]
    fn parts_may_be_behind_links_of_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let (root, ext) = (dir.path().join("home"), dir.path().join("ext"));
        Home::init(&root, None, Role::Origin).unwrap();
        fs::create_dir(&ext).unwrap();
        for part in ["keys", "store", "ledger", "cache", "run"] {
            fs::rename(root.join(part), ext.join(part)).unwrap();
            symlink(ext.join(part), root.join(part)).unwrap();
            assert_eq!(Home::find(&root).is_ok(), part != "run", "{part}");
        }
        fs::remove_file(root.join("run")).unwrap();
        Home::find(&root).unwrap();
        if !rustix::process::geteuid().is_root() {
            eprintln!("the rest is skipped: only root can give files to other users");
            return;
        }
        let refused = |path: &Path| {
            let failure = Home::find(&root).unwrap_err();
            let is_named = failure.message.starts_with(&path.display().to_string());
            assert!(failure.exit == Exit::Denied && is_named, "{failure}");
            assert!(failure.message.contains("user 65534"), "{failure}");
        };
        for (given, named) in [
            (root.join("cache"), "cache"),
            (ext.join("store"), "store"),
            (root.join("chuan.toml"), "chuan.toml"),
        ] {
            lchown(&given, OTHER, None).unwrap();
            refused(&root.join(named));
            lchown(&given, Some(0), None).unwrap();
        }
        chown(&root, OTHER, None).unwrap();
        refused(&root);
    }
}
