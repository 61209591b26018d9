//! `peers.json`: known peers and their addresses. All of them are hints: an address is proved by the key of
//! the node that answers there, and the rights of a node are decided by statements.

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

/// All known peers; the one that was reached last comes first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peers {
    peers: Vec<Peer>,
}

/// A known peer.
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
    /// Ids of libraries it is a source of.
    pub libraries: BTreeSet<String>,
}

impl Peer {
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
    /// Reads an address book. A person may have edited it: entries of one peer are joined, and addresses
    /// above the limits of an entry are dropped. Names with control characters and addresses that cannot be
    /// dialled are dropped too: they would forge lines of an answer. So is an entry whose id is none.
    ///
    /// # Errors
    ///
    /// The error of the JSON decoder, with line and column.
    pub fn decode(bytes: &[u8]) -> serde_json::Result<Self> {
        let Self { peers: read } = serde_json::from_slice(bytes)?;
        let mut peers: Vec<Peer> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for mut peer in read.into_iter().filter(|peer| peer.id.parse::<NodeId>().is_ok()) {
            peer.keep_plain();
            let at = *places.entry(peer.id.clone()).or_insert(peers.len());
            match peers.get_mut(at) {
                Some(known) => known.join(peer),
                None => peers.push(peer),
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

    /// All peers.
    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter()
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

    /// The peer with this id or beginning of an id, or with this name; `None` if no peer matches. Fails if
    /// several match. A text that can be the beginning of an id is never a name.
    pub fn find(&self, who: &str) -> Result<Option<&Peer>> {
        let beginning = may_be_id(who).then(|| who.to_ascii_lowercase());
        let is_meant = |peer: &&Peer| match &beginning {
            Some(beginning) => peer.id.starts_with(beginning),
            None => peer.name == who,
        };
        let found: Vec<_> = self.peers.iter().filter(is_meant).collect();
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
        let Some(peer) = self.entry(node, name) else { return false };
        let was_lost = peer.addresses.is_empty() && peer.hearsay.is_empty();
        let is_new = |told: &&String| !peer.addresses.contains(told) && !peer.hearsay.contains(told);
        let new: Vec<_> = told.into_iter().filter(is_new).cloned().collect();
        peer.hearsay.splice(0..0, new);
        peer.keep_limits();
        peer.libraries.insert(library.to_string());
        was_lost
    }

    /// Records addresses of a ticket at which a source of `library` may be reached. They come after all other
    /// addresses of the peer.
    pub fn record_hint(&mut self, node: &NodeId, name: &str, addresses: &[String], library: &LibraryId) {
        if addresses.is_empty() {
            return;
        }
        let Some(peer) = self.entry(node, name) else { return };
        peer.hearsay.extend(addresses.iter().cloned());
        peer.keep_limits();
        peer.libraries.insert(library.to_string());
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
        let Some(peer) = self.entry(node, name) else { return };
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
        peer.libraries.insert(library.to_string());
    }

    /// Records the address at which a peer was just reached.
    pub fn record_dial(&mut self, node: &NodeId, address: String) {
        let id = node.to_string();
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) {
            peer.lead_with(vec![address]);
        }
    }

    /// Records that `node` was reached at the first of `addresses` and, if given, is a source of `library`.
    /// The peer comes first from now on.
    pub fn record_introduction(
        &mut self,
        node: &NodeId,
        name: &str,
        addresses: &[String],
        library: Option<&LibraryId>,
    ) {
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

    /// The peer with this id; a new one is added after all others, so that forged hints displace no peer.
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
        peers.record_introduction(&a, "甲", &["a:1".into()], Some(&library));
        peers.record_introduction(&b, "乙", &["b:1".into()], Some(&library));
        peers.record_introduction(&a, "", &["a:2".into()], None);
        home.keep_peers(&peers).unwrap();

        let peers = home.peers().unwrap();
        let sources: Vec<_> = peers.sources(&library).map(|peer| peer.name.as_str()).collect();
        assert_eq!(sources, ["甲", "乙"]);
        assert_eq!(peers.find("甲").unwrap().unwrap().addresses, ["a:2", "a:1"]);
        assert_eq!(peers.find(&b.to_string()[..8]).unwrap().unwrap().name, "乙");
        assert!(peers.find("丙").unwrap().is_none());
        assert_eq!(peers.sources(&LibraryId::of(b"m")).count(), 0);
    }

    /// A node named four false addresses of a member that was not known yet. They filled the room for
    /// hearsay, and its true address was refused forever. DNS names were accepted too, and looked up again
    /// and again.
    #[test]
    fn newer_hearsay_replaces_older_hearsay_and_no_proved_address() {
        let (library, node) = (LibraryId::of(b"l"), NodeId::of(&[1; 32]));
        let lies: Vec<String> = (1..=16).map(|n| format!("203.0.113.{n}:4040")).collect();
        let mut peers = Peers::default();
        assert!(peers.record_hearsay(&node, "x", &lies, &library));
        assert!(!peers.record_hearsay(
            &node,
            "x",
            &["evil.example:53".into(), "192.0.2.1:0".into()],
            &library
        ));
        assert!(!peers.record_hearsay(&node, "x", &["192.0.2.7:4040".into()], &library));
        assert!(!peers.record_hearsay(&node, "x", &lies, &library));
        let places = |peers: &Peers| peers.iter().next().unwrap().places();
        assert_eq!(places(&peers)[0], "192.0.2.7:4040");
        assert_eq!(places(&peers)[1..], lies[..4]);
        let others: Vec<String> = (21..=36).map(|n| format!("203.0.113.{n}:4040")).collect();
        peers.record_hearsay(&node, "x", &others, &library);
        assert!(places(&peers).contains(&"192.0.2.7:4040".to_owned()), "one answer must not replace all");
        peers.record_dial(&node, "192.0.2.7:4040".into());
        peers.record_hearsay(&node, "x", &lies[4..], &library);
        peers.record_hearsay(&node, "x", &lies[8..], &library);
        let peer = peers.iter().next().unwrap();
        assert_eq!((peer.addresses.as_slice(), peer.hearsay.len()), (&["192.0.2.7:4040".to_owned()][..], 8));
    }

    /// A node whose provider changed its address every day was recorded sixteen times, and its later
    /// addresses were dropped.
    #[test]
    fn new_addresses_of_a_node_lead_and_a_working_one_stays_before_repeated_ones() {
        let (library, node) = (LibraryId::of(b"l"), NodeId::of(&[1; 32]));
        let mut peers = Peers::default();
        let addresses = |peers: &Peers| peers.iter().next().unwrap().addresses.clone();
        for day in 0..20 {
            peers.record_self_claim(
                &node,
                "x",
                &[format!("192.0.2.{day}:4040"), "10.0.0.1:4040".into()],
                &library,
            );
            assert_eq!(addresses(&peers)[0], format!("192.0.2.{day}:4040"));
            assert!(addresses(&peers).contains(&"10.0.0.1:4040".to_owned()));
        }
        assert_eq!(addresses(&peers).len(), ADDRESSES);
        peers.record_self_claim(&node, "x", &["10.0.0.1:4040".into()], &library);
        peers.record_dial(&node, "198.51.100.1:4040".into());
        peers.record_self_claim(&node, "x", &["192.0.2.19:4040".into()], &library);
        assert_eq!(addresses(&peers)[..2], ["198.51.100.1:4040", "192.0.2.19:4040"]);
    }

    /// A line break in a name that was planted in the file printed a forged line of `status`.
    #[test]
    fn a_planted_name_or_address_forges_no_line() {
        let node = NodeId::of(&[1; 32]);
        let planted = serde_json::json!({ "peers": [
            { "id": node.to_string(), "name": "x\nserving    no", "addresses": ["192.0.2.1:1", "a\nb:1"],
              "hearsay": ["c\rd:1"], "libraries": ["e\nf"] },
            { "id": "g\nh", "name": "y" },
        ] });
        let peers = Peers::decode(planted.to_string().as_bytes()).unwrap();
        let plain = Peer { id: node.to_string(), addresses: vec!["192.0.2.1:1".into()], ..Peer::default() };
        assert_eq!(peers.peers, [plain]);
    }

    /// Symptom: a peer that called itself by the beginning of another node's id was pulled from in its place.
    /// Cause: names were compared before ids.
    #[test]
    fn a_name_never_stands_for_the_beginning_of_an_id() {
        let (other, thief) = (NodeId::of(&[1; 32]), NodeId::of(&[2; 32]));
        let short = other.short();
        let mut peers = Peers::default();
        peers.record_introduction(&thief, &short, &[], None);
        assert_eq!(peers.find(&short).unwrap(), None);
        peers.record_introduction(&other, "origin", &[], None);
        for text in [short.clone(), short.to_uppercase(), other.to_string()] {
            assert_eq!(peers.find(&text).unwrap().unwrap().id, other.to_string());
        }
    }

    #[test]
    fn a_name_of_two_peers_is_refused_with_their_ids() {
        let mut peers = Peers::default();
        peers.record_introduction(&NodeId::of(&[1; 32]), "x", &[], None);
        peers.record_introduction(&NodeId::of(&[2; 32]), "x", &[], None);
        let failure = peers.find("x").unwrap_err();
        assert!(failure.message.contains(&NodeId::of(&[2; 32]).to_string()), "{failure}");
    }
}
