//! Reads trees as a stream, in order. Every page is checked against its parent before any of its content is
//! returned. So a forged page results in an error and never in wrong entries.
//!
//! Memory is one page of child ids per level. No function recurses.

use std::vec;

use super::{
    PageSource,
    entry::{ChunkRef, Content, Entry, Sums},
    load,
    page::{Expect, Items, TreeKind},
    path::EntryPath,
};
use crate::{
    error::{Error, Result},
    id::PageId,
};

/// All entries of a tree, in path order.
pub fn entries<'a, S: PageSource + ?Sized>(source: &'a S, root: &PageId) -> Entries<'a, S> {
    Entries::new(source, root)
}

/// The entries of a tree at and after `path`, in path order. Reads no page that lies completely before
/// `path`.
pub fn entries_from<'a, S: PageSource + ?Sized>(
    source: &'a S,
    root: &PageId,
    path: EntryPath,
) -> Entries<'a, S> {
    Entries { from: Some(path), ..Entries::new(source, root) }
}

/// The entry of a tree at `path`. Reads one page per level.
///
/// # Errors
///
/// [`Error::Missing`] if a page is not held, [`Error::Invalid`] if a page is forged.
pub fn find<S: PageSource + ?Sized>(source: &S, root: &PageId, path: &EntryPath) -> Result<Option<Entry>> {
    Ok(find_at(source, root, path)?.map(|(_, entry)| entry))
}

/// Like [`find`], but also returns the class-wide ordinal of the first chunk of the entry.
pub fn find_at<S: PageSource + ?Sized>(
    source: &S,
    root: &PageId,
    path: &EntryPath,
) -> Result<Option<(u64, Entry)>> {
    let mut entries = entries_from(source, root, path.clone());
    match entries.next().transpose()? {
        Some((found, entry)) if found == *path => Ok(Some((entries.first_chunk(), entry))),
        _ => Ok(None),
    }
}

/// All chunks of a file, in order.
pub fn chunks<'a, S: PageSource + ?Sized>(source: &'a S, content: &Content) -> Chunks<'a, S> {
    Chunks::new(source, content, None, Skip::default())
}

/// The chunks of a file from the one that contains byte `offset` on, and the number of bytes of this first
/// chunk before `offset`. At or past the end of the file there are no chunks. Reads one page per level to get
/// there.
///
/// # Errors
///
/// As for [`find`].
pub fn chunks_at<'a, S: PageSource + ?Sized>(
    source: &'a S,
    content: &Content,
    offset: u64,
) -> Result<(u64, Chunks<'a, S>)> {
    let mut chunks = Chunks::new(source, content, None, Skip { chunks: 0, bytes: offset });
    chunks.seek()?;
    Ok((chunks.inner, chunks))
}

/// The iterator of [`entries`] and [`entries_from`]. It ends after its first error.
pub struct Entries<'a, S: ?Sized> {
    source: &'a S,
    stack: Vec<vec::IntoIter<(PageId, Expect)>>,
    leaf: vec::IntoIter<(EntryPath, Entry)>,
    from: Option<EntryPath>,
    /// The number of chunks of entries still to be skipped.
    skip_chunks: u64,
    /// Chunks before the target, of the entry found last.
    pub(super) inner_chunks: u64,
    /// The slot of the page that the last entry came from.
    pub(super) slot: u8,
    /// Chunks of all entries before the next.
    passed: u64,
    /// Chunks of the entry found last.
    found: u64,
}

impl<S: ?Sized> std::fmt::Debug for Entries<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("from", &self.from).finish_non_exhaustive()
    }
}

impl<'a, S: PageSource + ?Sized> Entries<'a, S> {
    fn new(source: &'a S, root: &PageId) -> Self {
        let root = vec![(*root, Expect::root(TreeKind::Entries))];
        let leaf = Vec::new().into_iter();
        Self {
            source,
            stack: vec![root.into_iter()],
            leaf,
            from: None,
            skip_chunks: 0,
            inner_chunks: 0,
            slot: 0,
            passed: 0,
            found: 0,
        }
    }

    /// The class-wide ordinal of the first chunk of the entry found last.
    pub fn first_chunk(&self) -> u64 {
        self.passed - self.found
    }

    /// Skips the entries before the one that contains chunk `ordinal`. `inner_chunks` then has the number of
    /// chunks of this entry before that chunk.
    pub(super) fn at_chunk(source: &'a S, root: &PageId, ordinal: u64) -> Self {
        Entries { skip_chunks: ordinal, ..Entries::new(source, root) }
    }

    fn step(&mut self) -> Result<Option<(EntryPath, Entry)>> {
        loop {
            for (path, entry) in self.leaf.by_ref() {
                let is_before = self.from.as_ref().is_some_and(|from| path < *from);
                self.found = entry.content.chunks();
                // The sums of a page were checked against overflow, and against its parent.
                self.passed = self.passed.saturating_add(self.found);
                if !is_before && !passes(&mut self.skip_chunks, entry.content.chunks()) {
                    self.inner_chunks = std::mem::take(&mut self.skip_chunks);
                    return Ok(Some((path, entry)));
                }
            }
            let Some(level) = self.stack.last_mut() else { return Ok(None) };
            let Some((id, expect)) = level.next() else {
                self.stack.pop();
                continue;
            };
            let is_before = |from| expect.last.as_ref().is_some_and(|last| last < from);
            if self.from.as_ref().is_some_and(is_before)
                || expect.sums.is_some_and(|sums| passes(&mut self.skip_chunks, sums.chunks))
            {
                self.passed = self.passed.saturating_add(expect.sums.map_or(0, |sums| sums.chunks));
                continue;
            }
            let page = load::page(self.source, &id, &expect)?;
            match page.items {
                Items::Entries(entries) => {
                    self.slot = page.slot;
                    self.leaf = entries.into_iter();
                }
                _ => self.stack.push(page.expects(expect.after.as_ref()).into_iter()),
            }
        }
    }
}

impl<S: PageSource + ?Sized> Iterator for Entries<'_, S> {
    type Item = Result<(EntryPath, Entry)>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if matches!(step, Some(Err(_))) {
            self.stack.clear();
            self.leaf = Vec::new().into_iter();
        }
        step
    }
}

/// The part of a file that is still to be skipped, in chunks or in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Skip {
    pub(super) chunks: u64,
    pub(super) bytes: u64,
}

impl Skip {
    /// Skips a part with these `sums`, if all of it lies before the target.
    fn passes(&mut self, sums: Sums) -> bool {
        passes(&mut self.chunks, sums.chunks) || passes(&mut self.bytes, sums.bytes)
    }
}

/// Subtracts `size` from `left`, if `size` is not larger. Returns whether it did.
fn passes(left: &mut u64, size: u64) -> bool {
    if *left == 0 || size > *left {
        return false;
    }
    *left -= size;
    true
}

/// The iterator of [`chunks`] and [`chunks_at`]. It ends after its first error.
pub struct Chunks<'a, S: ?Sized> {
    source: &'a S,
    stack: Vec<vec::IntoIter<(PageId, Expect)>>,
    leaf: vec::IntoIter<ChunkRef>,
    /// The number of chunks that the entry states.
    count: u64,
    skip: Skip,
    /// Bytes before the target, of the chunk found last.
    inner: u64,
    found: Option<ChunkRef>,
}

impl<S: ?Sized> std::fmt::Debug for Chunks<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks").field("skip", &self.skip).finish_non_exhaustive()
    }
}

impl<'a, S: PageSource + ?Sized> Chunks<'a, S> {
    /// `expect` is the expectation for the root of a chunk tree from the page of the entry, if it is
    /// available.
    pub(super) fn new(source: &'a S, content: &Content, expect: Option<Expect>, skip: Skip) -> Self {
        let mut this = Self {
            source,
            stack: Vec::new(),
            leaf: Vec::new().into_iter(),
            count: content.chunks(),
            skip,
            inner: 0,
            found: None,
        };
        match content {
            Content::Inline(chunks) => this.leaf = chunks.clone().into_iter(),
            Content::Tree { root, .. } => {
                let expect = expect.unwrap_or(Expect::root(TreeKind::Content));
                this.stack.push(vec![(*root, expect)].into_iter());
            }
        }
        this
    }

    /// Moves to the first chunk that is not skipped.
    fn seek(&mut self) -> Result<()> {
        self.found = self.step()?;
        Ok(())
    }

    fn step(&mut self) -> Result<Option<ChunkRef>> {
        loop {
            for chunk in self.leaf.by_ref() {
                if !self.skip.passes(chunk.sums()) {
                    self.inner = std::mem::take(&mut self.skip).bytes;
                    return Ok(Some(chunk));
                }
            }
            let Some(level) = self.stack.last_mut() else { return Ok(None) };
            let Some((id, expect)) = level.next() else {
                self.stack.pop();
                continue;
            };
            if expect.sums.is_some_and(|sums| self.skip.passes(sums)) {
                continue;
            }
            let page = load::page(self.source, &id, &expect)?;
            if expect.is_root && page.sums()?.chunks != self.count {
                let text = format!(
                    "page {}: forged tree page: its entry states another number of chunks",
                    id.short()
                );
                return Err(Error::Invalid(text));
            }
            self.stack.push(page.expects(None).into_iter());
            if let Items::Chunks(chunks) = page.items {
                self.leaf = chunks.into_iter();
            }
        }
    }
}

impl<S: PageSource + ?Sized> Iterator for Chunks<'_, S> {
    type Item = Result<ChunkRef>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(chunk) = self.found.take() {
            return Some(Ok(chunk));
        }
        let step = self.step().transpose();
        if matches!(step, Some(Err(_))) {
            self.stack.clear();
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::testing::{Pages, build, chunk, content, library, path};

    #[test]
    fn reads_back_a_built_tree() {
        for n in [0, 1, 15, 16, 300, 5000] {
            let (entries, mut pages) = (library(n), Pages::default());
            let tree = build(&entries, &mut pages);
            let read = super::entries(&pages, &tree.root).collect::<Result<Vec<_>>>().unwrap();
            assert!(read == entries.clone().into_iter().collect::<Vec<_>>());
            assert_eq!(tree.sums.entries, n);
            assert_eq!(
                load::page(&pages, &tree.root, &Expect::root(TreeKind::Entries)).unwrap().sums().unwrap(),
                tree.sums
            );
        }
    }

    #[test]
    fn seeks_without_reading_the_pages_before() {
        let (entries, mut pages) = (library(5000), Pages::default());
        let tree = build(&entries, &mut pages);
        for (wanted, entry) in entries.iter().step_by(37) {
            pages.reads.set(0);
            assert_eq!(find(&pages, &tree.root, wanted).unwrap().as_ref(), Some(entry));
            assert!(pages.reads.get() <= usize::from(tree.level) + 1);
            let after = path(&format!("{wanted}x"));
            assert_eq!(find(&pages, &tree.root, &after).unwrap(), None);
            let next = entries_from(&pages, &tree.root, after.clone()).next().transpose().unwrap();
            assert_eq!(next.map(|(path, _)| path), entries.range(after..).next().map(|(p, _)| p.clone()));
        }
    }

    #[test]
    fn content_is_inline_up_to_four_chunks() {
        let mut pages = Pages::default();
        let chunks: Vec<_> = (0..5).map(chunk).collect();
        assert_eq!(content(&chunks[..4], &mut pages), Content::Inline(chunks[..4].to_vec()));
        assert!(pages.map.is_empty());
        assert_eq!(content(&chunks, &mut pages).chunks(), 5);
        assert_eq!(pages.map.len(), 1);
    }

    #[test]
    fn chunks_read_back_and_seek_by_byte() {
        let mut pages = Pages::default();
        for n in [0, 3, 5, 4000] {
            let all: Vec<_> = (0..n).map(chunk).collect();
            let content = content(&all, &mut pages);
            assert_eq!(chunks(&pages, &content).collect::<Result<Vec<_>>>().unwrap(), all);
            let size: u64 = all.iter().map(|chunk| u64::from(chunk.len)).sum();
            let mut start = 0;
            for (at, chunk) in all.iter().enumerate().step_by(501) {
                start = all[..at].iter().map(|chunk| u64::from(chunk.len)).sum();
                for inner in [0, 1, u64::from(chunk.len) - 1] {
                    let (skip, rest) = chunks_at(&pages, &content, start + inner).unwrap();
                    assert_eq!(skip, inner);
                    assert!(rest.collect::<Result<Vec<_>>>().unwrap() == all[at..]);
                }
            }
            assert!(start <= size);
            assert_eq!(chunks_at(&pages, &content, size).unwrap().1.count(), 0);
            assert_eq!(chunks_at(&pages, &content, u64::MAX).unwrap().1.count(), 0);
        }
    }

    #[test]
    fn ends_at_a_missing_page() {
        let (entries, mut pages) = (library(500), Pages::default());
        let tree = build(&entries, &mut pages);
        let leaf =
            load::page(&pages, &tree.root, &Expect::root(TreeKind::Entries)).unwrap().expects(None)[2].0;
        pages.map.remove(&leaf);
        let read: Vec<_> = super::entries(&pages, &tree.root).collect();
        assert!(matches!(read.last(), Some(Err(Error::Missing(_)))));
        assert_eq!(read.iter().filter(|item| item.is_err()).count(), 1);
    }
}
