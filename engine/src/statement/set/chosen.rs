//! Chooses which of several statements on one subject are kept. The choice does not depend on the order of
//! arrival.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{StatementSet, Subject};
use crate::{
    id::StatementId,
    limits::{CHECKPOINTS, CLAIMS, KEY_SUCCESSORS},
    statement::{Body, PublicKey, Statement},
};

/// The number of contradicting statements that are kept where only the newest is effective: enough to prove
/// the contradiction.
const PROOF: usize = 2;

impl StatementSet {
    /// The statements that are not kept once `statement` is, itself included: of some subjects only a few
    /// statements are kept.
    pub(super) fn superseded_by(&self, statement: &Statement) -> Vec<StatementId> {
        let Some(subject) = Subject::of(statement) else { return Vec::new() };
        let others = self.recent.get(&subject).into_iter().flatten().filter(|id| **id != statement.id());
        let all: Vec<&Statement> =
            others.filter_map(|id| self.get(id)).map(|said| &**said).chain([statement]).collect();
        let kept = match subject {
            Subject::Fresh(_) => newest_by_key(&all, 1),
            Subject::Checkpoint(_) => newest_by_key(&all, CHECKPOINTS),
            Subject::Claim(..) => lowest(&all, CLAIMS),
            Subject::Succession(..) => successors(&all),
        };
        all.iter().map(|said| said.id()).filter(|id| !kept.contains(id)).collect()
    }

    /// Whether a statement is not in the set because a kept one supersedes it.
    pub(in crate::statement) fn is_overtaken(&self, statement: &Statement) -> bool {
        self.get(&statement.id()).is_none() && self.superseded_by(statement).contains(&statement.id())
    }
}

/// Of statements on one subject, those that are the newest of one of their signers. Two keys that sign the
/// same body at the same time share one statement, which stays as long as it is the newest of one of them.
fn newest_by_key(all: &[&Statement], most: usize) -> BTreeSet<StatementId> {
    let keys: BTreeSet<_> = all.iter().flat_map(|said| said.signers()).collect();
    let by = |key| all.iter().copied().filter(move |said| said.signers().any(|by| by == key)).collect();
    keys.into_iter().flat_map(|key| newest(by(key), most)).collect()
}

/// Of the successions of one key, one for each successor, and as many successors as prove that one is a
/// thief's.
fn successors(all: &[&Statement]) -> BTreeSet<StatementId> {
    let mut by_successor: BTreeMap<PublicKey, Vec<&Statement>> = BTreeMap::new();
    for said in all {
        if let Body::Succession(next) = said.body() {
            by_successor.entry(next.new).or_default().push(said);
        }
    }
    by_successor.values().take(KEY_SUCCESSORS).flat_map(|said| lowest(said, 1)).collect()
}

/// Of equivalent statements, those with the lowest ids. Times are not used: a signer can always choose an
/// earlier one.
fn lowest(all: &[&Statement], most: usize) -> BTreeSet<StatementId> {
    let ids: BTreeSet<_> = all.iter().map(|said| said.id()).collect();
    ids.into_iter().take(most).collect()
}

/// Of statements on one subject, the `most` with the highest sequences. Of those with one sequence and the
/// same body, the one with the smallest id is kept; of those with different bodies, as many as prove the
/// contradiction. The choice does not depend on the order of arrival.
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
