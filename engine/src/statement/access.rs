//! Access: the one place that decides what a node may do in a library. Pure: a decision depends on the
//! library's statements and on the time only.
//!
//! Every request of a peer passes [`decide`] before it is answered, and an answer that runs for long asks
//! [`Access::is_valid`] again. A node uses the same rules for itself, to know which classes it may pull.

use super::{Classes, Library, PublicKey, Verbs};
use crate::{
    error::{Error, Result},
    id::NodeId,
};

/// An act in a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act<'a> {
    /// To get and to send statements, and the addresses of members.
    Exchange,
    /// To read the content of the class of this name.
    Read(&'a str),
}

/// The answer to whether a node may do an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allowed,
    /// The key is not the node's, or no longer.
    KeyReplaced,
    /// The node has no grant that is effective now: it never had one, it ended, or the node is suspended.
    NotMember,
    /// An operator revoked the node, and no later statement grants it anything.
    Revoked {
        /// When the revocation was signed, in milliseconds since 1970.
        at_ms: i64,
    },
    /// The node is a member, and its grants do not cover the act.
    NotGranted,
}

impl Decision {
    /// Whether the act is allowed.
    pub const fn is_allowed(self) -> bool {
        matches!(self, Decision::Allowed)
    }

    /// The decision as a result.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] where the act is not allowed. The text names no class: a peer must not learn which
    /// there are. [`Error::Revoked`] for a revoked node.
    pub fn into_result(self) -> Result<()> {
        Err(Error::Denied(
            match self {
                Decision::Allowed => return Ok(()),
                Decision::Revoked { at_ms } => return Err(Error::Revoked { at_ms }),
                Decision::KeyReplaced => "the peer's key was replaced",
                Decision::NotMember => "the peer is not a member of the library",
                Decision::NotGranted => "not granted to the peer",
            }
            .into(),
        ))
    }
}

/// Decides whether `node`, which has proved `key`, may do `act` in `library` at `now_ms`, in milliseconds
/// since 1970. Without a `key` only the grants are judged: the caller has checked the key, or the node asks
/// for itself.
pub fn decide(
    library: &Library,
    node: &NodeId,
    key: Option<&PublicKey>,
    act: Act<'_>,
    now_ms: i64,
) -> Decision {
    if let Some(said) = library.revocation(node)
        && key.is_none_or(|key| key.node() == *node || library.has_had_key(node, key))
    {
        return Decision::Revoked { at_ms: said.statement.time_ms() };
    }
    if key.is_some_and(|key| !library.holds_key(node, key, now_ms)) {
        return Decision::KeyReplaced;
    }
    if !library.is_member(node, now_ms) {
        return Decision::NotMember;
    }
    match act {
        Act::Read(class) if !library.may(node, class, Verbs::PULL, now_ms) => Decision::NotGranted,
        Act::Read(_) | Act::Exchange => Decision::Allowed,
    }
}

/// The classes that a node may read at one moment, for an answer that runs for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    node: NodeId,
    key: PublicKey,
    /// The classes of each grant.
    granted: Vec<Classes>,
}

impl Access {
    /// The access of `node` under `key` at `now_ms`.
    pub fn of(library: &Library, node: NodeId, key: PublicKey, now_ms: i64) -> Self {
        Self { node, key, granted: granted(library, &node, now_ms) }
    }

    /// Whether the node still holds its key and everything that it was granted at the beginning.
    pub fn is_valid(&self, library: &Library, now_ms: i64) -> bool {
        let now = granted(library, &self.node, now_ms);
        library.holds_key(&self.node, &self.key, now_ms)
            && self.granted.iter().all(|classes| now.iter().any(|now| classes.within(now)))
    }
}

/// Whether `node` may read every class, whatever its name, as far as its own library tells it. A node that is
/// no member is limited by no grant: it asks for everything, and the source decides.
pub fn expects_all(library: &Library, node: &NodeId) -> bool {
    let mut grants = library.grants(node).map(|said| said.body.classes.is_all()).peekable();
    grants.peek().is_none() || grants.any(|is_all| is_all)
}

/// Whether `node` may read the class of this name, as far as its own library tells it. See [`expects_all`].
pub fn expects(library: &Library, node: &NodeId, class: &str, now_ms: i64) -> bool {
    library.member(node).is_none() || library.may(node, class, Verbs::PULL, now_ms)
}

/// The classes that `node` may read, grant by grant.
fn granted(library: &Library, node: &NodeId, now_ms: i64) -> Vec<Classes> {
    if library.is_suspended(node) {
        return Vec::new();
    }
    let grants = library.grants(node).map(|member| member.body);
    let reads = grants.filter(|grant| grant.is_current(now_ms) && grant.verbs.contains(Verbs::PULL));
    reads.map(|grant| grant.classes.clone()).collect()
}
