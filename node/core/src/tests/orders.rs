//! Every order in which nodes can learn of three releases and fetch them, with real sockets: the release that
//! a pull gets when the origin is gone, its outcome and its exit code. The result is compared with the rule,
//! which this test implements a second time, over numbers.

use std::collections::BTreeSet;

use chuan_engine::statement::Statement;

use super::{channels::rollback_to, *};
use crate::outcome::{Asked, Lag};

/// The channel's moves at the origin: the release to which each move points, and the parent of each release.
#[derive(Clone, Copy)]
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

    /// The release to which the puller's channel points after a pull. Both nodes send each other all
    /// statements that they know.
    fn expected(&self, puller: Progress, source: Progress) -> u8 {
        let known = puller.known.max(source.known);
        let (announced, before) = (self.release(known), self.release(puller.held));
        let data: BTreeSet<u8> =
            [puller, source].iter().flat_map(|state| &self.moves[..state.held]).copied().collect();
        if data.contains(&announced) {
            return announced;
        }
        let is_ancestor = |older: &u8| {
            std::iter::successors((self.parent)(announced), |release| (self.parent)(*release))
                .any(|a| a == *older)
        };
        let last_move_to =
            |release: u8| self.moves[..known].iter().rposition(|at| *at == release).unwrap() + 1;
        let older = data.into_iter().filter(is_ancestor).filter(|release| *release != before);
        let after = older.map(last_move_to).filter(|at| *at > puller.held).max();
        after.map_or(before, |at| self.release(at))
    }
}

/// Writes a film and a trailer, which both change with each release.
fn write_release(place: &Place, number: u8) {
    place.write("film.mp4", &format!("release {number} ").repeat(2000));
    place.write("trailers/a.mp4", &format!("trailer {number}"));
}

/// Two homes for each state, as the history left them, and the releases. The origin is gone.
struct Homes {
    place: Place,
    states: Vec<Progress>,
    releases: Vec<String>,
}

impl Homes {
    /// Plays `history` with two homes for each of the states: a puller and a source.
    async fn after(history: History, states: Vec<Progress>) -> Self {
        let place = Place::new();
        write_release(&place, 1);
        let origin = place.node("origin").await;
        place.publish(&origin).await.unwrap();
        origin.serve(Some("127.0.0.1:0")).await.unwrap();
        let mut nodes = Vec::new();
        for (at, state) in states.iter().enumerate() {
            for role in ["puller", "source"] {
                let node = place.node(&format!("{role}-{at}")).await;
                node.join(ticket(&origin).await).await.unwrap();
                nodes.push((node, *state));
            }
        }
        let mut releases = Vec::new();
        for (at, number) in (1..).zip(history.moves) {
            match usize::from(*number) {
                1 if at == 1 => {}
                known if known <= releases.len() => rollback_to(&origin, *number).await,
                _ => {
                    write_release(&place, *number);
                    place.publish(&origin).await.unwrap();
                }
            }
            let library = origin.library_service().named("films").unwrap();
            let current = library.channel("live").unwrap().body.release.to_string();
            if !releases.contains(&current) {
                releases.push(current);
            }
            let statements: Vec<_> = library.statements().into_iter().cloned().collect();
            for (node, state) in &nodes {
                if at <= state.held {
                    pull(node).await.unwrap();
                } else if at <= state.known {
                    deliver(node, &statements);
                }
            }
        }
        for (node, _) in nodes {
            node.close().await;
        }
        origin.close().await;
        Self { place, states, releases }
    }

    /// Copies the home of a state, and opens the copy.
    async fn open(&self, role: &str, state: Progress, copy: &str) -> Node {
        let at = self.states.iter().position(|other| *other == state).unwrap();
        let to = self.place.path(copy);
        copy_dir(&self.place.path(&format!("{role}-{at}")), &to);
        Node::open(&to).await.unwrap()
    }

    /// The number of the release to which a node's channel points; 0 for none.
    fn current(&self, node: &Node) -> u8 {
        let library = node.library_service().named("films").unwrap();
        let Some(here) = node.library_service().here(&library, "live").unwrap() else { return 0 };
        let id = here.statement.id().to_string();
        u8::try_from(self.releases.iter().position(|release| *release == id).unwrap() + 1).unwrap()
    }
}

/// Delivers statements as an unknown peer does.
fn deliver(node: &Node, statements: &[Statement]) {
    let bytes: Vec<_> = statements.iter().map(|statement| statement.bytes().clone()).collect();
    node.hear(&bytes);
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy_dir(&entry.path(), &to),
            kind if kind.is_file() => drop(std::fs::copy(entry.path(), to).unwrap()),
            // The admin socket of a process that has ended.
            _ => {}
        }
    }
}

async fn lag(node: &Node) -> Lag {
    let status = node.status().await.unwrap();
    status.libraries[0]
        .channels
        .iter()
        .find(|channel| channel.name == "live")
        .map(|live| live.lag.clone())
        .unwrap()
}

/// Every state pulls from every state; several pulls at a time, since most of the time is spent waiting for
/// disks.
async fn check_all(history: History, states: Vec<Progress>) {
    let homes = Arc::new(Homes::after(history, states).await);
    let mut rows = tokio::task::JoinSet::new();
    for at in 0..homes.states.len() {
        rows.spawn(check_source(history, Arc::clone(&homes), at));
    }
    while let Some(row) = rows.join_next().await {
        row.unwrap();
    }
}

/// Every state pulls from one state.
async fn check_source(history: History, homes: Arc<Homes>, at: usize) {
    let source_state = &homes.states[at];
    for (of, puller_state) in homes.states.iter().enumerate() {
        let context = format!("{puller_state:?} pulls from {source_state:?}");
        let source = homes.open("source", *source_state, &format!("s-{at}-{of}")).await;
        let address = source.serve(Some("127.0.0.1:0")).await.unwrap().to_string();
        let puller = homes.open("puller", *puller_state, &format!("p-{at}-{of}")).await;
        let before = homes.current(&puller);
        let from = Pull { from: Some(address), ..Pull::default() };
        let pulled = puller.pull(from, &Job::silent()).await;
        let known = puller_state.known.max(source_state.known);
        let (expected, announced) = (history.expected(*puller_state, *source_state), history.release(known));
        assert_eq!(homes.current(&puller), expected, "{context}");
        match pulled {
            Err(failure) => assert_eq!((failure.exit, known), (Exit::Missing, 0), "{context}: {failure}"),
            Ok(pulled) => {
                let is_behind = expected != announced;
                assert_eq!(pulled.changed, expected != before, "{context}: {pulled:?}");
                let exit = if is_behind && expected == before { Exit::Stale } else { Exit::Ok };
                assert_eq!(Outcome::Pull(Box::new(pulled.clone())).exit(), exit, "{context}: {pulled:?}");
                assert_eq!(pulled.lag.behind_since_ms.is_some(), is_behind, "{context}: {pulled:?}");
                let [asked] = pulled.lag.asked.as_slice() else { panic!("{context}: {pulled:?}") };
                assert_eq!(asked.node, source.id().to_string(), "{context}");
                let lag = lag(&puller).await;
                assert_eq!(lag.behind_since_ms.is_some(), is_behind, "{context}: {lag:?}");
                assert_eq!(lag.announced.unwrap().sequence, Some(u64::from(announced)), "{context}");
                let verified = puller.verify(Verify { deep: true }, &Job::silent()).await.unwrap();
                assert!(verified.ok, "{context}: {verified:?}");
            }
        }
        for (node, home) in [(source, format!("s-{at}-{of}")), (puller, format!("p-{at}-{of}"))] {
            node.close().await;
            drop(node);
            std::fs::remove_dir_all(homes.place.path(&home)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_of_three_releases_gets_the_newest_available_release() {
    check_all(LINE, LINE.states()).await;
}

/// Only nodes that know the moves that they have followed, or all moves; the engine's test has every state.
#[tokio::test(flavor = "multi_thread")]
async fn no_order_gets_a_release_that_was_rolled_back() {
    let mut states = ROLLED_BACK.states();
    states.retain(|state| state.known == state.held || state.known == ROLLED_BACK.moves.len());
    check_all(ROLLED_BACK, states).await;
}

/// An origin with three releases, a mirror that holds the second and knows of the third, and a puller that
/// holds the first.
struct World {
    place: Place,
    origin: Node,
    mirror: Node,
    mirror_address: String,
    puller: Node,
}

impl World {
    async fn new() -> Self {
        let place = Place::new();
        write_release(&place, 1);
        let origin = place.node("origin").await;
        place.publish(&origin).await.unwrap();
        origin.serve(Some("127.0.0.1:0")).await.unwrap();
        let (mirror, puller) = (place.node("mirror").await, place.node("puller").await);
        for node in [&mirror, &puller] {
            node.join(ticket(&origin).await).await.unwrap();
            pull(node).await.unwrap();
        }
        write_release(&place, 2);
        place.publish(&origin).await.unwrap();
        pull(&mirror).await.unwrap();
        write_release(&place, 3);
        place.publish(&origin).await.unwrap();
        let statements: Vec<_> =
            origin.library_service().named("films").unwrap().statements().into_iter().cloned().collect();
        deliver(&mirror, &statements);
        let mirror_address = mirror.serve(Some("127.0.0.1:0")).await.unwrap().to_string();
        Self { place, origin, mirror, mirror_address, puller }
    }

    async fn pull(&self, library: &str, from: &str) -> Result<Pulled> {
        let (library, from) = (Some(library.to_owned()), Some(from.to_owned()));
        self.puller.pull(Pull { library, from, ..Pull::default() }, &Job::silent()).await
    }
}

/// The mirror announces the third release and does not hold it: the lag is reported until the third release
/// is here. The mirror is the first source of the next pull.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_announces_a_release_it_does_not_hold_is_reported() {
    let world = World::new().await;
    let pulled = world.pull("films", &world.mirror_address).await.unwrap();
    assert_eq!((pulled.sequence, pulled.changed), (2, true));
    let again = world.pull("films", &world.mirror_address).await.unwrap();
    assert!(again.is_behind() && !again.changed, "{again:?}");
    let lag = lag(&world.puller).await;
    let mirror = world.mirror.id().to_string();
    let announced = lag.announced.clone().unwrap();
    assert_eq!((announced.sequence, announced.by[0].node.as_str()), (Some(3), mirror.as_str()));
    assert_eq!(lag.here.as_ref().map(|here| here.sequence), Some(2));
    let [Asked { node, answer, announces, holds, .. }] = lag.asked.as_slice() else { panic!("{lag:?}") };
    assert_eq!((node, answer.as_str(), *announces, *holds), (&mirror, "behind", true, Some(2)), "{lag:?}");

    let library = world.puller.library_service().named("films").unwrap();
    let first = world.puller.sources_of(&library, "live").unwrap().remove(0);
    assert_eq!(first.node, world.mirror.id(), "the announcer is asked first");
    let whole = pull(&world.puller).await.unwrap();
    assert_eq!((whole.sequence, whole.changed, whole.lag.behind_since_ms), (3, true, None));
    assert!(whole.lag.asked.iter().any(|asked| asked.answer == "brought"), "{whole:?}");
    let lag = super::orders::lag(&world.puller).await;
    assert_eq!((lag.behind_since_ms, lag.asked), (None, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_pulled_by_its_number_and_moves_the_channel_only_forward() {
    let world = World::new().await;
    let origin = world.origin.listening().unwrap().to_string();
    let pulled = world.pull("films@2", &origin).await.unwrap();
    assert_eq!((pulled.sequence, pulled.changed), (2, true));
    assert_eq!(lag(&world.puller).await.here.unwrap().sequence, 2);
    world.pull("films", &origin).await.unwrap();
    let place = &world.place;
    let newcomer = place.node("newcomer").await;
    newcomer.join(ticket(&world.origin).await).await.unwrap();
    pull(&newcomer).await.unwrap();
    let by_number = Pull { library: Some("films@1".into()), ..Pull::default() };
    let pulled = newcomer.pull(by_number.clone(), &Job::silent()).await.unwrap();
    assert_eq!((pulled.sequence, pulled.changed), (1, true));
    assert_eq!(pulled.lag.here.unwrap().sequence, 3, "the channel does not go back");
    let again = newcomer.pull(by_number, &Job::silent()).await.unwrap();
    assert_eq!((again.sequence, again.changed, again.chunks_fetched), (1, false, 0));
    let found = newcomer.resolve(&"films@1".parse().unwrap()).unwrap();
    assert!(newcomer.library_service().holdings.is_complete(&found.library, &found.manifest).unwrap());
    let failure = world.pull("films@7", &origin).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Missing, "{failure}");
    let id = pulled.release[..8].to_owned();
    assert_eq!(world.pull(&format!("films@{id}"), &origin).await.unwrap().sequence, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_reports_the_missing_data_and_changes_nothing() {
    let world = World::new().await;
    for (from, sequence) in
        [(world.origin.listening().unwrap().to_string(), 3), (world.mirror_address.clone(), 2)]
    {
        let dry = Pull { dry_run: true, from: Some(from.clone()), ..Pull::default() };
        let dry = world.puller.pull(dry, &Job::silent()).await.unwrap();
        assert_eq!((dry.changed, dry.dry_run, dry.chunks_fetched), (false, true, 0), "{dry:?}");
        assert_eq!(dry.sequence, sequence);
        assert!(dry.chunk_bytes_missing.unwrap() > 0, "{dry:?}");
        assert_eq!(lag(&world.puller).await.here.unwrap().sequence, 1);
        assert!(!world.puller.status().await.unwrap().libraries[0].pull_unfinished);
    }
    let origin = world.origin.listening().unwrap().to_string();
    let dry = Pull { dry_run: true, from: Some(origin.clone()), ..Pull::default() };
    let dry = world.puller.pull(dry, &Job::silent()).await.unwrap();
    let real = world.pull("films", &origin).await.unwrap();
    assert_eq!(
        (dry.chunks_missing, dry.chunk_bytes_missing),
        (Some(real.chunks_fetched), Some(real.chunk_bytes_fetched))
    );
}
