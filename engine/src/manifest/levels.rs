//! The open pages at the right edge of a growing tree. Items are added at the bottom, and complete pages are
//! written at every level.
//!
//! Only the key, sums and bytes of an item are used, so that the same code cuts both kinds of tree.

use bytes::Bytes;

use super::{
    PageSink,
    builder::Tree,
    cut,
    entry::Sums,
    item,
    page::{TreeKind, Writer, shared},
};
use crate::{
    error::{Error, Result},
    id::{LibraryId, PageId, boundary_hash},
    limits::{
        PAGE_BYTES, PAGE_ITEMS_MAX, TREE_LEVELS,
        format::page::{PAGE_HEADER_BYTES, PATH_HEADER_BYTES},
    },
};

/// An item that waits for the end of its page.
pub(super) struct Pending {
    /// The path, or the last path below; in chunk trees, the chunk id, or the last chunk id below.
    pub(super) key: Vec<u8>,
    /// The encoded item without its path.
    pub(super) body: Vec<u8>,
    /// The contribution of the item to the sums of its page.
    pub(super) sums: Sums,
    /// The page that the item names, if it is above level 0.
    pub(super) page: Option<PageId>,
}

/// The open page of one level.
#[derive(Default)]
struct Level {
    items: Vec<(u64, Pending)>,
    bytes: usize,
}

/// The open pages of all levels. Holds at most the items of one page per level.
pub(super) struct Levels {
    library: LibraryId,
    tree: TreeKind,
    slot: u8,
    levels: Vec<Level>,
}

impl Levels {
    pub(super) fn new(library: LibraryId, tree: TreeKind, slot: u8) -> Self {
        Self { library, tree, slot, levels: Vec::new() }
    }

    /// Whether no page is open below `level`, so that an existing page may be the next item of `level`.
    pub(super) fn is_clean_below(&self, level: u8) -> bool {
        self.levels.iter().take(usize::from(level)).all(|level| level.items.is_empty())
    }

    /// Adds an item at `level`, and ends pages that are full. Recurses once per level, of which there are at
    /// most [`TREE_LEVELS`].
    pub(super) fn push(&mut self, level: u8, item: Pending, sink: &mut dyn PageSink) -> Result<()> {
        if level >= TREE_LEVELS {
            return Err(Error::Invalid("the tree has too many levels".into()));
        }
        while !self.fits(level, &item) {
            let hashes = self.level(level).items.iter().map(|(hash, _)| *hash);
            let keep = cut::forced(hashes);
            self.end_page(level, keep, sink)?;
        }
        let hash = boundary_hash(level, &item.key);
        let bytes = self.size_of(level, &item);
        let open = self.level(level);
        open.items.push((hash, item));
        open.bytes += bytes;
        let count = open.items.len();
        if cut::fires(hash, count) { self.end_page(level, count, sink) } else { Ok(()) }
    }

    /// Ends all open pages and returns the root.
    pub(super) fn finish(mut self, sink: &mut dyn PageSink) -> Result<Tree> {
        let mut level = 0;
        loop {
            let is_top = usize::from(level) + 1 >= self.levels.len();
            let count = self.level(level).items.len();
            match self.level(level).items.first() {
                // The only item of the top level is the root.
                Some((_, Pending { page: Some(root), sums, .. })) if is_top && count == 1 => {
                    return Ok(Tree { root: *root, level: level - 1, sums: *sums });
                }
                _ if is_top => {
                    let last = self.close(level, count, sink)?;
                    return Ok(Tree { root: last.0, level, sums: last.1.sums });
                }
                Some(_) => self.end_page(level, count, sink)?,
                None => {}
            }
            level += 1;
        }
    }

    /// Ends a page after the first `keep` items of `level`, and adds it to the level above.
    fn end_page(&mut self, level: u8, keep: usize, sink: &mut dyn PageSink) -> Result<()> {
        let (_, parent) = self.close(level, keep, sink)?;
        self.push(level + 1, parent, sink)
    }

    /// Writes the first `keep` items of `level` as a page.
    fn close(&mut self, level: u8, keep: usize, sink: &mut dyn PageSink) -> Result<(PageId, Pending)> {
        let mut writer = Writer::new(self.tree, self.slot, level);
        let open = self.level(level);
        let mut sums = Sums::default();
        let mut key = Vec::new();
        for (_, item) in open.items.drain(..keep.min(open.items.len())) {
            writer.item(&item.key, |out| out.extend_from_slice(&item.body));
            sums = sums
                .checked_add(item.sums)
                .ok_or_else(|| Error::Invalid("tree too large: its sums overflow".into()))?;
            key = item.key;
        }
        open.bytes = 0;
        let sizes = self.sizes(level);
        self.level(level).bytes = sizes;

        let bytes = Bytes::from(writer.finish());
        let id = PageId::of(&self.library, &bytes);
        sink.put(id, bytes)?;
        let mut body = Vec::new();
        match self.tree {
            TreeKind::Entries => item::write_entry_child(&mut body, &id, &sums),
            TreeKind::Content => item::write_chunk_child(&mut body, &id, &sums),
        }
        Ok((id, Pending { key, body, sums, page: Some(id) }))
    }

    fn level(&mut self, level: u8) -> &mut Level {
        let at = usize::from(level);
        if self.levels.len() <= at {
            self.levels.resize_with(at + 1, Level::default);
        }
        match self.levels.get_mut(at) {
            Some(level) => level,
            None => unreachable!("the level was made above"),
        }
    }

    fn fits(&mut self, level: u8, item: &Pending) -> bool {
        let size = self.size_of(level, item);
        let open = self.level(level);
        open.items.is_empty()
            || (open.items.len() < PAGE_ITEMS_MAX && PAGE_HEADER_BYTES + open.bytes + size <= PAGE_BYTES)
    }

    /// Encoded bytes of an item as the next of its page.
    fn size_of(&mut self, level: u8, item: &Pending) -> usize {
        let tree = self.tree;
        let before = self.level(level).items.last().map_or(&[][..], |(_, before)| &before.key);
        encoded_size(tree, before, item)
    }

    /// Encoded bytes of all items of a level. The first shares no prefix.
    fn sizes(&mut self, level: u8) -> usize {
        let tree = self.tree;
        let mut before: &[u8] = &[];
        let mut total = 0;
        for (_, item) in &self.level(level).items {
            total += encoded_size(tree, before, item);
            before = &item.key;
        }
        total
    }
}

fn encoded_size(tree: TreeKind, before: &[u8], item: &Pending) -> usize {
    let path = match tree {
        TreeKind::Entries => PATH_HEADER_BYTES + item.key.len() - shared(before, &item.key),
        TreeKind::Content => 0,
    };
    path + item.body.len()
}
