//! Accepting: who may connect, how many, and how all of it ends.
//!
//! One loop owns the count of handshakes and sessions and takes every decision about them; a session itself is
//! `driver`'s. Nothing here looks into a request.

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

use bytes::Bytes;
use chuan_engine::{
    id::{LibraryId, NodeId},
    limits::ANSWER_PEERS,
    statement::{Kinds, PublicKey, library::Library},
    store::{Ledger, Objects},
    sync::{
        exchange::{self, Reply},
        frame::Frame,
        message::{End, Hello, Join, Request},
        session::{Answer, Outlet},
    },
};
use tokio::{
    sync::{Semaphore, watch},
    task::{self, JoinSet},
};

use crate::{
    Counts, Endpoint, driver,
    endpoint::{CloseCode, proved_node},
    identity::PeerKey,
    knock::{Crowd, Verdict, site},
    limits,
    standing::Standing,
    window::unacknowledged,
};

/// What a node does for its peers' sessions.
///
/// Every method may block, is called from threads that may, and by several at once. Whether a peer may have what it asks
/// for is decided from the library's statements.
pub trait Host: Send + Sync + 'static {
    /// The chunks and pages of a library.
    fn objects(&self, library: &LibraryId) -> Arc<dyn Objects>;

    /// Where statements and channels' moves are.
    fn ledger(&self) -> Arc<dyn Ledger>;

    /// What is known of a library now; `None` where it is not served here.
    fn library(&self, id: &LibraryId) -> Option<Arc<Library>>;

    /// The time, in milliseconds since 1970: memberships may expire.
    fn now_ms(&self) -> i64;

    /// The node whose key this is by what is known here; else the one whose first key it would be.
    fn node_of(&self, key: &PublicKey) -> NodeId {
        key.node()
    }

    /// The libraries here of which `peer` is a member now, by the key it proved. Who is member of none is given little time
    /// and few places, and who ceases to be one is shown out.
    fn memberships(&self, peer: &PeerKey) -> Vec<LibraryId>;

    /// Ticks when what is known of any library changes; none where a host never tells.
    fn changes(&self) -> Option<watch::Receiver<u64>> {
        None
    }

    /// The kinds of statements that this node knows: it hears and says no others.
    fn kinds(&self) -> Kinds {
        Kinds::KNOWN
    }

    /// Where a listener counts what it is asked.
    fn counts(&self) -> Arc<Counts> {
        Arc::default()
    }

    /// What this node says of itself to who dials it, where its key is not its first.
    fn introduction(&self) -> Option<Hello> {
        None
    }

    /// Whether the key that `peer` proved is that of the node it says it is. Its statements were offered before.
    fn recognises(&self, peer: &PeerKey) -> bool {
        peer.key.node() == peer.node
    }

    /// Other members of `library` and where they were reached: hints for who asks.
    fn peers(&self, library: &Library) -> Vec<Hello> {
        let _ = library;
        Vec::new()
    }

    /// A peer whose key is recognised has come, and says what it is called and where it is reached: hints.
    fn met(&self, peer: &PeerKey, name: &str, addresses: &[String]) {
        let _ = (peer, name, addresses);
    }

    /// Takes statements a peer brought along, unverified; who brought them means nothing. Bad ones are dropped.
    fn offer(&self, statements: Vec<Bytes>);

    /// Takes statements that a member offered in an exchange, like [`offer`](Self::offer). That it announced them is worth
    /// remembering: it may have what they name.
    fn offered(&self, peer: &PeerKey, statements: Vec<Bytes>) {
        let _ = peer;
        self.offer(statements);
    }

    /// Answers any request but a join, of a peer that knows `kinds` of statements, frame by frame, until `out` says that
    /// nobody takes more. An error becomes the
    /// refusal that ends the answer; so does a grant that ends, or becomes less, while the answer runs.
    fn answer(
        &self,
        peer: &PeerKey,
        kinds: Kinds,
        request: Request,
        out: &mut dyn Outlet,
    ) -> chuan_engine::Result<()> {
        let changes = self.changes();
        // A library that is not here gets the answer that a stranger gets.
        let library = self
            .library(request.library())
            .ok_or_else(|| chuan_engine::Error::Denied("the library is not served here".into()))?;
        if !library.holds_key(&peer.node, &peer.key, self.now_ms()) {
            return Err(chuan_engine::Error::Denied("the peer's key was replaced".into()));
        }
        let reply = match request {
            Request::Exchange { talk, .. } => {
                let both = self.kinds().common(kinds);
                exchange::answer(&library, both, talk, &peer.node, self.now_ms())?
            }
            Request::Peers { .. } if library.is_member(&peer.node, self.now_ms()) => {
                let peers = self.peers(&library).into_iter().take(ANSWER_PEERS).map(Frame::Hello);
                let end = Frame::End(End { complete: true, ..End::default() });
                Reply { frames: peers.chain([end]).collect(), offered: Vec::new() }
            }
            request => {
                let objects = self.objects(&library.id());
                let answer =
                    Answer::new(objects, &*self.ledger(), &library, request, &peer.node, self.now_ms())?;
                let mut standing = Standing::new(self, peer, library, changes, out);
                let went = answer.run(&mut standing);
                return standing.judge(went);
            }
        };
        if !reply.offered.is_empty() {
            self.offered(peer, reply.offered);
        }
        let _ = reply.frames.into_iter().all(|frame| out.send(frame));
        Ok(())
    }

    /// Redeems a ticket for `peer`: checks the proof over `exporter`, stores the use durably, and gives the statements
    /// the new member needs (roots, the ticket, its own and the issuer's membership). The text of an
    /// [`Error::Denied`](chuan_engine::Error::Denied) goes to the peer.
    fn join(&self, peer: &PeerKey, exporter: &[u8; 32], join: &Join) -> chuan_engine::Result<Vec<Bytes>>;

    /// Hears of somebody at `address` who did not prove enough for `what`; `peer` is the key it did prove, if it got so far.
    /// For an audit log and for alerts: nothing hangs on it. The one method that must not block, whoever knocks how often.
    fn refused(&self, peer: Option<&PeerKey>, address: SocketAddr, what: Refused, why: &str) {
        let _ = (peer, address, what, why);
    }
}

/// What somebody did not prove enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A connection: no key was proved.
    Handshake,
    /// A session: the hello was wrong.
    Hello,
    /// An answer.
    Request,
    /// A membership.
    Join,
}

impl Refused {
    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Refused::Handshake => "handshake",
            Refused::Hello => "hello",
            Refused::Request => "request",
            Refused::Join => "join",
        }
    }
}

/// Accepts connections on `endpoint` and answers them from `host` until `stop` is ready.
///
/// Then no new request is taken, answers under way get [`CLOSE_GRACE`](limits::CLOSE_GRACE) to finish, and every peer is
/// told. Dropping the future instead ends everything at once.
pub async fn run(endpoint: Endpoint, host: Arc<dyn Host>, stop: impl Future<Output = ()>) {
    let (stopping, stopped) = watch::channel(false);
    let mut door = Door::new(host, stopped);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => door.knock(incoming),
                None => {
                    tracing::error!("the socket is lost: no peer is answered any more; start the node again");
                    break;
                }
            },
            Some(ended) = door.handshakes.join_next_with_id() => door.shake(ended),
            Some(ended) = door.sessions.join_next_with_id() => door.leave(ended),
        }
    }
    // Nobody listens any more where the last session has ended.
    let _ = stopping.send(true);
    let _ = tokio::time::timeout(limits::CLOSE_GRACE, door.empty()).await;
    endpoint.close().await;
}

/// Who shook hands in time, and whether it is a member of anything.
type Proved = Option<(quinn::Connection, PeerKey, bool)>;
/// The end of a task, with its id either way.
type Ended<T> = std::result::Result<(task::Id, T), task::JoinError>;

/// Where a task's peer is.
#[derive(Clone, Copy)]
struct Place {
    site: IpAddr,
    /// Whether it is there for sure: addresses are forged.
    proved: bool,
}

/// A peer that has proved a key.
struct Guest {
    quic: quinn::Connection,
    peer: PeerKey,
    site: IpAddr,
    /// Whether it is a member of anything now, as its session finds.
    known: watch::Receiver<bool>,
    /// Requests of it that are being answered.
    asking: Arc<AtomicUsize>,
    since: Instant,
    /// Whether it was shown out and its session is about to end.
    is_leaving: bool,
    /// What its path can use of a send window.
    window: u64,
}

impl Guest {
    /// Whether it is a member of nothing here, and takes a place.
    fn is_stranger(&self) -> bool {
        !*self.known.borrow() && !self.is_leaving
    }
}

/// Who is at the door and who is in.
struct Door {
    lent: driver::Lent,
    handshakes: JoinSet<Proved>,
    sessions: JoinSet<()>,
    /// Where the peer of each task in `handshakes` and `sessions` is.
    places: HashMap<task::Id, Place>,
    /// The guest of each task in `sessions`.
    guests: HashMap<task::Id, Guest>,
    /// What each connection may use of the send pool.
    share: u64,
}

impl Door {
    fn new(host: Arc<dyn Host>, stopped: watch::Receiver<bool>) -> Self {
        let answers = Arc::new(Semaphore::new(limits::ANSWERS));
        let short_answers = Arc::new(Semaphore::new(limits::SHORT_ANSWERS));
        let strangers = Arc::new(Semaphore::new(limits::STRANGER_ANSWERS));
        let counts = host.counts();
        Self {
            lent: driver::Lent { host, answers, short_answers, strangers, counts, stopped },
            handshakes: JoinSet::new(),
            sessions: JoinSet::new(),
            places: HashMap::new(),
            guests: HashMap::new(),
            share: limits::SEND_POOL_BYTES,
        }
    }

    /// Decides on a first datagram.
    fn knock(&mut self, incoming: quinn::Incoming) {
        let (address, proved) = (incoming.remote_address(), incoming.remote_address_validated());
        let from = Place { site: site(address.ip()), proved };
        match self.crowd(from.site).judge(proved) {
            Verdict::Ignore => incoming.ignore(),
            // An unproved address may always be asked to prove itself; the error case cannot be.
            Verdict::Prove => drop(incoming.retry()),
            Verdict::Refuse => {
                tracing::debug!(%address, "no room for another connection");
                incoming.refuse();
            }
            Verdict::Admit => {
                let task = self.handshakes.spawn(shake_hands(incoming, self.lent.clone()));
                self.places.insert(task.id(), from);
            }
        }
    }

    fn crowd(&self, site: IpAddr) -> Crowd {
        let there = || self.places.iter().filter(|(_, from)| from.site == site);
        let half_open = || there().filter(|(id, _)| !self.guests.contains_key(id));
        Crowd {
            half_open: self.handshakes.len(),
            half_open_there: half_open().count(),
            proved_there: half_open().filter(|(_, from)| from.proved).count(),
            all: self.places.len(),
            there: there().count(),
        }
    }

    /// Lets in who has proved a key, within the number of connections of one node, and of strangers.
    fn shake(&mut self, ended: Ended<Proved>) {
        let (id, proved) = match ended {
            Ok((id, proved)) => (id, proved),
            Err(error) => (error.id(), None),
        };
        let from = self.places.remove(&id);
        let (Some(from), Some((quic, peer, is_known))) = (from, proved) else {
            return self.lent.counts.handshake_failed();
        };
        if !self.has_room(from.site, &peer, is_known) && !self.make_room(from.site, &peer, is_known) {
            self.lent.counts.handshake_failed();
            return quic.close(CloseCode::Busy.varint(), b"");
        }
        self.lent.counts.session(is_known);
        let (know, known) = watch::channel(is_known);
        let asking: Arc<AtomicUsize> = Arc::default();
        let presence = driver::Presence { known: know, asking: Arc::clone(&asking) };
        let task = self.sessions.spawn(driver::session(quic.clone(), peer, presence, self.lent.clone()));
        let window = unacknowledged(quic.rtt());
        quic.set_send_window(window.min(self.share));
        self.places.insert(task.id(), Place { proved: true, ..from });
        let since = Instant::now();
        let (site, is_leaving) = (from.site, false);
        self.guests.insert(task.id(), Guest { quic, peer, site, known, asking, since, is_leaving, window });
        self.share_windows();
    }

    /// Whether there is room for another connection of this peer. Keys cost nothing, addresses little: strangers get few places,
    /// and few of them at one address.
    fn has_room(&self, site: IpAddr, peer: &PeerKey, is_known: bool) -> bool {
        let same = self.guests.values().filter(|other| other.peer.node == peer.node).count();
        let strangers = || self.guests.values().filter(|other| other.is_stranger());
        let here = strangers().filter(|other| other.site == site).count();
        let has_place = is_known
            || (strangers().count() < limits::CONNECTIONS_OF_STRANGERS
                && here < limits::STRANGERS_PER_ADDRESS);
        same < limits::CONNECTIONS_PER_NODE && has_place
    }

    /// Shows out the stranger that has been silent longest, so that another stranger has its place: whoever holds all places of
    /// an address that many share must go on asking to keep them. Gives whether there is room now.
    fn make_room(&mut self, site: IpAddr, peer: &PeerKey, is_known: bool) -> bool {
        let at_site = |guest: &&Guest| guest.is_stranger() && guest.site == site;
        let is_crowded = self.guests.values().filter(at_site).count() >= limits::STRANGERS_PER_ADDRESS;
        let may_go = |guest: &Guest| {
            guest.is_stranger()
                && (guest.site == site || !is_crowded)
                && guest.asking.load(Ordering::Relaxed) == 0
                && guest.since.elapsed() >= limits::STRANGER_GRACE
        };
        let silent = self.guests.values_mut().filter(|guest| may_go(guest));
        let Some(oldest) = silent.min_by_key(|guest| guest.since) else { return false };
        oldest.is_leaving = true;
        oldest.quic.close(CloseCode::Busy.varint(), b"");
        self.has_room(site, peer, is_known)
    }

    fn leave(&mut self, ended: Ended<()>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a session failed");
                error.id()
            }
        };
        self.places.remove(&id);
        self.guests.remove(&id);
        self.share_windows();
    }

    /// Shares the send pool out evenly; by powers of two, so that a newcomer seldom changes everyone's share.
    fn share_windows(&mut self) {
        let guests = self.guests.len().max(1).next_power_of_two();
        let share = limits::SEND_POOL_BYTES / u64::try_from(guests).unwrap_or(u64::MAX);
        if share != self.share {
            self.share = share;
            self.guests.values().for_each(|guest| guest.quic.set_send_window(guest.window.min(share)));
        }
    }

    /// Waits until all sessions have ended.
    async fn empty(&mut self) {
        while self.sessions.join_next().await.is_some() {}
    }
}

async fn shake_hands(incoming: quinn::Incoming, lent: driver::Lent) -> Proved {
    let address = incoming.remote_address();
    let handshake = async { incoming.accept()?.await };
    match tokio::time::timeout(limits::HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(quic)) => {
            let proved = proved_node(&quic)?;
            let (peer, known) = lent.look_up(proved.key).await?;
            Some((quic, peer, known))
        }
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "a handshake failed");
            lent.host.refused(None, address, Refused::Handshake, &error.to_string());
            None
        }
        Err(_) => {
            tracing::debug!(%address, "a handshake took too long");
            lent.host.refused(None, address, Refused::Handshake, "it took too long");
            None
        }
    }
}
