//! The parts of a home, before any of them is used: each belongs to the user of this process, and none is
//! taken for a new home.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use chuan_engine::own_file::{foreign, is_trusted};
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::Home;
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
/// The parts that cannot be made again.
const VALUED: [&str; 4] = ["keys/node.key", "ledger", "store", "audit"];

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

/// Whether a node has worked with the home. An `init` that was interrupted leaves only a key, an empty
/// ledger, and empty folders.
pub(super) fn is_used(home: &Home) -> bool {
    let has_entry = |dir: PathBuf| fs::read_dir(dir).is_ok_and(|mut found| found.next().is_some());
    let is_lost = !home.node_key_path().exists();
    has_entry(home.store_dir()) || has_entry(home.audit_dir()) || (is_lost && has_entry(home.ledger_dir()))
}

/// The text about a used home that has no configuration.
pub(super) fn without_config(home: &Home) -> String {
    let here: Vec<_> = VALUED.into_iter().filter(|part| home.root().join(part).exists()).collect();
    format!(
        "{} is a home without its chuan.toml, and has {}; put chuan.toml back from a backup, or write it anew with the \
         lines `name = \"NAME\"` and `role = \"ROLE\"` (origin, mirror or edge)",
        home.root().display(),
        here.join(", ")
    )
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
    use crate::{command::Role, exit::Exit};

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

    /// Symptom: for a home whose configuration was gone the remedy was `init`, which made an origin a mirror
    /// with another name; where the key was gone too, it made a new node over the ledger of the old one.
    #[test]
    fn init_makes_no_node_over_a_used_home() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(dir.path(), Some("甲"), Role::Origin).unwrap();
        fs::create_dir(home.audit_dir()).unwrap();
        fs::write(home.audit_dir().join("0.log"), "1").unwrap();
        fs::remove_file(home.config_path()).unwrap();
        for has_key in [true, false] {
            if !has_key {
                fs::remove_file(home.node_key_path()).unwrap();
                fs::remove_dir_all(home.audit_dir()).unwrap();
            }
            let refused = [Home::find(dir.path()), Home::init(dir.path(), None, Role::Mirror)];
            let [found, made] = refused.map(|result| result.unwrap_err());
            assert_eq!((found.exit, made.exit), (Exit::Missing, Exit::Invalid));
            for failure in [found, made] {
                let names = failure.message.contains("ledger") && failure.message.contains("`name = ");
                assert!(names && !failure.message.contains("init"), "{failure}");
            }
        }
        fs::write(home.config_path(), "name = \"甲\"\nrole = \"origin\"\n").unwrap();
        let failure = Home::find(dir.path()).unwrap().node_key().unwrap_err();
        assert!(failure.exit == Exit::Missing && failure.message.contains("home restore"), "{failure}");
    }
}
