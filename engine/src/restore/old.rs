//! The old file at a path: chunks found there are not read from the store.
//!
//! A chunk is looked up at its new offset, or shifted by as much as the last chunk that was found. Only if
//! content has moved, the whole old file is cut like the new one, to find where its chunks are. If the file
//! system can share blocks between files, the old file is cloned first: chunks that are in place in the clone
//! are neither read again nor written. The clone has no name, so no other process can change it between the
//! hash and the use. Bytes of an old file that was not cloned are hashed when they are read.
//!
//! The list of chunks of a cut file is bounded: only the first part of a very large file is searched.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Seek, SeekFrom},
    sync::Arc,
};

use bytes::Bytes;

use super::held;
use crate::{
    chunk::{
        Profile,
        chunker::{BufferPool, Chunker},
        guide::Cutter,
    },
    error::{Error, Result},
    id::ChunkId,
    limits::CHUNKER_READ_BYTES,
    manifest::ChunkRef,
};

/// Maximum number of remembered chunks of one file: 32 GiB of a film, in about 24 MiB of memory.
const REMEMBERED: usize = 512 * 1024;

/// So many consecutive bytes that are not in place have probably moved, or are new. Fewer bytes are read from
/// the store, unless they are most of the wanted bytes.
const MOVED_BYTES: u64 = 1024 * 1024;

/// The old file at a path.
#[derive(Debug)]
pub(super) struct Old {
    /// The clone, if there is one.
    file: File,
    is_cloned: bool,
    profile: Profile,
    pool: Arc<BufferPool>,
    /// The distance of the chunk that was found last from its new offset.
    shift: i64,
    /// Offsets by the first eight bytes of the id; filled once the file has been cut.
    places: Option<HashMap<u64, u64>>,
}

/// The result of looking up a chunk in the old file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// Its bytes.
    Bytes(Bytes),
    /// Its bytes are at their offset in the clone.
    InPlace,
}

impl Old {
    /// Uses `clone` if there is one, otherwise `file`.
    pub(super) fn new(file: File, clone: Option<File>, profile: Profile, pool: &Arc<BufferPool>) -> Self {
        let is_cloned = clone.is_some();
        let file = clone.unwrap_or(file);
        Self { file, is_cloned, profile, pool: Arc::clone(pool), shift: 0, places: None }
    }

    /// A handle to the clone to begin the new file from; `None` if no chunk of the first `found` chunks is in
    /// place: if content has moved, a clone would be overwritten, and in smaller pieces than a new file.
    pub(super) fn base(&mut self, found: &[Found]) -> Result<Option<File>> {
        self.is_cloned = self.is_cloned && found.contains(&Found::InPlace);
        let base = self.is_cloned.then(|| self.file.try_clone()).transpose();
        base.map_err(|error| Error::io("opening a clone once more", error))
    }

    /// Looks up the chunks `wanted`, the first of which belongs at `offset`.
    pub(super) fn find(
        &mut self,
        offset: u64,
        wanted: &[ChunkRef],
        is_cancelled: impl FnMut() -> bool,
    ) -> Vec<Found> {
        let mut found: Vec<_> = match offset.checked_add_signed(self.shift) {
            Some(place) if self.is_cloned && self.shift == 0 => {
                let held = held::holds(&self.file, place, wanted);
                held.into_iter().map(|held| if held { Found::InPlace } else { Found::Nothing }).collect()
            }
            Some(place) => {
                let held = held::read(&self.file, place, wanted);
                held.into_iter().map(|held| held.map_or(Found::Nothing, Found::Bytes)).collect()
            }
            None => vec![Found::Nothing; wanted.len()],
        };
        if has_moved(wanted, &found) {
            self.find_moved(offset, wanted, &mut found, is_cancelled);
        }
        found
    }

    fn find_moved(
        &mut self,
        mut offset: u64,
        wanted: &[ChunkRef],
        found: &mut [Found],
        is_cancelled: impl FnMut() -> bool,
    ) {
        if self.places.is_none() {
            // A file that cannot be read gives no chunks.
            self.places = Some(self.cut(is_cancelled).unwrap_or_default());
        }
        for (chunk, found) in wanted.iter().zip(found) {
            if *found == Found::Nothing
                && let Some((place, bytes)) = self.read(chunk)
            {
                self.shift = place.cast_signed().wrapping_sub(offset.cast_signed());
                *found = Found::Bytes(bytes);
            }
            offset += u64::from(chunk.len);
        }
    }

    /// Cuts the file; returns the offset of each chunk.
    fn cut(&mut self, mut is_cancelled: impl FnMut() -> bool) -> io::Result<HashMap<u64, u64>> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut chunker = Chunker::new(Cutter::plain(self.profile), Arc::clone(&self.pool));
        let (mut places, mut offset, mut run) = (HashMap::new(), 0, Vec::new());
        while places.len() < REMEMBERED {
            let more = chunker.next_run(&mut &self.file, CHUNKER_READ_BYTES, &mut run)? && !is_cancelled();
            for (chunk, _) in run.drain(..) {
                places.insert(key(&chunk.id), offset);
                offset += u64::from(chunk.len);
            }
            if !more {
                break;
            }
        }
        Ok(places)
    }

    /// The offset of a chunk in the cut file, and its bytes if they are still there.
    fn read(&self, chunk: &ChunkRef) -> Option<(u64, Bytes)> {
        let place = *self.places.as_ref()?.get(&key(&chunk.id))?;
        Some((place, held::read_one(&self.file, place, *chunk)?))
    }
}

/// Whether content that is not in place may be at another offset. After a replaced scene, the next scene is
/// in place; if much of the end of the window is not in place, bytes were inserted or removed.
fn has_moved(wanted: &[ChunkRef], found: &[Found]) -> bool {
    let bytes =
        |chunks: &mut dyn Iterator<Item = &ChunkRef>| chunks.map(|chunk| u64::from(chunk.len)).sum::<u64>();
    let missing = wanted.iter().zip(found).rev().take_while(|(_, found)| **found == Found::Nothing);
    let missing = bytes(&mut missing.map(|(chunk, _)| chunk));
    missing >= MOVED_BYTES || 2 * missing > bytes(&mut wanted.iter())
}

fn key(id: &ChunkId) -> u64 {
    id.as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}
