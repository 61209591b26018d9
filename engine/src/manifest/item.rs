//! The encoding of one item of a page, without its path: see the byte map in [`page`](super::page).
//!
//! Decoding checks every rule for a single item. The page checks the rules between items.

use super::{
    entry::{ChunkRef, Content, Entry, EntryKind, Extension, Sums, Timestamp},
    extension,
    page::{ChunkChild, EntryChild},
    path::{EntryPath, LinkTarget},
    raw::{FieldReader, put_u8, put_u16},
};
use crate::{
    chunk::Profile,
    error::{Error, Result},
    id::{ChunkId, PageId},
    limits::{
        CHUNK_BYTES, CLASS_ENTRIES, EXTENSION_BYTES, EXTENSIONS, INLINE_CHUNKS, PATH_BYTES,
        format::page::{CHUNK_CHILD_BYTES, CHUNK_REF_BYTES},
    },
};

/// The content tag of a chunk tree. Smaller values are the number of inline chunks.
const CONTENT_TREE: u8 = 0xff;

const _: () = assert!(INLINE_CHUNKS * CHUNK_REF_BYTES <= 2 + PATH_BYTES);

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
    // An entry that has a target and is not a link, or a link without a target, becomes bytes that no decoder
    // accepts.
    if let Some(target) = &entry.target {
        put_u16(out, target.as_str().len());
        out.extend_from_slice(target.as_str().as_bytes());
    }
    put_u8(out, entry.extensions.len());
    for extension in &entry.extensions {
        out.extend_from_slice(&extension.tag.to_le_bytes());
        out.push(u8::from(extension.critical));
        put_u16(out, extension.bytes.len());
        out.extend_from_slice(&extension.bytes);
    }
}

/// A checked entry in place in its page: an [`Entry`] without a copy.
#[derive(Clone, Copy)]
pub(super) struct RawEntry<'a> {
    kind: EntryKind,
    profile: Profile,
    mode: u16,
    mtime: Timestamp,
    size: u64,
    content: RawContent<'a>,
    target: Option<&'a str>,
    extensions: Extensions<'a>,
}

#[derive(Clone, Copy)]
enum RawContent<'a> {
    Inline(&'a [[u8; CHUNK_REF_BYTES]]),
    Tree { root: PageId, chunks: u64 },
}

impl<'a> RawEntry<'a> {
    /// Reads the next entry, whose path is `path`, and checks all rules for a single entry.
    pub(super) fn read(reader: &mut FieldReader<'a>, path: &str) -> Result<Self> {
        let kind = match reader.u8()? {
            1 => EntryKind::File,
            2 => EntryKind::Folder,
            3 => EntryKind::Symlink,
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
            _ => return Err(reader.broken("has too many inline chunks")),
        };
        let target = if kind == EntryKind::Symlink { Some(read_target(reader)?) } else { None };
        let extensions = Extensions::read(reader)?;
        let entry = Self { kind, profile, mode, mtime, size, content, target, extensions };
        entry.check(path)?;
        Ok(entry)
    }

    fn check(&self, path: &str) -> Result<()> {
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
        if self.kind != EntryKind::File && self.chunks() != 0 {
            return broken("a folder or a link has content");
        }
        if let Some(target) = self.target {
            if self.mode != Entry::LINK_MODE {
                return broken("a link has another mode than 0777");
            }
            LinkTarget::check(target, path)?;
        }
        self.extensions.each(|tag, critical, bytes| {
            extension::check(
                tag,
                critical,
                bytes,
                &extension::EntryFacts { kind: self.kind, size: self.size, path },
            )
        })
    }

    fn chunks(&self) -> u64 {
        match self.content {
            RawContent::Inline(chunks) => chunks.len() as u64,
            RawContent::Tree { chunks, .. } => chunks,
        }
    }

    /// The contribution of the entry to the sums of a page.
    pub(super) fn sums(&self) -> Sums {
        let files = u64::from(self.kind == EntryKind::File);
        Sums { entries: 1, files, chunks: self.chunks(), bytes: self.size }
    }

    /// Copies the entry out of the page.
    pub(super) fn to_entry(self) -> Result<Entry> {
        let content = match self.content {
            RawContent::Inline(chunks) => Content::Inline(chunks.iter().map(chunk_of).collect()),
            RawContent::Tree { root, chunks } => Content::Tree { root, chunks },
        };
        let (kind, profile, mode, mtime, size) = (self.kind, self.profile, self.mode, self.mtime, self.size);
        let target = self.target.map(LinkTarget::checked);
        Ok(Entry { kind, size, mtime, mode, profile, content, target, extensions: self.extensions.to_vec()? })
    }
}

/// The extensions of an entry, in place.
#[derive(Clone, Copy)]
struct Extensions<'a> {
    count: u8,
    bytes: &'a [u8],
}

impl<'a> Extensions<'a> {
    fn read(reader: &mut FieldReader<'a>) -> Result<Self> {
        let count = reader.u8()?;
        if usize::from(count) > EXTENSIONS {
            return Err(reader.broken("has too many extensions"));
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
        let mut all = Vec::with_capacity(usize::from(self.count));
        self.each(|tag, critical, bytes| {
            all.push(Extension { tag, critical, bytes: bytes.to_vec() });
            Ok(())
        })?;
        Ok(all)
    }

    /// Passes tag, critical flag and bytes of each extension to `take`.
    fn each(self, mut take: impl FnMut(u16, bool, &'a [u8]) -> Result<()>) -> Result<()> {
        let mut reader = FieldReader::new(self.bytes, "entry");
        for _ in 0..self.count {
            let (tag, critical, bytes) = read_extension(&mut reader)?;
            take(tag, critical, bytes)?;
        }
        Ok(())
    }
}

/// Reads the target of a link. Only checks that it is UTF-8.
fn read_target<'a>(reader: &mut FieldReader<'a>) -> Result<&'a str> {
    let len = usize::from(reader.u16()?);
    std::str::from_utf8(reader.take(len)?).map_err(|_| reader.broken("has a link whose target is not UTF-8"))
}

/// Reads an extension: tag, critical flag, bytes.
fn read_extension<'a>(reader: &mut FieldReader<'a>) -> Result<(u16, bool, &'a [u8])> {
    let tag = reader.u16()?;
    let critical = match reader.u8()? {
        0 => false,
        1 => true,
        _ => return Err(reader.broken("has an extension with an invalid critical flag")),
    };
    let len = usize::from(reader.u16()?);
    Ok((tag, critical, reader.take(len)?))
}

pub(super) fn write_chunk(out: &mut Vec<u8>, chunk: &ChunkRef) {
    out.extend_from_slice(chunk.id.as_bytes());
    out.extend_from_slice(&chunk.len.to_le_bytes());
}

/// Decodes a chunk reference, without a check.
pub(super) fn chunk_of(bytes: &[u8; CHUNK_REF_BYTES]) -> ChunkRef {
    let [id @ .., _, _, _, _] = bytes;
    ChunkRef { id: ChunkId::from_bytes(*id), len: chunk_len(bytes) }
}

pub(super) fn write_entry_child(out: &mut Vec<u8>, id: &PageId, sums: &Sums) {
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(&sums.entries.to_le_bytes());
    out.extend_from_slice(&sums.files.to_le_bytes());
    out.extend_from_slice(&sums.chunks.to_le_bytes());
    out.extend_from_slice(&sums.bytes.to_le_bytes());
}

pub(super) fn read_entry_child(reader: &mut FieldReader<'_>, last: EntryPath) -> Result<EntryChild> {
    let id = PageId::from_bytes(reader.id()?);
    let sums = read_sums(reader)?;
    if sums.entries == 0 || !are_plausible(&sums) {
        return Err(reader.broken("has a child with impossible sums"));
    }
    Ok(EntryChild { last, id, sums })
}

pub(super) fn write_chunk_child(out: &mut Vec<u8>, id: &PageId, sums: &Sums) {
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(&sums.chunks.to_le_bytes());
    out.extend_from_slice(&sums.bytes.to_le_bytes());
}

/// Decodes the length of a chunk reference.
pub(super) fn chunk_len(bytes: &[u8; CHUNK_REF_BYTES]) -> u32 {
    let [.., a, b, c, d] = bytes;
    u32::from_le_bytes([*a, *b, *c, *d])
}

/// Decodes and checks a child.
pub(super) fn chunk_child_of(bytes: &[u8; CHUNK_CHILD_BYTES]) -> Result<ChunkChild> {
    let mut reader = FieldReader::new(bytes, "page");
    let id = PageId::from_bytes(reader.id()?);
    let sums = Sums { chunks: reader.u64()?, bytes: reader.u64()?, ..Sums::default() };
    if sums.chunks == 0 || !plausible(sums.chunks, sums.bytes, CHUNK_BYTES) {
        return Err(reader.broken("has a child with impossible sums"));
    }
    Ok(ChunkChild { id, sums })
}

/// Reads the sums over entries, in the field order of children and headers.
pub(super) fn read_sums(reader: &mut FieldReader<'_>) -> Result<Sums> {
    let (entries, files) = (reader.u64()?, reader.u64()?);
    Ok(Sums { entries, files, chunks: reader.u64()?, bytes: reader.u64()? })
}

/// Whether the entries of a class can have these sums.
pub(super) fn are_plausible(sums: &Sums) -> bool {
    sums.entries <= CLASS_ENTRIES
        && sums.files <= sums.entries
        && (sums.files > 0 || sums.chunks == 0)
        && plausible(sums.chunks, sums.bytes, CHUNK_BYTES)
}

/// Appends the encoded entry at `path`. Checks all rules for a single entry: the bytes are read back as from
/// a page.
pub(super) fn write_checked_entry(out: &mut Vec<u8>, path: &str, entry: &Entry) -> Result<()> {
    let start = out.len();
    write_entry(out, entry);
    let mut reader = FieldReader::new(out.get(start..).unwrap_or_default(), "entry");
    RawEntry::read(&mut reader, path)?;
    reader.finish()
}

/// Checks that the length of a chunk is 1 to `max` bytes.
pub(super) fn check_len(len: u32, max: usize) -> Result<()> {
    if len == 0 || len as usize > max {
        return Err(Error::Invalid(format!("malformed chunk reference: {len} bytes")));
    }
    Ok(())
}

/// Whether `chunks` chunks of 1 to `max` bytes each can have `bytes` bytes in total.
fn plausible(chunks: u64, bytes: u64, max: usize) -> bool {
    chunks <= bytes && bytes <= chunks.saturating_mul(max as u64)
}
