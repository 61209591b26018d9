//! The statements of a removed key that the next root must pin, so that they go on to count.

use std::collections::BTreeSet;

use super::{Library, PublicKey, RoleKind, Root, Statement, StatementKind};
use crate::id::StatementId;

/// The statements that `key` signed and by which something stands: what each channel is at, and the operator's word that it
/// rests on; tickets, members, and releases.
pub fn standing_by(library: &Library, key: &PublicKey, next: &Root) -> BTreeSet<StatementId> {
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
pub fn revocations_by(
    library: &Library,
    kind: RoleKind,
    key: &PublicKey,
    next: &Root,
) -> BTreeSet<StatementId> {
    if kind != RoleKind::Operator {
        return BTreeSet::new();
    }
    let all = library.statements().into_iter().filter(|said| said.kind() == StatementKind::Revoke);
    let own = all.filter(|said| is_signed(said, key));
    own.filter(|said| !said.signers().any(|signer| next.names(RoleKind::Operator, signer)))
        .map(Statement::id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{Commitment, ManifestId, Salt},
        manifest::table::ClassTable,
        statement::{
            Accepted, Body, Channel, Classes, Header, Key, Policy, ReleaseClass, Role,
            library::{Founders, channel, found, policy, release_of_classes, revoke},
        },
    };

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
        let standing = standing_by(library, &key, &next);
        next.pins = standing.union(&revocations_by(library, kind, &key, &next)).copied().collect();
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
