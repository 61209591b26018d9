//! Other nodes, as this one knows them: what it says of itself to them, where it remembers them, and whom it asks for a
//! library.

use std::net::SocketAddr;

use chuan_engine::{
    id::{LibraryId, NodeId},
    statement::{Kinds, Library},
    sync::message::{Hello, VERSION},
};

use super::{Inner, address, lock_of, now_ms};
use crate::{
    exit::{Failure, Result},
    home::peers::{Peer, Peers},
};

/// A node that may have a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) node: NodeId,
    pub(super) name: String,
    pub(super) addresses: Vec<String>,
    /// Whether whoever answers there will do, since a person named the address alone. What it sends is checked against
    /// the library's publishers like anyone's.
    pub(super) any_node: bool,
}

impl Inner {
    /// What this node says of itself when it connects: for a library, also what shows its membership.
    pub(super) fn hello(&self, library: Option<&Library>, listening: Option<SocketAddr>) -> Result<Hello> {
        let node = self.me.id();
        let shown = library.map(|library| library.credentials(&node)).unwrap_or_default();
        // Whoever does not listen cannot be reached, whatever its configuration says.
        let addresses = match listening {
            Some(_) => address::announced(&self.config, listening)?,
            None => Vec::new(),
        };
        let (name, statements) = (self.config.name.clone(), Vec::new());
        let hello = Hello { version: VERSION, node, addresses, name, statements, kinds: Kinds::KNOWN };
        Ok(hello.with_statements(shown.into_iter().map(|statement| statement.bytes().to_vec())))
    }

    /// Remembers that a node was reached, as a source of `library`.
    pub(super) fn met(
        &self,
        node: &NodeId,
        name: &str,
        addresses: &[String],
        library: &LibraryId,
    ) -> Result<()> {
        self.change_peers(|peers| peers.met(node, name, addresses, Some(library)))
    }

    /// Notes what a peer says of itself, under its key, to libraries of which it is a member.
    pub(super) fn says(
        &self,
        node: &NodeId,
        name: &str,
        addresses: &[String],
        libraries: &[LibraryId],
    ) -> Result<()> {
        self.change_peers(|peers| libraries.iter().for_each(|id| peers.says(node, name, addresses, id)))
    }

    /// Notes at which address a member was reached, and what it told of where others are. Gives of how many there is somewhere to
    /// look now that was not before.
    pub(super) fn told_by(
        &self,
        node: &NodeId,
        address: String,
        library: &LibraryId,
        told: &[Hello],
    ) -> Result<usize> {
        let Some(known) = self.libraries.get(library) else { return Ok(0) };
        let (me, now) = (self.me.id(), now_ms());
        let others = told.iter().filter(|peer| peer.node != me && known.is_member(&peer.node, now));
        self.change_peers(|peers| {
            peers.reached(node, address);
            others.filter(|peer| peers.heard_of(&peer.node, &peer.name, &peer.addresses, library)).count()
        })
    }

    /// Changes what is remembered of peers. Most changes change nothing: the same ones are at the same places.
    fn change_peers<T>(&self, change: impl FnOnce(&mut Peers) -> T) -> Result<T> {
        let _peers = lock_of(&self.peers);
        let before = self.home.peers()?;
        let mut peers = before.clone();
        let changed = change(&mut peers);
        if peers != before {
            self.home.keep_peers(&peers)?;
        }
        Ok(changed)
    }

    /// The members of a library that were reached, or have said where they are, as others are told of them: no hearsay goes on.
    pub(super) fn peers_of(&self, library: &Library) -> Vec<Hello> {
        let peers = self.home.peers().unwrap_or_default();
        let id = library.id();
        let now = now_ms();
        let hello = |peer: &Peer| {
            let node = peer.id.parse().ok().filter(|node| library.is_member(node, now))?;
            let (addresses, name) = (peer.addresses.clone(), peer.name.clone());
            // Which kinds it knows it says itself, in its own hello.
            let (statements, kinds) = (Vec::new(), Kinds::from_bits(0));
            Some(Hello { version: VERSION, node, addresses, name, statements, kinds })
        };
        peers.sources(&id).filter(|peer| !peer.addresses.is_empty()).filter_map(hello).collect()
    }

    /// Whom to ask for a library, the best first: who is named, else whoever is known as its source.
    pub(super) fn sources(&self, library: &Library, from: Option<&str>) -> Result<Vec<Source>> {
        let peers = self.home.peers()?;
        let mut sources = match from {
            Some(who) => named(&peers, library, who, &self.me.id())?,
            None => peers.sources(&library.id()).filter_map(source).collect(),
        };
        sources.retain(|source| source.node != self.me.id());
        // Data is checked, whoever sends it; members come first all the same.
        let now = now_ms();
        sources.sort_by_key(|source| !library.is_member(&source.node, now));
        if sources.is_empty() {
            return Err(Failure::missing(format!(
                "no source of {0} is known; name one with --from HOST:PORT, or join with a ticket from a node that has it",
                library.name()
            )));
        }
        Ok(sources)
    }
}

/// The nodes that a person may mean by `who`.
fn named(peers: &Peers, library: &Library, who: &str, me: &NodeId) -> Result<Vec<Source>> {
    if let Some(peer) = peers.find(who)? {
        return Ok(source(peer).into_iter().collect());
    }
    if who.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
        return Err(Failure::missing(format!(
            "no peer `{who}` is known; `chuan status` lists them, or give an address as HOST:PORT"
        )));
    }
    let at = |peer: &&Peer| peer.addresses.iter().any(|address| address == who);
    let known: Vec<_> = peers.iter().filter(at).filter_map(source).collect();
    if !known.is_empty() {
        return Ok(known
            .into_iter()
            .map(|source| Source { addresses: vec![who.to_owned()], any_node: true, ..source })
            .collect());
    }
    // Some node is expected wherever one is dialled. Any will do: the connection says which one answers. Where the ledger is
    // lost, no member is known.
    let member = library.members().into_iter().find(|said| said.body.node != *me);
    let (node, name) = member.map_or((NodeId::from_bytes([0; 32]), String::new()), |said| {
        (said.body.node, said.body.name.clone())
    });
    Ok(vec![Source { node, name, addresses: vec![who.to_owned()], any_node: true }])
}

pub(super) fn source(peer: &Peer) -> Option<Source> {
    Some(Source {
        node: peer.id.parse().ok()?,
        name: peer.name.clone(),
        addresses: peer.places(),
        any_node: false,
    })
}
