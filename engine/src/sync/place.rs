//! Places in a class: what a page is known to be before it is there, and where in the class it lies.
//!
//! Both sides walk a class by these: the answerer to find what a position names, the requester to learn from each page
//! what it names in turn. Owns the order of a walk and the ordinals; the rules of pages are
//! [`manifest::page`](crate::manifest::page)'s. No recursion: what is still to be visited lies on a stack.

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

/// A page that something verified names, with all that is said of it, and what lies before it in the class.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) id: PageId,
    expect: Expect,
    /// Class-wide ordinal of the first entry at or below it; of a page of a chunk tree, of the tree's entry.
    entry: u64,
    /// Class-wide ordinal of the first chunk below it.
    chunk: u64,
}

/// What a walk comes to, in the order of the class.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A page.
    Page(Place),
    /// Neighbouring chunks, the first of which has the class-wide ordinal `first`.
    Chunks { first: u64, chunks: Vec<ChunkRef> },
}

impl Place {
    /// The root page of a class.
    pub(super) fn root(header: &ClassHeader) -> Self {
        Self { id: header.root, expect: header.expect(), entry: 0, chunk: 0 }
    }

    pub(super) fn tree(&self) -> TreeKind {
        self.expect.tree
    }

    /// What lies below it. Whoever names a page says that of it; a place is made by nothing else.
    fn sums(&self) -> Sums {
        self.expect.sums.unwrap_or_default()
    }

    /// The class-wide ordinals of the chunks below it.
    pub(super) fn chunks(&self) -> Range<u64> {
        self.chunk..self.chunk.saturating_add(self.sums().chunks)
    }

    /// The class-wide ordinals of the entries below it; of a page of a chunk tree, of the tree's entry.
    pub(super) fn entries(&self) -> Range<u64> {
        let count = match self.expect.tree {
            TreeKind::Entries => self.sums().entries,
            TreeKind::Content => 1,
        };
        self.entry..self.entry.saturating_add(count)
    }

    /// Its level, where that is known: of the root of a chunk tree it is not.
    fn level(&self) -> Option<u8> {
        self.expect.level
    }

    /// How the page is asked for.
    pub(super) fn position(&self) -> PagePosition {
        let ordinal = match self.expect.tree {
            TreeKind::Entries => self.entry,
            TreeKind::Content => self.chunk,
        };
        let level = if self.expect.is_root { ROOT_LEVEL } else { self.expect.level.unwrap_or(ROOT_LEVEL) };
        PagePosition { tree: self.expect.tree, level, ordinal }
    }

    /// Decodes the page, whose id has been checked, holds it against what is said of it, and gives what it names, in
    /// order.
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
        let place = Place { id, expect, entry: self.entry, chunk: self.chunk };
        // The page's own sums were checked against overflow, and these are parts of them.
        self.chunk = place.chunks().end;
        if place.tree() == TreeKind::Entries {
            self.entry = place.entries().end;
        }
        self.out.push(Step::Page(place));
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

/// A walk over a class, depth-first. Holds at most a page's items per level.
#[derive(Debug, Default)]
pub(super) struct Walk {
    stack: Vec<Step>,
}

impl Walk {
    /// From the root of a class.
    pub(super) fn new(header: &ClassHeader) -> Self {
        Self { stack: vec![Step::Page(Place::root(header))] }
    }

    /// The next page or chunks. What is below a page comes only after [`descend`](Self::descend).
    pub(super) fn next(&mut self) -> Option<Step> {
        self.stack.pop()
    }

    /// Goes into the page that came last.
    pub(super) fn descend(&mut self, place: &Place, bytes: &Bytes) -> Result<()> {
        self.push(place.open(bytes)?);
        Ok(())
    }

    /// Visits `steps` next, in order.
    pub(super) fn push(&mut self, steps: Vec<Step>) {
        self.stack.extend(steps.into_iter().rev());
    }
}

/// Pages that are asked for by their place.
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

    /// Whether the page at `place` is asked for.
    pub(super) fn at(&self, place: &Place) -> bool {
        let PagePosition { tree, level, ordinal } = place.position();
        self.groups.get(&(tree, level)).is_some_and(|ordinals| ordinals.binary_search(&ordinal).is_ok())
    }

    /// Whether a page below `place` is asked for.
    pub(super) fn below(&self, place: &Place) -> bool {
        self.groups.iter().any(|((tree, level), ordinals)| {
            let range = match tree {
                TreeKind::Entries => place.entries(),
                TreeKind::Content => place.chunks(),
            };
            let deeper = match (place.tree(), tree) {
                (TreeKind::Entries, TreeKind::Content) => true,
                (TreeKind::Content, TreeKind::Entries) => false,
                _ => *level != ROOT_LEVEL && place.level().is_none_or(|own| *level < own),
            };
            let next = ordinals.partition_point(|ordinal| *ordinal < range.start);
            deeper && ordinals.get(next).is_some_and(|ordinal| *ordinal < range.end)
        })
    }
}
