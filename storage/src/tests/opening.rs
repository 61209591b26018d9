//! The work of an open after a kill, counted: it must not grow with the store.

use std::{fs, path::Path};

use bytes::Bytes;
use chuan_engine::{
    Result,
    id::{ChunkId, PageId, Salt},
    manifest::{
        ChunkRef, Content, Entry, EntryKind, EntryPath, PageSink, Timestamp,
        builder::EntryTreeBuilder,
        table::{ClassHeader, DEFAULT_CLASS},
    },
    store::{
        PageState,
        objects::{Object, Objects},
    },
    verify::{Missing, mark_full},
};

use super::support::{FILMS, copy_dir, films, scratch};
use crate::{
    DiskStore, Options,
    index::{self, Generation, Index},
    layout::Layout,
    objects::LibraryObjects,
    recover::{self, Until},
};

/// More records than all memory of the index holds, at its smallest entry.
const RECORDS: u64 = 400_000;
/// The most records that an open may index again: 16 MiB of entries at 100 bytes each.
const REPLAYED: u64 = 16 * 1024 * 1024 / 100;

fn number(n: u64) -> Object {
    let bytes = Bytes::from(n.to_le_bytes().to_vec());
    Object::Chunk { id: ChunkId::of(&bytes), bytes }
}

/// Copies a store that is open, as a kill would leave it. Repeated where the index changed its files
/// meanwhile.
fn killed(dir: &Path, copy: &Path) {
    let names = || super::support::files(&dir.join("index"));
    loop {
        let _ = fs::remove_dir_all(copy);
        let before = names();
        if std::panic::catch_unwind(|| copy_dir(dir, copy)).is_ok() && names() == before {
            return;
        }
    }
}

/// The index has no journal, so an open reads from the segments what it had not flushed. That must be bounded
/// by its memory, whatever the store holds.
#[test]
fn an_open_after_a_kill_indexes_no_more_than_the_index_had_in_memory() {
    let home = scratch();
    let (dir, copy) = (home.path().join("a"), home.path().join("b"));
    let store = DiskStore::open(&dir, Options { direct: false, ..Options::default() }).unwrap();
    for first in (0..RECORDS).step_by(1_000) {
        films(&store).append((first..first + 1_000).map(number).collect()).unwrap();
    }
    films(&store).commit().unwrap();
    killed(&dir, &copy);

    let layout = Layout::new(&copy);
    let generation = Generation::current(&layout.index()).unwrap();
    let index = Index::open(generation, &index::cache(), Default::default()).unwrap();
    let recovered = recover::recover(&layout, &index, Until::End, &|_, _| {}).unwrap();
    assert!(recovered.damage.is_empty());
    assert!(recovered.records < REPLAYED, "{} records were indexed again", recovered.records);
    assert_eq!(index.totals()[&FILMS].chunks, RECORDS);
}

/// Symptom: the first command after a publish of five million chunks and a kill took 36 s. Cause: marks were
/// only in the memory of the index, so the open walked the whole release again. Fix: the marks of a long walk
/// are flushed at its end.
#[test]
fn an_open_after_a_kill_does_not_walk_a_marked_release_again() {
    let home = scratch();
    let (dir, copy) = (home.path().join("a"), home.path().join("b"));
    let store = DiskStore::open(&dir, Options { direct: false, ..Options::default() }).unwrap();
    let header = release(&films(&store), 6_000);
    let commitment = header.id(&FILMS);
    let walked = mark_full(&films(&store), &commitment, &mut Missing::up_to(1)).unwrap();
    assert_eq!((walked.state, walked.chunks), (PageState::Full, 6_000));
    killed(&dir, &copy);

    let opened = DiskStore::open(&copy, Options::default()).unwrap();
    let state = films(&opened).page_states(&[commitment.as_page()]).unwrap();
    assert_eq!(state, [PageState::Full], "the mark is gone");
    let again = mark_full(&films(&opened), &commitment, &mut Missing::up_to(1)).unwrap();
    assert_eq!((again.pages, again.chunks), (1, 0), "it was walked again");
}

/// Stores a class of small files of one chunk each, and its header.
fn release(objects: &LibraryObjects, files: u64) -> ClassHeader {
    let (slot, name) = DEFAULT_CLASS;
    let mut tree = EntryTreeBuilder::new(FILMS, slot).unwrap();
    for file in 0..files {
        let object = number(file);
        let Object::Chunk { id, bytes } = &object else { unreachable!() };
        let chunk = ChunkRef { id: *id, len: bytes.len().try_into().unwrap() };
        objects.append(vec![object]).unwrap();
        tree.push(EntryPath::new(format!("{file:08}.jpg")).unwrap(), &small_file(chunk), &mut Sink(objects))
            .unwrap();
    }
    let tree = tree.finish(&mut Sink(objects)).unwrap();
    let header = ClassHeader {
        name: name.to_owned(),
        slot,
        salt: Salt::from_bytes([1; 32]),
        root: tree.root,
        level: tree.level,
        sums: tree.sums,
        policy: Vec::new(),
    };
    let page = Object::Page { id: header.id(&FILMS).as_page(), bytes: header.encode().into() };
    objects.append(vec![page]).unwrap();
    objects.commit().unwrap();
    header
}

fn small_file(chunk: ChunkRef) -> Entry {
    Entry {
        kind: EntryKind::File,
        size: chunk.len.into(),
        mtime: Timestamp { seconds: 1_800_000_000, nanos: 0 },
        mode: 0o644,
        profile: chuan_engine::chunk::Profile::Fine,
        content: Content::Inline(vec![chunk]),
        target: None,
        extensions: Vec::new(),
    }
}

struct Sink<'a>(&'a LibraryObjects);

impl PageSink for Sink<'_> {
    fn put(&mut self, id: PageId, bytes: Bytes) -> Result<()> {
        self.0.append(vec![Object::Page { id, bytes }]).map(drop)
    }
}
