//! A store against a model of it, over random histories of appends, commits, orderly ends and crashes.
//!
//! A crash drops the store, gives it back an index as old as the last start (or none at all), and leaves torn bytes
//! after the last marker. What was committed must be there; of what was not, a prefix in order of appending may be.

use std::{collections::BTreeSet, fs, fs::OpenOptions, os::unix::fs::FileExt, path::Path};

use chuan_engine::store::{Object, Store};
use proptest::prelude::*;

use super::support::{chunk, content, copy_dir, name, page, read_back, ref_move, scratch, small, statement};
use crate::DiskStore;

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u8, u16)>),
    Commit,
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
    let objects = proptest::collection::vec((any::<u8>(), 1u16..20_000), 1..12);
    let index = prop_oneof![Just(Index::Kept), Just(Index::Old), Just(Index::Gone)];
    prop_oneof![
        4 => objects.prop_map(Step::Append),
        2 => Just(Step::Commit),
        1 => Just(Step::Reopen),
        2 => (index, 0u16..9000)
            .prop_map(|(keep_index, garbage)| Step::Crash { keep_index, garbage }),
    ]
}

/// An object for a number: the same number is the same object, of any kind.
fn object(seed: u8, len: u16) -> Object {
    match seed % 8 {
        0 => page(seed.into()),
        1 => statement(seed.into()),
        // Refs are numbered by what came before them: see `History::append`.
        2 => Object::Ref(ref_move(len.into())),
        _ => chunk(seed.into(), 1 + usize::from(seed) * 70),
    }
}

#[derive(Default)]
struct History {
    committed: Vec<Object>,
    waiting: Vec<Object>,
}

impl History {
    fn append(&mut self, objects: &[Object]) {
        for object in objects {
            // What comes again is where it was first.
            let again = |held: &Object| !matches!(object, Object::Ref(_)) && name(held) == name(object);
            if !self.committed.iter().chain(&self.waiting).any(again) {
                self.waiting.push(object.clone());
            }
        }
    }

    fn commit(&mut self) {
        self.committed.append(&mut self.waiting);
    }

    /// Checks what a store has after it lost what was not committed, and takes that over.
    fn survive(&mut self, store: &DiskStore) {
        check_all(store, &self.committed, &self.waiting);
        let known: BTreeSet<String> = self.committed.iter().map(name).collect();
        let fresh: Vec<Object> = std::mem::take(&mut self.waiting);
        // The last object that survived: all before it must have.
        let (found, _) = read_back(store, &fresh);
        let last = fresh.iter().rposition(|object| {
            !matches!(object, Object::Ref(_))
                && !known.contains(&name(object))
                && found.contains_key(&name(object))
        });
        let survived = last.map_or(0, |last| last + 1);
        for object in &fresh[..survived] {
            assert!(found.contains_key(&name(object)), "{} was appended before what survived", name(object));
        }
        // A ref behind the last object may have survived too.
        let refs = fresh[survived..]
            .iter()
            .take_while(|object| matches!(object, Object::Ref(_)) || known.contains(&name(object)));
        let held = found.get("ref");
        let refs = refs.collect::<Vec<_>>();
        let also = refs.iter().rposition(|object| held == Some(&content(object))).map_or(0, |at| at + 1);
        self.committed.extend(fresh[..survived + also].iter().cloned());
    }
}

/// All of `committed` must be readable, the ref as its last move or one of those waiting.
fn check_all(store: &DiskStore, committed: &[Object], waiting: &[Object]) {
    let (found, errors) = read_back(store, committed);
    assert!(errors.is_empty(), "{errors:?}");
    for object in committed {
        match object {
            Object::Ref(_) => {}
            other => assert_eq!(found.get(&name(other)), Some(&content(other)), "{} is gone", name(other)),
        }
    }
    let is_ref = |object: &&Object| matches!(object, Object::Ref(_));
    if let Some(last) = committed.iter().rfind(is_ref) {
        let mut allowed = std::iter::once(last).chain(waiting.iter().filter(is_ref)).map(content);
        assert!(allowed.any(|one| Some(&one) == found.get("ref")), "the ref moved back");
    }
    assert!(store.lost().unwrap().is_empty());
}

fn crash(dir: &Path, old_index: &Path, end: Option<(u32, u64)>, index: Index, garbage: u16) {
    let live = dir.join("index");
    match index {
        Index::Kept => {}
        Index::Old => {
            fs::remove_dir_all(&live).unwrap();
            copy_dir(old_index, &live);
        }
        Index::Gone => fs::remove_dir_all(&live).unwrap(),
    }
    if let Some((segment, end)) = end {
        let path = dir.join(format!("segments/{segment:08}.seg"));
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&content(&chunk(garbage.into(), garbage.into())), end).unwrap();
    }
}

fn play(steps: &[Step]) {
    let home = scratch();
    let (dir, old_index) = (home.path().join("store"), home.path().join("old"));
    let mut history = History::default();
    let mut store = Some(DiskStore::open(&dir, small()).unwrap());
    let mut sequence = 0;
    copy_dir(&dir.join("index"), &old_index);
    for step in steps {
        let open = store.as_ref().unwrap();
        match step {
            Step::Append(wanted) => {
                let objects: Vec<Object> = wanted
                    .iter()
                    .map(|(seed, _)| {
                        sequence += 1;
                        object(*seed, sequence)
                    })
                    .collect();
                open.append(objects.clone()).unwrap();
                history.append(&objects);
                continue;
            }
            Step::Commit => {
                open.commit().unwrap();
                history.commit();
                check_all(open, &history.committed, &[]);
                continue;
            }
            Step::Reopen => drop(store.take()),
            Step::Crash { keep_index, garbage } => {
                // Nothing may be written between the look at the end and the drop.
                let end = end_after_drop(&mut store);
                crash(&dir, &old_index, end, *keep_index, *garbage);
            }
        }
        fs::remove_dir_all(&old_index).unwrap();
        if dir.join("index").exists() {
            copy_dir(&dir.join("index"), &old_index);
        } else {
            fs::create_dir_all(&old_index).unwrap();
        }
        let opened = DiskStore::open(&dir, small()).unwrap();
        history.survive(&opened);
        store = Some(opened);
    }
}

/// Drops the store; the end of its open segment, if that is not sealed.
fn end_after_drop(store: &mut Option<DiskStore>) -> Option<(u32, u64)> {
    let open = store.take().unwrap();
    let dir = open.layout().clone();
    drop(open);
    let segment = dir.list_segments().unwrap().pop()?;
    let view = crate::view::View::open(&dir, segment, None).unwrap();
    matches!(view.footer, crate::view::Sealing::Open).then_some((segment, view.len))
}

/// Each case opens several stores: fewer than usual, unless asked for.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_what_was_committed(steps in proptest::collection::vec(step(), 1..25)) {
        play(&steps);
    }
}
