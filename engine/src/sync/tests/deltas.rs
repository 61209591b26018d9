//! Deltas: chunks and pages encoded against data that the mirror has. They save bytes, and a missing base
//! costs at most one round trip.

use super::{film, library};
use crate::{
    store::ObjectId,
    sync::{
        delta::{Part, Run},
        fetch::Options,
        frame::{Frame, FrameHeader, FrameKind, HEADER_LEN},
        message::Packing,
        pair::{Files, Pair, Pulled, to_bytes},
    },
};

/// Changes one byte in every `every`.
fn speckled(bytes: &[u8], every: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.iter_mut().step_by(every).for_each(|byte| *byte = byte.wrapping_add(97));
    bytes
}

fn pull(pair: &mut Pair, packing: Packing) -> Pulled {
    pair.pull_with(Options { packing, ..Options::default() }, &mut |_, frames| frames).unwrap()
}

fn edited_pair(files: &mut Files) -> Pair {
    let mut pair = Pair::new();
    files.insert("big.mkv".into(), film(1000, 400_000));
    pair.publish(files);
    pair.pull().unwrap();
    let edited = speckled(&files["big.mkv"], 3000);
    files.insert("big.mkv".into(), edited);
    pair.publish(files);
    pair
}

#[test]
fn an_edit_is_sent_as_deltas() {
    let mut files = library(50, 500);
    let mut pair = edited_pair(&mut files);
    let pulled = pull(&mut pair, Packing::Smallest).report;
    assert_eq!(pair.mirror.files(&pulled.release.unwrap()).unwrap(), files);
    assert_eq!((pulled.round_trips, pulled.wasted_bytes), (1, 0), "{pulled:?}");
    assert_eq!(pulled.chunks_from_deltas, pulled.chunks_fetched);
    assert!(pulled.chunk_bytes_encoded < pulled.chunk_bytes_fetched / 8, "{pulled:?}");
    assert!(pulled.page_bytes_encoded < pulled.page_bytes * 3 / 4, "{pulled:?}");
}

#[test]
fn fastest_sends_no_deltas_and_no_compression() {
    let mut files = library(50, 500);
    let mut pair = edited_pair(&mut files);
    let pulled = pull(&mut pair, Packing::Fastest).report;
    assert_eq!(pair.mirror.files(&pulled.release.unwrap()).unwrap(), files);
    assert_eq!((pulled.chunks_from_deltas, pulled.wasted_bytes), (0, 0));
    assert_eq!(pulled.chunk_bytes_encoded, pulled.chunk_bytes_fetched);
}

/// A remux: a new path beside the old one; most chunks are shared, the others are similar to old ones.
#[test]
fn a_new_path_is_sent_as_deltas_from_a_similar_file() {
    let mut pair = Pair::new();
    let mut files = library(50, 500);
    let original = film(7, 600_000);
    files.insert("a/原片.mkv".into(), original.clone());
    pair.publish(&files);
    pair.pull().unwrap();
    let mut remuxed = original[..300_000].to_vec();
    remuxed.extend_from_slice(&speckled(&original[300_000..330_000], 2000));
    remuxed.extend_from_slice(&original[330_000..]);
    files.insert("z/重封装.mp4".into(), remuxed);
    pair.publish(&files);
    let pulled = pull(&mut pair, Packing::Smallest).report;
    assert_eq!(pair.mirror.files(&pulled.release.unwrap()).unwrap(), files);
    assert!(pulled.chunk_bytes_fetched < 40_000, "{pulled:?}");
    assert!(pulled.chunk_bytes_encoded < pulled.chunk_bytes_fetched / 4, "{pulled:?}");
}

/// Data that moves within a file, such as an index moved to the front, is found although no neighbour
/// matches.
#[test]
fn moved_and_changed_data_is_found() {
    let mut pair = Pair::new();
    let (index, body) = (film(1, 50_000), film(2, 500_000));
    let mut files = Files::from([("film.mp4".into(), [&body[..], &index].concat())]);
    pair.publish(&files);
    pair.pull().unwrap();
    files.insert("film.mp4".into(), [&speckled(&index, 100)[..], &body].concat());
    pair.publish(&files);
    let pulled = pull(&mut pair, Packing::Smallest).report;
    assert_eq!(pair.mirror.files(&pulled.release.unwrap()).unwrap(), files);
    assert!(pulled.chunk_bytes_encoded < 12_000, "{pulled:?}");
}

#[test]
fn a_lost_base_costs_a_round_trip() {
    let mut files = library(50, 500);
    let mut pair = edited_pair(&mut files);
    let chunks: Vec<_> = pair.mirror.store.appended.lock().unwrap().iter().copied().collect();
    for id in chunks.into_iter().filter(|id| matches!(id, ObjectId::Chunk(_))).take(60) {
        pair.mirror.store.inner.damage(id);
    }
    let pulled = pull(&mut pair, Packing::Smallest).report;
    assert!(pulled.wasted_bytes > 0 && pulled.round_trips == 2, "{pulled:?}");
    while pair.mirror.files(&pulled.release.unwrap()).is_err() {
        pair.pull().unwrap();
    }
    assert_eq!(pair.mirror.files(&pulled.release.unwrap()).unwrap(), files);
}

/// A source makes deltas from another base than it states. No object from them is stored, and the chunks come
/// in full later.
#[test]
fn a_wrong_base_costs_a_round_trip() {
    let mut files = library(50, 500);
    let mut pair = edited_pair(&mut files);
    let lie = |bytes: Vec<u8>| {
        let header = FrameHeader::decode(*bytes.first_chunk::<HEADER_LEN>().unwrap()).unwrap();
        if header.kind != FrameKind::Delta {
            return bytes;
        }
        let payload = bytes[HEADER_LEN..].to_vec().into();
        let Ok(Frame::Delta(mut delta)) = Frame::decode(FrameKind::Delta, payload) else {
            panic!("no delta")
        };
        delta.base = vec![Run { have: 0, part: Part::Chunks { first: 0, count: 1 } }];
        to_bytes(&Frame::Delta(delta))
    };
    let options = Options { packing: Packing::Smallest, ..Options::default() };
    let pulled =
        pair.pull_with(options, &mut |_, frames| frames.into_iter().map(lie).collect()).unwrap().report;
    assert_eq!(pair.mirror.files(&pulled.release.unwrap()).unwrap(), files);
    assert_eq!(pulled.chunks_from_deltas, 0);
    assert!(pulled.wasted_bytes > 0 && pulled.round_trips > 1, "{pulled:?}");
}

/// The budget may end anywhere, also with chunks or pages that wait for a delta; the answer still ends
/// correctly.
#[test]
fn a_budget_may_end_between_any_two_deltas() {
    for budget in (0..12_000).step_by(400) {
        let mut pair = Pair::new();
        let mut files: Files = (1..4).map(|n| (format!("{n}.mkv"), film(n, 60_000))).collect();
        pair.publish(&files);
        pair.pull().unwrap();
        for bytes in files.values_mut() {
            *bytes = speckled(bytes, 3000);
        }
        let release = pair.publish(&files);
        let options = Options { packing: Packing::Smallest, budget, ..Options::default() };
        let pulled = pair.pull_with(options, &mut |_, frames| frames);
        assert!(pulled.is_ok(), "budget {budget}: {pulled:?}");
        assert_eq!(pair.mirror.files(&release).unwrap(), files, "budget {budget}");
    }
}
