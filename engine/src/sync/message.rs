//! The control messages of the sync protocol and the rules their fields must keep.
//!
//! Owns the fields of a hello, a request, an end and a refusal, and the bounds of every count and text in
//! them ([`limits`]). Must not know how messages are framed ([`frame`](super::frame)) nor how they are
//! processed. They are `bincode`: no message is hashed, signed or stored. Variants and fields are encoded in
//! the order of their declaration; the golden tests below check this order. New ones go to the end.

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

/// The protocol's version, that of the ALPN `chuan/2`. A hello has it, and its receiver compares it.
pub const VERSION: u16 = 2;

/// Bytes of the length prefix of a list or text of at most [`HELLO_BYTES`](limits::HELLO_BYTES).
const LENGTH_BYTES: usize = 3;

/// The dialler's first message, before any answer, on a stream of its own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// [`VERSION`] of the sender.
    pub version: u16,
    /// The sender; the receiver checks it against the key that the handshake proved.
    pub node: NodeId,
    /// Addresses at which the sender believes it can be reached, `host:port` in printable ASCII; hints only.
    pub addresses: Vec<String>,
    /// A display name, by the rule of names in statements; may be empty.
    pub name: String,
    /// Envelopes that prove the sender's membership (its member and ticket statements), as received.
    pub statements: Vec<Vec<u8>>,
    /// The kinds of statements that the sender knows; no others are sent to it.
    pub kinds: Kinds,
}

/// A request; each on a bidirectional stream of its own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// Pulls a release; the requester sends what it has.
    Pull(Pull),
    /// Pages of one class by position.
    Pages {
        /// The library.
        library: LibraryId,
        /// The class, in one of the releases of the library.
        commitment: Commitment,
        /// At least one, at most [`REQUEST_POSITIONS`](limits::REQUEST_POSITIONS).
        positions: Vec<PagePosition>,
    },
    /// Chunks of one class by ordinal.
    Chunks {
        /// The library.
        library: LibraryId,
        /// The class, in one of the releases of the library.
        commitment: Commitment,
        /// Runs of class-wide chunk ordinals.
        scope: Scope,
        /// Versions of the class that the requester holds whole, newest first: bases for deltas. At most
        /// [`FETCH_HAVE`](limits::FETCH_HAVE).
        have: Vec<Commitment>,
        /// Whether the answerer saves bytes or time.
        packing: Packing,
    },
    /// Asks for membership.
    Join(Join),
    /// One step of an exchange of statements.
    Exchange {
        /// The library.
        library: LibraryId,
        /// The message.
        talk: Talk,
    },
    /// Asks where other members are reached. The answer is a [`Hello`] of each, at most
    /// [`ANSWER_PEERS`](limits::ANSWER_PEERS); hints only.
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
    /// Names of the wanted classes; empty for all that the requester is granted.
    pub classes: Vec<String>,
    /// Class commitments that the requester holds whole, newest first. A false one costs round trips, never
    /// correctness.
    pub have: Vec<Commitment>,
    /// Statements of the library that the requester holds and that need not be sent: its channel's, its
    /// newest releases' and its newest root's.
    pub known: Vec<StatementId>,
    /// The chunks to send, by class-wide ordinal; all chunks if `None`.
    pub scope: Option<Scope>,
    /// How much to send where the answerer knows no commitment in `have`.
    pub mode: Mode,
    /// Bytes of pages and chunks after which the answer may end, incomplete; `u64::MAX` for no bound.
    pub budget: u64,
    /// Whether the answerer saves bytes or time.
    pub packing: Packing,
    /// The release to which the wanted channel points by the newest statement that the requester knows. An
    /// answerer that has neither this release nor a newer one answers with a [`Holding`] and sends no data.
    /// If `None`, the answerer sends the release that it has.
    pub announced: Option<StatementId>,
}

/// Whether an answer saves bytes on the link, or the time that packing takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Packing {
    /// Saves bytes, as long as packing is at least as fast as the link.
    #[default]
    Auto,
    /// Always saves bytes.
    Smallest,
    /// Saves time: no compression and no deltas.
    Fastest,
}

/// The wanted release.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Want {
    /// The release to which the channel of this name points at the answerer.
    Channel(String),
    /// The release of this id.
    Release(StatementId),
}

/// How much an answerer sends when it has none of the versions that the requester has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Mode {
    /// The root pages only: the requester holds parts of the release and requests the rest by position.
    Pages,
    /// The whole release, depth-first.
    All,
}

/// Runs (first, count) of class-wide chunk ordinals: ascending, not touching, none empty; at most
/// [`REQUEST_POSITIONS`](limits::REQUEST_POSITIONS).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Scope(pub Vec<(u64, u64)>);

/// Asks for membership, from the node that redeems a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Join {
    /// The library.
    pub library: LibraryId,
    /// The ticket's statement.
    pub ticket: StatementId,
    /// A display name.
    pub name: String,
    /// The role that the joiner asks for, as the tag in a member statement.
    pub role: u8,
    /// The ticket key's signature over the binding of the ticket to this joiner and this connection.
    pub proof: [u8; 64],
}

/// Closes an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct End {
    /// Whether all requested data that is held was sent. If false, the budget ran out or some data could not
    /// be read.
    pub complete: bool,
    /// Chunks sent.
    pub chunks: u64,
    /// Their raw bytes.
    pub chunk_bytes: u64,
}

/// The releases that an answerer has where it does not have the wanted one. An answer without data has a
/// `Holding`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Holding {
    /// The newest statement about the wanted channel that the answerer knows; `None` where it knows no such
    /// channel.
    pub heard: Option<StatementId>,
    /// Releases of which the answerer holds all classes that the requester is granted and that the answerer
    /// holds at all; newest first, at most [`ANSWER_HELD`](limits::ANSWER_HELD).
    pub held: Vec<StatementId>,
}

/// Ends an answer with an error.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Refusal {
    /// The reason, for programs.
    pub code: ErrorCode,
    /// The reason, for people; empty where it would reveal something to a node that is not a member.
    pub text: String,
}

/// The reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ErrorCode {
    /// The requester is not a member of the library, or the library is not here: the same answer for both.
    /// For a node that redeems a ticket, the text says what is wrong with the ticket.
    Denied,
    /// Not held here, or not granted: the same answer for both.
    NotFound,
    /// The request breaks a rule.
    Invalid,
    /// The answerer is overloaded; try again later.
    Busy,
    /// The answerer failed.
    Internal,
    /// The protocol versions do not match.
    Version,
    /// An operator revoked the requester. The text is the time of that, in milliseconds since 1970.
    Revoked,
}

impl Hello {
    /// Keeps as many of `statements`, from the end, as fit a hello. The last ones matter most, since they
    /// lead to the sender's current key.
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

    /// Decodes a hello and checks its bounds, and that its texts can be displayed safely.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        at_most("bytes of a hello", bytes.len(), limits::HELLO_BYTES)?;
        // The decoder counts the memory of its vectors, which is more than their encoded bytes.
        let hello: Self = codec::decode::<_, { 2 * limits::HELLO_BYTES }>(bytes)?;
        at_most("addresses", hello.addresses.len(), limits::ADDRESSES)?;
        // Addresses and name are displayed on terminals.
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

    /// Adds an ordinal that is not below those in the scope.
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

    /// Whether `range` overlaps the scope.
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
    /// Decodes a holding and checks its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let holding: Self = codec::decode::<_, { limits::FRAME_HOLDING_BYTES }>(bytes)?;
        at_most("releases", holding.held.len(), limits::ANSWER_HELD)?;
        Ok(holding)
    }
}

impl Refusal {
    /// A refusal with a reason for people; the text is cut at [`REFUSAL_BYTES`](limits::REFUSAL_BYTES).
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        let mut text = text.into();
        let end = (0..=limits::REFUSAL_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        Self { code, text }
    }

    /// The refusal for an error: its kind, and no details of this node.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Denied(_) | Error::Trespass(_) => Self::new(ErrorCode::Denied, ""),
            // An object that is damaged here is as little use to a peer as one that is not held.
            Error::Missing(_) | Error::Corrupt(_) => Self::new(ErrorCode::NotFound, ""),
            Error::Invalid(text) | Error::Peer(text) => Self::new(ErrorCode::Invalid, text.as_str()),
            Error::Busy(_) => Self::new(ErrorCode::Busy, ""),
            Error::Revoked { at_ms } => Self::new(ErrorCode::Revoked, at_ms.to_string()),
            _ => Self::new(ErrorCode::Internal, ""),
        }
    }

    /// Decodes a refusal and checks its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let refusal: Self = codec::decode::<_, { limits::FRAME_SMALL_BYTES }>(bytes)?;
        at_most("bytes of a refusal", refusal.text.len(), limits::REFUSAL_BYTES)?;
        Ok(refusal)
    }

    /// The error that the refusal means to the requester. Control characters in the peer's text are dropped,
    /// because it goes to a terminal or a log.
    pub fn into_error(self) -> Error {
        let text: String = self.text.chars().filter(|c| !c.is_control()).collect();
        if self.code == ErrorCode::Revoked {
            return Error::Revoked { at_ms: text.parse().unwrap_or(0) };
        }
        if self.code == ErrorCode::Denied && !text.is_empty() {
            return Error::Denied(text);
        }
        let text = if text.is_empty() { text } else { format!(" (the peer says: {text})") };
        match self.code {
            ErrorCode::Denied => Error::Denied(format!(
                "the peer does not know this node as a member; get a ticket and run `chuan join`{text}"
            )),
            ErrorCode::NotFound => {
                Error::Missing(format!("the peer does not have the requested data; try another source{text}"))
            }
            ErrorCode::Invalid => Error::Peer(format!("the peer refused the request as malformed{text}")),
            ErrorCode::Busy => Error::Busy(format!("the peer is busy; try again later{text}")),
            ErrorCode::Internal => Error::Peer(format!("the peer failed; look at its log{text}")),
            ErrorCode::Revoked => Error::Revoked { at_ms: 0 },
            ErrorCode::Version => Error::Peer(format!("the peer uses another version of the protocol{text}")),
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
