//! Tests of nodes in one process, with real stores and sockets. They cover the guarantees of a node that the
//! tests of single commands do not cover.

mod audit;
mod channels;
mod classes;
mod closing;
mod crowd;
mod damaged;
mod dials;
mod follow;
mod foreign;
mod gossip;
mod handles;
mod join;
mod jumps;
mod keys;
mod ledger;
mod limited;
mod mesh;
mod neighbour;
mod orders;
mod publishing;
mod rates;
mod refused;
mod replay;
mod rotated;
mod tickets;
mod trespass;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;

use chuan_engine::{
    Error,
    audit::{Event, Verb},
    id::{LibraryId, NodeId, Salt},
    statement::{
        Kinds, Library, Statement, StatementKind,
        library::{Founders, found},
    },
    store::{
        Ledger, Objects,
        memory::{MemoryLedger, MemoryObjectStores, MemoryObjects},
    },
    sync::{
        message::{Hello, Request},
        respond::{Asker, Responder, respond},
        session::Outlet,
    },
};
use chuan_net::serve::{Caller, Listener, PeerHandler};

use crate::{
    Exit, Node,
    audit::AuditService,
    command::{Invite, Join, Publish, Pull, Role, Verify},
    context::Context,
    exchange::ExchangeScheduler,
    exit::Result,
    home::{Home, keys::RoleKeys},
    job::Job,
    library::{
        LibraryService,
        release::{self, Found},
    },
    open_home::OpenHome,
    outcome::{Outcome, Published, Pulled},
    peers::{PeerService, Source},
    services::Services,
    session::now_ms,
    system::{Clock, Randomness},
};

impl Node {
    fn services(&self) -> &Arc<Services> {
        &self.0.services
    }

    fn context(&self) -> &Arc<Context> {
        &self.services().context
    }

    fn library_service(&self) -> &Arc<LibraryService> {
        &self.services().library
    }

    fn peers(&self) -> &Arc<PeerService> {
        &self.services().peers
    }

    fn audit_service(&self) -> &Arc<AuditService> {
        &self.services().audit
    }

    fn home(&self) -> &Home {
        &self.context().home
    }

    fn resolve(&self, spec: &crate::spec::Spec) -> Result<Found> {
        release::resolve(self.library_service(), spec)
    }

    fn sources_of(&self, library: &Library, channel: &str) -> Result<Vec<Source>> {
        crate::pull::sources_of(self.services(), library, channel, None)
    }

    /// Takes statements as an unknown peer would send them.
    fn hear(&self, statements: &[bytes::Bytes]) {
        let news = self.library_service().hear(statements);
        self.library_service().follow_news(&news);
    }
}

/// A temporary folder with the homes of a test, and with `films`, the folder that is published.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn node(&self, name: &str) -> Node {
        Node::init(self.path(name), Some(name), Role::Mirror).await.unwrap()
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path("films").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    async fn publish(&self, node: &Node) -> Result<Published> {
        let (source, library) = (self.path("films"), "films".to_owned());
        node.publish(Publish { source, library, ..Publish::default() }, &Job::silent()).await
    }

    /// An origin that has published one release and listens.
    async fn origin(&self) -> Node {
        self.write("a.mp4", "one");
        let origin = self.node("origin").await;
        self.publish(&origin).await.unwrap();
        origin.serve(Some("127.0.0.1:0")).await.unwrap();
        origin
    }
}

/// The libraries of a home whose store and ledger are in memory.
pub(crate) fn in_memory(root: &Path, ledger: &Arc<MemoryLedger>, clock: Clock) -> Result<LibraryService> {
    let stores = Arc::new(MemoryObjectStores::new());
    let context = Context::in_memory(root, stores, Arc::clone(ledger) as _, clock)?;
    LibraryService::load(Arc::new(context))
}

/// A listener whose libraries never change.
fn listener(handler: Arc<impl PeerHandler>) -> Listener {
    Listener { handler, counts: Arc::default(), changes: tokio::sync::watch::channel(0).1 }
}

/// Answers a request from the statements of one library, as a node without content does.
fn answer_without_content(
    library: Option<&Arc<Library>>,
    caller: &Caller,
    request: Request,
    out: &mut dyn Outlet,
) -> chuan_engine::Result<()> {
    let Caller { peer, kinds, .. } = *caller;
    let asker = Asker { node: peer.node, key: peer.key, kinds: Kinds::KNOWN.common(kinds) };
    respond(&mut Statements(library.cloned()), &asker, request, out)
}

/// The statements of one library, without content.
struct Statements(Option<Arc<Library>>);

impl Responder for Statements {
    fn library(&self, id: &LibraryId) -> Option<Arc<Library>> {
        self.0.clone().filter(|library| library.id() == *id)
    }

    fn objects(&self, library: &LibraryId) -> Arc<dyn Objects> {
        Arc::new(MemoryObjects::new(*library))
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::new(MemoryLedger::new())
    }

    fn now_ms(&self) -> i64 {
        now_ms()
    }

    fn peers(&self, _: &Library) -> Vec<Hello> {
        Vec::new()
    }

    fn take_offered(&self, _: &LibraryId, _: &NodeId, _: Vec<bytes::Bytes>) {}

    fn has_changed(&mut self) -> bool {
        false
    }
}

async fn ticket(origin: &Node) -> Join {
    Join { ticket: origin.invite(Invite::default()).await.unwrap().ticket, ..Join::default() }
}

async fn pull(node: &Node) -> Result<Pulled> {
    node.pull(Pull::default(), &Job::silent()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_opens_once_and_is_unlocked_with_the_last_clone() {
    let place = Place::new();
    let node = place.node("a").await;
    assert!(matches!(Node::open(place.path("a")).await, Err(crate::Error::Busy(_))));
    assert!(OpenHome::try_open(&place.path("a"), "status").await.unwrap().is_none());
    node.serve(Some("127.0.0.1:0")).await.unwrap();
    assert!(matches!(node.serve(None).await, Err(crate::Error::Busy(_))));
    node.close().await;
    drop(node);
    Node::open(place.path("a")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_fails_founds_nothing() {
    let place = Place::new();
    let node = place.node("a").await;
    assert_eq!(place.publish(&node).await.unwrap_err().exit, Exit::Missing);
    assert!(node.status().await.unwrap().libraries.is_empty());
    assert!(node.context().home.foundings().unwrap().is_empty());
}

/// A crash after the keys of a library are stored and before its first release: the next publish uses these
/// keys and founds no second library of the same name.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_founding_is_finished() {
    let place = Place::new();
    place.write("a.mp4", "one");
    let node = place.node("a").await;
    let keys = RoleKeys::generate(Randomness::System).unwrap();
    let founders = Founders { root: &keys.root, operator: &keys.operator, publisher: &keys.publisher };
    let (id, root) = found("films", founders, Salt::from_bytes([7; 32]), 1).unwrap();
    node.home().keep_founding(&id, &keys, root.bytes()).unwrap();
    node.close().await;
    drop(node);

    let node = Node::open(place.path("a")).await.unwrap();
    let published = place.publish(&node).await.unwrap();
    assert_eq!((published.library, published.founded), (id.to_string(), false));
    assert_eq!(node.status().await.unwrap().libraries.len(), 1);
}

/// A first publish stores content under the id of its library. When it fails after it has begun, the founding
/// is kept, so that the next publish uses the same library and its content instead of founding another
/// library.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_publish_that_fails_is_repeated_in_the_same_library() {
    let place = Place::new();
    place.write("a.mp4", "one");
    let node = place.node("a").await;
    let (source, library) = (place.path("films"), "films".to_owned());
    let policy = Some(place.path("no-such-policy.toml"));
    let failing = Publish { source, library, policy, ..Publish::default() };
    node.publish(failing, &Job::silent()).await.unwrap_err();
    let [kept] = &node.home().foundings().unwrap()[..] else { panic!("expected one stored founding") };
    let kept = Statement::decode(kept).unwrap().library();
    let published = place.publish(&node).await.unwrap();
    assert_eq!(published.library, kept.to_string());
    assert_eq!(node.status().await.unwrap().libraries.len(), 1);
}

/// A crash after the release is durable and before the channel moves: the next publish moves the channel to
/// that release and makes no second release.
#[tokio::test(flavor = "multi_thread")]
async fn a_publish_interrupted_before_the_channel_moved_is_finished() {
    let place = Place::new();
    place.write("a.mp4", "one");
    let node = place.node("a").await;
    let first = place.publish(&node).await.unwrap();
    place.write("a.mp4", "two, and longer");
    let second = place.publish(&node).await.unwrap();

    // The ledger after such a crash: all statements except the last channel statement.
    let library = node.library_service().named("films").unwrap();
    let last = library.channel("live").unwrap().statement.id();
    let mut kept = Vec::new();
    for kind in StatementKind::ALL {
        let held = node.context().ledger().statements(Some(&library.id()), kind).unwrap();
        kept.extend(held.into_iter().filter(|kept| kept.id != last).map(|kept| kept.bytes));
    }
    let before = Library::load(library.id(), kept, now_ms()).unwrap();
    assert_eq!(before.channel("live").unwrap().body.release.to_string(), first.release);
    node.library_service().replace(Arc::new(before));

    let third = place.publish(&node).await.unwrap();
    assert_eq!((third.release, third.changed), (second.release, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_admits_one_node_any_number_of_times_and_no_other() {
    let place = Place::new();
    let origin = place.origin().await;
    let (first, second) = (place.node("first").await, place.node("second").await);
    let join = ticket(&origin).await;
    first.join(join.clone()).await.unwrap();
    first.join(join.clone()).await.unwrap();
    let failure = second.join(join).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Denied);
    assert!(failure.message.contains("used already"), "{failure}");
    assert!(second.status().await.unwrap().libraries.is_empty());
    assert_eq!(place.publish(&first).await.unwrap_err().exit, Exit::Denied);
}

/// Symptom: after a rebuild, a pull with no new release received the whole library again, 290 MiB in the
/// first run that showed it. Cause: the rebuilt index marked no release as whole, so the pull reported no
/// release that the node holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_node_fetches_nothing_again() {
    let place = Place::new();
    place.write("b.mp4", &"film ".repeat(100_000));
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    // Otherwise checkpoints that are signed meanwhile are sent as well, and change the byte counts.
    for node in [&origin, &mirror] {
        node.audit_service().pause();
    }
    let pulled = pull(&mirror).await.unwrap();
    assert!(pulled.changed && pulled.chunks_fetched > 1);

    let rebuilt = mirror.rebuild(&Job::silent()).await.unwrap();
    assert_eq!(rebuilt.lost, 0);
    let again = pull(&mirror).await.unwrap();
    assert_eq!((again.changed, again.chunks_fetched, again.page_bytes), (false, 0, 0));
    assert!(again.wire_bytes_in < 8192, "{again:?}");
    assert!(again.frame_bytes_in < 1024 && again.frame_bytes_out < 1024, "{again:?}");
    let verified = mirror.verify(Verify { deep: true }, &Job::silent()).await.unwrap();
    assert!(verified.ok && verified.releases == 1, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_pull_is_recorded_and_resumed() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    let job = Job::silent();
    job.cancel().cancel();
    let failure = mirror.pull(Pull::default(), &job).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Interrupted);
    assert!(mirror.status().await.unwrap().libraries[0].pull_unfinished);
    assert!(pull(&mirror).await.unwrap().changed);
    assert!(!mirror.status().await.unwrap().libraries[0].pull_unfinished);
}

/// A source that is named only by its address. It is not the origin, whose address the puller has stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_reached_by_its_address_alone() {
    let place = Place::new();
    let origin = place.origin().await;
    let (mirror, edge) = (place.node("mirror").await, place.node("edge").await);
    for node in [&mirror, &edge] {
        node.join(ticket(&origin).await).await.unwrap();
        pull(node).await.unwrap();
    }
    let address = mirror.serve(Some("127.0.0.1:0")).await.unwrap().to_string();
    origin.close().await;
    let from = |source: &str| Pull { from: Some(source.to_owned()), ..Pull::default() };
    let failure = edge.pull(from("unknown"), &Job::silent()).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Missing);
    // The mirror does not know the edge, which joined later. The edge's hello has the statements of its
    // membership.
    let pulled = edge.pull(from(&address), &Job::silent()).await.unwrap();
    assert_eq!((pulled.from, pulled.changed), (mirror.id().to_string(), false));
}
