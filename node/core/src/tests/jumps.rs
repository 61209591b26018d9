//! Homes whose audit log does not match the checkpoints that peers hold of it: the home was restored or
//! cloned, or its log was moved away.

use chuan_engine::statement::{NodeRole, RoleKind, library::fresh};

use super::{
    audit::{hand_over, read_log, verified},
    *,
};
use crate::{
    command::{AuditCheckpoint, AuditVerb, AuditVerify, Envelope, Export, Offer},
    keyring::Keyring,
};

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

/// The subjects of the conflict records in a node's log.
fn conflicts(node: &Node) -> Vec<String> {
    let records = read_log(node).into_iter().filter(|record| record.verb == "conflict");
    records.map(|record| record.subject).collect()
}

/// An origin that no longer listens, and a mirror that holds all its statements.
async fn pair(place: &Place) -> (Node, Node) {
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    origin.close().await;
    drop(origin);
    let origin = open(place).await;
    hand_over(&origin, &mirror);
    (origin, mirror)
}

/// Opens the origin's home, without the audit service's periodic checkpoints. Waits for the tasks of a node
/// that was dropped without being closed.
async fn open(place: &Place) -> Node {
    let begun = std::time::Instant::now();
    let node = loop {
        match Node::open(place.path("origin")).await {
            Err(crate::Error::Busy(_)) if begun.elapsed().as_secs() < 60 => {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            opened => break opened.unwrap(),
        }
    };
    node.audit_service().pause();
    node
}

async fn reopened(place: &Place, node: Node) -> Node {
    node.close().await;
    drop(node);
    open(place).await
}

/// The count in the newest checkpoint of the origin's log that the mirror holds.
fn kept_by(mirror: &Node, place: &Place) -> u64 {
    let (node, file) = ("origin".to_owned(), place.path("origin.checkpoint"));
    mirror.audit_service().write_checkpoint(&AuditCheckpoint { node, file }).unwrap().count
}

/// Symptom: after an altered log was moved away, as the handbook says, the home's log could never be proved
/// again. Cause: the new log counted from 0, so peers took none of its checkpoints, and `verify` reported it
/// as altered because of the checkpoints of the old log.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_moved_away_continues_from_its_checkpoint() {
    let place = Place::new();
    let (origin, mirror) = pair(&place).await;
    let before = kept_by(&mirror, &place);
    origin.close().await;
    drop(origin);
    std::fs::rename(place.path("origin/audit"), place.path("evidence")).unwrap();

    let origin = open(&place).await;
    let found = verified(&origin, None).await.unwrap();
    assert_eq!((found.finding.as_str(), found.count), ("gap", before + 1));
    let [gap] = found.gaps.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (gap.from, gap.to, &gap.checkpoint_key),
        (0, before, &origin.context().signing_key().public().to_string())
    );
    assert!(conflicts(&origin)[0].contains("its log was moved away"), "{:?}", conflicts(&origin));
    place.write("b.mp4", "two");
    place.publish(&origin).await.unwrap();
    let origin = reopened(&place, origin).await;
    assert_eq!(conflicts(&origin).len(), 1, "recorded once");
    hand_over(&origin, &mirror);
    let after = kept_by(&mirror, &place);
    assert_eq!(after, origin.context().log.at().count, "the peer takes new checkpoints");

    // The peer's checkpoint proves the records here, in the home and offline, and both report the gap.
    let given = Some(place.path("origin.checkpoint"));
    let found = verified(&origin, given.clone()).await.unwrap();
    assert_eq!((found.finding.as_str(), found.proved, found.by.as_str()), ("gap", after, "file"));
    let export = place.path("origin.export");
    let verb = AuditVerb::Export(Export { file: Some(export.clone()) });
    origin.audit(verb, &Job::silent()).await.unwrap();
    let offline = |text: String, checkpoint| {
        std::fs::write(&export, text).unwrap();
        let options = AuditVerify { export: Some(export.clone()), checkpoint };
        crate::audit_log::verify_export(&options).unwrap()
    };
    let text = std::fs::read_to_string(&export).unwrap();
    let exported = offline(text.clone(), given.clone());
    assert_eq!((exported.finding.as_str(), exported.gaps), ("gap", found.gaps));
    assert_eq!(
        offline(text.replacen("conflict", "opened", 1), None).finding,
        "altered",
        "a gap without its checkpoint is no gap"
    );
    let foreign = |jump: &chuan_engine::audit::Jump| jump.node != origin.id();
    let found = crate::audit_log::verify_files(origin.context().log.files(), &[], None, foreign).unwrap();
    assert!(found.is_altered() && found.why.contains("not the node's"), "{found:?}");

    // The gap does not hide an alteration after it.
    origin.close().await;
    let log = origin.context().log.files().dir().join(format!("{before:020}.log"));
    let mut bytes = std::fs::read(&log).unwrap();
    let end = bytes.len() - 100;
    bytes[end] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    drop(origin);
    assert!(verified(&open(&place).await, given).await.unwrap().is_altered());
}

/// Symptom: the log of a home restored from a backup could not be proved until it had as many new records as
/// it had lost. Cause: its new checkpoints counted fewer records than those that peers held, so peers did not
/// take them.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_home_continues_from_the_checkpoint_of_its_peers() {
    let place = Place::new();
    let (origin, mirror) = pair(&place).await;
    let origin = reopened(&place, origin).await;
    origin.close().await;
    drop(origin);
    copy(&place.path("origin"), &place.path("backup"));
    let origin = open(&place).await;
    for file in ["b.mp4", "c.mp4"] {
        place.write(file, "since");
        place.publish(&origin).await.unwrap();
    }
    let origin = reopened(&place, origin).await;
    hand_over(&origin, &mirror);
    let before = kept_by(&mirror, &place);
    origin.close().await;
    drop(origin);
    std::fs::remove_dir_all(place.path("origin")).unwrap();
    std::fs::rename(place.path("backup"), place.path("origin")).unwrap();

    let origin = open(&place).await;
    let kept = origin.context().log.at().count;
    origin.invite(Invite::default()).await.unwrap();
    hand_over(&mirror, &origin);
    origin.audit_service().settle_on_thread().await;
    let recorded = conflicts(&origin);
    assert!(recorded.iter().any(|subject| subject.contains("restored from a backup")), "{recorded:?}");
    let found = verified(&origin, None).await.unwrap();
    let [gap] = found.gaps.as_slice() else { panic!("{found:?}") };
    assert!(found.finding == "gap" && found.proved == found.count, "{found:?}");
    assert!(gap.to == before && (kept..kept + 3).contains(&gap.from), "{gap:?}, restored at {kept}");
    hand_over(&origin, &mirror);
    assert_eq!(kept_by(&mirror, &place), found.count);
    // Records before the gap are still verified.
    let first = origin.context().log.files().dir().join(format!("{:020}.log", 0));
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    assert!(verified(&origin, None).await.unwrap().is_altered());
}

/// Symptom: a restored home recorded no conflict if it had written more records than its peers' checkpoint
/// counts before it got that checkpoint. Cause: only counts were compared. A second symptom: a conflict of
/// which it learned just before it was killed was never recorded. Cause: the next start took it for recorded.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_home_with_new_records_is_recorded_once_also_after_a_kill() {
    let place = Place::new();
    let (origin, mirror) = pair(&place).await;
    let origin = reopened(&place, origin).await;
    origin.close().await;
    drop(origin);
    copy(&place.path("origin"), &place.path("backup"));
    let origin = open(&place).await;
    origin.invite(Invite::default()).await.unwrap();
    let origin = reopened(&place, origin).await;
    hand_over(&origin, &mirror);
    let before = kept_by(&mirror, &place);
    origin.close().await;
    drop(origin);
    std::fs::remove_dir_all(place.path("origin")).unwrap();
    std::fs::rename(place.path("backup"), place.path("origin")).unwrap();

    // All new records are in one checkpoint, with a count that no checkpoint of the mirror has.
    let origin = open(&place).await;
    while origin.context().log.at().count < before + 5 {
        origin.context().note(Event::new(Verb::Heal, "for the length"));
    }
    origin.audit_service().settle_on_thread().await;
    hand_over(&mirror, &origin);
    origin.audit_service().settle_on_thread().await;
    let forks =
        |node: &Node| conflicts(node).iter().filter(|subject| subject.contains("names another")).count();
    assert_eq!((forks(&origin), conflicts(&origin).len()), (1, 1), "{:?}", conflicts(&origin));
    let origin = reopened(&place, origin).await;
    origin.audit_service().settle_on_thread().await;
    assert_eq!(conflicts(&origin).len(), 1, "{:?}", conflicts(&origin));

    // Two checkpoints with one count are a contradiction. The second one arrives, and the process ends before
    // the audit service records it.
    let (me, now) = (origin.id(), now_ms());
    let library = origin.library_service().named("films").unwrap();
    let newest = library.checkpoints(&me)[0].body.count;
    let head = chuan_engine::id::RecordId::of(b"of the other home");
    let body = chuan_engine::statement::Checkpoint { node: me, count: newest, head };
    let other =
        chuan_engine::statement::library::checkpoint(&library, &origin.context().signing_key(), body, now)
            .unwrap();
    origin.library_service().offer(&[other.bytes().clone()]).unwrap();
    let before = conflicts(&origin).len();
    drop(origin);
    let origin = open(&place).await;
    let origin = reopened(&place, origin).await;
    let after = conflicts(&origin);
    let is_recorded = after.iter().any(|subject| subject.starts_with("checkpoint node "));
    assert!(after.len() > before && is_recorded, "{after:?}");
    let origin = reopened(&place, origin).await;
    assert_eq!(conflicts(&origin), after, "recorded once");
}

/// Symptom: a checkpoint that could not be signed, because the store was full or was being rebuilt, was never
/// signed later. Cause: the log itself was complete up to that point, so nothing signed the point again.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_was_not_signed_is_signed_later() {
    let place = Place::new();
    let node = place.node("a").await;
    node.audit_service().pause();
    place.write("a.mp4", "one");
    place.publish(&node).await.unwrap();
    let without = node.library_service().named("films").unwrap();
    node.invite(Invite::default()).await.unwrap();
    node.audit_service().settle_on_thread().await;
    let at = node.context().log.at();
    let newest = || {
        let library = node.library_service().named("films").unwrap();
        library.checkpoints(&node.id()).first().map(|said| (said.body.count, said.body.head))
    };
    assert_eq!(newest(), Some((at.count, at.head)));
    node.library_service().replace(without);
    assert_ne!(newest(), Some((at.count, at.head)));
    node.audit_service().settle_on_thread().await;
    assert_eq!((newest(), node.context().log.at()), (Some((at.count, at.head)), at));
}

/// Symptom: where two members had one name, the checkpoint of the first was written, without a warning.
#[tokio::test(flavor = "multi_thread")]
async fn an_ambiguous_member_name_writes_no_checkpoint() {
    let place = Place::new();
    let (origin, mirror) = pair(&place).await;
    let operator = operator(&origin);
    let library = origin.library_service().named("films").unwrap();
    let other = chuan_engine::statement::Key::from_seed([9; 32]).public();
    let body = chuan_engine::statement::Member {
        node: other.node(),
        key: other,
        name: "origin".into(),
        role: NodeRole::Mirror,
        region: None,
        classes: chuan_engine::statement::Classes::all(),
        verbs: chuan_engine::statement::Verbs::PULL,
        expires_ms: 0,
        ticket: None,
    };
    let granted = chuan_engine::statement::library::member(&library, &operator, body, now_ms()).unwrap();
    mirror.library_service().offer(&[granted.bytes().clone()]).unwrap();
    let ask = |node: String| {
        mirror.audit_service().write_checkpoint(&AuditCheckpoint { node, file: place.path("x") })
    };
    assert_eq!(ask("origin".into()).unwrap_err().exit, Exit::Usage);
    assert_eq!(ask(origin.id().to_string()).unwrap().node, origin.id().to_string());
    assert_eq!(ask("unknown".into()).unwrap_err().exit, Exit::Missing);
}

fn operator(origin: &Node) -> chuan_engine::statement::Key {
    let library = origin.library_service().named("films").unwrap();
    let keyring = Keyring::of_home(origin.home().clone());
    keyring.role_keys(&library, RoleKind::Operator).unwrap().remove(0)
}

/// Statements with invalid signatures that a command on this machine imports are counted as failed
/// authentications.
#[tokio::test(flavor = "multi_thread")]
async fn forged_statements_of_an_import_are_in_the_log() {
    let place = Place::new();
    let (origin, mirror) = pair(&place).await;
    let library = origin.library_service().named("films").unwrap();
    let forged = fresh(&library, &operator(&origin), "live", now_ms()).unwrap();
    let mut bytes = forged.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let statements = vec![Envelope(bytes.into()); 3];
    let offer = Offer { library: library.id().to_string(), statements, unopposed: false };
    let offered = mirror.offer(offer).await.unwrap();
    assert!(offered.statements.iter().all(|row| row.result == "unproved"), "{offered:?}");
    mirror.close().await;
    let failed: Vec<_> =
        read_log(&mirror).into_iter().filter(|record| record.verb == "failed-auth").collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((failed.subject.as_str(), failed.count), ("statement from 127.0.0.1", 3));
}
