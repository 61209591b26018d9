//! Objects to store, directories to store them in, and a capture of the log.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use bytes::Bytes;
use chuan_engine::{
    Result,
    id::{ChunkId, LibraryId, PageId},
    store::{
        Check,
        objects::{Object, ObjectId, Objects},
    },
};
use tracing::{Event, Level, Metadata, Subscriber, field, span};

use crate::{DiskStore, Options, objects::LibraryObjects, rebuild::RebuildReport, scrub::ScrubReport};

/// The library of tests that need only one.
pub(super) const FILMS: LibraryId = LibraryId::from_bytes([0xf1; 32]);

/// The objects of that library.
pub(super) fn films(store: &DiskStore) -> LibraryObjects {
    store.library(FILMS)
}

/// The library with this number.
pub(super) fn library_id(number: u8) -> LibraryId {
    LibraryId::from_bytes([number; 32])
}

/// A directory for tests that do not depend on the disk: in memory if there is room.
pub(super) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Small segments and groups, so that a small store has many.
pub(super) fn small() -> Options {
    Options { segment_bytes: 256 * 1024, group_bytes: 32 * 1024, direct: false, ..Options::default() }
}

/// A generator of numbers that a seed repeats.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 20) % bound
    }
}

pub(super) fn chunk(seed: u64, len: usize) -> Object {
    let mut numbers = Numbers(seed);
    let bytes: Bytes = (0..len).map(|_| numbers.below(256) as u8).collect();
    Object::Chunk { id: ChunkId::of(&bytes), bytes }
}

pub(super) fn page(seed: u64) -> Object {
    page_of(&FILMS, seed)
}

pub(super) fn page_of(library: &LibraryId, seed: u64) -> Object {
    let bytes = Bytes::from(format!("page {seed} ").repeat(30));
    Object::Page { id: PageId::of(library, &bytes), bytes }
}

/// An object's name and bytes, to compare stores.
pub(super) type Contents = BTreeMap<String, Vec<u8>>;

pub(super) fn object_id(object: &Object) -> ObjectId {
    match object {
        Object::Chunk { id, .. } => ObjectId::Chunk(*id),
        Object::Page { id, .. } => ObjectId::Page(*id),
    }
}

pub(super) fn name(object: &Object) -> String {
    format!("{:?}", object_id(object))
}

pub(super) fn content(object: &Object) -> Vec<u8> {
    match object {
        Object::Chunk { bytes, .. } | Object::Page { bytes, .. } => bytes.to_vec(),
    }
}

pub(super) fn contents(objects: &[Object]) -> Contents {
    objects.iter().map(|object| (name(object), content(object))).collect()
}

/// Appends and commits.
pub(super) fn put(library: &LibraryObjects, objects: &[Object]) {
    library.append(objects.to_vec()).unwrap();
    library.commit().unwrap();
}

/// Reads those of `objects` that a library has, one by one. Also returns the errors.
pub(super) fn read_back(library: &LibraryObjects, objects: &[Object]) -> (Contents, Vec<String>) {
    let mut found = Contents::new();
    let mut errors = Vec::new();
    for object in objects {
        match read(library, object) {
            Ok(Some(bytes)) => {
                found.insert(name(object), bytes);
            }
            Ok(None) => {}
            Err(error) => errors.push(error.to_string()),
        }
    }
    (found, errors)
}

fn read(library: &LibraryObjects, object: &Object) -> Result<Option<Vec<u8>>> {
    let bytes = match object {
        Object::Chunk { id, .. } => library.read_chunks(&[*id], Check::Verify)?.remove(0),
        Object::Page { id, .. } => library.read_pages(&[*id])?.remove(0),
    };
    Ok(bytes.map(|bytes| bytes.to_vec()))
}

/// Opens a store, rebuilds its index and closes it.
pub(super) fn rebuild(dir: &Path) -> Result<RebuildReport> {
    DiskStore::open(dir, small())?.rebuild(&|_, _| {})
}

/// Reads everything.
pub(super) fn scrub(store: &DiskStore) -> Result<ScrubReport> {
    store.scrub(&|_, _| {}, &AtomicBool::new(false))
}

pub(super) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// All files below a directory, with their lengths.
pub(super) fn files(dir: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.path(), entry.metadata().unwrap().len()));
        }
    }
    found.sort();
    found
}

pub(super) fn flip(path: &Path, offset: u64, bit: u8) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << bit)], offset).unwrap();
}

/// Runs something and returns its result and its log at level warn or error, on this thread.
pub(super) fn capture_log<T>(run: impl FnOnce() -> T) -> (T, Vec<String>) {
    let logged = Arc::new(Mutex::new(Vec::new()));
    let result = tracing::subscriber::with_default(LogCapture(logged.clone()), run);
    let logged = std::mem::take(&mut *logged.lock().unwrap());
    (result, logged)
}

struct LogCapture(Arc<Mutex<Vec<String>>>);

impl Subscriber for LogCapture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl field::Visit for Text {
            fn record_debug(&mut self, _: &field::Field, value: &dyn fmt::Debug) {
                write!(self.0, "{value:?}").unwrap();
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
