//! A stolen key of a member: the answer to each verb of the protocol, and the effect of statements signed
//! with the key.

use std::collections::BTreeSet;

use bytes::Bytes;
use chuan_engine::{
    id::{Commitment, ManifestId, RecordId, SetDigest, StatementId},
    manifest::{PageSink, position::PagePosition, table::ClassTable},
    statement::{
        Body, Channel, Checkpoint, Classes, Fresh, Header, Key, Library, Member, Release, Revoke, Root,
        Statement, StatementKind, Succession, TicketTerms, Verbs, library::member,
    },
    store::Objects,
    sync::{
        exchange::Talk,
        frame::{Assembler, Frame, FrameKind},
        message::{Join, Packing, Pull, Request, Scope, Want},
    },
};

use super::{
    films::{Cinema, Films, NOW_MS, Sink, live},
    isolation::publish,
    pair::{self, Origin},
};
use crate::Connection;

/// Upper bound of the protocol's verbs, which are the first bytes of requests.
const VERBS: u8 = 250;

/// The right that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// Membership.
    Membership,
    /// The right to pull, and the granted class.
    Granted,
    /// The right to pull, and the class that is not granted.
    Other,
    /// A ticket.
    Ticket,
}

/// Two classes of a release, and a peer that is granted one of them, or none.
struct World {
    origin: Origin<Cinema>,
    release: StatementId,
    masters: Commitment,
    trailers: Commitment,
}

impl World {
    fn open(verbs: Verbs) -> Self {
        let (films, _) = Films::found();
        let film = |name: &str, number| vec![(name.to_owned(), vec![number])];
        let masters = publish(&films, 0, "masters", &film("masters/a.mov", 1));
        let trailers = publish(&films, 1, "trailers", &film("trailers/a.mp4", 2));
        let table = ClassTable { classes: vec![(0, masters), (1, trailers)] };
        Sink(&*films.store)
            .put(table.id(&films.store.library()).as_page(), table.encode().into())
            .expect("puts");
        films.store.commit().expect("commits");
        let release = films.announce(&table);
        let thief = Key::from_seed(pair::MIRROR).node();
        let whole = films.library().member(&thief).expect("is a member").body.clone();
        let classes = Classes::new(vec!["trailers".into()]).expect("is one");
        let narrow = Member { classes, verbs, ..whole };
        films.learn(&[member(&films.library(), &Films::operator(), narrow, NOW_MS).expect("signs")]);
        Self { origin: Origin::start(Cinema::new(films)), release, masters, trailers }
    }

    fn library(&self) -> Library {
        self.origin.host.films.library()
    }

    async fn connect(&self) -> Connection {
        pair::connect(&pair::dialler(), self.origin.address).await.expect("connects")
    }

    /// The requests that are tried with the stolen membership, and the right that each of them needs.
    fn requests(&self) -> Vec<(Takes, Request)> {
        let library = self.library().id();
        let pull = |want, classes: &[&str]| {
            let classes = classes.iter().map(|class| (*class).to_owned()).collect();
            Request::Pull(Pull { want, classes, packing: Packing::Fastest, ..pair::whole(library) })
        };
        let pages = |commitment| Request::Pages { library, commitment, positions: vec![PagePosition::ROOT] };
        let chunks = |commitment| Request::Chunks {
            library,
            commitment,
            scope: Scope(vec![(0, 1)]),
            have: Vec::new(),
            packing: Packing::default(),
        };
        let join = Join {
            library,
            ticket: StatementId::from_bytes([1; 32]),
            name: "again".into(),
            role: 1,
            proof: [0; 64],
        };
        let known = Talk::Known { buckets: (0..=u8::MAX).collect(), ids: Vec::new() };
        let talks = [Talk::Digest(SetDigest::from_bytes([0; 32])), known, Talk::Offer(Vec::new())];
        let by_class = [(Takes::Granted, self.trailers, "trailers"), (Takes::Other, self.masters, "masters")];
        let of_class = by_class.into_iter().flat_map(|(takes, commitment, name)| {
            let pulls = [live(), Want::Release(self.release)].map(|want| pull(want, &[name]));
            let all = pulls.into_iter().chain([pages(commitment), chunks(commitment)]);
            all.map(move |request| (takes, request))
        });
        let others = [(Takes::Granted, pull(live(), &[])), (Takes::Ticket, Request::Join(join))];
        let talks = talks.map(|talk| (Takes::Membership, Request::Exchange { library, talk }));
        of_class.chain(others).chain(talks).chain([(Takes::Membership, Request::Peers { library })]).collect()
    }
}

/// The verb of a request: its first byte.
fn verb(request: &Request) -> u8 {
    Frame::Request(request.clone()).encode().expect("encodes").payload[0]
}

/// The verbs that the protocol has, found through its decoder. A new verb that is not tried here fails the
/// test.
fn verbs_of_the_protocol(library: &Library) -> BTreeSet<u8> {
    let some = Frame::Request(Request::Peers { library: library.id() }).encode().expect("encodes");
    let is_one = |verb: &u8| {
        let mut payload = some.payload.to_vec();
        payload[0] = *verb;
        let mut assembler = Assembler::default();
        assembler.push(some.head.clone());
        assembler.push(Bytes::from(payload));
        !assembler.next().is_err_and(|error| error.to_string().contains("UnexpectedVariant"))
    };
    (0..VERBS).filter(is_one).collect()
}

async fn ask(connection: &Connection, request: &Request) -> Vec<Frame> {
    let mut answer = connection.ask(request.clone()).await.expect("asks");
    let mut frames = Vec::new();
    while let Some(frame) = answer.next().await.expect("answers") {
        frames.push(frame);
    }
    frames
}

/// Tries every request; returns their number.
async fn try_all(world: &World, allowed: &[Takes]) -> usize {
    let connection = world.connect().await;
    let requests = world.requests();
    let tried: BTreeSet<u8> = requests.iter().map(|(_, request)| verb(request)).collect();
    assert_eq!(tried, verbs_of_the_protocol(&world.library()), "every verb is tried");
    let mut refusals = Vec::new();
    for (takes, request) in &requests {
        let frames = ask(&connection, request).await;
        let content = |frame: &Frame| {
            matches!(frame.kind(), FrameKind::Page | FrameKind::Chunk | FrameKind::Header | FrameKind::Delta)
        };
        if allowed.contains(takes) {
            assert!(!frames.iter().any(|frame| matches!(frame, Frame::Error(_))), "{request:?}: {frames:?}");
            assert_eq!(frames.iter().any(content), *takes == Takes::Granted, "{request:?}: {frames:?}");
        } else {
            assert!(matches!(frames.as_slice(), [Frame::Error(_)]), "{request:?}: {frames:?}");
            refusals.extend(frames.into_iter().filter(|_| *takes != Takes::Ticket));
        }
    }
    assert!(refusals.windows(2).all(|two| two[0] == two[1]), "one answer for all: {refusals:?}");
    requests.len()
}

/// A statement of every kind, signed with a member's key: none of them is effective.
fn forgeries(library: &Library, key: &Key) -> Vec<Statement> {
    let member = library.member(&key.node()).expect("is a member").body.clone();
    let root = library.root().expect("is known").clone();
    let release = library.releases()[0].statement.id();
    let some = StatementId::from_bytes([3; 32]);
    let active = key.public();
    let bodies = StatementKind::ALL.map(|kind| match kind {
        StatementKind::Root => Body::Root(Root { version: 2, ..root.clone() }),
        StatementKind::Release => Body::Release(Release {
            parents: vec![release],
            manifest: ManifestId::from_bytes([6; 32]),
            message: String::new(),
            classes: Vec::new(),
        }),
        StatementKind::Channel => {
            Body::Channel(Channel { name: "live".into(), release, active, follow: true, term: None })
        }
        StatementKind::Member => Body::Member(Member { classes: Classes::all(), ..member.clone() }),
        StatementKind::Ticket => Body::Ticket(TicketTerms {
            key: active,
            redeemers: vec![key.node()],
            classes: Classes::all(),
            verbs: Verbs::PULL,
            role: None,
            region: None,
            expires_ms: i64::MAX,
            uses: 1,
        }),
        StatementKind::Revoke => {
            Body::Revoke(Revoke { node: pair::origin_id(), up_to: 9, reason: String::new() })
        }
        StatementKind::Fresh => Body::Fresh(Fresh { channel: "live".into(), statement: some }),
        StatementKind::Succession => Body::Succession(Succession {
            node: pair::origin_id(),
            old: Key::from_seed(pair::ORIGIN).public(),
            new: active,
            grace_ms: 0,
        }),
        StatementKind::Policy => Body::Policy(chuan_engine::statement::Policy::default()),
        StatementKind::Pins => {
            Body::Pins(chuan_engine::statement::Pins { signer: active, key: active, statements: vec![some] })
        }
        StatementKind::Checkpoint => Body::Checkpoint(Checkpoint {
            node: pair::origin_id(),
            count: 9,
            head: RecordId::from_bytes([1; 32]),
        }),
    });
    let header = Header { library: Some(library.id()), sequence: 9, time_ms: NOW_MS };
    let sign = |body: &Body| {
        let sequence = if let Body::Root(_) = body { 2 } else { header.sequence };
        Statement::sign(Header { sequence, ..header }, body, &[key]).expect("signs")
    };
    bodies.iter().map(sign).collect()
}

/// A stolen key of a node gets the data that the node was granted, tried verb by verb, and signs no effective
/// statement.
#[tokio::test]
async fn a_stolen_member_key_gets_only_its_grant() {
    let world = World::open(Verbs::PULL);
    let tried = try_all(&world, &[Takes::Membership, Takes::Granted]).await;

    let statements = || -> Vec<_> { world.library().statements().iter().map(|said| said.id()).collect() };
    let before = statements();
    let thief = Key::from_seed(pair::MIRROR);
    let forged = forgeries(&world.library(), &thief);
    let connection = world.connect().await;
    for statement in &forged {
        let talk = Talk::Offer(vec![statement.bytes().to_vec()]);
        ask(&connection, &Request::Exchange { library: world.library().id(), talk }).await;
        assert_eq!(statements(), before, "{:?}, signed with a member's key, is effective", statement.kind());
    }
    println!("{tried} requests and {} kinds of statement tried with a stolen member key", forged.len());
    drop(connection);
    world.origin.stop().await;
}

/// A member that may only watch receives the statements, and none of the content that they name.
#[tokio::test]
async fn a_member_that_may_only_watch_gets_no_content() {
    let world = World::open(Verbs::STATEMENTS);
    try_all(&world, &[Takes::Membership]).await;
    world.origin.stop().await;
}
