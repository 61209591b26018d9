//! `serve`: the listener, and what the node does for its peers.

use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use chuan_engine::{
    Error,
    id::{LibraryId, NodeId},
    statement::{Body, Kinds, Library, PublicKey, Statement, succession},
    store::{Ledger, Objects, Shelves},
    sync::message::{Hello, Join, VERSION},
};
use chuan_net::{
    Counts, Endpoint, Identity, PeerKey,
    serve::{self, Host, Refused},
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::{Inner, Node, address, fresh, gossip, lock_of, now_ms, store::HomeStore, talks::Talks};
use crate::{
    exit::{Failure, Result},
    net_error::net_failure,
};

/// A running listener; it stops when this is dropped.
#[derive(Debug)]
pub(super) struct Serving {
    address: SocketAddr,
    talks: Arc<Talks>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    closing: watch::Sender<()>,
    gossip: JoinHandle<()>,
    vouching: JoinHandle<()>,
}

impl Serving {
    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What goes on with peers that are dialled from the same socket.
    pub(super) const fn talks(&self) -> &Arc<Talks> {
        &self.talks
    }

    /// Proves another key from the next connection on.
    pub(super) fn show(&self, identity: Identity) -> Result<()> {
        self.talks.endpoint().set_identity(identity).map_err(net_failure)
    }

    /// Takes no more requests, and returns when answers under way have ended or their grace is over.
    pub(super) async fn stop(self) {
        self.talks.close();
        let _ = self.stop.send(());
        let _ = self.task.await;
        // The endpoint is closed: nothing that it dialled goes on.
        drop(self.closing);
        let _ = tokio::join!(self.gossip, self.vouching, self.talks.end());
    }
}

impl Node {
    /// Listens and answers peers until [`Node::close`], or until the last clone is dropped. `listen` is `IP:PORT`, the
    /// configured address without it; gives where it listens, with the port that was found for port 0.
    pub async fn serve(&self, listen: Option<&str>) -> Result<SocketAddr> {
        let node = &self.0;
        let address = address::resolve(listen.unwrap_or(&node.config.listen)).await?;
        let mut serving = lock_of(&node.serving);
        if let Some(serving) = serving.as_ref() {
            return Err(Failure::busy(format!("this node listens on {} already", serving.address)));
        }
        let endpoint = Endpoint::listen(address, node.me.identity()).map_err(net_failure)?;
        let address = endpoint.local_address().map_err(net_failure)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let desk = Arc::new(Desk { node: Arc::downgrade(node), store: Arc::clone(&node.store) });
        let (closing, closed) = watch::channel(());
        let vouching = fresh::keep(Arc::downgrade(node), node.libraries.changes(), closed.clone());
        let talks = Talks::over(endpoint.clone());
        let gossip = gossip::run(Arc::downgrade(node), Arc::clone(&talks), node.libraries.changes(), closed);
        let task = tokio::spawn(serve::run(endpoint, desk, async {
            let _ = stopped.await;
        }));
        *serving = Some(Serving {
            address,
            talks,
            stop,
            task,
            closing,
            gossip: tokio::spawn(gossip),
            vouching: tokio::spawn(vouching),
        });
        node.log.tell_opened(now_ms());
        tracing::info!(%address, "serving");
        Ok(address)
    }
}

/// What peers talk to. Does not keep the node open, only the store until its answers have ended.
struct Desk {
    node: Weak<Inner>,
    store: Arc<HomeStore>,
}

impl Host for Desk {
    fn objects(&self, library: &LibraryId) -> Arc<dyn Objects> {
        self.store.of(library)
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.store) as Arc<dyn Ledger>
    }

    fn library(&self, id: &LibraryId) -> Option<Arc<Library>> {
        self.node.upgrade()?.libraries.get(id)
    }

    fn now_ms(&self) -> i64 {
        now_ms()
    }

    fn node_of(&self, key: &PublicKey) -> NodeId {
        let all = self.node.upgrade().map(|node| node.libraries.all()).unwrap_or_default();
        let (first, now) = (key.node(), now_ms());
        // No library takes a key from the node whose own it is in another.
        if all.iter().any(|library| library.node_of(key, now) == Some(first)) {
            return first;
        }
        all.iter().find_map(|library| library.node_of(key, now)).unwrap_or(first)
    }

    fn counts(&self) -> Arc<Counts> {
        self.node.upgrade().map(|node| Arc::clone(&node.counts)).unwrap_or_default()
    }

    fn memberships(&self, peer: &PeerKey) -> Vec<LibraryId> {
        let Some(inner) = self.node.upgrade() else { return Vec::new() };
        let now = now_ms();
        let member = |library: &&Arc<Library>| {
            library.is_member(&peer.node, now) && library.holds_key(&peer.node, &peer.key, now)
        };
        inner.libraries.all().iter().filter(member).map(|library| library.id()).collect()
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.node.upgrade().map(|node| node.libraries.changes())
    }

    fn introduction(&self) -> Option<Hello> {
        let node = self.node.upgrade()?;
        if node.me.identity().is_first_key() {
            return None;
        }
        let (me, key) = (node.me.id(), node.key().public());
        let all = node.libraries.all();
        let shown = all.iter().find(|library| library.key_of(&me) == Some(key));
        let statements = shown.map(|library| key_shown(library, &me, &key)).unwrap_or_default();
        // Whoever dials hears it, before it has said who it is: nothing but whose key this is.
        let hello = Hello {
            version: VERSION,
            node: me,
            addresses: Vec::new(),
            name: String::new(),
            statements: Vec::new(),
            kinds: Kinds::KNOWN,
        };
        Some(hello.with_statements(statements.into_iter()))
    }

    fn recognises(&self, peer: &PeerKey) -> bool {
        self.node.upgrade().is_some_and(|node| node.holds_key(&peer.node, &peer.key))
    }

    fn peers(&self, library: &Library) -> Vec<Hello> {
        self.node.upgrade().map(|node| node.peers_of(library)).unwrap_or_default()
    }

    fn met(&self, peer: &PeerKey, name: &str, addresses: &[String]) {
        let Some(node) = self.node.upgrade() else { return };
        let libraries = self.memberships(peer);
        // What is remembered lies in a file: it is not read for a node that is a member of nothing here.
        if addresses.is_empty() || libraries.is_empty() {
            return;
        }
        if let Err(failure) = node.says(&peer.node, name, addresses, &libraries) {
            tracing::warn!(%failure, "a peer's addresses were not kept");
        }
    }

    fn offer(&self, statements: Vec<Bytes>) {
        if let Some(node) = self.node.upgrade() {
            node.hear(&statements);
        }
    }

    fn offered(&self, peer: &PeerKey, statements: Vec<Bytes>) {
        if let Some(node) = self.node.upgrade() {
            node.hear_from(&peer.node, &statements);
        }
    }

    fn join(&self, peer: &PeerKey, exporter: &[u8; 32], join: &Join) -> Result<Vec<Bytes>, Error> {
        let node = self.node.upgrade().ok_or_else(|| Error::Busy("the node is stopping".into()))?;
        node.redeem(peer, exporter, join)
    }

    fn refused(&self, peer: Option<&PeerKey>, address: SocketAddr, what: Refused, why: &str) {
        if let Some(node) = self.node.upgrade() {
            node.refused(peer, address, what, why);
        }
    }
}

/// What shows that `key` is `node`'s: successions from its first key on. Where an operator bound the key only the library's own
/// word shows it, to its members.
fn key_shown(library: &Library, node: &NodeId, key: &PublicKey) -> Vec<Vec<u8>> {
    let all: Vec<_> = library.credentials(node).into_iter().cloned().collect();
    let is_succession = |said: &&Statement| matches!(said.body(), Body::Succession(_));
    let successions: Vec<_> = all.iter().filter(is_succession).cloned().collect();
    let shown = if succession::leads_to(node, key, &successions) { successions } else { all };
    shown.iter().map(|statement| statement.bytes().to_vec()).collect()
}
