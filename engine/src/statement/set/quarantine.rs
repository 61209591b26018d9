//! Quarantined statements, and the statements that are still added of keys that the newest root no longer
//! names.
//!
//! A removed key may be stolen, so its removal must bound what it can write to all nodes. Its releases,
//! tickets and freshness statements are added only where a root pins them or, for releases, where a release
//! of another key descends from them. Its channels, member statements, revocations and policies are added
//! within a small bound. They are not effective, but the sequences of statements that answered them are
//! judged by theirs.
//!
//! A node that received such statements before the removal keeps them in quarantine: it neither lists them as
//! known nor sends them, so that it agrees with nodes that never added them. Where a later root names the key
//! again or pins the statements, they are known again. The same holds for checkpoints by keys of a node that
//! other keys succeeded.

use std::collections::BTreeSet;

use super::StatementSet;
use crate::{
    id::{NodeId, StatementId},
    limits::REMOVED_BYTES_PER_KEY,
    statement::{Body, RoleKind, Root, Statement},
};

impl StatementSet {
    /// Whether an authorized statement is not added, since the newest root names none of its keys and nothing
    /// needs it.
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
                let bytes = self.usage(statement.kind(), key).bytes;
                bytes.saturating_add(statement.bytes().len()) > REMOVED_BYTES_PER_KEY
            }),
        }
    }

    /// Whether it depends only on keys that descend from a disputed one, or only on removed keys without
    /// being needed. A node that received the dispute or the removal first has no such statement, so no node
    /// lists it as known.
    pub(super) fn is_quarantined(&self, statement: &Statement, needed: &BTreeSet<StatementId>) -> bool {
        if self.is_quarantined_by_root(statement, needed) {
            return true;
        }
        let all_quarantined =
            |node: &NodeId| statement.signers().all(|key| self.key_chains.is_quarantined(node, key));
        match statement.body() {
            Body::Succession(next) => self.key_chains.is_quarantined(&next.node, &next.old),
            Body::Checkpoint(checkpoint) => {
                all_quarantined(&checkpoint.node) || self.is_of_replaced(&checkpoint.node, statement)
            }
            Body::Member(member) => {
                member.ticket.and_then(|ticket| self.get(&ticket)).is_some_and(|ticket| {
                    if self.is_quarantined_by_root(ticket, needed) {
                        return true;
                    }
                    let Body::Ticket(terms) = ticket.body() else { return false };
                    let has = |node: &NodeId| statement.signers().all(|key| self.is_key_of(node, key));
                    let mut redeemers = terms.redeemers.iter().filter(|node| has(node)).peekable();
                    redeemers.peek().is_some() && redeemers.all(all_quarantined)
                })
            }
            _ => false,
        }
    }

    /// Whether a statement is ineffective because the newest root does not name its keys, and is not listed
    /// as known.
    fn is_quarantined_by_root(&self, statement: &Statement, needed: &BTreeSet<StatementId>) -> bool {
        let is_needed = match statement.body() {
            Body::Release(_) => needed.contains(&statement.id()),
            Body::Ticket(_) | Body::Fresh(_) => false,
            _ => return false,
        };
        !is_needed && self.is_of_removed(statement) && !self.is_pinned(&statement.id())
    }

    /// Whether only keys that were succeeded signed for a node.
    fn is_of_replaced(&self, node: &NodeId, statement: &Statement) -> bool {
        statement.signers().all(|key| self.key_chains.is_replaced(node, key))
    }

    /// Whether a list that the newest root names pins a revocation, or may pin it: as long as the list is not
    /// known, the revocation is effective.
    fn is_listed(&self, revocation: &Statement) -> bool {
        let lists = self.roots().last().into_iter().flat_map(|root| &root.lists);
        let mut lists = lists.filter(|(key, _)| revocation.signers().any(|signer| signer == key));
        lists.any(|(_, list)| match self.get(list).map(|said| said.body()) {
            Some(Body::Pins(pins)) => pins.statements.binary_search(&revocation.id()).is_ok(),
            _ => true,
        })
    }

    /// The releases of removed keys from which a release of a current key, or a pinned release, descends.
    pub(super) fn needed_releases(&self) -> BTreeSet<StatementId> {
        let mut needed = BTreeSet::new();
        // All keys of the only root are current.
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

    /// Whether the newest root names none of the signers in a role that may sign this kind.
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
