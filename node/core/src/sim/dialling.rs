//! Pulls from sources of which some do not answer, or are busy: how long they take, in virtual time.

use std::{sync::Arc, time::Duration};

use chuan_engine::limits::{BUSY_WAIT_LONGEST, SOURCE_GRACE, SOURCE_STAGGER};
use tokio::time::{Instant, sleep};

use super::{content::publish, scenarios::run, world::World};
use crate::{
    command::Pull,
    exit::Exit,
    job::{Cancel, Event, Job},
    outcome::Pulled,
    pull,
};

/// The delay of each message: equal in all runs, so that their times can be compared.
const DELAY_MS: u64 = 10;

/// A pull, and what was seen of it.
struct Seen {
    took: Duration,
    pulled: Pulled,
    notes: Vec<String>,
}

/// Pulls at node 2, whose sources are in this order. The nodes that are `down` do not answer; the first
/// source is out of reach for the time of `cut`.
async fn pulled(order: &[usize], down: &[usize], cut: Option<Duration>) -> Result<Seen, String> {
    let mut world = World::new(1, 4, None).await;
    world.net.set_delay(DELAY_MS, DELAY_MS + 1);
    publish(&world.services(0), &world.library, &world.publisher, 1).unwrap();
    for number in down {
        world.stop(*number).await;
    }
    let services = world.services(2);
    services.peers.clear();
    // The peer that was reached last comes first.
    for number in order.iter().rev() {
        let (node, address) = (world.nodes[*number].id, world.address(*number));
        services.peers.record_dial(&node, &format!("node-{number}"), &[address], &world.library).unwrap();
    }
    if let Some(cut) = cut {
        let (net, one, two) = (Arc::clone(&world.net), world.nodes[order[0]].id, world.nodes[2].id);
        net.set_cut(one, two, true);
        tokio::spawn(async move {
            sleep(cut).await;
            net.set_cut(one, two, false);
        });
    }
    let (job, mut events) = Job::watched(Cancel::default());
    let begun = Instant::now();
    let pulled = pull::pull(&services, Pull::default(), &job).await.map_err(|failure| failure.to_string());
    let took = begun.elapsed();
    drop(job);
    let mut notes = Vec::new();
    while let Some(event) = events.next().await {
        notes.extend(if let Event::Note(note) = event { Some(note) } else { None });
    }
    world.end().await;
    Ok(Seen { took, pulled: pulled?, notes })
}

/// Runs in virtual time; a run needs a result that the scenarios have.
fn seen(order: &[usize], down: &[usize], cut: Option<Duration>) -> Seen {
    let mut seen = None;
    run(async {
        seen = Some(pulled(order, down, cut).await?);
        Ok((String::new(), 0))
    })
    .unwrap();
    seen.unwrap()
}

/// Symptom: a source that was off cost each pull five seconds, after one of which it was named. Cause:
/// sources were dialled one after the other.
#[test]
fn a_dead_source_costs_a_stagger() {
    let alone = seen(&[0], &[], None);
    assert!(alone.pulled.changed && alone.notes.is_empty(), "{:?}", alone.notes);
    let one = seen(&[1, 0], &[1], None);
    assert!(one.pulled.changed);
    assert!(
        one.took > alone.took + SOURCE_STAGGER - Duration::from_millis(DELAY_MS),
        "the dead one was dialled"
    );
    assert!(one.took <= alone.took + SOURCE_GRACE, "{:?} alone, {:?} beside it", alone.took, one.took);
    assert!(
        matches!(&one.notes[..], [note] if note.starts_with("no answer from node-1 at ")),
        "{:?}",
        one.notes
    );
    let two = seen(&[1, 3, 0], &[1, 3], None);
    assert!(two.took <= alone.took + SOURCE_STAGGER + SOURCE_GRACE, "{:?}", two.took);
    assert!(
        matches!(&two.notes[..], [note] if note.contains("node-1 at ") && note.contains(", node-3 at ")),
        "{:?}",
        two.notes
    );
    // Behind the live one it costs nothing.
    let behind = seen(&[0, 1], &[1], None);
    assert_eq!((behind.took, behind.notes), (alone.took, vec![]));
}

/// A source that answers too late is not left out: it is asked again where the others lack the release.
#[test]
fn a_silent_source_is_asked_again_after_all_others() {
    let alone = seen(&[0], &[], None);
    let late = seen(&[0, 3], &[], Some(SOURCE_GRACE));
    assert!(late.pulled.changed && late.pulled.address == "10.0.0.1:4040", "{}", late.pulled.address);
    assert!(
        matches!(&late.notes[..], [note] if note.starts_with("no answer from node-0 at ")),
        "{:?}",
        late.notes
    );
    assert!(late.took < alone.took + 2 * SOURCE_GRACE, "{:?} alone, {:?} late", alone.took, late.took);
}

/// The waits for a busy source are not spent while another source could be asked.
#[test]
fn a_busy_source_does_not_hold_up_others() {
    let outcome = run(async {
        let world = World::new(1, 3, None).await;
        publish(&world.services(0), &world.library, &world.publisher, 1).unwrap();
        let (origin, address) = (world.nodes[0].id, world.address(0));
        world.services(1).peers.record_dial(&origin, "", &[address], &world.library).unwrap();
        world.pull(1).await.map_err(|failure| format!("before: {failure}"))?;
        world.net.set_busy(origin, Duration::from_secs(3600));
        let services = world.services(2);
        services.peers.clear();
        for number in [1, 0] {
            let (node, address) = (world.nodes[number].id, world.address(number));
            services.peers.record_dial(&node, "", &[address], &world.library).unwrap();
        }
        let begun = Instant::now();
        let pulled = world.pull(2).await.map_err(|failure| failure.to_string())?;
        assert_eq!(pulled.from, world.nodes[1].id.to_string());
        assert!(begun.elapsed() < BUSY_WAIT_LONGEST, "{:?}", begun.elapsed());
        Ok(world.end().await)
    });
    outcome.unwrap();
}

/// Symptom: a source that sent junk held a pull for ever, and the next source was never asked. The source
/// here repeats a chunk that the pull has already.
#[test]
fn after_a_source_of_junk_the_next_one_is_asked() {
    let outcome = run(async {
        let world = World::new(1, 3, None).await;
        let [origin, junk, me] = [0, 1, 2].map(|number| world.nodes[number].id);
        // Announcers of a release are asked first: the origin is not known as one.
        world.net.set_cut(origin, me, true);
        publish(&world.services(0), &world.library, &world.publisher, 1).unwrap();
        world.services(1).peers.record_dial(&origin, "", &[world.address(0)], &world.library).unwrap();
        world.pull(1).await.map_err(|failure| format!("before: {failure}"))?;
        world.net.set_cut(origin, me, false);
        world.net.set_repeats(junk);
        let services = world.services(2);
        services.peers.clear();
        // The peer that was reached last comes first.
        for number in [0, 1] {
            let (node, address) = (world.nodes[number].id, world.address(number));
            services.peers.record_dial(&node, "", &[address], &world.library).unwrap();
        }
        let pulled = world.pull(2).await.map_err(|failure| failure.to_string())?;
        assert!(pulled.changed && pulled.from == origin.to_string(), "{pulled:?}");
        let asked = &pulled.lag.asked;
        let answer = asked.iter().find(|asked| asked.node == junk.to_string()).expect("it was asked first");
        assert_eq!(answer.answer, Exit::Peer.code(), "{answer:?}");
        assert!(answer.message.as_ref().is_some_and(|text| text.contains("no use")), "{answer:?}");
        Ok(world.end().await)
    });
    outcome.unwrap();
}
