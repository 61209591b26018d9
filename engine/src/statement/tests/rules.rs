//! Statements that a library accepts and refuses: releases, channels, tickets and members.

use super::*;
use crate::{
    limits::SEQUENCE_JUMP,
    statement::{ConflictKind, Release},
};

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

/// A thief of a node's key has power over neither content nor admission: it can sign no release, channel,
/// ticket, member or root.
#[test]
fn a_node_key_has_no_authority() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    let thief = key(10);
    let manifest = ManifestId::from_bytes([6; 32]);
    let release = library::release(&world.library, &thief, vec![first], manifest, "", NOW).unwrap();
    check_unauthorized(&mut world.library, &release);
    let live =
        Channel { name: "live".into(), release: first, active: thief.public(), follow: true, term: None };
    let channel = library::channel(&world.library, &thief, live, NOW).unwrap();
    check_unauthorized(&mut world.library, &channel);
    let ticket = library::ticket(&world.library, &thief, terms(1), NOW).unwrap();
    check_unauthorized(&mut world.library, &ticket);
    let member = library::member(&world.library, &thief, member(11, None), NOW).unwrap();
    check_unauthorized(&mut world.library, &member);
    let mut root = world.library.root().unwrap().clone();
    root.version = 2;
    let root = world.sign(Body::Root(root), 2, &[&thief]);
    check_refused(&mut world.library, &root, "not signed by enough of its own keys");
}

/// No role can sign for another.
#[test]
fn each_role_keeps_to_its_own() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    for n in [1, 2] {
        let release = Release {
            parents: vec![],
            manifest: ManifestId::from_bytes([6; 32]),
            message: "".into(),
            classes: Vec::new(),
        };
        let release = world.sign(Body::Release(release), 1, &[&key(n)]);
        check_unauthorized(&mut world.library, &release);
    }
    for n in [1, 3] {
        let ticket = world.sign(Body::Ticket(terms(1)), 1, &[&key(n)]);
        check_unauthorized(&mut world.library, &ticket);
        let member = world.sign(Body::Member(member(11, None)), 1, &[&key(n)]);
        check_unauthorized(&mut world.library, &member);
    }
    let live =
        Channel { name: "live".into(), release: first, active: key(3).public(), follow: true, term: None };
    let by_root = world.sign(Body::Channel(live), 1, &[&key(1)]);
    check_unauthorized(&mut world.library, &by_root);
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
    check_unauthorized(&mut library, &world.said[1]);
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
        assert_eq!(world.library.offer(&old, NOW).unwrap(), Accepted::Known);
        assert_eq!(world.library.channel("live").unwrap().body.release, second);
    }
    // The same for a library that did not have it when it was new.
    let fresh: Vec<_> = world.said.iter().filter(|said| said.id() != old.id()).cloned().collect();
    let mut late = Library::open(world.library.id(), fresh, NOW).unwrap();
    check_ineffective(&mut late, &old, "a newer statement");
    assert_eq!(late.channel("live").unwrap().body.release, second);
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
        let body =
            Channel { name: "live".into(), release, active: key(3).public(), follow: true, term: None };
        sign(found().0, Body::Channel(body), sequence, NOW, &[&key(3)])
    };
    check_ineffective(&mut world.library, &live(u64::MAX - 1), "does not move the channel");
    check_ineffective(&mut world.library, &live(SEQUENCE_JUMP + 1), "does not move the channel");
    assert!(world.library.channel("live").is_none());
    assert!(world.library.offer(&live(SEQUENCE_JUMP), NOW).unwrap().is_news());
    // The statement that was too far is no longer too far, on every node.
    assert_eq!(world.library.channel("live").unwrap().statement.sequence(), SEQUENCE_JUMP + 1);
    check_ineffective(&mut world.library, &live(1), "a newer statement");
    assert_eq!(world.library.channel_highest("live"), SEQUENCE_JUMP + 1);
}

#[test]
fn two_statements_at_one_sequence_move_nothing_until_an_operator_does() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    let second = world.release(vec![first], 2);
    world.channel(&key(3), first, &key(3));
    let one = world.channel(&key(3), first, &key(3));
    let body =
        Channel { name: "live".into(), release: second, active: key(3).public(), follow: true, term: None };
    let other = world.sign(Body::Channel(body.clone()), 2, &[&key(3)]);
    check_ineffective(&mut world.library, &other, "contradicting statements");
    let later = world.sign(Body::Channel(body), 3, &[&key(3)]);
    check_ineffective(&mut world.library, &later, "does not move the channel");
    assert_eq!(world.library.channel("live").unwrap().statement.sequence(), 1);
    let mut proof = vec![one, other.id()];
    proof.sort();
    let conflict = world.library.conflicts()[0].clone();
    assert_eq!((conflict.kind, conflict.settled), (ConflictKind::Channel, false));
    assert_eq!(conflict.statements, proof);

    world.channel(&key(2), second, &key(3));
    assert_eq!(world.library.channel("live").unwrap().body.release, second);
    assert!(world.library.conflicts().iter().all(|conflict| conflict.settled));
    world.channel(&key(3), second, &key(3));
}

#[test]
fn a_channel_waits_for_its_release() {
    let mut world = World::new();
    let mut ahead = World::new();
    let release = ahead.release(vec![], 1);
    ahead.channel(&key(3), release, &key(3));
    check_ineffective(&mut world.library, &ahead.said[2], "release is not known");
    assert!(world.library.channel("live").is_none());
    assert_eq!(world.library.offer(&ahead.said[1], NOW).unwrap(), Accepted::New);
    assert_eq!(world.library.channel("live").unwrap().body.release, release);
    // A channel can point only to a release.
    let body = Channel {
        name: "odd".into(),
        release: ahead.said[0].id(),
        active: key(3).public(),
        follow: true,
        term: None,
    };
    let odd = world.sign(Body::Channel(body), 1, &[&key(3)]);
    check_ineffective(&mut world.library, &odd, "release is not known");
}

/// A publisher that an operator replaced does not take the channel back.
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
    let live = |active: &Key| Channel {
        name: "live".into(),
        release,
        active: active.public(),
        follow: true,
        term: None,
    };

    let seize = library::channel(&world.library, &key(4), live(&key(4)), NOW).unwrap();
    check_ineffective(&mut world.library, &seize, "an operator can switch");
    let appoint = library::channel(&world.library, &key(3), live(&key(4)), NOW).unwrap();
    check_ineffective(&mut world.library, &appoint, "an operator can switch");
    assert_eq!(world.library.channel("live").unwrap().body.active, key(3).public());

    world.channel(&key(2), release, &key(4));
    world.channel(&key(4), release, &key(4));
    let back = library::channel(&world.library, &key(3), live(&key(3)), NOW).unwrap();
    check_ineffective(&mut world.library, &back, "an operator can switch");
}

/// A publisher that does not know of its replacement goes on under the old term, however far: this changes
/// nothing where the operator's statement is known.
#[test]
fn a_replaced_publisher_cannot_outrun_the_operator() {
    let mut world = World::new();
    let first = world.release(vec![], 1);
    let second = world.release(vec![first], 2);
    world.channel(&key(3), first, &key(3));
    let mut unaware = World { library: world.library.clone(), said: Vec::new() };
    world.channel(&key(2), first, &key(3));
    let after = world.channel(&key(3), first, &key(3));
    for _ in 0..9 {
        unaware.channel(&key(3), second, &key(3));
    }
    for statement in &unaware.said {
        check_ineffective(&mut world.library, statement, "a newer statement");
    }
    assert_eq!(world.library.channel("live").unwrap().statement.id(), after);
    for statement in world.said.iter().rev() {
        let _ = unaware.library.offer(statement, NOW).unwrap();
    }
    assert_eq!(unaware.library.channel("live").unwrap().statement.id(), after);
    assert!(unaware.library.is_after("live", &after, &unaware.said[8].id()));
}

/// Two operators act at the same time: on every node the later statement is effective, and both operators see
/// the conflict.
#[test]
fn of_two_operators_at_once_the_later_counts() {
    let mut world = World::new();
    let mut root = world.library.root().unwrap().clone();
    root.version = 2;
    root.roles[1].keys = vec![key(2).public(), key(5).public()];
    root.roles[1].keys.sort();
    world.take(world.sign(Body::Root(root), 2, &[&key(1)]));
    let first = world.release(vec![], 1);
    let second = world.release(vec![first], 2);
    let body =
        |release| Channel { name: "live".into(), release, active: key(3).public(), follow: true, term: None };
    let early = sign(found().0, Body::Channel(body(first)), 1, NOW, &[&key(2)]);
    let late = sign(found().0, Body::Channel(body(second)), 1, NOW + 1, &[&key(5)]);
    for order in [[&early, &late], [&late, &early]] {
        let mut library = world.library.clone();
        for statement in order {
            assert!(library.offer(statement, NOW).unwrap().is_news());
        }
        assert_eq!(library.channel("live").unwrap().body.release, second);
        assert_eq!(library.conflicts()[0].kind, ConflictKind::Operators);
    }
}

#[test]
fn a_release_needs_its_parents_only_to_be_made() {
    let mut world = World::new();
    let unknown = StatementId::from_bytes([7; 32]);
    let manifest = ManifestId::from_bytes([1; 32]);
    let error = library::release(&world.library, &key(3), vec![unknown], manifest, "", NOW).unwrap_err();
    assert!(error.to_string().contains("pull the library first"));
    let body = Release { parents: vec![unknown], manifest, message: String::new(), classes: Vec::new() };
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
    check_ineffective(&mut world.library, &late, "contradicting statements");
    for n in [11, 12, 13] {
        assert!(!world.library.may(&node(n), "default", Verbs::PULL, NOW), "{n} is suspended");
        assert!(world.library.is_suspended(&node(n)));
    }
    assert_eq!(world.library.conflicts()[0].kind, ConflictKind::Ticket);
    assert!(!world.library.conflicts()[0].settled);

    // The operator grants two of them, and revokes the third, which it does not know.
    for n in [11, 12] {
        world.take(library::member(&world.library, &key(2), member(n, None), NOW).unwrap());
        assert!(world.library.may(&node(n), "default", Verbs::PULL, NOW));
    }
    world.take(library::revoke(&world.library, &key(2), node(13), "unknown", NOW).unwrap());
    assert!(!world.library.is_member(&node(13), NOW));
    assert!(world.library.conflicts()[0].settled);
}

#[test]
fn a_revocation_wins_over_everything_said_before() {
    let mut world = World::new();
    let ticket = world.ticket(5);
    world.join(11, ticket);
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    world.take(library::revoke(&world.library, &key(2), node(11), "stolen", NOW).unwrap());
    assert!(world.library.member(&node(11)).is_none());
    assert_eq!(world.library.revocation(&node(11)).unwrap().body.reason, "stolen");
    // Neither an older statement, nor another ticket, nor a second join makes the node a member again.
    let old = sign(
        world.library.id(),
        Body::Member(Member { name: "x".into(), ..member(11, None) }),
        1,
        NOW,
        &[&key(2)],
    );
    check_ineffective(&mut world.library, &old, "a newer operator statement");
    let fresh =
        library::ticket(&world.library, &key(2), TicketTerms { key: key(21).public(), ..terms(5) }, NOW + 9);
    let fresh = world.take(fresh.unwrap());
    let again = sign(world.library.id(), Body::Member(member(11, Some(fresh))), 1, NOW + 10, &[&key(10)]);
    check_ineffective(&mut world.library, &again, "a newer operator statement");
    let error = world.library.redeem(&fresh, &node(11), &node(10), NOW).unwrap_err().to_string();
    assert!(error.contains("was revoked"), "{error}");
    assert!(!world.library.is_member(&node(11), NOW));
    // A new operator statement does.
    world.take(library::member(&world.library, &key(2), member(11, None), NOW + 20).unwrap());
    assert!(world.library.is_member(&node(11), NOW));
    assert!(world.library.revocation(&node(11)).is_none());
}

/// Nodes that a stolen redeemer admitted lose their membership with it.
#[test]
fn members_by_a_revoked_redeemer_lose_their_membership() {
    let mut world = World::new();
    let ticket = world.ticket(5);
    world.join(11, ticket);
    world.take(library::revoke(&world.library, &key(2), node(10), "stolen", NOW).unwrap());
    assert!(!world.library.is_member(&node(11), NOW));
}

#[test]
fn any_one_operator_revokes_even_where_two_must_grant() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let mut root = world.library.root().unwrap().clone();
    root.version = 2;
    root.roles[1].keys = vec![key(2).public(), key(5).public()];
    root.roles[1].keys.sort();
    root.roles[1].threshold = 2;
    root.pins = vec![world.said[1].id()];
    world.take(world.sign(Body::Root(root), 2, &[&key(1)]));
    assert!(world.library.is_member(&node(11), NOW), "the root pins what one operator granted");
    let alone = library::member(&world.library, &key(5), member(12, None), NOW).unwrap();
    check_unauthorized(&mut world.library, &alone);
    world.take(alone.cosign(&key(2)).unwrap());
    world.take(library::revoke(&world.library, &key(5), node(11), "", NOW).unwrap());
    assert!(!world.library.is_member(&node(11), NOW));
}

#[test]
fn joining_again_uses_nothing_up() {
    let mut world = World::new();
    let ticket = world.ticket(1);
    let first = world.join(11, ticket);
    let again = world.library.redeem(&ticket, &node(11), &node(10), NOW + 9 * DAY).unwrap();
    assert_eq!(again.unwrap().id(), first);
    let second = sign(world.library.id(), Body::Member(member(11, Some(ticket))), 2, NOW + 1, &[&key(10)]);
    check_ineffective(&mut world.library, &second, "a newer operator statement");
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
    check(Member { key: key(12).public(), ..good.clone() }, NOW, 10, "not its node's first");
    for n in [11, 20] {
        let made = sign(found().0, Body::Member(good.clone()), 1, NOW, &[&key(n)]);
        check_unauthorized(&mut world.library, &made);
    }
    let stranger = Member { ticket: Some(StatementId::from_bytes([3; 32])), ..good.clone() };
    let stranger = world.sign(Body::Member(stranger), 1, &[&key(10)]);
    check_unauthorized(&mut world.library, &stranger);

    world.take(world.sign(Body::Member(good), 1, &[&key(10)]));
    assert!(world.library.may(&node(11), "films", Verbs::PULL, NOW));
    assert!(!world.library.may(&node(11), "news", Verbs::PULL, NOW));
}

#[test]
fn an_operators_newest_statement_replaces_its_earlier_grant() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let old = world.said.last().unwrap().clone();
    let ends = Member { expires_ms: NOW + DAY, ..member(11, None) };
    world.take(library::member(&world.library, &key(2), ends, NOW).unwrap());
    assert!(world.library.may(&node(11), "default", Verbs::PULL, NOW));
    assert!(!world.library.may(&node(11), "default", Verbs::PULL, NOW + DAY));
    assert_eq!(world.library.offer(&old, NOW).unwrap(), Accepted::Known);
    assert!(!world.library.may(&node(11), "default", Verbs::PULL, NOW + DAY));
    // A ticket from before the newest grant restores no right; a later ticket adds to it.
    let adds = |time_ms| {
        let terms = TicketTerms { key: key(22).public(), ..terms(1) };
        sign(found().0, Body::Ticket(terms), 1, time_ms, &[&key(2)])
    };
    for (time_ms, more) in [(NOW - 1, false), (NOW + 1, true)] {
        let ticket = world.take(adds(time_ms));
        let claim = sign(found().0, Body::Member(member(11, Some(ticket))), 1, NOW, &[&key(10)]);
        assert!(world.library.offer(&claim, NOW).unwrap().is_news());
        assert_eq!(world.library.may(&node(11), "default", Verbs::PULL, NOW + DAY), more);
    }
}
