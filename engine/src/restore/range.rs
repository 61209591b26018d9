//! Reads a range of one file, verified, without restoring the rest.

use std::{io::Write, ops::Range};

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    manifest::{ChunkRef, Content, cursor},
    store::{
        Check, Objects,
        objects::{ObjectId, not_held},
    },
};

/// Chunks read at a time: two mebibytes of a film.
const BATCH_CHUNKS: usize = 32;

/// Writes the bytes `range` of a file to `out`, each checked against its chunk's id first; returns the number
/// of bytes. Bytes past the file's end are left out. Reads one page for each level to find the start.
///
/// Blocks; uses a few mebibytes of memory. The bytes that were written before an error are right.
///
/// # Errors
///
/// [`Error::Missing`] if a page or chunk is not held; [`Error::Corrupt`] if a chunk is damaged, also if that
/// was found before; errors of the store and of `out`.
pub fn read_range(
    store: &dyn Objects,
    content: &Content,
    range: Range<u64>,
    out: &mut dyn Write,
) -> Result<u64> {
    let mut left = range.end.saturating_sub(range.start);
    if left == 0 {
        return Ok(0);
    }
    let (mut skip, mut chunks) = cursor::chunks_at(store, content, range.start)?;
    let mut written = 0;
    let mut batch = Vec::new();
    while left > 0 {
        batch.clear();
        while batch.len() < BATCH_CHUNKS && bytes_of(&batch) < left.saturating_add(skip) {
            match chunks.next().transpose()? {
                Some(chunk) => batch.push(chunk),
                None => break,
            }
        }
        if batch.is_empty() {
            break;
        }
        for bytes in read_batch(store, &batch, |_| String::new())? {
            let from = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
            skip -= from as u64;
            let upto = bytes.len().min(from.saturating_add(usize::try_from(left).unwrap_or(usize::MAX)));
            let part = bytes.get(from..upto).unwrap_or_default();
            out.write_all(part).map_err(|error| Error::io("writing the output", error))?;
            written += part.len() as u64;
            left -= part.len() as u64;
        }
    }
    Ok(written)
}

fn bytes_of(chunks: &[ChunkRef]) -> u64 {
    chunks.iter().map(|chunk| u64::from(chunk.len)).sum()
}

/// Reads chunks, verified; every chunk must be held and have the length that the manifest says. `file`
/// returns the file of the chunk at an index, as the beginning of an error text.
pub(super) fn read_batch(
    store: &dyn Objects,
    chunks: &[ChunkRef],
    file: impl Fn(usize) -> String,
) -> Result<Vec<Bytes>> {
    let ids: Vec<_> = chunks.iter().map(|chunk| chunk.id).collect();
    let read = store.read_chunks(&ids, Check::Verify)?;
    let checked = read.into_iter().zip(chunks).enumerate().map(|(at, (bytes, chunk))| match bytes {
        Some(bytes) if bytes.len() as u64 == u64::from(chunk.len) => Ok(bytes),
        Some(bytes) => Err(Error::Invalid(format!(
            "{}the manifest says that chunk {} has {} bytes; it has {}",
            file(at),
            chunk.id.short(),
            chunk.len,
            bytes.len()
        ))),
        None => Err(not_held(store, ObjectId::Chunk(chunk.id), &file(at))),
    });
    checked.collect()
}
