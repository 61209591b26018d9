//! Builds trees from sorted entries and from chunks, as a stream. Memory is one page per level, for a tree of
//! any size.
//!
//! The same items always give the same pages, in whatever way the tree was made: see [`cut`](super::cut) for
//! the rule for the ends of pages.

use super::{
    PageSink,
    entry::{ChunkRef, Content, Entry, Sums},
    item,
    levels::{Levels, Pending},
    page::TreeKind,
    path::EntryPath,
};
use crate::{
    error::{Error, Result},
    id::{LibraryId, PageId},
    limits::{CHUNK_BYTES, CLASS_ENTRIES, CLASSES, INLINE_CHUNKS, format::page::CHUNK_REF_BYTES},
};

pub use super::edit::edit;

/// A finished tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The root page.
    pub root: PageId,
    /// The root's level.
    pub level: u8,
    /// The sums over the tree.
    pub sums: Sums,
}

/// Builds an entry tree from entries in path order.
pub struct EntryTreeBuilder {
    levels: Levels,
    last: Option<EntryPath>,
    entries: u64,
}

impl std::fmt::Debug for EntryTreeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EntryTreeBuilder").field("last", &self.last).finish_non_exhaustive()
    }
}

impl EntryTreeBuilder {
    /// Starts a tree of the class in `slot` of a library.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `slot` is out of range.
    pub fn new(library: LibraryId, slot: u8) -> Result<Self> {
        Ok(Self { levels: Levels::new(library, TreeKind::Entries, checked(slot)?), last: None, entries: 0 })
    }

    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `path` does not come after the last path, the entry is malformed or the class is
    /// full; any error of `sink`.
    pub fn push(&mut self, path: EntryPath, entry: &Entry, sink: &mut dyn PageSink) -> Result<()> {
        let mut body = Vec::new();
        item::write_checked_entry(&mut body, path.as_str(), entry)?;
        self.advance(&path, 1)?;
        let key = path.as_str().as_bytes().to_vec();
        self.last = Some(path);
        self.levels.push(0, Pending { key, body, sums: entry.sums(), page: None }, sink)
    }

    /// Ends the tree. A tree without entries is one empty page.
    ///
    /// # Errors
    ///
    /// Any error of `sink`.
    pub fn finish(self, sink: &mut dyn PageSink) -> Result<Tree> {
        self.levels.finish(sink)
    }

    /// Whether an existing page of `level` may be added next.
    pub(super) fn takes_page(&self, level: u8) -> bool {
        self.levels.is_clean_below(level + 1)
    }

    /// Adds a complete subtree by its root: a page of `level` whose last item fires.
    pub(super) fn push_page(
        &mut self,
        level: u8,
        id: PageId,
        last: EntryPath,
        sums: Sums,
        sink: &mut dyn PageSink,
    ) -> Result<()> {
        self.advance(&last, sums.entries)?;
        let mut body = Vec::new();
        item::write_entry_child(&mut body, &id, &sums);
        let key = last.as_str().as_bytes().to_vec();
        self.last = Some(last);
        self.levels.push(level + 1, Pending { key, body, sums, page: Some(id) }, sink)
    }

    fn advance(&mut self, path: &EntryPath, entries: u64) -> Result<()> {
        if self.last.as_ref().is_some_and(|last| last >= path) {
            return Err(Error::Invalid(format!("path {path} is out of order, or there twice")));
        }
        self.entries = self.entries.saturating_add(entries);
        if self.entries > CLASS_ENTRIES {
            return Err(Error::Invalid("a class cannot hold more than 2^32 entries".into()));
        }
        Ok(())
    }
}

/// Builds the content of one file from its chunks in order.
pub struct ContentBuilder {
    inline: Vec<ChunkRef>,
    levels: Option<Levels>,
    library: LibraryId,
    slot: u8,
}

impl std::fmt::Debug for ContentBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContentBuilder").field("is_tree", &self.levels.is_some()).finish_non_exhaustive()
    }
}

impl ContentBuilder {
    /// Starts a file of the class in `slot` of a library.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `slot` is out of range.
    pub fn new(library: LibraryId, slot: u8) -> Result<Self> {
        Ok(Self { inline: Vec::new(), levels: None, library, slot: checked(slot)? })
    }

    /// Adds the file's next chunk.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the length of the chunk is impossible; any error of `sink`.
    pub fn push(&mut self, chunk: ChunkRef, sink: &mut dyn PageSink) -> Result<()> {
        item::check_len(chunk.len, CHUNK_BYTES)?;
        match &mut self.levels {
            Some(levels) => push_chunk(levels, chunk, sink),
            None => {
                self.inline.push(chunk);
                if self.inline.len() > INLINE_CHUNKS { self.grow(sink) } else { Ok(()) }
            }
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// Any error of `sink`.
    pub fn finish(self, sink: &mut dyn PageSink) -> Result<Content> {
        match self.levels {
            None => Ok(Content::Inline(self.inline)),
            Some(levels) => {
                let tree = levels.finish(sink)?;
                Ok(Content::Tree { root: tree.root, chunks: tree.sums.chunks })
            }
        }
    }

    /// Changes from an inline list to a tree.
    fn grow(&mut self, sink: &mut dyn PageSink) -> Result<()> {
        let levels = self.levels.insert(Levels::new(self.library, TreeKind::Content, self.slot));
        self.inline.drain(..).try_for_each(|chunk| push_chunk(levels, chunk, sink))
    }
}

fn push_chunk(levels: &mut Levels, chunk: ChunkRef, sink: &mut dyn PageSink) -> Result<()> {
    let mut body = Vec::with_capacity(CHUNK_REF_BYTES);
    item::write_chunk(&mut body, &chunk);
    let key = chunk.id.as_bytes().to_vec();
    levels.push(0, Pending { key, body, sums: chunk.sums(), page: None }, sink)
}

fn checked(slot: u8) -> Result<u8> {
    if usize::from(slot) < CLASSES {
        Ok(slot)
    } else {
        Err(Error::Invalid(format!("no class can have slot {slot}")))
    }
}
