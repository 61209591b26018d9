//! Exchanges under way over one socket. Each peer has its own, one at a time for each library, which goes on as long as it brings
//! something: nobody waits for another's peer, and what whoever asked does not wait for is not lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use chuan_engine::id::{LibraryId, NodeId};
use chuan_net::{Connection, Endpoint};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    Inner, acquaint::Acquainted, address::plain, gossip::exchange_on, lock_of, on_thread, peer::Source,
};
use crate::{
    exit::{Failure, Result},
    net_error::net_failure,
};

/// Peers that are dialled at the same time.
const DIALS: usize = 12;
/// Beside them, peers that did not answer the last time: those that are gone keep nobody from those that are there.
const DIALS_AGAIN: usize = 4;
/// Exchanges with one peer at the same time, about as many libraries. It takes few connections of one node, and pulls need some.
const TALKS_WITH_ONE: usize = 2;
/// How long one exchange may take. It ends earlier where nothing comes; what came by then was taken, and the rest comes with the
/// next.
const TALK: Duration = Duration::from_secs(300);

/// The exchanges over one endpoint. They end with it.
#[derive(Debug)]
pub(super) struct Talks {
    endpoint: Endpoint,
    state: Mutex<State>,
    dials: Semaphore,
    dials_again: Semaphore,
    met: Notify,
    closed: watch::Sender<bool>,
}

/// A peer, and the library that it is talked to about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct With {
    library: LibraryId,
    node: NodeId,
}

#[derive(Debug, Default)]
struct State {
    /// The exchanges under way, each with those who wait for one that is still to begin.
    open: BTreeMap<With, Vec<oneshot::Sender<usize>>>,
    /// Those that were reached the last time, and those that were not.
    reached: BTreeSet<With>,
    lost: BTreeSet<With>,
    /// For each peer, room for exchanges with it.
    rooms: BTreeMap<NodeId, Arc<Semaphore>>,
    tasks: JoinSet<()>,
}

impl Talks {
    pub(super) fn over(endpoint: Endpoint) -> Arc<Self> {
        Arc::new(Self {
            endpoint,
            state: Mutex::default(),
            dials: Semaphore::new(DIALS),
            dials_again: Semaphore::new(DIALS_AGAIN),
            met: Notify::new(),
            closed: watch::Sender::new(false),
        })
    }

    /// The socket, to dial from for something else.
    pub(super) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Begins an exchange with a peer, or has one follow where one is under way that may have missed what is to be said. Gives how
    /// many statements came, when it has ended; nothing where the peer was not reached.
    pub(super) fn with(
        self: &Arc<Self>,
        node: &Arc<Inner>,
        library: LibraryId,
        peer: Source,
    ) -> oneshot::Receiver<usize> {
        let (tell, told) = oneshot::channel();
        let mut state = lock_of(&self.state);
        if *self.closed.borrow() {
            return told;
        }
        let with = With { library, node: peer.node };
        if let Some(waiting) = state.open.get_mut(&with) {
            waiting.push(tell);
            return told;
        }
        state.open.insert(with, vec![tell]);
        while state.tasks.try_join_next().is_some() {}
        state.tasks.spawn(Arc::clone(self).talk(Arc::downgrade(node), with, peer));
        told
    }

    /// Returns when some peer has told of members that nobody knew where to find.
    pub(super) async fn met_somebody(&self) {
        self.met.notified().await;
    }

    /// Begins no exchange any more, and gives up those that have reached nobody yet.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Closes the endpoint, and returns when every exchange has ended.
    pub(super) async fn end(&self) {
        self.close();
        self.endpoint.hang_up().await;
        let mut tasks = std::mem::take(&mut lock_of(&self.state).tasks);
        while tasks.join_next().await.is_some() {}
    }

    /// Talks to a peer until nobody wants to any more, or it is not there.
    async fn talk(self: Arc<Self>, node: Weak<Inner>, with: With, peer: Source) {
        let name = peer.node.short();
        loop {
            let opened = self.open(&node, &with, &peer).await;
            // All who have asked until now: it is from now on that it is looked at what there is to say.
            let waiting = lock_of(&self.state).open.get_mut(&with).map(std::mem::take).unwrap_or_default();
            let talked = match opened {
                Ok((connection, _room)) => timeout(TALK, self.exchange(&node, &with, connection)).await,
                Err(failure) => Ok(Err(failure)),
            };
            let came = talked.unwrap_or_else(|_| Err(Failure::peer("the exchange took too long")));
            let is_reached = came.is_ok();
            self.note(&node, with, is_reached);
            match came {
                Ok(came) => {
                    for tell in waiting {
                        let _ = tell.send(came);
                    }
                }
                Err(failure) => tracing::debug!(peer = name, %failure, "a peer was not reached"),
            }
            let mut state = lock_of(&self.state);
            if !is_reached || state.open.get(&with).is_none_or(Vec::is_empty) {
                state.open.remove(&with);
                return;
            }
        }
    }

    /// Dials a peer, when there is room for another exchange with it and for another dial.
    async fn open(
        &self,
        node: &Weak<Inner>,
        with: &With,
        peer: &Source,
    ) -> Result<(Connection, OwnedSemaphorePermit)> {
        let (room, is_lost) = lock_of(&self.state).outlook(with);
        let dial = async {
            let room = room.acquire_owned().await.map_err(|_| gone())?;
            let place = if is_lost { &self.dials_again } else { &self.dials };
            let _place = place.acquire().await.map_err(|_| gone())?;
            let (hello, acquainted) = {
                let node = node.upgrade().ok_or_else(gone)?;
                let known = node.libraries.get_or_left_out(&with.library).ok_or_else(gone)?;
                (node.hello(Some(&known), node.listening())?, Acquainted::of(&node, false))
            };
            let connection =
                Connection::open_known(&self.endpoint, &peer.addresses, peer.node, &hello, &acquainted);
            Ok((connection.await.map_err(net_failure)?, room))
        };
        let mut closed = self.closed.subscribe();
        tokio::select! {
            opened = dial => opened,
            _ = closed.wait_for(|closed| *closed) => Err(gone()),
        }
    }

    /// Both ways, until neither has news for the other; and asks where others are.
    async fn exchange(&self, node: &Weak<Inner>, with: &With, connection: Connection) -> Result<usize> {
        let exchanged = exchange_on(node, &connection, &with.library).await;
        // What came before it broke off counts too.
        let (follower, library) = (node.upgrade().ok_or_else(gone)?, with.library);
        on_thread(move || {
            follower.follow_library(library);
            Ok(())
        })
        .await?;
        let news = exchanged?;
        // What it tells of others is a hint: the exchange was one without it.
        let told = connection.peers(with.library).await.unwrap_or_default();
        let (peer, address) = (connection.peer().node, plain(connection.address()));
        connection.close();
        let node = node.upgrade().ok_or_else(gone)?;
        match on_thread(move || node.told_by(&peer, address, &library, &told)).await {
            Ok(0) => {}
            Ok(_) => self.met.notify_one(),
            Err(failure) => tracing::warn!(%failure, "where peers are was not kept"),
        }
        Ok(news)
    }

    /// Remembers whether a peer was reached, and says so when it was the last of its library.
    fn note(&self, node: &Weak<Inner>, with: With, is_reached: bool) {
        let is_alone = lock_of(&self.state).note(with, is_reached);
        if is_alone && !*self.closed.borrow() {
            let library = node.upgrade().and_then(|node| node.libraries.get(&with.library));
            let library = library.as_ref().map_or("", |library| library.name());
            tracing::warn!(library, "no peer can be reached any more: neither news nor revocations come");
        }
    }
}

impl State {
    /// The room for exchanges with a peer, and whether it was out of reach the last time.
    fn outlook(&mut self, with: &With) -> (Arc<Semaphore>, bool) {
        let room = self.rooms.entry(with.node).or_insert_with(|| Arc::new(Semaphore::new(TALKS_WITH_ONE)));
        (Arc::clone(room), self.lost.contains(with))
    }

    /// Remembers whether a peer was reached; gives whether it was the last one of its library that could be.
    fn note(&mut self, with: With, is_reached: bool) -> bool {
        if is_reached {
            self.lost.remove(&with);
            self.reached.insert(with);
            return false;
        }
        self.lost.insert(with);
        self.reached.remove(&with) && !self.reached.iter().any(|other| other.library == with.library)
    }
}

fn gone() -> Failure {
    Failure::busy("the node is being closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_lost_once_with_the_last_of_its_peers() {
        let with =
            |library: &[u8], node| With { library: LibraryId::of(library), node: NodeId::of(&[node; 32]) };
        let mut state = State::default();
        assert!(!state.note(with(b"l", 1), false), "nobody was there before");
        for peer in [with(b"l", 1), with(b"l", 2), with(b"m", 1)] {
            assert!(!state.note(peer, true));
        }
        assert!(!state.note(with(b"l", 1), false));
        assert!(state.note(with(b"l", 2), false));
        assert!(!state.note(with(b"l", 2), false), "it is said once");
        assert!(state.note(with(b"m", 1), false));
    }
}
