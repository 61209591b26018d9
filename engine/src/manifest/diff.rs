//! Compares two versions and reads only pages that differ: [`diff`] compares two entry trees, [`content`]
//! compares the chunks of one file.

use std::{cmp::Ordering, collections::BTreeMap, vec};

use bytes::Bytes;

use super::{
    PageSource,
    entry::{Entry, Sums},
    page::{Expect, TreeKind},
    path::EntryPath,
    position::PagePosition,
    view::{EntryPage, Leaf},
};
use crate::{error::Result, id::PageId};

pub use super::diff_content::{ContentSink, Gap, Match, Spare, Stood, content};

/// A change of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The path is new.
    Added {
        /// The path.
        path: EntryPath,
        /// The new entry.
        entry: Entry,
    },
    /// The path was removed.
    Removed {
        /// The path.
        path: EntryPath,
        /// The old entry.
        entry: Entry,
    },
    /// The entry of the path differs.
    Changed {
        /// The path.
        path: EntryPath,
        /// The old entry.
        old: Entry,
        /// The new entry.
        new: Entry,
    },
}

impl Change {
    /// The path.
    pub fn path(&self) -> &EntryPath {
        match self {
            Change::Added { path, .. } | Change::Removed { path, .. } | Change::Changed { path, .. } => path,
        }
    }
}

/// Receives a difference during the comparison. An error ends the comparison.
pub trait DiffSink {
    /// A page of the new tree that the old tree does not have at this position. Parents come before their
    /// children, and before the changes below them. `stood` is a page of the old tree that covers about the
    /// same paths, if there is one.
    fn page(&mut self, id: &PageId, bytes: &Bytes, stood: Option<PagePosition>) -> Result<()>;

    /// A change, in path order.
    fn change(&mut self, change: Change, first: FirstChunk) -> Result<()>;
}

/// The number of chunks of a tree, with multiplicity, before a path: the class-wide ordinal of its first
/// chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstChunk {
    /// In the old tree.
    pub old: u64,
    /// In the new tree.
    pub new: u64,
}

/// Compares the entry trees below `old` and `new`. Without `old`, all of `new` is added. Reads only subtrees
/// that differ. Memory is one page of child ids per level of each tree.
///
/// # Errors
///
/// [`Error::Missing`](crate::Error::Missing) if a page is not held, [`Error::Invalid`](crate::Error::Invalid)
/// if a page is forged; any error of `sink`.
pub fn diff<S: PageSource + ?Sized>(
    source: &S,
    old: Option<&PageId>,
    new: &PageId,
    sink: &mut dyn DiffSink,
) -> Result<()> {
    if old == Some(new) {
        return Ok(());
    }
    let (mut old, mut new) = (Side::new(source, old), Side::new(source, Some(new)));
    // For each level of the old tree, the page that was opened last.
    let mut stood = BTreeMap::new();
    while let Some(step) = choose(old.head(), new.head()) {
        match step {
            Step::SkipBoth => {
                old.skip()?;
                new.skip()?;
            }
            Step::OpenOld => old.open_over(&mut stood)?,
            Step::OpenNew => new.open_into(&stood, sink)?,
            Step::OpenBoth => {
                old.open_over(&mut stood)?;
                new.open_into(&stood, sink)?;
            }
            Step::TakeOld => {
                let first = FirstChunk { old: old.passed.chunks, new: new.passed.chunks };
                if let Some((path, entry)) = old.take()? {
                    sink.change(Change::Removed { path, entry }, first)?;
                }
            }
            Step::TakeNew => {
                let first = FirstChunk { old: old.passed.chunks, new: new.passed.chunks };
                if let Some((path, entry)) = new.take()? {
                    sink.change(Change::Added { path, entry }, first)?;
                }
            }
            Step::TakeBoth => {
                let first = FirstChunk { old: old.passed.chunks, new: new.passed.chunks };
                if let (Some((_, old)), Some((path, new))) = (old.take()?, new.take()?) {
                    sink.change(Change::Changed { path, old, new }, first)?;
                }
            }
        }
    }
    Ok(())
}

/// The next item of a tree.
#[derive(Clone, Copy)]
enum Head<'a> {
    Page(&'a PageId, &'a Expect),
    /// The path of an entry, and its bytes, which are canonical.
    Entry(&'a [u8], &'a [u8]),
}

/// The next step for the two heads.
enum Step {
    SkipBoth,
    OpenOld,
    OpenNew,
    OpenBoth,
    TakeOld,
    TakeNew,
    TakeBoth,
}

/// Chooses so that pages are opened as late as possible. A head that lies completely before the other goes
/// first, so that equal pages after it can still be compared.
fn choose(old: Option<Head<'_>>, new: Option<Head<'_>>) -> Option<Step> {
    let step = match (old, new) {
        (None, None) => return None,
        (Some(Head::Page(..)), None) => Step::OpenOld,
        (None, Some(Head::Page(..))) => Step::OpenNew,
        (Some(Head::Entry(..)), None) => Step::TakeOld,
        (None, Some(Head::Entry(..))) => Step::TakeNew,
        (Some(Head::Entry(old, old_entry)), Some(Head::Entry(new, new_entry))) => match old.cmp(new) {
            Ordering::Less => Step::TakeOld,
            Ordering::Greater => Step::TakeNew,
            Ordering::Equal if old_entry == new_entry => Step::SkipBoth,
            Ordering::Equal => Step::TakeBoth,
        },
        (Some(Head::Entry(old, _)), Some(Head::Page(_, new))) => {
            if is_at_or_before(Some(old), new) {
                Step::TakeOld
            } else {
                Step::OpenNew
            }
        }
        (Some(Head::Page(_, old)), Some(Head::Entry(new, _))) => {
            if is_at_or_before(Some(new), old) {
                Step::TakeNew
            } else {
                Step::OpenOld
            }
        }
        (Some(Head::Page(old_id, old)), Some(Head::Page(new_id, new))) => {
            if old_id == new_id {
                Step::SkipBoth
            } else if is_at_or_before(last(old), new) {
                Step::OpenOld
            } else if is_at_or_before(last(new), old) {
                Step::OpenNew
            } else {
                // The level of a root is not known yet, so it is treated as above all other pages.
                match old.level.unwrap_or(u8::MAX).cmp(&new.level.unwrap_or(u8::MAX)) {
                    Ordering::Less => Step::OpenNew,
                    Ordering::Greater => Step::OpenOld,
                    Ordering::Equal => Step::OpenBoth,
                }
            }
        }
    };
    Some(step)
}

/// Whether `path` comes before everything below a page.
fn is_at_or_before(path: Option<&[u8]>, page: &Expect) -> bool {
    match (path, &page.after) {
        (Some(path), Some(after)) => path <= after.as_str().as_bytes(),
        _ => false,
    }
}

fn last(page: &Expect) -> Option<&[u8]> {
    page.last.as_ref().map(|last| last.as_str().as_bytes())
}

/// The rest of one tree. Only its head is compared: the next entry of the open leaf or, if the leaf is at its
/// end, the next page.
struct Side<'a, S: ?Sized> {
    source: &'a S,
    leaf: Leaf,
    stack: Vec<vec::IntoIter<(PageId, Expect)>>,
    /// The sums over everything before the head.
    passed: Sums,
}

impl<'a, S: PageSource + ?Sized> Side<'a, S> {
    fn new(source: &'a S, root: Option<&PageId>) -> Self {
        let root: Vec<_> = root.map(|root| (*root, Expect::root(TreeKind::Entries))).into_iter().collect();
        Self { source, leaf: Leaf::default(), stack: vec![root.into_iter()], passed: Sums::default() }
    }

    fn head(&mut self) -> Option<Head<'_>> {
        while self.stack.last().is_some_and(|level| level.as_slice().is_empty()) {
            self.stack.pop();
        }
        match self.leaf.head() {
            Some((path, entry, _)) => Some(Head::Entry(path, entry)),
            None => self.stack.last()?.as_slice().first().map(|(id, expect)| Head::Page(id, expect)),
        }
    }

    /// Skips the head.
    fn skip(&mut self) -> Result<()> {
        let sums = match self.leaf.head() {
            Some((_, _, sums)) => {
                self.leaf.advance()?;
                Some(sums)
            }
            None => self.stack.last_mut().and_then(|level| level.next()).and_then(|(_, expect)| expect.sums),
        };
        // The sums of the parents were checked when their pages were opened, so this cannot overflow.
        self.passed = self.passed.checked_add(sums.unwrap_or_default()).unwrap_or(self.passed);
        Ok(())
    }

    /// Replaces a head that is a page by the items of the page. Returns the page and its level.
    fn open(&mut self) -> Result<Option<(PageId, Bytes, u8)>> {
        let Some((id, expect)) = self.stack.last_mut().and_then(|level| level.next()) else {
            return Ok(None);
        };
        let bytes = self.source.page(&id)?;
        let level = match EntryPage::open(&id, &bytes, &expect)? {
            EntryPage::Leaf(leaf) => {
                self.leaf = leaf;
                0
            }
            EntryPage::Index { level, children } => {
                self.stack.push(children.into_iter());
                level
            }
        };
        Ok(Some((id, bytes, level)))
    }

    /// Opens a page of the old tree and remembers its position.
    fn open_over(&mut self, stood: &mut BTreeMap<u8, PagePosition>) -> Result<()> {
        let ordinal = self.passed.entries;
        if let Some((.., level)) = self.open()? {
            stood.insert(level, PagePosition { tree: TreeKind::Entries, level, ordinal });
        }
        Ok(())
    }

    /// Opens a page of the new tree and reports it.
    fn open_into(&mut self, stood: &BTreeMap<u8, PagePosition>, sink: &mut dyn DiffSink) -> Result<()> {
        match self.open()? {
            Some((id, bytes, level)) => sink.page(&id, &bytes, stood.get(&level).copied()),
            None => Ok(()),
        }
    }

    /// Removes and returns a head that is an entry.
    fn take(&mut self) -> Result<Option<(EntryPath, Entry)>> {
        let entry = self.leaf.entry()?;
        self.skip()?;
        Ok(entry)
    }
}
