//! Finds out what of a class is held: [`walk()`] goes over its trees once, in order, and says what is missing and where it
//! stands; [`mark_full`] remembers what is complete; [`structure`] and [`deep`] are what an operator runs.
//!
//! Nothing here fetches or repairs. Memory is bounded whatever the library's size.

#[cfg(test)]
mod tests;
mod walk;

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{ChunkId, Commitment, ManifestId, PageId},
    limits::{BATCH_IDS, CHUNK_BYTES},
    manifest::{
        ChunkRef, PageSource,
        page::Expect,
        position::{self, PagePosition},
        table::{ClassHeader, ClassTable},
    },
    store::{Check, Objects, PageState},
};

pub use walk::{Walked, walk};

/// What a walk does with page marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Passes over what is below pages marked [`PageState::Full`], as long as nothing in the store is lost.
    pub trust: bool,
    /// Marks the pages whose subtrees turn out complete.
    pub set: bool,
}

/// Takes what a walk finds missing; `Break` ends the walk.
pub trait Visitor {
    /// A page that is not held, with what is known of it. What is below is unknown and not reported.
    fn missing_page(&mut self, id: PageId, expect: &Expect, at: PagePosition) -> ControlFlow<()>;

    /// A chunk that is not held, with its class-wide ordinal. One that is named again soon after is reported once.
    fn missing_chunk(&mut self, ordinal: u64, chunk: ChunkRef) -> ControlFlow<()>;
}

/// A page that is not held.
#[derive(Clone, Debug)]
pub struct MissingPage {
    /// Its id.
    pub id: PageId,
    /// What must hold of it when it comes.
    pub expect: Expect,
    /// Where it stands.
    pub at: PagePosition,
}

/// A [`Visitor`] that collects, and ends the walk when it has `limit` pages and chunks.
#[derive(Clone, Debug)]
pub struct Missing {
    /// How many positions to collect at most.
    pub limit: usize,
    /// Pages, in the order of the walk.
    pub pages: Vec<MissingPage>,
    /// Chunks by ordinal, in the order of the walk.
    pub chunks: Vec<(u64, ChunkRef)>,
}

impl Missing {
    /// Collects nothing yet.
    pub fn up_to(limit: usize) -> Self {
        Self { limit, pages: Vec::new(), chunks: Vec::new() }
    }

    /// Whether nothing was found missing.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.chunks.is_empty()
    }

    /// The chunks as (first ordinal, count), as a request names them.
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

/// Walks a class from its header on, passing over what is marked and marking what is complete, the header included.
/// The header must be held. Marks are set for the part that was walked even where `visitor` ends the walk.
///
/// # Errors
///
/// [`Error::Missing`] where the header is not held, [`Error::Invalid`] where a page is forged, whatever the store fails
/// with.
pub fn mark_full(store: &dyn Objects, header: &Commitment, visitor: &mut dyn Visitor) -> Result<Walked> {
    let class = ClassHeader::load(store, header)?;
    let walked = walk(store, &class, Marks { trust: true, set: true }, visitor)?;
    if walked.state >= PageState::Paged {
        store.mark(&[(header.as_page(), walked.state)])?;
    }
    Ok(walked)
}

/// What [`structure`] found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Classes whose headers are held, with what was walked below them.
    pub classes: Vec<ClassReport>,
    /// Classes whose headers are not held: a node that is granted only some has no others.
    pub absent: Vec<(u8, Commitment)>,
}

/// One class of a [`Report`].
#[derive(Clone, Debug)]
pub struct ClassReport {
    /// The class.
    pub commitment: Commitment,
    /// Its header.
    pub header: ClassHeader,
    /// What was walked.
    pub walked: Walked,
    /// What is missing, up to the limit given.
    pub missing: Missing,
}

impl Report {
    /// Whether all of every class whose header is held is there.
    pub fn is_whole(&self) -> bool {
        self.classes.iter().all(|class| class.walked.state == PageState::Full)
    }
}

/// Walks all classes of a manifest whose headers are held, trusting no mark; lists at most `limit` missing positions
/// of each. Reads every page and looks up every chunk, but reads no chunk.
///
/// # Errors
///
/// [`Error::Missing`] where the table is not held, [`Error::Invalid`] where something is forged, whatever the store
/// fails with.
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
            return Err(Error::Invalid(format!("class {} is not of the slot its table says", header.name)));
        }
        let mut missing = Missing::up_to(limit);
        let walked = walk(store, &header, Marks { trust: false, set: false }, &mut missing)?;
        report.classes.push(ClassReport { commitment, header, walked, missing });
    }
    Ok(report)
}

/// What [`deep`] read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeepReport {
    /// Chunks read and hashed, with multiplicity.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Chunks that are not held, or not what their ids name, or not of the length their file says.
    pub bad: u64,
}

/// Reads every chunk of a class and hashes it, telling `bad` of those that are not what they must be. `progress` hears
/// of every batch, and ends the work with an error. At most 8 MiB of chunks are in memory.
///
/// # Errors
///
/// [`Error::Missing`] and [`Error::Invalid`] for pages; whatever the store or `progress` fails with. A damaged chunk is no
/// error.
pub fn deep(
    store: &dyn Objects,
    header: &Commitment,
    bad: &mut dyn FnMut(u64, ChunkRef),
    progress: &mut dyn FnMut(&DeepReport) -> Result<()>,
) -> Result<DeepReport> {
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

/// Chunks' verified bytes; none for one that is not held or damaged.
fn read_batch(store: &dyn Objects, chunks: &[(u64, ChunkRef)]) -> Result<Vec<Option<Bytes>>> {
    let ids: Vec<ChunkId> = chunks.iter().map(|(_, chunk)| chunk.id).collect();
    match store.read_chunks(&ids, Check::Verify) {
        // One damaged chunk fails its batch: find it.
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
