//! Which files are further names of one another.
//!
//! An entry names the first path of its link group. That one need not be selected, and what an entry says of it need not be
//! true: two files are linked only where all that the release says of both is the same.

use std::collections::HashMap;

use super::select::Selection;
use crate::{
    error::Result,
    limits::RESTORE_LINK_GROUPS,
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

/// Whether two entries may be one file.
fn is_one(a: &Entry, b: &Entry) -> bool {
    (a.kind, a.size, a.mtime, a.mode & 0o777, &a.content)
        == (b.kind, b.size, b.mtime, b.mode & 0o777, &b.content)
}
