//! Which of several statements on one subject are kept, whatever the order in which they came.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    id::StatementId,
    statement::{Body, PublicKey, Statement, lines::HEIRS},
};

/// How many statements that contradict each other are kept where only the newest count: enough to prove it.
const PROOF: usize = 2;

/// Of statements on one subject those that are the newest of one of their signers. Two keys that say the same at the same time say
/// it in one statement, which stays as long as it is the newest of one.
pub(super) fn newest_by_key(all: &[&Statement], most: usize) -> BTreeSet<StatementId> {
    let keys: BTreeSet<_> = all.iter().flat_map(|said| said.signers()).collect();
    let by = |key| all.iter().copied().filter(move |said| said.signers().any(|by| by == key)).collect();
    keys.into_iter().flat_map(|key| newest(by(key), most)).collect()
}

/// Of the successions of one key one to each of its heirs, and of these as many as prove that one is a thief's.
pub(super) fn heirs(all: &[&Statement]) -> BTreeSet<StatementId> {
    let mut by_heir: BTreeMap<PublicKey, Vec<&Statement>> = BTreeMap::new();
    for said in all {
        if let Body::Succession(next) = said.body() {
            by_heir.entry(next.new).or_default().push(said);
        }
    }
    by_heir.values().take(HEIRS).flat_map(|said| lowest(said, 1)).collect()
}

/// Of statements that say the same those with the lowest ids. Their times would not do: a signer can always choose an earlier one.
pub(super) fn lowest(all: &[&Statement], most: usize) -> BTreeSet<StatementId> {
    let ids: BTreeSet<_> = all.iter().map(|said| said.id()).collect();
    ids.into_iter().take(most).collect()
}

/// Of statements on one subject the `most` with the highest sequences. Of those that say the same at one sequence it is the one
/// with the smallest id, and of those that do not, as many as prove it: which ones does not depend on which came first.
fn newest(mut said: Vec<&Statement>, most: usize) -> Vec<StatementId> {
    said.sort_by_key(|statement| (Reverse(statement.sequence()), statement.id()));
    let mut kept: Vec<&Statement> = Vec::new();
    for next in said {
        let newer = kept.iter().filter(|other| other.sequence() > next.sequence()).count();
        let mut rivals = kept.iter().filter(|other| other.sequence() == next.sequence());
        let proved = rivals.clone().count() >= PROOF;
        if newer < most && !proved && !rivals.any(|other| other.body() == next.body()) {
            kept.push(next);
        }
    }
    kept.iter().map(|statement| statement.id()).collect()
}
