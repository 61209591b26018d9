//! Every statement that an authorized key signed: a set that only grows. A key that a root ever authorized
//! stays authorized here; whether its statement is effective is decided in [`state`](super::state).
//!
//! | kind | is added when |
//! | --- | --- |
//! | root | its own root role signed it, and so did the root role of the effective root of the version before. Where another root of its own version is effective, it is kept as proof, one of each version, and grants no authority |
//! | release, channel | a publisher of a known root signed it; a channel also, when an operator did |
//! | pins | a known root names it, and the one key that it names signed it |
//! | policy | enough operators of a known root signed it |
//! | ticket, member | an operator of a known root signed it; a member also, when a redeemer of its ticket did |
//! | revoke | any one operator of a known root signed it |
//! | fresh | timekeepers of a known root signed it, and the channel is known; of each timekeeper the newest is kept |
//! | succession | both keys signed it, and the old key is known as one of the node's; of two keys the succession with the lowest id is kept, of one key the two smallest successors, and no succession below a disputed key |
//! | checkpoint | keys that the node has or had signed it, and not all of them were succeeded; of each key the newest [`CHECKPOINTS`](crate::limits::CHECKPOINTS) are kept |
//!
//! A new release, ticket or freshness statement by a key that the newest root no longer names is not added,
//! unless a root pins it or a known release descends from it; see `quarantine`.
//!
//! "Known" means that this set has it. Two nodes that are offered the same statements therefore end with the
//! same set: a statement that was refused because another was missing comes again with the next exchange.
//! Four choices depend on the order of arrival, since nothing in a set tells the thief from the owner:
//!
//! - Of two roots of one version the first is effective, whatever their ids, so that a retired key cannot
//!   rewrite what its successors signed.
//! - Not all claims on a heavily overused ticket are kept. None of them is effective.
//! - Successions below a key stay if they were added before the key became disputed. None of them is
//!   effective.
//! - After [`DISPLACED`] statements on one subject were displaced by equivalent ones, the kept ones stay.
//!   Each of them has the same content.
//!
//! Where a bound of a key or of the library is reached (`share`), the first statements stay.
//!
//! A signature by any other key keeps a statement out: it would be another envelope of the same statement,
//! and every node that passes a statement on could make any number of them. On a root, where people gather
//! the signatures of a quorum by hand, such signatures are dropped instead.

pub(super) mod batch;
mod chosen;
mod quarantine;
mod share;
mod subject;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    error::{Error, Result},
    id::{NodeId, StatementId},
    limits::{
        CHANNELS, DISPLACED, POLICIES_PER_KEY, ROOTS, STATEMENT_BYTES_PER_KEY, STATEMENTS_PER_KEY,
        TICKET_OVERUSE,
    },
    statement::{Body, Member, PublicKey, RoleKind, Root, Statement, StatementKind, key_chains::KeyChains},
};

use share::Shares;
pub(super) use subject::Subject;

/// The statements of one library, with verified signatures.
#[derive(Clone, Debug, Default)]
pub(super) struct StatementSet {
    all: BTreeMap<StatementId, Arc<Statement>>,
    /// The effective roots, by version, version 1 first.
    roots: Vec<Arc<Statement>>,
    /// A root that contradicts the effective one, by version.
    rivals: BTreeMap<u64, StatementId>,
    key_chains: KeyChains,
    /// The names of the channels with at least one known statement.
    channels: BTreeSet<String>,
    /// The kept statements of each subject of which only some are kept.
    recent: BTreeMap<Subject, BTreeSet<StatementId>>,
    /// The number of statements on a subject that were displaced by equivalent ones.
    displaced: BTreeMap<Subject, usize>,
    /// The number and bytes of the statements of each key.
    usage: BTreeMap<(StatementKind, PublicKey), Amount>,
    /// The bytes of all statements, whatever keys signed them.
    shares: Shares,
    /// The parents of known releases, known or not.
    parents: BTreeSet<StatementId>,
}

/// The number and bytes of one key's statements of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    count: usize,
    bytes: usize,
}

/// The result of adding a statement.
#[derive(Debug)]
pub(super) enum Entry {
    /// It was added.
    Added,
    /// It was known, with all its signatures.
    Known,
    /// No known root authorizes it, or a statement that it needs is not known.
    Pending(String),
    /// A kept statement supersedes it: a newer one of the same signer, or an equivalent one.
    Superseded,
    /// Its keys were removed, and no known effective statement needs it.
    Unneeded,
}

/// The decision about a statement.
enum Decision {
    /// It is not added, or not now.
    Done(Entry),
    /// It is added with its own signatures and the known ones; it supersedes the listed statements, which are
    /// removed.
    Add { statement: Arc<Statement>, superseded: Vec<StatementId> },
}

impl StatementSet {
    /// Adds a statement whose library is verified, after verifying its signatures where they would authorize
    /// it. An error says that it can never be added.
    pub(super) fn add(&mut self, statement: &Statement) -> Result<Entry> {
        let (statement, superseded) = match self.decide(statement)? {
            Decision::Done(entry) => return Ok(entry),
            Decision::Add { statement, superseded } => (statement, superseded),
        };
        superseded.iter().for_each(|id| self.displace(id));
        self.insert(statement);
        Ok(Entry::Added)
    }

    /// Whether [`add`](Self::add) would add a statement to the set as it is. Asked before a set is copied to
    /// be changed.
    pub(super) fn would_take(&self, statement: &Statement) -> bool {
        matches!(self.decide(statement), Ok(Decision::Add { .. }))
    }

    /// Decides about a statement. Changes nothing.
    fn decide(&self, statement: &Statement) -> Result<Decision> {
        let stripped = self.without_foreign_signatures(statement)?;
        let statement = stripped.as_ref().unwrap_or(statement);
        let merged = match self.get(&statement.id()) {
            None => None,
            Some(known) => match known.merge(statement)? {
                None => {
                    let _ = statement.verify_signatures()?;
                    return Ok(Decision::Done(Entry::Known));
                }
                more => more,
            },
        };
        let is_known = merged.is_some();
        let statement = merged.as_ref().unwrap_or(statement);
        if let Some(missing) = self.lacks(statement)? {
            return Ok(Decision::Done(Entry::Pending(missing)));
        }
        if !is_known && self.is_unneeded(statement) {
            return Ok(Decision::Done(Entry::Unneeded));
        }
        // The quota applies neither to further signatures on a known statement nor to a statement that a root
        // pins.
        if !is_known && !self.is_pinned(&statement.id()) {
            self.check_quotas(statement)?;
        }
        let superseded = self.superseded_by(statement);
        if superseded.contains(&statement.id()) || self.is_displaced_often(statement, superseded.len()) {
            return Ok(Decision::Done(Entry::Superseded));
        }
        let known = is_known.then(|| statement.id());
        let replaced = superseded.iter().chain(&known).filter_map(|id| self.get(id));
        self.shares.check(statement, replaced.map(|said| &**said))?;
        // Last, since it costs most: unauthorized and superseded statements are refused before.
        let _ = statement.verify_signatures()?;
        Ok(Decision::Add { statement: Arc::new(statement.clone()), superseded })
    }

    /// Adds a statement without any check: for a copy of the set that shows what the statement would change.
    pub(super) fn suppose(&mut self, statement: Arc<Statement>) {
        self.insert(statement);
    }

    fn insert(&mut self, statement: Arc<Statement>) {
        let kind = statement.kind();
        self.shares.add(&statement);
        if let Some(before) = self.all.insert(statement.id(), Arc::clone(&statement)) {
            self.shares.remove(&before);
            self.refund(&before);
        }
        for key in statement.signers() {
            let said = self.usage.entry((kind, *key)).or_default();
            said.count += 1;
            said.bytes += statement.bytes().len();
        }
        if let Some(subject) = Subject::of(&statement) {
            self.recent.entry(subject).or_default().insert(statement.id());
        }
        match statement.body() {
            Body::Root(root) => match self.root_of(root.version) {
                Some(effective) if effective.id() != statement.id() => {
                    self.rivals.insert(root.version, statement.id());
                }
                Some(_) => {
                    if let Some(place) = self.roots.iter_mut().find(|root| root.id() == statement.id()) {
                        *place = Arc::clone(&statement);
                    }
                }
                None => self.roots.push(Arc::clone(&statement)),
            },
            Body::Release(release) => self.parents.extend(&release.parents),
            Body::Channel(channel) => {
                self.channels.insert(channel.name.clone());
            }
            Body::Member(member) => self.key_chains.bind(member.node, member.key),
            Body::Succession(next) => self.key_chains.succeed(next),
            _ => {}
        }
    }

    /// The effective root of a version.
    fn root_of(&self, version: u64) -> Option<&Arc<Statement>> {
        self.roots.get(usize::try_from(version).ok()?.checked_sub(1)?)
    }

    fn is_pinned(&self, id: &StatementId) -> bool {
        self.roots().any(|root| root.pins.binary_search(id).is_ok())
    }

    /// Fails where a quota is full.
    fn check_quotas(&self, statement: &Statement) -> Result<()> {
        let kind = statement.kind();
        let most = if kind == StatementKind::Policy { POLICIES_PER_KEY } else { STATEMENTS_PER_KEY };
        let len = statement.bytes().len();
        let is_full = |key: &PublicKey| {
            let bytes = self.usage(kind, key).bytes.saturating_add(len);
            kind != StatementKind::Root && bytes > STATEMENT_BYTES_PER_KEY
        };
        if let Some(key) = statement.signers().find(|key| is_full(key)) {
            return Err(Error::Denied(format!(
                "key {} has made {} statements of {STATEMENT_BYTES_PER_KEY} bytes, and no more are taken; replace the key",
                key.short(),
                kind.name()
            )));
        }
        if let Some(key) = statement.signers().find(|key| self.usage(kind, key).count >= most) {
            return Err(Error::Denied(format!(
                "key {} has made {most} {} statements, and no more are taken; replace the key",
                key.short(),
                kind.name()
            )));
        }
        if let Body::Channel(channel) = statement.body()
            && self.channels.len() >= CHANNELS
            && !self.channels.contains(&channel.name)
        {
            return Err(Error::Denied(format!(
                "the library has {CHANNELS} channels, and no more are taken; use one of them, or found a new library"
            )));
        }
        let Some(Subject::Claim(ticket, node)) = Subject::of(statement) else { return Ok(()) };
        let Some(Body::Ticket(terms)) = self.get(&ticket).map(|said| said.body()) else { return Ok(()) };
        let of_ticket = Subject::Claim(ticket, NodeId::from_bytes([0; 32]))
            ..=Subject::Claim(ticket, NodeId::from_bytes([u8::MAX; 32]));
        let nodes = self.recent.range(of_ticket).filter(|(_, claims)| !claims.is_empty()).count();
        let most = usize::try_from(terms.uses).unwrap_or(usize::MAX).saturating_add(TICKET_OVERUSE);
        if nodes >= most && !self.recent.contains_key(&Subject::Claim(ticket, node)) {
            return Err(Error::Denied(format!(
                "ticket {} was used by {nodes} nodes, which is proof enough that it was copied",
                ticket.short()
            )));
        }
        Ok(())
    }

    /// A statement of the set.
    pub(super) fn get(&self, id: &StatementId) -> Option<&Arc<Statement>> {
        self.all.get(id)
    }

    /// The statements that are compared between nodes, by id: all but the quarantined ones.
    pub(super) fn known(&self) -> impl Iterator<Item = &Arc<Statement>> {
        let needed = self.needed_releases();
        self.iter().filter(move |statement| !self.is_quarantined(statement, &needed))
    }

    /// All statements, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Statement>> {
        self.all.values()
    }

    /// The statements of the effective roots, by version.
    pub(super) fn root_statements(&self) -> &[Arc<Statement>] {
        &self.roots
    }

    /// Roots that contradict an effective one, by version.
    pub(super) fn rivals(&self) -> &BTreeMap<u64, StatementId> {
        &self.rivals
    }

    /// The effective roots, by version.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter().filter_map(|statement| match statement.body() {
            Body::Root(root) => Some(root),
            _ => None,
        })
    }

    /// Whether `key` is or was a key of `node`.
    pub(super) fn is_key_of(&self, node: &NodeId, key: &PublicKey) -> bool {
        key.node() == *node || self.key_chains.has(node, key)
    }

    fn usage(&self, kind: StatementKind, key: &PublicKey) -> Amount {
        self.usage.get(&(kind, *key)).copied().unwrap_or_default()
    }

    /// Takes a statement off the quotas of its signers.
    fn refund(&mut self, old: &Statement) {
        for key in old.signers() {
            if let Some(said) = self.usage.get_mut(&(old.kind(), *key)) {
                said.count = said.count.saturating_sub(1);
                said.bytes = said.bytes.saturating_sub(old.bytes().len());
            }
        }
    }

    /// The condition that is missing before the statement can be added; `None` if it can be. An error says
    /// that it can never be added.
    fn lacks(&self, statement: &Statement) -> Result<Option<String>> {
        let signers: Vec<_> = statement.signers().copied().collect();
        if let Body::Root(next) = statement.body() {
            return self.lacks_of_root(&statement.id(), next, &signers);
        }
        if self.roots.is_empty() {
            return Ok(Some("the library's first root is not known yet".into()));
        }
        let is_role = |kind| {
            let mut roles = self.roots().flat_map(|root| &root.roles).filter(|role| role.kind == kind);
            roles.any(|role| role.is_met_by(&signers))
        };
        let (entitled, roles): (bool, &[RoleKind]) = match statement.body() {
            Body::Root(_) => (true, &[RoleKind::Root]),
            Body::Release(_) => (is_role(RoleKind::Publisher), &[RoleKind::Publisher]),
            Body::Channel(_) => (
                is_role(RoleKind::Publisher) || is_role(RoleKind::Operator),
                &[RoleKind::Operator, RoleKind::Publisher],
            ),
            Body::Ticket(_) | Body::Policy(_) => (is_role(RoleKind::Operator), &[RoleKind::Operator]),
            Body::Member(member) => match &member.ticket {
                None => (is_role(RoleKind::Operator), &[RoleKind::Operator]),
                Some(ticket) => return self.lacks_of_join(statement, member, ticket, &signers),
            },
            Body::Pins(list) => {
                if signers != [list.signer] {
                    return Err(Error::Denied(
                        "a list of pins is signed by the one key that it names".into(),
                    ));
                }
                let is_named =
                    self.roots().any(|root| root.lists.iter().any(|(_, id)| *id == statement.id()));
                return Ok((!is_named).then(|| "no known root names the list of pins".into()));
            }
            // Any one operator is enough, whatever the threshold.
            Body::Revoke(_) => (true, &[RoleKind::Operator]),
            // Without this a timekeeper could invent any number of names.
            Body::Fresh(fresh) if !self.channels.contains(&fresh.channel) => {
                return Ok(Some(format!("channel {} is not known", fresh.channel)));
            }
            Body::Fresh(_) => (true, &[RoleKind::Timekeeper]),
            Body::Succession(next) => {
                if !next.is_signed_by(&signers) {
                    return Err(Error::Denied(
                        "a succession must be signed with the old and the new key, and no other".into(),
                    ));
                }
                return self.key_chains.lacks(next);
            }
            Body::Checkpoint(checkpoint) => {
                let known = signers.iter().all(|key| self.key_chains.has(&checkpoint.node, key));
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

    /// A root without the signatures of keys that neither it nor the root before names; `None` where it has
    /// no such signatures.
    fn without_foreign_signatures(&self, statement: &Statement) -> Result<Option<Statement>> {
        let Body::Root(next) = statement.body() else { return Ok(None) };
        let before = self.roots().filter(|root| root.version.saturating_add(1) == next.version);
        let named: Vec<_> =
            before.chain([next]).filter_map(Root::root_role).flat_map(|role| &role.keys).collect();
        statement.with_signers(|key| named.contains(&key))
    }

    fn lacks_of_root(&self, id: &StatementId, next: &Root, signers: &[PublicKey]) -> Result<Option<String>> {
        let meets = |root: &Root| root.root_role().is_some_and(|role| role.is_met_by(signers));
        if !meets(next) {
            return Err(Error::Denied(format!(
                "root version {} is not signed by enough of its own keys",
                next.version
            )));
        }
        if next.version > 1 {
            let before = next.version.saturating_sub(1);
            let Some(Body::Root(known)) = self.root_of(before).map(|said| said.body()) else {
                return Ok(Some(format!("root version {before} is not known yet")));
            };
            if !meets(known) {
                return Err(Error::Denied(format!(
                    "root version {} is not signed by enough keys of version {before}",
                    next.version
                )));
            }
        }
        if self.roots.len() >= ROOTS && self.get(id).is_none() {
            return Err(Error::Denied(format!(
                "the library has {ROOTS} roots, and no more are taken; found a new library"
            )));
        }
        if self.rivals.get(&next.version).is_some_and(|rival| rival != id)
            && self.root_of(next.version).is_some_and(|effective| effective.id() != *id)
        {
            return Err(Error::Denied(format!(
                "root version {} is effective and one contradicting root is kept as proof already; no further one is kept",
                next.version
            )));
        }
        Ok(None)
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

    /// Whether the limit of displacements on the subject is reached. Of two equivalent statements the one
    /// with the lower id is kept, but their signer can make any number of them and send them in any order:
    /// without this bound each would be news.
    fn is_displaced_often(&self, statement: &Statement, more: usize) -> bool {
        let subject = Subject::of(statement).filter(|_| more > 0 && !statement.kind().is_passing());
        let before = |subject| self.displaced.get(&subject).copied().unwrap_or(0);
        subject.map(before).is_some_and(|before| before + more > DISPLACED)
    }

    /// Removes a superseded statement. The keys that it named stay known: a kept statement has the same
    /// subject.
    fn displace(&mut self, id: &StatementId) {
        let Some(old) = self.all.remove(id) else { return };
        self.shares.remove(&old);
        let subject = Subject::of(&old);
        if old.kind().is_passing() {
            self.refund(&old);
        } else if let Some(subject) = subject.clone() {
            // It stays on the quotas of its signers: a displacement does not raise a key's quota.
            *self.displaced.entry(subject).or_default() += 1;
        }
        if let Some(all) = subject.and_then(|subject| self.recent.get_mut(&subject)) {
            all.remove(id);
        }
        if let Body::Succession(next) = old.body() {
            self.key_chains.forget(next);
        }
    }
}

#[cfg(test)]
mod tests;
