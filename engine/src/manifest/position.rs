//! Positions of pages and chunks in a class, and their search by sums. Peers request pages and chunks by
//! position.
//!
//! A position is valid only together with a class header that both sides know. Nothing is served by id alone,
//! so a peer that may read one class learns nothing about another.

use bytes::Bytes;

use super::{
    PageSource,
    cursor::{Chunks, Entries, Skip},
    entry::{ChunkRef, Sums},
    load,
    page::{Expect, TreeKind},
};
use crate::{error::Result, id::PageId};

/// The level of a page that is the root of its tree, at any level.
pub const ROOT_LEVEL: u8 = u8::MAX;

/// The position of a page in a class.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, crate::codec::Encode, crate::codec::Decode,
)]
pub struct PagePosition {
    /// The tree it belongs to.
    pub tree: TreeKind,
    /// Its level, or [`ROOT_LEVEL`]: an entry does not state the level of the root of its chunk tree.
    pub level: u8,
    /// In an entry tree: the number of entries of the class before the first entry of the page. In a chunk
    /// tree: the number of chunks of the class, with multiplicity, before the first chunk of the page.
    pub ordinal: u64,
}

impl PagePosition {
    /// The root of the entry tree.
    pub const ROOT: Self = Self { tree: TreeKind::Entries, level: ROOT_LEVEL, ordinal: 0 };
}

/// Finds the page at a position of the class with entry tree `root`. `None` if no page starts there. Reads
/// one page per level.
///
/// # Errors
///
/// [`Error::Missing`](crate::Error::Missing) if a page on the way is not held,
/// [`Error::Invalid`](crate::Error::Invalid) if a page is forged.
pub fn page<S: PageSource + ?Sized>(
    source: &S,
    root: &PageId,
    position: &PagePosition,
) -> Result<Option<(PageId, Bytes)>> {
    match position.tree {
        TreeKind::Entries => {
            let expect = Expect::root(TreeKind::Entries);
            descend(source, (*root, expect), position.level, position.ordinal, |sums| sums.entries)
        }
        TreeKind::Content => {
            let mut entries = Entries::at_chunk(source, root, position.ordinal);
            // If a page starts at the ordinal, entries without chunks may come before the entry that has the
            // chunk.
            loop {
                let Some((_, entry)) = entries.next().transpose()? else { return Ok(None) };
                if entry.content.chunks() == 0 {
                    continue;
                }
                let Some(root) = Expect::content(entries.slot, &entry) else { return Ok(None) };
                return descend(source, root, position.level, entries.inner_chunks, |sums| sums.chunks);
            }
        }
    }
}

/// The chunks of the class with entry tree `root`, by their class-wide ordinals: `count` chunks from `start`
/// on, or fewer if the class ends. Reads one page per level to get there. The iterator ends after its first
/// error.
pub fn chunks<'a, S: PageSource + ?Sized>(
    source: &'a S,
    root: &PageId,
    start: u64,
    count: u64,
) -> ClassChunks<'a, S> {
    let entries = Entries::at_chunk(source, root, start);
    ClassChunks { source, entries, file: None, ordinal: start, left: count }
}

/// The iterator of [`chunks`].
pub struct ClassChunks<'a, S: ?Sized> {
    source: &'a S,
    entries: Entries<'a, S>,
    file: Option<Chunks<'a, S>>,
    ordinal: u64,
    left: u64,
}

impl<S: ?Sized> std::fmt::Debug for ClassChunks<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClassChunks")
            .field("ordinal", &self.ordinal)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl<S: PageSource + ?Sized> ClassChunks<'_, S> {
    fn step(&mut self) -> Result<Option<(u64, ChunkRef)>> {
        loop {
            if let Some(file) = &mut self.file {
                if let Some(chunk) = file.next().transpose()? {
                    let ordinal = self.ordinal;
                    self.ordinal += 1;
                    self.left -= 1;
                    return Ok(Some((ordinal, chunk)));
                }
                self.file = None;
            }
            let Some((_, entry)) = self.entries.next().transpose()? else { return Ok(None) };
            let expect = Expect::content(self.entries.slot, &entry).map(|(_, expect)| expect);
            let skip = Skip { chunks: self.entries.inner_chunks, bytes: 0 };
            self.file = Some(Chunks::new(self.source, &entry.content, expect, skip));
        }
    }
}

impl<S: PageSource + ?Sized> Iterator for ClassChunks<'_, S> {
    type Item = Result<(u64, ChunkRef)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let step = self.step().transpose();
        if !matches!(step, Some(Ok(_))) {
            self.left = 0;
        }
        step
    }
}

/// The page of `level` that starts exactly `ordinal` units into a tree.
fn descend<S: PageSource + ?Sized>(
    source: &S,
    root: (PageId, Expect),
    level: u8,
    ordinal: u64,
    unit: fn(Sums) -> u64,
) -> Result<Option<(PageId, Bytes)>> {
    let (mut id, mut expect) = root;
    let mut left = ordinal;
    loop {
        let (page, bytes) = load::page_and_bytes(source, &id, &expect)?;
        if page.level == level || (expect.is_root && level == ROOT_LEVEL) {
            return Ok((left == 0).then_some((id, bytes)));
        }
        if page.level < level {
            return Ok(None);
        }
        let mut children = page.expects(expect.after.as_ref()).into_iter();
        let child = children.find(|(_, expect)| {
            let size = expect.sums.map_or(0, unit);
            let is_before = size <= left;
            if is_before {
                left -= size;
            }
            !is_before
        });
        match child {
            Some(child) => (id, expect) = child,
            None => return Ok(None),
        }
    }
}
