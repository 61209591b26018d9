//! The bodies by kind. It owns the dispatch from a kind to its codec, nothing else.

use crate::{
    error::Result,
    statement::{
        StatementKind, channel::Channel, member::Member, release::Release, root::Root, terms::TicketTerms,
        wire::Reader,
    },
};

/// What a statement says, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The keys of the roles.
    Root(Root),
    /// A version of the library.
    Release(Release),
    /// Where a channel stands.
    Channel(Channel),
    /// A node and what it may do.
    Member(Member),
    /// What a ticket allows.
    Ticket(TicketTerms),
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
        }
    }
}
