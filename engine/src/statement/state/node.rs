//! Who belongs to the library, under which key.
//!
//! An operator's newest word about a node decides. Tickets that were made after it, or where no operator has spoken of the
//! node, add what they grant. A revocation makes void all that was said up to it, and every ticket; then only an operator's
//! newer word counts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Conflict, ConflictKind, State, View};
use crate::{
    id::{NodeId, StatementId},
    limits::SEQUENCE_JUMP,
    statement::{Body, Member, PublicKey, Statement, Succession, TicketTerms},
};

/// A node that something is said of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::statement) struct NodeState {
    /// The member statements that grant it something, an operator's first.
    pub(in crate::statement) grants: Vec<StatementId>,
    /// The revocation that holds.
    pub(in crate::statement) revoked: Option<StatementId>,
    /// The highest sequence that a member statement or revocation of an operator took up.
    pub(in crate::statement) highest: u64,
    /// Its key now.
    pub(in crate::statement) key: Option<PublicKey>,
    /// Whether it is shut out until an operator decides: its key has two successors, or it joined with a ticket that was
    /// used too often and has nothing else.
    pub(in crate::statement) suspended: bool,
}

/// What operators said of one node.
#[derive(Default)]
struct Word<'a> {
    appointments: Vec<(&'a Statement, &'a Member)>,
    revocations: Vec<(&'a Statement, u64)>,
}

/// A ticket's use.
struct Claim<'a> {
    statement: &'a Statement,
    member: &'a Member,
    ticket: StatementId,
}

impl State {
    pub(super) fn settle_nodes(&mut self, view: &View<'_>) {
        let mut words: BTreeMap<NodeId, Word<'_>> = BTreeMap::new();
        let mut tickets: BTreeMap<StatementId, (&Statement, &TicketTerms)> = BTreeMap::new();
        let mut claims = Vec::new();
        let mut successions: BTreeMap<NodeId, Vec<(&Statement, &Succession)>> = BTreeMap::new();
        for statement in view.pool.iter() {
            match statement.body() {
                Body::Ticket(terms) if view.is_operators(statement, &terms.classes) => {
                    tickets.insert(statement.id(), (statement, terms));
                }
                Body::Member(member) => match member.ticket {
                    Some(ticket) => claims.push(Claim { statement, member, ticket }),
                    None if view.is_operators(statement, &member.classes) => {
                        words.entry(member.node).or_default().appointments.push((statement, member));
                    }
                    None => {}
                },
                Body::Revoke(revoke) => {
                    words.entry(revoke.node).or_default().revocations.push((statement, revoke.up_to));
                }
                Body::Succession(next) => successions.entry(next.node).or_default().push((statement, next)),
                _ => {}
            }
        }
        self.tickets = tickets.keys().copied().collect();
        for (node, word) in &words {
            self.nodes.insert(*node, word.settle());
        }
        self.settle_claims(view, &tickets, &claims, &successions);
        self.settle_keys(view, &successions);
    }

    /// Who joined with which ticket.
    fn settle_claims(
        &mut self,
        view: &View<'_>,
        tickets: &BTreeMap<StatementId, (&Statement, &TicketTerms)>,
        claims: &[Claim<'_>],
        successions: &BTreeMap<NodeId, Vec<(&Statement, &Succession)>>,
    ) {
        let mut by_ticket: BTreeMap<StatementId, BTreeMap<NodeId, &Claim<'_>>> = BTreeMap::new();
        for claim in claims {
            let Some((_, terms)) = tickets.get(&claim.ticket) else { continue };
            if !self.is_redeemed(view, terms, claim.statement, successions) {
                continue;
            }
            let place = |claim: &Claim<'_>| (claim.statement.time_ms(), claim.statement.id());
            let nodes = by_ticket.entry(claim.ticket).or_default();
            let earliest = nodes.entry(claim.member.node).or_insert(claim);
            if place(claim) < place(earliest) {
                *earliest = claim;
            }
        }
        for (ticket, nodes) in by_ticket {
            let Some((made, terms)) = tickets.get(&ticket) else { continue };
            let overused = nodes.len() > usize::try_from(terms.uses).unwrap_or(usize::MAX);
            if overused {
                let mut statements: Vec<_> = nodes.values().map(|claim| claim.statement.id()).collect();
                statements.sort_unstable();
                let decided = |node: &NodeId| self.nodes.get(node).is_some_and(NodeState::is_decided);
                self.conflicts.push(Conflict {
                    kind: ConflictKind::Ticket,
                    subject: format!(
                        "ticket {} for {} with {} nodes",
                        ticket.short(),
                        terms.uses,
                        nodes.len()
                    ),
                    statements,
                    settled: nodes.keys().all(decided),
                });
            }
            for (node, claim) in &nodes {
                let state = self.nodes.entry(*node).or_default();
                if state.revoked.is_some() || !is_newer(view, made, state) {
                    continue;
                }
                if overused {
                    state.suspended |= state.grants.is_empty();
                } else {
                    state.suspended = false;
                    state.grants.push(claim.statement.id());
                }
            }
            let mut joined: Vec<_> = nodes.values().collect();
            joined.sort_by_key(|claim| (claim.statement.time_ms(), claim.statement.id()));
            let joined = joined.into_iter().map(|claim| (claim.member.node, claim.statement.id())).collect();
            self.joined.insert(ticket, joined);
        }
    }

    /// Whether a redeemer of the ticket signed, who is not shut out, with a key that is or was rightly its own.
    fn is_redeemed(
        &self,
        view: &View<'_>,
        terms: &TicketTerms,
        statement: &Statement,
        successions: &BTreeMap<NodeId, Vec<(&Statement, &Succession)>>,
    ) -> bool {
        terms.redeemers.iter().any(|node| {
            let state = self.nodes.get(node);
            let bound =
                state.and_then(|state| member_of(view, state.grants.first()?)).map(|member| member.key);
            let said = successions.get(node).map(Vec::as_slice).unwrap_or_default();
            state.is_none_or(|state| state.revoked.is_none())
                && statement.signers().all(|key| is_in_line(said, node, bound.as_ref(), key))
        })
    }

    /// Follows the keys of every node along its successions.
    fn settle_keys(
        &mut self,
        view: &View<'_>,
        successions: &BTreeMap<NodeId, Vec<(&Statement, &Succession)>>,
    ) {
        let mut current = Vec::new();
        let mut graced = Vec::new();
        for (node, state) in &mut self.nodes {
            let bound = state.grants.first().and_then(|id| member_of(view, id)).map(|member| member.key);
            let Some(mut key) = bound else { continue };
            let said = successions.get(node).map(Vec::as_slice).unwrap_or_default();
            let mut seen = BTreeSet::from([key]);
            loop {
                let next: Vec<_> = said.iter().filter(|(_, next)| next.old == key).collect();
                let heirs: BTreeSet<_> = next.iter().map(|(_, next)| next.new).collect();
                let Some(heir) = heirs.first().filter(|_| heirs.len() == 1) else {
                    if heirs.len() > 1 {
                        state.suspended = true;
                        let mut statements: Vec<_> =
                            next.iter().map(|(statement, _)| statement.id()).collect();
                        statements.sort_unstable();
                        self.conflicts.push(Conflict {
                            kind: ConflictKind::Succession,
                            subject: format!("node {}", node.short()),
                            statements,
                            settled: false,
                        });
                    }
                    break;
                };
                if !seen.insert(*heir) {
                    break;
                }
                let until = next.iter().map(|(statement, next)| {
                    statement.time_ms().saturating_add(i64::try_from(next.grace_ms).unwrap_or(i64::MAX))
                });
                graced.extend(until.max().map(|until| (key, *node, until)));
                key = *heir;
            }
            state.key = Some(key);
            current.push((key, *node));
        }
        for (key, node, until) in graced {
            self.keys.insert(key, (node, Some(until)));
        }
        // A key that is somebody's now is nobody's of earlier; of two that show one key the smaller id has it.
        for (key, node) in current.into_iter().rev() {
            self.keys.insert(key, (node, None));
        }
    }

    /// Two audit logs under one name.
    pub(super) fn settle_checkpoints(&mut self, view: &View<'_>) {
        let mut by_place: BTreeMap<(NodeId, u64), BTreeSet<StatementId>> = BTreeMap::new();
        let mut heads: BTreeMap<(NodeId, u64), BTreeSet<crate::id::RecordId>> = BTreeMap::new();
        for statement in view.pool.iter() {
            if let Body::Checkpoint(checkpoint) = statement.body() {
                let place = (checkpoint.node, checkpoint.count);
                by_place.entry(place).or_default().insert(statement.id());
                heads.entry(place).or_default().insert(checkpoint.head);
            }
        }
        for ((node, count), statements) in by_place {
            if heads.get(&(node, count)).is_some_and(|heads| heads.len() > 1) {
                self.conflicts.push(Conflict {
                    kind: ConflictKind::Checkpoint,
                    subject: format!("node {} at record {count}", node.short()),
                    statements: statements.into_iter().collect(),
                    settled: false,
                });
            }
        }
    }
}

impl NodeState {
    /// Whether an operator has spoken of it.
    fn is_decided(&self) -> bool {
        self.revoked.is_some() || self.highest > 0
    }
}

impl Word<'_> {
    /// An operator's last word.
    fn settle(&self) -> NodeState {
        let granted = self.appointments.iter().map(|(statement, _)| statement.sequence());
        let mut sequences: Vec<_> = granted.chain(self.revocations.iter().map(|(_, up_to)| *up_to)).collect();
        sequences.sort_unstable();
        let mut highest = 0u64;
        for sequence in sequences {
            if sequence.saturating_sub(highest) > SEQUENCE_JUMP {
                break;
            }
            highest = sequence;
        }
        let revocations = self.revocations.iter().filter(|(_, up_to)| *up_to <= highest);
        let revoked = revocations.max_by_key(|(statement, up_to)| (*up_to, statement.id()));
        let revoked_to = revoked.map_or(0, |(_, up_to)| *up_to);
        let appointed = self
            .appointments
            .iter()
            .map(|(statement, _)| statement)
            .filter(|statement| (revoked_to + 1..=highest).contains(&statement.sequence()))
            .max_by_key(|statement| (statement.sequence(), statement.time_ms(), statement.id()));
        NodeState {
            grants: appointed.map(|statement| statement.id()).into_iter().collect(),
            revoked: revoked.filter(|_| appointed.is_none()).map(|(statement, _)| statement.id()),
            highest,
            ..NodeState::default()
        }
    }
}

/// Whether a ticket was made after what an operator said of the node, so that it adds to that.
fn is_newer(view: &View<'_>, ticket: &Statement, state: &NodeState) -> bool {
    let appointed = state.grants.first().and_then(|id| view.pool.get(id));
    let by_operator =
        |statement: &Statement| matches!(statement.body(), Body::Member(m) if m.ticket.is_none());
    appointed.is_none_or(|said| !by_operator(said) || ticket.time_ms() > said.time_ms())
}

/// Whether `key` is the one that a node is bound to (without a binding: its first), came to it by successions, or they to it. A
/// key whose successor is in dispute has no part in it, nor has one that an operator replaced.
fn is_in_line(
    said: &[(&Statement, &Succession)],
    node: &NodeId,
    bound: Option<&PublicKey>,
    key: &PublicKey,
) -> bool {
    let is_bound = |key: &PublicKey| bound.map_or_else(|| key.node() == *node, |bound| bound == key);
    let heir = |key: &PublicKey| {
        let heirs: BTreeSet<_> =
            said.iter().filter(|(_, next)| next.old == *key).map(|(_, next)| next.new).collect();
        heirs.first().copied().filter(|_| heirs.len() == 1)
    };
    // Forward from the key to the bound one, and from any key that is bound to this one.
    let leads = |from: PublicKey, is_there: &dyn Fn(&PublicKey) -> bool| {
        let mut seen = BTreeSet::new();
        let mut at = Some(from);
        while let Some(key) = at.filter(|key| seen.insert(*key)) {
            if is_there(&key) {
                return true;
            }
            at = heir(&key);
        }
        false
    };
    let mut first = said.iter().map(|(_, next)| next.old).chain(bound.copied()).filter(is_bound);
    leads(*key, &is_bound) || first.any(|bound| leads(bound, &|other| other == key))
}

fn member_of<'a>(view: &View<'a>, id: &StatementId) -> Option<&'a Member> {
    match view.pool.get(id)?.body() {
        Body::Member(member) => Some(member),
        _ => None,
    }
}
