//! Statements for attacks: well formed, but without effect, or only with the effect that an attacker's own
//! key has.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use bytes::Bytes;
use chuan_engine::{
    id::{LibraryId, RecordId, Salt},
    limits::{ROLE_KEYS, ROLES},
    statement::{Body, Checkpoint, Classes, Header, Key, NodeRole, Role, RoleKind, Root, Statement},
};

/// The time in milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A key of an attacker, by its number.
pub fn key(number: u16) -> Key {
    let mut seed = [0xa7; 32];
    let [low, high] = number.to_le_bytes();
    (seed[0], seed[1]) = (low, high);
    Key::from_seed(seed)
}

/// The first root of a library that no node has, with `roles` publishers' roles of as many keys as a role may
/// have. All keys differ, so that none is in a cache.
pub fn foreign_root(number: u16, roles: usize) -> Result<Statement> {
    let owner = key(number);
    let publishers = |role: usize| -> Result<Role> {
        let keys = (0..ROLE_KEYS).map(|at| {
            let at = u16::try_from(role * ROLE_KEYS + at).unwrap_or(u16::MAX);
            key(at.wrapping_mul(31).wrapping_add(number)).public()
        });
        let classes = Classes::new(vec![format!("c{role:03}")])?;
        Ok(Role { classes, ..Role::any_of(RoleKind::Publisher, keys) })
    };
    let mut all = vec![Role::any_of(RoleKind::Root, [owner.public()])];
    for role in 0..roles.min(ROLES - 1) {
        all.push(publishers(role)?);
    }
    let mut nonce = [7; 32];
    [nonce[0], nonce[1]] = number.to_le_bytes();
    let root = Root {
        version: 1,
        nonce: Salt::from_bytes(nonce),
        name: "nobodys".into(),
        expires_ms: 0,
        roles: all,
        pins: Vec::new(),
        lists: Vec::new(),
    };
    let header = Header { library: None, sequence: 1, time_ms: now_ms() };
    Ok(Statement::sign(header, &Body::Root(root), &[&owner])?)
}

/// A root that claims to be the second of `library`, nearly as large as a statement may be. Only its own key
/// signs it.
pub fn next_root(library: LibraryId, number: u16) -> Result<Bytes> {
    let first = foreign_root(number, 60)?;
    let Body::Root(root) = first.body() else { anyhow::bail!("no root") };
    let root = Root { version: 2, ..root.clone() };
    let header = Header { library: Some(library), sequence: 2, time_ms: now_ms() };
    Ok(Statement::sign(header, &Body::Root(root), &[&key(number)])?.bytes().clone())
}

/// A checkpoint of the log of `key`'s node: valid in every library of which that node is a member.
pub fn checkpoint(library: LibraryId, key: &Key, count: u64) -> Result<Statement> {
    let mut head = [0; 32];
    head[..8].copy_from_slice(&count.to_le_bytes());
    let body = Checkpoint { node: key.node(), count, head: RecordId::from_bytes(head) };
    let header = Header { library: Some(library), sequence: count, time_ms: now_ms() };
    Ok(Statement::sign(header, &Body::Checkpoint(body), &[key])?)
}

/// The same statement with an unknown kind.
pub fn of_unknown_kind(statement: &Statement, library: LibraryId) -> Bytes {
    let mut bytes = statement.bytes().to_vec();
    if let Some(kind) = bytes.get_mut(5) {
        *kind = 63;
    }
    if let Some(place) = bytes.get_mut(8..40) {
        place.copy_from_slice(library.as_bytes());
    }
    bytes.into()
}

/// The tag of a mirror in a request to join.
pub const MIRROR: u8 = NodeRole::Mirror as u8;
