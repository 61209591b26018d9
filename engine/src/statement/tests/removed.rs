//! The statements of a removed operator: pinned ones stay effective, later ones do not become effective.

use super::*;
use crate::{
    limits::{PIN_LIST_IDS, REMOVED_BYTES_PER_KEY},
    statement::{Pins, Release, Revoke, RoleKind, Root},
};

/// Key 2 and key 5 are operators; 2 will be removed.
fn world() -> World {
    let mut world = World::new();
    follow(&mut world, |root| {
        root.add_key(RoleKind::Operator, &Classes::all(), key(5).public()).unwrap();
    });
    for n in [11, 12, 13] {
        world.take(library::member(&world.library, &key(5), member(n, None), NOW).unwrap());
    }
    world
}

fn follow(world: &mut World, edit: impl FnOnce(&mut Root)) {
    let mut root = world.library.root().unwrap().clone();
    root.version += 1;
    edit(&mut root);
    let (version, body) = (root.version, Body::Root(root));
    let next = world.sign(body, version, &[&key(1)]);
    world.take(next);
}

fn remove(root: &mut Root) {
    root.remove_key(RoleKind::Operator, None, &key(2).public()).unwrap();
}

fn revoke(world: &World, n: u8, up_to: u64) -> Statement {
    let body = Revoke { node: node(n), up_to, reason: String::new() };
    world.sign(Body::Revoke(body), up_to, &[&key(2)])
}

fn is_out(library: &Library, n: u8) -> bool {
    !library.is_member(&node(n), NOW)
}

/// Symptom: an operator's key was stolen and the root removed it. The thief still revoked any node, 65,536
/// times, and no root ended that. Cause: a revocation was effective by any key that had ever been an
/// operator's.
#[test]
fn a_removed_operators_revocations_are_ineffective() {
    let mut world = world();
    let honest = revoke(&world, 11, 2);
    world.take(honest.clone());
    follow(&mut world, |root| {
        remove(root);
        root.pins = vec![honest.id()];
    });
    assert!(is_out(&world.library, 11), "a pinned revocation is effective");
    for up_to in 2..40 {
        let late = revoke(&world, 12, up_to);
        check_ineffective(&mut world.library, &late, "no longer an operator");
    }
    assert!(!is_out(&world.library, 12));
    // Together with a signature by a current operator it is that operator's revocation.
    let both = revoke(&world, 13, 2).cosign(&key(5)).unwrap();
    world.take(both);
    assert!(is_out(&world.library, 13));
}

/// An unpinned revocation ends with its key: `root apply` lists it before.
#[test]
fn an_unpinned_revocation_ends_with_its_key() {
    let mut world = world();
    let said = revoke(&world, 11, 2);
    world.take(said);
    assert!(is_out(&world.library, 11));
    follow(&mut world, remove);
    assert!(!is_out(&world.library, 11));
}

/// A root has a limited number of pins; a thief can make more revocations than that. The lists are statements
/// beside the root. As long as a node lacks a list of a key, all revocations of that key that it knows are
/// effective: a late list admits no node again.
#[test]
fn a_list_of_pins_is_effective_once_it_is_known() {
    let mut world = world();
    let (kept, dropped) = (revoke(&world, 11, 2), revoke(&world, 12, 2));
    world.take(kept.clone());
    world.take(dropped);
    let body = Pins { signer: key(99).public(), key: key(2).public(), statements: vec![kept.id()] };
    let list = world.sign(Body::Pins(body), 1, &[&key(99)]);
    check_unauthorized(&mut world.library, &list);
    follow(&mut world, |root| {
        remove(root);
        root.lists = vec![(key(2).public(), list.id())];
    });
    let late = revoke(&world, 13, 2);
    assert_eq!(world.library.offer(&late, NOW).unwrap(), Accepted::New, "the list is not known");
    assert!([11, 12, 13].iter().all(|n| is_out(&world.library, *n)));

    // No further signature makes another envelope of it.
    let strange = list.cosign(&key(66)).unwrap();
    check_refused(&mut world.library, &strange, "the one key that it names");
    world.take(list);
    assert!(is_out(&world.library, 11));
    assert!(!is_out(&world.library, 12) && !is_out(&world.library, 13));

    // The order of arrival makes no difference.
    let mut said: Vec<_> = world.library.statements().into_iter().cloned().collect();
    said.reverse();
    let loaded = Library::open(world.library.id(), said, NOW).unwrap();
    assert_eq!(loaded.state, world.library.state);
}

/// Symptom: a publisher's or an operator's key was removed because it was stolen, and still filled every node
/// with releases and tickets, hundreds of megabytes of them. Cause: a statement of any key that a root had
/// ever named was stored.
#[test]
fn a_removed_key_brings_no_more_releases_and_tickets() {
    let mut world = world();
    let first = world.release(vec![], 1);
    let needed = world.release(vec![first], 2);
    let release = |n: u8, parents, signer: &Key| {
        let manifest = ManifestId::from_bytes([n; 32]);
        let body = Release { parents, manifest, message: String::new(), classes: vec![] };
        world_sign(Body::Release(body), n.into(), signer)
    };
    let before = release(3, vec![first], &key(3));
    let ticket = world_sign(Body::Ticket(terms(1)), 1, &key(2));
    let claim = world_sign(Body::Member(member(14, Some(ticket.id()))), 1, &key(10));
    let early = world.library.clone();
    follow(&mut world, |root| {
        remove(root);
        root.add_key(RoleKind::Publisher, &Classes::all(), key(4).public()).unwrap();
        root.remove_key(RoleKind::Publisher, None, &key(3).public()).unwrap();
    });
    let next = release(4, vec![needed], &key(4));
    world.take(next.clone());
    for n in 10..40 {
        let late = release(n, vec![first], &key(3));
        assert_eq!(world.library.offer(&late, NOW).unwrap(), Accepted::Superseded);
        assert!(world.library.statement(&late.id()).is_none());
    }
    let late = world_sign(Body::Ticket(terms(2)), 2, &key(2));
    assert_eq!(world.library.offer(&late, NOW).unwrap(), Accepted::Superseded);
    check_unauthorized(&mut world.library, &claim);

    // A node that stored some of it before agrees with a node that did not and that has the effective
    // history.
    let mut older = early;
    [&before, &ticket, &claim].iter().for_each(|said| assert!(older.offer(said, NOW).unwrap().is_news()));
    for said in &world.said {
        let _ = older.offer(said, NOW).unwrap();
    }
    assert!(older.statement(&before.id()).is_some());
    assert_eq!(older.statements(), world.library.statements());
    assert_eq!(older.inventory(), world.library.inventory());
    assert_eq!(older.state, world.library.state);
    let mut reversed: Vec<_> = world.said.clone();
    reversed.reverse();
    let mut newer = Library::new(world.library.id());
    // One at a time, as often as there are releases in a chain.
    for said in reversed.iter().cycle().take(8 * reversed.len()) {
        let _ = newer.offer(said, NOW).unwrap();
    }
    assert_eq!(newer.statements(), world.library.statements());
    assert!([first, needed].iter().all(|id| newer.release(id).is_some()));

    // A statement that a later root pins is stored.
    follow(&mut world, |root| {
        root.pins = vec![before.id(), late.id()];
        root.pins.sort();
    });
    world.take(before);
    world.take(late);
}

/// Statements that others answered with a higher sequence are stored also from a removed key, within a bound
/// of bytes.
#[test]
fn a_removed_key_brings_a_bounded_amount_of_the_rest() {
    let mut world = world();
    follow(&mut world, remove);
    let long = "reason ".repeat(30);
    let made = (1..).map(|up_to| {
        let body = Revoke { node: node(11), up_to, reason: long.clone() };
        world_sign(Body::Revoke(body), up_to, &key(2))
    });
    let one = made.clone().next().unwrap().bytes().len();
    let most = REMOVED_BYTES_PER_KEY / one;
    let made: Vec<_> = made.take(most + 50).collect();
    let outcomes = world.library.offer_all(&made, NOW);
    let news = outcomes.iter().filter(|outcome| outcome.as_ref().is_ok_and(Accepted::is_news)).count();
    assert_eq!(news, most);
    assert!(!is_out(&world.library, 11));
}

fn world_sign(body: Body, sequence: u64, signer: &Key) -> Statement {
    sign(found().0, body, sequence, NOW, &[signer])
}

#[test]
fn a_list_of_pins_is_bounded() {
    let statements = |count: usize| {
        (0..count).map(|n| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            StatementId::from_bytes(id)
        })
    };
    let sign = |statements: Vec<StatementId>| {
        let body = Pins { signer: key(99).public(), key: key(2).public(), statements };
        let header = Header { library: Some(found().0), sequence: 1, time_ms: NOW };
        Statement::sign(header, &Body::Pins(body), &[&key(99)])
    };
    let full = sign(statements(PIN_LIST_IDS).collect()).unwrap();
    assert_eq!(Statement::decode(full.bytes()).unwrap(), full);
    assert!(sign(statements(PIN_LIST_IDS + 1).collect()).is_err());
    assert!(sign(vec![]).is_err());
    assert!(sign(statements(2).collect::<Vec<_>>().into_iter().rev().collect()).is_err());
}
