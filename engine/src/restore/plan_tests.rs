//! The plan against a model of the disk: releases, edits by the user, and restores in any order.

mod model;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use self::model::{Model, ModelWalk, Thing, Tree, USERS, beneath};
use super::{
    action::{Action, Disk, Lookup, OnDisk, Reason, Rules, Wanted, content_id},
    plan::{Plan, is_beneath},
    record::Remembered,
    stat::{DiskKind, Mark, Stat},
};
use crate::{
    chunk::Profile,
    error::Result,
    id::ChunkId,
    manifest::{ChunkRef, Content, Entry, EntryKind, EntryPath, LinkTarget, Timestamp},
};

/// A release with the parent folders of all its paths, and with nothing under a file or link.
fn release(things: &[(&str, Thing)]) -> Tree {
    let mut tree = Tree::new();
    for (path, thing) in things {
        let parents: Vec<_> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
        if parents.iter().any(|above| tree.get(*above).is_some_and(|thing| *thing != Thing::Folder))
            || (*thing != Thing::Folder && tree.keys().any(|other| beneath(other, path)))
        {
            continue;
        }
        for above in parents {
            tree.insert(above.to_owned(), Thing::Folder);
        }
        tree.insert((*path).to_owned(), *thing);
    }
    tree
}

fn things(model: &Model) -> Tree {
    model.things.iter().map(|(path, (thing, _))| (path.clone(), *thing)).collect()
}

const FOLDER: Thing = Thing::Folder;

#[test]
fn a_file_becomes_a_folder_and_a_folder_a_file() {
    let mut model = Model::default();
    let one = release(&[("a", Thing::File(1)), ("a.b", Thing::File(2)), ("b/c/d", Thing::File(3))]);
    let two = release(&[("a/x", Thing::File(4)), ("a.b", Thing::File(2)), ("b", Thing::File(5))]);
    for tree in [&one, &two, &one, &two] {
        assert_eq!(model.restore(tree, "", false), []);
        assert_eq!(things(&model), *tree);
    }
}

#[test]
fn a_foreign_thing_in_the_way_stops_what_needs_its_place_and_nothing_else() {
    let one = release(&[("a/x", Thing::File(1)), ("b", Thing::File(1))]);
    let two = release(&[("a", Thing::File(2)), ("b/y", Thing::File(2)), ("c", Thing::File(2))]);
    let mut model = Model::default();
    model.restore(&one, "", false);
    model.edit("a/mine", Some(Thing::File(USERS)));
    model.edit("b", Some(Thing::File(USERS + 1)));
    let before = things(&model);
    let failed = model.restore(&two, "", false);
    let expected = [("a".into(), Reason::FolderInTheWay { foreign: 1 }), ("b".into(), Reason::FileInTheWay)];
    assert_eq!(failed, expected);
    let mut after = before;
    after.insert("c".into(), Thing::File(2));
    assert_eq!(things(&model), after);
    // A folder that could not be replaced stays in the record: once the user moves his own files away, it is
    // replaced.
    model.edit("a/mine", None);
    assert_eq!(model.restore(&two, "", false).len(), 1);
    assert_eq!(things(&model)["a"], Thing::File(2));
    assert_eq!(model.restore(&two, "", true), []);
    assert_eq!(things(&model), two);
}

#[test]
fn equal_size_and_time_are_no_proof_and_the_record_is() {
    let mut model = Model::default();
    let (one, two) = (release(&[("f", Thing::File(1))]), release(&[("f", Thing::File(2))]));
    let proved = |model: &Model, tree: &Tree| match model.plan(tree, "", false).as_slice() {
        [Action::File { is_proved, .. }] => *is_proved,
        other => panic!("{other:?}"),
    };
    model.restore(&one, "", false);
    assert!(proved(&model, &one));
    assert!(!proved(&model, &two));
    model.edit("f", Some(Thing::File(1)));
    assert!(!proved(&model, &one), "the file was touched since");
    model.record.clear();
    assert!(!proved(&model, &one));
}

#[test]
fn unselected_paths_are_neither_touched_nor_forgotten() {
    let one = release(&[("a/x", Thing::File(1)), ("b/y", Thing::File(1)), ("b/z", Thing::File(1))]);
    let two = release(&[("b/y", Thing::File(2))]);
    let mut model = Model::default();
    model.restore(&one, "", false);
    assert_eq!(model.restore(&two, "b", true), []);
    let expected = release(&[("a/x", Thing::File(1)), ("b/y", Thing::File(2))]);
    assert_eq!(things(&model), expected);
    assert!(model.record.contains_key("a/x"));
    // A restore made it, so a restore can replace it.
    assert_eq!(model.restore(&release(&[("a", Thing::File(3))]), "a", false), []);
}

#[test]
fn folders_above_what_is_selected_are_made_as_the_release_has_them() {
    let tree = release(&[("a/b/x", Thing::File(1)), ("a.c", Thing::File(1))]);
    let mut model = Model::default();
    let actions = model.plan(&tree, "a/b/x", false);
    let made: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Folder { wanted, .. } => Some(wanted.path.as_str()),
            Action::EndFolder { path, .. } => Some(path.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(made, ["a", "a/b", "a/b", "a"]);
    assert_eq!(model.restore(&tree, "a/b/x", false), []);
    assert_eq!(things(&model), release(&[("a/b/x", Thing::File(1))]));
}

#[test]
fn a_foreign_folder_is_not_entered_and_goes_as_one() {
    let mut model = Model::default();
    model.edit("mine/deep/f", Some(Thing::File(USERS)));
    let tree = release(&[("a", Thing::File(1))]);
    let stays = |action: &Action| matches!(action, Action::Stays { path, .. } if path == b"mine");
    assert_eq!(model.plan(&tree, "", false).iter().filter(|action| stays(action)).count(), 1);
    assert_eq!(model.plan(&tree, "", false).len(), 2);
    let trees = |action: &Action| matches!(action, Action::RemoveTree(disk) if disk.path == b"mine");
    assert_eq!(model.plan(&tree, "", true).iter().filter(|action| trees(action)).count(), 1);
}

/// A home in a folder of the release is not changed, and the release's paths in it are counted.
#[test]
fn a_home_on_a_path_of_the_release_is_not_touched() {
    struct WithHome(ModelWalk);
    impl Disk for WithHome {
        fn next(&mut self) -> Result<Option<Lookup>> {
            if self.0.inside.as_deref() == Some(b"h") {
                self.0.pass_over();
                let (path, reason) = (b"h".to_vec(), super::action::Closed::Home);
                return Ok(Some(Lookup::Closed { path, reason }));
            }
            self.0.next()
        }

        fn pass_over(&mut self) {
            self.0.pass_over();
        }
    }
    let mut model = Model::default();
    model.edit("h/chuan.toml", Some(Thing::File(USERS)));
    let tree = release(&[("h/x", Thing::File(1)), ("h/y", Thing::File(1)), ("i", Thing::File(1))]);
    let list: Vec<_> = tree
        .iter()
        .map(|(path, thing)| {
            let path = EntryPath::new(path.clone()).unwrap();
            Wanted { entry: thing.entry(path.as_str()), path, above: vec![] }
        })
        .collect();
    for deletes in [false, true] {
        let rules = Rules { deletes };
        let plan = Plan::new(
            list.iter().cloned().map(Ok).collect::<Vec<_>>(),
            [],
            WithHome(model.walk()),
            |_| true,
            rules,
        );
        let actions: Vec<_> = plan.collect::<Result<_>>().unwrap();
        let failed = Action::Failed { path: b"h".to_vec(), reason: Reason::Home, beneath: 2 };
        assert!(actions.contains(&failed), "{actions:?}");
        let touches = |action: &Action| match action {
            Action::File { wanted, .. } => wanted.path.as_str().starts_with("h/"),
            Action::Remove(_) | Action::RemoveTree(_) | Action::RemoveFolder(_) => true,
            _ => false,
        };
        assert!(!actions.iter().any(touches), "{actions:?}");
    }
}

/// Paths that sort before, between and after one another in every way.
fn path() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec!["a", "a.b", "a0", "b"]);
    prop::collection::vec(names, 1..4).prop_map(|names| names.join("/"))
}

fn thing(from: u8) -> impl Strategy<Value = Thing> {
    prop_oneof![Just(FOLDER), (from..from + 3).prop_map(Thing::File), (from..from + 2).prop_map(Thing::Link)]
}

#[derive(Clone, Debug)]
enum Event {
    Restore { things: Vec<(String, Thing)>, selected: String, deletes: bool },
    Edit(String, Option<Thing>),
}

fn event() -> impl Strategy<Value = Event> {
    let things = prop::collection::vec((path(), thing(0)), 0..8);
    let selected = prop_oneof![3 => Just(String::new()), 1 => path()];
    let restore = (things, selected, any::<bool>());
    prop_oneof![
        restore.prop_map(|(things, selected, deletes)| Event::Restore { things, selected, deletes }),
        (path(), prop::option::of(thing(USERS))).prop_map(|(path, thing)| Event::Edit(path, thing)),
    ]
}

/// Checks the invariants of a restore, given the state before it.
fn check(
    before: &Model,
    after: &Model,
    wanted: &Tree,
    selected: &str,
    deletes: bool,
    failed: &[(String, Reason)],
) {
    let is_selected = |path: &str| is_selected(path, selected);
    let has_failed = |path: &str| failed.iter().any(|(failed, _)| path == failed || beneath(path, failed));
    for (path, thing) in wanted.iter().filter(|(path, _)| is_selected(path)) {
        let now = after.things.get(path).map(|(thing, _)| *thing);
        assert!(now == Some(*thing) || has_failed(path), "{path}: {now:?} is not {thing:?}");
    }
    for (path, (thing, _)) in &before.things {
        let now = after.things.get(path).map(|(thing, _)| *thing);
        let may_go = match thing {
            // A file or link of the release replaces any file or link.
            Thing::File(_) | Thing::Link(_) => wanted.get(path).is_some_and(|wanted| *wanted != FOLDER),
            Thing::Folder => false,
        };
        let was_restored = before
            .record
            .get(path)
            .is_some_and(|one| one.kind == EntryKind::Folder || one.mark == before.things[path].1.mark);
        // Otherwise only items of a restore are removed, and only for an item that needs their place.
        let is_needed = wanted.iter().any(|(other, wanted)| {
            (other == path && wanted.kind() != thing.kind()) || (*wanted != FOLDER && beneath(path, other))
        });
        let may_go = may_go || deletes || (was_restored && is_needed);
        assert!(now == Some(*thing) || (may_go && is_selected(path)), "{path} was removed: {thing:?}");
    }
    if deletes && failed.is_empty() {
        for path in after.things.keys().filter(|path| is_selected(path)) {
            assert!(wanted.contains_key(path), "{path} is not of the release");
        }
    }
    if deletes && selected.is_empty() {
        assert_eq!(failed, []);
    }
}

fn is_selected(path: &str, selected: &str) -> bool {
    selected.is_empty() || path == selected || beneath(path, selected)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_restores_and_edits_in_any_order(events in prop::collection::vec(event(), 1..12)) {
        let mut model = Model::default();
        for event in events {
            match event {
                Event::Edit(path, thing) => model.edit(&path, thing),
                Event::Restore { things, selected, deletes } => {
                    let things: Vec<_> = things.iter().map(|(path, thing)| (path.as_str(), *thing)).collect();
                    let tree = release(&things);
                    // A restore with an empty selection is refused before it is planned.
                    if !selected.is_empty() && !tree.keys().any(|path| is_selected(path, &selected)) {
                        continue;
                    }
                    let before = model.clone();
                    let failed = model.restore(&tree, &selected, deletes);
                    check(&before, &model, &tree, &selected, deletes, &failed);
                    // The record equals the disk.
                    let on_disk = |one: &Remembered| model.things.get(&one.path).map(|(_, stat)| stat.mark);
                    for one in model.record.values().filter(|one| one.kind != EntryKind::Folder) {
                        prop_assert!(on_disk(one).is_none_or(|mark| mark == one.mark), "{}", one.path);
                    }
                    let again = model.plan(&tree, &selected, deletes);
                    let moves = |action: &Action| match action {
                        Action::File { is_proved, .. } => !is_proved,
                        Action::Remove(_) | Action::RemoveTree(_) | Action::RemoveFolder(_) => true,
                        _ => false,
                    };
                    let moved: BTreeSet<_> = again.iter().filter(|action| moves(action)).map(|a| format!("{a:?}")).collect();
                    prop_assert!(moved.is_empty() || !failed.is_empty(), "{moved:?}");
                }
            }
        }
    }
}

/// A prepared listing of a disk, with errors.
struct Listed(std::collections::VecDeque<Lookup>);

impl Disk for Listed {
    fn next(&mut self) -> Result<Option<Lookup>> {
        Ok(self.0.pop_front())
    }

    fn pass_over(&mut self) {}
}

fn listed(path: &str, thing: Thing) -> Lookup {
    let stat = Stat { kind: thing.kind(), mode: 0o755, ..Stat::default() };
    Lookup::Item(OnDisk { path: path.into(), stat })
}

fn plan_listed(tree: &Tree, last: Vec<Remembered>, lookups: Vec<Lookup>, deletes: bool) -> Vec<Action> {
    let wanted = tree.iter().map(|(path, thing)| {
        let path = EntryPath::new(path.clone()).unwrap();
        Ok(Wanted { entry: thing.entry(path.as_str()), path, above: vec![] })
    });
    let wanted: Vec<_> = wanted.collect();
    Plan::new(wanted, last, Listed(lookups.into()), |_| true, Rules { deletes })
        .collect::<Result<_>>()
        .unwrap()
}

fn failures(actions: &[Action]) -> Vec<(String, u64)> {
    let failed = actions.iter().filter_map(|action| match action {
        Action::Failed { path, reason: Reason::Unreadable(reason), beneath } => {
            assert!(reason.contains("EIO"), "{reason}");
            Some((model::text(path), *beneath))
        }
        _ => None,
    });
    failed.collect()
}

fn writes(actions: &[Action]) -> Vec<&str> {
    let written = actions.iter().filter_map(|action| match action {
        Action::File { wanted, .. } => Some(wanted.path.as_str()),
        Action::Remove(_) | Action::RemoveTree(_) | Action::RemoveFolder(_) => panic!("{action:?}"),
        _ => None,
    });
    written.collect()
}

/// Symptom: one read error of the disk ended the plan and the restore.
#[test]
fn unreadable_paths_fail_and_the_rest_goes_on() {
    let files = ["a/u/x", "a/u/y", "a/v", "b", "c/x", "m/x", "m/y"];
    let tree: Tree = files.into_iter().map(|path| (path.to_owned(), Thing::File(1))).collect();
    let unknown = |path: &str| Lookup::Unknown { path: path.into(), reason: "EIO".into() };
    let closed = |path: &str| Lookup::Closed {
        path: path.into(),
        reason: super::action::Closed::Unreadable("EIO".into()),
    };
    let lookups = || {
        vec![
            listed("a", FOLDER),
            Lookup::Inside("a".into()),
            unknown("a/u"),
            Lookup::Inside("a/u".into()),
            unknown("b"),
            listed("c", FOLDER),
            closed("c"),
            unknown("d"),
            listed("m", FOLDER),
            Lookup::Inside("m".into()),
            listed("m/x", Thing::File(1)),
            // The rest of the folder could not be listed.
            closed("m"),
        ]
    };
    let last = Remembered { path: "a/u/x".into(), kind: EntryKind::File, ..left() };
    for deletes in [false, true] {
        let actions = plan_listed(&tree, vec![last.clone()], lookups(), deletes);
        let mut expected = vec![("a/u", 2), ("b", 0), ("c", 1), ("m", 1)];
        if deletes {
            expected.insert(3, ("d", 0));
        }
        let failed = failures(&actions);
        let failed: Vec<_> = failed.iter().map(|(path, beneath)| (path.as_str(), *beneath)).collect();
        assert_eq!(
            failed.iter().map(|(path, _)| *path).collect::<Vec<_>>(),
            expected.iter().map(|(path, _)| *path).collect::<Vec<_>>()
        );
        assert_eq!(failed[..3], expected[..3]);
        assert_eq!(writes(&actions), ["a/v", "m/x"]);
        assert!(actions.contains(&Action::Carry(last.clone())), "it may still stand");
    }
}

fn left() -> Remembered {
    let (path, kind) = (String::new(), EntryKind::Folder);
    Remembered { path, kind, mark: Mark::default(), content: ChunkId::of(b""), is_linked: false }
}

/// If the rest of a folder cannot be listed, a folder in it may contain foreign items, so it is not replaced.
#[test]
fn a_folder_that_was_not_fully_listed_is_not_replaced() {
    let tree: Tree = [("m/x".to_owned(), Thing::File(1))].into();
    let last = ["m", "m/x"].map(|path| Remembered { path: path.into(), ..left() });
    let lookups = vec![
        listed("m", FOLDER),
        Lookup::Inside("m".into()),
        listed("m/x", FOLDER),
        Lookup::Closed { path: "m".into(), reason: super::action::Closed::Unreadable("EIO".into()) },
    ];
    let actions = plan_listed(&tree, last.into(), lookups, false);
    assert!(writes(&actions).is_empty(), "{actions:?}");
    let is_kept = |action: &Action| matches!(action, Action::Failed { path, .. } if path == b"m/x");
    assert!(actions.iter().any(is_kept), "{actions:?}");
}
