//! How long a command waits for the peers that it asks, in virtual time.

use std::time::Duration;

use chuan_api::node_event::NodeEvent;
use tokio::time::{Instant, sleep};

use super::{
    scenarios::{CONVERGE, finish, run},
    world::World,
};
use crate::{
    context::Next,
    exchange::Reach,
    job::{Cancel, Event, Job},
};

/// The longest wait where no peer answers.
const UNANSWERED: Duration = Duration::from_secs(3);
/// The longest wait for a peer that did not answer a short time ago.
const FORGIVEN: Duration = Duration::from_millis(500);
/// More than the time for which a peer counts as silent.
const LATER: Duration = Duration::from_secs(61);
/// Longer than a dial of the simulation.
const SOON: Duration = Duration::from_secs(10);

/// Asks all peers of node 0; returns the notes, too.
async fn ask(world: &World) -> (Reach, Duration, Vec<String>) {
    let (job, mut events) = Job::watched(Cancel::default());
    let begun = Instant::now();
    let reach = world.services(0).exchange.ask_all(&world.library, &job).await.unwrap();
    let took = begun.elapsed();
    let mut notes = Vec::new();
    while let Some(event) = events.try_next() {
        if let Event::Note(note) = event {
            notes.push(note);
        }
    }
    (reach, took, notes)
}

async fn tell(world: &World) -> Duration {
    let begun = Instant::now();
    world.services(0).exchange.pass_on(&world.library, &Job::silent()).await;
    begun.elapsed()
}

fn cut(world: &World, others: &[usize], is_cut: bool) {
    for other in others {
        world.net.set_cut(world.nodes[0].id, world.nodes[*other].id, is_cut);
    }
}

/// Symptom: with three peers down, each act of an operator waited 11 s, and said nothing. Cause: it waited 10
/// s for peers that did not answer, each time.
#[test]
fn peers_that_are_down_cost_a_command_little_time() {
    let ran = run(async {
        let mut world = World::new(7, 4, None).await;
        sleep(CONVERGE).await;
        let (reach, took, notes) = ask(&world).await;
        assert_eq!((reach.known, reach.reached), (3, 3));
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert!(notes.is_empty(), "{notes:?}");

        cut(&world, &[1, 2, 3], true);
        let (reach, took, notes) = ask(&world).await;
        // A dial may fail before the command stops waiting for it.
        assert_eq!((reach.reached, reach.waited), (0, took));
        assert!((FORGIVEN..=UNANSWERED).contains(&took), "{took:?}");
        assert_eq!(notes.len(), 1, "{notes:?}");
        for peer in 1..4 {
            let address = format!("10.0.0.{}:4040", peer + 1);
            assert!(notes[0].starts_with("waiting for ") && notes[0].contains(&address), "{notes:?}");
        }
        // They are remembered, also over a restart, and for a minute only.
        sleep(SOON).await;
        assert!(ask(&world).await.1 <= FORGIVEN);
        world.stop(0).await;
        world.start(0).await;
        sleep(SOON).await;
        assert!(ask(&world).await.1 <= FORGIVEN);
        assert!(tell(&world).await <= FORGIVEN);
        sleep(LATER).await;
        let took = ask(&world).await.1;
        assert!((FORGIVEN..=UNANSWERED).contains(&took), "{took:?}");

        // One answers: the others get two seconds more, and then half a second in all.
        cut(&world, &[1], false);
        sleep(LATER).await;
        let (reach, took, _) = ask(&world).await;
        assert_eq!((reach.known, reach.reached), (3, 1));
        assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&took), "{took:?}");
        sleep(SOON).await;
        let (reach, took, _) = ask(&world).await;
        assert!(reach.reached == 1 && took < Duration::from_secs(1), "{took:?}");

        // A peer that is back is a peer like any other, as soon as it has answered once.
        cut(&world, &[2, 3], false);
        sleep(CONVERGE).await;
        assert_eq!(ask(&world).await.0.reached, 3);
        cut(&world, &[2], true);
        let (reach, took, _) = ask(&world).await;
        assert!(reach.reached == 2 && took >= Duration::from_secs(2), "{took:?}");
        finish(world, Ok(())).await
    });
    ran.unwrap();
}

/// The only peer is waited for before each act: no other node has its statements. After an act it is not.
#[test]
fn the_only_peer_is_waited_for_before_each_act() {
    let ran = run(async {
        let world = World::new(8, 2, None).await;
        sleep(CONVERGE).await;
        cut(&world, &[1], true);
        for _ in 0..2 {
            let took = ask(&world).await.1;
            assert!((FORGIVEN..=UNANSWERED).contains(&took), "{took:?}");
            sleep(SOON).await;
        }
        assert!(tell(&world).await <= FORGIVEN);
        finish(world, Ok(())).await
    });
    ran.unwrap();
}

/// Symptom: `serve` said nothing when a peer was gone, and nothing when it was back.
#[test]
fn a_peer_that_is_lost_and_back_is_reported() {
    let ran = run(async {
        let world = World::new(8, 2, None).await;
        sleep(CONVERGE).await;
        let mut events = world.services(0).context.events.subscribe();
        let (library, node) = (world.library.to_string(), world.nodes[1].id.to_string());
        for is_lost in [true, false] {
            cut(&world, &[1], is_lost);
            sleep(CONVERGE).await;
        }
        world.services(0).context.events.end();
        let mut seen = Vec::new();
        while let Some(next) = events.next().await {
            let Next::Event(stamped) = next else { return Err("an event was missed".to_owned()) };
            seen.push(stamped.event);
        }
        let about_peers =
            |event: &NodeEvent| matches!(event, NodeEvent::PeerLost { .. } | NodeEvent::PeerReached { .. });
        seen.retain(about_peers);
        let lost = NodeEvent::PeerLost { library: library.clone(), node: node.clone() };
        assert_eq!(seen, [lost, NodeEvent::PeerReached { library, node }]);
        finish(world, Ok(())).await
    });
    ran.unwrap();
}
