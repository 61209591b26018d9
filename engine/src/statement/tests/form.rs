//! The canonical form: goldens, damage, and bodies that break a rule.

use proptest::prelude::*;

use super::{goldens::GOLDENS, *};
use crate::{
    id::{Commitment, RecordId},
    limits::{CLASSES, MESSAGE_BYTES, PINS, RELEASE_PARENTS, ROLE_KEYS, SIGNATURES, STATEMENT_BYTES},
    manifest::table::ClassTable,
    statement::{
        Checkpoint, ClassPolicy, Fresh, Mirror, Pins, Policy, Release, ReleaseClass, Revoke, Role, RoleKind,
        Root, StatementKind, Succession, envelope,
    },
};

const LIBRARY: LibraryId = LibraryId::from_bytes([0xaa; 32]);

/// One statement of each kind with every optional field in use.
pub(super) fn samples() -> Vec<Statement> {
    let classes = || Classes::new(vec!["films".into(), "news-*".into()]).unwrap();
    let release = Release {
        parents: vec![StatementId::from_bytes([0x11; 32]), StatementId::from_bytes([0x12; 32])],
        manifest: ManifestId::from_bytes([0x13; 32]),
        message: "新片".into(),
        classes: Vec::new(),
    };
    let channel = Channel {
        name: "live".into(),
        release: StatementId::from_bytes([0x11; 32]),
        active: key(3).public(),
        follow: true,
        term: None,
    };
    let member = Member {
        role: NodeRole::Edge,
        region: Some("eu".parse().unwrap()),
        classes: classes(),
        expires_ms: NOW + DAY,
        ..member(10, Some(StatementId::from_bytes([0x14; 32])))
    };
    let ticket = TicketTerms {
        classes: classes(),
        role: Some(NodeRole::Mirror),
        region: Some("eu".parse().unwrap()),
        ..terms(3)
    };
    let revoke = Revoke { node: node(10), up_to: 3, reason: "被盗".into() };
    let fresh = Fresh { channel: "live".into(), statement: StatementId::from_bytes([0x15; 32]) };
    let succession =
        Succession { node: node(10), old: key(10).public(), new: key(11).public(), grace_ms: 86_400_000 };
    let row = ClassPolicy { mirror: Some(Mirror::Dynamic), max_stale_ms: 600_000, ..ClassPolicy::default() };
    let policy = Policy { excludes: vec!["*.part".into()], classes: [(2, row)].into(), ..Policy::default() };
    let pinned = vec![StatementId::from_bytes([0x18; 32])];
    let pins = Pins { signer: key(9).public(), key: key(2).public(), statements: pinned };
    let checkpoint = Checkpoint { node: node(10), count: 100, head: RecordId::from_bytes([0x16; 32]) };
    vec![
        found().1,
        sign(LIBRARY, Body::Release(release), 7, NOW, &[&key(3)]),
        sign(LIBRARY, Body::Channel(channel), 5, NOW, &[&key(2)]),
        sign(LIBRARY, Body::Member(member), 1, NOW, &[&key(10)]),
        sign(LIBRARY, Body::Ticket(ticket), 1, NOW, &[&key(2)]),
        sign(LIBRARY, Body::Revoke(revoke), 3, NOW, &[&key(2)]),
        sign(LIBRARY, Body::Fresh(fresh), 9, NOW, &[&key(6)]),
        sign(LIBRARY, Body::Succession(succession), 1, NOW, &[&key(10), &key(11)]),
        sign(LIBRARY, Body::Checkpoint(checkpoint), 100, NOW, &[&key(10)]),
        sign(LIBRARY, Body::Policy(policy), 2, NOW, &[&key(2)]),
        sign(LIBRARY, Body::Pins(pins), 1, NOW, &[&key(9)]),
    ]
}

fn hex(statement: &Statement) -> String {
    data_encoding::HEXLOWER.encode(statement.bytes())
}

#[test]
fn goldens() {
    for (statement, golden) in samples().iter().zip(GOLDENS) {
        assert_eq!(hex(statement), golden.concat(), "{}", statement.kind().name());
        assert_eq!(Statement::decode(statement.bytes()).unwrap(), *statement);
    }
    let kinds: Vec<_> = samples().iter().map(Statement::kind).collect();
    assert_eq!(kinds, StatementKind::ALL, "every kind has a golden");
}

/// Samples of the fields at the end of a body that are left out when empty.
fn samples_with_tails() -> Vec<Statement> {
    let commitment = Commitment::from_bytes([0x17; 32]);
    let table = ClassTable { classes: vec![(2, commitment)] };
    let classes = vec![ReleaseClass { slot: 2, name: "预告片".into(), commitment }];
    let release = Release { parents: vec![], manifest: table.id(&LIBRARY), message: String::new(), classes };
    let channel = Channel {
        name: "live".into(),
        release: StatementId::from_bytes([0x11; 32]),
        active: key(3).public(),
        follow: false,
        term: Some(StatementId::from_bytes([0x18; 32])),
    };
    let Body::Root(mut root) = found().1.body().clone() else { unreachable!() };
    root.pins = vec![StatementId::from_bytes([0x11; 32]), StatementId::from_bytes([0x12; 32])];
    let header = Header { library: None, sequence: 1, time_ms: NOW };
    vec![
        Statement::sign(header, &Body::Root(root), &[&key(1)]).unwrap(),
        sign(LIBRARY, Body::Release(release), 1, NOW, &[&key(3)]),
        sign(LIBRARY, Body::Channel(channel), 5, NOW, &[&key(3)]),
    ]
}

#[test]
fn tails_read_back_and_break_no_rule() {
    for statement in samples_with_tails() {
        check_one_form(statement.bytes());
        assert_eq!(Statement::decode(statement.bytes()).unwrap(), statement);
    }
    check_bodies(&samples_with_tails()[0], |body, n| {
        let Body::Root(root) = body else { unreachable!() };
        match n {
            0 => root.pins.reverse(),
            1 => root.pins = vec![StatementId::from_bytes([1; 32]); 2],
            2 => root.pins = (0..=PINS).map(|n| StatementId::of(&n.to_le_bytes())).collect(),
            _ => return false,
        }
        true
    });
    check_bodies(&samples_with_tails()[1], |body, n| {
        let Body::Release(release) = body else { unreachable!() };
        match n {
            0 => release.manifest = ManifestId::from_bytes([1; 32]),
            1 => release.classes[0].name = "a/b".into(),
            2 => release.classes[0].slot = 3,
            3 => release.classes = vec![release.classes[0].clone(); 2],
            4 => {
                release.classes.push(ReleaseClass { slot: 3, ..release.classes[0].clone() });
                let row = |class: &ReleaseClass| (class.slot, class.commitment);
                release.manifest =
                    ClassTable { classes: release.classes.iter().map(row).collect() }.id(&LIBRARY);
            }
            _ => return false,
        }
        true
    });
}

#[test]
fn every_flipped_bit_is_refused() {
    for statement in samples().into_iter().chain(samples_with_tails()) {
        for place in 0..statement.bytes().len() {
            for bit in 0..8 {
                let mut bytes = statement.bytes().to_vec();
                bytes[place] ^= 1 << bit;
                let outcome = Statement::decode(&bytes).and_then(|statement| statement.verify_signatures());
                assert!(outcome.is_err(), "{} byte {place} bit {bit}", statement.kind().name());
            }
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    for statement in samples() {
        let bytes = statement.bytes();
        for len in 0..bytes.len() {
            assert!(Statement::decode(&bytes[..len]).is_err(), "{} cut to {len}", statement.kind().name());
        }
        let longer = [&bytes[..], &[0]].concat();
        let error = Statement::decode(&longer).unwrap_err().to_string();
        assert!(error.contains("left over"), "{error}");
    }
    assert!(Statement::decode(&vec![0; STATEMENT_BYTES + 1]).unwrap_err().to_string().contains("at most"));
}

/// The body may not end before or after its stated length.
#[test]
fn a_body_of_another_length_is_refused() {
    for statement in samples() {
        let mut bytes = statement.bytes().to_vec();
        let len = u32::from_le_bytes(bytes[56..60].try_into().unwrap());
        for other in [0, len - 1, len + 1, len + 97, u32::MAX] {
            bytes[56..60].copy_from_slice(&other.to_le_bytes());
            assert!(Statement::decode(&bytes).is_err(), "{} with length {other}", statement.kind().name());
        }
    }
}

#[test]
fn a_key_signs_once() {
    let statement = &samples()[1];
    let (signed, signature) = statement.bytes().split_at(statement.bytes().len() - 97);
    let doubled = [signed, &[2], &signature[1..], &signature[1..]].concat();
    let error = Statement::decode(&doubled).unwrap_err().to_string();
    assert!(error.contains("once each"), "{error}");
    let none = [signed, &[0]].concat();
    assert!(Statement::decode(&none).unwrap_err().to_string().contains("no signature"));

    let again = statement.cosign(&key(3)).unwrap();
    assert_eq!(again, *statement);
    let both = statement.cosign(&key(4)).unwrap();
    assert_eq!((both.id(), both.signers().count()), (statement.id(), 2));
    assert_eq!(both.verify_signatures().unwrap().len(), 2);
    // The same two signatures in the other order are another form of the same statement.
    let (signed, signatures) = both.bytes().split_at(both.bytes().len() - 193);
    let swapped = [signed, &[2], &signatures[97..], &signatures[1..97]].concat();
    assert!(Statement::decode(&swapped).is_err());
}

#[test]
fn one_bad_signature_among_good_ones_fails_the_statement() {
    let both = samples()[1].cosign(&key(4)).unwrap();
    for offset in [1, 97] {
        let mut bytes = both.bytes().to_vec();
        let place = bytes.len() - offset;
        bytes[place] ^= 1;
        assert!(Statement::decode(&bytes).and_then(|statement| statement.verify_signatures()).is_err());
    }
}

#[test]
fn too_many_signatures_are_refused() {
    let keys: Vec<_> = (0..=SIGNATURES).map(|n| key(u8::try_from(n).unwrap())).collect();
    let all: Vec<_> = keys.iter().collect();
    let body = samples()[1].body().clone();
    let header = Header { library: Some(LIBRARY), sequence: 1, time_ms: NOW };
    assert!(Statement::sign(header, &body, &all).is_err());
    assert!(Statement::sign(header, &body, &all[1..]).is_ok());
    assert!(Statement::sign(header, &body, &[]).is_err());
}

/// A signature is valid for a statement only, not for its bare bytes or for a proof's message. An id is never
/// the id of another type.
#[test]
fn domains_are_apart() {
    let statement = &samples()[1];
    let signed = &statement.bytes()[..statement.bytes().len() - 97];
    let with_signature = |signature: &crate::statement::Signature| {
        let bytes = [signed, &[1], key(3).public().as_bytes(), signature.as_bytes()].concat();
        Statement::decode(&bytes).unwrap().verify_signatures()
    };
    assert!(with_signature(&key(3).sign(signed)).is_err());
    let foreign = [crate::statement::proof::DOMAIN, signed].concat();
    assert!(with_signature(&key(3).sign(&foreign)).is_err());
    let own = [envelope::DOMAIN, signed].concat();
    assert!(with_signature(&key(3).sign(&own)).is_ok());

    let (library, root) = found();
    assert_ne!(library.as_bytes(), root.id().as_bytes());
}

#[test]
fn headers_out_of_range_are_refused() {
    let body = samples()[1].body().clone();
    let sign = |library, sequence, time_ms| {
        Statement::sign(Header { library, sequence, time_ms }, &body, &[&key(3)]).map(drop)
    };
    sign(Some(LIBRARY), u64::MAX - 1, 0).unwrap();
    assert!(sign(Some(LIBRARY), u64::MAX, NOW).is_err());
    assert!(sign(Some(LIBRARY), 0, NOW).is_err());
    assert!(sign(Some(LIBRARY), 1, -1).is_err());
    assert!(sign(None, 1, NOW).is_err(), "only a first root names no library");
    assert!(sign(Some(LibraryId::from_bytes([0; 32])), 1, NOW).is_err(), "zeros name no library");

    // A root's header and body have the same version.
    let Body::Root(root) = found().1.body().clone() else { unreachable!() };
    let root = Root { version: 2, ..root };
    let sign_root = |sequence| {
        let header = Header { library: Some(LIBRARY), sequence, time_ms: NOW };
        Statement::sign(header, &Body::Root(root.clone()), &[&key(1)])
    };
    let mut bytes = sign_root(2).unwrap().bytes().to_vec();
    assert!(sign_root(1).is_err() && sign_root(3).is_err());
    let signed = bytes.len() - 97;
    bytes[40] = 3;
    let signature = key(1).sign(&[envelope::DOMAIN, &bytes[..signed]].concat());
    bytes[signed + 33..].copy_from_slice(signature.as_bytes());
    let error = Statement::decode(&bytes).unwrap_err().to_string();
    assert!(error.contains("version"), "{error}");
}

#[test]
fn unknown_versions_kinds_and_flags_are_refused() {
    for (place, value) in [(4, 3), (5, 0), (5, 6), (5, 12), (5, 255), (6, 1), (7, 1)] {
        let mut bytes = samples()[1].bytes().to_vec();
        bytes[place] = value;
        let error = Statement::decode(&bytes).unwrap_err().to_string();
        assert!(error.contains("newer chuan"), "byte {place} = {value}: {error}");
    }
    let mut older = samples()[1].bytes().to_vec();
    older[4] = 1;
    let error = Statement::decode(&older).unwrap_err().to_string();
    assert!(error.contains("0.1.0"), "{error}");
}

/// Bodies that break a rule can be neither signed nor read.
#[test]
fn bodies_that_break_a_rule_are_refused() {
    let many = |n: usize| (0..n).map(|n| StatementId::from_bytes([u8::try_from(n).unwrap(); 32])).collect();
    check_bodies(&samples()[1], |body, n| {
        let Body::Release(release) = body else { unreachable!() };
        match n {
            0 => release.parents = many(RELEASE_PARENTS + 1),
            1 => release.parents.reverse(),
            2 => release.parents = vec![StatementId::from_bytes([1; 32]); 2],
            3 => release.message = "x".repeat(MESSAGE_BYTES + 1),
            4 => release.message = "\u{1b}[2J".into(),
            _ => return false,
        }
        true
    });
    check_bodies(&samples()[2], |body, n| {
        let Body::Channel(channel) = body else { unreachable!() };
        channel.name = match n {
            0 => String::new(),
            1 => "a b".into(),
            2 => "x".repeat(65),
            _ => return false,
        };
        true
    });
    check_bodies(&samples()[3], |body, n| {
        let Body::Member(member) = body else { unreachable!() };
        match n {
            0 => member.name = "../x".into(),
            1 => member.verbs = Verbs::from_bits(0),
            2 => member.expires_ms = -1,
            _ => return false,
        }
        true
    });
    check_bodies(&samples()[4], |body, n| {
        let Body::Ticket(terms) = body else { unreachable!() };
        match n {
            0 => terms.redeemers.clear(),
            1 => terms.redeemers = vec![node(10); 2],
            2 => terms.expires_ms = 0,
            3 => terms.uses = 0,
            4 => terms.uses = u32::MAX,
            5 => terms.verbs = Verbs::from_bits(0),
            _ => return false,
        }
        true
    });
    check_bodies(&samples()[5], |body, n| {
        let Body::Revoke(revoke) = body else { unreachable!() };
        match n {
            0 => revoke.up_to = 0,
            1 => revoke.up_to = u64::MAX,
            2 => revoke.reason = "x\ny".into(),
            3 => revoke.reason = "x".repeat(257),
            _ => return false,
        }
        true
    });
    check_bodies(&samples()[6], |body, n| {
        let Body::Fresh(fresh) = body else { unreachable!() };
        fresh.channel = "a b".into();
        n == 0
    });
    check_bodies(&samples()[7], |body, n| {
        let Body::Succession(next) = body else { unreachable!() };
        match n {
            0 => next.new = next.old,
            1 => next.grace_ms = u64::MAX,
            _ => return false,
        }
        true
    });
    check_bodies(&samples()[8], |body, n| {
        let Body::Checkpoint(checkpoint) = body else { unreachable!() };
        match n {
            0 => checkpoint.count = 0,
            1 => checkpoint.count = 99,
            _ => return false,
        }
        true
    });
}

#[test]
fn roots_that_break_a_rule_are_refused() {
    check_bodies(&found().1, |body, n| {
        let Body::Root(root) = body else { unreachable!() };
        match n {
            0 => root.name = String::new(),
            1 => root.version = 0,
            2 => root.expires_ms = -1,
            3 => root.roles.clear(),
            4 => root.roles.reverse(),
            5 => drop(root.roles.remove(0)),
            6 => root.roles.insert(1, root.roles[0].clone()),
            7 => root.roles[1].threshold = 0,
            8 => root.roles[1].threshold = 2,
            9 => root.roles[1].keys.push(key(2).public()),
            10 => root.roles[1].keys.clear(),
            11 => root.roles[0].classes = Classes::new(vec!["films".into()]).unwrap(),
            12 => root.roles[1].classes = Classes::new(vec!["films".into()]).unwrap(),
            13 => {
                root.roles[1] = Role::any_of(
                    RoleKind::Operator,
                    (0..=ROLE_KEYS).map(|n| key(u8::try_from(n).unwrap()).public()),
                );
            }
            _ => return false,
        }
        true
    });
    // A root with every role and key in use would not fit into a statement; it is refused, not truncated.
    let Body::Root(mut root) = found().1.body().clone() else { unreachable!() };
    let keys: Vec<_> = (0..ROLE_KEYS).map(|n| key(u8::try_from(n).unwrap()).public()).collect();
    root.roles.truncate(1);
    root.roles.extend((0..63).map(|n| Role {
        classes: Classes::new(vec![format!("class-{n:02}")]).unwrap(),
        ..Role::any_of(RoleKind::Publisher, keys.clone())
    }));
    let header = Header { library: None, sequence: 1, time_ms: NOW };
    assert!(
        Statement::sign(header, &Body::Root(root), &[&key(1)]).unwrap_err().to_string().contains("at most")
    );
    assert!(Classes::new((0..CLASSES).map(|n| format!("c{n}")).collect()).is_ok());
}

/// Applies `spoil` for 0, 1, … until it returns false; each result must be refused both ways.
#[track_caller]
fn check_bodies(statement: &Statement, spoil: impl Fn(&mut Body, u32) -> bool) {
    let library = match statement.body() {
        Body::Root(Root { version: 1, .. }) => None,
        _ => Some(statement.library()),
    };
    for n in 0.. {
        let mut body = statement.body().clone();
        if !spoil(&mut body, n) {
            assert!(n > 0);
            return;
        }
        let header = Header { library, sequence: statement.sequence(), time_ms: NOW };
        let refused = Statement::sign(header, &body, &[&key(1)]);
        assert!(refused.is_err(), "{} {n}: {body:?}", statement.kind().name());
        // Bypasses the check at signing, as a peer could.
        let mut bytes = statement.bytes()[..56].to_vec();
        let encoded = body.encode_unchecked();
        bytes.extend_from_slice(&u32::try_from(encoded.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&encoded);
        let signature = key(1).sign(&[envelope::DOMAIN, &bytes].concat());
        bytes.push(1);
        bytes.extend_from_slice(key(1).public().as_bytes());
        bytes.extend_from_slice(signature.as_bytes());
        assert!(Statement::decode(&bytes).is_err(), "{} {n}: {body:?}", statement.kind().name());
    }
}

/// Bytes that parse have one form: encoding the body again gives the same bytes.
#[track_caller]
fn check_one_form(bytes: &[u8]) {
    if let Ok(statement) = Statement::decode(bytes) {
        let encoded = statement.body().encode().unwrap();
        assert_eq!(bytes[60..60 + encoded.len()], encoded[..]);
        assert_eq!(statement.bytes(), bytes);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        check_one_form(&bytes);
    }

    /// Random edits inside the body and of its counts: most are refused, none panics, none has a second form.
    #[test]
    fn any_edit_is_safe(
        which in 0usize..5,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        splice in proptest::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>())),
    ) {
        let mut bytes = samples()[which].bytes().to_vec();
        for (place, value) in edits {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some((from, to)) = splice {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            bytes.drain(from.min(to)..from.max(to));
        }
        check_one_form(&bytes);
    }

    #[test]
    fn any_text_is_safe(text in "(chuan1)?[a-z2-7 ]{0,200}|\\PC{0,80}") {
        let _ = crate::statement::Ticket::parse(&text);
    }
}
