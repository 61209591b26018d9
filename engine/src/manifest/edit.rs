//! Changes a tree. Reads and writes only the part of the tree that the change affects.

use std::{iter::Peekable, vec};

use super::{
    PageSink, PageSource,
    builder::{EntryTreeBuilder, Tree},
    cut,
    entry::Entry,
    load,
    page::{Expect, Items, TreeKind},
    path::EntryPath,
};
use crate::{
    error::{Error, Result},
    id::{PageId, boundary_hash},
};

/// Returns the tree below `root` with `edits` applied. It is the same, page for page, as a tree built from
/// scratch. `edits` are in path order, each path once: an entry to put at the path, or `None` to remove the
/// entry at the path.
///
/// A subtree without edits is kept unread, if the new tree has a page border at its start and if its own end
/// is a page end whatever follows (see [`cut`]). `sink` also receives pages that the old tree has.
///
/// # Errors
///
/// [`Error::Missing`] if a page of the old tree is not held; [`Error::Invalid`] if a page is forged or of
/// another class than `slot`, or the edits are out of order; any error of `sink`.
pub fn edit<S: PageSource + ?Sized>(
    source: &S,
    root: &PageId,
    edits: impl IntoIterator<Item = (EntryPath, Option<Entry>)>,
    slot: u8,
    sink: &mut dyn PageSink,
) -> Result<Tree> {
    let mut expect = Expect::root(TreeKind::Entries);
    expect.slot = Some(slot);
    let mut stack = vec![vec![(*root, expect)].into_iter()];
    let mut edits = Edits { rest: edits.into_iter().peekable(), last: None };
    let mut builder = EntryTreeBuilder::new(source.owner(), slot)?;
    while let Some((id, expect)) = next(&mut stack) {
        if let (Some(level), Some(sums), Some(last)) = (expect.level, expect.sums, &expect.last)
            && !edits.has_one_at_or_before(last)
            && builder.takes_page(level)
            && ends_by_firing(source, &id, &expect)?
        {
            builder.push_page(level, id, last.clone(), sums, sink)?;
            continue;
        }
        let page = load::page(source, &id, &expect)?;
        match page.items {
            Items::Entries(entries) => {
                for (path, entry) in entries {
                    let replaced = edits.push_up_to(&path, &mut builder, sink)?;
                    if !replaced {
                        builder.push(path, &entry, sink)?;
                    }
                }
            }
            _ => stack.push(page.expects(expect.after.as_ref()).into_iter()),
        }
    }
    while let Some((path, entry)) = edits.next()? {
        if let Some(entry) = entry {
            builder.push(path, &entry, sink)?;
        }
    }
    builder.finish(sink)
}

/// The next page of a walk in order.
fn next(stack: &mut Vec<vec::IntoIter<(PageId, Expect)>>) -> Option<(PageId, Expect)> {
    while let Some(level) = stack.last_mut() {
        match level.next() {
            Some(page) => return Some(page),
            None => stack.pop(),
        };
    }
    None
}

/// Whether a page and all pages at its right edge ended because their last item fired. Reads no leaf, and one
/// page for each level above the leaves.
fn ends_by_firing<S: PageSource + ?Sized>(source: &S, id: &PageId, expect: &Expect) -> Result<bool> {
    let (mut id, mut expect) = (*id, expect.clone());
    loop {
        let (Some(level), Some(sums), Some(last)) = (expect.level, expect.sums, &expect.last) else {
            return Ok(false);
        };
        let hash = boundary_hash(level, last.as_str().as_bytes());
        if level == 0 {
            return Ok(usize::try_from(sums.entries).is_ok_and(|count| cut::fires(hash, count)));
        }
        let page = load::page(source, &id, &expect)?;
        if !cut::fires(hash, page.len()) {
            return Ok(false);
        }
        match page.expects(expect.after.as_ref()).pop() {
            Some(child) => (id, expect) = child,
            None => return Ok(false),
        }
    }
}

/// Edits that are not applied yet.
struct Edits<I: Iterator<Item = (EntryPath, Option<Entry>)>> {
    rest: Peekable<I>,
    last: Option<EntryPath>,
}

impl<I: Iterator<Item = (EntryPath, Option<Entry>)>> Edits<I> {
    fn has_one_at_or_before(&mut self, path: &EntryPath) -> bool {
        self.rest.peek().is_some_and(|(edited, _)| edited <= path)
    }

    fn next(&mut self) -> Result<Option<(EntryPath, Option<Entry>)>> {
        let Some((path, entry)) = self.rest.next() else { return Ok(None) };
        if self.last.as_ref().is_some_and(|last| *last >= path) {
            return Err(Error::Invalid(format!("edit of {path} is out of order, or there twice")));
        }
        self.last = Some(path.clone());
        Ok(Some((path, entry)))
    }

    /// Applies the edits before `path` and at `path`. Returns whether there is an edit of `path` itself.
    fn push_up_to(
        &mut self,
        path: &EntryPath,
        builder: &mut EntryTreeBuilder,
        sink: &mut dyn PageSink,
    ) -> Result<bool> {
        while self.has_one_at_or_before(path) {
            let Some((edited, entry)) = self.next()? else { break };
            let is_at = edited == *path;
            if let Some(entry) = entry {
                builder.push(edited, &entry, sink)?;
            }
            if is_at {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
