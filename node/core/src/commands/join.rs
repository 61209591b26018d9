//! `join`: proves a ticket's key to a redeemer, and stores the membership that comes back.

use std::sync::Arc;

use bytes::Bytes;
use chuan_engine::{
    audit::{Event, Verb},
    id::NodeId,
    statement::{Heading, Library, NodeRole, Proof, PublicKey, Statement, Ticket, check_reachable},
    sync::message,
};
use chuan_net::{
    FirstKeyOnly, PeerVerifier,
    link::{self, Socket},
};

use crate::{
    busy::{BusyPeer, is_busy},
    command::Join,
    context::Context,
    exit::{Exit, Failure, Result},
    job::Job,
    library::members::node_role,
    net_error::net_failure,
    outcome::Joined,
    peers::address::plain,
    services::Services,
};

/// Becomes a member of the library that a ticket invites to, and remembers its redeemer as a source. The
/// ticket's secret does not leave this node. Durable when it returns; joining again with the same ticket is
/// harmless.
pub(crate) async fn join(services: &Arc<Services>, options: Join, job: &Job) -> Result<Joined> {
    let context = &services.context;
    let mut ticket = Ticket::parse(&options.ticket)?;
    if let Some(joined) = joined_already(services, &ticket) {
        return Ok(joined);
    }
    ticket.check_time(context.now_ms())?;
    ticket.addresses.retain(|address| check_reachable(address).is_ok());
    if ticket.addresses.is_empty() {
        return Err(Failure::invalid(
            "the ticket has no address at which a node can be reached; ask for a new one: `chuan invite` with the option \
             `address HOST:PORT`",
        ));
    }
    let known = known_under_own_key(services, &ticket)?;
    let socket = context.network.dialler(context.key.identity()).map_err(net_failure)?;
    let hello = services.peers.hello(known.as_deref())?;
    let admitted = admitted(context, &*socket, &ticket, &hello, job).await;
    let joined = async {
        let admitted = admitted?;
        services.blocking(move |services| store_answer(services, &ticket, admitted)).await
    };
    let (joined, ()) = tokio::join!(joined, socket.hang_up());
    joined
}

/// The answer on the node that made the ticket: it is a member, so nothing is done, and the ticket stays
/// unused.
fn joined_already(services: &Services, ticket: &Ticket) -> Option<Joined> {
    let context = &services.context;
    let me = context.me();
    let library = services.library.get(&ticket.library).filter(|_| ticket.issuer == me)?;
    let role = library.member(&me).filter(|_| library.is_member(&me, context.now_ms()))?.body.role;
    Some(Joined {
        library: library.id().to_string(),
        library_name: library.name().to_owned(),
        from: me.to_string(),
        address: String::new(),
        role: role.name().to_owned(),
        already: true,
    })
}

/// The answer of a redeemer.
struct Admitted {
    redeemer: NodeId,
    address: String,
    statements: Vec<Bytes>,
}

/// Proves the ticket's key to the first redeemer that answers. If it refuses, tries the others: a redeemer
/// may not have the ticket's statement yet. Redeemers that are busy are asked again while none admits, as
/// [`BusyPeer`] allows.
async fn admitted(
    context: &Context,
    socket: &dyn Socket,
    ticket: &Ticket,
    hello: &message::Hello,
    job: &Job,
) -> Result<Admitted> {
    let one_by_one = ticket.addresses.iter().map(std::slice::from_ref);
    let mut attempts: Vec<&[String]> = vec![ticket.addresses.as_slice()];
    // A single redeemer would refuse again.
    attempts.extend(one_by_one.filter(|_| ticket.addresses.len() > 1));
    let mut peer = BusyPeer::default();
    let mut failures: Vec<Failure> = Vec::new();
    loop {
        let mut busy = Vec::new();
        for addresses in attempts {
            let admitted = tokio::select! {
                biased;
                () = job.cancel().cancelled() => return Err(Failure::interrupted()),
                admitted = ask(context, socket, ticket, hello, addresses) => admitted,
            };
            match admitted {
                Ok(admitted) => return Ok(admitted),
                Err(failure) if is_busy(&failure) => busy.push((addresses, failure)),
                Err(failure) => failures.push(failure),
            }
        }
        let wait = if busy.is_empty() { None } else { peer.next(context.randomness)? };
        let Some((wait, (_, first))) = wait.zip(busy.first()) else {
            failures.extend(busy.into_iter().map(|(_, failure)| failure));
            break;
        };
        peer.tell(first, job).await;
        attempts = busy.into_iter().map(|(addresses, _)| addresses).collect();
        tokio::select! {
            biased;
            () = job.cancel().cancelled() => return Err(Failure::interrupted()),
            () = tokio::time::sleep(wait) => {}
        }
    }
    // The reason of a redeemer that checked the ticket is the most useful one.
    let best = failures.iter().position(|failure| failure.exit == Exit::Denied).unwrap_or(0);
    Err(failures.into_iter().nth(best).unwrap_or_else(|| Failure::invalid("the ticket has no address")))
}

/// Proves the ticket's key to the first redeemer that answers at one of these addresses.
async fn ask(
    context: &Context,
    socket: &dyn Socket,
    ticket: &Ticket,
    hello: &message::Hello,
    addresses: &[String],
) -> Result<Admitted> {
    let redeemers: Arc<dyn PeerVerifier> = Arc::new(Redeemers(ticket.redeemers.clone()));
    let link = socket.open(addresses, ticket.issuer, hello, &redeemers).await.map_err(net_failure)?;
    let proof = proof(context, ticket, link.exporter().map_err(net_failure)?);
    let statements = link::join(&*link, proof).await.map_err(net_failure)?;
    let (redeemer, address) = (link.peer().node, plain(link.address()));
    link.close();
    Ok(Admitted { redeemer, address, statements })
}

/// Accepts any redeemer of a ticket.
struct Redeemers(Vec<NodeId>);

impl PeerVerifier for Redeemers {
    fn recognise(&self, _expected: &NodeId, key: &PublicKey) -> Option<NodeId> {
        self.0.contains(&key.node()).then(|| key.node())
    }

    fn accepts(&self, _expected: &NodeId, introduced: &NodeId) -> bool {
        self.0.contains(introduced)
    }

    fn verify_statements(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool {
        FirstKeyOnly.verify_statements(node, key, statements)
    }
}

/// The library of a ticket, if it knows this node under its current key. Fails if no ticket can admit this
/// node: a redeemer accepts an unknown node only under its first key.
fn known_under_own_key(services: &Services, ticket: &Ticket) -> Result<Option<Arc<Library>>> {
    let (node, key) = (services.context.me(), services.context.signing_key().public());
    let known = services.library.get(&ticket.library).filter(|known| known.key_of(&node) == Some(key));
    if known.is_none() && key.node() != node {
        return Err(Failure::denied(format!(
            "the key of this node was replaced, and a ticket admits a new node under its first key only; on a machine with an \
             operator key of {label}, `chuan grant {node}` with the option `library {label}`, the option `node-key {key}` and \
             the option `all-classes` (or some classes), and `chuan statements export {label} FILE` there; here `chuan statements \
             import FILE` and `chuan pull {label}` with the option `from HOST:PORT`",
            label = ticket.label
        )));
    }
    Ok(known)
}

fn proof(context: &Context, ticket: &Ticket, exporter: [u8; 32]) -> message::Join {
    let proof = Proof { exporter, library: ticket.library, joiner: context.me(), ticket: ticket.statement };
    message::Join {
        library: ticket.library,
        ticket: ticket.statement,
        name: context.config().name.clone(),
        role: node_role(context.config().role) as u8,
        proof: *proof.sign(&ticket.key).as_bytes(),
    }
}

/// Checks the answer of a redeemer without asking any peer, and stores it.
fn store_answer(services: &Services, ticket: &Ticket, admitted: Admitted) -> Result<Joined> {
    let Services { context, library: service, .. } = services;
    let Admitted { redeemer, address, statements } = admitted;
    let mut parsed = Vec::new();
    for bytes in &statements {
        let heading = Heading::read(bytes)?;
        // Statements of unknown kinds, and of other libraries, are skipped.
        if heading.kind().is_some() && heading.library() == ticket.library {
            parsed.push(Statement::decode(bytes)?);
        }
    }
    let (me, now) = (context.me(), context.now_ms());
    let role = role_after(ticket, &parsed, &me, now)?;
    // The proof of membership must be accepted. Other statements may be refused, such as a succession from a
    // key of the redeemer that was replaced by a later grant.
    let subject = format!("through {} as {}", redeemer.short(), role.name());
    let joined = Event::new(Verb::Join, subject).of(ticket.library);
    service.take(&ticket.library, &parsed, false, |_, _| context.audit(joined))?;
    let known = service.get(&ticket.library);
    let library = known.filter(|known| known.is_member(&me, now)).ok_or_else(|| {
        Failure::denied("this node knows that its membership has ended; ask an operator to grant it again")
    })?;
    service.keep_root(&library);
    let name = library.member(&redeemer).map_or("", |said| &said.body.name).to_owned();
    let mut addresses = vec![address.clone()];
    if ticket.redeemers.len() == 1 {
        addresses.extend(ticket.addresses.iter().filter(|other| **other != address).cloned());
    }
    if let Err(failure) = services.peers.record_dial(&redeemer, &name, &addresses, &ticket.library) {
        tracing::warn!(%failure, "the address of the redeemer was not stored");
    }
    // A ticket does not tell which address is which redeemer's: each may be any other's.
    let others = ticket.redeemers.iter().filter(|other| **other != redeemer && **other != me);
    let hints: Vec<_> = ticket.addresses.iter().filter(|other| **other != address).cloned().collect();
    if let Err(failure) = services.peers.record_hints(&library, others, &hints) {
        tracing::warn!(%failure, "the other addresses of the ticket were not stored");
    }
    Ok(Joined {
        library: ticket.library.to_string(),
        library_name: library.name().to_owned(),
        from: redeemer.to_string(),
        address,
        role: role.name().to_owned(),
        already: false,
    })
}

/// The role of `me` by these statements alone; fails if they do not make it a member.
fn role_after(ticket: &Ticket, statements: &[Statement], me: &NodeId, now: i64) -> Result<NodeRole> {
    let library = Library::open(ticket.library, statements.iter().cloned(), now)
        .map_err(|error| Failure::peer(format!("the answer to the ticket is incomplete: {error}")))?;
    let said = library.member(me).ok_or_else(|| {
        Failure::peer("the answer to the ticket does not make this node a member; ask for a new ticket")
    })?;
    Ok(said.body.role)
}
