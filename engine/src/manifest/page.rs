//! Tree pages and their canonical encoding.
//!
//! ```text
//! offset  bytes
//!      0      4  magic "CHPG"
//!      4      1  format version, 2
//!      5      1  kind: 1 entries, 2 entry index, 3 chunks, 4 chunk index
//!      6      1  slot of the class the page belongs to, < 64
//!      7      1  level: 0 for entries and chunks, from 1 up for an index
//!      8      2  number of items, ≤ 256; 0 only for the entries of an empty class
//!     10      2  zero
//!     12         items
//!
//! path of an item (entries, entry index)
//!      0      2  bytes shared with the item before (as many as possible; 0 in the first)
//!      2      2  bytes that follow, s ≥ 1
//!      4      s  the rest of the path
//!
//! entries: path, then                          entry index: last path below the child, then
//!      0      1  kind: 1 file, 2 folder, 3 link     0     32  child's PageId
//!      1      1  profile                           32      8  entries below it
//!      2      2  mode; of a link, 0777             40      8  of these, files
//!      4      8  mtime, seconds (signed)           48      8  chunks below it
//!     12      4  mtime, nanoseconds                56      8  bytes of content below it
//!     16      8  size; of folder and link, 0
//!     24      1  inline chunks (0 to 4), or 255 chunks:
//!     25      …  inline: 36 bytes each, as in       0     32  ChunkId
//!                "chunks"; 255: root PageId (32),  32      4  length
//!                chunks (8)
//!      …      …  link: length (2) of the target,  chunk index:
//!                target                             0     32  child's PageId
//!      …      1  extensions, e ≤ 16                32      8  chunks below it
//!      …      …  each: tag (2), critical (1),      40      8  bytes below it
//!                length (2), bytes
//! ```
//!
//! [`extension`](super::extension) has the known extensions, [`LinkTarget`](super::path::LinkTarget) the
//! rules for a target.
//!
//! Integers are little-endian. The id of a page is `PageId::of` all its bytes. [`Page::decode`] accepts
//! canonical bytes only, so that one page has one id. The statements of a page about other pages are checked
//! with [`Expect`] when these are read.

use super::{
    entry::{ChunkRef, Entry, Sums},
    item,
    path::{self, EntryPath},
    raw::{FieldReader, put_u16},
};
use crate::{
    codec::{Decode, Encode},
    error::{Error, Result},
    id::PageId,
    limits::{
        CHUNK_BYTES, CLASSES, PAGE_BYTES, PAGE_ITEMS_MAX, PATH_BYTES, TREE_LEVELS,
        format::page::{
            CHUNK_REF_BYTES, ENTRY_CHILD_BYTES, ENTRY_MAX_BYTES, ENTRY_MIN_BYTES, PAGE_HEADER_BYTES,
            PATH_HEADER_BYTES,
        },
    },
};

const MAGIC: [u8; 4] = *b"CHPG";
const VERSION: u8 = 2;

// Every level shrinks: four of the largest items fit in a page, so a page that is forced to end keeps at
// least two.
const _: () =
    assert!(PAGE_HEADER_BYTES + 4 * (PATH_HEADER_BYTES + PATH_BYTES + ENTRY_MAX_BYTES) <= PAGE_BYTES);
const _: () = assert!(ENTRY_CHILD_BYTES <= ENTRY_MAX_BYTES);

pub use super::expect::Expect;

/// The kind of tree that a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum TreeKind {
    /// Path → entry.
    Entries,
    /// The chunks of one file.
    Content,
}

/// A child of an entry tree's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryChild {
    /// The last path below the child.
    pub last: EntryPath,
    /// The child.
    pub id: PageId,
    /// The sums over the items below it.
    pub sums: Sums,
}

/// A child of a chunk tree's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkChild {
    /// The child.
    pub id: PageId,
    /// The sums over the items below it, without entries.
    pub sums: Sums,
}

/// The items of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Items {
    /// Entries, strictly ascending by path.
    Entries(Vec<(EntryPath, Entry)>),
    /// Children, strictly ascending by last path.
    EntryIndex(Vec<EntryChild>),
    /// Chunks of a file, in order.
    Chunks(Vec<ChunkRef>),
    /// Children, in order.
    ChunkIndex(Vec<ChunkChild>),
}

/// A decoded page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The class it belongs to.
    pub slot: u8,
    /// 0 for entries and chunks, from 1 up for an index.
    pub level: u8,
    /// The items.
    pub items: Items,
}

impl Page {
    /// Decodes the canonical bytes of a page. The allocation is proportional to their length.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the bytes are not the canonical form of a page, or the page breaks a rule of its
    /// kind: unsorted or malformed paths, impossible sizes, sums that overflow.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = FieldReader::new(bytes, "page");
        let Header { kind, slot, level, count } = Header::read(&mut reader)?;
        let items = match kind {
            Kind::Entries => {
                let mut entries = Vec::with_capacity(count);
                read_paths(&mut reader, count, ENTRY_MIN_BYTES, |reader, path| {
                    let entry = item::RawEntry::read(reader, path)?.to_entry()?;
                    entries.push((EntryPath::checked(path), entry));
                    Ok(())
                })?;
                Items::Entries(entries)
            }
            Kind::EntryIndex => {
                let mut children = Vec::with_capacity(count);
                read_paths(&mut reader, count, ENTRY_CHILD_BYTES, |reader, path| {
                    children.push(item::read_entry_child(reader, EntryPath::checked(path))?);
                    Ok(())
                })?;
                Items::EntryIndex(children)
            }
            Kind::Chunks => {
                Items::Chunks(read_chunks(&mut reader, count)?.0.iter().map(item::chunk_of).collect())
            }
            Kind::ChunkIndex => Items::ChunkIndex(
                read_fixed(&mut reader, count)?.iter().map(item::chunk_child_of).collect::<Result<_>>()?,
            ),
        };
        reader.finish()?;
        let page = Self { slot, level, items };
        page.sums()?;
        Ok(page)
    }

    /// Encodes the canonical bytes. For a page that [`decode`](Self::decode) would refuse, the bytes are
    /// refused too.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(self.tree(), self.slot, self.level);
        match &self.items {
            Items::Entries(entries) => entries.iter().for_each(|(path, entry)| {
                writer.item(path.as_str().as_bytes(), |out| item::write_entry(out, entry));
            }),
            Items::EntryIndex(children) => children.iter().for_each(|child| {
                writer.item(child.last.as_str().as_bytes(), |out| {
                    item::write_entry_child(out, &child.id, &child.sums);
                });
            }),
            Items::Chunks(chunks) => {
                chunks.iter().for_each(|chunk| writer.item(&[], |out| item::write_chunk(out, chunk)));
            }
            Items::ChunkIndex(children) => children.iter().for_each(|child| {
                writer.item(&[], |out| item::write_chunk_child(out, &child.id, &child.sums))
            }),
        }
        writer.finish()
    }

    /// The kind of tree that the page belongs to.
    pub fn tree(&self) -> TreeKind {
        match self.items {
            Items::Entries(_) | Items::EntryIndex(_) => TreeKind::Entries,
            Items::Chunks(_) | Items::ChunkIndex(_) => TreeKind::Content,
        }
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        match &self.items {
            Items::Entries(items) => items.len(),
            Items::EntryIndex(items) => items.len(),
            Items::Chunks(items) => items.len(),
            Items::ChunkIndex(items) => items.len(),
        }
    }

    /// Whether the page has no items. Only the root of an empty class has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sums over the items of the page and all items below.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a sum overflows, which only forged pages cause.
    pub fn sums(&self) -> Result<Sums> {
        let sums = match &self.items {
            Items::Entries(items) => add_up(items.iter().map(|(_, entry)| entry.sums())),
            Items::EntryIndex(items) => add_up(items.iter().map(|child| child.sums)),
            Items::Chunks(items) => add_up(items.iter().map(ChunkRef::sums)),
            Items::ChunkIndex(items) => add_up(items.iter().map(|child| child.sums)),
        };
        sums.ok_or_else(|| Error::Invalid("malformed page: its sums overflow".into()))
    }

    /// The first and last path of a page of entries; of an index page, the last paths of its first and last
    /// child.
    pub(super) fn path_range(&self) -> Option<(&EntryPath, &EntryPath)> {
        match &self.items {
            Items::Entries(items) => Some((&items.first()?.0, &items.last()?.0)),
            Items::EntryIndex(items) => Some((&items.first()?.last, &items.last()?.last)),
            Items::Chunks(_) | Items::ChunkIndex(_) => None,
        }
    }

    /// The pages that this page names, in order, each with the expectations for it: the children of an index
    /// page, or the roots of the chunk trees of entries. `after` is a path before all paths of this page, if
    /// one is known.
    pub fn expects(&self, after: Option<&EntryPath>) -> Vec<(PageId, Expect)> {
        let (slot, level) = (Some(self.slot), self.level.checked_sub(1));
        match &self.items {
            Items::Entries(entries) => {
                entries.iter().filter_map(|(_, entry)| Expect::content(self.slot, entry)).collect()
            }
            Items::EntryIndex(children) => {
                let mut after = after.cloned();
                let expect = |child: &EntryChild| {
                    let last = Some(child.last.clone());
                    let after = std::mem::replace(&mut after, last.clone());
                    let sums = Some(child.sums);
                    let expect =
                        Expect { tree: TreeKind::Entries, is_root: false, slot, level, sums, after, last };
                    (child.id, expect)
                };
                children.iter().map(expect).collect()
            }
            Items::Chunks(_) => Vec::new(),
            Items::ChunkIndex(children) => children
                .iter()
                .map(|child| {
                    let mut expect = Expect::root(TreeKind::Content);
                    (expect.is_root, expect.slot, expect.level) = (false, slot, level);
                    expect.sums = Some(child.sums);
                    (child.id, expect)
                })
                .collect(),
        }
    }
}

impl ChunkRef {
    /// The contribution of the chunk to the sums of a page.
    pub fn sums(&self) -> Sums {
        Sums { chunks: 1, bytes: u64::from(self.len), ..Sums::default() }
    }
}

/// The kind of a page's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Entries,
    EntryIndex,
    Chunks,
    ChunkIndex,
}

/// The header of a page.
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) slot: u8,
    pub(super) level: u8,
    pub(super) count: usize,
}

impl Header {
    /// Reads the header of a page. `reader` must have all bytes of the page.
    pub(super) fn read(reader: &mut FieldReader<'_>) -> Result<Self> {
        if reader.left() > PAGE_BYTES {
            return Err(reader.broken("is longer than 64 KiB"));
        }
        if reader.array()? != MAGIC {
            return Err(reader.broken("does not begin with the magic bytes of a page"));
        }
        reader.version(VERSION)?;
        let kind = match reader.u8()? {
            1 => Kind::Entries,
            2 => Kind::EntryIndex,
            3 => Kind::Chunks,
            4 => Kind::ChunkIndex,
            _ => return Err(reader.broken("is of an unknown kind")),
        };
        let (slot, level) = (reader.u8()?, reader.u8()?);
        let (count, zero) = (usize::from(reader.u16()?), reader.u16()?);
        let is_index = matches!(kind, Kind::EntryIndex | Kind::ChunkIndex);
        if usize::from(slot) >= CLASSES || level >= TREE_LEVELS || is_index != (level > 0) || zero != 0 {
            return Err(reader.broken("has an invalid slot, level or reserved field"));
        }
        if count > PAGE_ITEMS_MAX || (count == 0 && kind != Kind::Entries) {
            return Err(reader.broken("has too many items, or none"));
        }
        Ok(Self { kind, slot, level, count })
    }
}

/// Encodes a page item by item.
pub(super) struct Writer {
    out: Vec<u8>,
    count: usize,
    before: Option<Vec<u8>>,
}

impl Writer {
    pub(super) fn new(tree: TreeKind, slot: u8, level: u8) -> Self {
        let (kind, before) = match tree {
            TreeKind::Entries => (1, Some(Vec::new())),
            TreeKind::Content => (3, None),
        };
        let mut out = Vec::with_capacity(4096);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, kind + u8::from(level > 0), slot, level, 0, 0, 0, 0]);
        Self { out, count: 0, before }
    }

    /// Adds an item. `path` is used in entry trees only.
    pub(super) fn item(&mut self, path: &[u8], body: impl FnOnce(&mut Vec<u8>)) {
        self.count += 1;
        if let Some(before) = &mut self.before {
            let shared = shared(before, path);
            put_u16(&mut self.out, shared);
            let rest = path.get(shared..).unwrap_or_default();
            put_u16(&mut self.out, rest.len());
            self.out.extend_from_slice(rest);
            before.clear();
            before.extend_from_slice(path);
        }
        body(&mut self.out);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        if let Some(field) = self.out.get_mut(8..10) {
            field.copy_from_slice(&count.to_le_bytes());
        }
        self.out
    }
}

/// The length of the common prefix of two paths, in bytes.
pub(super) fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn add_up(mut sums: impl Iterator<Item = Sums>) -> Option<Sums> {
    sums.try_fold(Sums::default(), Sums::checked_add)
}

/// Reads `count` items of `N` bytes each, in place.
pub(super) fn read_fixed<'a, const N: usize>(
    reader: &mut FieldReader<'a>,
    count: usize,
) -> Result<&'a [[u8; N]]> {
    Ok(reader.take(count * N)?.as_chunks().0)
}

/// Reads and checks `count` chunk references, in place. Returns them and their sums.
pub(super) fn read_chunks<'a>(
    reader: &mut FieldReader<'a>,
    count: usize,
) -> Result<(&'a [[u8; CHUNK_REF_BYTES]], Sums)> {
    let chunks = read_fixed(reader, count)?;
    let mut bytes = 0;
    for len in chunks.iter().map(item::chunk_len) {
        item::check_len(len, CHUNK_BYTES)?;
        // At most 256 chunks of at most 256 KiB, so this cannot overflow.
        bytes += u64::from(len);
    }
    Ok((chunks, Sums { chunks: count as u64, bytes, ..Sums::default() }))
}

/// Reads `count` items that start with a path. Each path must share the longest possible prefix with the path
/// before, and come after it. At least `min` bytes follow each path; `read` reads them.
pub(super) fn read_paths<'a>(
    reader: &mut FieldReader<'a>,
    count: usize,
    min: usize,
    mut read: impl FnMut(&mut FieldReader<'a>, &str) -> Result<()>,
) -> Result<()> {
    if reader.left() < count * (PATH_HEADER_BYTES + 1 + min) {
        return Err(reader.broken("ends early"));
    }
    let mut path = Vec::new();
    for _ in 0..count {
        let before = path.len();
        let (kept, rest) = read_path(reader)?;
        if kept > before || rest.is_empty() || kept + rest.len() > PATH_BYTES {
            return Err(reader.broken("has a path of impossible length"));
        }
        // Maximal compression and order both show in the first byte that differs.
        if path.get(kept).is_some_and(|byte| rest.first() <= Some(byte)) {
            return Err(reader.broken("has paths out of order, or not compressed"));
        }
        path.truncate(kept);
        path.extend_from_slice(rest);
        let path = std::str::from_utf8(&path).map_err(|_| reader.broken("has a path that is not UTF-8"))?;
        path::check(path)?;
        read(reader, path)?;
    }
    Ok(())
}

/// Reads how many bytes a path shares with the path before, and its other bytes.
pub(super) fn read_path<'a>(reader: &mut FieldReader<'a>) -> Result<(usize, &'a [u8])> {
    let (kept, rest) = (usize::from(reader.u16()?), usize::from(reader.u16()?));
    Ok((kept, reader.take(rest)?))
}
