//! Rights: refusals for nodes that are not members, the extent of a grant, and look-ups by position.

use crate::{
    error::Error,
    id::{Commitment, LibraryId, NodeId},
    manifest::{
        PageSource,
        page::TreeKind,
        position::{PagePosition, ROOT_LEVEL},
    },
    sync::{
        fetch::Options,
        frame::Frame,
        message::{End, ErrorCode, Mode, Packing, Pull, Refusal, Request, Scope, Want},
        pair::{Files, LIVE, MIRROR, Pair, answer},
        place::{Step, Walk},
        tests::{film, library},
    },
};

/// One request of each kind that can name a class.
pub(super) fn requests(library: LibraryId, commitment: Commitment) -> [Request; 3] {
    let pull = Pull {
        library,
        want: Want::Channel(LIVE.into()),
        classes: vec![],
        have: vec![commitment],
        known: vec![],
        scope: None,
        mode: Mode::All,
        budget: u64::MAX,
        packing: Packing::Auto,
        announced: None,
    };
    [
        Request::Pull(pull),
        Request::Pages { library, commitment, positions: vec![PagePosition::ROOT] },
        Request::Chunks {
            library,
            commitment,
            scope: Scope::of([0]),
            have: Vec::new(),
            packing: Packing::default(),
        },
    ]
}

fn refused(code: ErrorCode) -> Vec<Frame> {
    vec![Frame::Error(Refusal { code, text: String::new() })]
}

#[test]
fn a_stranger_gets_one_answer_for_everything() {
    let mut pair = Pair::new();
    let release = pair.publish(&library(3, 300));
    let (commitment, _) = pair.origin.header(&release).unwrap();
    let films = pair.origin.library.id();
    let stranger = NodeId::from_bytes([1; 32]);
    let expired = pair.admit(6, &[], 1);
    for peer in [stranger, expired] {
        for library in [films, LibraryId::from_bytes([2; 32])] {
            for commitment in [commitment, Commitment::from_bytes([3; 32])] {
                for request in requests(library, commitment) {
                    assert_eq!(answer(&pair.origin, &peer, request), refused(ErrorCode::Denied));
                }
            }
        }
    }
}

#[test]
fn what_is_not_granted_looks_like_what_is_absent() {
    let mut pair = Pair::new();
    let release = pair.publish(&library(3, 300));
    let (commitment, _) = pair.origin.header(&release).unwrap();
    let films = pair.origin.library.id();
    let other = pair.admit(6, &["music"], 0);
    for commitment in [commitment, Commitment::from_bytes([3; 32])] {
        for request in requests(films, commitment) {
            assert_eq!(answer(&pair.origin, &other, request), refused(ErrorCode::NotFound));
        }
    }
    // A grant by pattern is a grant.
    let some = pair.admit(7, &["def*"], 0);
    for request in requests(films, commitment) {
        assert!(matches!(answer(&pair.origin, &some, request).last(), Some(Frame::End(_))));
    }
}

#[test]
fn classes_and_channels_that_are_not_there_are_not_found() {
    let mut pair = Pair::new();
    let release = pair.publish(&library(3, 300));
    let (commitment, _) = pair.origin.header(&release).unwrap();
    let [Request::Pull(pull), ..] = requests(pair.origin.library.id(), commitment) else { unreachable!() };
    for pull in [
        Pull { classes: vec!["music".into()], ..pull.clone() },
        Pull { want: Want::Channel("canary".into()), ..pull.clone() },
        Pull { want: Want::Release(crate::id::StatementId::from_bytes([1; 32])), ..pull },
    ] {
        assert_eq!(answer(&pair.origin, &pair.mirror.id, Request::Pull(pull)), refused(ErrorCode::NotFound));
    }
}

#[test]
fn every_page_and_chunk_is_found_at_its_place() {
    let mut pair = Pair::new();
    let mut files = library(200, 700);
    files.insert("a.mkv".into(), film(500, 40_000));
    files.insert("b.mkv".into(), film(501, 20_000));
    files.insert("empty".into(), vec![]);
    let release = pair.publish(&files);
    let (commitment, header) = pair.origin.header(&release).unwrap();
    let films = pair.origin.library.id();
    let ask = |request| answer(&pair.origin, &pair.mirror.id, request);
    let pages = |positions| Request::Pages { library: films, commitment, positions };

    let mut walk = Walk::new(&header);
    let (mut all, mut levels) = (Vec::new(), 0);
    while let Some(step) = walk.next() {
        match step {
            Step::Page(page) => {
                let bytes = pair.origin.store.page(&page.id).unwrap();
                walk.descend(&page, &bytes).unwrap();
                let end = Frame::End(End { complete: true, ..End::default() });
                assert_eq!(ask(pages(vec![page.position()])), [Frame::Page(bytes.clone()), end], "{page:?}");
                levels += usize::from(page.position().level != ROOT_LEVEL);
                all.push((page.position(), Frame::Page(bytes)));
            }
            Step::Chunks { first, chunks } => {
                let last = first + chunks.len() as u64 - 1;
                let scope = Scope::of([last]);
                let frames = ask(Request::Chunks {
                    library: films,
                    commitment,
                    scope,
                    have: Vec::new(),
                    packing: Packing::default(),
                });
                let [Frame::Chunk(chunk), Frame::End(_)] = frames.as_slice() else { panic!("{frames:?}") };
                assert_eq!((chunk.ordinal, chunk.raw_len), (last, chunks.last().unwrap().len));
            }
        }
    }
    assert!(levels > 10 && all.len() > levels + 2, "the trees are too flat for this test");

    let frames = ask(pages(all.iter().rev().map(|(position, _)| *position).collect()));
    assert_eq!(frames.len(), all.len() + 1);
    assert!(
        frames.iter().zip(&all).all(|(frame, (_, page))| frame == page),
        "in order, whatever the order asked"
    );
    let nowhere = PagePosition { tree: TreeKind::Content, level: 0, ordinal: header.sums.chunks };
    let askew = PagePosition { tree: TreeKind::Entries, level: 0, ordinal: 1 };
    assert_eq!(ask(pages(vec![nowhere, askew])).len(), 1);
    let scope = Scope::of([header.sums.chunks, u64::MAX - 1]);
    assert_eq!(
        ask(Request::Chunks {
            library: films,
            commitment,
            scope,
            have: Vec::new(),
            packing: Packing::default()
        })
        .len(),
        1
    );
}

#[test]
fn a_scope_restricts_which_chunks_are_pulled() {
    let mut pair = Pair::new();
    let files = library(10, 3000);
    let release = pair.publish(&files);
    let (_, header) = pair.origin.header(&release).unwrap();
    let scope = Scope::of((10..40).chain(100..103));
    let [Request::Pull(pull), ..] = requests(pair.origin.library.id(), Commitment::from_bytes([0; 32]))
    else {
        unreachable!()
    };
    let request = Request::Pull(Pull { have: vec![], scope: Some(scope.clone()), ..pull });
    let frames = answer(&pair.origin, &pair.mirror.id, request);
    let ordinals: Vec<u64> = frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::Chunk(chunk) => Some(chunk.ordinal),
            _ => None,
        })
        .collect();
    assert!(header.sums.chunks > 200 && ordinals.len() > 20);
    assert!(ordinals.iter().all(|ordinal| scope.contains(*ordinal)), "{ordinals:?}");
}

#[test]
fn a_mirror_of_one_class_gets_that_and_no_more() {
    let mut pair = Pair::new();
    let (films, mut music) = (library(20, 700), Files::new());
    music.insert("song.opus".into(), film(800, 9000));
    music.insert("tune.opus".into(), film(801, 9000));
    pair.publish_classes(&[("films", &films), ("music", &music)]);
    let all = pair.pull().unwrap();
    assert_eq!(all.report.files, 22);

    let mut pair = Pair::new();
    pair.admit(MIRROR, &["music"], 0);
    pair.publish_classes(&[("films", &films), ("music", &music)]);
    let error = pair.pull().unwrap_err();
    assert!(matches!(&error, Error::Missing(text) if text.contains("withholds")), "{error}");
    let options = Options { classes: vec!["music".into()], ..Options::default() };
    let some = pair.pull_with(options.clone(), &mut |_, frames| frames).unwrap();
    assert_eq!((some.report.files, some.report.bytes_total), (2, 18_000));

    music.get_mut("song.opus").unwrap().truncate(8000);
    let release = pair.publish_classes(&[("films", &films), ("music", &music)]);
    let edit = pair.pull_with(options, &mut |_, frames| frames).unwrap();
    assert!(edit.report.round_trips == 1 && edit.report.chunks_fetched <= 1, "{edit:?}");
    assert_eq!(pair.mirror.files_of(&release, 1).unwrap(), music);
    assert!(matches!(pair.mirror.files_of(&release, 0), Err(Error::Missing(_))));
}

#[test]
fn an_old_release_is_pulled_by_name_and_moves_no_channel() {
    let mut pair = Pair::new();
    let mut files = library(10, 700);
    let old = pair.publish(&files);
    files.insert("new.mkv".into(), film(800, 9000));
    pair.publish(&files);
    let pulled = pair.pull_want(Want::Release(old), Options::default(), &mut |_, frames| frames).unwrap();
    assert_eq!((pulled.report.release, pulled.report.files), (Some(old), 10));
    assert_eq!(pair.mirror.channel(), None);
    files.remove("new.mkv");
    assert_eq!(pair.mirror.files(&old).unwrap(), files);
    let newer = pair.pull().unwrap();
    assert!(newer.report.chunk_bytes_fetched <= 9000 && newer.report.round_trips == 1, "{newer:?}");
}
