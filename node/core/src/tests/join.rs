//! Joins with tickets after keys or addresses of the nodes have changed.

use chuan_engine::statement::{Member, RoleKind, library as author};

use super::{
    mesh::{films, mirror, store, until},
    *,
};
use crate::command::{Offer, Rotate};

/// Stores an operator's grant for `node` under its present key at `origin`.
fn grant(origin: &Node, library: &Library, node: &Node) {
    let operators = crate::keyring::Keyring::of_home(origin.context().home.clone());
    let operator = operators.role_keys(library, RoleKind::Operator).unwrap().remove(0);
    let like = library.member(&origin.id()).unwrap().body.clone();
    let body = Member { node: node.id(), key: node.context().signing_key().public(), ticket: None, ..like };
    store(origin, author::member(library, &operator, body, now_ms()).unwrap());
}

/// Symptom: a join failed, and the ticket was used up. Cause: the redeemer had rotated its key and had a new
/// grant under the new key. It sent its succession too, but no other statement in its answer bound the old
/// key to the redeemer, so the joiner refused the whole answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_redeemer_that_was_granted_under_its_new_key_admits() {
    let place = Place::new();
    let origin = place.origin().await;
    origin.rotate(Rotate::default()).await.unwrap();
    grant(&origin, &films(&origin), &origin);
    let mirror = mirror(&place, &origin, "mirror").await;
    assert!(films(&origin).is_member(&mirror.id(), now_ms()));
}

/// Symptom: the ticket of a node whose key had been replaced was refused, and the refusal named no remedy.
/// Cause: no node of the library can tell from the present key that it belongs to the id in the hello. The
/// refusal names the remedy now, a grant under the present key, and that remedy works.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_key_was_replaced_joins_by_a_grant() {
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
    assert!(failure.message.contains("the option `node-key "), "{failure}");

    let more = || other.library_service().named("more").unwrap();
    grant(&other, &more(), &node);
    let statements = more().statements().into_iter().map(Into::into).collect();
    let import = Offer { library: more().id().to_string(), statements, unopposed: false };
    node.offer(import).await.unwrap();
    let pull = Pull { library: Some("more".into()), from: Some(address), ..Pull::default() };
    assert!(node.pull(pull, &Job::silent()).await.unwrap().changed);
}

/// Symptom: every `chuan invite` failed where the first address of a peer was in the ticket already, or was
/// not valid in a ticket.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_valid_in_a_ticket_is_left_out() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    let own = origin.listening().unwrap().to_string();
    let other = "192.0.2.9:4040".to_owned();
    let addresses = ["a b:1".to_owned(), own.clone(), other.clone()];
    origin.peers().record_dial(&mirror.id(), "mirror", &addresses, &films(&origin).id()).unwrap();
    let invited = origin.invite(Invite::default()).await.unwrap();
    assert_eq!(invited.addresses, [own, other]);
}

/// Symptom: a node that joined through a mirror never found the origin, although the ticket named its
/// address:
/// `pull` asked the mirror only, and was behind. Cause: of a ticket with several redeemers, only the address
/// that answered was kept.
#[tokio::test(flavor = "multi_thread")]
async fn all_addresses_of_a_ticket_are_kept() {
    let place = Place::new();
    let origin = place.origin().await;
    let near = mirror(&place, &origin, "near").await;
    near.serve(Some("127.0.0.1:0")).await.ok();
    until("the origin knows the mirror's address", || {
        let peers = origin.peers().all();
        peers.iter().any(|peer| peer.id == near.id().to_string() && !peer.addresses.is_empty())
    })
    .await;
    let join = ticket(&origin).await;
    let at = origin.listening().unwrap().to_string();
    until("the mirror has the ticket", || films(&near).tickets().count() > 1).await;
    origin.close().await;
    let late = place.node("late").await;
    let joined = late.join(join).await.unwrap();
    assert_eq!(joined.from, near.id().to_string());
    let sources = late.sources_of(&films(&late), "live").unwrap();
    let of_origin = sources.iter().find(|source| source.node == origin.id());
    assert!(of_origin.is_some_and(|source| source.addresses.contains(&at)), "{sources:?}");
}
