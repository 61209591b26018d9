//! Reaching a node: its addresses in turn, its key checked, the hello sent with whatever is asked first.
//!
//! Owns what a connection is to the dialler. What is asked on it, and what becomes of the answers, is
//! `driver`'s.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chuan_engine::{
    Error as EngineError,
    id::{LibraryId, NodeId},
    limits::{ANSWER_PEERS, ANSWER_STATEMENTS},
    statement::{
        Library,
        proof::{EXPORTER_LABEL, EXPORTER_LEN},
    },
    sync::{
        exchange::Exchange,
        frame::{Encoded, Frame},
        message::{ErrorCode, Hello, Join, Refusal, Request},
    },
};
use quinn::{ConnectionError, VarInt};
use tokio::task::JoinSet;

use crate::{
    Acquaintance, Endpoint, Error, Result,
    acquaintance::Stranger,
    endpoint::{CloseCode, peer_name, proved_node},
    frame::{self, FrameReader, StreamError},
    identity::PeerKey,
    limits,
    window::Window,
};

/// The TLS alert of a peer with which no protocol version is shared (`no_application_protocol`, RFC 7301).
const ALERT_NO_PROTOCOL: u64 = 0x100 | 120;
/// QUIC's own word for "not now" (RFC 9000 §20.1).
const CONNECTION_REFUSED: u64 = 0x2;

/// A connection to a node that has proved its key. Closes when dropped.
#[derive(Debug)]
pub struct Connection {
    quic: quinn::Connection,
    peer: PeerKey,
    name: String,
    handshake: Duration,
    /// Bytes of frames sent, and received by the readers of answers.
    sent: AtomicU64,
    received: Arc<AtomicU64>,
}

/// What went over the wire of a connection so far, as UDP payload, handshake included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireStats {
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Bytes of messages and data received: the frames alone, without what QUIC puts around them.
    pub frame_bytes_in: u64,
    /// The same of what was sent, the hello included.
    pub frame_bytes_out: u64,
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// The smoothed round-trip time.
    pub rtt: Duration,
    /// How long the handshake took.
    pub handshake: Duration,
}

impl Connection {
    /// Like [`open_known`](Self::open_known), to a node of which nothing is known but its id.
    pub async fn open(
        endpoint: &Endpoint,
        addresses: &[String],
        expected: NodeId,
        hello: &Hello,
    ) -> Result<Self> {
        Self::open_known(endpoint, addresses, expected, hello, &(Arc::new(Stranger) as _)).await
    }

    /// Connects to the node `expected` at the first of `addresses` (`host:port`) that answers as it, and sends `hello`. What
    /// is known of its key decides whether it is it; a node with a key that is not known introduces itself.
    ///
    /// The next address is tried when one fails or has been silent for [`DIAL_STAGGER`](limits::DIAL_STAGGER). The
    /// hello travels with the first request, so nothing waits for an answer between this and that. Dropping the future
    /// gives up.
    ///
    /// # Errors
    ///
    /// [`Error::WrongKey`] where another node answers, [`Error::Busy`], and [`Error::Unreachable`] for all else.
    pub async fn open_known(
        endpoint: &Endpoint,
        addresses: &[String],
        expected: NodeId,
        hello: &Hello,
        known: &Arc<dyn Acquaintance>,
    ) -> Result<Self> {
        let hello = Frame::Hello(hello.clone()).encode()?;
        let started = Instant::now();
        let (quic, peer) = dial_any(endpoint, addresses, expected, known).await?;
        let name = peer_name(&peer.node, quic.remote_address());
        let handshake = started.elapsed();
        let (sent, received) = Default::default();
        let connection = Self { quic, peer, name, handshake, sent, received };
        connection.greet(hello).await?;
        Ok(connection)
    }

    /// The key the peer proved.
    pub const fn peer(&self) -> PeerKey {
        self.peer
    }

    /// The peer for messages: its id in short, and its address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The peer's address.
    pub fn address(&self) -> SocketAddr {
        self.quic.remote_address()
    }

    /// Thirty-two bytes that only the two ends of this connection know: what a join's proof is bound to.
    pub fn exporter(&self) -> Result<[u8; 32]> {
        exporter(&self.quic).ok_or_else(|| Error::Local("TLS gives no keying material; connect again".into()))
    }

    /// What went over the wire so far.
    pub fn stats(&self) -> WireStats {
        let stats = self.quic.stats();
        WireStats {
            bytes_in: stats.udp_rx.bytes,
            bytes_out: stats.udp_tx.bytes,
            frame_bytes_in: self.received.load(Ordering::Relaxed),
            frame_bytes_out: self.sent.load(Ordering::Relaxed),
            datagrams_in: stats.udp_rx.datagrams,
            datagrams_out: stats.udp_tx.datagrams,
            rtt: stats.path.rtt,
            handshake: self.handshake,
        }
    }

    /// Asks to be made a member and gives the statements that came back, unverified.
    ///
    /// The proof in `join` must be over this connection's [`exporter`](Self::exporter): it is worth nothing on another.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] where the ticket is not taken, with the reason and the remedy.
    pub async fn join(&self, join: Join) -> Result<Vec<Bytes>> {
        let mut answer = self.ask(Request::Join(join)).await?;
        let mut statements = Vec::new();
        loop {
            match answer.next().await.map_err(|error| self.broken(error))? {
                Some(Frame::Statement(statement)) if statements.len() < ANSWER_STATEMENTS => {
                    statements.push(statement);
                }
                Some(Frame::End(_)) => return Ok(statements),
                Some(Frame::Error(refusal)) => return Err(self.turned_away(refusal)),
                Some(_) => {
                    return Err(self.protocol("an answer to a join held something else than statements"));
                }
                None => return Err(self.protocol("an answer to a join had no end")),
            }
        }
    }

    /// Exchanges statements of `library` with the peer, both ways, and gives those that are new here, unverified.
    ///
    /// Dropping the future ends the exchange; what was not exchanged is in the next one.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] where this node is no member there; [`Error::Protocol`] where the peer breaks the rules.
    pub async fn exchange(&self, library: Library) -> Result<Vec<Bytes>> {
        let mut exchange = Exchange::new(library);
        while self.exchange_step(&mut exchange).await? {}
        Ok(exchange.take_received())
    }

    /// One step of an exchange: its next request, if it has one, and the answer. Gives whether there was one. What came, also of
    /// an answer that was cut short, is the exchange's to give.
    ///
    /// # Errors
    ///
    /// As for [`exchange`](Self::exchange).
    pub async fn exchange_step(&self, exchange: &mut Exchange) -> Result<bool> {
        let Some(request) = exchange.poll_request() else { return Ok(false) };
        let mut answer = self.ask(request).await?;
        loop {
            let frame = answer.next().await.map_err(|error| self.broken(error))?;
            let frame = frame.ok_or_else(|| self.protocol("an answer to an exchange had no end"))?;
            let last = frame.is_last();
            exchange.handle(frame).map_err(|error| match error {
                EngineError::Peer(text) => Error::Protocol { peer: self.name.clone(), text },
                source => Error::Refused { peer: self.name.clone(), source },
            })?;
            if last {
                return Ok(true);
            }
        }
    }

    /// Asks where other members of `library` are reached. What comes is a hint of anybody's making.
    ///
    /// # Errors
    ///
    /// As for [`exchange`](Self::exchange).
    pub async fn peers(&self, library: LibraryId) -> Result<Vec<Hello>> {
        let mut answer = self.ask(Request::Peers { library }).await?;
        let mut peers = Vec::new();
        loop {
            match answer.next().await.map_err(|error| self.broken(error))? {
                Some(Frame::Hello(peer)) if peers.len() < ANSWER_PEERS => peers.push(peer),
                Some(Frame::End(_)) => return Ok(peers),
                Some(Frame::Error(refusal)) => {
                    return Err(Error::Refused { peer: self.name.clone(), source: refusal.into_error() });
                }
                _ => return Err(self.protocol("an answer about peers held something else, or had no end")),
            }
        }
    }

    /// Tells the peer that the work is done. What was asked and not yet answered is lost.
    pub fn close(&self) {
        self.quic.close(CloseCode::Done.varint(), b"");
    }

    /// Sends a request on a stream of its own and gives the stream of its answer.
    pub(crate) async fn ask(&self, request: Request) -> Result<FrameReader> {
        let frame = Frame::Request(request).encode()?;
        self.count(&frame);
        let (mut send, receive) = self.quic.open_bi().await.map_err(|error| self.lost(&error))?;
        frame::write(&mut send, vec![frame]).await.map_err(|error| self.broken(error))?;
        // A stream that the peer has stopped already says so where its answer is read.
        let _ = send.finish();
        Ok(FrameReader::counting(receive, Arc::clone(&self.received)))
    }

    /// Widens what may be on its way here as the path turns out to hold more; for as long as answers come.
    pub(crate) async fn widen(&self) -> Infallible {
        let mut window = Window::new(self.quic.rtt());
        let apply = |bytes| self.quic.set_receive_window(VarInt::from_u32(bytes));
        apply(window.bytes());
        loop {
            let (before, since) = (self.received.load(Ordering::Relaxed), Instant::now());
            tokio::time::sleep(self.quic.rtt().max(limits::WINDOW_TICK)).await;
            let came = self.received.load(Ordering::Relaxed) - before;
            if let Some(bytes) = window.measure(came, since.elapsed(), self.quic.rtt()) {
                apply(bytes);
            }
        }
    }

    fn count(&self, frame: &Encoded) {
        self.sent.fetch_add((frame.head.len() + frame.payload.len()) as u64, Ordering::Relaxed);
    }

    async fn greet(&self, hello: Encoded) -> Result<()> {
        self.count(&hello);
        let mut send = self.quic.open_uni().await.map_err(|error| self.lost(&error))?;
        frame::write(&mut send, vec![hello]).await.map_err(|error| self.broken(error))?;
        let _ = send.finish();
        Ok(())
    }

    /// Why a ticket was not taken: in the redeemer's words, where it gives any.
    fn turned_away(&self, refusal: Refusal) -> Error {
        let words: String = refusal.text.chars().filter(|c| !c.is_control()).collect();
        let source = match refusal.code {
            ErrorCode::Denied if !words.is_empty() => EngineError::Denied(words),
            _ => refusal.into_error(),
        };
        Error::Refused { peer: self.name.clone(), source }
    }

    fn protocol(&self, text: &str) -> Error {
        Error::Protocol { peer: self.name.clone(), text: text.into() }
    }

    /// What the end of the connection means for the work on it.
    pub(crate) fn lost(&self, error: &ConnectionError) -> Error {
        match error {
            ConnectionError::ApplicationClosed(close) if close.error_code == CloseCode::Busy.varint() => {
                Error::Busy(self.name.clone())
            }
            ConnectionError::ApplicationClosed(close) if close.error_code == CloseCode::Revoked.varint() => {
                let text = "the peer takes this node for no member any more; ask an operator".into();
                Error::Refused { peer: self.name.clone(), source: EngineError::Denied(text) }
            }
            ConnectionError::ApplicationClosed(close) if close.error_code == CloseCode::Protocol.varint() => {
                let text = String::from_utf8_lossy(&close.reason).replace(char::is_control, " ");
                Error::Refused { peer: self.name.clone(), source: EngineError::Peer(text) }
            }
            other => Error::Vanished { peer: self.name.clone(), cause: describe(other) },
        }
    }

    /// What the end of a stream means for the work on it.
    pub(crate) fn broken(&self, error: StreamError) -> Error {
        let peer = || self.name.clone();
        match error {
            StreamError::Lost(error) => self.lost(&error),
            StreamError::Abandoned => match self.quic.close_reason() {
                Some(error) => self.lost(&error),
                None => Error::Vanished { peer: peer(), cause: "it gave up answering".into() },
            },
            StreamError::Silent => Error::Vanished {
                peer: peer(),
                cause: format!("it has answered nothing for {} seconds", limits::SILENCE_TIMEOUT.as_secs()),
            },
            StreamError::Cut => Error::Vanished { peer: peer(), cause: "its answer ended early".into() },
            StreamError::Malformed(error) => Error::Protocol { peer: peer(), text: error.to_string() },
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

/// The joiner's and the redeemer's view of the same secret.
pub(crate) fn exporter(quic: &quinn::Connection) -> Option<[u8; EXPORTER_LEN]> {
    let mut out = [0; EXPORTER_LEN];
    quic.export_keying_material(&mut out, EXPORTER_LABEL, b"").ok()?;
    Some(out)
}

/// Tries the addresses, each a little after the one before; the first that answers as `expected` wins.
async fn dial_any(
    endpoint: &Endpoint,
    addresses: &[String],
    expected: NodeId,
    known: &Arc<dyn Acquaintance>,
) -> Result<(quinn::Connection, PeerKey)> {
    let mut waiting = resolve(addresses).await?.into_iter();
    let mut attempts = JoinSet::new();
    let mut failures: Vec<Error> = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(dial_one(endpoint.clone(), address, expected, Arc::clone(known)));
        }
        let stagger = tokio::time::sleep(limits::DIAL_STAGGER);
        let ended = tokio::select! {
            ended = attempts.join_next() => ended,
            () = stagger, if waiting.len() > 0 => continue,
        };
        match ended {
            Some(Ok(Ok(connection))) => return Ok(connection),
            Some(Ok(Err(error))) => failures.push(error),
            Some(Err(error)) => failures.push(Error::Local(format!("dialling failed: {error}"))),
            None => return Err(unreachable_at(addresses, expected, failures)),
        }
    }
}

async fn dial_one(
    endpoint: Endpoint,
    address: SocketAddr,
    expected: NodeId,
    known: Arc<dyn Acquaintance>,
) -> Result<(quinn::Connection, PeerKey)> {
    let connecting = endpoint.dial(address)?;
    let unreachable = |cause: String| Error::Unreachable { peer: peer_name(&expected, address), cause };
    match tokio::time::timeout(limits::HANDSHAKE_TIMEOUT, connecting).await {
        Ok(Ok(connection)) => identify(connection, address, expected, &*known).await,
        Ok(Err(error)) if refused(&error) => Err(Error::Busy(peer_name(&expected, address))),
        Ok(Err(error)) => Err(unreachable(describe(&error))),
        Err(_) => Err(unreachable("no answer".into())),
    }
}

/// Makes sure that the one who answered is the one who was meant. Nothing was told to it so far.
async fn identify(
    connection: quinn::Connection,
    address: SocketAddr,
    expected: NodeId,
    known: &dyn Acquaintance,
) -> Result<(quinn::Connection, PeerKey)> {
    let Some(proved) = proved_node(&connection) else {
        return Err(Error::Protocol { peer: peer_name(&expected, address), text: "it proved no key".into() });
    };
    if let Some(node) = known.recognise(&expected, &proved.key) {
        return Ok((connection, PeerKey { node, ..proved }));
    }
    let introduced = introduction(&connection).await.filter(|hello| hello.node == expected);
    let statements =
        introduced.map(|hello| hello.statements.into_iter().map(Bytes::from).collect::<Vec<_>>());
    if statements.is_some_and(|statements| known.is_shown(&expected, &proved.key, &statements)) {
        return Ok((connection, PeerKey { node: expected, ..proved }));
    }
    connection.close(CloseCode::Done.varint(), b"");
    Err(Error::WrongKey { address: address.to_string(), proved: proved.node, expected })
}

/// What a node with a key that is not its first says of itself; others say nothing, and are not waited for long.
async fn introduction(connection: &quinn::Connection) -> Option<Hello> {
    let patience = limits::INTRODUCTION_TIMEOUT.max(connection.rtt().saturating_mul(3));
    let introduced = async {
        let stream = connection.accept_uni().await.ok()?;
        match FrameReader::new(stream).next().await {
            Ok(Some(Frame::Hello(hello))) => Some(hello),
            _ => None,
        }
    };
    tokio::time::timeout(patience, introduced).await.ok().flatten()
}

async fn resolve(addresses: &[String]) -> Result<Vec<SocketAddr>> {
    let mut resolved = Vec::new();
    let mut failures = Vec::new();
    for address in addresses.iter().take(chuan_engine::limits::ADDRESSES) {
        match tokio::net::lookup_host(address.as_str()).await {
            Ok(found) => resolved.extend(found),
            Err(error) => failures.push(format!("{address}: {error}")),
        }
    }
    let mut seen = std::collections::HashSet::new();
    resolved.retain(|address| seen.insert(*address));
    resolved.truncate(chuan_engine::limits::ADDRESSES);
    if resolved.is_empty() {
        let peer =
            if addresses.is_empty() { "a node without addresses".into() } else { addresses.join(", ") };
        return Err(Error::Unreachable { peer, cause: failures.join("; ") });
    }
    Ok(resolved)
}

/// One failure stands for itself, and a wrong key before all others; several are listed.
fn unreachable_at(addresses: &[String], expected: NodeId, mut failures: Vec<Error>) -> Error {
    if let Some(wrong) = failures.iter().position(|error| matches!(error, Error::WrongKey { .. })) {
        return failures.swap_remove(wrong);
    }
    if failures.len() == 1
        && let Some(only) = failures.pop()
    {
        return only;
    }
    let causes: Vec<String> = failures
        .into_iter()
        .map(|error| match error {
            Error::Unreachable { peer, cause } => format!("{peer}: {cause}"),
            other => other.to_string(),
        })
        .collect();
    Error::Unreachable {
        peer: format!("node {} at {}", expected.short(), addresses.join(", ")),
        cause: causes.join("; "),
    }
}

fn refused(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::ConnectionClosed(close) => u64::from(close.error_code) == CONNECTION_REFUSED,
        ConnectionError::ApplicationClosed(close) => close.error_code == CloseCode::Busy.varint(),
        _ => false,
    }
}

/// The end of a connection in words.
pub(crate) fn describe(error: &ConnectionError) -> String {
    match error {
        ConnectionError::TimedOut => "no answer".into(),
        ConnectionError::Reset => "it restarted".into(),
        ConnectionError::LocallyClosed => "closed here".into(),
        ConnectionError::ApplicationClosed(close) if close.error_code == CloseCode::Stopping.varint() => {
            "it is stopping".into()
        }
        ConnectionError::ConnectionClosed(close) if u64::from(close.error_code) == ALERT_NO_PROTOCOL => {
            "it speaks another version of the protocol; bring both nodes to one version".into()
        }
        other => other.to_string(),
    }
}
