//! The targets for small files of a home and for the index: the scan cache, values of the index, the address
//! book.

use chuan::home::peers::Peers;
use chuan_engine::{
    id::{LibraryId, NodeId, PageId},
    ingest::{ScanReader, ScanRecord},
    limits::{ADDRESSES, CHUNK_BYTES},
};
use chuan_storage::IndexEntry;

use super::{input::Input, meter};

/// Bytes of the scan cache's header, without its checksum.
const SCAN_HEADER: usize = 64;
/// Records of a block of the scan cache, and bytes of a record.
const SCAN_BLOCK: (usize, usize) = (1024, 32);
/// The trees that the scan cache describes in this target.
const TREES: [(u8, PageId); 1] = [(0, PageId::from_bytes([0x9a; 32]))];

/// A scan cache. The first byte tells whether the checksums are made right, so that the fields behind them
/// are reached. Returns whether the cache gave a record.
pub fn scan(bytes: &[u8]) -> bool {
    let Some((how, file)) = bytes.split_first() else { return false };
    let file = if how & 1 == 1 { summed(file) } else { file.to_vec() };
    let Some(mut reader) = ScanReader::new(file.as_slice(), "a scan cache", &TREES) else { return false };
    let header = SCAN_HEADER + 4;
    let most = file.len().saturating_sub(header) / SCAN_BLOCK.1;
    let mut known: Vec<Option<ScanRecord>> = Vec::new();
    // The reader never ends by itself: a publish asks it once for each entry.
    for _ in 0..most + 4 {
        known.push(reader.next());
    }
    assert!(known.iter().skip(most).all(Option::is_none), "more records than bytes");
    known.iter().any(Option::is_some)
}

/// A scan cache with right checksums.
fn summed(file: &[u8]) -> Vec<u8> {
    let (header, blocks) = file.split_at_checked(SCAN_HEADER).unwrap_or((file, &[]));
    let mut out = header.to_vec();
    out.extend_from_slice(&crc32c::crc32c(header).to_le_bytes());
    for block in blocks.chunks(SCAN_BLOCK.0 * SCAN_BLOCK.1) {
        out.extend_from_slice(block);
        out.extend_from_slice(&crc32c::crc32c(block).to_le_bytes());
    }
    out
}

/// An entry of the index: the number of its column family, the length of its key, key and value. Returns the
/// family of an entry that was accepted.
pub fn index(bytes: &[u8]) -> Option<&'static str> {
    let mut input = Input::new(bytes);
    let family = *input.one(&IndexEntry::FAMILIES)?;
    let key = input.bytes(255);
    let entry = IndexEntry::decode(family, key, input.rest()).ok()?;
    let (again, value) = entry.encode();
    assert_eq!(again, key, "a key of the index has one form");
    assert_eq!(value, input.rest(), "a value of the index has one form");
    if let Some(most) = entry.read_bytes() {
        // A read allocates as much as the value says.
        assert!(most <= 2 * CHUNK_BYTES as u64, "a read of {most} bytes");
    }
    Some(family)
}

/// Nodes that the address book hears of in one input.
const NODES: u8 = 6;
/// Addresses that the actions use, beside raw texts.
const PLACES: [&str; 8] = [
    "192.0.2.1:4433",
    "192.0.2.2:4433",
    "[2001:db8::1]:4433",
    "203.0.113.9:1",
    "films.example:4433",
    "0.0.0.0:4433",
    "192.0.2.1:0",
    "224.0.0.1:9",
];

/// An address book: a file of a person, or an empty one, and what other nodes tell. Returns whether a file
/// was read.
pub fn peers(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let file = input.bytes(usize::from(u16::MAX));
    let read = Peers::decode(file).ok();
    let is_read = read.is_some();
    let mut peers = read.unwrap_or_default();
    let of_file = peers.iter().count();
    let library = LibraryId::of(b"films");
    while let Some(action) = input.next() {
        meter::received(256);
        let node = NodeId::from_bytes([0x5f + (action >> 4 & 7) % NODES; 32]);
        let name = ["", "甲", "mirror"].get(usize::from(action % 3)).copied().unwrap_or_default();
        let mut addresses: Vec<String> = input.some(&PLACES).into_iter().map(str::to_owned).collect();
        if action & 128 != 0 {
            addresses.push(String::from_utf8_lossy(input.bytes(32)).into_owned());
        }
        match input.u8() % 4 {
            0 => drop(peers.record_hearsay(&node, name, &addresses, &library)),
            1 => peers.record_self_claim(&node, name, &addresses, &library),
            2 => peers.record_introduction(&node, name, &addresses, &library),
            _ => peers.record_dial(&node, addresses.pop().unwrap_or_default(), &library),
        }
        check_peer(&peers, &node);
    }
    assert!(peers.iter().count() <= of_file + usize::from(NODES) + 2, "a node has one entry");
    for peer in peers.iter() {
        let _ = peers.find(&peer.name).map(|_| ());
        let _ = peers.find(peer.id.get(..8).unwrap_or_default()).map(|_| ());
    }
    assert!(peers.sources(&library).count() <= peers.iter().count());
    let written = peers.encode().expect("an address book can be written");
    assert_eq!(Peers::decode(&written).expect("and read again"), peers, "and is the same then");
    is_read
}

/// The entry of a node that was just heard of is within its bounds.
fn check_peer(peers: &Peers, node: &NodeId) {
    let id = node.to_string();
    let Some(peer) = peers.iter().find(|peer| peer.id == id) else { return };
    let places = peer.places();
    assert!(peer.addresses.len() <= ADDRESSES, "{} addresses", peer.addresses.len());
    assert!(places.len() <= ADDRESSES, "{} places to dial", places.len());
    let is_repeated = |place: &String| peer.hearsay.contains(place);
    assert!(!peer.addresses.iter().any(is_repeated), "an address that was proved is hearsay too");
}
