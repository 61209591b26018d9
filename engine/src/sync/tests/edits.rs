//! Edits that move both ends of a film. Their cost on the wire is compared with a patch that zstd makes with
//! all of the old film as its dictionary.

use std::{ops::Range, sync::atomic::Ordering};

use zstd::zstd_safe::{CCtx, CParameter};

use super::film as noise;
use crate::{
    chunk::{self, Profile},
    sync::{
        fetch::Options,
        message::Packing,
        pair::{Files, Pair, Pulled},
    },
};

/// A film as MP4 files have it: frames, and an index with their sizes, their times and their offsets in the
/// file.
struct Film {
    frames: Vec<Vec<u8>>,
}

impl Film {
    /// A film of small frames, so that the index is large.
    fn new(seed: u64, frames: u64) -> Self {
        let len = |frame: u64| 40 + usize::from(noise(seed ^ frame, 1)[0]);
        Self { frames: (0..frames).map(|frame| noise(seed + frame, len(frame))).collect() }
    }

    /// The file with these frames only, after the frames of another film; the index is behind them.
    fn file(&self, intro: &[Vec<u8>], cut: Range<usize>) -> Vec<u8> {
        let mut file = b"ftypisom".to_vec();
        let (mut sizes, mut offsets, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for (number, frame) in intro.iter().chain(&self.frames[cut]).enumerate() {
            if number % 20 == 0 {
                offsets.extend(u32::try_from(file.len()).unwrap().to_be_bytes());
            }
            sizes.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
            times.extend([1, u32::from(frame[0] % 4) * 512].map(u32::to_be_bytes).concat());
            file.extend(frame);
        }
        for (name, table) in [(b"ctts", times), (b"stsz", sizes), (b"stco", offsets)] {
            file.extend(u32::try_from(table.len()).unwrap().to_be_bytes());
            file.extend(name);
            file.extend(table);
        }
        file
    }

    /// The same with the index before the frames, as `faststart` writes it.
    fn fast(&self, cut: Range<usize>) -> Vec<u8> {
        let file = self.file(&[], cut.clone());
        let frames = 8 + self.frames[cut].iter().map(Vec::len).sum::<usize>();
        [&file[..8], &file[frames..], &file[8..frames]].concat()
    }
}

/// Cuts as small files are cut; a test then needs a few megabytes only.
fn fine(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut chunks = Vec::new();
    while !bytes.is_empty() {
        let (chunk, rest) = bytes.split_at(chunk::cut::next(Profile::Fine, bytes));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks
}

/// The bytes of `zstd -1 --long --patch-from`.
fn patch(old: &[u8], new: &[u8]) -> usize {
    let mut zstd = CCtx::create();
    for parameter in [
        CParameter::CompressionLevel(1),
        CParameter::WindowLog(27),
        CParameter::EnableLongDistanceMatching(true),
        CParameter::ChecksumFlag(false),
    ] {
        zstd.set_parameter(parameter).unwrap();
    }
    zstd.ref_prefix(old).unwrap();
    let mut packed = Vec::with_capacity(new.len());
    zstd.compress2(&mut packed, new).unwrap()
}

/// Publishes and pulls `old`, then `new`.
fn update(old: &Files, new: &Files) -> (Pair, Pulled) {
    let mut pair = Pair::new();
    pair.cut = fine;
    pair.publish(old);
    pair.pull().unwrap();
    pair.origin.store.chunk_bytes_read.store(0, Ordering::Relaxed);
    let release = pair.publish(new);
    let options = Options { packing: Packing::Smallest, ..Options::default() };
    let pulled = pair.pull_with(options, &mut |_, frames| frames).unwrap();
    assert!(pair.mirror.files(&release).unwrap() == *new);
    assert_eq!((pulled.report.round_trips, pulled.report.wasted_bytes), (1, 0));
    (pair, pulled)
}

/// Symptom: a film without its first ten seconds cost 168 kB, where a patch of the whole file took 31 kB.
/// Cause: the base of a run of new chunks with an open end was only looked for beside its other end. There
/// were neither the frames before the cut nor, where the end was cut too, the old index.
#[test]
fn a_film_whose_ends_move_costs_no_more_than_a_patch() {
    let film = Film::new(1, 40_000);
    let intro = Film::new(1 << 40, 3_000).frames;
    let whole = 0..40_000;
    let old = film.file(&[], whole.clone());
    let cases = [
        ("start cut", old.clone(), film.file(&[], 9_000..40_000)),
        ("end cut", old.clone(), film.file(&[], 0..29_000)),
        ("both cut", old.clone(), film.file(&[], 9_000..29_000)),
        ("intro", old, film.file(&intro, whole.clone())),
        ("index in front", film.fast(whole), film.fast(9_000..29_000)),
    ];
    for (name, old, new) in cases {
        let patch = patch(&old, &new);
        let files = |bytes| Files::from([("film.mp4".to_owned(), bytes)]);
        let beside = Files::from([("film.mp4".into(), old.clone()), ("recut/film.mp4".into(), new.clone())]);
        for (place, new) in [("over the old", files(new)), ("beside the old", beside)] {
            let (_, pulled) = update(&files(old.clone()), &new);
            let chunks = usize::try_from(pulled.report.chunks_fetched).unwrap();
            let allowed = patch + patch / 10 + 48 * chunks + 2048;
            eprintln!("{name}, {place}: {} bytes in, patch {patch}, {chunks} chunks", pulled.bytes_in);
            assert!(
                pulled.bytes_in <= allowed,
                "{name}, {place}: {} bytes, {allowed} allowed",
                pulled.bytes_in
            );
        }
    }
}

/// A file of thirty short pieces of an old one, in the opposite order and with new bytes between them. Every
/// run has open ends. The unused old bytes are read once for all runs; for each run they would be 135 MB.
#[test]
fn old_bytes_are_read_once_for_all_searches() {
    let old: Vec<u8> = noise(1, 6_000_000);
    let mut new = Vec::new();
    for (number, piece) in (2u64..).zip(old.chunks(200_000).rev()) {
        new.extend(noise(number, 40_000));
        new.extend(&piece[..50_000]);
    }
    let files = |bytes| Files::from([("film.mp4".to_owned(), bytes)]);
    let (pair, pulled) = update(&files(old.clone()), &files(new));
    assert!(pulled.report.chunks_from_deltas > 0 || pulled.report.chunks_fetched > 30, "{pulled:?}");
    let read = pair.origin.store.chunk_bytes_read.load(Ordering::Relaxed);
    assert!(read < 10 * old.len() as u64, "{read} bytes read");
}
