//! Accepting connections: which peers may connect, how many, and how all sessions end.
//!
//! One loop owns the counts of handshakes and sessions and makes every decision about them; a session itself
//! is in `driver`. Nothing here reads a request.

use std::{
    collections::HashMap,
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use chuan_engine::{
    id::{LibraryId, NodeId},
    statement::{Kinds, PublicKey},
    sync::{
        message::{Hello, Request},
        session::Outlet,
    },
};
use tokio::{
    sync::{Semaphore, watch},
    task::{self, JoinSet},
};

use crate::{
    Counts, Endpoint,
    admission::{Crowd, Load, Membership, Verdict, site},
    answer_slots::AnswerSlots,
    driver,
    endpoint::{CloseCode, proved_node},
    handshakes::Handshakes,
    identity::PeerKey,
    limits,
    window::unacknowledged,
};

/// The work of a node for the sessions of its peers.
///
/// Every method may block, is called from threads that may block, and concurrently. The node decides every
/// right; this crate asks again whenever a library changes.
pub trait PeerHandler: Send + Sync + 'static {
    /// The node that holds `key`, which a handshake has proved.
    fn identify(&self, key: &PublicKey) -> Identified;

    /// The libraries here of which `peer` is a member now, by the key that it proved. A member of none gets
    /// little time and few places. Of a library of which a peer ceases to be a member the answers end; a peer
    /// that ceases to be a member of its last library is disconnected.
    fn memberships(&self, peer: &PeerKey) -> Vec<LibraryId>;

    /// Takes the hello of a peer: its statements, unverified, and, where they or the libraries here prove
    /// that the key that it proved is that of the node it names, its name and addresses as hints. Returns
    /// whether they do.
    fn greet(&self, peer: &PeerKey, hello: Hello) -> bool;

    /// Answers a request, frame by frame, until `out` takes no more frames. A join is answered with the
    /// statements that the new member needs: roots, the ticket, its own membership and the redeemer's; the
    /// use of the ticket is durable before that.
    ///
    /// # Errors
    ///
    /// An error becomes the refusal that ends the answer. The text of a denied join goes to the peer.
    fn answer(&self, caller: &Caller, request: Request, out: &mut dyn Outlet) -> chuan_engine::Result<()>;

    /// Reports the end of a session of `peer` whose hello was taken. Must not block.
    fn ended(&self, peer: &PeerKey);

    /// Reports that `address` was refused at `stage`; `peer` is the key that it proved, if it got so far. For
    /// an audit log and for alerts: no decision depends on it. The only method that must not block, however
    /// often unknown peers cause a call.
    fn refused(&self, peer: Option<&PeerKey>, address: SocketAddr, stage: Refused, why: &str);
}

/// The holder of a key.
#[derive(Clone, Debug)]
pub struct Identified {
    /// The node: by the libraries here, else the node whose first key it would be.
    pub node: NodeId,
    /// The libraries here that bind the key, each with the node to which it binds it. Connections are counted
    /// by these: what one library binds takes no place of what another one binds.
    pub bound: Vec<(LibraryId, NodeId)>,
    /// The introduction of this node to the peer, where this node's key is not its first.
    pub introduction: Option<Hello>,
}

/// The peer that sends a request.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Its node and the key that it proved.
    pub peer: PeerKey,
    /// The kinds of statements that it knows.
    pub kinds: Kinds,
    /// The keying material of the connection, to which a ticket's proof is bound.
    pub exporter: Option<[u8; 32]>,
}

/// A node that listens.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a handler is any type of the node")]
pub struct Listener {
    /// The work of the node.
    pub handler: Arc<dyn PeerHandler>,
    /// The counters of requests.
    pub counts: Arc<Counts>,
    /// Changes with every change of a library.
    pub changes: watch::Receiver<u64>,
}

/// The stage at which a peer was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The handshake: no key was proved.
    Handshake,
    /// The hello: it was wrong.
    Hello,
    /// A request.
    Request,
    /// A join.
    Join,
}

impl Refused {
    /// The name of the stage in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Refused::Handshake => "handshake",
            Refused::Hello => "hello",
            Refused::Request => "request",
            Refused::Join => "join",
        }
    }
}

/// Accepts connections on `endpoint` and answers them from `listener` until `stop` is ready.
///
/// Then no new request is accepted, answers under way get [`CLOSE_GRACE`](limits::CLOSE_GRACE) to finish, and
/// every peer is notified. Dropping the future instead ends everything at once.
pub async fn run(endpoint: Endpoint, listener: Listener, stop: impl Future<Output = ()>) {
    let (stopping, stopped) = watch::channel(false);
    let mut acceptor = Acceptor::new(listener, stopped);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => acceptor.on_datagram(incoming),
                None => {
                    tracing::error!("the socket is lost and no peer can connect; start the node again");
                    break;
                }
            },
            Some(ended) = acceptor.handshakes.next() => acceptor.on_handshake(ended),
            Some(ended) = acceptor.session_tasks.join_next_with_id() => acceptor.on_session_end(ended),
        }
    }
    // No receiver is left if the last session has ended.
    let _ = stopping.send(true);
    let _ = tokio::time::timeout(limits::CLOSE_GRACE, acceptor.drain()).await;
    endpoint.close().await;
}

/// A completed handshake; `None` if it failed or timed out.
type Handshake = Option<(quinn::Connection, driver::LookedUp)>;
/// The end of a task, with its id in both cases.
type Ended<T> = std::result::Result<(task::Id, T), task::JoinError>;

/// The session of a peer that has proved its key.
struct Session {
    quic: quinn::Connection,
    peer: PeerKey,
    bound: Vec<(LibraryId, NodeId)>,
    site: IpAddr,
    /// The libraries of which it is a member now, as its session found.
    member_of: watch::Receiver<Vec<LibraryId>>,
    /// Number of its requests that are being answered.
    asking: Arc<AtomicUsize>,
    since: Instant,
    /// Whether it was disconnected to make room and is about to end.
    is_leaving: bool,
    /// The send window that its path can use.
    window: u64,
}

impl Session {
    /// Whether it is the session of a member of no library here, and holds a place.
    fn is_unknown(&self) -> bool {
        self.member_of.borrow().is_empty() && !self.is_leaving
    }

    /// Whether it is the session of a member, and holds a place.
    fn is_members(&self) -> bool {
        !self.member_of.borrow().is_empty() && !self.is_leaving
    }

    /// Whether its connection and that of `peer` count as connections of one node: their keys are equal, or
    /// one library binds both keys to one node.
    fn is_of(&self, peer: &driver::LookedUp) -> bool {
        self.peer.key == peer.peer.key || self.bound.iter().any(|bound| peer.bound.contains(bound))
    }
}

/// The pending handshakes and the open sessions of a server.
struct Acceptor {
    context: driver::SessionContext,
    handshakes: Handshakes<Handshake>,
    session_tasks: JoinSet<()>,
    /// The session of each task in `session_tasks`.
    sessions: HashMap<task::Id, Session>,
    /// The share of the send pool that each connection may use.
    share: u64,
}

impl Acceptor {
    fn new(listener: Listener, stopped: watch::Receiver<bool>) -> Self {
        let answers = AnswerSlots::new(limits::ANSWERS);
        let short_answers = AnswerSlots::new(limits::SHORT_ANSWERS);
        let unknown_peers = Arc::new(Semaphore::new(limits::UNKNOWN_PEER_ANSWERS));
        let Listener { handler, counts, changes } = listener;
        Self {
            context: driver::SessionContext {
                handler,
                answers,
                short_answers,
                unknown_peers,
                counts,
                changes,
                stopped,
            },
            handshakes: Handshakes::new(),
            session_tasks: JoinSet::new(),
            sessions: HashMap::new(),
            share: limits::SEND_POOL_BYTES,
        }
    }

    /// Decides on a first datagram.
    fn on_datagram(&mut self, incoming: quinn::Incoming) {
        let (address, proved) = (incoming.remote_address(), incoming.remote_address_validated());
        let site = site(address.ip());
        let verdict = self.load(site).decide(proved);
        match verdict {
            Verdict::Ignore => incoming.ignore(),
            // An unproved address can always be asked to prove itself; the error case cannot occur.
            Verdict::Prove => drop(incoming.retry()),
            Verdict::Refuse => {
                tracing::debug!(%address, "no room for another connection");
                incoming.refuse();
            }
            Verdict::Admit | Verdict::Replace => {
                if verdict == Verdict::Replace {
                    tracing::debug!(%address, "the oldest handshake from this address gives way");
                    self.handshakes.end_oldest(site);
                }
                self.handshakes.begin(site, proved, handshake(incoming, self.context.clone()));
            }
        }
    }

    fn load(&self, site: IpAddr) -> Load {
        let (proved_at_site, oldest_at_site) = self.handshakes.proved_at(site);
        let half_open_at_site = self.handshakes.at(site);
        let sessions = self.sessions.values().filter(|session| session.site == site).count();
        Load {
            half_open: self.handshakes.len(),
            half_open_at_site,
            proved_at_site,
            oldest_at_site,
            at_site: half_open_at_site + sessions,
        }
    }

    /// Starts the session of a peer that has proved its key, if the limits of its node, its address and
    /// unknown peers allow it.
    fn on_handshake(&mut self, ended: Option<(IpAddr, Handshake)>) {
        let Some((site, Some((quic, looked_up)))) = ended else {
            return self.context.counts.handshake_failed();
        };
        self.keep_limit();
        if !self.has_room(site, &looked_up) && !self.make_room(site, &looked_up) {
            self.context.counts.handshake_failed();
            return quic.close(CloseCode::Busy.varint(), b"");
        }
        let (peer, bound) = (looked_up.peer, looked_up.bound.clone());
        self.context.counts.session(!looked_up.member_of.is_empty());
        let (sender, member_of) = watch::channel(looked_up.member_of.clone());
        let asking: Arc<AtomicUsize> = Arc::default();
        let presence = driver::Presence { member_of: sender, asking: Arc::clone(&asking) };
        let session = driver::session(quic.clone(), looked_up, presence, self.context.clone());
        let task = self.session_tasks.spawn(session);
        let window = unacknowledged(quic.rtt());
        quic.set_send_window(window.min(self.share));
        let since = Instant::now();
        let is_leaving = false;
        let session = Session { quic, peer, bound, site, member_of, asking, since, is_leaving, window };
        self.sessions.insert(task.id(), session);
        self.share_windows();
    }

    /// Whether there is room for another connection of this peer. Keys cost nothing, addresses little:
    /// unknown peers get few places, and few of them at one address.
    fn has_room(&self, site: IpAddr, peer: &driver::LookedUp) -> bool {
        let same = self.sessions.values().filter(|other| other.is_of(peer)).count();
        let unknown = || self.sessions.values().filter(|other| other.is_unknown());
        let here = unknown().filter(|other| other.site == site).count();
        let has_place = match peer.member_of.is_empty() {
            true => {
                unknown().count() < limits::UNKNOWN_PEER_CONNECTIONS
                    && here < limits::UNKNOWN_PEERS_PER_ADDRESS
            }
            false => self.members().len() < limits::CONNECTIONS,
        };
        same < limits::CONNECTIONS_PER_NODE && has_place
    }

    /// The sessions of members, from the oldest to the newest.
    fn members(&self) -> Vec<(task::Id, &Session)> {
        let members = self.sessions.iter().filter(|(_, session)| session.is_members());
        let mut members: Vec<_> = members.map(|(id, session)| (*id, session)).collect();
        members.sort_by_key(|(_, session)| session.since);
        members
    }

    /// Frees a place for a peer. Returns whether there is room now.
    fn make_room(&mut self, site: IpAddr, peer: &driver::LookedUp) -> bool {
        let of_node = self.sessions.values().filter(|session| session.is_of(peer));
        if of_node.count() >= limits::CONNECTIONS_PER_NODE {
            return false;
        }
        let gives_way = match peer.member_of.is_empty() {
            true => self.silent(site),
            false => self.of_members(|crowd| crowd.gives_way_to(&peer.member_of)),
        };
        gives_way.is_some_and(|id| self.end(id)) && self.has_room(site, peer)
    }

    /// Ends sessions of members above the limit: a peer may have proved in its hello that it is one.
    fn keep_limit(&mut self) {
        while self.members().len() > limits::CONNECTIONS {
            let greediest = self.of_members(|crowd| crowd.greediest().map(|(_, at)| at));
            if !greediest.is_some_and(|id| self.end(id)) {
                return;
            }
        }
    }

    /// The session of a member at the position that `choose` returns.
    fn of_members(&self, choose: impl FnOnce(&Crowd<'_>) -> Option<usize>) -> Option<task::Id> {
        let members = self.members();
        let membership = |(_, session): &(task::Id, &Session)| -> Membership {
            (session.peer.key, session.member_of.borrow().clone())
        };
        let memberships: Vec<_> = members.iter().map(membership).collect();
        members.get(choose(&Crowd::of(&memberships))?).map(|(id, _)| *id)
    }

    /// Disconnects a peer to free its place. Returns whether there was one.
    fn end(&mut self, id: task::Id) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        session.is_leaving = true;
        session.quic.close(CloseCode::Busy.varint(), b"");
        true
    }

    /// The oldest of the unknown peers that are silent, which gives its place to another one. A peer that
    /// joins sends its hello and its request with the end of the handshake, so it is silent for no longer
    /// than these take to be read: its join is judged before it can lose its place, however many silent peers
    /// share its address.
    fn silent(&self, site: IpAddr) -> Option<task::Id> {
        let at_site = |session: &&Session| session.is_unknown() && session.site == site;
        let is_full = self.sessions.values().filter(at_site).count() >= limits::UNKNOWN_PEERS_PER_ADDRESS;
        let may_go = |session: &Session| {
            session.is_unknown()
                && (session.site == site || !is_full)
                && session.asking.load(Ordering::Relaxed) == 0
        };
        let silent = self.sessions.iter().filter(|(_, session)| may_go(session));
        silent.min_by_key(|(_, session)| session.since).map(|(id, _)| *id)
    }

    fn on_session_end(&mut self, ended: Ended<()>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a session failed");
                error.id()
            }
        };
        self.sessions.remove(&id);
        self.share_windows();
    }

    /// Shares the send pool out evenly; by powers of two, so that a new connection seldom changes all shares.
    fn share_windows(&mut self) {
        let count = self.sessions.len().clamp(1, limits::CONNECTIONS).next_power_of_two();
        let share = limits::SEND_POOL_BYTES / u64::try_from(count).unwrap_or(u64::MAX);
        if share != self.share {
            self.share = share;
            self.sessions
                .values()
                .for_each(|session| session.quic.set_send_window(session.window.min(share)));
        }
    }

    /// Waits until all sessions have ended.
    async fn drain(&mut self) {
        while self.session_tasks.join_next().await.is_some() {}
    }
}

async fn handshake(incoming: quinn::Incoming, context: driver::SessionContext) -> Handshake {
    let address = incoming.remote_address();
    let handshake = async { incoming.accept()?.await };
    match tokio::time::timeout(limits::HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(quic)) => {
            let proved = proved_node(&quic)?;
            Some((quic, context.look_up(proved.key).await?))
        }
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "a handshake failed");
            context.handler.refused(None, address, Refused::Handshake, &error.to_string());
            None
        }
        Err(_) => {
            tracing::debug!(%address, "a handshake took too long");
            context.handler.refused(None, address, Refused::Handshake, "it took too long");
            None
        }
    }
}
