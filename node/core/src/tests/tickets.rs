//! Tickets in wrong hands: replayed, intercepted, altered and expired, shown to real nodes.

use chuan_engine::{
    id::{LibraryId, StatementId},
    statement::{
        Body, Header, Key, Member, NodeRole, Proof, RoleKind, Statement, Ticket, Verbs, library as author,
    },
    store::{
        Ledger, Objects,
        memory::{MemoryLedger, MemoryObjects},
    },
    sync::message,
};
use chuan_net::{
    Connection, Endpoint, Error as NetError, Identity as Shown, PeerKey,
    serve::{self, Host},
};

use super::{
    mesh::{films, role_key, say},
    *,
};

const HOUR_MS: i64 = 3_600_000;

async fn parsed(origin: &Node) -> Ticket {
    Ticket::parse(&ticket(origin).await.ticket).unwrap()
}

/// A connection of a node that is no member yet.
async fn knock(node: &Node, to: &Node) -> Connection {
    let endpoint = Endpoint::dialler(Shown::new(node.0.key())).unwrap();
    let address = to.listening().unwrap().to_string();
    let hello = node.0.hello(None, None).unwrap();
    Connection::open(&endpoint, &[address], to.id(), &hello).await.unwrap()
}

/// What a holder of `ticket` says on `connection` in the name of `joiner`.
fn words(ticket: &Ticket, joiner: &Node, connection: &Connection) -> message::Join {
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

/// Nothing of a library is in a home, nor where one is to be had.
fn assert_untouched(node: &Node) {
    assert!(node.0.libraries.all().is_empty());
    assert_eq!(node.0.home.peers().unwrap().iter().count(), 0);
}

/// The proof is over the connection and the node that it was made for: whoever heard it has nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_worth_nothing_on_another_connection_or_for_another_node() {
    let place = Place::new();
    let origin = place.origin().await;
    let (joiner, thief) = (place.node("joiner").await, place.node("thief").await);
    let ticket = parsed(&origin).await;
    let connection = knock(&joiner, &origin).await;
    let join = words(&ticket, &joiner, &connection);
    let (again, stolen) = (knock(&joiner, &origin).await, knock(&thief, &origin).await);
    let for_another = words(&ticket, &joiner, &stolen);
    for (on, join) in [(&again, &join), (&stolen, &join), (&stolen, &for_another)] {
        let error = on.join(join.clone()).await.unwrap_err();
        let NetError::Refused { source: Error::Denied(why), .. } = &error else { panic!("{error:?}") };
        assert!(why.contains("key is not the one"), "{why}");
        assert_eq!(films(&origin).members().len(), 1, "nobody has joined");
    }
    connection.join(join).await.unwrap();
    assert!(films(&origin).is_member(&joiner.id(), now_ms()));
    assert!(!films(&origin).is_member(&thief.id(), now_ms()));
}

/// Another node, with another key, where the ticket says that a redeemer is.
#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_at_the_tickets_address_is_shown_nothing() {
    let place = Place::new();
    let origin = place.origin().await;
    let mut ticket = parsed(&origin).await;
    origin.close().await;
    let impostor = place.node("impostor").await;
    let address = impostor.serve(Some("127.0.0.1:0")).await.unwrap();
    ticket.addresses = vec![address.to_string()];
    let joiner = place.node("joiner").await;
    let failure = joiner.join(Join { ticket: ticket.to_text().unwrap() }).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Peer, "{failure}");
    assert!(failure.message.contains(&impostor.id().to_string()), "{failure}");
    assert_untouched(&joiner);
    assert_eq!(films(&origin).ticket_uses(&ticket.statement).count(), 0);
}

/// A ticket whose time was over when it was made, and its text.
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
    say(origin, said.clone());
    Ticket { expires_ms, statement: said.id(), ..fresh.clone() }
}

/// Each field of a ticket that somebody could write anew, with a checksum that is right.
#[tokio::test(flavor = "multi_thread")]
async fn an_altered_ticket_makes_nobody_a_member() {
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
    for (what, altered, expected) in table {
        let failure = joiner.join(Join { ticket: altered.to_text().unwrap() }).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Denied, "{what}: {failure}");
        assert!(failure.message.contains(expected), "{what}: {failure}");
        assert_untouched(&joiner);
        assert_eq!(films(&origin).members().len(), 1, "{what}");
    }
    joiner.join(Join { ticket: ticket.to_text().unwrap() }).await.unwrap();
}

/// A member that no operator named as a redeemer, and that admits all the same: it signs what it likes.
struct Attacker {
    key: Key,
    library: Arc<Library>,
}

impl Host for Attacker {
    fn objects(&self, library: &LibraryId) -> Arc<dyn Objects> {
        Arc::new(MemoryObjects::new(*library))
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::new(MemoryLedger::new())
    }

    fn library(&self, _: &LibraryId) -> Option<Arc<Library>> {
        Some(Arc::clone(&self.library))
    }

    fn now_ms(&self) -> i64 {
        now_ms()
    }

    fn memberships(&self, _: &PeerKey) -> Vec<LibraryId> {
        vec![self.library.id()]
    }

    fn offer(&self, _: Vec<bytes::Bytes>) {}

    fn join(&self, peer: &PeerKey, _: &[u8; 32], join: &message::Join) -> Result<Vec<bytes::Bytes>, Error> {
        let like = self.library.member(&self.key.public().node()).unwrap().body.clone();
        let made = Member { node: peer.node, key: peer.key, ticket: Some(join.ticket), ..like };
        let header = Header { library: Some(self.library.id()), sequence: 1, time_ms: now_ms() };
        let made = Statement::sign(header, &Body::Member(made), &[&self.key])?;
        let known = self.library.statements().into_iter().map(|said| said.bytes().clone());
        Ok(known.chain([made.bytes().clone()]).collect())
    }
}

/// A ticket whose redeemers were written anew leads to a node that may not redeem it: whether that one plays by the rules or not,
/// nobody becomes a member.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_with_other_redeemers_makes_nobody_a_member() {
    let place = Place::new();
    let origin = place.origin().await;
    let ticket = parsed(&origin).await;
    let member = super::mesh::mirror(&place, &origin, "member").await;
    member.ask_everybody(&films(&member).id()).await.unwrap();
    assert!(films(&member).ticket(&ticket.statement).is_some());
    let proof = Shown::new(member.0.key());
    let endpoint = Endpoint::listen("127.0.0.1:0".parse().unwrap(), proof).unwrap();
    let lawless = endpoint.local_address().unwrap();
    let attacker = Attacker { key: member.0.key(), library: films(&member) };
    tokio::spawn(serve::run(endpoint, Arc::new(attacker), std::future::pending()));

    let joiner = place.node("joiner").await;
    let table = [
        (member.listening().unwrap(), Exit::Denied, "may not"),
        (lawless, Exit::Peer, "does not make this node a member"),
    ];
    for (address, exit, why) in table {
        let altered = Ticket {
            redeemers: vec![member.id()],
            issuer: member.id(),
            addresses: vec![address.to_string()],
            ..ticket.clone()
        };
        let failure = joiner.join(Join { ticket: altered.to_text().unwrap() }).await.unwrap_err();
        assert_eq!(failure.exit, exit, "{failure}");
        assert!(failure.message.contains(why), "{failure}");
        assert_untouched(&joiner);
    }
    for node in [&origin, &member] {
        assert!(films(node).member(&joiner.id()).is_none());
        assert!(!films(node).may(&joiner.id(), "default", Verbs::PULL, now_ms()));
    }
}
