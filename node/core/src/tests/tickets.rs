//! Misused tickets, with real nodes: replayed, intercepted, altered and expired.

use chuan_engine::{
    id::{LibraryId, StatementId},
    statement::{
        Body, Header, Key, Member, NodeRole, Proof, PublicKey, RoleKind, Statement, Ticket, Verbs,
        library as author,
    },
    sync::{frame::Frame, message, session::Outlet},
};
use chuan_net::{
    Connection, Endpoint, Error as NetError, Identity, PeerKey,
    serve::{self, Caller, Identified, PeerHandler, Refused},
};

use super::{
    mesh::{films, role_key, store},
    *,
};

const HOUR_MS: i64 = 3_600_000;

async fn parsed(origin: &Node) -> Ticket {
    Ticket::parse(&ticket(origin).await.ticket).unwrap()
}

/// Connects a node that is not a member yet.
pub(super) async fn connect(node: &Node, to: &Node) -> Connection {
    let endpoint = Endpoint::dialler(Identity::new(node.context().signing_key())).unwrap();
    let address = to.listening().unwrap().to_string();
    let hello = node.peers().hello(None).unwrap();
    Connection::open(&endpoint, &[address], to.id(), &hello).await.unwrap()
}

/// The message with which a holder of `ticket` joins on `connection`, in the name of `joiner`.
pub(super) fn join_message(ticket: &Ticket, joiner: &Node, connection: &Connection) -> message::Join {
    let exporter = connection.exporter().unwrap();
    let proof = Proof { exporter, library: ticket.library, joiner: joiner.id(), ticket: ticket.statement };
    message::Join {
        library: ticket.library,
        ticket: ticket.statement,
        name: "joiner".into(),
        role: NodeRole::Mirror as u8,
        proof: *proof.sign(&ticket.key).as_bytes(),
    }
}

/// Checks that a home has no library and no address of a peer.
fn assert_untouched(node: &Node) {
    assert!(node.library_service().all().is_empty());
    assert_eq!(node.context().home.peers().unwrap().iter().count(), 0);
}

/// The proof of a ticket's key covers the connection and the joiner: a node that intercepts it cannot use it.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_invalid_on_another_connection_and_for_another_node() {
    let place = Place::new();
    let origin = place.origin().await;
    let (joiner, thief) = (place.node("joiner").await, place.node("thief").await);
    let ticket = parsed(&origin).await;
    let connection = connect(&joiner, &origin).await;
    let join = join_message(&ticket, &joiner, &connection);
    let (again, stolen) = (connect(&joiner, &origin).await, connect(&thief, &origin).await);
    let for_another = join_message(&ticket, &joiner, &stolen);
    for (on, join) in [(&again, &join), (&stolen, &join), (&stolen, &for_another)] {
        let error = on.join(join.clone()).await.unwrap_err();
        let NetError::Refused { source: Error::Denied(why), .. } = &error else { panic!("{error:?}") };
        assert!(why.contains("key is not the one"), "{why}");
        assert_eq!(films(&origin).members().len(), 1, "no node has joined");
    }
    connection.join(join).await.unwrap();
    assert!(films(&origin).is_member(&joiner.id(), now_ms()));
    assert!(!films(&origin).is_member(&thief.id(), now_ms()));
}

/// Another node, with another key, listens on the address in the ticket.
#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_at_the_tickets_address_is_refused() {
    let place = Place::new();
    let origin = place.origin().await;
    let mut ticket = parsed(&origin).await;
    origin.close().await;
    let impostor = place.node("impostor").await;
    let address = impostor.serve(Some("127.0.0.1:0")).await.unwrap();
    ticket.addresses = vec![address.to_string()];
    let joiner = place.node("joiner").await;
    let failure =
        joiner.join(Join { ticket: ticket.to_text().unwrap(), ..Join::default() }).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Peer, "{failure}");
    assert!(failure.message.contains(&impostor.id().to_string()), "{failure}");
    assert_untouched(&joiner);
    assert_eq!(films(&origin).ticket_uses(&ticket.statement).count(), 0);
}

/// Stores an expired ticket statement at the origin, and returns its ticket.
fn expired(origin: &Node, fresh: &Ticket) -> Ticket {
    let library = films(origin);
    let expires_ms = now_ms() - HOUR_MS;
    let terms = chuan_engine::statement::TicketTerms {
        region: None,
        expires_ms,
        ..library.ticket(&fresh.statement).unwrap().body.clone()
    };
    let said = author::ticket(&library, &role_key(origin, RoleKind::Operator), terms, now_ms() - 2 * HOUR_MS);
    let said = said.unwrap();
    store(origin, said.clone());
    Ticket { expires_ms, statement: said.id(), ..fresh.clone() }
}

/// Each field of a ticket that a holder could alter, with a correct checksum.
#[tokio::test(flavor = "multi_thread")]
async fn an_altered_ticket_makes_no_member() {
    let place = Place::new();
    let origin = place.origin().await;
    let ticket = parsed(&origin).await;
    let over = expired(&origin, &ticket);
    let later = now_ms() + HOUR_MS;
    let unknown = "does not know the ticket";
    let table = [
        ("expired", over.clone(), "expired 60 min ago"),
        ("expires later", Ticket { expires_ms: later, ..over }, "expired"),
        ("another key", Ticket { key: Key::from_seed([7; 32]), ..ticket.clone() }, "key is not the one"),
        (
            "another statement",
            Ticket { statement: StatementId::from_bytes([7; 32]), ..ticket.clone() },
            unknown,
        ),
        ("another library", Ticket { library: LibraryId::from_bytes([7; 32]), ..ticket.clone() }, unknown),
    ];
    let joiner = place.node("joiner").await;
    for (case, altered, expected) in table {
        let failure =
            joiner.join(Join { ticket: altered.to_text().unwrap(), ..Join::default() }).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Denied, "{case}: {failure}");
        assert!(failure.message.contains(expected), "{case}: {failure}");
        assert_untouched(&joiner);
        assert_eq!(films(&origin).members().len(), 1, "{case}");
    }
    joiner.join(Join { ticket: ticket.to_text().unwrap(), ..Join::default() }).await.unwrap();
}

/// A member that no operator named as a redeemer, and that signs member statements for joiners all the same.
struct Attacker {
    key: Key,
    library: Arc<Library>,
}

impl PeerHandler for Attacker {
    fn identify(&self, key: &PublicKey) -> Identified {
        Identified { node: key.node(), bound: Vec::new(), introduction: None }
    }

    fn memberships(&self, _: &PeerKey) -> Vec<LibraryId> {
        vec![self.library.id()]
    }

    fn greet(&self, peer: &PeerKey, _: message::Hello) -> bool {
        peer.key.node() == peer.node
    }

    fn answer(
        &self,
        caller: &Caller,
        request: message::Request,
        out: &mut dyn Outlet,
    ) -> chuan_engine::Result<()> {
        let message::Request::Join(join) = request else {
            return answer_without_content(Some(&self.library), caller, request, out);
        };
        let like = self.library.member(&self.key.public().node()).unwrap().body.clone();
        let PeerKey { node, key } = caller.peer;
        let made = Member { node, key, ticket: Some(join.ticket), ..like };
        let header = Header { library: Some(self.library.id()), sequence: 1, time_ms: now_ms() };
        let made = Statement::sign(header, &Body::Member(made), &[&self.key])?;
        let known = self.library.statements().into_iter().map(|said| said.bytes().clone());
        for statement in known.chain([made.bytes().clone()]) {
            out.send(Frame::Statement(statement));
        }
        out.send(Frame::End(message::End { complete: true, ..message::End::default() }));
        Ok(())
    }

    fn ended(&self, _: &PeerKey) {}

    fn refused(&self, _: Option<&PeerKey>, _: std::net::SocketAddr, _: Refused, _: &str) {}
}

/// A ticket with altered redeemers names a node that may not redeem it. Whether that node refuses or signs a
/// member statement, the joiner does not become a member.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_with_altered_redeemers_makes_no_member() {
    let place = Place::new();
    let origin = place.origin().await;
    let ticket = parsed(&origin).await;
    let member = super::mesh::mirror(&place, &origin, "member").await;
    member.services().exchange.ask_all(&films(&member).id(), &Job::silent()).await.unwrap();
    assert!(films(&member).ticket(&ticket.statement).is_some());
    let identity = Identity::new(member.context().signing_key());
    let endpoint = Endpoint::listen("127.0.0.1:0".parse().unwrap(), identity).unwrap();
    let attacker_address = endpoint.local_address().unwrap();
    let attacker = Attacker { key: member.context().signing_key(), library: films(&member) };
    tokio::spawn(serve::run(endpoint, listener(Arc::new(attacker)), std::future::pending()));

    let joiner = place.node("joiner").await;
    let table = [
        (member.listening().unwrap(), Exit::Denied, "may not"),
        (attacker_address, Exit::Peer, "does not make this node a member"),
    ];
    for (address, exit, why) in table {
        let altered = Ticket {
            redeemers: vec![member.id()],
            issuer: member.id(),
            addresses: vec![address.to_string()],
            ..ticket.clone()
        };
        let failure =
            joiner.join(Join { ticket: altered.to_text().unwrap(), ..Join::default() }).await.unwrap_err();
        assert_eq!(failure.exit, exit, "{failure}");
        assert!(failure.message.contains(why), "{failure}");
        assert_untouched(&joiner);
    }
    for node in [&origin, &member] {
        assert!(films(node).member(&joiner.id()).is_none());
        assert!(!films(node).may(&joiner.id(), "default", Verbs::PULL, now_ms()));
    }
}
