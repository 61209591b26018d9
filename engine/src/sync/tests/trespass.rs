//! Releases in which a limited publisher takes a path of another class, and how nodes handle them.

use super::*;
use crate::{error::Error, sync::pair::MIRROR};

const LISTED: [&str; 2] = ["films", "music"];

fn with(files: &Files, path: &str) -> Files {
    let mut files = files.clone();
    files.insert(path.to_owned(), film(900, 5000));
    files
}

/// Lets the mirror learn all statements of the origin, as by an exchange.
fn tell(pair: &mut Pair) {
    let said: Vec<_> = pair.origin.library.statements().into_iter().cloned().collect();
    pair.mirror.learn(&said);
}

/// Pulls; the pull must be refused. Returns the reason.
#[track_caller]
fn refused(pair: &mut Pair) -> String {
    tell(pair);
    match pair.pull() {
        Err(Error::Trespass(why)) if why.contains("is refused") => why,
        other => panic!("{:?}", other.map(|pulled| pulled.report.release)),
    }
}

/// Symptom: the publisher of music put a film, `films/a.mov`, into the tree of music. Where music had the
/// lower slot, every mirror restored this file in place of the film. Cause: the only check was that the
/// release changed no other class.
#[test]
fn a_release_that_takes_another_classes_path_is_refused_where_both_are() {
    let (films, music) = (library(6, 500), with(&Files::new(), "song.opus"));
    let film_path = films.keys().next().unwrap().clone();
    for taken in [film_path.clone(), format!("{film_path}/below")] {
        let mut pair = Pair::new();
        let limited = pair.limit("music");
        let first = pair.publish_listed(&[("films", &films), ("music", &music)], &LISTED);
        pair.pull().unwrap();
        let theirs = with(&music, &taken);
        let bad = pair.publish_as(&limited, &[("films", &films), ("music", &theirs)], &LISTED);
        pair.roll_back(bad);
        let why = refused(&mut pair);
        assert!(why.contains(&taken) && why.contains("`music`") && why.contains("`films`"), "{why}");
        assert_eq!(pair.mirror.channel().unwrap().release, first, "the channel stays where it stood");

        // A harmless release is accepted, and a publisher of all classes may publish the path.
        pair.roll_back(first);
        let harmless = with(&music, "other.opus");
        let good = pair.publish_as(&limited, &[("films", &films), ("music", &harmless)], &LISTED);
        pair.roll_back(good);
        tell(&mut pair);
        assert_eq!(pair.pull().unwrap().report.release, Some(good));
        let both = pair.publish_listed(&[("films", &films), ("music", &theirs)], &LISTED);
        assert_eq!(pair.pull().unwrap().report.release, Some(both));
    }
}

/// A node that never had the release before cannot tell which paths were gained, so it refuses any path in
/// two classes.
#[test]
fn a_new_node_refuses_it_and_a_node_of_one_class_goes_on() {
    let (films, music) = (library(6, 500), with(&Files::new(), "song.opus"));
    let taken = with(&music, films.keys().next().unwrap());
    let bad = |pair: &mut Pair| {
        let limited = pair.limit("music");
        pair.publish_listed(&[("films", &films), ("music", &music)], &LISTED);
        let bad = pair.publish_as(&limited, &[("films", &films), ("music", &taken)], &LISTED);
        pair.roll_back(bad);
        bad
    };
    let mut pair = Pair::new();
    bad(&mut pair);
    refused(&mut pair);
    assert_eq!(pair.mirror.channel(), None);

    let mut pair = Pair::new();
    pair.admit(MIRROR, &["music"], 0);
    let bad = bad(&mut pair);
    tell(&mut pair);
    let options = Options { classes: vec!["music".into()], ..Options::default() };
    pair.pull_with(options, &mut |_, frames| frames).unwrap();
    assert_eq!(pair.mirror.channel().unwrap().release, bad, "it holds one of them and cannot see it");
}

/// The release with the taken path was skipped; the next one is compared with the last undisputed release.
#[test]
fn what_follows_such_a_release_is_refused_too() {
    let (films, music) = (library(6, 500), with(&Files::new(), "song.opus"));
    let mut pair = Pair::new();
    let limited = pair.limit("music");
    pair.publish_listed(&[("films", &films), ("music", &music)], &LISTED);
    pair.pull().unwrap();
    let taken = with(&music, films.keys().next().unwrap());
    let bad = pair.publish_as(&limited, &[("films", &films), ("music", &taken)], &LISTED);
    pair.roll_back(bad);
    let more = with(&taken, "other.opus");
    let next = pair.publish_as(&limited, &[("films", &films), ("music", &more)], &LISTED);
    pair.roll_back(next);
    refused(&mut pair);
    // Once the path is gone again, the release is accepted.
    let mended = pair.publish_as(&limited, &[("films", &films), ("music", &with(&music, "x.opus"))], &LISTED);
    pair.roll_back(mended);
    tell(&mut pair);
    assert_eq!(pair.pull().unwrap().report.release, Some(mended));
}
