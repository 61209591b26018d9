//! Sources that lack data, lag behind or lie, and a mirror that cannot write.

use crate::{
    error::Error,
    id::{ManifestId, Salt},
    statement::{
        Body, Header, Key, Release, Statement, StatementKind,
        library::{Founders, found},
    },
    store::{Ledger, Object, ObjectId, Objects, Record},
    sync::{
        fetch::Options,
        frame::Frame,
        message::{Packing, Want},
        pair::{LIVE, NOW_MS, Node, Pair, fetch_from, to_bytes},
        tests::library,
    },
};

const RESUME: Options = Options {
    resume: true,
    classes: Vec::new(),
    node: None,
    budget: u64::MAX,
    packing: Packing::Auto,
    is_dry_run: false,
    usable_bytes: None,
};

#[test]
fn what_a_source_lacks_is_said_and_the_rest_is_kept() {
    let mut pair = Pair::new();
    let files = library(20, 2000);
    let release = pair.publish(&files);
    let chunk = super::cut(&files["电影/03/film-003.mkv"])[5];
    let id = crate::id::ChunkId::of(chunk);
    assert!(pair.origin.store.inner.lose(ObjectId::Chunk(id)));
    let error = pair.pull().unwrap_err();
    assert!(matches!(&error, Error::Missing(text) if text.contains("lacks 1 ")), "{error}");
    assert_eq!(pair.mirror.channel(), None);

    let bytes = bytes::Bytes::copy_from_slice(chunk);
    pair.origin.store.append(vec![Object::Chunk { id, bytes }]).unwrap();
    pair.origin.store.commit().unwrap();
    let pulled = pair.pull_with(RESUME, &mut |_, frames| frames).unwrap();
    assert_eq!((pulled.report.chunks_fetched, pulled.report.wasted_bytes), (1, 0));
    assert_eq!(pair.mirror.files(&release).unwrap(), files);
}

#[test]
fn a_source_without_the_table_moves_no_channel() {
    let mut pair = Pair::new();
    let mut files = library(5, 500);
    pair.publish(&files);
    pair.pull().unwrap();
    let stood = pair.mirror.channel();
    files.insert("new.mkv".into(), super::film(999, 5000));
    let release = pair.publish(&files);
    let table = pair.origin.library.release(&release).unwrap().body.manifest.as_page();
    let bytes = pair.origin.store.read_pages(&[table]).unwrap().remove(0).unwrap();
    assert!(pair.origin.store.inner.lose(ObjectId::Page(table)));
    let error = pair.pull().unwrap_err();
    assert!(matches!(error, Error::Missing(_)), "{error}");
    assert_eq!(pair.mirror.channel(), stood);
    assert!(pair.mirror.library.release(&release).is_none());

    pair.origin.store.append(vec![Object::Page { id: table, bytes }]).unwrap();
    pair.origin.store.commit().unwrap();
    pair.pull().unwrap();
    assert_eq!(pair.mirror.files(&release).unwrap(), files);
}

/// Statements are stored and forwarded as the received bytes; they are never encoded again.
#[test]
fn statements_are_kept_as_they_came() {
    let mut pair = Pair::new();
    for n in 1..4 {
        pair.publish(&library(n, 500));
    }
    pair.pull().unwrap();
    for kind in StatementKind::ALL {
        let [sent, kept] = [&pair.origin, &pair.mirror].map(|node| {
            let kept = node.ledger.statements(Some(&node.library.id()), kind).unwrap();
            let mut all: Vec<_> = kept.into_iter().map(|kept| kept.bytes).collect();
            all.sort();
            all
        });
        let must_exist =
            matches!(kind, StatementKind::Root | StatementKind::Release | StatementKind::Channel);
        assert!(!must_exist || !kept.is_empty(), "no {} has come", kind.name());
        assert!(kept.iter().all(|said| sent.contains(said)), "a {} differs from what was sent", kind.name());
    }
}

/// Also where the source compares versions: the origin finds its own damaged page only then.
#[test]
fn a_source_with_a_damaged_old_version_still_serves_the_new_one() {
    let mut pair = Pair::new();
    let mut files = library(300, 200);
    let old = pair.publish(&files);
    pair.pull().unwrap();
    let (_, header) = pair.origin.header(&old).unwrap();
    assert!(pair.origin.store.inner.damage(ObjectId::Page(header.root)));
    files.insert("new.mkv".into(), super::film(999, 5000));
    let release = pair.publish(&files);
    let pulled = pair.pull().unwrap();
    assert_eq!(pair.mirror.files(&release).unwrap(), files);
    assert!(pulled.report.chunks_fetched < 200, "{pulled:?}");
}

#[test]
fn a_source_that_is_behind_changes_nothing() {
    let mut pair = Pair::new();
    let mut files = library(5, 500);
    pair.publish(&files);
    let behind = pair.origin.channel().unwrap();
    let heard: Vec<_> = pair.origin.library.statements().into_iter().cloned().collect();
    files.insert("new.mkv".into(), super::film(999, 5000));
    let release = pair.publish(&files);
    pair.pull().unwrap();
    let ahead = pair.mirror.channel();
    // One source knows of the second release only from the puller. The other one, the origin, has it, but its
    // channel is at the first.
    let source = Node::new(4, pair.origin.library.id(), &heard);
    source.ledger.append(vec![Record::Ref(behind.clone())]).unwrap();
    pair.origin.ledger.append(vec![Record::Ref(behind)]).unwrap();
    for (source, is_behind) in [(&source, true), (&pair.origin, false)] {
        let want = Want::Channel(LIVE.into());
        let pulled = fetch_from(source, &pair.mirror, want, Options::default(), &mut |_, frames| frames);
        let report = pulled.unwrap().report;
        assert!(report.done && report.is_source_behind == is_behind, "{report:?}");
        assert_eq!(report.release, Some(release));
        assert_eq!(pair.mirror.channel(), ahead);
        assert_eq!(pair.mirror.files(&release).unwrap(), files);
    }
}

#[test]
fn a_release_that_no_publisher_signed_is_refused() {
    let mut pair = Pair::new();
    let files = library(5, 500);
    let old = pair.publish(&files);
    pair.pull().unwrap();
    pair.publish(&library(6, 500));
    let body = Body::Release(Release {
        parents: vec![old],
        manifest: ManifestId::from_bytes([1; 32]),
        message: String::new(),
        classes: Vec::new(),
    });
    let header = Header { library: Some(pair.origin.library.id()), sequence: 2, time_ms: NOW_MS };
    let forged = Statement::sign(header, &body, &[&Key::from_seed([66; 32])]).unwrap();
    let at = pair.mirror.channel();
    let error = pair
        .pull_with(Options::default(), &mut |_, mut frames| {
            frames[0] = to_bytes(&Frame::Statement(forged.bytes().clone()));
            frames
        })
        .unwrap_err();
    assert!(matches!(error, Error::Denied(_)), "{error}");
    assert_eq!(pair.mirror.channel(), at);
    let kept = pair.mirror.ledger.statements(None, StatementKind::Release).unwrap();
    assert_eq!(kept.iter().map(|kept| kept.id).collect::<Vec<_>>(), [old]);
}

#[test]
fn statements_of_another_library_are_refused() {
    let [root, operator, publisher] = [11, 12, 13].map(|seed| Key::from_seed([seed; 32]));
    let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
    let (_, other) = found("other", keys, Salt::from_bytes([1; 32]), NOW_MS).unwrap();
    let mut pair = Pair::new();
    pair.publish(&library(5, 500));
    let error = pair
        .pull_with(Options::default(), &mut |_, mut frames| {
            frames.insert(0, to_bytes(&Frame::Statement(other.bytes().clone())));
            frames
        })
        .unwrap_err();
    assert!(matches!(error, Error::Peer(_)) && error.to_string().contains("another library"), "{error}");
}

#[test]
fn a_mirror_without_room_says_so_and_goes_on_when_there_is_some() {
    let mut pair = Pair::new();
    let files = library(20, 2000);
    let release = pair.publish(&files);
    pair.mirror.disk.stores.set_full(true);
    let error = pair.pull().unwrap_err();
    assert!(matches!(error, Error::Full(_) | Error::Poisoned(_)), "{error}");
    assert_eq!(pair.mirror.channel(), None);
    pair.mirror.disk.stores.set_full(false);
    pair.pull_with(RESUME, &mut |_, frames| frames).unwrap();
    assert_eq!(pair.mirror.files(&release).unwrap(), files);
}

/// The channel moves last: wherever the mirror crashes, the release to which its channel points is whole.
#[test]
fn the_channel_never_names_what_is_not_whole() {
    let mut pair = Pair::new();
    let files = library(20, 2000);
    let release = pair.publish(&files);
    for answered in 0.. {
        // Later requests get no answer.
        let pulled = pair.pull_with(RESUME, &mut |id, frames| if id < answered { frames } else { vec![] });
        match pair.mirror.channel() {
            None => assert!(pulled.is_err()),
            Some(at) => {
                assert_eq!(pair.mirror.files(&at.release).unwrap(), files);
                assert_eq!(at.release, release);
                break;
            }
        }
        assert!(answered < 20);
    }
}

/// Symptom: a pull into a damaged mirror failed with "the source lacks 0 pages". Cause: table, header and
/// root page were all damaged and this was not detected before. Pages that arrived again were not written,
/// because the store believed to hold them, and each walk found only one damaged page. Fix: after a walk that
/// finds new damage, another walk may follow.
#[test]
fn undetected_damage_is_repaired_in_one_pull() {
    let mut pair = Pair::new();
    let files = library(3, 500);
    let release = pair.publish(&files);
    pair.pull().unwrap();
    let pages: Vec<ObjectId> = pair.mirror.store.appended.lock().unwrap().iter().copied().collect();
    for page in pages.into_iter().filter(|id| matches!(id, ObjectId::Page(_))) {
        assert!(pair.mirror.store.inner.damage(page));
    }
    pair.pull().unwrap();
    assert_eq!(pair.mirror.files(&release).unwrap(), files);
}
