//! The nodes of the library, and their keys.
//!
//! An operator's newest statement on a node decides. Tickets add their grants if they were made after that
//! statement, or where there is none. A revocation makes void all statements on the node up to its sequence,
//! and every ticket; after it only a newer operator statement is effective.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{Conflict, ConflictKind, View, channel::highest_without_jump};
use crate::{
    id::{NodeId, StatementId},
    statement::{Body, Member, PublicKey, Statement, Succession, TicketTerms},
};

/// A node that an effective statement names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::statement) struct NodeState {
    /// The member statements that grant it something, an operator's first.
    pub(in crate::statement) grants: Vec<StatementId>,
    /// The effective revocation.
    pub(in crate::statement) revoked: Option<StatementId>,
    /// Whether an operator statement decides about it.
    decided: bool,
    /// The highest sequence of the operators' member statements and revocations that are reached without a
    /// jump.
    pub(in crate::statement) highest: u64,
    /// Its current key.
    pub(in crate::statement) key: Option<PublicKey>,
    /// Whether it is locked out until an operator decides: its key has two successors, or it joined with a
    /// ticket that was used too often and has no other grant.
    pub(in crate::statement) suspended: bool,
}

/// Operator statements on one node.
#[derive(Default)]
struct OperatorStatements<'a> {
    appointments: Vec<(&'a Statement, &'a Member)>,
    revocations: Vec<(&'a Statement, u64)>,
    /// The sequences of all statements on it by operators of any known root.
    sequences: Vec<u64>,
}

/// A use of a ticket.
struct Claim<'a> {
    statement: &'a Statement,
    member: &'a Member,
    ticket: StatementId,
}

/// The successions of one node, by the key that each replaces.
type Successions<'a> = BTreeMap<PublicKey, Vec<(&'a Statement, &'a Succession)>>;

/// The state that follows from all statements on nodes, tickets and keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::statement) struct Nodes {
    /// The nodes that effective statements name.
    pub(in crate::statement) by_id: BTreeMap<NodeId, NodeState>,
    /// The effective tickets.
    pub(in crate::statement) tickets: BTreeSet<StatementId>,
    /// The nodes that joined with a ticket, the earliest first.
    pub(in crate::statement) joined: BTreeMap<StatementId, Vec<(NodeId, StatementId)>>,
    /// Authorized revocations, including those that are ineffective because their sequence jumps.
    pub(in crate::statement) revocations: BTreeSet<StatementId>,
    /// The node of each key; for an old key, until a time in ms since 1970.
    pub(in crate::statement) keys: BTreeMap<PublicKey, (NodeId, Option<i64>)>,
}

impl Nodes {
    /// Settles all nodes, and adds the contradictions of their statements to `conflicts`.
    pub(super) fn of(view: &View<'_>, conflicts: &mut Vec<Conflict>) -> Self {
        let mut settled = Self::default();
        let mut by_node: BTreeMap<NodeId, OperatorStatements<'_>> = BTreeMap::new();
        let mut tickets: BTreeMap<StatementId, (&Statement, &TicketTerms)> = BTreeMap::new();
        let mut claims = Vec::new();
        let mut successions: BTreeMap<NodeId, Successions<'_>> = BTreeMap::new();
        for statement in view.set.iter() {
            match statement.body() {
                Body::Ticket(terms) if view.is_operators(statement) => {
                    tickets.insert(statement.id(), (statement, terms));
                }
                Body::Member(member) => match member.ticket {
                    Some(ticket) => claims.push(Claim { statement, member, ticket }),
                    None => {
                        let of_node = by_node.entry(member.node).or_default();
                        of_node.sequences.push(statement.sequence());
                        if view.is_operators(statement) {
                            of_node.appointments.push((statement, member));
                        }
                    }
                },
                Body::Revoke(revoke) => {
                    let of_node = by_node.entry(revoke.node).or_default();
                    of_node.sequences.push(revoke.up_to);
                    if view.is_revocation(statement) {
                        of_node.revocations.push((statement, revoke.up_to));
                        settled.revocations.insert(statement.id());
                    }
                }
                Body::Succession(next) => {
                    let of_node = successions.entry(next.node).or_default();
                    of_node.entry(next.old).or_default().push((statement, next));
                }
                _ => {}
            }
        }
        settled.tickets = tickets.keys().copied().collect();
        // Drop nodes that no effective operator statement names.
        by_node.retain(|_, of_node| !of_node.appointments.is_empty() || !of_node.revocations.is_empty());
        for (node, of_node) in by_node {
            settled.by_id.insert(node, of_node.settle());
        }
        settled.settle_claims(view, &tickets, &claims, &successions, conflicts);
        settled.settle_keys(view, &successions, conflicts);
        settled.find_forks(view, conflicts);
        settled
    }

    /// Finds the nodes that joined with each ticket.
    fn settle_claims(
        &mut self,
        view: &View<'_>,
        tickets: &BTreeMap<StatementId, (&Statement, &TicketTerms)>,
        claims: &[Claim<'_>],
        successions: &BTreeMap<NodeId, Successions<'_>>,
        conflicts: &mut Vec<Conflict>,
    ) {
        let mut chains = ChainCache::new(successions);
        let mut by_ticket: BTreeMap<StatementId, BTreeMap<NodeId, &Claim<'_>>> = BTreeMap::new();
        for claim in claims {
            let Some((_, terms)) = tickets.get(&claim.ticket) else { continue };
            if !self.is_redeemed(view, terms, claim.statement, &mut chains) {
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
                let decided = |node: &NodeId| self.by_id.get(node).is_some_and(|state| state.decided);
                conflicts.push(Conflict {
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
                let state = self.by_id.entry(*node).or_default();
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

    /// Whether a redeemer of the ticket signed, at a time at which an operator's grant of the redeemer had
    /// not ended, with a key that is or was validly its own. A revoked redeemer does not qualify.
    fn is_redeemed(
        &self,
        view: &View<'_>,
        terms: &TicketTerms,
        statement: &Statement,
        chains: &mut ChainCache<'_>,
    ) -> bool {
        terms.redeemers.iter().any(|node| {
            let state = self.by_id.get(node);
            let bound =
                state.and_then(|state| member_of(view, state.grants.first()?)).map(|member| member.key);
            let chain = chains.of(node, bound);
            let is_own = |key: &PublicKey| chain.contains(key) || (bound.is_none() && key.node() == *node);
            let grants = state.into_iter().flat_map(|state| &state.grants);
            let mut grants = grants.filter_map(|id| member_of(view, id)).peekable();
            let is_member =
                grants.peek().is_none() || grants.any(|member| member.is_current(statement.time_ms()));
            let is_revoked = state.is_some_and(|state| state.revoked.is_some());
            is_member && !is_revoked && statement.signers().all(is_own)
        })
    }

    /// Follows the keys of every node along its successions.
    fn settle_keys(
        &mut self,
        view: &View<'_>,
        successions: &BTreeMap<NodeId, Successions<'_>>,
        conflicts: &mut Vec<Conflict>,
    ) {
        let mut current = Vec::new();
        let mut graced = Vec::new();
        for (node, state) in &mut self.by_id {
            let bound = state.grants.first().and_then(|id| member_of(view, id)).map(|member| member.key);
            let Some(mut key) = bound else { continue };
            let said = successions.get(node);
            let mut seen = BTreeSet::from([key]);
            loop {
                let next = said.and_then(|said| said.get(&key)).map(Vec::as_slice).unwrap_or_default();
                let successors: BTreeSet<_> = next.iter().map(|(_, next)| next.new).collect();
                let Some(successor) = successors.first().filter(|_| successors.len() == 1) else {
                    if successors.len() > 1 {
                        state.suspended = true;
                        let mut statements: Vec<_> =
                            next.iter().map(|(statement, _)| statement.id()).collect();
                        statements.sort_unstable();
                        conflicts.push(Conflict {
                            kind: ConflictKind::Succession,
                            subject: format!("node {}", node.short()),
                            statements,
                            settled: false,
                        });
                    }
                    break;
                };
                if !seen.insert(*successor) {
                    break;
                }
                let until = next.iter().map(|(statement, next)| {
                    statement.time_ms().saturating_add(i64::try_from(next.grace_ms).unwrap_or(i64::MAX))
                });
                graced.extend(until.max().map(|until| (key, *node, until)));
                key = *successor;
            }
            state.key = Some(key);
            current.push((key, *node));
        }
        for (key, node, until) in graced {
            self.keys.insert(key, (node, Some(until)));
        }
        // A node's current key is not an earlier key of another node. Of two nodes with one current key, the
        // smaller id gets it.
        for (key, node) in current.into_iter().rev() {
            self.keys.insert(key, (node, None));
        }
    }

    /// Whether the node's current key signed; for a node without a current key, any key that it had. A key
    /// that was replaced, by a succession or by an operator, may be a thief's.
    pub(in crate::statement) fn is_of_current_key(&self, node: &NodeId, statement: &Statement) -> bool {
        let current = self.by_id.get(node).and_then(|state| state.key);
        current.is_none_or(|current| statement.signers().any(|key| *key == current))
    }

    /// Finds nodes with two audit logs.
    fn find_forks(&self, view: &View<'_>, conflicts: &mut Vec<Conflict>) {
        let mut by_place: BTreeMap<(NodeId, u64), BTreeSet<StatementId>> = BTreeMap::new();
        let mut heads: BTreeMap<(NodeId, u64), BTreeSet<crate::id::RecordId>> = BTreeMap::new();
        for statement in view.set.iter() {
            if let Body::Checkpoint(checkpoint) = statement.body() {
                if !self.is_of_current_key(&checkpoint.node, statement) {
                    continue;
                }
                let place = (checkpoint.node, checkpoint.count);
                by_place.entry(place).or_default().insert(statement.id());
                heads.entry(place).or_default().insert(checkpoint.head);
            }
        }
        // One conflict for each node, with the newest proof: a thief could sign a new one at any time.
        let mut proofs: BTreeMap<NodeId, BTreeSet<StatementId>> = BTreeMap::new();
        for ((node, count), statements) in by_place {
            if heads.get(&(node, count)).is_some_and(|heads| heads.len() > 1) {
                proofs.insert(node, statements);
            }
        }
        for (node, statements) in proofs {
            conflicts.push(Conflict {
                kind: ConflictKind::Checkpoint,
                subject: format!("node {}", node.short()),
                statements: statements.into_iter().collect(),
                settled: false,
            });
        }
    }
}

impl OperatorStatements<'_> {
    /// Settles the newest operator statement.
    fn settle(self) -> NodeState {
        // Sequences of signers without authority are included too: an answer to a thief's jump stays
        // effective after the thief's key is removed.
        let highest = highest_without_jump(self.sequences);
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
            decided: revoked.is_some() || appointed.is_some(),
            revoked: revoked.filter(|_| appointed.is_none()).map(|(statement, _)| statement.id()),
            highest,
            ..NodeState::default()
        }
    }
}

/// Whether a ticket was made after the operator's statement on the node, so that it adds to that statement.
fn is_newer(view: &View<'_>, ticket: &Statement, state: &NodeState) -> bool {
    let appointed = state.grants.first().and_then(|id| view.set.get(id));
    let by_operator =
        |statement: &Statement| matches!(statement.body(), Body::Member(m) if m.ticket.is_none());
    appointed.is_none_or(|said| !by_operator(said) || ticket.time_ms() > said.time_ms())
}

/// The key chains of nodes, each derived once.
struct ChainCache<'a> {
    said: &'a BTreeMap<NodeId, Successions<'a>>,
    known: BTreeMap<(NodeId, Option<PublicKey>), Rc<BTreeSet<PublicKey>>>,
}

impl<'a> ChainCache<'a> {
    fn new(said: &'a BTreeMap<NodeId, Successions<'a>>) -> Self {
        Self { said, known: BTreeMap::new() }
    }

    /// The key that a node is bound to (without a binding: its first key), the keys that led to it by
    /// successions, and the keys to which it led. A key whose successor is disputed is not part of the chain,
    /// nor is a key that an operator replaced.
    fn of(&mut self, node: &NodeId, bound: Option<PublicKey>) -> Rc<BTreeSet<PublicKey>> {
        let chain = || {
            Rc::new(
                self.said
                    .get(node)
                    .map_or_else(|| bound.into_iter().collect(), |said| key_chain(said, node, bound)),
            )
        };
        Rc::clone(self.known.entry((*node, bound)).or_insert_with(chain))
    }
}

fn key_chain(said: &Successions<'_>, node: &NodeId, bound: Option<PublicKey>) -> BTreeSet<PublicKey> {
    // Without a binding the chain begins with the node's first key, which hashes to the node's id.
    let first = || said.keys().copied().find(|key| key.node() == *node);
    let Some(bound) = bound.or_else(first) else { return BTreeSet::new() };
    let mut sole: BTreeMap<PublicKey, PublicKey> = BTreeMap::new();
    let mut olds: BTreeMap<PublicKey, Vec<PublicKey>> = BTreeMap::new();
    for (old, said) in said {
        let successors: BTreeSet<_> = said.iter().map(|(_, next)| next.new).collect();
        if let Some(new) = successors.first().filter(|_| successors.len() == 1) {
            sole.insert(*old, *new);
            olds.entry(*new).or_default().push(*old);
        }
    }
    let mut chain = BTreeSet::from([bound]);
    let mut at = bound;
    while let Some(successor) = sole.get(&at).filter(|successor| chain.insert(**successor)) {
        at = *successor;
    }
    let mut waiting = vec![bound];
    while let Some(at) = waiting.pop() {
        let olds = olds.get(&at).into_iter().flatten().copied();
        waiting.extend(olds.filter(|old| chain.insert(*old)));
    }
    chain
}

fn member_of<'a>(view: &View<'a>, id: &StatementId) -> Option<&'a Member> {
    match view.set.get(id)?.body() {
        Body::Member(member) => Some(member),
        _ => None,
    }
}
