//! The statements of a removed key that the next root must pin to keep them effective.

use std::collections::BTreeSet;

use super::{Library, PublicKey, RoleKind, Root, Statement, StatementKind};
use crate::id::StatementId;

/// The statements that `key` signed and on which the current state depends: the current statement of each
/// channel and the operator's statement that is its term; the policy, tickets, members, and releases.
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

/// Of the releases that `key` signed and that `next` would make ineffective, those that no other of them
/// follows: pinning a release makes all its ancestors effective. So the others become effective again with
/// these.
fn last_releases(library: &Library, key: &PublicKey, next: &Root) -> BTreeSet<StatementId> {
    let effective = library.releases_under(next);
    let releases = library.releases();
    let lost = releases.iter().filter(|said| !effective.contains(&said.statement.id()));
    let mut last = BTreeSet::new();
    let mut open: Vec<&StatementId> = Vec::new();
    for said in lost.filter(|said| is_signed(said.statement, key)) {
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

/// All revocations that an operator's `key` signed, whether they are still in force or a later grant admitted
/// the node again; without those that another operator of `next` signed, too.
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

    /// A library with root key 1, operator keys 2 and 5, publisher key 3 for all classes, and publisher key 4
    /// for trailers.
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

    /// A release of masters and trailers; `n` is the content of the trailers.
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

    /// Removes a key from the root, and pins the statements that need it. Returns the pins.
    fn remove(library: &mut Library, kind: RoleKind, n: u8) -> Vec<StatementId> {
        let mut next = library.root().unwrap().clone();
        let key = key(n).public();
        next.remove_key(kind, None, &key).unwrap();
        let effective = standing_by(library, &key, &next);
        next.pins = effective.union(&revocations_by(library, kind, &key, &next)).copied().collect();
        let pins = next.pins.clone();
        follow(library, next);
        pins
    }

    /// Symptom: a revocation became ineffective with the removed key of its operator, and the node could pull
    /// again.
    #[test]
    fn a_removed_operators_revocations_and_policy_stay() {
        let mut library = library();
        let node = key(11).node();
        let said = revoke(&library, &key(2), node, "stolen", 1).unwrap();
        let revoked = take(&mut library, said);
        // A revocation that another operator signed, too, needs no pin.
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

    /// Symptom: `live` was back where it pointed before the operator's statement, or had no current
    /// statement. Its publisher had moved it under a term of an operator whose key was then replaced. Cause:
    /// the pins held that key's newest statement on the channel and not the term, without which no move of
    /// the publisher is effective.
    #[test]
    fn a_channel_stays_when_the_operator_of_its_term_is_removed() {
        let mut library = library();
        let first = release(&mut library, 3, &[], 1);
        let term = go(&mut library, 2, first);
        let second = release(&mut library, 3, &[first], 2);
        go(&mut library, 3, second);
        assert_eq!(remove(&mut library, RoleKind::Operator, 2), [term]);
        assert_eq!(library.channel(LIVE).unwrap().body.release, second);
        // The publisher can still move the channel.
        let third = release(&mut library, 3, &[second], 3);
        go(&mut library, 3, third);
    }

    /// Symptom: after an operator's key was replaced, the history of a channel lacked the moves under that
    /// key's earlier terms, and its own move was listed as a publisher's.
    #[test]
    fn moves_of_a_replaced_operator_stay_in_the_history() {
        let mut library = library();
        let first = release(&mut library, 3, &[], 1);
        let second = release(&mut library, 3, &[first], 2);
        let third = release(&mut library, 3, &[second], 3);
        go(&mut library, 2, first);
        go(&mut library, 3, second);
        go(&mut library, 2, third);
        let before: Vec<_> = library.channel_history(LIVE).iter().map(|said| said.statement.id()).collect();
        remove(&mut library, RoleKind::Operator, 2);
        let moves = library.channel_moves(LIVE);
        let seen: Vec<_> = moves.iter().map(|at| (at.is_effective, at.by_operator)).collect();
        assert_eq!(seen, [(false, true), (false, false), (true, true)]);
        assert_eq!(moves.iter().map(|at| at.said.statement.id()).collect::<Vec<_>>(), before);
        assert_eq!(library.channel_history(LIVE).len(), 1, "the rules are unchanged");
    }

    /// Symptom: all releases of a removed key became ineffective, and the channel with them. The last release
    /// was a limited publisher's, and the removed key had signed the ones before it. Cause: only releases
    /// without a successor were pinned, if the key had signed them: none.
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

    /// A release that stays effective through another key is not pinned.
    #[test]
    fn a_release_that_stays_effective_is_not_pinned() {
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
