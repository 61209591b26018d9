//! Damage to the ledger of a real home: every flipped bit in either file is reported, and a home opens
//! whatever its ledger has lost.

use std::{collections::BTreeMap, fs, path::Path};

use bytes::Bytes;
use chuan_engine::{
    ledger::{HEADER_BYTES, Header, RECORD_HEADER_BYTES, Side, frame},
    store::{Kept, Ledger},
};
use chuan_storage::{Poison, ledger::DiskLedger};

use super::*;
use crate::command::Releases;

/// For each byte of a ledger file, the part to which it belongs.
fn parts(bytes: &Bytes) -> Vec<&'static str> {
    let identity = Header::decode(bytes).unwrap().identity;
    let mut parts = vec!["header"; HEADER_BYTES];
    while parts.len() < bytes.len() {
        let frame = frame::decode_front(&bytes.slice(parts.len()..), &identity).unwrap();
        parts.extend(vec!["frame header"; frame::FRAME_HEADER_BYTES]);
        for (record, _) in frame.records {
            parts.extend(vec!["record header"; RECORD_HEADER_BYTES]);
            parts.extend(vec!["payload"; record.payload.len()]);
        }
        parts.extend(vec!["checksum"; 4]);
    }
    parts
}

fn statements(ledger: &DiskLedger) -> Vec<Kept> {
    StatementKind::ALL.into_iter().flat_map(|kind| ledger.statements(None, kind).unwrap()).collect()
}

fn open(dir: &Path, node: NodeId) -> chuan_storage::ledger::Opened {
    DiskLedger::open(dir, node, 0, Poison::default()).unwrap()
}

/// Flips one bit of every byte, in a copy of the ledger of a home that has published: each flip is reported
/// and repaired, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_at_every_byte_of_both_files_is_reported_and_repaired() {
    let place = Place::new();
    let node = place.origin().await;
    let (id, dir) = (node.id(), place.path("origin").join("ledger"));
    node.close().await;
    drop(node);
    let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let sound = Side::BOTH.map(|side| Bytes::from(fs::read(dir.join(side.name())).unwrap()));
    let put = |files: [&[u8]; 2]| {
        for (side, bytes) in Side::BOTH.into_iter().zip(files) {
            fs::write(scratch.path().join(side.name()), bytes).unwrap();
        }
    };
    put([&sound[0], &sound[1]]);
    let opened = open(scratch.path(), id);
    assert!(opened.found.is_empty(), "{:?}", opened.found);
    let (expected, refs) = (statements(&opened.ledger), opened.ledger.refs().unwrap());
    assert!(expected.len() >= 3 && refs.len() == 1);
    drop(opened);
    let mut table: BTreeMap<(Side, &str), [u64; 3]> = BTreeMap::new();
    for side in Side::BOTH {
        let own = &sound[side.index()];
        for (at, part) in parts(own).into_iter().enumerate() {
            let mut bad = own.to_vec();
            bad[at] ^= 1 << (at % 8);
            match side {
                Side::A => put([&bad, &sound[1]]),
                Side::B => put([&sound[0], &bad]),
            }
            let opened = open(scratch.path(), id);
            let row = table.entry((side, part)).or_default();
            row[0] += 1;
            row[1] += u64::from(opened.damaged);
            row[2] += u64::from(opened.found.is_empty());
            assert_eq!(statements(&opened.ledger), expected, "{side} at {at}");
            assert_eq!(opened.ledger.refs().unwrap(), refs, "{side} at {at}");
            drop(opened);
            for other in Side::BOTH {
                let repaired = fs::read(scratch.path().join(other.name())).unwrap();
                assert_eq!(repaired, sound[other.index()], "{side} at {at}: {other} is not repaired");
            }
        }
    }
    println!(
        "{:<10} {:<14} {:>6} {:>8} {:>10} {:>7}",
        "file", "part", "bytes", "damage", "completed", "silent"
    );
    for ((side, part), [bytes, damage, silent]) in &table {
        let completed = bytes - damage - silent;
        println!("{side:<10} {part:<14} {bytes:>6} {damage:>8} {completed:>10} {silent:>7}");
    }
    assert!(table.values().all(|[_, _, silent]| *silent == 0), "{table:?}");
}

/// Both files are gone and there is no peer: the library is known from the root that is stored beside its
/// keys, `status` and `verify` report the loss, and `rebuild` and `serve` still work.
#[tokio::test(flavor = "multi_thread")]
async fn a_home_whose_ledger_is_gone_opens_and_reports_it() {
    let place = Place::new();
    let node = place.origin().await;
    let before = node.status().await.unwrap();
    assert_eq!((before.ledger.state.as_str(), before.ledger.lost), ("sound", 0));
    node.close().await;
    drop(node);
    let dir = place.path("origin").join("ledger");
    Side::BOTH.into_iter().for_each(|side| fs::remove_file(dir.join(side.name())).unwrap());
    let node = Node::open(place.path("origin")).await.unwrap();
    let status = node.status().await.unwrap();
    assert_eq!(status.ledger.state, "lost");
    assert!(status.ledger.arrival > before.ledger.arrival, "arrival numbers are used twice");
    assert_eq!(status.libraries[0].id, before.libraries[0].id);
    for _ in 0..2 {
        let verified = node.verify(Verify::default(), &Job::silent()).await.unwrap();
        assert!(!verified.ok && verified.corrupt > 0, "{verified:?}");
        assert!(verified.problems.iter().any(|problem| problem.contains("chuan pull")), "{verified:?}");
        node.rebuild(&Job::silent()).await.unwrap();
    }
    node.serve(Some("127.0.0.1:0")).await.unwrap();
    node.close().await;
}

/// The root is lost in both files and beside the keys: the library is left out and reported by its id, and a
/// pull gets its statements from a peer.
#[tokio::test(flavor = "multi_thread")]
async fn a_library_without_a_root_is_requested_by_its_id() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    pull(&mirror).await.unwrap();
    let library = mirror.library_service().all()[0].id();
    mirror.close().await;
    drop(mirror);
    let home = place.path("mirror");
    fs::remove_file(home.join("keys").join(library.to_string()).join("root.statement")).unwrap();
    for side in Side::BOTH {
        let path = home.join("ledger").join(side.name());
        let mut bytes = fs::read(&path).unwrap();
        // A root's envelope: its magic, the version and its kind.
        let root = bytes.windows(6).position(|window| window == b"CHST\x02\x01").unwrap();
        bytes[root + 100] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let mirror = Node::open(&home).await.unwrap();
    let status = mirror.status().await.unwrap();
    assert!(status.libraries.is_empty());
    assert_eq!(status.ledger.left_out[0].library, library.to_string());
    let verified = mirror.verify(Verify::default(), &Job::silent()).await.unwrap();
    assert!(verified.corrupt >= 2, "{verified:?}");
    let options = Pull { library: Some("films".to_owned()), ..Pull::default() };
    mirror.pull(options, &Job::silent()).await.unwrap();
    let status = mirror.status().await.unwrap();
    assert_eq!((status.ledger.state.as_str(), status.libraries[0].name.as_str()), ("mended", "films"));
    assert!(mirror.verify(Verify::default(), &Job::silent()).await.unwrap().ok);
    mirror.close().await;
    origin.close().await;
}

/// An origin of two libraries lost its ledger; a mirror has one of them. Symptoms: a pull of that library
/// fetched all its content again; it could not be published without `--force` while the other library was
/// lost; and the other library could never again be published without `--force`.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_ledger_is_recovered_library_by_library() {
    let place = Place::new();
    let mut state = 1u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + u8::try_from((state >> 40) % 26).unwrap())
    });
    place.write("film.mp4", &noise.take(300_000).collect::<String>());
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    pull(&mirror).await.unwrap();
    let from = mirror.serve(Some("127.0.0.1:0")).await.unwrap().to_string();
    let own = |force| Publish {
        source: place.path("own"),
        library: "own".into(),
        found: true,
        force,
        ..Publish::default()
    };
    fs::create_dir(place.path("own")).unwrap();
    fs::write(place.path("own/a"), "1").unwrap();
    origin.publish(own(false), &Job::silent()).await.unwrap();
    origin.close().await;
    drop(origin);
    let home = place.path("origin");
    Side::BOTH.into_iter().for_each(|side| fs::remove_file(home.join("ledger").join(side.name())).unwrap());
    let _ = fs::remove_file(home.join("peers.json"));

    let origin = Node::open(&home).await.unwrap();
    let is_sound = async || origin.verify(Verify::default(), &Job::silent()).await.unwrap().ok;
    assert_eq!(place.publish(&origin).await.unwrap_err().exit, Exit::Corrupt);
    let dry = Publish { dry_run: true, ..own(false) };
    assert_eq!(origin.publish(dry, &Job::silent()).await.unwrap_err().exit, Exit::Corrupt);
    let recover = Pull { library: Some("films".into()), from: Some(from), ..Pull::default() };
    let pulled = origin.pull(recover, &Job::silent()).await.unwrap();
    assert!(pulled.chunks_fetched == 0 && pulled.frame_bytes_in < 20_000, "{pulled:?}");
    place.write("more.mp4", "more");
    place.publish(&origin).await.unwrap();
    assert!(!is_sound().await, "the other library is lost");

    assert_eq!(origin.publish(own(false), &Job::silent()).await.unwrap_err().exit, Exit::Corrupt);
    origin.publish(own(true), &Job::silent()).await.unwrap();
    assert!(is_sound().await);
    fs::write(place.path("own/a"), "2").unwrap();
    origin.publish(own(false), &Job::silent()).await.unwrap();
    origin.close().await;
    drop(origin);
    let origin = Node::open(&home).await.unwrap();
    assert!(origin.verify(Verify::default(), &Job::silent()).await.unwrap().ok);
    assert_eq!(origin.status().await.unwrap().ledger.lost, 0);
}

/// Symptom: after a rebuild of the index, `verify` no longer found content that an old release had lost.
/// Cause: only the old index knew which releases were whole.
/// Another symptom: every other release then counted as incomplete, and no channel moved here any more.
/// Cause: one lost object made all marks useless, and nothing replaced them.
#[tokio::test(flavor = "multi_thread")]
async fn lost_content_of_a_release_is_found_without_the_old_index() {
    let place = Place::new();
    let node = place.node("origin").await;
    for content in ["base", "the only content of the second release", "base"] {
        place.write("film", &content.repeat(500));
        place.publish(&node).await.unwrap();
    }
    let verified = node.verify(Verify::default(), &Job::silent()).await.unwrap();
    assert!(verified.ok && verified.releases == 3, "{verified:?}");
    node.close().await;
    drop(node);
    let home = place.path("origin");
    let segments = fs::read_dir(home.join("store/segments")).unwrap().map(|entry| entry.unwrap().path());
    let mut damaged = 0;
    for segment in segments {
        let mut bytes = fs::read(&segment).unwrap();
        for at in bytes
            .windows(11)
            .enumerate()
            .filter(|(_, text)| text == b"the second ")
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
        {
            bytes[at] ^= 1;
            damaged += 1;
        }
        fs::write(segment, bytes).unwrap();
    }
    assert!(damaged > 0, "the content was not found");
    fs::remove_dir_all(home.join("store/index")).unwrap();
    for rebuilds in [false, true] {
        let node = Node::open(&home).await.unwrap();
        if rebuilds {
            node.rebuild(&Job::silent()).await.unwrap();
        }
        let verified = node.verify(Verify::default(), &Job::silent()).await.unwrap();
        assert!(!verified.ok && verified.releases == 3 && verified.missing > 0, "{verified:?}");
        let list = node.releases(Releases { library: Some("films".into()) }).await.unwrap();
        let complete = list.releases.iter().map(|release| (release.sequence, release.complete));
        assert_eq!(complete.collect::<Vec<_>>(), [(3, true), (2, false), (1, true)]);
        node.close().await;
    }
}
