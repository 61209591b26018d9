//! Pages in memory and generated content, for the tests of this module.

use std::{cell::Cell, collections::BTreeMap};

use bytes::Bytes;

use super::{
    PageSink, PageSource,
    builder::{ContentBuilder, EntryTreeBuilder, Tree},
    entry::{ChunkRef, Content, Entry, EntryKind, Timestamp},
    path::EntryPath,
};
use crate::{
    chunk::Profile,
    error::{Error, Result},
    id::{ChunkId, LibraryId, PageId},
};

/// The library of the pages of tests.
pub(crate) const LIBRARY: LibraryId = LibraryId::from_bytes([0x1b; 32]);

/// Pages in memory, with a count of the reads.
#[derive(Default)]
pub(crate) struct Pages {
    pub(crate) map: BTreeMap<PageId, Bytes>,
    pub(crate) reads: Cell<usize>,
}

impl Pages {
    /// Stores any bytes as a page, under their id.
    pub(crate) fn keep(&mut self, bytes: Vec<u8>) -> PageId {
        let id = PageId::of(&LIBRARY, &bytes);
        self.map.insert(id, bytes.into());
        id
    }
}

impl PageSource for Pages {
    fn owner(&self) -> LibraryId {
        LIBRARY
    }

    fn page(&self, id: &PageId) -> Result<Bytes> {
        self.reads.set(self.reads.get() + 1);
        self.map.get(id).cloned().ok_or_else(|| Error::Missing(format!("page {}", id.short())))
    }
}

impl PageSink for Pages {
    fn put(&mut self, id: PageId, bytes: Bytes) -> Result<()> {
        assert_eq!(PageId::of(&LIBRARY, &bytes), id);
        self.map.insert(id, bytes);
        Ok(())
    }
}

/// A seeded generator (SplitMix64), so that tests with measurements give the same results everywhere.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

pub(crate) fn path(text: &str) -> EntryPath {
    EntryPath::new(text).unwrap()
}

/// A chunk that is different for every `n`.
pub(crate) fn chunk(n: u64) -> ChunkRef {
    let len = 16_384 + u32::try_from(n % 1000).unwrap();
    ChunkRef { id: ChunkId::of(&n.to_le_bytes()), len }
}

/// A file with the given content.
pub(crate) fn file(content: Content, size: u64) -> Entry {
    let mtime = Timestamp { seconds: 1_700_000_000, nanos: 5 };
    Entry {
        kind: EntryKind::File,
        size,
        mtime,
        mode: 0o644,
        profile: Profile::Video,
        content,
        target: None,
        extensions: vec![],
    }
}

/// A file of one chunk that is different for every `n`.
pub(crate) fn small(n: u64) -> Entry {
    let chunk = chunk(n);
    file(Content::Inline(vec![chunk]), u64::from(chunk.len))
}

pub(crate) fn build(entries: &BTreeMap<EntryPath, Entry>, pages: &mut Pages) -> Tree {
    let mut builder = EntryTreeBuilder::new(LIBRARY, 0).unwrap();
    for (path, entry) in entries {
        builder.push(path.clone(), entry, pages).unwrap();
    }
    builder.finish(pages).unwrap()
}

pub(crate) fn content(chunks: &[ChunkRef], pages: &mut Pages) -> Content {
    let mut builder = ContentBuilder::new(LIBRARY, 0).unwrap();
    for chunk in chunks {
        builder.push(*chunk, pages).unwrap();
    }
    builder.finish(pages).unwrap()
}

/// A library of `n` small files in directories.
pub(crate) fn library(n: u64) -> BTreeMap<EntryPath, Entry> {
    (0..n).map(|n| (path(&format!("电影/{:03}/film-{:06}.mkv", n % 97, n)), small(n))).collect()
}
