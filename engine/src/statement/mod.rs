//! Statements: anything anyone may say about a library, signed over its exact bytes.
//!
//! # The trust model
//!
//! A library begins with a **root**: a statement that names public keys and what each may vouch for. Its hash is the
//! [`LibraryId`](crate::id::LibraryId), so who knows the id needs to trust nobody for the rest: every other statement
//! is checked, through its signatures, against the root. It never matters who brought a statement, or in which order.
//!
//! - The **root** keys sign the next root, and nothing else. Version n + 1 needs the thresholds of both n and n + 1.
//! - **Publisher** keys sign **releases**: this manifest is a version of the library. Content has no other
//!   authority. From a release on, every byte is checked by hash.
//! - **Operator** keys say who belongs to the library (**members**, **tickets**) and where its **channels** stand. The
//!   active publisher moves a channel too.
//! - A **node** key identifies a machine in TLS, and may turn a ticket that names it as redeemer into a member
//!   statement. Who steals it can pull what that node could; it can publish, roll back and admit nothing.
//!
//! A channel is the only thing with a memory of order: its sequence never goes back, so an old statement played again
//! changes nothing. Going back to an older release is a newer statement.
//!
//! To join, someone is handed a [`Ticket`]: a text with a secret key. The operator's ticket statement names its
//! public half and what it is good for. The joiner proves the key over its TLS connection ([`Proof`]) and the redeemer
//! answers with a member statement, which anybody can check offline against the ticket statement and the root. A ticket
//! is good for as many nodes as it says; where more joined with it, all of them are suspended until an operator decides.
//!
//! Times are labels. A root that should have been renewed still counts, a release never expires; only a ticket
//! (when it is redeemed) and a membership that says so end at a time, and the caller brings the clock.
//!
//! # Where things are
//!
//! [`key`] has keys and signatures, [`envelope`] the form of every statement, [`heading`] what is read of it first,
//! [`kinds`] which kinds a node knows, [`body`] what each kind says
//! ([`root`], [`release`], [`channel`], [`member`], [`terms`], with [`scope`] for classes and verbs), [`library`] the rules and
//! the constructors, [`ticket`] and [`proof`] the way in, [`draft`] and [`bundle`] the files that go by hand,
//! [`fingerprint`] what people compare, [`legacy`] what a removed key leaves behind. Nothing here reads a clock, randomness or a disk. What is parsed
//! may come from anybody: parsing never panics and allocates no more than in proportion to its input.

mod amend;
mod author;
pub mod body;
pub mod bundle;
pub mod channel;
pub mod checkpoint;
pub mod draft;
pub mod envelope;
pub mod fields;
pub mod fingerprint;
pub mod fresh;
pub mod heading;
pub mod inventory;
pub mod key;
pub mod kinds;
pub mod legacy;
pub mod library;
pub mod limited;
mod lines;
pub mod member;
mod pins;
pub mod policy;
mod pool;
pub mod proof;
mod query;
pub mod rate;
pub mod region;
pub mod release;
pub mod request;
pub mod revoke;
pub mod root;
pub mod scope;
mod state;
pub mod succession;
pub mod terms;
#[cfg(test)]
pub(crate) mod tests;
pub mod ticket;
pub(crate) mod wire;

use crate::error::{Error, Result};

pub use body::Body;
pub use bundle::Bundle;
pub use channel::Channel;
pub use checkpoint::Checkpoint;
pub use draft::Draft;
pub use envelope::{Header, Statement};
pub use fields::Field;
pub use fingerprint::Fingerprint;
pub use fresh::Fresh;
pub use heading::Heading;
pub use key::{Key, PublicKey, Signature};
pub use kinds::Kinds;
pub use library::{Accepted, Library};
pub use member::{Member, NodeRole};
pub use pins::Pins;
pub use policy::{ClassPolicy, Mirror, Policy};
pub use proof::Proof;
pub use query::Said;
pub use rate::Rates;
pub use region::Region;
pub use release::{Release, ReleaseClass};
pub use request::Request;
pub use revoke::Revoke;
pub use root::{Role, RoleKind, Root};
pub use scope::{Classes, Verbs};
pub use state::{Conflict, ConflictKind};
pub use succession::Succession;
pub use terms::TicketTerms;
pub use ticket::Ticket;
pub use wire::check_address;

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
    // 6 is kept free: a join is a member statement that names its ticket.
    /// Ends a node's memberships.
    Revoke = 7,
    /// Says when a channel was seen to stand where it stands.
    Fresh = 8,
    /// Replaces a node's key.
    Succession = 9,
    /// Fixes a node's audit log up to a record.
    Checkpoint = 10,
    /// Says how classes are to be kept.
    Policy = 11,
    /// Lists revocations that count though a root took their key away.
    Pins = 25,
}

/// Tags that later kinds will have: below 64, since nodes tell each other as a set of bits which kinds they know. A tag that
/// was given away is never used for anything else.
pub const RESERVED_KINDS: [(u8, &str); 13] = [
    (12, "entries"),
    (13, "notice"),
    (14, "hold"),
    (15, "role"),
    (16, "rollout"),
    (17, "crisis-declare"),
    (18, "crisis-opening"),
    (19, "crisis-close"),
    (20, "withdraw"),
    (21, "lift"),
    (22, "facts"),
    (23, "observation"),
    (24, "receipt"),
];

impl StatementKind {
    /// All kinds.
    pub const ALL: [StatementKind; 11] = [
        StatementKind::Root,
        StatementKind::Release,
        StatementKind::Channel,
        StatementKind::Member,
        StatementKind::Ticket,
        StatementKind::Revoke,
        StatementKind::Fresh,
        StatementKind::Succession,
        StatementKind::Checkpoint,
        StatementKind::Policy,
        StatementKind::Pins,
    ];

    /// Whether it is said again and again, and only the newest is kept.
    pub const fn is_passing(self) -> bool {
        matches!(self, StatementKind::Fresh | StatementKind::Checkpoint)
    }

    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            StatementKind::Root => "root",
            StatementKind::Release => "release",
            StatementKind::Channel => "channel",
            StatementKind::Member => "member",
            StatementKind::Ticket => "ticket",
            StatementKind::Revoke => "revoke",
            StatementKind::Fresh => "fresh",
            StatementKind::Succession => "succession",
            StatementKind::Checkpoint => "checkpoint",
            StatementKind::Policy => "policy",
            StatementKind::Pins => "pins",
        }
    }

    /// The tag in an envelope.
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// Reads a tag; fails on an unknown one.
    pub fn from_tag(tag: u8) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.tag() == tag).ok_or_else(|| {
            let reserved = RESERVED_KINDS.iter().find(|(reserved, _)| *reserved == tag);
            let name = reserved.map(|(_, name)| format!(" ({name})")).unwrap_or_default();
            Error::Invalid(format!("unknown kind of statement {tag}{name}: a newer chuan wrote this"))
        })
    }
}
