//! What a library accepts and what it refuses: releases, channels, tickets and members.

use super::*;
use crate::{limits::SEQUENCE_JUMP, statement::Release};

#[test]
fn the_main_road() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    world.channel(&key(3), first, &key(3));
    let second = world.release(vec![first], 2);
    world.channel(&key(3), second, &key(3));
    let ticket = world.ticket(1);
    assert_eq!(world.library.redeem(&ticket, &node(11), &node(10), NOW).unwrap(), None);
    world.join(11, ticket);

    let library = &world.library;
    assert_eq!(library.name(), "films");
    assert_eq!(library.channel("live").unwrap().body.release, second);
    assert_eq!(library.channel("live").unwrap().statement.sequence(), 2);
    let sequences: Vec<_> = library.releases().iter().map(|said| said.statement.sequence()).collect();
    assert_eq!(sequences, [1, 2]);
    assert!(library.may(&node(11), "default", Verbs::PULL, NOW));
    assert!(!library.may(&node(12), "default", Verbs::PULL, NOW));
    assert!(!library.may(&node(11), "default", Verbs::from_bits(3), NOW));

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

/// Roles do not stand in for each other.
#[test]
fn each_role_keeps_to_its_own() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    for n in [1, 2] {
        let release =
            Release { parents: vec![], manifest: ManifestId::from_bytes([6; 32]), message: "".into() };
        let release = world.sign(Body::Release(release), 1, &[&key(n)]);
        check_unproved(&mut world.library, &release);
    }
    for n in [1, 3] {
        let ticket = world.sign(Body::Ticket(terms(1)), 1, &[&key(n)]);
        check_unproved(&mut world.library, &ticket);
        let member = world.sign(Body::Member(member(11, None)), 1, &[&key(n)]);
        check_unproved(&mut world.library, &member);
    }
    let live = Channel { name: "live".into(), release: first, active: key(3).public(), follow: true };
    let by_root = world.sign(Body::Channel(live), 1, &[&key(1)]);
    check_unproved(&mut world.library, &by_root);
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

#[test]
fn an_altered_statement_changes_nothing() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    let made =
        library::release(&world.library, &key(3), vec![first], ManifestId::from_bytes([2; 32]), "", NOW);
    let mut bytes = made.unwrap().bytes().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let forged = Statement::decode(&bytes).unwrap();
    check_refused(&mut world.library, &forged, "does not verify");
    assert_eq!(world.library.releases().len(), 1);
}

#[test]
fn nothing_stands_before_the_first_root() {
    let world = {
        let mut world = World::new();
        world.release(vec![], 1);
        world
    };
    let mut library = Library::new(world.library.id());
    check_unproved(&mut library, &world.said[1]);
    assert_eq!(library.offer(&world.said[0], NOW).unwrap(), Accepted::New);
    assert_eq!(library.offer(&world.said[1], NOW).unwrap(), Accepted::New);
    assert_eq!(library.offer(&world.said[1], NOW).unwrap(), Accepted::Known);
    let error = Library::load(library.id(), [world.said[1].bytes()], NOW).unwrap_err().to_string();
    assert!(error.contains("first root"), "{error}");
}

#[test]
fn a_rotten_statement_does_not_stop_a_library_from_loading() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    let kept: Vec<_> =
        [b"CHST rot".to_vec(), world.said[0].bytes().to_vec(), world.said[1].bytes().to_vec()].into();
    let loaded = Library::load(world.library.id(), kept, NOW).unwrap();
    assert!(loaded.release(&first).is_some());
}

#[test]
fn an_old_channel_statement_played_again_is_stale() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    world.channel(&key(3), first, &key(3));
    let old = world.said.last().unwrap().clone();
    let second = world.release(vec![first], 2);
    for _ in 0..100 {
        world.channel(&key(3), second, &key(3));
        assert_eq!(world.library.offer(&old, NOW).unwrap(), Accepted::Stale);
        assert_eq!(world.library.channel("live").unwrap().body.release, second);
    }
    let reloaded =
        Library::load(world.library.id(), world.said.iter().rev().map(|s| s.bytes().clone()), NOW).unwrap();
    assert_eq!(reloaded.channel("live").unwrap().statement.sequence(), 101);
}

#[test]
fn a_rollback_is_a_newer_statement() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    let second = world.release(vec![first], 2);
    world.channel(&key(3), second, &key(3));
    world.channel(&key(2), first, &key(3));
    assert_eq!(world.library.channel("live").unwrap().body.release, first);
}

#[test]
fn a_channel_does_not_jump() {
    let mut world = World::new();
    let release = world.release(vec![], 1);
    let live = |sequence| {
        let body = Channel { name: "live".into(), release, active: key(3).public(), follow: true };
        sign(found().0, Body::Channel(body), sequence, NOW, &[&key(3)])
    };
    check_refused(&mut world.library, &live(u64::MAX - 1), "would jump");
    check_refused(&mut world.library, &live(SEQUENCE_JUMP + 1), "would jump");
    world.take(live(SEQUENCE_JUMP));
    world.take(live(2 * SEQUENCE_JUMP));
    assert_eq!(world.library.offer(&live(1), NOW).unwrap(), Accepted::Stale);
}

#[test]
fn of_two_statements_at_one_sequence_the_first_stays() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    let second = world.release(vec![first], 2);
    let stands = world.channel(&key(3), first, &key(3));
    let body = Channel { name: "live".into(), release: second, active: key(3).public(), follow: true };
    let other = world.sign(Body::Channel(body), 1, &[&key(3)]);
    assert_eq!(world.library.offer(&other, NOW).unwrap(), Accepted::Conflict { stands });
    assert_eq!(world.library.channel("live").unwrap().body.release, first);
}

#[test]
fn a_channel_waits_for_its_release() {
    let mut world = World::new();
    let mut ahead = World::new();
    let release = ahead.release(vec![], 1);
    ahead.channel(&key(3), release, &key(3));
    check_unproved(&mut world.library, &ahead.said[2]);
    let outcomes = world.library.offer_all(&[ahead.said[2].clone(), ahead.said[1].clone()], NOW);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Accepted::New))), "{outcomes:?}");
    // A channel may name nothing but a release.
    let body =
        Channel { name: "odd".into(), release: ahead.said[0].id(), active: key(3).public(), follow: true };
    let odd = world.sign(Body::Channel(body), 1, &[&key(3)]);
    check_unproved(&mut world.library, &odd);
}

/// A publisher that an operator replaced follows; it does not take the channel back.
#[test]
fn only_an_operator_switches_publishers() {
    let mut world = World::new();
    let mut root = world.library.root().unwrap().clone();
    root.version = 2;
    root.roles[2].keys.push(key(4).public());
    root.roles[2].keys.sort();
    world.take(world.sign(Body::Root(root), 2, &[&key(1)]));
    let release = world.release(vec![], 1);
    world.channel(&key(3), release, &key(3));
    let live = |active: &Key| Channel { name: "live".into(), release, active: active.public(), follow: true };

    let seize = library::channel(&world.library, &key(4), live(&key(4)), NOW).unwrap();
    check_unproved(&mut world.library, &seize);
    let appoint = library::channel(&world.library, &key(3), live(&key(4)), NOW).unwrap();
    check_refused(&mut world.library, &appoint, "ask an operator");
    let stranger = library::channel(&world.library, &key(2), live(&key(5)), NOW).unwrap();
    check_unproved(&mut world.library, &stranger);

    world.channel(&key(2), release, &key(4));
    world.channel(&key(4), release, &key(4));
    let back = library::channel(&world.library, &key(3), live(&key(3)), NOW).unwrap();
    check_unproved(&mut world.library, &back);
}

#[test]
fn a_release_needs_its_parents_only_to_be_made() {
    let mut world = World::new();
    let unknown = StatementId::from_bytes([7; 32]);
    let manifest = ManifestId::from_bytes([1; 32]);
    let error = library::release(&world.library, &key(3), vec![unknown], manifest, "", NOW).unwrap_err();
    assert!(error.to_string().contains("pull the library first"));
    let body = Release { parents: vec![unknown], manifest, message: String::new() };
    world.take(world.sign(Body::Release(body), 8, &[&key(3)]));
}

#[test]
fn a_ticket_makes_as_many_members_as_it_says() {
    let mut world = World::new();
    let ticket = world.ticket(2);
    world.join(11, ticket);
    world.join(12, ticket);
    let error = world.library.redeem(&ticket, &node(13), &node(10), NOW).unwrap_err().to_string();
    assert!(error.contains("used already") && error.contains("chuan invite"), "{error}");
    let late = sign(world.library.id(), Body::Member(member(13, Some(ticket))), 1, NOW + 1, &[&key(10)]);
    assert_eq!(world.library.offer(&late, NOW).unwrap(), Accepted::Stale);
    assert!(!world.library.may(&node(13), "default", Verbs::PULL, NOW));

    // The earliest win, also when they come last.
    let early = sign(world.library.id(), Body::Member(member(14, Some(ticket))), 1, NOW - 1, &[&key(10)]);
    world.take(early);
    assert_eq!(world.library.ticket_use(&ticket), Some(node(14)));
    let still: Vec<_> = [11, 12].map(|n| world.library.may(&node(n), "default", Verbs::PULL, NOW)).into();
    assert_eq!(still.iter().filter(|may| **may).count(), 1, "one of them lost its place");
}

#[test]
fn joining_again_uses_nothing_up() {
    let mut world = World::new();
    let ticket = world.ticket(1);
    let first = world.join(11, ticket);
    let again = world.library.redeem(&ticket, &node(11), &node(10), NOW + 9 * DAY).unwrap();
    assert_eq!(again.unwrap().id(), first);
    let second = sign(world.library.id(), Body::Member(member(11, Some(ticket))), 2, NOW + 1, &[&key(10)]);
    assert_eq!(world.library.offer(&second, NOW).unwrap(), Accepted::Stale);
    assert_eq!(world.library.members().len(), 1);
}

#[test]
fn redeeming_says_why_not() {
    let mut world = World::new();
    let ticket = world.ticket(1);
    let check = |ticket, redeemer, now_ms, text: &str| {
        let error = world.library.redeem(&ticket, &node(11), &redeemer, now_ms).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    check(StatementId::from_bytes([1; 32]), node(10), NOW, "does not know the ticket");
    check(ticket, node(12), NOW, "may not redeem");
    check(ticket, node(10), NOW + DAY, "expired");
}

#[test]
fn a_member_is_held_to_its_ticket() {
    let mut world = World::new();
    let limited = TicketTerms { classes: Classes::new(vec!["films".into()]).unwrap(), ..terms(9) };
    let ticket = world.take(library::ticket(&world.library, &key(2), limited, NOW).unwrap());
    let films = Classes::new(vec!["films".into()]).unwrap();
    let good = Member { classes: films.clone(), ..member(11, Some(ticket)) };
    let mut check = |member: Member, time_ms, signer: u8, text: &str| {
        let made = sign(found().0, Body::Member(member), 1, time_ms, &[&key(signer)]);
        check_refused(&mut world.library, &made, text);
    };
    check(member(11, Some(ticket)), NOW, 10, "does not grant these classes");
    check(Member { verbs: Verbs::from_bits(3), ..good.clone() }, NOW, 10, "does not grant these verbs");
    check(Member { role: NodeRole::Origin, ..good.clone() }, NOW, 10, "does not grant the role origin");
    check(good.clone(), NOW + DAY + 1, 10, "after its ticket had expired");
    check(good.clone(), NOW, 11, "signed by no redeemer");
    check(good.clone(), NOW, 20, "signed by no redeemer");
    check(Member { key: key(12).public(), ..good.clone() }, NOW, 10, "not its node's first");
    let stranger = Member { ticket: Some(StatementId::from_bytes([3; 32])), ..good.clone() };
    let stranger = world.sign(Body::Member(stranger), 1, &[&key(10)]);
    check_unproved(&mut world.library, &stranger);

    world.take(world.sign(Body::Member(good), 1, &[&key(10)]));
    assert!(world.library.may(&node(11), "films", Verbs::PULL, NOW));
    assert!(!world.library.may(&node(11), "news", Verbs::PULL, NOW));
}

#[test]
fn an_operator_has_the_last_word_on_what_it_granted() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let old = world.said.last().unwrap().clone();
    let ends = Member { expires_ms: NOW + DAY, ..member(11, None) };
    world.take(library::member(&world.library, &key(2), ends, NOW).unwrap());
    assert!(world.library.may(&node(11), "default", Verbs::PULL, NOW));
    assert!(!world.library.may(&node(11), "default", Verbs::PULL, NOW + DAY));
    assert_eq!(world.library.offer(&old, NOW).unwrap(), Accepted::Stale);
    assert!(!world.library.may(&node(11), "default", Verbs::PULL, NOW + DAY));
}
