//! Bounds that keep memory small, whatever is stored.

use bytes::Bytes;
use chuan_engine::{
    id::ChunkId,
    limits::SEGMENT_RECORDS,
    store::{
        Check,
        objects::{Object, Objects},
    },
};

use super::support::{films, rebuild, scratch};
use crate::{DiskStore, Options};

/// Symptom: rebuilding the index of a library of five million tiny chunks took 500 MB. Cause: a segment of 64
/// MiB held 650,000 of them, and their footer and index entries are in memory together. Fix: a segment has a
/// maximum number of records.
#[test]
fn a_segment_of_tiny_records_ends_before_its_bytes_are_full() {
    let dir = scratch();
    let number = |n: usize| Bytes::from(n.to_le_bytes().to_vec());
    let object = |n| Object::Chunk { id: ChunkId::of(&number(n)), bytes: number(n) };
    let count = SEGMENT_RECORDS + 1_000;
    let store = DiskStore::open(dir.path(), Options { direct: false, ..Options::default() }).unwrap();
    for first in (0..count).step_by(1_000) {
        films(&store).append((first..count.min(first + 1_000)).map(object).collect()).unwrap();
    }
    films(&store).commit().unwrap();
    assert_eq!(store.stats().unwrap().segments, 2);
    drop(store);

    let report = rebuild(dir.path()).unwrap();
    assert_eq!((report.segments, report.chunks), (2, count as u64));
    let store = DiskStore::open(dir.path(), Options::default()).unwrap();
    let last = ChunkId::of(&number(count - 1));
    assert_eq!(films(&store).read_chunks(&[last], Check::Verify).unwrap(), [Some(number(count - 1))]);
}
