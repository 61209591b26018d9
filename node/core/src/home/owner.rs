//! The owner of a home. A command that the system's administrator runs on the home of another user would
//! leave files in it that this user can neither read nor replace, and the node would not start any more. The
//! home's owner chooses its links, so such a command must not have more rights than the owner either.

use std::{
    ffi::CStr,
    fs::Metadata,
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use chuan_engine::rights;
use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, chownat, fstat, openat},
    process::{Gid, Uid, geteuid},
    thread::{set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use super::is_home;
use crate::exit::{Failure, Result};

/// How deep folders of a home lie at most.
const DEPTH: usize = 8;
/// Whether this process has become the owner of a home.
static IS_OTHER: AtomicBool = AtomicBool::new(false);
/// The bits of a mode that let other users write.
const OTHERS_WRITE: u32 = 0o022;
/// The users of the system, with their folders.
const USERS: &str = "/etc/passwd";

/// Lets this thread, and the threads that it starts later, work as the owner of the home at `root`, if the
/// process runs as root and the home belongs to another user: files that it makes belong to that user, and it
/// has no more rights than that user. Only a publish of the folder `source` still reads what only root may
/// read. Does nothing for a home that does not exist.
///
/// Also warns of a home in whose folder other users may write.
///
/// Before that, gives files of root in the home to its owner: an older version left them there, and the node
/// of the owner cannot use them. Returns how many these were.
///
/// Call it before the process starts other threads.
///
/// # Errors
///
/// Denied, with the remedy, where the system does not let root become that user.
pub fn act_as_owner(root: &Path, source: Option<&Path>) -> Result<u64> {
    let Ok(found) = std::fs::metadata(root) else { return Ok(0) };
    warn_of_writers(root, &found);
    let (user, group) = (found.uid(), found.gid());
    if !geteuid().is_root() || user == 0 {
        return Ok(0);
    }
    let (user_id, group_id) = (Uid::from_raw(user), Gid::from_raw(group));
    let given = match is_home(root) {
        true => give_back(root, user_id, group_id),
        false => Ok(0),
    };
    let given = given.map_err(|error| {
        Failure::io(format!("give the files of root in {} to user {user}", root.display()), error)
    })?;
    become_user(user_id, group_id, source).map_err(|error| {
        Failure::denied(format!(
            "{} belongs to user {user}, and this process cannot act as that user ({error}): files of root would make the \
             home unusable for its owner; run the command as that user",
            root.display()
        ))
    })?;
    Ok(given)
}

/// Gives files and folders of root below the home at `root` to its owner; returns how many.
///
/// The owner may change the home meanwhile. So no link is followed, and each item is judged and given by its
/// handle. A file with several names is left: one of them may be outside, in a place of root.
fn give_back(root: &Path, user: Uid, group: Gid) -> io::Result<u64> {
    let top = openat(CWD, root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let device = fstat(&top)?.st_dev;
    let mut given = 0;
    give_below(&top, DEPTH, &mut |item: &OwnedFd| {
        let found = fstat(item)?;
        let kind = FileType::from_raw_mode(found.st_mode);
        let is_folder = kind == FileType::Directory && found.st_dev == device;
        let is_file = kind == FileType::RegularFile && found.st_dev == device && found.st_nlink == 1;
        if (is_folder || is_file) && found.st_uid == 0 {
            chownat(item, c"", Some(user), Some(group), AtFlags::EMPTY_PATH)?;
            given += 1;
        }
        Ok(is_folder)
    })?;
    Ok(given)
}

/// Visits what lies below a folder; `visit` decides whether to go into a folder.
fn give_below(
    folder: &OwnedFd,
    depth: usize,
    visit: &mut impl FnMut(&OwnedFd) -> io::Result<bool>,
) -> io::Result<()> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        // It may be gone by now.
        let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(item) = openat(folder, name, how, Mode::empty()) else { continue };
        if visit(&item)? && depth > 0 {
            let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            give_below(&openat(&item, c".", how, Mode::empty())?, depth - 1, visit)?;
        }
    }
    Ok(())
}

/// Adds the remedy to a failure for which the system refused a file of the home at `root` to this user: an
/// item of the home is another user's.
pub(crate) fn with_remedy(mut failure: Failure, root: &Path) -> Failure {
    let system = failure.source.error().and_then(|error| error.downcast_ref::<io::Error>());
    let is_denied = system.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
    if !is_denied || !failure.message.contains(&*root.to_string_lossy()) {
        return failure;
    }
    if let Some((path, user)) = foreign(root, geteuid().as_raw(), DEPTH) {
        let path = path.display();
        let remedy = match user {
            0 => format!(
                "{path} belongs to root: run `chuan status` as root, which gives the files of root in the home to its owner"
            ),
            user => format!("{path} belongs to user {user}: give it to the owner of the home with `chown`"),
        };
        failure.message.push_str("; ");
        failure.message.push_str(&remedy);
    }
    failure
}

/// The first item below a folder that is not this user's, and its owner. Follows no link.
fn foreign(folder: &Path, user: u32, depth: usize) -> Option<(PathBuf, u32)> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let Ok(found) = entry.metadata() else { continue };
        if found.uid() != user {
            return Some((entry.path(), found.uid()));
        }
        if found.is_dir()
            && depth > 0
            && let Some(found) = foreign(&entry.path(), user, depth - 1)
        {
            return Some(found);
        }
    }
    None
}

fn become_user(user: Uid, group: Gid, source: Option<&Path>) -> io::Result<()> {
    // The change of the user would take the right to read the source.
    set_keep_capabilities(true)?;
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    rights::drop_all(source)?;
    IS_OTHER.store(true, Ordering::Relaxed);
    Ok(set_keep_capabilities(false)?)
}

fn warn_of_writers(root: &Path, found: &Metadata) {
    if found.mode() & OTHERS_WRITE != 0 {
        let (home, mode) = (root.display(), found.mode() & 0o7777);
        tracing::warn!(
            "other users may write in the home {home} (mode {mode:o}), and could replace what is in it; run `chmod go-w \
             {home}`; their files and links there are refused"
        );
    }
}

/// Whether root has started this process, which works as another user.
pub(crate) fn acts_for_another() -> bool {
    IS_OTHER.load(Ordering::Relaxed)
}

/// The folder of the user as whom this process works, by the list of the system's users. `None` if there is
/// none.
pub(crate) fn own_folder() -> Option<PathBuf> {
    let users = std::fs::read_to_string(USERS).ok()?;
    let user = geteuid().as_raw().to_string();
    let own = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let folder = own.filter(|fields| fields.get(2) == Some(&user.as_str())).find_map(|fields| {
        let folder = fields.get(5)?;
        Some(PathBuf::from(folder))
    });
    folder.filter(|folder| folder.is_dir())
}
