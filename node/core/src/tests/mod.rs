//! Nodes in one process, over real stores and sockets: what a node promises beside its commands' own tests.

mod audit;
mod channels;
mod classes;
mod foreign;
mod gossip;
mod join;
mod jumps;
mod keys;
mod ledger;
mod limited;
mod mesh;
mod orders;
mod rates;
mod replay;
mod rotated;
mod tickets;
mod trespass;

use std::path::PathBuf;

use tempfile::TempDir;

use chuan_engine::{
    id::Salt,
    statement::{
        Library, Statement, StatementKind,
        library::{Founders, found},
    },
};

use super::*;
use crate::{
    command::{Invite, Join, Publish, Pull, Verify},
    home::keys::RoleKeys,
    outcome::{Published, Pulled},
};

/// A folder with homes in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn node(&self, name: &str) -> Node {
        Node::init(&self.path(name), Some(name), Role::Mirror).await.unwrap()
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path("films").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    async fn publish(&self, node: &Node) -> Result<Published> {
        let (source, library) = (self.path("films"), "films".to_owned());
        node.publish(Publish { source, library, ..Publish::default() }, &Job::silent()).await
    }

    /// An origin that has published and listens.
    async fn origin(&self) -> Node {
        self.write("a.mp4", "one");
        let origin = self.node("origin").await;
        self.publish(&origin).await.unwrap();
        origin.serve(Some("127.0.0.1:0")).await.unwrap();
        origin
    }
}

async fn ticket(origin: &Node) -> Join {
    Join { ticket: origin.invite(Invite::default()).await.unwrap().ticket }
}

async fn pull(node: &Node) -> Result<Pulled> {
    node.pull(Pull::default(), &Job::silent()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_is_open_once_and_free_after_the_last_clone() {
    let place = Place::new();
    let node = place.node("a").await;
    assert_eq!(Node::open(&place.path("a")).await.unwrap_err().exit, Exit::Busy);
    assert!(Node::try_open(&place.path("a"), "status").await.unwrap().is_none());
    node.serve(Some("127.0.0.1:0")).await.unwrap();
    assert_eq!(node.serve(None).await.unwrap_err().exit, Exit::Busy);
    node.close().await;
    drop(node);
    Node::open(&place.path("a")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_fails_founds_nothing() {
    let place = Place::new();
    let node = place.node("a").await;
    assert_eq!(place.publish(&node).await.unwrap_err().exit, Exit::Missing);
    assert!(node.status().await.unwrap().libraries.is_empty());
    assert!(node.0.home.foundings().unwrap().is_empty());
}

/// A crash between a library's keys and its first release: the next publish goes on with these keys, and founds no
/// second library of the same name.
#[tokio::test(flavor = "multi_thread")]
async fn a_founding_cut_short_is_finished() {
    let place = Place::new();
    place.write("a.mp4", "one");
    let node = place.node("a").await;
    let keys = RoleKeys::generate().unwrap();
    let founders = Founders { root: &keys.root, operator: &keys.operator, publisher: &keys.publisher };
    let (id, root) = found("films", founders, Salt::from_bytes([7; 32]), 1).unwrap();
    node.home().keep_founding(&id, &keys, root.bytes()).unwrap();
    node.close().await;
    drop(node);

    let node = Node::open(&place.path("a")).await.unwrap();
    let published = place.publish(&node).await.unwrap();
    assert_eq!((published.library, published.founded), (id.to_string(), false));
    assert_eq!(node.status().await.unwrap().libraries.len(), 1);
}

/// What a first publish stores is stored under its library's id: a publish that fails after it has begun must not leave that to
/// a library of which nothing is known, and found another the next time.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_publish_that_fails_is_repeated_in_the_same_library() {
    let place = Place::new();
    place.write("a.mp4", "one");
    let node = place.node("a").await;
    let (source, library) = (place.path("films"), "films".to_owned());
    let policy = Some(place.path("no-such-policy.toml"));
    let failing = Publish { source, library, policy, ..Publish::default() };
    node.publish(failing, &Job::silent()).await.unwrap_err();
    let [kept] = &node.home().foundings().unwrap()[..] else { panic!("one founding is kept") };
    let kept = Statement::decode(kept).unwrap().library();
    let published = place.publish(&node).await.unwrap();
    assert_eq!(published.library, kept.to_string());
    assert_eq!(node.status().await.unwrap().libraries.len(), 1);
}

/// A crash after the release is durable and before the channel moved: the release is made current, not made twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_whose_channel_did_not_move_is_finished() {
    let place = Place::new();
    place.write("a.mp4", "one");
    let node = place.node("a").await;
    let first = place.publish(&node).await.unwrap();
    place.write("a.mp4", "two, and longer");
    let second = place.publish(&node).await.unwrap();

    // The ledger as such a crash leaves it: all but the last channel statement.
    let library = node.0.libraries.named("films").unwrap();
    let last = library.channel("live").unwrap().statement.id();
    let mut kept = Vec::new();
    for kind in StatementKind::ALL {
        let held = node.0.ledger().statements(Some(&library.id()), kind).unwrap();
        kept.extend(held.into_iter().filter(|kept| kept.id != last).map(|kept| kept.bytes));
    }
    let before = Library::load(library.id(), kept, now_ms()).unwrap();
    assert_eq!(before.channel("live").unwrap().body.release.to_string(), first.release);
    node.0.libraries.replace(Arc::new(before));

    let third = place.publish(&node).await.unwrap();
    assert_eq!((third.release, third.changed), (second.release, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_serves_one_node_again_and_again_and_no_other() {
    let place = Place::new();
    let origin = place.origin().await;
    let (first, second) = (place.node("first").await, place.node("second").await);
    let join = ticket(&origin).await;
    first.join(join.clone()).await.unwrap();
    first.join(join.clone()).await.unwrap();
    let failure = second.join(join).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Denied);
    assert!(failure.message.contains("used already"), "{failure}");
    assert!(second.status().await.unwrap().libraries.is_empty());
    assert_eq!(place.publish(&first).await.unwrap_err().exit, Exit::Denied);
}

/// After a rebuild the index remembered no release as whole; a pull with nothing new then claimed nothing and was sent
/// all of the library again, 290 MiB of it in the first run that met this.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_node_fetches_nothing_again() {
    let place = Place::new();
    place.write("b.mp4", &"film ".repeat(100_000));
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    // Checkpoints that are signed meanwhile would travel, too.
    for node in [&origin, &mirror] {
        lock_of(&node.0.keeper).take();
    }
    let pulled = pull(&mirror).await.unwrap();
    assert!(pulled.changed && pulled.chunks_fetched > 1);

    let rebuilt = mirror.rebuild(&Job::silent()).await.unwrap();
    assert_eq!(rebuilt.lost, 0);
    let again = pull(&mirror).await.unwrap();
    assert_eq!((again.changed, again.chunks_fetched, again.page_bytes), (false, 0, 0));
    assert!(again.wire_bytes_in < 8192, "{again:?}");
    assert!(again.frame_bytes_in < 1024 && again.frame_bytes_out < 1024, "{again:?}");
    let verified = mirror.verify(Verify { deep: true }, &Job::silent()).await.unwrap();
    assert!(verified.ok && verified.releases == 1, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_stopped_is_remembered_and_resumed() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    let job = Job::silent();
    job.cancel().cancel();
    let failure = mirror.pull(Pull::default(), &job).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Interrupted);
    assert!(mirror.status().await.unwrap().libraries[0].pull_unfinished);
    assert!(pull(&mirror).await.unwrap().changed);
    assert!(!mirror.status().await.unwrap().libraries[0].pull_unfinished);
}

/// A source named by nothing but its address, which is not the one that was remembered.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_reached_by_its_address_alone() {
    let place = Place::new();
    let origin = place.origin().await;
    let (mirror, edge) = (place.node("mirror").await, place.node("edge").await);
    for node in [&mirror, &edge] {
        node.join(ticket(&origin).await).await.unwrap();
        pull(node).await.unwrap();
    }
    let address = mirror.serve(Some("127.0.0.1:0")).await.unwrap().to_string();
    origin.close().await;
    let from = |who: &str| Pull { from: Some(who.to_owned()), ..Pull::default() };
    let failure = edge.pull(from("nobody"), &Job::silent()).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Missing);
    // The mirror has not heard of the edge, which joined later: it goes by the statements that the edge brings along.
    let pulled = edge.pull(from(&address), &Job::silent()).await.unwrap();
    assert_eq!((pulled.from, pulled.changed), (mirror.id().to_string(), false));
}
