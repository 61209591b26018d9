//! Compares the chunk trees of one file.
//!
//! An insertion shifts every ordinal after it. So the trees are compared level by level, as sets of page ids,
//! from the top. Pages that both sides have at one level are dropped, with everything below them. The dropped
//! pages are the anchors for the rest: the new chunks between two neighbouring anchors take the place of the
//! old chunks between them, and a sender encodes the new ones against the old ones.
//!
//! Both sides of a level have nearly the same order, so the next page searched is mostly the one after the
//! last match: see [`Seen`].

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use super::{
    PageSource,
    entry::{ChunkRef, Content, Sums},
    known::{Known, Lookup},
    page::{ChunkChild, Expect, TreeKind},
    seen::Seen,
    view::{ContentItems, ContentPage},
};
use crate::{
    error::Result,
    id::PageId,
    limits::{DIFF_GATHERED, DIFF_READ_PAGES, DIFF_RUN_CHUNKS, DIFF_STOOD_PAGES},
};

/// Receives the difference of two contents during the comparison. An error ends the comparison.
pub trait ContentSink {
    /// A page of the new tree that the old trees do not have. Parents come before their children, and a leaf
    /// before its chunks. `stood` are the old pages that the page replaces, if there are any.
    fn page(&mut self, id: &PageId, bytes: &Bytes, stood: Option<Stood>) -> Result<()>;

    /// Chunks of new leaves that no old leaf has, each once, in order, with their ordinals from the first
    /// chunk of the file on; at most [`DIFF_RUN_CHUNKS`] at a time. `gap` has the positions in the old
    /// contents on both sides of the run. `unused_base_runs` are the largest runs of old chunks that the new
    /// content does not have, as far as they are known.
    fn chunks(&mut self, run: &[(u64, ChunkRef)], gap: Gap, unused_base_runs: &[Spare]) -> Result<()>;
}

/// Consecutive pages of one level of an old content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stood {
    /// The index of the old content.
    pub content: usize,
    /// Their level.
    pub level: u8,
    /// The number of chunks of that content before the first of the pages.
    pub first: u64,
    /// The number of pages.
    pub pages: u64,
}

/// A position in an old content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The index of the old content.
    pub content: usize,
    /// The ordinal of a chunk, from the first chunk of the content on.
    pub ordinal: u64,
}

/// The position of a run of new chunks relative to the old contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// The position after the chunk before the run, in the old content.
    pub from: Option<Match>,
    /// The position of the chunk after the run, in the old content.
    pub to: Option<Match>,
}

/// Consecutive chunks of an old content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spare {
    /// The position of the first chunk.
    pub first: Match,
    /// The number of chunks.
    pub chunks: u64,
    /// The total bytes of the chunks.
    pub bytes: u64,
}

/// Compares `new` with the contents in `old`. Without old contents, all of `new` is new. Reads only pages
/// that differ.
///
/// Memory: 80 bytes for each page that differs, about 30 bytes for each of at most
/// [`DIFF_CHUNKS`](crate::limits::DIFF_CHUNKS) old chunks, and 40 bytes for each of [`DIFF_GATHERED`] new
/// chunks. Old chunks above the limit are not remembered, so the same chunks of the new content may be
/// reported as new.
///
/// # Errors
///
/// [`Error::Missing`](crate::Error::Missing) if a page is not held, [`Error::Invalid`](crate::Error::Invalid)
/// if a page is forged; any error of `sink`.
pub fn content<S: PageSource + ?Sized>(
    source: &S,
    old: &[Content],
    new: &Content,
    sink: &mut dyn ContentSink,
) -> Result<()> {
    if old.contains(new) {
        return Ok(());
    }
    let mut known = Known::new();
    for (index, content) in old.iter().enumerate() {
        if let Content::Inline(chunks) = content {
            known.reserve(chunks.len() as u64);
            known.add(chunks.iter().copied(), Match { content: index, ordinal: 0 });
        }
    }
    let mut run = Run::default();
    if let Content::Inline(chunks) = new {
        run.leaf(&mut known, 0, chunks.iter().copied(), sink)?;
        run.close(None);
        return run.report(&known, sink);
    }
    let mut pages = Pages { source, roots: Vec::new() };
    let (mut old_pages, mut new_pages) = (Frontier::default(), Frontier::default());
    let mut top = pages.add_root(new, 0, &mut new_pages)?;
    for (index, content) in old.iter().enumerate() {
        top = top.max(pages.add_root(content, index, &mut old_pages)?);
    }
    let mut anchors = Anchors::default();
    for level in (0..=top).rev() {
        let (mut old_level, mut new_level) = (old_pages.take(level), new_pages.take(level));
        anchors.drop_equal(&mut old_level, &mut new_level);
        if level == 0 {
            known.reserve(old_level.iter().map(|node| node.chunks).sum());
        }
        pages.open(level, &old_level, |node, items, _| {
            match items {
                ContentItems::Chunks(chunks) => known.add(chunks.iter(), node.start()),
                ContentItems::Children(children) => old_pages.add_children(node, level, &children),
            }
            Ok(())
        })?;
        pages.open(level, &new_level, |node, items, bytes| {
            sink.page(&node.id, bytes, anchors.stood(node, level, &old_level))?;
            match items {
                ContentItems::Chunks(chunks) => {
                    let (before, after) = anchors.around(node.first);
                    if let Some(before) = before.filter(|anchor| anchor.new >= run.end) {
                        // Equal pages lie between the last leaf and this one.
                        let after_run = anchors.around(run.end).1.unwrap_or(before);
                        run.close(Some(after_run.start()));
                        run.from = Some(before.end());
                    }
                    run.leaf(&mut known, node.first, chunks.iter(), sink)?;
                    run.next = after.map(Anchor::start);
                }
                ContentItems::Children(children) => new_pages.add_children(node, level, &children),
            }
            Ok(())
        })?;
    }
    let next = run.next;
    run.close(next);
    run.report(&known, sink)
}

/// Chunks of a new content that no old content has, in runs between two chunks that an old content has.
#[derive(Default)]
struct Run {
    chunks: Vec<(u64, ChunkRef)>,
    /// For each closed run, its end in `chunks` and its gap.
    closed: Vec<(usize, Gap)>,
    from: Option<Match>,
    /// The position in the old content of the chunks after the last leaf.
    next: Option<Match>,
    /// The ordinal of the chunk of the new content after the last leaf.
    end: u64,
}

impl Run {
    /// Processes the chunks of a leaf. The first of them has the ordinal `first` in the file.
    fn leaf(
        &mut self,
        known: &mut Known,
        first: u64,
        chunks: impl ExactSizeIterator<Item = ChunkRef>,
        sink: &mut dyn ContentSink,
    ) -> Result<()> {
        self.end = first.saturating_add(chunks.len() as u64);
        for (ordinal, chunk) in (first..).zip(chunks) {
            match known.classify(&chunk.id) {
                Lookup::Old(position) => {
                    self.close(Some(position));
                    self.from = Some(Match { ordinal: position.ordinal.saturating_add(1), ..position });
                }
                Lookup::New => {
                    self.chunks.push((ordinal, chunk));
                    if self.chunks.len() - self.closed.last().map_or(0, |(end, _)| *end) >= DIFF_RUN_CHUNKS {
                        self.close(None);
                    }
                    if self.chunks.len() >= DIFF_GATHERED {
                        self.close(None);
                        self.report(known, sink)?;
                    }
                }
                Lookup::Again => {}
            }
        }
        Ok(())
    }

    /// Ends a run. `to` is the position in the old content of the chunk after the run.
    fn close(&mut self, to: Option<Match>) {
        let end = self.chunks.len();
        if end > self.closed.last().map_or(0, |(end, _)| *end) {
            self.closed.push((end, Gap { from: self.from, to }));
        }
    }

    /// Reports the closed runs.
    fn report(&mut self, known: &Known, sink: &mut dyn ContentSink) -> Result<()> {
        if self.closed.is_empty() {
            return Ok(());
        }
        let unused_base_runs = known.unused_base_runs();
        let mut first = 0;
        for (end, gap) in self.closed.drain(..) {
            let run = self.chunks.get(first..end).unwrap_or_default();
            first = end;
            sink.chunks(run, gap, &unused_base_runs)?;
        }
        self.chunks.clear();
        Ok(())
    }
}

/// The pages that old and new contents both have, as far as they were dropped unread.
#[derive(Default)]
struct Anchors(Vec<Anchor>);

/// A page that both contents have.
#[derive(Clone, Copy)]
struct Anchor {
    /// The number of chunks of the new content before the page.
    new: u64,
    /// The number of chunks below the page.
    chunks: u64,
    old: Match,
}

impl Anchor {
    fn start(self) -> Match {
        self.old
    }

    fn end(self) -> Match {
        Match { ordinal: self.old.ordinal.saturating_add(self.chunks), ..self.old }
    }
}

impl Anchors {
    /// Drops the pages that two levels both have, and remembers their positions. Of the other pages, equal
    /// ones are kept once.
    fn drop_equal(&mut self, old: &mut Vec<Node>, new: &mut Vec<Node>) {
        let mut seen = Seen::default();
        seen.reserve(old.len());
        old.retain(|node| {
            let is_first = !seen.contains(node.id.as_bytes());
            if is_first {
                seen.push(node.id.as_bytes());
            }
            is_first
        });
        let mut is_in_both = vec![false; old.len()];
        let mut once = HashSet::new();
        new.retain(|node| {
            let at = seen.find(node.id.as_bytes());
            match at.and_then(|at| old.get(at).filter(|old| old.id == node.id).zip(is_in_both.get_mut(at))) {
                Some((old, is_in_both)) => {
                    self.0.push(Anchor { new: node.first, chunks: node.chunks, old: old.start() });
                    *is_in_both = true;
                    false
                }
                None => once.insert(node.id),
            }
        });
        let mut is_in_both = is_in_both.into_iter();
        old.retain(|_| is_in_both.next() == Some(false));
        self.0.sort_unstable_by_key(|anchor| anchor.new);
    }

    /// The anchors before and after a chunk of the new content that no anchor covers.
    fn around(&self, ordinal: u64) -> (Option<Anchor>, Option<Anchor>) {
        let after = self.0.partition_point(|anchor| anchor.new < ordinal);
        let before = after.checked_sub(1).and_then(|before| self.0.get(before));
        (before.copied(), self.0.get(after).copied())
    }

    /// The pages in `old` that the page of `node` replaces: all pages between the anchors around it. If these
    /// are too many, then some of them that have about the same distance from the anchor before as the page.
    fn stood(&self, node: &Node, level: u8, old: &[Node]) -> Option<Stood> {
        let (before, after) = self.around(node.first);
        let from = before.map(Anchor::end).or(after.map(|after| Match { ordinal: 0, ..after.start() }));
        let from = from.unwrap_or(Match { content: 0, ordinal: 0 });
        let to =
            after.map(Anchor::start).filter(|to| to.content == from.content && to.ordinal >= from.ordinal);
        let to = to.map_or(u64::MAX, |to| to.ordinal);
        let place = |node: &Node| (node.content, node.first);
        let begin = old.partition_point(|node| place(node) < (from.content, from.ordinal));
        let end = old.partition_point(|node| place(node) < (from.content, to));
        let mut pages = old.get(begin..end).filter(|pages| !pages.is_empty())?;
        if pages.len() > DIFF_STOOD_PAGES {
            let into = node.first.saturating_sub(before.map_or(0, |before| before.new + before.chunks));
            let place = from.ordinal.saturating_add(into);
            let near = pages.partition_point(|node| node.first < place).min(pages.len() - 1);
            pages = pages.chunks(DIFF_STOOD_PAGES).nth(near / DIFF_STOOD_PAGES)?;
        }
        let first = pages.first()?;
        Some(Stood { content: first.content, level, first: first.first, pages: pages.len() as u64 })
    }
}

/// A page that is still to be compared.
#[derive(Clone, Copy)]
struct Node {
    id: PageId,
    /// Chunks and bytes below it.
    chunks: u64,
    bytes: u64,
    /// The index of the old content that it belongs to.
    content: usize,
    /// The number of chunks of the file before its first chunk.
    first: u64,
    slot: u8,
    is_root: bool,
}

impl Node {
    fn expect(&self, level: u8) -> Expect {
        let mut expect = Expect::root(TreeKind::Content);
        (expect.is_root, expect.slot, expect.level) = (self.is_root, Some(self.slot), Some(level));
        expect.sums = Some(Sums { chunks: self.chunks, bytes: self.bytes, ..Sums::default() });
        expect
    }

    fn start(&self) -> Match {
        Match { content: self.content, ordinal: self.first }
    }
}

/// The source of pages. Roots are read first, because their levels must be known, and are kept.
struct Pages<'s, S: ?Sized> {
    source: &'s S,
    roots: Vec<(PageId, Bytes)>,
}

impl<S: PageSource + ?Sized> Pages<'_, S> {
    /// Adds the root of a content, if the content is a tree, at its level. Returns the level.
    fn add_root(&mut self, of: &Content, content: usize, frontier: &mut Frontier) -> Result<u8> {
        let Content::Tree { root: id, chunks } = *of else { return Ok(0) };
        let read = self.source.page(&id)?;
        let ContentPage { slot, level, sums, .. } =
            ContentPage::open(&id, &read, &Expect::root(TreeKind::Content))?;
        // The page is later checked against the number of chunks in the entry.
        let node = Node { id, chunks, bytes: sums.bytes, content, first: 0, slot, is_root: true };
        frontier.levels.entry(level).or_default().push(node);
        self.roots.push((id, read));
        Ok(level)
    }

    /// Reads pages of one level and passes them to `each` in order.
    fn open(
        &self,
        level: u8,
        nodes: &[Node],
        mut each: impl FnMut(&Node, ContentItems<'_>, &Bytes) -> Result<()>,
    ) -> Result<()> {
        let root = |node: &Node| self.roots.iter().find(|(id, _)| node.is_root && *id == node.id);
        for nodes in nodes.chunks(DIFF_READ_PAGES) {
            let ids: Vec<_> = nodes.iter().filter(|node| root(node).is_none()).map(|node| node.id).collect();
            let mut read = self.source.pages(&ids)?.into_iter();
            for node in nodes {
                let held = root(node).map(|(_, bytes)| bytes.clone());
                let Some(bytes) = held.or_else(|| read.next()) else { break };
                each(node, ContentPage::open(&node.id, &bytes, &node.expect(level))?.items, &bytes)?;
            }
        }
        Ok(())
    }
}

/// The pages that are still to be compared, by level.
#[derive(Default)]
struct Frontier {
    levels: BTreeMap<u8, Vec<Node>>,
}

impl Frontier {
    /// Adds the children of a page of `level`.
    fn add_children(&mut self, parent: &Node, level: u8, children: &[ChunkChild]) {
        let below = self.levels.entry(level.saturating_sub(1)).or_default();
        let mut first = parent.first;
        for ChunkChild { id, sums: Sums { chunks, bytes, .. } } in children.iter().copied() {
            below.push(Node { id, chunks, bytes, first, is_root: false, ..*parent });
            first = first.saturating_add(chunks);
        }
    }

    /// Removes and returns the pages of a level, ascending by content and position.
    fn take(&mut self, level: u8) -> Vec<Node> {
        let mut nodes = self.levels.remove(&level).unwrap_or_default();
        nodes.sort_by_key(|node| (node.content, node.first));
        nodes
    }
}
