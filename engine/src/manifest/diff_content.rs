//! Compares the chunk trees of one file.
//!
//! Insertions shift every ordinal behind them, so the trees are compared level by level as sets of page ids, from the
//! top: what both have at one level is dropped with all below it. What is dropped anchors the rest: between two
//! neighbouring anchors lies what the one has in the place of the other's, which is what a sender encodes it against.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use super::{
    PageSource,
    entry::{ChunkRef, Content, Sums},
    load,
    page::{Expect, Items, Page, TreeKind},
};
use crate::{
    error::Result,
    id::{ChunkId, PageId},
    limits::{DIFF_CHUNKS, DIFF_RUN_CHUNKS, DIFF_STOOD_PAGES},
};

/// Takes the difference of two contents as it is found. An error ends the comparison.
pub trait ContentSink {
    /// A page of the new tree that the old ones do not have: parents before their children, a leaf before its chunks.
    /// `stood` are old pages in whose place it stands, if there are any.
    fn page(&mut self, id: &PageId, bytes: &Bytes, stood: Option<Stood>) -> Result<()>;

    /// Chunks of new leaves that no old leaf has, each once, in order, by their ordinal from the file's first chunk on.
    /// The old content has none between them, and `gap` on both sides of them; at most
    /// [`DIFF_RUN_CHUNKS`] at a time.
    fn chunks(&mut self, run: &[(u64, ChunkRef)], gap: Gap) -> Result<()>;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Compares `new` with the contents in `old`; without any, all of `new` is new. Reads only pages that differ.
///
/// Memory: about 60 bytes for each page that differs, and 20 for each of at most [`DIFF_CHUNKS`] old chunks; what lies
/// beyond them may be reported though the old content has it.
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
    let mut known = Known::default();
    for (index, content) in old.iter().enumerate() {
        if let Content::Inline(chunks) = content {
            known.add(chunks, Match { content: index, ordinal: 0 });
        }
    }
    let mut run = Run::default();
    let Content::Tree { root, chunks } = new else {
        let Content::Inline(chunks) = new else { return Ok(()) };
        run.leaf(&mut known, 0, chunks, sink)?;
        return run.close(None, sink);
    };
    let (mut old_pages, mut new_pages) = (Frontier::default(), Frontier::default());
    let mut top = new_pages.add_root(source, root, *chunks, 0)?;
    for (index, content) in old.iter().enumerate() {
        if let Content::Tree { root, chunks } = content {
            top = top.max(old_pages.add_root(source, root, *chunks, index)?);
        }
    }
    let mut anchors = Anchors::default();
    for level in (0..=top).rev() {
        let (mut old_level, mut new_level) = (old_pages.take(level), new_pages.take(level));
        anchors.drop_equal(&mut old_level, &mut new_level);
        for node in &old_level {
            let (page, _) = node.load(source, level)?;
            match &page.items {
                Items::Chunks(chunks) => known.add(chunks, node.start()),
                _ => old_pages.add_children(node, &page),
            }
        }
        for node in &new_level {
            let (page, bytes) = node.load(source, level)?;
            sink.page(&node.id, &bytes, anchors.stood(node, level, &old_level))?;
            match &page.items {
                Items::Chunks(chunks) => {
                    let (before, after) = anchors.around(node.first);
                    if let Some(before) = before.filter(|anchor| anchor.new >= run.end) {
                        // Something equal lies between the last leaf and this one.
                        let after_run = anchors.around(run.end).1.unwrap_or(before);
                        run.close(Some(after_run.start()), sink)?;
                        run.from = Some(before.end());
                    }
                    run.leaf(&mut known, node.first, chunks, sink)?;
                    run.next = after.map(Anchor::start);
                }
                _ => new_pages.add_children(node, &page),
            }
        }
    }
    let next = run.next;
    run.close(next, sink)
}

/// Chunks of a new content that no old one has, gathered between two that they have.
#[derive(Default)]
struct Run {
    chunks: Vec<(u64, ChunkRef)>,
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
        chunks: &[ChunkRef],
        sink: &mut dyn ContentSink,
    ) -> Result<()> {
        for (ordinal, chunk) in (first..).zip(chunks) {
            match known.meet(&chunk.id) {
                Met::Old(place) => {
                    self.close(Some(place), sink)?;
                    self.from = Some(Match { ordinal: place.ordinal.saturating_add(1), ..place });
                }
                Met::New => {
                    self.chunks.push((ordinal, *chunk));
                    if self.chunks.len() >= DIFF_RUN_CHUNKS {
                        self.close(None, sink)?;
                    }
                }
                Met::Again => {}
            }
        }
        self.end = first.saturating_add(chunks.len() as u64);
        Ok(())
    }

    /// Reports what was gathered; the old content has what follows it at `to`.
    fn close(&mut self, to: Option<Match>, sink: &mut dyn ContentSink) -> Result<()> {
        if self.chunks.is_empty() {
            return Ok(());
        }
        let went = sink.chunks(&self.chunks, Gap { from: self.from, to });
        self.chunks.clear();
        went
    }
}

/// Chunks that need not be reported (again), and where the old contents have them. Keeps 8 bytes of an id: two that
/// agree in them cost a round trip, since what a peer was not sent it asks for.
#[derive(Default)]
struct Known(HashMap<[u8; 8], Met>);

/// What is known of a chunk.
#[derive(Clone, Copy, Debug)]
enum Met {
    Old(Match),
    New,
    Again,
}

impl Known {
    /// Adds the chunks of an old leaf that begins at `start`.
    fn add(&mut self, chunks: &[ChunkRef], start: Match) {
        for (ordinal, chunk) in (start.ordinal..).zip(chunks) {
            if let Some(head) = chunk.id.as_bytes().first_chunk()
                && self.0.len() < DIFF_CHUNKS
            {
                self.0.entry(*head).or_insert(Met::Old(Match { ordinal, ..start }));
            }
        }
    }

    /// What is known of a chunk of a new leaf, which is then known.
    fn meet(&mut self, id: &ChunkId) -> Met {
        let Some(head) = id.as_bytes().first_chunk() else { return Met::New };
        if let Some(met) = self.0.get(head) {
            return *met;
        }
        if self.0.len() < DIFF_CHUNKS {
            self.0.insert(*head, Met::Again);
        }
        Met::New
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
    /// Drops from two levels what they have in common, and remembers where it stood.
    fn drop_equal(&mut self, old: &mut Vec<Node>, new: &mut Vec<Node>) {
        let in_old: HashMap<PageId, Match> = old.iter().map(|node| (node.id, node.start())).collect();
        let mut in_both = HashSet::new();
        new.retain(|node| {
            let equal = in_old.get(&node.id);
            if let Some(old) = equal {
                self.0.push(Anchor { new: node.first, chunks: node.chunks(), old: *old });
                in_both.insert(node.id);
            }
            equal.is_none()
        });
        old.retain(|node| !in_both.contains(&node.id));
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
    sums: Option<Sums>,
    slot: Option<u8>,
    is_root: bool,
    /// Which of the old contents it belongs to.
    content: usize,
    /// Chunks of the file before its first.
    first: u64,
}

impl Node {
    fn load<S: PageSource + ?Sized>(&self, source: &S, level: u8) -> Result<(Page, Bytes)> {
        let mut expect = Expect::root(TreeKind::Content);
        expect.level = Some(level);
        (expect.is_root, expect.sums, expect.slot) = (self.is_root, self.sums, self.slot);
        load::page_and_bytes(source, &self.id, &expect)
    }

    fn start(&self) -> Match {
        Match { content: self.content, ordinal: self.first }
    }

    fn chunks(&self) -> u64 {
        self.sums.map_or(0, |sums| sums.chunks)
    }
}

/// The pages still to be compared, by level, each once, in the order of the contents.
#[derive(Default)]
struct Frontier {
    levels: BTreeMap<u8, (Vec<Node>, HashSet<PageId>)>,
}

impl Frontier {
    /// Adds a root, which has to be read to know its level.
    fn add_root<S: PageSource + ?Sized>(
        &mut self,
        source: &S,
        root: &PageId,
        chunks: u64,
        content: usize,
    ) -> Result<u8> {
        let page = load::page(source, root, &Expect::root(TreeKind::Content))?;
        let sums = page.sums()?;
        // The entry's count of chunks is what its page was checked for.
        let sums = Some(Sums { chunks, ..sums });
        let node = Node { id: *root, sums, slot: Some(page.slot), is_root: true, content, first: 0 };
        self.add(page.level, node);
        Ok(page.level)
    }

    fn add_children(&mut self, parent: &Node, page: &Page) {
        let Some(level) = page.level.checked_sub(1) else { return };
        let mut first = parent.first;
        for (id, expect) in page.expects(None) {
            let (sums, slot) = (expect.sums, expect.slot);
            let child = Node { id, sums, slot, is_root: false, content: parent.content, first };
            first = first.saturating_add(child.chunks());
            self.add(level, child);
        }
    }

    fn add(&mut self, level: u8, node: Node) {
        let (nodes, ids) = self.levels.entry(level).or_default();
        if ids.insert(node.id) {
            nodes.push(node);
        }
    }

    /// The pages of a level, ascending by content and place.
    fn take(&mut self, level: u8) -> Vec<Node> {
        let mut nodes = self.levels.remove(&level).map(|(nodes, _)| nodes).unwrap_or_default();
        nodes.sort_by_key(|node| (node.content, node.first));
        nodes
    }
}
