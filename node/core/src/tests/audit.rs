//! The events that a node records in its audit log, and the acts that it refuses while the log cannot be
//! written.

use std::{net::SocketAddr, os::unix::fs::symlink};

use chuan_engine::statement::{Body, Header, Key, RoleKind, Root, Statement};
use chuan_net::{Connection, Endpoint, Identity, PeerKey, serve::Refused};

use super::*;
use crate::{
    audit_log::verify_files,
    authority,
    command::{Cat, Envelope, Grant, Keys, Offer, Revoke, Rollback, Rotate, SetChannel, Signed},
    keyring::Keyring,
    outcome::{AuditActor, AuditRecord},
    session::Session,
};

/// All records of a node's audit log.
pub(super) fn read_log(node: &Node) -> Vec<AuditRecord> {
    let mut records = Vec::new();
    let each = |record: &_, id| {
        records.push(crate::audit_log::line::shown(record, id));
        Ok(std::ops::ControlFlow::Continue(()))
    };
    node.context().log.files().records(0, each).unwrap();
    records
}

fn verbs(node: &Node) -> Vec<String> {
    read_log(node).into_iter().map(|record| record.verb).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_nodes_of_a_join_and_a_pull_record_them() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    pull(&mirror).await.unwrap();
    pull(&mirror).await.unwrap();
    mirror.rebuild(&Job::silent()).await.unwrap();
    mirror.close().await;
    origin.close().await;

    assert_eq!(verbs(&origin), ["opened", "root", "grant", "publish", "channel", "invite", "join", "closed"]);
    assert_eq!(verbs(&mirror), ["opened", "join", "pull", "heal", "closed"]);
    let (theirs, ours) = (read_log(&origin), read_log(&mirror));
    let library = origin.library_service().named("films").unwrap().id().to_string();
    assert!(theirs[1..7].iter().all(|record| record.library.as_deref() == Some(&library)));
    assert!(theirs[4].subject.starts_with("live -> films@1 "), "{theirs:?}");
    let peer = |node: &Node| AuditActor::Peer {
        key: node.context().signing_key().public().to_string(),
        node: node.id().to_string(),
    };
    assert_eq!((&theirs[6].actor, &ours[2].actor), (&peer(&mirror), &peer(&origin)));
    for node in [&origin, &mirror] {
        assert_eq!(verify_files(node.context().log.files(), &[], None, |_| true).unwrap().finding, "proved");
    }
}

/// Damage that is found only by reading is recorded, and so is its repair by a pull.
#[tokio::test(flavor = "multi_thread")]
async fn damage_and_its_repair_are_in_the_log() {
    const FILM: &str = "a film whose bytes will be damaged";
    let place = Place::new();
    place.write("rot.mp4", FILM);
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    pull(&mirror).await.unwrap();
    mirror.close().await;
    drop(mirror);
    let segments = std::fs::read_dir(place.path("mirror/store/segments")).unwrap();
    let mut rotten = 0;
    for path in segments.map(|item| item.unwrap().path()) {
        let mut bytes = std::fs::read(&path).unwrap();
        let Some(at) = bytes.windows(FILM.len()).position(|bytes| bytes == FILM.as_bytes()) else { continue };
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        rotten += 1;
    }
    assert_eq!(rotten, 1);

    let mirror = Node::open(place.path("mirror")).await.unwrap();
    let cat = || Cat { release: "films".parse().unwrap(), path: "rot.mp4".into(), range: None };
    assert_eq!(mirror.cat(cat(), &Job::silent()).await.unwrap_err().exit, Exit::Corrupt);
    mirror.audit_service().settle_on_thread().await;
    pull(&mirror).await.unwrap();
    mirror.cat(cat(), &Job::silent()).await.unwrap();
    mirror.close().await;
    let healed: Vec<_> = read_log(&mirror).into_iter().filter(|record| record.verb == "heal").collect();
    let subjects: Vec<_> = healed.iter().map(|record| record.subject.as_str()).collect();
    assert_eq!(
        subjects,
        ["set aside as damaged: 1 things that were stored", "stored again: 1 things that had been damaged"]
    );
    origin.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_only_reads_leaves_no_record() {
    let place = Place::new();
    let node = place.node("a").await;
    node.status().await.unwrap();
    node.close().await;
    assert!(read_log(&node).is_empty());
}

/// Replaces the log of a closed home by a full disk. Neither its first file nor the file that would begin at
/// record number `records` can be written.
fn fill_up(place: &Place, records: u64) {
    let log = place.path("origin").join("audit");
    std::fs::rename(&log, place.path("kept")).unwrap();
    std::fs::create_dir_all(log.join(format!(".{records:020}.log.tmp/in the way"))).unwrap();
    symlink("/dev/full", log.join(format!("{:020}.log", 0))).unwrap();
}

/// The log is on a full disk: every privileged act is refused and leaves nothing behind, but members are
/// served.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_log_refuses_privileged_acts_but_not_pulls() {
    let place = Place::new();
    let origin = place.origin().await;
    let (mirror, late) = (place.node("mirror").await, place.node("late").await);
    mirror.join(ticket(&origin).await).await.unwrap();
    let unused = ticket(&origin).await;
    origin.close().await;
    let known = origin.context().log.at().count;
    drop(origin);
    fill_up(&place, known);
    let log = place.path("origin").join("audit");

    let origin = Node::open(place.path("origin")).await.unwrap();
    let address = origin.serve(Some("127.0.0.1:0")).await.unwrap();
    place.write("b.mp4", "two");
    let failure = place.publish(&origin).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Full);
    assert!(failure.message.contains("audit log cannot be written"), "{failure}");
    assert_eq!(origin.invite(Invite::default()).await.unwrap_err().exit, Exit::Full);
    let refused =
        late.join(Join { ticket: readdressed(&unused, address), ..Join::default() }).await.unwrap_err();
    assert_eq!(refused.exit, Exit::Busy, "{refused}");
    let from = Pull { from: Some(address.to_string()), ..Pull::default() };
    assert!(mirror.pull(from.clone(), &Job::silent()).await.unwrap().changed);

    // With free space again, everything works without a restart.
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(place.path("kept"), &log).unwrap();
    let published = place.publish(&origin).await.unwrap();
    assert_eq!((published.sequence, published.changed), (2, true));
    late.join(Join { ticket: readdressed(&unused, address), ..Join::default() }).await.unwrap();
    assert!(mirror.pull(from, &Job::silent()).await.unwrap().changed);
    assert_eq!(verbs(&origin).iter().filter(|verb| *verb == "lost").count(), 1);
    assert_eq!(verify_files(origin.context().log.files(), &[], None, |_| true).unwrap().finding, "unproved");
}

/// Runs a command with the keys of a node's home.
async fn run_signed(node: &Node, command: Signed) -> Result<Outcome> {
    let mut session = Session::within(Arc::clone(&node.0), Job::silent());
    authority::run(&mut session, &Keyring::of_home(node.home().clone()), command).await
}

/// The next root, with the same keys and another name of the library.
fn next_root(library: &Library, key: &Key) -> Statement {
    let root = library.root().unwrap();
    let body = Root { version: root.version + 1, name: "movies".into(), ..root.clone() };
    let header = Header { library: Some(library.id()), sequence: body.version, time_ms: now_ms() };
    Statement::sign(header, &Body::Root(body), &[key]).unwrap()
}

/// Every command that signs for a library, or changes the key of this node, is recorded before it is done:
/// with a full log each of them fails and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn each_privileged_command_needs_the_log() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    place.write("b.mp4", "two");
    place.publish(&origin).await.unwrap();
    origin.close().await;
    let known = origin.context().log.at().count;
    drop(origin);
    fill_up(&place, known);

    let origin = Node::open(place.path("origin")).await.unwrap();
    let library = || origin.library_service().named("films").unwrap();
    let statements = || -> Vec<_> { library().statements().iter().map(|said| said.id()).collect() };
    let (before, key) = (statements(), origin.context().signing_key().public());
    let (films, live) = ("films".to_owned(), "live".to_owned());
    let (node, keys) = (mirror.id().to_string(), Keys::default());
    let grant = Grant { node: node.clone(), all_classes: true, ..Grant::default() };
    let revoke = Revoke { node, ..Revoke::default() };
    let set = SetChannel {
        library: films.clone(),
        channel: live.clone(),
        release: "1".into(),
        yes: true,
        ..SetChannel::default()
    };
    let rollback = Rollback { library: films, channel: live, to: None, yes: true, ..Rollback::default() };
    let commands = [
        Signed::Grant { options: grant, keys: keys.clone() },
        Signed::Revoke { options: revoke, keys: keys.clone() },
        Signed::SetChannel { options: set, keys: keys.clone() },
        Signed::Rollback { options: rollback, keys },
    ];
    let mut failures = Vec::new();
    for command in commands {
        failures.push((command.name(), run_signed(&origin, command).await.map(drop)));
    }
    failures.push(("rotate", origin.rotate(Rotate::default()).await.map(drop)));
    let root_key = super::mesh::role_key(&origin, RoleKind::Root);
    let root = next_root(&library(), &root_key);
    let apply = Offer {
        library: library().id().to_string(),
        statements: vec![Envelope::from(&root)],
        unopposed: false,
    };
    failures.push(("root apply", origin.offer(apply).await.map(drop)));
    for (name, result) in failures {
        let failure = result.expect_err(name);
        assert_eq!(failure.exit, Exit::Full, "{name}: {failure}");
        assert!(failure.message.contains("audit log cannot be written"), "{name}: {failure}");
    }
    assert_eq!(
        (statements(), origin.context().signing_key().public()),
        (before, key),
        "a refused command has changed the library or the key"
    );
}

/// Before a revocation or rotation returns, the reachable peers hold a checkpoint that covers its record.
/// After that the record cannot be removed from the log unnoticed, not even by the owner of the home.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_and_a_rotation_are_in_the_log_and_proved_by_a_peer_at_once() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = super::mesh::mirror(&place, &origin, "mirror").await;
    let gone = super::mesh::mirror(&place, &origin, "gone").await;
    gone.close().await;
    let counted = || {
        let library = mirror.library_service().named("films").unwrap();
        library.checkpoints(&origin.id()).first().map_or(0, |said| said.body.count)
    };
    let index = |verb: &str| read_log(&origin).iter().rposition(|record| record.verb == verb);
    let revoke = Revoke { node: gone.id().to_string(), reason: "stolen".into(), ..Revoke::default() };
    run_signed(&origin, Signed::Revoke { options: revoke, keys: Keys::default() }).await.unwrap();
    let at = index("revoke").expect("is recorded");
    assert!(counted() > at as u64, "the peer counts {} records, and the revocation is {at}", counted());
    let record = &read_log(&origin)[at];
    assert_eq!(record.subject, format!("{}: stolen", gone.id().short()));
    let AuditActor::Role { key, role } = &record.actor else { panic!("{record:?}") };
    let operator = super::mesh::role_key(&origin, RoleKind::Operator).public().to_string();
    assert_eq!((key, role.as_str()), (&operator, "operator"));

    origin.rotate(Rotate::default()).await.unwrap();
    let at = index("rotate").expect("is recorded");
    assert!(counted() > at as u64, "the peer counts {} records, and the rotation is {at}", counted());
    let (record, id) = (&read_log(&origin)[at], origin.id().short());
    assert_eq!(record.subject, format!("{id}: key {}", origin.context().signing_key().public().short()));
    // The peer records the statements that it received in its own log.
    let received = read_log(&mirror);
    for verb in ["revoke", "rotate"] {
        assert!(received.iter().any(|record| record.verb == verb), "{verb}: {received:?}");
    }
}

/// The same ticket, with the issuer's present address.
fn readdressed(join: &Join, address: SocketAddr) -> String {
    let mut ticket = chuan_engine::statement::Ticket::parse(&join.ticket).unwrap();
    ticket.addresses = vec![address.to_string()];
    ticket.to_text().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_joins_of_one_address_are_one_record() {
    let place = Place::new();
    let origin = place.origin().await;
    let (first, second) = (place.node("first").await, place.node("second").await);
    let join = ticket(&origin).await;
    first.join(join.clone()).await.unwrap();
    for _ in 0..3 {
        second.join(join.clone()).await.unwrap_err();
    }
    origin.close().await;
    let failed: Vec<_> =
        read_log(&origin).into_iter().filter(|record| record.verb == "failed-auth").collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((failed.subject.as_str(), failed.count), ("join from 127.0.0.1", 3));
    assert!(failed.ending == "refused" && failed.why.contains("used already"), "{failed:?}");
}

/// A node that is no member requests statements, and then sends a hello with another node's id.
#[tokio::test(flavor = "multi_thread")]
async fn unauthorized_requests_and_hellos_are_in_the_log() {
    let place = Place::new();
    let origin = place.origin().await;
    let address = [origin.listening().unwrap().to_string()];
    let thief = place.node("thief").await;
    let endpoint = Endpoint::dialler(Identity::new(thief.context().signing_key())).unwrap();
    let hello = thief.peers().hello(None).unwrap();
    let connection = Connection::open(&endpoint, &address, origin.id(), &hello).await.unwrap();
    let library = origin.library_service().named("films").unwrap();
    connection.exchange((*library).clone()).await.unwrap_err();
    let posing = chuan_engine::sync::message::Hello { node: origin.id(), ..hello };
    let posing = Connection::open(&endpoint, &address, origin.id(), &posing).await.unwrap();
    posing.exchange((*library).clone()).await.unwrap_err();
    origin.close().await;

    let mut failed = read_log(&origin);
    failed.retain(|record| record.verb == "failed-auth");
    failed.sort_by(|left, right| left.subject.cmp(&right.subject));
    let subjects: Vec<_> = failed.iter().map(|record| (record.subject.as_str(), record.count)).collect();
    assert_eq!(subjects, [("hello from 127.0.0.1", 1), ("request from 127.0.0.1", 1)]);
    let key = thief.context().signing_key().public().to_string();
    for record in &failed {
        let AuditActor::Peer { key: proved, .. } = &record.actor else { panic!("{record:?}") };
        assert_eq!(*proved, key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_failures_add_few_records() {
    let place = Place::new();
    let node = place.node("a").await;
    let key = Key::from_seed([9; 32]).public();
    let peer = PeerKey { key, node: key.node() };
    for n in 0..100_000u32 {
        let address = SocketAddr::from((n.to_be_bytes(), 1));
        node.audit_service().refused(Some(&peer), address, Refused::Join, "no such ticket");
    }
    node.close().await;
    let records = read_log(&node);
    assert!(records.len() < 50, "{}", records.len());
    assert_eq!(records.iter().filter(|r| r.verb == "failed-auth").map(|r| r.count).sum::<u32>(), 100_000);
    let bytes: u64 = std::fs::read_dir(place.path("a").join("audit"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < 16 * 1024, "{bytes}");
    assert!(records.iter().any(|record| matches!(record.actor, AuditActor::Peer { .. })));
}

/// Hands all statements of the library from one node to another, as an exchange does.
pub(super) fn hand_over(from: &Node, to: &Node) {
    let library = from.library_service().named("films").unwrap();
    let statements: Vec<_> = library.statements().into_iter().map(|said| said.bytes().clone()).collect();
    to.library_service().note_statements(&to.library_service().offer(&statements).unwrap());
}

pub(super) async fn verified(
    node: &Node,
    checkpoint: Option<PathBuf>,
) -> Result<crate::outcome::AuditVerified> {
    let options = crate::command::AuditVerify { checkpoint, export: None };
    match node.audit(crate::command::AuditVerb::Verify(options), &Job::silent()).await? {
        Outcome::AuditVerify(verified) => Ok(verified),
        other => panic!("{other:?}"),
    }
}

/// An operator's channel statement that a peer sends moves the channel here: the record names the operator's
/// key as the actor.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_received_from_a_peer_is_in_the_log() {
    use chuan_engine::statement::{Channel, RoleKind, library::channel};
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    pull(&mirror).await.unwrap();
    let first = origin.library_service().named("films").unwrap().channel("live").unwrap().body.release;
    place.write("b.mp4", "two");
    place.publish(&origin).await.unwrap();
    pull(&mirror).await.unwrap();

    let library = origin.library_service().named("films").unwrap();
    let keys = Keyring::of_home(origin.home().clone()).role_keys(&library, RoleKind::Operator).unwrap();
    let operator = keys.first().unwrap();
    let back = Channel { release: first, ..library.channel("live").unwrap().body.clone() };
    let back = channel(&library, operator, back, now_ms()).unwrap();
    let news = mirror.library_service().offer(&[back.bytes().clone()]).unwrap();
    mirror.library_service().note_statements(&news);
    mirror.library_service().follow_news(&news);
    let last = read_log(&mirror).pop().unwrap();
    assert!(last.verb == "channel" && last.subject.starts_with("live -> films@1 "), "{last:?}");
    let AuditActor::Role { key, role } = last.actor else { panic!("{:?}", last.actor) };
    assert_eq!((key, role.as_str()), (operator.public().to_string(), "operator"));
}

/// A checkpoint that a peer holds proves the log up to its count. Later records are reported as unproved: if
/// they are cut off, nothing shows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_peers_checkpoint_proves_the_log() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    origin.audit_service().settle_on_thread().await;
    hand_over(&origin, &mirror);
    let (node, file) = ("origin".to_owned(), place.path("origin.checkpoint"));
    let options = crate::command::AuditCheckpoint { node, file: file.clone() };
    let shown = mirror.audit_service().write_checkpoint(&options).unwrap();
    assert_eq!((shown.count, shown.node), (origin.context().log.at().count, origin.id().to_string()));

    let proved = verified(&origin, Some(file.clone())).await.unwrap();
    assert_eq!((proved.finding.as_str(), proved.by.as_str(), proved.proved), ("proved", "file", shown.count));
    let before = std::fs::read(place.path("origin").join("audit").join(format!("{:020}.log", 0))).unwrap();
    place.write("b.mp4", "two");
    place.publish(&origin).await.unwrap();
    origin.audit_service().settle_on_thread().await;
    let more = verified(&origin, Some(file.clone())).await.unwrap();
    assert_eq!((more.finding.as_str(), more.proved, more.count), ("unproved", shown.count, shown.count + 2));
    assert_eq!(verified(&mirror, Some(file.clone())).await.unwrap_err().exit, Exit::Invalid);
    origin.close().await;
    drop(origin);

    // The owner of the home cuts off the records after the checkpoint, and deletes the home's own note of its
    // log's length.
    let log = place.path("origin").join("audit");
    let whole = std::fs::read(log.join(format!("{:020}.log", 0))).unwrap();
    std::fs::remove_file(log.join("checkpoint")).unwrap();
    let cut = |len: usize| std::fs::write(log.join(format!("{:020}.log", 0)), &whole[..len]).unwrap();
    let files = crate::audit_log::Files::at(log.clone());
    let given =
        crate::audit_log::Given::read(&crate::command::AuditVerify { checkpoint: Some(file), export: None });
    let given = given.unwrap();
    let finding = || verify_files(&files, &[], given.as_ref(), |_| true).unwrap().finding;
    assert_eq!(finding(), "unproved");
    cut(before.len());
    assert_eq!(finding(), "proved");
    cut(before.len() - 1);
    assert_eq!(finding(), "altered");
}

/// Two homes with one key, and a home that is older than its peers' checkpoints: the checkpoints of the other
/// home show it, and the log records it as a conflict.
#[tokio::test(flavor = "multi_thread")]
async fn a_cloned_home_is_detected_by_checkpoints() {
    let place = Place::new();
    let origin = place.origin().await;
    origin.close().await;
    drop(origin);
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(place.path("origin"))
        .arg(place.path("clone"))
        .status();
    assert!(copied.unwrap().success());

    let (origin, clone) =
        (Node::open(place.path("origin")).await.unwrap(), Node::open(place.path("clone")).await.unwrap());
    let conflicts = |node: &Node| -> Vec<String> {
        let records = read_log(node).into_iter().filter(|record| record.verb == "conflict");
        records.map(|record| record.subject).collect()
    };
    place.write("b.mp4", "two");
    place.publish(&origin).await.unwrap();
    origin.audit_service().settle_on_thread().await;
    hand_over(&origin, &clone);
    clone.audit_service().settle_on_thread().await;
    let behind = conflicts(&clone);
    assert!(behind.iter().any(|subject| subject.contains("restored from a backup")), "{behind:?}");

    origin.invite(Invite::default()).await.unwrap();
    clone.invite(Invite::default()).await.unwrap();
    for _ in 0..6 {
        clone.context().audit(Event::new(Verb::Fresh, "for the same length")).unwrap();
        clone.audit_service().settle_on_thread().await;
        origin.context().audit(Event::new(Verb::Fresh, "for the length")).unwrap();
        origin.audit_service().settle_on_thread().await;
    }
    hand_over(&clone, &origin);
    origin.audit_service().settle_on_thread().await;
    let both = conflicts(&origin);
    assert!(both.iter().any(|subject| subject.starts_with("checkpoint ")), "{both:?}");
}
