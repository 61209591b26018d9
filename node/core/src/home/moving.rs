//! Moving a home to another folder. On one file system that is a rename. To another file system, the home is
//! copied and compared, and one rename decides which of the two is the home: two homes with one key would
//! contradict each other.
//!
//! ```text
//! 1  TO/moving          names the old folder: TO is no home yet
//! 2  TO/...             the copy, durable and compared with the old folder
//! 3  FROM/moved         names the new folder
//! 4  FROM/chuan.toml -> FROM/chuan.toml.moved     from here on, TO is the home
//! 5  TO/moving and the rest of FROM are removed
//! ```
//!
//! After a crash before step 4 the old folder is the home, and the next move copies anew. After it, the new
//! folder is the home; the next move, or the next command there, finishes.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use chuan_storage::lock::HomeLock;
use rustix::{
    fs::{Advice, CWD, RenameFlags, fadvise, renameat_with, statvfs},
    io::Errno,
};

use super::{Home, absolute};
use crate::{
    exit::{Exit, Failure, Result},
    file,
    outcome::HomeMoved,
};

/// In the new folder, as long as it is no home: the path of the old one.
const MOVING: &str = "moving";
/// In the old folder: the path of the new one.
const MOVED: &str = "moved";
const CONFIG: &str = "chuan.toml";
/// The configuration of a home that has moved.
const OLD_CONFIG: &str = "chuan.toml.moved";
/// Names that are not copied: the lock and the socket belong to processes.
const LEFT: [&str; 4] = ["lock", "run", MOVING, MOVED];
/// Bytes that are compared at a time.
const BLOCK: usize = 1 << 20;

/// Moves the home at `root` to the folder `to`, which must not exist. No process may have the home open. A
/// repeated call finishes an interrupted move. `note` gets lines for people. Durable when it returns; blocks.
///
/// # Errors
///
/// Busy where the home is open; invalid where `to` exists; full where it does not fit. The home is then where
/// it was.
pub fn move_home(root: &Path, to: &Path, note: &mut dyn FnMut(String)) -> Result<HomeMoved> {
    let (from, to) = (absolute(root)?, absolute(to)?);
    if !file::exists(&from.join(CONFIG))? && file::exists(&from.join(OLD_CONFIG))? {
        return resume(&from, &to);
    }
    let home = Home::find(&from)?;
    let _lock = HomeLock::acquire_for(home.root(), "home move")?;
    check(&from, &to)?;
    if let Some(moved) = rename(&from, &to)? {
        return Ok(moved);
    }
    copy(&from, &to, &mut |step| {
        if let Step::Copy { files, bytes } = step {
            note(format!("copying {files} files, {bytes} bytes, to another file system"));
        }
        Ok(())
    })
}

/// Fails where `root` is a home that has moved, or the unfinished copy of one. Finishes a move that was
/// interrupted after the new folder had become the home.
pub(super) fn check_home(root: &Path) -> Result<()> {
    if let Ok(to) = text(&root.join(MOVED))
        && !file::exists(&root.join(CONFIG))?
    {
        return Err(Failure::missing(format!("the home at {} has moved to {to}", root.display())));
    }
    let Ok(from) = text(&root.join(MOVING)) else { return Ok(()) };
    if file::exists(&Path::new(&from).join(OLD_CONFIG))? {
        return file::remove(&root.join(MOVING));
    }
    Err(Failure::invalid(format!(
        "{0} is an unfinished copy of the home at {from}; `chuan home move` there, to the same folder, finishes the move; if \
         that home is gone and this copy is complete, remove {0}/{MOVING}",
        root.display()
    )))
}

/// A moment of a copy, at which a crash would leave the folders as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begin,
    Copy { files: u64, bytes: u64 },
    Copied,
    Named,
    Switched,
    Opened,
    Removed,
}

/// Checks both folders before anything is changed.
fn check(from: &Path, to: &Path) -> Result<()> {
    let linked = |path: &Path| path.is_symlink().then(|| fs::read_link(path).unwrap_or_default());
    if let Some(target) = linked(from) {
        return Err(Failure::usage(format!(
            "{} is a link to {}; move that folder with the option `home`, then change the link",
            from.display(),
            target.display()
        )));
    }
    let context = |error| Failure::io(format!("read {}", from.display()), error);
    for entry in fs::read_dir(from).map_err(context)? {
        let path = entry.map_err(context)?.path();
        if let Some(target) = linked(&path).filter(|target| target.is_relative()) {
            return Err(Failure::invalid(format!(
                "{} is a relative link to {}, which would lead elsewhere from the new folder; make it an absolute link",
                path.display(),
                target.display()
            )));
        }
    }
    let folder = to.parent().and_then(|folder| folder.canonicalize().ok()).ok_or_else(|| {
        Failure::missing(format!("the folder of {} does not exist; make it first", to.display()))
    })?;
    let own = from.canonicalize().map_err(context)?;
    if folder.starts_with(&own) {
        return Err(Failure::invalid(format!(
            "{} lies in the home itself; choose another folder",
            to.display()
        )));
    }
    match fs::symlink_metadata(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::io(format!("look at {}", to.display()), error)),
        // An unfinished copy of an interrupted move is replaced.
        Ok(_) if text(&to.join(MOVING)).is_ok_and(|other| Path::new(&other) == from) => Ok(()),
        Ok(_) => Err(file::is_there(to)),
    }
}

/// Renames the home; `None` where the new folder is on another file system, or has an unfinished copy.
fn rename(from: &Path, to: &Path) -> Result<Option<HomeMoved>> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::XDEV | Errno::EXIST) => return Ok(None),
        // A file system without this flag. The new folder was looked up before.
        Err(Errno::INVAL | Errno::NOSYS) => match fs::rename(from, to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => return Ok(None),
            Err(error) => {
                return Err(Failure::io(format!("rename {} to {}", from.display(), to.display()), error));
            }
        },
        Err(error) => {
            return Err(Failure::io(format!("rename {} to {}", from.display(), to.display()), error.into()));
        }
    }
    for path in [to, from] {
        path.parent().map_or(Ok(()), file::sync_dir)?;
    }
    Ok(Some(moved(from, to, None)))
}

/// Copies the home, compares it, makes the copy the home, and removes the old folder.
fn copy(from: &Path, to: &Path, at: &mut dyn FnMut(Step) -> Result<()>) -> Result<HomeMoved> {
    if file::exists(to)? {
        empty(to, &[MOVING])?;
    } else {
        fs::DirBuilder::new()
            .mode(0o700)
            .create(to)
            .map_err(|error| Failure::io(format!("make {}", to.display()), error))?;
        to.parent().map_or(Ok(()), file::sync_dir)?;
        file::write_atomic(&to.join(MOVING), format!("{}\n", from.display()).as_bytes(), 0o600)?;
    }
    at(Step::Begin)?;
    let mut tree = Tree::default();
    tree.list(from, Path::new(""))?;
    check_room(to, tree.bytes)?;
    let (files, bytes) = (tree.files.len() as u64, tree.bytes);
    at(Step::Copy { files, bytes })?;
    tree.copy(from, to)?;
    tree.compare(from, to)?;
    at(Step::Copied)?;
    file::write_atomic(&from.join(MOVED), format!("{}\n", to.display()).as_bytes(), 0o600)?;
    at(Step::Named)?;
    fs::rename(from.join(CONFIG), from.join(OLD_CONFIG))
        .map_err(|error| Failure::io(format!("rename {}", from.join(CONFIG).display()), error))?;
    file::sync_dir(from)?;
    at(Step::Switched)?;
    finish(from, to, at)?;
    Ok(moved(from, to, Some((files, bytes))))
}

/// Finishes a move whose new folder is the home already.
fn resume(from: &Path, to: &Path) -> Result<HomeMoved> {
    let named = text(&from.join(MOVED))?;
    if Path::new(&named) != to {
        return Err(Failure::invalid(format!(
            "the home at {} has moved to {named}; name that folder to remove what is left of the old one",
            from.display()
        )));
    }
    if !file::exists(&to.join(CONFIG))? {
        return Err(Failure::missing(format!(
            "the home at {} has moved to {named}, and that is not there now; mount its disk",
            from.display()
        )));
    }
    finish(from, to, &mut |_| Ok(()))?;
    Ok(moved(from, to, None))
}

fn finish(from: &Path, to: &Path, at: &mut dyn FnMut(Step) -> Result<()>) -> Result<()> {
    file::remove(&to.join(MOVING))?;
    at(Step::Opened)?;
    empty(from, &[OLD_CONFIG, MOVED])?;
    at(Step::Removed)?;
    file::remove(&from.join(OLD_CONFIG))?;
    file::remove(&from.join(MOVED))?;
    // A mount point stays, empty.
    let _ = fs::remove_dir(from);
    from.parent().map_or(Ok(()), file::sync_dir)
}

fn moved(from: &Path, to: &Path, copied: Option<(u64, u64)>) -> HomeMoved {
    let (files, bytes) = copied.unwrap_or_default();
    HomeMoved {
        from: from.display().to_string(),
        to: to.display().to_string(),
        copied: copied.is_some(),
        files,
        bytes,
    }
}

/// The first line of a small file.
fn text(path: &Path) -> Result<String> {
    let bytes = file::read(path)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// Removes everything in a folder, except the names in `kept`. The targets of links stay.
fn empty(folder: &Path, kept: &[&str]) -> Result<()> {
    let failed = |error| Failure::io(format!("remove the content of {}", folder.display()), error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_str().is_some_and(|name| kept.contains(&name)) {
            continue;
        }
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        let removed =
            if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        removed.map_err(failed)?;
    }
    file::sync_dir(folder)
}

fn check_room(to: &Path, bytes: u64) -> Result<()> {
    let Ok(stat) = statvfs(to) else { return Ok(()) };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if bytes <= free {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Full,
        format!("the home has {bytes} bytes, and {} has {free} free; the home is where it was", to.display()),
    ))
}

/// The content of a home, by paths in it.
#[derive(Debug, Default)]
struct Tree {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    links: Vec<PathBuf>,
    bytes: u64,
}

impl Tree {
    /// Lists a folder. The configuration comes first: with it, a publish recognises the copy as a home.
    fn list(&mut self, root: &Path, folder: &Path) -> Result<()> {
        let is_top = folder.as_os_str().is_empty();
        let failed = |error| Failure::io(format!("read {}", root.join(folder).display()), error);
        let mut entries: Vec<_> =
            fs::read_dir(root.join(folder)).map_err(failed)?.collect::<io::Result<_>>().map_err(failed)?;
        entries.sort_by_key(|entry| (!is_top || entry.file_name() != CONFIG, entry.file_name()));
        for entry in entries {
            let name = entry.file_name();
            if is_top && LEFT.iter().any(|left| name == *left) {
                continue;
            }
            let path = folder.join(&name);
            let stat = fs::symlink_metadata(root.join(&path)).map_err(failed)?;
            if stat.is_dir() {
                self.folders.push(path.clone());
                self.list(root, &path)?;
            } else if stat.is_symlink() {
                self.links.push(path);
            } else if stat.is_file() {
                self.bytes += stat.len();
                self.files.push(path);
            }
        }
        Ok(())
    }

    /// Copies everything; durable when it returns.
    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let failed = |path: &Path| {
            let context = format!("copy {} to {}", from.join(path).display(), to.join(path).display());
            move |error| Failure::io(context, error)
        };
        // The configuration comes before the keys.
        if let Some(config) = self.files.first() {
            copy_file(&from.join(config), &to.join(config)).map_err(failed(config))?;
        }
        for folder in &self.folders {
            let mode = fs::metadata(from.join(folder)).map_err(failed(folder))?.permissions().mode();
            fs::DirBuilder::new().mode(mode & 0o777).create(to.join(folder)).map_err(failed(folder))?;
        }
        for path in self.files.iter().skip(1) {
            copy_file(&from.join(path), &to.join(path)).map_err(failed(path))?;
        }
        for path in &self.links {
            let target = fs::read_link(from.join(path)).map_err(failed(path))?;
            std::os::unix::fs::symlink(target, to.join(path)).map_err(failed(path))?;
        }
        self.folders.iter().try_for_each(|folder| file::sync_dir(&to.join(folder)))?;
        file::sync_dir(to)
    }

    /// Compares every file with its copy, as far as possible as the disk has it.
    fn compare(&self, from: &Path, to: &Path) -> Result<()> {
        for path in &self.files {
            let (old, new) = (from.join(path), to.join(path));
            let is_same = is_same(&old, &new).map_err(|error| {
                Failure::io(format!("compare {} with {}", new.display(), old.display()), error)
            })?;
            if !is_same {
                return Err(Failure::new(
                    Exit::Corrupt,
                    format!(
                        "{} differs from {} after it was copied: one of the disks is failing; the home is where it was",
                        new.display(),
                        old.display()
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    let file = File::open(to)?;
    file.sync_all()?;
    // The comparison then reads the disk and not memory.
    let _ = fadvise(&file, 0, None, Advice::DontNeed);
    Ok(())
}

fn is_same(old: &Path, new: &Path) -> io::Result<bool> {
    let (mut old, mut new) = (File::open(old)?, File::open(new)?);
    if old.metadata()?.len() != new.metadata()?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (vec![0; BLOCK], vec![0; BLOCK]);
    loop {
        let read = old.read(&mut a)?;
        let (Some(a), Some(b)) = (a.get(..read), b.get_mut(..read)) else { return Ok(false) };
        if read == 0 {
            return Ok(true);
        }
        if new.read_exact(b).is_err() || a != b {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::command::Role;

    /// A home with some content, and the folder to move it to.
    fn home(dir: &Path) -> (PathBuf, PathBuf) {
        let (from, to) = (dir.join("from"), dir.join("to"));
        Home::init(&from, Some("n"), Role::Mirror).unwrap();
        fs::create_dir_all(from.join("store/segments")).unwrap();
        fs::write(from.join("store/segments/1"), vec![7; 3 * BLOCK / 2]).unwrap();
        std::os::unix::fs::symlink(dir, from.join("elsewhere")).unwrap();
        (from, to)
    }

    /// The files of a folder that are moved.
    fn content(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut tree = Tree::default();
        tree.list(root, Path::new("")).unwrap();
        tree.files.iter().map(|path| (path.clone(), fs::read(root.join(path)).unwrap())).collect()
    }

    #[test]
    fn a_rename_moves_the_home_and_a_folder_that_exists_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = home(dir.path());
        let before = content(&from);
        fs::create_dir(&to).unwrap();
        assert_eq!(move_home(&from, &to, &mut |_| {}).unwrap_err().exit, Exit::Invalid);
        fs::remove_dir(&to).unwrap();
        let inside = from.join("store/new");
        assert_eq!(move_home(&from, &inside, &mut |_| {}).unwrap_err().exit, Exit::Invalid);
        let locked = HomeLock::acquire_for(&from, "serve").unwrap();
        assert_eq!(move_home(&from, &to, &mut |_| {}).unwrap_err().exit, Exit::Busy);
        drop(locked);
        let moved = move_home(&from, &to, &mut |_| {}).unwrap();
        assert!(!moved.copied && !from.exists());
        assert_eq!(content(&to), before);
        Home::find(&to).unwrap();
    }

    /// At each step of a move by copy, exactly one of the two folders opens as a home, with everything in it,
    /// and the same move then finishes.
    #[test]
    fn a_move_that_stops_at_any_step_leaves_one_complete_home() {
        let stops = [
            Step::Begin,
            Step::Copy { files: 0, bytes: 0 },
            Step::Copied,
            Step::Named,
            Step::Switched,
            Step::Opened,
            Step::Removed,
        ];
        for stop in stops {
            let dir = tempfile::tempdir().unwrap();
            let (from, to) = home(dir.path());
            let before = content(&from);
            let stopped = copy(&from, &to, &mut |step| {
                let is_here = std::mem::discriminant(&step) == std::mem::discriminant(&stop);
                if is_here { Err(Failure::internal("stop")) } else { Ok(()) }
            });
            assert_eq!(stopped.unwrap_err().message, "stop", "{stop:?}");
            let homes: Vec<_> = [&from, &to].into_iter().filter(|root| Home::find(root).is_ok()).collect();
            assert_eq!(homes.len(), 1, "{stop:?}: {homes:?}");
            assert_eq!(content(homes[0]), before, "{stop:?}");
            let is_new = homes[0] == &to;
            assert_eq!(is_new, matches!(stop, Step::Switched | Step::Opened | Step::Removed), "{stop:?}");
            // On one file system the rest would be a rename, but for the unfinished copy.
            move_home(&from, &to, &mut |_| {}).unwrap();
            assert_eq!(content(&to), before, "{stop:?}");
            assert!(!from.exists() && !to.join(MOVING).exists(), "{stop:?}");
            assert!(to.join("elsewhere").is_symlink());
        }
    }

    #[test]
    fn a_copy_that_differs_moves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = home(dir.path());
        let mut tree = Tree::default();
        tree.list(&from, Path::new("")).unwrap();
        fs::create_dir(&to).unwrap();
        tree.copy(&from, &to).unwrap();
        tree.compare(&from, &to).unwrap();
        let segment = to.join("store/segments/1");
        let mut bytes = fs::read(&segment).unwrap();
        bytes[BLOCK] ^= 1;
        fs::write(&segment, bytes).unwrap();
        assert_eq!(tree.compare(&from, &to).unwrap_err().exit, Exit::Corrupt);
    }

    #[test]
    fn a_relative_link_in_the_home_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = home(dir.path());
        std::os::unix::fs::symlink("../big", from.join("cache2")).unwrap();
        let failure = move_home(&from, &to, &mut |_| {}).unwrap_err();
        assert!(failure.message.contains("relative link"), "{failure}");
    }
}
