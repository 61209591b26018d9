//! The client conformance suite of The Update Framework, applied to a library: rotations, fast-forward,
//! rollback, clocks. `docs/trust.md` has the table; the last test here checks it.

use std::{collections::BTreeSet, fs, path::Path};

use super::*;
use crate::{
    id::RecordId,
    limits::SEQUENCE_JUMP,
    statement::{Checkpoint, Fresh, Release, Revoke, Role, RoleKind, Root},
};

/// The keys, the threshold, the signers, and whether the version is accepted.
type Version<'a> = (&'a [u8], u8, &'a [u8], bool);

fn role(kind: RoleKind, threshold: u8, keys: &[u8]) -> Role {
    // Key 0 of a case is an ordinary key: cases count from 60.
    Role { threshold, ..Role::any_of(kind, keys.iter().map(|n| key(60 + n).public())) }
}

fn signers(keys: &[u8]) -> Vec<Key> {
    keys.iter().map(|n| key(60 + n)).collect()
}

/// Each case is a chain of roots: all but the last are accepted; the flag tells whether the last is.
const ROOT_ROTATIONS: [(&str, &[Version<'_>]); 15] = [
    ("1-of-1-key-rotation", &[(&[1], 1, &[1], true), (&[2], 1, &[2, 1], true), (&[2], 1, &[2], true)]),
    (
        "1-of-1-key-rotation-unused-signatures",
        &[(&[1], 1, &[3, 1, 4], true), (&[2], 1, &[3, 2, 1, 4], true), (&[2], 1, &[3, 2, 4], true)],
    ),
    (
        "3-of-5-sign-with-different-keycombos",
        &[
            (&[0, 1, 2, 3, 4], 3, &[0, 2, 4], true),
            (&[0, 1, 2, 3, 4], 3, &[0, 4, 1], true),
            (&[0, 1, 2, 3, 4], 3, &[0, 1, 3], true),
            (&[0, 1, 2, 3, 4], 3, &[0, 1, 3], true),
        ],
    ),
    (
        "3-of-5-one-key-rotated",
        &[(&[0, 1, 2, 3, 4], 3, &[0, 2, 4], true), (&[0, 1, 3, 4, 5], 3, &[0, 4, 1], true)],
    ),
    (
        "3-of-5-one-key-rotated-with-intermediate-step",
        &[
            (&[0, 1, 2, 3, 4], 3, &[0, 2, 4], true),
            (&[0, 1, 3, 4, 5], 3, &[0, 2, 4, 5], true),
            (&[0, 1, 3, 4, 5], 3, &[0, 4, 5], true),
        ],
    ),
    (
        "3-of-5-all-keys-rotated-with-intermediate-step",
        &[
            (&[0, 1, 2, 3, 4], 3, &[0, 2, 4], true),
            (&[5, 6, 7, 8, 9], 3, &[0, 2, 4, 5, 6, 7], true),
            (&[5, 6, 7, 8, 9], 3, &[5, 6, 7], true),
        ],
    ),
    ("1-of-3-threshold-increase-to-2-of-3", &[(&[1, 2, 3], 1, &[1], true), (&[1, 2, 3], 2, &[1, 2], true)]),
    (
        "2-of-3-threshold-decrease-to-1-of-3",
        &[(&[1, 2, 3], 2, &[1, 2], true), (&[1, 2, 3], 1, &[1, 2], true), (&[1, 2, 3], 1, &[1], true)],
    ),
    ("1-of-2-threshold-increase-to-2-of-2", &[(&[1], 1, &[1], true), (&[1, 2], 2, &[1, 2], true)]),
    (
        "1-of-1-key-rotation-fail-not-signed-with-old-key",
        &[(&[1], 1, &[1], true), (&[2], 1, &[2, 3, 4], false)],
    ),
    (
        "1-of-1-key-rotation-fail-not-signed-with-new-key",
        &[(&[1], 1, &[1], true), (&[2], 1, &[1, 3, 4], false)],
    ),
    (
        "3-of-5-one-key-rotate-fails-not-signed-with-3-new-keys",
        &[(&[0, 1, 2, 3, 4], 3, &[0, 2, 4], true), (&[0, 1, 3, 4, 5], 3, &[0, 2, 4], false)],
    ),
    (
        "3-of-5-one-key-rotate-fails-not-signed-with-3-old-keys",
        &[(&[0, 1, 2, 3, 4], 3, &[0, 2, 4], true), (&[0, 1, 3, 4, 5], 3, &[0, 4, 5], false)],
    ),
    (
        "1-of-3-threshold-bump-to-2-of-3-fails-new-threshold-not-reached",
        &[(&[1, 2, 3], 1, &[1], true), (&[1, 2, 3], 2, &[2], false)],
    ),
    (
        "2-of-3-threshold-decr-to-1-of-3-fails-old-threshold-not-eached",
        &[(&[1, 2, 3], 2, &[1, 2], true), (&[1, 2, 3], 1, &[1], false)],
    ),
];

#[test]
fn roots_rotate_as_in_the_fifteen_cases() {
    for (name, versions) in ROOT_ROTATIONS {
        let mut library: Option<Library> = None;
        for (at, (keys, threshold, signed_by, stands)) in versions.iter().enumerate() {
            let version = u64::try_from(at).unwrap() + 1;
            let body = Body::Root(Root {
                version,
                nonce: Salt::from_bytes([9; 32]),
                name: "films".into(),
                expires_ms: 0,
                roles: vec![role(RoleKind::Root, *threshold, keys)],
                pins: vec![],
                lists: vec![],
            });
            let header =
                Header { library: library.as_ref().map(Library::id), sequence: version, time_ms: NOW };
            let signers = signers(signed_by);
            let next = Statement::sign(header, &body, &signers.iter().collect::<Vec<_>>()).unwrap();
            let library = library.get_or_insert_with(|| Library::new(next.library()));
            let outcome = library.offer(&next, NOW);
            assert_eq!(
                matches!(outcome, Ok(Accepted::New)),
                *stands,
                "{name}, version {version}: {outcome:?}"
            );
            let expected = if *stands { version } else { version - 1 };
            assert_eq!(library.root().unwrap().version, expected, "{name}");
        }
    }
}

/// Keys and threshold of a role after its only key, 1, was replaced; signers; whether they are enough.
const OTHER_ROTATIONS: [(&str, Version<'_>); 10] = [
    ("1-of-1-key-rotation", (&[2], 1, &[2], true)),
    ("1-of-1-key-rotation-unused-signatures", (&[1], 1, &[3, 1, 4], true)),
    ("1-of-1-key-rotation-fail-not-signed-with-new-key", (&[2], 1, &[1, 3, 4], false)),
    (
        "3-of-5-one-key-signature-wrong-not-signed-with-3-expected-keys",
        (&[0, 1, 3, 4, 5], 3, &[0, 2, 4], false),
    ),
    ("2-of-5-one-key-signature-mising-threshold-not-reached", (&[0, 1, 3, 4, 5], 3, &[0, 4], false)),
    ("3-of-5-sign-first-combo", (&[0, 1, 2, 3, 4], 3, &[0, 2, 4], true)),
    ("3-of-5-sign-second-combo", (&[0, 1, 2, 3, 4], 3, &[0, 4, 1], true)),
    ("3-of-5-sign-third-combo", (&[0, 1, 2, 3, 4], 3, &[0, 1, 3], true)),
    ("3-of-5-sign-fourth-combo", (&[0, 1, 2, 3, 4], 3, &[1, 2, 3], true)),
    ("3-of-5-sign-fifth-combo", (&[0, 1, 2, 3, 4], 3, &[2, 3, 4], true)),
];

/// The world after the root gave a role to the keys of a case; key 1 of the case held the role before.
fn rotated(kind: RoleKind, keys: &[u8], threshold: u8) -> World {
    let mut world = World::new();
    let mut root = world.library.root().unwrap().clone();
    for (version, next) in [(2, role(kind, 1, &[1])), (3, role(kind, threshold, keys))] {
        root.version = version;
        root.roles.retain(|role| role.kind != kind);
        root.roles.push(next);
        root.roles.sort_by_key(|role| role.kind);
        world.take(world.sign(Body::Root(root.clone()), version, &[&key(1)]));
    }
    world
}

/// Publisher and operator keys sign one statement together. A signature by a key that no root names keeps a
/// statement out; the statement is accepted as soon as it comes without that signature.
#[test]
fn publishers_and_operators_rotate_as_in_the_ten_cases() {
    for (name, (keys, threshold, signed_by, expected)) in OTHER_ROTATIONS {
        for kind in [RoleKind::Publisher, RoleKind::Operator] {
            let world = rotated(kind, keys, threshold);
            let body = match kind {
                RoleKind::Publisher => Body::Release(Release {
                    parents: vec![],
                    manifest: ManifestId::from_bytes([6; 32]),
                    message: String::new(),
                    classes: vec![],
                }),
                _ => Body::Member(member(11, None)),
            };
            let counts = |signed_by: &[u8]| {
                let mut library = world.library.clone();
                let signers = signers(signed_by);
                let said = world.sign(body.clone(), 1, &signers.iter().collect::<Vec<_>>());
                let outcome = library.offer(&said, NOW).unwrap();
                let stands = library.release(&said.id()).is_some() || library.is_member(&node(11), NOW);
                assert_eq!(outcome == Accepted::New, stands, "{name}: {outcome:?}");
                stands
            };
            let named: Vec<_> = signed_by.iter().copied().filter(|n| keys.contains(n) || *n == 1).collect();
            let has_strangers = named.len() < signed_by.len();
            assert_eq!(counts(signed_by), expected && !has_strangers, "{name}, {}", kind.name());
            assert_eq!(counts(&named), expected, "{name}, {}, without strangers", kind.name());
        }
    }
}

/// Each timekeeper signs for itself; their threshold is met by all of their statements.
#[test]
fn timekeepers_rotate_as_in_the_ten_cases() {
    for (name, (keys, threshold, signed_by, expected)) in OTHER_ROTATIONS {
        let mut world = rotated(RoleKind::Timekeeper, keys, threshold);
        let first = world.release(vec![], 1);
        let statement = world.channel(&key(3), first, &key(3));
        for signer in signers(signed_by) {
            let body = Body::Fresh(Fresh { channel: "live".into(), statement });
            let said = world.sign(body, 1, &[&signer]);
            drop(world.library.offer(&said, NOW).unwrap());
        }
        assert_eq!(world.library.fresh_since("live").is_some(), expected, "{name}");
    }
}

/// A root whose role needs more signatures than the role has keys is invalid.
#[test]
fn a_threshold_above_the_number_of_keys_is_refused() {
    let world = World::new();
    let mut root = world.library.root().unwrap().clone();
    root.version = 2;
    root.roles[2].threshold = 2;
    let header = Header { library: Some(world.library.id()), sequence: 2, time_ms: NOW };
    let error = Statement::sign(header, &Body::Root(root), &[&key(1)]).unwrap_err().to_string();
    assert!(error.contains("wants 2 of 1"), "{error}");
}

fn replace(world: &mut World, kind: RoleKind, with: u8) {
    let mut root = world.library.root().unwrap().clone();
    root.version += 1;
    root.roles.retain(|role| role.kind != kind);
    root.roles.push(Role::any_of(kind, [key(with).public()]));
    root.roles.sort_by_key(|role| role.kind);
    let version = root.version;
    world.take(world.sign(Body::Root(root), version, &[&key(1)]));
}

/// A stolen publisher's or operator's key drives a channel's sequence up; when the key is removed, its
/// sequences no longer matter.
#[test]
fn a_channel_recovers_from_a_fast_forward() {
    for (kind, thief) in [(RoleKind::Publisher, 3), (RoleKind::Operator, 2)] {
        let mut world = World::new();
        let release = world.release(vec![], 1);
        let live =
            Channel { name: "live".into(), release, active: key(3).public(), follow: true, term: None };
        world.take(world.sign(Body::Channel(live), SEQUENCE_JUMP, &[&key(thief)]));
        assert_eq!(world.library.channel_highest("live"), SEQUENCE_JUMP);
        replace(&mut world, kind, 77);
        assert!(world.library.channel("live").is_none());
        let publisher = if kind == RoleKind::Publisher { 77 } else { 3 };
        let manifest = ManifestId::from_bytes([2; 32]);
        let next = library::release(&world.library, &key(publisher), vec![], manifest, "", NOW).unwrap();
        let next = world.take(next);
        world.channel(&key(publisher), next, &key(publisher));
        assert_eq!(world.library.channel("live").unwrap().statement.sequence(), 1);
    }
}

/// A stolen publisher's key uses the highest release sequence; the next publisher has all sequences again.
#[test]
fn a_release_recovers_from_a_fast_forward() {
    let mut world = World::new();
    let good = world.release(vec![], 1);
    let body = |parents: &[StatementId], n| {
        let manifest = ManifestId::from_bytes([n; 32]);
        Body::Release(Release {
            parents: parents.to_vec(),
            manifest,
            message: String::new(),
            classes: vec![],
        })
    };
    let far = world.take(world.sign(body(&[good], 2), u64::MAX - 1, &[&key(3)]));
    let manifest = ManifestId::from_bytes([3; 32]);
    let next = |world: &World, publisher: u8, parent| {
        library::release(&world.library, &key(publisher), vec![parent], manifest, "", NOW)
    };
    assert!(next(&world, 3, far).is_err(), "no sequence is left");
    replace(&mut world, RoleKind::Publisher, 77);
    assert!(world.library.release(&far).is_none() && world.library.releases().is_empty());
    let first = library::release(&world.library, &key(77), vec![], manifest, "", NOW).unwrap();
    let first = world.take(first);
    // It goes on after the honest release, not after the thief's.
    assert_eq!(world.library.release(&first).unwrap().statement.sequence(), 2);
    world.channel(&key(77), first, &key(77));
    let second = next(&world, 77, first).unwrap();
    world.take(second);
}

#[test]
fn a_membership_recovers_from_a_fast_forward() {
    let mut world = World::new();
    world.take(world.sign(Body::Member(member(11, None)), SEQUENCE_JUMP, &[&key(2)]));
    let far = world.sign(Body::Member(member(12, None)), SEQUENCE_JUMP + 1, &[&key(2)]);
    check_ineffective(&mut world.library, &far, "a newer operator statement");
    replace(&mut world, RoleKind::Operator, 77);
    assert_eq!(world.library.member_highest(&node(11)), 0);
    world.take(library::member(&world.library, &key(77), member(11, None), NOW).unwrap());
    // A removed key's revocation is ineffective; a current operator's leaves room for a newer statement.
    let out = Revoke { node: node(11), up_to: SEQUENCE_JUMP, reason: String::new() };
    let late = world.sign(Body::Revoke(out.clone()), 1, &[&key(2)]);
    check_ineffective(&mut world.library, &late, "no longer an operator");
    assert!(world.library.is_member(&node(11), NOW));
    world.take(world.sign(Body::Revoke(out), 1, &[&key(77)]));
    assert!(!world.library.is_member(&node(11), NOW));
    world.take(library::member(&world.library, &key(77), member(11, None), NOW).unwrap());
    assert!(world.library.is_member(&node(11), NOW));
}

#[test]
fn freshness_recovers_from_a_fast_forward() {
    let mut world = World::new();
    replace(&mut world, RoleKind::Timekeeper, 76);
    let release = world.release(vec![], 1);
    let statement = world.channel(&key(3), release, &key(3));
    let body = Body::Fresh(Fresh { channel: "live".into(), statement });
    world.take(world.sign(body, u64::MAX - 1, &[&key(76)]));
    assert!(library::fresh(&world.library, &key(76), "live", NOW).is_err(), "no sequence is left");
    replace(&mut world, RoleKind::Timekeeper, 77);
    assert_eq!(world.library.fresh_since("live"), None);
    world.take(library::fresh(&world.library, &key(77), "live", NOW + 1).unwrap());
    assert_eq!(world.library.fresh_since("live"), Some(NOW + 1));
}

/// For every kind an old and a newer statement: a library with the newer does not change by the old one.
#[test]
fn the_old_of_every_kind_changes_nothing() {
    let mut world = World::new();
    let mut old = Vec::new();
    replace(&mut world, RoleKind::Timekeeper, 76);
    let first = world.release(vec![], 1);
    world.channel(&key(2), first, &key(3));
    let mut again = |world: &mut World, made: Statement, newer: Statement| {
        old.push(made.clone());
        world.take(made);
        world.take(newer);
    };
    let grant = |world: &World, expires_ms, sequence| {
        world.sign(Body::Member(Member { expires_ms, ..member(11, None) }), sequence, &[&key(2)])
    };
    let (older, newer) = (grant(&world, 0, 1), grant(&world, NOW + DAY, 2));
    again(&mut world, older, newer);
    // For a node that keeps its key: checkpoints by a replaced key are ineffective.
    world.take(world.sign(Body::Member(member(13, None)), 1, &[&key(2)]));
    let log = |world: &World, count| {
        let body = Checkpoint { node: node(13), count, head: RecordId::from_bytes([1; 32]) };
        world.sign(Body::Checkpoint(body), count, &[&key(13)])
    };
    let (older, newer) = (log(&world, 1), log(&world, 2));
    again(&mut world, older, newer);
    let moved = |world: &World, sequence| {
        let term = world.library.term("live");
        let body =
            Channel { name: "live".into(), release: first, active: key(3).public(), follow: true, term };
        world.sign(Body::Channel(body), sequence, &[&key(3)])
    };
    let (older, newer) = (moved(&world, 2), moved(&world, 3));
    again(&mut world, older, newer.clone());
    let vouch = |sequence| {
        let body = Fresh { channel: "live".into(), statement: newer.id() };
        sign(found().0, Body::Fresh(body), sequence, NOW + i64::try_from(sequence).unwrap(), &[&key(76)])
    };
    let (older, newer) = (vouch(1), vouch(2));
    again(&mut world, older, newer);
    let out = |world: &World, up_to| {
        let body = Revoke { node: node(12), up_to, reason: String::new() };
        world.sign(Body::Revoke(body), up_to, &[&key(2)])
    };
    let (older, newer) = (out(&world, 1), out(&world, 2));
    again(&mut world, older, newer);
    let next = |world: &World, old: u8, new: u8| {
        library::succession(&world.library, node(11), &key(old), &key(new), 0, NOW).unwrap()
    };
    let (older, newer) = (next(&world, 11, 31), next(&world, 31, 32));
    again(&mut world, older, newer);

    let full = world.library.state.clone();
    // Roots and successions are chains: they are known completely or not at all.
    let without: Vec<_> = world.said.iter().filter(|said| !old.contains(said)).cloned().collect();
    let mut late = Library::open(world.library.id(), without, NOW).unwrap();
    let before = (late.channel("live").unwrap().statement.id(), late.fresh_since("live"));
    for said in old.iter().chain(&world.said) {
        drop(late.offer(said, NOW).unwrap());
        let now = (late.channel("live").unwrap().statement.id(), late.fresh_since("live"));
        assert_eq!(now, before);
        assert!(!late.may(&node(11), "default", Verbs::PULL, NOW + DAY));
        assert_eq!(late.revocation(&node(12)).unwrap().body.up_to, 2);
        assert_eq!(late.checkpoints(&node(13))[0].body.count, 2);
    }
    for said in &world.said {
        drop(late.offer(said, NOW).unwrap());
    }
    assert_eq!(late.state.channels, full.channels);
    assert_eq!(late.key_of(&node(11)), Some(key(32).public()));
}

/// Each of 100 old channel statements, in either order, before and after a restart, offered to a library that
/// never had them.
#[test]
fn a_hundred_old_channel_statements_move_nothing() {
    let mut world = World::new();
    let mut releases = vec![world.release(vec![], 0)];
    for n in 1..=100 {
        world.channel(&key(3), releases[usize::from(n) - 1], &key(3));
        releases.push(world.release(vec![releases[usize::from(n) - 1]], n));
    }
    let last = world.channel(&key(3), releases[100], &key(3));
    let (old, rest): (Vec<_>, Vec<_>) = world
        .said
        .iter()
        .cloned()
        .partition(|said| matches!(said.body(), Body::Channel(_)) && said.id() != last);
    assert_eq!(old.len(), 100);
    for backwards in [false, true] {
        let mut late = Library::open(world.library.id(), rest.iter().cloned(), NOW).unwrap();
        let mut shown: Vec<_> = old.iter().collect();
        if backwards {
            shown.reverse();
        }
        for said in shown {
            assert!(!late.is_after("live", &said.id(), &last));
            check_ineffective(&mut late, said, "a newer statement");
            assert_eq!(late.channel("live").unwrap().statement.id(), last);
            let kept: Vec<_> = late.statements().iter().map(|said| said.bytes().clone()).collect();
            let again = Library::load(late.id(), kept, NOW).unwrap();
            assert_eq!(again.channel("live").unwrap().statement.id(), last);
            assert!(!again.is_after("live", &said.id(), &last));
        }
    }
}

/// Ten years before and after, or at the ends of time: the same statements are effective. Only a membership
/// with an end time ends.
#[test]
fn a_clock_takes_nothing_away() {
    let mut world = World::new();
    let release = world.release(vec![], 1);
    world.channel(&key(3), release, &key(3));
    world.take(library::member(&world.library, &key(2), member(11, None), NOW).unwrap());
    let ten_years = 3652 * DAY;
    for now_ms in [0, NOW - ten_years, NOW - DAY, NOW + DAY, NOW + ten_years, i64::MAX] {
        let library = Library::open(world.library.id(), world.said.iter().cloned(), now_ms).unwrap();
        assert_eq!(library.state, world.library.state);
        assert!(library.may(&node(11), "default", Verbs::PULL, now_ms));
    }
}

/// The table of `docs/trust.md` has every function and case once, and every test that it names exists.
#[test]
fn the_table_of_the_trust_page_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/trust.md")).unwrap();
    let mut tests = BTreeSet::new();
    for folder in ["engine/src", "storage/src", "net", "node", "tests/it"] {
        gather(&root.join(folder), &mut tests);
    }
    let rows = |of: &str| {
        let start = page.find(of).unwrap_or_else(|| panic!("{of} is gone"));
        let table = page[start..].lines().skip_while(|line| !line.starts_with('|')).skip(2);
        let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        table.take_while(|line| line.starts_with('|')).map(cells).collect::<Vec<_>>()
    };
    let (functions, cases) = (rows("<!-- table: functions -->"), rows("<!-- table: rotations -->"));
    assert_eq!((functions.len(), cases.len()), (53, 25));
    let asked: BTreeSet<_> = functions.iter().chain(&cases).map(|row| row[1].as_str()).collect();
    assert_eq!(asked.len(), 78, "a row stands twice");
    let of_roots = ROOT_ROTATIONS.iter().map(|(name, _)| format!("root: `{name}`"));
    let of_others = OTHER_ROTATIONS.iter().map(|(name, _)| format!("other roles: `{name}`"));
    let named: BTreeSet<_> = of_roots.chain(of_others).collect();
    assert_eq!(cases.iter().map(|row| row[1].clone()).collect::<BTreeSet<_>>(), named);
    for row in &functions {
        let name = row[1].strip_prefix("`test_").and_then(|name| name.strip_suffix('`'));
        assert!(
            name.is_some_and(|name| name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))),
            "{row:?}"
        );
    }
    for row in functions.iter().chain(&cases) {
        let [_, _, answer, _] = row.as_slice() else { panic!("{row:?} has not two cells") };
        assert!(!answer.is_empty() && answer.matches('`').count() % 2 == 0, "{row:?}");
        for test in answer.split('`').skip(1).step_by(2) {
            assert!(tests.contains(test), "no test is called {test}: {row:?}");
        }
    }
}

/// The names of all tests in the sources below a folder: functions with a test attribute before them.
fn gather(folder: &Path, into: &mut BTreeSet<String>) {
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            gather(&path, into);
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let mut is_test = false;
        for line in fs::read_to_string(&path).unwrap().lines().map(str::trim) {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            let line = line.strip_prefix("async ").unwrap_or(line);
            if let Some((name, _)) = line.strip_prefix("fn ").and_then(|rest| rest.split_once('('))
                && std::mem::take(&mut is_test)
            {
                into.insert(name.to_owned());
            }
        }
    }
}
