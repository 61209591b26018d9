//! The bytes of one item of a page, without its path: see the byte map in [`page`](super::page).
//!
//! Reading checks every rule an item can break by itself; rules between items belong to the page.

use super::{
    entry::{ChunkRef, Content, Entry, EntryKind, Extension, Sums, Timestamp},
    page::{ChunkChild, EntryChild},
    path::EntryPath,
    raw::{Reader, put_u8, put_u16},
};
use crate::{
    chunk::Profile,
    error::{Error, Result},
    id::{ChunkId, ID_LEN, PageId},
    limits::{CHUNK_BYTES, CLASS_ENTRIES, EXTENSION_BYTES, EXTENSIONS, INLINE_CHUNKS},
};

/// The content tag of a chunk tree; smaller values are the number of inline chunks.
const CONTENT_TREE: u8 = 0xff;

/// Bytes of an entry without path, content and extensions.
const ENTRY_FIXED_BYTES: usize = 26;
/// Bytes of a chunk reference.
pub(super) const CHUNK_REF_BYTES: usize = ID_LEN + 4;
/// Bytes of a chunk tree's child.
pub(super) const CHUNK_CHILD_BYTES: usize = ID_LEN + 16;
/// Bytes of an entry tree's child without its path.
pub(super) const ENTRY_CHILD_BYTES: usize = ID_LEN + 24;
/// Bytes of an entry without its path, at least.
pub(super) const ENTRY_MIN_BYTES: usize = ENTRY_FIXED_BYTES;
/// Bytes of an entry without its path, at most.
pub(super) const ENTRY_MAX_BYTES: usize =
    ENTRY_FIXED_BYTES + INLINE_CHUNKS * CHUNK_REF_BYTES + EXTENSIONS * 5 + EXTENSION_BYTES;

pub(super) fn write_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.push(entry.kind as u8);
    out.push(entry.profile.tag());
    out.extend_from_slice(&entry.mode.to_le_bytes());
    out.extend_from_slice(&entry.mtime.seconds.to_le_bytes());
    out.extend_from_slice(&entry.mtime.nanos.to_le_bytes());
    out.extend_from_slice(&entry.size.to_le_bytes());
    match &entry.content {
        Content::Inline(chunks) => {
            put_u8(out, chunks.len());
            chunks.iter().for_each(|chunk| write_chunk(out, chunk));
        }
        Content::Tree { root, chunks } => {
            out.push(CONTENT_TREE);
            out.extend_from_slice(root.as_bytes());
            out.extend_from_slice(&chunks.to_le_bytes());
        }
    }
    put_u8(out, entry.extensions.len());
    for extension in &entry.extensions {
        out.extend_from_slice(&extension.tag.to_le_bytes());
        out.push(u8::from(extension.critical));
        put_u16(out, extension.bytes.len());
        out.extend_from_slice(&extension.bytes);
    }
}

/// An entry where it lies in its page, checked: what an [`Entry`] is, without a copy.
#[derive(Clone, Copy)]
pub(super) struct RawEntry<'a> {
    kind: EntryKind,
    profile: Profile,
    mode: u16,
    mtime: Timestamp,
    size: u64,
    content: RawContent<'a>,
    extensions: Extensions<'a>,
}

#[derive(Clone, Copy)]
enum RawContent<'a> {
    Inline(&'a [[u8; CHUNK_REF_BYTES]]),
    Tree { root: PageId, chunks: u64 },
}

impl<'a> RawEntry<'a> {
    /// Reads the next entry and checks all that it must be by itself.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let kind = match reader.u8()? {
            1 => EntryKind::File,
            2 => EntryKind::EmptyDir,
            kind => return Err(reader.broken(&format!("has an entry of unknown kind {kind}"))),
        };
        let profile = Profile::from_tag(reader.u8()?)?;
        let mode = reader.u16()?;
        let mtime = Timestamp { seconds: reader.i64()?, nanos: reader.u32()? };
        let size = reader.u64()?;
        let content = match reader.u8()? {
            CONTENT_TREE => {
                RawContent::Tree { root: PageId::from_bytes(reader.id()?), chunks: reader.u64()? }
            }
            count if usize::from(count) <= INLINE_CHUNKS => {
                RawContent::Inline(reader.take(usize::from(count) * CHUNK_REF_BYTES)?.as_chunks().0)
            }
            _ => return Err(reader.broken("has more inline chunks than an entry may")),
        };
        let extensions = Extensions::read(reader)?;
        let entry = Self { kind, profile, mode, mtime, size, content, extensions };
        entry.check()?;
        Ok(entry)
    }

    fn check(&self) -> Result<()> {
        let broken = |rule: &str| Err(Error::Invalid(format!("malformed entry: {rule}")));
        if self.mode > 0o7777 || self.mtime.nanos >= 1_000_000_000 {
            return broken("its mode or time is out of range");
        }
        match self.content {
            RawContent::Inline(chunks) => {
                let mut bytes = 0;
                for len in chunks.iter().map(chunk_len) {
                    check_len(len, self.profile.max())?;
                    bytes += u64::from(len);
                }
                if bytes != self.size {
                    return broken("its chunks do not add up to its size");
                }
            }
            RawContent::Tree { chunks, .. } => {
                if chunks <= INLINE_CHUNKS as u64 || !plausible(chunks, self.size, self.profile.max()) {
                    return broken("its chunks cannot add up to its size");
                }
            }
        }
        if self.kind == EntryKind::EmptyDir && self.chunks() != 0 {
            return broken("a directory has content");
        }
        Ok(())
    }

    fn chunks(&self) -> u64 {
        match self.content {
            RawContent::Inline(chunks) => chunks.len() as u64,
            RawContent::Tree { chunks, .. } => chunks,
        }
    }

    /// What the entry adds to a page's sums.
    pub(super) fn sums(&self) -> Sums {
        Sums { entries: 1, chunks: self.chunks(), bytes: self.size }
    }

    /// The entry by itself.
    pub(super) fn to_entry(self) -> Result<Entry> {
        let content = match self.content {
            RawContent::Inline(chunks) => Content::Inline(chunks.iter().map(chunk_of).collect()),
            RawContent::Tree { root, chunks } => Content::Tree { root, chunks },
        };
        let (kind, profile, mode, mtime, size) = (self.kind, self.profile, self.mode, self.mtime, self.size);
        Ok(Entry { kind, size, mtime, mode, profile, content, extensions: self.extensions.to_vec()? })
    }
}

/// The extensions of an entry where they lie.
#[derive(Clone, Copy)]
struct Extensions<'a> {
    count: u8,
    bytes: &'a [u8],
}

impl<'a> Extensions<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let count = reader.u8()?;
        if usize::from(count) > EXTENSIONS {
            return Err(reader.broken("has more extensions than an entry may"));
        }
        let all = reader.rest();
        let (mut last, mut total) = (None, 0);
        for _ in 0..count {
            let (tag, _, bytes) = read_extension(reader)?;
            if last >= Some(tag) {
                return Err(reader.broken("has extensions that are not sorted by tag, or one twice"));
            }
            last = Some(tag);
            total += bytes.len();
        }
        if total > EXTENSION_BYTES {
            return Err(reader.broken("has an entry with too long extensions"));
        }
        let len = all.len() - reader.left();
        Ok(Self { count, bytes: all.get(..len).unwrap_or_default() })
    }

    fn to_vec(self) -> Result<Vec<Extension>> {
        let mut reader = Reader::new(self.bytes, "entry");
        (0..self.count)
            .map(|_| {
                let (tag, critical, bytes) = read_extension(&mut reader)?;
                Ok(Extension { tag, critical, bytes: bytes.to_vec() })
            })
            .collect()
    }
}

/// Tag, whether it is critical, bytes.
fn read_extension<'a>(reader: &mut Reader<'a>) -> Result<(u16, bool, &'a [u8])> {
    let tag = reader.u16()?;
    let critical = match reader.u8()? {
        0 => false,
        1 => true,
        _ => return Err(reader.broken("has an extension that is neither critical nor not")),
    };
    let len = usize::from(reader.u16()?);
    Ok((tag, critical, reader.take(len)?))
}

pub(super) fn write_chunk(out: &mut Vec<u8>, chunk: &ChunkRef) {
    out.extend_from_slice(chunk.id.as_bytes());
    out.extend_from_slice(&chunk.len.to_le_bytes());
}

/// The chunk reference in these bytes, not checked.
pub(super) fn chunk_of(bytes: &[u8; CHUNK_REF_BYTES]) -> ChunkRef {
    let [id @ .., _, _, _, _] = bytes;
    ChunkRef { id: ChunkId::from_bytes(*id), len: chunk_len(bytes) }
}

pub(super) fn write_entry_child(out: &mut Vec<u8>, id: &PageId, sums: &Sums) {
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(&sums.entries.to_le_bytes());
    out.extend_from_slice(&sums.chunks.to_le_bytes());
    out.extend_from_slice(&sums.bytes.to_le_bytes());
}

pub(super) fn read_entry_child(reader: &mut Reader<'_>, last: EntryPath) -> Result<EntryChild> {
    let id = PageId::from_bytes(reader.id()?);
    let sums = Sums { entries: reader.u64()?, chunks: reader.u64()?, bytes: reader.u64()? };
    if sums.entries == 0 || sums.entries > CLASS_ENTRIES || !plausible(sums.chunks, sums.bytes, CHUNK_BYTES) {
        return Err(reader.broken("sums up a child as no page can be"));
    }
    Ok(EntryChild { last, id, sums })
}

pub(super) fn write_chunk_child(out: &mut Vec<u8>, id: &PageId, sums: &Sums) {
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(&sums.chunks.to_le_bytes());
    out.extend_from_slice(&sums.bytes.to_le_bytes());
}

/// The length in the bytes of a chunk reference.
pub(super) fn chunk_len(bytes: &[u8; CHUNK_REF_BYTES]) -> u32 {
    let [.., a, b, c, d] = bytes;
    u32::from_le_bytes([*a, *b, *c, *d])
}

/// The child in these bytes, checked.
pub(super) fn chunk_child_of(bytes: &[u8; CHUNK_CHILD_BYTES]) -> Result<ChunkChild> {
    let mut reader = Reader::new(bytes, "page");
    let id = PageId::from_bytes(reader.id()?);
    let sums = Sums { entries: 0, chunks: reader.u64()?, bytes: reader.u64()? };
    if sums.chunks == 0 || !plausible(sums.chunks, sums.bytes, CHUNK_BYTES) {
        return Err(reader.broken("sums up a child as no page can be"));
    }
    Ok(ChunkChild { id, sums })
}

/// Appends an entry's bytes, all that it must be by itself checked: they are read back as whoever reads the page will.
pub(super) fn write_checked_entry(out: &mut Vec<u8>, entry: &Entry) -> Result<()> {
    let start = out.len();
    write_entry(out, entry);
    let mut reader = Reader::new(out.get(start..).unwrap_or_default(), "entry");
    RawEntry::read(&mut reader)?;
    reader.finish()
}

/// Checks that a chunk is of 1 to `max` bytes.
pub(super) fn check_len(len: u32, max: usize) -> Result<()> {
    if len == 0 || len as usize > max {
        return Err(Error::Invalid(format!("malformed chunk reference: {len} bytes")));
    }
    Ok(())
}

/// Whether `chunks` chunks of 1 to `max` bytes can make `bytes` bytes.
fn plausible(chunks: u64, bytes: u64, max: usize) -> bool {
    chunks <= bytes && bytes <= chunks.saturating_mul(max as u64)
}
