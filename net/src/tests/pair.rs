//! The harness: a serving node whose host answers from a script, and a dialling node.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use chuan_engine::{
    Error as EngineError,
    id::{LibraryId, NodeId, StatementId},
    statement::{Key, Kinds, PublicKey},
    sync::{
        frame::{ChunkCodec, ChunkFrame, Frame},
        message::{End, Hello, Join, Mode, Packing, Pull, Request, VERSION, Want},
        session::Outlet,
    },
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::{
    Connection, Counts, Endpoint, Identity, PeerKey,
    pull::Machine,
    serve::{self, Caller, Identified, Listener, PeerHandler, Refused},
};

pub(super) const ORIGIN: [u8; 32] = [1; 32];
pub(super) const MIRROR: [u8; 32] = [2; 32];
pub(super) const CHUNK_LEN: usize = 64 * 1024;

/// Answers every pull with `chunks` chunks, for members; records all calls.
#[derive(Default)]
pub(super) struct Script {
    pub(super) chunks: u64,
    pub(super) unknown: bool,
    pub(super) offered: Mutex<Vec<Bytes>>,
    pub(super) joined: Mutex<Option<(PeerKey, [u8; 32])>>,
    pub(super) sent: AtomicUsize,
    pub(super) abandoned: AtomicBool,
    pub(super) answers: AtomicUsize,
    pub(super) counts: Arc<Counts>,
    /// Joins under way, and the most of them at once.
    pub(super) slow_joins: bool,
    pub(super) joins: AtomicUsize,
    pub(super) most_joins: AtomicUsize,
}

/// A handler, and what a listener needs beside it.
pub(super) trait Host: PeerHandler {
    fn counts(&self) -> Arc<Counts> {
        Arc::default()
    }

    /// Changes with every change of a library; a host that never changes drops the sender.
    fn changes(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

impl Host for Script {
    fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }
}

impl PeerHandler for Script {
    fn identify(&self, key: &PublicKey) -> Identified {
        Identified { node: key.node(), bound: Vec::new(), introduction: None }
    }

    fn memberships(&self, _peer: &PeerKey) -> Vec<LibraryId> {
        if self.unknown { Vec::new() } else { vec![LibraryId::from_bytes([9; 32])] }
    }

    fn greet(&self, peer: &PeerKey, hello: Hello) -> bool {
        let statements = hello.statements.into_iter().map(Bytes::from);
        self.offered.lock().expect("unpoisoned").extend(statements);
        peer.key.node() == peer.node
    }

    fn answer(&self, caller: &Caller, request: Request, out: &mut dyn Outlet) -> chuan_engine::Result<()> {
        if let Request::Join(_) = request {
            return self.join(caller, out);
        }
        self.answers.fetch_add(1, Ordering::Relaxed);
        if self.unknown {
            return Err(EngineError::Denied("a text that stays here".into()));
        }
        let data = Bytes::from(vec![7; CHUNK_LEN]);
        for ordinal in 0..self.chunks {
            let raw_len = u32::try_from(CHUNK_LEN).expect("small");
            let chunk = ChunkFrame { ordinal, codec: ChunkCodec::Raw, raw_len, data: data.clone() };
            if !out.send(Frame::Chunk(chunk)) {
                self.abandoned.store(true, Ordering::Relaxed);
                return Ok(());
            }
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
        out.send(Frame::End(End { complete: true, chunks: self.chunks, chunk_bytes: 0 }));
        Ok(())
    }

    fn ended(&self, _: &PeerKey) {}

    fn refused(&self, _: Option<&PeerKey>, _: SocketAddr, _: Refused, _: &str) {}
}

impl Script {
    fn join(&self, caller: &Caller, out: &mut dyn Outlet) -> chuan_engine::Result<()> {
        let exporter = caller.exporter.expect("a connection has keying material");
        *self.joined.lock().expect("unpoisoned") = Some((caller.peer, exporter));
        self.most_joins.fetch_max(self.joins.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        if self.slow_joins {
            // Long enough for a second join to run beside it, if that is possible.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        self.joins.fetch_sub(1, Ordering::Relaxed);
        for bytes in [&b"root"[..], b"member"] {
            out.send(Frame::Statement(Bytes::from_static(bytes)));
        }
        out.send(Frame::End(End { complete: true, ..End::default() }));
        Ok(())
    }
}

/// A serving node.
pub(super) struct Origin<H = Script> {
    pub(super) address: SocketAddr,
    pub(super) host: Arc<H>,
    pub(super) endpoint: Endpoint,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl<H: Host> Origin<H> {
    pub(super) fn start(host: H) -> Self {
        Self::start_shared(Arc::new(host))
    }

    pub(super) fn start_shared(host: Arc<H>) -> Self {
        Self::listening((Ipv4Addr::LOCALHOST, 0).into(), host)
    }

    /// Listens on another address than the usual one.
    pub(super) fn start_at(address: SocketAddr, host: H) -> Self {
        Self::listening(address, Arc::new(host))
    }

    fn listening(address: SocketAddr, host: Arc<H>) -> Self {
        let endpoint = Endpoint::listen(address, identity(ORIGIN)).expect("binds");
        let address = endpoint.local_address().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let (counts, changes) = (host.counts(), host.changes());
        let listener = Listener { handler: Arc::clone(&host) as Arc<dyn PeerHandler>, counts, changes };
        let task = tokio::spawn(serve::run(endpoint.clone(), listener, async {
            let _ = stopped.await;
        }));
        Self { address, host, endpoint, stop: Some(stop), task }
    }

    pub(super) async fn stop(mut self) -> Arc<H> {
        self.tell_to_stop();
        self.task.await.expect("the server ends well");
        self.host
    }

    pub(super) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }
}

pub(super) fn identity(seed: [u8; 32]) -> Identity {
    Identity::new(Key::from_seed(seed))
}

pub(super) fn dialler() -> Endpoint {
    Endpoint::dialler(identity(MIRROR)).expect("binds")
}

pub(super) fn origin_id() -> NodeId {
    identity(ORIGIN).node()
}

pub(super) fn hello() -> Hello {
    Hello {
        version: VERSION,
        node: identity(MIRROR).node(),
        addresses: vec!["192.0.2.1:4433".into()],
        name: "mirror".into(),
        statements: vec![b"ticket".to_vec()],
        kinds: Kinds::KNOWN,
    }
}

pub(super) async fn connect(endpoint: &Endpoint, address: SocketAddr) -> crate::Result<Connection> {
    Connection::open(endpoint, &[address.to_string()], origin_id(), &hello()).await
}

pub(super) fn pull() -> Request {
    Request::Pull(whole(LibraryId::from_bytes([9; 32])))
}

/// A pull of all classes of the channel `live`, by a node that has no data.
pub(super) fn whole(library: LibraryId) -> Pull {
    Pull {
        library,
        want: Want::Channel("live".into()),
        classes: Vec::new(),
        have: Vec::new(),
        known: Vec::new(),
        scope: None,
        mode: Mode::All,
        budget: u64::MAX,
        packing: Packing::Auto,
        announced: None,
    }
}

pub(super) fn join() -> Join {
    Join {
        library: LibraryId::from_bytes([9; 32]),
        ticket: StatementId::from_bytes([8; 32]),
        name: "mirror".into(),
        role: 1,
        proof: [0; 64],
    }
}

/// Sends a number of requests and counts the answers.
pub(super) struct Counter {
    pub(super) requests: u64,
    asked: u64,
    pub(super) ended: u64,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) refused: Option<String>,
}

impl Counter {
    pub(super) fn new(requests: u64) -> Self {
        Self { requests, asked: 0, ended: 0, frames: 0, bytes: 0, refused: None }
    }
}

impl Machine for Counter {
    fn poll_request(&mut self) -> chuan_engine::Result<Option<(u64, Request)>> {
        if self.asked == self.requests {
            return Ok(None);
        }
        self.asked += 1;
        Ok(Some((self.asked, pull())))
    }

    fn handle_frames(&mut self, _id: u64, frames: Vec<Frame>) -> chuan_engine::Result<()> {
        for frame in frames {
            self.frames += 1;
            match frame {
                Frame::Chunk(chunk) => self.bytes += chunk.data.len() as u64,
                Frame::Error(refusal) => self.refused = Some(refusal.into_error().to_string()),
                _ => {}
            }
        }
        Ok(())
    }

    fn handle_end(&mut self, _id: u64) -> chuan_engine::Result<()> {
        self.ended += 1;
        Ok(())
    }

    fn useful_bytes(&self) -> u64 {
        self.bytes
    }

    fn stop(&mut self, _failed: bool) {}
}
