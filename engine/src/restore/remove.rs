//! Removes a folder with its content, without following a link, entering a mount in it or changing a node's
//! home.

use std::{ffi::OsStr, io, os::unix::ffi::OsStrExt};

use cap_std::fs::Dir;

use super::{
    levels::shown,
    locks::{Hold, Locks},
    stat::{DiskKind, Mount, Stat, is_mount_point},
};
use crate::{
    error::{Error, Result},
    limits::RESTORE_REMOVED_DEPTH,
};

/// Counts of items that were removed, or would be.
#[derive(Debug, Default)]
pub(super) struct Removed {
    /// Files, links and special files.
    pub(super) files: u64,
    pub(super) folders: u64,
}

/// Removes the folder `name` of `above`. Stops at the first item that cannot be removed, and also returns the
/// counts until then.
pub(super) fn tree(above: &Dir, name: &[u8], locks: &Locks) -> (Removed, Result<()>) {
    walk(above, name, locks, None)
}

/// Counts the items that [`tree`] would remove. `seen` receives the path of each item in the folder, which
/// begins with `name`, and the size of a file.
pub(super) fn count(above: &Dir, name: &[u8], locks: &Locks, seen: Seen<'_>) -> (Removed, Result<()>) {
    walk(above, name, locks, Some(seen))
}

/// An open folder, and the names in it that are still to be handled.
struct Level {
    name: Vec<u8>,
    dir: Dir,
    names: cap_std::fs::ReadDir,
    _hold: Option<Hold>,
}

/// Receives the path of each item that would be removed, and the size of a file.
pub(super) type Seen<'a> = &'a mut dyn FnMut(&[u8], Option<u64>);

/// Removes nothing if there is a `seen`.
fn walk(above: &Dir, name: &[u8], locks: &Locks, seen: Option<Seen<'_>>) -> (Removed, Result<()>) {
    let mut removed = Removed::default();
    let mut path = name.to_vec();
    let outcome = walk_into(above, name, (locks, seen), &mut removed, &mut path);
    let outcome = outcome.map_err(|error| match error.kind() {
        io::ErrorKind::Other => Error::Invalid(format!("{:?} is not removed: {error}", shown(&path))),
        _ => Error::io(format!("removing {:?} from the destination", shown(&path)), error),
    });
    (removed, outcome)
}

/// On an error, `path` is the path at which it stopped.
fn walk_into(
    above: &Dir,
    name: &[u8],
    (locks, mut seen): (&Locks, Option<Seen<'_>>),
    removed: &mut Removed,
    path: &mut Vec<u8>,
) -> io::Result<()> {
    let mount = Mount::of(above)?;
    let mut levels = vec![open(above, name, mount, locks)?];
    while let Some(level) = levels.last_mut() {
        if let Some(entry) = level.names.next() {
            let entry = entry?.file_name();
            let name = entry.as_bytes();
            let Some(stat) = Stat::at(&level.dir, name)? else { continue };
            let before = path.len();
            path.push(b'/');
            path.extend_from_slice(name);
            if stat.kind == DiskKind::Folder {
                if levels.len() >= RESTORE_REMOVED_DEPTH {
                    return Err(io::Error::other("it is too deep"));
                }
                let inner = levels.last().map(|level| open(&level.dir, name, mount, locks)).transpose()?;
                levels.extend(inner);
                continue;
            }
            match &mut seen {
                Some(seen) => seen(path, Some(stat.mark.size)),
                None => change(&level.dir, locks, |dir| {
                    locks.names.change(&[(dir, name)], || dir.remove_file(OsStr::from_bytes(name)))
                })?,
            }
            removed.files += 1;
            path.truncate(before);
            continue;
        }
        let Some(done) = levels.pop() else { break };
        let folder = levels.last().map_or(above, |level| &level.dir);
        match &mut seen {
            Some(seen) if !levels.is_empty() => seen(path, None),
            Some(_) => {}
            None => change(folder, locks, |dir| dir.remove_dir(OsStr::from_bytes(&done.name)))?,
        }
        removed.folders += 1;
        path.truncate(path.len().saturating_sub(done.name.len() + usize::from(!levels.is_empty())));
    }
    Ok(())
}

/// Removes an item from a folder, which is made writable first if it is not.
fn change(folder: &Dir, locks: &Locks, change: impl Fn(&Dir) -> io::Result<()>) -> io::Result<()> {
    match change(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let _hold = locks.hold(folder, true)?.ok_or(error)?;
            change(folder)
        }
        outcome => outcome,
    }
}

fn open(above: &Dir, name: &[u8], mount: Mount, locks: &Locks) -> io::Result<Level> {
    let (dir, hold) = locks.enter(above, name)?;
    if is_mount_point(&dir, mount)? {
        return Err(io::Error::other("a file system is mounted there"));
    }
    if locks.is_home(&dir)? {
        return Err(io::Error::other("it is the home of a node, or a part of one"));
    }
    let names = dir.entries()?;
    Ok(Level { name: name.to_vec(), dir, names, _hold: hold })
}
