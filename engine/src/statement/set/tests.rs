//! Bounds of the statement set.

use super::{share::Share, *};
use crate::{
    id::{ManifestId, RecordId},
    limits::{CHANNELS, CHECKPOINTS, LIBRARY_STATEMENTS_BYTES, PINS, ROOTS_BYTES},
    statement::{
        Channel, Checkpoint, Key, Release, Revoke, Role,
        tests::{NOW, found, key, member, node, sign},
    },
};

/// A thief cannot fill storage that every node keeps for ever. The bound affects no other key.
#[test]
fn a_key_at_its_quota_adds_no_more_statements() {
    let (library, first) = found();
    let Body::Root(mut root) = first.body().clone() else { unreachable!() };
    let release = |n: u8, signer: &Key| {
        let manifest = ManifestId::from_bytes([n; 32]);
        let body = Release { parents: vec![], manifest, message: String::new(), classes: vec![] };
        sign(library, Body::Release(body), n.into(), NOW, &[signer])
    };
    let mut set = StatementSet::default();
    let take = |set: &mut StatementSet, said: &Statement| {
        let outcome = set.add(said);
        assert!(matches!(outcome, Ok(Entry::Added)), "{outcome:?}");
    };
    let refuse = |set: &mut StatementSet, said: &Statement| {
        let error = set.add(said).unwrap_err().to_string();
        assert!(error.contains("no more are taken"), "{error}");
        assert!(set.get(&said.id()).is_none());
    };
    let name = |root: &Root| sign(library, Body::Root(root.clone()), root.version, NOW, &[&key(1)]);
    take(&mut set, &first);
    root.version = 2;
    root.roles.retain(|role| role.kind != RoleKind::Publisher);
    root.roles.push(Role::any_of(RoleKind::Publisher, [3, 4].map(|n| key(n).public())));
    root.roles.sort_by_key(|role| role.kind);
    take(&mut set, &name(&root));
    let known = release(1, &key(3));
    take(&mut set, &known);

    for n in [3, 4] {
        let said = Amount { count: STATEMENTS_PER_KEY - 1, bytes: 0 };
        set.usage.insert((StatementKind::Release, key(n).public()), said);
        take(&mut set, &release(10 + n, &key(n)));
        refuse(&mut set, &release(20 + n, &key(n)));
    }
    // The bytes of a few large statements are bounded like the number of many small ones.
    let full = Amount { count: 1, bytes: STATEMENT_BYTES_PER_KEY };
    let before = set.usage.insert((StatementKind::Release, key(4).public()), full);
    refuse(&mut set, &release(40, &key(4)));
    set.usage.insert((StatementKind::Release, key(4).public()), before.unwrap());
    // One more signature on a known statement is no further statement, and the bound does not apply to
    // statements that a root pins.
    take(&mut set, &known.cosign(&key(4)).unwrap());
    let pinned = release(30, &key(3));
    refuse(&mut set, &pinned);
    root.version = 3;
    root.pins = vec![pinned.id()];
    take(&mut set, &name(&root));
    take(&mut set, &pinned);
}

/// A root of `version` with all pins, signed by key 1.
fn large_root(version: u64) -> Statement {
    let (library, first) = found();
    let Body::Root(mut root) = first.body().clone() else { unreachable!() };
    root.version = version;
    root.pins = (0..PINS as u64)
        .map(|n| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            StatementId::from_bytes(id)
        })
        .collect();
    sign(library, Body::Root(root), version, NOW, &[&key(1)])
}

/// Symptom: the owner of one library wrote roots of 34 KiB without end, each accepted, and filled the memory
/// and the disk of a node that another library needed too.
#[test]
fn the_roots_of_a_library_are_bounded() {
    let mut set = StatementSet::default();
    let (_, first) = found();
    assert!(matches!(set.add(&first), Ok(Entry::Added)));
    let most = ROOTS_BYTES / large_root(2).bytes().len();
    let mut bytes = first.bytes().len();
    let refused = (2..).take(most + 8).find_map(|version| {
        let root = large_root(version);
        let error = set.add(&root).err()?;
        assert_eq!(set.roots().count() as u64, version - 1);
        Some(error.to_string())
    });
    assert!(refused.unwrap().contains("of roots, at most"));
    bytes += (set.roots().count() - 1) * large_root(2).bytes().len();
    assert!(bytes <= ROOTS_BYTES && set.roots().count() + 1 >= most, "{bytes}");
    assert_eq!(set.shares.total(), set.iter().map(|said| said.bytes().len()).sum::<usize>());
}

#[test]
fn the_number_of_roots_is_bounded() {
    let (library, first) = found();
    let Body::Root(mut root) = first.body().clone() else { unreachable!() };
    let mut set = StatementSet::default();
    let mut said = first.clone();
    let first_refused = (2..ROOTS as u64 + 8).find(|version| {
        let is_refused = set.add(&said).is_err_and(|error| error.to_string().contains("no more are taken"));
        root.version = *version;
        said = sign(library, Body::Root(root.clone()), *version, NOW, &[&key(1)]);
        is_refused
    });
    // The root of the version before is offered in each step.
    assert_eq!(first_refused, Some(ROOTS as u64 + 2));
    assert_eq!(set.roots().count(), ROOTS);
}

/// Each share of a library is full for itself: a thief that fills one keeps out no root and no revocation. A
/// statement that replaces another one of its length is accepted also where a share is full.
#[test]
fn a_full_share_keeps_out_nothing_else() {
    let (library, first) = found();
    let by = |body, sequence, signer: &Key| sign(library, body, sequence, NOW, &[signer]);
    let revoke =
        |up_to| by(Body::Revoke(Revoke { node: node(11), up_to, reason: String::new() }), up_to, &key(2));
    let checkpoint = |count| {
        let body = Checkpoint { node: node(11), count, head: RecordId::from_bytes([7; 32]) };
        by(Body::Checkpoint(body), count, &key(11))
    };
    let granted = by(Body::Member(member(11, None)), 1, &key(2));
    let mut set = StatementSet::default();
    let first_ones = (1..=CHECKPOINTS as u64).map(checkpoint);
    for said in [first, granted].into_iter().chain(first_ones) {
        assert!(matches!(set.add(&said), Ok(Entry::Added)));
    }
    let renewed = checkpoint(1 + CHECKPOINTS as u64);
    let appointed = by(Body::Member(member(12, None)), 1, &key(2));
    let all = [(Share::Roots, large_root(2)), (Share::Revocations, revoke(2)), (Share::Rest, appointed)];
    for full in [Share::Roots, Share::Revocations, Share::Rest] {
        for (share, said) in &all {
            set.shares = Shares::full_but(full, said.bytes().len() - 1);
            assert_eq!(set.would_take(said), *share != full, "{full:?}: {:?}", said.kind());
            set.shares = Shares::full_but(full, said.bytes().len());
            assert!(set.would_take(said), "{full:?}: {:?}", said.kind());
        }
        set.shares = Shares::full_but(full, 0);
        assert!(set.would_take(&renewed));
    }
}

/// More signatures on a known statement take room too: without that, they multiply the bytes of a library.
#[test]
fn more_signatures_count() {
    let (library, first) = found();
    let Body::Root(mut root) = first.body().clone() else { unreachable!() };
    root.version = 2;
    root.roles.retain(|role| role.kind != RoleKind::Publisher);
    root.roles.push(Role::any_of(RoleKind::Publisher, [3, 4].map(|n| key(n).public())));
    root.roles.sort_by_key(|role| role.kind);
    let next = sign(library, Body::Root(root), 2, NOW, &[&key(1)]);
    let body = Release {
        parents: vec![],
        manifest: ManifestId::from_bytes([1; 32]),
        message: String::new(),
        classes: vec![],
    };
    let once = sign(library, Body::Release(body), 1, NOW, &[&key(3)]);
    let twice = once.cosign(&key(4)).unwrap();
    let more = twice.bytes().len() - once.bytes().len();
    let mut set = StatementSet::default();
    for said in [&first, &next, &once] {
        assert!(matches!(set.add(said), Ok(Entry::Added)));
    }
    set.shares = Shares::full_but(Share::Rest, more - 1);
    assert!(set.add(&twice).unwrap_err().to_string().contains("at most"));
    set.shares = Shares::full_but(Share::Rest, more);
    assert!(matches!(set.add(&twice), Ok(Entry::Added)));
    assert_eq!(set.shares.total(), LIBRARY_STATEMENTS_BYTES);
}

/// Symptom: every exchange about a library, and every start of a node that has it, took minutes. Cause: its
/// owner had made ten thousand channels, and a node looks at each of them.
#[test]
fn a_library_has_a_bounded_number_of_channels() {
    let (library, first) = found();
    let mut set = StatementSet::default();
    set.add(&first).unwrap();
    let channel = |name: String, sequence| {
        let release = StatementId::from_bytes([1; 32]);
        let body = Channel { name, release, active: key(3).public(), follow: true, term: None };
        sign(library, Body::Channel(body), sequence, NOW, &[&key(2)])
    };
    for n in 0..CHANNELS {
        assert!(matches!(set.add(&channel(format!("c{n}"), 1)), Ok(Entry::Added)));
    }
    let error = set.add(&channel("more".into(), 1)).unwrap_err().to_string();
    assert!(error.contains("channels, and no more are taken"), "{error}");
    assert!(matches!(set.add(&channel("c7".into(), 2)), Ok(Entry::Added)), "a known one still moves");
}
