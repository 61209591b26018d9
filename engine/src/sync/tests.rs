//! Pulls between two nodes in memory over a faultless wire. The modules below test faults.

mod classes;
mod crashes;
mod deltas;
mod edits;
mod faults;
mod foreign;
mod mixing;
mod orders;
mod rights;
mod roots;
mod sources;
mod trespass;
mod waste;

use std::collections::HashSet;

use super::{
    fetch::Options,
    pair::{Files, Pair, cut},
};
use crate::{error::Error, limits::FETCH_WINDOW_CHUNKS};

/// Pseudo-random bytes, like a film: no two parts are equal.
fn film(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn library(files: u64, len: usize) -> Files {
    (0..files).map(|n| (format!("电影/{:02}/film-{n:03}.mkv", n % 7), film(n, len))).collect()
}

/// The number of distinct chunks in `files`, and their bytes.
fn distinct(files: &Files) -> (u64, u64) {
    let chunks: HashSet<&[u8]> = files.values().flat_map(|bytes| cut(bytes)).collect();
    (chunks.len() as u64, chunks.iter().map(|chunk| chunk.len() as u64).sum())
}

#[test]
fn an_empty_mirror_gets_everything_in_one_round_trip() {
    let mut pair = Pair::new();
    let mut files = library(40, 3000);
    files.insert("big.mkv".into(), film(1000, 60_000));
    files.insert("empty".into(), vec![]);
    let release = pair.publish(&files);
    let pulled = pair.pull().unwrap();
    assert_eq!(pair.mirror.files(&release).unwrap(), files);
    assert_eq!(pair.mirror.channel(), pair.origin.channel());
    assert_eq!(pulled.report.round_trips, 1);
    assert_eq!(pulled.report.wasted_bytes, 0);
    assert_eq!(pulled.report.release, Some(release));
    assert_eq!(pulled.report.files, 42);
    assert_eq!(pulled.report.bytes_total, 40 * 3000 + 60_000);
    assert_eq!((pulled.report.chunks_fetched, pulled.report.chunk_bytes_fetched), distinct(&files));
}

#[test]
fn nothing_new_is_one_round_trip_and_under_a_kilobyte_each_way() {
    let mut pair = Pair::new();
    pair.publish(&library(40, 3000));
    pair.pull().unwrap();
    let again = pair.pull().unwrap();
    assert_eq!(again.report.round_trips, 1);
    assert_eq!((again.report.chunks_fetched, again.report.page_bytes), (0, 0));
    assert!(again.bytes_out < 300 && again.bytes_in < 100, "{again:?}");
}

#[test]
fn an_edit_costs_the_chunks_and_pages_it_touched() {
    let mut pair = Pair::new();
    let mut files = library(400, 500);
    files.insert("big.mkv".into(), film(1000, 200_000));
    pair.publish(&files);
    let all = pair.pull().unwrap();
    files.get_mut("big.mkv").unwrap().splice(100_000..100_000, [9, 9, 9]);
    let release = pair.publish(&files);
    let edit = pair.pull().unwrap();
    assert_eq!(pair.mirror.files(&release).unwrap(), files);
    assert_eq!(edit.report.round_trips, 1);
    assert_eq!(edit.report.wasted_bytes, 0);
    assert!(edit.report.chunks_fetched <= 2, "{edit:?}");
    assert!(edit.report.page_bytes < all.report.page_bytes / 4, "{edit:?} of {all:?}");
}

/// Symptom: a film was edited, then edited again from its first version, and the pull sent all parts that
/// differ between the two edits, though the mirror held them from the first version. Cause: the answer was
/// compared with the newest version only.
#[test]
fn an_edit_of_the_version_before_costs_only_what_is_new_to_the_mirror() {
    let mut pair = Pair::new();
    let mut files = library(3, 400_000);
    let first = film(1, 6_000_000);
    files.insert("film.mp4".into(), first.clone());
    pair.publish(&files);
    pair.pull().unwrap();
    let mut recut = first.clone();
    recut.splice(1_000_000..4_000_000, film(2, 3_000_000));
    files.insert("film.mp4".into(), recut);
    pair.publish(&files);
    pair.pull().unwrap();
    let mut again = first;
    again.splice(5_000_000..5_000_000, *b"one more line");
    files.insert("film.mp4".into(), again);
    pair.publish(&files);
    let pulled = pair.pull().unwrap();
    assert_eq!(pulled.report.round_trips, 1);
    assert!(pulled.report.wasted_bytes == 0 && pulled.report.chunks_fetched <= 2, "{pulled:?}");
}

#[test]
fn renames_cost_no_chunks() {
    let mut pair = Pair::new();
    let mut files = library(20, 5000);
    pair.publish(&files);
    pair.pull().unwrap();
    let film = files.remove("电影/03/film-003.mkv").unwrap();
    files.insert("新/film-003.mkv".into(), film);
    let mut film = files.remove("电影/04/film-004.mkv").unwrap();
    film.splice(2000..2000, [9; 10]);
    files.insert("新/film-004.mkv".into(), film);
    let release = pair.publish(&files);
    let pulled = pair.pull().unwrap();
    assert_eq!(pair.mirror.files(&release).unwrap(), files);
    assert_eq!(pulled.report.round_trips, 1);
    assert!(pulled.report.chunks_fetched <= 2, "{pulled:?}");
}

#[test]
fn a_pull_cut_anywhere_leaves_the_previous_state_and_is_resumed() {
    let files = library(30, 2000);
    let mut pair = Pair::new();
    pair.publish(&files);
    let mut frames = 0;
    pair.pull_with(Options::default(), &mut |_, all| {
        frames = all.len();
        all
    })
    .unwrap();
    for cut in (0..frames).step_by(7) {
        let mut pair = Pair::new();
        let release = pair.publish(&files);
        let mut arrived = 0;
        pair.pull_with(Options::default(), &mut |_, all| {
            let all: Vec<_> = all.into_iter().take(cut).collect();
            arrived = all.len();
            all
        })
        .unwrap_err();
        assert_eq!(pair.mirror.channel(), None);
        let resumed =
            pair.pull_with(Options { resume: true, ..Options::default() }, &mut |_, all| all).unwrap();
        assert_eq!(pair.mirror.files(&release).unwrap(), files);
        assert_eq!(resumed.report.wasted_bytes, 0, "cut after {cut}");
    }
}

#[test]
fn a_budget_ends_the_first_answer_and_not_the_pull() {
    let mut pair = Pair::new();
    let files = library(40, 3000);
    let release = pair.publish(&files);
    let options = Options { budget: 40_000, ..Options::default() };
    let mut sizes = Vec::new();
    let pulled = pair
        .pull_with(options, &mut |_, frames| {
            sizes.push(frames.iter().map(Vec::len).sum::<usize>());
            frames
        })
        .unwrap();
    assert_eq!(pair.mirror.files(&release).unwrap(), files);
    assert!(sizes[0] < 80_000 && sizes.len() > 1, "{sizes:?}");
    assert_eq!(pulled.report.wasted_bytes, 0);
    assert_eq!((pulled.report.chunks_fetched, pulled.report.chunk_bytes_fetched), distinct(&files));
}

/// Pull by position, in more than one window: every chunk comes once, and each level of pages costs one round
/// trip.
#[test]
fn a_large_resumed_pull_fetches_each_chunk_once() {
    let mut pair = Pair::new();
    let mut files = library(300, 2000);
    files.insert("large.mkv".into(), film(77, 5_000_000));
    let release = pair.publish(&files);
    let mut requests = 0;
    let pulled = pair
        .pull_with(Options { resume: true, ..Options::default() }, &mut |_, frames| {
            requests += 1;
            frames
        })
        .unwrap();
    assert!(pair.mirror.files(&release).unwrap() == files);
    assert_eq!((pulled.report.chunks_fetched, pulled.report.chunk_bytes_fetched), distinct(&files));
    assert!(pulled.report.chunks_fetched > 2 * FETCH_WINDOW_CHUNKS as u64);
    assert_eq!(pulled.report.wasted_bytes, 0);
    assert!(
        pulled.report.round_trips <= 8,
        "{} round trips in {requests} requests",
        pulled.report.round_trips
    );
}

/// Symptom: a pull of more than the disk could take filled the disk, and ended with "the disk is full" after
/// a long transfer. The room is compared once the missing chunks are known, before any of them comes.
#[test]
fn a_release_that_does_not_fit_is_refused_before_its_chunks_come() {
    let mut pair = Pair::new();
    let mut files = library(20, 30_000);
    files.insert("copy.mkv".into(), files["电影/00/film-000.mkv"].clone());
    let first = pair.publish(&files);
    let (chunks, bytes) = distinct(&files);
    let options = |usable, resume| Options { usable_bytes: Some(usable), resume, ..Options::default() };
    for resume in [false, true] {
        let error = pair.pull_with(options(bytes - 1, resume), &mut |_, frames| frames).unwrap_err();
        let figures = [bytes, bytes - 1].map(|figure| format!("{figure}"));
        assert!(
            matches!(&error, Error::Full(text) if figures.iter().all(|figure| text.contains(figure))),
            "{error}"
        );
        assert!(pair.mirror.channel().is_none());
    }
    // The content repeats a file, so the sum of the files would not fit.
    let pulled = pair.pull_with(options(bytes, true), &mut |_, frames| frames).unwrap();
    assert_eq!((pulled.report.chunks_fetched, pulled.report.chunk_bytes_fetched), (chunks, bytes));
    assert_eq!(pair.mirror.files(&first).unwrap(), files);
    // Of a next release only the new chunks need room.
    files.insert("new.mkv".into(), film(77, 30_000));
    let second = pair.publish(&files);
    let new = distinct(&files).1 - bytes;
    let error = pair.pull_with(options(new - 1, false), &mut |_, frames| frames).unwrap_err();
    assert!(matches!(error, Error::Full(_)), "{error}");
    let pulled = pair.pull_with(options(new, false), &mut |_, frames| frames).unwrap();
    assert_eq!(pulled.report.chunk_bytes_fetched, new);
    assert_eq!(pair.mirror.files(&second).unwrap(), files);
    // Where all files fit, nothing is counted.
    let mut pair = Pair::new();
    pair.publish(&files);
    let pulled = pair.pull_with(options(bytes * 2, false), &mut |_, frames| frames).unwrap();
    assert_eq!((pulled.report.round_trips, pulled.report.chunks_missing), (1, 0));
}
