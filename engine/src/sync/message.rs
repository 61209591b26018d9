//! The control messages of the sync protocol and the rules their fields must keep.
//!
//! Owns what a hello, a request, an end and a refusal say, and that no count or text in them exceeds its bound in
//! [`limits`]. Must not know how they are framed ([`frame`](super::frame)) nor what they do. They are
//! `bincode`: nothing here is hashed, signed or kept. Variants and fields are encoded in the order they stand in, which
//! the goldens below hold; new ones go to the end.

use std::ops::Range;

use crate::{
    codec::{self, Decode, Encode},
    error::{Error, Result},
    id::{Commitment, LibraryId, NodeId, StatementId},
    limits,
    manifest::position::PagePosition,
    statement::{
        Kinds,
        wire::{check_address, check_name},
    },
    sync::exchange::Talk,
};

/// The protocol's version, that of the ALPN `chuan/2`: what a hello says and its receiver compares.
pub const VERSION: u16 = 2;

/// Bytes that the length of a list or text of at most [`HELLO_BYTES`](limits::HELLO_BYTES) takes.
const LENGTH_BYTES: usize = 3;

/// What the dialler says of itself, before any answer, on a stream of its own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// [`VERSION`] of the sender.
    pub version: u16,
    /// The sender; the receiver checks it against the key that the handshake proved.
    pub node: NodeId,
    /// Where the sender believes it can be reached, `host:port` in printable ASCII; hints only.
    pub addresses: Vec<String>,
    /// A name for people, by the rule of names in statements; may be empty.
    pub name: String,
    /// Envelopes that show the sender's membership (its member and ticket statements), as received.
    pub statements: Vec<Vec<u8>>,
    /// The kinds of statements that the sender knows: it is sent no others.
    pub kinds: Kinds,
}

/// What a requester wants; each on a bidirectional stream of its own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// A release, told from what the requester has.
    Pull(Pull),
    /// Pages of one class by their place.
    Pages {
        /// The library.
        library: LibraryId,
        /// The class, in one of the releases of the library.
        commitment: Commitment,
        /// At most [`REQUEST_POSITIONS`](limits::REQUEST_POSITIONS), at least one.
        positions: Vec<PagePosition>,
    },
    /// Chunks of one class by their place.
    Chunks {
        /// The library.
        library: LibraryId,
        /// The class, in one of the releases of the library.
        commitment: Commitment,
        /// Runs of class-wide chunk ordinals.
        scope: Scope,
        /// Versions of the class that the requester holds whole, newest first: chunks may be made from them. At most
        /// [`FETCH_HAVE`](limits::FETCH_HAVE).
        have: Vec<Commitment>,
        /// What the answerer is to save.
        packing: Packing,
    },
    /// To become a member.
    Join(Join),
    /// One step of an exchange of statements.
    Exchange {
        /// The library.
        library: LibraryId,
        /// What is said.
        talk: Talk,
    },
    /// Where other members are reached: a [`Hello`] of each, at most [`ANSWER_PEERS`](limits::ANSWER_PEERS); hints only.
    Peers {
        /// The library.
        library: LibraryId,
    },
}

/// Asks for a release; see [`Request::Pull`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pull {
    /// The library.
    pub library: LibraryId,
    /// Which release of it.
    pub want: Want,
    /// Names of the classes wanted; empty for all that the requester is granted.
    pub classes: Vec<String>,
    /// Class commitments that the requester holds whole, newest first. A false one costs round trips, never correctness.
    pub have: Vec<Commitment>,
    /// Statements of the library that the requester holds and need not be sent: its channel's, its newest releases' and
    /// its newest root's.
    pub known: Vec<StatementId>,
    /// Which chunks to send, by class-wide ordinal; all without it.
    pub scope: Option<Scope>,
    /// How much to send where no `have` is known to the answerer.
    pub mode: Mode,
    /// Bytes of pages and chunks after which the answer may end, incomplete; `u64::MAX` for no bound.
    pub budget: u64,
    /// What the answerer is to save.
    pub packing: Packing,
    /// The release on which the channel that is wanted stands, as far as the requester has heard. An answerer that has
    /// neither that nor a newer one says what it has, by a [`Holding`], and sends no data. Without it, it sends what it has.
    pub announced: Option<StatementId>,
}

/// What an answer saves: bytes on the way, or the time it takes to save them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Packing {
    /// Bytes, as long as they can be saved as fast as the link would carry them.
    #[default]
    Auto,
    /// Bytes, always.
    Smallest,
    /// Time: nothing is compressed nor made from what the peer has.
    Fastest,
}

/// Which release.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Want {
    /// The one a channel names at the answerer.
    Channel(String),
    /// This one.
    Release(StatementId),
}

/// How much an answerer sends when it knows none of what the requester has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Mode {
    /// The root pages only: the requester holds parts and will ask for the rest by position.
    Pages,
    /// Everything, depth-first.
    All,
}

/// Runs (first, count) of class-wide chunk ordinals: ascending, not touching, none empty; at most
/// [`REQUEST_POSITIONS`](limits::REQUEST_POSITIONS).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Scope(pub Vec<(u64, u64)>);

/// Asks to be made a member by whoever redeems a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Join {
    /// The library.
    pub library: LibraryId,
    /// The ticket's statement.
    pub ticket: StatementId,
    /// A name for people.
    pub name: String,
    /// The role the joiner would like, as the tag in a member statement.
    pub role: u8,
    /// The ticket key's signature over what ties the ticket to this joiner and this connection.
    pub proof: [u8; 64],
}

/// Closes an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct End {
    /// Whether all that was asked for and held was sent; otherwise the budget ran out or something was not readable.
    pub complete: bool,
    /// Chunks sent.
    pub chunks: u64,
    /// Their raw bytes.
    pub chunk_bytes: u64,
}

/// What an answerer has of a library whose wanted release it does not have. An answer that brings no data holds one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Holding {
    /// The statement by which the wanted channel stands now, as far as the answerer has heard; none where it has heard of
    /// no such channel.
    pub heard: Option<StatementId>,
    /// Releases of which it holds all that the requester is granted, as far as it holds those classes at all; newest first,
    /// at most [`ANSWER_HELD`](limits::ANSWER_HELD).
    pub held: Vec<StatementId>,
}

/// Why nothing more comes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Refusal {
    /// The reason, to branch on.
    pub code: ErrorCode,
    /// The reason for people; empty where it would tell a stranger something.
    pub text: String,
}

/// Reasons of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ErrorCode {
    /// The requester is no member of the library, or the library is not here: the same answer for both. To who redeems a
    /// ticket, what is wrong with it.
    Denied,
    /// Not held here, or not granted: the same answer for both.
    NotFound,
    /// The request breaks a rule.
    Invalid,
    /// Too much is going on; try again later.
    Busy,
    /// The answerer failed.
    Internal,
    /// The versions don't go together.
    Version,
}

impl Hello {
    /// Keeps as many of `statements`, the last first, as a hello holds beside the rest of it: the newest matter most, since
    /// they lead to the key that the sender has.
    pub fn with_statements(mut self, statements: impl DoubleEndedIterator<Item = Vec<u8>>) -> Self {
        self.statements.clear();
        let mut room = limits::HELLO_BYTES.saturating_sub(codec::encode(&self).len());
        for statement in statements.rev().take(limits::HELLO_STATEMENTS) {
            let Some(rest) = room.checked_sub(statement.len() + LENGTH_BYTES) else { break };
            room = rest;
            self.statements.push(statement);
        }
        self.statements.reverse();
        self
    }

    /// Decodes a hello and checks its bounds, and that its texts are fit to be shown.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        at_most("bytes of a hello", bytes.len(), limits::HELLO_BYTES)?;
        // The decoder counts what its vectors take in memory, which is more than their bytes.
        let hello: Self = codec::decode::<_, { 2 * limits::HELLO_BYTES }>(bytes)?;
        at_most("addresses", hello.addresses.len(), limits::ADDRESSES)?;
        // Both are shown to people, on terminals.
        hello.addresses.iter().try_for_each(|address| check_address(address))?;
        if !hello.name.is_empty() {
            check_name(&hello.name, "the node name")?;
        }
        at_most("statements", hello.statements.len(), limits::HELLO_STATEMENTS)?;
        Ok(hello)
    }
}

impl Request {
    /// Decodes a request and checks its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let request: Self = codec::decode::<_, { limits::FRAME_CONTROL_BYTES }>(bytes)?;
        match &request {
            Request::Pull(pull) => pull.check()?,
            Request::Pages { positions, .. } => {
                at_least_one("positions", positions.len())?;
                at_most("positions", positions.len(), limits::REQUEST_POSITIONS)?;
            }
            Request::Chunks { scope, have, .. } => {
                at_least_one("ranges", scope.0.len())?;
                scope.check()?;
                at_most("commitments", have.len(), limits::FETCH_HAVE)?;
            }
            Request::Join(join) => at_most("bytes of a name", join.name.len(), limits::NAME_BYTES)?,
            Request::Exchange { talk, .. } => talk.check()?,
            Request::Peers { .. } => {}
        }
        Ok(request)
    }

    /// The library it is about.
    pub fn library(&self) -> &LibraryId {
        match self {
            Request::Pull(pull) => &pull.library,
            Request::Pages { library, .. }
            | Request::Chunks { library, .. }
            | Request::Exchange { library, .. }
            | Request::Peers { library } => library,
            Request::Join(join) => &join.library,
        }
    }
}

impl Pull {
    fn check(&self) -> Result<()> {
        if let Want::Channel(name) = &self.want {
            at_most("bytes of a channel's name", name.len(), limits::NAME_BYTES)?;
        }
        at_most("classes", self.classes.len(), limits::CLASSES)?;
        for class in &self.classes {
            at_most("bytes of a class's name", class.len(), limits::CLASS_NAME_BYTES)?;
        }
        at_most("commitments", self.have.len(), limits::PULL_HAVE)?;
        at_most("known statements", self.known.len(), limits::PULL_KNOWN)?;
        self.scope.as_ref().map_or(Ok(()), Scope::check)
    }
}

impl Scope {
    /// Gathers ascending ordinals into runs.
    pub fn of(ordinals: impl IntoIterator<Item = u64>) -> Self {
        let mut scope = Scope::default();
        for ordinal in ordinals {
            scope.push(ordinal);
        }
        scope
    }

    /// Adds an ordinal that is not below those already there.
    pub fn push(&mut self, ordinal: u64) {
        match self.0.last_mut() {
            Some((first, count)) if ordinal == first.saturating_add(*count) => *count += 1,
            _ => self.0.push((ordinal, 1)),
        }
    }

    /// The runs as ranges.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.0.iter().map(|(first, count)| *first..first.saturating_add(*count))
    }

    /// Whether `ordinal` is in it.
    pub fn contains(&self, ordinal: u64) -> bool {
        ordinal.checked_add(1).is_some_and(|end| self.meets(&(ordinal..end)))
    }

    /// Whether any of `range` is in it.
    pub fn meets(&self, range: &Range<u64>) -> bool {
        let next = self.0.partition_point(|(first, count)| first.saturating_add(*count) <= range.start);
        !range.is_empty() && self.0.get(next).is_some_and(|(first, _)| *first < range.end)
    }

    fn check(&self) -> Result<()> {
        at_most("ranges", self.0.len(), limits::REQUEST_POSITIONS)?;
        let mut free = 0u64;
        for (index, (first, count)) in self.0.iter().enumerate() {
            let end = first.checked_add(*count).filter(|_| *count > 0);
            let apart = index == 0 || *first > free;
            match end {
                Some(end) if apart => free = end,
                _ => {
                    return Err(Error::Invalid(
                        "ranges of a request must ascend, apart and not empty".into(),
                    ));
                }
            }
        }
        Ok(())
    }
}

impl End {
    /// Decodes an end.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        codec::decode::<_, { limits::FRAME_SMALL_BYTES }>(bytes)
    }
}

impl Holding {
    /// Decodes what an answerer holds and checks its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let holding: Self = codec::decode::<_, { limits::FRAME_HOLDING_BYTES }>(bytes)?;
        at_most("releases", holding.held.len(), limits::ANSWER_HELD)?;
        Ok(holding)
    }
}

impl Refusal {
    /// A refusal that says why; the text is cut at [`REFUSAL_BYTES`](limits::REFUSAL_BYTES).
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        let mut text = text.into();
        let end = (0..=limits::REFUSAL_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        Self { code, text }
    }

    /// What a failure looks like to the peer: its kind, and nothing of this node's insides.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Denied(_) | Error::Trespass(_) => Self::new(ErrorCode::Denied, ""),
            Error::Missing(_) => Self::new(ErrorCode::NotFound, ""),
            Error::Invalid(text) | Error::Peer(text) => Self::new(ErrorCode::Invalid, text.as_str()),
            Error::Busy(_) => Self::new(ErrorCode::Busy, ""),
            _ => Self::new(ErrorCode::Internal, ""),
        }
    }

    /// Decodes a refusal and checks its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let refusal: Self = codec::decode::<_, { limits::FRAME_SMALL_BYTES }>(bytes)?;
        at_most("bytes of a refusal", refusal.text.len(), limits::REFUSAL_BYTES)?;
        Ok(refusal)
    }

    /// What the refusal means to the requester. Control characters in the peer's text are dropped: it goes to a
    /// terminal or a log.
    pub fn into_error(self) -> Error {
        let said: String = self.text.chars().filter(|c| !c.is_control()).collect();
        if self.code == ErrorCode::Denied && !said.is_empty() {
            return Error::Denied(said);
        }
        let said = if said.is_empty() { said } else { format!(" (it says: {said})") };
        match self.code {
            ErrorCode::Denied => Error::Denied(format!(
                "the peer takes this node for no member of the library; ask for a ticket and `chuan join` it{said}"
            )),
            ErrorCode::NotFound => {
                Error::Missing(format!("the peer does not have what was asked for; try another source{said}"))
            }
            ErrorCode::Invalid => Error::Peer(format!("the request was refused as malformed{said}")),
            ErrorCode::Busy => Error::Busy(format!("the peer is busy; try again later{said}")),
            ErrorCode::Internal => Error::Peer(format!("the peer failed; look at its log{said}")),
            ErrorCode::Version => {
                Error::Peer(format!("the peer speaks another version of the protocol{said}"))
            }
        }
    }
}

fn at_most(what: &str, count: usize, limit: usize) -> Result<()> {
    if count > limit {
        return Err(Error::Invalid(format!("a message has {count} {what}, more than {limit}")));
    }
    Ok(())
}

fn at_least_one(what: &str, count: usize) -> Result<()> {
    if count == 0 {
        return Err(Error::Invalid(format!("a request names no {what}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
