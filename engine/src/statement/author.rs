//! Makes the statements a node needs, with the sequence that comes next. It signs; it decides nothing: what it makes
//! is offered to the [`Library`] like any other.

use crate::{
    error::{Error, Result},
    id::{LibraryId, ManifestId, Salt, StatementId},
    statement::{
        Body, Channel, Header, Key, Library, Member, Release, Role, RoleKind, Root, Statement, TicketTerms,
    },
};

/// The keys of a new library, one a role, each 1 of 1. None of them is a node's key, so that who steals a node can
/// neither publish nor admit.
#[derive(Clone, Copy, Debug)]
pub struct Founders<'a> {
    /// Signs the next root: take it offline.
    pub root: &'a Key,
    /// Signs tickets, members and channel switches.
    pub operator: &'a Key,
    /// Signs releases.
    pub publisher: &'a Key,
}

/// Founds a library. `nonce` is random; it makes the id unlike that of any other library.
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
    });
    let header = Header { library: None, sequence: 1, time_ms: now_ms };
    let root = Statement::sign(header, &body, &[keys.root])?;
    Ok((root.library(), root))
}

/// Makes a release after `parents`, which must stand in `library`.
pub fn release(
    library: &Library,
    publisher: &Key,
    mut parents: Vec<StatementId>,
    manifest: ManifestId,
    message: &str,
    now_ms: i64,
) -> Result<Statement> {
    parents.sort_unstable();
    parents.dedup();
    let mut highest = 0;
    for parent in &parents {
        let said = library.release(parent).ok_or_else(|| {
            Error::Missing(format!("release {} is not held here; pull the library first", parent.short()))
        })?;
        highest = highest.max(said.statement.sequence());
    }
    let body = Body::Release(Release { parents, manifest, message: message.to_owned() });
    sign_next(library, highest, now_ms, &body, publisher)
}

/// Moves a channel: the sequence follows the current statement of that name.
pub fn channel(library: &Library, signer: &Key, channel: Channel, now_ms: i64) -> Result<Statement> {
    let current = library.channel(&channel.name).map_or(0, |said| said.statement.sequence());
    sign_next(library, current, now_ms, &Body::Channel(channel), signer)
}

/// Makes a node a member: signed by an operator, or by a redeemer of the ticket that `member` names.
pub fn member(library: &Library, signer: &Key, member: Member, now_ms: i64) -> Result<Statement> {
    let current = library.member(&member.node).map_or(0, |said| said.statement.sequence());
    sign_next(library, current, now_ms, &Body::Member(member), signer)
}

/// Makes a ticket's statement.
pub fn ticket(library: &Library, operator: &Key, terms: TicketTerms, now_ms: i64) -> Result<Statement> {
    sign_next(library, 0, now_ms, &Body::Ticket(terms), operator)
}

fn sign_next(library: &Library, current: u64, now_ms: i64, body: &Body, key: &Key) -> Result<Statement> {
    let header = Header { library: Some(library.id()), sequence: current.saturating_add(1), time_ms: now_ms };
    Statement::sign(header, body, &[key])
}
