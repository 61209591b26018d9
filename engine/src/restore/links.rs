//! Hard links: which files are names of one another.
//!
//! An entry names the first path of its link group. That path need not be selected, and the claim need not be
//! true: two files are linked only if the release has the same metadata and content for both.

use std::collections::{HashMap, hash_map::Entry as Slot};

use super::{select::Selection, stat::Stat};
use crate::{
    error::Result,
    limits::{RESTORE_LINK_GROUPS, RESTORE_SHARED_FILES},
    manifest::{Entry, EntryPath},
    store::Objects,
};

/// Finds the file that a path is a hard link to.
pub(super) struct Links<'a> {
    selection: &'a Selection<'a, dyn Objects + 'a>,
    /// For groups whose first path is not selected: the first selected path of the group. If there are too
    /// many groups, the files of further groups are written separately.
    firsts: HashMap<EntryPath, (EntryPath, Entry)>,
    /// The group of the last query, and the entry of its first path: the names of one file often follow one
    /// another.
    last: Option<(EntryPath, Option<Entry>)>,
}

impl<'a> Links<'a> {
    pub(super) fn new(selection: &'a Selection<'a, dyn Objects + 'a>) -> Self {
        Self { selection, firsts: HashMap::new(), last: None }
    }

    /// The path before `path` that the file must be linked to.
    pub(super) fn first_of(&mut self, path: &EntryPath, entry: &Entry) -> Result<Option<EntryPath>> {
        let Some(group) = entry.link_group().filter(|group| group < path) else { return Ok(None) };
        if self.last.as_ref().is_none_or(|(last, _)| *last != group) {
            self.last = Some((group.clone(), self.selection.find(&group)?));
        }
        if let Some((_, Some(first))) = &self.last {
            return Ok(is_one(first, entry).then_some(group));
        }
        match self.firsts.get(&group) {
            Some((first, one)) => Ok(is_one(one, entry).then(|| first.clone())),
            None => {
                if self.firsts.len() < RESTORE_LINK_GROUPS {
                    self.firsts.insert(group, (path.clone(), entry.clone()));
                }
                Ok(None)
            }
        }
    }
}

/// The old files that already stay as the file of one path, by device and inode: another path that must be a
/// different file gets a copy of its own. Only files with several names are remembered, each with the number
/// of its names that were not seen yet.
#[derive(Debug, Default)]
pub(super) struct Shared(HashMap<(u64, u64), u64>);

impl Shared {
    /// Number of remembered files.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Notes the next path, at which `old` is, and which keeps it if possible. Returns whether it must not
    /// keep it, because it is already the file of another path.
    pub(super) fn is_taken(&mut self, old: &Stat) -> bool {
        if old.names < 2 && self.0.is_empty() {
            return false;
        }
        let is_taken = self.pass(old);
        if !is_taken && old.names > 1 && self.0.len() < RESTORE_SHARED_FILES {
            self.0.insert(key(old), old.names - 1);
        }
        is_taken
    }

    /// Notes a path whose old file `old` does not stay. Returns whether `old` is the file of another path.
    pub(super) fn pass(&mut self, old: &Stat) -> bool {
        let Slot::Occupied(mut left) = self.0.entry(key(old)) else { return false };
        *left.get_mut() = left.get().saturating_sub(1);
        if *left.get() == 0 {
            left.remove();
        }
        true
    }
}

fn key(stat: &Stat) -> (u64, u64) {
    (stat.device, stat.mark.inode)
}

/// Whether two entries may be one file.
fn is_one(a: &Entry, b: &Entry) -> bool {
    (a.kind, a.size, a.mtime, a.mode & 0o777, &a.content)
        == (b.kind, b.size, b.mtime, b.mode & 0o777, &b.content)
}
