//! The current statements of channels.
//!
//! An operator's statement on a channel begins a **term**: it names the current release and the publisher
//! that moves the channel from there. The publisher's statements name their term. Terms are ordered by the
//! sequence, time and id of the operator's statement, and the statements within a term by their own: the
//! highest effective one is current. A publisher that has not received the statement about its replacement
//! can therefore go on signing without limit, and changes nothing where that statement is known.

use std::collections::{BTreeMap, BTreeSet};

use super::{Conflict, ConflictKind, View, releases_under};
use crate::{
    id::StatementId,
    limits::SEQUENCE_JUMP,
    statement::{Body, Channel, PublicKey, RoleKind, Root, Statement, set::StatementSet},
};

type Place = (u64, i64, StatementId);

/// The rank of a statement on a channel: the place of its term, then its own place.
pub(in crate::statement) type Rank = (Place, Place);

/// A channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::statement) struct ChannelState {
    /// The effective statements, by rank: the last is current.
    pub(in crate::statement) history: Vec<StatementId>,
    /// The rank of every statement by an authorized signer, effective or not.
    pub(in crate::statement) ranks: BTreeMap<StatementId, Rank>,
    /// The highest sequence that an authorized signer used.
    pub(in crate::statement) highest: u64,
}

impl ChannelState {
    /// Whether a statement begins a term: an operator's statement, or one that a root pins.
    pub(in crate::statement) fn begins_term(&self, id: &StatementId) -> bool {
        self.ranks.get(id).is_some_and(|(term, own)| *own == NO_TERM && *term != NO_TERM)
    }
}

/// The place of the time before the first operator statement.
const NO_TERM: Place = (0, 0, StatementId::from_bytes([0; 32]));

/// One channel's statements, by role of the signer.
#[derive(Default)]
struct ChannelStatements<'a> {
    operators: Vec<(&'a Statement, &'a Channel)>,
    publishers: Vec<(&'a Statement, &'a Channel)>,
    /// The sequences of all statements on it by signers of any known root.
    sequences: Vec<u64>,
}

/// The channel as it would be if `root` were the newest.
pub(in crate::statement) fn channel_under(set: &StatementSet, root: &Root, name: &str) -> ChannelState {
    let view = View { set, root };
    let channels = settle(&view, &releases_under(set, root), &mut Vec::new());
    channels.into_iter().find(|(channel, _)| channel == name).map(|(_, state)| state).unwrap_or_default()
}

/// Settles the channels that move to the effective `releases`, by name, and adds their contradictions to
/// `conflicts`.
pub(super) fn settle(
    view: &View<'_>,
    releases: &BTreeSet<StatementId>,
    conflicts: &mut Vec<Conflict>,
) -> BTreeMap<String, ChannelState> {
    let mut channels: BTreeMap<&str, ChannelStatements<'_>> = BTreeMap::new();
    for statement in view.set.iter() {
        let Body::Channel(channel) = statement.body() else { continue };
        channels.entry(&channel.name).or_default().sequences.push(statement.sequence());
        if !releases.contains(&channel.release) {
            continue;
        }
        // A pinned statement has the authority of the root quorum.
        if view.is_operators(statement) || view.pinned(statement) {
            channels.entry(&channel.name).or_default().operators.push((statement, channel));
        } else if is_active_publisher(view, statement, channel) {
            channels.entry(&channel.name).or_default().publishers.push((statement, channel));
        }
    }
    channels.retain(|_, said| !said.operators.is_empty() || !said.publishers.is_empty());
    let settled = channels.into_iter().map(|(name, mut said)| {
        said.drop_jumps();
        let (state, found) = said.settle(view, name);
        conflicts.extend(found);
        (name.to_owned(), state)
    });
    settled.collect()
}

/// Whether the active publisher that the statement names signed it, in a publisher role.
fn is_active_publisher(view: &View<'_>, statement: &Statement, channel: &Channel) -> bool {
    let signers: Vec<_> = statement.signers().copied().collect();
    let mut roles = view.root.roles.iter().filter(|role| role.kind == RoleKind::Publisher);
    signers.contains(&channel.active)
        && roles.any(|role| role.keys.contains(&channel.active) && role.is_met_by(&signers))
}

/// The publisher that moves a channel before the first operator statement: the only publisher of the library.
fn first_publisher(view: &View<'_>) -> Option<PublicKey> {
    let publishers = |root: &Root| {
        let roles = root.roles.iter().filter(|role| role.kind == RoleKind::Publisher);
        roles.flat_map(|role| role.keys.clone()).collect::<BTreeSet<_>>()
    };
    let now = publishers(view.root);
    let first =
        view.set.roots().filter(|root| root.version == 1).map(publishers).find(|keys| keys.len() == 1);
    let only = if now.len() == 1 { Some(now.clone()) } else { first };
    only?.into_iter().find(|key| now.contains(key))
}

/// The highest of `sequences` that is reached without a jump of more than [`SEQUENCE_JUMP`].
pub(super) fn highest_without_jump(mut sequences: Vec<u64>) -> u64 {
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

impl<'a> ChannelStatements<'a> {
    /// Drops statements whose sequence is further above the others than honest use can bring it. Sequences of
    /// signers without authority are included: an answer to a thief's jump stays effective after the thief's
    /// key is removed.
    fn drop_jumps(&mut self) {
        let floor = highest_without_jump(std::mem::take(&mut self.sequences));
        self.operators.retain(|(statement, _)| statement.sequence() <= floor);
        self.publishers.retain(|(statement, _)| statement.sequence() <= floor);
    }

    fn settle(&self, view: &View<'_>, name: &str) -> (ChannelState, Vec<Conflict>) {
        let mut state = ChannelState::default();
        let mut conflicts = Vec::new();
        let mut effective: BTreeMap<Rank, StatementId> = BTreeMap::new();

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
                effective.insert(rank, statement.id());
            }
            if view.root.names(RoleKind::Publisher, &channel.active) {
                terms.insert(Some(statement.id()), (place(statement), channel.active));
            }
        }
        let newest_operator = effective.last_key_value().map(|((place, _), _)| place.0);
        conflicts.extend(self.crossing(name));

        // By the publisher that moved it, whatever other keys signed: another publisher's signature beside it
        // does not change whose statement it is.
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
            let is_term_effective = channel.term.is_none() || effective.contains_key(&(*term, NO_TERM));
            if statement.sequence() < from && is_term_effective {
                effective.insert(rank, statement.id());
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
        state.history = effective.into_values().collect();
        let all = self.operators.iter().chain(&self.publishers);
        state.highest = all.map(|(statement, _)| statement.sequence()).max().unwrap_or(0);
        (state, conflicts)
    }

    /// The sequence from which on a publisher that contradicted itself in a term is ignored in that term.
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

    /// Statements of different operators at one sequence.
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
