//! Everything that somebody entitled has said: a set that only grows, whatever it comes to mean. Who was ever entitled
//! stays so here; whether it still counts is for the [`state`](super::state).
//!
//! | kind | is taken up when |
//! | --- | --- |
//! | root | its own root role signed it, and that of the root that stands of the version before. Where another stands of its own version it is kept as proof, one of each version, and entitles nobody |
//! | release, channel | a publisher of a known root signed it; a channel also, when an operator did |
//! | pins | a known root names it, and the one key that it names signed it |
//! | policy | enough operators of a known root signed it |
//! | ticket, member | an operator of a known root signed it; a member also, when a redeemer of its ticket did |
//! | revoke | any one operator of a known root signed it |
//! | fresh | timekeepers of a known root signed it, and the channel is known; of each the newest is kept |
//! | succession | both keys signed it, and the node was known under the old one; of two keys the one with the lowest id is kept, of one key the two smallest heirs, and nothing below a key in dispute |
//! | checkpoint | keys that the node has or had signed it, and not all of them were succeeded; of each the newest [`CHECKPOINTS`] are kept |
//!
//! Of a key that the newest root does not name any more no new release, ticket or vouching is taken unless a root pins it, or a
//! release that is known descends from it; see `aside`.
//!
//! "Known" is what the pool has itself, so whoever is offered the same statements ends with the same pool: what is refused
//! for want of another comes again with the next exchange. Four things go by what came first, since nothing in a set can tell
//! the thief from the owner: of two roots of one version the first stands, whatever their ids, so that a key that was retired
//! cannot rewrite what its successors said; of a ticket that was used far too often not all claims are kept; and of a key that came
//! in dispute what lay below it before stays. The latter two count nowhere. And where [`DISPLACED`] statements on one subject were
//! displaced by others that say the same, the ones that are kept then stay: each of them says all that counts.
//!
//! Nobody else's signature may stand beside these: it would be another envelope of the same statement, and whoever passes one on
//! could make as many of them as it likes. On a root, where a quorum gathers signatures by hand, such signatures are dropped.

mod aside;
mod chosen;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    error::{Error, Result},
    id::{NodeId, StatementId},
    limits::{
        CHECKPOINTS, CLAIMS, DISPLACED, POLICIES_PER_KEY, STATEMENT_BYTES_PER_KEY, STATEMENTS_PER_KEY,
        TICKET_OVERUSE,
    },
    statement::{Body, Member, PublicKey, RoleKind, Root, Statement, StatementKind, lines::Lines},
};

/// The statements of one library, with verified signatures.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    all: BTreeMap<StatementId, Arc<Statement>>,
    /// The roots that stand, by version, the first first.
    roots: Vec<Arc<Statement>>,
    /// A root that contradicts the one that stands, by version.
    rivals: BTreeMap<u64, StatementId>,
    lines: Lines,
    /// The names of the channels of which anything was said.
    channels: BTreeSet<String>,
    /// Of what is said again and again, all that is kept, by what it is about.
    recent: BTreeMap<Subject, BTreeSet<StatementId>>,
    /// How many statements on a subject were displaced by others that say the same.
    displaced: BTreeMap<Subject, usize>,
    /// How much each key has said.
    said: BTreeMap<(StatementKind, PublicKey), Amount>,
    /// What a known release descends from, known or not.
    parents: BTreeSet<StatementId>,
}

/// How much a key has said of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    count: usize,
    bytes: usize,
}

/// What statements may be about of which only some are kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Fresh(String),
    Checkpoint(NodeId),
    Claim(StatementId, NodeId),
    Succession(NodeId, PublicKey),
}

impl Subject {
    pub(super) fn of(statement: &Statement) -> Option<Self> {
        Some(match statement.body() {
            Body::Fresh(fresh) => Subject::Fresh(fresh.channel.clone()),
            Body::Checkpoint(checkpoint) => Subject::Checkpoint(checkpoint.node),
            Body::Member(member) => Subject::Claim(member.ticket?, member.node),
            Body::Succession(next) => Subject::Succession(next.node, next.old),
            _ => return None,
        })
    }

    /// Whether it may say the same as others, of which the ones with the lowest ids are kept.
    pub(super) fn is_kept_by_id(statement: &Statement) -> bool {
        !statement.kind().is_passing() && Self::of(statement).is_some()
    }
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
    /// What is kept beside it makes it useless: a newer one of the same signer, or one that says the same.
    Outdated,
    /// Its keys were removed, and nothing that counts needs it as far as is known.
    Unneeded,
}

/// What was decided about a statement.
enum Weighed {
    /// It is not to be taken up, or not now.
    Settled(Entry),
    /// It is to be taken up, with the signatures that are known beside its own, and these go for it.
    Good { statement: Arc<Statement>, useless: Vec<StatementId> },
}

impl Pool {
    /// Takes up a statement whose library is verified, and verifies its signatures where they would entitle it. An error says
    /// that it never will be taken up.
    pub(super) fn add(&mut self, statement: &Statement) -> Result<Entry> {
        let (statement, useless) = match self.weigh(statement)? {
            Weighed::Settled(entry) => return Ok(entry),
            Weighed::Good { statement, useless } => (statement, useless),
        };
        useless.iter().for_each(|id| self.displace(id));
        self.insert(statement);
        Ok(Entry::Taken)
    }

    /// Whether [`add`](Self::add) would take a statement up as things are: what is asked before a pool is copied to be changed.
    pub(super) fn would_take(&self, statement: &Statement) -> bool {
        matches!(self.weigh(statement), Ok(Weighed::Good { .. }))
    }

    /// Decides about a statement, and changes nothing.
    fn weigh(&self, statement: &Statement) -> Result<Weighed> {
        let stripped = self.without_strangers(statement)?;
        let statement = stripped.as_ref().unwrap_or(statement);
        let merged = match self.get(&statement.id()) {
            None => None,
            Some(known) => match known.merge(statement)? {
                None => {
                    let _ = statement.verify_signatures()?;
                    return Ok(Weighed::Settled(Entry::Known));
                }
                more => more,
            },
        };
        let is_known = merged.is_some();
        let statement = merged.as_ref().unwrap_or(statement);
        if let Some(missing) = self.lacks(statement)? {
            return Ok(Weighed::Settled(Entry::Waits(missing)));
        }
        if !is_known && self.is_unneeded(statement) {
            return Ok(Weighed::Settled(Entry::Unneeded));
        }
        // Neither more signatures nor what a root quorum names is one more.
        if !is_known && !self.is_pinned(&statement.id()) {
            self.check_quotas(statement)?;
        }
        let useless = self.useless_beside(statement);
        if useless.contains(&statement.id()) || self.is_displaced_often(statement, useless.len()) {
            return Ok(Weighed::Settled(Entry::Outdated));
        }
        // Last, since it is what costs: strangers' statements, and those that are of no use, end before.
        let _ = statement.verify_signatures()?;
        Ok(Weighed::Good { statement: Arc::new(statement.clone()), useless })
    }

    fn insert(&mut self, statement: Arc<Statement>) {
        let kind = statement.kind();
        if let Some(before) = self.all.insert(statement.id(), Arc::clone(&statement)) {
            self.take_back(&before);
        }
        for key in statement.signers() {
            let said = self.said.entry((kind, *key)).or_default();
            said.count += 1;
            said.bytes += statement.bytes().len();
        }
        if let Some(subject) = Subject::of(&statement) {
            self.recent.entry(subject).or_default().insert(statement.id());
        }
        match statement.body() {
            Body::Root(root) => match self.standing(root.version) {
                Some(standing) if standing.id() != statement.id() => {
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
            Body::Member(member) => self.lines.bind(member.node, member.key),
            Body::Succession(next) => self.lines.succeed(next),
            _ => {}
        }
    }

    /// The root that stands of a version.
    fn standing(&self, version: u64) -> Option<&Arc<Statement>> {
        self.roots.get(usize::try_from(version).ok()?.checked_sub(1)?)
    }

    fn is_pinned(&self, id: &StatementId) -> bool {
        self.roots().any(|root| root.pins.binary_search(id).is_ok())
    }

    /// Fails where no more of this is taken, whoever says it.
    fn check_quotas(&self, statement: &Statement) -> Result<()> {
        let kind = statement.kind();
        let most = if kind == StatementKind::Policy { POLICIES_PER_KEY } else { STATEMENTS_PER_KEY };
        let len = statement.bytes().len();
        let is_full = |key: &PublicKey| {
            let bytes = self.said(kind, key).bytes.saturating_add(len);
            kind != StatementKind::Root && bytes > STATEMENT_BYTES_PER_KEY
        };
        if let Some(key) = statement.signers().find(|key| is_full(key)) {
            return Err(Error::Denied(format!(
                "key {} has made {} statements of {STATEMENT_BYTES_PER_KEY} bytes, and no more are taken; replace the key",
                key.short(),
                kind.name()
            )));
        }
        if let Some(key) = statement.signers().find(|key| self.said(kind, key).count >= most) {
            return Err(Error::Denied(format!(
                "key {} has made {most} {} statements, and no more are taken; replace the key",
                key.short(),
                kind.name()
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

    /// A statement that is in.
    pub(super) fn get(&self, id: &StatementId) -> Option<&Arc<Statement>> {
        self.all.get(id)
    }

    /// All that two nodes must know to know the same, by id.
    pub(super) fn known(&self) -> impl Iterator<Item = &Arc<Statement>> {
        let needed = self.needed_releases();
        self.iter().filter(move |statement| !self.is_aside(statement, &needed))
    }

    /// All of them, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Statement>> {
        self.all.values()
    }

    /// The statements of the roots that stand, by version.
    pub(super) fn standing_roots(&self) -> &[Arc<Statement>] {
        &self.roots
    }

    /// Roots that contradict one that stands, by version.
    pub(super) fn rivals(&self) -> &BTreeMap<u64, StatementId> {
        &self.rivals
    }

    /// The roots that stand, by version.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter().filter_map(|statement| match statement.body() {
            Body::Root(root) => Some(root),
            _ => None,
        })
    }

    /// Whether `key` is, or was once, one of `node`'s.
    pub(super) fn is_key_of(&self, node: &NodeId, key: &PublicKey) -> bool {
        key.node() == *node || self.lines.has(node, key)
    }

    fn said(&self, kind: StatementKind, key: &PublicKey) -> Amount {
        self.said.get(&(kind, *key)).copied().unwrap_or_default()
    }

    /// A statement is not counted as said by its signers any more.
    fn take_back(&mut self, old: &Statement) {
        for key in old.signers() {
            if let Some(said) = self.said.get_mut(&(old.kind(), *key)) {
                said.count = said.count.saturating_sub(1);
                said.bytes = said.bytes.saturating_sub(old.bytes().len());
            }
        }
    }

    /// What is missing before the statement can be taken up; nothing if it can.
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
            // Any one will do, whatever the threshold.
            Body::Revoke(_) => (true, &[RoleKind::Operator]),
            // A timekeeper could make up any number of names.
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
                return self.lines.lacks(next);
            }
            Body::Checkpoint(checkpoint) => {
                let known = signers.iter().all(|key| self.lines.has(&checkpoint.node, key));
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
            let Some(Body::Root(known)) = self.standing(before).map(|said| said.body()) else {
                return Ok(Some(format!("root version {before} is not known yet")));
            };
            if !meets(known) {
                return Err(Error::Denied(format!(
                    "root version {} is not signed by enough keys of version {before}",
                    next.version
                )));
            }
        }
        if self.rivals.get(&next.version).is_some_and(|rival| rival != id)
            && self.standing(next.version).is_some_and(|standing| standing.id() != *id)
        {
            return Err(Error::Denied(format!(
                "root version {} stands and was contradicted already, which is proof enough",
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

    /// What is not to be kept once `statement` is: only some of what is said again and again counts.
    fn useless_beside(&self, statement: &Statement) -> Vec<StatementId> {
        let Some(subject) = Subject::of(statement) else { return Vec::new() };
        let others = self.recent.get(&subject).into_iter().flatten().filter(|id| **id != statement.id());
        let all: Vec<&Statement> =
            others.filter_map(|id| self.get(id)).map(|said| &**said).chain([statement]).collect();
        let kept = match subject {
            Subject::Fresh(_) => chosen::newest_by_key(&all, 1),
            Subject::Checkpoint(_) => chosen::newest_by_key(&all, CHECKPOINTS),
            Subject::Claim(..) => chosen::lowest(&all, CLAIMS),
            Subject::Succession(..) => chosen::heirs(&all),
        };
        all.iter().map(|said| said.id()).filter(|id| !kept.contains(id)).collect()
    }

    /// Whether a statement is kept, or would be, only as long as none makes it useless, and one does.
    pub(super) fn is_overtaken(&self, statement: &Statement) -> bool {
        self.get(&statement.id()).is_none() && self.useless_beside(statement).contains(&statement.id())
    }

    /// Whether so many statements on the subject were displaced that no more are. Of two that say the same the one with the lower
    /// id stays, but their signer can make any number of them and bring them in any order: without this bound, each would be news.
    fn is_displaced_often(&self, statement: &Statement, more: usize) -> bool {
        let subject = Subject::of(statement).filter(|_| more > 0 && !statement.kind().is_passing());
        let before = |subject| self.displaced.get(&subject).copied().unwrap_or(0);
        subject.map(before).is_some_and(|before| before + more > DISPLACED)
    }

    /// A statement makes another useless. What the other said of keys stays known, since one that is kept says the same.
    fn displace(&mut self, id: &StatementId) {
        let Some(old) = self.all.remove(id) else { return };
        let subject = Subject::of(&old);
        if old.kind().is_passing() {
            self.take_back(&old);
        } else if let Some(subject) = subject.clone() {
            // It stays counted as said by its signers: what a key may say does not grow because it is displaced.
            *self.displaced.entry(subject).or_default() += 1;
        }
        if let Some(all) = subject.and_then(|subject| self.recent.get_mut(&subject)) {
            all.remove(id);
        }
        if let Body::Succession(next) = old.body() {
            self.lines.forget(next);
        }
    }
}

#[cfg(test)]
mod tests;
