//! Keys of every kind that are replaced while a pull runs: what goes on, what is the same after, and who speaks from then on.

use chuan_engine::{
    id::{NodeId, StatementId},
    statement::{
        Accepted, Body, Header, Key, Member, Role as Named, RoleKind, Statement, StatementKind, Verbs,
        library as author,
    },
};

use super::{
    audit::{told, verified},
    mesh::{Held, dial, films, mirror, role_key, say, until, write_noise},
    *,
};
use crate::{
    command::{History, Rotate},
    outcome::MoveRow,
};

/// What of a library no change of keys may change: where its channel has stood, its releases, and who was granted what.
#[derive(Debug, PartialEq)]
struct Past {
    moves: Vec<MoveRow>,
    releases: Vec<StatementId>,
    grants: Vec<(NodeId, Vec<StatementId>)>,
}

impl Past {
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

/// The next root, with these keys of root, operator, publisher and timekeeper; it pins all that was said before.
fn next_root(library: &Library, old_root: &Key, keys: [&Key; 4]) -> Statement {
    let roles = [RoleKind::Root, RoleKind::Operator, RoleKind::Publisher, RoleKind::Timekeeper];
    let mut body = library.root().unwrap().clone();
    body.version += 1;
    body.roles = roles.into_iter().zip(keys).map(|(role, key)| Named::any_of(role, [key.public()])).collect();
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

/// What each role says, signed with these keys of an operator, a publisher and a timekeeper: a grant, a channel's move, a word
/// that it is fresh.
fn words(
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

/// Whether a word counts in `library`.
fn counts(library: &Library, said: &Statement) -> bool {
    let mut library = library.clone();
    match library.offer(said, now_ms()) {
        // What an age is made of is looked at when it is asked for.
        Ok(Accepted::New) if said.kind() == StatementKind::Fresh => library.fresh_since("live").is_some(),
        Ok(Accepted::New) => library.why_idle(said).is_none(),
        Ok(_) | Err(_) => false,
    }
}

/// Every kind of key is replaced while a gigabyte is on its way: the pull ends well, and what comes after it is under the
/// new keys, of the same nodes with the same past. Until that is done, the pull stands still in the middle: it cannot end too
/// early.
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
    say(&origin, next_root(&films(&origin), old_root, named));
    until("the mirror hears of it", || {
        let films = films(&mirror);
        films.root().unwrap().version == 2 && films.releases().len() == 2
    })
    .await;
    let connection = Arc::new(dial(&mirror.0.key(), &mirror, &origin).await.unwrap());
    let kept = (mirror.0.objects(&films(&mirror).id()), Arc::clone(&mirror.0.store) as _);
    let pulling = Held::begin(connection, kept, (*films(&mirror)).clone()).await;

    let past = Past::of(&origin).await;
    assert_eq!(Past::of(&mirror).await, past);
    let ids = [origin.id(), mirror.id()];
    let keys_before = [origin.0.key(), mirror.0.key()];
    origin.rotate(Rotate::default()).await.unwrap();
    mirror.rotate(Rotate::default()).await.unwrap();
    let new = [21, 22, 23, 24].map(|seed| Key::from_seed([seed; 32]));
    say(&origin, next_root(&films(&origin), old_root, new.each_ref()));
    let pulled = pulling.end().await.unwrap();
    assert_eq!(pulled.release.map(|id| id.to_string()), Some(published.release));

    until("the mirror knows the new root", || films(&mirror).root().unwrap().version == 3).await;
    assert!(!pull(&mirror).await.unwrap().changed);
    let library = films(&mirror);
    for (node, (id, before)) in [&origin, &mirror].into_iter().zip(ids.into_iter().zip(&keys_before)) {
        assert_eq!(node.id(), id);
        assert_eq!(library.key_of(&id), Some(node.0.key().public()));
        assert_ne!(node.0.key().public(), before.public());
        assert!(library.may(&id, "default", Verbs::PULL, now_ms()));
        assert_eq!(Past::of(node).await, past);
        let records = told(node);
        assert!(records.iter().any(|record| record.verb == "rotate"), "{records:?}");
        node.settle_audit().await;
        let verified = verified(node, None).await.unwrap();
        assert_eq!((verified.finding.as_str(), verified.by.as_str()), ("proved", "home"));
    }
    let connection = dial(&mirror.0.key(), &mirror, &origin).await.unwrap();
    assert_eq!(connection.peer().key, origin.0.key().public());

    // The new root's keys are those that count, and no others.
    let [_, operator, publisher, timekeeper] = &new;
    for said in words(&library, &ids[1], "anew", [operator, publisher, timekeeper]) {
        assert!(counts(&library, &said), "{:?} by a new key", said.kind());
    }
    for said in words(&library, &ids[1], "of-old", [old_operator, old_publisher, &old_timekeeper]) {
        assert!(!counts(&library, &said), "{:?} by an old key", said.kind());
    }
    assert!(old_root.public() != new[0].public());
    let by_old_root = next_root(&library, old_root, named);
    assert!(!counts(&library, &by_old_root), "a root by the old root's key");

    shows_its_new_key(&origin, &mirror).await;
    // And when both start again.
    mirror.close().await;
    let id = mirror.id();
    drop(mirror);
    let mirror = Node::open(&place.path("mirror")).await.unwrap();
    assert_eq!((mirror.id(), Past::of(&mirror).await), (id, past));
    pull(&mirror).await.unwrap();
}

/// Once the grace of a replaced key is over, whoever shows it is nobody: who pulls then, and tells what it knows, shows the new one.
async fn shows_its_new_key(origin: &Node, mirror: &Node) {
    let old = mirror.0.key();
    mirror.rotate(Rotate { grace: 1 }).await.unwrap();
    until("the grace of the old key is over", || {
        let films = films(origin);
        let new = mirror.0.key().public();
        let holds = |key| films.holds_key(&mirror.id(), key, now_ms());
        holds(&new) && !holds(&old.public())
    })
    .await;
    pull(mirror).await.unwrap();
    assert_eq!(mirror.ask_everybody(&films(mirror).id()).await.unwrap().reached, 1);
    let stale = dial(&old, mirror, origin).await.unwrap();
    stale.exchange((*films(mirror)).clone()).await.unwrap_err();
}
