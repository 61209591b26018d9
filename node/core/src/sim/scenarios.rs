//! The scenarios: the events of a run and the checks of it. Each is a function of its seed.

use std::time::Duration;

use chuan_engine::{
    id::StatementId,
    limits::{BUSY_WAIT_LONGEST, BUSY_WAIT_TOTAL},
    statement::{
        Key,
        library::{member, revoke},
    },
    store::Objects,
    verify::structure,
};
use tokio::time::{Instant, sleep};

use super::{
    content::publish,
    planted::Bug,
    world::{World, membership},
};
use crate::exit::Exit;

/// How long a healed mesh has to converge: three periods of the exchange, and the longest dial.
pub(super) const CONVERGE: Duration = Duration::from_secs(120);
/// How long an undisturbed mesh has to pass a statement on.
pub(super) const CALM: Duration = Duration::from_secs(8);

/// The result of a run: the digest of its trace, or what did not hold, with the end of the trace.
pub(super) type Outcome = Result<(String, u64), String>;

/// A scenario.
pub(super) type Scenario = fn(u64, Option<Bug>) -> Outcome;

/// Statements reach every node, through restarts, losses and partitions: after these are over, all nodes have
/// the same statements, durably.
pub(super) fn exchange(seed: u64, bug: Option<Bug>) -> Outcome {
    run(async move {
        let mut world = World::new(seed, 4, bug).await;
        world.net.set_loss(world.rng.clone().within(0, 25));
        let mut said: Vec<StatementId> = Vec::new();
        for _ in 0..12 {
            disturb(&mut world).await;
            let running = world.running();
            let at = running[world.rng.index(running.len())];
            let subject = Key::from_seed(world.rng.bytes());
            let (now, operator) = (world.services(at).context.now_ms(), world.operator.clone());
            let made = match world.rng.chance(70) {
                true => {
                    world.say(at, |library| member(library, &operator, membership(&subject), now).unwrap())
                }
                false => world
                    .say(at, |library| revoke(library, &operator, subject.node(), "simulated", now).unwrap()),
            };
            said.push(made.id());
            sleep(Duration::from_millis(world.rng.within(0, 20_000))).await;
        }
        calm(&mut world).await;
        sleep(CONVERGE).await;
        let checked = check_statements(&world, &said);
        finish(world, checked).await
    })
}

/// An undisturbed mesh passes a statement on within seconds, not periods.
pub(super) fn calm_exchange(seed: u64, bug: Option<Bug>) -> Outcome {
    run(async move {
        let mut world = World::new(seed, 4, bug).await;
        sleep(CONVERGE).await;
        let mut checked = Ok(());
        for _ in 0..4 {
            let at = world.rng.index(world.nodes.len());
            let subject = Key::from_seed(world.rng.bytes());
            let (now, operator) = (world.services(at).context.now_ms(), world.operator.clone());
            let made =
                world.say(at, |library| member(library, &operator, membership(&subject), now).unwrap());
            sleep(CALM).await;
            checked = checked.and(check_statements(&world, &[made.id()]));
            sleep(Duration::from_millis(world.rng.within(0, 40_000))).await;
        }
        finish(world, checked).await
    })
}

/// Releases reach every mirror by pulls, through restarts, losses and partitions. At every moment, each
/// channel of a home stands on a release whose content is complete there.
pub(super) fn pulls(seed: u64, bug: Option<Bug>) -> Outcome {
    run(async move {
        let mut world = World::new(seed, 4, bug).await;
        world.net.set_loss(world.rng.clone().within(0, 25));
        let mut checked = Ok(());
        for edition in 1..=5 {
            if world.nodes[0].services.is_some() {
                publish(&world.services(0), &world.library, &world.publisher, edition).unwrap();
            }
            for _ in 0..world.rng.within(1, 5) {
                disturb(&mut world).await;
                let running = world.running();
                let at = running[world.rng.index(running.len())];
                if at != 0 {
                    let _ = world.pull(at).await;
                }
                checked = checked.and(check_content(&world));
                sleep(Duration::from_millis(world.rng.within(0, 20_000))).await;
                checked = checked.and(check_content(&world));
            }
        }
        calm(&mut world).await;
        sleep(CONVERGE).await;
        for number in 1..world.nodes.len() {
            let pulled = world.pull(number).await;
            checked = checked.and(pulled.map(drop).map_err(|failure| format!("node {number}: {failure}")));
        }
        checked = checked.and(check_content(&world)).and(check_newest(&world));
        finish(world, checked).await
    })
}

/// A pull waits for a source that is busy for a while. It gives up one that stays busy, in bounded time, and
/// takes the release from another source that has it.
pub(super) fn busy_source(seed: u64, bug: Option<Bug>) -> Outcome {
    run(async move {
        let mut world = World::new(seed, 3, bug).await;
        publish(&world.services(0), &world.library, &world.publisher, 1).unwrap();
        let origin = world.nodes[0].id;
        let busy = Duration::from_millis(world.rng.within(5_000, 15_000));
        world.net.set_busy(origin, busy);
        let begun = Instant::now();
        let pulled = world.pull(2).await.map_err(|failure| format!("while it is busy: {failure}"));
        let waited = begun.elapsed();
        let mut checked = pulled.map(drop);
        if checked.is_ok() && !(busy..busy + 2 * BUSY_WAIT_LONGEST).contains(&waited) {
            checked = Err(format!("busy for {busy:?}, pulled after {waited:?}"));
        }
        publish(&world.services(0), &world.library, &world.publisher, 2).unwrap();
        world.net.set_busy(origin, Duration::from_secs(3600));
        let begun = Instant::now();
        let pulled = world.pull(2).await.map(|pulled| pulled.sequence).map_err(|failure| failure.exit);
        let waited = begun.elapsed();
        // The other node answers that it has the first release, or its address is not known yet. An announcer
        // is asked twice.
        let is_right = matches!(pulled, Ok(1) | Err(Exit::Busy));
        if checked.is_ok() && (!is_right || waited > 3 * BUSY_WAIT_TOTAL) {
            checked = Err(format!("busy for ever: {pulled:?} after {waited:?}"));
        }
        world.net.set_busy(origin, Duration::ZERO);
        finish(world, checked).await
    })
}

/// Runs a scenario in virtual time, on one thread.
pub(super) fn run(scenario: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(scenario)
}

/// Something that goes wrong, or right again, or nothing.
pub(super) async fn disturb(world: &mut World) {
    let number = world.rng.index(world.nodes.len());
    let is_last = world.running().len() == 1;
    match world.rng.within(0, 10) {
        0 if !is_last => world.stop(number).await,
        1 if !is_last => world.kill(number).await,
        2..=4 if world.nodes[number].services.is_none() => world.start(number).await,
        5 | 6 => {
            let other = world.rng.index(world.nodes.len());
            let (one, two) = (world.nodes[number].id, world.nodes[other].id);
            let is_cut = world.rng.chance(50) && number != other;
            world.net.trace(format_args!("link {number}-{other}: cut {is_cut}"));
            world.net.set_cut(one, two, is_cut);
        }
        _ => {}
    }
}

/// Ends all disturbances: every link works, and every node runs.
pub(super) async fn calm(world: &mut World) {
    world.net.heal();
    for number in 0..world.nodes.len() {
        if world.nodes[number].services.is_none() {
            world.start(number).await;
        }
    }
    world.net.trace("calm");
}

/// Fails where a node lacks one of these statements, or has it not durably, or two nodes differ.
fn check_statements(world: &World, said: &[StatementId]) -> Result<(), String> {
    for number in world.running() {
        let services = world.services(number);
        let library = services.library.get(&world.library).ok_or("a node lost its library")?;
        for id in said {
            let statement = library
                .statement(id)
                .ok_or_else(|| format!("node {number} does not know statement {}", id.short()))?;
            let stored = services.context.ledger().statements(Some(&world.library), statement.kind());
            let is_stored = stored.unwrap().iter().any(|kept| kept.id == *id);
            if !is_stored {
                return Err(format!("node {number} shows statement {} that is not durable", id.short()));
            }
        }
    }
    Ok(())
}

/// Fails where a channel of a home stands on a release whose content is not complete there.
pub(super) fn check_content(world: &World) -> Result<(), String> {
    for number in world.running() {
        let services = world.services(number);
        let objects: std::sync::Arc<dyn Objects> = services.context.objects(&world.library);
        for at in services.context.ledger().refs().unwrap() {
            let library = services.library.get(&at.library).ok_or("a node lost its library")?;
            let release = library.release(&at.release).ok_or("a ref names an unknown release")?;
            let report = structure(&*objects, &release.body.manifest, 1).map_err(|error| {
                format!("node {number}: {} stands on a release without content: {error}", at.channel)
            })?;
            let is_whole =
                report.absent.is_empty() && report.classes.iter().all(|class| class.missing.is_empty());
            if !is_whole {
                return Err(format!("node {number}: {} stands on an incomplete release", at.channel));
            }
        }
    }
    Ok(())
}

/// Fails where a home does not have the newest release.
pub(super) fn check_newest(world: &World) -> Result<(), String> {
    let newest = |number: usize| {
        let refs = world.services(number).context.ledger().refs().unwrap();
        refs.first().map(|at| at.release)
    };
    for number in world.running() {
        if newest(number) != newest(0) {
            return Err(format!("node {number} does not have the newest release"));
        }
    }
    Ok(())
}

/// Stops the nodes, and adds the end of the trace to a failure.
pub(super) async fn finish(world: World, checked: Result<(), String>) -> Outcome {
    let text = world.net.text();
    let digest = world.end().await;
    checked.map(|()| digest).map_err(|failed| format!("{text}\n{failed}"))
}
