//! The service `peers`: the known peers of this node. Owns the address book in memory, which `H/peers.json`
//! mirrors, the hello of this node, and the order in which sources of a library are asked.

pub(crate) mod address;
mod claims;
mod contacts;
mod refusals;
#[cfg(test)]
mod saving_tests;
mod silence;
mod verifier;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use chuan_engine::{
    id::{LibraryId, NodeId},
    statement::{Kinds, Library, check_reachable},
    sync::message::{Hello, VERSION},
};

use chuan_net::endpoint::UNKNOWN_NODE;
use claims::ClaimLimiter;
use contacts::ContactBook;
use refusals::RefusalBook;
use silence::SilenceBook;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
pub(crate) use verifier::KnownPeers;

use crate::{
    context::{Context, Stage},
    exit::{Exit, Failure, Result},
    home::{
        Home,
        config::Config,
        peers::{Peer, Peers},
    },
    library::LibraryService,
    limits::PEERS_SAVE_DELAY,
    outcome::Identity,
};

/// A node that may have a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// [`UNKNOWN_NODE`] where only an address is known.
    pub(crate) node: NodeId,
    pub(crate) name: String,
    pub(crate) addresses: Vec<String>,
    /// Whether any node that answers there is accepted, since the operator named only the address. Its
    /// content is checked against the library's publishers like any other.
    pub(crate) any_node: bool,
}

impl Source {
    /// Whether the node is known, and not only an address.
    pub(crate) fn is_known(&self) -> bool {
        self.node != UNKNOWN_NODE
    }

    /// Its name and its addresses, for people.
    pub(crate) fn place(&self) -> String {
        if !self.is_known() {
            return self.addresses.join(", ");
        }
        let name = if self.name.is_empty() { self.node.short() } else { self.name.clone() };
        format!("{name} at {}", self.addresses.join(", "))
    }
}

/// The peers of an open home.
#[derive(Debug)]
pub(crate) struct PeerService {
    context: Arc<Context>,
    library: Arc<LibraryService>,
    book: Mutex<Peers>,
    /// The peers that refuse this node.
    pub(crate) refusals: RefusalBook,
    /// The peers that did not answer in time.
    pub(crate) silence: SilenceBook,
    /// The last answers of peers.
    pub(crate) contacts: ContactBook,
    /// Whether the book has changes that are not saved.
    is_unsaved: AtomicBool,
    /// Told about each change.
    changed: Notify,
    /// Held while the book is saved: readers do not wait for the disk.
    writer: Mutex<()>,
    /// How often peers change their own addresses.
    claims: ClaimLimiter,
    /// How often the book was saved.
    #[cfg(test)]
    saves: std::sync::atomic::AtomicU32,
}

impl PeerService {
    /// Reads the address book. A damaged file is renamed, with a warning, and the book begins empty:
    /// addresses are hints, and a peer can be named by its address.
    pub(crate) fn load(context: Arc<Context>, library: Arc<LibraryService>) -> Result<Self> {
        let book = match context.home.peers() {
            Err(failure) if failure.exit == Exit::Invalid => {
                let kept = context.home.quarantine_peers()?;
                tracing::warn!(%failure, kept = %kept.display(), "the address book is damaged and was renamed");
                Peers::default()
            }
            book => book?,
        };
        let refusals = RefusalBook::load(Arc::clone(&context), Arc::clone(&library))?;
        let silence = SilenceBook::load(Arc::clone(&context));
        let contacts = ContactBook::load(Arc::clone(&context))?;
        Ok(Self {
            context,
            library,
            book: Mutex::new(book),
            refusals,
            silence,
            contacts,
            is_unsaved: AtomicBool::new(false),
            changed: Notify::new(),
            writer: Mutex::default(),
            claims: ClaimLimiter::default(),
            #[cfg(test)]
            saves: Default::default(),
        })
    }

    /// Starts the task that saves the address book.
    pub(crate) fn start(self: &Arc<Self>) {
        let supervisor = &self.context.supervisor;
        let saving = Arc::clone(self).save_changes(supervisor.stopping(Stage::Work));
        supervisor.spawn(Stage::Work, saving);
    }

    /// Notes the answer of a peer about a library, or its failure. Blocks where that changes a file.
    pub(crate) fn note_answer(&self, library: &LibraryId, node: &NodeId, failure: Option<&Failure>) {
        self.refusals.note_answer(library, node, failure);
        self.contacts.note_answer(node, failure);
    }

    /// All peers, the one that was reached last first.
    pub(crate) fn all(&self) -> Peers {
        self.lock().clone()
    }

    /// The hello of this node when it connects. For a library, it includes the statements that prove its
    /// membership.
    pub(crate) fn hello(&self, library: Option<&Library>) -> Result<Hello> {
        let node = self.context.me();
        let shown = library.map(|library| library.credentials(&node)).unwrap_or_default();
        // A node that does not listen cannot be reached, whatever its configuration says.
        let addresses = match self.context.listening() {
            Some(at) => address::announced(&self.context.config(), Some(at))?,
            None => Vec::new(),
        };
        let (name, statements) = (self.context.config().name.clone(), Vec::new());
        let hello = Hello { version: VERSION, node, addresses, name, statements, kinds: Kinds::KNOWN };
        Ok(hello.with_statements(shown.into_iter().map(|statement| statement.bytes().to_vec())))
    }

    /// Records that a node was reached, as a source of `library`. Durable when it returns.
    pub(crate) fn record_dial(
        &self,
        node: &NodeId,
        name: &str,
        addresses: &[String],
        library: &LibraryId,
    ) -> Result<()> {
        self.change(|peers| peers.record_introduction(node, name, addresses, library));
        self.save()
    }

    /// Records addresses at which any of these nodes, sources of `library`, may be reached.
    pub(crate) fn record_hints<'a>(
        &self,
        library: &Library,
        nodes: impl Iterator<Item = &'a NodeId>,
        addresses: &[String],
    ) -> Result<()> {
        let name = |node: &NodeId| library.member(node).map_or("", |said| &said.body.name).to_owned();
        self.change(|peers| {
            nodes.for_each(|node| peers.record_hint(node, &name(node), addresses, &library.id()));
        });
        self.save()
    }

    /// Records the addresses that a peer names under its own key, for libraries of which it is a member
    /// under this key. Ignores a peer that changes them too often. A crash may lose them: the peer names them
    /// again.
    pub(crate) fn record_self_claim(
        &self,
        node: &NodeId,
        name: &str,
        addresses: &[String],
        libraries: &[LibraryId],
    ) {
        let now = self.context.clock.instant();
        for library in libraries {
            if !self.claims.allows(&(*library, *node), now) {
                tracing::debug!(node = %node.short(), "a peer changes its addresses too often; ignored");
                continue;
            }
            let ((), is_changed) =
                self.change(|peers| peers.record_self_claim(node, name, addresses, library));
            if is_changed {
                self.claims.count((*library, *node), now);
            }
        }
    }

    /// Records the address at which a member was reached, and the addresses of other members that it named.
    /// Returns for how many of these an address is known now that was unknown before. A crash may lose them.
    pub(crate) fn record_hearsay(
        &self,
        node: &NodeId,
        address: String,
        library: &LibraryId,
        others: &[Hello],
    ) -> usize {
        let Some(known) = self.library.get(library) else { return 0 };
        let (me, now) = (self.context.me(), self.context.now_ms());
        let others = others.iter().filter(|peer| peer.node != me && known.is_member(&peer.node, now));
        let (found, _) = self.change(|peers| {
            peers.record_dial(node, address, library);
            others
                .filter(|peer| peers.record_hearsay(&peer.node, &peer.name, &peer.addresses, library))
                .count()
        });
        found
    }

    /// The members of a library, with the addresses that they named themselves or at which they were reached,
    /// for an answer to another member. Hearsay is not passed on.
    pub(crate) fn member_hellos(&self, library: &Library) -> Vec<Hello> {
        let (peers, id, now) = (self.lock(), library.id(), self.context.now_ms());
        let hello = |peer: &Peer| {
            let node = peer.id.parse().ok().filter(|node| library.is_member(node, now))?;
            let (addresses, name) = (peer.addresses.clone(), peer.name.clone());
            // The kinds that it knows are in its own hello.
            let (statements, kinds) = (Vec::new(), Kinds::from_bits(0));
            Some(Hello { version: VERSION, node, addresses, name, statements, kinds })
        };
        peers.sources(&id).filter(|peer| !peer.addresses.is_empty()).filter_map(hello).collect()
    }

    /// The peers to exchange statements of a library with: its members that have addresses. Where statements
    /// are lost, memberships may be among them: then all nodes that were sources.
    pub(crate) fn exchange_partners(&self, library: &LibraryId) -> Vec<Source> {
        let Some(known) = self.library.get_or_left_out(library) else { return Vec::new() };
        let (is_lost, now) = (self.library.has_lost(), self.context.now_ms());
        let is_asked =
            |peer: &Source| peer.node != self.context.me() && (is_lost || known.is_member(&peer.node, now));
        let book = self.lock();
        let sources = book.sources(library).filter_map(source);
        sources.filter(|peer| !peer.addresses.is_empty() && is_asked(peer)).collect()
    }

    /// The sources of a library in the order in which they are asked: the node that `from` names, else all
    /// known ones.
    pub(crate) fn sources(&self, library: &Library, from: Option<&str>) -> Result<Vec<Source>> {
        let peers = self.all();
        let (me, now) = (self.context.me(), self.context.now_ms());
        let mut sources = match from {
            Some(text) => named(&peers, library, text)?,
            None => peers.sources(&library.id()).filter_map(source).collect(),
        };
        sources.retain(|source| source.node != me);
        // Members come first, although content from any source is verified.
        sources.sort_by_key(|source| !library.is_member(&source.node, now));
        if sources.is_empty() {
            return Err(Failure::missing(format!(
                "no source of {0} is known; name one with the option `from HOST:PORT`, or join with a ticket from a node that has it",
                library.name()
            )));
        }
        Ok(sources)
    }

    /// Changes the address book in memory; also returns whether that changed something.
    fn change<T>(&self, change: impl FnOnce(&mut Peers) -> T) -> (T, bool) {
        let mut peers = self.lock();
        let before = peers.clone();
        let result = change(&mut peers);
        let is_changed = *peers != before;
        if is_changed {
            self.is_unsaved.store(true, Ordering::Release);
            self.changed.notify_one();
        }
        (result, is_changed)
    }

    /// Saves the changes of the address book, if there are any; durable when it returns. Blocks.
    fn save(&self) -> Result<()> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_unsaved.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        #[cfg(test)]
        self.saves.fetch_add(1, Ordering::Relaxed);
        let kept = self.context.home.keep_peers(&self.all());
        kept.inspect_err(|_| self.is_unsaved.store(true, Ordering::Release))
    }

    /// Saves changes some time after the first of them, and when the home is closed.
    async fn save_changes(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let change = async {
                self.changed.notified().await;
                tokio::time::sleep(PEERS_SAVE_DELAY).await;
            };
            let is_stopped = tokio::select! {
                biased;
                () = stop.cancelled() => true,
                () = change => false,
            };
            let this = Arc::clone(&self);
            if let Err(failure) = self.context.blocking(move || this.save()).await {
                tracing::warn!(%failure, "the addresses of peers were not stored");
            }
            if is_stopped {
                return;
            }
        }
    }

    /// Forgets all peers, as a home without its address book does.
    #[cfg(test)]
    pub(crate) fn clear(&self) {
        self.change(|peers| *peers = Peers::default());
        self.save().unwrap();
    }

    fn lock(&self) -> MutexGuard<'_, Peers> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The identity of the node of a home. `listening` is the address at which it listens, if it does.
pub(crate) fn identity(home: &Home, config: &Config, listening: Option<SocketAddr>) -> Result<Identity> {
    let key = home.node_key()?;
    Ok(Identity {
        id: home.node_id()?.to_string(),
        key: key.public().to_string(),
        name: config.name.clone(),
        role: config.role.as_str().to_owned(),
        region: config.region.clone().unwrap_or_default(),
        addresses: address::announced(config, listening)?,
        home: home.root().display().to_string(),
    })
}

/// The nodes that an operator names by `text`: a name, an id or its beginning, or an address.
fn named(peers: &Peers, library: &Library, text: &str) -> Result<Vec<Source>> {
    if let Some(peer) = peers.find_source(text, &library.id())? {
        return Ok(source(peer).into_iter().collect());
    }
    if check_reachable(text).is_err() {
        return Err(Failure::missing(format!(
            "no peer `{text}` is known; `chuan status` lists them, or give an address as HOST:PORT"
        )));
    }
    let at = |peer: &&Peer| peer.addresses.iter().any(|address| address == text);
    let known: Vec<_> = peers.sources(&library.id()).filter(at).filter_map(source).collect();
    if !known.is_empty() {
        return Ok(known
            .into_iter()
            .map(|source| Source { addresses: vec![text.to_owned()], any_node: true, ..source })
            .collect());
    }
    // Any node is accepted, and the connection says which one answers.
    let addresses = vec![text.to_owned()];
    Ok(vec![Source { node: UNKNOWN_NODE, name: String::new(), addresses, any_node: true }])
}

fn source(peer: &Peer) -> Option<Source> {
    Some(Source {
        node: peer.id.parse().ok()?,
        name: peer.name.clone(),
        addresses: peer.places(),
        any_node: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: a pull from a wrong address blamed a known node, which was well and elsewhere.
    #[test]
    fn an_address_of_which_nothing_is_known_has_no_name() {
        let sources =
            named(&Peers::default(), &Library::new(LibraryId::from_bytes([1; 32])), "192.0.2.1:9").unwrap();
        let [source] = &sources[..] else { panic!("{sources:?}") };
        assert!(source.any_node && !source.is_known());
        assert_eq!(source.place(), "192.0.2.1:9");
    }
}
