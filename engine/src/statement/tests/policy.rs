//! The choice of the effective policy.

use super::*;
use crate::{
    limits::{POLICIES_PER_KEY, SEQUENCE_JUMP},
    statement::{ClassPolicy, ConflictKind, Field, Policy, RoleKind, Root},
};

fn priority(priority: u8) -> Policy {
    let row = ClassPolicy { priority, ..ClassPolicy::default() };
    Policy { classes: [(0, row)].into(), ..Policy::default() }
}

fn current(library: &Library) -> Option<u8> {
    Some(library.policy()?.classes.get(&0)?.priority)
}

fn next_root(world: &mut World, edit: impl FnOnce(&mut Root)) {
    let mut root = world.library.root().unwrap().clone();
    root.version += 1;
    edit(&mut root);
    let (version, body) = (root.version, Body::Root(root));
    let said = world.sign(body, version, &[&key(1)]);
    world.take(said);
}

#[test]
fn the_newest_policy_is_effective_in_every_order() {
    let mut world = World::new();
    assert!(world.library.policy().is_none(), "a library need not have one");
    for n in 1..=3 {
        let made = library::policy(&world.library, &key(2), priority(n), NOW).unwrap();
        assert_eq!(made.sequence(), u64::from(n));
        world.take(made);
        assert_eq!(current(&world.library), Some(n));
    }
    let mut backwards = Library::new(world.library.id());
    for statement in world.said.iter().rev().chain(&world.said) {
        let _ = backwards.offer(statement, NOW).unwrap();
    }
    assert_eq!(current(&backwards), Some(3));
    check_ineffective(
        &mut {
            Library::open(world.library.id(), [world.said[0].clone(), world.said[3].clone()], NOW).unwrap()
        },
        &world.said[1],
        "a newer policy is effective",
    );
}

#[test]
fn only_enough_operators_set_a_policy() {
    let mut world = World::new();
    for stranger in [1, 3, 10] {
        let said = world.sign(Body::Policy(priority(9)), 1, &[&key(stranger)]);
        check_unauthorized(&mut world.library, &said);
    }
    next_root(&mut world, |root| {
        root.add_key(RoleKind::Operator, &Classes::all(), key(4).public()).unwrap();
        root.set_threshold(RoleKind::Operator, &Classes::all(), 2).unwrap();
    });
    let one = world.sign(Body::Policy(priority(1)), 1, &[&key(2)]);
    // The first root required one key: the policy is stored, and no longer effective.
    check_ineffective(&mut world.library, &one, "no longer operators");
    world.take(world.sign(Body::Policy(priority(2)), 2, &[&key(2), &key(4)]));
    assert_eq!(current(&world.library), Some(2));
}

/// Two operators set a policy at the same time without knowing of each other. Neither is better, so the one
/// before stays effective until they agree.
#[test]
fn of_two_at_one_sequence_the_one_before_stays_effective() {
    let mut world = World::new();
    world.take(world.sign(Body::Policy(priority(1)), 1, &[&key(2)]));
    world.take(world.sign(Body::Policy(priority(2)), 2, &[&key(2)]));
    let rival = world.sign(Body::Policy(priority(3)), 2, &[&key(2)]);
    check_ineffective(&mut world.library, &rival, "contradicting statements");
    assert_eq!(current(&world.library), Some(1));
    let conflict = |library: &Library| {
        let found = library.conflicts().iter().find(|conflict| conflict.kind == ConflictKind::Policy);
        found.map(|found| (found.statements.len(), found.settled))
    };
    assert_eq!(conflict(&world.library), Some((2, false)));
    assert_eq!(world.library.policy_highest(), 2, "the next goes above both");
    let agreed = library::policy(&world.library, &key(2), priority(4), NOW).unwrap();
    world.take(agreed);
    assert_eq!((current(&world.library), conflict(&world.library)), (Some(4), Some((2, true))));
}

#[test]
fn a_policy_does_not_jump() {
    let mut world = World::new();
    world.take(world.sign(Body::Policy(priority(1)), 1, &[&key(2)]));
    let far = world.sign(Body::Policy(priority(2)), 2 * SEQUENCE_JUMP, &[&key(2)]);
    check_ineffective(&mut world.library, &far, "");
    assert_eq!(current(&world.library), Some(1));
    world.take(world.sign(Body::Policy(priority(3)), 2, &[&key(2)]));
    assert_eq!(current(&world.library), Some(3));
}

/// A removed operator's policy is ineffective like all its statements; a pinned one is effective.
#[test]
fn a_removed_key_sets_nothing() {
    let mut world = World::new();
    world.take(world.sign(Body::Policy(priority(1)), 1, &[&key(2)]));
    let pinned = world.take(world.sign(Body::Policy(priority(2)), 2, &[&key(2)]));
    next_root(&mut world, |root| {
        root.add_key(RoleKind::Operator, &Classes::all(), key(4).public()).unwrap();
        root.remove_key(RoleKind::Operator, None, &key(2).public()).unwrap();
        root.pins = vec![pinned];
    });
    assert_eq!(current(&world.library), Some(2));
    let late = world.sign(Body::Policy(priority(3)), 3, &[&key(2)]);
    check_ineffective(&mut world.library, &late, "no longer operators");
    assert_eq!(current(&world.library), Some(2));
    world.take(world.sign(Body::Policy(priority(4)), 3, &[&key(4)]));
    assert_eq!(current(&world.library), Some(4));
}

/// A newer chuan set a field that must not be ignored: a node that does not know it uses the policy before.
#[test]
fn a_critical_field_that_is_not_known_is_not_obeyed() {
    let mut world = World::new();
    world.take(world.sign(Body::Policy(priority(1)), 1, &[&key(2)]));
    let unknown = vec![Field { number: 999, critical: true, value: vec![1] }];
    let newer = world.sign(Body::Policy(Policy { unknown, ..priority(2) }), 2, &[&key(2)]);
    check_ineffective(&mut world.library, &newer, "update it");
    assert_eq!(current(&world.library), Some(1));
    assert!(world.library.statement(&newer.id()).is_some(), "it is kept and passed on");
}

/// Each is large and all are kept: one stolen key must not fill every disk.
#[test]
fn the_policies_of_a_key_are_bounded() {
    let mut world = World::new();
    for n in 1..=POLICIES_PER_KEY as u64 {
        let said = world.sign(Body::Policy(priority(1)), n, &[&key(2)]);
        assert!(world.library.set.add(&said).is_ok());
    }
    let more = world.sign(Body::Policy(priority(1)), POLICIES_PER_KEY as u64 + 1, &[&key(2)]);
    check_refused(&mut world.library, &more, "no more are taken");
}
