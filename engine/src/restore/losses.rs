//! The items that a restore takes away: those that it would overwrite or remove and that no restore left there,
//! and junk, which it spares.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    Restore,
    action::{Disk, OnDisk, Wanted},
    files_of,
    locks::Locks,
    open_top,
    plan::Plan,
    plan_of,
    record::Remembered,
    record_files,
    select::Selection,
    stat::{DiskKind, Stat},
    temp::{self, TempNames},
};
use crate::{
    error::{Error, Result},
    home::Protected,
    id::LibraryId,
    ingest::Junk,
    manifest::EntryKind,
    store::Objects,
};

/// An item in the destination that a plan overwrites or removes, and that no restore left there as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Its path in the destination. A folder stands for its content.
    pub path: Vec<u8>,
    /// Whether the release does not have it; otherwise it is overwritten.
    pub is_removed: bool,
}

/// Passes to `lost` each item that [`restore`] would overwrite or remove, and that no restore left in the
/// destination as it is. Reads no file: an item of the same size and time is taken as equal. Stops once
/// `cancel` is set.
///
/// # Errors
///
/// As for [`restore`], except for those of writing.
pub fn losses(
    store: &dyn Objects,
    restore: &Restore,
    cancel: &AtomicBool,
    lost: &mut dyn FnMut(&Loss),
) -> Result<()> {
    let selection = Selection::new(store, &restore.trees, restore.filter.as_deref())?;
    if !restore.dest.exists() {
        return Ok(());
    }
    let locks = Locks::new(Protected::of(restore.home.as_deref()), true);
    let top = open_top(&restore.dest, true)?;
    let temps = TempNames::new(&temp::folder_name(top.as_ref(), |name| selection.has(name))?);
    let record = record_files(restore, true)?;
    let mut plan = plan_of(restore, &selection, record.as_ref(), (&temps, &locks))?;
    plan.take_losses();
    while let Some(action) = plan.next() {
        action?;
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        plan.take_losses().iter().for_each(&mut *lost);
    }
    Ok(())
}

/// Whether a restore of `library` wrote to `dest`, by the records in `records`. A record of an older version
/// does not name its library, and counts for each.
///
/// # Errors
///
/// [`Error::Io`] if the path cannot be resolved.
pub fn was_restored(records: &Path, dest: &Path, library: &LibraryId) -> Result<bool> {
    if !dest.exists() {
        return Ok(false);
    }
    Ok(files_of(records, dest)?.is_of(library))
}

impl<W, L, D, S> Plan<W, L, D, S>
where
    W: Iterator<Item = Result<Wanted>>,
    L: Iterator<Item = Remembered>,
    D: Disk,
    S: FnMut(&[u8]) -> bool,
{
    /// The same plan, without the removal of junk that no restore wrote.
    pub(super) fn sparing(mut self, junk: Junk) -> Self {
        self.junk = Some(junk);
        self
    }

    /// The losses that the actions since the last call bring.
    pub(super) fn take_losses(&mut self) -> Vec<Loss> {
        self.losses.replace(Vec::new()).unwrap_or_default()
    }

    /// Notes the removal of an item, if no restore wrote it.
    pub(super) fn lose_foreign(&mut self, path: &[u8], remembered: Option<&Remembered>) {
        if remembered.is_none() {
            self.lose(path, true);
        }
    }

    fn lose(&mut self, path: &[u8], is_removed: bool) {
        if let Some(losses) = &mut self.losses {
            losses.push(Loss { path: path.to_vec(), is_removed });
        }
    }

    /// Whether the item stays although items are removed.
    pub(super) fn is_junk(&self, disk: &OnDisk) -> bool {
        let is_folder = disk.stat.kind == DiskKind::Folder;
        self.junk.as_ref().is_some_and(|junk| junk.has(&disk.path, is_folder))
    }

    /// Notes the loss of the item `old` in the place of `wanted`. `is_left`: the last restore wrote it.
    pub(super) fn note_loss(&mut self, wanted: &Wanted, is_left: bool, old: Option<&Stat>) {
        let Some(old) = old else { return };
        let (entry, mark, deletes) = (&wanted.entry, &old.mark, self.rules.deletes);
        let is_lost = match (entry.kind, old.kind) {
            (EntryKind::Folder, DiskKind::Folder) => false,
            // Without `delete`, items that no restore wrote stay in the place of items of another kind.
            (_, DiskKind::Folder) => deletes,
            (EntryKind::Folder, _) => deletes && !is_left,
            (EntryKind::File, DiskKind::File) => {
                !is_left && (entry.size, entry.mtime) != (mark.size, mark.mtime)
            }
            (EntryKind::Symlink, DiskKind::Symlink) => !is_left && entry.mtime != mark.mtime,
            _ => !is_left,
        };
        if is_lost {
            self.lose(wanted.path.as_str().as_bytes(), old.kind == DiskKind::Folder);
        }
    }
}
