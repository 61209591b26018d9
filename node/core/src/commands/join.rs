//! `join`: shows a ticket's key to whoever may redeem it, and keeps what comes back.

use std::sync::Arc;

use bytes::Bytes;
use chuan_engine::{
    audit::{Event, Verb},
    id::NodeId,
    statement::{Heading, Library, NodeRole, Proof, PublicKey, Statement, Ticket},
    sync::message,
};
use chuan_net::{Acquaintance, Connection, Endpoint, Stranger};

use super::{Inner, Node, address::plain, ledger, now_ms, publish::node_role};
use crate::{
    command::Join,
    exit::{Exit, Failure, Result},
    net_error::net_failure,
    outcome::Joined,
};

impl Node {
    /// Becomes a member of the library that a ticket invites to, and remembers who redeemed it as a source. The ticket's
    /// secret does not leave this node. Durable when it returns; joining again with the same ticket is harmless.
    pub async fn join(&self, options: Join) -> Result<Joined> {
        let ticket = Ticket::parse(&options.ticket)?;
        ticket.check_time(now_ms())?;
        let node = &self.0;
        let known = node.known_as_i_am(&ticket)?;
        let endpoint = Endpoint::dialler(node.me.identity()).map_err(net_failure)?;
        let hello = node.hello(known.as_deref(), self.listening())?;
        let admitted = admitted(node, &endpoint, &ticket, &hello).await;
        let joined = async {
            let admitted = admitted?;
            self.blocking(move |node| node.take_in(&ticket, admitted)).await
        };
        let (joined, ()) = tokio::join!(joined, endpoint.hang_up());
        joined
    }
}

/// What a redeemer answered.
struct Admitted {
    redeemer: NodeId,
    address: String,
    statements: Vec<Bytes>,
}

/// Shows the ticket's key to the first redeemer that answers, and where that one does not take it, to the others: one may not
/// have heard of the ticket yet.
async fn admitted(
    node: &Arc<Inner>,
    endpoint: &Endpoint,
    ticket: &Ticket,
    hello: &message::Hello,
) -> Result<Admitted> {
    let redeemers: Arc<dyn Acquaintance> = Arc::new(Redeemers(ticket.redeemers.clone()));
    let one_by_one = ticket.addresses.iter().map(std::slice::from_ref);
    let mut failures: Vec<Failure> = Vec::new();
    for addresses in std::iter::once(ticket.addresses.as_slice()).chain(one_by_one) {
        let admitted = async {
            let issuer = ticket.issuer;
            let connection = Connection::open_known(endpoint, addresses, issuer, hello, &redeemers)
                .await
                .map_err(net_failure)?;
            let proof = node.proof(ticket, connection.exporter().map_err(net_failure)?);
            let statements = connection.join(proof).await.map_err(net_failure)?;
            let (redeemer, address) = (connection.peer().node, plain(connection.address()));
            connection.close();
            Ok::<_, Failure>(Admitted { redeemer, address, statements })
        };
        match admitted.await {
            Ok(admitted) => return Ok(admitted),
            Err(failure) => failures.push(failure),
        }
        // Alone it would only say the same again.
        if ticket.addresses.len() == 1 {
            break;
        }
    }
    // Of all reasons, that of one who looked at the ticket is worth most.
    let told = failures.iter().position(|failure| failure.exit == Exit::Denied).unwrap_or(0);
    Err(failures.into_iter().nth(told).unwrap_or_else(|| Failure::invalid("the ticket has no address")))
}

/// Takes whichever redeemer of a ticket answers.
struct Redeemers(Vec<NodeId>);

impl Acquaintance for Redeemers {
    fn recognise(&self, _expected: &NodeId, key: &PublicKey) -> Option<NodeId> {
        self.0.contains(&key.node()).then(|| key.node())
    }

    fn stands_for(&self, _expected: &NodeId, introduced: &NodeId) -> bool {
        self.0.contains(introduced)
    }

    fn is_shown(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool {
        Stranger.is_shown(node, key, statements)
    }
}

impl Inner {
    /// The library of a ticket, where this node is known in it under the key that it has. Fails where it is not and never can be
    /// by a ticket: who redeems one knows a stranger by its first key alone.
    fn known_as_i_am(&self, ticket: &Ticket) -> Result<Option<Arc<Library>>> {
        let (node, key) = (self.me.id(), self.key().public());
        let known = self.libraries.get(&ticket.library).filter(|known| known.key_of(&node) == Some(key));
        if known.is_none() && key.node() != node {
            return Err(Failure::denied(format!(
                "the key of this node was replaced, and a ticket admits a new node under its first key only; on a machine with an \
                 operator key of {label}: `chuan grant {node} --library {label} --node-key {key} --all-classes` (or what it shall \
                 have) and `chuan statements export {label} FILE`; here `chuan statements import FILE` and `chuan pull {label} \
                 --from HOST:PORT`",
                label = ticket.label
            )));
        }
        Ok(known)
    }

    fn proof(&self, ticket: &Ticket, exporter: [u8; 32]) -> message::Join {
        let proof =
            Proof { exporter, library: ticket.library, joiner: self.me.id(), ticket: ticket.statement };
        message::Join {
            library: ticket.library,
            ticket: ticket.statement,
            name: self.config.name.clone(),
            role: node_role(self.config.role) as u8,
            proof: *proof.sign(&ticket.key).as_bytes(),
        }
    }

    /// Checks what a redeemer answered, offline, and keeps it.
    fn take_in(&self, ticket: &Ticket, admitted: Admitted) -> Result<Joined> {
        let Admitted { redeemer, address, statements } = admitted;
        let mut parsed = Vec::new();
        for bytes in &statements {
            let heading = Heading::read(bytes)?;
            // A kind of a later version is for others to read, and another library is none of this ticket's business.
            if heading.kind().is_some() && heading.library() == ticket.library {
                parsed.push(Statement::decode(bytes)?);
            }
        }
        let now = now_ms();
        let role = role_after(ticket, &parsed, &self.me.id(), now)?;
        // What shows the membership is taken. The rest need not be: of a redeemer that was granted again, say, a
        // succession from a key that nobody needs any more.
        let subject = format!("through {} as {}", redeemer.short(), role.name());
        let joined = Event::new(Verb::Join, subject).of(ticket.library);
        self.libraries.take(&ticket.library, &parsed, false, now, |_, _| self.audit(joined))?;
        let known = self.libraries.get(&ticket.library);
        let library = known.filter(|known| known.is_member(&self.me.id(), now)).ok_or_else(|| {
            Failure::denied(
                "this node knows that its membership has ended; ask an operator to grant it again",
            )
        })?;
        ledger::keep_root(&self.home, &library);
        let name = library.member(&redeemer).map_or("", |said| &said.body.name).to_owned();
        let mut addresses = vec![address.clone()];
        if ticket.redeemers.len() == 1 {
            addresses.extend(ticket.addresses.iter().filter(|other| **other != address).cloned());
        }
        if let Err(failure) = self.met(&redeemer, &name, &addresses, &ticket.library) {
            tracing::warn!(%failure, "where the redeemer was reached was not kept");
        }
        Ok(Joined {
            library: ticket.library.to_string(),
            library_name: library.name().to_owned(),
            from: redeemer.to_string(),
            address,
            role: role.name().to_owned(),
        })
    }
}

/// The role that `me` has by these statements alone; fails where they do not make it a member.
fn role_after(ticket: &Ticket, statements: &[Statement], me: &NodeId, now: i64) -> Result<NodeRole> {
    let library = Library::open(ticket.library, statements.iter().cloned(), now)
        .map_err(|error| Failure::peer(format!("the answer to the ticket is incomplete: {error}")))?;
    let said = library.member(me).ok_or_else(|| {
        Failure::peer("the answer to the ticket does not make this node a member; ask for a new ticket")
    })?;
    Ok(said.body.role)
}
