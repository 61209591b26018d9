//! The answer to a ticket: whoever proves its key gets a member statement, signed by this node.

use chuan_engine::{
    Error, Result as EngineResult,
    audit::{Event, Verb},
    statement::{Library, Member, NodeRole, Proof, Signature, Statement, library::member},
    sync::message,
};
use chuan_net::PeerKey;

use super::{Inner, Node, audit, now_ms};
use crate::{
    authority,
    command::Invite,
    exit::{Exit, Failure, Result},
    job::Job,
    keyring::Keyring,
    outcome::Invited,
    session::Session,
};

impl Node {
    /// Makes a ticket for a library whose operator key is in this home. The ticket's statement is durable when it
    /// returns; the ticket's secret is nowhere but in the answer.
    pub async fn invite(&self, options: Invite) -> Result<Invited> {
        let mut session = Session::within(self.clone(), Job::silent());
        authority::invite(&mut session, &Keyring::of_home(self.0.home.clone()), options).await
    }
}

impl Inner {
    /// Makes `peer`, who has proved its key over the connection with this `exporter`, a member if it proves the
    /// ticket's key too. The use is durable when it returns; asked again by the same node, it gives the same answer.
    pub(super) fn redeem(
        &self,
        peer: &PeerKey,
        exporter: &[u8; 32],
        join: &message::Join,
    ) -> EngineResult<Vec<bytes::Bytes>> {
        let now = now_ms();
        // One answer for a library that is not here and a ticket that is not known: strangers learn of neither.
        let unknown = || {
            Error::Denied("this node does not know the ticket; ask for a new one with `chuan invite`".into())
        };
        let known = self.libraries.get(&join.library).ok_or_else(unknown)?;
        let terms = known.ticket(&join.ticket).ok_or_else(unknown)?.body;
        let proof =
            Proof { exporter: *exporter, library: join.library, joiner: peer.node, ticket: join.ticket };
        proof.verify(&terms.key, &Signature::from_bytes(join.proof))?;

        let me = self.me.id();
        let redeemed = self.libraries.change(&join.library, now, |library| {
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
            let made = member(library, &self.key(), body, now)?;
            let subject = format!("{} with ticket {}", join.name, join.ticket.short());
            self.audit(Event::new(Verb::Join, subject).by(audit::peer(peer)).of(join.library))?;
            Ok(vec![made])
        });
        let library = redeemed.map_err(|failure| for_joiner(&failure))?;
        tracing::info!(node = %peer.node, name = %join.name, library = %library.name(), "a node joined");
        let welcome = welcome(&library, &[peer.node, me], &join.ticket);
        Ok(welcome.into_iter().map(|statement| statement.bytes().clone()).collect())
    }
}

/// The joiner hears the reason itself, without what stands before it in an error.
fn denied(error: Error) -> Failure {
    match error {
        Error::Denied(reason) => Failure::denied(reason),
        error => error.into(),
    }
}

/// Why a ticket was not redeemed; what went wrong inside this node is for its own log.
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

/// What a new member needs to know: the roots that count, the ticket, and what shows the membership and the keys of itself and of the
/// redeemer. The rest comes with its first exchange.
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

/// The role a joiner asks for, where the ticket leaves it to choose between mirror and edge.
const fn chosen_role(tag: u8) -> NodeRole {
    if tag == NodeRole::Edge as u8 { NodeRole::Edge } else { NodeRole::Mirror }
}
