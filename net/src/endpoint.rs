//! One UDP socket and the QUIC endpoint on it: windows, limits and timeouts. The only file that names
//! `quinn::Endpoint`; it does not decide what peers may do.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chuan_engine::id::NodeId;
use quinn::{
    IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt,
    congestion::CubicConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};

use crate::{
    error::{Error, Result},
    identity::{Identity, PeerKey},
    limits,
};

/// The server name that TLS requires. It is never sent.
const TLS_NAME: &str = "chuan.invalid";

/// The expected node where only an address is known. It is the id of no key.
pub const UNKNOWN_NODE: NodeId = NodeId::from_bytes([0; 32]);

/// Codes with which a connection is closed, or the stream of an answer is reset, as the peer sees them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CloseCode {
    /// The work is done.
    Done = 0,
    /// This side stops.
    Stopping = 1,
    /// No room for another connection, or none for an answer that goes on.
    Busy = 2,
    /// The peer broke the protocol.
    Protocol = 3,
    /// The peer lost its membership in the library of the answer; of a connection, its last membership.
    Revoked = 4,
}

impl CloseCode {
    pub(crate) fn varint(self) -> VarInt {
        VarInt::from_u32(self as u32)
    }
}

/// A socket on which a node dials and, if it was bound to listen, accepts.
///
/// Cheap to clone; the socket closes with the last clone and connection.
#[derive(Clone)]
pub struct Endpoint {
    quic: quinn::Endpoint,
    identity: Arc<RwLock<Identity>>,
    accepts: bool,
    dial_transport: Arc<TransportConfig>,
}

impl Endpoint {
    /// Binds `address` and accepts connections there once a server runs on the endpoint.
    ///
    /// Must be called within a tokio runtime.
    pub fn listen(address: SocketAddr, identity: Identity) -> Result<Self> {
        let socket = bind(address)?;
        let config = server_config(&identity)?;
        Self::new(socket, identity, Some(config))
    }

    /// Binds any free port, to dial only. Prefers a socket that reaches both IPv6 and IPv4.
    ///
    /// Must be called within a tokio runtime.
    pub fn dialler(identity: Identity) -> Result<Self> {
        let socket =
            bind((Ipv6Addr::UNSPECIFIED, 0).into()).or_else(|_| bind((Ipv4Addr::UNSPECIFIED, 0).into()))?;
        Self::new(socket, identity, None)
    }

    fn new(socket: UdpSocket, identity: Identity, server: Option<quinn::ServerConfig>) -> Result<Self> {
        let accepts = server.is_some();
        let quic = quinn::Endpoint::new(
            quinn::EndpointConfig::default(),
            server,
            socket,
            Arc::new(quinn::TokioRuntime),
        )
        .map_err(|source| Error::io("cannot run QUIC on the socket", source))?;
        let identity = Arc::new(RwLock::new(identity));
        Ok(Self { quic, identity, accepts, dial_transport: Arc::new(dial_transport()?) })
    }

    /// The address the socket is bound to.
    pub fn local_address(&self) -> Result<SocketAddr> {
        self.quic.local_addr().map_err(|source| Error::io("cannot read the socket's address", source))
    }

    /// The identity that new connections prove.
    pub fn identity(&self) -> Identity {
        self.identity.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Proves another key from the next connection on. Open connections keep the key that they began with,
    /// for as long as the peer accepts it.
    pub fn set_identity(&self, identity: Identity) -> Result<()> {
        let config = self.accepts.then(|| server_config(&identity)).transpose()?;
        *self.identity.write().unwrap_or_else(PoisonError::into_inner) = identity;
        if config.is_some() {
            self.quic.set_server_config(config);
        }
        Ok(())
    }

    /// Open connections, including handshakes under way.
    pub fn connections(&self) -> usize {
        self.quic.open_connections()
    }

    /// Closes every connection, notifies the peers and waits until they have acknowledged it.
    pub async fn close(&self) {
        self.close_within(limits::CLOSE_GRACE).await;
    }

    /// The same for a node that has only dialled, where a late notice to a peer costs nothing: waits until
    /// the notice is sent.
    pub async fn hang_up(&self) {
        self.close_within(limits::HANG_UP_GRACE).await;
    }

    async fn close_within(&self, grace: Duration) {
        self.quic.close(CloseCode::Stopping.varint(), b"stopping");
        // An unreachable peer must not delay the end: only the notice to it is lost.
        let _ = tokio::time::timeout(grace, self.quic.wait_idle()).await;
    }

    /// The next incoming connection. `None` once the endpoint is closed. Cancel-safe.
    pub(crate) async fn accept(&self) -> Option<quinn::Incoming> {
        self.quic.accept().await
    }

    /// Starts a handshake with the node at `address`.
    pub(crate) fn dial(&self, address: SocketAddr) -> Result<quinn::Connecting> {
        self.dial_as(address, self.identity().dial_config()?)
    }

    /// A dialler that allows its peer no stream.
    #[cfg(test)]
    pub(crate) fn without_streams(mut self) -> Self {
        let mut transport = dial_transport().expect("is set up");
        transport.max_concurrent_uni_streams(VarInt::from_u32(0));
        self.dial_transport = Arc::new(transport);
        self
    }

    /// Starts a handshake with this TLS configuration.
    pub(crate) fn dial_as(
        &self,
        address: SocketAddr,
        tls: rustls::ClientConfig,
    ) -> Result<quinn::Connecting> {
        let crypto = QuicClientConfig::try_from(tls)
            .map_err(|error| Error::Local(format!("cannot set up QUIC: {error}")))?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::clone(&self.dial_transport));
        self.quic
            .connect_with(config, address, TLS_NAME)
            .map_err(|error| Error::Local(format!("cannot dial {address}: {error}")))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("address", &self.quic.local_addr().ok())
            .field("node", &self.identity().node())
            .finish_non_exhaustive()
    }
}

/// The key that a peer proved in its completed handshake. `None` if it proved none, which TLS does not allow.
pub(crate) fn proved_node(connection: &quinn::Connection) -> Option<PeerKey> {
    let certificates =
        connection.peer_identity()?.downcast::<Vec<rustls::pki_types::CertificateDer>>().ok()?;
    match certificates.as_slice() {
        [only] => PeerKey::of_spki(only),
        _ => None,
    }
}

/// A node and its addresses in messages; the addresses alone for [`UNKNOWN_NODE`].
pub(crate) fn named_at(node: &NodeId, addresses: &str) -> String {
    match *node == UNKNOWN_NODE {
        true => addresses.to_owned(),
        false => format!("node {} at {addresses}", node.short()),
    }
}

/// The name of a peer in messages.
pub(crate) fn peer_name(node: &NodeId, address: SocketAddr) -> String {
    // An IPv4 address is shown as IPv4, though the socket is an IPv6 one.
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    named_at(node, &address.to_string())
}

fn bind(address: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(address)
        .map_err(|source| Error::io(format!("cannot listen on UDP {address}"), source))?;
    // The kernel grants the size that its administrator allows; a smaller buffer costs only speed.
    let bytes = limits::SOCKET_BUFFER_BYTES;
    if let Err(error) = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, bytes)
        .and_then(|()| rustix::net::sockopt::set_socket_send_buffer_size(&socket, bytes))
    {
        tracing::debug!(%address, %error, "the socket keeps its default buffers");
    }
    Ok(socket)
}

fn server_config(identity: &Identity) -> Result<quinn::ServerConfig> {
    let crypto = QuicServerConfig::try_from(identity.accept_config()?)
        .map_err(|error| Error::Local(format!("cannot set up QUIC: {error}")))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(accept_transport()?));
    config.migration(false);
    config.max_incoming(limits::INCOMING);
    config.incoming_buffer_size(limits::INCOMING_BYTES);
    config.incoming_buffer_size_total(limits::INCOMING_TOTAL_BYTES);
    config.validation_token.sent(0);
    Ok(config)
}

fn dial_transport() -> Result<TransportConfig> {
    let mut transport = transport(limits::WINDOW_BYTES)?;
    // The limit of one stream; the connection's own window is the bound, and grows with the path.
    transport.stream_receive_window(VarInt::from_u32(limits::WINDOW_MAX_BYTES));
    transport.keep_alive_interval(Some(limits::KEEP_ALIVE));
    // An acceptor opens no stream to its dialler except one to introduce itself.
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
    transport.max_concurrent_uni_streams(VarInt::from_u32(1));
    Ok(transport)
}

fn accept_transport() -> Result<TransportConfig> {
    let mut transport = transport(limits::ACCEPT_WINDOW_BYTES)?;
    // The limit of unread data from an unknown peer; a member's connection gets a larger one.
    transport.receive_window(VarInt::from_u32(limits::UNKNOWN_PEER_WINDOW_BYTES));
    transport.max_concurrent_bidi_streams(VarInt::from_u32(limits::STREAMS_BIDI));
    transport.max_concurrent_uni_streams(VarInt::from_u32(limits::STREAMS_UNI));
    Ok(transport)
}

/// Settings of both sides. `window` bounds the data that a peer has sent and this side has not read yet.
fn transport(window: u32) -> Result<TransportConfig> {
    let idle = IdleTimeout::try_from(limits::IDLE_TIMEOUT)
        .map_err(|error| Error::Local(format!("the idle time-out does not fit: {error}")))?;
    let mut congestion = CubicConfig::default();
    congestion.initial_window(limits::INITIAL_WINDOW_BYTES);
    // Binary search sends six probes of up to this size in the first second of every connection, which is
    // most of the traffic of a pull with nothing new. One probe of the size that nearly every path carries
    // finds out as much.
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(limits::DATAGRAM_BYTES).minimum_change(limits::DATAGRAM_BYTES - 1200);
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(idle))
        .stream_receive_window(VarInt::from_u32(window))
        .receive_window(VarInt::from_u32(window))
        .send_window(limits::WINDOW_BYTES.into())
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0)
        .mtu_discovery_config(Some(discovery))
        .congestion_controller_factory(Arc::new(congestion));
    Ok(transport)
}

#[cfg(test)]
impl Endpoint {
    /// Listens on the loopback interface, with a window of `window` bytes for each stream.
    pub(crate) fn listen_narrow(identity: Identity, window: u32) -> Result<Self> {
        let mut config = server_config(&identity)?;
        let mut transport = accept_transport()?;
        transport.stream_receive_window(VarInt::from_u32(window));
        config.transport_config(Arc::new(transport));
        Self::new(bind((Ipv4Addr::LOCALHOST, 0).into())?, identity, Some(config))
    }
}

/// A handshake under way between two endpoints with quinn's own settings and our keys, as a reference for
/// measurements.
#[cfg(test)]
pub(crate) fn plain_loopback(
    identity: &Identity,
) -> (impl Future<Output = quinn::Incoming> + use<>, quinn::Connecting) {
    let server = QuicServerConfig::try_from(identity.accept_config().expect("configures")).expect("suits");
    let server = quinn::ServerConfig::with_crypto(Arc::new(server));
    let tls = identity.dial_config().expect("configures");
    let client = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("suits")));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = quinn::Endpoint::server(server, address).expect("binds");
    let dialler = quinn::Endpoint::client(address).expect("binds");
    let address = listener.local_addr().expect("bound");
    let dialled = dialler.connect_with(client, address, TLS_NAME).expect("dials");
    (async move { listener.accept().await.expect("accepts") }, dialled)
}
