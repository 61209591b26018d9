//! Every order in which three nodes can learn of three releases and fetch them. The result of a pull is
//! compared with the rule, which this test implements a second time, over numbers.
//!
//! Symptom: a mirror that knew of release 3 pulled from a source that knew of it too, but held only release
//! 2. The honest source was accused of a protocol error, and no data came. The origin was gone, so the mirror
//! stayed behind forever.

use std::collections::BTreeSet;

use crate::{
    error::Error,
    id::StatementId,
    store::ObjectId,
    sync::{
        fetch::{Options, Report},
        frame::Frame,
        message::{Holding, Want},
        pair::{Files, LIVE, MIRROR, Node, Pair, fetch_from, to_bytes},
        takeable::takeable,
        tests::{film, library},
    },
};

/// The seed of the second source, besides the origin.
const SOURCE: u8 = 6;

/// The channel's moves at the origin: the release to which each move points, and the parent of each release.
#[derive(Clone, Copy, Debug)]
struct History {
    moves: &'static [u8],
    parent: fn(u8) -> Option<u8>,
}

/// Three releases in sequence.
const LINE: History = History { moves: &[1, 2, 3], parent: |release| (release > 1).then(|| release - 1) };
/// The second release is rolled back, and the third descends from the first.
const ROLLED_BACK: History = History { moves: &[1, 2, 1, 3], parent: |release| (release > 1).then_some(1) };

/// How many moves of the channel a node knows, and how many it had followed with all data by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    known: usize,
    held: usize,
}

impl History {
    fn states(&self) -> Vec<Progress> {
        let moves = self.moves.len();
        (0..=moves).flat_map(|known| (0..=known).map(move |held| Progress { known, held })).collect()
    }

    /// The release to which the channel points after `moves` moves; 0 for none.
    fn release(&self, moves: usize) -> u8 {
        moves.checked_sub(1).map_or(0, |at| self.moves[at])
    }

    /// The releases that a node holds.
    fn data(&self, state: Progress) -> BTreeSet<u8> {
        self.moves[..state.held].iter().copied().collect()
    }

    fn is_ancestor(&self, older: u8, newer: u8) -> bool {
        std::iter::successors((self.parent)(newer), |release| (self.parent)(*release)).any(|a| a == older)
    }

    /// After which number of moves the puller's channel is once it has pulled from the source: the rule, over
    /// numbers.
    fn expected(&self, puller: Progress, source: Progress) -> usize {
        let known = puller.known;
        if source.held > known || known == 0 {
            return source.held.max(puller.held);
        }
        let announced = self.release(known);
        if self.data(puller).contains(&announced) || self.data(source).contains(&announced) {
            return known;
        }
        let last_move_to =
            |release: &u8| self.moves[..known].iter().rposition(|at| at == release).unwrap() + 1;
        let ancestors = self.data(source).into_iter().filter(|release| self.is_ancestor(*release, announced));
        let after = ancestors.filter(|release| *release != self.release(puller.held));
        after
            .map(|release| last_move_to(&release))
            .filter(|at| *at > puller.held)
            .max()
            .unwrap_or(puller.held)
    }
}

/// The classes that a node is granted; all if empty.
type Grant = &'static [&'static str];

/// An origin, a source and a puller after all events.
struct World {
    pair: Pair,
    source: Node,
    /// The releases; release number 1 is at index 0.
    releases: Vec<StatementId>,
    content: Vec<(Files, Files)>,
}

impl World {
    /// Plays `history`; the two nodes learn and fetch as much of it as their states say.
    fn new(history: History, puller: Progress, source: Progress, grants: [Grant; 2]) -> Self {
        let mut pair = Pair::new();
        pair.admit(MIRROR, grants[0], 0);
        pair.admit(SOURCE, grants[1], 0);
        let statements: Vec<_> = pair.origin.library.statements().into_iter().cloned().collect();
        pair.mirror.learn(&statements);
        let source_node = Node::new(SOURCE, pair.origin.library.id(), &statements);
        let mut world = Self { pair, source: source_node, releases: Vec::new(), content: Vec::new() };
        for (at, release) in (1..).zip(history.moves) {
            world.play(*release);
            for (node, state) in [(&mut world.pair.mirror, puller), (&mut world.source, source)] {
                if at <= state.known {
                    node.learn_from(&world.pair.origin);
                }
                if at <= state.held {
                    let got = pull(&[&world.pair.origin], node).unwrap();
                    assert!(got.is_some_and(|report| report.done), "{at} of {state:?}");
                }
            }
        }
        world
    }

    /// Publishes the release of this number, or rolls the channel back to it.
    fn play(&mut self, number: u8) {
        if let Some(release) = self.releases.get(usize::from(number) - 1) {
            return self.pair.roll_back(*release);
        }
        let mut masters = library(4, 900);
        masters.insert("new.mkv".into(), film(u64::from(number), 9000));
        let trailers = Files::from([("trailers/a.mp4".into(), film(100 + u64::from(number), 3000))]);
        self.releases.push(self.pair.publish_classes(&[("masters", &masters), ("trailers", &trailers)]));
        self.content.push((masters, trailers));
    }

    /// The number of the release to which the puller's channel points; 0 for none.
    fn current(&self) -> u8 {
        let Some(at) = self.pair.mirror.channel() else { return 0 };
        let number = self.releases.iter().position(|release| *release == at.release).unwrap();
        u8::try_from(number + 1).unwrap()
    }

    /// Checks that the puller holds all granted data of the release to which its channel points.
    fn check_whole(&self, grant: Grant) {
        let number = self.current();
        let Some(at) = usize::from(number).checked_sub(1) else { return };
        let (masters, trailers) = &self.content[at];
        let mirror = &self.pair.mirror;
        assert_eq!(&mirror.files_of(&self.releases[at], 1).unwrap(), trailers);
        match grant.contains(&"masters") || grant.is_empty() {
            true => assert_eq!(&mirror.files_of(&self.releases[at], 0).unwrap(), masters),
            false => assert!(mirror.files_of(&self.releases[at], 0).is_err()),
        }
    }
}

fn options(puller: &Node) -> Options {
    Options { node: Some(puller.id), ..Options::default() }
}

/// Asks each source for the newest release. Where none has it, asks for the newest of its ancestors that some
/// source has. Returns the report of the successful fetch.
fn pull(sources: &[&Node], puller: &mut Node) -> crate::Result<Option<Report>> {
    let mut answers: Vec<(&Node, Holding)> = Vec::new();
    for source in sources {
        let want = Want::Channel(LIVE.into());
        let pulled = match fetch_from(source, puller, want, options(puller), &mut |_, frames| frames) {
            // The source does not know the channel, or grants nothing.
            Err(Error::Missing(_)) => continue,
            pulled => pulled?,
        };
        if pulled.report.done {
            puller.restart();
            return Ok(Some(pulled.report));
        }
        answers.push((*source, pulled.report.holding.unwrap()));
    }
    for takeable in takeable(&puller.library, LIVE, puller.channel().as_ref()) {
        let has = answers.iter().find(|(_, holding)| holding.held.contains(&takeable.release));
        if let Some((source, _)) = has {
            let want = Want::Release(takeable.release);
            let options = options(puller);
            let pulled = fetch_from(source, puller, want, options, &mut |_, frames| frames)?;
            assert!(pulled.report.done);
            puller.restart();
            return Ok(Some(pulled.report));
        }
    }
    Ok(None)
}

/// All states of the two nodes, without the origin.
fn check_all(history: History, grants: [Grant; 2]) {
    for puller in history.states() {
        for source in history.states() {
            let mut world = World::new(history, puller, source, grants);
            pull(&[&world.source], &mut world.pair.mirror)
                .unwrap_or_else(|error| panic!("{puller:?} asks {source:?}: {error}"));
            let expected = history.release(history.expected(puller, source));
            assert_eq!(world.current(), expected, "{puller:?} asks {source:?}, {grants:?}");
            world.check_whole(grants[0]);
        }
    }
}

#[test]
fn the_newest_ancestor_comes_from_a_source_that_has_it() {
    check_all(LINE, [&[], &[]]);
}

#[test]
fn an_abandoned_release_is_never_taken() {
    check_all(ROLLED_BACK, [&[], &[]]);
}

#[test]
fn nodes_of_some_classes_get_the_newest_ancestor_of_these() {
    for grants in [[&["trailers"][..], &[]], [&["trailers"], &["trailers"]]] {
        check_all(LINE, grants);
        check_all(ROLLED_BACK, grants);
    }
}

/// Where the origin is available, the newest release comes, whatever the order of the sources.
#[test]
fn the_newest_release_comes_from_any_source() {
    for history in [LINE, ROLLED_BACK] {
        let last = history.moves.len();
        for puller in history.states() {
            for source in history.states() {
                let mut world = World::new(history, puller, source, [&[], &[]]);
                let World { pair, source: other, .. } = &mut world;
                pull(&[other, &pair.origin], &mut pair.mirror).unwrap();
                // A source that holds the newest release known to the puller, or a newer one, ends the
                // search: the puller cannot know of more.
                let of_source = history.release(history.expected(puller, source));
                assert!(
                    [of_source, history.release(last)].contains(&world.current()),
                    "{puller:?} asks {source:?}"
                );
                world.check_whole(&[]);
                let World { pair, .. } = &mut world;
                pair.mirror.learn_from(&pair.origin);
                pull(&[&world.source, &world.pair.origin], &mut world.pair.mirror).unwrap();
                assert_eq!(
                    world.current(),
                    history.release(last),
                    "{puller:?} asks {source:?} and the origin"
                );
                world.check_whole(&[]);
            }
        }
    }
}

/// The answer of a source that does not hold the wanted release tells whether the source knows the release.
#[test]
fn a_holding_tells_known_and_held_releases() {
    for known in [2, 3] {
        let puller = Progress { known: 3, held: 1 };
        let world = World::new(LINE, puller, Progress { known, held: 2 }, [&[], &[]]);
        let mirror = &world.pair.mirror;
        let want = Want::Channel(LIVE.into());
        let fetch = fetch_from(&world.source, mirror, want, options(mirror), &mut |_, frames| frames);
        let report = fetch.unwrap().report;
        assert!(!report.done && report.is_source_behind && report.release.is_none(), "{report:?}");
        let holding = report.holding.unwrap();
        assert_eq!(holding.held, [world.releases[1], world.releases[0]]);
        let announced = mirror.library.channel(LIVE).unwrap().statement.id();
        assert_eq!(holding.heard == Some(announced), known == 3);
        assert_eq!(report.chunks_fetched, 0, "data that is not taken is not sent");
    }
}

/// A source that claims to hold a release that it does not hold costs one round trip; no data from it is
/// stored.
#[test]
fn a_false_claim_to_hold_a_release_costs_a_round_trip() {
    let world = World::new(LINE, Progress { known: 3, held: 1 }, Progress { known: 3, held: 2 }, [&[], &[]]);
    let (_, header) = world.source.header(&world.releases[1]).unwrap();
    assert!(world.source.store.inner.lose(ObjectId::Page(header.root)));
    let mirror = &world.pair.mirror;
    let before = mirror.channel();
    let want = Want::Release(world.releases[1]);
    let error = fetch_from(&world.source, mirror, want, options(mirror), &mut |_, frames| frames);
    assert!(matches!(error, Err(Error::Missing(_))), "{error:?}");
    assert_eq!(mirror.channel(), before);
}

/// A peer that answers with a `Holding` and sends data too, or sends it twice, breaks the protocol.
#[test]
fn a_holding_comes_alone() {
    let world = World::new(LINE, Progress { known: 3, held: 1 }, Progress { known: 3, held: 2 }, [&[], &[]]);
    let mirror = &world.pair.mirror;
    let twice = |mut frames: Vec<Vec<u8>>| {
        frames.insert(0, frames[0].clone());
        frames
    };
    let and_data = |mut frames: Vec<Vec<u8>>| {
        frames.insert(1, to_bytes(&Frame::Page(vec![1; 9].into())));
        frames
    };
    for meddle in [&twice as &dyn Fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>, &and_data] {
        let want = Want::Channel(LIVE.into());
        let options = options(mirror);
        let error = fetch_from(&world.source, mirror, want, options, &mut |_, frames| meddle(frames));
        assert!(matches!(error, Err(Error::Peer(_))), "{error:?}");
    }
    let want = Want::Release(world.releases[1]);
    let lie = to_bytes(&Frame::Holding(Holding::default()));
    let error = fetch_from(&world.source, mirror, want, options(mirror), &mut |_, _| vec![lie.clone()]);
    assert!(matches!(error, Err(Error::Peer(_))), "{error:?}");
}

/// A release that is wanted by its id is fetched; the channel moves to it only if that is forward.
#[test]
fn a_release_wanted_by_id_moves_no_channel_backwards() {
    for (held, named, expected) in [(1, 2, 2), (2, 1, 2), (3, 1, 3), (0, 2, 2)] {
        let mut world =
            World::new(LINE, Progress { known: 3, held }, Progress { known: 3, held: 3 }, [&[], &[]]);
        let release = world.releases[named - 1];
        let mirror = &mut world.pair.mirror;
        let want = Want::Release(release);
        let options = options(mirror);
        fetch_from(&world.source, mirror, want, options, &mut |_, frames| frames).unwrap();
        mirror.restart();
        assert_eq!(world.current(), expected, "{held}, {named}");
        assert_eq!(world.pair.mirror.files_of(&release, 0).unwrap(), world.content[named - 1].0);
    }
}

/// A dry run reports the missing data to the byte, stores only pages, and moves no channel.
#[test]
fn a_dry_run_counts_what_would_come() {
    for held in [0, 1, 2] {
        let state = Progress { known: 3, held };
        let mut world = World::new(LINE, state, Progress { known: 3, held: 3 }, [&[], &[]]);
        let World { pair, source, .. } = &mut world;
        let before = pair.mirror.channel();
        let want = || Want::Channel(LIVE.into());
        let dry = Options { is_dry_run: true, ..options(&pair.mirror) };
        let dry = fetch_from(source, &pair.mirror, want(), dry, &mut |_, frames| frames).unwrap().report;
        pair.mirror.restart();
        assert_eq!((pair.mirror.channel(), dry.done, dry.chunks_fetched), (before, false, 0));
        let real = options(&pair.mirror);
        let real = fetch_from(source, &pair.mirror, want(), real, &mut |_, frames| frames).unwrap().report;
        assert_eq!(
            (dry.chunks_missing, dry.chunk_bytes_missing, dry.release),
            (real.chunks_fetched, real.chunk_bytes_fetched, real.release)
        );
        assert!(dry.chunks_missing > 0 && real.done);
    }
}
