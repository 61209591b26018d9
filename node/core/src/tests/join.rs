//! Tickets and those who redeem them, where keys and addresses are not as they were at first.

use chuan_engine::statement::{Member, RoleKind, library as author};

use super::{
    mesh::{films, mirror, say},
    *,
};
use crate::command::{Offer, Rotate};

/// An operator's word about `node` under the key that it has now.
fn grant(origin: &Node, library: &Library, node: &Node) {
    let operators = crate::keyring::Keyring::of_home(origin.0.home.clone());
    let operator = operators.role_keys(library, RoleKind::Operator).unwrap().remove(0);
    let like = library.member(&origin.id()).unwrap().body.clone();
    let body = Member { node: node.id(), key: node.0.key().public(), ticket: None, ..like };
    say(origin, author::member(library, &operator, body, now_ms()).unwrap());
}

/// A redeemer that had rotated its key and was granted again under the new one sent its succession along, whose old key nothing
/// else in the answer showed. The joiner refused all of it, and the ticket was used up.
#[tokio::test(flavor = "multi_thread")]
async fn a_redeemer_that_was_granted_under_its_new_key_admits() {
    let place = Place::new();
    let origin = place.origin().await;
    origin.rotate(Rotate::default()).await.unwrap();
    grant(&origin, &films(&origin), &origin);
    let mirror = mirror(&place, &origin, "mirror").await;
    assert!(films(&origin).is_member(&mirror.id(), now_ms()));
}

/// The hello of a node with another key than its first names a node that nobody knows by it, so its ticket was refused without a
/// hint. It is told what to do instead, and that works.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_key_was_replaced_joins_on_an_operators_word() {
    let place = Place::new();
    let origin = place.origin().await;
    let node = place.node("node").await;
    let first = ticket(&origin).await;
    node.join(first.clone()).await.unwrap();
    node.rotate(Rotate::default()).await.unwrap();
    node.join(first).await.unwrap();

    let other = place.node("other").await;
    let more = Publish { source: place.path("films"), library: "more".into(), ..Publish::default() };
    other.publish(more, &Job::silent()).await.unwrap();
    let address = other.serve(Some("127.0.0.1:0")).await.unwrap().to_string();
    let failure = node.join(ticket(&other).await).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Denied);
    assert!(failure.message.contains("--node-key"), "{failure}");

    let more = || other.0.libraries.named("more").unwrap();
    grant(&other, &more(), &node);
    let statements = more().statements().into_iter().map(Into::into).collect();
    let import = Offer { library: more().id().to_string(), statements, unopposed: false };
    node.offer(import).await.unwrap();
    let pull = Pull { library: Some("more".into()), from: Some(address), ..Pull::default() };
    assert!(node.pull(pull, &Job::silent()).await.unwrap().changed);
}

/// A peer whose first address was listed already, or cannot stand in a ticket, made every `chuan invite` fail.
#[tokio::test(flavor = "multi_thread")]
async fn a_peers_address_that_cannot_stand_in_a_ticket_is_left_out() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    let own = origin.listening().unwrap().to_string();
    let far = "192.0.2.9:4040".to_owned();
    let places = ["a b:1".to_owned(), own.clone(), far.clone()];
    origin.0.met(&mirror.id(), "mirror", &places, &films(&origin).id()).unwrap();
    let invited = origin.invite(Invite::default()).await.unwrap();
    assert_eq!(invited.addresses, [own, far]);
}
