//! The owner of a home. A command that the system's administrator runs on the home of another user would
//! leave files in it that this user can neither read nor replace, and the node would not start any more.

use std::{io, os::unix::fs::MetadataExt, path::Path};

use rustix::{
    process::{Gid, Uid, geteuid},
    thread::{
        capabilities, set_capabilities, set_keep_capabilities, set_thread_groups, set_thread_res_gid,
        set_thread_res_uid,
    },
};

use crate::exit::{Failure, Result};

/// Lets this thread, and the threads that it starts later, work as the owner of the home at `root`, if the
/// process runs as root and the home belongs to another user: files that it makes belong to that user. It
/// keeps its rights, so it still reads what only root may read. Does nothing for a home that does not exist.
///
/// Call it before the process starts other threads.
///
/// # Errors
///
/// Denied, with the remedy, where the system does not let root become that user.
pub fn act_as_owner(root: &Path) -> Result<()> {
    let Ok(found) = std::fs::metadata(root) else { return Ok(()) };
    let (user, group) = (found.uid(), found.gid());
    if !geteuid().is_root() || user == 0 {
        return Ok(());
    }
    become_user(Uid::from_raw(user), Gid::from_raw(group)).map_err(|error| {
        Failure::denied(format!(
            "{} belongs to user {user}, and this process cannot act as that user ({error}): files of root would make the \
             home unusable for its owner; run the command as that user",
            root.display()
        ))
    })
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
