//! Makes the statements that a node needs, with the next sequence. It signs and decides nothing: a new
//! statement is offered to the [`Library`] like any other.

use crate::{
    error::{Error, Result},
    id::{LibraryId, ManifestId, NodeId, Salt, StatementId},
    limits::SEQUENCE_JUMP,
    statement::{
        Body, Channel, Checkpoint, Fresh, Header, Key, Library, Member, Policy, PublicKey, Release,
        ReleaseClass, Revoke, Role, RoleKind, Root, Statement, StatementKind, Succession, TicketTerms,
        envelope::unsigned,
    },
};

/// The keys of a new library, one for each role, each 1 of 1. None of them is a node's key, so a thief of a
/// node can neither publish nor admit.
#[derive(Clone, Copy, Debug)]
pub struct Founders<'a> {
    /// Signs the next root: take it offline.
    pub root: &'a Key,
    /// Signs tickets, members and channel switches.
    pub operator: &'a Key,
    /// Signs releases.
    pub publisher: &'a Key,
}

/// Founds a library. `nonce` is random; it makes the id differ from that of any other library.
pub fn found(name: &str, keys: Founders<'_>, nonce: Salt, now_ms: i64) -> Result<(LibraryId, Statement)> {
    let body = Body::Root(Root {
        version: 1,
        nonce,
        name: name.to_owned(),
        expires_ms: 0,
        roles: vec![
            Role::any_of(RoleKind::Root, [keys.root.public()]),
            Role::any_of(RoleKind::Operator, [keys.operator.public()]),
            Role::any_of(RoleKind::Publisher, [keys.publisher.public()]),
        ],
        pins: Vec::new(),
        lists: Vec::new(),
    });
    let header = Header { library: None, sequence: 1, time_ms: now_ms };
    let root = Statement::sign(header, &body, &[keys.root])?;
    Ok((root.library(), root))
}

/// Makes a release after `parents`, which must be effective in `library`.
pub fn release(
    library: &Library,
    publisher: &Key,
    parents: Vec<StatementId>,
    manifest: ManifestId,
    message: &str,
    now_ms: i64,
) -> Result<Statement> {
    release_of_classes(library, publisher, parents, (manifest, Vec::new()), message, now_ms)
}

/// Makes a release that lists its classes, for a library with publishers that are limited to some classes.
pub fn release_of_classes(
    library: &Library,
    publisher: &Key,
    mut parents: Vec<StatementId>,
    (manifest, classes): (ManifestId, Vec<ReleaseClass>),
    message: &str,
    now_ms: i64,
) -> Result<Statement> {
    parents.sort_unstable();
    parents.dedup();
    if let Some(parent) = parents.iter().find(|parent| library.release(parent).is_none()) {
        return Err(Error::Missing(format!(
            "release {} is not held here; pull the library first",
            parent.short()
        )));
    }
    let highest = highest_release(library, &publisher.public(), &parents);
    let body = Body::Release(Release { parents, manifest, message: message.to_owned(), classes });
    sign_next(library, highest, now_ms, &body, publisher)
}

/// The highest sequence that a release after `parents` must go above. It is the highest of: the sequences of
/// the parents; those of all releases that the publisher signed, so that no two of a key share one; and those
/// of other releases, so that people can tell releases apart by sequence. Sequences of others that would be a
/// jump are ignored, since a limited publisher's release is not effective beyond a jump.
fn highest_release(library: &Library, publisher: &PublicKey, parents: &[StatementId]) -> u64 {
    let all = library.set.iter().filter(|statement| statement.kind() == StatementKind::Release);
    let (own, others): (Vec<&Statement>, Vec<&Statement>) = all
        .map(|statement| &**statement)
        .partition(|said| parents.contains(&said.id()) || said.signers().any(|key| key == publisher));
    let highest = own.iter().map(|statement| statement.sequence()).max().unwrap_or(0);
    let within = highest.saturating_add(SEQUENCE_JUMP);
    let others = others.iter().map(|statement| statement.sequence()).filter(|sequence| *sequence < within);
    others.max().unwrap_or(0).max(highest)
}

/// A statement before it is signed, with the next sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// Its library, sequence and time.
    pub header: Header,
    /// Its body.
    pub body: Body,
}

impl Proposed {
    /// An operator statement that moves a channel: it begins a term.
    pub fn channel(library: &Library, channel: Channel, now_ms: i64) -> Self {
        let highest = library.channel_highest(&channel.name);
        Self::after(library, highest, Body::Channel(Channel { term: None, ..channel }), now_ms)
    }

    /// An operator statement about the rights of a node.
    pub fn member(library: &Library, member: Member, now_ms: i64) -> Self {
        let highest = library.member_highest(&member.node);
        Self::after(library, highest, Body::Member(member), now_ms)
    }

    /// A ticket's statement.
    pub fn ticket(library: &Library, terms: TicketTerms, now_ms: i64) -> Self {
        Self::after(library, 0, Body::Ticket(terms), now_ms)
    }

    /// A policy: how classes are to be kept.
    pub fn policy(library: &Library, policy: Policy, now_ms: i64) -> Self {
        Self::after(library, library.policy_highest(), Body::Policy(policy), now_ms)
    }

    /// A revocation of a node: it ends all grants of operators so far, and every ticket that the node joined
    /// with.
    pub fn revoke(library: &Library, node: NodeId, reason: &str, now_ms: i64) -> Self {
        let highest = library.member_highest(&node);
        let body = Revoke { node, up_to: highest.saturating_add(1), reason: reason.to_owned() };
        Self::after(library, highest, Body::Revoke(body), now_ms)
    }

    /// The id that it has as a statement, whatever keys sign. Fails where it breaks a rule of its form.
    pub fn id(&self) -> Result<StatementId> {
        Ok(StatementId::of(&unsigned(&self.header, &self.body)?))
    }

    /// Signs it with at least one key.
    pub fn sign(&self, keys: &[&Key]) -> Result<Statement> {
        Statement::sign(self.header, &self.body, keys)
    }

    fn after(library: &Library, highest: u64, body: Body, now_ms: i64) -> Self {
        let sequence = highest.saturating_add(1);
        Self { header: Header { library: Some(library.id()), sequence, time_ms: now_ms }, body }
    }
}

/// Moves a channel: the sequence follows the highest of that name. A publisher's statement names the
/// operator's last statement as its term.
pub fn channel(library: &Library, signer: &Key, channel: Channel, now_ms: i64) -> Result<Statement> {
    if library.is_operator(&signer.public()) {
        return Proposed::channel(library, channel, now_ms).sign(&[signer]);
    }
    let term = library.term(&channel.name);
    let highest = library.channel_highest(&channel.name);
    sign_next(library, highest, now_ms, &Body::Channel(Channel { term, ..channel }), signer)
}

/// Makes a node a member: signed by an operator, or by a redeemer of the ticket that `member` names.
pub fn member(library: &Library, signer: &Key, member: Member, now_ms: i64) -> Result<Statement> {
    match member.ticket {
        None => Proposed::member(library, member, now_ms).sign(&[signer]),
        Some(_) => sign_next(library, 0, now_ms, &Body::Member(member), signer),
    }
}

/// Makes a ticket's statement.
pub fn ticket(library: &Library, operator: &Key, terms: TicketTerms, now_ms: i64) -> Result<Statement> {
    Proposed::ticket(library, terms, now_ms).sign(&[operator])
}

/// Makes the library's next policy: how classes are to be kept.
pub fn policy(library: &Library, operator: &Key, policy: Policy, now_ms: i64) -> Result<Statement> {
    Proposed::policy(library, policy, now_ms).sign(&[operator])
}

/// Revokes a node: ends all grants of operators so far, and every ticket that the node joined with.
pub fn revoke(
    library: &Library,
    operator: &Key,
    node: NodeId,
    reason: &str,
    now_ms: i64,
) -> Result<Statement> {
    Proposed::revoke(library, node, reason, now_ms).sign(&[operator])
}

/// Confirms that the known current statement of `channel` is the newest.
pub fn fresh(library: &Library, timekeeper: &Key, channel: &str, now_ms: i64) -> Result<Statement> {
    let current = library.channel(channel).ok_or_else(|| {
        Error::Missing(format!("channel {channel} is not known here; pull the library first"))
    })?;
    let before = library.fresh_by(&timekeeper.public(), channel).map_or(0, Statement::sequence);
    let body = Body::Fresh(Fresh { channel: channel.to_owned(), statement: current.statement.id() });
    sign_next(library, before, now_ms, &body, timekeeper)
}

/// Replaces the key of `node`; `old` stays valid for `grace_ms`.
pub fn succession(
    library: &Library,
    node: NodeId,
    old: &Key,
    new: &Key,
    grace_ms: u64,
    now_ms: i64,
) -> Result<Statement> {
    let body = Body::Succession(Succession { node, old: old.public(), new: new.public(), grace_ms });
    let header = Header { library: Some(library.id()), sequence: 1, time_ms: now_ms };
    Statement::sign(header, &body, &[old, new])
}

/// Fixes the audit log of `node` up to its last record.
pub fn checkpoint(
    library: &Library,
    node_key: &Key,
    checkpoint: Checkpoint,
    now_ms: i64,
) -> Result<Statement> {
    let before = checkpoint.count.saturating_sub(1);
    sign_next(library, before, now_ms, &Body::Checkpoint(checkpoint), node_key)
}

fn sign_next(library: &Library, current: u64, now_ms: i64, body: &Body, key: &Key) -> Result<Statement> {
    let header = Header { library: Some(library.id()), sequence: current.saturating_add(1), time_ms: now_ms };
    Statement::sign(header, body, &[key])
}
