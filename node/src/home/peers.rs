//! `peers.json`: nodes that were met and where. Hints only: an address is proved by the key that answers there, and what
//! a node may do is decided by statements.

use std::collections::BTreeSet;

use chuan_engine::{
    id::{LibraryId, NodeId},
    limits::ADDRESSES,
};
use serde::{Deserialize, Serialize};

use super::{Home, file};
use crate::exit::{Exit, Failure, Result};

/// All peers this node remembers, the ones heard of last first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peers {
    peers: Vec<Peer>,
}

/// A node that was met.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// Its id, as text.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// Where it was reached, the address that worked last first; at most [`ADDRESSES`].
    pub addresses: Vec<String>,
    /// Ids of libraries it is a source of.
    pub libraries: BTreeSet<String>,
}

impl Peers {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter()
    }

    /// The sources of a library, the one heard of last first.
    pub fn sources(&self, library: &LibraryId) -> impl Iterator<Item = &Peer> {
        let library = library.to_string();
        self.peers.iter().filter(move |peer| peer.libraries.contains(&library))
    }

    /// The peer of this name, id or beginning of an id; fails where several match. `None` where none does.
    pub fn find(&self, who: &str) -> Result<Option<&Peer>> {
        let named: Vec<_> = self.peers.iter().filter(|peer| peer.name == who).collect();
        let found = if named.is_empty() {
            self.peers.iter().filter(|peer| who.len() >= 4 && peer.id.starts_with(who)).collect()
        } else {
            named
        };
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

    /// Notes where a member of `library` says it is reached: behind what is known of it, and behind all others where nothing
    /// is. Whoever forges hints can so displace nobody.
    pub fn heard_of(
        &mut self,
        node: &NodeId,
        name: &str,
        addresses: &[String],
        library: &LibraryId,
        most: usize,
    ) {
        let id = node.to_string();
        let peer = match self.peers.iter_mut().position(|peer| peer.id == id) {
            Some(at) => self.peers.get_mut(at),
            None => {
                self.peers.push(Peer { id, name: name.to_owned(), ..Peer::default() });
                self.peers.last_mut()
            }
        };
        let Some(peer) = peer else { return };
        let new: Vec<_> =
            addresses.iter().filter(|address| !peer.addresses.contains(address)).cloned().collect();
        let room = most.min(ADDRESSES).saturating_sub(peer.addresses.len());
        peer.addresses.extend(new.into_iter().take(room));
        peer.libraries.insert(library.to_string());
    }

    /// Remembers that `node` was met at `addresses` (the first is the one that worked) and, if given, is a source of
    /// `library`.
    pub fn met(&mut self, node: &NodeId, name: &str, addresses: &[String], library: Option<&LibraryId>) {
        let id = node.to_string();
        let at = self.peers.iter().position(|peer| peer.id == id);
        let mut peer = at.map_or_else(|| Peer { id, ..Peer::default() }, |at| self.peers.remove(at));
        if !name.is_empty() {
            name.clone_into(&mut peer.name);
        }
        let mut known: Vec<String> = addresses.to_vec();
        known.extend(peer.addresses.drain(..).filter(|address| !addresses.contains(address)));
        known.truncate(ADDRESSES);
        peer.addresses = known;
        peer.libraries.extend(library.map(ToString::to_string));
        self.peers.insert(0, peer);
    }
}

impl Home {
    /// Reads the peers; a file that cannot be read as such is an error that names it, since a hand may have edited it.
    pub fn peers(&self) -> Result<Peers> {
        let bytes = match file::read(&self.peers_path()) {
            Err(failure) if failure.exit == Exit::Missing => return Ok(Peers::default()),
            bytes => bytes?,
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::invalid(format!(
                "{}: {error}; mend it, or delete it and name peers by address",
                self.peers_path().display()
            ))
        })
    }

    /// Replaces the peers; durable when it returns.
    pub fn keep_peers(&self, peers: &Peers) -> Result<()> {
        let mut bytes = serde_json::to_vec_pretty(peers)
            .map_err(|error| Failure::internal(format!("encode peers: {error}")))?;
        bytes.push(b'\n');
        file::write_atomic(&self.peers_path(), &bytes, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Role;

    #[test]
    fn peers_read_back_and_sources_come_latest_first() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(dir.path(), None, Role::Mirror).unwrap();
        let (library, a, b) = (LibraryId::of(b"l"), NodeId::of(&[1; 32]), NodeId::of(&[2; 32]));
        let mut peers = home.peers().unwrap();
        peers.met(&a, "甲", &["a:1".into()], Some(&library));
        peers.met(&b, "乙", &["b:1".into()], Some(&library));
        peers.met(&a, "", &["a:2".into()], None);
        home.keep_peers(&peers).unwrap();

        let peers = home.peers().unwrap();
        let sources: Vec<_> = peers.sources(&library).map(|peer| peer.name.as_str()).collect();
        assert_eq!(sources, ["甲", "乙"]);
        assert_eq!(peers.find("甲").unwrap().unwrap().addresses, ["a:2", "a:1"]);
        assert_eq!(peers.find(&b.to_string()[..8]).unwrap().unwrap().name, "乙");
        assert!(peers.find("丙").unwrap().is_none());
        assert_eq!(peers.sources(&LibraryId::of(b"m")).count(), 0);
    }

    #[test]
    fn a_name_borne_by_two_is_refused_with_their_ids() {
        let mut peers = Peers::default();
        peers.met(&NodeId::of(&[1; 32]), "x", &[], None);
        peers.met(&NodeId::of(&[2; 32]), "x", &[], None);
        let failure = peers.find("x").unwrap_err();
        assert!(failure.message.contains(&NodeId::of(&[2; 32]).to_string()), "{failure}");
    }
}
