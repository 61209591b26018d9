//! The store compared with a raw file of the same bytes on the same disk: chunks are written until they are
//! durable, and read back, each hashed.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use chuan_benches::process::timed;
use chuan_engine::{
    id::{ChunkId, LibraryId},
    store::{Check, Object, ObjectStores},
};
use chuan_storage::DiskStore;
use chuan_tests::rng::Rng;

use crate::{
    reference,
    report::{Figure, Report},
};

const CHUNK: usize = 64 << 10;
/// The library of the chunks.
const LIBRARY: LibraryId = LibraryId::from_bytes([1; 32]);
/// Chunks in one batch: 2 MiB.
const BATCH: usize = 32;

pub(crate) fn run(report: &mut Report, work: &Path, bytes: u64) -> Result<()> {
    let chunks = chunks(bytes)?;
    let bytes = (chunks.len() * CHUNK) as u64;
    let block = chunks.first().map(|(_, bytes)| bytes.clone()).context("BENCH_BYTES is below one chunk")?;
    let raw = work.join("raw");
    let raw_write = reference::write_raw(&raw, &block, bytes)?;
    let home = work.join("store");
    let ((), put) = timed(|| put(&home, &chunks))?;
    report.add(Figure::StorePut, bytes, put, raw_write);

    let raw_read = reference::read_raw(&raw)?;
    let ((), get) = timed(|| get(&home, &chunks))?;
    report.add(Figure::StoreGet, bytes, get, raw_read);
    fs::remove_file(raw)?;
    Ok(fs::remove_dir_all(home)?)
}

/// Distinct incompressible chunks: a quarter of `bytes`, at most 512 MiB, so that they fit in memory.
fn chunks(bytes: u64) -> Result<Vec<(ChunkId, Bytes)>> {
    const MOST_BYTES: u64 = 512 << 20;
    let count = usize::try_from((bytes / 4).clamp(CHUNK as u64, MOST_BYTES) / CHUNK as u64)?;
    let mut rng = Rng::new(3);
    Ok((0..count)
        .map(|_| {
            let bytes = Bytes::from(rng.bytes(CHUNK));
            (ChunkId::of(&bytes), bytes)
        })
        .collect())
}

fn put(home: &Path, chunks: &[(ChunkId, Bytes)]) -> Result<()> {
    let store = DiskStore::open(home, chuan_storage::Options::default())?;
    let library = store.of(&LIBRARY);
    for batch in chunks.chunks(BATCH) {
        let objects =
            batch.iter().map(|(id, bytes)| Object::Chunk { id: *id, bytes: bytes.clone() }).collect();
        library.append(objects)?;
    }
    Ok(library.commit()?)
}

fn get(home: &Path, chunks: &[(ChunkId, Bytes)]) -> Result<()> {
    let store = DiskStore::open(home, chuan_storage::Options::default())?;
    let library = store.of(&LIBRARY);
    for batch in chunks.chunks(BATCH) {
        let ids: Vec<_> = batch.iter().map(|(id, _)| *id).collect();
        let found = library.read_chunks(&ids, Check::Verify)?;
        ensure!(found.iter().all(Option::is_some), "the store lost a chunk");
    }
    Ok(())
}
