//! How much room a publish needs, before it writes anything.
//!
//! The walk and the plan run once without a read. The estimate is low where it is not sure: a publish is
//! refused only if it would certainly run into the end of the disk, or if it repeats content that the store
//! has under other paths.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Ingest, Opened, plan::Item, plan::ToRead, run_planner};
use crate::{
    error::{Error, Result},
    manifest::EntryKind,
    store::Objects,
};

/// The room for a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The bytes that the store can still take.
    pub usable: u64,
    /// The bytes of chunks that unfinished publishes have left in the store, and that no release names.
    pub left: u64,
}

/// Fails if the content of a publish that the store does not have needs more than the usable bytes. Files
/// that the scan cache proves unchanged need none, and a changed file needs its growth. Published files that
/// are gone are deducted: they may have moved, and the store has their content. The same holds for content
/// that unfinished publishes have left. Holes, and further names of a file, need nothing.
///
/// Where everything on the source's file system fits, the source is not walked.
///
/// # Errors
///
/// [`Error::Full`] with both figures; otherwise as [`preview`](super::preview).
pub fn check_room(store: &dyn Objects, ingest: &Ingest, room: Room, cancel: &AtomicBool) -> Result<()> {
    let Room { usable, left } = room;
    if used(ingest).is_some_and(|used| used <= usable) {
        return Ok(());
    }
    let opened = Opened::new(ingest)?;
    let mut new = 0u64;
    let gone = run_planner(store, ingest, &opened, &mut |job| {
        new = job.items.iter().fold(new, |new, item| match item {
            Item::Read(read) => new.saturating_add(needed(read)),
            _ => new,
        });
        !cancel.load(Ordering::Relaxed)
    })?;
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Cancelled);
    }
    let needed = new.saturating_sub(gone.bytes).saturating_sub(left);
    if needed <= usable {
        return Ok(());
    }
    Err(Error::Full(format!(
        "publishing {} needs about {needed} bytes, and the store can take {usable}; no content was written. Free some \
         space there or move the home to a larger disk; if the store has most of this content under other paths, \
         publish with the option `force`",
        ingest.source.display()
    )))
}

/// The bytes in use on the source's file system.
fn used(ingest: &Ingest) -> Option<u64> {
    let stat = rustix::fs::statvfs(&ingest.source).ok()?;
    Some(stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize))
}

/// The bytes of a file that the store cannot have.
fn needed(read: &ToRead) -> u64 {
    if read.group.is_some() {
        return 0;
    }
    let before = read.before.as_ref().map(|before| &before.entry);
    let held = before.filter(|entry| entry.kind == EntryKind::File).map_or(0, |entry| entry.size);
    read.stat.occupied().saturating_sub(held)
}
