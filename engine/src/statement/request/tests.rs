//! Request files: acts that two operators on two machines sign, and forged files.

use super::*;
use crate::statement::{
    Accepted, Channel, ClassPolicy, Classes, Policy, Release, Root,
    tests::{DAY, NOW, World, key, member, node, sign, terms},
};

/// A library that needs two of the operator keys 2, 4 and 5.
fn world() -> World {
    let mut world = World::new();
    let mut root: Root = world.library.root().unwrap().clone();
    root.version = 2;
    root.add_key(RoleKind::Operator, &Classes::all(), key(4).public()).unwrap();
    root.add_key(RoleKind::Operator, &Classes::all(), key(5).public()).unwrap();
    root.set_threshold(RoleKind::Operator, &Classes::all(), 2).unwrap();
    let next = world.sign(Body::Root(root), 2, &[&key(1)]);
    world.take(next);
    world
}

fn grant(world: &World) -> Request {
    Request::new(&world.library, Proposed::member(&world.library, member(11, None), NOW)).unwrap()
}

/// One key is not enough, and the keys stay on different machines.
#[test]
fn two_operators_on_two_machines_act() {
    let mut world = world();
    let mut first = grant(&world);
    assert_eq!((first.tally().have, first.tally().need, first.tally().of), (0, 2, 3));
    assert!(first.sign(&key(2), NOW).unwrap());
    assert!(!first.sign(&key(2), NOW).unwrap(), "a key signs once");
    assert!(first.complete().unwrap().is_none());

    let mut second = Request::decode(&first.encode().unwrap()).unwrap();
    assert_eq!(second.id(), first.id());
    let mut waiting = vec![key(4).public(), key(5).public()];
    waiting.sort();
    assert_eq!(second.waiting_for(), waiting);
    second.sign(&key(5), NOW + DAY).unwrap();
    let statement = second.complete().unwrap().unwrap();
    assert_eq!(world.library.offer(&statement, NOW).unwrap(), Accepted::New);
    assert!(world.library.is_member(&node(11), NOW));
    assert!(second.waiting_for().is_empty());

    // Signatures on separate copies can be merged.
    let mut other = grant(&world);
    assert!(first.merge(&other).is_err(), "the next grant is another act");
    other = Request::decode(&first.encode().unwrap()).unwrap();
    other.sign(&key(4), NOW).unwrap();
    assert_eq!((first.merge(&other).unwrap(), first.merge(&other).unwrap()), (1, 0));
    assert!(first.complete().unwrap().is_some());
}

/// A revocation must not wait for a second operator.
#[test]
fn one_operator_revokes() {
    let world = world();
    let mut request =
        Request::new(&world.library, Proposed::revoke(&world.library, node(11), "stolen", NOW)).unwrap();
    request.sign(&key(4), NOW).unwrap();
    assert!(request.complete().unwrap().is_some());
}

#[test]
fn every_act_of_operators_fits_a_file_with_what_it_replaces() {
    let mut world = world();
    let release = world.release(vec![], 1);
    let body = Channel { name: "live".into(), release, active: key(3).public(), follow: true, term: None };
    let row = ClassPolicy { priority: 1, ..ClassPolicy::default() };
    let policy = Policy { classes: [(0, row)].into(), ..Policy::default() };
    let acts = [
        Proposed::channel(&world.library, body.clone(), NOW),
        Proposed::member(&world.library, member(11, None), NOW),
        Proposed::ticket(&world.library, terms(3), NOW),
        Proposed::revoke(&world.library, node(11), "", NOW),
        Proposed::policy(&world.library, policy, NOW),
    ];
    for act in acts {
        let kind = act.body.kind();
        let mut request = Request::new(&world.library, act.clone()).unwrap();
        assert_eq!([2, 4].map(|n| request.sign(&key(n), NOW).unwrap()), [true; 2]);
        let read = Request::decode(&request.encode().unwrap()).unwrap();
        assert_eq!((read.proposed(), read.encode().unwrap()), (&act, request.encode().unwrap()), "{kind:?}");
        assert_eq!(act.id().unwrap(), read.id());
        if kind == StatementKind::Channel {
            assert!(read.library().release(&release).is_some(), "a signer sees which release it is");
        }
        world.take(read.complete().unwrap().unwrap());
    }
    // The next move shows the channel's current release.
    let next = Request::new(&world.library, Proposed::channel(&world.library, body, NOW)).unwrap();
    let read = Request::decode(&next.encode().unwrap()).unwrap();
    assert_eq!(read.library().channel("live").unwrap().body.release, release);
}

#[test]
fn acts_of_others_than_operators_are_refused() {
    let world = world();
    let manifest = crate::id::ManifestId::from_bytes([1; 32]);
    let release = Release { parents: vec![], manifest, message: String::new(), classes: vec![] };
    let header = Proposed::revoke(&world.library, node(11), "", NOW).header;
    let joined = member(11, Some(StatementId::from_bytes([1; 32])));
    for body in [Body::Release(release), Body::Member(joined)] {
        let error = Request::new(&world.library, Proposed { header, body }).unwrap_err().to_string();
        assert!(error.contains("no act of operators"), "{error}");
    }
}

#[test]
fn strangers_old_files_and_altered_files_are_told_apart() {
    let world = world();
    let mut request = grant(&world);
    let error = request.sign(&key(9), NOW).unwrap_err().to_string();
    assert!(error.contains("no operator key of films"), "{error}");
    let error = request.sign(&key(2), NOW + REQUEST_MS).unwrap_err().to_string();
    assert!(error.contains("older than 14 days"), "{error}");

    request.sign(&key(2), NOW).unwrap();
    let good = request.encode().unwrap();
    // The name of the granted node, in the act.
    let at = good.windows(7).rposition(|part| part == b"node-11").unwrap();
    let mut altered = good.clone();
    altered[at] = b'm';
    let error = Request::decode(&altered).unwrap_err().to_string();
    assert!(error.contains("the file was altered"), "{error}");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        match Request::decode(&bad) {
            Err(_) => {}
            Ok(read) => panic!("byte {at} of {}: {:?}", good.len(), read.proposed()),
        }
    }
    for len in 0..good.len() {
        assert!(Request::decode(&good[..len]).is_err(), "cut at {len}");
    }
}

/// A forged file with another root that names the thief's key.
#[test]
fn a_file_cannot_bring_a_root_that_never_was() {
    let world = world();
    let mut root = world.library.root().unwrap().clone();
    root.version = 3;
    root.add_key(RoleKind::Operator, &Classes::all(), key(66).public()).unwrap();
    let forged = sign(world.library.id(), Body::Root(root), 3, NOW, &[&key(66)]);
    let mut library = world.library.clone();
    assert!(library.offer(&forged, NOW).is_err());
    let request = Request::new(&library, Proposed::member(&library, member(66, None), NOW)).unwrap();
    assert!(!request.waiting_for().contains(&key(66).public()));
    let encoded = request.encode().unwrap();
    let mut planted = encoded[..8].to_vec();
    planted.extend_from_slice(&(u16::from_le_bytes([encoded[8], encoded[9]]) + 1).to_le_bytes());
    put_statement(&mut planted, &forged);
    planted.extend_from_slice(&encoded[10..]);
    assert!(Request::decode(&planted).unwrap_err().to_string().contains("not signed by enough"));
}
