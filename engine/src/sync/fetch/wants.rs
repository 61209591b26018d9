//! Finds the missing data of a class by a walk over the held data, and makes requests for it.
//!
//! The walk stops when enough missing data is found, and continues when that has been requested. Pages that
//! arrive are walked in turn. So the memory is bounded by a few windows, whatever the size of the class, and
//! no page is examined twice.

use super::intake::{Held, Intake};
use crate::{
    error::Result,
    id::{ChunkId, PageId},
    limits::{FETCH_PAGES, FETCH_WINDOW_BYTES, FETCH_WINDOW_CHUNKS, REQUEST_POSITIONS},
    manifest::{ChunkRef, position::PagePosition, table::ClassHeader},
    sync::{
        message::Scope,
        place::{PageRef, Step, Walk},
    },
};

/// The missing data of one class.
#[derive(Debug, Default)]
pub(super) struct Wants {
    walk: Walk,
    pages: Vec<PageRef>,
    chunks: Vec<(u64, ChunkRef)>,
    chunk_bytes: u64,
}

/// The content of one request.
#[derive(Debug)]
pub(super) enum Ask {
    /// Pages by position, and their ids.
    Pages(Vec<PagePosition>, Vec<PageId>),
    /// Chunks by ordinal, and their ids.
    Chunks(Scope, Vec<ChunkId>),
}

impl Wants {
    pub(super) fn new(header: &ClassHeader) -> Self {
        Self { walk: Walk::new(header), ..Self::default() }
    }

    /// Walks the children of a page that has arrived.
    pub(super) fn look_into(&mut self, steps: Vec<Step>) {
        self.walk.push(steps);
    }

    /// Continues the walk until there is enough to request, or the walk is over.
    pub(super) fn walk(&mut self, intake: &mut Intake) -> Result<()> {
        while self.pages.len() < FETCH_PAGES && !self.is_window() {
            match self.walk.next() {
                None => break,
                Some(Step::Chunks { first, chunks }) => {
                    let missing = intake.missing(first, &chunks)?;
                    self.chunk_bytes += missing.iter().map(|(_, chunk)| u64::from(chunk.len)).sum::<u64>();
                    self.chunks.extend(missing);
                }
                Some(Step::Page(page)) => match intake.held(&page)? {
                    Held::All => intake.hold(page.content_bytes()),
                    Held::Page(bytes) => self.walk.descend(&page, &bytes)?,
                    Held::No => {
                        intake.expect(page.clone());
                        self.pages.push(page);
                    }
                },
            }
        }
        Ok(())
    }

    /// The next request: a full window of chunks; else pages, below which more data may be missing; else the
    /// remaining chunks.
    pub(super) fn ask(&mut self) -> Option<Ask> {
        if !self.is_window() && !self.pages.is_empty() {
            let (mut positions, ids): (Vec<_>, Vec<_>) =
                self.pages.drain(..).map(|page| (page.position(), page.id)).unzip();
            positions.sort_unstable();
            return Some(Ask::Pages(positions, ids));
        }
        (!self.chunks.is_empty()).then(|| self.ask_chunks())
    }

    /// The missing chunks that the walk has found so far.
    pub(super) fn take_chunks(&mut self) -> Vec<(u64, ChunkRef)> {
        self.chunk_bytes = 0;
        std::mem::take(&mut self.chunks)
    }

    /// Whether there are enough chunks for a request.
    fn is_window(&self) -> bool {
        self.chunk_bytes >= FETCH_WINDOW_BYTES || self.chunks.len() >= FETCH_WINDOW_CHUNKS
    }

    fn ask_chunks(&mut self) -> Ask {
        let mut wanted = std::mem::take(&mut self.chunks);
        // Pages arrive in any order, but ranges must ascend.
        wanted.sort_unstable_by_key(|(ordinal, _)| *ordinal);
        let (mut scope, mut ids, mut bytes) = (Scope::default(), Vec::new(), 0u64);
        let mut rest = wanted.into_iter();
        while bytes < FETCH_WINDOW_BYTES
            && ids.len() < FETCH_WINDOW_CHUNKS
            && scope.0.len() < REQUEST_POSITIONS
            && let Some((ordinal, chunk)) = rest.next()
        {
            scope.push(ordinal);
            ids.push(chunk.id);
            bytes += u64::from(chunk.len);
        }
        self.chunks = rest.collect();
        self.chunk_bytes -= bytes;
        Ask::Chunks(scope, ids)
    }
}
