//! Everything that somebody entitled has said: a set that only grows, whatever it comes to mean. Who was ever entitled
//! stays so here; whether it still counts is for the [`state`](super::state).
//!
//! | kind | is taken up when |
//! | --- | --- |
//! | root | its own root role signed it, and that of a known root of the version before |
//! | release, channel | a publisher of a known root signed it; a channel also, when an operator did |
//! | ticket, member | an operator of a known root signed it, for its classes; a member also, when a redeemer of its ticket did |
//! | revoke | any one operator of a known root signed it |
//! | fresh | a timekeeper of a known root signed it; of each the newest is kept |
//! | succession | both keys signed it, and the node was known under the old one |
//! | checkpoint | a key that the node has or had signed it; of each node the newest [`CHECKPOINTS`] are kept |
//!
//! "Known" is what the pool has itself, so whoever is offered the same statements ends with the same pool: what is refused
//! for want of another comes again with the next exchange.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    error::{Error, Result},
    id::{NodeId, StatementId},
    limits::{CHECKPOINTS, STATEMENTS_PER_KEY, SUCCESSIONS},
    statement::{Body, Classes, Member, PublicKey, RoleKind, Root, Statement, StatementKind},
};

/// The statements of one library, with verified signatures.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    all: BTreeMap<StatementId, Arc<Statement>>,
    roots: Vec<Arc<Statement>>,
    /// Every key that a node has or had.
    keys: BTreeMap<NodeId, BTreeSet<PublicKey>>,
    /// How much each key has said.
    said: BTreeMap<(StatementKind, PublicKey), usize>,
}

/// What the pool makes of a statement.
#[derive(Debug)]
pub(super) enum Entry {
    /// It is in now.
    Taken,
    /// It was in, with all its signatures.
    Known,
    /// Nothing known entitles it, or what it needs is not known.
    Waits(String),
    /// A newer one of the same signer is known, and only the newest is kept.
    Outdated,
}

impl Pool {
    /// Takes up a statement whose library and signatures are verified. An error says that it never will be.
    pub(super) fn add(&mut self, statement: &Statement) -> Result<Entry> {
        let merged = match self.get(&statement.id()) {
            None => None,
            Some(known) => match known.merge(statement)? {
                None => return Ok(Entry::Known),
                more => more,
            },
        };
        let statement = merged.as_ref().unwrap_or(statement);
        if let Some(missing) = self.lacks(statement)? {
            return Ok(Entry::Waits(missing));
        }
        let kind = statement.kind();
        if let Some(key) = statement.signers().find(|key| self.count(kind, key) >= STATEMENTS_PER_KEY) {
            return Err(Error::Denied(format!(
                "key {} has made {STATEMENTS_PER_KEY} {} statements, and no more are taken; replace the key",
                key.short(),
                kind.name()
            )));
        }
        if self.is_outdated(statement) {
            return Ok(Entry::Outdated);
        }
        let statement = Arc::new(statement.clone());
        let before = self.all.insert(statement.id(), Arc::clone(&statement));
        for key in statement.signers() {
            if before.as_ref().is_none_or(|before| before.signers().all(|known| known != key)) {
                *self.said.entry((kind, *key)).or_default() += 1;
            }
        }
        match statement.body() {
            Body::Root(_) => {
                self.roots.retain(|root| root.id() != statement.id());
                self.roots.push(Arc::clone(&statement));
            }
            Body::Member(member) => drop(self.keys.entry(member.node).or_default().insert(member.key)),
            Body::Succession(next) => drop(self.keys.entry(next.node).or_default().insert(next.new)),
            _ => {}
        }
        self.forget_older(&statement);
        Ok(Entry::Taken)
    }

    /// A statement that is in.
    pub(super) fn get(&self, id: &StatementId) -> Option<&Arc<Statement>> {
        self.all.get(id)
    }

    /// All of them, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Statement>> {
        self.all.values()
    }

    /// Every root that is known, also those that lost to another of their version.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter().filter_map(|statement| match statement.body() {
            Body::Root(root) => Some(root),
            _ => None,
        })
    }

    /// Whether `key` is, or was once, one of `node`'s.
    pub(super) fn is_key_of(&self, node: &NodeId, key: &PublicKey) -> bool {
        key.node() == *node || self.keys.get(node).is_some_and(|keys| keys.contains(key))
    }

    fn count(&self, kind: StatementKind, key: &PublicKey) -> usize {
        self.said.get(&(kind, *key)).copied().unwrap_or(0)
    }

    /// Whether some known root allows what `signers` say.
    fn allowed_ever(&self, kind: RoleKind, classes: &Classes, signers: &[PublicKey]) -> bool {
        self.roots().any(|root| root.allows(kind, classes, signers))
    }

    /// What is missing before the statement can be taken up; nothing if it can.
    fn lacks(&self, statement: &Statement) -> Result<Option<String>> {
        let signers: Vec<_> = statement.signers().copied().collect();
        if let Body::Root(next) = statement.body() {
            return self.lacks_of_root(next, &signers);
        }
        if self.roots.is_empty() {
            return Ok(Some("the library's first root is not known yet".into()));
        }
        let is_role = |kind| {
            let mut roles = self.roots().flat_map(|root| &root.roles).filter(|role| role.kind == kind);
            roles.any(|role| role.is_met_by(&signers))
        };
        let (entitled, role) = match statement.body() {
            Body::Root(_) => (true, RoleKind::Root),
            Body::Release(_) => (is_role(RoleKind::Publisher), RoleKind::Publisher),
            Body::Channel(_) => {
                (is_role(RoleKind::Publisher) || is_role(RoleKind::Operator), RoleKind::Operator)
            }
            Body::Ticket(terms) => {
                (self.allowed_ever(RoleKind::Operator, &terms.classes, &signers), RoleKind::Operator)
            }
            Body::Member(member) => match &member.ticket {
                None => {
                    (self.allowed_ever(RoleKind::Operator, &member.classes, &signers), RoleKind::Operator)
                }
                Some(ticket) => return self.lacks_of_join(statement, member, ticket, &signers),
            },
            Body::Revoke(_) => {
                let mut roots = self.roots();
                let named = roots.any(|root| signers.iter().any(|key| root.names(RoleKind::Operator, key)));
                (named, RoleKind::Operator)
            }
            Body::Fresh(_) => {
                let mut roots = self.roots();
                let named = roots.any(|root| signers.iter().any(|key| root.names(RoleKind::Timekeeper, key)));
                (named, RoleKind::Timekeeper)
            }
            Body::Succession(next) => {
                if !next.is_signed_by(&signers) {
                    return Err(Error::Denied(
                        "a succession must be signed with the old and the new key".into(),
                    ));
                }
                let keys = self.keys.get(&next.node);
                if keys.is_some_and(|keys| keys.len() >= SUCCESSIONS) {
                    return Err(Error::Denied(format!(
                        "node {} has had {SUCCESSIONS} keys, and no more are taken",
                        next.node.short()
                    )));
                }
                let known = keys.is_some_and(|keys| keys.contains(&next.old));
                return Ok((!known).then(|| "the old key is not known as one of the node's".into()));
            }
            Body::Checkpoint(checkpoint) => {
                let keys = self.keys.get(&checkpoint.node);
                let known = keys.is_some_and(|keys| signers.iter().all(|key| keys.contains(key)));
                return Ok((!known).then(|| "its key is not known as one of the node's".into()));
            }
        };
        Ok((!entitled)
            .then(|| format!("it is signed by too few {} keys that a known root names", role.name())))
    }

    fn lacks_of_root(&self, next: &Root, signers: &[PublicKey]) -> Result<Option<String>> {
        let meets = |root: &Root| root.root_role().is_some_and(|role| role.is_met_by(signers));
        if !meets(next) {
            return Err(Error::Denied(format!(
                "root version {} is not signed by enough of its own keys",
                next.version
            )));
        }
        if next.version == 1 {
            return Ok(None);
        }
        let before = next.version.saturating_sub(1);
        let mut known = self.roots().filter(|root| root.version == before).peekable();
        if known.peek().is_none() {
            return Ok(Some(format!("root version {before} is not known yet")));
        }
        if known.any(meets) {
            return Ok(None);
        }
        Err(Error::Denied(format!(
            "root version {} is not signed by enough keys of version {before}",
            next.version
        )))
    }

    fn lacks_of_join(
        &self,
        statement: &Statement,
        member: &Member,
        ticket: &StatementId,
        signers: &[PublicKey],
    ) -> Result<Option<String>> {
        if member.key.node() != member.node {
            return Err(Error::Invalid(format!(
                "member {}: its key is not its node's first",
                member.node.short()
            )));
        }
        let terms = match self.get(ticket).map(|said| said.body()) {
            Some(Body::Ticket(terms)) => terms,
            _ => return Ok(Some(format!("ticket {} is not known yet", ticket.short()))),
        };
        if statement.time_ms() > terms.expires_ms {
            return Err(Error::Denied("the member statement was made after its ticket had expired".into()));
        }
        terms.check_member(member)?;
        let redeemed = terms.redeemers.iter().any(|node| signers.iter().any(|key| self.is_key_of(node, key)));
        Ok((!redeemed).then(|| "the member statement is signed by no redeemer of its ticket".into()))
    }

    /// Of what is kept of one signer or node on one subject: the statements, the newest first.
    fn kept_few(&self, statement: &Statement) -> (Vec<(u64, StatementId)>, usize) {
        let (same, most): (Box<dyn Fn(&Statement) -> bool>, _) = match statement.body() {
            Body::Fresh(fresh) => {
                let same = move |other: &Statement| match other.body() {
                    Body::Fresh(body) => {
                        body.channel == fresh.channel && other.signers().eq(statement.signers())
                    }
                    _ => false,
                };
                (Box::new(same), 1)
            }
            Body::Checkpoint(checkpoint) => {
                let same = |other: &Statement| match other.body() {
                    Body::Checkpoint(body) => body.node == checkpoint.node,
                    _ => false,
                };
                (Box::new(same), CHECKPOINTS)
            }
            _ => return (Vec::new(), usize::MAX),
        };
        let kept = self.all.values().filter(|other| same(other));
        let mut kept: Vec<_> = kept.map(|other| (other.sequence(), other.id())).collect();
        kept.sort_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(&right.1)));
        (kept, most)
    }

    fn is_outdated(&self, statement: &Statement) -> bool {
        let (kept, most) = self.kept_few(statement);
        let sequence = statement.sequence();
        let twice = kept.iter().filter(|(other, _)| *other == sequence).count() > 1;
        twice || kept.iter().filter(|(other, _)| *other > sequence).count() >= most
    }

    /// Drops what a newer statement has made useless. Two at one sequence stay: they are a proof.
    fn forget_older(&mut self, statement: &Statement) {
        let (kept, most) = self.kept_few(statement);
        let Some((last, _)) = kept.get(most.saturating_sub(1)) else { return };
        for (_, id) in kept.iter().filter(|(sequence, _)| sequence < last) {
            if let Some(old) = self.all.remove(id) {
                for key in old.signers() {
                    if let Some(count) = self.said.get_mut(&(old.kind(), *key)) {
                        *count = count.saturating_sub(1);
                    }
                }
            }
        }
    }
}
