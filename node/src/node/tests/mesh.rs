//! Several nodes that hear from each other: what reaches whom, and what happens to keys on the way.

use std::time::{Duration, Instant};

use chuan_engine::{
    id::LibraryId,
    statement::{
        Accepted, Body, Header, Key, Member, Role as Named, RoleKind, Statement,
        library::{self as author, succession},
    },
};
use chuan_net::{Connection, Endpoint, Error as NetError, Identity};

use super::*;
use crate::{command::Rotate, job::Event, keyring::Keyring};

/// Waits for `is` to become true; what is waited for takes milliseconds, and a machine under load a few seconds.
pub(super) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn films(node: &Node) -> Arc<Library> {
    node.0.libraries.named("films").unwrap()
}

pub(super) fn role_key(origin: &Node, role: RoleKind) -> Key {
    let keys = Keyring::of_home(origin.0.home.clone()).role_keys(&films(origin), role).unwrap();
    keys.into_iter().next().unwrap()
}

/// A mirror that has joined, listens and has pulled.
pub(super) async fn mirror(place: &Place, origin: &Node, name: &str) -> Node {
    let mirror = place.node(name).await;
    mirror.serve(Some("127.0.0.1:0")).await.unwrap();
    mirror.join(ticket(origin).await).await.unwrap();
    pull(&mirror).await.unwrap();
    mirror
}

/// Puts a finished statement into a home, as a command of its own would.
pub(super) fn say(node: &Node, statement: Statement) {
    let id: LibraryId = statement.library();
    let outcomes = node.0.libraries.take(&id, &[statement], false, now_ms(), |_, _| Ok(())).unwrap();
    assert!(matches!(outcomes.as_slice(), [Ok(Accepted::New)]), "{outcomes:?}");
}

/// A connection as whoever has `key` makes it, in the name of `member`.
async fn dial(key: &Key, member: &Node, to: &Node) -> Result<Connection, NetError> {
    let endpoint = Endpoint::dialler(Identity::of_node(member.id(), key.clone())).unwrap();
    let address = to.listening().unwrap().to_string();
    let hello = member.0.hello(Some(&films(member)), None).unwrap();
    Connection::open(&endpoint, &[address], to.id(), &hello).await
}

/// An operator speaks at one node, through whichever; all others hear of it and close what the node had open. Nothing
/// changes that when they start again.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_every_peer() {
    let place = Place::new();
    let origin = place.origin().await;
    let one = mirror(&place, &origin, "one").await;
    let two = mirror(&place, &origin, "two").await;
    let stolen = mirror(&place, &origin, "stolen").await;
    let peers = [&origin, &one, &two];
    until("everybody knows the stolen node", || {
        peers.iter().all(|peer| films(peer).is_member(&stolen.id(), now_ms()))
    })
    .await;
    stolen.close().await;
    let thief = stolen.0.key();
    let mut open = Vec::new();
    for peer in peers {
        let connection = dial(&thief, &stolen, peer).await.unwrap();
        connection.exchange((*films(&stolen)).clone()).await.unwrap();
        open.push(connection);
    }

    let begun = Instant::now();
    let revoked =
        author::revoke(&films(&two), &role_key(&origin, RoleKind::Operator), stolen.id(), "stolen", now_ms())
            .unwrap();
    say(&two, revoked);
    for connection in &open {
        let closed = async {
            while connection.exchange((*films(&stolen)).clone()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), closed)
            .await
            .expect("every peer closes the connection");
    }
    println!("all of 3 peers closed the revoked node's connections after {:?}", begun.elapsed());

    one.close().await;
    drop(one);
    let one = Node::open(&place.path("one")).await.unwrap();
    one.serve(Some("127.0.0.1:0")).await.unwrap();
    let again = dial(&thief, &stolen, &one).await.unwrap();
    let error = again.exchange((*films(&stolen)).clone()).await.unwrap_err();
    assert!(matches!(error, NetError::Refused { .. }), "{error:?}");
}

/// One ticket, two redeemers that cannot reach each other, two nodes: both get in, and out again when the two halves meet.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_redeemed_on_both_sides_of_a_partition_suspends_both() {
    let place = Place::new();
    let origin = place.origin().await;
    let one = mirror(&place, &origin, "one").await;
    let two = mirror(&place, &origin, "two").await;
    until("everybody knows everybody", || {
        [&origin, &one, &two].iter().all(|node| films(node).members().len() == 3)
    })
    .await;
    until("everybody knows where the others are", || {
        [&origin, &one, &two].iter().all(|node| node.0.home.peers().unwrap().iter().count() == 2)
    })
    .await;
    let ticket = ticket(&origin).await;
    let ticket_id = chuan_engine::statement::Ticket::parse(&ticket.ticket).unwrap().statement;
    until("both redeemers know the ticket", || {
        [&one, &two].iter().all(|node| films(node).ticket(&ticket_id).is_some())
    })
    .await;
    // Nobody is needed but a redeemer: the node that made the ticket is gone.
    origin.close().await;
    let (address_one, address_two) = (one.listening().unwrap(), two.listening().unwrap());
    two.close().await;
    drop(two);
    let three = place.node("three").await;
    let joined = three.join(ticket.clone()).await.unwrap();
    assert_eq!(joined.from, one.id().to_string());
    assert!(films(&one).is_member(&three.id(), now_ms()));

    one.close().await;
    drop(one);
    let two = Node::open(&place.path("two")).await.unwrap();
    two.serve(Some(&address_two.to_string())).await.unwrap();
    let four = place.node("four").await;
    let joined = four.join(ticket).await.unwrap();
    assert_eq!(joined.from, two.id().to_string());

    let one = Node::open(&place.path("one")).await.unwrap();
    one.serve(Some(&address_one.to_string())).await.unwrap();
    until("both halves know of both", || {
        [&one, &two].iter().all(|node| {
            let films = films(node);
            films.is_suspended(&three.id()) && films.is_suspended(&four.id()) && films.conflicts().len() == 1
        })
    })
    .await;
    let error = pull(&three).await.unwrap_err();
    assert_eq!(error.exit, Exit::Denied, "{error}");
}

/// Every kind of key is replaced while a gigabyte is on its way: the pull ends well, and what comes after it is under the
/// new keys, of the same node with the same grants.
#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_replaced_while_a_pull_runs() {
    let place = Place::new();
    let size: usize =
        std::env::var("CHUAN_ROTATION_BYTES").ok().and_then(|n| n.parse().ok()).unwrap_or(1 << 30);
    let origin = place.origin().await;
    let mirror = mirror(&place, &origin, "mirror").await;
    let mut noise = vec![0u8; size];
    noise_into(&mut noise);
    std::fs::write(place.path("films").join("large.bin"), &noise).unwrap();
    drop(noise);
    let published = place.publish(&origin).await.unwrap();

    let (events, mut told) = tokio::sync::mpsc::channel(64);
    let job = Job::new(events, Cancel::default());
    let puller = mirror.clone();
    let pulling = tokio::spawn(async move { puller.pull(Pull::default(), &job).await });
    while let Some(event) = told.recv().await {
        if matches!(&event, Event::Progress(progress) if progress.bytes_done > 0) {
            break;
        }
    }
    let drain = tokio::spawn(async move { while told.recv().await.is_some() {} });
    let before = films(&origin);
    let keys_before = [origin.0.key().public(), mirror.0.key().public()];
    origin.rotate(Rotate::default()).await.unwrap();
    mirror.rotate(Rotate::default()).await.unwrap();
    let [root, operator, publisher, timekeeper] = [21, 22, 23, 24].map(|seed| Key::from_seed([seed; 32]));
    let old_root = role_key(&origin, RoleKind::Root);
    let mut body = before.root().unwrap().clone();
    body.version = 2;
    body.roles = vec![
        Named::any_of(RoleKind::Root, [root.public()]),
        Named::any_of(RoleKind::Operator, [operator.public()]),
        Named::any_of(RoleKind::Publisher, [publisher.public()]),
        Named::any_of(RoleKind::Timekeeper, [timekeeper.public()]),
    ];
    body.pins =
        before.statements().iter().filter(|s| !matches!(s.body(), Body::Root(_))).map(|s| s.id()).collect();
    body.pins.sort();
    let header = Header { library: Some(before.id()), sequence: 2, time_ms: now_ms() };
    say(&origin, Statement::sign(header, &Body::Root(body), &[&old_root, &root]).unwrap());
    assert!(!pulling.is_finished(), "the keys were replaced while the pull ran; give it more bytes");
    let pulled = pulling.await.unwrap().unwrap();
    drain.await.unwrap();
    assert_eq!(pulled.release, published.release);

    until("the mirror knows the new root", || films(&mirror).root().unwrap().version == 2).await;
    let again = pull(&mirror).await.unwrap();
    assert!(!again.changed);
    for (node, before) in [&origin, &mirror].into_iter().zip(keys_before) {
        let library = films(&mirror);
        assert_eq!(library.key_of(&node.id()), Some(node.0.key().public()));
        assert_ne!(node.0.key().public(), before);
        assert!(library.may(&node.id(), "default", chuan_engine::statement::Verbs::PULL, now_ms()));
    }
    let connection = dial(&mirror.0.key(), &mirror, &origin).await.unwrap();
    assert_eq!(connection.peer().key, origin.0.key().public());
    // The root's new keys are those that count.
    let granted = |key: &Key| {
        let body =
            Member { name: "again".into(), ..films(&origin).member(&mirror.id()).unwrap().body.clone() };
        author::member(&films(&origin), key, Member { ticket: None, ..body }, now_ms()).unwrap()
    };
    say(&origin, granted(&operator));
    assert_eq!(films(&origin).member(&mirror.id()).unwrap().body.name, "again");

    // And when both start again.
    mirror.close().await;
    let id = mirror.id();
    drop(mirror);
    let mirror = Node::open(&place.path("mirror")).await.unwrap();
    assert_eq!(mirror.id(), id);
    pull(&mirror).await.unwrap();
}

/// A crash between a new key and its becoming the node's is finished where anybody was told, and else undone.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_cut_short_is_finished_or_undone() {
    let place = Place::new();
    let origin = place.origin().await;
    let (id, old) = (origin.id(), origin.0.key());
    let home = origin.0.home.clone();
    home.keep_next_key(&Key::from_seed([31; 32])).unwrap();
    origin.close().await;
    drop(origin);
    let origin = Node::open(&place.path("origin")).await.unwrap();
    assert_eq!((origin.id(), origin.0.key().public()), (id, old.public()), "nobody was told");
    assert!(home.next_key().unwrap().is_none());

    let new = Key::from_seed([32; 32]);
    home.keep_next_key(&new).unwrap();
    say(&origin, succession(&films(&origin), id, &old, &new, 0, now_ms()).unwrap());
    origin.close().await;
    drop(origin);
    let origin = Node::open(&place.path("origin")).await.unwrap();
    assert_eq!((origin.id(), origin.0.key().public()), (id, new.public()));
    assert_eq!(home.node_key().unwrap().public(), new.public());
}

/// Bytes that no chunk shares with another.
fn noise_into(out: &mut [u8]) {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for word in out.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
}
