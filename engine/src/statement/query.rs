//! Questions to a [`Library`]: nothing here changes it.

use crate::{
    error::{Error, Result},
    id::{LibraryId, NodeId, StatementId},
    statement::{
        Body, Channel, Library, Member, Release, Root, Statement, TicketTerms, Verbs, library::place_in_order,
    },
};

/// A statement that stands, with its body.
#[derive(Debug)]
pub struct Said<'a, B> {
    /// The envelope.
    pub statement: &'a Statement,
    /// What it says.
    pub body: &'a B,
}

impl<B> Clone for Said<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Said<'_, B> {}

/// Questions. Where one takes a time it is the caller's clock, in ms since 1970.
impl Library {
    /// The library.
    pub fn id(&self) -> LibraryId {
        self.id
    }

    /// The newest root; none before the first is offered.
    pub fn root(&self) -> Option<&Root> {
        let id = self.roots.last()?;
        match self.held.get(id)?.body() {
            Body::Root(root) => Some(root),
            _ => None,
        }
    }

    /// The library's name; empty before the first root is offered.
    pub fn name(&self) -> &str {
        self.root().map_or("", |root| &root.name)
    }

    /// Whether operators should have renewed the root by now. Nothing stops for it.
    pub fn root_expired(&self, now_ms: i64) -> bool {
        self.root().is_some_and(|root| root.expires_ms != 0 && root.expires_ms <= now_ms)
    }

    /// A statement that stands.
    pub fn statement(&self, id: &StatementId) -> Option<&Statement> {
        self.held.get(id)
    }

    /// Everything that stands, each after what proves it: what a peer needs to come to the same state.
    pub fn statements(&self) -> Vec<&Statement> {
        let mut all: Vec<_> = self.held.values().collect();
        all.sort_by_key(|statement| place_in_order(statement));
        all
    }

    /// A release that stands.
    pub fn release(&self, id: &StatementId) -> Option<Said<'_, Release>> {
        let statement = self.held.get(id)?;
        match statement.body() {
            Body::Release(body) => Some(Said { statement, body }),
            _ => None,
        }
    }

    /// All releases that stand, by (sequence, time, id).
    pub fn releases(&self) -> Vec<Said<'_, Release>> {
        let mut all: Vec<_> = self.held.keys().filter_map(|id| self.release(id)).collect();
        all.sort_by_key(|said| place_in_order(said.statement));
        all
    }

    /// Where a channel stands.
    pub fn channel(&self, name: &str) -> Option<Said<'_, Channel>> {
        let statement = self.held.get(self.channels.get(name)?)?;
        match statement.body() {
            Body::Channel(body) => Some(Said { statement, body }),
            _ => None,
        }
    }

    /// All channels, by name.
    pub fn channels(&self) -> impl Iterator<Item = Said<'_, Channel>> {
        self.channels.keys().filter_map(|name| self.channel(name))
    }

    /// A ticket's terms.
    pub fn ticket(&self, id: &StatementId) -> Option<Said<'_, TicketTerms>> {
        let statement = self.held.get(id)?;
        match statement.body() {
            Body::Ticket(body) => Some(Said { statement, body }),
            _ => None,
        }
    }

    /// The node that joined with a ticket, the first where it may be used more than once.
    pub fn ticket_use(&self, ticket: &StatementId) -> Option<NodeId> {
        self.ticket_uses(ticket).next()
    }

    /// The nodes that joined with a ticket, earliest first.
    pub fn ticket_uses(&self, ticket: &StatementId) -> impl Iterator<Item = NodeId> {
        self.standings.of_ticket(ticket).map(|(node, _)| node)
    }

    /// What is said of a node: by an operator if one did, else on the strength of a ticket.
    pub fn member(&self, node: &NodeId) -> Option<Said<'_, Member>> {
        self.grants(node).next()
    }

    /// All member nodes, by node.
    pub fn members(&self) -> Vec<Said<'_, Member>> {
        let mut all: Vec<_> = self.standings.nodes().filter_map(|node| self.member(node)).collect();
        all.sort_by_key(|said| said.body.node);
        all
    }

    /// Whether `node` may do `verb` on `class`. It must have proved its key, which hashes to `node`.
    pub fn may(&self, node: &NodeId, class: &str, verb: Verbs, now_ms: i64) -> bool {
        self.grants(node).any(|said| said.body.allows(class, verb, now_ms))
    }

    /// Whether `redeemer` may make `joiner` a member by `ticket` now. Gives the member statement where it already did
    /// so: an answer that got lost is given again, and uses nothing up.
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
        if let Some((_, id)) = self.standings.of_ticket(ticket).find(|(node, _)| node == joiner) {
            return Ok(self.held.get(&id));
        }
        if !terms.redeemers.contains(redeemer) {
            return Err(Error::Denied(
                "this node may not redeem the ticket; join through one that the ticket names".into(),
            ));
        }
        if terms.expires_ms <= now_ms {
            return Err(Error::Denied(
                "the ticket has expired; ask for a new one with `chuan invite`".into(),
            ));
        }
        let used = self.ticket_uses(ticket).count();
        if used >= usize::try_from(terms.uses).unwrap_or(usize::MAX) {
            return Err(Error::Denied(
                "the ticket was used already; ask for a new one with `chuan invite`".into(),
            ));
        }
        Ok(None)
    }

    fn grants(&self, node: &NodeId) -> impl Iterator<Item = Said<'_, Member>> {
        let ids: Vec<_> = self.standings.of_node(node).collect();
        ids.into_iter().filter_map(|id| {
            let statement = self.held.get(&id)?;
            match statement.body() {
                Body::Member(body) => Some(Said { statement, body }),
                _ => None,
            }
        })
    }
}
