//! Every order in which three nodes can have heard of three releases, and can have got them. What a puller ends up with is
//! held against a rule that is written here once more, over numbers.
//!
//! Symptom: a mirror that had heard of release 3 pulled from one that had heard of it too and had only got 2; the honest
//! source was told to have broken the protocol, and nothing came. The origin was gone, so nothing ever did.

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

/// The seed of the node that is asked beside the origin.
const SOURCE: u8 = 6;

/// What happens at the origin, one move of the channel after the other: the release on which it stands then, and the one
/// from which that descends.
#[derive(Clone, Copy, Debug)]
struct History {
    stands: &'static [u8],
    parent: fn(u8) -> Option<u8>,
}

/// Three releases, one after the other.
const LINE: History = History { stands: &[1, 2, 3], parent: |release| (release > 1).then(|| release - 1) };
/// The second is rolled back, and the third descends from the first.
const ROLLED_BACK: History = History { stands: &[1, 2, 1, 3], parent: |release| (release > 1).then_some(1) };

/// How many moves of the channel a node has heard of, and how many it had followed with all data by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    heard: usize,
    held: usize,
}

impl History {
    fn states(&self) -> Vec<State> {
        let moves = self.stands.len();
        (0..=moves).flat_map(|heard| (0..=heard).map(move |held| State { heard, held })).collect()
    }

    /// On which release the channel stands after so many moves; 0 for none.
    fn release(&self, moves: usize) -> u8 {
        moves.checked_sub(1).map_or(0, |at| self.stands[at])
    }

    /// The releases that a node has got.
    fn data(&self, state: State) -> BTreeSet<u8> {
        self.stands[..state.held].iter().copied().collect()
    }

    fn is_ancestor(&self, older: u8, newer: u8) -> bool {
        std::iter::successors((self.parent)(newer), |release| (self.parent)(*release)).any(|a| a == older)
    }

    /// After how many moves the channel of a puller stands that asks a source: the rule, over numbers.
    fn expected(&self, puller: State, source: State) -> usize {
        let heard = puller.heard;
        if source.held > heard || heard == 0 {
            return source.held.max(puller.held);
        }
        let announced = self.release(heard);
        if self.data(puller).contains(&announced) || self.data(source).contains(&announced) {
            return heard;
        }
        let last_move_to =
            |release: &u8| self.stands[..heard].iter().rposition(|at| at == release).unwrap() + 1;
        let ancestors = self.data(source).into_iter().filter(|release| self.is_ancestor(*release, announced));
        let after = ancestors.filter(|release| *release != self.release(puller.held));
        after
            .map(|release| last_move_to(&release))
            .filter(|at| *at > puller.held)
            .max()
            .unwrap_or(puller.held)
    }
}

/// What a node is granted; all without a name.
type Grant = &'static [&'static str];

/// An origin, a source and a puller, as they are once all has happened.
struct World {
    pair: Pair,
    source: Node,
    /// The releases, by their number.
    releases: Vec<StatementId>,
    content: Vec<(Files, Files)>,
}

impl World {
    /// Goes through `history`; the two nodes hear and get of it what their states say.
    fn new(history: History, puller: State, source: State, grants: [Grant; 2]) -> Self {
        let mut pair = Pair::new();
        pair.admit(MIRROR, grants[0], 0);
        pair.admit(SOURCE, grants[1], 0);
        let statements: Vec<_> = pair.origin.library.statements().into_iter().cloned().collect();
        pair.mirror.learn(&statements);
        let source_node = Node::new(SOURCE, pair.origin.library.id(), &statements);
        let mut world = Self { pair, source: source_node, releases: Vec::new(), content: Vec::new() };
        for (at, release) in (1..).zip(history.stands) {
            world.happens(*release);
            for (node, state) in [(&mut world.pair.mirror, puller), (&mut world.source, source)] {
                if at <= state.heard {
                    node.hear(&world.pair.origin);
                }
                if at <= state.held {
                    let got = pull(&[&world.pair.origin], node).unwrap();
                    assert!(got.is_some_and(|report| report.done), "{at} of {state:?}");
                }
            }
        }
        world
    }

    /// The release of this number is published, or the channel rolled back to it.
    fn happens(&mut self, number: u8) {
        if let Some(release) = self.releases.get(usize::from(number) - 1) {
            return self.pair.roll_back(*release);
        }
        let mut masters = library(4, 900);
        masters.insert("new.mkv".into(), film(u64::from(number), 9000));
        let trailers = Files::from([("trailers/a.mp4".into(), film(100 + u64::from(number), 3000))]);
        self.releases.push(self.pair.publish_classes(&[("masters", &masters), ("trailers", &trailers)]));
        self.content.push((masters, trailers));
    }

    /// The number of the release on which the puller's channel stands; 0 for none.
    fn stands(&self) -> u8 {
        let Some(at) = self.pair.mirror.channel() else { return 0 };
        let number = self.releases.iter().position(|release| *release == at.release).unwrap();
        u8::try_from(number + 1).unwrap()
    }

    /// Makes sure that the puller has all of what its channel names, as far as it is granted.
    fn check_whole(&self, grant: Grant) {
        let number = self.stands();
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

fn options(puller: &Node, channel: Option<&str>) -> Options {
    Options { node: Some(puller.id), channel: channel.map(str::to_owned), ..Options::default() }
}

/// Asks each source for the newest release; where none has it, for the newest of its ancestors that any has. Gives what
/// brought something, or was not needed.
fn pull(sources: &[&Node], puller: &mut Node) -> crate::Result<Option<Report>> {
    let mut answers: Vec<(&Node, Holding)> = Vec::new();
    for source in sources {
        let want = Want::Channel(LIVE.into());
        let pulled = match fetch_from(source, puller, want, options(puller, None), &mut |_, frames| frames) {
            // Nothing is known of the channel there, or nothing is granted.
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
            let options = options(puller, Some(LIVE));
            let pulled = fetch_from(source, puller, want, options, &mut |_, frames| frames)?;
            assert!(pulled.report.done);
            puller.restart();
            return Ok(Some(pulled.report));
        }
    }
    Ok(None)
}

/// All states of the two nodes, with the origin gone.
fn check_all(history: History, grants: [Grant; 2]) {
    for puller in history.states() {
        for source in history.states() {
            let mut world = World::new(history, puller, source, grants);
            pull(&[&world.source], &mut world.pair.mirror)
                .unwrap_or_else(|error| panic!("{puller:?} asks {source:?}: {error}"));
            let expected = history.release(history.expected(puller, source));
            assert_eq!(world.stands(), expected, "{puller:?} asks {source:?}, {grants:?}");
            world.check_whole(grants[0]);
        }
    }
}

#[test]
fn the_newest_ancestor_comes_from_whoever_has_it() {
    check_all(LINE, [&[], &[]]);
}

#[test]
fn what_a_rollback_left_behind_is_never_taken() {
    check_all(ROLLED_BACK, [&[], &[]]);
}

#[test]
fn nodes_of_some_classes_get_the_newest_ancestor_of_these() {
    for grants in [[&["trailers"][..], &[]], [&["trailers"], &["trailers"]]] {
        check_all(LINE, grants);
        check_all(ROLLED_BACK, grants);
    }
}

/// Where the origin is there, it brings the newest, in whichever order the nodes are asked.
#[test]
fn the_newest_comes_where_anybody_has_it() {
    for history in [LINE, ROLLED_BACK] {
        let last = history.stands.len();
        for puller in history.states() {
            for source in history.states() {
                let mut world = World::new(history, puller, source, [&[], &[]]);
                let World { pair, source: other, .. } = &mut world;
                pull(&[other, &pair.origin], &mut pair.mirror).unwrap();
                // One that has nothing newer than what the puller knows ends the search: it cannot know of more.
                let of_source = history.release(history.expected(puller, source));
                assert!(
                    [of_source, history.release(last)].contains(&world.stands()),
                    "{puller:?} asks {source:?}"
                );
                world.check_whole(&[]);
                let World { pair, .. } = &mut world;
                pair.mirror.hear(&pair.origin);
                pull(&[&world.source, &world.pair.origin], &mut world.pair.mirror).unwrap();
                assert_eq!(
                    world.stands(),
                    history.release(last),
                    "{puller:?} asks {source:?} and the origin"
                );
                world.check_whole(&[]);
            }
        }
    }
}

/// A node that has a release and says that it has not is told apart from one that has never heard of it.
#[test]
fn a_source_says_what_it_has_heard_of_beside_what_it_has() {
    for heard in [2, 3] {
        let puller = State { heard: 3, held: 1 };
        let world = World::new(LINE, puller, State { heard, held: 2 }, [&[], &[]]);
        let mirror = &world.pair.mirror;
        let want = Want::Channel(LIVE.into());
        let fetch = fetch_from(&world.source, mirror, want, options(mirror, None), &mut |_, frames| frames);
        let report = fetch.unwrap().report;
        assert!(!report.done && report.is_source_behind && report.release.is_none(), "{report:?}");
        let holding = report.holding.unwrap();
        assert_eq!(holding.held, [world.releases[1], world.releases[0]]);
        let announced = mirror.library.channel(LIVE).unwrap().statement.id();
        assert_eq!(holding.heard == Some(announced), heard == 3);
        assert_eq!(report.chunks_fetched, 0, "what is not taken does not travel");
    }
}

/// A source that lies about what it has costs a round trip; nothing that it sends instead is kept.
#[test]
fn a_source_that_does_not_have_what_it_says_is_left() {
    let world = World::new(LINE, State { heard: 3, held: 1 }, State { heard: 3, held: 2 }, [&[], &[]]);
    let (_, header) = world.source.header(&world.releases[1]).unwrap();
    assert!(world.source.store.inner.lose(ObjectId::Page(header.root)));
    let mirror = &world.pair.mirror;
    let before = mirror.channel();
    let want = Want::Release(world.releases[1]);
    let error = fetch_from(&world.source, mirror, want, options(mirror, Some(LIVE)), &mut |_, frames| frames);
    assert!(matches!(error, Err(Error::Missing(_))), "{error:?}");
    assert_eq!(mirror.channel(), before);
}

/// A peer that answers a pull by what it holds and sends data all the same, or says it twice, breaks the protocol.
#[test]
fn word_of_what_is_held_comes_alone() {
    let world = World::new(LINE, State { heard: 3, held: 1 }, State { heard: 3, held: 2 }, [&[], &[]]);
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
        let options = options(mirror, None);
        let error = fetch_from(&world.source, mirror, want, options, &mut |_, frames| meddle(frames));
        assert!(matches!(error, Err(Error::Peer(_))), "{error:?}");
    }
    let want = Want::Release(world.releases[1]);
    let lie = to_bytes(&Frame::Holding(Holding::default()));
    let error = fetch_from(&world.source, mirror, want, options(mirror, None), &mut |_, _| vec![lie.clone()]);
    assert!(matches!(error, Err(Error::Peer(_))), "{error:?}");
}

/// An older release that a person names by its number is fetched, and takes the channel along only if that is onward.
#[test]
fn a_release_that_is_named_moves_no_channel_backwards() {
    for (held, named, stands) in [(1, 2, 2), (2, 1, 2), (3, 1, 3), (0, 2, 2)] {
        let mut world = World::new(LINE, State { heard: 3, held }, State { heard: 3, held: 3 }, [&[], &[]]);
        let release = world.releases[named - 1];
        let mirror = &mut world.pair.mirror;
        let want = Want::Release(release);
        let options = options(mirror, Some(LIVE));
        fetch_from(&world.source, mirror, want, options, &mut |_, frames| frames).unwrap();
        mirror.restart();
        assert_eq!(world.stands(), stands, "{held}, {named}");
        assert_eq!(world.pair.mirror.files_of(&release, 0).unwrap(), world.content[named - 1].0);
    }
}

/// A dry run says what is missing to the byte, keeps pages only, and moves nothing.
#[test]
fn a_dry_run_counts_what_would_come() {
    for held in [0, 1, 2] {
        let state = State { heard: 3, held };
        let mut world = World::new(LINE, state, State { heard: 3, held: 3 }, [&[], &[]]);
        let World { pair, source, .. } = &mut world;
        let before = pair.mirror.channel();
        let want = || Want::Channel(LIVE.into());
        let dry = Options { is_dry_run: true, ..options(&pair.mirror, None) };
        let dry = fetch_from(source, &pair.mirror, want(), dry, &mut |_, frames| frames).unwrap().report;
        pair.mirror.restart();
        assert_eq!((pair.mirror.channel(), dry.done, dry.chunks_fetched), (before, false, 0));
        let real = options(&pair.mirror, None);
        let real = fetch_from(source, &pair.mirror, want(), real, &mut |_, frames| frames).unwrap().report;
        assert_eq!(
            (dry.chunks_missing, dry.chunk_bytes_missing, dry.release),
            (real.chunks_fetched, real.chunk_bytes_fetched, real.release)
        );
        assert!(dry.chunks_missing > 0 && real.done);
    }
}
