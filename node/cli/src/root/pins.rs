//! What a removed key leaves behind: its releases, members, tickets, channels, policy and revocations stand only if the next
//! root pins them. Revocations for which the root has no room go to lists beside the file of roots.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use chuan::{
    carry::{lists_beside, read_bundle},
    engine::{
        id::{LibraryId, StatementId},
        limits::{PIN_LIST_IDS, PINS},
        statement::{
            Body, Bundle, Draft, Header, Library, Pins, PublicKey, RoleKind, Root, Statement, StatementKind,
        },
    },
    home::{file, keys},
    node::now_ms,
};
use chuan_api::exit::{Failure, Result};

/// What to do about the statements of a key that is removed.
#[derive(Debug)]
pub(super) enum Legacy<'a> {
    /// Pin what stands by the key, of the statements in this file.
    Pin(&'a Path),
    /// Let go of it.
    Drop,
    /// Nothing was said.
    Unsaid,
}

/// What a root is to pin.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Pinned {
    /// What must be in the root itself.
    statements: BTreeSet<StatementId>,
    /// Revocations, which may be in lists.
    revocations: BTreeSet<StatementId>,
}

/// The statements to pin when `key` loses a role of `kind` in the library of `draft`, whose next root is to be `next`. Fails
/// where there may be some and nobody said what to do.
pub(super) fn of(
    draft: &Draft,
    kind: RoleKind,
    key: &PublicKey,
    next: &Root,
    legacy: &Legacy<'_>,
) -> Result<Pinned> {
    let what = match kind {
        RoleKind::Root | RoleKind::Timekeeper => return Ok(Pinned::default()),
        RoleKind::Operator => "the members, tickets, channels, policy and revocations",
        RoleKind::Publisher => "the releases and channels",
    };
    match legacy {
        Legacy::Drop => Ok(Pinned::default()),
        Legacy::Unsaid => Err(Failure::usage(format!(
            "{what} that key {} signed would no longer count; give what `chuan statements export` writes with --statements \
             to keep them, or --drop",
            key.short()
        ))),
        Legacy::Pin(path) => {
            let bundle = read_bundle(path)?;
            if bundle.library != draft.library() {
                return Err(Failure::invalid(format!(
                    "{} has the statements of library {}, not of {}",
                    path.display(),
                    bundle.library.short(),
                    draft.library().short()
                )));
            }
            let library = Library::open(bundle.library, bundle.statements, now_ms())?;
            Ok(Pinned {
                statements: standing_by(&library, key, next),
                revocations: revocations_by(&library, kind, key, next),
            })
        }
    }
}

/// The statements that `key` signed and by which something stands: what each channel is at, and the operator's word that it
/// rests on; tickets, members, and releases.
fn standing_by(library: &Library, key: &PublicKey, next: &Root) -> BTreeSet<StatementId> {
    let mut found = last_releases(library, key, next);
    let mut keep = |statement: &Statement| {
        if is_signed(statement, key) {
            found.insert(statement.id());
        }
    };
    library.policy_said().into_iter().for_each(|said| keep(said.statement));
    for said in library.channels() {
        keep(said.statement);
        library
            .term(&said.body.name)
            .and_then(|term| library.statement(&term))
            .into_iter()
            .for_each(&mut keep);
    }
    library.tickets().for_each(|said| keep(said.statement));
    for member in library.members() {
        library.grants(&member.body.node).for_each(|said| keep(said.statement));
    }
    found
}

/// Of the releases that `key` signed and that would fall under `next`, those that no other one of them follows: a pinned
/// release vouches for all before it. What fell with one of them stands again with it.
fn last_releases(library: &Library, key: &PublicKey, next: &Root) -> BTreeSet<StatementId> {
    let standing = library.releases_under(next);
    let releases = library.releases();
    let fallen = releases.iter().filter(|said| !standing.contains(&said.statement.id()));
    let mut last = BTreeSet::new();
    let mut open: Vec<&StatementId> = Vec::new();
    for said in fallen.filter(|said| is_signed(said.statement, key)) {
        last.insert(said.statement.id());
        open.extend(&said.body.parents);
    }
    let mut before = BTreeSet::new();
    while let Some(id) = open.pop() {
        if before.insert(*id) {
            last.remove(id);
            open.extend(library.release(id).into_iter().flat_map(|said| &said.body.parents));
        }
    }
    last
}

fn is_signed(statement: &Statement, key: &PublicKey) -> bool {
    statement.signers().any(|signer| signer == key)
}

/// All revocations that an operator's `key` signed, whether they hold a node out now or a later grant admitted it again, but for
/// those that another operator of `next` signed, too.
fn revocations_by(library: &Library, kind: RoleKind, key: &PublicKey, next: &Root) -> BTreeSet<StatementId> {
    if kind != RoleKind::Operator {
        return BTreeSet::new();
    }
    let all = library.statements().into_iter().filter(|said| said.kind() == StatementKind::Revoke);
    let own = all.filter(|said| is_signed(said, key));
    own.filter(|said| !said.signers().any(|signer| next.names(RoleKind::Operator, signer)))
        .map(Statement::id)
        .collect()
}

/// Pins in a root what is to be pinned. Revocations for which it has no room go to lists, which are given back: the root names
/// them. Fails where there is too much that cannot be listed.
pub(super) fn add(
    library: LibraryId,
    root: &mut Root,
    key: &PublicKey,
    pinned: &Pinned,
) -> Result<Vec<Statement>> {
    let all: BTreeSet<_> = root.pins.iter().chain(&pinned.statements).copied().collect();
    if all.len() > PINS {
        return Err(Failure::invalid(format!(
            "{} statements would have to be pinned, {PINS} are the most; let another key sign some of them anew first",
            all.len()
        )));
    }
    let with_revocations: BTreeSet<_> = all.union(&pinned.revocations).copied().collect();
    if with_revocations.len() <= PINS {
        root.pins = with_revocations.into_iter().collect();
        return Ok(Vec::new());
    }
    root.pins = all.into_iter().collect();
    let listed: Vec<_> = pinned.revocations.iter().copied().collect();
    let mut lists = Vec::new();
    for statements in listed.chunks(PIN_LIST_IDS) {
        // It signs this one list, which counts because the root names it.
        let signer = keys::generate()?;
        let body = Pins { signer: signer.public(), key: *key, statements: statements.to_vec() };
        let header = Header { library: Some(library), sequence: 1, time_ms: now_ms() };
        let list = Statement::sign(header, &Body::Pins(body), &[&signer])?;
        root.lists.push((*key, list.id()));
        lists.push(list);
    }
    root.lists.sort_unstable();
    Ok(lists)
}

/// Keeps lists beside a file of roots, with those that are there, from where `root apply` takes them.
pub(super) fn keep(path: &Path, library: LibraryId, lists: Vec<Statement>) -> Result<Option<PathBuf>> {
    if lists.is_empty() {
        return Ok(None);
    }
    let mut statements = lists_beside(path, library)?;
    statements.extend(lists);
    let beside = chuan::carry::beside(path);
    file::write_atomic(&beside, &Bundle { library, statements }.encode()?, 0o644)?;
    Ok(Some(beside))
}

#[cfg(test)]
mod tests {
    use chuan::engine::{
        id::{Commitment, ManifestId, Salt},
        manifest::table::ClassTable,
        statement::{
            Accepted, Channel, Classes, Key, Policy, ReleaseClass, Role,
            library::{Founders, channel, found, policy, release_of_classes, revoke},
        },
    };

    use super::*;

    const LIVE: &str = "live";

    fn key(n: u8) -> Key {
        Key::from_seed([n; 32])
    }

    /// A library with key 1 as its root's, 2 and 5 as operators', 3 as publisher's of all classes, 4 of trailers.
    fn library() -> Library {
        let (root, operator, publisher) = (key(1), key(2), key(3));
        let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
        let (id, first) = found("films", keys, Salt::from_bytes([9; 32]), 1).unwrap();
        let Body::Root(mut body) = first.body().clone() else { panic!("a library begins with a root") };
        body.add_key(RoleKind::Operator, &Classes::all(), key(5).public()).unwrap();
        let trailers = Classes::new(vec!["trailers".into()]).unwrap();
        body.add_key(RoleKind::Publisher, &trailers, key(4).public()).unwrap();
        let mut library = Library::open(id, [first], 1).unwrap();
        follow(&mut library, body);
        library
    }

    fn follow(library: &mut Library, root: Root) {
        let version = library.root().unwrap().version + 1;
        let header = Header { library: Some(library.id()), sequence: version, time_ms: 1 };
        let body = Body::Root(Root { version, ..root });
        take(library, Statement::sign(header, &body, &[&key(1)]).unwrap());
    }

    fn take(library: &mut Library, statement: Statement) -> StatementId {
        assert_eq!(library.offer(&statement, 1).unwrap(), Accepted::New);
        statement.id()
    }

    /// A release of masters and trailers; `n` is what the trailers are.
    fn release(library: &mut Library, publisher: u8, parents: &[StatementId], n: u8) -> StatementId {
        let class = |slot, name: &str, content| {
            let commitment = Commitment::from_bytes([content; 32]);
            ReleaseClass { slot, name: name.into(), commitment }
        };
        let listed = vec![class(0, "masters", 100), class(1, "trailers", n)];
        let table =
            ClassTable { classes: listed.iter().map(|class| (class.slot, class.commitment)).collect() };
        let content: (ManifestId, _) = (table.id(&library.id()), listed);
        let made = release_of_classes(library, &key(publisher), parents.to_vec(), content, "", 1).unwrap();
        take(library, made)
    }

    fn go(library: &mut Library, signer: u8, release: StatementId) -> StatementId {
        let body = Channel { name: LIVE.into(), release, active: key(3).public(), follow: true, term: None };
        let made = channel(library, &key(signer), body, 1).unwrap();
        take(library, made)
    }

    /// Takes a key out of the root, with what is pinned for it. Gives the pins.
    fn remove(library: &mut Library, kind: RoleKind, n: u8) -> Vec<StatementId> {
        let mut next = library.root().unwrap().clone();
        let key = key(n).public();
        next.remove_key(kind, None, &key).unwrap();
        let pinned = Pinned {
            statements: standing_by(library, &key, &next),
            revocations: revocations_by(library, kind, &key, &next),
        };
        assert_eq!(add(library.id(), &mut next, &key, &pinned).unwrap(), []);
        let pins = next.pins.clone();
        follow(library, next);
        pins
    }

    /// A revocation fell with the key of the operator that had said it, and the node could pull again.
    #[test]
    fn a_removed_operators_revocations_and_policy_stay() {
        let mut library = library();
        let node = key(11).node();
        let said = revoke(&library, &key(2), node, "stolen", 1).unwrap();
        let revoked = take(&mut library, said);
        // One that another operator signed, too, needs no pin.
        let both = revoke(&library, &key(2), key(12).node(), "", 1).unwrap().cosign(&key(5)).unwrap();
        take(&mut library, both);
        let set = policy(&library, &key(2), Policy { junk: false, ..Policy::default() }, 1).unwrap();
        let set = take(&mut library, set);
        let mut expected = vec![revoked, set];
        expected.sort();
        assert_eq!(remove(&mut library, RoleKind::Operator, 2), expected);
        assert!(library.revocation(&node).is_some() && library.revocation(&key(12).node()).is_some());
        assert!(!library.policy().unwrap().junk);
    }

    /// A thief makes more revocations than a root has room for: they go to lists, each signed by a key of its own.
    #[test]
    fn what_a_root_has_no_room_for_goes_to_lists() {
        let library = library();
        let id = |n: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            StatementId::from_bytes(bytes)
        };
        let many = PIN_LIST_IDS as u64 + 100;
        let pinned = Pinned { statements: [id(many)].into(), revocations: (0..many).map(id).collect() };
        let mut root = library.root().unwrap().clone();
        let lists = add(library.id(), &mut root, &key(2).public(), &pinned).unwrap();
        assert_eq!((root.pins.as_slice(), lists.len(), root.lists.len()), (&[id(many)][..], 2, 2));
        let listed = lists.iter().flat_map(|list| match list.body() {
            Body::Pins(pins) if list.signers().eq([&pins.signer]) => pins.statements.clone(),
            other => panic!("{other:?}"),
        });
        assert_eq!(listed.collect::<BTreeSet<_>>(), pinned.revocations);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("films.root");
        let beside = keep(&file, library.id(), lists.clone()).unwrap().unwrap();
        assert_eq!(beside, dir.path().join("films.root.pins"));
        assert_eq!(lists_beside(&file, library.id()).unwrap(), lists);
        assert!(lists_beside(&file, LibraryId::from_bytes([1; 32])).is_err());
        assert_eq!(lists_beside(&dir.path().join("other.root"), library.id()).unwrap(), []);
    }

    /// `live` stood where its publisher had moved it, under the word of an operator whose key was then replaced. What was pinned
    /// was what that key had said of a channel last: not the term, without which no move of the publisher's counts. `live` was
    /// back where it stood before the operator spoke, or nowhere.
    #[test]
    fn a_channel_stays_when_the_operator_goes_whose_word_it_rests_on() {
        let mut library = library();
        let first = release(&mut library, 3, &[], 1);
        let term = go(&mut library, 2, first);
        let second = release(&mut library, 3, &[first], 2);
        go(&mut library, 3, second);
        assert_eq!(remove(&mut library, RoleKind::Operator, 2), [term]);
        assert_eq!(library.channel(LIVE).unwrap().body.release, second);
        // The publisher goes on as before.
        let third = release(&mut library, 3, &[second], 3);
        go(&mut library, 3, third);
    }

    /// The last release was a limited publisher's, and what came before it that of the key that was removed. Only last releases
    /// were pinned, of those that the key had signed: none. All of them fell, and the channel with them.
    #[test]
    fn releases_stay_when_a_limited_publisher_made_the_last() {
        let mut library = library();
        let first = release(&mut library, 3, &[], 1);
        let second = release(&mut library, 3, &[first], 2);
        let side = release(&mut library, 3, &[first], 3);
        let third = release(&mut library, 4, &[second], 4);
        let live = go(&mut library, 5, third);
        let mut expected = vec![second, side];
        expected.sort();
        assert_eq!(remove(&mut library, RoleKind::Publisher, 3), expected);
        assert_eq!(library.releases().len(), 4);
        assert_eq!(library.channel(LIVE).unwrap().statement.id(), live);
    }

    /// What stands by another key is not pinned.
    #[test]
    fn nothing_is_pinned_that_does_not_fall() {
        let mut library = library();
        let first = release(&mut library, 3, &[], 1);
        let second = release(&mut library, 4, &[first], 2);
        release(&mut library, 3, &[second], 3);
        assert_eq!(remove(&mut library, RoleKind::Publisher, 4), []);
        assert_eq!(library.releases().len(), 3);
        let role = |role: &Role| role.keys.contains(&key(4).public());
        assert!(!library.root().unwrap().roles.iter().any(role));
    }
}
