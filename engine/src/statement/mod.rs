//! Statements: anything anyone may say about a library, signed over its exact bytes.
//!
//! (prose follows)

mod author;
pub mod body;
pub mod channel;
pub mod envelope;
mod judge;
pub mod key;
pub mod library;
pub mod member;
pub mod release;
pub mod root;
pub mod scope;
mod standing;
pub mod terms;
#[cfg(test)]
mod tests;
mod wire;

use crate::error::{Error, Result};

pub use body::Body;
pub use channel::Channel;
pub use envelope::{Header, Statement};
pub use key::{Key, PublicKey, Signature};
pub use library::{Accepted, Library, Said};
pub use member::{Member, NodeRole};
pub use release::Release;
pub use root::{Role, RoleKind, Root};
pub use scope::{Classes, Verbs};
pub use terms::TicketTerms;

/// What a statement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum StatementKind {
    /// Names the keys of a library's roles.
    Root = 1,
    /// Says that a manifest is a version of the library.
    Release = 2,
    /// Names the current release of a channel.
    Channel = 3,
    /// Grants a node verbs on classes.
    Member = 4,
    /// Lets whoever holds a key become a member.
    Ticket = 5,
    // 6 to 10 are kept for join, revoke, fresh, succession and checkpoint.
}

impl StatementKind {
    /// All kinds.
    pub const ALL: [StatementKind; 5] = [
        StatementKind::Root,
        StatementKind::Release,
        StatementKind::Channel,
        StatementKind::Member,
        StatementKind::Ticket,
    ];

    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            StatementKind::Root => "root",
            StatementKind::Release => "release",
            StatementKind::Channel => "channel",
            StatementKind::Member => "member",
            StatementKind::Ticket => "ticket",
        }
    }

    /// The tag in an envelope.
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// Reads a tag; fails on an unknown one.
    pub fn from_tag(tag: u8) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.tag() == tag).ok_or_else(|| {
            Error::Invalid(format!("unknown kind of statement {tag}: a newer chuan wrote this"))
        })
    }
}
