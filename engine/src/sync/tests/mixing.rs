//! Mixed parts of several releases: statements, table, headers and pages that are each genuine, but do not
//! belong together, are never accepted as a release.

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

/// A release's answer in four parts: statements; table; headers; pages and chunks.
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
        announced: None,
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

/// Serves one answer, mixed from parts of several, and no answer to later requests. Returns the files of the
/// wanted release where it was accepted.
fn serve(pair: &mut Pair, want: StatementId, answer: Vec<Vec<u8>>) -> Option<[Option<Files>; 2]> {
    let end = to_bytes(&Frame::End(End { complete: true, ..End::default() }));
    let mut answer = Some(answer.into_iter().chain([end]).collect());
    let pulled = pair
        .pull_want(Want::Release(want), Options::default(), &mut |_, _| answer.take().unwrap_or_default());
    let files =
        pair.mirror.library.release(&want).map(|_| [0, 1].map(|slot| pair.mirror.files_of(&want, slot).ok()));
    assert_eq!(pulled.is_ok(), files.as_ref().is_some_and(|files| files[0].is_some()), "{pulled:?}");
    files.filter(|files| files[0].is_some())
}

fn mixed(answers: &[Parts], from: [usize; 4]) -> Vec<Vec<u8>> {
    from.iter().enumerate().flat_map(|(part, release)| answers[*release][part].clone()).collect()
}

/// All mixtures of the four parts of two releases, for every pair of twenty, and one whole release in place
/// of another.
#[test]
fn parts_of_different_releases_are_no_release() {
    let mut pair = Pair::new();
    let versions: Vec<Files> =
        (0..RELEASES as u64).map(|n| [("film.mkv".to_owned(), film(n + 900, 3000))].into()).collect();
    let releases: Vec<_> = versions.iter().map(|files| pair.publish(files)).collect();
    let answers: Vec<_> = releases.iter().map(|release| parts(&pair, *release)).collect();
    let mut mixtures = 0;
    for (a, wanted) in releases.iter().enumerate() {
        for b in (0..RELEASES).filter(|b| *b != a) {
            for from in [
                [a, b, b, b],
                [a, a, b, b],
                [a, a, a, b],
                [a, b, a, a],
                [a, a, b, a],
                [a, b, a, b],
                [a, b, b, a],
                [b, b, b, b],
            ] {
                let taken = serve(&mut pair, *wanted, mixed(&answers, from));
                assert!(taken.is_none(), "{from:?} was taken for release {a}");
                mixtures += 1;
            }
        }
    }
    assert_eq!(mixtures, 8 * RELEASES * (RELEASES - 1));
    for (n, version) in versions.iter().enumerate() {
        let taken = serve(&mut pair, releases[n], mixed(&answers, [n; 4]));
        assert_eq!(taken, Some([Some(version.clone()), None]), "release {n}");
    }
}

/// A release of two classes, with one header from another release, or with one class's header twice.
#[test]
fn headers_of_different_releases_are_no_release() {
    let mut pair = Pair::new();
    let files = |n: u64| -> Files { [("film.mkv".to_owned(), film(n, 2000))].into() };
    let versions: Vec<_> = (0..6).map(|n| [files(n + 900), files(n + 950)]).collect();
    let releases: Vec<_> = versions
        .iter()
        .map(|[masters, trailers]| pair.publish_classes(&[("masters", masters), ("trailers", trailers)]))
        .collect();
    let answers: Vec<_> = releases.iter().map(|release| parts(&pair, *release)).collect();
    let crossed = |a: usize, headers: [(usize, usize); 2]| -> Vec<Vec<u8>> {
        let [statements, table, _, rest] = answers[a].clone();
        let headers = headers.map(|(release, slot)| answers[release][2][slot].clone());
        [statements, table, headers.to_vec(), rest].concat()
    };
    for a in 0..releases.len() {
        for b in (0..releases.len()).filter(|b| *b != a) {
            for headers in
                [[(a, 0), (b, 1)], [(b, 0), (a, 1)], [(a, 0), (b, 0)], [(b, 1), (a, 1)], [(a, 1), (b, 0)]]
            {
                let taken = serve(&mut pair, releases[a], crossed(a, headers));
                assert!(taken.is_none(), "headers {headers:?} were taken for release {a}");
            }
        }
        for headers in [[(a, 0), (a, 0)], [(a, 1), (a, 1)]] {
            let taken = serve(&mut pair, releases[a], crossed(a, headers));
            assert!(taken.is_none(), "headers {headers:?} were taken for release {a}");
        }
    }
    for (n, [masters, trailers]) in versions.iter().enumerate() {
        let taken = serve(&mut pair, releases[n], mixed(&answers, [n; 4]));
        assert_eq!(taken, Some([Some(masters.clone()), Some(trailers.clone())]), "release {n}");
    }
}
