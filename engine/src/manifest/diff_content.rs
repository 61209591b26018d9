//! Compares the chunk trees of one file.
//!
//! Insertions shift every ordinal behind them, so the trees are compared level by level as sets of page ids, from the
//! top: what both have at one level is dropped with all below it. What is dropped anchors the rest: between two
//! neighbouring anchors lies what the one has in the place of the other's, which is what a sender encodes it against.
//!
//! Both at a level stand in nearly the same order, so what is looked for is most often what follows the last find: see
//! [`Seen`].

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use super::{
    PageSource,
    entry::{ChunkRef, Content, Sums},
    known::{Known, Met},
    page::{ChunkChild, Expect, TreeKind},
    seen::Seen,
    view::{ContentItems, ContentPage},
};
use crate::{
    error::Result,
    id::PageId,
    limits::{DIFF_GATHERED, DIFF_READ_PAGES, DIFF_RUN_CHUNKS, DIFF_STOOD_PAGES},
};

/// Takes the difference of two contents as it is found. An error ends the comparison.
pub trait ContentSink {
    /// A page of the new tree that the old ones do not have: parents before their children, a leaf before its chunks.
    /// `stood` are old pages in whose place it stands, if there are any.
    fn page(&mut self, id: &PageId, bytes: &Bytes, stood: Option<Stood>) -> Result<()>;

    /// Chunks of new leaves that no old leaf has, each once, in order, by their ordinal from the file's first chunk on;
    /// at most [`DIFF_RUN_CHUNKS`] at a time. `gap` is what the old contents have on both sides of the run; `spare` the
    /// largest runs that they have and the new one lacks, as far as that is known.
    fn chunks(&mut self, run: &[(u64, ChunkRef)], gap: Gap, spare: &[Spare]) -> Result<()>;
}

/// Pages of one level of an old content that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stood {
    /// Which of the old contents.
    pub content: usize,
    /// Their level.
    pub level: u8,
    /// Chunks of that content before the first of them.
    pub first: u64,
    /// How many pages.
    pub pages: u64,
}

/// A place in an old content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Which of the old contents.
    pub content: usize,
    /// A chunk of it, from its first on.
    pub ordinal: u64,
}

/// Where in the old contents a run of new chunks belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// What follows, in the old content, the chunk before the run.
    pub from: Option<Match>,
    /// Where the chunk after the run is in the old content.
    pub to: Option<Match>,
}

/// Neighbouring chunks of an old content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spare {
    /// The first.
    pub first: Match,
    /// How many.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Compares `new` with the contents in `old`; without any, all of `new` is new. Reads only pages that differ.
///
/// Memory: 80 bytes for each page that differs, about 30 for each of at most [`DIFF_CHUNKS`](crate::limits::DIFF_CHUNKS) old chunks, and 40 for each of
/// [`DIFF_GATHERED`] new ones; what lies beyond the old ones may be reported though the old content has it.
///
/// # Errors
///
/// [`Error::Missing`](crate::Error::Missing) where a page is not held,
/// [`Error::Invalid`](crate::Error::Invalid) where one is forged; whatever `sink` fails with.
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
                        // Something equal lies between the last leaf and this one.
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

/// Chunks of a new content that no old one has, in runs between two that they have.
#[derive(Default)]
struct Run {
    chunks: Vec<(u64, ChunkRef)>,
    /// The end in `chunks` and the gap of each run that is closed.
    closed: Vec<(usize, Gap)>,
    from: Option<Match>,
    /// Where the old content has what follows the last leaf.
    next: Option<Match>,
    /// The chunk of the new content that follows the last leaf.
    end: u64,
}

impl Run {
    /// Goes through a leaf's chunks, the first of which is the file's `first`-th.
    fn leaf(
        &mut self,
        known: &mut Known,
        first: u64,
        chunks: impl ExactSizeIterator<Item = ChunkRef>,
        sink: &mut dyn ContentSink,
    ) -> Result<()> {
        self.end = first.saturating_add(chunks.len() as u64);
        for (ordinal, chunk) in (first..).zip(chunks) {
            match known.meet(&chunk.id) {
                Met::Old(place) => {
                    self.close(Some(place));
                    self.from = Some(Match { ordinal: place.ordinal.saturating_add(1), ..place });
                }
                Met::New => {
                    self.chunks.push((ordinal, chunk));
                    if self.chunks.len() - self.closed.last().map_or(0, |(end, _)| *end) >= DIFF_RUN_CHUNKS {
                        self.close(None);
                    }
                    if self.chunks.len() >= DIFF_GATHERED {
                        self.close(None);
                        self.report(known, sink)?;
                    }
                }
                Met::Again => {}
            }
        }
        Ok(())
    }

    /// Ends a run where the old content has what follows it at `to`.
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
        let spare = known.spare();
        let mut first = 0;
        for (end, gap) in self.closed.drain(..) {
            let run = self.chunks.get(first..end).unwrap_or_default();
            first = end;
            sink.chunks(run, gap, &spare)?;
        }
        self.chunks.clear();
        Ok(())
    }
}

/// What old and new contents have in common, as far as it was dropped unread.
#[derive(Default)]
struct Anchors(Vec<Anchor>);

/// Pages that both have.
#[derive(Clone, Copy)]
struct Anchor {
    /// Chunks of the new content before them.
    new: u64,
    /// Chunks below them.
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
    /// Drops from two levels what they have in common, and remembers where it stood. Of the rest each page stays once.
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

    /// What lies before and after a chunk of the new content that no anchor covers.
    fn around(&self, ordinal: u64) -> (Option<Anchor>, Option<Anchor>) {
        let after = self.0.partition_point(|anchor| anchor.new < ordinal);
        let before = after.checked_sub(1).and_then(|before| self.0.get(before));
        (before.copied(), self.0.get(after).copied())
    }

    /// The pages among `old` in whose place the page of `node` stands: all between the anchors around it, or where
    /// those are many, some that lie as far into them as it does.
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
    /// Which of the old contents it belongs to.
    content: usize,
    /// Chunks of the file before its first.
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

/// Where pages are read from. Roots are read first, to know their levels, and kept.
struct Pages<'s, S: ?Sized> {
    source: &'s S,
    roots: Vec<(PageId, Bytes)>,
}

impl<S: PageSource + ?Sized> Pages<'_, S> {
    /// Puts the root of a content, if it is a tree, where it belongs; gives its level.
    fn add_root(&mut self, of: &Content, content: usize, frontier: &mut Frontier) -> Result<u8> {
        let Content::Tree { root: id, chunks } = *of else { return Ok(0) };
        let read = self.source.page(&id)?;
        let ContentPage { slot, level, sums, .. } =
            ContentPage::open(&id, &read, &Expect::root(TreeKind::Content))?;
        // The entry's count of chunks is what its page is checked for.
        let node = Node { id, chunks, bytes: sums.bytes, content, first: 0, slot, is_root: true };
        frontier.levels.entry(level).or_default().push(node);
        self.roots.push((id, read));
        Ok(level)
    }

    /// Reads pages of one level and hands them out in order.
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

/// The pages still to be compared, by level.
#[derive(Default)]
struct Frontier {
    levels: BTreeMap<u8, Vec<Node>>,
}

impl Frontier {
    /// Adds what a page of `level` names.
    fn add_children(&mut self, parent: &Node, level: u8, children: &[ChunkChild]) {
        let below = self.levels.entry(level.saturating_sub(1)).or_default();
        let mut first = parent.first;
        for ChunkChild { id, sums: Sums { chunks, bytes, .. } } in children.iter().copied() {
            below.push(Node { id, chunks, bytes, first, is_root: false, ..*parent });
            first = first.saturating_add(chunks);
        }
    }

    /// The pages of a level, ascending by content and place.
    fn take(&mut self, level: u8) -> Vec<Node> {
        let mut nodes = self.levels.remove(&level).unwrap_or_default();
        nodes.sort_by_key(|node| (node.content, node.first));
        nodes
    }
}
