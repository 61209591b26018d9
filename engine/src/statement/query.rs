//! Queries on a [`Library`]: nothing here changes it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::{Error, Result},
    id::{LibraryId, NodeId, StatementId},
    statement::{
        Body, Channel, ChannelMove, Checkpoint, Conflict, ConflictKind, Library, Member, Policy, PublicKey,
        Release, Revoke, RoleKind, Root, Statement, StatementKind, TicketTerms, Verbs, inventory::Inventory,
        library::place_in_order, moves, set::Subject, state::releases_under,
    },
};

/// A statement with its body.
#[derive(Debug)]
pub struct Signed<'a, B> {
    /// The envelope.
    pub statement: &'a Statement,
    /// The body of `statement`.
    pub body: &'a B,
}

impl<B> Clone for Signed<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Signed<'_, B> {}

/// Queries. A time argument is the caller's clock, in ms since 1970.
impl Library {
    /// The library.
    pub fn id(&self) -> LibraryId {
        self.id
    }

    /// The newest root; `None` before the first is offered.
    pub fn root(&self) -> Option<&Root> {
        match self.root_statement()?.body() {
            Body::Root(root) => Some(root),
            _ => None,
        }
    }

    /// The newest root's statement.
    pub fn root_statement(&self) -> Option<&Statement> {
        self.statement(self.state.roots.last()?)
    }

    /// All effective roots, version 1 first.
    pub fn roots(&self) -> impl Iterator<Item = &Statement> {
        self.state.roots.iter().filter_map(|id| self.statement(id))
    }

    /// The library's name; empty before the first root is offered.
    pub fn name(&self) -> &str {
        self.root().map_or("", |root| &root.name)
    }

    /// Whether the root is past its renewal time. It stays effective.
    pub fn root_expired(&self, now_ms: i64) -> bool {
        self.root().is_some_and(|root| root.expires_ms != 0 && root.expires_ms <= now_ms)
    }

    /// A known statement, effective or not.
    pub fn statement(&self, id: &StatementId) -> Option<&Statement> {
        self.set.get(id).map(|statement| &**statement)
    }

    /// Every known statement, each after the statements that prove it: with these a peer derives the same
    /// state.
    pub fn statements(&self) -> Vec<&Statement> {
        let mut all: Vec<&Statement> = self.set.known().map(|statement| &**statement).collect();
        // Rivals last: a peer that knows nothing yet then takes the roots that are effective here.
        all.sort_by_key(|statement| (self.is_rival(statement), place_in_order(statement)));
        all
    }

    /// Whether it is a root that contradicts the effective one.
    pub(super) fn is_rival(&self, statement: &Statement) -> bool {
        statement.kind() == StatementKind::Root
            && self.set.rivals().get(&statement.sequence()) == Some(&statement.id())
    }

    /// The known statements that may be removed when an equivalent or newer one is added: see
    /// [`StatementKind::is_passing`] for the repeated kinds; also successions and claims on a ticket, of
    /// which an equivalent one may displace another.
    pub fn passing(&self) -> impl Iterator<Item = StatementId> {
        let all = self.set.iter().filter(|statement| Self::may_pass(statement));
        all.map(|statement| statement.id())
    }

    /// Whether [`passing`](Self::passing) lists a statement where it is known.
    pub fn may_pass(statement: &Statement) -> bool {
        Subject::of(statement).is_some()
    }

    /// Whether a statement is unknown here because a known one supersedes it. A ledger need not keep it.
    pub fn is_overtaken(&self, statement: &Statement) -> bool {
        self.set.is_overtaken(statement)
    }

    /// The names of all known statements.
    pub fn inventory(&self) -> &Inventory {
        &self.state.inventory
    }

    /// Contradictions, with their proof.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.state.conflicts
    }

    /// An effective release.
    pub fn release(&self, id: &StatementId) -> Option<Signed<'_, Release>> {
        let statement = self.state.releases.effective.get(id).and_then(|id| self.statement(id))?;
        match statement.body() {
            Body::Release(body) => Some(Signed { statement, body }),
            _ => None,
        }
    }

    /// All effective releases, by (sequence, time, id).
    pub fn releases(&self) -> Vec<Signed<'_, Release>> {
        let mut all: Vec<_> =
            self.state.releases.effective.iter().filter_map(|id| self.release(id)).collect();
        all.sort_by_key(|said| place_in_order(said.statement));
        all
    }

    /// The known releases that would be effective if `root` were the newest. The signatures of `root` are not
    /// checked.
    pub fn releases_under(&self, root: &Root) -> BTreeSet<StatementId> {
        releases_under(&self.set, root)
    }

    /// The current statement of a channel.
    pub fn channel(&self, name: &str) -> Option<Signed<'_, Channel>> {
        self.channel_statement(self.state.channels.get(name)?.history.last()?)
    }

    /// The current statements of all channels, by name.
    pub fn channels(&self) -> impl Iterator<Item = Signed<'_, Channel>> {
        self.state.channels.keys().filter_map(|name| self.channel(name))
    }

    /// The effective statements of a channel, the oldest first; the last is current.
    pub fn channel_history(&self, name: &str) -> Vec<Signed<'_, Channel>> {
        let history = self.state.channels.get(name).map(|channel| channel.history.as_slice());
        history.unwrap_or_default().iter().filter_map(|id| self.channel_statement(id)).collect()
    }

    /// The contradiction that keeps a channel from moving: a key with authority for the channel moved it to
    /// two releases at one sequence, and no operator has decided since.
    pub fn contradiction(&self, name: &str) -> Option<&Conflict> {
        let ranks = &self.state.channels.get(name)?.ranks;
        self.conflicts().iter().find(|conflict| {
            conflict.kind == ConflictKind::Channel
                && !conflict.settled
                && conflict.statements.iter().any(|id| ranks.contains_key(id))
        })
    }

    /// The statements of a channel that are effective, or were under an earlier root, the oldest first; the
    /// last is current. Settles the channel under every root.
    pub fn channel_moves(&self, name: &str) -> Vec<ChannelMove<'_>> {
        moves::channel_moves(self, name)
    }

    /// Whether the newest root that names a signer of a channel statement as operator or publisher names one
    /// as operator.
    pub fn is_or_was_operators(&self, statement: &Statement) -> bool {
        moves::is_or_was_operators(self, statement)
    }

    /// The highest sequence that an authorized key used for a channel; 0 for none.
    pub fn channel_highest(&self, name: &str) -> u64 {
        self.state.channels.get(name).map_or(0, |channel| channel.highest)
    }

    /// Whether one statement of a channel comes after another, for the floor below which a channel never goes
    /// back. A statement that is not known, or whose signer is no longer authorized, comes before all others.
    pub fn is_after(&self, channel: &str, later: &StatementId, earlier: &StatementId) -> bool {
        let Some(channel) = self.state.channels.get(channel) else { return false };
        channel.ranks.get(later) > channel.ranks.get(earlier)
    }

    /// The operator's statement under which a publisher moves a channel now; `None` where no operator
    /// statement names the channel.
    pub fn term(&self, channel: &str) -> Option<StatementId> {
        let current = self.channel(channel)?;
        match self.state.channels.get(channel)?.begins_term(&current.statement.id()) {
            true => Some(current.statement.id()),
            false => current.body.term,
        }
    }

    /// How classes are to be kept; `None` where operators have set no policy.
    pub fn policy(&self) -> Option<&Policy> {
        self.policy_said().map(|said| said.body)
    }

    /// The effective policy, with its statement.
    pub fn policy_said(&self) -> Option<Signed<'_, Policy>> {
        let statement = self.statement(self.state.policy.current.as_ref()?)?;
        match statement.body() {
            Body::Policy(body) => Some(Signed { statement, body }),
            _ => None,
        }
    }

    /// The highest sequence of any policy that operators signed; 0 for none. The next policy goes above it.
    pub fn policy_highest(&self) -> u64 {
        self.state.policy.highest
    }

    /// A ticket's terms.
    pub fn ticket(&self, id: &StatementId) -> Option<Signed<'_, TicketTerms>> {
        let statement = self.state.nodes.tickets.get(id).and_then(|id| self.statement(id))?;
        match statement.body() {
            Body::Ticket(body) => Some(Signed { statement, body }),
            _ => None,
        }
    }

    /// All effective tickets, by id: those that a current operator signed or the root pins.
    pub fn tickets(&self) -> impl Iterator<Item = Signed<'_, TicketTerms>> {
        self.state.nodes.tickets.iter().filter_map(|id| self.ticket(id))
    }

    /// The nodes that joined with a ticket, earliest first.
    pub fn ticket_uses(&self, ticket: &StatementId) -> impl Iterator<Item = NodeId> {
        self.state.nodes.joined.get(ticket).into_iter().flatten().map(|(node, _)| *node)
    }

    /// The first grant of a node: an operator's if there is one, else a ticket's. Does not tell whether the
    /// node is suspended.
    pub fn member(&self, node: &NodeId) -> Option<Signed<'_, Member>> {
        self.grants(node).next()
    }

    /// The member statement of a node that is suspended because its ticket was used too often. It grants
    /// nothing.
    pub fn claim(&self, node: &NodeId) -> Option<Signed<'_, Member>> {
        let mut joined = self.state.nodes.joined.values().flatten();
        let (_, id) = joined.find(|(joined, _)| joined == node).filter(|_| self.is_suspended(node))?;
        let statement = self.statement(id)?;
        match statement.body() {
            Body::Member(body) => Some(Signed { statement, body }),
            _ => None,
        }
    }

    /// The last known member statement of a node, effective or not; an operator's before a ticket's. For the
    /// name and the role of a node that is no member any more, not for any right.
    pub fn last_member(&self, node: &NodeId) -> Option<Signed<'_, Member>> {
        let members = self.set.iter().filter_map(|statement| match statement.body() {
            Body::Member(body) if body.node == *node => Some(Signed { statement, body }),
            _ => None,
        });
        members.max_by_key(|said| {
            let Signed { statement, body } = said;
            (body.ticket.is_none(), statement.sequence(), statement.time_ms(), statement.id())
        })
    }

    /// All nodes that belong to the library, by node, suspended ones too.
    pub fn members(&self) -> Vec<Signed<'_, Member>> {
        self.state.nodes.by_id.keys().filter_map(|node| self.member(node)).collect()
    }

    /// The nodes that some known member statement names, effective or not, and that are no members and not
    /// revoked: another statement ended their membership.
    pub fn former_members(&self) -> BTreeSet<NodeId> {
        let named = self.set.iter().filter_map(|statement| match statement.body() {
            Body::Member(body) => Some(body.node),
            _ => None,
        });
        named.filter(|node| self.member(node).is_none() && self.revocation(node).is_none()).collect()
    }

    /// All member statements that grant `node` something.
    pub fn grants(&self, node: &NodeId) -> impl Iterator<Item = Signed<'_, Member>> {
        let ids = self.state.nodes.by_id.get(node).map(|node| node.grants.as_slice()).unwrap_or_default();
        ids.iter().filter_map(|id| {
            let statement = self.statement(id)?;
            match statement.body() {
                Body::Member(body) => Some(Signed { statement, body }),
                _ => None,
            }
        })
    }

    /// The highest sequence that operators used for a node: the next operator statement goes above it.
    pub fn member_highest(&self, node: &NodeId) -> u64 {
        self.state.nodes.by_id.get(node).map_or(0, |node| node.highest)
    }

    /// Whether `node` has no rights until an operator decides. See [`conflicts`](Self::conflicts).
    pub fn is_suspended(&self, node: &NodeId) -> bool {
        self.state.nodes.by_id.get(node).is_some_and(|node| node.suspended)
    }

    /// The effective revocation of `node`.
    pub fn revocation(&self, node: &NodeId) -> Option<Signed<'_, Revoke>> {
        let statement = self.statement(self.state.nodes.by_id.get(node)?.revoked.as_ref()?)?;
        match statement.body() {
            Body::Revoke(body) => Some(Signed { statement, body }),
            _ => None,
        }
    }

    /// Every effective revocation, by node.
    pub fn revocations(&self) -> impl Iterator<Item = Signed<'_, Revoke>> {
        self.state.nodes.by_id.keys().filter_map(|node| self.revocation(node))
    }

    /// Whether `node` belongs to the library now: it has a grant that has not ended and is not suspended.
    pub fn is_member(&self, node: &NodeId, now_ms: i64) -> bool {
        !self.is_suspended(node) && self.grants(node).any(|said| said.body.is_current(now_ms))
    }

    /// Whether `node` may do `verb` on `class`.
    pub fn may(&self, node: &NodeId, class: &str, verb: Verbs, now_ms: i64) -> bool {
        !self.is_suspended(node) && self.grants(node).any(|said| said.body.allows(class, verb, now_ms))
    }

    /// The current key of a node; `None` for a node that is not a member.
    pub fn key_of(&self, node: &NodeId) -> Option<PublicKey> {
        self.state.nodes.by_id.get(node)?.key
    }

    /// The node to which this key belongs, now or within its grace. A key that was never succeeded hashes to
    /// its node's id, so this query matters only for other keys.
    pub fn node_of(&self, key: &PublicKey, now_ms: i64) -> Option<NodeId> {
        let (node, until) = self.state.nodes.keys.get(key)?;
        until.is_none_or(|until| now_ms < until).then_some(*node)
    }

    /// Whether `key` belongs to `node` now, or within its grace. For a node that is not a member this is its
    /// first key.
    pub fn holds_key(&self, node: &NodeId, key: &PublicKey, now_ms: i64) -> bool {
        match self.key_of(node) {
            Some(current) => current == *key || self.node_of(key, now_ms) == Some(*node),
            None => key.node() == *node,
        }
    }

    /// Whether `key` is or was a key of `node`, by any statement that was authorized.
    pub fn has_had_key(&self, node: &NodeId, key: &PublicKey) -> bool {
        self.set.is_key_of(node, key)
    }

    /// Statements that show how `node` got its key: those of an operator or a ticket, and its successions.
    pub fn credentials(&self, node: &NodeId) -> Vec<&Statement> {
        let mut shown: Vec<&Statement> = Vec::new();
        for said in self.grants(node) {
            shown.extend(said.body.ticket.and_then(|ticket| self.statement(&ticket)));
            shown.push(said.statement);
        }
        let successions = self.set.iter().map(|statement| &**statement);
        let mut successions: Vec<_> = successions
            .filter(|statement| matches!(statement.body(), Body::Succession(next) if next.node == *node))
            .collect();
        successions.sort_by_key(|statement| place_in_order(statement));
        shown.extend(successions);
        shown
    }

    /// Whether the root names `key` as an operator's.
    pub fn is_operator(&self, key: &PublicKey) -> bool {
        self.root().is_some_and(|root| root.names(RoleKind::Operator, key))
    }

    /// How many keys the root names as timekeepers. Without one, nothing can be vouched for.
    pub fn timekeepers(&self) -> usize {
        let roles = self.root().into_iter().flat_map(|root| &root.roles);
        roles.filter(|role| role.kind == RoleKind::Timekeeper).map(|role| role.keys.len()).sum()
    }

    /// Since when enough timekeepers have confirmed the current statement of a channel, in ms since 1970;
    /// `None` where too few have, or the library has no timekeepers.
    pub fn fresh_since(&self, channel: &str) -> Option<i64> {
        let current = self.channel(channel)?.statement.id();
        let root = self.root()?;
        let mut seen: BTreeMap<PublicKey, i64> = BTreeMap::new();
        for statement in self.set.iter() {
            if let Body::Fresh(fresh) = statement.body()
                && fresh.statement == current
            {
                for key in statement.signers() {
                    let time = seen.entry(*key).or_insert(i64::MIN);
                    *time = statement.time_ms().max(*time);
                }
            }
        }
        let vouched = |role: &crate::statement::Role| {
            let mut times: Vec<i64> = role.keys.iter().filter_map(|key| seen.get(key).copied()).collect();
            times.sort_unstable_by(|left, right| right.cmp(left));
            times.get(usize::from(role.threshold).checked_sub(1)?).copied()
        };
        let timekeepers = root.roles.iter().filter(|role| role.kind == RoleKind::Timekeeper);
        timekeepers.filter_map(vouched).max()
    }

    /// The newest freshness statement of a timekeeper for a channel.
    pub fn fresh_by(&self, key: &PublicKey, channel: &str) -> Option<&Statement> {
        let all = self.set.iter().map(|statement| &**statement);
        all.filter(|statement| match statement.body() {
            Body::Fresh(fresh) => fresh.channel == channel && statement.signers().any(|signer| signer == key),
            _ => false,
        })
        .max_by_key(|statement| statement.sequence())
    }

    /// The known checkpoints of a node's audit log by the node's current key, the newest first.
    pub fn checkpoints(&self, node: &NodeId) -> Vec<Signed<'_, Checkpoint>> {
        let all = self.set.iter().filter_map(|statement| match statement.body() {
            Body::Checkpoint(body) if body.node == *node => Some(Signed { statement, body }),
            _ => None,
        });
        let mut all: Vec<_> =
            all.filter(|said| self.state.nodes.is_of_current_key(node, said.statement)).collect();
        all.sort_by_key(|said| std::cmp::Reverse((said.body.count, said.statement.id())));
        all
    }

    /// Whether `redeemer` may make `joiner` a member by `ticket` now. Gives the member statement where that
    /// already happened: a lost answer is given again, and takes no further use of the ticket.
    pub fn redeem(
        &self,
        ticket: &StatementId,
        joiner: &NodeId,
        redeemer: &NodeId,
        now_ms: i64,
    ) -> Result<Option<&Statement>> {
        let Some(terms) = self.ticket(ticket).map(|said| said.body) else {
            return Err(Error::Denied(
                "this node does not know the ticket; ask for a new one with `chuan invite`".into(),
            ));
        };
        if self.revocation(joiner).is_some() {
            return Err(Error::Denied("the node was revoked; an operator can grant it access again".into()));
        }
        let joined = self.state.nodes.joined.get(ticket).map(Vec::as_slice).unwrap_or_default();
        if let Some((_, id)) = joined.iter().find(|(node, _)| node == joiner) {
            return Ok(self.statement(id));
        }
        if !terms.redeemers.contains(redeemer) || self.revocation(redeemer).is_some() {
            return Err(Error::Denied(
                "this node may not redeem the ticket; join through one that the ticket names".into(),
            ));
        }
        let mut grants = self.grants(redeemer).peekable();
        if grants.peek().is_some() && !grants.any(|said| said.body.is_current(now_ms)) {
            return Err(Error::Denied(
                "this node's own membership has ended, so it redeems no ticket; join through another node that the ticket names"
                    .into(),
            ));
        }
        if terms.expires_ms <= now_ms {
            return Err(Error::Denied(
                "the ticket has expired; ask for a new one with `chuan invite`".into(),
            ));
        }
        if joined.len() >= usize::try_from(terms.uses).unwrap_or(usize::MAX) {
            return Err(Error::Denied(
                "the ticket was used already; ask for a new one with `chuan invite`".into(),
            ));
        }
        Ok(None)
    }

    pub(super) fn channel_statement(&self, id: &StatementId) -> Option<Signed<'_, Channel>> {
        let statement = self.statement(id)?;
        match statement.body() {
            Body::Channel(body) => Some(Signed { statement, body }),
            _ => None,
        }
    }
}
