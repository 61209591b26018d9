//! The engine's conformance suite over a store on disk, direct and buffered, with large and with tiny
//! segments.

use std::{fs, fs::OpenOptions, os::unix::fs::FileExt, sync::Arc, sync::atomic::Ordering};

use bytes::Bytes;
use chuan_engine::{
    id::{ChunkId, LibraryId},
    segment::RECORD_HEADER_BYTES,
    store::{
        conformance::objects::{Subject, run},
        objects::{Object, ObjectId, ObjectStores, Objects},
    },
};

use crate::{DiskStore, Options, Poison, entry::Indexed};

struct Disk {
    dir: tempfile::TempDir,
    options: Options,
    store: Option<DiskStore>,
}

impl Disk {
    fn make(options: Options) -> Box<Self> {
        let dir = tempfile::tempdir().unwrap();
        let store = DiskStore::open(dir.path(), options.clone()).unwrap();
        Box::new(Self { dir, options, store: Some(store) })
    }

    fn open(&self) -> &DiskStore {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self, index: bool) {
        self.store = None;
        if !index {
            fs::remove_dir_all(self.dir.path().join("index")).unwrap();
        }
        self.options.faults = Arc::default();
        self.options.poison = Poison::default();
        self.store = Some(DiskStore::open(self.dir.path(), self.options.clone()).unwrap());
    }

    fn flip(&self, library: &LibraryId, record: Indexed) {
        let store = self.open();
        let index = store.inner().index.get().unwrap();
        let location = index.locate(library, &[record]).unwrap()[0].unwrap();
        let path = store.inner().layout.segment(location.segment);
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let at = u64::from(location.offset) + RECORD_HEADER_BYTES as u64 + u64::from(location.stored_len / 2);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
        file.sync_all().unwrap();
    }

    /// Makes a write fail, in a library that the suite does not use.
    fn fail_a_sync(&self) {
        self.options.faults.fail_sync.store(true, Ordering::Relaxed);
        let bytes = Bytes::from_static(b"never durable");
        let other = self.open().of(&LibraryId::from_bytes([0xee; 32]));
        other.append(vec![Object::Chunk { id: ChunkId::of(&bytes), bytes }]).unwrap();
        assert!(other.commit().is_err());
    }
}

impl Subject for Disk {
    fn of(&self, library: &LibraryId) -> Arc<dyn Objects> {
        self.open().of(library)
    }

    fn crash(&mut self) {
        self.reopen(true);
    }

    fn rebuild(&mut self) {
        self.reopen(false);
        self.open().rebuild(&|_, _| {}).unwrap();
    }

    fn damage(&mut self, library: &LibraryId, id: ObjectId) {
        self.flip(
            library,
            match id {
                ObjectId::Chunk(id) => Indexed::Chunk(id),
                ObjectId::Page(id) => Indexed::Page(id),
            },
        );
    }

    fn poison(&mut self) {
        self.fail_a_sync();
    }
}

fn keeps_every_guarantee(options: &Options) {
    run(&|| Disk::make(options.clone()));
}

#[test]
fn keeps_every_guarantee_with_direct_writes() {
    keeps_every_guarantee(&Options::default());
}

#[test]
fn keeps_every_guarantee_with_buffered_writes() {
    keeps_every_guarantee(&Options { direct: false, ..Options::default() });
}

#[test]
fn keeps_every_guarantee_with_small_segments() {
    keeps_every_guarantee(&Options {
        segment_bytes: 512 * 1024,
        group_bytes: 64 * 1024,
        ..Options::default()
    });
}
