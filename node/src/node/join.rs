//! `join`: shows a ticket's key to whoever may redeem it, and keeps what comes back.

use bytes::Bytes;
use chuan_engine::{
    audit::{Event, Verb},
    id::NodeId,
    statement::{Library, NodeRole, Proof, Statement, Ticket},
    sync::message,
};
use chuan_net::{Connection, Endpoint};

use super::{Inner, Node, address::plain, now_ms, publish::node_role};
use crate::{
    command::Join,
    exit::{Failure, Result},
    outcome::Joined,
};

impl Node {
    /// Becomes a member of the library that a ticket invites to, and remembers who redeemed it as a source. The ticket's
    /// secret does not leave this node. Durable when it returns; joining again with the same ticket is harmless.
    pub async fn join(&self, options: Join) -> Result<Joined> {
        let ticket = Ticket::parse(&options.ticket)?;
        ticket.check_time(now_ms())?;
        let node = &self.0;
        let issuer = ticket.issuer;
        let endpoint = Endpoint::dialler(node.me.identity())?;
        let hello = node.hello(None, self.listening())?;
        let connection = Connection::open(&endpoint, &ticket.addresses, issuer, &hello).await?;
        let statements = connection.join(node.proof(&ticket, connection.exporter()?)).await?;
        let address = plain(connection.address());
        connection.close();
        let joined = self.blocking(move |node| node.take_in(&ticket, &statements, address)).await;
        endpoint.hang_up().await;
        joined
    }
}

impl Inner {
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
    fn take_in(&self, ticket: &Ticket, statements: &[Bytes], address: String) -> Result<Joined> {
        let mut parsed = Vec::new();
        for bytes in statements {
            parsed.push(Statement::decode(bytes)?);
        }
        let now = now_ms();
        let role = role_after(ticket, &parsed, &self.me.id(), now)?;
        let library = self.libraries.change(&ticket.library, Vec::new(), now, |known| {
            parsed.retain(|statement| known.statement(&statement.id()).is_none());
            Ok(parsed)
        })?;
        let mut addresses = vec![address.clone()];
        addresses.extend(ticket.addresses.iter().filter(|other| **other != address).cloned());
        let issuer = library.member(&ticket.issuer).map_or("", |said| &said.body.name).to_owned();
        let subject = format!("through {} as {}", ticket.issuer.short(), role.name());
        self.note(Event::new(Verb::Join, subject).of(ticket.library));
        self.met(&ticket.issuer, &issuer, &addresses, &ticket.library)?;
        Ok(Joined {
            library: ticket.library.to_string(),
            library_name: library.name().to_owned(),
            from: ticket.issuer.to_string(),
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
