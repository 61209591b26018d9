//! Which policy stands: the operators' newest. Of two at one sequence neither counts, so the one before stands until the
//! operators say another.

use std::collections::BTreeMap;

use super::{Conflict, ConflictKind, State, View, channel::climb};
use crate::{
    id::StatementId,
    statement::{Body, Policy, Statement},
};

/// What follows from all policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::statement) struct PolicyState {
    /// The one that stands.
    pub(in crate::statement) standing: Option<StatementId>,
    /// The highest sequence of any that operators signed.
    pub(in crate::statement) highest: u64,
}

impl State {
    pub(super) fn settle_policy(&mut self, view: &View<'_>) {
        let mut sequences = Vec::new();
        let mut by_sequence: BTreeMap<u64, Vec<(&Statement, &Policy)>> = BTreeMap::new();
        for statement in view.pool.iter() {
            let Body::Policy(policy) = statement.body() else { continue };
            sequences.push(statement.sequence());
            if view.is_operators(statement) {
                by_sequence.entry(statement.sequence()).or_default().push((statement, policy));
            }
        }
        // As with channels, so that the sequence is not driven to its end.
        let floor = climb(sequences);
        by_sequence.retain(|sequence, _| *sequence <= floor);
        let standing = by_sequence.iter().rev().find_map(|(sequence, said)| match said.as_slice() {
            [(statement, policy)] if policy.unknown_critical().is_none() => Some((*sequence, statement.id())),
            _ => None,
        });
        self.policy = PolicyState {
            standing: standing.map(|(_, id)| id),
            highest: by_sequence.last_key_value().map_or(0, |(sequence, _)| *sequence),
        };
        for (sequence, said) in by_sequence.iter().filter(|(_, said)| said.len() > 1) {
            let mut statements: Vec<_> = said.iter().map(|(statement, _)| statement.id()).collect();
            statements.sort_unstable();
            self.conflicts.push(Conflict {
                kind: ConflictKind::Policy,
                subject: format!("policy at sequence {sequence}"),
                statements,
                settled: standing.is_some_and(|(stands, _)| stands > *sequence),
            });
        }
    }
}
