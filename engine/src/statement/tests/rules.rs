//! What a library accepts and what it refuses.

use super::*;

#[test]
fn the_main_road() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    world.channel(&key(3), first, &key(3));
    let second = world.release(vec![first], 2);
    world.channel(&key(3), second, &key(3));
    let ticket = world.ticket(1);
    assert_eq!(world.library.redeem(&ticket, &node(11), &node(10), NOW).unwrap(), None);
    let made = library::member(&world.library, &key(10), member(11, Some(ticket)), NOW).unwrap();
    world.take(made);

    let library = &world.library;
    assert_eq!(library.name(), "films");
    assert_eq!(library.channel("live").unwrap().body.release, second);
    assert_eq!(library.channel("live").unwrap().statement.sequence(), 2);
    let sequences: Vec<_> = library.releases().iter().map(|said| said.statement.sequence()).collect();
    assert_eq!(sequences, [1, 2]);
    assert!(library.may(&node(11), "default", Verbs::PULL, NOW));
    assert!(!library.may(&node(12), "default", Verbs::PULL, NOW));
    assert_eq!(library.ticket_use(&ticket), Some(node(11)));
    assert!(library.redeem(&ticket, &node(11), &node(10), NOW).unwrap().is_some());
    assert!(library.redeem(&ticket, &node(12), &node(10), NOW).is_err());

    let kept = world.said.iter().rev().map(|statement| statement.bytes().clone());
    let loaded = Library::load(library.id(), kept, NOW).unwrap();
    assert_eq!(loaded.statements(), library.statements());
}

/// Who steals a node's key holds neither content nor admission: not a release, channel, ticket, member or root.
#[test]
fn a_node_key_has_no_authority() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    let thief = key(10);
    let manifest = ManifestId::from_bytes([6; 32]);
    let release = library::release(&world.library, &thief, vec![first], manifest, "", NOW).unwrap();
    check_unproved(&mut world.library, &release);
    let live = Channel { name: "live".into(), release: first, active: thief.public(), follow: true };
    let channel = library::channel(&world.library, &thief, live, NOW).unwrap();
    check_unproved(&mut world.library, &channel);
    let ticket = library::ticket(&world.library, &thief, terms(1), NOW).unwrap();
    check_unproved(&mut world.library, &ticket);
    let member = library::member(&world.library, &thief, member(11, None), NOW).unwrap();
    check_unproved(&mut world.library, &member);
    let mut root = world.library.root().unwrap().clone();
    root.version = 2;
    let root = world.sign(Body::Root(root), 2, &[&thief]);
    check_refused(&mut world.library, &root, "not signed by enough of its own keys");
}

#[test]
fn another_library_is_refused() {
    let mut world = World::new();
    let (root, operator, publisher) = (key(1), key(2), key(3));
    let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
    let (other, other_root) = library::found("films", keys, Salt::from_bytes([8; 32]), NOW).unwrap();
    check_refused(&mut world.library, &other_root, "is of library");
    let foreign = sign(other, Body::Ticket(terms(1)), 1, NOW, &[&key(2)]);
    check_refused(&mut world.library, &foreign, "is of library");
}
