//! The dialler's side of a connection: its requests, the time limit of an answer, and the meaning of its end.
//!
//! The module `pull` processes the answers to a pull.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chuan_engine::{
    Error as EngineError,
    id::{LibraryId, NodeId},
    statement::{
        Kinds, Library,
        proof::{EXPORTER_LABEL, EXPORTER_LEN},
    },
    sync::{
        exchange::Exchange,
        frame::{Encoded, Frame},
        message::{Hello, Join, Refusal, Request},
    },
};
use quinn::{ConnectionError, VarInt};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    Endpoint, Error, PeerVerifier, Result,
    dial::{describe, reach},
    endpoint::{CloseCode, peer_name},
    frame::{self, FrameReader, StreamError},
    identity::PeerKey,
    limits,
    link::{self, Take},
    peer_verifier::FirstKeyOnly,
    window::Window,
};

/// A connection to a node that has proved its key. Closes on drop.
#[derive(Debug)]
pub struct Connection {
    quic: quinn::Connection,
    peer: PeerKey,
    name: String,
    handshake: Duration,
    /// The kinds of statements that this side announced in its hello.
    kinds: Kinds,
    /// Bytes of frames sent, and bytes of answers received.
    sent: AtomicU64,
    received: Arc<AtomicU64>,
}

/// Traffic of a connection so far, as UDP payload, handshake included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireStats {
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Bytes of messages and data received: the frames alone, without QUIC's overhead.
    pub frame_bytes_in: u64,
    /// Bytes of messages and data sent, the hello included, without QUIC's overhead.
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
    /// Like [`open_known`](Self::open_known), to a node of which only the id is known.
    pub async fn open(
        endpoint: &Endpoint,
        addresses: &[String],
        expected: NodeId,
        hello: &Hello,
    ) -> Result<Self> {
        Self::open_known(endpoint, addresses, expected, hello, &(Arc::new(FirstKeyOnly) as _)).await
    }

    /// Connects to the node `expected` at the first of `addresses` (`host:port`) at which that node answers,
    /// and sends `hello`. `verifier` decides whether the peer's key belongs to `expected`; a node whose key
    /// is not its first introduces itself.
    ///
    /// The next address is tried when one fails or has been silent for
    /// [`DIAL_STAGGER`](limits::DIAL_STAGGER). The hello travels with the first request, so it costs no round
    /// trip of its own. Dropping the future cancels the attempt.
    ///
    /// # Errors
    ///
    /// [`Error::WrongKey`] where another node answers, [`Error::Busy`], and [`Error::Unreachable`] in all
    /// other cases.
    pub async fn open_known(
        endpoint: &Endpoint,
        addresses: &[String],
        expected: NodeId,
        hello: &Hello,
        verifier: &Arc<dyn PeerVerifier>,
    ) -> Result<Self> {
        let kinds = hello.kinds;
        let hello = Frame::Hello(hello.clone()).encode()?;
        let started = Instant::now();
        let (quic, peer) = reach(endpoint, addresses, expected, verifier).await?;
        let name = peer_name(&peer.node, quic.remote_address());
        let handshake = started.elapsed();
        let (sent, received) = Default::default();
        let connection = Self { quic, peer, name, handshake, kinds, sent, received };
        let greeted = timeout(limits::REQUEST_TIMEOUT, connection.greet(hello)).await;
        greeted.map_err(|_| connection.vanished("it does not read the hello"))??;
        Ok(connection)
    }

    /// The key the peer proved.
    pub const fn peer(&self) -> PeerKey {
        self.peer
    }

    /// The kinds of statements that this side announced: an exchange is limited to these.
    pub const fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// The peer's name in messages: its short id, and its address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The peer's address.
    pub fn address(&self) -> SocketAddr {
        self.quic.remote_address()
    }

    /// The 32 bytes of TLS keying material that only the two ends of this connection know. The proof of a
    /// join is bound to them.
    pub fn exporter(&self) -> Result<[u8; 32]> {
        exporter(&self.quic).ok_or_else(|| Error::Local("TLS gives no keying material; connect again".into()))
    }

    /// Traffic so far.
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

    /// Redeems a ticket and returns the statements of the answer, unverified.
    ///
    /// The proof in `join` must be over this connection's [`exporter`](Self::exporter); it is invalid on any
    /// other connection.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] where the ticket is refused, with the reason and the remedy; [`Error::Vanished`]
    /// where no answer arrives in time.
    pub async fn join(&self, join: Join) -> Result<Vec<Bytes>> {
        link::join(self, join).await
    }

    /// Exchanges statements of `library` with the peer, both ways, and returns the statements that are new
    /// here, unverified.
    ///
    /// Dropping the future ends the exchange; the next exchange transfers the rest.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] where this node is no member of the library; [`Error::Protocol`] where the peer
    /// breaks the protocol.
    pub async fn exchange(&self, library: Library) -> Result<Vec<Bytes>> {
        let mut exchange = Exchange::new(library, self.kinds);
        while self.exchange_step(&mut exchange).await? {}
        Ok(exchange.take_received())
    }

    /// One step of an exchange: sends its next request, if there is one, and reads the answer. Returns
    /// whether there was a request. `exchange` keeps the statements that arrived, also those of an answer
    /// that was cut short.
    ///
    /// # Errors
    ///
    /// As for [`exchange`](Self::exchange).
    pub async fn exchange_step(&self, exchange: &mut Exchange) -> Result<bool> {
        link::exchange_step(self, exchange).await
    }

    /// Asks for the addresses of other members of `library`. The answer is a hint that the peer may have
    /// invented; it is returned without the statements in it.
    ///
    /// # Errors
    ///
    /// As for [`exchange`](Self::exchange).
    pub async fn peers(&self, library: LibraryId) -> Result<Vec<Hello>> {
        link::peers(self, library).await
    }

    /// Tells the peer that the work is done. Requests without an answer so far are lost.
    pub fn close(&self) {
        self.quic.close(CloseCode::Done.varint(), b"");
    }

    /// Waits for the end of the connection, whether or not requests are under way, and returns its meaning as
    /// an error.
    pub async fn closed(&self) -> Error {
        self.lost(&self.quic.closed().await)
    }

    /// Opens a stream to the peer that no request has.
    #[cfg(test)]
    pub(crate) async fn open_uni(&self) -> quinn::SendStream {
        self.quic.open_uni().await.expect("the connection is open")
    }

    /// Sends a request on a stream of its own and returns the stream of its answer.
    ///
    /// # Errors
    ///
    /// [`Error::Vanished`] for a peer that neither reads the request nor sends any answer.
    pub(crate) async fn ask(&self, request: Request) -> Result<FrameReader> {
        let frame = Frame::Request(request).encode()?;
        self.count(&frame);
        let asked = async {
            let (mut send, receive) = self.quic.open_bi().await.map_err(|error| self.lost(&error))?;
            frame::write(&mut send, vec![frame], Duration::MAX, &AtomicU64::new(0))
                .await
                .map_err(|error| self.broken(error))?;
            // If the peer has stopped the stream already, reading its answer gives that error.
            let _ = send.finish();
            Ok(FrameReader::counting(receive, Arc::clone(&self.received)))
        };
        self.while_heard(asked).await
    }

    /// Sends a request, and passes each frame of the answer to `take`, including the last one, unless it is a
    /// refusal.
    pub(crate) async fn asked(&self, request: Request, take: Take<'_>) -> Result<()> {
        let mut answer = self.ask(request).await?;
        loop {
            match answer.next().await.map_err(|error| self.broken(error))? {
                Some(Frame::Error(refusal)) => return Err(self.refused(refusal)),
                Some(frame) => {
                    let is_last = frame.is_last();
                    take(frame)?;
                    if is_last {
                        return Ok(());
                    }
                }
                None => return Err(self.protocol("an answer had no end")),
            }
        }
    }

    /// Waits until the peer reads a request, as long as any answer makes progress: a peer that is busy with
    /// other answers reads the request after them.
    async fn while_heard<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(work);
        loop {
            let before = self.received.load(Ordering::Relaxed);
            tokio::select! {
                done = &mut work => return done,
                () = sleep(limits::SILENCE_TIMEOUT) => {
                    if self.received.load(Ordering::Relaxed) == before {
                        return Err(self.broken(StreamError::Silent));
                    }
                }
            }
        }
    }

    /// Grows the receive window as the path turns out to hold more. Runs for as long as answers are read.
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
        frame::write(&mut send, vec![hello], Duration::MAX, &AtomicU64::new(0))
            .await
            .map_err(|error| self.broken(error))?;
        let _ = send.finish();
        Ok(())
    }

    fn refused(&self, refusal: Refusal) -> Error {
        Error::Refused { peer: self.name.clone(), source: refusal.into_error() }
    }

    fn protocol(&self, text: &str) -> Error {
        Error::Protocol { peer: self.name.clone(), text: text.into() }
    }

    /// Translates the end of the connection into the error of the work on it.
    pub(crate) fn lost(&self, error: &ConnectionError) -> Error {
        match error {
            ConnectionError::ApplicationClosed(close) if close.error_code == CloseCode::Busy.varint() => {
                Error::Busy(self.name.clone())
            }
            ConnectionError::ApplicationClosed(close) if close.error_code == CloseCode::Revoked.varint() => {
                self.revoked()
            }
            ConnectionError::ApplicationClosed(close) if close.error_code == CloseCode::Protocol.varint() => {
                let text = String::from_utf8_lossy(&close.reason).replace(char::is_control, " ");
                Error::Refused { peer: self.name.clone(), source: EngineError::Peer(text) }
            }
            other => self.vanished(&describe(other)),
        }
    }

    /// Translates the end of a stream into the error of the work on it.
    pub(crate) fn broken(&self, error: StreamError) -> Error {
        match error {
            StreamError::Lost(error) => self.lost(&error),
            StreamError::Abandoned(code) => match self.quic.close_reason() {
                Some(error) => self.lost(&error),
                None if code == Some(CloseCode::Busy.varint()) => Error::Busy(self.name.clone()),
                None if code == Some(CloseCode::Revoked.varint()) => self.revoked(),
                None => self.vanished("it gave up answering"),
            },
            StreamError::Silent => self.vanished("it has sent nothing, or almost nothing, for a minute"),
            StreamError::Cut => self.vanished("its answer ended early"),
            StreamError::Malformed(error) => self.protocol(&error.to_string()),
        }
    }

    fn revoked(&self) -> Error {
        let text = "the peer no longer accepts this node as a member; the next request says why".into();
        Error::Refused { peer: self.name.clone(), source: EngineError::Denied(text) }
    }

    fn vanished(&self, cause: &str) -> Error {
        Error::Vanished { peer: self.name.clone(), cause: cause.into() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

/// The exporter secret of the connection, which the joining node and the redeeming node both derive.
pub(crate) fn exporter(quic: &quinn::Connection) -> Option<[u8; EXPORTER_LEN]> {
    let mut out = [0; EXPORTER_LEN];
    quic.export_keying_material(&mut out, EXPORTER_LABEL, b"").ok()?;
    Some(out)
}
