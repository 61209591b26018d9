//! Walks the records of a segment file: supplies the bytes to the engine's sans-IO scanner.

use std::{fs::File, os::unix::fs::FileExt, path::Path};

use chuan_engine::{
    Error, Result,
    segment::{FooterEntry, Item, Scanner, SegmentName, Step},
};
use rustix::fs::Advice;

/// Bytes that are read at a time, unless a record is longer.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;

/// Walks from `start`, where a group begins, to `end`, and passes every item to `visit`.
pub(crate) fn walk(
    file: &File,
    path: &Path,
    segment: SegmentName,
    (start, end): (u64, u64),
    visit: &mut dyn FnMut(Item<'_>) -> Result<()>,
) -> Result<()> {
    let span = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
    let mut buf = vec![0; WINDOW_BYTES.min(span)];
    let mut scanner = Scanner::new(segment, start, end);
    let (mut base, mut filled) = (start, 0);
    // Advice only: nothing depends on it.
    let _ = rustix::fs::fadvise(file, start, None, Advice::Sequential);
    loop {
        let at = usize::try_from(scanner.offset().saturating_sub(base)).unwrap_or(usize::MAX);
        let window = buf.get(at..filled).unwrap_or_default();
        match scanner.step(window) {
            Step::Found(item) => visit(item)?,
            Step::End => return Ok(()),
            Step::Need(len) if len <= window_left(scanner.offset(), base, filled) => {}
            Step::Need(len) => {
                base = scanner.offset();
                let left = usize::try_from(end.saturating_sub(base)).unwrap_or(usize::MAX);
                filled = len.max(WINDOW_BYTES).min(left);
                if buf.len() < filled {
                    buf.resize(filled, 0);
                }
                let place = buf.get_mut(..filled).unwrap_or_default();
                file.read_exact_at(place, base)
                    .map_err(|error| Error::io(format!("read {} at {base}", path.display()), error))?;
            }
        }
    }
}

/// Bytes that are read already, from `offset` on.
fn window_left(offset: u64, base: u64, filled: usize) -> usize {
    let at = usize::try_from(offset.saturating_sub(base)).unwrap_or(usize::MAX);
    filled.saturating_sub(at)
}

/// The intact records between two offsets, as a footer lists them.
pub(crate) fn list(path: &Path, segment: SegmentName, start: u64, end: u64) -> Result<Vec<FooterEntry>> {
    let file = File::open(path).map_err(|error| Error::io(format!("open {}", path.display()), error))?;
    let mut entries = Vec::new();
    walk(&file, path, segment, (start, end), &mut |item| {
        if let Item::Record { offset, header, .. } = item {
            entries.push(entry(offset, &header));
        }
        Ok(())
    })?;
    Ok(entries)
}

/// A record as a footer lists it.
pub(crate) fn entry(offset: u64, header: &chuan_engine::segment::RecordHeader) -> FooterEntry {
    FooterEntry {
        key: header.key,
        codec: header.codec,
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        raw_len: header.raw_len,
        stored_len: header.stored_len,
    }
}
