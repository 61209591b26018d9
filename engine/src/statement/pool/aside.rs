//! What is set aside, and what is still taken of keys that the newest root does not name any more.
//!
//! A removed key may be stolen, and its removal must end what it can write to all nodes. Its releases, tickets and vouchings count
//! only where a root pins them or, of releases, where one of another key descends from them; the others are not taken. Its channels,
//! member statements, revocations and policies are taken within a small bound: they count for nothing, but the sequences of
//! statements that answered them are judged by theirs.
//!
//! A node that heard of them before the removal keeps them, and sets them aside: it neither counts them among what it knows nor
//! sends them, so that it agrees with nodes that never took them. Where a later root names the key again or pins them, they are
//! known again. The same holds for checkpoints by keys of a node that others succeeded.

use std::collections::BTreeSet;

use super::Pool;
use crate::{
    id::{NodeId, StatementId},
    limits::REMOVED_BYTES_PER_KEY,
    statement::{Body, RoleKind, Root, Statement},
};

impl Pool {
    /// Whether a statement that is entitled is not to be taken, since the newest root names none of its keys and nothing needs it.
    pub(super) fn is_unneeded(&self, statement: &Statement) -> bool {
        if let Body::Checkpoint(checkpoint) = statement.body() {
            return self.is_of_replaced(&checkpoint.node, statement);
        }
        if !self.is_of_removed(statement) || self.is_pinned(&statement.id()) {
            return false;
        }
        match statement.body() {
            Body::Release(_) => !self.parents.contains(&statement.id()),
            Body::Ticket(_) | Body::Fresh(_) => true,
            Body::Revoke(_) if self.is_listed(statement) => false,
            _ => statement.signers().any(|key| {
                let bytes = self.said(statement.kind(), key).bytes;
                bytes.saturating_add(statement.bytes().len()) > REMOVED_BYTES_PER_KEY
            }),
        }
    }

    /// Whether it rests on keys alone that come of one in dispute, or on removed keys alone without being needed. A node that
    /// heard of the dispute or the removal first has none of these, so no node counts them among what it knows.
    pub(super) fn is_aside(&self, statement: &Statement, needed: &BTreeSet<StatementId>) -> bool {
        if self.is_set_aside_by_root(statement, needed) {
            return true;
        }
        let all_aside = |node: &NodeId| statement.signers().all(|key| self.lines.is_aside(node, key));
        match statement.body() {
            Body::Succession(next) => self.lines.is_aside(&next.node, &next.old),
            Body::Checkpoint(checkpoint) => {
                all_aside(&checkpoint.node) || self.is_of_replaced(&checkpoint.node, statement)
            }
            Body::Member(member) => {
                member.ticket.and_then(|ticket| self.get(&ticket)).is_some_and(|ticket| {
                    if self.is_set_aside_by_root(ticket, needed) {
                        return true;
                    }
                    let Body::Ticket(terms) = ticket.body() else { return false };
                    let has = |node: &NodeId| statement.signers().all(|key| self.is_key_of(node, key));
                    let mut redeemers = terms.redeemers.iter().filter(|node| has(node)).peekable();
                    redeemers.peek().is_some() && redeemers.all(all_aside)
                })
            }
            _ => false,
        }
    }

    /// Whether a known statement counts for nothing because of what the newest root names, and is not counted as known.
    fn is_set_aside_by_root(&self, statement: &Statement, needed: &BTreeSet<StatementId>) -> bool {
        let is_needed = match statement.body() {
            Body::Release(_) => needed.contains(&statement.id()),
            Body::Ticket(_) | Body::Fresh(_) => false,
            _ => return false,
        };
        !is_needed && self.is_of_removed(statement) && !self.is_pinned(&statement.id())
    }

    /// Whether only keys that were succeeded signed for a node.
    fn is_of_replaced(&self, node: &NodeId, statement: &Statement) -> bool {
        statement.signers().all(|key| self.lines.is_replaced(node, key))
    }

    /// Whether a list that the newest root names pins a revocation, or may do so: then it counts as long as the list is not known.
    fn is_listed(&self, revocation: &Statement) -> bool {
        let lists = self.roots().last().into_iter().flat_map(|root| &root.lists);
        let mut lists = lists.filter(|(key, _)| revocation.signers().any(|signer| signer == key));
        lists.any(|(_, list)| match self.get(list).map(|said| said.body()) {
            Some(Body::Pins(pins)) => pins.statements.binary_search(&revocation.id()).is_ok(),
            _ => true,
        })
    }

    /// The releases of removed keys from which a release of a key of today, or one that a root pins, descends.
    pub(super) fn needed_releases(&self) -> BTreeSet<StatementId> {
        let mut needed = BTreeSet::new();
        // The keys of the only root are all of today.
        if self.roots.len() < 2 {
            return needed;
        }
        let is_first =
            |statement: &Statement| !self.is_of_removed(statement) || self.is_pinned(&statement.id());
        let mut open = Vec::new();
        for statement in self.all.values() {
            if let Body::Release(release) = statement.body()
                && is_first(statement)
            {
                open.extend(&release.parents);
            }
        }
        while let Some(id) = open.pop() {
            if let Some(statement) = self.get(&id)
                && let Body::Release(release) = statement.body()
                && needed.insert(id)
            {
                open.extend(&release.parents);
            }
        }
        needed
    }

    /// Whether the newest root names none of the keys that signed in a role that could say this.
    fn is_of_removed(&self, statement: &Statement) -> bool {
        let roles: &[RoleKind] = match statement.body() {
            Body::Release(_) => &[RoleKind::Publisher],
            Body::Channel(_) => &[RoleKind::Publisher, RoleKind::Operator],
            Body::Member(member) if member.ticket.is_none() => &[RoleKind::Operator],
            Body::Ticket(_) | Body::Policy(_) | Body::Revoke(_) => &[RoleKind::Operator],
            Body::Fresh(_) => &[RoleKind::Timekeeper],
            _ => return false,
        };
        let names =
            |root: &Root| statement.signers().any(|key| roles.iter().any(|role| root.names(*role, key)));
        self.roots().last().is_some_and(|root| !names(root))
    }
}
