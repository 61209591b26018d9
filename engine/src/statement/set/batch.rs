//! Adds many statements at once. Some can be added only after others, and the order in which they are given
//! does not always show that.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, StatementSet};
use crate::{
    error::Result,
    id::StatementId,
    statement::{Body, Statement},
};

/// The work of adding a batch.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::statement) struct Work {
    /// How many times a statement was considered.
    pub(in crate::statement) tries: usize,
    /// The number of statements that were added.
    pub(in crate::statement) added: usize,
}

/// Adds the statements of `order` that wait, in passes, until no more can be added, and replaces their
/// outcomes.
///
/// After the first pass, a statement is considered only if one that was added since may have made it
/// addable. A release waits for a release that descends from it, or for more signatures on itself. So
/// each release is considered a few times, however long their chains are. Of the other kinds, all that
/// wait are considered again, and after a root all kinds.
pub(in crate::statement) fn add_all(
    set: &mut StatementSet,
    order: &mut [&mut (&Statement, Result<Entry>)],
) -> Work {
    let mut releases: BTreeMap<StatementId, Vec<usize>> = BTreeMap::new();
    let mut others = Vec::new();
    for (at, (statement, _)) in order.iter().map(|offered| &**offered).enumerate() {
        match statement.body() {
            Body::Release(_) => releases.entry(statement.id()).or_default().push(at),
            _ => others.push(at),
        }
    }
    let all = 0..order.len();
    let mut work = Work::default();
    let mut next: BTreeSet<usize> = all.clone().collect();
    while !next.is_empty() {
        let mut now = std::mem::take(&mut next);
        let (mut is_root_added, mut is_other_added) = (false, false);
        while let Some(at) = now.pop_first() {
            let Some((statement, outcome)) = order.get_mut(at).map(|offered| &mut **offered) else {
                continue;
            };
            if !matches!(outcome, Ok(Entry::Pending(_) | Entry::Unneeded)) {
                continue;
            }
            work.tries += 1;
            *outcome = set.add(statement);
            if !matches!(outcome, Ok(Entry::Added)) {
                continue;
            }
            work.added += 1;
            match statement.body() {
                Body::Root(_) => is_root_added = true,
                Body::Release(release) => {
                    let ids = release.parents.iter().copied().chain([statement.id()]);
                    for woken in ids.filter_map(|id| releases.get(&id)).flatten() {
                        let pass = if *woken > at { &mut now } else { &mut next };
                        pass.insert(*woken);
                    }
                }
                _ => is_other_added = true,
            }
        }
        if is_root_added {
            next.extend(all.clone());
        } else if is_other_added {
            next.extend(&others);
        }
    }
    work
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;
    use crate::{
        id::{ManifestId, RecordId},
        statement::{
            Checkpoint, Key, Member, Release, Role, RoleKind, Succession,
            tests::{NOW, found, key, member, node, sign, terms},
        },
    };

    fn release(parents: Vec<StatementId>, n: u8, sequence: u64, keys: &[&Key]) -> Statement {
        let manifest = ManifestId::from_bytes([n; 32]);
        let body = Release { parents, manifest, message: String::new(), classes: vec![] };
        sign(found().0, Body::Release(body), sequence, NOW, keys)
    }

    fn root(version: u64, publishers: &[u8], pins: Vec<StatementId>) -> Statement {
        let (library, first) = found();
        let Body::Root(mut root) = first.body().clone() else { unreachable!() };
        (root.version, root.pins) = (version, pins);
        root.roles.retain(|role| role.kind != RoleKind::Publisher);
        root.roles.push(Role::any_of(RoleKind::Publisher, publishers.iter().map(|n| key(*n).public())));
        root.roles.sort_by_key(|role| role.kind);
        sign(library, Body::Root(root), version, NOW, &[&key(1)])
    }

    /// Symptom: after a publisher's key was removed, loading a library considered every release once for each
    /// later one: 8,000 releases took 18 seconds.
    #[test]
    fn the_work_grows_with_the_number_of_releases() {
        let count = 200;
        let mut all = vec![found().1, root(2, &[4], vec![])];
        let mut parents = vec![];
        for sequence in 1..=count {
            all.push(release(parents, 1, sequence, &[&key(3)]));
            parents = all.last().map(Statement::id).into_iter().collect();
        }
        all.push(release(parents, 2, count + 1, &[&key(4)]));
        let mut set = StatementSet::default();
        let (_, work) = by(&all, |order| add_all(&mut set, order));
        assert_eq!(work.added, all.len());
        assert!(work.tries <= 3 * all.len(), "{work:?} for {} statements", all.len());
    }

    /// The result, and the outcomes in the order given.
    fn by<T>(
        all: &[Statement],
        add: impl FnOnce(&mut [&mut (&Statement, Result<Entry>)]) -> T,
    ) -> (Vec<String>, T) {
        let mut offered: Vec<_> = all.iter().map(|said| (said, Ok(Entry::Pending(String::new())))).collect();
        let result = add(&mut offered.iter_mut().collect::<Vec<_>>());
        (offered.iter().map(|(_, outcome)| format!("{outcome:?}")).collect(), result)
    }

    /// Considers every waiting statement in every pass.
    fn add_by_passes(set: &mut StatementSet, order: &mut [&mut (&Statement, Result<Entry>)]) {
        let mut is_added = true;
        while is_added {
            is_added = false;
            for (statement, outcome) in order.iter_mut().map(|offered| &mut **offered) {
                if matches!(outcome, Ok(Entry::Pending(_) | Entry::Unneeded)) {
                    *outcome = set.add(statement);
                    is_added |= matches!(outcome, Ok(Entry::Added));
                }
            }
        }
    }

    /// Releases of a removed and of a current publisher, keys of nodes, and statements by these keys.
    fn statements(releases: &[(Index, Index, u64, u8)], pinned: &Index) -> Vec<Statement> {
        let (library, first) = found();
        let mut all: Vec<Statement> = Vec::new();
        for (n, (left, right, sequence, signers)) in (0..).zip(releases) {
            let parent = |at: &Index| Some(all.get(at.index(all.len() + 1))?.id());
            let mut parents: Vec<_> = [left, right].into_iter().filter_map(parent).collect();
            parents.sort_unstable();
            parents.dedup();
            let signed = |keys: &[&Key]| release(parents.clone(), n, *sequence, keys);
            let more = match signers {
                0..=3 => vec![signed(&[&key(3)])],
                4 => vec![signed(&[&key(3)]), signed(&[&key(3), &key(4)])],
                5 => vec![signed(&[&key(3)]), signed(&[&key(4)])],
                6 => vec![signed(&[&key(9)])],
                _ => vec![signed(&[&key(4)])],
            };
            all.extend(more);
        }
        let pins = all.get(pinned.index(2 * all.len() + 1)).map(Statement::id).into_iter().collect();
        all.extend([first, root(2, &[3, 4], vec![]), root(3, &[4], pins)]);
        let by = |body, sequence, keys: &[&Key]| sign(library, body, sequence, NOW, keys);
        let next = |old: u8, new: u8| {
            let (node, old, new) = (node(10), key(old), key(new));
            let body = Succession { node, old: old.public(), new: new.public(), grace_ms: 0 };
            by(Body::Succession(body), 1, &[&old, &new])
        };
        all.push(by(Body::Member(member(10, None)), 1, &[&key(2)]));
        all.extend([next(10, 41), next(41, 42), next(41, 43), next(42, 44), next(43, 45)]);
        all.push(by(Body::Member(Member { key: key(44).public(), ..member(10, None) }), 2, &[&key(2)]));
        for n in [10, 41, 42, 43, 44, 45] {
            let body = Checkpoint { node: node(10), count: n.into(), head: RecordId::from_bytes([n; 32]) };
            all.push(by(Body::Checkpoint(body), n.into(), &[&key(n)]));
        }
        let ticket = by(Body::Ticket(terms(2)), 1, &[&key(2)]);
        for (joiner, signer) in [(11, 10), (12, 41), (13, 42), (14, 45)] {
            all.push(by(Body::Member(member(joiner, Some(ticket.id()))), 1, &[&key(signer)]));
        }
        all.push(ticket);
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn the_result_is_that_of_full_passes(
            releases in vec((any::<Index>(), any::<Index>(), 1u64..6, 0u8..10), 0..10),
            pinned in any::<Index>(),
            swaps in vec(any::<(Index, Index)>(), 0..80),
            left_out in vec(any::<Index>(), 0..4),
        ) {
            let mut all = statements(&releases, &pinned);
            for (left, right) in swaps {
                let (left, right) = (left.index(all.len()), right.index(all.len()));
                all.swap(left, right);
            }
            for at in left_out {
                all.remove(at.index(all.len()));
            }
            let mut sets = [StatementSet::default(), StatementSet::default()];
            let [set, reference] = &mut sets;
            let (outcomes, _) = by(&all, |order| add_all(set, order));
            let (expected, ()) = by(&all, |order| add_by_passes(reference, order));
            prop_assert_eq!(outcomes, expected);
            let [kept, expected] = sets.map(|set| set.iter().map(|said| said.bytes().clone()).collect::<Vec<_>>());
            prop_assert_eq!(kept, expected);
        }
    }
}
