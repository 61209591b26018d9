//! Whom a node talks to of its libraries, whom it tells nothing, and whom it waits for.

use chuan_engine::{
    id::{LibraryId, Salt},
    statement::{
        Key, Member, RoleKind,
        library::{self as author, Founders, found},
    },
};

use super::{
    mesh::{films, mirror, role_key, say},
    *,
};

/// Shows a home all that another knows of a library.
fn show_all(from: &Node, to: &Node) {
    let library = films(from);
    let all: Vec<_> = library.statements().into_iter().cloned().collect();
    to.0.libraries.take(&library.id(), &all, false, now_ms(), |_, _| Ok(())).unwrap();
}

/// Suspends `node`, which joined with a ticket, at `origin`: somebody else joined with a copy of it.
fn suspend(origin: &Node, node: &Node) {
    let twin = Key::from_seed([41; 32]).public();
    let library = films(origin);
    let joined = library.member(&node.id()).unwrap().body.clone();
    let body = Member { node: twin.node(), key: twin, name: "twin".into(), ..joined };
    let made = author::member(&library, &origin.0.key(), body, now_ms()).unwrap();
    origin.0.libraries.take(&library.id(), &[made], false, now_ms(), |_, _| Ok(())).unwrap();
    assert!(films(origin).is_suspended(&node.id()));
}

/// A node that was suspended and went on listening was dialled by every peer, asked for what it claimed to lack, and was given
/// every statement: only revoked nodes were left out by the dialling side, and nothing was asked once it had dialled.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_suspended_is_told_nothing_by_who_dials_it() {
    let place = Place::new();
    let origin = place.origin().await;
    let suspended = mirror(&place, &origin, "suspended").await;
    suspend(&origin, &suspended);
    let spread = origin.spread(&films(&origin).id()).await.unwrap();
    assert_eq!((spread.known, spread.reached), (0, 0));
    assert!(!films(&suspended).is_suspended(&suspended.id()));

    // Data is checked, so it may come from there; a word about the library does not go there.
    let from = Pull { from: Some(suspended.id().to_string()), ..Pull::default() };
    assert!(!origin.pull(from, &Job::silent()).await.unwrap().changed);
    assert!(!films(&suspended).is_suspended(&suspended.id()));
}

/// Whose key a peer has was decided by any library. The operator of one could name a key of its own as another node's, answer
/// where that node was dialled for a second library, and be given all of that library's statements.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_library_says_opens_no_library() {
    let place = Place::new();
    let origin = place.origin().await;
    let victim = mirror(&place, &origin, "victim").await;
    let thief = place.node("thief").await;
    show_all(&origin, &thief);
    let address = thief.serve(Some("127.0.0.1:0")).await.unwrap().to_string();

    let [root, operator, publisher] = [51, 52, 53].map(|seed| Key::from_seed([seed; 32]));
    let founders = Founders { root: &root, operator: &operator, publisher: &publisher };
    let (other, founding) = found("other", founders, Salt::from_bytes([7; 32]), 1).unwrap();
    victim.0.libraries.take(&other, &[founding], false, now_ms(), |_, _| Ok(())).unwrap();
    let posing = Member {
        key: thief.0.key().public(),
        ticket: None,
        ..films(&victim).member(&origin.id()).unwrap().body.clone()
    };
    let library = victim.0.libraries.get(&other).unwrap();
    say(&victim, author::member(&library, &operator, posing, now_ms()).unwrap());

    origin.close().await;
    victim.close().await;
    let news = author::revoke(
        &films(&victim),
        &role_key(&origin, RoleKind::Operator),
        NodeId::of(&[9; 32]),
        "news",
        now_ms(),
    )
    .unwrap();
    say(&victim, news.clone());
    let films_id: LibraryId = films(&victim).id();
    std::fs::remove_file(victim.0.home.peers_path()).unwrap();
    victim.0.met(&origin.id(), "origin", &[address], &films_id).unwrap();
    let spread = victim.spread(&films_id).await.unwrap();
    assert_eq!((spread.known, spread.reached), (1, 0));
    assert!(films(&thief).statement(&news.id()).is_none());
}

/// A mirror that joined while a node was away is a stranger to it. It is told nothing until what it knows has shown that it
/// belongs.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_joined_meanwhile_is_heard_first() {
    let place = Place::new();
    let origin = place.origin().await;
    let away = place.node("away").await;
    away.join(ticket(&origin).await).await.unwrap();
    pull(&away).await.unwrap();
    let new = mirror(&place, &origin, "new").await;
    origin.close().await;
    assert!(films(&away).member(&new.id()).is_none());
    let address = new.listening().unwrap().to_string();
    let pulled = away.pull(Pull { from: Some(address), ..Pull::default() }, &Job::silent()).await.unwrap();
    assert_eq!(pulled.from, new.id().to_string());
    assert!(films(&away).is_member(&new.id(), now_ms()));
}
