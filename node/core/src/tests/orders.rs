//! Every order in which nodes can have heard of three releases, and can have got them, over real sockets: what a pull brings
//! when the origin is gone, what it says, and with which exit code. The rule is written here once more, over numbers.

use std::collections::BTreeSet;

use chuan_engine::statement::Statement;

use super::{channels::rollback_to, *};
use crate::outcome::{Asked, Lag};

/// What happens at the origin, one move of the channel after the other: the release on which it stands then, and the one
/// from which that descends.
#[derive(Clone, Copy)]
struct Story {
    stands: &'static [u8],
    parent: fn(u8) -> Option<u8>,
}

const LINE: Story = Story { stands: &[1, 2, 3], parent: |release| (release > 1).then(|| release - 1) };
/// The second is rolled back, and the third descends from the first.
const ROLLED_BACK: Story = Story { stands: &[1, 2, 1, 3], parent: |release| (release > 1).then_some(1) };

/// How many moves of the channel a node has heard of, and how many it had followed with all data by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    heard: usize,
    held: usize,
}

impl Story {
    fn states(&self) -> Vec<State> {
        let moves = self.stands.len();
        (0..=moves).flat_map(|heard| (0..=heard).map(move |held| State { heard, held })).collect()
    }

    /// On which release the channel stands after so many moves; 0 for none.
    fn release(&self, moves: usize) -> u8 {
        moves.checked_sub(1).map_or(0, |at| self.stands[at])
    }

    /// On which release a puller stands after it has asked a source that hears of all that the puller has heard of, and tells
    /// all that it has heard of itself.
    fn expected(&self, puller: State, source: State) -> u8 {
        let heard = puller.heard.max(source.heard);
        let (announced, stands) = (self.release(heard), self.release(puller.held));
        let data: BTreeSet<u8> =
            [puller, source].iter().flat_map(|state| &self.stands[..state.held]).copied().collect();
        if data.contains(&announced) {
            return announced;
        }
        let is_ancestor = |older: &u8| {
            std::iter::successors((self.parent)(announced), |release| (self.parent)(*release))
                .any(|a| a == *older)
        };
        let last_move_to =
            |release: u8| self.stands[..heard].iter().rposition(|at| *at == release).unwrap() + 1;
        let older = data.into_iter().filter(is_ancestor).filter(|release| *release != stands);
        let after = older.map(last_move_to).filter(|at| *at > puller.held).max();
        after.map_or(stands, |at| self.release(at))
    }
}

/// A film that changes with each release, and one that stays.
fn write_release(place: &Place, number: u8) {
    place.write("film.mp4", &format!("release {number} ").repeat(2000));
    place.write("trailers/a.mp4", &format!("trailer {number}"));
}

/// One home for each state, as what happened left it; and when the origin was gone.
struct Homes {
    place: Place,
    states: Vec<State>,
    releases: Vec<String>,
}

impl Homes {
    /// Goes through `story` with a home for each of the states, twice: one to ask, one to be asked.
    async fn after(story: Story, states: Vec<State>) -> Self {
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
        for (at, number) in (1..).zip(story.stands) {
            match usize::from(*number) {
                1 if at == 1 => {}
                known if known <= releases.len() => rollback_to(&origin, *number).await,
                _ => {
                    write_release(&place, *number);
                    place.publish(&origin).await.unwrap();
                }
            }
            let library = origin.0.libraries.named("films").unwrap();
            let current = library.channel("live").unwrap().body.release.to_string();
            if !releases.contains(&current) {
                releases.push(current);
            }
            let said: Vec<_> = library.statements().into_iter().cloned().collect();
            for (node, state) in &nodes {
                if at <= state.held {
                    pull(node).await.unwrap();
                } else if at <= state.heard {
                    hear(node, &said);
                }
            }
        }
        for (node, _) in nodes {
            node.close().await;
        }
        origin.close().await;
        Self { place, states, releases }
    }

    /// A copy of the home of a state, opened.
    async fn open(&self, role: &str, state: State, copy: &str) -> Node {
        let at = self.states.iter().position(|other| *other == state).unwrap();
        let to = self.place.path(copy);
        copy_dir(&self.place.path(&format!("{role}-{at}")), &to);
        Node::open(&to).await.unwrap()
    }

    /// The number of the release on which a node's channel stands; 0 for none.
    fn stands(&self, node: &Node) -> u8 {
        let library = node.0.libraries.named("films").unwrap();
        let Some(here) = node.0.here(&library, "live").unwrap() else { return 0 };
        let id = here.statement.id().to_string();
        u8::try_from(self.releases.iter().position(|release| *release == id).unwrap() + 1).unwrap()
    }
}

/// Hands statements over as a peer does that is not known.
fn hear(node: &Node, statements: &[Statement]) {
    let bytes: Vec<_> = statements.iter().map(|statement| statement.bytes().clone()).collect();
    node.0.hear(&bytes);
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy_dir(&entry.path(), &to),
            kind if kind.is_file() => drop(std::fs::copy(entry.path(), to).unwrap()),
            // The admin socket of a process that is gone.
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

/// All states ask all states; several at a time, since most of it is waiting for disks.
async fn check_all(story: Story, states: Vec<State>) {
    let homes = Arc::new(Homes::after(story, states).await);
    let mut rows = tokio::task::JoinSet::new();
    for at in 0..homes.states.len() {
        rows.spawn(check_source(story, Arc::clone(&homes), at));
    }
    while let Some(row) = rows.join_next().await {
        row.unwrap();
    }
}

/// All states ask one.
async fn check_source(story: Story, homes: Arc<Homes>, at: usize) {
    let source_state = &homes.states[at];
    for (of, puller_state) in homes.states.iter().enumerate() {
        let context = format!("{puller_state:?} asks {source_state:?}");
        let source = homes.open("source", *source_state, &format!("s-{at}-{of}")).await;
        let address = source.serve(Some("127.0.0.1:0")).await.unwrap().to_string();
        let puller = homes.open("puller", *puller_state, &format!("p-{at}-{of}")).await;
        let before = homes.stands(&puller);
        let from = Pull { from: Some(address), ..Pull::default() };
        let pulled = puller.pull(from, &Job::silent()).await;
        let heard = puller_state.heard.max(source_state.heard);
        let (expected, announced) = (story.expected(*puller_state, *source_state), story.release(heard));
        assert_eq!(homes.stands(&puller), expected, "{context}");
        match pulled {
            Err(failure) => assert_eq!((failure.exit, heard), (Exit::Missing, 0), "{context}: {failure}"),
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
async fn every_order_of_three_releases_brings_the_newest_that_there_is() {
    check_all(LINE, LINE.states()).await;
}

/// Of the longer story, nodes that have heard of what they have got or of everything; the engine's test has them all.
#[tokio::test(flavor = "multi_thread")]
async fn no_order_brings_what_a_rollback_left_behind() {
    let mut states = ROLLED_BACK.states();
    states.retain(|state| state.heard == state.held || state.heard == ROLLED_BACK.stands.len());
    check_all(ROLLED_BACK, states).await;
}

/// An origin with three releases, a mirror of the second that has heard of the third, and a puller of the first.
struct Three {
    place: Place,
    origin: Node,
    mirror: Node,
    mirror_address: String,
    puller: Node,
}

impl Three {
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
        let said: Vec<_> =
            origin.0.libraries.named("films").unwrap().statements().into_iter().cloned().collect();
        hear(&mirror, &said);
        let mirror_address = mirror.serve(Some("127.0.0.1:0")).await.unwrap().to_string();
        Self { place, origin, mirror, mirror_address, puller }
    }

    async fn pull(&self, library: &str, from: &str) -> Result<Pulled> {
        let (library, from) = (Some(library.to_owned()), Some(from.to_owned()));
        self.puller.pull(Pull { library, from, ..Pull::default() }, &Job::silent()).await
    }
}

/// The mirror announces the third and does not give it: that is said until the third is here, and the mirror is asked first.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_announces_a_release_and_does_not_give_it_is_seen() {
    let three = Three::new().await;
    let pulled = three.pull("films", &three.mirror_address).await.unwrap();
    assert_eq!((pulled.sequence, pulled.changed), (2, true));
    let again = three.pull("films", &three.mirror_address).await.unwrap();
    assert!(again.is_behind() && !again.changed, "{again:?}");
    let lag = lag(&three.puller).await;
    let mirror = three.mirror.id().to_string();
    let announced = lag.announced.clone().unwrap();
    assert_eq!((announced.sequence, announced.by[0].node.as_str()), (Some(3), mirror.as_str()));
    assert_eq!(lag.here.as_ref().map(|here| here.sequence), Some(2));
    let [Asked { node, answer, announces, holds, .. }] = lag.asked.as_slice() else { panic!("{lag:?}") };
    assert_eq!((node, answer.as_str(), *announces, *holds), (&mirror, "behind", true, Some(2)), "{lag:?}");

    let library = three.puller.0.libraries.named("films").unwrap();
    let first = three.puller.0.sources_of(&library, "live", None).unwrap().remove(0);
    assert_eq!(first.node, three.mirror.id(), "who announced it is asked first");
    let whole = pull(&three.puller).await.unwrap();
    assert_eq!((whole.sequence, whole.changed, whole.lag.behind_since_ms), (3, true, None));
    assert!(whole.lag.asked.iter().any(|asked| asked.answer == "brought"), "{whole:?}");
    let lag = super::orders::lag(&three.puller).await;
    assert_eq!((lag.behind_since_ms, lag.asked), (None, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_release_is_pulled_by_its_number_and_takes_the_channel_forward_only() {
    let three = Three::new().await;
    let origin = three.origin.listening().unwrap().to_string();
    let pulled = three.pull("films@2", &origin).await.unwrap();
    assert_eq!((pulled.sequence, pulled.changed), (2, true));
    assert_eq!(lag(&three.puller).await.here.unwrap().sequence, 2);
    three.pull("films", &origin).await.unwrap();
    let place = &three.place;
    let newcomer = place.node("newcomer").await;
    newcomer.join(ticket(&three.origin).await).await.unwrap();
    pull(&newcomer).await.unwrap();
    let by_number = Pull { library: Some("films@1".into()), ..Pull::default() };
    let pulled = newcomer.pull(by_number.clone(), &Job::silent()).await.unwrap();
    assert_eq!((pulled.sequence, pulled.changed), (1, true));
    assert_eq!(pulled.lag.here.unwrap().sequence, 3, "it does not go back");
    let again = newcomer.pull(by_number, &Job::silent()).await.unwrap();
    assert_eq!((again.sequence, again.changed, again.chunks_fetched), (1, false, 0));
    let found = newcomer.0.release(&"films@1".parse().unwrap()).unwrap();
    assert!(newcomer.0.is_complete(&found.library, &found.manifest).unwrap());
    let failure = three.pull("films@7", &origin).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Missing, "{failure}");
    let id = pulled.release[..8].to_owned();
    assert_eq!(three.pull(&format!("films@{id}"), &origin).await.unwrap().sequence, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_come_and_changes_nothing() {
    let three = Three::new().await;
    for (from, sequence) in
        [(three.origin.listening().unwrap().to_string(), 3), (three.mirror_address.clone(), 2)]
    {
        let dry = Pull { dry_run: true, from: Some(from.clone()), ..Pull::default() };
        let dry = three.puller.pull(dry, &Job::silent()).await.unwrap();
        assert_eq!((dry.changed, dry.dry_run, dry.chunks_fetched), (false, true, 0), "{dry:?}");
        assert_eq!(dry.sequence, sequence);
        assert!(dry.chunk_bytes_missing.unwrap() > 0, "{dry:?}");
        assert_eq!(lag(&three.puller).await.here.unwrap().sequence, 1);
        assert!(!three.puller.status().await.unwrap().libraries[0].pull_unfinished);
    }
    let origin = three.origin.listening().unwrap().to_string();
    let dry = Pull { dry_run: true, from: Some(origin.clone()), ..Pull::default() };
    let dry = three.puller.pull(dry, &Job::silent()).await.unwrap();
    let real = three.pull("films", &origin).await.unwrap();
    assert_eq!(
        (dry.chunks_missing, dry.chunk_bytes_missing),
        (Some(real.chunks_fetched), Some(real.chunk_bytes_fetched))
    );
}
