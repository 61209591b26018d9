//! Which files are further names of one another.
//!
//! An entry names the first path of its link group. That one need not be selected, and what an entry says of it need not be
//! true: two files are linked only where all that the release says of both is the same.

use std::collections::{HashMap, hash_map::Entry as Slot};

use super::{select::Selection, stat::Stat};
use crate::{
    error::Result,
    limits::{RESTORE_LINK_GROUPS, RESTORE_SHARED_FILES},
    manifest::{Entry, EntryPath},
    store::Objects,
};

/// Finds the file that another is a further name of.
pub(super) struct Links<'a> {
    selection: &'a Selection<'a, dyn Objects + 'a>,
    /// Groups whose first path is not selected, by that path: the first one that is. Of further groups every file is
    /// written by itself.
    firsts: HashMap<EntryPath, (EntryPath, Entry)>,
    /// The group that was asked for last, and what the release says of its first path: names of one file often follow
    /// one another.
    last: Option<(EntryPath, Option<Entry>)>,
}

impl<'a> Links<'a> {
    pub(super) fn new(selection: &'a Selection<'a, dyn Objects + 'a>) -> Self {
        Self { selection, firsts: HashMap::new(), last: None }
    }

    /// The path before `path` that the file is to be linked to.
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

/// The old files that stay in the place of one path, by device and inode: a path that is to be another file
/// is parted from them. Only files with several names are remembered, each with how many of its names were
/// not met yet.
#[derive(Debug, Default)]
pub(super) struct Shared(HashMap<(u64, u64), u64>);

impl Shared {
    /// How many files are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes note of the next path, where `old` stands, which stays if it may: gives whether it may not,
    /// since it is the file of another path already.
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

    /// Takes note of a path where `old` stands, which does not stay. Gives whether it is the file of another
    /// path.
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
