//! Libraries of several classes, and nodes that are granted only some of them.

use crate::{
    error::{Error, Result},
    id::StatementId,
    manifest::table::{ClassHeader, ClassTable},
    sync::{
        fetch::Options,
        frame::{Frame, FrameKind},
        message::{Request, Want},
        pair::{Files, LIVE, MIRROR, Meddle, Pair, Pulled, answer},
        tests::{film, library},
    },
};

/// Grants classes to the mirror, known at both nodes.
fn grant(pair: &mut Pair, classes: &[&str]) {
    let node = pair.admit(MIRROR, classes, 0);
    let member = pair.origin.library.member(&node).unwrap().statement.clone();
    pair.mirror.learn(&[member]);
}

fn options(pair: &Pair) -> Options {
    Options { node: Some(pair.mirror.id), ..Options::default() }
}

fn pull(pair: &mut Pair) -> Result<Pulled> {
    pull_with(pair, &mut |_, frames| frames)
}

fn pull_with(pair: &mut Pair, meddle: Meddle<'_>) -> Result<Pulled> {
    pair.pull_with(options(pair), meddle)
}

/// Publishes masters and trailers, in slots 0 and 1.
fn publish(pair: &mut Pair, masters: &Files, trailers: &Files) -> StatementId {
    pair.publish_classes(&[("masters", masters), ("trailers", trailers)])
}

fn files() -> (Files, Files) {
    let trailers = (0..5).map(|n| (format!("trailers/{n}.mp4"), film(100 + n, 3000))).collect();
    (library(20, 3000), trailers)
}

/// Keeps only these frames of an answer: the statements, the table, the headers except that of `slot`, and
/// the end.
fn without_class(slot: u8) -> impl FnMut(u64, Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    move |_, mut frames| {
        // A frame is length, kind and payload. In a header, the slot is the sixth byte of the payload.
        let is_kind = |frame: &[u8], kind: FrameKind| frame.get(4) == Some(&(kind as u8));
        frames.retain(|frame| match is_kind(frame, FrameKind::Header) {
            true => frame.get(10) != Some(&slot),
            false => ![FrameKind::Page, FrameKind::Chunk, FrameKind::Delta]
                .iter()
                .any(|kind| is_kind(frame, *kind)),
        });
        frames
    }
}

#[test]
fn a_mirror_of_some_classes_is_whole_without_the_others() {
    let mut pair = Pair::new();
    grant(&mut pair, &["trailers"]);
    let (masters, mut trailers) = files();
    publish(&mut pair, &masters, &trailers);
    let report = pull(&mut pair).unwrap().report;
    assert_eq!((report.classes, report.classes_absent, report.files), (1, 1, 5));

    // Of a changed class that is not granted, the mirror learns only that it changed.
    let more = library(21, 3000);
    let release = publish(&mut pair, &more, &trailers);
    let report = pull(&mut pair).unwrap().report;
    assert_eq!((report.round_trips, report.chunks_fetched, report.release), (1, 0, Some(release)));
    trailers.insert("trailers/new.mp4".into(), film(7, 3000));
    let release = publish(&mut pair, &more, &trailers);
    pull(&mut pair).unwrap();
    assert_eq!(pair.mirror.files_of(&release, 1).unwrap(), trailers);
    assert!(matches!(pair.mirror.files_of(&release, 0), Err(Error::Missing(_))));
}

#[test]
fn a_wider_grant_fetches_the_rest_of_the_same_release() {
    let mut pair = Pair::new();
    grant(&mut pair, &["trailers"]);
    let (masters, trailers) = files();
    let release = publish(&mut pair, &masters, &trailers);
    pull(&mut pair).unwrap();
    for classes in [&["trailers", "masters"][..], &[]] {
        grant(&mut pair, classes);
        let report = pull(&mut pair).unwrap().report;
        assert_eq!((report.classes, report.classes_absent, report.round_trips), (2, 0, 1));
        assert_eq!(pair.mirror.files_of(&release, 0).unwrap(), masters);
    }
    // Withdrawing a grant leaves the held data; no new data comes.
    grant(&mut pair, &["trailers"]);
    let newer = publish(&mut pair, &library(21, 3000), &trailers);
    let report = pull(&mut pair).unwrap().report;
    assert_eq!((report.classes, report.classes_absent), (1, 1));
    assert_eq!(pair.mirror.files_of(&release, 0).unwrap(), masters);
    assert!(pair.mirror.files_of(&newer, 0).is_err());
}

/// A source that leaves out a required class must not make the release pass for whole.
#[test]
fn a_withheld_class_fails_the_pull() {
    let mut pair = Pair::new();
    let (masters, mut trailers) = files();
    publish(&mut pair, &masters, &trailers);
    let error = pull_with(&mut pair, &mut without_class(1)).unwrap_err();
    assert!(matches!(&error, Error::Missing(text) if text.contains("in slot 1")), "{error}");
    pull(&mut pair).unwrap();

    // A node that is granted one class knows the class's slot from then on.
    grant(&mut pair, &["trailers", "later"]);
    trailers.insert("trailers/new.mp4".into(), film(7, 3000));
    let release = publish(&mut pair, &masters, &trailers);
    let before = pair.mirror.channel();
    let error = pull_with(&mut pair, &mut without_class(1)).unwrap_err();
    assert!(matches!(&error, Error::Missing(text) if text.contains("`trailers`")), "{error}");
    assert_eq!(pair.mirror.channel(), before);
    pull(&mut pair).unwrap();
    assert_eq!(pair.mirror.files_of(&release, 1).unwrap(), trailers);
}

/// A mirror of one class serves this class, and its end says that the answer is incomplete.
#[test]
fn a_source_that_holds_only_some_classes_serves_those() {
    let mut pair = Pair::new();
    grant(&mut pair, &["trailers"]);
    let (masters, trailers) = files();
    publish(&mut pair, &masters, &trailers);
    pull(&mut pair).unwrap();
    let other = pair.admit(6, &["trailers"], 0);
    let member = pair.origin.library.member(&other).unwrap().statement.clone();
    pair.mirror.learn(&[member]);
    let store = std::sync::Arc::clone(&pair.mirror.store) as _;
    let mut asking = crate::sync::fetch::Fetch::new(
        store,
        pair.mirror.library.clone(),
        Want::Channel(LIVE.into()),
        crate::sync::pair::NOW_MS,
        Options::default(),
    )
    .unwrap();
    let Some((_, Request::Pull(pull))) = asking.poll_request().unwrap() else {
        panic!("it begins with a pull")
    };
    let fresh = crate::sync::message::Pull { have: Vec::new(), known: Vec::new(), ..pull };
    let frames = answer(&pair.mirror, &other, Request::Pull(fresh));
    let headers = frames.iter().filter(|frame| frame.kind() == FrameKind::Header).count();
    assert_eq!(headers, 1);
    assert!(matches!(frames.last(), Some(Frame::End(end)) if !end.complete && end.chunks > 0));

    // A node that must also have masters refuses this source.
    let mut pair = Pair::new();
    publish(&mut pair, &masters, &trailers);
    grant(&mut pair, &["trailers", "masters"]);
    let mut lacks_masters = without_class(0);
    let error = pull_with(&mut pair, &mut |id, mut frames| {
        let end = Frame::End(crate::sync::message::End::default());
        *frames.last_mut().unwrap() = crate::sync::pair::to_bytes(&end);
        lacks_masters(id, frames)
    })
    .unwrap_err();
    assert!(matches!(&error, Error::Missing(text) if text.contains("`masters`")), "{error}");
}

#[test]
fn of_many_classes_only_what_changed_travels() {
    let mut pair = Pair::new();
    let names: Vec<String> = (0..12).map(|n| format!("class-{n}")).collect();
    let mut classes: Vec<Files> = (0..12).map(|n| Files::from([(format!("{n}/a"), film(n, 4000))])).collect();
    let all = |classes: &[Files], pair: &mut Pair| {
        let classes: Vec<_> = names.iter().map(String::as_str).zip(classes).collect();
        pair.publish_classes(&classes)
    };
    all(&classes, &mut pair);
    assert_eq!(pull(&mut pair).unwrap().report.classes, 12);
    let nothing = pull(&mut pair).unwrap();
    assert!(nothing.bytes_in < 20 && nothing.bytes_out < 1024, "{nothing:?}");
    classes[11].insert("11/b".into(), film(99, 4000));
    let release = all(&classes, &mut pair);
    let pulled = pull(&mut pair).unwrap();
    let report = &pulled.report;
    assert!(report.round_trips == 1 && report.chunk_bytes_fetched <= 4000, "{pulled:?}");
    assert!(report.wasted_bytes < 10 && pulled.bytes_in < 10_000, "{pulled:?}");
    assert_eq!(pair.mirror.files_of(&release, 11).unwrap(), classes[11]);
}

#[test]
fn an_answer_that_ends_early_has_named_all_classes_before() {
    let mut pair = Pair::new();
    let (masters, trailers) = files();
    let release = publish(&mut pair, &masters, &trailers);
    let options = Options { budget: 1, ..options(&pair) };
    let report = pair.pull_with(options, &mut |_, frames| frames).unwrap().report;
    assert!(report.classes == 2 && report.round_trips > 1, "{report:?}");
    assert_eq!(pair.mirror.files_of(&release, 0).unwrap(), masters);
    assert_eq!(pair.mirror.files_of(&release, 1).unwrap(), trailers);
}

/// Symptom: a limited publisher listed a class as `trailers` and named it `masters` in the header. All nodes
/// with a grant for masters got its files, no others. Cause: a publisher is authorized by the names that its
/// release lists, while nodes read classes by the names in the headers.
#[test]
fn a_class_header_must_have_the_listed_name() {
    let mut pair = Pair::new();
    let (masters, trailers) = files();
    pair.publish_listed(&[("masters", &masters), ("trailers", &trailers)], &["masters", "trailers"]);
    grant(&mut pair, &["masters"]);
    pull(&mut pair).unwrap();
    let at = pair.mirror.channel();
    let classes = [("masters", &masters), ("masters", &trailers)];
    let release = pair.publish_listed(&classes, &["masters", "trailers"]);
    let error = pull(&mut pair).unwrap_err();
    assert!(matches!(&error, Error::Invalid(text) if text.contains("lists")), "{error}");
    assert_eq!(pair.mirror.channel(), at);
    let manifest = pair.origin.library.release(&release).unwrap().body.manifest;
    let (_, commitment) = ClassTable::load(&*pair.origin.store, &manifest).unwrap().classes[1];
    assert!(ClassHeader::load(&*pair.mirror.store, &commitment).is_err(), "nothing of it is kept");
}
