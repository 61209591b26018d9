//! Nodes that follow a library: no command pulls.

use std::fs;

use chuan_engine::id::StatementId;

use super::{
    classes::{POLICY, grant},
    mesh::{films, until},
    *,
};
use crate::{follow::look, spec::LIVE};

/// Adds a table `[[follow]]` of `films` to the settings of a node.
async fn follow(node: &Node) {
    let path = node.home().root().join("chuan.toml");
    let settings = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{settings}[[follow]]\nlibrary = \"films\"\n")).unwrap();
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
async fn an_edge_follows_what_its_settings_name() {
    let place = Place::new();
    let origin = place.origin().await;
    let edge = follower(&place, &origin, "edge", Role::Edge).await;
    assert!(look(edge.services()).followed.is_empty());
    assert_eq!(here(&edge), None);
    follow(&edge).await;
    until("the release is here", || here(&edge).is_some()).await;
    assert_eq!(look(edge.services()).followed.len(), 1);
    // The origin is no mirror, and follows nothing.
    assert!(here(&origin).is_some());
}

/// Symptom: a mistyped name in `[[follow]]` showed nowhere: nothing was fetched, and no line said why.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_in_the_settings_is_in_the_status() {
    let place = Place::new();
    let origin = place.origin().await;
    let edge = Node::init(place.path("edge"), Some("edge"), Role::Edge).await.unwrap();
    follow(&edge).await;
    assert_eq!(edge.status().await.unwrap().follows_unknown, ["films"]);
    edge.join(ticket(&origin).await).await.unwrap();
    assert!(edge.status().await.unwrap().follows_unknown.is_empty());
}

/// Symptom: a class that was granted to a mirror came only with the next release.
#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_is_granted_later_is_fetched_at_once() {
    let place = Place::new();
    for name in ["masters/a.mov", "trailers/a.mp4", "readme"] {
        place.write(name, name);
    }
    let origin = place.node("origin").await;
    place.publish_classes(&origin, POLICY).await.unwrap();
    origin.serve(Some("127.0.0.1:0")).await.unwrap();
    let options = Invite { classes: vec!["trailers".into()], ..Invite::default() };
    let ticket = Join { ticket: origin.invite(options).await.unwrap().ticket, ..Join::default() };
    let mirror = Node::init(place.path("mirror"), Some("mirror"), Role::Mirror).await.unwrap();
    mirror.serve(Some("127.0.0.1:0")).await.unwrap();
    mirror.join(ticket).await.unwrap();
    mirror.follow();
    let classes = |mirror: &Node| {
        let library = films(mirror);
        let here = mirror.library_service().here(&library, LIVE).unwrap();
        here.map(|release| {
            mirror.library_service().holdings.held(&library, &release.body.manifest).unwrap().classes.len()
        })
    };
    until("the granted class is here", || classes(&mirror) == Some(1)).await;
    // The rows of `masters` ask for one fetch a day.
    grant(&origin, &mirror, &["trailers", "masters"]);
    until("the added class is here", || classes(&mirror) == Some(2)).await;
}
