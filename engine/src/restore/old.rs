//! What stands in a file's place already: chunks found there are not read from the store.
//!
//! A chunk is looked for where it shall be, or as far from there as the last one was; only where content has moved is the
//! whole file cut as the new one is, to find where it went. Where the file system can share blocks between files, the old
//! file is cloned first: what is in its place in the clone is neither read again nor written. The clone has no name, so
//! nobody can change it between being hashed and being shared; what an unshared old file gives is hashed as it is read.
//!
//! The list of chunks of a cut file is bounded: of a very large file only the first part is searched.

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
        chunker::{BufferPool, Chunker, READ_BYTES},
        guide::Cutter,
    },
    error::{Error, Result},
    id::ChunkId,
    manifest::ChunkRef,
};

/// Chunks remembered of one file: 32 GiB of a film, in about 24 MiB of memory.
const REMEMBERED: usize = 512 * 1024;

/// So many bytes in a row that are not in their place have moved, or are new; fewer are taken from the store unless they are
/// most of what is wanted.
const MOVED_BYTES: u64 = 1024 * 1024;

/// The old file of a path.
#[derive(Debug)]
pub(super) struct Old {
    /// The clone where there is one.
    file: File,
    is_cloned: bool,
    profile: Profile,
    pool: Arc<BufferPool>,
    /// How far from its new place the chunk stood that was found last.
    shift: i64,
    /// Offsets, by the first eight bytes of the id, once the file has been cut.
    places: Option<HashMap<u64, u64>>,
}

/// What the old file has of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// Its bytes.
    Bytes(Bytes),
    /// Its bytes in their place, in the clone.
    InPlace,
}

impl Old {
    /// Looks into `clone`, if there is one, or else into `file`.
    pub(super) fn new(file: File, clone: Option<File>, profile: Profile, pool: &Arc<BufferPool>) -> Self {
        let is_cloned = clone.is_some();
        let file = clone.unwrap_or(file);
        Self { file, is_cloned, profile, pool: Arc::clone(pool), shift: 0, places: None }
    }

    /// A handle to the clone, to begin the new file from, unless nothing of what was `found` first is in its place:
    /// where content has moved, a clone would be written over, and in smaller pieces than a new file.
    pub(super) fn base(&mut self, found: &[Found]) -> Result<Option<File>> {
        self.is_cloned = self.is_cloned && found.contains(&Found::InPlace);
        let base = self.is_cloned.then(|| self.file.try_clone()).transpose();
        base.map_err(|error| Error::io("opening a clone once more", error))
    }

    /// What the old file has of `wanted`, the first of which shall stand at `offset`.
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
            // A file that cannot be read is of no use.
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

    /// Cuts the file and says where each chunk is.
    fn cut(&mut self, mut is_cancelled: impl FnMut() -> bool) -> io::Result<HashMap<u64, u64>> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut chunker = Chunker::new(Cutter::plain(self.profile), Arc::clone(&self.pool));
        let (mut places, mut offset, mut run) = (HashMap::new(), 0, Vec::new());
        while places.len() < REMEMBERED {
            let more = chunker.next_run(&mut &self.file, READ_BYTES, &mut run)? && !is_cancelled();
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

    /// Where a chunk stands in the file that was cut, and its bytes if they are still there.
    fn read(&self, chunk: &ChunkRef) -> Option<(u64, Bytes)> {
        let place = *self.places.as_ref()?.get(&key(&chunk.id))?;
        Some((place, held::read_one(&self.file, place, *chunk)?))
    }
}

/// Whether content that is not in its place may stand elsewhere. After a scene that was replaced the next one stands where
/// it stood; where much of the end is not in its place, something was put in or taken out.
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
