//! References to pages of a class: the verified properties of a page before it is held, and its position in
//! the class.
//!
//! Both sides walk a class by these references: the answerer to find the page at a position, the requester to
//! learn which pages and chunks a page names. Owns the order of a walk and the ordinals;
//! [`manifest::page`](crate::manifest::page) owns the rules of pages. No recursion: the pages and chunks to
//! be visited are on a stack.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;

use crate::{
    error::Result,
    id::PageId,
    manifest::{
        ChunkRef, Content, Sums,
        page::{Expect, Items, TreeKind},
        position::{PagePosition, ROOT_LEVEL},
        table::ClassHeader,
    },
};

/// A reference to a page, made from a verified page or header that names it: the page's expected properties,
/// and its position in the class.
#[derive(Clone, Debug)]
pub(super) struct PageRef {
    pub(super) id: PageId,
    expect: Expect,
    /// Class-wide ordinal of the first entry at or below the page. For a page of a chunk tree: of the tree's
    /// entry.
    entry: u64,
    /// Class-wide ordinal of the first chunk below the page.
    chunk: u64,
}

/// One step of a walk, in the order of the class.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A page.
    Page(PageRef),
    /// Neighbouring chunks; `first` is the class-wide ordinal of the first of them.
    Chunks { first: u64, chunks: Vec<ChunkRef> },
}

impl PageRef {
    /// The reference to the root page of a class.
    pub(super) fn root(header: &ClassHeader) -> Self {
        Self { id: header.root, expect: header.expect(), entry: 0, chunk: 0 }
    }

    pub(super) fn tree(&self) -> TreeKind {
        self.expect.tree
    }

    /// The sums of the subtree below the page. The page or header that names a page always states them;
    /// references are made from these only.
    fn sums(&self) -> Sums {
        self.expect.sums.unwrap_or_default()
    }

    /// The bytes of content below the page.
    pub(super) fn content_bytes(&self) -> u64 {
        self.sums().bytes
    }

    /// The class-wide ordinals of the chunks below the page.
    pub(super) fn chunks(&self) -> Range<u64> {
        self.chunk..self.chunk.saturating_add(self.sums().chunks)
    }

    /// The class-wide ordinals of the entries below the page. For a page of a chunk tree: of the tree's
    /// entry.
    pub(super) fn entries(&self) -> Range<u64> {
        let count = match self.expect.tree {
            TreeKind::Entries => self.sums().entries,
            TreeKind::Content => 1,
        };
        self.entry..self.entry.saturating_add(count)
    }

    /// The page's level; `None` for the root of a chunk tree, whose level is not known.
    fn level(&self) -> Option<u8> {
        self.expect.level
    }

    /// The position by which the page is requested.
    pub(super) fn position(&self) -> PagePosition {
        let ordinal = match self.expect.tree {
            TreeKind::Entries => self.entry,
            TreeKind::Content => self.chunk,
        };
        let level = if self.expect.is_root { ROOT_LEVEL } else { self.expect.level.unwrap_or(ROOT_LEVEL) };
        PagePosition { tree: self.expect.tree, level, ordinal }
    }

    /// Decodes the page, whose id has been checked, verifies it against the expected properties, and returns
    /// the pages and chunks that it names, in order.
    pub(super) fn open(&self, bytes: &Bytes) -> Result<Vec<Step>> {
        let page = self.expect.decode(&self.id, bytes)?;
        let mut steps = Steps { out: Vec::new(), entry: self.entry, chunk: self.chunk };
        match &page.items {
            Items::Entries(entries) => {
                for (_, entry) in entries {
                    match &entry.content {
                        Content::Inline(chunks) => steps.chunks(chunks),
                        Content::Tree { .. } => {
                            Expect::content(page.slot, entry).into_iter().for_each(|named| steps.page(named));
                        }
                    }
                    steps.entry += 1;
                }
            }
            Items::Chunks(chunks) => steps.chunks(chunks),
            Items::EntryIndex(_) | Items::ChunkIndex(_) => {
                page.expects(self.expect.after.as_ref()).into_iter().for_each(|named| steps.page(named));
            }
        }
        Ok(steps.out)
    }
}

struct Steps {
    out: Vec<Step>,
    entry: u64,
    chunk: u64,
}

impl Steps {
    fn page(&mut self, (id, expect): (PageId, Expect)) {
        let page = PageRef { id, expect, entry: self.entry, chunk: self.chunk };
        // The page's own sums were checked against overflow, and these are parts of them.
        self.chunk = page.chunks().end;
        if page.tree() == TreeKind::Entries {
            self.entry = page.entries().end;
        }
        self.out.push(Step::Page(page));
    }

    fn chunks(&mut self, more: &[ChunkRef]) {
        let first = self.chunk;
        self.chunk = self.chunk.saturating_add(more.len() as u64);
        match self.out.last_mut() {
            Some(Step::Chunks { chunks, .. }) => chunks.extend_from_slice(more),
            _ if more.is_empty() => {}
            _ => self.out.push(Step::Chunks { first, chunks: more.to_vec() }),
        }
    }
}

/// A depth-first walk over a class. Holds at most one page's items per level.
#[derive(Debug, Default)]
pub(super) struct Walk {
    stack: Vec<Step>,
}

impl Walk {
    /// A walk from the root of a class.
    pub(super) fn new(header: &ClassHeader) -> Self {
        Self { stack: vec![Step::Page(PageRef::root(header))] }
    }

    /// The next page or chunks. The walk goes below a page only after [`descend`](Self::descend).
    pub(super) fn next(&mut self) -> Option<Step> {
        self.stack.pop()
    }

    /// Descends into the page that came last.
    pub(super) fn descend(&mut self, page: &PageRef, bytes: &Bytes) -> Result<()> {
        self.push(page.open(bytes)?);
        Ok(())
    }

    /// Visits `steps` next, in order.
    pub(super) fn push(&mut self, steps: Vec<Step>) {
        self.stack.extend(steps.into_iter().rev());
    }
}

/// Pages that are requested by position.
#[derive(Debug)]
pub(super) struct Targets {
    /// Ordinals, ascending, by tree and level.
    groups: BTreeMap<(TreeKind, u8), Vec<u64>>,
}

impl Targets {
    pub(super) fn new(positions: Vec<PagePosition>) -> Self {
        let mut groups = BTreeMap::<_, Vec<u64>>::new();
        for position in positions {
            groups.entry((position.tree, position.level)).or_default().push(position.ordinal);
        }
        groups.values_mut().for_each(|ordinals| ordinals.sort_unstable());
        Self { groups }
    }

    /// Whether `page` is requested.
    pub(super) fn at(&self, page: &PageRef) -> bool {
        let PagePosition { tree, level, ordinal } = page.position();
        self.groups.get(&(tree, level)).is_some_and(|ordinals| ordinals.binary_search(&ordinal).is_ok())
    }

    /// Whether a page below `page` is requested.
    pub(super) fn below(&self, page: &PageRef) -> bool {
        self.groups.iter().any(|((tree, level), ordinals)| {
            let range = match tree {
                TreeKind::Entries => page.entries(),
                TreeKind::Content => page.chunks(),
            };
            let deeper = match (page.tree(), tree) {
                (TreeKind::Entries, TreeKind::Content) => true,
                (TreeKind::Content, TreeKind::Entries) => false,
                _ => *level != ROOT_LEVEL && page.level().is_none_or(|own| *level < own),
            };
            let next = ordinals.partition_point(|ordinal| *ordinal < range.start);
            deeper && ordinals.get(next).is_some_and(|ordinal| *ordinal < range.end)
        })
    }
}
