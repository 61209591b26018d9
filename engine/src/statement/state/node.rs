//! Who belongs to the library, under which key.
//!
//! An operator's newest word about a node decides. Tickets that were made after it, or where no operator has spoken of the
//! node, add what they grant. A revocation makes void all that was said up to it, and every ticket; then only an operator's
//! newer word counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{Conflict, ConflictKind, State, View, channel::climb};
use crate::{
    id::{NodeId, StatementId},
    statement::{Body, Member, PublicKey, Statement, Succession, TicketTerms},
};

/// A node that something is said of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::statement) struct NodeState {
    /// The member statements that grant it something, an operator's first.
    pub(in crate::statement) grants: Vec<StatementId>,
    /// The revocation that holds.
    pub(in crate::statement) revoked: Option<StatementId>,
    /// Whether an operator has spoken of it.
    decided: bool,
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
    /// The sequences of all that was ever said of it by somebody who was entitled then.
    sequences: Vec<u64>,
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
                Body::Ticket(terms) if view.is_operators(statement) => {
                    tickets.insert(statement.id(), (statement, terms));
                }
                Body::Member(member) => match member.ticket {
                    Some(ticket) => claims.push(Claim { statement, member, ticket }),
                    None => {
                        let word = words.entry(member.node).or_default();
                        word.sequences.push(statement.sequence());
                        if view.is_operators(statement) {
                            word.appointments.push((statement, member));
                        }
                    }
                },
                Body::Revoke(revoke) => {
                    let word = words.entry(revoke.node).or_default();
                    word.sequences.push(revoke.up_to);
                    if view.is_revocation(statement) {
                        word.revocations.push((statement, revoke.up_to));
                        self.revocations.insert(statement.id());
                    }
                }
                Body::Succession(next) => successions.entry(next.node).or_default().push((statement, next)),
                _ => {}
            }
        }
        self.tickets = tickets.keys().copied().collect();
        // Of whom nobody spoke that counts nothing is said.
        words.retain(|_, word| !word.appointments.is_empty() || !word.revocations.is_empty());
        for (node, word) in words {
            self.nodes.insert(node, word.settle());
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
        let mut lines = Lines::new(successions);
        let mut by_ticket: BTreeMap<StatementId, BTreeMap<NodeId, &Claim<'_>>> = BTreeMap::new();
        for claim in claims {
            let Some((_, terms)) = tickets.get(&claim.ticket) else { continue };
            if !self.is_redeemed(view, terms, claim.statement, &mut lines) {
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
                let decided = |node: &NodeId| self.nodes.get(node).is_some_and(|state| state.decided);
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

    /// Whether a redeemer of the ticket signed that is not shut out, with a key that is or was rightly its own, and at a time at
    /// which an operator's grant of the redeemer had not ended.
    fn is_redeemed(
        &self,
        view: &View<'_>,
        terms: &TicketTerms,
        statement: &Statement,
        lines: &mut Lines<'_>,
    ) -> bool {
        terms.redeemers.iter().any(|node| {
            let state = self.nodes.get(node);
            let bound =
                state.and_then(|state| member_of(view, state.grants.first()?)).map(|member| member.key);
            let line = lines.of(node, bound);
            let is_own = |key: &PublicKey| line.contains(key) || (bound.is_none() && key.node() == *node);
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

    /// Whether the key that a node has now signed; any that it ever had, where it has none now. A key that was replaced, by a
    /// succession or by an operator, may be a thief's.
    pub(in crate::statement) fn is_of_current_key(&self, node: &NodeId, statement: &Statement) -> bool {
        let current = self.nodes.get(node).and_then(|state| state.key);
        current.is_none_or(|current| statement.signers().any(|key| *key == current))
    }

    /// Two audit logs under one name.
    pub(super) fn settle_checkpoints(&mut self, view: &View<'_>) {
        let mut by_place: BTreeMap<(NodeId, u64), BTreeSet<StatementId>> = BTreeMap::new();
        let mut heads: BTreeMap<(NodeId, u64), BTreeSet<crate::id::RecordId>> = BTreeMap::new();
        for statement in view.pool.iter() {
            if let Body::Checkpoint(checkpoint) = statement.body() {
                if !self.is_of_current_key(&checkpoint.node, statement) {
                    continue;
                }
                let place = (checkpoint.node, checkpoint.count);
                by_place.entry(place).or_default().insert(statement.id());
                heads.entry(place).or_default().insert(checkpoint.head);
            }
        }
        // One a node, with the newest proof: a thief would make a new one each time it speaks.
        let mut proofs: BTreeMap<NodeId, BTreeSet<StatementId>> = BTreeMap::new();
        for ((node, count), statements) in by_place {
            if heads.get(&(node, count)).is_some_and(|heads| heads.len() > 1) {
                proofs.insert(node, statements);
            }
        }
        for (node, statements) in proofs {
            self.conflicts.push(Conflict {
                kind: ConflictKind::Checkpoint,
                subject: format!("node {}", node.short()),
                statements: statements.into_iter().collect(),
                settled: false,
            });
        }
    }
}

impl Word<'_> {
    /// An operator's last word.
    fn settle(self) -> NodeState {
        // Those of signers that count no more are climbed too: who answered a thief's leap stands, also when its key is gone.
        let highest = climb(self.sequences);
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

/// Whether a ticket was made after what an operator said of the node, so that it adds to that.
fn is_newer(view: &View<'_>, ticket: &Statement, state: &NodeState) -> bool {
    let appointed = state.grants.first().and_then(|id| view.pool.get(id));
    let by_operator =
        |statement: &Statement| matches!(statement.body(), Body::Member(m) if m.ticket.is_none());
    appointed.is_none_or(|said| !by_operator(said) || ticket.time_ms() > said.time_ms())
}

/// The keys of nodes as they follow one another, each line worked out once.
struct Lines<'a> {
    said: &'a BTreeMap<NodeId, Vec<(&'a Statement, &'a Succession)>>,
    known: BTreeMap<(NodeId, Option<PublicKey>), Rc<BTreeSet<PublicKey>>>,
}

impl<'a> Lines<'a> {
    fn new(said: &'a BTreeMap<NodeId, Vec<(&'a Statement, &'a Succession)>>) -> Self {
        Self { said, known: BTreeMap::new() }
    }

    /// The key that a node is bound to (without a binding: its first), those that came to it by successions, and those that it
    /// came to. A key whose successor is in dispute has no part in it, nor has one that an operator replaced.
    fn of(&mut self, node: &NodeId, bound: Option<PublicKey>) -> Rc<BTreeSet<PublicKey>> {
        let said = self.said.get(node).map(Vec::as_slice).unwrap_or_default();
        let line = self.known.entry((*node, bound)).or_insert_with(|| Rc::new(line(said, node, bound)));
        Rc::clone(line)
    }
}

fn line(said: &[(&Statement, &Succession)], node: &NodeId, bound: Option<PublicKey>) -> BTreeSet<PublicKey> {
    let mut heirs: BTreeMap<PublicKey, BTreeSet<PublicKey>> = BTreeMap::new();
    for (_, next) in said {
        heirs.entry(next.old).or_default().insert(next.new);
    }
    let sole: BTreeMap<PublicKey, PublicKey> = heirs
        .iter()
        .filter(|(_, new)| new.len() == 1)
        .filter_map(|(old, new)| Some((*old, *new.first()?)))
        .collect();
    // Without a binding it is the node's first key, which its id names.
    let first = || heirs.keys().copied().find(|key| key.node() == *node);
    let Some(bound) = bound.or_else(first) else { return BTreeSet::new() };
    let mut line = BTreeSet::from([bound]);
    let mut at = bound;
    while let Some(heir) = sole.get(&at).filter(|heir| line.insert(**heir)) {
        at = *heir;
    }
    let mut waiting = vec![bound];
    while let Some(at) = waiting.pop() {
        let olds = sole.iter().filter(|(_, new)| **new == at).map(|(old, _)| *old);
        waiting.extend(olds.filter(|old| line.insert(*old)).collect::<Vec<_>>());
    }
    line
}

fn member_of<'a>(view: &View<'a>, id: &StatementId) -> Option<&'a Member> {
    match view.pool.get(id)?.body() {
        Body::Member(member) => Some(member),
        _ => None,
    }
}
