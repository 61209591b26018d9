//! Compares two versions, reading only what differs: [`diff`] two entry trees, [`content`] the chunks of one file.

use std::{cmp::Ordering, collections::BTreeMap, vec};

use bytes::Bytes;

use super::{
    PageSource,
    entry::{Entry, Sums},
    load,
    page::{Expect, Items, TreeKind},
    path::EntryPath,
    position::PagePosition,
};
use crate::{error::Result, id::PageId};

pub use super::diff_content::{ContentSink, Gap, Match, Stood, content};

/// What became of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added {
        /// The path.
        path: EntryPath,
        /// What it is.
        entry: Entry,
    },
    /// It is gone.
    Removed {
        /// The path.
        path: EntryPath,
        /// What it was.
        entry: Entry,
    },
    /// Its entry differs.
    Changed {
        /// The path.
        path: EntryPath,
        /// What it was.
        old: Entry,
        /// What it is.
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

/// Takes a difference as it is found. An error ends the comparison.
pub trait DiffSink {
    /// A page of the new tree that the old one does not have in this place: parents before their children, and before the
    /// changes below them. `stood` is a page of the old tree that covers about the same paths, if there is one.
    fn page(&mut self, id: &PageId, bytes: &Bytes, stood: Option<PagePosition>) -> Result<()>;

    /// A change, in path order.
    fn change(&mut self, change: Change, first: FirstChunk) -> Result<()>;
}

/// How many chunks of a tree, with multiplicity, come before a path: the class-wide ordinal of its first chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstChunk {
    /// In the old tree.
    pub old: u64,
    /// In the new tree.
    pub new: u64,
}

/// Compares the entry trees below `old` and `new`; without `old`, all of `new` is added. Reads only subtrees that
/// differ; memory is a page of child names a level on either side.
///
/// # Errors
///
/// [`Error::Missing`](crate::Error::Missing) where a page is not held,
/// [`Error::Invalid`](crate::Error::Invalid) where one is forged; whatever `sink` fails with.
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
    // The page opened last of each level of the old tree.
    let mut stood = BTreeMap::new();
    while let Some(step) = choose(old.head.as_ref(), new.head.as_ref()) {
        match step {
            Step::SkipBoth => {
                old.skip();
                new.skip();
            }
            Step::OpenOld => old.open_over(&mut stood)?,
            Step::OpenNew => new.open_into(&stood, sink)?,
            Step::OpenBoth => {
                old.open_over(&mut stood)?;
                new.open_into(&stood, sink)?;
            }
            Step::TakeOld => {
                let first = FirstChunk { old: old.passed.chunks, new: new.passed.chunks };
                if let Some((path, entry)) = old.take() {
                    sink.change(Change::Removed { path, entry }, first)?;
                }
            }
            Step::TakeNew => {
                let first = FirstChunk { old: old.passed.chunks, new: new.passed.chunks };
                if let Some((path, entry)) = new.take() {
                    sink.change(Change::Added { path, entry }, first)?;
                }
            }
            Step::TakeBoth => {
                let first = FirstChunk { old: old.passed.chunks, new: new.passed.chunks };
                if let (Some((_, old)), Some((path, new))) = (old.take(), new.take())
                    && old != new
                {
                    sink.change(Change::Changed { path, old, new }, first)?;
                }
            }
        }
    }
    Ok(())
}

/// What stands at the front of what is left of a tree.
enum Head {
    Page(PageId, Expect),
    Entry(EntryPath, Entry),
}

/// What to do with the two heads.
enum Step {
    SkipBoth,
    OpenOld,
    OpenNew,
    OpenBoth,
    TakeOld,
    TakeNew,
    TakeBoth,
}

/// Decides so that pages are opened as late as possible: a head that lies wholly before the other goes first, because
/// what is equal behind it can then still meet.
fn choose(old: Option<&Head>, new: Option<&Head>) -> Option<Step> {
    let step = match (old, new) {
        (None, None) => return None,
        (Some(Head::Page(..)), None) => Step::OpenOld,
        (None, Some(Head::Page(..))) => Step::OpenNew,
        (Some(Head::Entry(..)), None) => Step::TakeOld,
        (None, Some(Head::Entry(..))) => Step::TakeNew,
        (Some(Head::Entry(old, _)), Some(Head::Entry(new, _))) => match old.cmp(new) {
            Ordering::Less => Step::TakeOld,
            Ordering::Greater => Step::TakeNew,
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
            } else if is_at_or_before(old.last.as_ref(), new) {
                Step::OpenOld
            } else if is_at_or_before(new.last.as_ref(), old) {
                Step::OpenNew
            } else {
                // A root, whose level nobody told, is above all.
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
fn is_at_or_before(path: Option<&EntryPath>, page: &Expect) -> bool {
    match (path, &page.after) {
        (Some(path), Some(after)) => path <= after,
        _ => false,
    }
}

/// What is left of one tree, of which only the head is looked at.
struct Side<'a, S: ?Sized> {
    source: &'a S,
    stack: Vec<vec::IntoIter<(PageId, Expect)>>,
    leaf: vec::IntoIter<(EntryPath, Entry)>,
    head: Option<Head>,
    /// What lies before the head.
    passed: Sums,
}

impl<'a, S: PageSource + ?Sized> Side<'a, S> {
    fn new(source: &'a S, root: Option<&PageId>) -> Self {
        let head = root.map(|root| Head::Page(*root, Expect::root(TreeKind::Entries)));
        Self { source, stack: Vec::new(), leaf: Vec::new().into_iter(), head, passed: Sums::default() }
    }

    /// Goes to the next head.
    fn advance(&mut self) {
        self.head = self.leaf.next().map(|(path, entry)| Head::Entry(path, entry));
        while self.head.is_none() {
            let Some(level) = self.stack.last_mut() else { return };
            match level.next() {
                Some((id, expect)) => self.head = Some(Head::Page(id, expect)),
                None => drop(self.stack.pop()),
            }
        }
    }

    /// Passes over a head that is a page.
    fn skip(&mut self) {
        if let Some(Head::Page(_, Expect { sums: Some(sums), .. })) = &self.head {
            self.pass(*sums);
        }
        self.advance();
    }

    /// Replaces a head that is a page by what the page holds; gives the page and its level.
    fn open(&mut self) -> Result<Option<(PageId, Bytes, u8)>> {
        let Some(Head::Page(id, expect)) = self.head.take() else { return Ok(None) };
        let (page, bytes) = load::page_and_bytes(self.source, &id, &expect)?;
        let level = page.level;
        match page.items {
            Items::Entries(entries) => self.leaf = entries.into_iter(),
            _ => self.stack.push(page.expects(expect.after.as_ref()).into_iter()),
        }
        self.advance();
        Ok(Some((id, bytes, level)))
    }

    /// Opens a page of the old tree and remembers where it stood.
    fn open_over(&mut self, stood: &mut BTreeMap<u8, PagePosition>) -> Result<()> {
        let ordinal = self.passed.entries;
        if let Some((.., level)) = self.open()? {
            stood.insert(level, PagePosition { tree: TreeKind::Entries, level, ordinal });
        }
        Ok(())
    }

    /// Opens a page of the new tree and shows it.
    fn open_into(&mut self, stood: &BTreeMap<u8, PagePosition>, sink: &mut dyn DiffSink) -> Result<()> {
        match self.open()? {
            Some((id, bytes, level)) => sink.page(&id, &bytes, stood.get(&level).copied()),
            None => Ok(()),
        }
    }

    /// Takes a head that is an entry.
    fn take(&mut self) -> Option<(EntryPath, Entry)> {
        let Some(Head::Entry(path, entry)) = self.head.take() else { return None };
        self.pass(entry.sums());
        self.advance();
        Some((path, entry))
    }

    fn pass(&mut self, sums: Sums) {
        // Parents' sums were checked when their pages were opened, so this cannot overflow.
        self.passed = self.passed.checked_add(sums).unwrap_or(self.passed);
    }
}
