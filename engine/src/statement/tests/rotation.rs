//! Successions of roots, and the effect on statements that were signed under them.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::{
    limits::SUCCESSIONS,
    statement::{ConflictKind, Role, RoleKind, Root, Succession},
};

fn role(kind: RoleKind, threshold: u8, keys: &[u8]) -> Role {
    Role { threshold, ..Role::any_of(kind, keys.iter().map(|n| key(*n).public())) }
}

fn root(version: u64, threshold: u8, root_keys: &[u8], publishers: &[u8]) -> Body {
    Body::Root(Root {
        version,
        nonce: Salt::from_bytes([9; 32]),
        name: "films".into(),
        expires_ms: 0,
        roles: vec![
            role(RoleKind::Root, threshold, root_keys),
            role(RoleKind::Operator, 1, &[2]),
            role(RoleKind::Publisher, 1, publishers),
        ],
        pins: Vec::new(),
        lists: Vec::new(),
    })
}

fn keys(ns: &[u8]) -> Vec<Key> {
    ns.iter().map(|n| key(*n)).collect()
}

/// A library whose first root has `threshold` of `root_keys`, all of which sign it.
fn start(threshold: u8, root_keys: &[u8]) -> Library {
    let signers = keys(root_keys);
    let header = Header { library: None, sequence: 1, time_ms: NOW };
    let signers: Vec<_> = signers.iter().collect();
    let first = Statement::sign(header, &root(1, threshold, root_keys, &[3]), &signers).unwrap();
    let mut library = Library::new(first.library());
    assert_eq!(library.offer(&first, NOW).unwrap(), Accepted::New);
    library
}

/// The cases of the TUF conformance suite's root rotation, by (old threshold, old keys, new threshold, new
/// keys, signers).
#[test]
fn a_new_root_needs_both_thresholds() {
    type Case<'a> = (&'a str, (u8, &'a [u8]), (u8, &'a [u8]), &'a [u8], bool);
    let cases: &[Case<'_>] = &[
        ("1 of 1 stays", (1, &[50]), (1, &[50]), &[50], true),
        ("1 of 1 to another key", (1, &[50]), (1, &[51]), &[50, 51], true),
        ("1 of 1, signed by the old only", (1, &[50]), (1, &[51]), &[50], false),
        ("1 of 1, signed by the new only", (1, &[50]), (1, &[51]), &[51], false),
        ("1 of 1, signed by a stranger", (1, &[50]), (1, &[50]), &[52], false),
        ("1 of 2", (1, &[50, 51]), (1, &[50, 51]), &[51], true),
        ("2 of 2 stays", (2, &[50, 51]), (2, &[50, 51]), &[50, 51], true),
        ("2 of 2, one is missing", (2, &[50, 51]), (2, &[50, 51]), &[50], false),
        ("2 of 3 stays", (2, &[50, 51, 52]), (2, &[50, 51, 52]), &[50, 52], true),
        ("1 to 2, by the two new", (1, &[50]), (2, &[51, 52]), &[51, 52], false),
        ("1 to 2, by all", (1, &[50]), (2, &[51, 52]), &[50, 51, 52], true),
        ("1 to 2, one new is missing", (1, &[50]), (2, &[51, 52]), &[50, 51], false),
        ("2 to 1, by the old", (2, &[50, 51]), (1, &[50]), &[50, 51], true),
        ("2 to 1, by one", (2, &[50, 51]), (1, &[50]), &[50], false),
        ("2 to 2, one key changes", (2, &[50, 51]), (2, &[51, 52]), &[50, 51, 52], true),
        ("2 to 2, the leaving key is missing", (2, &[50, 51]), (2, &[51, 52]), &[51, 52], false),
        ("2 to 2, the coming key is missing", (2, &[50, 51]), (2, &[51, 52]), &[50, 51], false),
        (
            "3 of 5 to 3 other of 5",
            (3, &[50, 51, 52, 53, 54]),
            (3, &[52, 53, 54, 55, 56]),
            &[52, 53, 54],
            true,
        ),
        ("3 of 5, two of them", (3, &[50, 51, 52, 53, 54]), (3, &[50, 51, 52, 53, 54]), &[50, 51], false),
        ("strangers do not count", (2, &[50, 51]), (2, &[50, 51]), &[50, 60, 61, 62], false),
        ("strangers do not harm", (2, &[50, 51]), (2, &[50, 51]), &[50, 51, 60], true),
    ];
    for (name, (old_threshold, old), (threshold, new), signers, expected) in cases {
        let mut library = start(*old_threshold, old);
        let signers = keys(signers);
        let body = root(2, *threshold, new, &[3]);
        let next = sign(library.id(), body, 2, NOW, &signers.iter().collect::<Vec<_>>());
        let outcome = library.offer(&next, NOW);
        assert_eq!(matches!(outcome, Ok(Accepted::New)), *expected, "{name}: {outcome:?}");
        assert_eq!(outcome.is_err(), !*expected, "{name}: a root that can never be accepted is an error");
        assert_eq!(library.root().unwrap().version, if *expected { 2 } else { 1 }, "{name}");
    }
}

/// A threshold counts keys, not signatures (the fault of CVE-2020-6174): one key signs twice, or is listed
/// twice.
#[test]
fn one_key_is_not_two() {
    let mut library = start(2, &[50, 51]);
    let body = root(2, 2, &[50, 51], &[3]);
    let twice = sign(library.id(), body, 2, NOW, &[&key(50), &key(50)]).cosign(&key(50)).unwrap();
    assert_eq!(twice.signers().count(), 1);
    check_refused(&mut library, &twice, "not signed by enough");
    let signers = [key(50).public(), key(50).public()];
    assert!(!role(RoleKind::Root, 2, &[50, 51]).is_met_by(&signers));
    let listed_twice = Role { keys: vec![key(50).public(); 2], ..role(RoleKind::Root, 2, &[50, 51]) };
    let Body::Root(mut root) = root(2, 1, &[50], &[3]) else { unreachable!() };
    root.roles[0] = listed_twice;
    let header = Header { library: Some(library.id()), sequence: 2, time_ms: NOW };
    assert!(Statement::sign(header, &Body::Root(root), &[&key(50)]).is_err());
}

#[test]
fn a_release_threshold_counts_too() {
    let mut world = World::new();
    let Body::Root(mut next) = root(2, 1, &[1], &[3, 4]) else { unreachable!() };
    next.roles[2].threshold = 2;
    world.take(world.sign(Body::Root(next), 2, &[&key(1)]));
    let manifest = ManifestId::from_bytes([1; 32]);
    let one = library::release(&world.library, &key(3), vec![], manifest, "", NOW).unwrap();
    check_ineffective(&mut world.library, &one, "may not change");
    check_unauthorized(&mut world.library, &one.cosign(&key(2)).unwrap());
    world.take(one.cosign(&key(4)).unwrap());
}

#[test]
fn roots_come_one_after_the_other() {
    let mut library = start(1, &[50]);
    let make = |version, publishers: &[u8]| {
        sign(library.id(), root(version, 1, &[50], publishers), version, NOW, &[&key(50)])
    };
    let (second, other_second, third) = (make(2, &[3]), make(2, &[4]), make(3, &[3]));
    check_unauthorized(&mut library, &third);
    assert_eq!(library.offer(&second, NOW).unwrap(), Accepted::New);
    // A quorum that signs two: the first known root is effective, whatever the ids, and the other is kept as
    // proof.
    assert!(library.offer(&other_second, NOW).unwrap().is_news());
    assert_eq!(library.root_statement().unwrap().id(), second.id());
    assert_eq!(library.conflicts()[0].kind, ConflictKind::Root);
    assert_eq!(library.offer(&third, NOW).unwrap(), Accepted::New);
    assert_eq!(library.offer(&second, NOW).unwrap(), Accepted::Known);
    assert_eq!(library.root().unwrap().version, 3);
}

/// A first root signs itself: its id alone proves nothing about its keys.
#[test]
fn a_first_root_is_signed_by_its_own_keys() {
    let header = Header { library: None, sequence: 1, time_ms: NOW };
    let forged = Statement::sign(header, &root(1, 1, &[50], &[3]), &[&key(51)]).unwrap();
    let mut library = Library::new(forged.library());
    check_refused(&mut library, &forged, "not signed by enough of its own keys");
}

#[test]
fn an_expired_root_only_warns() {
    let mut world = World::new();
    let Body::Root(mut next) = root(2, 1, &[1], &[3]) else { unreachable!() };
    next.expires_ms = NOW - 1;
    world.take(world.sign(Body::Root(next), 2, &[&key(1)]));
    assert!(world.library.root_expired(NOW));
    let release = world.release(vec![], 1);
    world.channel(&key(3), release, &key(3));
    // The next root is accepted under it.
    let Body::Root(mut renewed) = root(3, 1, &[1], &[3]) else { unreachable!() };
    renewed.expires_ms = NOW + DAY;
    world.take(world.sign(Body::Root(renewed), 3, &[&key(1)]));
    assert_eq!(world.library.root().unwrap().version, 3);
    assert!(!world.library.root_expired(NOW) && world.library.root_expired(NOW + DAY + 1));
    assert_eq!(world.library.channel("live").unwrap().body.release, release);
}

/// Recovery from a fast-forward (TUF 5.3.11): when the key is removed, the sequence that it drove up no
/// longer matters.
#[test]
fn sequences_of_a_rotated_publisher_do_not_matter() {
    let mut world = World::new();
    let release = world.release(vec![], 1);
    world.channel(&key(3), release, &key(3));
    let live = Channel { name: "live".into(), release, active: key(3).public(), follow: true, term: None };
    world.take(world.sign(Body::Channel(live), 1 << 20, &[&key(3)]));

    world.take(world.sign(root(2, 1, &[1], &[4]), 2, &[&key(1)]));
    assert!(world.library.channel("live").is_none() && world.library.releases().is_empty());
    // The new publisher's release descends from the old one, so a channel may point to that again.
    let manifest = ManifestId::from_bytes([2; 32]);
    let body = crate::statement::Release {
        parents: vec![release],
        manifest,
        message: String::new(),
        classes: Vec::new(),
    };
    let next = world.take(world.sign(Body::Release(body), 2, &[&key(4)]));
    assert!(world.library.release(&release).is_some());
    world.channel(&key(4), next, &key(4));
    assert_eq!(world.library.channel("live").unwrap().statement.sequence(), 1);
    let stolen = crate::statement::Release {
        parents: vec![],
        manifest,
        message: "stolen".into(),
        classes: Vec::new(),
    };
    let stolen = world.sign(Body::Release(stolen), 3, &[&key(3)]);
    assert_eq!(world.library.offer(&stolen, NOW).unwrap(), Accepted::Superseded);
    assert_eq!(world.library.releases().len(), 2);
}

/// The root can keep a key's statements from before it was lost effective, without a new signature on them.
#[test]
fn a_root_pins_statements_of_a_removed_key() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    let head = world.release(vec![first], 2);
    let side = world.release(vec![first], 3);
    let live = world.channel(&key(3), head, &key(3));
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let granted = world.said.last().unwrap().id();
    let mut next = world.library.root().unwrap().clone();
    next.version = 2;
    next.roles[1] = role(RoleKind::Operator, 1, &[5]);
    next.roles[2] = role(RoleKind::Publisher, 1, &[4]);
    let mut without = world.library.clone();
    let bare = world.sign(Body::Root(next.clone()), 2, &[&key(1)]);
    assert_eq!(without.offer(&bare, NOW).unwrap(), Accepted::New);
    assert!(without.channel("live").is_none() && !without.is_member(&node(11), NOW));

    next.pins = vec![head, live, granted];
    next.pins.sort();
    world.take(world.sign(Body::Root(next), 2, &[&key(1)]));
    assert_eq!(world.library.channel("live").unwrap().body.release, head);
    assert!(world.library.is_member(&node(11), NOW));
    assert!(world.library.release(&first).is_some(), "an ancestor of what is pinned");
    assert!(world.library.release(&side).is_none());
    world.channel(&key(5), head, &key(4));
    let next =
        library::release(&world.library, &key(4), vec![head], ManifestId::from_bytes([8; 32]), "", NOW);
    let next = world.take(next.unwrap());
    world.channel(&key(4), next, &key(4));
}

/// Two roots, releases of an old and a new publisher, channels, appointments and rival claims on a ticket.
fn history() -> Vec<Statement> {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    world.channel(&key(3), first, &key(3));
    let second = world.release(vec![first], 2);
    let side = world.release(vec![first], 3);
    world.release(vec![first], 9); // no release follows it, so it is ineffective without its publisher
    world.channel(&key(3), second, &key(3));
    world.take(library::member(&world.library, &key(2), member(10, None), NOW).unwrap());
    let ends = Member { expires_ms: NOW + DAY, ..member(10, None) };
    world.take(library::member(&world.library, &key(2), ends, NOW).unwrap());
    let ticket = world.ticket(4);
    let copied = world.take(
        library::ticket(&world.library, &key(2), TicketTerms { key: key(21).public(), ..terms(1) }, NOW)
            .unwrap(),
    );
    world.take(world.sign(root(2, 1, &[1], &[3, 4]), 2, &[&key(1)]));
    world.channel(&key(2), side, &key(4));
    let manifest = ManifestId::from_bytes([4; 32]);
    let merged = library::release(&world.library, &key(4), vec![second, side], manifest, "", NOW).unwrap();
    let merged = world.take(merged);
    world.channel(&key(4), merged, &key(4));
    let mut said = world.said.clone();
    said.push(world.sign(root(3, 1, &[1], &[4]), 3, &[&key(1)]));
    for (n, time_ms) in
        [(11, NOW + 5), (12, NOW + 3), (13, NOW + 4), (11, NOW + 2), (14, NOW + 9), (12, NOW + 1)]
    {
        let claim = Body::Member(member(n, Some(ticket)));
        said.push(sign(world.library.id(), claim, 1, time_ms, &[&key(10)]));
    }
    for n in [15, 16] {
        said.push(sign(world.library.id(), Body::Member(member(n, Some(copied))), 1, NOW, &[&key(10)]));
    }
    said.push(library::revoke(&world.library, &key(2), node(14), "lost", NOW).unwrap());
    let unentitled = TicketTerms { uses: 7, ..terms(1) };
    said.push(world.sign(Body::Ticket(unentitled), 1, &[&key(10)]));
    said
}

/// Whether an exchange brings a statement again: it is not known, and may be added later.
fn comes_again(outcome: &Accepted) -> bool {
    matches!(outcome, Accepted::Unauthorized { .. } | Accepted::Superseded)
}

/// Offers the statements one by one, then those that were not added again, until nothing changes.
fn settle(statements: &[Statement]) -> Library {
    let mut library = Library::new(found().0);
    let mut open: Vec<_> = statements.to_vec();
    loop {
        let before = open.len();
        open.retain(|statement| library.offer(statement, NOW).is_ok_and(|outcome| comes_again(&outcome)));
        if open.len() == before {
            return library;
        }
    }
}

#[test]
fn the_history_ends_as_it_should() {
    let library = settle(&history());
    assert_eq!(library.root().unwrap().version, 3);
    assert_eq!(
        library.releases().len(),
        4,
        "the last release makes those of the removed publisher effective"
    );
    assert_eq!(library.channel("live").unwrap().statement.sequence(), 4);
    let members: Vec<_> = library.members().iter().map(|said| said.body.name.clone()).collect();
    assert_eq!(members.len(), 4);
    assert!([10, 11, 12, 13].iter().all(|n| library.member(&node(*n)).is_some()), "{members:?}");
    assert!([15, 16].iter().all(|n| library.is_suspended(&node(*n))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Libraries with the same statements have the same state, whatever the order of arrival.
    #[test]
    fn any_order_gives_the_same_state(swaps in vec(any::<(Index, Index)>(), 64), batch in 1usize..24) {
        let mut said = history();
        let expected = settle(&said);
        for (left, right) in swaps {
            let (left, right) = (left.index(said.len()), right.index(said.len()));
            said.swap(left, right);
        }
        let shuffled = settle(&said);
        prop_assert_eq!(shuffled.statements(), expected.statements());
        prop_assert_eq!(&shuffled.state, &expected.state);

        // In batches too: a statement that a batch leaves unauthorized comes again with the next.
        let mut library = Library::new(found().0);
        let mut open: Vec<Statement> = Vec::new();
        for some in said.chunks(batch) {
            open.extend_from_slice(some);
            let outcomes = library.offer_all(&open, NOW);
            let mut outcomes = outcomes.iter();
            open.retain(|_| matches!(outcomes.next(), Some(Ok(outcome)) if comes_again(outcome)));
        }
        prop_assert_eq!(library.statements(), expected.statements());
        let kept = said.iter().map(|statement| statement.bytes().clone());
        let loaded = Library::load(found().0, kept, NOW).unwrap();
        prop_assert_eq!(loaded.statements(), expected.statements());
    }
}

/// A node's key is succeeded several times; its id and grants stay. The old key is valid for its grace and no
/// longer.
#[test]
fn a_node_keeps_its_grants_under_another_key() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let said = library::succession(&world.library, node(11), &key(11), &key(41), 1000, NOW).unwrap();
    world.take(said);
    let said = library::succession(&world.library, node(11), &key(41), &key(42), 0, NOW).unwrap();
    world.take(said);
    let library = &world.library;
    assert_eq!(library.key_of(&node(11)), Some(key(42).public()));
    assert!(library.holds_key(&node(11), &key(42).public(), NOW + DAY));
    assert!(library.holds_key(&node(11), &key(11).public(), NOW + 999));
    assert!(!library.holds_key(&node(11), &key(11).public(), NOW + 1000));
    assert!(!library.holds_key(&node(11), &key(41).public(), NOW));
    assert!(library.may(&node(11), "default", Verbs::PULL, NOW));
    assert_eq!(library.node_of(&key(42).public(), NOW), Some(node(11)));
    assert!(!library.is_member(&node(42), NOW), "a key is no node of its own");
    // A succession with one signature is refused.
    let body = Succession { node: node(11), old: key(42).public(), new: key(43).public(), grace_ms: 0 };
    for signer in [42, 43] {
        let half = world.sign(Body::Succession(body.clone()), 1, &[&key(signer)]);
        check_refused(&mut world.library, &half, "the old and the new key");
    }
}

/// A thief and the owner sign successions to different keys: neither is effective until an operator decides.
#[test]
fn two_successors_of_one_key_suspend_the_node() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    world.take(library::succession(&world.library, node(11), &key(11), &key(41), 0, NOW).unwrap());
    let rival = library::succession(&world.library, node(11), &key(11), &key(42), 0, NOW).unwrap();
    check_ineffective(&mut world.library, &rival, "contradicting statements");
    assert!(world.library.is_suspended(&node(11)) && !world.library.is_member(&node(11), NOW));
    assert_eq!(world.library.conflicts()[0].kind, ConflictKind::Succession);
    let bound = Member { key: key(41).public(), ..member(11, None) };
    world.take(library::member(&world.library, &key(2), bound, NOW).unwrap());
    assert!(world.library.is_member(&node(11), NOW));
    assert_eq!(world.library.key_of(&node(11)), Some(key(41).public()));
    assert!(world.library.conflicts().is_empty(), "no current key has two successors any more");
    // Recovery for a node that has lost its key: the operator binds a key that it never had.
    let bound = Member { key: key(44).public(), ..member(11, None) };
    world.take(library::member(&world.library, &key(2), bound, NOW).unwrap());
    assert_eq!(world.library.key_of(&node(11)), Some(key(44).public()));
}

/// A node that signs one succession after the other, without end, is stopped.
#[test]
fn keys_do_not_grow_without_bound() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let key_of = |n: usize| match n {
        0 => key(11),
        n => Key::from_seed(*StatementId::of(&n.to_le_bytes()).as_bytes()),
    };
    let mut taken = 0;
    while taken <= 2 * SUCCESSIONS {
        let said = library::succession(&world.library, node(11), &key_of(taken), &key_of(taken + 1), 0, NOW)
            .unwrap();
        match world.library.offer(&said, NOW) {
            Ok(outcome) => assert_eq!(outcome, Accepted::New),
            Err(error) => {
                assert!(error.to_string().contains("has had"), "{error}");
                break;
            }
        }
        taken += 1;
    }
    assert_eq!(taken, SUCCESSIONS);
}
