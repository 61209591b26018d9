//! Publishers that are limited to some classes, and which of their releases are effective.

use super::*;
use crate::{
    id::Commitment,
    limits::SEQUENCE_JUMP,
    manifest::table::ClassTable,
    statement::{Release, ReleaseClass, Role, RoleKind},
};

const NEWS: u8 = 40;

/// Key 3 publishes all classes, [`NEWS`] two of them by two roles.
fn world() -> World {
    let mut world = World::new();
    let limited = |class: &str| Role {
        classes: Classes::new(vec![class.into()]).unwrap(),
        ..Role::any_of(RoleKind::Publisher, [key(NEWS).public()])
    };
    let mut root = world.library.root().unwrap().clone();
    root.version = 2;
    root.roles.extend([limited("extras*"), limited("news")]);
    world.take(world.sign(Body::Root(root), 2, &[&key(1)]));
    world
}

fn class(slot: u8, name: &str, content: u8) -> ReleaseClass {
    ReleaseClass { slot, name: name.into(), commitment: Commitment::from_bytes([content; 32]) }
}

fn release(parents: &[StatementId], classes: &[ReleaseClass]) -> Body {
    let table = ClassTable { classes: classes.iter().map(|class| (class.slot, class.commitment)).collect() };
    Body::Release(Release {
        parents: parents.to_vec(),
        manifest: table.id(&found().0),
        message: String::new(),
        classes: classes.to_vec(),
    })
}

fn first(world: &mut World) -> StatementId {
    let classes = [class(0, "films", 0), class(1, "extras", 1), class(2, "news", 2)];
    world.take(world.sign(release(&[], &classes), 1, &[&key(3)]))
}

/// Symptom: a key to which the root gave two classes by two roles could change the classes of one role only.
/// Cause: only the first role found was used.
#[test]
fn a_key_with_two_roles_has_the_classes_of_both() {
    let mut world = world();
    let parent = first(&mut world);
    let changed = |films, extras, news| {
        release(&[parent], &[class(0, "films", films), class(1, "extras", extras), class(2, "news", news)])
    };
    for (sequence, (extras, news)) in (2..).zip([(11, 2), (1, 12), (11, 12)]) {
        world.take(world.sign(changed(0, extras, news), sequence, &[&key(NEWS)]));
    }
    let other = world.sign(changed(10, 11, 12), 5, &[&key(NEWS)]);
    check_ineffective(&mut world.library, &other, "may not change");
}

/// A class keeps its slot and name for good. Where a limited publisher could move its class to another slot,
/// publishers of later releases would find two classes of one name, or another publisher's class in the slot.
#[test]
fn a_limited_publisher_moves_and_renames_nothing() {
    let mut world = world();
    let parent = first(&mut world);
    let with = |extras: &[ReleaseClass]| {
        let mut classes = [&[class(0, "films", 0), class(2, "news", 2)], extras].concat();
        classes.sort_by_key(|class| class.slot);
        release(&[parent], &classes)
    };
    let refused: [&[ReleaseClass]; 3] = [&[], &[class(1, "extras-2", 1)], &[class(3, "extras", 1)]];
    for (sequence, extras) in (2..).zip(refused) {
        let moved = world.sign(with(extras), sequence, &[&key(NEWS)]);
        check_ineffective(&mut world.library, &moved, "may not change");
    }
    let more = [class(1, "extras", 1), class(3, "extras-2", 3)];
    world.take(world.sign(with(&more), 9, &[&key(NEWS)]));
}

/// Symptom: a limited publisher made a release with the highest sequence, an operator promoted it, and no
/// release could follow it.
#[test]
fn a_limited_release_does_not_leap() {
    let mut world = world();
    let parent = first(&mut world);
    let classes = [class(0, "films", 0), class(1, "extras", 1), class(2, "news", 12)];
    for sequence in [u64::MAX - 1, SEQUENCE_JUMP + 2] {
        let far = world.sign(release(&[parent], &classes), sequence, &[&key(NEWS)]);
        check_ineffective(&mut world.library, &far, "may not change");
    }
    world.take(world.sign(release(&[parent], &classes), SEQUENCE_JUMP + 1, &[&key(NEWS)]));
    // The sequence of a new release respects this bound, however far another publisher's releases are ahead.
    let mut world = self::world();
    let parent = first(&mut world);
    world.take(world.sign(release(&[parent], &classes), SEQUENCE_JUMP + 1, &[&key(3)]));
    let Body::Release(body) = release(&[parent], &classes) else { panic!("a release") };
    let content = (body.manifest, body.classes);
    let made =
        library::release_of_classes(&world.library, &key(NEWS), vec![parent], content, "", NOW).unwrap();
    assert!(made.sequence() <= SEQUENCE_JUMP + 1);
    world.take(made);
}

/// Symptom: a chain of releases was walked once for about every second release, since ids are random.
#[test]
fn a_long_chain_of_limited_releases_is_effective() {
    let mut world = world();
    let mut parent = first(&mut world);
    let mut chain = Vec::new();
    for sequence in 2..300 {
        let news = class(2, "news", u8::try_from(sequence % 200).unwrap() + 3);
        let classes = [class(0, "films", 0), class(1, "extras", 1), news];
        chain.push(world.sign(release(&[parent], &classes), sequence, &[&key(NEWS)]));
        parent = chain.last().unwrap().id();
    }
    let outcomes = world.library.offer_all(&chain, NOW);
    assert!(outcomes.into_iter().all(|outcome| outcome.unwrap() == Accepted::New));
}

/// Symptom: the thief of a key that the root no longer names signed a rival of every old release, and each
/// was a contradiction that was never settled.
#[test]
fn an_ineffective_release_contradicts_nothing() {
    let mut world = world();
    let honest = first(&mut world);
    let mut root = world.library.root().unwrap().clone();
    (root.version, root.pins) = (3, vec![honest]);
    root.roles[2].keys = vec![key(4).public()];
    world.take(world.sign(Body::Root(root), 3, &[&key(1)]));
    let beside = world.sign(release(&[], &[class(0, "films", 66)]), 1, &[&key(3)]);
    assert_eq!(world.library.offer(&beside, NOW).unwrap(), Accepted::Superseded);
    assert!(world.library.release(&honest).is_some() && world.library.conflicts().is_empty());
}
