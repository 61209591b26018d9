//! Keys of every kind are replaced while a pull runs: the pull goes on, history and grants stay, and only the
//! new keys are valid afterwards.

use chuan_engine::{
    id::{NodeId, StatementId},
    statement::{
        Accepted, Body, Header, Key, Member, Role as LibraryRole, RoleKind, Statement, StatementKind, Verbs,
        library as author,
    },
};

use super::{
    audit::{read_log, verified},
    mesh::{PausedPull, dial, films, mirror, role_key, store, until, write_noise},
    *,
};
use crate::{
    command::{History, Rotate},
    outcome::MoveRow,
};

/// The parts of a library that no change of keys may change: the moves of its channel, its releases and its
/// grants.
#[derive(Debug, PartialEq)]
struct Snapshot {
    moves: Vec<MoveRow>,
    releases: Vec<StatementId>,
    grants: Vec<(NodeId, Vec<StatementId>)>,
}

impl Snapshot {
    async fn of(node: &Node) -> Self {
        let history = History { library: "films".into(), channel: "live".into() };
        let library = films(node);
        let grants = library.members().into_iter().map(|said| said.body.node);
        let grants =
            grants.map(|node| (node, library.grants(&node).map(|said| said.statement.id()).collect()));
        Self {
            moves: node.history(history).await.unwrap().moves,
            releases: library.releases().into_iter().map(|said| said.statement.id()).collect(),
            grants: grants.collect(),
        }
    }
}

/// The next root, with these keys of root, operator, publisher and timekeeper. It pins every known statement
/// that is not a root.
fn next_root(library: &Library, old_root: &Key, keys: [&Key; 4]) -> Statement {
    let roles = [RoleKind::Root, RoleKind::Operator, RoleKind::Publisher, RoleKind::Timekeeper];
    let mut body = library.root().unwrap().clone();
    body.version += 1;
    body.roles =
        roles.into_iter().zip(keys).map(|(role, key)| LibraryRole::any_of(role, [key.public()])).collect();
    let said = library.statements().into_iter().filter(|said| !matches!(said.body(), Body::Root(_)));
    body.pins = said.map(|said| said.id()).collect();
    body.pins.sort();
    let header = Header { library: Some(library.id()), sequence: body.version, time_ms: now_ms() };
    let mut signed = Statement::sign(header, &Body::Root(body), &[old_root]).unwrap();
    if keys[0].public() != old_root.public() {
        signed = signed.cosign(keys[0]).unwrap();
    }
    signed
}

/// One statement of each role, signed with these keys of an operator, a publisher and a timekeeper: a grant,
/// a release, and the freshness of a channel.
fn statements_of_roles(
    library: &Library,
    node: &NodeId,
    name: &str,
    [operator, publisher, timekeeper]: [&Key; 3],
) -> [Statement; 3] {
    let now = now_ms();
    let grant = Member { name: name.into(), ticket: None, ..library.member(node).unwrap().body.clone() };
    let at = library.channel("live").unwrap().body.clone();
    let table = library.release(&at.release).unwrap().body.manifest;
    [
        author::member(library, operator, grant, now).unwrap(),
        author::release(library, publisher, vec![at.release], table, name, now).unwrap(),
        author::fresh(library, timekeeper, "live", now).unwrap(),
    ]
}

/// Whether a statement would be effective in `library`.
fn is_effective(library: &Library, said: &Statement) -> bool {
    let mut library = library.clone();
    match library.offer(said, now_ms()) {
        // A freshness is evaluated only when an age is computed.
        Ok(Accepted::New) if said.kind() == StatementKind::Fresh => library.fresh_since("live").is_some(),
        Ok(Accepted::New) => library.why_idle(said).is_none(),
        Ok(_) | Err(_) => false,
    }
}

/// Every kind of key is replaced during a pull of one gigabyte. The pull succeeds. Afterwards the nodes have
/// the new keys, and their ids, history and grants are unchanged. The pull is paused until the keys are
/// replaced, so that it cannot end too early.
#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_replaced_while_a_pull_runs() {
    let place = Place::new();
    let size: usize =
        std::env::var("CHUAN_ROTATION_BYTES").ok().and_then(|n| n.parse().ok()).unwrap_or(1 << 30);
    let origin = place.origin().await;
    let mirror = mirror(&place, &origin, "mirror").await;
    write_noise(&place.path("films").join("large.bin"), size);
    let published = place.publish(&origin).await.unwrap();
    let old = [RoleKind::Root, RoleKind::Operator, RoleKind::Publisher].map(|role| role_key(&origin, role));
    let [old_root, old_operator, old_publisher] = &old;
    let old_timekeeper = Key::from_seed([20; 32]);
    let named = [old_root, old_operator, old_publisher, &old_timekeeper];
    store(&origin, next_root(&films(&origin), old_root, named));
    until("the mirror has the root and the release", || {
        let films = films(&mirror);
        films.root().unwrap().version == 2 && films.releases().len() == 2
    })
    .await;
    let connection = Arc::new(dial(&mirror.context().signing_key(), &mirror, &origin).await.unwrap());
    let objects = mirror.context().objects(&films(&mirror).id());
    let pulling = PausedPull::begin(connection, objects, (*films(&mirror)).clone()).await;

    let snapshot = Snapshot::of(&origin).await;
    assert_eq!(Snapshot::of(&mirror).await, snapshot);
    let ids = [origin.id(), mirror.id()];
    let keys_before = [origin.context().signing_key(), mirror.context().signing_key()];
    origin.rotate(Rotate::default()).await.unwrap();
    mirror.rotate(Rotate::default()).await.unwrap();
    let new = [21, 22, 23, 24].map(|seed| Key::from_seed([seed; 32]));
    store(&origin, next_root(&films(&origin), old_root, new.each_ref()));
    let pulled = pulling.end().await.unwrap();
    assert_eq!(pulled.release.map(|id| id.to_string()), Some(published.release));
    let id = films(&mirror).id();
    mirror.library_service().adopt(&id, &pulled.statements).unwrap();
    mirror.library_service().follow_channels(&id, &|_| false).unwrap();

    until("the mirror knows the new root", || films(&mirror).root().unwrap().version == 3).await;
    assert!(!pull(&mirror).await.unwrap().changed);
    let library = films(&mirror);
    for (node, (id, before)) in [&origin, &mirror].into_iter().zip(ids.into_iter().zip(&keys_before)) {
        assert_eq!(node.id(), id);
        assert_eq!(library.key_of(&id), Some(node.context().signing_key().public()));
        assert_ne!(node.context().signing_key().public(), before.public());
        assert!(library.may(&id, "default", Verbs::PULL, now_ms()));
        assert_eq!(Snapshot::of(node).await, snapshot);
        let records = read_log(node);
        assert!(records.iter().any(|record| record.verb == "rotate"), "{records:?}");
        node.audit_service().settle_on_thread().await;
        let verified = verified(node, None).await.unwrap();
        assert_eq!((verified.finding.as_str(), verified.by.as_str()), ("proved", "home"));
    }
    let connection = dial(&mirror.context().signing_key(), &mirror, &origin).await.unwrap();
    assert_eq!(connection.peer().key, origin.context().signing_key().public());

    // Only the keys of the new root are valid.
    let [_, operator, publisher, timekeeper] = &new;
    for said in statements_of_roles(&library, &ids[1], "new", [operator, publisher, timekeeper]) {
        assert!(is_effective(&library, &said), "{:?} by a new key", said.kind());
    }
    let old_keys = [old_operator, old_publisher, &old_timekeeper];
    for said in statements_of_roles(&library, &ids[1], "old", old_keys) {
        assert!(!is_effective(&library, &said), "{:?} by an old key", said.kind());
    }
    assert!(old_root.public() != new[0].public());
    let by_old_root = next_root(&library, old_root, named);
    assert!(!is_effective(&library, &by_old_root), "a root by the old root's key");

    check_new_key_is_used(&origin, &mirror).await;
    // The same after a restart of the mirror.
    mirror.close().await;
    let id = mirror.id();
    drop(mirror);
    let mirror = Node::open(place.path("mirror")).await.unwrap();
    assert_eq!((mirror.id(), Snapshot::of(&mirror).await), (id, snapshot));
    pull(&mirror).await.unwrap();
}

/// Once the grace of a replaced key is over, it gives no rights: the node's pulls and exchanges use the new
/// key, and an exchange under the old key is refused.
async fn check_new_key_is_used(origin: &Node, mirror: &Node) {
    let old = mirror.context().signing_key();
    mirror.rotate(Rotate { grace: 1 }).await.unwrap();
    until("the grace of the old key is over", || {
        let films = films(origin);
        let new = mirror.context().signing_key().public();
        let holds = |key| films.holds_key(&mirror.id(), key, now_ms());
        holds(&new) && !holds(&old.public())
    })
    .await;
    pull(mirror).await.unwrap();
    assert_eq!(
        mirror.services().exchange.ask_all(&films(mirror).id(), &Job::silent()).await.unwrap().reached,
        1
    );
    let stale = dial(&old, mirror, origin).await.unwrap();
    stale.exchange((*films(mirror)).clone()).await.unwrap_err();
}
