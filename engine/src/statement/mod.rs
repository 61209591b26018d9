//! Statements: signed facts about a library. A signature covers the exact bytes of its statement.
//!
//! # The trust model
//!
//! A library begins with a **root**: a statement that names public keys and the role of each. The hash of the
//! root is the [`LibraryId`](crate::id::LibraryId). A node that has the right id therefore needs no other
//! trust: every other statement is checked, through its signatures, against the root. Neither the sender of a
//! statement nor the order of arrival matters.
//!
//! - The **root** keys sign the next root, and nothing else. Version n + 1 needs the thresholds of both n and
//!   n + 1.
//! - **Publisher** keys sign **releases**: a release says that a manifest is a version of the library.
//!   Content has no other authority. Under a release every byte is checked by hash.
//! - **Operator** keys decide which nodes belong to the library (**members**, **tickets**) and to which
//!   releases its **channels** point. The active publisher moves a channel too.
//! - A **node** key identifies a machine in TLS. It may also turn a ticket that names its node as redeemer
//!   into a member statement. A thief of a node key can pull what that node could pull, but can
//!   neither publish nor roll back nor admit a node.
//!
//! Only a channel depends on order: its sequence never goes back, so a replayed old statement changes
//! nothing. A rollback to an older release is a newer statement.
//!
//! To join, a node needs a [`Ticket`]: a text with a secret key. The operator's ticket statement names the
//! public half of that key and what the ticket allows. The joiner proves the key over its TLS connection
//! ([`Proof`]). The redeemer answers with a member statement, which every node can check offline against the
//! ticket statement and the root. A ticket admits the number of nodes that it states; where more nodes joined
//! with it, all of them are suspended until an operator decides.
//!
//! Times are labels. A root that is past its renewal time stays effective, and a release never expires. Only
//! a ticket (when it is redeemed) and a membership with an end time expire. The caller supplies the clock.
//!
//! # Where things are
//!
//! [`key`] has keys and signatures, [`envelope`] the form of every statement, [`heading`] the fields that are
//! read first, [`kinds`] the kinds that a node knows, [`body`] the contents by kind ([`root`], [`release`],
//! [`channel`], [`member`], [`terms`], with [`scope`] for classes and verbs), [`library`] the rules and the
//! constructors, [`ticket`] and [`proof`] the join, [`draft`] and [`bundle`] the files that are carried by
//! hand, [`fingerprint`] the digits that people compare, [`legacy`] the statements that a removed key leaves
//! behind, [`losses`] the rights that a change takes away. Nothing here reads a clock, randomness or a disk.
//! Parsed input is untrusted: parsing never panics and allocates no more than in proportion to its input.

pub mod access;
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
mod key_chains;
pub mod kinds;
pub mod legacy;
pub mod library;
pub mod limited;
pub mod losses;
pub mod member;
mod moves;
mod pins;
pub mod policy;
pub mod proof;
pub mod publishing;
mod query;
pub mod rate;
pub mod region;
pub mod release;
pub mod request;
pub mod revoke;
pub mod root;
pub mod scope;
mod set;
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
pub use losses::Losses;
pub use member::{Member, NodeRole};
pub use moves::ChannelMove;
pub use pins::Pins;
pub use policy::{ClassPolicy, Mirror, Policy};
pub use proof::Proof;
pub use query::Signed;
pub use rate::Rates;
pub use region::Region;
pub use release::{Release, ReleaseClass, check_message};
pub use request::Request;
pub use revoke::Revoke;
pub use root::{Role, RoleKind, Root};
pub use scope::{Classes, Verbs};
pub use state::{Conflict, ConflictKind};
pub use succession::Succession;
pub use terms::TicketTerms;
pub use ticket::Ticket;
pub use wire::{check_address, check_reachable};

/// The kind of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum StatementKind {
    /// Names the keys of a library's roles.
    Root = 1,
    /// States that a manifest is a version of the library.
    Release = 2,
    /// Names the current release of a channel.
    Channel = 3,
    /// Grants a node verbs on classes.
    Member = 4,
    /// Lets the holder of a key become a member.
    Ticket = 5,
    // 6 is kept free: a join is a member statement that names its ticket.
    /// Ends a node's memberships.
    Revoke = 7,
    /// States when a timekeeper saw the current statement of a channel.
    Fresh = 8,
    /// Replaces a node's key.
    Succession = 9,
    /// Fixes a node's audit log up to a record.
    Checkpoint = 10,
    /// Sets how classes are to be kept.
    Policy = 11,
    /// Lists revocations that stay effective although a root removed their key.
    Pins = 25,
}

/// Tags of later kinds: below 64, since nodes tell each other the kinds that they know as a set of bits. A
/// tag that was given away is never used for anything else.
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

    /// Whether statements of this kind are repeated and only the newest are kept.
    pub const fn is_passing(self) -> bool {
        matches!(self, StatementKind::Fresh | StatementKind::Checkpoint)
    }

    /// The name that people see.
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
