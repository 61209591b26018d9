//! Counts and lists of a publish: the published items, and those that were left out.

use std::collections::BTreeMap;

use super::{
    plan::{Fallback, Kept, ToRead},
    run::FileChange,
    walk::LeftOut,
};
use crate::{
    manifest::{EntryKind, EntryPath},
    progress::Progress,
};

/// The counts of a publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files in the trees.
    pub files: u64,
    /// Symbolic links in the trees.
    pub links: u64,
    /// Of the files, those that were read.
    pub files_read: u64,
    /// Bytes of the files that were read.
    pub bytes_read: u64,
    /// Bytes of the files that were not read.
    pub bytes_skipped: u64,
    /// Files at new paths.
    pub files_new: u64,
    /// Their bytes.
    pub bytes_new: u64,
    /// Files whose size, time or mode differs from the published one.
    pub files_changed: u64,
    /// Their bytes now.
    pub bytes_changed: u64,
    /// Published files that no longer exist, or that are left out now.
    pub files_gone: u64,
    /// Their bytes.
    pub bytes_gone: u64,
    /// Chunks that the store did not hold.
    pub chunks_new: u64,
    /// Their bytes.
    pub chunk_bytes_new: u64,
    /// Bytes of pages that the store did not hold.
    pub page_bytes_new: u64,
    /// Files with extended attributes that are not in the trees.
    pub xattrs_left: u64,
    /// Items that are left out without being an error, with the reason: special files, links that lead out,
    /// keys and homes, and items that were deleted meanwhile.
    pub skipped: Listed<(String, String)>,
    /// Items that patterns exclude, with the pattern. A folder counts once.
    pub excluded: Listed<(String, String)>,
    /// Items that cannot be published, and that a second run would not publish either.
    pub gaps: Listed<Gap>,
    /// Files that changed while they were read.
    pub unsettled: Listed<Gap>,
    /// Of a preview, the files that the release would have otherwise than the last one, in path order.
    pub changes: Listed<Planned>,
    /// Of a preview, the files and bytes of each class, by slot.
    pub classes: BTreeMap<u8, (u64, u64)>,
}

/// A file that a preview finds otherwise than it is in the last release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its path.
    pub path: String,
    /// The planned changes.
    pub change: PlannedChange,
    /// The slot of its class; where it is removed, of the class in which it is.
    pub slot: u8,
    /// The slot of its class in the last release, if that is another.
    pub slot_old: Option<u8>,
    /// Its size in the last release; `None` where it is new.
    pub bytes_old: Option<u64>,
    /// Its size; `None` where it is removed.
    pub bytes_new: Option<u64>,
}

/// A change that a publish would make to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlannedChange {
    /// The path had no file.
    Added,
    /// The file differs in size, time or mode.
    Changed,
    /// Only the class differs.
    Reclassified,
    /// The release would not have the file.
    Removed,
}

impl PlannedChange {
    /// The word for the change, in listings: as in a comparison of two releases.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Reclassified => "reclassified",
            Self::Removed => "removed",
        }
    }
}

impl Planned {
    pub(super) fn removed(path: &EntryPath, slot: u8, bytes: u64) -> Self {
        Self {
            path: path.to_string(),
            change: PlannedChange::Removed,
            slot,
            slot_old: None,
            bytes_old: Some(bytes),
            bytes_new: None,
        }
    }

    /// A file that would be read; `None` where it is equal.
    pub(super) fn read(read: &ToRead, size: u64) -> Option<Self> {
        let before = read.before.as_ref().filter(|before| before.entry.kind == EntryKind::File);
        let slot_old = before.and_then(|before| before.moved_from);
        let change = match FileChange::of(read, &read.stat) {
            FileChange::New => PlannedChange::Added,
            FileChange::Changed => PlannedChange::Changed,
            FileChange::Same if slot_old.is_some() => PlannedChange::Reclassified,
            FileChange::Same => return None,
        };
        let bytes_old = before.map(|before| before.entry.size);
        let (path, slot) = (read.path.to_string(), read.slot);
        Some(Self { path, change, slot, slot_old, bytes_old, bytes_new: Some(size) })
    }

    /// A file that would be kept; `None` where its class stays.
    pub(super) fn kept(kept: &Kept) -> Option<Self> {
        let bytes = Some(kept.entry.size).filter(|_| kept.entry.kind == EntryKind::File)?;
        Some(Self {
            path: kept.path.to_string(),
            change: PlannedChange::Reclassified,
            slot: kept.slot,
            slot_old: Some(kept.moved_from?),
            bytes_old: Some(bytes),
            bytes_new: Some(bytes),
        })
    }
}

/// An item that the release does not have as the source has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its path; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// The reason.
    pub reason: String,
    /// Whether the release keeps the previous entry; otherwise it has nothing at this path.
    pub stands: bool,
}

/// A list of which only the first items are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The number of items.
    pub count: u64,
    /// The first items.
    pub first: Vec<T>,
}

/// Maximum number of items that are kept.
const NAMED: usize = 1000;

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

impl<T> Listed<T> {
    pub(super) fn push(&mut self, item: T) {
        self.push_with(|| item);
    }

    /// [`Listed::push`] of an item that is made only if it is kept.
    pub(super) fn push_with(&mut self, item: impl FnOnce() -> T) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(item());
        }
    }

    /// The items of both lists, by `key`.
    pub(super) fn merge<K: Ord>(&mut self, other: Self, key: impl Fn(&T) -> K) {
        self.count += other.count;
        self.first.extend(other.first);
        self.first.sort_by_key(key);
        self.first.truncate(NAMED);
    }
}

impl Tally {
    /// Whether the trees have no file and no link, as of an empty folder. An item that could not be taken
    /// counts as one.
    pub fn is_empty(&self) -> bool {
        self.files + self.links + self.gaps.count + self.unsettled.count == 0
    }

    /// Counts a file that is read.
    pub(super) fn file(&mut self, change: FileChange, bytes: u64) {
        let (files, sum) = match change {
            FileChange::New => (&mut self.files_new, &mut self.bytes_new),
            FileChange::Changed => (&mut self.files_changed, &mut self.bytes_changed),
            FileChange::Same => return,
        };
        *files += 1;
        *sum += bytes;
    }

    /// Counts an item that is left out; `gone` is its published size, if it was published.
    pub(super) fn leave_out(&mut self, item: LeftOut, gone: Option<u64>, progress: &mut dyn Progress) {
        self.files_gone += u64::from(gone.is_some());
        self.bytes_gone += gone.unwrap_or_default();
        let LeftOut { path, why, is_excluded } = item;
        if is_excluded {
            self.excluded.push((path, why));
        } else {
            progress.skipped(&path, &why);
            self.skipped.push((path, why));
        }
    }

    /// Counts an item that is not published as it is. The answer lists it, so the progress does not.
    pub(super) fn gap(&mut self, path: String, reason: String, fallback: &Fallback, is_unsettled: bool) {
        let gap = Gap { path, reason, stands: !matches!(fallback, Fallback::Nothing) };
        if is_unsettled { self.unsettled.push(gap) } else { self.gaps.push(gap) }
    }
}
