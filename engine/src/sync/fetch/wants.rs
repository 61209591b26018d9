//! What is still missing of a class, found by walking what is held, and the requests for it.
//!
//! The walk stops when enough is known to be missing, and goes on when that has been asked for; pages that arrive are
//! walked in turn. So it never holds more than a few windows of wants, whatever the size of the class, and looks at
//! nothing twice.

use super::intake::{Held, Intake};
use crate::{
    error::Result,
    id::{ChunkId, PageId},
    limits::{FETCH_PAGES, FETCH_WINDOW_BYTES, FETCH_WINDOW_CHUNKS, REQUEST_POSITIONS},
    manifest::{ChunkRef, position::PagePosition, table::ClassHeader},
    sync::{
        message::Scope,
        place::{Place, Step, Walk},
    },
};

/// What is missing of one class.
#[derive(Debug, Default)]
pub(super) struct Wants {
    walk: Walk,
    pages: Vec<Place>,
    chunks: Vec<(u64, ChunkRef)>,
    chunk_bytes: u64,
}

/// What to ask for in one request.
#[derive(Debug)]
pub(super) enum Ask {
    /// Pages by position, and what they are.
    Pages(Vec<PagePosition>, Vec<PageId>),
    /// Chunks by ordinal, and what they are.
    Chunks(Scope, Vec<ChunkId>),
}

impl Wants {
    pub(super) fn new(header: &ClassHeader) -> Self {
        Self { walk: Walk::new(header), ..Self::default() }
    }

    /// Looks into a page that has arrived.
    pub(super) fn look_into(&mut self, steps: Vec<Step>) {
        self.walk.push(steps);
    }

    /// Walks on until there is enough to ask for, or nothing more to look at.
    pub(super) fn walk(&mut self, intake: &mut Intake) -> Result<()> {
        while self.pages.len() < FETCH_PAGES && !self.is_window() {
            match self.walk.next() {
                None => break,
                Some(Step::Chunks { first, chunks }) => {
                    let missing = intake.missing(first, &chunks)?;
                    self.chunk_bytes += missing.iter().map(|(_, chunk)| u64::from(chunk.len)).sum::<u64>();
                    self.chunks.extend(missing);
                }
                Some(Step::Page(place)) => match intake.held(&place)? {
                    Held::All => {}
                    Held::Page(bytes) => self.walk.descend(&place, &bytes)?,
                    Held::No => {
                        intake.expect(place.clone());
                        self.pages.push(place);
                    }
                },
            }
        }
        Ok(())
    }

    /// The next thing to ask for: a full window of chunks, else pages, from which more wants come, else what chunks
    /// there are.
    pub(super) fn ask(&mut self) -> Option<Ask> {
        if !self.is_window() && !self.pages.is_empty() {
            let (mut positions, ids): (Vec<_>, Vec<_>) =
                self.pages.drain(..).map(|place| (place.position(), place.id)).unzip();
            positions.sort_unstable();
            return Some(Ask::Pages(positions, ids));
        }
        (!self.chunks.is_empty()).then(|| self.ask_chunks())
    }

    /// The chunks that are missing as far as the walk has come.
    pub(super) fn take_chunks(&mut self) -> Vec<(u64, ChunkRef)> {
        self.chunk_bytes = 0;
        std::mem::take(&mut self.chunks)
    }

    /// Whether there are chunks for a request worth its while.
    fn is_window(&self) -> bool {
        self.chunk_bytes >= FETCH_WINDOW_BYTES || self.chunks.len() >= FETCH_WINDOW_CHUNKS
    }

    fn ask_chunks(&mut self) -> Ask {
        let mut wanted = std::mem::take(&mut self.chunks);
        // Pages arrive in any order, ranges ascend.
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
