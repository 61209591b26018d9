//! The exchanges over one socket. Each peer has exchanges of its own, one at a time for each library. An
//! exchange continues as long as new statements arrive. Exchanges are independent: a slow peer delays no
//! other, and an exchange continues after its requester has stopped waiting for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chuan_api::node_event::NodeEvent;
use chuan_engine::id::{LibraryId, NodeId};
use chuan_net::link::{Link, Socket, peers};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    ExchangeService,
    reached::{ExchangeKey, Noted},
};
use crate::{
    context::{Acted, Success},
    exit::{Failure, Result},
    net_error::net_failure,
    peers::{KnownPeers, Source, address::plain},
};

/// Concurrent dials of peers for one library. The owner of another library can invent any number of members
/// that never answer: they hold up the dials of that library only.
const DIALS: usize = 12;
/// Concurrent dials, beside those, of peers that did not answer the last time: unreachable peers delay no
/// reachable one.
const DIALS_AGAIN: usize = 4;
/// Concurrent exchanges with one peer, each about another library. Low, since pulls need connections of that
/// peer too.
const EXCHANGES_PER_PEER: usize = 2;
/// Concurrent exchanges about one library, with all its peers: each holds the state of the library, and the
/// statements that it received. The owner of a library can invent any number of members that answer slowly.
const EXCHANGES: usize = 64;
/// The maximum time of one exchange. It ends earlier if no data arrives. Statements that arrived by then are
/// stored, and the next exchange gets the rest.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(300);

/// The exchanges over one endpoint. They end with it.
#[derive(Debug)]
pub(crate) struct ExchangeScheduler {
    socket: Arc<dyn Socket>,
    service: Arc<ExchangeService>,
    state: Mutex<State>,
    found: Notify,
    /// Cancelled when no further exchange may begin.
    closing: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// The exchanges under way, each with the requesters that wait for the next one with the same key.
    open: BTreeMap<ExchangeKey, Vec<oneshot::Sender<usize>>>,
    /// The exchanges whose peer has answered the dial.
    connected: BTreeSet<ExchangeKey>,
    /// Peers that were not reached the last time over this socket.
    unreachable: BTreeSet<ExchangeKey>,
    /// The permits for exchanges with each peer.
    of_peer: BTreeMap<NodeId, Arc<Semaphore>>,
    of_library: BTreeMap<LibraryId, Arc<Permits>>,
    /// Libraries of which a peer has named members whose addresses were unknown.
    found: BTreeSet<LibraryId>,
    tasks: JoinSet<()>,
}

/// The permits for one library.
#[derive(Debug)]
struct Permits {
    dials: Semaphore,
    dials_again: Semaphore,
    exchanges: Arc<Semaphore>,
}

impl Default for Permits {
    fn default() -> Self {
        Self {
            dials: Semaphore::new(DIALS),
            dials_again: Semaphore::new(DIALS_AGAIN),
            exchanges: Arc::new(Semaphore::new(EXCHANGES)),
        }
    }
}

/// The permits of an exchange under way: of its peer, and of its library.
type Held = [OwnedSemaphorePermit; 2];

impl ExchangeScheduler {
    pub(crate) fn over(
        socket: Arc<dyn Socket>,
        service: Arc<ExchangeService>,
        closing: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self { socket, service, state: Mutex::default(), found: Notify::new(), closing })
    }

    /// The socket.
    pub(crate) fn socket(&self) -> &dyn Socket {
        &*self.socket
    }

    /// Begins an exchange with a peer. Where one is under way, which may have missed the newest statements,
    /// another follows it. Gives the number of new statements when it has ended; closed without a value where
    /// the peer was not reached.
    pub(crate) fn exchange_with(
        self: &Arc<Self>,
        library: LibraryId,
        peer: Source,
    ) -> oneshot::Receiver<usize> {
        let (sender, result) = oneshot::channel();
        let mut state = self.lock();
        if self.closing.is_cancelled() {
            return result;
        }
        let key = ExchangeKey { library, node: peer.node };
        if let Some(waiting) = state.open.get_mut(&key) {
            waiting.push(sender);
            return result;
        }
        state.open.insert(key, vec![sender]);
        while state.tasks.try_join_next().is_some() {}
        state.tasks.spawn(Arc::clone(self).run(key, peer));
        result
    }

    /// Whether a peer has answered the dial of an exchange under way.
    pub(super) fn is_connected(&self, key: &ExchangeKey) -> bool {
        self.lock().connected.contains(key)
    }

    /// Returns when a peer has named members whose addresses were unknown, with their libraries. Cancel-safe.
    pub(crate) async fn peers_found(&self) -> BTreeSet<LibraryId> {
        self.found.notified().await;
        std::mem::take(&mut self.lock().found)
    }

    /// Begins no further exchange, closes the endpoint, and returns when every exchange has ended.
    pub(crate) async fn end(&self) {
        self.closing.cancel();
        self.socket.hang_up().await;
        let mut tasks = std::mem::take(&mut self.lock().tasks);
        while tasks.join_next().await.is_some() {}
    }

    /// Exchanges with a peer until no requester waits, or it is not reached.
    async fn run(self: Arc<Self>, key: ExchangeKey, peer: Source) {
        let name = peer.node.short();
        loop {
            let opened = self.open(&key, &peer).await;
            // Requesters up to here get the result of this exchange: what this node sends is read after this
            // point.
            let waiting = self.lock().open.get_mut(&key).map(std::mem::take).unwrap_or_default();
            let exchanged = match opened {
                Ok((link, _held)) => {
                    self.lock().connected.insert(key);
                    timeout(EXCHANGE_TIMEOUT, self.exchange(&key, &*link)).await
                }
                Err(failure) => Ok(Err(failure)),
            };
            self.lock().connected.remove(&key);
            let came = exchanged.unwrap_or_else(|_| Err(Failure::peer("the exchange took too long")));
            let is_reached = came.is_ok();
            self.note(key, is_reached);
            self.note_answer(key, came.as_ref().err()).await;
            match came {
                Ok(came) => {
                    for requester in waiting {
                        let _ = requester.send(came);
                    }
                }
                Err(failure) => tracing::debug!(peer = name, %failure, "a peer was not reached"),
            }
            let mut state = self.lock();
            if !is_reached || state.open.get(&key).is_none_or(Vec::is_empty) {
                state.open.remove(&key);
                return;
            }
        }
    }

    /// Dials a peer when there is a permit for an exchange with it and for another dial. The dial counts
    /// until the exchange may begin.
    async fn open(&self, key: &ExchangeKey, peer: &Source) -> Result<(Box<dyn Link>, Held)> {
        let (of_peer, of_library, is_unreachable) = self.lock().outlook(key);
        #[cfg(test)]
        self.service.context.planted.note_dial(key.node, is_unreachable);
        let dial = async {
            let with_peer = of_peer.acquire_owned().await.map_err(|_| closed())?;
            let dials = if is_unreachable { &of_library.dials_again } else { &of_library.dials };
            let _dial = dials.acquire().await.map_err(|_| closed())?;
            let service = &self.service;
            let known = service.library.get_or_left_out(&key.library).ok_or_else(closed)?;
            let hello = service.peers.hello(Some(&known))?;
            let verifier = KnownPeers::verifier(&service.library, key.library, false);
            let opened = self.socket.open(&peer.addresses, peer.node, &hello, &verifier);
            let link = opened.await.map_err(net_failure)?;
            let about_library = Arc::clone(&of_library.exchanges).acquire_owned().await;
            Ok((link, [with_peer, about_library.map_err(|_| closed())?]))
        };
        tokio::select! {
            biased;
            opened = dial => opened,
            () = self.closing.cancelled() => Err(closed()),
        }
    }

    /// Exchanges until neither side has news for the other, then asks for the addresses of other members.
    async fn exchange(&self, key: &ExchangeKey, link: &dyn Link) -> Result<usize> {
        let library = key.library;
        let exchanged = self.service.exchange_on(link, &library).await;
        // Also after a failed exchange: statements that arrived before are stored.
        let follower = Arc::clone(&self.service.library);
        self.service
            .context
            .blocking(move || {
                follower.follow_library(library);
                Ok(())
            })
            .await?;
        let news = exchanged?;
        // Addresses of other members are hints: the exchange succeeded without them.
        let others = peers(link, library).await.unwrap_or_default();
        let (peer, address) = (link.peer().node, plain(link.address()));
        link.close();
        let book = &self.service.peers;
        if book.record_hearsay(&peer, address, &library, &others) > 0 {
            self.lock().found.insert(library);
            self.found.notify_one();
        }
        Ok(news)
    }

    /// Notes the refusal of a peer, or that it answered.
    async fn note_answer(&self, key: ExchangeKey, failure: Option<&Failure>) {
        let (peers, failure) = (Arc::clone(&self.service.peers), failure.cloned());
        let noted = self.service.context.blocking(move || {
            if failure.is_none() {
                peers.silence.answered(&key.library, &key.node);
            }
            peers.note_answer(&key.library, &key.node, failure.as_ref());
            Ok(())
        });
        // Only a shutdown ends it early; the refusal is noted again.
        let _ = noted.await;
    }

    /// Remembers whether a peer was reached, reports a change of that, and warns when it was the last
    /// reachable peer of its library.
    fn note(&self, key: ExchangeKey, is_reached: bool) {
        let context = &self.service.context;
        let result = if is_reached { Success::Ok } else { Success::Failed };
        context.metrics.exchanges.get_or_create(&Acted { result }).inc();
        self.lock().note(key, is_reached);
        // An exchange that the end of the socket interrupts says nothing about the peer.
        if self.closing.is_cancelled() {
            return;
        }
        let noted = self.service.reached.note(key, is_reached);
        let (library, node) = (key.library.to_string(), key.node.to_string());
        match noted {
            Noted::Unchanged => {}
            Noted::Reached => context.emit(NodeEvent::PeerReached { library, node }),
            Noted::Lost { was_last } => {
                context.emit(NodeEvent::PeerLost { library, node });
                if was_last {
                    let library = self.service.library.get(&key.library);
                    let library = library.as_ref().map_or("", |library| library.name());
                    tracing::warn!(
                        library,
                        "no peer can be reached any more: no statements arrive, not even revocations"
                    );
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The permits for exchanges with a peer, those for its library, and whether the peer was unreachable the
    /// last time.
    fn outlook(&mut self, key: &ExchangeKey) -> (Arc<Semaphore>, Arc<Permits>, bool) {
        let new = || Arc::new(Semaphore::new(EXCHANGES_PER_PEER));
        let of_peer = Arc::clone(self.of_peer.entry(key.node).or_insert_with(new));
        let of_library = Arc::clone(self.of_library.entry(key.library).or_default());
        (of_peer, of_library, self.unreachable.contains(key))
    }

    fn note(&mut self, key: ExchangeKey, is_reached: bool) {
        if is_reached {
            self.unreachable.remove(&key);
        } else {
            self.unreachable.insert(key);
        }
    }
}

fn closed() -> Failure {
    Failure::busy("the node is being closed")
}
