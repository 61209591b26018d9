//! `invite` and its answer: a ticket is a text with a secret key, and a statement that says what the key is good for.
//! Whoever proves the key gets a member statement.

use chuan_engine::{
    Error, Result as EngineResult,
    statement::{
        Body, Classes, Library, Member, NodeRole, Proof, RoleKind, Signature, Statement, Ticket, TicketTerms,
        Verbs,
        library::{member, ticket},
    },
    sync::message,
};
use chuan_net::PeerKey;

use super::{Inner, Node, address, now_ms, publish::node_role};
use crate::{
    command::Invite,
    exit::{Exit, Failure, Result},
    home::keys,
    outcome::Invited,
};

impl Node {
    /// Makes a ticket for a library whose operator key is in this home. The ticket's statement is durable when it
    /// returns; the ticket's secret is nowhere but in the answer.
    pub async fn invite(&self, options: Invite) -> Result<Invited> {
        let listening = self.listening();
        self.blocking(move |node| {
            let addresses = match options.addresses.as_slice() {
                [] => address::announced(&node.config, listening)?,
                given => given.to_vec(),
            };
            node.invite(&options, addresses)
        })
        .await
    }
}

impl Inner {
    fn invite(&self, options: &Invite, addresses: Vec<String>) -> Result<Invited> {
        let library = self.libraries.named_or_only(options.library.as_deref())?;
        let operator = self.role_key(&library, RoleKind::Operator)?;
        if addresses.is_empty() {
            return Err(Failure::usage(
                "no address for the ticket; run `chuan serve`, set `announce` in chuan.toml, or give --address",
            ));
        }
        let key = keys::generate()?;
        let now = now_ms();
        let expires_ms = i64::try_from(options.expires)
            .ok()
            .and_then(|seconds| seconds.checked_mul(1000)?.checked_add(now))
            .ok_or_else(|| Failure::usage("the ticket would never expire; give a shorter --expires"))?;
        let terms = TicketTerms {
            key: key.public(),
            redeemers: vec![self.key.node()],
            classes: Classes::all(),
            verbs: Verbs::PULL,
            role: options.role.map(node_role),
            expires_ms,
            uses: options.uses,
        };
        let statement = ticket(&library, &operator, terms, now)?;
        let made = Ticket {
            addresses: addresses.clone(),
            issuer: self.key.node(),
            library: library.id(),
            label: library.name().to_owned(),
            root_version: library.root().map_or(1, |root| root.version),
            expires_ms,
            redeemers: vec![self.key.node()],
            key,
            statement: statement.id(),
        };
        // Before the statement is kept: an address that cannot stand in a ticket shall leave nothing.
        let text = made.to_text()?;
        self.libraries.change(&library.id(), Vec::new(), now, |_| Ok(vec![statement]))?;
        Ok(Invited {
            ticket: text,
            library: library.id().to_string(),
            library_name: library.name().to_owned(),
            addresses,
            expires_ms,
            uses: options.uses,
        })
    }

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

        let me = self.key.node();
        let redeemed = self.libraries.change(&join.library, Vec::new(), now, |library| {
            if library.redeem(&join.ticket, &peer.node, &me, now).map_err(denied)?.is_some() {
                return Ok(Vec::new());
            }
            let body = Member {
                node: peer.node,
                key: peer.key,
                name: join.name.clone(),
                role: terms.role.unwrap_or_else(|| chosen_role(join.role)),
                classes: terms.classes.clone(),
                verbs: terms.verbs,
                expires_ms: 0,
                ticket: Some(join.ticket),
            };
            Ok(vec![member(library, &self.key, body, now)?])
        });
        let library = redeemed.map_err(|failure| for_joiner(&failure))?;
        tracing::info!(node = %peer.node, name = %join.name, library = %library.name(), "a node joined");
        Ok(welcome(&library, &[peer.node, me], &join.ticket).map(|s| s.bytes().clone()).collect())
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

/// What a new member needs to know: all roots, and what shows the membership of itself and of the redeemer.
fn welcome<'a>(
    library: &'a Library,
    nodes: &'a [chuan_engine::id::NodeId],
    ticket: &'a chuan_engine::id::StatementId,
) -> impl Iterator<Item = &'a Statement> {
    let mut tickets = vec![*ticket];
    tickets.extend(nodes.iter().filter_map(|node| library.member(node)?.body.ticket));
    library.statements().into_iter().filter(move |statement| match statement.body() {
        Body::Root(_) => true,
        Body::Ticket(_) => tickets.contains(&statement.id()),
        Body::Member(member) => nodes.contains(&member.node),
        _ => false,
    })
}

/// The role a joiner asks for, where the ticket leaves it to choose between mirror and edge.
const fn chosen_role(tag: u8) -> NodeRole {
    if tag == NodeRole::Edge as u8 { NodeRole::Edge } else { NodeRole::Mirror }
}
