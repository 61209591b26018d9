//! Who is a member, out of all member statements that are entitled to say so. Pure bookkeeping: whether a statement
//! is entitled is for the [`library`](super::library).
//!
//! A node's grants are those of the newest statement of an operator about it and of each ticket it joined with; any one
//! of them suffices. Of the claims on a ticket the earliest win, by (time, id), one per node, up to the
//! ticket's uses. Both depend on the set of statements alone, never on the order in which they came.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{NodeId, StatementId};

/// A place in an order among statements; the id decides between equals.
type Rank = (u64, i64, StatementId);

/// The member statements that stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standings {
    /// By node: what an operator said last of it.
    appointed: BTreeMap<NodeId, Rank>,
    /// By ticket: who joined with it.
    redeemed: BTreeMap<StatementId, Redeemed>,
    /// By node: the tickets it joined with.
    joined: BTreeMap<NodeId, BTreeSet<StatementId>>,
}

/// The winning claims on one ticket: at most its uses, one per node, the earliest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Redeemed {
    claims: BTreeMap<(i64, StatementId), NodeId>,
    nodes: BTreeMap<NodeId, (i64, StatementId)>,
}

/// What became of a member statement that was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It stands, in the place of another one where there is no room for both.
    Stands(Option<StatementId>),
    /// A better one stands: this one.
    Behind(StatementId),
}

impl Standings {
    /// Puts in what an operator says of `node`: the highest (sequence, time, id) stands.
    pub(crate) fn appoint(&mut self, node: NodeId, sequence: u64, time_ms: i64, id: StatementId) -> Placed {
        let rank = (sequence, time_ms, id);
        match self.appointed.get(&node) {
            Some(standing) if *standing > rank => Placed::Behind(standing.2),
            _ => Placed::Stands(self.appointed.insert(node, rank).map(|(.., id)| id)),
        }
    }

    /// Puts in a claim of `node` on `ticket`, which has room for `uses` nodes.
    pub(crate) fn claim(
        &mut self,
        ticket: StatementId,
        uses: u32,
        node: NodeId,
        time_ms: i64,
        id: StatementId,
    ) -> Placed {
        let redeemed = self.redeemed.entry(ticket).or_default();
        let place = (time_ms, id);
        let rival = match redeemed.nodes.get(&node) {
            Some(own) => Some((*own, node)),
            None if redeemed.nodes.len() < usize::try_from(uses).unwrap_or(usize::MAX) => None,
            None => redeemed.claims.last_key_value().map(|(place, node)| (*place, *node)),
        };
        if let Some((rival_place, rival_node)) = rival {
            if rival_place < place {
                return Placed::Behind(rival_place.1);
            }
            redeemed.claims.remove(&rival_place);
            redeemed.nodes.remove(&rival_node);
            if let Some(tickets) = self.joined.get_mut(&rival_node) {
                tickets.remove(&ticket);
            }
            self.joined.retain(|node, tickets| *node != rival_node || !tickets.is_empty());
        }
        redeemed.claims.insert(place, node);
        redeemed.nodes.insert(node, place);
        self.joined.entry(node).or_default().insert(ticket);
        Placed::Stands(rival.map(|((_, id), _)| id))
    }

    /// The statements that grant `node` something, the operator's first.
    pub(crate) fn of_node<'a>(&'a self, node: &'a NodeId) -> impl Iterator<Item = StatementId> + 'a {
        let appointed = self.appointed.get(node).map(|(.., id)| *id);
        let tickets = self.joined.get(node).into_iter().flatten();
        let redeemed = tickets.filter_map(|ticket| Some(self.redeemed.get(ticket)?.nodes.get(node)?.1));
        appointed.into_iter().chain(redeemed)
    }

    /// The nodes something is said of.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        let joined = self.joined.keys().filter(|node| !self.appointed.contains_key(*node));
        self.appointed.keys().chain(joined)
    }

    /// The nodes that joined with a ticket and their statements, earliest first.
    pub(crate) fn of_ticket(&self, ticket: &StatementId) -> impl Iterator<Item = (NodeId, StatementId)> {
        let claims = self.redeemed.get(ticket).into_iter().flat_map(|redeemed| &redeemed.claims);
        claims.map(|((_, id), node)| (*node, *id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    fn id(n: u8) -> StatementId {
        StatementId::from_bytes([n; 32])
    }

    #[test]
    fn the_newest_appointment_stands() {
        let mut standings = Standings::default();
        assert_eq!(standings.appoint(node(1), 2, 0, id(2)), Placed::Stands(None));
        assert_eq!(standings.appoint(node(1), 1, 9, id(9)), Placed::Behind(id(2)));
        assert_eq!(standings.appoint(node(1), 3, 0, id(3)), Placed::Stands(Some(id(2))));
        assert_eq!(standings.of_node(&node(1)).collect::<Vec<_>>(), [id(3)]);
    }

    #[test]
    fn the_earliest_claims_win_once_a_node() {
        let mut standings = Standings::default();
        let ticket = id(100);
        assert_eq!(standings.claim(ticket, 2, node(1), 50, id(1)), Placed::Stands(None));
        assert_eq!(standings.claim(ticket, 2, node(1), 60, id(2)), Placed::Behind(id(1)));
        assert_eq!(standings.claim(ticket, 2, node(2), 40, id(3)), Placed::Stands(None));
        assert_eq!(standings.claim(ticket, 2, node(3), 70, id(4)), Placed::Behind(id(1)));
        assert_eq!(standings.claim(ticket, 2, node(3), 45, id(5)), Placed::Stands(Some(id(1))));
        let nodes: Vec<_> = standings.of_ticket(&ticket).collect();
        assert_eq!(nodes, [(node(2), id(3)), (node(3), id(5))]);
        assert_eq!(standings.of_node(&node(1)).count(), 0);
    }
}
