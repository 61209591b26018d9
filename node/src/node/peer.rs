//! Other nodes, as this one knows them: what it says of itself to them, where it remembers them, and whom it asks for a
//! library.

use std::net::SocketAddr;

use chuan_engine::{
    id::{LibraryId, NodeId},
    limits::HELLO_STATEMENTS,
    statement::Library,
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
        // The newest matter most: they lead to the key that the node has.
        let skipped = shown.len().saturating_sub(HELLO_STATEMENTS);
        let statements =
            shown.into_iter().skip(skipped).map(|statement| statement.bytes().to_vec()).collect();
        // Whoever does not listen cannot be reached, whatever its configuration says.
        let addresses = match listening {
            Some(_) => address::announced(&self.config, listening)?,
            None => Vec::new(),
        };
        Ok(Hello { version: VERSION, node, addresses, name: self.config.name.clone(), statements })
    }

    /// Remembers that a node was reached, as a source of `library`.
    pub(super) fn met(
        &self,
        node: &NodeId,
        name: &str,
        addresses: &[String],
        library: &LibraryId,
    ) -> Result<()> {
        let _peers = lock_of(&self.peers);
        let before = self.home.peers()?;
        let mut peers = before.clone();
        peers.met(node, name, addresses, Some(library));
        // Most pulls meet the same source at the same place.
        if peers == before { Ok(()) } else { self.home.keep_peers(&peers) }
    }

    /// Notes where a member is said to be reached: a hint, which replaces nothing that proved true, and adds nothing beyond
    /// `most` addresses. Gives whether it was news.
    pub(super) fn heard_of(
        &self,
        node: &NodeId,
        name: &str,
        addresses: &[String],
        library: &LibraryId,
        most: usize,
    ) -> Result<bool> {
        let _peers = lock_of(&self.peers);
        let before = self.home.peers()?;
        let mut peers = before.clone();
        peers.heard_of(node, name, addresses, library, most);
        if peers == before {
            return Ok(false);
        }
        self.home.keep_peers(&peers)?;
        Ok(true)
    }

    /// The members of a library that were reached somewhere, as others are told of them.
    pub(super) fn peers_of(&self, library: &Library) -> Vec<Hello> {
        let peers = self.home.peers().unwrap_or_default();
        let id = library.id();
        let known = peers.sources(&id).filter_map(source);
        let members =
            known.filter(|peer| !peer.addresses.is_empty() && library.is_member(&peer.node, now_ms()));
        let hello = |peer: Source| Hello {
            version: VERSION,
            node: peer.node,
            addresses: peer.addresses,
            name: peer.name,
            statements: Vec::new(),
        };
        members.map(hello).collect()
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
    // A key is expected of everyone who is dialled. Any will do: the connection says whose answers.
    let member = library.members().into_iter().find(|said| said.body.node != *me).map(|said| Source {
        node: said.body.node,
        name: said.body.name.clone(),
        addresses: vec![who.to_owned()],
        any_node: true,
    });
    Ok(member.into_iter().collect())
}

pub(super) fn source(peer: &Peer) -> Option<Source> {
    Some(Source {
        node: peer.id.parse().ok()?,
        name: peer.name.clone(),
        addresses: peer.addresses.clone(),
        any_node: false,
    })
}
