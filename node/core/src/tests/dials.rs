//! A pull dials its sources side by side, over real sockets.

use std::net::UdpSocket;

use super::{mesh::films, *};
use crate::job::{Cancel, Event};

/// The notes of a job that is over.
async fn notes(mut events: crate::job::Events) -> Vec<String> {
    let mut notes = Vec::new();
    while let Some(event) = events.next().await {
        notes.extend(if let Event::Note(note) = event { Some(note) } else { None });
    }
    notes
}

/// Symptom: a source that was off cost each pull five seconds. It is dialled before the live one here; what
/// is judged is that the pull ended before the dial did.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_does_not_wait_for_a_source_that_is_silent() {
    let place = Place::new();
    let origin = place.origin().await;
    let (gone, mirror) = (place.node("gone").await, place.node("mirror").await);
    for node in [&gone, &mirror] {
        node.join(ticket(&origin).await).await.unwrap();
    }
    gone.close().await;
    // The mirror knows all members now, and does not know yet that there is more.
    pull(&mirror).await.unwrap();
    place.write("a.mp4", "two, and longer");
    place.publish(&origin).await.unwrap();
    // A socket that takes datagrams and answers none.
    let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
    hole.set_nonblocking(true).unwrap();
    let address = hole.local_addr().unwrap().to_string();
    mirror.peers().record_dial(&gone.id(), "gone", &[address], &films(&mirror).id()).unwrap();
    let order: Vec<_> = mirror.sources_of(&films(&mirror), "live").unwrap();
    assert_eq!(order.first().map(|source| source.node), Some(gone.id()));

    let (job, events) = Job::watched(Cancel::default());
    let pulled = mirror.pull(Pull::default(), &job).await.unwrap();
    drop(job);
    assert_eq!((pulled.changed, pulled.from), (true, origin.id().to_string()));
    assert!(hole.recv(&mut [0; 2048]).is_ok(), "the silent source was not dialled");
    let notes = notes(events).await;
    let said: Vec<_> = notes.iter().filter(|note| note.contains("gone at 127.0.0.1:")).collect();
    assert!(matches!(&said[..], [note] if note.starts_with("no answer from gone at ")), "{notes:?}");
    let asked: Vec<_> = pulled.lag.asked.iter().map(|asked| (asked.node.clone(), &*asked.answer)).collect();
    assert_eq!(asked, [(gone.id().to_string(), "peer"), (origin.id().to_string(), "brought")]);
    assert_eq!(pulled.lag.asked[0].message.as_deref(), Some("no answer before another node answered"));
}

/// Symptom: `join` gave up at once where the redeemer was busy, and `pull` waited. The redeemer has no place
/// for another connection of this node until its first ones end.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_waits_for_a_redeemer_that_is_busy() {
    let place = Place::new();
    let origin = place.origin().await;
    let joiner = place.node("joiner").await;
    joiner.join(ticket(&origin).await).await.unwrap();
    let key = joiner.context().signing_key();
    let mut held = Vec::new();
    for _ in 0..chuan_net::limits::CONNECTIONS_PER_NODE {
        held.push(super::mesh::dial(&key, &joiner, &origin).await.unwrap());
    }
    let (job, mut events) = Job::watched(Cancel::default());
    let join = crate::commands::join::join(joiner.services(), ticket(&origin).await, &job);
    let free = async {
        let note = loop {
            match events.next().await {
                Some(Event::Note(note)) => break note,
                Some(_) => {}
                None => panic!("the join did not wait"),
            }
        };
        assert!(note.contains("asking it again for up to 24 s"), "{note}");
        held.clear();
    };
    let (joined, ()) = tokio::join!(join, free);
    assert_eq!(joined.unwrap().from, origin.id().to_string());
}
