//! Nodes that are refused, and names that could be taken for another node.

use chuan_engine::statement::{NodeRole, Ticket};

use super::{
    mesh::films,
    tickets::{connect, join_message},
    *,
};
use crate::{command::Rotate, library::members};

/// Symptom: a revoked node was told that the peer does not know it, and to get a ticket; the ticket was then
/// refused. With a key that had been replaced, it was told that the peer is faulty. Nothing kept the reason.
/// Cause: the refusal had no code of its own, and `members` forgot the name and role of a revoked node.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_node_is_told_so_whatever_its_key() {
    let place = Place::new();
    let origin = place.origin().await;
    let library = origin.library("films").await.unwrap();
    for name in ["first-key", "new-key"] {
        let mirror = place.node(name).await;
        mirror.join(ticket(&origin).await).await.unwrap();
        pull(&mirror).await.unwrap();
        if name == "new-key" {
            mirror.rotate(Rotate::default()).await.unwrap();
        }
        library.members().revoke(mirror.id(), "its disk was stolen").await.unwrap();
        let failure = pull(&mirror).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Denied, "{name}: {failure}");
        assert!(failure.message.contains("revoked this node on 2"), "{name}: {failure}");
        assert!(!failure.message.contains("get a ticket"), "{name}: {failure}");

        let status = mirror.status().await.unwrap();
        let [kept] = &status.libraries[0].refusals[..] else { panic!("{name}: {status:?}") };
        assert_eq!((kept.code.as_str(), kept.node.clone()), ("revoked", origin.id().to_string()));
        assert!(kept.message.contains("chuan grant"), "{kept:?}");
        let row = members::row(&films(&origin), &mirror.id(), now_ms());
        assert_eq!((row.name.as_str(), row.role.as_str(), row.state.as_str()), (name, "mirror", "revoked"));
        assert!(row.reason == "its disk was stolen" && row.revoked_ms.is_some(), "{row:?}");
    }
}

/// Symptom: a node joined under a name that was the beginning of another node's id, and `chuan grant` with
/// that beginning granted the joiner. Cause: names were compared with ids as equals.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_never_taken_for_an_id() {
    let place = Place::new();
    let origin = place.origin().await;
    let victim = place.node("victim").await;
    victim.join(ticket(&origin).await).await.unwrap();
    let thief = place.node("thief").await;
    let short = victim.id().short();

    let ticket = Ticket::parse(&ticket(&origin).await.ticket).unwrap();
    let connection = connect(&thief, &origin).await;
    let join = join_message(&ticket, &thief, &connection);
    let named = chuan_engine::sync::message::Join { name: short.clone(), ..join.clone() };
    let error = connection.join(named).await.unwrap_err().to_string();
    assert!(error.contains("beginning of an id"), "{error}");
    assert_eq!(films(&origin).members().len(), 2, "no node has joined");
    connection.join(join).await.unwrap();

    // Another node, of an older version, may have admitted such a name: it is shown, and matches nothing.
    let known = films(&origin);
    let like = known.member(&thief.id()).unwrap().body.clone();
    let body =
        chuan_engine::statement::Member { name: short.clone(), ticket: None, role: NodeRole::Mirror, ..like };
    let operator = super::mesh::role_key(&origin, chuan_engine::statement::RoleKind::Operator);
    super::mesh::store(
        &origin,
        chuan_engine::statement::library::member(&known, &operator, body, now_ms()).unwrap(),
    );
    assert_eq!(members::row(&films(&origin), &thief.id(), now_ms()).name, short);
    for text in [short.clone(), short.to_uppercase(), short[..4].to_owned(), victim.id().to_string()] {
        assert_eq!(members::named(&films(&origin), &text).unwrap(), victim.id(), "{text}");
    }
}
