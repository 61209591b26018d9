//! `peers.json`: known peers and their addresses. All of them are hints: an address is proved by the key of
//! the node that answers there, and the rights of a node are decided by statements.
//!
//! The knowledge about a node is kept apart for each library. The operators of a library can bind a key of
//! their own to any node, and its members can name any address: neither may change how a node of another
//! library is reached.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use chuan_engine::{
    id::{LibraryId, NodeId, may_be_id},
    limits::ADDRESSES,
    statement::check_address,
};
use serde::{Deserialize, Serialize};

use super::Home;
use crate::exit::{Exit, Failure, Result};
use crate::file;

/// The maximum number of addresses of a peer that are kept from other nodes.
const HEARSAY: usize = 8;
/// The maximum number of these that one answer may set, so that some from other answers stay.
const HEARSAY_OF_ONE: usize = 4;
/// The maximum number of entries of one library: the owner of a library can invent any number of members, and
/// the book is in memory and is written as a whole.
const SOURCES: usize = 4096;

/// All known peers; the one that was reached last comes first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peers {
    peers: Vec<Peer>,
}

/// A known peer, as a source of one library. A node has an entry for each library.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// Its id, as text.
    pub id: String,
    /// The name that it uses for itself.
    pub name: String,
    /// Addresses at which it was reached, or that it named under its own key. An address that just worked, or
    /// that is new, comes first. At most [`ADDRESSES`].
    pub addresses: Vec<String>,
    /// Addresses that other nodes named, the newest first; never passed on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hearsay: Vec<String>,
    /// The id of the library of which it is a source. Earlier versions wrote one entry for all libraries, and
    /// a person may have named none.
    pub libraries: BTreeSet<String>,
}

impl Peer {
    fn of(node: &NodeId, library: &LibraryId) -> Self {
        Self { id: node.to_string(), libraries: BTreeSet::from([library.to_string()]), ..Self::default() }
    }

    /// The addresses at which to dial it, the best first.
    pub fn places(&self) -> Vec<String> {
        let room = ADDRESSES.saturating_sub(self.hearsay.len());
        self.addresses.iter().take(room).chain(&self.hearsay).cloned().collect()
    }

    /// Puts addresses that its own key proves before the known ones.
    fn lead_with(&mut self, addresses: Vec<String>) {
        let known = std::mem::replace(&mut self.addresses, addresses);
        let behind: Vec<_> = known.into_iter().filter(|known| !self.addresses.contains(known)).collect();
        self.addresses.extend(behind);
        self.keep_limits();
    }

    /// Drops fields that a terminal would not show as one line.
    fn keep_plain(&mut self) {
        if self.name.contains(char::is_control) {
            self.name.clear();
        }
        self.addresses.retain(|address| check_address(address).is_ok());
        self.hearsay.retain(|address| check_address(address).is_ok());
        self.libraries.retain(|library| library.parse::<LibraryId>().is_ok());
    }

    /// Adds what another entry of the same peer has.
    fn join(&mut self, other: Self) {
        if self.name.is_empty() {
            self.name = other.name;
        }
        self.addresses.extend(other.addresses);
        self.hearsay.extend(other.hearsay);
        self.libraries.extend(other.libraries);
    }

    /// An entry for each of its libraries; itself where it names none.
    fn of_each_library(self) -> Vec<Self> {
        if self.libraries.is_empty() {
            return vec![self];
        }
        let entry = |library: &String| Self { libraries: BTreeSet::from([library.clone()]), ..self.clone() };
        self.libraries.iter().map(entry).collect()
    }

    /// Drops repeated addresses and those above the limits.
    fn keep_limits(&mut self) {
        let mut seen = BTreeSet::new();
        self.addresses.retain(|place| seen.insert(place.clone()));
        self.addresses.truncate(ADDRESSES);
        let mut seen: BTreeSet<_> = self.addresses.iter().cloned().collect();
        self.hearsay.retain(|place| seen.insert(place.clone()));
        self.hearsay.truncate(HEARSAY);
    }
}

impl Peers {
    /// Reads an address book. An entry of several libraries becomes one for each. A person may have edited
    /// it: entries of one peer for one library are joined, and addresses above the limits of an entry are
    /// dropped. Names with control characters and addresses that cannot be dialled are dropped too: they
    /// would forge lines of an answer. So is an entry whose id is none.
    ///
    /// # Errors
    ///
    /// The error of the JSON decoder, with line and column.
    pub fn decode(bytes: &[u8]) -> serde_json::Result<Self> {
        let Self { peers: read } = serde_json::from_slice(bytes)?;
        let mut peers: Vec<Peer> = Vec::new();
        let mut places: BTreeMap<(String, BTreeSet<String>), usize> = BTreeMap::new();
        for mut peer in read.into_iter().filter(|peer| peer.id.parse::<NodeId>().is_ok()) {
            peer.keep_plain();
            for peer in peer.of_each_library() {
                let at = *places.entry((peer.id.clone(), peer.libraries.clone())).or_insert(peers.len());
                match peers.get_mut(at) {
                    Some(known) => known.join(peer),
                    None => peers.push(peer),
                }
            }
        }
        peers.iter_mut().for_each(Peer::keep_limits);
        Ok(Self { peers })
    }

    /// The bytes of an address book.
    ///
    /// # Errors
    ///
    /// The error of the JSON encoder.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter()
    }

    /// The peers, each once, with what is known of it in all libraries.
    pub fn by_node(&self) -> Vec<Peer> {
        let mut joined: Vec<Peer> = Vec::new();
        for peer in &self.peers {
            match joined.iter_mut().find(|known| known.id == peer.id) {
                Some(known) => known.join(peer.clone()),
                None => joined.push(peer.clone()),
            }
        }
        joined.iter_mut().for_each(Peer::keep_limits);
        joined
    }

    /// Forgets the half of them that was reached before the others; `false` if there was none.
    pub(super) fn halve(&mut self) -> bool {
        let had = self.peers.len();
        self.peers.truncate(had / 2);
        had > 0
    }

    /// The sources of a library, the one that was reached last first.
    pub fn sources(&self, library: &LibraryId) -> impl Iterator<Item = &Peer> {
        let library = library.to_string();
        self.peers.iter().filter(move |peer| peer.libraries.contains(&library))
    }

    /// An entry of the peer with this id or beginning of an id, or with this name; `None` if no peer matches.
    /// Fails if several match. A text that can be the beginning of an id is never a name.
    pub fn find(&self, who: &str) -> Result<Option<&Peer>> {
        Self::only(self.peers.iter(), who)
    }

    /// Like [`Peers::find`]; among the sources of `library` first, so that a peer of another library cannot
    /// take their names.
    pub fn find_source(&self, who: &str, library: &LibraryId) -> Result<Option<&Peer>> {
        let source = Self::only(self.sources(library), who)?;
        source.map_or_else(|| self.find(who), |peer| Ok(Some(peer)))
    }

    /// The only peer among these that matches.
    fn only<'a>(peers: impl Iterator<Item = &'a Peer>, who: &str) -> Result<Option<&'a Peer>> {
        let beginning = may_be_id(who).then(|| who.to_ascii_lowercase());
        let is_meant = |peer: &&Peer| match &beginning {
            Some(beginning) => peer.id.starts_with(beginning),
            None => peer.name == who,
        };
        let mut found: Vec<&Peer> = Vec::new();
        for peer in peers.filter(is_meant) {
            if !found.iter().any(|known| known.id == peer.id) {
                found.push(peer);
            }
        }
        match found.as_slice() {
            [] => Ok(None),
            [peer] => Ok(Some(*peer)),
            several => {
                let ids: Vec<_> = several.iter().map(|peer| peer.id.as_str()).collect();
                Err(Failure::usage(format!(
                    "several peers match `{who}`; name one by its id: {}",
                    ids.join(", ")
                )))
            }
        }
    }

    /// Records addresses of a member of `library` that another node named. Only plain IP addresses are taken,
    /// and they come after all other addresses of the peer. Newer ones replace older ones. Returns whether
    /// the peer has an address now and had none before.
    pub fn record_hearsay(
        &mut self,
        node: &NodeId,
        name: &str,
        addresses: &[String],
        library: &LibraryId,
    ) -> bool {
        let told: Vec<_> = addresses.iter().filter(|told| is_plain(told)).take(HEARSAY_OF_ONE).collect();
        if told.is_empty() {
            return false;
        }
        let Some(peer) = self.entry(node, name, library) else { return false };
        let was_lost = peer.addresses.is_empty() && peer.hearsay.is_empty();
        let is_new = |told: &&String| !peer.addresses.contains(told) && !peer.hearsay.contains(told);
        let new: Vec<_> = told.into_iter().filter(is_new).cloned().collect();
        peer.hearsay.splice(0..0, new);
        peer.keep_limits();
        was_lost
    }

    /// Records addresses of a ticket at which a source of `library` may be reached. They come after all other
    /// addresses of the peer.
    pub fn record_hint(&mut self, node: &NodeId, name: &str, addresses: &[String], library: &LibraryId) {
        if addresses.is_empty() {
            return;
        }
        let Some(peer) = self.entry(node, name, library) else { return };
        peer.hearsay.extend(addresses.iter().cloned());
        peer.keep_limits();
    }

    /// Records the addresses that a member of `library` names under its own key. New addresses come first. A
    /// known address keeps its position, after the address that worked.
    pub fn record_self_claim(
        &mut self,
        node: &NodeId,
        name: &str,
        addresses: &[String],
        library: &LibraryId,
    ) {
        let Some(peer) = self.entry(node, name, library) else { return };
        if !name.is_empty() {
            name.clone_into(&mut peer.name);
        }
        // Addresses that it no longer names are removed to make room, the oldest first.
        let mut room = ADDRESSES.saturating_sub(addresses.len());
        peer.addresses.retain(|known| {
            let stays = addresses.contains(known) || room > 0;
            room -= usize::from(stays && !addresses.contains(known));
            stays
        });
        let new = addresses.iter().filter(|address| !peer.addresses.contains(address)).cloned().collect();
        peer.lead_with(new);
    }

    /// Records the address at which a source of `library` was just reached.
    pub fn record_dial(&mut self, node: &NodeId, address: String, library: &LibraryId) {
        if let Some(peer) = self.place(node, library).and_then(|at| self.peers.get_mut(at)) {
            peer.lead_with(vec![address]);
        }
    }

    /// Records that `node`, a source of `library`, was reached at the first of `addresses`. The peer comes
    /// first from now on.
    pub fn record_introduction(
        &mut self,
        node: &NodeId,
        name: &str,
        addresses: &[String],
        library: &LibraryId,
    ) {
        let known = self.place(node, library);
        if known.is_none() && self.is_full(library) {
            // One that was reached goes before those of which others told.
            let id = library.to_string();
            let last = self.peers.iter().rposition(|peer| peer.libraries.contains(&id));
            last.map(|at| self.peers.remove(at));
        }
        let known = known.map(|at| self.peers.remove(at));
        let mut peer = known.unwrap_or_else(|| Peer::of(node, library));
        if !name.is_empty() {
            name.clone_into(&mut peer.name);
        }
        peer.lead_with(addresses.to_vec());
        self.peers.insert(0, peer);
    }

    /// The entry of a node for a library; a new one is added after all others, so that forged hints displace
    /// no peer. `None` where it is not known and the library has [`SOURCES`].
    fn entry(&mut self, node: &NodeId, name: &str, library: &LibraryId) -> Option<&mut Peer> {
        match self.place(node, library) {
            Some(at) => self.peers.get_mut(at),
            None if self.is_full(library) => None,
            None => {
                self.peers.push(Peer { name: name.to_owned(), ..Peer::of(node, library) });
                self.peers.last_mut()
            }
        }
    }

    fn is_full(&self, library: &LibraryId) -> bool {
        self.sources(library).count() >= SOURCES
    }

    /// The position of the entry of a node for a library.
    fn place(&self, node: &NodeId, library: &LibraryId) -> Option<usize> {
        let (id, library) = (node.to_string(), library.to_string());
        self.peers.iter().position(|peer| peer.id == id && peer.libraries.contains(&library))
    }
}

/// Whether an address from another node may be used: an IP address with a port. The look-up of a name would
/// let that node choose the DNS server that gets the query.
fn is_plain(address: &str) -> bool {
    let address = address.parse::<SocketAddr>();
    address.is_ok_and(|at| at.port() != 0 && !at.ip().is_unspecified() && !at.ip().is_multicast())
}

impl Home {
    /// Reads the peers. A malformed file is an error that names the file, since a person may have edited it.
    pub fn peers(&self) -> Result<Peers> {
        let bytes = match file::read(&self.peers_path()) {
            Err(failure) if failure.exit == Exit::Missing => return Ok(Peers::default()),
            bytes => bytes?,
        };
        Peers::decode(&bytes).map_err(|error| {
            Failure::invalid(format!(
                "{}: {error}; mend it, or delete it and name peers by address",
                self.peers_path().display()
            ))
        })
    }

    /// Renames a damaged address book, so that it is not overwritten. Returns the new path.
    pub fn quarantine_peers(&self) -> Result<std::path::PathBuf> {
        let (path, kept) = (self.peers_path(), self.root().join("peers.json.damaged"));
        std::fs::rename(&path, &kept)
            .map_err(|error| Failure::io(format!("rename {}", path.display()), error))?;
        Ok(kept)
    }

    /// Replaces the peers; durable when it returns.
    pub fn keep_peers(&self, peers: &Peers) -> Result<()> {
        let bytes = peers.encode().map_err(|error| Failure::internal(format!("encode peers: {error}")))?;
        file::write_atomic(&self.peers_path(), &bytes, 0o600)
    }
}
