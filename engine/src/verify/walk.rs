//! The walk: one pass, in order, over the trees of a class, with batched look-ups in the store.
//!
//! Whether a page is complete is known only after the look-up of the last chunk below it, which happens a
//! batch later. So every looked-up object gets a number, every missing object is a **gap** at its number, and
//! a page whose walk is over waits with the range of numbers below it. When the batch is settled, the page is
//! full if its range has no gap. Pages wait in the order in which their ranges end. So one pass over gaps and
//! pages settles a batch, children before parents, which is the order in which marks must be set.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    vec,
};

use super::{Marks, Visitor};
use crate::{
    error::{Error, Result},
    id::{ChunkId, PageId},
    limits::{BATCH_IDS, WALK_SEEN},
    manifest::{
        ChunkRef, Content, PageSource, Sums, TreeKind,
        page::{Expect, Items, Page},
        position::{PagePosition, ROOT_LEVEL},
        table::ClassHeader,
    },
    store::{Objects, PageState},
};

/// The result of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// How much is held at and below the root: `Full` for all of it. Not raised where the walk was ended
    /// early.
    pub state: PageState,
    /// Pages read.
    pub pages: u64,
    /// Chunks looked up, with multiplicity.
    pub chunks: u64,
    /// Whether the visitor ended the walk.
    pub is_cut_short: bool,
}

/// Walks the trees of a class in order. Checks every page that it reads against its parent, and every subtree
/// that it skips by its root page. Missing pages are reported as they are found, missing chunks a batch
/// later.
///
/// # Errors
///
/// [`Error::Invalid`] where a page is forged; any error of the store. A damaged page is reported as missing.
pub fn walk(
    store: &dyn Objects,
    class: &ClassHeader,
    marks: Marks,
    visitor: &mut dyn Visitor,
) -> Result<Walked> {
    let trusts = marks.trust && store.lost()?.is_empty();
    let mut walk = Walk {
        store,
        visitor,
        marks: Marks { trust: trusts, ..marks },
        frames: Vec::new(),
        number: 0,
        wanted: Vec::with_capacity(BATCH_IDS),
        gaps: Vec::new(),
        pending: Vec::new(),
        last_gap: LastGaps::default(),
        seen: HashMap::new(),
        reported: HashSet::new(),
        root_state: PageState::Absent,
        walked: Walked { state: PageState::Absent, pages: 0, chunks: 0, is_cut_short: false },
    };
    let state = walk.states(&[class.root])?.pop().unwrap_or(PageState::Absent);
    walk.page(Child { id: class.root, expect: class.expect(), state, before: Sums::default() })?;
    walk.run()?;
    walk.settle()?;
    if !walk.walked.is_cut_short {
        walk.walked.state = walk.root_state;
    }
    Ok(walk.walked)
}

/// A page that another page or the header names.
struct Child {
    id: PageId,
    expect: Expect,
    /// The page's state in the store when its parent was read.
    state: PageState,
    /// The sums of the class before the page's first entry or chunk.
    before: Sums,
}

enum Step {
    Page(Child),
    Chunk(u64, ChunkRef),
}

/// A page that is being walked.
struct Frame {
    id: PageId,
    /// The number of the first object below it.
    from: u64,
    steps: vec::IntoIter<Step>,
    /// In chunk trees, where the same page may occur again: the properties that were checked.
    checked: Option<Checked>,
}

/// The checked properties of a page of a chunk tree. A page that is named again with other properties is
/// walked again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Checked {
    id: PageId,
    level: Option<u8>,
    chunks: u64,
    bytes: u64,
}

/// A page that was walked, and waits until the numbers below it are settled.
struct PendingPage {
    id: PageId,
    from: u64,
    to: u64,
    checked: Option<Checked>,
}

/// A missing object, by its number.
#[derive(Clone, Copy)]
struct Gap {
    number: u64,
    is_page: bool,
}

/// The last gaps so far while settling.
#[derive(Default)]
struct LastGaps {
    any: Option<u64>,
    page: Option<u64>,
}

struct Walk<'a> {
    store: &'a dyn Objects,
    visitor: &'a mut dyn Visitor,
    marks: Marks,
    frames: Vec<Frame>,
    /// The next number.
    number: u64,
    /// Chunks to look up: number, ordinal, chunk.
    wanted: Vec<(u64, u64, ChunkRef)>,
    /// Gaps found without a look-up since the last batch was settled.
    gaps: Vec<Gap>,
    pending: Vec<PendingPage>,
    last_gap: LastGaps,
    /// Pages of chunk trees that were walked before; `None` until the page is settled. At most [`WALK_SEEN`].
    seen: HashMap<Checked, Option<PageState>>,
    /// Missing chunks that were reported before. At most [`WALK_SEEN`].
    reported: HashSet<ChunkId>,
    root_state: PageState,
    walked: Walked,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<()> {
        while let Some(frame) = self.frames.last_mut() {
            if self.walked.is_cut_short {
                return Ok(());
            }
            match frame.steps.next() {
                Some(Step::Page(child)) => self.page(child)?,
                Some(Step::Chunk(ordinal, chunk)) => {
                    let number = self.take_number();
                    self.walked.chunks += 1;
                    self.wanted.push((number, ordinal, chunk));
                }
                None => self.leave(),
            }
            if self.wanted.len() >= BATCH_IDS
                || self.pending.len() >= BATCH_IDS
                || self.gaps.len() >= BATCH_IDS
            {
                self.settle()?;
            }
        }
        Ok(())
    }

    /// Walks into a page, skips it or reports it.
    fn page(&mut self, child: Child) -> Result<()> {
        let checked = checked(&child);
        if let Some(state) = self.seen_before(checked)? {
            match state {
                PageState::Full => {}
                PageState::Paged => self.gap(false),
                PageState::Present | PageState::Absent => self.gap(true),
            }
            return Ok(());
        }
        let page = match child.state {
            PageState::Absent => None,
            _ => self.read(&child)?,
        };
        let Some(page) = page else {
            self.gap(true);
            if let Some(checked) = checked {
                self.remember(checked, Some(PageState::Absent));
            }
            let at = position(&child);
            let flow = self.visitor.missing_page(child.id, &child.expect, at);
            self.apply(flow);
            return Ok(());
        };
        self.walked.pages += 1;
        let from = self.number;
        // The subtree of a full page was walked when it was marked. Its root was checked against this parent
        // just now.
        let is_passed = self.marks.trust && child.state == PageState::Full;
        let steps = if is_passed { Vec::new() } else { self.steps(&child, page)? };
        if let Some(checked) = checked {
            self.remember(checked, None);
        }
        self.frames.push(Frame { id: child.id, from, steps: steps.into_iter(), checked });
        Ok(())
    }

    /// Reads and checks a page; `None` where it is damaged or missing.
    fn read(&self, child: &Child) -> Result<Option<Page>> {
        match self.store.page(&child.id) {
            Ok(bytes) => child.expect.decode(&child.id, &bytes).map(Some),
            Err(Error::Missing(_) | Error::Corrupt(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The pages and chunks that a page names, in order.
    fn steps(&self, of: &Child, page: Page) -> Result<Vec<Step>> {
        let named = page.expects(of.expect.after.as_ref());
        let ids: Vec<_> = named.iter().map(|(id, _)| *id).collect();
        let mut children = named.into_iter().zip(self.states(&ids)?);
        let mut steps = Vec::with_capacity(page.len());
        let mut before = of.before;
        let child = |((id, expect), state), before| Step::Page(Child { id, expect, state, before });
        match page.items {
            Items::Entries(entries) => {
                for (_, entry) in entries {
                    match &entry.content {
                        Content::Inline(chunks) => {
                            steps.extend(
                                (before.chunks..).zip(chunks).map(|(at, chunk)| Step::Chunk(at, *chunk)),
                            );
                        }
                        Content::Tree { .. } => {
                            steps.extend(children.next().map(|named| child(named, before)))
                        }
                    }
                    before = add(before, entry.sums());
                }
            }
            Items::Chunks(chunks) => {
                steps.extend((before.chunks..).zip(chunks).map(|(at, chunk)| Step::Chunk(at, chunk)));
            }
            Items::EntryIndex(_) | Items::ChunkIndex(_) => {
                for named in children {
                    let sums = named.0.1.sums.unwrap_or_default();
                    steps.push(child(named, before));
                    before = add(before, sums);
                }
            }
        }
        Ok(steps)
    }

    fn states(&self, ids: &[PageId]) -> Result<Vec<PageState>> {
        if ids.is_empty() { Ok(Vec::new()) } else { self.store.page_states(ids) }
    }

    /// Ends the innermost page, whose items were all walked.
    fn leave(&mut self) {
        if let Some(Frame { id, from, checked, .. }) = self.frames.pop() {
            self.pending.push(PendingPage { id, from, to: self.number, checked });
        }
    }

    /// The state of a page that was walked before; settles the batch where that state is still open.
    fn seen_before(&mut self, checked: Option<Checked>) -> Result<Option<PageState>> {
        let Some(checked) = checked else { return Ok(None) };
        if let Some(None) = self.seen.get(&checked) {
            self.settle()?;
        }
        Ok(self.seen.get(&checked).copied().flatten())
    }

    fn remember(&mut self, checked: Checked, state: Option<PageState>) {
        if self.seen.len() < WALK_SEEN || self.seen.contains_key(&checked) {
            self.seen.insert(checked, state);
        }
    }

    fn take_number(&mut self) -> u64 {
        self.number += 1;
        self.number - 1
    }

    fn gap(&mut self, is_page: bool) {
        let number = self.take_number();
        self.gaps.push(Gap { number, is_page });
    }

    fn apply(&mut self, flow: ControlFlow<()>) {
        self.walked.is_cut_short |= flow.is_break();
    }

    /// Looks up the waiting chunks, reports missing ones, and marks complete pages.
    fn settle(&mut self) -> Result<()> {
        let missing = self.look_up()?;
        let mut gaps = std::mem::take(&mut self.gaps);
        gaps.extend(missing);
        gaps.sort_unstable_by_key(|gap| gap.number);

        let mut gaps = gaps.into_iter().peekable();
        let mut marks = Vec::with_capacity(self.pending.len());
        for page in std::mem::take(&mut self.pending) {
            while let Some(gap) = gaps.next_if(|gap| gap.number < page.to) {
                self.last_gap.pass(gap);
            }
            let state = self.last_gap.state_since(page.from);
            if state > PageState::Present {
                marks.push((page.id, state));
            }
            if let Some(checked) = page.checked {
                self.remember(checked, Some(state));
            }
            self.root_state = state;
        }
        gaps.for_each(|gap| self.last_gap.pass(gap));
        if self.marks.set && !marks.is_empty() {
            self.store.mark(&marks)?;
        }
        Ok(())
    }

    /// Looks up the chunks of the batch; returns the gaps and reports missing chunks that were not reported
    /// before.
    fn look_up(&mut self) -> Result<Vec<Gap>> {
        let wanted = std::mem::take(&mut self.wanted);
        let mut ids = Vec::with_capacity(wanted.len());
        let mut unique = HashSet::new();
        ids.extend(wanted.iter().map(|(.., chunk)| chunk.id).filter(|id| unique.insert(*id)));
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let held = self.store.has_chunks(&ids)?;
        let absent: HashSet<_> = ids.iter().zip(held).filter(|(_, held)| !held).map(|(id, _)| *id).collect();
        let mut in_batch = HashSet::new();
        let mut gaps = Vec::new();
        for (number, ordinal, chunk) in wanted.into_iter().filter(|(.., chunk)| absent.contains(&chunk.id)) {
            gaps.push(Gap { number, is_page: false });
            let is_new = in_batch.insert(chunk.id) && !self.reported.contains(&chunk.id);
            if is_new && !self.walked.is_cut_short {
                if self.reported.len() < WALK_SEEN {
                    self.reported.insert(chunk.id);
                }
                let flow = self.visitor.missing_chunk(ordinal, chunk);
                self.apply(flow);
            }
        }
        Ok(gaps)
    }
}

impl LastGaps {
    fn pass(&mut self, gap: Gap) {
        self.any = Some(gap.number);
        if gap.is_page {
            self.page = Some(gap.number);
        }
    }

    /// The state of a page below which all objects from number `from` on were walked.
    fn state_since(&self, from: u64) -> PageState {
        let is_in = |gap: Option<u64>| gap.is_some_and(|number| number >= from);
        match (is_in(self.page), is_in(self.any)) {
            (true, _) => PageState::Present,
            (false, true) => PageState::Paged,
            (false, false) => PageState::Full,
        }
    }
}

/// The properties of a page that are about to be checked; only for pages that may occur again.
fn checked(child: &Child) -> Option<Checked> {
    match (child.expect.tree, child.expect.sums) {
        (TreeKind::Content, Some(Sums { chunks, bytes, .. })) => {
            Some(Checked { id: child.id, level: child.expect.level, chunks, bytes })
        }
        _ => None,
    }
}

fn position(child: &Child) -> PagePosition {
    let tree = child.expect.tree;
    let ordinal = match tree {
        TreeKind::Entries => child.before.entries,
        TreeKind::Content => child.before.chunks,
    };
    PagePosition { tree, level: child.expect.level.unwrap_or(ROOT_LEVEL), ordinal }
}

/// Adds sums that were checked against a parent, and so cannot overflow.
fn add(before: Sums, sums: Sums) -> Sums {
    before.checked_add(sums).unwrap_or(before)
}
