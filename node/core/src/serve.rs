//! The service `serve`: the listener, and the answers of this node to its peers. Owns whether the node
//! listens.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use chuan_api::node_event::NodeEvent;
use chuan_engine::{
    Error,
    id::{LibraryId, NodeId},
    statement::{
        Kinds, Library, PublicKey,
        access::{Act, decide},
    },
    store::{Ledger, Objects},
    sync::{
        frame::Frame,
        message::{End, Hello, Request, VERSION, Want},
        respond::{Asker, Responder, respond},
        session::Outlet,
    },
};
use chuan_net::{
    Counts, Error as NetError, PeerKey,
    serve::{Caller, Identified, Listener, PeerHandler, Refused},
};
use tokio::sync::watch;

use crate::{
    audit::AuditService,
    context::{Context, Stage},
    exchange::ExchangeService,
    exit::{Exit, Failure, Result},
    introduction,
    library::LibraryService,
    net_error::net_failure,
    peers::{PeerService, address},
    redeem,
    sent::{Counted, Sent, SentBook},
    vouch,
};

/// Listens for peers.
#[derive(Debug)]
pub(crate) struct ServeService {
    context: Arc<Context>,
    exchange: Arc<ExchangeService>,
    handler: Arc<Handler>,
    counts: Arc<Counts>,
    /// Held while the listener starts.
    starting: Mutex<()>,
}

impl ServeService {
    pub(crate) fn new(
        context: &Arc<Context>,
        library: &Arc<LibraryService>,
        audit: &Arc<AuditService>,
        peers: &Arc<PeerService>,
        exchange: &Arc<ExchangeService>,
    ) -> Self {
        let handler = Handler {
            context: Arc::clone(context),
            library: Arc::clone(library),
            audit: Arc::clone(audit),
            peers: Arc::clone(peers),
            sent: SentBook::default(),
        };
        Self {
            context: Arc::clone(context),
            exchange: Arc::clone(exchange),
            handler: Arc::new(handler),
            counts: Arc::default(),
            starting: Mutex::new(()),
        }
    }

    /// Counts of the requests of peers.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Listens and answers peers until [`Stage::Serve`] stops. Starts the services that talk to peers by
    /// themselves.
    pub(crate) async fn start(&self, listen: Option<&str>) -> Result<SocketAddr> {
        let context = &self.context;
        let address = address::resolve(listen.unwrap_or(&context.config().listen)).await?;
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if context.supervisor.stopping(Stage::Serve).is_cancelled() {
            return Err(Failure::busy("the node is closed; open the home again"));
        }
        if let Some(address) = context.listening() {
            return Err(Failure::busy(format!("this node listens on {address} already")));
        }
        let socket = context
            .network
            .listen(address, context.key.identity())
            .map_err(|error| not_listening(address, error))?;
        let address = socket.local_address().map_err(net_failure)?;
        context.listening.send_replace(Some(address));
        self.exchange.start(Arc::clone(&socket));
        // A rotation between `listen` and `start` did not see the socket.
        self.exchange.set_identity(context.key.identity())?;
        vouch::start(context, &self.handler.library);
        let listener = Listener {
            handler: Arc::clone(&self.handler) as Arc<dyn PeerHandler>,
            counts: Arc::clone(&self.counts),
            changes: self.handler.library.changes(),
        };
        context.log.note_opened(context.now_ms());
        context.metrics.listening.set(1);
        context.emit(NodeEvent::Listening { address: address.to_string() });
        if let Some(why) = context.store.read_only() {
            tracing::warn!("the home takes no writes, so this process only reads: {why}");
        }
        let (this, stop) = (Arc::clone(context), context.supervisor.stopping(Stage::Serve));
        let serving = socket.serve(listener, Box::pin(stop.cancelled_owned()));
        context.supervisor.spawn(Stage::Serve, async move {
            serving.await;
            this.listening.send_replace(None);
            this.metrics.listening.set(0);
            this.emit(NodeEvent::Stopped);
        });
        Ok(address)
    }
}

/// Answers the peers of this node.
#[derive(Debug)]
pub(crate) struct Handler {
    context: Arc<Context>,
    library: Arc<LibraryService>,
    audit: Arc<AuditService>,
    peers: Arc<PeerService>,
    sent: SentBook,
}

impl PeerHandler for Handler {
    fn identify(&self, key: &PublicKey) -> Identified {
        let keys = self.library.keys();
        let (node, bound) = (keys.node_of(key), keys.bindings(key));
        let introduction = self.introduction(key, &bound);
        Identified { node, bound, introduction }
    }

    fn memberships(&self, peer: &PeerKey) -> Vec<LibraryId> {
        let now = self.context.now_ms();
        let may = |library: &&Arc<Library>| {
            decide(library, &peer.node, Some(&peer.key), Act::Exchange, now).is_allowed()
        };
        self.library.all().iter().filter(may).map(|library| library.id()).collect()
    }

    fn greet(&self, peer: &PeerKey, hello: Hello) -> bool {
        if !hello.statements.is_empty() {
            let statements: Vec<_> = hello.statements.into_iter().map(Bytes::from).collect();
            let news = self.library.hear(&statements);
            self.library.follow_news(&news);
        }
        if !self.library.keys().holds_in_any(&peer.node, &peer.key) {
            return false;
        }
        let libraries = self.memberships(peer);
        if !hello.addresses.is_empty() && !libraries.is_empty() {
            self.peers.record_self_claim(&peer.node, &hello.name, &hello.addresses, &libraries);
        }
        true
    }

    fn answer(&self, caller: &Caller, request: Request, out: &mut dyn Outlet) -> Result<(), Error> {
        let peer = &caller.peer;
        if let Request::Join(join) = request {
            let exporter = caller.exporter.ok_or_else(|| Error::Busy("no keying material".into()))?;
            let welcome = redeem::redeem(&self.context, &self.library, peer, &exporter, &join)?;
            let end = Frame::End(End { complete: true, ..End::default() });
            let _ = welcome.into_iter().map(Frame::Statement).chain([end]).all(|frame| out.send(frame));
            return Ok(());
        }
        let asker = Asker { node: peer.node, key: peer.key, kinds: Kinds::KNOWN.common(caller.kinds) };
        let (library, release) = (*request.library(), self.release_of(&request));
        let from_ms = self.context.now_ms();
        let mut counted = Counted::new(out);
        let mut answering = Answering { handler: self, changes: self.library.changes() };
        let went = respond(&mut answering, &asker, request, &mut counted);
        if counted.bytes > 0 {
            let (bytes, to_ms) = (counted.bytes, self.context.now_ms());
            self.sent.add(peer.node, library, Sent { release, bytes, from_ms, to_ms });
        }
        went
    }

    fn ended(&self, peer: &PeerKey) {
        for (id, sent) in self.sent.take(&peer.node) {
            let Some(library) = self.library.get(&id) else { continue };
            let name = library.member(&peer.node).map_or("", |said| &said.body.name);
            let (seconds, bytes) = (sent.to_ms.saturating_sub(sent.from_ms) / 1000, sent.bytes);
            let (peer, library, release) = (peer.node.short(), library.name(), &sent.release);
            tracing::info!(name, peer, library, release, bytes, seconds, "a peer pulled");
        }
    }

    fn refused(&self, peer: Option<&PeerKey>, address: SocketAddr, stage: Refused, why: &str) {
        self.audit.refused(peer, address, stage, why);
    }
}

impl Handler {
    /// The release that a pull asks for, as the log shows it; empty for other requests.
    fn release_of(&self, request: &Request) -> String {
        let Request::Pull(pull) = request else { return String::new() };
        let Some(library) = self.library.get(&pull.library) else { return String::new() };
        let said = match &pull.want {
            Want::Release(release) => library.release(release),
            Want::Channel(channel) => self.library.here(&library, channel).ok().flatten(),
        };
        said.map(|said| format!("{} {}", said.statement.sequence(), said.statement.id().short()))
            .unwrap_or_default()
    }

    /// The introduction of this node to the dialler that proved `key`, where this node's key is not its
    /// first: the statements that prove this node's key. `bound` has the libraries that bind the dialler's
    /// key.
    fn introduction(&self, key: &PublicKey, bound: &[(LibraryId, NodeId)]) -> Option<Hello> {
        if self.context.key.identity().is_first_key() {
            return None;
        }
        let now = self.context.now_ms();
        let is_member = |library: &Library| {
            let node = bound.iter().find(|(id, _)| *id == library.id());
            node.is_some_and(|(_, node)| decide(library, node, Some(key), Act::Exchange, now).is_allowed())
        };
        let statements = introduction::statements(
            &self.library.all(),
            is_member,
            &self.context.me(),
            &self.context.signing_key().public(),
        );
        // The dialler gets it before it has named its node: it proves this node's key, and nothing else.
        let hello = Hello {
            version: VERSION,
            node: self.context.me(),
            addresses: Vec::new(),
            name: String::new(),
            statements: Vec::new(),
            kinds: Kinds::KNOWN,
        };
        Some(hello.with_statements(statements.into_iter()))
    }
}

/// One answer under way.
struct Answering<'a> {
    handler: &'a Handler,
    changes: watch::Receiver<u64>,
}

impl Responder for Answering<'_> {
    fn library(&self, id: &LibraryId) -> Option<Arc<Library>> {
        self.handler.library.get(id)
    }

    fn objects(&self, library: &LibraryId) -> Arc<dyn Objects> {
        self.handler.context.objects(library)
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.handler.context.store) as Arc<dyn Ledger>
    }

    fn now_ms(&self) -> i64 {
        self.handler.context.now_ms()
    }

    fn peers(&self, library: &Library) -> Vec<Hello> {
        self.handler.peers.member_hellos(library)
    }

    fn take_offered(&self, library: &LibraryId, peer: &NodeId, statements: Vec<Bytes>) {
        let service = &self.handler.library;
        let news = service.hear(&statements);
        service.note_announcer(library, peer, &news);
        service.follow_news(&news);
    }

    fn has_changed(&mut self) -> bool {
        let changed = self.changes.has_changed().unwrap_or(false);
        if changed {
            self.changes.mark_unchanged();
        }
        changed
    }
}

/// The failure to listen on `address`.
fn not_listening(address: SocketAddr, error: NetError) -> Failure {
    match &error {
        NetError::Io { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
            let message = format!(
                "another program listens on UDP {address} already; end it, or choose another address with the option `listen` \
                 or with `listen` in chuan.toml"
            );
            Failure::new(Exit::Io, message).caused_by(error)
        }
        _ => net_failure(error),
    }
}
