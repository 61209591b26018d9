//! The scenario `vouching`: timekeepers sign freshness again and again, through restarts, losses and
//! partitions. A model of the connections says which freshness can have reached which node, and no node may
//! show more.

use std::{collections::BTreeMap, time::Duration};

use chuan_engine::{id::StatementId, statement::publishing::LIVE, store::RefMove};
use tokio::time::sleep;

use super::{
    content::publish,
    planted::Bug,
    scenarios::{CALM, CONVERGE, Outcome, calm, disturb, finish, run},
    world::{Timekeepers, World},
};

/// How often a timekeeper vouches.
const PERIOD: Duration = Duration::from_secs(30);
/// The nodes: the origin, two with a timekeeper's key, and one that only reads.
const NODES: usize = 4;
/// The node that only reads.
const READER: usize = 3;

/// The checks of a moment: what did not hold, if anything.
type Checked = Result<(), String>;

/// Freshness reaches every node, and a node shows only freshness that enough timekeepers signed, for the
/// release that it has, and that can have reached it. A release that no timekeeper has heard of stays
/// unvouched.
pub(super) fn vouching(seed: u64, bug: Option<Bug>) -> Outcome {
    run(async move {
        let threshold = u8::try_from(1 + seed % 2).unwrap();
        let timekeepers = Timekeepers { nodes: vec![1, 2], threshold, period: PERIOD };
        let mut world = World::with_timekeepers(seed, NODES, bug, timekeepers).await;
        world.net.set_loss(world.rng.clone().within(0, 25));
        let mut model = Model::new(&world, threshold.into());
        let mut checked = disturbed(&mut world, &mut model).await;
        calm(&mut world).await;
        checked = checked.and(model.check(&world));
        checked = checked.and(converged(&world, &mut model).await);
        checked = checked.and(unvouched(&mut world, &mut model).await);
        checked = checked.and(converged(&world, &mut model).await);
        finish(world, checked).await
    })
}

/// Releases and pulls, while nodes stop and start and links are cut.
async fn disturbed(world: &mut World, model: &mut Model) -> Checked {
    let mut checked = Ok(());
    for edition in 1..=4 {
        if world.nodes[0].services.is_some() {
            checked = checked.and(release(world, model, edition));
        }
        for _ in 0..world.rng.within(1, 5) {
            match world.rng.within(0, 5) {
                0 => isolate(world, true),
                1 => isolate(world, false),
                _ => disturb(world).await,
            }
            checked = checked.and(model.check(world));
            let running = world.running();
            let at = running[world.rng.index(running.len())];
            if at != 0 {
                let _ = world.pull(at).await;
                checked = checked.and(model.check(world));
            }
            sleep(Duration::from_millis(world.rng.within(0, 40_000))).await;
            checked = checked.and(model.check(world));
        }
    }
    checked
}

/// Publishes a release at the origin.
fn release(world: &World, model: &mut Model, edition: u64) -> Checked {
    publish(&world.services(0), &world.library, &world.publisher, edition).unwrap();
    let services = world.services(0);
    let library = services.library.get(&world.library).unwrap();
    let said = library.channel(LIVE).unwrap().statement;
    world.net.trace(format_args!("release {edition}: {}", said.id().short()));
    model.releases.push(Said { id: said.id(), at_ms: said.time_ms() });
    model.check(world)
}

/// Cuts or restores all links of one timekeeper's node.
fn isolate(world: &mut World, is_cut: bool) {
    let keeper = world.keepers[world.rng.index(world.keepers.len())];
    world.net.trace(format_args!("links of {keeper}: cut {is_cut}"));
    for other in (0..world.nodes.len()).filter(|other| *other != keeper) {
        world.net.set_cut(world.nodes[keeper].id, world.nodes[other].id, is_cut);
    }
}

/// In a calm mesh, every node pulls the newest release, and shows that it was vouched for within a period.
async fn converged(world: &World, model: &mut Model) -> Checked {
    sleep(CONVERGE).await;
    let mut checked = model.check(world);
    for number in 1..world.nodes.len() {
        let pulled = world.pull(number).await;
        checked = checked.and(pulled.map(drop).map_err(|failure| format!("node {number}: {failure}")));
    }
    sleep(PERIOD).await;
    checked = checked.and(model.check(world));
    for number in world.running() {
        let age = age_at(world, number);
        if age.is_none_or(|age| age > (PERIOD + CALM).as_secs()) {
            return checked.and(Err(format!("node {number} shows an age of {age:?} in a calm mesh")));
        }
    }
    checked
}

/// The timekeepers are cut off, and a release comes: the nodes that have it show no freshness. Restores the
/// links at the end.
async fn unvouched(world: &mut World, model: &mut Model) -> Checked {
    for keeper in world.keepers.clone() {
        for other in [0, READER] {
            world.net.set_cut(world.nodes[keeper].id, world.nodes[other].id, true);
        }
    }
    world.net.trace("the timekeepers are cut off");
    let mut checked = model.check(world);
    sleep(Duration::from_millis(world.rng.within(0, 40_000))).await;
    checked = checked.and(model.check(world));
    checked = checked.and(release(world, model, 5));
    sleep(CALM).await;
    let pulled = world.pull(READER).await;
    checked = checked.and(pulled.map(drop).map_err(|failure| format!("the reader: {failure}")));
    if refs_at(world, READER) != refs_at(world, 0) {
        checked = checked.and(Err("the reader does not have the unvouched release".to_owned()));
    }
    for _ in 0..3 {
        sleep(PERIOD).await;
        checked = checked.and(model.check(world));
        for number in [0, READER] {
            if let Some(age) = age_at(world, number) {
                let failed = format!("node {number} shows an age of {age} s for an unvouched release");
                checked = checked.and(Err(failed));
            }
        }
    }
    world.net.heal();
    world.net.trace("the timekeepers are back");
    checked.and(model.check(world))
}

/// The releases on which the channels of a running node stand.
fn refs_at(world: &World, number: usize) -> Vec<RefMove> {
    world.services(number).context.ledger().refs().unwrap()
}

/// The age of the freshness that a running node shows, in seconds.
fn age_at(world: &World, number: usize) -> Option<u64> {
    let services = world.services(number);
    let library = services.library.get(&world.library)?;
    services.library.fresh_age_here(&library, LIVE).unwrap()
}

/// A statement that moved the channel.
#[derive(Debug)]
struct Said {
    id: StatementId,
    at_ms: i64,
}

/// The mesh at a moment.
#[derive(Debug)]
struct Mesh {
    /// For each running node, the running nodes that it can reach, directly or through others. It reaches
    /// itself.
    reach: BTreeMap<usize, Vec<usize>>,
    /// The newest channel statement that each timekeeper's node knows, as its place in [`Model::releases`].
    /// That of a node that is down is the one that it knew before.
    known: Vec<Option<usize>>,
}

/// A place in [`Model::latest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// A channel statement.
    release: usize,
    /// A timekeeper.
    keeper: usize,
    /// A node that may have heard the timekeeper.
    node: usize,
}

/// An upper bound of the freshness that each node can know. It follows from the connections alone, and from
/// the channel statements that the timekeepers' nodes know.
#[derive(Debug)]
struct Model {
    threshold: usize,
    /// The channel statements, in their order.
    releases: Vec<Said>,
    /// The last time of a freshness statement that can exist and can have reached a node.
    latest: BTreeMap<Place, i64>,
    /// The mesh after the last event.
    mesh: Mesh,
}

impl Model {
    fn new(world: &World, threshold: usize) -> Self {
        let mesh = Mesh { reach: reach(world), known: vec![None; world.keepers.len()] };
        Self { threshold, releases: Vec::new(), latest: BTreeMap::new(), mesh }
    }

    /// Takes in an event, or the time that has passed since the last one, and fails where a node shows more
    /// than can have reached it. An event changes the mesh before it lets time pass, or after: either mesh
    /// can have carried statements.
    fn check(&mut self, world: &World) -> Checked {
        let now = world.now_ms();
        let after = self.mesh_now(world);
        for reach in [&self.mesh.reach, &after.reach] {
            for (keeper, node) in world.keepers.iter().enumerate() {
                let Some(last) = self.newest_signed(world, &after, keeper) else { continue };
                let first = self.mesh.known[keeper].unwrap_or(0);
                for heard in reach.get(node).into_iter().flatten() {
                    for release in first..=last {
                        self.latest.insert(Place { release, keeper, node: *heard }, now);
                    }
                }
            }
            spread(&mut self.latest, reach);
        }
        self.mesh = after;
        world.running().into_iter().try_for_each(|number| self.check_node(world, number, now))
    }

    fn mesh_now(&self, world: &World) -> Mesh {
        let known_at = |node: usize| {
            let services = world.nodes[node].services.as_ref()?;
            let library = services.library.get(&world.library)?;
            let current = library.channel(LIVE)?.statement.id();
            self.place_of(&current)
        };
        let known = world.keepers.iter().zip(&self.mesh.known);
        let known = known.map(|(node, before)| known_at(*node).max(*before)).collect();
        Mesh { reach: reach(world), known }
    }

    /// The newest channel statement for which a timekeeper can have signed since the last event. A node that
    /// was stopped meanwhile may have learned any before.
    fn newest_signed(&self, world: &World, after: &Mesh, keeper: usize) -> Option<usize> {
        match world.nodes[world.keepers[keeper]].services {
            Some(_) => after.known[keeper],
            None => self.releases.len().checked_sub(1),
        }
    }

    fn place_of(&self, statement: &StatementId) -> Option<usize> {
        self.releases.iter().position(|said| said.id == *statement)
    }

    /// Fails where a node shows a newer freshness, or a shorter staleness, than it can know.
    fn check_node(&self, world: &World, number: usize, now: i64) -> Checked {
        let services = world.services(number);
        let Some(library) = services.library.get(&world.library) else {
            return Err(format!("node {number} lost its library"));
        };
        let Some(here) = services.library.ref_of(&library, LIVE).unwrap() else { return Ok(()) };
        let place = self.place_of(&here.statement).ok_or("a ref names an unknown statement")?;
        let vouched = self.vouched(place, number);
        let age = services.library.fresh_age_here(&library, LIVE).unwrap();
        world.net.trace(format_args!("{number} has release {place} and shows an age of {age:?}"));
        if let Some(age) = age {
            let seconds = i64::try_from(age).unwrap();
            // The age is rounded down to a second.
            let at_least = now - 1000 * seconds - 999;
            if vouched.is_none_or(|vouched| vouched < at_least) {
                return Err(format!(
                    "node {number} shows an age of {age} s, but can know only of freshness at {vouched:?} (it is {now})"
                ));
            }
        }
        // Where the channel has moved on, the release was current until then.
        let moved = self.releases.get(place + 1).unwrap_or(&self.releases[place]).at_ms;
        let staleness = services.library.staleness_ms(&library, LIVE).unwrap();
        let current_at = staleness.map(|ms| now - i64::try_from(ms).unwrap());
        match current_at.filter(|current_at| *current_at > moved.max(vouched.unwrap_or(moved))) {
            Some(at) => Err(format!("node {number} shows that its release was current at {at}")),
            None => Ok(()),
        }
    }

    /// The last time at which enough timekeepers can have vouched for a channel statement, as far as a node
    /// can know.
    fn vouched(&self, release: usize, node: usize) -> Option<i64> {
        let all = (0..self.mesh.known.len())
            .filter_map(|keeper| self.latest.get(&Place { release, keeper, node }).copied());
        let mut all: Vec<i64> = all.collect();
        all.sort_unstable();
        all.iter().rev().nth(self.threshold - 1).copied()
    }
}

/// Gives every node the freshness that the nodes in its reach know.
fn spread(latest: &mut BTreeMap<Place, i64>, reach: &BTreeMap<usize, Vec<usize>>) {
    for (place, time) in latest.clone() {
        for node in reach.get(&place.node).into_iter().flatten() {
            let known = latest.entry(Place { node: *node, ..place }).or_insert(time);
            *known = time.max(*known);
        }
    }
}

/// For each running node, the running nodes that it can reach, directly or through others.
fn reach(world: &World) -> BTreeMap<usize, Vec<usize>> {
    let running = world.running();
    let is_linked = |one: usize, other: usize| !world.net.is_cut(world.nodes[one].id, world.nodes[other].id);
    let reach_of = |from: usize| {
        let mut reached = vec![from];
        let mut next = 0;
        while let Some(at) = reached.get(next).copied() {
            let further = running.iter().filter(|to| !reached.contains(to) && is_linked(at, **to));
            reached.extend(further.copied().collect::<Vec<_>>());
            next += 1;
        }
        reached
    };
    running.iter().map(|from| (*from, reach_of(*from))).collect()
}
