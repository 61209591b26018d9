//! Runs each example, with an origin in the same process.

#[allow(dead_code, reason = "the test calls `run`, not `main`")]
#[path = "../examples/events.rs"]
mod events;
#[allow(dead_code, reason = "the test calls `run`, not `main`")]
#[path = "../examples/grant.rs"]
mod grant;
#[allow(dead_code, reason = "the test calls `run`, not `main`")]
#[path = "../examples/mirror.rs"]
mod mirror;
#[allow(dead_code, reason = "the test calls `run`, not `main`")]
#[path = "../examples/range.rs"]
mod range;

use std::error::Error;

use chuan::{
    Node,
    command::Role,
    handle::{Channel, Invite, MemberState, Publish},
};
use tempfile::TempDir;

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

const FILM: &[u8] = b"not really a film";

/// A folder with an origin that has published a film, and listens.
async fn origin() -> Result<(TempDir, Node)> {
    let dir = tempfile::tempdir()?;
    std::fs::create_dir(dir.path().join("films"))?;
    std::fs::write(dir.path().join("films/film.mp4"), FILM)?;
    let node = Node::init(dir.path().join("origin"), Some("origin"), Role::Origin).await?;
    node.found("films", Publish::new(dir.path().join("films"))).await?;
    node.serve(Some("127.0.0.1:0")).await?;
    Ok((dir, node))
}

async fn ticket(origin: &Node) -> Result<String> {
    Ok(origin.library("films").await?.members().invite(Invite::new()).await?.ticket)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_embedded() -> Result {
    let (dir, origin) = origin().await?;
    let (node, pulled) = mirror::run(&dir.path().join("mirror"), &ticket(&origin).await?).await?;
    assert!(node.listening().is_some());
    let film = node.library("films").await?.file(&pulled.release, "film.mp4").await?;
    assert_eq!(film.read_at(0..film.len()).await?, FILM);
    node.close().await;
    origin.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_watched_until_the_node_is_closed() -> Result {
    let (dir, origin) = origin().await?;
    let node = Node::init(dir.path().join("mirror"), None, Role::Mirror).await?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let watching = tokio::spawn(events::run(node.events(), move |line| {
        let _ = sender.send(line);
    }));
    let films = node.join_library(&ticket(&origin).await?).await?;
    films.pull(Channel::LIVE).await?;
    node.close().await;
    // The stream ends although handles to the node live.
    watching.await?;
    drop((node, films));
    origin.close().await;
    let lines: Vec<String> = receiver.iter().collect();
    for expected in ["channel live is at release 1", "pulled 17 bytes in"] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected} is not in {lines:#?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_a_file_is_served() -> Result {
    let (_dir, origin) = origin().await?;
    for (range, bytes) in [("4-9", &b"really"[..]), ("11-", b"a film"), ("-4", b"film")] {
        let mut out = Vec::new();
        range::run(&origin, "films", "film.mp4", range.parse()?, &mut out).await?;
        assert_eq!(out, bytes, "{range}");
    }
    let outside = range::run(&origin, "films", "film.mp4", "99-".parse()?, &mut Vec::new()).await;
    assert!(outside.is_err_and(|error| error.to_string().contains("outside the file")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_granted_and_revoked() -> Result {
    let (dir, origin) = origin().await?;
    let key = Node::init(dir.path().join("mirror"), None, Role::Mirror).await?.key();
    let [granted, revoked] = grant::run(&origin, "films", key, "trailers").await?;
    assert_eq!((granted.state, granted.node), (MemberState::Member, key.node()));
    assert_eq!((revoked.state, revoked.reason.as_str()), (MemberState::Revoked, "the example is over"));
    Ok(())
}
