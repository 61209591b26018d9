//! Nodes that follow a library: no command pulls.

use std::{fs, path::Path};

use chuan_api::node_event::{NodeEvent, Stamped};
use chuan_engine::id::StatementId;

use super::{
    mesh::{films, until},
    *,
};
use crate::{
    context::{EventStream, Next},
    follow::look,
    spec::LIVE,
};

/// Adds a table `[[follow]]` of `films` to the settings of a node.
async fn follow(node: &Node, into: Option<&Path>) {
    let path = node.home().root().join("chuan.toml");
    let into = into.map(|into| format!("into = {:?}\n", into.to_str().unwrap())).unwrap_or_default();
    let settings = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{settings}[[follow]]\nlibrary = \"films\"\n{into}")).unwrap();
    assert_eq!(node.reload().await.unwrap(), ["follow"]);
}

fn here(node: &Node) -> Option<StatementId> {
    let library = node.library_service().find("films").unwrap()?;
    node.library_service().ref_of(&library, LIVE).unwrap().map(|at| at.release)
}

/// A node of a role that listens, follows and has joined.
async fn follower(place: &Place, origin: &Node, name: &str, role: Role) -> Node {
    let node = Node::init(place.path(name), Some(name), role).await.unwrap();
    node.serve(Some("127.0.0.1:0")).await.unwrap();
    node.follow();
    node.follow();
    node.join(ticket(origin).await).await.unwrap();
    node
}

async fn publish_and_wait(place: &Place, origin: &Node, mirror: &Node) {
    let published = place.publish(origin).await.unwrap();
    let release = published.release.parse().unwrap();
    until("the release is here", || here(mirror) == Some(release)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_serves_fetches_what_is_published() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = follower(&place, &origin, "mirror", Role::Mirror).await;
    until("the first release is here", || here(&mirror).is_some()).await;
    for content in ["two", "three"] {
        place.write("a.mp4", content);
        publish_and_wait(&place, &origin, &mirror).await;
    }
    // A newcomer is complete although the origin is gone.
    let late = ticket(&origin).await;
    let newcomer = place.node("newcomer").await;
    newcomer.serve(Some("127.0.0.1:0")).await.unwrap();
    newcomer.join(late).await.unwrap();
    until("the mirror knows the newcomer", || films(&mirror).member(&newcomer.id()).is_some()).await;
    let is_mirror = |source: &Source| source.node == mirror.id() && !source.addresses.is_empty();
    until("the newcomer knows the release and the mirror", || {
        let library = films(&newcomer);
        library.channel(LIVE).is_some() && newcomer.sources_of(&library, LIVE).unwrap().iter().any(is_mirror)
    })
    .await;
    let newest = here(&origin);
    origin.close().await;
    newcomer.follow();
    until("the newcomer has the newest release", || here(&newcomer) == newest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_kept_equal_to_the_library() {
    let place = Place::new();
    place.write("old.srt", "old");
    let origin = place.origin().await;
    let mirror = follower(&place, &origin, "mirror", Role::Mirror).await;
    let into = place.path("into");
    follow(&mirror, Some(&into)).await;
    let has =
        |name: &str, content: &str| fs::read_to_string(into.join(name)).is_ok_and(|text| text == content);
    until("the folder has the first release", || has("a.mp4", "one") && has("old.srt", "old")).await;
    place.write("a.mp4", "two");
    fs::remove_file(place.path("films").join("old.srt")).unwrap();
    publish_and_wait(&place, &origin, &mirror).await;
    until("the folder has the second release", || has("a.mp4", "two") && !into.join("old.srt").exists())
        .await;
}

/// Waits for the event that a library could not be followed. Returns the reason.
async fn failure(events: &mut EventStream) -> String {
    loop {
        match events.next().await.unwrap() {
            Next::Event(Stamped { event: NodeEvent::NotFollowed { reason, .. }, .. }) => return reason,
            Next::Event(_) | Next::Missed(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_files_of_the_user_is_not_touched() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = follower(&place, &origin, "mirror", Role::Mirror).await;
    let into = place.path("into");
    fs::create_dir(&into).unwrap();
    fs::write(into.join("mine"), "mine").unwrap();
    let mut events = mirror.events();
    follow(&mirror, Some(&into)).await;
    let reason = failure(&mut events).await;
    assert!(reason.contains("is not empty") && reason.contains("name another"), "{reason}");
    assert_eq!(fs::read_dir(&into).unwrap().count(), 1);
    // It is tried again: the folder is used once it is empty.
    fs::remove_file(into.join("mine")).unwrap();
    until("the folder has the release", || into.join("a.mp4").exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_follows_what_its_settings_name() {
    let place = Place::new();
    let origin = place.origin().await;
    let edge = follower(&place, &origin, "edge", Role::Edge).await;
    assert!(look(edge.services()).unwrap().is_empty());
    assert_eq!(here(&edge), None);
    follow(&edge, None).await;
    until("the release is here", || here(&edge).is_some()).await;
    assert_eq!(look(edge.services()).unwrap().len(), 1);
    // The origin is no mirror, and follows nothing.
    assert!(here(&origin).is_some());
}
