//! Everything that somebody entitled has said: a set that only grows, whatever it comes to mean. Who was ever entitled
//! stays so here; whether it still counts is for the [`state`](super::state).
//!
//! | kind | is taken up when |
//! | --- | --- |
//! | root | its own root role signed it, and that of a known root of the version before |
//! | release, channel | a publisher of a known root signed it; a channel also, when an operator did |
//! | ticket, member | an operator of a known root signed it, for its classes; a member also, when a redeemer of its ticket did |
//! | revoke | any one operator of a known root signed it |
//! | fresh | timekeepers of a known root signed it; of each the newest is kept |
//! | succession | both keys signed it, and the node was known under the old one |
//! | checkpoint | one key that the node has or had signed it; of each node the newest [`CHECKPOINTS`] are kept |
//!
//! "Known" is what the pool has itself, so whoever is offered the same statements ends with the same pool: what is refused
//! for want of another comes again with the next exchange.
//!
//! Nobody else's signature may stand beside these: it would be another envelope of the same statement, and whoever passes one on
//! could make as many of them as it likes. On a root, where a quorum gathers signatures by hand, such signatures are dropped.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    error::{Error, Result},
    id::{NodeId, StatementId},
    limits::{CHECKPOINTS, STATEMENTS_PER_KEY, SUCCESSIONS},
    statement::{Body, Member, PublicKey, RoleKind, Root, Statement, StatementKind},
};

/// How many statements that contradict each other are kept where only the newest count: enough to prove it.
const PROOF: usize = 2;

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
        let stripped = self.without_strangers(statement)?;
        let statement = stripped.as_ref().unwrap_or(statement);
        let merged = match self.get(&statement.id()) {
            None => None,
            // A log has one signer: of two keys of a node, the smaller.
            Some(known) if matches!(statement.body(), Body::Checkpoint(_)) => {
                if known.signers().next() <= statement.signers().next() {
                    return Ok(Entry::Known);
                }
                None
            }
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
        let useless = self.useless_beside(statement);
        if useless.contains(&statement.id()) {
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
        useless.iter().for_each(|id| self.forget(id));
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
        let allowed = |classes| self.roots().any(|root| root.allows(RoleKind::Operator, classes, &signers));
        let (entitled, roles): (bool, &[RoleKind]) = match statement.body() {
            Body::Root(_) => (true, &[RoleKind::Root]),
            Body::Release(_) => (is_role(RoleKind::Publisher), &[RoleKind::Publisher]),
            Body::Channel(_) => (
                is_role(RoleKind::Publisher) || is_role(RoleKind::Operator),
                &[RoleKind::Operator, RoleKind::Publisher],
            ),
            Body::Ticket(terms) => (allowed(&terms.classes), &[RoleKind::Operator]),
            Body::Member(member) => match &member.ticket {
                None => (allowed(&member.classes), &[RoleKind::Operator]),
                Some(ticket) => return self.lacks_of_join(statement, member, ticket, &signers),
            },
            // Any one will do, whatever the threshold.
            Body::Revoke(_) => (true, &[RoleKind::Operator]),
            Body::Fresh(_) => (true, &[RoleKind::Timekeeper]),
            Body::Succession(next) => {
                if !next.is_signed_by(&signers) {
                    return Err(Error::Denied(
                        "a succession must be signed with the old and the new key, and no other".into(),
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
                only_one(&signers)?;
                let keys = self.keys.get(&checkpoint.node);
                let known = keys.is_some_and(|keys| signers.iter().all(|key| keys.contains(key)));
                return Ok((!known).then(|| "its key is not known as one of the node's".into()));
            }
        };
        let named =
            |key: &PublicKey| self.roots().any(|root| roles.iter().any(|kind| root.names(*kind, key)));
        let role = roles.first().map_or("", |role| role.name());
        Ok(match signers.iter().find(|key| !named(key)) {
            _ if !entitled => Some(format!("it is signed by too few {role} keys that a known root names")),
            Some(key) => {
                Some(format!("it is signed by key {}, which no known root names as {role}'s", key.short()))
            }
            None => None,
        })
    }

    /// A root without signatures by keys that neither it nor the one before names; none where it has no such.
    fn without_strangers(&self, statement: &Statement) -> Result<Option<Statement>> {
        let Body::Root(next) = statement.body() else { return Ok(None) };
        let before = self.roots().filter(|root| root.version.saturating_add(1) == next.version);
        let named: Vec<_> =
            before.chain([next]).filter_map(Root::root_role).flat_map(|role| &role.keys).collect();
        statement.with_signers(|key| named.contains(&key))
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
        let Some(Body::Ticket(terms)) = self.get(ticket).map(|said| said.body()) else {
            return Ok(Some(format!("ticket {} is not known yet", ticket.short())));
        };
        if statement.time_ms() > terms.expires_ms {
            return Err(Error::Denied("the member statement was made after its ticket had expired".into()));
        }
        terms.check_member(member)?;
        let redeems = |key: &PublicKey| terms.redeemers.iter().any(|node| self.is_key_of(node, key));
        Ok((!signers.iter().all(redeems))
            .then(|| "the member statement is signed by no redeemer of its ticket".into()))
    }

    /// What is not to be kept once `statement` is: of a timekeeper's word on a channel, and of a node's log, only the newest count.
    fn useless_beside(&self, statement: &Statement) -> Vec<StatementId> {
        let same = |other: &&Statement| match (statement.body(), other.body()) {
            (Body::Fresh(body), Body::Fresh(other)) => body.channel == other.channel,
            (Body::Checkpoint(body), Body::Checkpoint(other)) => body.node == other.node,
            _ => false,
        };
        let others = self.all.values().map(|other| &**other).filter(|other| other.id() != statement.id());
        let all: Vec<_> = others.filter(same).chain([statement]).collect();
        let is_useless: Box<dyn Fn(&Statement) -> bool> = match statement.body() {
            // Two that say the same at the same time say it in one statement, which stays as long as it is the newest of one.
            Body::Fresh(_) => Box::new(|said| {
                let by = |key| all.iter().copied().filter(move |other| other.signers().any(|by| by == key));
                said.signers().all(|key| !newest(by(key).collect(), 1).contains(&said.id()))
            }),
            Body::Checkpoint(_) => {
                let kept = newest(all.clone(), CHECKPOINTS);
                Box::new(move |said| !kept.contains(&said.id()))
            }
            _ => return Vec::new(),
        };
        all.iter().filter(|said| is_useless(said)).map(|said| said.id()).collect()
    }

    fn forget(&mut self, id: &StatementId) {
        let Some(old) = self.all.remove(id) else { return };
        for key in old.signers() {
            if let Some(count) = self.said.get_mut(&(old.kind(), *key)) {
                *count = count.saturating_sub(1);
            }
        }
    }
}

/// Of statements on one subject the `most` with the highest sequences. Of those that say the same at one sequence it is the one
/// with the smallest id, and of those that do not, as many as prove it: which ones does not depend on which came first.
fn newest(mut said: Vec<&Statement>, most: usize) -> Vec<StatementId> {
    said.sort_by_key(|statement| (Reverse(statement.sequence()), statement.id()));
    let mut kept: Vec<&Statement> = Vec::new();
    for next in said {
        let newer = kept.iter().filter(|other| other.sequence() > next.sequence()).count();
        let mut rivals = kept.iter().filter(|other| other.sequence() == next.sequence());
        let proved = rivals.clone().count() >= PROOF;
        if newer < most && !proved && !rivals.any(|other| other.body() == next.body()) {
            kept.push(next);
        }
    }
    kept.iter().map(|statement| statement.id()).collect()
}

fn only_one(signers: &[PublicKey]) -> Result<()> {
    match signers {
        [_] => Ok(()),
        _ => Err(Error::Denied("a checkpoint must be signed with the node's key alone".into())),
    }
}
