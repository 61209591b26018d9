//! Pages read in place, for a comparison, which reads many pages and keeps little of them. They get the same
//! checks as from [`Page::decode`](super::page::Page::decode) and [`Expect`], but an item is copied only on
//! request.

use std::ops::Range;

use bytes::Bytes;

use super::{
    entry::{ChunkRef, Entry, Sums},
    expect::{Facts, named},
    item,
    page::{ChunkChild, Expect, Header, Kind, TreeKind, read_chunks, read_fixed, read_path, read_paths},
    path::EntryPath,
    raw::FieldReader,
};
use crate::{
    error::{Error, Result},
    id::PageId,
    limits::format::page::{CHUNK_REF_BYTES, ENTRY_MIN_BYTES},
};

/// A page of a chunk tree.
pub(super) struct ContentPage<'a> {
    pub(super) slot: u8,
    pub(super) level: u8,
    pub(super) sums: Sums,
    pub(super) items: ContentItems<'a>,
}

/// The items of a page of a chunk tree.
pub(super) enum ContentItems<'a> {
    Chunks(Chunks<'a>),
    Children(Vec<ChunkChild>),
}

impl<'a> ContentPage<'a> {
    /// Decodes and checks the bytes of the page `id`.
    pub(super) fn open(id: &PageId, bytes: &'a [u8], expect: &Expect) -> Result<Self> {
        Self::read(bytes, expect).map_err(|error| named(id, error))
    }

    fn read(bytes: &'a [u8], expect: &Expect) -> Result<Self> {
        let mut reader = FieldReader::new(bytes, "page");
        let Header { kind, slot, level, count } = Header::read(&mut reader)?;
        let (items, sums) = match kind {
            Kind::Chunks => {
                let (chunks, sums) = read_chunks(&mut reader, count)?;
                (ContentItems::Chunks(Chunks(chunks)), Some(sums))
            }
            Kind::ChunkIndex => {
                let children = read_fixed(&mut reader, count)?.iter().map(item::chunk_child_of);
                let children = children.collect::<Result<Vec<_>>>()?;
                let mut sums = children.iter().map(|child| child.sums);
                let sums = sums.try_fold(Sums::default(), Sums::checked_add);
                (ContentItems::Children(children), sums)
            }
            Kind::Entries | Kind::EntryIndex => {
                return Err(Error::Invalid("forged tree page: it belongs to another kind of tree".into()));
            }
        };
        reader.finish()?;
        let sums = sums.ok_or_else(|| Error::Invalid("malformed page: its sums overflow".into()))?;
        let tree = TreeKind::Content;
        expect.check_facts(&Facts { tree, slot, level, count, sums, paths: None })?;
        Ok(Self { slot, level, sums, items })
    }
}

/// The chunks of a leaf.
#[derive(Clone, Copy)]
pub(super) struct Chunks<'a>(&'a [[u8; CHUNK_REF_BYTES]]);

impl<'a> Chunks<'a> {
    pub(super) fn iter(self) -> impl ExactSizeIterator<Item = ChunkRef> + 'a {
        self.0.iter().map(item::chunk_of)
    }
}

/// A page of an entry tree.
pub(super) enum EntryPage {
    Leaf(Leaf),
    /// The children, each with the expectations for it.
    Index {
        level: u8,
        children: Vec<(PageId, Expect)>,
    },
}

impl EntryPage {
    /// Decodes and checks the bytes of the page `id`.
    pub(super) fn open(id: &PageId, bytes: &Bytes, expect: &Expect) -> Result<Self> {
        let header = Header::read(&mut FieldReader::new(bytes, "page")).map_err(|error| named(id, error))?;
        match header.kind {
            Kind::Entries => Leaf::read(bytes, expect).map(Self::Leaf).map_err(|error| named(id, error)),
            _ => {
                let children = expect.decode(id, bytes)?.expects(expect.after.as_ref());
                Ok(Self::Index { level: header.level, children })
            }
        }
    }
}

/// The remaining entries of a page. The first of them is the head.
#[derive(Default)]
pub(super) struct Leaf {
    bytes: Bytes,
    items: std::vec::IntoIter<EntrySpan>,
    /// The head, and its path.
    head: Option<EntrySpan>,
    path: Vec<u8>,
}

/// The location of an entry in its page.
#[derive(Clone)]
struct EntrySpan {
    path: usize,
    body: Range<usize>,
    sums: Sums,
}

impl Leaf {
    fn read(bytes: &Bytes, expect: &Expect) -> Result<Self> {
        let mut reader = FieldReader::new(bytes, "page");
        let at = |reader: &FieldReader<'_>| bytes.len() - reader.left();
        let Header { slot, level, count, .. } = Header::read(&mut reader)?;
        let mut items = Vec::with_capacity(count);
        let mut sums = Some(Sums::default());
        let (mut first, mut last, mut path) = (Vec::new(), Vec::new(), at(&reader));
        read_paths(&mut reader, count, ENTRY_MIN_BYTES, |reader, text| {
            let start = at(reader);
            let entry = item::RawEntry::read(reader, text)?.sums();
            sums = sums.and_then(|sums| sums.checked_add(entry));
            items.push(EntrySpan { path, body: start..at(reader), sums: entry });
            path = at(reader);
            if items.len() == 1 {
                first.extend_from_slice(text.as_bytes());
            }
            if items.len() == count {
                last.extend_from_slice(text.as_bytes());
            }
            Ok(())
        })?;
        reader.finish()?;
        let sums = sums.ok_or_else(|| Error::Invalid("malformed page: its sums overflow".into()))?;
        let paths = (count > 0).then_some((first.as_slice(), last.as_slice()));
        expect.check_facts(&Facts { tree: TreeKind::Entries, slot, level, count, sums, paths })?;
        let mut leaf = Self { bytes: bytes.clone(), items: items.into_iter(), head: None, path: Vec::new() };
        leaf.advance()?;
        Ok(leaf)
    }

    /// The path and the bytes of the head, and its contribution to sums.
    pub(super) fn head(&self) -> Option<(&[u8], &[u8], Sums)> {
        let head = self.head.as_ref()?;
        Some((&self.path, self.bytes.get(head.body.clone())?, head.sums))
    }

    /// Decodes the head.
    pub(super) fn entry(&self) -> Result<Option<(EntryPath, Entry)>> {
        let Some((path, body, _)) = self.head() else { return Ok(None) };
        let mut reader = FieldReader::new(body, "entry");
        let path = std::str::from_utf8(path).map_err(|_| reader.broken("has a path that is not UTF-8"))?;
        let entry = item::RawEntry::read(&mut reader, path)?.to_entry()?;
        Ok(Some((EntryPath::checked(path), entry)))
    }

    /// Moves to the next entry.
    pub(super) fn advance(&mut self) -> Result<()> {
        self.head = self.items.next();
        if let Some(head) = &self.head {
            let mut reader = FieldReader::new(self.bytes.get(head.path..).unwrap_or_default(), "page");
            let (kept, rest) = read_path(&mut reader)?;
            self.path.truncate(kept);
            self.path.extend_from_slice(rest);
        }
        Ok(())
    }
}
