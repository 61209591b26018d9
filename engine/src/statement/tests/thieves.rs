//! Attacks with a stolen key, current or removed, and the statements that it leaves behind when it is
//! replaced.

use super::*;
use crate::{
    id::RecordId,
    limits::{CHECKPOINTS, CLAIMS, DISPLACED, SEQUENCE_JUMP, SUCCESSIONS, TICKET_OVERUSE},
    statement::{Checkpoint, ConflictKind, Fresh, PublicKey, Revoke, Role, RoleKind, Root},
};

/// The next root, which gives the role to `keys`.
fn next_root(world: &World, kind: RoleKind, keys: &[PublicKey], nonce: u8) -> Root {
    let mut root = world.library.root().unwrap().clone();
    root.version += 1;
    root.nonce = Salt::from_bytes([nonce; 32]);
    root.roles.retain(|role| role.kind != kind);
    root.roles.push(Role::any_of(kind, keys.iter().copied()));
    root.roles.sort_by_key(|role| role.kind);
    root
}

/// A root key was retired long ago. Its file is stolen, and the thief signs a rival of the root that retired
/// it, again and again, until the rival's id is smaller than that of the effective root. Symptom: the thief
/// owned the library. Cause: the smaller id decided.
#[test]
fn a_retired_root_key_rewrites_nothing() {
    let mut world = World::new();
    let mut rivals = Vec::new();
    for nonce in 0..32 {
        let mut rival = next_root(&world, RoleKind::Root, &[key(66).public()], nonce);
        rival.roles.retain(|role| role.kind != RoleKind::Operator);
        rival.roles.push(Role::any_of(RoleKind::Operator, [key(66).public()]));
        rival.roles.sort_by_key(|role| role.kind);
        rivals.push(world.sign(Body::Root(rival), 2, &[&key(1), &key(66)]));
    }
    let second = next_root(&world, RoleKind::Root, &[key(50).public()], 9);
    let second = world.take(world.sign(Body::Root(second), 2, &[&key(1), &key(50)]));
    let third = next_root(&world, RoleKind::Publisher, &[key(3).public(), key(4).public()], 9);
    let third = world.take(world.sign(Body::Root(third), 3, &[&key(50)]));
    assert!(rivals.iter().any(|rival| rival.id() < second), "the test has no rival with a smaller id");

    let mut taken = 0;
    for rival in &rivals {
        taken += usize::from(world.library.offer(rival, NOW).is_ok_and(|outcome| outcome.is_news()));
        assert_eq!(world.library.root_statement().unwrap().id(), third);
    }
    assert_eq!(taken, 1, "one is enough proof");
    let conflicts: Vec<_> = world.library.conflicts().iter().map(|c| (c.kind, c.settled)).collect();
    assert_eq!(conflicts, [(ConflictKind::Root, true)], "the quorum has gone on since");
    let out = Revoke { node: node(11), up_to: 1, reason: String::new() };
    let out = world.sign(Body::Revoke(out), 1, &[&key(66)]);
    check_unauthorized(&mut world.library, &out);

    // A library that loads them in order of arrival, or gets them from here, has the same root.
    let told = world.library.statements().into_iter().cloned().collect::<Vec<_>>();
    let loaded = Library::open(world.library.id(), told, NOW).unwrap();
    assert_eq!(loaded.root_statement().unwrap().id(), third);
    let came = world.said.iter().chain(&rivals).map(|statement| statement.bytes().clone());
    let loaded = Library::load(world.library.id(), came, NOW).unwrap();
    assert_eq!(loaded.root_statement().unwrap().id(), third);
}

/// An honest quorum signed two roots of one version, and two libraries know a different one first: the next
/// root brings them together.
#[test]
fn the_next_root_ends_a_fork() {
    let world = World::new();
    let make = |key_of: u8, version: u64, signers: &[&Key]| {
        let mut root = next_root(&world, RoleKind::Publisher, &[key(key_of).public()], 9);
        root.version = version;
        world.sign(Body::Root(root), version, signers)
    };
    let (one, other, next) = (make(31, 2, &[&key(1)]), make(32, 2, &[&key(1)]), make(33, 3, &[&key(1)]));
    let halves = [[&one, &other], [&other, &one]].map(|order| {
        let mut library = world.library.clone();
        order.iter().for_each(|root| assert!(library.offer(root, NOW).unwrap().is_news()));
        assert_eq!(library.root_statement().unwrap().id(), order[0].id());
        assert!(library.conflicts().iter().any(|c| c.kind == ConflictKind::Root && !c.settled));
        assert_eq!(library.offer(&next, NOW).unwrap(), Accepted::New);
        assert!(library.conflicts().iter().all(|c| c.settled));
        library.root().unwrap().clone()
    });
    assert_eq!(halves[0], halves[1]);
}

/// A stolen operator's key makes a sequence jump; an honest operator answers with a higher sequence. Symptom:
/// when the stolen key was replaced, the node was a member again. Cause: the honest revocation was taken for
/// a jump, since the thief's grant below it was no longer effective.
#[test]
fn an_answer_to_a_jump_stays_effective_when_the_thief_is_removed() {
    let mut world = World::new();
    let both = [key(2).public(), key(5).public()];
    let root = next_root(&world, RoleKind::Operator, &both, 9);
    world.take(world.sign(Body::Root(root), 2, &[&key(1)]));
    let (release, good) = (world.release(vec![], 1), world.release(vec![], 2));
    world.channel(&key(5), release, &key(3));
    world.take(library::member(&world.library, &key(5), member(11, None), NOW).unwrap());

    let leap = 1 + SEQUENCE_JUMP;
    world.take(world.sign(Body::Member(member(11, None)), leap, &[&key(2)]));
    let live = Channel { name: "live".into(), release, active: key(3).public(), follow: true, term: None };
    world.take(world.sign(Body::Channel(live), leap, &[&key(2)]));
    world.take(library::revoke(&world.library, &key(5), node(11), "", NOW).unwrap());
    let answer = world.channel(&key(5), good, &key(3));
    assert!(!world.library.is_member(&node(11), NOW));

    let root = next_root(&world, RoleKind::Operator, &[key(5).public()], 9);
    world.take(world.sign(Body::Root(root), 3, &[&key(1)]));
    assert!(!world.library.is_member(&node(11), NOW), "the revocation is effective");
    let channel = world.library.channel("live").unwrap();
    assert_eq!((channel.statement.id(), channel.body.release), (answer, good));
}

/// A thief of a node's key signs as many successions as are allowed. Symptom: the owner's succession was then
/// refused, and there was not even a contradiction. Now there is a contradiction in any order of arrival, and
/// an operator decides.
#[test]
fn a_thief_cannot_use_up_the_keys_of_a_node() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let thiefs = |n: usize| Key::from_seed(*StatementId::of(&n.to_le_bytes()).as_bytes());
    let succeed =
        |old: &Key, new: &Key| library::succession(&world.library, node(11), old, new, 0, NOW).unwrap();
    let mut chain = vec![succeed(&key(11), &thiefs(0))];
    chain.extend((0..2 * SUCCESSIONS).map(|n| succeed(&thiefs(n), &thiefs(n + 1))));
    let own = succeed(&key(11), &key(77));
    for owner_first in [false, true] {
        let mut library = world.library.clone();
        let own_before = owner_first.then_some(&own);
        let own_after = (!owner_first).then_some(&own);
        for said in own_before.into_iter().chain(&chain).chain(own_after) {
            let _ = library.offer(said, NOW);
        }
        assert!(library.statements().len() <= world.said.len() + SUCCESSIONS + 1);
        assert!(library.is_suspended(&node(11)), "owner first: {owner_first}");
        assert!(library.statement(&own.id()).is_some());
        let bound = Member { key: key(77).public(), ..member(11, None) };
        let bound = library::member(&library, &key(2), bound, NOW).unwrap();
        assert_eq!(library.offer(&bound, NOW).unwrap(), Accepted::New);
        assert_eq!(library.key_of(&node(11)), Some(key(77).public()));
        assert!(!library.is_suspended(&node(11)));
        let next = library::succession(&library, node(11), &key(77), &key(78), 0, NOW).unwrap();
        assert_eq!(library.offer(&next, NOW).unwrap(), Accepted::New, "the owner goes on");
    }
}

/// Two keys may sign the same succession with any time and grace. One of these statements is kept, the same
/// one in every order.
#[test]
fn a_succession_is_kept_once() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let made: Vec<_> = (0..20)
        .map(|n| {
            library::succession(&world.library, node(11), &key(11), &key(77), n, NOW + n as i64).unwrap()
        })
        .collect();
    let kept = [made.iter().collect::<Vec<_>>(), made.iter().rev().collect()].map(|order| {
        let mut library = world.library.clone();
        order.iter().for_each(|said| drop(library.offer(said, NOW).unwrap()));
        assert_eq!(library.key_of(&node(11)), Some(key(77).public()));
        library.statements().into_iter().map(Statement::id).collect::<Vec<_>>()
    });
    assert_eq!(kept[0], kept[1]);
    assert_eq!(kept[0].len(), world.said.len() + 1);
}

/// Offers statements in an order in which each would displace the one before: by id, the largest first.
/// Returns the number of news.
fn offer_descending(library: &mut Library, mut made: Vec<Statement>) -> usize {
    made.sort_by_key(|said| std::cmp::Reverse(said.id()));
    let outcomes = made.iter().map(|said| library.offer(said, NOW));
    outcomes.filter(|outcome| outcome.as_ref().is_ok_and(Accepted::is_news)).count()
}

/// Symptom: two keys of a node signed one succession with ever earlier times, and every node wrote each of
/// them, without end. Cause: the earliest was kept, the signer chooses the time, and each displaced statement
/// freed its place in the quota.
#[test]
fn a_succession_is_not_displaced_without_end() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let made =
        |n: i64| library::succession(&world.library, node(11), &key(11), &key(77), 0, NOW - n).unwrap();
    let by_time: Vec<_> = (0..400).map(made).collect();
    let mut library = world.library.clone();
    let outcomes: Vec<_> = by_time.iter().map(|said| library.offer(said, NOW)).collect();
    assert!(outcomes.iter().filter(|o| o.as_ref().is_ok_and(Accepted::is_news)).count() <= 1 + DISPLACED);

    // The worst order that a thief can prepare, for one successor and for many.
    let mut library = world.library.clone();
    assert_eq!(offer_descending(&mut library, by_time), 1 + DISPLACED);
    assert_eq!(library.key_of(&node(11)), Some(key(77).public()));
    let own = library::succession(&library, node(11), &key(11), &key(78), 0, NOW).unwrap();
    assert!(library.offer(&own, NOW).unwrap().is_news(), "the owner contradicts all the same");
    assert!(library.is_suspended(&node(11)));
    let mut successors: Vec<_> =
        (0..400u64).map(|n| Key::from_seed(*StatementId::of(&n.to_le_bytes()).as_bytes())).collect();
    successors.sort_by_key(|successor| std::cmp::Reverse(successor.public()));
    let mut library = world.library.clone();
    let mut taken = 0;
    for successor in successors {
        let said = library::succession(&world.library, node(11), &key(11), &successor, 0, NOW).unwrap();
        taken += usize::from(library.offer(&said, NOW).is_ok_and(|outcome| outcome.is_news()));
    }
    assert!((2..=2 + DISPLACED).contains(&taken), "{taken}");
    assert!(library.is_suspended(&node(11)));
}

/// The same by a redeemer, whose key signs again and again that a node joined with a ticket.
#[test]
fn a_claim_is_not_displaced_without_end() {
    let mut world = World::new();
    let ticket = world.ticket(1);
    let made = (0..400).map(|n| {
        let claim = Body::Member(member(11, Some(ticket)));
        sign(world.library.id(), claim, 1, NOW - n, &[&key(10)])
    });
    let made: Vec<_> = made.collect();
    let mut library = world.library.clone();
    assert_eq!(offer_descending(&mut library, made.clone()), CLAIMS + DISPLACED);
    assert!(library.is_member(&node(11), NOW));

    // In one batch they are sorted before any is kept, and the order in which a few come does not matter.
    let few = &made[..CLAIMS + DISPLACED];
    let kept = [few.to_vec(), few.iter().rev().cloned().collect::<Vec<_>>()].map(|order| {
        let mut library = world.library.clone();
        order.iter().for_each(|said| drop(library.offer(said, NOW).unwrap()));
        library.statements().into_iter().map(Statement::id).collect::<Vec<_>>()
    });
    assert_eq!(kept[0], kept[1]);
    let news = world.library.offer_all(&made, NOW);
    assert_eq!(news.iter().filter(|o| o.as_ref().is_ok_and(Accepted::is_news)).count(), CLAIMS);
}

/// A displaced statement must not stay on the disk: the ledger learns of it at once, and again when it is
/// opened.
#[test]
fn the_ledger_learns_of_displaced_statements() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let made = |n| library::succession(&world.library, node(11), &key(11), &key(77), n, NOW).unwrap();
    let mut made: Vec<_> = (0..2).map(made).collect();
    made.sort_by_key(Statement::id);
    let mut before = world.library.clone();
    assert!(before.offer(&made[1], NOW).unwrap().is_news());
    let mut after = before.clone();
    assert!(after.offer(&made[0], NOW).unwrap().is_news());
    let overtaken = before.passing().filter(|id| after.statement(id).is_none());
    assert_eq!(overtaken.collect::<Vec<_>>(), [made[1].id()]);
    assert!(after.is_overtaken(&made[1]) && !after.is_overtaken(&made[0]));
    assert!(world.said.iter().all(|said| !after.is_overtaken(said)));
}

/// A thief of a redeemer's key admits nodes without end by one ticket.
#[test]
fn a_ticket_is_not_used_without_end() {
    let mut world = World::new();
    let ticket = world.ticket(1);
    let joined = |n: usize| {
        let key = Key::from_seed(*StatementId::of(&n.to_le_bytes()).as_bytes());
        Member { node: key.node(), key: key.public(), ..member(11, Some(ticket)) }
    };
    for n in 0..2 * TICKET_OVERUSE {
        let made = library::member(&world.library, &key(10), joined(n), NOW).unwrap();
        let _ = world.library.offer(&made, NOW);
    }
    let kept = world.library.statements().len() - world.said.len();
    assert_eq!(kept, 1 + TICKET_OVERUSE);
    let is_in = |n: usize| world.library.is_member(&joined(n).node, NOW);
    assert!(!(0..2 * TICKET_OVERUSE).any(is_in));
    assert!(world.library.conflicts().iter().any(|conflict| conflict.kind == ConflictKind::Ticket));
}

/// A thief of a node's earlier key signs checkpoints at counts that the log will never reach. Symptom: the
/// node's own checkpoints were refused from then on. Now each key has its own checkpoints, and those by keys
/// that an operator replaced are ignored.
#[test]
fn a_stolen_node_key_does_not_silence_the_audit_log() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let checkpoint = |library: &Library, signer: u8, count| {
        let body = Checkpoint { node: node(11), count, head: RecordId::of(&[signer]) };
        library::checkpoint(library, &key(signer), body, NOW).unwrap()
    };
    for n in 0..2 * CHECKPOINTS as u64 {
        let _ = world.library.offer(&checkpoint(&world.library, 11, u64::MAX - 100 + n), NOW).unwrap();
    }
    let bound = Member { key: key(77).public(), ..member(11, None) };
    let bound = library::member(&world.library, &key(2), bound, NOW).unwrap();
    assert_eq!(world.library.offer(&bound, NOW).unwrap(), Accepted::New);
    assert!(world.library.checkpoints(&node(11)).is_empty());
    let own = checkpoint(&world.library, 77, 5);
    assert_eq!(world.library.offer(&own, NOW).unwrap(), Accepted::New);
    let known: Vec<_> = world.library.checkpoints(&node(11)).iter().map(|said| said.body.count).collect();
    assert_eq!(known, [5]);

    // The same checkpoint with an additional signature by the old key is still the node's own.
    let both = own.cosign(&key(11)).unwrap();
    assert_eq!(world.library.offer(&both, NOW).unwrap(), Accepted::New);
    assert_eq!(world.library.checkpoints(&node(11)).len(), 1);
}

/// Symptom: after a node had a new key, checkpoints by its old key were still effective: they made the log
/// jump, and marked the node as cloned.
#[test]
fn a_checkpoint_by_a_replaced_key_is_ineffective() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let checkpoint = |signer: u8, count, head: u8| {
        let body = Checkpoint { node: node(11), count, head: RecordId::of(&[head]) };
        world_sign(Body::Checkpoint(body), count, signer)
    };
    let before = checkpoint(11, 5, 1);
    let mut older = world.library.clone();
    assert_eq!(older.offer(&before, NOW).unwrap(), Accepted::New);
    assert_eq!(older.checkpoints(&node(11)).len(), 1);
    world.take(library::succession(&world.library, node(11), &key(11), &key(77), 0, NOW).unwrap());
    assert_eq!(older.offer(world.said.last().unwrap(), NOW).unwrap(), Accepted::New);
    for late in [checkpoint(11, 1 << 40, 2), checkpoint(11, 6, 3)] {
        assert_eq!(world.library.offer(&late, NOW).unwrap(), Accepted::Superseded);
        assert_eq!(older.offer(&late, NOW).unwrap(), Accepted::Superseded);
    }
    let own = checkpoint(77, 5, 4);
    for library in [&mut world.library, &mut older] {
        assert!(library.checkpoints(&node(11)).is_empty());
        assert_eq!(library.offer(&own, NOW).unwrap(), Accepted::New);
        assert_eq!(library.checkpoints(&node(11)).len(), 1);
        assert!(library.conflicts().is_empty());
    }
    assert_eq!(older.statements(), world.library.statements(), "the earlier checkpoint is quarantined");
    assert_eq!(older.state, world.library.state);
}

/// A redeemer whose membership has ended admits no node, and its member statements with a later time are
/// ineffective.
#[test]
fn a_redeemer_whose_membership_has_ended_redeems_no_more() {
    let mut world = World::new();
    let ends = Member { expires_ms: NOW + 1000, ..member(10, None) };
    world.take(library::member(&world.library, &key(2), ends, NOW).unwrap());
    let ticket = world.ticket(4);
    let redeem = |now_ms| world.library.redeem(&ticket, &node(11), &node(10), now_ms).map(drop);
    redeem(NOW + 999).unwrap();
    let error = redeem(NOW + 1000).unwrap_err().to_string();
    assert!(error.contains("own membership has ended"), "{error}");
    for (n, time_ms, is_in) in [(11, NOW + 999, true), (12, NOW + 1000, false)] {
        let claim = Body::Member(member(n, Some(ticket)));
        let said = sign(world.library.id(), claim, 1, time_ms, &[&key(10)]);
        assert!(world.library.offer(&said, NOW).unwrap().is_news());
        assert_eq!(world.library.is_member(&node(n), NOW), is_in, "{n}");
    }
}

/// A timekeeper confirms known channels only, and cannot invent any.
#[test]
fn only_known_channels_are_vouched_for() {
    let mut world = World::new();
    let root = next_root(&world, RoleKind::Timekeeper, &[key(6).public()], 9);
    world.take(world.sign(Body::Root(root), 2, &[&key(1)]));
    let release = world.release(vec![], 1);
    let statement = world.channel(&key(3), release, &key(3));
    let fresh = |channel: &str| {
        let body = Fresh { channel: channel.into(), statement };
        world_sign(Body::Fresh(body), 1, 6)
    };
    check_unauthorized(&mut world.library, &fresh("made-up"));
    world.take(fresh("live"));
    assert_eq!(world.library.fresh_since("live"), Some(NOW));
}

fn world_sign(body: Body, sequence: u64, signer: u8) -> Statement {
    sign(found().0, body, sequence, NOW, &[&key(signer)])
}

/// A statement that no node needs is not news: it is neither stored nor passed on, and its signatures are not
/// checked.
#[test]
fn a_superseded_statement_is_not_news() {
    let mut world = World::new();
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let checkpoint = |count| {
        let body = Checkpoint { node: node(11), count, head: RecordId::NONE };
        library::checkpoint(&world.library, &key(11), body, NOW).unwrap()
    };
    let made: Vec<_> = (1..=2 * CHECKPOINTS as u64).map(checkpoint).collect();
    let outcomes = world.library.offer_all(&made, NOW);
    assert!(outcomes.iter().all(Result::is_ok));
    let kept = made.iter().filter(|said| world.library.statement(&said.id()).is_some()).count();
    assert_eq!(kept, CHECKPOINTS);
    // Symptom: each statement that was news got a record in the audit log, even if the next of the same batch
    // displaced it.
    let news = outcomes.iter().filter(|outcome| outcome.as_ref().is_ok_and(Accepted::is_news)).count();
    assert_eq!(news, CHECKPOINTS);
    let outcome = world.library.offer(&made[0], NOW).unwrap();
    assert_eq!((outcome.is_news(), outcome), (false, Accepted::Superseded));
}
