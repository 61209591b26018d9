//! Finds which data of a class is held. [`walk()`] goes over the class's trees once, in order, and reports
//! missing data with its positions. [`mark_full`] records which subtrees are complete. [`structure`] and
//! [`deep`] are run by an operator.
//!
//! This module does not fetch or repair data. Its memory is bounded, whatever the library's size.

#[cfg(test)]
mod tests;
mod walk;

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{ChunkId, Commitment, ManifestId, PageId},
    limits::{BATCH_IDS, CHUNK_BYTES, WALK_KEPT},
    manifest::{
        ChunkRef, PageSource,
        page::Expect,
        position::{self, PagePosition},
        table::{ClassHeader, ClassTable},
    },
    store::{Check, Objects, PageState},
};

pub use walk::{Walked, walk};

/// How a walk uses page marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Skips the subtrees of pages marked [`PageState::Full`], as long as no object in the store is lost.
    pub trust: bool,
    /// Marks the pages whose subtrees are found complete.
    pub set: bool,
}

/// Receives the missing objects that a walk finds; `Break` ends the walk.
pub trait Visitor {
    /// A page that is not held, with its expected properties. Data below it is unknown and not reported.
    fn missing_page(&mut self, id: PageId, expect: &Expect, at: PagePosition) -> ControlFlow<()>;

    /// A chunk that is not held, with its class-wide ordinal. A chunk that is named again soon after is
    /// reported once.
    fn missing_chunk(&mut self, ordinal: u64, chunk: ChunkRef) -> ControlFlow<()>;
}

/// A page that is not held.
#[derive(Clone, Debug)]
pub struct MissingPage {
    /// Its id.
    pub id: PageId,
    /// Its expected properties.
    pub expect: Expect,
    /// Its position.
    pub at: PagePosition,
}

/// A [`Visitor`] that collects missing objects, and ends the walk after `limit` of them.
#[derive(Clone, Debug)]
pub struct Missing {
    /// Maximum number of collected objects.
    pub limit: usize,
    /// Pages, in the order of the walk.
    pub pages: Vec<MissingPage>,
    /// Chunks by ordinal, in the order of the walk.
    pub chunks: Vec<(u64, ChunkRef)>,
}

impl Missing {
    /// An empty collection for up to `limit` objects.
    pub fn up_to(limit: usize) -> Self {
        Self { limit, pages: Vec::new(), chunks: Vec::new() }
    }

    /// Whether no object is missing.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.chunks.is_empty()
    }

    /// The chunks as (first ordinal, count), in the form of a request.
    pub fn chunk_ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (ordinal, _) in &self.chunks {
            match ranges.last_mut() {
                Some((start, count)) if start.checked_add(*count) == Some(*ordinal) => *count += 1,
                _ => ranges.push((*ordinal, 1)),
            }
        }
        ranges
    }

    fn more(&self) -> ControlFlow<()> {
        if self.pages.len() + self.chunks.len() < self.limit {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

impl Visitor for Missing {
    fn missing_page(&mut self, id: PageId, expect: &Expect, at: PagePosition) -> ControlFlow<()> {
        self.pages.push(MissingPage { id, expect: expect.clone(), at });
        self.more()
    }

    fn missing_chunk(&mut self, ordinal: u64, chunk: ChunkRef) -> ControlFlow<()> {
        self.chunks.push((ordinal, chunk));
        self.more()
    }
}

/// Walks a class from its header: skips marked subtrees, and marks complete pages and the header. The header
/// must be held. Marks are set for the walked part even where `visitor` ends the walk. The marks of a long
/// walk are durable when it returns: a crash does not repeat it.
///
/// # Errors
///
/// [`Error::Missing`] where the header is not held, [`Error::Invalid`] where a page is forged; any error of
/// the store.
pub fn mark_full(store: &dyn Objects, header: &Commitment, visitor: &mut dyn Visitor) -> Result<Walked> {
    let class = ClassHeader::load(store, header)?;
    let walked = walk(store, &class, Marks { trust: true, set: true }, visitor)?;
    if walked.state >= PageState::Paged {
        store.mark(&[(header.as_page(), walked.state)])?;
    }
    if walked.pages + walked.chunks >= WALK_KEPT {
        store.keep_marks()?;
    }
    Ok(walked)
}

/// Whether everything below a class header is held, without trust in marks. Stops at the first missing
/// object; reads every page before it, and no chunk.
///
/// # Errors
///
/// As for [`mark_full`].
pub fn is_held(store: &dyn Objects, header: &Commitment) -> Result<bool> {
    let class = ClassHeader::load(store, header)?;
    let mut missing = Missing::up_to(1);
    let walked = walk(store, &class, Marks { trust: false, set: false }, &mut missing)?;
    Ok(walked.state == PageState::Full)
}

/// The result of [`structure`].
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Classes whose headers are held, with the result of the walk.
    pub classes: Vec<ClassReport>,
    /// Classes whose headers are not held: a node that is granted only some classes has no others.
    pub absent: Vec<(u8, Commitment)>,
}

/// One class of a [`Report`].
#[derive(Clone, Debug)]
pub struct ClassReport {
    /// The class.
    pub commitment: Commitment,
    /// Its header.
    pub header: ClassHeader,
    /// The result of the walk.
    pub walked: Walked,
    /// The missing objects, up to the given limit.
    pub missing: Missing,
}

impl Report {
    /// Whether every class whose header is held is whole.
    pub fn is_whole(&self) -> bool {
        self.classes.iter().all(|class| class.walked.state == PageState::Full)
    }
}

/// Walks all classes of a manifest whose headers are held, without trust in marks; lists at most `limit`
/// missing objects of each. Reads every page and looks up every chunk, but reads no chunk.
///
/// # Errors
///
/// [`Error::Missing`] where the table is not held, [`Error::Invalid`] where an object is forged; any error of
/// the store.
pub fn structure(store: &dyn Objects, manifest: &ManifestId, limit: usize) -> Result<Report> {
    let mut report = Report::default();
    for (slot, commitment) in ClassTable::load(store, manifest)?.classes {
        let header = match ClassHeader::load(store, &commitment) {
            Err(Error::Missing(_)) => {
                report.absent.push((slot, commitment));
                continue;
            }
            header => header?,
        };
        if header.slot != slot {
            return Err(Error::Invalid(format!(
                "class {} is not in the slot that its table states",
                header.name
            )));
        }
        let mut missing = Missing::up_to(limit);
        let walked = walk(store, &header, Marks { trust: false, set: false }, &mut missing)?;
        report.classes.push(ClassReport { commitment, header, walked, missing });
    }
    Ok(report)
}

/// The result of [`deep`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeepReport {
    /// Chunks read and hashed, with multiplicity.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Chunks that are not held, do not match their ids, or do not have the length that their file states.
    pub bad: u64,
}

/// Reads and hashes every chunk of a class, and calls `bad` with each chunk that is missing or wrong.
/// `progress` is called after every batch; an error from it ends the work. At most 8 MiB of chunks are in
/// memory.
///
/// # Errors
///
/// [`Error::Missing`] and [`Error::Invalid`] for pages; any error of the store or of `progress`. A
/// damaged chunk is no error.
pub fn deep(
    store: &dyn Objects,
    header: &Commitment,
    bad: &mut dyn FnMut(u64, ChunkRef),
    progress: &mut dyn FnMut(&DeepReport) -> Result<()>,
) -> Result<DeepReport> {
    /// Chunks that are read at a time: at most 8 MiB.
    const BATCH: usize = 8 * 1024 * 1024 / CHUNK_BYTES;
    const _: () = assert!(BATCH > 0 && BATCH <= BATCH_IDS);
    let class = ClassHeader::load(store, header)?;
    class.expect().decode(&class.root, &store.page(&class.root)?)?;
    let mut report = DeepReport::default();
    let mut batch: Vec<(u64, ChunkRef)> = Vec::with_capacity(BATCH);
    let mut chunks = position::chunks(store, &class.root, 0, u64::MAX);
    loop {
        let chunk = chunks.next().transpose()?;
        let is_end = chunk.is_none();
        batch.extend(chunk);
        if batch.len() < BATCH && !is_end {
            continue;
        }
        let held = read_batch(store, &batch)?;
        for ((ordinal, chunk), bytes) in batch.drain(..).zip(held) {
            report.chunks += 1;
            report.bytes = report.bytes.saturating_add(u64::from(chunk.len));
            if bytes.is_none_or(|bytes| bytes.len() != chunk.len as usize) {
                report.bad += 1;
                bad(ordinal, chunk);
            }
        }
        progress(&report)?;
        if is_end {
            return Ok(report);
        }
    }
}

/// The verified bytes of chunks; `None` for a chunk that is not held or damaged.
fn read_batch(store: &dyn Objects, chunks: &[(u64, ChunkRef)]) -> Result<Vec<Option<Bytes>>> {
    let ids: Vec<ChunkId> = chunks.iter().map(|(_, chunk)| chunk.id).collect();
    match store.read_chunks(&ids, Check::Verify) {
        // One damaged chunk fails its batch: read the chunks one by one.
        Err(Error::Corrupt(_)) => ids.iter().map(|id| read_one(store, id)).collect(),
        chunks => chunks,
    }
}

fn read_one(store: &dyn Objects, id: &ChunkId) -> Result<Option<Bytes>> {
    match store.read_chunks(std::slice::from_ref(id), Check::Verify) {
        Ok(mut chunks) => Ok(chunks.pop().flatten()),
        Err(Error::Corrupt(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
