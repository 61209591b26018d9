//! Parts of many releases put together: who serves statements, table, headers and pages that are each genuine, and do not belong
//! together, serves nothing.

use crate::{
    id::StatementId,
    sync::{
        fetch::Options,
        frame::{Frame, FrameKind},
        message::{End, Mode, Packing, Pull, Request, Want},
        pair::{Files, Pair, to_bytes},
        tests::film,
    },
};

const RELEASES: usize = 20;

/// A release's answer, by what it is made of: statements; table; headers; pages and chunks.
type Parts = [Vec<Vec<u8>>; 4];

fn parts(pair: &Pair, release: StatementId) -> Parts {
    let pull = Pull {
        library: pair.origin.library.id(),
        want: Want::Release(release),
        classes: vec![],
        have: vec![],
        known: vec![],
        scope: None,
        mode: Mode::All,
        budget: u64::MAX,
        packing: Packing::Fastest,
    };
    let request = Frame::Request(Request::Pull(pull)).encode().unwrap().payload;
    let mut parts = Parts::default();
    for frame in pair.answer(request).unwrap() {
        let part = match frame[4] {
            kind if kind == FrameKind::Statement as u8 => 0,
            kind if kind == FrameKind::Table as u8 => 1,
            kind if kind == FrameKind::Header as u8 => 2,
            kind if kind == FrameKind::End as u8 => continue,
            _ => 3,
        };
        parts[part].push(frame);
    }
    assert!(parts.iter().all(|part| !part.is_empty()));
    parts
}

#[test]
fn parts_of_different_releases_are_no_release() {
    let mut pair = Pair::new();
    let versions: Vec<Files> =
        (0..RELEASES as u64).map(|n| [("film.mkv".to_owned(), film(n + 900, 3000))].into()).collect();
    let releases: Vec<_> = versions.iter().map(|files| pair.publish(files)).collect();
    let answers: Vec<_> = releases.iter().map(|release| parts(&pair, *release)).collect();
    let end = to_bytes(&Frame::End(End { complete: true, ..End::default() }));
    let mut serve = |from: [usize; 4]| {
        let mut once = |id: u64, _: Vec<Vec<u8>>| match id {
            0 => {
                let parts =
                    from.iter().enumerate().flat_map(|(part, release)| answers[*release][part].clone());
                parts.chain([end.clone()]).collect()
            }
            // Whoever mixes has no more to say.
            _ => vec![],
        };
        let want = Want::Release(releases[from[0]]);
        let pulled = pair.pull_want(want, Options::default(), &mut once);
        let known = pair.mirror.library.release(&releases[from[0]]).is_some();
        (pulled.is_ok(), known.then(|| pair.mirror.files(&releases[from[0]]).ok()).flatten())
    };
    let mut mixtures = 0;
    for one in 0..RELEASES {
        for other in (0..RELEASES).filter(|other| *other != one) {
            for from in [[one, other, other, other], [one, one, other, other], [one, one, one, other]] {
                let (accepted, files) = serve(from);
                assert!(!accepted && files.is_none(), "{from:?} was taken for a release");
                mixtures += 1;
            }
        }
    }
    assert_eq!(mixtures, 3 * RELEASES * (RELEASES - 1));
    for (n, version) in versions.iter().enumerate() {
        assert_eq!(serve([n; 4]), (true, Some(version.clone())), "release {n}");
    }
}
