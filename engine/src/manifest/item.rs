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

pub(super) fn read_entry(reader: &mut Reader<'_>) -> Result<Entry> {
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
        CONTENT_TREE => Content::Tree { root: PageId::from_bytes(reader.id()?), chunks: reader.u64()? },
        count if usize::from(count) <= INLINE_CHUNKS => {
            Content::Inline((0..count).map(|_| read_chunk(reader)).collect::<Result<_>>()?)
        }
        _ => return Err(reader.broken("has more inline chunks than an entry may")),
    };
    let count = reader.u8()?;
    if usize::from(count) > EXTENSIONS {
        return Err(reader.broken("has more extensions than an entry may"));
    }
    let extensions = (0..count).map(|_| read_extension(reader)).collect::<Result<_>>()?;
    let entry = Entry { kind, size, mtime, mode, profile, content, extensions };
    check_entry(&entry)?;
    Ok(entry)
}

fn read_extension(reader: &mut Reader<'_>) -> Result<Extension> {
    let tag = reader.u16()?;
    let critical = match reader.u8()? {
        0 => false,
        1 => true,
        _ => return Err(reader.broken("has an extension that is neither critical nor not")),
    };
    let len = usize::from(reader.u16()?);
    if len > EXTENSION_BYTES {
        return Err(reader.broken("has an extension that is too long"));
    }
    Ok(Extension { tag, critical, bytes: reader.take(len)?.to_vec() })
}

pub(super) fn write_chunk(out: &mut Vec<u8>, chunk: &ChunkRef) {
    out.extend_from_slice(chunk.id.as_bytes());
    out.extend_from_slice(&chunk.len.to_le_bytes());
}

pub(super) fn read_chunk(reader: &mut Reader<'_>) -> Result<ChunkRef> {
    let chunk = ChunkRef { id: ChunkId::from_bytes(reader.id()?), len: reader.u32()? };
    check_chunk(&chunk, CHUNK_BYTES)?;
    Ok(chunk)
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

pub(super) fn read_chunk_child(reader: &mut Reader<'_>) -> Result<ChunkChild> {
    let id = PageId::from_bytes(reader.id()?);
    let sums = Sums { entries: 0, chunks: reader.u64()?, bytes: reader.u64()? };
    if sums.chunks == 0 || !plausible(sums.chunks, sums.bytes, CHUNK_BYTES) {
        return Err(reader.broken("sums up a child as no page can be"));
    }
    Ok(ChunkChild { id, sums })
}

/// Checks all that an entry must be by itself; what passes encodes, and decodes to the same.
pub(super) fn check_entry(entry: &Entry) -> Result<()> {
    let broken = |rule: &str| Err(Error::Invalid(format!("malformed entry: {rule}")));
    if entry.mode > 0o7777 || entry.mtime.nanos >= 1_000_000_000 {
        return broken("its mode or time is out of range");
    }
    match &entry.content {
        Content::Inline(chunks) => {
            if chunks.len() > INLINE_CHUNKS {
                return broken("it has more inline chunks than an entry may");
            }
            chunks.iter().try_for_each(|chunk| check_chunk(chunk, entry.profile.max()))?;
            if chunks.iter().map(|chunk| u64::from(chunk.len)).sum::<u64>() != entry.size {
                return broken("its chunks do not add up to its size");
            }
        }
        Content::Tree { chunks, .. } => {
            if *chunks <= INLINE_CHUNKS as u64 || !plausible(*chunks, entry.size, entry.profile.max()) {
                return broken("its chunks cannot add up to its size");
            }
        }
    }
    if entry.kind == EntryKind::EmptyDir && entry.content.chunks() != 0 {
        return broken("a directory has content");
    }
    if entry.extensions.len() > EXTENSIONS
        || entry.extensions.iter().map(|extension| extension.bytes.len()).sum::<usize>() > EXTENSION_BYTES
    {
        return broken("it has too many or too long extensions");
    }
    if !entry.extensions.is_sorted_by(|a, b| a.tag < b.tag) {
        return broken("its extensions are not sorted by tag, or one comes twice");
    }
    Ok(())
}

/// Checks that a chunk is of 1 to `max` bytes.
pub(super) fn check_chunk(chunk: &ChunkRef, max: usize) -> Result<()> {
    if chunk.len == 0 || chunk.len as usize > max {
        return Err(Error::Invalid(format!("malformed chunk reference: {} bytes", chunk.len)));
    }
    Ok(())
}

/// Whether `chunks` chunks of 1 to `max` bytes can make `bytes` bytes.
fn plausible(chunks: u64, bytes: u64, max: usize) -> bool {
    chunks <= bytes && bytes <= chunks.saturating_mul(max as u64)
}
