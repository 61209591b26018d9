//! The simulated network: links with delay, rate and loss, partitions, and nodes that are down. An answer is
//! made at the moment at which its request arrives, and its frames arrive together, after the time that their
//! bytes take.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chuan_engine::{
    id::NodeId,
    limits::FETCH_WASTE_BYTES,
    statement::Kinds,
    sync::{
        fetch::{Fetch, Report},
        frame::Frame,
        message::{Hello, Refusal, Request},
        session::Outlet,
    },
};
use chuan_net::{
    Error, Identity, PeerKey, PeerVerifier, Result, WireStats,
    link::{BoxFuture, Link, Network, Socket, Take, blame},
    serve::{Caller, Listener},
};
use tokio::time::{Instant, sleep};

use super::{rng::Rng, trace::Trace};

/// How long a dial of a node that does not answer takes.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);
/// The bounds of the delay of a message, in milliseconds.
const DELAY_MS: (u64, u64) = (1, 120);
/// Bytes a second of a link.
const RATE: u64 = 2_000_000;

/// The network of a run. One thread uses it, so its lock is never contended.
pub(super) struct Net {
    state: Mutex<State>,
    origin: Instant,
}

struct State {
    rng: Rng,
    trace: Trace,
    hosts: BTreeMap<SocketAddr, Host>,
    /// Pairs of nodes that cannot reach each other.
    cut: BTreeSet<(NodeId, NodeId)>,
    /// Nodes that refuse connections as busy, and until when.
    busy: BTreeMap<NodeId, Instant>,
    /// Nodes that repeat the first chunk of an answer instead of sending the others.
    repeats: BTreeSet<NodeId>,
    /// Percent of requests whose answer is lost, or cut short.
    loss: u64,
    /// The bounds of the delay of a message, in milliseconds; it is less than the second.
    delay_ms: (u64, u64),
}

/// A node that listens.
#[derive(Clone)]
struct Host {
    identity: Identity,
    listener: Listener,
}

impl Net {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let (trace, hosts, cut, busy, repeats) = Default::default();
        let (rng, delay_ms) = (Rng::new(seed), DELAY_MS);
        let state = State { rng, trace, hosts, cut, busy, repeats, loss: 0, delay_ms };
        Arc::new(Self { state: Mutex::new(state), origin: Instant::now() })
    }

    /// The network as a node at `address` sees it.
    pub(super) fn of(self: &Arc<Self>, address: SocketAddr) -> Arc<dyn Network> {
        Arc::new(NodeNetwork { net: Arc::clone(self), address })
    }

    pub(super) fn trace(&self, event: impl fmt::Display) {
        let at = self.origin.elapsed().as_millis();
        self.lock().trace.add(format!("{at:>7} {event}"));
    }

    pub(super) fn digest(&self) -> (String, u64) {
        self.lock().trace.digest()
    }

    pub(super) fn text(&self) -> String {
        self.lock().trace.text()
    }

    pub(super) fn set_loss(&self, percent: u64) {
        self.lock().loss = percent;
    }

    /// Sets the bounds of the delay of a message.
    pub(super) fn set_delay(&self, from_ms: u64, to_ms: u64) {
        self.lock().delay_ms = (from_ms, to_ms);
    }

    /// Cuts or restores the link between two nodes.
    pub(super) fn set_cut(&self, one: NodeId, other: NodeId, is_cut: bool) {
        let mut state = self.lock();
        for pair in [(one, other), (other, one)] {
            match is_cut {
                true => state.cut.insert(pair),
                false => state.cut.remove(&pair),
            };
        }
    }

    /// Lets a node refuse all connections as busy for this time.
    pub(super) fn set_busy(&self, node: NodeId, during: Duration) {
        self.lock().busy.insert(node, Instant::now() + during);
    }

    /// Lets a node repeat the first chunk of every answer, without end, instead of sending the others.
    pub(super) fn set_repeats(&self, node: NodeId) {
        self.lock().repeats.insert(node);
    }

    fn is_busy(&self, node: &NodeId) -> bool {
        self.lock().busy.get(node).is_some_and(|until| Instant::now() < *until)
    }

    /// Restores every link.
    pub(super) fn heal(&self) {
        let mut state = self.lock();
        state.cut.clear();
        state.loss = 0;
    }

    fn host(&self, address: &SocketAddr) -> Option<Host> {
        self.lock().hosts.get(address).cloned()
    }

    /// Whether two nodes cannot reach each other.
    pub(super) fn is_cut(&self, one: NodeId, other: NodeId) -> bool {
        self.lock().cut.contains(&(one, other))
    }

    fn delay(&self) -> Duration {
        let mut state = self.lock();
        let (from, to) = state.delay_ms;
        Duration::from_millis(state.rng.within(from, to))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Net")
    }
}

#[derive(Debug)]
struct NodeNetwork {
    net: Arc<Net>,
    address: SocketAddr,
}

impl Network for NodeNetwork {
    fn dialler(&self, identity: Identity) -> Result<Arc<dyn Socket>> {
        Ok(Arc::new(SimSocket::new(&self.net, self.address, identity)))
    }

    fn listen(&self, address: SocketAddr, identity: Identity) -> Result<Arc<dyn Socket>> {
        Ok(Arc::new(SimSocket::new(&self.net, address, identity)))
    }
}

#[derive(Debug)]
struct SimSocket {
    net: Arc<Net>,
    address: SocketAddr,
    identity: Mutex<Identity>,
    /// Set when the socket is closed: its links no longer work.
    closed: Arc<AtomicBool>,
}

impl SimSocket {
    fn new(net: &Arc<Net>, address: SocketAddr, identity: Identity) -> Self {
        let (identity, closed) = (Mutex::new(identity), Arc::default());
        Self { net: Arc::clone(net), address, identity, closed }
    }

    fn key(&self) -> PeerKey {
        let identity = self.identity.lock().unwrap();
        PeerKey { node: identity.node(), key: identity.public() }
    }

    async fn dial(
        &self,
        address: &str,
        expected: NodeId,
        hello: &Hello,
        verifier: &Arc<dyn PeerVerifier>,
    ) -> Result<SimLink> {
        let unreachable = || Error::Unreachable { peer: expected.short(), cause: "no answer".into() };
        let address: SocketAddr = address.parse().map_err(|_| unreachable())?;
        sleep(self.net.delay()).await;
        let me = self.key();
        let there = self.net.host(&address);
        let Some(host) = there.filter(|host| !self.net.is_cut(me.node, host.identity.node())) else {
            sleep(DIAL_TIMEOUT).await;
            return Err(unreachable());
        };
        if self.net.is_busy(&host.identity.node()) {
            return Err(Error::Busy(host.identity.node().short()));
        }
        let key = host.identity.public();
        let node = verifier.recognise(&expected, &key).ok_or_else(unreachable)?;
        let handler = &host.listener.handler;
        let known = handler.identify(&me.key);
        let caller = PeerKey { node: hello.node, key: me.key };
        if known.node != me.node && !hello.statements.is_empty() {
            self.net.trace(format_args!("{} is not known to {}", me.node.short(), node.short()));
        }
        if !handler.greet(&caller, hello.clone()) {
            return Err(unreachable());
        }
        self.net.trace(format_args!("{} connects to {}", me.node.short(), node.short()));
        let caller = Caller { peer: caller, kinds: hello.kinds, exporter: Some([7; 32]) };
        let (net, closed) = (Arc::clone(&self.net), Arc::clone(&self.closed));
        Ok(SimLink { net, address, peer: PeerKey { node, key }, caller, closed })
    }
}

impl Socket for SimSocket {
    fn local_address(&self) -> Result<SocketAddr> {
        Ok(self.address)
    }

    fn open<'a>(
        &'a self,
        addresses: &'a [String],
        expected: NodeId,
        hello: &'a Hello,
        verifier: &'a Arc<dyn PeerVerifier>,
    ) -> BoxFuture<'a, Result<Box<dyn Link>>> {
        Box::pin(async move {
            let mut failed = Error::Unreachable { peer: expected.short(), cause: "no address".into() };
            for address in addresses {
                match self.dial(address, expected, hello, verifier).await {
                    Ok(link) => return Ok(Box::new(link) as Box<dyn Link>),
                    Err(error) => failed = error,
                }
            }
            Err(failed)
        })
    }

    fn serve(&self, listener: Listener, stop: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let (net, address) = (Arc::clone(&self.net), self.address);
        let identity = self.identity.lock().unwrap().clone();
        net.lock().hosts.insert(address, Host { identity, listener });
        Box::pin(async move {
            stop.await;
            net.lock().hosts.remove(&address);
        })
    }

    fn set_identity(&self, identity: Identity) -> Result<()> {
        *self.identity.lock().unwrap() = identity;
        Ok(())
    }

    fn hang_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.closed.store(true, Ordering::SeqCst) })
    }
}

/// A connection between two nodes.
#[derive(Debug)]
struct SimLink {
    net: Arc<Net>,
    address: SocketAddr,
    peer: PeerKey,
    caller: Caller,
    closed: Arc<AtomicBool>,
}

impl SimLink {
    fn vanished(&self) -> Error {
        Error::Vanished { peer: self.name(), cause: "the simulation cut the link".into() }
    }

    /// The frames of the answer to `request`, and whether all of them arrive.
    async fn answer(&self, request: Request) -> Result<(Vec<Frame>, bool)> {
        let what = format!("{request:?}");
        let kind: String = what.chars().take_while(char::is_ascii_alphanumeric).collect();
        sleep(self.net.delay()).await;
        let (from, to) = (self.caller.peer.node, self.peer.node);
        let host = self.net.host(&self.address);
        let Some(host) = host.filter(|_| !self.closed.load(Ordering::SeqCst)) else {
            return Err(self.vanished());
        };
        if self.net.is_cut(from, to) {
            sleep(DIAL_TIMEOUT).await;
            return Err(self.vanished());
        }
        let mut out = Frames(Vec::new());
        if let Err(error) = host.listener.handler.answer(&self.caller, request, &mut out) {
            out.0.push(Frame::Error(Refusal::of(&error)));
        }
        let mut frames = out.0;
        if self.net.lock().repeats.contains(&to) {
            repeat_first_chunk(&mut frames);
        }
        let bytes: usize = frames.iter().map(|frame| frame.encode().map_or(0, |it| it.payload.len())).sum();
        sleep(self.net.delay() + Duration::from_micros(bytes as u64 * 1_000_000 / RATE)).await;
        let is_lost = {
            let mut state = self.net.lock();
            let loss = state.loss;
            let is_lost = state.rng.chance(loss);
            if is_lost {
                let kept = state.rng.index(frames.len() + 1);
                frames.truncate(kept);
            }
            is_lost
        };
        let end = if is_lost { ", cut" } else { "" };
        let text = format!("{kind} {} <- {}: {} frames", from.short(), to.short(), frames.len());
        self.net.trace(format_args!("{text}, {bytes} bytes{end}"));
        Ok((frames, !is_lost))
    }

    async fn run(&self, fetch: &mut Fetch, cancel: &AtomicBool) -> Result<()> {
        loop {
            let Some((id, request)) = fetch.poll_request().map_err(Error::Engine)? else { return Ok(()) };
            if cancel.load(Ordering::SeqCst) {
                return Err(Error::Cancelled);
            }
            let (frames, is_whole) = self.answer(request).await?;
            for frame in frames {
                fetch.handle(id, frame).map_err(Error::Engine)?;
            }
            while fetch.poll_stop().is_some() {}
            if !is_whole {
                return Err(self.vanished());
            }
            fetch.handle_end(id).map_err(Error::Engine)?;
        }
    }
}

/// Replaces all that follows the first chunk by more copies of it than a puller takes.
fn repeat_first_chunk(frames: &mut Vec<Frame>) {
    let is_chunk = |frame: &Frame| matches!(frame, Frame::Chunk(_));
    let Some(at) = frames.iter().position(is_chunk) else { return };
    frames.truncate(at + 1);
    let chunk = frames[at].clone();
    let len = chunk.encode().map_or(1, |encoded| encoded.payload.len().max(1));
    let copies = usize::try_from(FETCH_WASTE_BYTES).unwrap() / len + len;
    frames.extend(std::iter::repeat_n(chunk, copies));
}

/// The frames of an answer.
struct Frames(Vec<Frame>);

impl Outlet for Frames {
    fn send(&mut self, frame: Frame) -> bool {
        self.0.push(frame);
        true
    }
}

impl Link for SimLink {
    fn peer(&self) -> PeerKey {
        self.peer
    }

    fn kinds(&self) -> Kinds {
        Kinds::KNOWN
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn exporter(&self) -> Result<[u8; 32]> {
        Ok([7; 32])
    }

    fn stats(&self) -> WireStats {
        WireStats::default()
    }

    fn ask<'a>(&'a self, request: Request, take: Take<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (frames, is_whole) = self.answer(request).await?;
            for frame in frames {
                match frame {
                    Frame::Error(refusal) => {
                        return Err(Error::Refused { peer: self.name(), source: refusal.into_error() });
                    }
                    frame => take(frame)?,
                }
            }
            if is_whole { Ok(()) } else { Err(self.vanished()) }
        })
    }

    fn pull<'a>(
        &'a self,
        mut fetch: Fetch,
        mut progress: Box<dyn FnMut(&Report) + Send>,
        cancel: &'a Arc<AtomicBool>,
    ) -> BoxFuture<'a, Result<Report>> {
        Box::pin(async move {
            if let Err(error) = self.run(&mut fetch, cancel).await {
                fetch.suspend().map_err(Error::Engine)?;
                progress(fetch.report());
                return Err(blame(self.name(), error));
            }
            progress(fetch.report());
            Ok(fetch.report().clone())
        })
    }

    fn close(&self) {
        if let Some(host) = self.net.host(&self.address) {
            host.listener.handler.ended(&self.caller.peer);
        }
    }
}
