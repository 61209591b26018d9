//! The owner of a home. A command that the system's administrator runs on the home of another user would
//! leave files in it that this user can neither read nor replace, and the node would not start any more.

use std::{
    ffi::CStr,
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, chownat, fstat, openat},
    process::{Gid, Uid, geteuid},
    thread::{
        capabilities, set_capabilities, set_keep_capabilities, set_thread_groups, set_thread_res_gid,
        set_thread_res_uid,
    },
};

use super::is_home;
use crate::exit::{Failure, Result};

/// How deep folders of a home lie at most.
const DEPTH: usize = 8;

/// Lets this thread, and the threads that it starts later, work as the owner of the home at `root`, if the
/// process runs as root and the home belongs to another user: files that it makes belong to that user. It
/// keeps its rights, so it still reads what only root may read. Does nothing for a home that does not exist.
///
/// Before that, gives files of root in the home to its owner: an older version left them there, and the node
/// of the owner cannot use them. Returns how many these were.
///
/// Call it before the process starts other threads.
///
/// # Errors
///
/// Denied, with the remedy, where the system does not let root become that user.
pub fn act_as_owner(root: &Path) -> Result<u64> {
    let Ok(found) = std::fs::metadata(root) else { return Ok(0) };
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
    become_user(user_id, group_id).map_err(|error| {
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

fn become_user(user: Uid, group: Gid) -> io::Result<()> {
    let rights = capabilities(None)?;
    set_keep_capabilities(true)?;
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    // The change of the user has cleared the effective set.
    set_capabilities(None, rights)?;
    Ok(())
}
