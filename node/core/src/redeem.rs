//! Redeeming a ticket: a peer that proves the ticket's key gets a member statement, signed by this node.

use chuan_api::node_event::NodeEvent;
use chuan_engine::{
    Error, Result as EngineResult,
    audit::{Event, Verb},
    id::may_be_id,
    statement::{Library, Member, NodeRole, Proof, Signature, Statement, library::member},
    sync::message,
};
use chuan_net::PeerKey;

use crate::{
    audit::task::actor,
    context::Context,
    exit::{Exit, Failure},
    library::LibraryService,
};

/// Makes `peer` a member if it proves the ticket's key. It has proved its own key over the connection with
/// this `exporter`. The use is durable when it returns; the same node gets the same answer again. Blocks.
pub(crate) fn redeem(
    context: &Context,
    service: &LibraryService,
    peer: &PeerKey,
    exporter: &[u8; 32],
    join: &message::Join,
) -> EngineResult<Vec<bytes::Bytes>> {
    let now = context.now_ms();
    // The same answer for an unknown library and an unknown ticket: a peer that is no member must not learn
    // which.
    let unknown =
        || Error::Denied("this node does not know the ticket; ask for a new one with `chuan invite`".into());
    let known = service.get(&join.library).ok_or_else(unknown)?;
    let terms = known.ticket(&join.ticket).ok_or_else(unknown)?.body;
    let proof = Proof { exporter: *exporter, library: join.library, joiner: peer.node, ticket: join.ticket };
    proof.verify(&terms.key, &Signature::from_bytes(join.proof))?;
    if may_be_id(&join.name) {
        return Err(Error::Denied(format!(
            "the name `{}` could be the beginning of an id; change `name` in chuan.toml, and join again",
            join.name
        )));
    }

    let me = context.me();
    let mut is_new = false;
    let redeemed = service.change(&join.library, |library| {
        if library.redeem(&join.ticket, &peer.node, &me, now).map_err(denied)?.is_some() {
            return Ok(Vec::new());
        }
        let body = Member {
            node: peer.node,
            key: peer.key,
            name: join.name.clone(),
            role: terms.role.unwrap_or_else(|| chosen_role(join.role)),
            region: terms.region.clone(),
            classes: terms.classes.clone(),
            verbs: terms.verbs,
            expires_ms: 0,
            ticket: Some(join.ticket),
        };
        let made = member(library, &context.signing_key(), body, now)?;
        let subject = format!("{} with ticket {}", join.name, join.ticket.short());
        context.audit(Event::new(Verb::Join, subject).by(actor(peer)).of(join.library))?;
        is_new = true;
        Ok(vec![made])
    });
    let library = redeemed.map_err(|failure| for_joiner(&failure))?;
    if is_new {
        context.emit(NodeEvent::Joined {
            library: library.id().to_string(),
            node: peer.node.to_string(),
            name: join.name.clone(),
        });
    }
    let welcome = welcome(&library, &[peer.node, me], &join.ticket);
    Ok(welcome.into_iter().map(|statement| statement.bytes().clone()).collect())
}

/// The joiner gets the reason alone, without the prefix of an error.
fn denied(error: Error) -> Failure {
    match error {
        Error::Denied(reason) => Failure::denied(reason),
        error => error.into(),
    }
}

/// The reason why a ticket was not redeemed. An internal error goes only to this node's log.
fn for_joiner(failure: &Failure) -> Error {
    match failure.exit {
        Exit::Denied => Error::Denied(failure.message.clone()),
        Exit::Invalid => Error::Invalid(failure.message.clone()),
        _ => {
            tracing::error!(%failure, "a ticket could not be redeemed");
            Error::Busy("the node cannot redeem a ticket now".into())
        }
    }
}

/// The statements that a new member needs: the roots, the ticket, and the proof of membership and key of
/// itself and of the redeemer. The rest comes with its first exchange.
fn welcome<'a>(
    library: &'a Library,
    nodes: &[chuan_engine::id::NodeId],
    ticket: &chuan_engine::id::StatementId,
) -> Vec<&'a Statement> {
    let shown = nodes.iter().flat_map(|node| library.credentials(node));
    let mut welcome: Vec<_> = library.roots().chain(library.statement(ticket)).collect();
    for statement in shown {
        if !welcome.iter().any(|known| known.id() == statement.id()) {
            welcome.push(statement);
        }
    }
    welcome
}

/// The role that a joiner asks for, where the ticket allows mirror and edge.
const fn chosen_role(tag: u8) -> NodeRole {
    if tag == NodeRole::Edge as u8 { NodeRole::Edge } else { NodeRole::Mirror }
}
