//! A store against a model of it, over random histories of several libraries: appends, commits, rebuilds,
//! orderly ends and crashes.
//!
//! A crash drops the store, restores an index as old as the last start (or none), and leaves torn bytes after
//! the last marker of each library. Every committed object must be there; of the others, a prefix in order of
//! appending may be. No object appended to one library is ever seen in another.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    fs::OpenOptions,
    os::unix::fs::FileExt,
    path::Path,
};

use chuan_engine::{
    id::LibraryId,
    store::{
        PageState,
        objects::{Object, Objects},
    },
};
use proptest::prelude::*;

use super::support::{
    chunk, content, contents, copy_dir, library_id, name, page_of, read_back, scratch, small,
};
use crate::{
    DiskStore,
    layout::Layout,
    objects::LibraryObjects,
    view::{Sealing, SegmentView},
};

const LIBRARIES: u8 = 3;

#[derive(Clone, Debug)]
enum Step {
    Append(u8, Vec<u8>),
    Commit(u8),
    Rebuild,
    Reopen,
    Crash { keep_index: Index, garbage: u16 },
}

#[derive(Clone, Copy, Debug)]
enum Index {
    Kept,
    Old,
    Gone,
}

fn step() -> impl Strategy<Value = Step> {
    let objects = proptest::collection::vec(any::<u8>(), 1..12);
    let index = prop_oneof![Just(Index::Kept), Just(Index::Old), Just(Index::Gone)];
    prop_oneof![
        6 => (0..LIBRARIES, objects).prop_map(|(library, objects)| Step::Append(library, objects)),
        3 => (0..LIBRARIES).prop_map(Step::Commit),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Reopen),
        2 => (index, 0u16..9000)
            .prop_map(|(keep_index, garbage)| Step::Crash { keep_index, garbage }),
    ]
}

/// The object for a number: the same number gives the same object, and the same chunk in all libraries.
fn object(library: u8, seed: u8) -> Object {
    match seed % 8 {
        0 => page_of(&library_id(library), seed.into()),
        _ => chunk(seed.into(), 1 + usize::from(seed) * 70),
    }
}

/// The objects that a library was given.
#[derive(Default)]
struct History {
    committed: Vec<Object>,
    waiting: Vec<Object>,
}

impl History {
    fn append(&mut self, objects: &[Object]) {
        for object in objects {
            // An object that was appended before keeps its first position.
            if !self.all().any(|held| name(held) == name(object)) {
                self.waiting.push(object.clone());
            }
        }
    }

    fn commit(&mut self) {
        self.committed.append(&mut self.waiting);
    }

    fn all(&self) -> impl Iterator<Item = &Object> {
        self.committed.iter().chain(&self.waiting)
    }

    /// Checks a library after it lost its uncommitted objects, and continues with those that survived.
    fn survive(&mut self, library: &LibraryObjects) {
        self.check(library);
        let fresh: Vec<Object> = std::mem::take(&mut self.waiting);
        // The last object that survived: all objects before it must have survived too.
        let (found, _) = read_back(library, &fresh);
        let survived =
            fresh.iter().rposition(|object| found.contains_key(&name(object))).map_or(0, |at| at + 1);
        for object in &fresh[..survived] {
            assert!(
                found.contains_key(&name(object)),
                "{} was appended before an object that survived",
                name(object)
            );
        }
        self.committed.extend_from_slice(&fresh[..survived]);
    }

    /// Every committed object is readable, and no object is seen that the library was not given.
    fn check(&self, library: &LibraryObjects) {
        let (found, errors) = read_back(library, &self.committed);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(found, contents(&self.committed));
        assert!(library.lost().unwrap().is_empty());
        let given: BTreeSet<String> = self.all().map(name).collect();
        let all = (0..LIBRARIES).flat_map(|other| (0..=u8::MAX).map(move |seed| object(other, seed)));
        for object in all.filter(|object| !given.contains(&name(object))) {
            let is_seen = match object {
                Object::Chunk { id, .. } => library.has_chunks(&[id]).unwrap() != [false],
                Object::Page { id, .. } => library.page_states(&[id]).unwrap() != [PageState::Absent],
            };
            assert!(!is_seen, "{} of another library is seen in {:?}", name(&object), library.library());
        }
    }
}

/// The effects of a crash: an older index, and torn bytes after the end of each library.
fn crash(dir: &Path, old_index: &Path, index: Index, garbage: u16) {
    let live = dir.join("index");
    match index {
        Index::Kept => {}
        Index::Old => {
            fs::remove_dir_all(&live).unwrap();
            copy_dir(old_index, &live);
        }
        Index::Gone => fs::remove_dir_all(&live).unwrap(),
    }
    for (view, _) in ends(dir).values() {
        let file = OpenOptions::new().write(true).open(&view.path).unwrap();
        file.write_all_at(&content(&chunk(garbage.into(), garbage.into())), view.len).unwrap();
    }
}

/// The last segment of each library, if it is not sealed.
fn ends(dir: &Path) -> BTreeMap<LibraryId, (SegmentView, u32)> {
    let layout = Layout::new(dir);
    let mut ends = BTreeMap::new();
    for number in layout.list_segments().unwrap() {
        let view = SegmentView::open(&layout, number, None).unwrap();
        let library = view.name.unwrap().library;
        ends.insert(library, (view, number));
    }
    ends.retain(|_, (view, _)| matches!(view.footer, Sealing::Open));
    ends
}

fn play(steps: &[Step]) {
    let home = scratch();
    let (dir, old_index) = (home.path().join("store"), home.path().join("old"));
    let mut histories: BTreeMap<u8, History> = (0..LIBRARIES).map(|at| (at, History::default())).collect();
    let mut store = Some(DiskStore::open(&dir, small()).unwrap());
    copy_dir(&dir.join("index"), &old_index);
    for step in steps {
        let open = store.as_ref().unwrap();
        match step {
            Step::Append(library, seeds) => {
                let objects: Vec<Object> = seeds.iter().map(|seed| object(*library, *seed)).collect();
                open.library(library_id(*library)).append(objects.clone()).unwrap();
                histories.get_mut(library).unwrap().append(&objects);
                continue;
            }
            Step::Commit(library) => {
                let history = histories.get_mut(library).unwrap();
                open.library(library_id(*library)).commit().unwrap();
                history.commit();
                history.check(&open.library(library_id(*library)));
                continue;
            }
            Step::Rebuild => {
                let report = open.rebuild(&|_, _| {}).unwrap();
                assert_eq!(report.damage, []);
                for (library, history) in &histories {
                    history.check(&open.library(library_id(*library)));
                }
                continue;
            }
            Step::Reopen => drop(store.take()),
            Step::Crash { keep_index, garbage } => {
                drop(store.take());
                crash(&dir, &old_index, *keep_index, *garbage);
            }
        }
        fs::remove_dir_all(&old_index).unwrap();
        if dir.join("index").exists() {
            copy_dir(&dir.join("index"), &old_index);
        } else {
            fs::create_dir_all(&old_index).unwrap();
        }
        let opened = DiskStore::open(&dir, small()).unwrap();
        for (library, history) in &mut histories {
            history.survive(&opened.library(library_id(*library)));
        }
        store = Some(opened);
    }
}

/// Each case opens several stores, so there are fewer cases than usual unless set otherwise.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_what_was_committed(steps in proptest::collection::vec(step(), 1..30)) {
        play(&steps);
    }
}
