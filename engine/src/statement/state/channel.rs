//! Where channels stand.
//!
//! An operator's statement about a channel begins a **term**: it names the release that is current and the publisher that
//! moves the channel from there. The publisher's statements name their term. Terms are ordered by the sequence, time and id
//! of the operator's statement, and statements within one by their own: the highest of all that count is current. So a
//! publisher that has not heard of its replacement can go on as long as it likes, and changes nothing where the operator
//! was heard.

use std::collections::{BTreeMap, BTreeSet};

use super::{Conflict, ConflictKind, State, View};
use crate::{
    id::StatementId,
    limits::SEQUENCE_JUMP,
    statement::{Body, Channel, PublicKey, RoleKind, Root, Statement},
};

type Place = (u64, i64, StatementId);

/// An order over all statements about a channel: the term's place, then the own one.
pub(in crate::statement) type Rank = (Place, Place);

/// A channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::statement) struct ChannelState {
    /// The statements that count, by rank: the last is current.
    pub(in crate::statement) history: Vec<StatementId>,
    /// The rank of every statement by somebody entitled, whether it counts or not.
    pub(in crate::statement) ranks: BTreeMap<StatementId, Rank>,
    /// The highest sequence that anybody entitled used.
    pub(in crate::statement) highest: u64,
}

impl ChannelState {
    /// Whether a statement begins a term: an operator's, or one that has the word of the root quorum.
    pub(in crate::statement) fn begins_term(&self, id: &StatementId) -> bool {
        self.ranks.get(id).is_some_and(|(term, own)| *own == NO_TERM && *term != NO_TERM)
    }
}

/// The beginning: no operator has said anything yet.
const NO_TERM: Place = (0, 0, StatementId::from_bytes([0; 32]));

/// One channel's statements, by who made them.
#[derive(Default)]
struct Said<'a> {
    operators: Vec<(&'a Statement, &'a Channel)>,
    publishers: Vec<(&'a Statement, &'a Channel)>,
    /// The sequences of all that was ever said of it by somebody who was entitled then.
    sequences: Vec<u64>,
}

impl State {
    pub(super) fn settle_channels(&mut self, view: &View<'_>) {
        let mut channels: BTreeMap<&str, Said<'_>> = BTreeMap::new();
        for statement in view.pool.iter() {
            let Body::Channel(channel) = statement.body() else { continue };
            channels.entry(&channel.name).or_default().sequences.push(statement.sequence());
            if !self.releases.contains(&channel.release) {
                continue;
            }
            // What a root pins has the word of its quorum.
            if view.is_operators(statement) || view.pinned(statement) {
                channels.entry(&channel.name).or_default().operators.push((statement, channel));
            } else if is_active_publisher(view, statement, channel) {
                channels.entry(&channel.name).or_default().publishers.push((statement, channel));
            }
        }
        for (name, mut said) in channels {
            if said.operators.is_empty() && said.publishers.is_empty() {
                continue;
            }
            said.refuse_jumps();
            let (state, conflicts) = said.settle(view, name);
            self.conflicts.extend(conflicts);
            self.channels.insert(name.to_owned(), state);
        }
    }
}

/// Whether the channel's active publisher signed, and is one.
fn is_active_publisher(view: &View<'_>, statement: &Statement, channel: &Channel) -> bool {
    let signers: Vec<_> = statement.signers().copied().collect();
    let mut roles = view.root.roles.iter().filter(|role| role.kind == RoleKind::Publisher);
    signers.contains(&channel.active)
        && roles.any(|role| role.keys.contains(&channel.active) && role.is_met_by(&signers))
}

/// The publisher that moves a channel before any operator has spoken: the only one there is.
fn first_publisher(view: &View<'_>) -> Option<PublicKey> {
    let publishers = |root: &Root| {
        let roles = root.roles.iter().filter(|role| role.kind == RoleKind::Publisher);
        roles.flat_map(|role| role.keys.clone()).collect::<BTreeSet<_>>()
    };
    let now = publishers(view.root);
    let first =
        view.pool.roots().filter(|root| root.version == 1).map(publishers).find(|keys| keys.len() == 1);
    let only = if now.len() == 1 { Some(now.clone()) } else { first };
    only?.into_iter().find(|key| now.contains(key))
}

/// The highest of `sequences` that is reached without a leap.
pub(super) fn climb(mut sequences: Vec<u64>) -> u64 {
    sequences.sort_unstable();
    let mut floor = 0u64;
    for sequence in sequences {
        if sequence.saturating_sub(floor) > SEQUENCE_JUMP {
            break;
        }
        floor = sequence;
    }
    floor
}

fn place(statement: &Statement) -> Place {
    (statement.sequence(), statement.time_ms(), statement.id())
}

impl<'a> Said<'a> {
    /// Drops what lies further above the sequences below it than anybody comes by honest work. Those of signers that count no
    /// more are among these: who answered a thief's leap stands, also when the thief's key is gone.
    fn refuse_jumps(&mut self) {
        let floor = climb(std::mem::take(&mut self.sequences));
        self.operators.retain(|(statement, _)| statement.sequence() <= floor);
        self.publishers.retain(|(statement, _)| statement.sequence() <= floor);
    }

    fn settle(&self, view: &View<'_>, name: &str) -> (ChannelState, Vec<Conflict>) {
        let mut state = ChannelState::default();
        let mut conflicts = Vec::new();
        let mut counting: BTreeMap<Rank, StatementId> = BTreeMap::new();

        let mut terms: BTreeMap<Option<StatementId>, (Place, PublicKey)> = BTreeMap::new();
        terms.extend(first_publisher(view).map(|key| (None, (NO_TERM, key))));
        let twice = contradictions(
            self.operators
                .iter()
                .map(|(statement, _)| (*statement, None, statement.signers().copied().collect())),
        );
        for (statement, channel) in &self.operators {
            let rank = (place(statement), NO_TERM);
            state.ranks.insert(statement.id(), rank);
            if !twice.iter().any(|rivals| rivals.contains(&statement.id())) {
                counting.insert(rank, statement.id());
            }
            if view.root.names(RoleKind::Publisher, &channel.active) {
                terms.insert(Some(statement.id()), (place(statement), channel.active));
            }
        }
        let newest_operator = counting.last_key_value().map(|((place, _), _)| place.0);
        conflicts.extend(self.crossing(name));

        // By who moved it, whoever else signed: another publisher's signature beside it makes it nobody else's.
        let signed = self
            .publishers
            .iter()
            .map(|(statement, channel)| (*statement, channel.term, vec![channel.active]));
        let contradicted = contradictions(signed);
        let voided: BTreeMap<(Option<StatementId>, PublicKey), u64> = self.void_from(&contradicted);
        for (statement, channel) in &self.publishers {
            let Some((term, active)) = terms.get(&channel.term) else { continue };
            if *active != channel.active || statement.sequence() <= term.0 {
                continue;
            }
            let rank = (*term, place(statement));
            state.ranks.insert(statement.id(), rank);
            let from = voided.get(&(channel.term, channel.active)).copied().unwrap_or(u64::MAX);
            let term_counts = channel.term.is_none() || counting.contains_key(&(*term, NO_TERM));
            if statement.sequence() < from && term_counts {
                counting.insert(rank, statement.id());
            }
        }
        for rivals in twice.into_iter().chain(contradicted) {
            let sequence = self.sequence_of(rivals.first());
            conflicts.push(Conflict {
                kind: ConflictKind::Channel,
                subject: format!("channel {name} at sequence {sequence}"),
                statements: rivals,
                settled: newest_operator.is_some_and(|newest| newest > sequence),
            });
        }
        state.history = counting.into_values().collect();
        let all = self.operators.iter().chain(&self.publishers);
        state.highest = all.map(|(statement, _)| statement.sequence()).max().unwrap_or(0);
        (state, conflicts)
    }

    /// From which sequence on a publisher that contradicted itself in a term is not heard there.
    fn void_from(
        &self,
        contradicted: &[Vec<StatementId>],
    ) -> BTreeMap<(Option<StatementId>, PublicKey), u64> {
        let mut voided = BTreeMap::new();
        for (statement, channel) in &self.publishers {
            if contradicted.iter().any(|rivals| rivals.contains(&statement.id())) {
                let from = voided.entry((channel.term, channel.active)).or_insert(u64::MAX);
                *from = statement.sequence().min(*from);
            }
        }
        voided
    }

    /// Operators that spoke at one sequence without knowing of each other.
    fn crossing(&self, name: &str) -> Vec<Conflict> {
        let mut by_sequence: BTreeMap<u64, Vec<&Statement>> = BTreeMap::new();
        for (statement, _) in &self.operators {
            by_sequence.entry(statement.sequence()).or_default().push(statement);
        }
        let newest = by_sequence.last_key_value().map_or(0, |(sequence, _)| *sequence);
        let mut crossing = Vec::new();
        for (sequence, said) in by_sequence {
            let signers: BTreeSet<_> =
                said.iter().map(|s| s.signers().copied().collect::<Vec<_>>()).collect();
            if signers.len() > 1 {
                let mut statements: Vec<_> = said.iter().map(|statement| statement.id()).collect();
                statements.sort_unstable();
                crossing.push(Conflict {
                    kind: ConflictKind::Operators,
                    subject: format!("channel {name} at sequence {sequence}"),
                    statements,
                    settled: newest > sequence,
                });
            }
        }
        crossing
    }

    fn sequence_of(&self, id: Option<&StatementId>) -> u64 {
        let mut all = self.operators.iter().chain(&self.publishers);
        all.find(|(statement, _)| Some(&statement.id()) == id)
            .map_or(0, |(statement, _)| statement.sequence())
    }
}

/// Sets of statements by the same keys, in the same term, at the same sequence.
fn contradictions<'a>(
    said: impl Iterator<Item = (&'a Statement, Option<StatementId>, Vec<PublicKey>)>,
) -> Vec<Vec<StatementId>> {
    let mut by_place: BTreeMap<(Option<StatementId>, Vec<PublicKey>, u64), BTreeSet<StatementId>> =
        BTreeMap::new();
    for (statement, term, keys) in said {
        by_place.entry((term, keys, statement.sequence())).or_default().insert(statement.id());
    }
    by_place.into_values().filter(|same| same.len() > 1).map(|same| same.into_iter().collect()).collect()
}
