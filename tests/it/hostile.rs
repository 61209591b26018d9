//! Attacks by peers on a running node, and their cost for it: the real binary, the real protocol, any key.
//!
//! The tests assert counts: statements decoded, bytes buffered and written, and processor time within
//! generous budgets. They do not assert durations. Each attack ends with a pull by an honest mirror.

mod sources;

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use chuan_engine::{
    id::{Commitment, LibraryId},
    limits::{EXCHANGE_BYTES, FRAME_CONTROL_BYTES},
    statement::Kinds,
    sync::{
        exchange::Talk,
        frame::{Frame, FrameKind},
        message::{ErrorCode, Mode, Packing, Pull, Request, Want},
    },
};
use chuan_tests::{
    attack::{self, Plan},
    hostile::{self, Peer, Session, Usage, forge, peer::frame_of},
    media,
    pair::{Pair, text},
    program::{Server, number},
    relay::{Path, Relay},
};
use serde_json::Value;

/// Bytes of the films that are published for an attack.
const FILMS: u64 = 3_000_000;

/// An origin that serves, and a mirror that is a member and has no data yet.
struct Scene {
    pair: Pair,
    server: Server,
    before: Usage,
}

impl Scene {
    fn new() -> Result<Self> {
        let pair = Pair::new()?;
        media::library(&pair.library, 3, FILMS, 1)?;
        pair.publish()?;
        let server = pair.connect()?;
        let before = Usage::of(server.process.child.id())?;
        Ok(Self { pair, server, before })
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Resources that the origin used since the attack began.
    fn used(&self) -> Result<Usage> {
        Ok(Usage::of(self.server.process.child.id())?.since(self.before))
    }

    /// The origin's own counters.
    fn intake(&self) -> Result<Value> {
        let status = self.pair.origin.json(["status"])?;
        status.get("intake").cloned().context("no `intake` in status")
    }

    /// Checks that the node works normally: a mirror without data pulls everything.
    fn check_honest(&self) -> Result<()> {
        self.pair.pull()?;
        self.pair.check_restored()
    }
}

fn statements(intake: &Value, name: &str) -> Result<u64> {
    number(intake.get("statements").context("no `statements` in intake")?, name)
}

fn pull_all(library: LibraryId) -> Request {
    Request::Pull(Pull {
        library,
        want: Want::Channel("live".into()),
        classes: Vec::new(),
        have: Vec::<Commitment>::new(),
        known: Vec::new(),
        scope: None,
        mode: Mode::All,
        budget: u64::MAX,
        packing: Packing::Fastest,
        announced: None,
    })
}

fn is_denied(answer: &[Frame]) -> bool {
    matches!(answer, [Frame::Error(refusal)] if refusal.code == ErrorCode::Denied && refusal.text.is_empty())
}

/// A2. Symptom: 68 hellos of unknown peers, of one mebibyte each, cost 17 seconds of a core, and an honest
/// pull took fourteen times as long beside them. Cause: sixteen roots of two thousand keys each were
/// decompressed before the node checked whether it has their library.
#[test]
fn a_flood_of_hellos_costs_a_node_little() -> Result<()> {
    const HELLOS: u16 = 60;
    let scene = Scene::new()?;
    hostile::run(async {
        let roots: Vec<_> = (0..16).map(|n| forge::foreign_root(n, 60)).collect::<Result<_>>()?;
        let bytes: Vec<_> = roots.iter().map(|root| root.bytes().to_vec()).collect();
        for n in 0..HELLOS {
            let peer = Peer::new(forge::key(1000 + n))?;
            // The longest hello that was once accepted; only its length is read.
            let session = peer.dial(scene.address()).await?;
            let mut long = frame_of(FrameKind::Hello, &bytes.concat()).to_vec();
            long.truncate(FRAME_CONTROL_BYTES);
            session.first_stream(&long).await?;
            ensure!(session.closed().await? == "the first stream is no hello");
            // The longest hello that is accepted now, full of keys of an unknown library.
            let session = peer.dial(scene.address()).await?;
            let root = forge::foreign_root(n, 7)?.bytes().to_vec();
            let hello = peer.hello().with_statements(std::iter::once(root));
            ensure!(hello.statements.len() == 1, "the forged root does not fit a hello");
            session.hello(&hello).await?;
            let peers = Request::Peers { library: LibraryId::from_bytes([1; 32]) };
            ensure!(is_denied(&session.ask(peers).await?));
            session.close();
        }
        Ok(())
    })?;
    let (intake, used) = (scene.intake()?, scene.used()?);
    ensure!(number(&intake, "hellos_refused")? == u64::from(HELLOS), "{intake}");
    ensure!(number(&intake, "strangers")? >= 2 * u64::from(HELLOS), "{intake}");
    ensure!(statements(&intake, "foreign")? == u64::from(HELLOS), "{intake}");
    ensure!(statements(&intake, "decoded")? == 0, "decoded before the library was checked: {intake}");
    // A handshake costs both sides some milliseconds in this profile; sixteen such roots cost a quarter of a
    // second.
    ensure!(used.cpu_seconds < 0.5 + 0.03 * 2.0 * f64::from(HELLOS), "{used:?}");
    ensure!(used.peak_bytes < 32 << 20, "{used:?}");
    ensure!(used.written_bytes < 1 << 20, "{used:?}");
    scene.check_honest()
}

/// `make attack` at a tiny size.
#[test]
fn an_honest_pull_goes_on_beside_attackers() -> Result<()> {
    let dir = tempfile::Builder::new().prefix("chuan-it-attack-").tempdir()?;
    let plan = Plan { bytes: FILMS, runs: 1, attackers: 8, seed: 1, dir: dir.path().to_owned() };
    let summary = attack::run(&plan)?;
    println!("{summary}");
    ensure!(summary.attacks >= u64::from(plan.attackers), "{summary}");
    // The honest mirror brings its own statements; none of the attackers' statements is decoded.
    let [decoded, taken] = ["decoded", "taken"].map(|name| statements(&summary.intake, name));
    ensure!(decoded? == taken? && statements(&summary.intake, "foreign")? > 0, "{summary}");
    Ok(())
}

/// Requests besides hellos: any request of an unknown peer except a join is denied, and a request longer than
/// a join is not read.
#[test]
fn requests_of_unknown_peers_are_not_buffered() -> Result<()> {
    const STRANGERS: u16 = 12;
    let scene = Scene::new()?;
    hostile::run(async {
        let mut sessions = Vec::new();
        for n in 0..STRANGERS {
            let peer = Peer::new(forge::key(2000 + n))?;
            sessions.push(peer.open(scene.address()).await?);
        }
        let longest = frame_of(FrameKind::Request, &vec![4; FRAME_CONTROL_BYTES]);
        for session in &sessions {
            for _ in 0..2 {
                ensure!(is_denied(&session.ask_bytes(&longest).await?));
            }
            ensure!(is_denied(&session.ask(pull_all(LibraryId::from_bytes([1; 32]))).await?));
        }
        Ok(())
    })?;
    let (intake, used) = (scene.intake()?, scene.used()?);
    ensure!(number(&intake, "requests_unread")? == 2 * u64::from(STRANGERS), "{intake}");
    ensure!(used.peak_bytes < 16 << 20, "{used:?}");
    ensure!(used.written_bytes < 1 << 20, "{used:?}");
    scene.check_honest()
}

/// A member may send statements of other libraries, and of unknown kinds: none of them is decoded.
#[test]
fn statements_of_other_libraries_are_not_decoded() -> Result<()> {
    const OFFERS: usize = 20;
    let scene = Scene::new()?;
    let ticket = scene.pair.origin.ticket("films")?;
    let decoded = hostile::run(async {
        let peer = Peer::new(forge::key(1))?;
        let session = peer.open(scene.address()).await?;
        let library = session.join(&ticket).await?;
        let decoded = statements(&scene.intake()?, "decoded")?;
        let root = forge::foreign_root(1, 60)?;
        let foreign = (1..11).map(|n| forge::foreign_root(n, 60)).collect::<Result<Vec<_>>>()?;
        let mut brought: Vec<Vec<u8>> = foreign.iter().map(|root| root.bytes().to_vec()).collect();
        brought.push(forge::of_unknown_kind(&root, library).to_vec());
        ensure!(brought.iter().map(Vec::len).sum::<usize>() <= EXCHANGE_BYTES);
        for _ in 0..OFFERS {
            let answer = session.ask(offer(library, brought.clone())).await?;
            ensure!(matches!(answer.as_slice(), [Frame::End(_)]), "{answer:?}");
        }
        // The same in the hello of a node whose key is known.
        let again = peer.dial(scene.address()).await?;
        let small = forge::foreign_root(12, 6)?.bytes().to_vec();
        again.hello(&peer.hello().with_statements([small].into_iter())).await?;
        ensure!(matches!(again.ask(offer(library, Vec::new())).await?.as_slice(), [Frame::End(_)]));
        Ok(decoded)
    })?;
    let (intake, used) = (scene.intake()?, scene.used()?);
    ensure!(statements(&intake, "decoded")? == decoded, "{intake}");
    ensure!(statements(&intake, "foreign")? == 1, "a foreign statement was passed on: {intake}");
    // Fifteen megabytes came in. Ten such roots cost a quarter of a second once, in the release profile.
    ensure!(used.cpu_seconds < 3.0, "{used:?}");
    ensure!(used.written_bytes < 1 << 20, "{used:?}");
    scene.check_honest()
}

/// A4. Symptom: one member wrote checkpoints without end, and each of them went to the disk of the attacked
/// node and, by gossip, of every mirror: 0.93 MB/s. Cause: a statement that a newer one of its kind
/// supersedes at once was stored first.
#[test]
fn endless_checkpoints_fill_no_disk() -> Result<()> {
    const OFFERS: u64 = 60;
    const EACH: u64 = 200;
    let scene = Scene::new()?;
    let ticket = scene.pair.origin.ticket("films")?;
    hostile::run(async {
        let peer = Peer::new(forge::key(1))?;
        let session = peer.open(scene.address()).await?;
        let library = session.join(&ticket).await?;
        for offered in 0..OFFERS {
            let made = (1..=EACH).map(|n| forge::checkpoint(library, &peer.key, offered * EACH + n));
            let made = made.collect::<Result<Vec<_>>>()?;
            let bytes = made.iter().map(|checkpoint| checkpoint.bytes().to_vec()).collect();
            // A refusal is as good an answer as an end.
            ensure!(session.ask(offer(library, bytes)).await?.last().is_some_and(Frame::is_last));
        }
        Ok(())
    })?;
    let (intake, used) = (scene.intake()?, scene.used()?);
    // 12,000 checkpoints of 229 bytes came in.
    ensure!(statements(&intake, "taken")? <= 3 + 2 * OFFERS, "{intake}");
    ensure!(used.written_bytes < 2 << 20, "{used:?}");
    scene.check_honest()
}

fn offer(library: LibraryId, statements: Vec<Vec<u8>>) -> Request {
    Request::Exchange { library, talk: Talk::Offer(statements) }
}

/// Forward compatibility of the binary: a peer that knows fewer kinds receives none of the others, by any
/// request.
#[test]
fn a_node_of_an_earlier_version_gets_only_kinds_that_it_knows() -> Result<()> {
    let scene = Scene::new()?;
    let ticket = scene.pair.origin.ticket("films")?;
    hostile::run(async {
        let peer = Peer::new(forge::key(1))?;
        let session = peer.open(scene.address()).await?;
        let library = session.join(&ticket).await?;
        let checkpoint = forge::checkpoint(library, &peer.key, 1)?.bytes().to_vec();
        session.ask(offer(library, vec![checkpoint])).await?;
        session.close();

        let later = chuan_engine::statement::StatementKind::Checkpoint;
        for (kinds, expects_it) in [(Kinds::KNOWN, true), (Kinds::KNOWN.without(later), false)] {
            let session = peer.dial(scene.address()).await?;
            let mut hello = peer.hello();
            hello.kinds = kinds;
            session.hello(&hello).await?;
            let all = Talk::Known { buckets: (0..=u8::MAX).collect(), ids: Vec::new() };
            let answer = session.ask(Request::Exchange { library, talk: all }).await?;
            let told: Vec<_> = answer.iter().filter_map(statement).collect();
            let has = |kind| told.iter().any(|bytes| kind_of(bytes) == kind);
            ensure!(has(Some(chuan_engine::statement::StatementKind::Root)), "{kinds:?}: {answer:?}");
            ensure!(has(Some(later)) == expects_it, "{kinds:?}: received a kind that it does not know");
            let inventory = answer.iter().find_map(|frame| match frame {
                Frame::Inventory(inventory) => Some(inventory.kinds),
                _ => None,
            });
            ensure!(inventory == Some(kinds), "{inventory:?}");
            // The peer may not offer kinds that it did not announce; if it does, they are ignored and nothing
            // breaks.
            let checkpoint = forge::checkpoint(library, &peer.key, 2)?.bytes().to_vec();
            let before = statements(&scene.intake()?, "taken")?;
            ensure!(matches!(
                session.ask(offer(library, vec![checkpoint])).await?.as_slice(),
                [Frame::End(_)]
            ));
            let taken = statements(&scene.intake()?, "taken")? - before;
            ensure!(taken == u64::from(expects_it), "{kinds:?}: {taken} statements were taken");
            session.close();
        }
        Ok(())
    })?;
    scene.check_honest()
}

fn statement(frame: &Frame) -> Option<&Bytes> {
    match frame {
        Frame::Statement(bytes) => Some(bytes),
        _ => None,
    }
}

fn kind_of(bytes: &Bytes) -> Option<chuan_engine::statement::StatementKind> {
    chuan_engine::statement::Heading::read(bytes).ok()?.kind()
}

/// Handshakes that one address begins and never completes block no peer, not even one behind the same
/// address.
#[test]
fn half_open_handshakes_block_no_peer() -> Result<()> {
    const HANDSHAKES: u16 = 200;
    let scene = Scene::new()?;
    // All datagrams of the node are lost.
    let deaf = Path { loss: 1.0, ..Path::default() };
    let relay = Relay::start(scene.address(), Path::default(), deaf, 1)?;
    let honest = hostile::run(async {
        let peer = Peer::new(forge::key(1))?;
        let begun: Vec<_> =
            (0..HANDSHAKES).map(|_| peer.begin_handshake(relay.address)).collect::<Result<_>>()?;
        // While they are under way: a blocking command, on the attacker's second thread.
        let honest = tokio::task::block_in_place(|| scene.check_honest());
        drop(begun);
        Ok(honest)
    })?;
    honest?;
    let used = scene.used()?;
    ensure!(relay.seen().iter().any(|seen| seen.lost), "no handshake was half open");
    ensure!(used.peak_bytes < 64 << 20, "{used:?}");
    Ok(())
}

/// A member that requests everything on every stream of every connection, and reads nothing, holds only a few
/// answers.
#[test]
fn a_member_that_reads_nothing_delays_no_other() -> Result<()> {
    // As many as a node allows a connection, except for those that the test uses beside them.
    const STREAMS: usize = 48;
    let scene = Scene::new()?;
    let ticket = scene.pair.origin.ticket("films")?;
    let honest = hostile::run(async {
        let peer = Peer::new(forge::key(1))?;
        let first = peer.open(scene.address()).await?;
        let library = first.join(&ticket).await?;
        let mut held = Vec::new();
        let mut sessions: Vec<Session> = vec![first];
        for _ in 0..3 {
            sessions.push(peer.open(scene.address()).await?);
        }
        for session in &sessions {
            for _ in 0..STREAMS {
                held.push(session.ask_and_forget(pull_all(library)).await?);
            }
        }
        let honest = tokio::task::block_in_place(|| scene.check_honest());
        ensure!(held.len() == 4 * STREAMS);
        Ok(honest)
    })?;
    honest?;
    let used = scene.used()?;
    // Two answers on each of four connections, with a few mebibytes each, and the films that the honest
    // mirror pulled.
    ensure!(used.peak_bytes < 96 << 20, "{used:?}");
    ensure!(text(&scene.pair.origin.json(["status"])?, "doing") == "serve");
    Ok(())
}
