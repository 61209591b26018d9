//! Files of roots: valid changes, refused files, and forged files that must not be trusted.

use super::*;
use crate::{
    id::Salt,
    statement::{Bundle, Classes, Library, Role, RoleKind},
};

fn key(seed: u8) -> Key {
    Key::from_seed([seed; 32])
}

fn films() -> Root {
    Root {
        version: 1,
        nonce: Salt::from_bytes([5; 32]),
        name: "films".into(),
        expires_ms: 0,
        roles: vec![
            Role::any_of(RoleKind::Root, [key(1).public()]),
            Role::any_of(RoleKind::Operator, [key(2).public()]),
            Role::any_of(RoleKind::Publisher, [key(3).public()]),
        ],
        pins: Vec::new(),
        lists: Vec::new(),
    }
}

/// A library whose first root is signed.
fn founded() -> Draft {
    let mut draft = Draft::found(films(), 1).unwrap();
    draft.sign(&key(1)).unwrap();
    draft.settle().unwrap();
    draft
}

/// The same, with a proposed root of two of three keys.
fn two_of_three() -> Draft {
    let mut draft = founded();
    let mut root = draft.newest().unwrap().clone();
    root.add_key(RoleKind::Root, &Classes::all(), key(11).public()).unwrap();
    root.add_key(RoleKind::Root, &Classes::all(), key(12).public()).unwrap();
    root.set_threshold(RoleKind::Root, &Classes::all(), 2).unwrap();
    draft.propose(root, 2).unwrap();
    draft
}

fn again(draft: &Draft) -> Draft {
    let bytes = draft.encode().unwrap();
    let read = Draft::decode(&bytes).unwrap();
    assert_eq!(read.encode().unwrap(), bytes);
    read
}

#[test]
fn a_first_root_needs_its_own_keys_only() {
    let mut draft = again(&Draft::found(films(), 1).unwrap());
    assert_eq!(draft.tallies().unwrap(), (None, Tally { have: 0, need: 1, of: 1 }));
    assert!(draft.statements().unwrap().is_empty());
    let library = draft.library();
    draft.sign(&key(1)).unwrap();
    let statements = again(&draft).statements().unwrap();
    assert_eq!(Library::open(library, statements, 1).unwrap().name(), "films");
}

#[test]
fn the_next_root_needs_both_thresholds_and_takes_signatures_from_copies() {
    let mut here = two_of_three();
    let mut there = again(&here);
    let id = here.proposal().unwrap().id();
    // Two of the new keys, none of the old: not enough.
    here.sign(&key(11)).unwrap();
    here.sign(&key(12)).unwrap();
    let unmet = Tally { have: 0, need: 1, of: 1 };
    assert_eq!(here.tallies().unwrap(), (Some(unmet), Tally { have: 2, need: 2, of: 3 }));
    assert!(here.complete().unwrap().is_none());
    assert_eq!(here.waiting_for(), [key(1).public()]);

    there.sign(&key(1)).unwrap();
    assert_eq!(here.merge(&again(&there)).unwrap(), 1);
    assert_eq!(here.merge(&there).unwrap(), 0);
    let root = again(&here).complete().unwrap().unwrap();
    assert_eq!(root.id(), id);
    let library = Library::open(here.library(), here.statements().unwrap(), 1).unwrap();
    assert_eq!(library.root().unwrap().version, 2);
}

#[test]
fn a_proposal_is_one_version_whatever_is_changed_in_it() {
    let mut draft = two_of_three();
    draft.sign(&key(1)).unwrap();
    let mut root = draft.newest().unwrap().clone();
    root.add_key(RoleKind::Timekeeper, &Classes::all(), key(7).public()).unwrap();
    assert_eq!(draft.propose(root, 3).unwrap(), 1, "the signature was for another proposal");
    assert_eq!(draft.newest().unwrap().version, 2);
    assert_eq!(draft.proposal().unwrap().signers().count(), 0);

    // A complete proposal is a root: the next change follows it.
    draft.sign(&key(1)).unwrap();
    draft.sign(&key(11)).unwrap();
    let mut root = draft.newest().unwrap().clone();
    root.name = "movies".into();
    assert_eq!(draft.propose(root, 4).unwrap(), 0);
    assert_eq!((draft.current().unwrap().version, draft.newest().unwrap().version), (2, 3));
    let same = draft.current().unwrap().clone();
    draft.propose(same, 5).unwrap();
    assert!(again(&draft).proposal().is_none(), "a reversed change leaves nothing to sign");
}

#[test]
fn only_a_root_key_can_sign() {
    let mut draft = two_of_three();
    assert!(matches!(draft.sign(&key(2)), Err(Error::Denied(_))), "an operator key is not a root key");
    assert!(founded().sign(&key(1)).is_err(), "nothing is proposed");
}

#[test]
fn copies_that_differ_do_not_mix() {
    let mut draft = two_of_three();
    let mut other = founded();
    let mut root = other.newest().unwrap().clone();
    root.name = "movies".into();
    other.propose(root, 2).unwrap();
    assert!(draft.merge(&other).unwrap_err().to_string().contains("another root"));

    // One version further: the first proposal must be complete and merged before.
    let mut ahead = two_of_three();
    ahead.sign(&key(1)).unwrap();
    ahead.sign(&key(11)).unwrap();
    let root = Root { name: "movies".into(), ..ahead.newest().unwrap().clone() };
    ahead.propose(root, 4).unwrap();
    assert!(draft.merge(&ahead).unwrap_err().to_string().contains("follow each other"));

    let stranger = Draft::found(Root { nonce: Salt::from_bytes([6; 32]), ..films() }, 1).unwrap();
    assert!(draft.merge(&stranger).unwrap_err().to_string().contains("is of library"));
    let mut empty = founded();
    assert_eq!(empty.merge(&draft).unwrap(), 0);
    assert!(empty.proposal().is_some());
}

/// A forged file for a signer: its last root already names their key, so that its proposal looks harmless.
#[test]
fn a_file_whose_roots_do_not_follow_is_refused() {
    let mut forged = two_of_three();
    forged.proposal = None;
    let mut root = films();
    root.add_key(RoleKind::Publisher, &Classes::all(), key(66).public()).unwrap();
    let library = Some(forged.library());
    let header = Header { library, sequence: 2, time_ms: 2 };
    let body = Body::Root(Root { version: 2, ..root.clone() });
    forged.roots.push(Statement::sign(header, &body, &[&key(66)]).unwrap());
    assert!(Draft::decode(&forged.encode().unwrap()).is_err());

    // Skipping a version, or beginning later than with the first.
    let header = Header { library, sequence: 3, time_ms: 2 };
    let third = Statement::sign(header, &Body::Root(Root { version: 3, ..root }), &[&key(1)]).unwrap();
    let first = founded().roots.remove(0);
    assert!(Draft::of(vec![first.clone(), third.clone()]).is_err());
    assert!(Draft::of(vec![third]).is_err());
    assert!(Draft::of(vec![first]).is_ok());
}

#[test]
fn every_altered_byte_and_every_cut_is_refused() {
    let mut draft = two_of_three();
    draft.sign(&key(1)).unwrap();
    let bytes = draft.encode().unwrap();
    for at in 0..bytes.len() {
        assert!(Draft::decode(&bytes[..at]).is_err(), "cut at {at}");
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        assert!(Draft::decode(&altered).is_err(), "altered at {at}");
    }
    assert!(Draft::decode(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn a_bundle_reads_back_and_refuses_strangers() {
    let mut draft = two_of_three();
    draft.sign(&key(1)).unwrap();
    draft.sign(&key(11)).unwrap();
    let bundle = Bundle { library: draft.library(), statements: draft.statements().unwrap() };
    let bytes = bundle.encode().unwrap();
    assert_eq!(Bundle::decode(&bytes).unwrap(), bundle);
    for at in 0..bytes.len() {
        assert!(Bundle::decode(&bytes[..at]).is_err(), "cut at {at}");
    }
    let twice =
        Bundle { statements: [bundle.statements.clone(), bundle.statements.clone()].concat(), ..bundle };
    assert!(twice.encode().is_err());
    let stranger = Bundle { library: LibraryId::of(b"other"), ..Bundle::decode(&bytes).unwrap() };
    assert!(stranger.encode().is_err());
}

#[test]
fn amending_keeps_the_rules() {
    let mut root = films();
    let (all, trailers) = (Classes::all(), Classes::new(vec!["trailers".into()]).unwrap());
    root.add_key(RoleKind::Publisher, &trailers, key(4).public()).unwrap();
    assert!(root.add_key(RoleKind::Publisher, &trailers, key(4).public()).is_err());
    root.add_key(RoleKind::Operator, &all, key(9).public()).unwrap();
    root.set_threshold(RoleKind::Operator, &all, 2).unwrap();
    assert!(root.set_threshold(RoleKind::Operator, &all, 3).is_err());
    let mut short = root.clone();
    let failure = short.remove_key(RoleKind::Operator, None, &key(9).public()).unwrap_err();
    assert!(failure.to_string().contains("set-threshold"), "{failure}");
    root.remove_key(RoleKind::Publisher, Some(&trailers), &key(4).public()).unwrap();
    assert!(!root.names(RoleKind::Publisher, &key(4).public()) && root.roles.len() == 3);
    assert!(films().remove_key(RoleKind::Root, None, &key(1).public()).is_err(), "a root needs a root key");
}
