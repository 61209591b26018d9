//! Homes whose log is behind what peers have kept of it, or beside that: restored, cloned, or with their log moved away.

use chuan_engine::statement::{NodeRole, RoleKind, library::fresh};

use super::{
    audit::{hand_over, told, verified},
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

/// The conflicts that a node's log tells of.
fn conflicts(node: &Node) -> Vec<String> {
    let records = told(node).into_iter().filter(|record| record.verb == "conflict");
    records.map(|record| record.subject).collect()
}

/// An origin that does not listen any more, and a mirror that has all it said.
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

/// The origin's home, in which nothing settles by itself.
async fn open(place: &Place) -> Node {
    let node = Node::open(&place.path("origin")).await.unwrap();
    lock_of(&node.0.keeper).take();
    node
}

async fn reopened(place: &Place, node: Node) -> Node {
    node.close().await;
    drop(node);
    open(place).await
}

/// How many records of the origin's log the newest checkpoint counts that the mirror has.
fn kept_by(mirror: &Node, place: &Place) -> u64 {
    let (node, file) = ("origin".to_owned(), place.path("origin.checkpoint"));
    mirror.0.write_checkpoint(&AuditCheckpoint { node, file }).unwrap().count
}

/// What the handbook says to do with an altered log turned proof off for good: the new one counted from 0, so that no peer took a
/// checkpoint of it, and `verify` called it altered because of those of the old one.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_moved_away_goes_on_from_its_checkpoint() {
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
    assert_eq!((gap.from, gap.to, &gap.checkpoint_key), (0, before, &origin.0.key().public().to_string()));
    assert!(conflicts(&origin)[0].contains("its log was moved away"), "{:?}", conflicts(&origin));
    place.write("b.mp4", "two");
    place.publish(&origin).await.unwrap();
    let origin = reopened(&place, origin).await;
    assert_eq!(conflicts(&origin).len(), 1, "told once");
    hand_over(&origin, &mirror);
    let after = kept_by(&mirror, &place);
    assert_eq!(after, origin.0.log.at().count, "a peer takes what is signed since");

    // The peer's word proves what is here, in the home and offline; and the gap is seen.
    let given = Some(place.path("origin.checkpoint"));
    let found = verified(&origin, given.clone()).await.unwrap();
    assert_eq!((found.finding.as_str(), found.proved, found.by.as_str()), ("gap", after, "file"));
    let export = place.path("origin.export");
    let verb = AuditVerb::Export(Export { file: Some(export.clone()) });
    origin.audit(verb, &Job::silent()).await.unwrap();
    let offline = |text: String, checkpoint| {
        std::fs::write(&export, text).unwrap();
        let options = AuditVerify { export: Some(export.clone()), checkpoint };
        crate::audit::verify_export(&options).unwrap()
    };
    let text = std::fs::read_to_string(&export).unwrap();
    let exported = offline(text.clone(), given.clone());
    assert_eq!((exported.finding.as_str(), exported.gaps), ("gap", found.gaps));
    assert_eq!(
        offline(text.replacen("conflict", "opened", 1), None).finding,
        "altered",
        "no gap without proof"
    );
    let foreign = |jump: &chuan_engine::audit::Jump| jump.node != origin.id();
    let found = crate::audit::verify_files(origin.0.log.files(), &[], None, foreign).unwrap();
    assert!(found.is_altered() && found.why.contains("not the node's"), "{found:?}");

    // And what is tampered with behind the gap is not hidden by it.
    origin.close().await;
    let log = origin.0.log.files().dir().join(format!("{before:020}.log"));
    let mut bytes = std::fs::read(&log).unwrap();
    let end = bytes.len() - 100;
    bytes[end] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    assert!(verified(&origin, given).await.unwrap().is_altered());
}

/// A home of yesterday was behind its own checkpoints for as many records as it had lost: nobody took its own, and nothing could be proved.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_home_goes_on_from_what_its_peers_have_kept() {
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
    let kept = origin.0.log.at().count;
    origin.invite(Invite::default()).await.unwrap();
    hand_over(&mirror, &origin);
    origin.settle_audit().await;
    let said = conflicts(&origin);
    assert!(said.iter().any(|said| said.contains("restored from a backup")), "{said:?}");
    let found = verified(&origin, None).await.unwrap();
    let [gap] = found.gaps.as_slice() else { panic!("{found:?}") };
    assert!(found.finding == "gap" && found.proved == found.count, "{found:?}");
    assert!(gap.to == before && (kept..kept + 3).contains(&gap.from), "{gap:?}, restored at {kept}");
    hand_over(&origin, &mirror);
    assert_eq!(kept_by(&mirror, &place), found.count);
    // What is before the gap is still looked at.
    let first = origin.0.log.files().dir().join(format!("{:020}.log", 0));
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    assert!(verified(&origin, None).await.unwrap().is_altered());
}

/// A restored home that had written more than its peers had kept before it heard of that was never named: only counts were compared. And
/// what it heard just before it was killed was taken for told at the next start.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_home_that_went_on_is_named_once_also_after_a_kill() {
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

    // All in one checkpoint, at a count of which the mirror has none.
    let origin = open(&place).await;
    while origin.0.log.at().count < before + 5 {
        origin.0.note(Event::new(Verb::Heal, "made up, to be longer"));
    }
    origin.settle_audit().await;
    hand_over(&mirror, &origin);
    origin.settle_audit().await;
    let forks = |node: &Node| conflicts(node).iter().filter(|said| said.contains("names another")).count();
    assert_eq!((forks(&origin), conflicts(&origin).len()), (1, 1), "{:?}", conflicts(&origin));
    let origin = reopened(&place, origin).await;
    origin.settle_audit().await;
    assert_eq!(conflicts(&origin).len(), 1, "{:?}", conflicts(&origin));

    // Two of one count are a contradiction of their own. It is heard, and the process is gone before the log hears of it.
    let (me, now) = (origin.id(), now_ms());
    let library = origin.0.libraries.named("films").unwrap();
    let newest = library.checkpoints(&me)[0].body.count;
    let head = chuan_engine::id::RecordId::of(b"of the other home");
    let body = chuan_engine::statement::Checkpoint { node: me, count: newest, head };
    let other = chuan_engine::statement::library::checkpoint(&library, &origin.0.key(), body, now).unwrap();
    origin.0.libraries.offer(&[other.bytes().clone()], now).unwrap();
    let heard = conflicts(&origin).len();
    drop(origin);
    let origin = open(&place).await;
    let origin = reopened(&place, origin).await;
    let said = conflicts(&origin);
    assert!(said.len() > heard && said.iter().any(|said| said.starts_with("checkpoint node ")), "{said:?}");
    let origin = reopened(&place, origin).await;
    assert_eq!(conflicts(&origin), said, "told once");
}

/// A checkpoint that could not be signed, since the store was full or being rebuilt, was never signed: the log had gone on from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_was_not_signed_is_signed_later() {
    let place = Place::new();
    let node = place.node("a").await;
    lock_of(&node.0.keeper).take();
    place.write("a.mp4", "one");
    place.publish(&node).await.unwrap();
    let without = node.0.libraries.named("films").unwrap();
    node.invite(Invite::default()).await.unwrap();
    node.settle_audit().await;
    let at = node.0.log.at();
    let newest = || {
        let library = node.0.libraries.named("films").unwrap();
        library.checkpoints(&node.id()).first().map(|said| (said.body.count, said.body.head))
    };
    assert_eq!(newest(), Some((at.count, at.head)));
    node.0.libraries.replace(without);
    assert_ne!(newest(), Some((at.count, at.head)));
    node.settle_audit().await;
    assert_eq!((newest(), node.0.log.at()), (Some((at.count, at.head)), at));
}

/// Of two members of one name the first was taken, silently.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_of_one_node() {
    let place = Place::new();
    let (origin, mirror) = pair(&place).await;
    let operator = operator(&origin);
    let library = origin.0.libraries.named("films").unwrap();
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
    mirror.0.libraries.offer(&[granted.bytes().clone()], now_ms()).unwrap();
    let ask = |node: String| mirror.0.write_checkpoint(&AuditCheckpoint { node, file: place.path("x") });
    assert_eq!(ask("origin".into()).unwrap_err().exit, Exit::Usage);
    assert_eq!(ask(origin.id().to_string()).unwrap().node, origin.id().to_string());
    assert_eq!(ask("nobody".into()).unwrap_err().exit, Exit::Missing);
}

fn operator(origin: &Node) -> chuan_engine::statement::Key {
    let library = origin.0.libraries.named("films").unwrap();
    let keyring = Keyring::of_home(origin.home().clone());
    keyring.role_keys(&library, RoleKind::Operator).unwrap().remove(0)
}

/// Statements under signatures that are none, brought by hand: counted like everything that did not prove enough.
#[tokio::test(flavor = "multi_thread")]
async fn forged_statements_that_were_brought_by_hand_are_in_the_log() {
    let place = Place::new();
    let (origin, mirror) = pair(&place).await;
    let library = origin.0.libraries.named("films").unwrap();
    let forged = fresh(&library, &operator(&origin), "live", now_ms()).unwrap();
    let mut bytes = forged.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let statements = vec![Envelope(bytes.into()); 3];
    let offer = Offer { library: library.id().to_string(), statements, unopposed: false };
    let offered = mirror.offer(offer).await.unwrap();
    assert!(offered.statements.iter().all(|row| row.result == "unproved"), "{offered:?}");
    mirror.close().await;
    let failed: Vec<_> = told(&mirror).into_iter().filter(|record| record.verb == "failed-auth").collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((failed.subject.as_str(), failed.count), ("statement from 127.0.0.1", 3));
}
