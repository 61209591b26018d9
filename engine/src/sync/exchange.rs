//! Exchange of statements in both directions: afterwards both peers know every statement that either of them
//! knew.
//!
//! ```text
//! digest of all ──►                                 the same? then that was all
//!               ◄── 256 digests, by first byte
//! the ids in those that differ ──►
//!               ◄── statements that were not named; the ids of those that are lacked
//! statements that are lacked ──►
//! ```
//!
//! Each message is a request with an answer. Two peers that know the same statements exchange only a digest.
//! Statements that do not fit one message follow in further ones; a statement comes after the statements that
//! prove it. [`Exchange`] asks and [`answer`] answers. Neither stores a statement: received envelopes go to
//! the owner of the library, which verifies them like any statement.
//!
//! Envelopes are exchanged, not statements: an envelope is a statement with its signers. A known statement
//! with one more signature is a new envelope.
//!
//! Digests, ids and statements cover only the kinds of statements that both sides know. The asker sends its
//! kinds in its hello, the answerer sends the common kinds in its [`Inventory`]. So a node of an earlier
//! version is sent no statement that it cannot read. Two nodes that differ only in the kinds that they know
//! agree after one inventory.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;

use crate::{
    codec::{Decode, Encode},
    error::{Error, Result},
    id::{EnvelopeId, LibraryId, NodeId, SetDigest},
    limits::{
        ANSWER_STATEMENTS, EXCHANGE_BUCKETS, EXCHANGE_BYTES, EXCHANGE_IDS, EXCHANGE_ROUNDS, STATEMENT_BYTES,
    },
    statement::{
        Heading, Kinds, Library, Statement,
        access::{Act, decide},
    },
    sync::{
        frame::Frame,
        message::{End, Request},
    },
};

/// One message of an exchange; see [`Request::Exchange`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Talk {
    /// One digest of all known envelopes of the kinds that the asker knows.
    Digest(SetDigest),
    /// The known envelopes in some buckets, of the kinds that both sides know. Buckets ascend; ids ascend and
    /// lie in these buckets, at most [`EXCHANGE_IDS`].
    Known {
        /// The buckets.
        buckets: Vec<u8>,
        /// The ids of all known envelopes in them.
        ids: Vec<EnvelopeId>,
    },
    /// Envelopes that the other side lacks, at most [`EXCHANGE_BYTES`] in all.
    Offer(Vec<Vec<u8>>),
}

/// The envelopes that an answerer knows; see [`Frame::Inventory`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Inventory {
    /// A digest of each of the [`EXCHANGE_BUCKETS`] buckets; empty in the answer to a request with ids.
    pub buckets: Vec<u64>,
    /// The ids of the request that are not known here; empty in the answer to a digest.
    pub lacks: Vec<EnvelopeId>,
    /// The kinds that both sides know; digests and ids cover only these.
    pub kinds: Kinds,
}

impl Talk {
    /// Checks the bounds of a message, which may come from any peer.
    pub(crate) fn check(&self) -> Result<()> {
        let invalid = |what: &str| Err(Error::Invalid(format!("an exchange {what}")));
        match self {
            Talk::Digest(_) => Ok(()),
            Talk::Known { buckets, ids } => {
                if buckets.is_empty() || !buckets.is_sorted_by(|left, right| left < right) {
                    return invalid("names buckets that do not ascend");
                }
                let in_them = |id: &EnvelopeId| buckets.binary_search(&id.bucket()).is_ok();
                if ids.len() > EXCHANGE_IDS || !ids.is_sorted_by(|a, b| a < b) || !ids.iter().all(in_them) {
                    return invalid("names ids that do not ascend, are not in its buckets, or are too many");
                }
                Ok(())
            }
            Talk::Offer(statements) => {
                let bytes: usize = statements.iter().map(Vec::len).sum();
                if statements.len() > ANSWER_STATEMENTS || bytes > EXCHANGE_BYTES {
                    return invalid("offers too much at once");
                }
                Ok(())
            }
        }
    }
}

impl Inventory {
    /// Decodes an inventory and checks its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let inventory: Self = crate::codec::decode::<_, { crate::limits::FRAME_CONTROL_BYTES }>(bytes)?;
        let whole = inventory.buckets.is_empty() || inventory.buckets.len() == EXCHANGE_BUCKETS;
        let sorted = inventory.lacks.is_sorted_by(|left, right| left < right);
        if !whole || !sorted || inventory.lacks.len() > EXCHANGE_IDS {
            return Err(Error::Peer("malformed inventory".into()));
        }
        Ok(inventory)
    }
}

/// The answer to one message, and the envelopes for the owner of the library.
#[derive(Debug, Default)]
pub struct Reply {
    /// The answer, its end included.
    pub frames: Vec<Frame>,
    /// Envelopes that the peer offered, unverified.
    pub offered: Vec<Bytes>,
}

/// Answers one message of a peer that is a member now. `kinds` are the kinds that both sides know. Offered
/// statements of other kinds, or of another library, are dropped unread.
///
/// # Errors
///
/// [`Error::Denied`] where the peer is not a member, as for every other request.
pub fn answer(library: &Library, kinds: Kinds, talk: Talk, peer: &NodeId, now_ms: i64) -> Result<Reply> {
    decide(library, peer, None, Act::Exchange, now_ms).into_result()?;
    let mut reply = Reply::default();
    let known = library.inventory();
    let mut complete = true;
    match talk {
        Talk::Digest(digest) if digest == known.digest(kinds) => {}
        Talk::Digest(_) => {
            let buckets = (0..=u8::MAX).map(|bucket| known.bucket(kinds, bucket)).collect();
            reply.frames.push(Frame::Inventory(Inventory { buckets, lacks: Vec::new(), kinds }));
        }
        Talk::Known { buckets, ids } => {
            let lacks = ids.iter().filter(|id| !known.contains(id)).copied().collect();
            let (statements, all) = known.missing(library, kinds, &buckets, &ids);
            complete = all;
            reply.frames.extend(statements.into_iter().map(Frame::Statement));
            reply.frames.push(Frame::Inventory(Inventory { buckets: Vec::new(), lacks, kinds }));
        }
        Talk::Offer(statements) => {
            let offered = statements.into_iter().map(Bytes::from);
            reply.offered = offered.filter(|bytes| is_about(bytes, &library.id(), kinds)).collect();
        }
    }
    reply.frames.push(Frame::End(End { complete, ..End::default() }));
    Ok(reply)
}

/// Whether an envelope is of this library and of one of these kinds; reads its heading only.
fn is_about(envelope: &[u8], library: &LibraryId, kinds: Kinds) -> bool {
    let Ok(heading) = Heading::read(envelope) else { return false };
    heading.kind().is_some_and(|kind| kinds.contains(kind)) && heading.library() == *library
}

/// The asking side: one exchange with one peer.
///
/// Send the request that [`poll_request`](Self::poll_request) returns, feed the frames of the answer to
/// [`handle`](Self::handle) until its end, and poll again. The exchange is over when it then returns `None`.
/// [`take_received`](Self::take_received) then returns the received envelopes: at most [`EXCHANGE_ROUNDS`]
/// times [`EXCHANGE_BYTES`].
#[derive(Debug)]
pub struct Exchange {
    library: Arc<Library>,
    /// The kinds that this side knows; after the peer's inventory, the kinds that both sides know.
    kinds: Kinds,
    step: Step,
    /// Buckets still to be compared, the next at the end.
    differing: Vec<u8>,
    /// The request whose answer is outstanding.
    asked: Option<Asked>,
    /// Envelopes that the peer lacks, the next to send at the end.
    lacked: Vec<EnvelopeId>,
    received: Vec<Bytes>,
    /// The ids of the received envelopes.
    received_ids: BTreeSet<EnvelopeId>,
    rounds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Digest,
    Known,
    Offer,
    Done,
}

/// A request whose answer is outstanding, and the parts of the answer that have come.
#[derive(Debug, Default)]
struct Asked {
    buckets: Vec<u8>,
    ids: Vec<EnvelopeId>,
    statements: usize,
    bytes: usize,
    inventory: bool,
    news: bool,
}

impl Exchange {
    /// Begins an exchange of the statements that `library` knows now. `kinds` are the kinds that this node
    /// sent in its hello.
    pub fn new(library: impl Into<Arc<Library>>, kinds: Kinds) -> Self {
        Self {
            library: library.into(),
            kinds,
            step: Step::Digest,
            differing: Vec::new(),
            asked: None,
            lacked: Vec::new(),
            received: Vec::new(),
            received_ids: BTreeSet::new(),
            rounds: 0,
        }
    }

    /// The next request. `None` while an answer is outstanding, and after the last request.
    pub fn poll_request(&mut self) -> Option<Request> {
        if self.asked.is_some() {
            return None;
        }
        let talk = match self.step {
            Step::Digest => Talk::Digest(self.library.inventory().digest(self.kinds)),
            Step::Known => self.known()?,
            Step::Offer => self.offer()?,
            Step::Done => return None,
        };
        self.asked = Some(match &talk {
            Talk::Known { buckets, ids } => {
                Asked { buckets: buckets.clone(), ids: ids.clone(), ..Asked::default() }
            }
            _ => Asked::default(),
        });
        Some(Request::Exchange { library: self.library.id(), talk })
    }

    /// Takes a frame of the answer.
    ///
    /// # Errors
    ///
    /// [`Error::Peer`] where the peer broke the protocol; the [`Error`] that a refusal means.
    pub fn handle(&mut self, frame: Frame) -> Result<()> {
        let Some(asked) = &mut self.asked else {
            return Err(Error::Peer("an exchange frame came without a request".into()));
        };
        match (frame, self.step) {
            (Frame::Inventory(inventory), Step::Digest) => {
                asked.take_inventory(inventory.lacks.is_empty() && !inventory.buckets.is_empty())?;
                let known = self.library.inventory();
                let theirs = inventory.buckets.into_iter();
                let kinds = self.kinds.common(inventory.kinds);
                self.kinds = kinds;
                let differs =
                    |(bucket, theirs): (u8, u64)| (known.bucket(kinds, bucket) != theirs).then_some(bucket);
                self.differing = (0..=u8::MAX).zip(theirs).filter_map(differs).rev().collect();
                Ok(())
            }
            (Frame::Inventory(inventory), Step::Known) => {
                let named = |id: &EnvelopeId| asked.ids.binary_search(id).is_ok();
                let well = inventory.buckets.is_empty() && inventory.lacks.iter().all(named);
                asked.take_inventory(well)?;
                let known = self.library.inventory();
                self.lacked.extend(inventory.lacks.into_iter().filter(|id| known.contains(id)));
                Ok(())
            }
            (Frame::Statement(bytes), Step::Known) => {
                if let Some(id) = asked.take_statement(&bytes, &self.library.id(), self.kinds)?
                    && self.received_ids.insert(id)
                {
                    asked.news = true;
                    self.received.push(bytes);
                }
                Ok(())
            }
            (Frame::End(end), _) => {
                self.end(end.complete);
                Ok(())
            }
            (Frame::Error(refusal), _) => Err(refusal.into_error()),
            (other, _) => {
                Err(Error::Peer(format!("a frame of kind `{}` is out of place in an exchange", other.kind())))
            }
        }
    }

    /// The received envelopes, unverified.
    pub fn take_received(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.received)
    }

    fn end(&mut self, complete: bool) {
        let asked = self.asked.take().unwrap_or_default();
        // The answer stopped early: ask for the rest; the next request names the envelopes that have come.
        if !complete && asked.news {
            self.differing.extend(asked.buckets.into_iter().rev());
        }
        self.rounds += 1;
        self.step = match self.step {
            _ if self.rounds >= EXCHANGE_ROUNDS => Step::Done,
            Step::Digest | Step::Known if !self.differing.is_empty() => Step::Known,
            Step::Known if !self.lacked.is_empty() => {
                let lacked = std::mem::take(&mut self.lacked);
                self.lacked = self.library.inventory().in_order(&self.library, lacked);
                self.lacked.reverse();
                Step::Offer
            }
            Step::Offer if !self.lacked.is_empty() => Step::Offer,
            _ => Step::Done,
        };
    }

    /// A request with as many of the differing buckets as fit one message; at least one.
    fn known(&mut self) -> Option<Talk> {
        let known = self.library.inventory();
        let (mut buckets, mut ids) = (Vec::new(), Vec::new());
        while let Some(bucket) = self.differing.last().copied() {
            let received_ids =
                self.received_ids.range(EnvelopeId::first_of(bucket)..=EnvelopeId::last_of(bucket)).copied();
            let mut more = known.in_bucket(self.kinds, bucket);
            more.extend(received_ids);
            if !buckets.is_empty() && ids.len() + more.len() > EXCHANGE_IDS {
                break;
            }
            self.differing.pop();
            buckets.push(bucket);
            ids.extend(more.into_iter().take(EXCHANGE_IDS));
        }
        (!buckets.is_empty()).then_some(Talk::Known { buckets, ids })
    }

    /// A message with as many of the envelopes that the peer lacks as fit; at least one. An envelope comes
    /// after those that prove it.
    fn offer(&mut self) -> Option<Talk> {
        let known = self.library.inventory();
        let (mut statements, mut bytes) = (Vec::new(), 0);
        while let Some(id) = self.lacked.last() {
            if let Some(statement) = known.statement(&self.library, id) {
                bytes += statement.bytes().len();
                if !statements.is_empty() && (bytes > EXCHANGE_BYTES || statements.len() >= ANSWER_STATEMENTS)
                {
                    break;
                }
                statements.push(statement.bytes().to_vec());
            }
            self.lacked.pop();
        }
        (!statements.is_empty()).then_some(Talk::Offer(statements))
    }
}

impl Asked {
    /// Records the inventory of an answer; an answer has at most one.
    fn take_inventory(&mut self, well: bool) -> Result<()> {
        if !well || self.inventory {
            return Err(Error::Peer("an inventory does not match the request".into()));
        }
        self.inventory = true;
        Ok(())
    }

    /// Records a statement and returns its envelope id. `None` where the statement is of another library or
    /// kind, or cannot be read. Fails where it was not asked for.
    fn take_statement(
        &mut self,
        bytes: &[u8],
        library: &LibraryId,
        kinds: Kinds,
    ) -> Result<Option<EnvelopeId>> {
        self.statements += 1;
        self.bytes += bytes.len();
        if bytes.len() > STATEMENT_BYTES || self.statements > ANSWER_STATEMENTS || self.bytes > EXCHANGE_BYTES
        {
            return Err(Error::Peer("an exchange answer exceeds its bounds".into()));
        }
        if !is_about(bytes, library, kinds) {
            return Ok(None);
        }
        let Ok(statement) = Statement::decode(bytes) else { return Ok(None) };
        let id = statement.envelope_id();
        if self.buckets.binary_search(&id.bucket()).is_err() {
            return Err(Error::Peer("an exchange answer has a statement that was not requested".into()));
        }
        Ok(Some(id))
    }
}

#[cfg(test)]
mod tests;
