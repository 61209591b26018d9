//! Attacks with genuine statements and a key of little or no authority: adding a signature, hiding or making
//! a contradiction, signing for a redeemer. Each was possible once, or would be with one rule less.

use super::*;
use crate::{
    id::RecordId,
    limits::{CHECKPOINTS, SIGNATURES},
    statement::{Checkpoint, ConflictKind, Fresh, Role, RoleKind, envelope},
};

fn live(release: StatementId, active: &Key, term: Option<StatementId>) -> Body {
    Body::Channel(Channel { name: "live".into(), release, active: active.public(), follow: true, term })
}

/// A world with publishers 3 and 4 and operators 2 and 5.
fn world() -> World {
    let mut world = World::new();
    let mut root = world.library.root().unwrap().clone();
    root.version = 2;
    root.roles[1] = Role::any_of(RoleKind::Operator, [2, 5].map(|n| key(n).public()));
    root.roles[2] = Role::any_of(RoleKind::Publisher, [3, 4].map(|n| key(n).public()));
    world.take(world.sign(Body::Root(root), 2, &[&key(1)]));
    world
}

/// Every node that passes a statement on could add a signature: this would be another envelope, and the
/// publisher would no longer be its only signer.
#[test]
fn a_statement_with_a_foreign_signature_is_not_stored() {
    let mut world = world();
    let first = world.release(vec![], 1);
    world.channel(&key(3), first, &key(3));
    for said in world.said.clone().iter().skip(2) {
        check_unauthorized(&mut world.library, &said.cosign(&key(99)).unwrap());
        assert_eq!(world.library.statement(&said.id()), Some(said));
    }
    assert_eq!(world.library.term("live"), None);
    let second = world.release(vec![first], 2);
    world.channel(&key(3), second, &key(3));
    assert_eq!(world.library.channel("live").unwrap().body.release, second);
}

/// A root that an attacker filled up with signatures still has room for those that it needs.
#[test]
fn foreign_signatures_on_a_root_are_dropped() {
    let mut world = World::new();
    let mut root = world.library.root().unwrap().clone();
    root.version = 2;
    root.roles[0] = Role::any_of(RoleKind::Root, [1, 6].map(|n| key(n).public()));
    let signed = world.sign(Body::Root(root), 2, &[&key(1)]);
    let mut filled = signed.clone();
    for n in 100..100 + u8::try_from(SIGNATURES).unwrap() - 1 {
        filled = filled.cosign(&key(n)).unwrap();
    }
    assert_eq!(world.library.offer(&filled, NOW).unwrap(), Accepted::New);
    assert_eq!(world.library.statement(&signed.id()), Some(&signed));
    assert_eq!(world.library.offer(&filled, NOW).unwrap(), Accepted::Known);
    assert_eq!(world.library.offer(&signed.cosign(&key(6)).unwrap(), NOW).unwrap(), Accepted::New);
}

#[test]
fn a_second_signature_does_not_hide_a_contradiction() {
    let mut world = world();
    let first = world.release(vec![], 1);
    world.channel(&key(2), first, &key(3));
    let term = world.library.term("live");
    let one = world.channel(&key(3), first, &key(3));
    let second = world.release(vec![first], 2);
    let other = world.sign(live(second, &key(3), term), 2, &[&key(3), &key(4)]);
    check_ineffective(&mut world.library, &other, "contradicting statements");
    assert_eq!(world.library.channel("live").unwrap().statement.sequence(), 1);
    assert!(world.library.conflicts()[0].statements.contains(&one));
}

#[test]
fn another_publisher_cannot_make_a_contradiction() {
    let mut world = world();
    let first = world.release(vec![], 1);
    world.channel(&key(2), first, &key(3));
    let term = world.library.term("live");
    let one = world.channel(&key(3), first, &key(3));
    let beside = world.library.statement(&one).unwrap().cosign(&key(4)).unwrap();
    assert!(world.library.offer(&beside, NOW).unwrap().is_news());
    let own = world.sign(live(first, &key(4), term), 2, &[&key(4)]);
    check_ineffective(&mut world.library, &own, "does not move the channel");
    assert_eq!(world.library.channel("live").unwrap().statement.id(), one);
    assert!(world.library.conflicts().is_empty());
    world.channel(&key(3), first, &key(3));
}

/// The publisher went on after the operator; then the operator's key is replaced and the root pins the
/// channel's current statement.
#[test]
fn a_publisher_goes_on_from_what_a_root_pins() {
    let mut world = world();
    let first = world.release(vec![], 1);
    let appointed = world.channel(&key(2), first, &key(3));
    let stands = world.channel(&key(3), first, &key(3));
    let mut root = world.library.root().unwrap().clone();
    root.version = 3;
    root.roles[1] = Role::any_of(RoleKind::Operator, [key(5).public()]);
    root.pins = vec![appointed, stands];
    root.pins.sort();
    world.take(world.sign(Body::Root(root), 3, &[&key(1)]));
    assert_eq!(world.library.channel("live").unwrap().statement.id(), stands);
    let second = world.release(vec![first], 2);
    world.channel(&key(3), second, &key(3));
    assert_eq!(world.library.channel("live").unwrap().body.release, second);
}

/// Only the newest checkpoints are kept. The choice may not depend on the order of arrival, or nodes would
/// never agree.
#[test]
fn of_many_logs_the_same_few_are_kept_in_every_order() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let said = |count: u64, head: u8, time_ms| {
        let body = Checkpoint { node: node(11), count, head: RecordId::from_bytes([head; 32]) };
        sign(found().0, Body::Checkpoint(body), count, time_ms, &[&key(11)])
    };
    let last = u64::try_from(CHECKPOINTS).unwrap() + 3;
    let mut all: Vec<_> = (1..=last).map(|count| said(count, 0, NOW)).collect();
    // One count was reached in three ways, and one of them was signed again and again.
    all.extend((1..3).map(|head| said(last, head, NOW)));
    all.extend((1..9).map(|later| said(last, 0, NOW + later)));
    let mut expected: Option<Vec<Statement>> = None;
    for turn in 0..all.len() {
        all.rotate_left(7);
        let mut library = world.library.clone();
        let offered: Vec<_> = if turn % 2 == 0 { all.clone() } else { all.iter().rev().cloned().collect() };
        offered.iter().for_each(|statement| drop(library.offer(statement, NOW).unwrap()));
        let kept: Vec<_> = library.statements().into_iter().cloned().collect();
        assert_eq!(&kept, expected.get_or_insert(kept.clone()));
        assert_eq!(library.checkpoints(&node(11)).len(), CHECKPOINTS);
        assert_eq!(library.conflicts()[0].kind, ConflictKind::Checkpoint);
    }
}

/// Two timekeepers may sign the same body at the same time: this is one statement, and it is effective for
/// each as long as it is its newest.
#[test]
fn timekeepers_may_share_one_statement() {
    let mut world = World::new();
    let mut root = world.library.root().unwrap().clone();
    root.version = 2;
    let timekeepers = Role::any_of(RoleKind::Timekeeper, [8, 9].map(|n| key(n).public()));
    root.roles.push(Role { threshold: 2, ..timekeepers });
    world.take(world.sign(Body::Root(root), 2, &[&key(1)]));
    let first = world.release(vec![], 1);
    let statement = world.channel(&key(3), first, &key(3));
    let body = Body::Fresh(Fresh { channel: "live".into(), statement });
    let vouch = |sequence: u64, n: u8| {
        let time_ms = NOW + i64::try_from(sequence).unwrap();
        sign(found().0, body.clone(), sequence, time_ms, &[&key(n)])
    };
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [0, 2, 1, 3]] {
        let said = [vouch(1, 8), vouch(1, 9), vouch(2, 8), vouch(2, 9)];
        let mut library = world.library.clone();
        order.iter().for_each(|at| drop(library.offer(&said[*at], NOW).unwrap()));
        assert_eq!(library.fresh_since("live"), Some(NOW + 2));
        let last = library.statement(&said[2].id()).unwrap();
        assert_eq!(last.signers().count(), 2);
        assert!(library.statement(&said[0].id()).is_none());
    }
    let two = library::succession(&world.library, node(10), &key(10), &key(30), 0, NOW).unwrap();
    check_refused(&mut world.library, &two.cosign(&key(99)).unwrap(), "no other");
}

/// A replaced operator's key binds a key to a redeemer: the binding is ineffective, and so are members that
/// this key redeems.
#[test]
fn a_replaced_operator_cannot_bind_a_redeemers_key() {
    let mut world = world();
    let ticket = world.take(library::ticket(&world.library, &key(5), terms(9), NOW).unwrap());
    let mut root = world.library.root().unwrap().clone();
    root.version = 3;
    root.roles[1] = Role::any_of(RoleKind::Operator, [key(5).public()]);
    world.take(world.sign(Body::Root(root), 3, &[&key(1)]));
    let bound = Member { key: key(66).public(), ..member(10, None) };
    let bound = world.sign(Body::Member(bound), 1, &[&key(2)]);
    check_ineffective(&mut world.library, &bound, "a newer operator statement");
    let claim = world.sign(Body::Member(member(11, Some(ticket))), 1, &[&key(66)]);
    check_ineffective(&mut world.library, &claim, "a newer operator statement");
    assert!(!world.library.is_member(&node(11), NOW));
    assert_eq!(world.library.ticket_uses(&ticket).count(), 0);
}

/// A redeemer's members stay when its key is succeeded, and when an operator binds the new key; the members
/// that a stolen key admitted lose their membership when an operator binds another key.
#[test]
fn a_redeemers_members_follow_its_key() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(10, None), NOW).unwrap());
    let ticket = world.ticket(9);
    world.join(11, ticket);
    let next = library::succession(&world.library, node(10), &key(10), &key(30), 0, NOW).unwrap();
    world.take(next);
    let by_next = world.sign(Body::Member(member(12, Some(ticket))), 1, &[&key(30)]);
    world.take(by_next);
    let bind = |world: &World, n: u8| {
        let body = Member { key: key(n).public(), ..member(10, None) };
        library::member(&world.library, &key(2), body, NOW).unwrap()
    };
    world.take(bind(&world, 30));
    assert!([11, 12].iter().all(|n| world.library.is_member(&node(*n), NOW)));
    world.take(bind(&world, 31));
    assert!([11, 12].iter().all(|n| !world.library.is_member(&node(*n), NOW)));
    let thief = world.sign(Body::Member(member(13, Some(ticket))), 1, &[&key(30)]);
    check_ineffective(&mut world.library, &thief, "a newer operator statement");
    let honest = world.sign(Body::Member(member(14, Some(ticket))), 1, &[&key(31)]);
    world.take(honest);
}

/// A body under the kind of another, correct otherwise: signed by the signers of that kind, or of the body's
/// own. Most cannot be read as the other kind; none is effective as that kind.
#[test]
fn no_body_counts_as_another_kind() {
    let mut world = World::new();
    let release = world.release(vec![], 1);
    world.channel(&key(3), release, &key(3));
    world.take(library::member(&world.library, &key(2), member(10, None), NOW).unwrap());
    let keys_of = |said: &Statement| -> Vec<Key> {
        (1..=20).map(key).filter(|key| said.signers().any(|signer| *signer == key.public())).collect()
    };
    let mut pairs = 0;
    for (said, other) in form::samples()
        .iter()
        .flat_map(|said| form::samples().into_iter().map(move |other| (said.clone(), other)))
    {
        if said.kind() == other.kind() {
            continue;
        }
        pairs += 1;
        for signers in [keys_of(&said), keys_of(&other)] {
            let mut bytes = other.bytes()[..56].to_vec();
            bytes[8..40].copy_from_slice(world.library.id().as_bytes());
            let body = said.body().encode().unwrap();
            bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(&body);
            let signed = [envelope::DOMAIN, &bytes].concat();
            bytes.push(u8::try_from(signers.len()).unwrap());
            let mut signers = signers;
            signers.sort_by_key(Key::public);
            for signer in &signers {
                bytes.extend_from_slice(signer.public().as_bytes());
                bytes.extend_from_slice(signer.sign(&signed).as_bytes());
            }
            let Ok(crossed) = Statement::decode(&bytes) else { continue };
            assert_eq!(crossed.kind(), other.kind());
            assert!(!crossed.verify_signatures().unwrap().is_empty(), "the test signs it rightly");
            let outcome = world.library.clone().offer(&crossed, NOW);
            let context = format!("{} as {}: {outcome:?}", said.kind().name(), other.kind().name());
            assert!(!matches!(outcome, Ok(Accepted::New)), "{context}");
        }
    }
    assert_eq!(pairs, 11 * 10);
}
