//! `peers.json`: nodes that were met and where. Hints only: an address is proved by the key that answers there, and what
//! a node may do is decided by statements.

use std::{collections::BTreeSet, net::SocketAddr};

use chuan_engine::{
    id::{LibraryId, NodeId},
    limits::ADDRESSES,
};
use serde::{Deserialize, Serialize};

use super::{Home, file};
use crate::exit::{Exit, Failure, Result};

/// Places of a peer that are remembered on the word of others.
const HEARSAY: usize = 8;
/// Those of them that one answer may fill, so that some of what others said stays.
const HEARSAY_OF_ONE: usize = 4;

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
    /// Where it was reached, or says under its own key that it is; the address that worked last, or is new, first. At most
    /// [`ADDRESSES`].
    pub addresses: Vec<String>,
    /// Where others say that it is reached, the newest word first; never passed on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hearsay: Vec<String>,
    /// Ids of libraries it is a source of.
    pub libraries: BTreeSet<String>,
}

impl Peer {
    /// Where to look for it, the best first.
    pub fn places(&self) -> Vec<String> {
        let room = ADDRESSES.saturating_sub(self.hearsay.len());
        self.addresses.iter().take(room).chain(&self.hearsay).cloned().collect()
    }

    /// Puts addresses that its own key vouches for before those that are known.
    fn lead_with(&mut self, addresses: Vec<String>) {
        let known = std::mem::replace(&mut self.addresses, addresses);
        let behind: Vec<_> = known.into_iter().filter(|known| !self.addresses.contains(known)).collect();
        self.addresses.extend(behind);
        self.addresses.truncate(ADDRESSES);
        self.hearsay.retain(|place| !self.addresses.contains(place));
    }
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

    /// Notes where others say that a member of `library` is reached: plain addresses only, behind everything that is known of it.
    /// A newer word replaces older ones. Gives whether there is somewhere to look for it now, and was not before.
    pub fn heard_of(&mut self, node: &NodeId, name: &str, addresses: &[String], library: &LibraryId) -> bool {
        let told: Vec<_> = addresses.iter().filter(|told| is_plain(told)).take(HEARSAY_OF_ONE).collect();
        if told.is_empty() {
            return false;
        }
        let Some(peer) = self.entry(node, name) else { return false };
        let was_lost = peer.addresses.is_empty() && peer.hearsay.is_empty();
        let is_new = |told: &&String| !peer.addresses.contains(told) && !peer.hearsay.contains(told);
        let new: Vec<_> = told.into_iter().filter(is_new).cloned().collect();
        peer.hearsay.splice(0..0, new);
        peer.hearsay.truncate(HEARSAY);
        peer.libraries.insert(library.to_string());
        was_lost
    }

    /// Notes what a member of `library` says of itself, under its key: what is new in it leads. What it repeats stays where it is,
    /// behind the address that worked.
    pub fn says(&mut self, node: &NodeId, name: &str, addresses: &[String], library: &LibraryId) {
        let Some(peer) = self.entry(node, name) else { return };
        if !name.is_empty() {
            name.clone_into(&mut peer.name);
        }
        // What it does not say any more makes room, the oldest first.
        let mut room = ADDRESSES.saturating_sub(addresses.len());
        peer.addresses.retain(|known| {
            let stays = addresses.contains(known) || room > 0;
            room -= usize::from(stays && !addresses.contains(known));
            stays
        });
        let new = addresses.iter().filter(|address| !peer.addresses.contains(address)).cloned().collect();
        peer.lead_with(new);
        peer.libraries.insert(library.to_string());
    }

    /// Notes the address at which a peer was reached just now.
    pub fn reached(&mut self, node: &NodeId, address: String) {
        let id = node.to_string();
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) {
            peer.lead_with(vec![address]);
        }
    }

    /// Remembers that `node` was met at `addresses` (the first is the one that worked) and, if given, is a source of
    /// `library`: from now on the first.
    pub fn met(&mut self, node: &NodeId, name: &str, addresses: &[String], library: Option<&LibraryId>) {
        let id = node.to_string();
        let at = self.peers.iter().position(|peer| peer.id == id);
        let mut peer = at.map_or_else(|| Peer { id, ..Peer::default() }, |at| self.peers.remove(at));
        if !name.is_empty() {
            name.clone_into(&mut peer.name);
        }
        peer.lead_with(addresses.to_vec());
        peer.libraries.extend(library.map(ToString::to_string));
        self.peers.insert(0, peer);
    }

    /// The peer of this id, made where there is none: behind all others, so that whoever forges hints displaces nobody.
    fn entry(&mut self, node: &NodeId, name: &str) -> Option<&mut Peer> {
        let id = node.to_string();
        match self.peers.iter().position(|peer| peer.id == id) {
            Some(at) => self.peers.get_mut(at),
            None => {
                self.peers.push(Peer { id, name: name.to_owned(), ..Peer::default() });
                self.peers.last_mut()
            }
        }
    }
}

/// Whether a stranger's word about where somebody is can be looked at: a name would have it looked up wherever its maker likes.
fn is_plain(address: &str) -> bool {
    let address = address.parse::<SocketAddr>();
    address.is_ok_and(|at| at.port() != 0 && !at.ip().is_unspecified() && !at.ip().is_multicast())
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

    /// Four made-up addresses of a member, told before it was known, filled all the room that hearsay had: its true address was
    /// refused for ever. Names were taken too, and looked up again and again.
    #[test]
    fn a_newer_word_of_others_replaces_an_older_one_and_nothing_that_proved_true() {
        let (library, node) = (LibraryId::of(b"l"), NodeId::of(&[1; 32]));
        let lies: Vec<String> = (1..=16).map(|n| format!("203.0.113.{n}:4040")).collect();
        let mut peers = Peers::default();
        assert!(peers.heard_of(&node, "x", &lies, &library));
        assert!(!peers.heard_of(&node, "x", &["evil.example:53".into(), "192.0.2.1:0".into()], &library));
        assert!(!peers.heard_of(&node, "x", &["192.0.2.7:4040".into()], &library));
        assert!(!peers.heard_of(&node, "x", &lies, &library));
        let places = |peers: &Peers| peers.iter().next().unwrap().places();
        assert_eq!(places(&peers)[0], "192.0.2.7:4040");
        assert_eq!(places(&peers)[1..], lies[..4]);
        let others: Vec<String> = (21..=36).map(|n| format!("203.0.113.{n}:4040")).collect();
        peers.heard_of(&node, "x", &others, &library);
        assert!(places(&peers).contains(&"192.0.2.7:4040".to_owned()), "one answer displaces not everything");
        peers.reached(&node, "192.0.2.7:4040".into());
        peers.heard_of(&node, "x", &lies[4..], &library);
        peers.heard_of(&node, "x", &lies[8..], &library);
        let peer = peers.iter().next().unwrap();
        assert_eq!((peer.addresses.as_slice(), peer.hearsay.len()), (&["192.0.2.7:4040".to_owned()][..], 8));
    }

    /// A node whose provider gives it another address every day was heard sixteen times, and never again.
    #[test]
    fn what_a_node_says_of_itself_leads_and_what_worked_stays_before_what_it_repeats() {
        let (library, node) = (LibraryId::of(b"l"), NodeId::of(&[1; 32]));
        let mut peers = Peers::default();
        let addresses = |peers: &Peers| peers.iter().next().unwrap().addresses.clone();
        for day in 0..20 {
            peers.says(&node, "x", &[format!("192.0.2.{day}:4040"), "10.0.0.1:4040".into()], &library);
            assert_eq!(addresses(&peers)[0], format!("192.0.2.{day}:4040"));
            assert!(addresses(&peers).contains(&"10.0.0.1:4040".to_owned()));
        }
        assert_eq!(addresses(&peers).len(), ADDRESSES);
        peers.says(&node, "x", &["10.0.0.1:4040".into()], &library);
        peers.reached(&node, "198.51.100.1:4040".into());
        peers.says(&node, "x", &["192.0.2.19:4040".into()], &library);
        assert_eq!(addresses(&peers)[..2], ["198.51.100.1:4040", "192.0.2.19:4040"]);
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
