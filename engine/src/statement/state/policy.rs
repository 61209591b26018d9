//! The effective policy: the newest that operators signed. Of two at one sequence neither is effective, so
//! the one before stays effective until operators sign a newer one.

use std::collections::BTreeMap;

use super::{Conflict, ConflictKind, View, channel::highest_without_jump};
use crate::{
    id::StatementId,
    statement::{Body, Policy, Statement},
};

/// The state that follows from all policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::statement) struct PolicyState {
    /// The effective policy.
    pub(in crate::statement) current: Option<StatementId>,
    /// The highest sequence of any policy that operators signed.
    pub(in crate::statement) highest: u64,
}

impl PolicyState {
    /// Settles all policies, and adds their contradictions to `conflicts`.
    pub(super) fn of(view: &View<'_>, conflicts: &mut Vec<Conflict>) -> Self {
        let mut sequences = Vec::new();
        let mut by_sequence: BTreeMap<u64, Vec<(&Statement, &Policy)>> = BTreeMap::new();
        for statement in view.set.iter() {
            let Body::Policy(policy) = statement.body() else { continue };
            sequences.push(statement.sequence());
            if view.is_operators(statement) {
                by_sequence.entry(statement.sequence()).or_default().push((statement, policy));
            }
        }
        // As with channels, so that a thief cannot use up the sequence.
        let floor = highest_without_jump(sequences);
        by_sequence.retain(|sequence, _| *sequence <= floor);
        let current = by_sequence.iter().rev().find_map(|(sequence, said)| match said.as_slice() {
            [(statement, policy)] if policy.unknown_critical().is_none() => Some((*sequence, statement.id())),
            _ => None,
        });
        for (sequence, said) in by_sequence.iter().filter(|(_, said)| said.len() > 1) {
            let mut statements: Vec<_> = said.iter().map(|(statement, _)| statement.id()).collect();
            statements.sort_unstable();
            conflicts.push(Conflict {
                kind: ConflictKind::Policy,
                subject: format!("policy at sequence {sequence}"),
                statements,
                settled: current.is_some_and(|(newest, _)| newest > *sequence),
            });
        }
        Self {
            current: current.map(|(_, id)| id),
            highest: by_sequence.last_key_value().map_or(0, |(sequence, _)| *sequence),
        }
    }
}
