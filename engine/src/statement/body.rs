//! The bodies by kind. This module owns the dispatch from a kind to its codec, nothing else.

use crate::{
    error::Result,
    statement::{
        StatementKind, channel::Channel, checkpoint::Checkpoint, fresh::Fresh, member::Member, pins::Pins,
        policy::Policy, release::Release, revoke::Revoke, root::Root, succession::Succession,
        terms::TicketTerms, wire::Reader,
    },
};

/// The body of a statement, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The keys of the roles.
    Root(Root),
    /// A version of the library.
    Release(Release),
    /// The release to which a channel points.
    Channel(Channel),
    /// A node and its grant.
    Member(Member),
    /// The terms of a ticket.
    Ticket(TicketTerms),
    /// The revocation of a node.
    Revoke(Revoke),
    /// The current statement of a channel, as a timekeeper saw it.
    Fresh(Fresh),
    /// A node's next key.
    Succession(Succession),
    /// The length and last record of a node's audit log.
    Checkpoint(Checkpoint),
    /// How classes are to be kept.
    Policy(Policy),
    /// Revocations that stay effective although a root removed their key.
    Pins(Pins),
}

impl Body {
    /// The kind in the envelope.
    pub const fn kind(&self) -> StatementKind {
        match self {
            Body::Root(_) => StatementKind::Root,
            Body::Release(_) => StatementKind::Release,
            Body::Channel(_) => StatementKind::Channel,
            Body::Member(_) => StatementKind::Member,
            Body::Ticket(_) => StatementKind::Ticket,
            Body::Revoke(_) => StatementKind::Revoke,
            Body::Fresh(_) => StatementKind::Fresh,
            Body::Succession(_) => StatementKind::Succession,
            Body::Checkpoint(_) => StatementKind::Checkpoint,
            Body::Policy(_) => StatementKind::Policy,
            Body::Pins(_) => StatementKind::Pins,
        }
    }

    pub(crate) fn decode(kind: StatementKind, bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, kind.name());
        let body = match kind {
            StatementKind::Root => Body::Root(Root::decode(&mut reader)?),
            StatementKind::Release => Body::Release(Release::decode(&mut reader)?),
            StatementKind::Channel => Body::Channel(Channel::decode(&mut reader)?),
            StatementKind::Member => Body::Member(Member::decode(&mut reader)?),
            StatementKind::Ticket => Body::Ticket(TicketTerms::decode(&mut reader)?),
            StatementKind::Revoke => Body::Revoke(Revoke::decode(&mut reader)?),
            StatementKind::Fresh => Body::Fresh(Fresh::decode(&mut reader)?),
            StatementKind::Succession => Body::Succession(Succession::decode(&mut reader)?),
            StatementKind::Checkpoint => Body::Checkpoint(Checkpoint::decode(&mut reader)?),
            StatementKind::Policy => Body::Policy(Policy::decode(&mut reader)?),
            StatementKind::Pins => Body::Pins(Pins::decode(&mut reader)?),
        };
        reader.finish()?;
        body.check()?;
        Ok(body)
    }

    /// The canonical bytes; fails where a field breaks a rule.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        self.check()?;
        Ok(self.encode_unchecked())
    }

    pub(crate) fn encode_unchecked(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Body::Root(body) => body.encode(&mut out),
            Body::Release(body) => body.encode(&mut out),
            Body::Channel(body) => body.encode(&mut out),
            Body::Member(body) => body.encode(&mut out),
            Body::Ticket(body) => body.encode(&mut out),
            Body::Revoke(body) => body.encode(&mut out),
            Body::Fresh(body) => body.encode(&mut out),
            Body::Succession(body) => body.encode(&mut out),
            Body::Checkpoint(body) => body.encode(&mut out),
            Body::Policy(body) => body.encode(&mut out),
            Body::Pins(body) => body.encode(&mut out),
        }
        out
    }

    fn check(&self) -> Result<()> {
        match self {
            Body::Root(body) => body.check(),
            Body::Release(body) => body.check(),
            Body::Channel(body) => body.check(),
            Body::Member(body) => body.check(),
            Body::Ticket(body) => body.check(),
            Body::Revoke(body) => body.check(),
            Body::Fresh(body) => body.check(),
            Body::Succession(body) => body.check(),
            Body::Checkpoint(body) => body.check(),
            Body::Policy(body) => body.check(),
            Body::Pins(body) => body.check(),
        }
    }
}
