//! Sources that send useless data: the cost for the puller has a bound.

use std::sync::Arc;

use bytes::Bytes;

use super::{film, library};
use crate::{
    error::Error,
    limits::{ANSWER_STATEMENTS_BYTES, CHUNK_BYTES, DELTA_RAW_BYTES, FETCH_WASTE_BYTES, STATEMENT_BYTES},
    sync::{
        delta::{Delta, DeltaKind, Part, Run},
        fetch::{Fetch, Options},
        frame::{Frame, FrameKind},
        message::{Packing, Want},
        pair::{Files, LIVE, NOW_MS, Pair, fetch_from, to_bytes},
    },
};

/// A delta that unpacks to the maximum size, and gives no expected object.
fn useless() -> Vec<u8> {
    let raw = vec![0; DELTA_RAW_BYTES];
    let lens = vec![u32::try_from(CHUNK_BYTES).unwrap(); DELTA_RAW_BYTES / CHUNK_BYTES];
    let base = vec![Run { have: 0, part: Part::Chunks { first: 0, count: 1 } }];
    to_bytes(&Frame::Delta(Delta::make(DeltaKind::Chunks, base, &[], lens, &raw, raw.len()).unwrap()))
}

/// A few more useless deltas than a puller takes.
fn beyond() -> usize {
    usize::try_from(FETCH_WASTE_BYTES).unwrap() / DELTA_RAW_BYTES + 8
}

fn is_of_kind(frame: &[u8], kind: FrameKind) -> bool {
    frame.get(4) == Some(&(kind as u8))
}

fn edited() -> (Pair, Files) {
    let mut pair = Pair::new();
    let mut files = library(20, 500);
    files.insert("big.mkv".into(), film(1000, 100_000));
    pair.publish(&files);
    pair.pull().unwrap();
    files.get_mut("big.mkv").unwrap().iter_mut().step_by(700).for_each(|byte| *byte ^= 0x55);
    pair.publish(&files);
    (pair, files)
}

/// Symptom: a source kept a pull busy forever with useless data at full speed; the next source was never
/// tried. Useless data in the first answer may be the puller's own fault (damage here), so the puller
/// continues by position. Answers by position have no excuse for useless data.
#[test]
fn junk_ends_the_first_answer_and_junk_by_position_fails_the_source() {
    let (mut pair, files) = edited();
    let options = Options { packing: Packing::Smallest, ..Options::default() };
    let mut answers = 0;
    let pulled = pair.pull_with(options.clone(), &mut |_, mut frames| {
        answers += 1;
        if answers == 1 {
            let at = frames.iter().position(|frame| is_of_kind(frame, FrameKind::Delta)).unwrap();
            frames.splice(at..at, std::iter::repeat_n(useless(), beyond()));
        }
        frames
    });
    let report = pulled.unwrap().report;
    assert!(answers > 1 && report.round_trips > 1, "{report:?}");
    assert_eq!(pair.mirror.files(&report.release.unwrap()).unwrap(), files);

    let (mut pair, _) = edited();
    let before = pair.mirror.channel();
    let resume = Options { resume: true, ..options };
    let pulled = pair.pull_with(resume, &mut |_, mut frames| {
        if frames
            .iter()
            .any(|frame| is_of_kind(frame, FrameKind::Chunk) || is_of_kind(frame, FrameKind::Delta))
        {
            frames.splice(0..0, std::iter::repeat_n(useless(), beyond()));
        }
        frames
    });
    assert!(matches!(&pulled, Err(Error::Peer(text)) if text.contains("no use")), "{pulled:?}");
    assert_eq!(pair.mirror.channel(), before);
}

/// Symptom: deltas of a hundred bytes, without data, each made the puller read two mebibytes of held data for
/// nothing, and the pull never ended. Cause: only received bytes were counted.
#[test]
fn a_delta_costs_what_is_read_for_it() {
    let (mut pair, files) = edited();
    let options = Options { packing: Packing::Smallest, ..Options::default() };
    let mut sent = 0;
    let pulled = pair.pull_with(options, &mut |id, mut frames| {
        if id > 0 {
            return frames;
        }
        let at = frames.iter().position(|frame| is_of_kind(frame, FrameKind::Delta)).unwrap();
        let base = vec![Run { have: 0, part: Part::Chunks { first: 0, count: 200 } }];
        let empty = Delta { kind: DeltaKind::Chunks, base, lens: vec![1], data: Vec::new() };
        let empty = to_bytes(&Frame::Delta(empty));
        sent = 20_000 * empty.len();
        frames.splice(at..at, std::iter::repeat_n(empty, 20_000));
        frames
    });
    let pulled = pulled.unwrap();
    assert!(pulled.bytes_in < sent / 2, "{} of {sent} bytes were taken", pulled.bytes_in);
    assert_eq!(pair.mirror.files(&pulled.report.release.unwrap()).unwrap(), files);
}

/// Repeated chunks, headers and pages are not progress.
#[test]
fn repeated_frames_are_waste() {
    for kind in [FrameKind::Chunk, FrameKind::Header, FrameKind::Page] {
        let mut pair = Pair::new();
        let files = library(10, 2000);
        let release = pair.publish(&files);
        let mut bytes = 0;
        let pulled = pair.pull_with(Options::default(), &mut |_, mut frames| {
            // The largest frame of its kind, which is nearly all payload.
            let of_kind = frames.iter().enumerate().filter(|(_, frame)| is_of_kind(frame, kind));
            let (at, again) = of_kind.max_by_key(|(_, frame)| frame.len()).unwrap();
            let again = again.clone();
            bytes = 50 * again.len() as u64;
            frames.splice(at + 1..at + 1, std::iter::repeat_n(again, 50));
            frames
        });
        let report = pulled.unwrap().report;
        assert!(report.wasted_bytes > bytes * 3 / 4 && report.wasted_bytes <= bytes, "{kind:?}: {report:?}");
        assert_eq!(report.chunk_bytes_fetched + report.page_bytes, whole(&files), "{kind:?}");
        assert_eq!(pair.mirror.files(&release).unwrap(), files);
    }
}

/// The bytes of a faultless pull of `files`.
fn whole(files: &Files) -> u64 {
    let mut pair = Pair::new();
    pair.publish(files);
    let report = pair.pull().unwrap().report;
    report.chunk_bytes_fetched + report.page_bytes
}

/// A source that answers with an older release than the one known here is stopped at the first frame of data.
/// It is not called faulty, since it may know no newer release.
#[test]
fn an_answer_about_an_older_release_is_stopped_at_once() {
    let mut pair = Pair::new();
    let mut files = library(20, 3000);
    pair.publish(&files);
    pair.pull().unwrap();
    files.insert("second.mkv".into(), film(1, 50_000));
    pair.publish(&files);
    let mut older = Vec::new();
    let request = pair_request(&pair);
    older.extend(pair.answer(request).unwrap());
    let stood = pair.origin.channel().unwrap().statement;
    files.insert("third.mkv".into(), film(2, 50_000));
    pair.publish(&files);
    let news: Vec<_> = pair.origin.library.statements().into_iter().cloned().collect();
    pair.mirror.learn(&news);
    let len: usize = older.iter().map(Vec::len).sum();

    let want = Want::Channel(LIVE.into());
    let mut answer = Some(older);
    let pulled = fetch_from(&pair.origin, &pair.mirror, want, Options::default(), &mut |_, _| {
        answer.take().expect("no further request is expected")
    });
    let pulled = pulled.unwrap();
    assert!(!pulled.report.done && pulled.report.is_source_behind, "{pulled:?}");
    assert_eq!(pulled.report.holding.unwrap().heard, Some(stood));
    assert!(pulled.bytes_in < len / 10, "{} of {len} bytes were taken", pulled.bytes_in);
}

/// The pull request of a mirror that knows no newer release than the one it holds.
fn pair_request(pair: &Pair) -> Bytes {
    let store = Arc::clone(&pair.mirror.store);
    let want = Want::Channel(LIVE.into());
    let library = pair.mirror.library.clone();
    let mut fetch = Fetch::new(store, library, want, NOW_MS, Options::default()).unwrap();
    let (_, request) = fetch.poll_request().unwrap().unwrap();
    Frame::Request(request).encode().unwrap().payload
}

/// Symptom: a puller kept 4,096 unverified statements of any size in memory: 555 MiB, with their keys
/// decoded. Fix: the bytes of unverified statements have a bound, and the statements are not decoded before
/// they are needed.
#[test]
fn the_statements_of_an_answer_are_bounded_in_bytes() {
    let mut pair = Pair::new();
    pair.publish(&library(3, 500));
    // The heading names the library; the rest is junk.
    let mut junk = pair.origin.library.statements()[0].bytes().to_vec();
    junk.resize(STATEMENT_BYTES, 0);
    let junk = to_bytes(&Frame::Statement(junk.into()));
    let fits = ANSWER_STATEMENTS_BYTES / STATEMENT_BYTES;
    for (count, is_counted) in [(fits, false), (fits + 1, true)] {
        let error = pair
            .pull_with(Options::default(), &mut |_, mut frames| {
                frames.splice(0..0, std::iter::repeat_n(junk.clone(), count));
                frames.truncate(count);
                frames
            })
            .unwrap_err();
        assert_eq!(error.to_string().contains("more than"), is_counted, "{count}: {error}");
    }
}
