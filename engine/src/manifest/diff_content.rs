//! Compares the chunk trees of one file.
//!
//! Insertions shift every ordinal behind them, so the trees are compared level by level as sets of page ids, from the
//! top: what both have at one level is dropped with all below it.

use std::collections::{BTreeMap, HashSet};

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
    limits::DIFF_CHUNKS,
};

/// Takes the difference of two contents as it is found. An error ends the comparison.
pub trait ContentSink {
    /// A page of the new tree that the old ones do not have: parents before their children, a leaf before its chunks.
    fn page(&mut self, id: &PageId, bytes: &Bytes) -> Result<()>;

    /// A chunk of a new leaf that no old leaf has, once, in order. `ordinal` counts from the file's first chunk.
    fn chunk(&mut self, ordinal: u64, chunk: ChunkRef) -> Result<()>;
}

/// Compares `new` with the contents in `old`; without any, all of `new` is new. Reads only pages that differ.
///
/// Memory: about 60 bytes for each page that differs, and the ids of at most [`DIFF_CHUNKS`] old chunks; what lies
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
    for content in old {
        if let Content::Inline(chunks) = content {
            chunks.iter().for_each(|chunk| known.add(&chunk.id));
        }
    }
    let Content::Tree { root, chunks } = new else {
        let Content::Inline(chunks) = new else { return Ok(()) };
        return report(&mut known, 0, chunks, sink);
    };
    let (mut old_pages, mut new_pages) = (Frontier::default(), Frontier::default());
    let top = new_pages.add_root(source, root, *chunks)?;
    for content in old {
        if let Content::Tree { root, chunks } = content {
            old_pages.add_root(source, root, *chunks)?;
        }
    }
    let top = old_pages.levels.keys().next_back().copied().unwrap_or(0).max(top);
    for level in (0..=top).rev() {
        let old_level = old_pages.take(level);
        let new_level = new_pages.take(level);
        let is_in = |level: &[Node]| level.iter().map(|node| node.id).collect::<HashSet<_>>();
        let (in_old, in_new) = (is_in(&old_level), is_in(&new_level));
        for node in old_level.iter().filter(|node| !in_new.contains(&node.id)) {
            let (page, _) = node.load(source, level)?;
            match &page.items {
                Items::Chunks(chunks) => chunks.iter().for_each(|chunk| known.add(&chunk.id)),
                _ => old_pages.add_children(node, &page),
            }
        }
        for node in new_level.iter().filter(|node| !in_old.contains(&node.id)) {
            let (page, bytes) = node.load(source, level)?;
            sink.page(&node.id, &bytes)?;
            match &page.items {
                Items::Chunks(chunks) => report(&mut known, node.first, chunks, sink)?,
                _ => new_pages.add_children(node, &page),
            }
        }
    }
    Ok(())
}

/// Reports the chunks not known yet, the first of which is the file's `first`-th.
fn report(known: &mut Known, first: u64, chunks: &[ChunkRef], sink: &mut dyn ContentSink) -> Result<()> {
    for (ordinal, chunk) in (first..).zip(chunks) {
        if known.insert(&chunk.id) {
            sink.chunk(ordinal, *chunk)?;
        }
    }
    Ok(())
}

/// Chunks that need not be reported (again). Keeps 8 bytes of an id: two that agree in them cost a round trip, since
/// what a peer was not sent it asks for.
#[derive(Default)]
struct Known(HashSet<[u8; 8]>);

impl Known {
    fn add(&mut self, id: &ChunkId) {
        self.insert(id);
    }

    /// Whether the chunk was not known.
    fn insert(&mut self, id: &ChunkId) -> bool {
        let Some(head) = id.as_bytes().first_chunk() else { return true };
        if self.0.len() >= DIFF_CHUNKS { !self.0.contains(head) } else { self.0.insert(*head) }
    }
}

/// A page that is still to be compared.
#[derive(Clone, Copy)]
struct Node {
    id: PageId,
    sums: Option<Sums>,
    slot: Option<u8>,
    is_root: bool,
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
}

/// The pages still to be compared, by level, each once.
#[derive(Default)]
struct Frontier {
    levels: BTreeMap<u8, (Vec<Node>, HashSet<PageId>)>,
}

impl Frontier {
    /// Adds a root, which has to be read to know its level.
    fn add_root<S: PageSource + ?Sized>(&mut self, source: &S, root: &PageId, chunks: u64) -> Result<u8> {
        let page = load::page(source, root, &Expect::root(TreeKind::Content))?;
        let sums = page.sums()?;
        // The entry's count of chunks is what its page was checked for.
        let sums = Some(Sums { chunks, ..sums });
        self.add(page.level, Node { id: *root, sums, slot: Some(page.slot), is_root: true, first: 0 });
        Ok(page.level)
    }

    fn add_children(&mut self, parent: &Node, page: &Page) {
        let Some(level) = page.level.checked_sub(1) else { return };
        let mut first = parent.first;
        for (id, expect) in page.expects(None) {
            self.add(level, Node { id, sums: expect.sums, slot: expect.slot, is_root: false, first });
            first = first.saturating_add(expect.sums.map_or(0, |sums| sums.chunks));
        }
    }

    fn add(&mut self, level: u8, node: Node) {
        let (nodes, ids) = self.levels.entry(level).or_default();
        if ids.insert(node.id) {
            nodes.push(node);
        }
    }

    fn take(&mut self, level: u8) -> Vec<Node> {
        self.levels.remove(&level).map(|(nodes, _)| nodes).unwrap_or_default()
    }
}
