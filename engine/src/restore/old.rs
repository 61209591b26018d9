//! What stands in a file's place already, cut as the new one is: chunks found there are not read from the store.
//!
//! A match is only a hint, checked by its hash when it is read, for the file may change under us. The list of chunks is
//! bounded: of a very large file only the first part is searched.

use std::{collections::HashMap, fs::File, io, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;

use crate::{
    chunk::{
        Profile,
        chunker::{BufferPool, Chunker, READ_BYTES},
        guide::Cutter,
    },
    error::Result,
    id::ChunkId,
    manifest::ChunkRef,
};

/// Chunks remembered of one file: 32 GiB of a film, in about 24 MiB of memory.
const REMEMBERED: usize = 512 * 1024;

/// The old file of a path.
#[derive(Debug)]
pub(super) struct Old {
    file: File,
    /// Offsets, by the first eight bytes of the id.
    places: HashMap<u64, u64>,
    /// Whether it is, chunk by chunk, what is to be written.
    pub(super) is_same: bool,
}

impl Old {
    /// Cuts and hashes `file`, and compares it with the chunks that are `wanted`.
    ///
    /// The outer error is the manifest's; the inner one means that the old file cannot be read and is of no use.
    pub(super) fn scan(
        file: File,
        profile: Profile,
        pool: &Arc<BufferPool>,
        mut wanted: impl Iterator<Item = Result<ChunkRef>>,
        mut is_cancelled: impl FnMut() -> bool,
    ) -> Result<io::Result<Self>> {
        let mut chunker = Chunker::new(Cutter::plain(profile), Arc::clone(pool));
        let mut old = Self { file, places: HashMap::new(), is_same: true };
        let mut offset = 0;
        let mut run = Vec::new();
        loop {
            let more = match chunker.next_run(&mut &old.file, READ_BYTES, &mut run) {
                Ok(more) => more && !is_cancelled(),
                Err(error) => return Ok(Err(error)),
            };
            for (found, _) in run.drain(..) {
                if old.is_same {
                    old.is_same = wanted.next().transpose()?.is_some_and(|chunk| chunk.id == found.id);
                }
                if old.places.len() < REMEMBERED {
                    old.places.insert(key(&found.id), offset);
                }
                offset += u64::from(found.len);
            }
            if !more {
                break;
            }
        }
        old.is_same = old.is_same && wanted.next().transpose()?.is_none();
        Ok(Ok(old))
    }

    /// The bytes of a chunk, if the old file still has them.
    pub(super) fn read(&self, chunk: &ChunkRef) -> Option<Bytes> {
        let offset = self.places.get(&key(&chunk.id))?;
        let mut bytes = vec![0; usize::try_from(chunk.len).ok()?];
        self.file.read_exact_at(&mut bytes, *offset).ok()?;
        (ChunkId::of(&bytes) == chunk.id).then(|| bytes.into())
    }
}

fn key(id: &ChunkId) -> u64 {
    id.as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}
