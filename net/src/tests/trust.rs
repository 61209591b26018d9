//! Keys that are replaced, memberships that end, and statements on the way.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use chuan_engine::{
    id::{ManifestId, NodeId, RecordId, SetDigest, StatementId},
    manifest::{position::PagePosition, table::ClassTable},
    statement::{
        Body, Channel, Checkpoint, Classes, Fresh, Header, Key, Library, Member, PublicKey, Release, Revoke,
        Root, Statement, StatementKind, Succession, TicketTerms, Verbs,
        library::{member, revoke, succession},
    },
    sync::{
        exchange::Talk,
        fetch::{Fetch, Options, Report},
        frame::{Frame, FrameKind},
        message::{Hello, Join, Mode, Packing, Pull, Request, Scope, Want},
    },
};

use super::{
    films::{Cinema, Films, NOW_MS, live},
    pair::{self, Origin},
};
use crate::{Acquaintance, Connection, Endpoint, Error, Identity, Result, Stranger};

const DAY_MS: u64 = 86_400_000;

/// What a mirror knows of keys from its library.
struct Knows(Films);

impl Acquaintance for Knows {
    fn recognise(&self, expected: &NodeId, key: &PublicKey) -> Option<NodeId> {
        self.0.library().holds_key(expected, key, NOW_MS).then_some(*expected)
    }

    fn is_shown(&self, node: &NodeId, key: &PublicKey, statements: &[Bytes]) -> bool {
        self.0.take(statements);
        self.0.library().holds_key(node, key, NOW_MS)
    }
}

fn hello(films: &Films, identity: &Identity) -> Hello {
    let library = films.library();
    let shown = library.credentials(&identity.node());
    let statements = shown.into_iter().map(|statement| statement.bytes().to_vec()).collect();
    Hello { node: identity.node(), statements, ..pair::hello() }
}

async fn connect(endpoint: &Endpoint, origin: &Origin<Cinema>, knows: &Arc<Knows>) -> Result<Connection> {
    let hello = hello(&knows.0, &endpoint.identity());
    let known = Arc::clone(knows) as Arc<dyn Acquaintance>;
    Connection::open_known(endpoint, &[origin.address.to_string()], pair::origin_id(), &hello, &known).await
}

fn pair_of_nodes() -> (Origin<Cinema>, Arc<Knows>) {
    let (origin, mirror) = Films::found();
    (Origin::start(Cinema::new(origin)), Arc::new(Knows(mirror)))
}

#[tokio::test]
async fn an_exchange_takes_statements_both_ways() {
    let (origin, mirror) = pair_of_nodes();
    origin.host.films.publish(3, 0, 0);
    let gone = revoke(&mirror.0.library(), &Films::operator(), Key::from_seed([77; 32]).node(), "", NOW_MS);
    mirror.0.learn(&[gone.expect("signs")]);
    let endpoint = pair::dialler();
    let connection = connect(&endpoint, &origin, &mirror).await.expect("connects");
    let news = connection.exchange(mirror.0.library()).await.expect("exchanges");
    assert_eq!(news.len(), 2, "a release and a channel");
    mirror.0.take(&news);
    assert_eq!(mirror.0.library().statements(), origin.host.films.library().statements());
    let before = connection.stats();
    assert!(connection.exchange(mirror.0.library()).await.expect("exchanges").is_empty());
    let after = connection.stats();
    let spent = after.frame_bytes_in + after.frame_bytes_out - before.frame_bytes_in - before.frame_bytes_out;
    assert!(spent < 128, "a digest when nothing is new, not {spent} bytes");
    drop(connection);
    origin.stop().await;
}

#[tokio::test]
async fn a_stranger_exchanges_nothing() {
    let (origin, mirror) = pair_of_nodes();
    let stranger = Identity::new(Key::from_seed([66; 32]));
    let endpoint = Endpoint::dialler(stranger).expect("binds");
    let connection = connect(&endpoint, &origin, &mirror).await.expect("connects");
    let error = connection.exchange(mirror.0.library()).await.expect_err("is refused");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    drop(connection);
    origin.stop().await;
}

/// The acceptor's key is replaced while a pull runs: the pull ends well, the next connection shows the new key, and who has
/// not heard of it is told by the node itself.
#[tokio::test]
async fn an_acceptor_goes_on_under_another_key() {
    let (origin, mirror) = pair_of_nodes();
    let release = origin.host.films.publish(200, 0, 0);
    let endpoint = pair::dialler();
    let connection = connect(&endpoint, &origin, &mirror).await.expect("connects");
    assert_eq!(connection.peer().key, Key::from_seed(pair::ORIGIN).public());

    let (old, new) = (Key::from_seed(pair::ORIGIN), Key::from_seed([55; 32]));
    let films = &origin.host.films;
    let mut switch = Some(|| {
        let said = succession(&films.library(), pair::origin_id(), &old, &new, DAY_MS, NOW_MS);
        films.learn(&[said.expect("signs")]);
        let identity = Identity::of_node(pair::origin_id(), new.clone());
        *origin.host.identity.write().expect("unpoisoned") = identity.clone();
        origin.endpoint.set_identity(identity).expect("is set");
    });
    let fetch =
        Fetch::new(Arc::clone(&mirror.0.store) as _, mirror.0.library(), live(), NOW_MS, Options::default())
            .expect("begins");
    let cancel = Arc::new(AtomicBool::new(false));
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let pull = connection.pull(
        fetch,
        move |report: &Report| {
            let _ = told.send(report.done);
        },
        &cancel,
    );
    let report = {
        tokio::pin!(pull);
        loop {
            tokio::select! {
                report = &mut pull => break report.expect("pulls"),
                Some(_) = hears.recv() => if let Some(switch) = switch.take() { switch() },
            }
        }
    };
    assert_eq!(report.release, Some(release));
    assert!(switch.is_none(), "the key was replaced while the pull ran");

    let again = connect(&endpoint, &origin, &mirror).await.expect("connects");
    assert_eq!((again.peer().key, again.peer().node), (new.public(), pair::origin_id()));
    again.exchange(mirror.0.library()).await.expect("is a member still");
    let anybody = pair::connect(&endpoint, origin.address).await.expect("the chain of keys shows it");
    assert_eq!(anybody.peer().key, new.public());
    drop((connection, again));
    origin.stop().await;
}

/// Takes one of several nodes, as the redeemers of a ticket.
struct AnyOf(Vec<NodeId>);

impl Acquaintance for AnyOf {
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

/// Symptom: with the node that had made a ticket gone, nobody could join through another that the ticket named, if that had
/// another key than its first. Cause: who introduced itself had to be the one whose id was expected.
#[tokio::test]
async fn another_node_that_will_do_may_have_a_new_key() {
    let (origin, _) = pair_of_nodes();
    let (old, new) = (Key::from_seed(pair::ORIGIN), Key::from_seed([55; 32]));
    let said = succession(&origin.host.films.library(), old.node(), &old, &new, DAY_MS, NOW_MS);
    origin.host.films.learn(&[said.expect("signs")]);
    let identity = Identity::of_node(old.node(), new.clone());
    *origin.host.identity.write().expect("unpoisoned") = identity.clone();
    origin.endpoint.set_identity(identity).expect("is set");
    let gone = Key::from_seed([54; 32]).node();
    let endpoint = pair::dialler();
    let addresses = [origin.address.to_string()];
    let any: Arc<dyn Acquaintance> = Arc::new(AnyOf(vec![gone, old.node()]));
    let connection =
        Connection::open_known(&endpoint, &addresses, gone, &pair::hello(), &any).await.expect("is taken");
    assert_eq!((connection.peer().node, connection.peer().key), (old.node(), new.public()));
    let other: Arc<dyn Acquaintance> = Arc::new(AnyOf(vec![gone]));
    let error = Connection::open_known(&endpoint, &addresses, gone, &pair::hello(), &other).await;
    assert!(matches!(error, Err(Error::WrongKey { .. })), "{error:?}");
    drop(connection);
    origin.stop().await;
}

/// Whoever has the old key is not the node any more.
#[tokio::test]
async fn a_key_that_was_replaced_is_nobodys() {
    let (origin, mirror) = pair_of_nodes();
    let (old, new) = (Key::from_seed(pair::MIRROR), Key::from_seed([56; 32]));
    let said = succession(&mirror.0.library(), old.node(), &old, &new, 0, NOW_MS - 1).expect("signs");
    mirror.0.learn(&[said]);
    let endpoint = Endpoint::dialler(Identity::of_node(old.node(), new)).expect("binds");
    let connection = connect(&endpoint, &origin, &mirror).await.expect("connects");
    // The hello brought the succession along.
    connection.exchange(mirror.0.library()).await.expect("the new key is the node's");
    let thief = pair::dialler();
    let stolen = connect(&thief, &origin, &mirror).await.expect("shakes hands");
    let error = stolen.exchange(mirror.0.library()).await.expect_err("is shown out");
    assert!(!matches!(error, Error::Unreachable { .. }), "{error:?}");
    drop((connection, stolen));
    origin.stop().await;
}

#[tokio::test]
async fn a_revoked_node_is_shown_out_at_once() {
    let (origin, mirror) = pair_of_nodes();
    origin.host.films.publish(3, 0, 0);
    let endpoint = pair::dialler();
    let connection = connect(&endpoint, &origin, &mirror).await.expect("connects");
    connection.exchange(mirror.0.library()).await.expect("is a member");
    let node = pair::identity(pair::MIRROR).node();
    let gone =
        revoke(&origin.host.films.library(), &Films::operator(), node, "stolen", NOW_MS).expect("signs");
    // It is itself who brings the news: an operator's word counts whoever carries it.
    mirror.0.learn(&[gone]);
    let _ = connection.exchange(mirror.0.library()).await;
    let closed = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            match connection.exchange(mirror.0.library()).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => break error,
            }
        }
    });
    let error = closed.await.expect("is closed");
    assert!(error.to_string().contains("no member"), "{error}");
    // It may shake hands again, and gets nothing.
    let again = connect(&endpoint, &origin, &mirror).await.expect("connects");
    let error = again.exchange(mirror.0.library()).await.expect_err("is refused");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    drop((connection, again));
    origin.stop().await;
}

/// One request of each verb of the protocol, as a member of `library` could make it, and whether a member that may only
/// have another class gets an answer. A verb that is added must be added here: the match has no other arm.
fn verbs(origin: &Films) -> Vec<(bool, Request)> {
    let library = origin.library();
    let (id, release) = (library.id(), origin.current().expect("is published"));
    let table = library.release(&release).expect("stands").body.manifest;
    let (_, commitment) = ClassTable::load(&*origin.store, &table).expect("is held").classes[0];
    let pull = |want, classes: &[&str]| {
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        Request::Pull(Pull {
            library: id,
            want,
            classes,
            have: vec![commitment],
            known: Vec::new(),
            scope: None,
            mode: Mode::All,
            budget: u64::MAX,
            packing: Packing::Fastest,
        })
    };
    let buckets = (0..=u8::MAX).collect();
    let all = vec![
        pull(live(), &[]),
        pull(live(), &["default"]),
        pull(Want::Release(release), &["trailers"]),
        Request::Pages { library: id, commitment, positions: vec![PagePosition::ROOT] },
        Request::Chunks { library: id, commitment, scope: Scope(vec![(0, 100)]) },
        Request::Join(Join {
            library: id,
            ticket: StatementId::from_bytes([1; 32]),
            name: "again".into(),
            role: 1,
            proof: [0; 64],
        }),
        Request::Exchange { library: id, talk: Talk::Digest(SetDigest::from_bytes([0; 32])) },
        Request::Exchange { library: id, talk: Talk::Known { buckets, ids: Vec::new() } },
        Request::Exchange { library: id, talk: Talk::Offer(Vec::new()) },
        Request::Peers { library: id },
    ];
    let granted = |request: &Request| match request {
        Request::Pull(_) | Request::Pages { .. } | Request::Chunks { .. } | Request::Join(_) => false,
        // Who belongs to the library hears what is said of it, and may pass it on.
        Request::Exchange { .. } | Request::Peers { .. } => true,
    };
    let with_answer = |request| (granted(&request), request);
    all.into_iter().map(with_answer).collect()
}

/// Everything that can be said of a library, signed with a member's key: nothing of it counts.
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

/// What a thief of a node's key gets: what the node was granted, tried verb by verb, and no say in anything.
#[tokio::test]
async fn a_stolen_member_key_gets_what_its_membership_names() {
    let (origin, mirror) = pair_of_nodes();
    origin.host.films.publish(3, 0, 0);
    let films = &origin.host.films;
    let thief = Key::from_seed(pair::MIRROR);
    let narrow = films.library().member(&thief.node()).expect("is a member").body.clone();
    let narrow = Member { classes: Classes::new(vec!["trailers".into()]).expect("is one"), ..narrow };
    films.learn(&[member(&films.library(), &Films::operator(), narrow, NOW_MS).expect("signs")]);
    let state = |library: &Library| {
        let channel = library.channel("live").map(|said| said.statement.id());
        let members: Vec<_> = library.members().into_iter().map(|said| said.statement.id()).collect();
        let root = library.root().map(|root| root.version);
        let keys = (library.key_of(&pair::origin_id()), library.checkpoints(&pair::origin_id()).len());
        (channel, members, root, keys, library.releases().len(), library.tickets().count())
    };
    let before = state(&films.library());

    let endpoint = pair::dialler();
    let connection = connect(&endpoint, &origin, &mirror).await.expect("connects");
    let (mut tried, mut refusals) = (0, Vec::new());
    for (granted, request) in verbs(films) {
        let mut answer = connection.ask(request.clone()).await.expect("asks");
        let mut frames = Vec::new();
        while let Some(frame) = answer.next().await.expect("answers") {
            frames.push(frame);
        }
        let refused = matches!(frames.as_slice(), [Frame::Error(_)]);
        assert_eq!(refused, !granted, "{request:?}: {frames:?}");
        let content =
            |frame: &Frame| matches!(frame.kind(), FrameKind::Page | FrameKind::Chunk | FrameKind::Header);
        assert!(!frames.iter().any(content), "{request:?}: {frames:?}");
        refusals.extend(frames.into_iter().filter(|_| refused && !matches!(request, Request::Join(_))));
        tried += 1;
    }
    assert!(refusals.windows(2).all(|two| two[0] == two[1]), "one answer for all: {refusals:?}");

    let forged = forgeries(&films.library(), &thief);
    let envelopes = forged.iter().map(|statement| statement.bytes().to_vec()).collect();
    let offer = Request::Exchange { library: films.library().id(), talk: Talk::Offer(envelopes) };
    let mut answer = connection.ask(offer).await.expect("asks");
    while answer.next().await.expect("answers").is_some() {}
    assert_eq!(state(&films.library()), before, "a member's key says nothing that counts");
    println!("{tried} requests and {} kinds of statement tried with a stolen member key", forged.len());
    drop((answer, connection));
    origin.stop().await;
}
