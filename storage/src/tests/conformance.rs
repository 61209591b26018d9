//! The engine's conformance suite over a store on disk, direct and buffered, with large and with tiny segments.

use std::{fs::OpenOptions, os::unix::fs::FileExt, sync::atomic::Ordering};

use chuan_engine::{
    segment::RECORD_HEADER_BYTES,
    store::{
        LostId, Store,
        conformance::{self, Subject},
    },
};

use crate::{DiskStore, Options};

struct Disk {
    dir: tempfile::TempDir,
    options: Options,
    store: Option<DiskStore>,
}

impl Disk {
    fn make(options: Options) -> Box<dyn Subject> {
        let dir = tempfile::tempdir().unwrap();
        let store = DiskStore::open(dir.path(), options.clone()).unwrap();
        Box::new(Self { dir, options, store: Some(store) })
    }
}

impl Subject for Disk {
    fn store(&self) -> &dyn Store {
        self.store.as_ref().unwrap()
    }

    fn crash(&mut self) {
        self.store = None;
        self.options.faults = Default::default();
        self.store = Some(DiskStore::open(self.dir.path(), self.options.clone()).unwrap());
    }

    fn damage(&mut self, id: LostId) {
        let store = self.store.as_ref().unwrap();
        let location = match id {
            LostId::Chunk(id) => store.index().chunks(&[id]).unwrap()[0].unwrap(),
            LostId::Page(id) => store.index().pages(&[id]).unwrap()[0].unwrap(),
            LostId::Statement(_) => unreachable!(),
        };
        let path = store.layout().segment(location.segment);
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let at = u64::from(location.offset) + RECORD_HEADER_BYTES as u64 + u64::from(location.stored_len / 2);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
        file.sync_all().unwrap();
    }

    fn poison(&mut self) {
        self.options.faults.fail_sync.store(true, Ordering::Relaxed);
        let _ = self.store().refs();
        let object = chuan_engine::store::Object::Chunk {
            id: chuan_engine::id::ChunkId::of(b"never durable"),
            bytes: bytes::Bytes::from_static(b"never durable"),
        };
        self.store().append(vec![object]).unwrap();
        assert!(self.store().commit().is_err());
    }
}

#[test]
fn keeps_every_promise_with_direct_writes() {
    conformance::run(&|| Disk::make(Options::default()));
}

#[test]
fn keeps_every_promise_with_buffered_writes() {
    conformance::run(&|| Disk::make(Options { direct: false, ..Options::default() }));
}

#[test]
fn keeps_every_promise_with_small_segments() {
    conformance::run(&|| {
        Disk::make(Options { segment_bytes: 512 * 1024, group_bytes: 64 * 1024, ..Options::default() })
    });
}
