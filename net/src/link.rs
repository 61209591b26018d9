//! The seam between the services of a node and the transport: sockets, connections, requests and frames.
//! [`Quic`] is the transport that nodes use; a simulator implements the same traits in virtual time.

use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::AtomicBool},
};

use bytes::Bytes;
use chuan_engine::{
    id::{LibraryId, NodeId},
    limits::{ANSWER_PEERS, ANSWER_STATEMENTS, ANSWER_STATEMENTS_BYTES},
    statement::Kinds,
    sync::{
        exchange::Exchange,
        fetch::{Fetch, Report},
        frame::Frame,
        message::{Hello, Join, Request},
    },
};

use crate::{
    Connection, Endpoint, Error, Identity, PeerKey, PeerVerifier, Result, WireStats,
    endpoint::peer_name,
    limits,
    serve::{self, Listener},
};

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Takes one frame of an answer.
pub type Take<'a> = &'a mut (dyn FnMut(Frame) -> Result<()> + Send);

/// A way to reach other nodes.
pub trait Network: fmt::Debug + Send + Sync {
    /// A socket from which to dial.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the machine has no socket to give.
    fn dialler(&self, identity: Identity) -> Result<Arc<dyn Socket>>;

    /// A socket at `address` that also listens; port 0 chooses a free one.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the address is in use, or not of this machine.
    fn listen(&self, address: SocketAddr, identity: Identity) -> Result<Arc<dyn Socket>>;
}

/// A socket of a node.
pub trait Socket: fmt::Debug + Send + Sync {
    /// Its own address.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the socket is lost.
    fn local_address(&self) -> Result<SocketAddr>;

    /// Connects to the node `expected` at the first of `addresses` at which it answers. See
    /// [`Connection::open_known`].
    fn open<'a>(
        &'a self,
        addresses: &'a [String],
        expected: NodeId,
        hello: &'a Hello,
        verifier: &'a Arc<dyn PeerVerifier>,
    ) -> BoxFuture<'a, Result<Box<dyn Link>>>;

    /// Answers peers until `stop` is ready. See [`serve::run`].
    fn serve(&self, listener: Listener, stop: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;

    /// Proves another key from the next connection on.
    ///
    /// # Errors
    ///
    /// [`Error::Local`] where the key cannot be used.
    fn set_identity(&self, identity: Identity) -> Result<()>;

    /// Closes the socket, and returns when every peer has been notified or the time for that is over.
    fn hang_up(&self) -> BoxFuture<'_, ()>;
}

/// A connection to a node that has proved its key. Closes on drop.
pub trait Link: fmt::Debug + Send + Sync {
    /// The key that the peer proved.
    fn peer(&self) -> PeerKey;

    /// The kinds of statements that this side announced.
    fn kinds(&self) -> Kinds;

    /// The peer's address.
    fn address(&self) -> SocketAddr;

    /// Keying material that only the two ends of this connection know.
    ///
    /// # Errors
    ///
    /// [`Error::Local`] where there is none.
    fn exporter(&self) -> Result<[u8; 32]>;

    /// Traffic so far.
    fn stats(&self) -> WireStats;

    /// Sends a request, and passes each frame of the answer to `take`, including the last one, unless it is a
    /// refusal.
    fn ask<'a>(&'a self, request: Request, take: Take<'a>) -> BoxFuture<'a, Result<()>>;

    /// Runs a fetch to its end. See [`Connection::pull`].
    fn pull<'a>(
        &'a self,
        fetch: Fetch,
        progress: Box<dyn FnMut(&Report) + Send>,
        cancel: &'a Arc<AtomicBool>,
    ) -> BoxFuture<'a, Result<Report>>;

    /// Tells the peer that the work is done.
    fn close(&self);

    /// The peer's name in messages: its short id, and its address.
    fn name(&self) -> String {
        peer_name(&self.peer().node, self.address())
    }

    /// The error of a peer that broke the protocol.
    fn protocol(&self, text: &str) -> Error {
        Error::Protocol { peer: self.name(), text: text.to_owned() }
    }
}

/// One step of an exchange: sends its next request, if there is one, and reads the answer. Returns whether
/// there was a request. `exchange` keeps the statements that arrived, also those of an answer that was cut
/// short.
///
/// # Errors
///
/// [`Error::Refused`] where this node is no member of the library; [`Error::Protocol`] where the peer breaks
/// the protocol.
pub async fn exchange_step(link: &dyn Link, exchange: &mut Exchange) -> Result<bool> {
    let Some(request) = exchange.poll_request() else { return Ok(false) };
    let mut take = |frame| exchange.handle(frame).map_err(|error| blame(link.name(), error.into()));
    link.ask(request, &mut take).await?;
    Ok(true)
}

/// Asks for the addresses of other members of `library`. The answer is a hint that the peer may have
/// invented; it is returned without the statements in it.
///
/// # Errors
///
/// As for [`exchange_step`].
pub async fn peers(link: &dyn Link, library: LibraryId) -> Result<Vec<Hello>> {
    let mut peers = Vec::new();
    let mut take = |frame| match frame {
        Frame::Hello(peer) if peers.len() < ANSWER_PEERS => {
            // Statements were not requested here, and may be large.
            peers.push(Hello { statements: Vec::new(), ..peer });
            Ok(())
        }
        Frame::End(_) => Ok(()),
        _ => Err(link.protocol("an answer about peers held a frame that is no hello")),
    };
    link.ask(Request::Peers { library }, &mut take).await?;
    Ok(peers)
}

/// Redeems a ticket and returns the statements of the answer, unverified. The proof in `join` must be over
/// this link's [`exporter`](Link::exporter).
///
/// # Errors
///
/// [`Error::Refused`] where the ticket is refused, with the reason and the remedy; [`Error::Vanished`] where
/// no answer arrives in time.
pub async fn join(link: &dyn Link, join: Join) -> Result<Vec<Bytes>> {
    let (mut statements, mut bytes) = (Vec::new(), 0);
    let mut take = |frame| match frame {
        Frame::Statement(statement)
            if statements.len() < ANSWER_STATEMENTS && bytes + statement.len() <= ANSWER_STATEMENTS_BYTES =>
        {
            bytes += statement.len();
            statements.push(statement);
            Ok(())
        }
        Frame::Statement(_) => Err(link.protocol("an answer to a join held too many statements")),
        Frame::End(_) => Ok(()),
        _ => Err(link.protocol("an answer to a join held a frame that is no statement")),
    };
    let asked = link.ask(Request::Join(join), &mut take);
    let silent = || Error::Vanished {
        peer: link.name(),
        cause: "it has sent nothing, or almost nothing, for a minute".into(),
    };
    tokio::time::timeout(limits::JOIN_TIMEOUT, asked).await.map_err(|_| silent())??;
    Ok(statements)
}

/// Adds the peer's name to errors of the engine that the peer caused.
pub fn blame(peer: String, error: Error) -> Error {
    use chuan_engine::Error as Engine;
    match error {
        Error::Engine(Engine::Peer(text) | Engine::Invalid(text)) => Error::Protocol { peer, text },
        Error::Engine(
            source @ (Engine::Denied(_) | Engine::Revoked { .. } | Engine::Missing(_) | Engine::Busy(_)),
        ) => Error::Refused { peer, source },
        Error::Engine(Engine::Cancelled) => Error::Cancelled,
        other => other,
    }
}

/// The network over QUIC.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quic;

impl Network for Quic {
    fn dialler(&self, identity: Identity) -> Result<Arc<dyn Socket>> {
        Ok(Arc::new(Endpoint::dialler(identity)?))
    }

    fn listen(&self, address: SocketAddr, identity: Identity) -> Result<Arc<dyn Socket>> {
        Ok(Arc::new(Endpoint::listen(address, identity)?))
    }
}

impl Socket for Endpoint {
    fn local_address(&self) -> Result<SocketAddr> {
        Endpoint::local_address(self)
    }

    fn open<'a>(
        &'a self,
        addresses: &'a [String],
        expected: NodeId,
        hello: &'a Hello,
        verifier: &'a Arc<dyn PeerVerifier>,
    ) -> BoxFuture<'a, Result<Box<dyn Link>>> {
        Box::pin(async move {
            let connection = Connection::open_known(self, addresses, expected, hello, verifier).await?;
            Ok(Box::new(connection) as Box<dyn Link>)
        })
    }

    fn serve(&self, listener: Listener, stop: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        Box::pin(serve::run(self.clone(), listener, stop))
    }

    fn set_identity(&self, identity: Identity) -> Result<()> {
        Endpoint::set_identity(self, identity)
    }

    fn hang_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(Endpoint::hang_up(self))
    }
}

impl Link for Connection {
    fn peer(&self) -> PeerKey {
        Connection::peer(self)
    }

    fn kinds(&self) -> Kinds {
        Connection::kinds(self)
    }

    fn address(&self) -> SocketAddr {
        Connection::address(self)
    }

    fn exporter(&self) -> Result<[u8; 32]> {
        Connection::exporter(self)
    }

    fn stats(&self) -> WireStats {
        Connection::stats(self)
    }

    fn ask<'a>(&'a self, request: Request, take: Take<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.asked(request, take))
    }

    fn pull<'a>(
        &'a self,
        fetch: Fetch,
        progress: Box<dyn FnMut(&Report) + Send>,
        cancel: &'a Arc<AtomicBool>,
    ) -> BoxFuture<'a, Result<Report>> {
        Box::pin(Connection::pull(self, fetch, progress, cancel))
    }

    fn close(&self) {
        Connection::close(self);
    }
}
