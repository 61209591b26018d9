//! The address book: limits, order, names, and the libraries of an entry.

use super::*;
use crate::command::Role;

#[test]
fn peers_read_back_and_sources_come_latest_first() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::init(dir.path(), None, Role::Mirror).unwrap();
    let (library, a, b) = (LibraryId::of(b"l"), NodeId::of(&[1; 32]), NodeId::of(&[2; 32]));
    let mut peers = home.peers().unwrap();
    peers.record_introduction(&a, "甲", &["a:1".into()], &library);
    peers.record_introduction(&b, "乙", &["b:1".into()], &library);
    peers.record_introduction(&a, "", &["a:2".into()], &library);
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
    assert!(!peers.record_hearsay(&node, "x", &["evil.example:53".into(), "192.0.2.1:0".into()], &library));
    assert!(!peers.record_hearsay(&node, "x", &["192.0.2.7:4040".into()], &library));
    assert!(!peers.record_hearsay(&node, "x", &lies, &library));
    let places = |peers: &Peers| peers.iter().next().unwrap().places();
    assert_eq!(places(&peers)[0], "192.0.2.7:4040");
    assert_eq!(places(&peers)[1..], lies[..4]);
    let others: Vec<String> = (21..=36).map(|n| format!("203.0.113.{n}:4040")).collect();
    peers.record_hearsay(&node, "x", &others, &library);
    assert!(places(&peers).contains(&"192.0.2.7:4040".to_owned()), "one answer must not replace all");
    peers.record_dial(&node, "192.0.2.7:4040".into(), &library);
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
    peers.record_dial(&node, "198.51.100.1:4040".into(), &library);
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
    let (mut peers, library) = (Peers::default(), LibraryId::of(b"l"));
    peers.record_introduction(&thief, &short, &[], &library);
    assert_eq!(peers.find(&short).unwrap(), None);
    peers.record_introduction(&other, "origin", &[], &library);
    for text in [short.clone(), short.to_uppercase(), other.to_string()] {
        assert_eq!(peers.find(&text).unwrap().unwrap().id, other.to_string());
    }
}

#[test]
fn a_name_of_two_peers_is_refused_with_their_ids() {
    let (mut peers, library) = (Peers::default(), LibraryId::of(b"l"));
    peers.record_introduction(&NodeId::of(&[1; 32]), "x", &[], &library);
    peers.record_introduction(&NodeId::of(&[2; 32]), "x", &[], &library);
    let failure = peers.find("x").unwrap_err();
    assert!(failure.message.contains(&NodeId::of(&[2; 32]).to_string()), "{failure}");
}

/// Symptom: the owner of another library replaced the addresses and the name of an origin, and took its
/// name for another node. Cause: a node had one entry for all libraries.
#[test]
fn what_one_library_tells_of_a_node_changes_nothing_of_another() {
    let (library, other) = (LibraryId::of(b"l"), LibraryId::of(b"m"));
    let (node, thief) = (NodeId::of(&[1; 32]), NodeId::of(&[2; 32]));
    let mut peers = Peers::default();
    peers.record_introduction(&node, "origin", &["192.0.2.1:1".into()], &library);
    let before: Vec<_> = peers.sources(&library).cloned().collect();
    let lies: Vec<String> = (1..=16).map(|n| format!("203.0.113.{n}:4040")).collect();
    peers.record_self_claim(&node, "gone", &lies, &other);
    peers.record_hearsay(&node, "gone", &lies, &other);
    peers.record_dial(&node, lies[0].clone(), &other);
    peers.record_introduction(&node, "gone", &lies, &other);
    peers.record_self_claim(&thief, "origin", &lies, &other);
    assert_eq!(peers.sources(&library).cloned().collect::<Vec<_>>(), before);
    assert_eq!(peers.find_source("origin", &library).unwrap(), before.first());
    assert!(peers.find("origin").is_err());
    let by_node = peers.by_node();
    let shown = by_node.iter().find(|peer| peer.id == node.to_string()).unwrap();
    assert_eq!((by_node.len(), shown.libraries.len()), (2, 2));
    let written = peers.encode().unwrap();
    assert_eq!(Peers::decode(&written).unwrap(), peers);
}

/// A file of an earlier version has one entry for all libraries of a node.
#[test]
fn an_entry_of_several_libraries_becomes_one_for_each() {
    let libraries = [LibraryId::of(b"l"), LibraryId::of(b"m")];
    let entry = |libraries: &[LibraryId]| {
        let libraries: Vec<_> = libraries.iter().map(ToString::to_string).collect();
        serde_json::json!({ "id": NodeId::of(&[1; 32]).to_string(), "name": "x", "addresses": ["192.0.2.1:1"],
            "libraries": libraries })
    };
    let file = serde_json::json!({ "peers": [entry(&libraries), entry(&libraries[1..])] });
    let peers = Peers::decode(file.to_string().as_bytes()).unwrap();
    assert_eq!(peers.iter().count(), 2);
    for library in &libraries {
        let addresses: Vec<_> = peers.sources(library).map(|peer| peer.addresses.clone()).collect();
        assert_eq!(addresses, [["192.0.2.1:1".to_owned()]]);
    }
}

/// Symptom: the memory and the file of the address book grew with each member that the owner of a library
/// invented. Cause: the number of entries had no limit.
#[test]
fn a_library_has_a_bounded_number_of_entries_and_takes_none_of_another() {
    let (library, other) = (LibraryId::of(b"l"), LibraryId::of(b"m"));
    let node = |n: usize| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_le_bytes());
        NodeId::of(&key)
    };
    let mut peers = Peers::default();
    let told = ["192.0.2.7:4040".to_owned()];
    for n in 0..SOURCES + 100 {
        peers.record_hearsay(&node(n), "x", &told, &other);
    }
    peers.record_self_claim(&node(SOURCES + 100), "x", &told, &other);
    assert_eq!(peers.sources(&other).count(), SOURCES);
    peers.record_hearsay(&node(0), "x", &["192.0.2.8:4040".to_owned()], &other);
    assert_eq!(peers.sources(&other).next().unwrap().hearsay.len(), 2, "a known one is changed");
    // One that was reached replaces the last of those of which others told.
    let reached = node(SOURCES + 101);
    peers.record_introduction(&reached, "x", &told, &other);
    let of_other: Vec<_> = peers.sources(&other).map(|peer| peer.id.clone()).collect();
    assert_eq!((of_other.len(), &of_other[0]), (SOURCES, &reached.to_string()));
    assert!(!of_other.contains(&node(SOURCES - 1).to_string()));
    assert!(peers.record_hearsay(&node(0), "x", &told, &library));
    assert_eq!(peers.sources(&library).count(), 1);
}
