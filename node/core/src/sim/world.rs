//! The nodes of a run: made from the seed, started, stopped, killed and restarted.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chuan_engine::{
    id::{LibraryId, NodeId, Salt},
    statement::{
        self, Body, Classes, Header, Key, Library, Member, NodeRole, RoleKind, Statement, Verbs,
        library::{Founders, found, member},
    },
    store::memory::{MemoryLedger, MemoryObjectStores},
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{
    network::Net,
    planted::{Bug, Planted},
    rng::Rng,
};
use crate::{
    command::{Pull, Role},
    context::Context,
    exit::Result,
    follow,
    home::Home,
    job::Job,
    key_file,
    outcome::Pulled,
    pull,
    services::Services,
    system::{Clock, Randomness},
};

/// The time at which a run begins, in milliseconds since 1970.
const START_MS: i64 = 1_800_000_000_000;

/// A node, running or not.
pub(super) struct SimNode {
    pub(super) id: NodeId,
    address: SocketAddr,
    root: PathBuf,
    objects: Arc<MemoryObjectStores>,
    ledger: Arc<MemoryLedger>,
    /// Its services; `None` while it is down.
    pub(super) services: Option<Arc<Services>>,
}

/// The timekeepers of a library, each with a home of its own.
#[derive(Debug, Default)]
pub(super) struct Timekeepers {
    /// The numbers of the nodes whose homes have a key.
    pub(super) nodes: Vec<usize>,
    /// How many of them must vouch.
    pub(super) threshold: u8,
    /// How often each vouches.
    pub(super) period: Duration,
}

/// The nodes of a run and the keys of their library. Node 0 is the origin.
pub(super) struct World {
    pub(super) net: Arc<Net>,
    pub(super) rng: Rng,
    pub(super) nodes: Vec<SimNode>,
    pub(super) library: LibraryId,
    pub(super) operator: Key,
    pub(super) publisher: Key,
    /// The nodes whose homes have a timekeeper's key, in the order of their numbers.
    pub(super) keepers: Vec<usize>,
    /// Whether its nodes follow the library.
    follows: bool,
    bug: Option<Bug>,
    clock: Clock,
    _dir: TempDir,
}

impl World {
    /// Founds a library of which `count` nodes are members, and starts them. Each knows the address of the
    /// next one.
    pub(super) async fn new(seed: u64, count: usize, bug: Option<Bug>) -> Self {
        Self::with_timekeepers(seed, count, bug, Timekeepers::default()).await
    }

    /// The same library with timekeepers.
    pub(super) async fn with_timekeepers(
        seed: u64,
        count: usize,
        bug: Option<Bug>,
        timekeepers: Timekeepers,
    ) -> Self {
        let mut rng = Rng::new(seed);
        let net = Net::new(rng.next());
        let dir = directory();
        let [root, operator, publisher] = [(); 3].map(|()| Key::from_seed(rng.bytes()));
        let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
        let (id, first) = found("films", keys, Salt::from_bytes(rng.bytes()), START_MS).unwrap();
        let node_keys: Vec<Key> = (0..count).map(|_| Key::from_seed(rng.bytes())).collect();
        let mut library = Library::new(id);
        assert!(library.offer(&first, START_MS).unwrap().is_news());
        let mut statements = vec![first];
        for key in &node_keys {
            let made = member(&library, &operator, membership(key), START_MS).unwrap();
            assert!(library.offer(&made, START_MS).unwrap().is_news());
            statements.push(made);
        }
        let Timekeepers { nodes: keepers, threshold, period } = timekeepers;
        let keeper_keys: Vec<Key> = keepers.iter().map(|_| Key::from_seed(rng.bytes())).collect();
        if !keepers.is_empty() {
            let next = root_with(&library, &root, &keeper_keys, threshold);
            assert!(library.offer(&next, START_MS).unwrap().is_news());
            statements.push(next);
        }
        let clock = Clock::Runtime { start_ms: START_MS, origin: Instant::now() };
        let nodes = node_keys.iter().enumerate().map(|(number, key)| {
            let root = dir.path().join(number.to_string());
            make_home(&root, key);
            let keeper = keepers.iter().position(|keeper| *keeper == number);
            if let Some(key) = keeper.and_then(|keeper| keeper_keys.get(keeper)) {
                make_timekeeper(&root, &id, key, period);
            }
            SimNode {
                id: key.node(),
                address: SocketAddr::from(([10, 0, 0, u8::try_from(number + 1).unwrap()], 4040)),
                root,
                objects: Arc::default(),
                ledger: Arc::default(),
                services: None,
            }
        });
        let nodes = nodes.collect();
        let mut world = Self {
            net,
            rng,
            nodes,
            library: id,
            operator,
            publisher,
            keepers,
            follows: false,
            bug,
            clock,
            _dir: dir,
        };
        for number in 0..count {
            world.start(number).await;
            let services = world.services(number);
            services.library.take(&id, &statements, false, |_, _| Ok(())).unwrap();
            let next = &world.nodes[(number + 1) % count];
            let (next, address) = (next.id, next.address.to_string());
            services.peers.record_dial(&next, "next", &[address], &id).unwrap();
        }
        world
    }

    /// The services of a running node.
    pub(super) fn services(&self, number: usize) -> Arc<Services> {
        Arc::clone(self.nodes[number].services.as_ref().expect("the node runs"))
    }

    /// The address of a node.
    pub(super) fn address(&self, number: usize) -> String {
        self.nodes[number].address.to_string()
    }

    /// The numbers of the nodes that run.
    pub(super) fn running(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|number| self.nodes[*number].services.is_some()).collect()
    }

    /// The virtual time, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Starts a node that is down.
    pub(super) async fn start(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        let (objects, ledger) = (Arc::clone(&node.objects) as _, Arc::clone(&node.ledger) as _);
        let context = Context::in_memory(&node.root, objects, ledger, self.clock).unwrap();
        let planted = Planted::new(self.bug);
        let randomness = Randomness::seeded(self.rng.clone().next() ^ number as u64);
        let context = context.simulated(self.net.of(node.address), randomness, planted);
        let services = Services::load(context).unwrap();
        services.start();
        services.serve.start(Some(&node.address.to_string())).await.unwrap();
        self.net.trace(format_args!("{} starts", node.id.short()));
        if self.follows {
            follow::start(&services);
        }
        node.services = Some(services);
    }

    /// From now on, the nodes follow the library, also those that start later.
    pub(super) fn follow(&mut self) {
        self.follows = true;
        self.nodes.iter().filter_map(|node| node.services.as_ref()).for_each(follow::start);
    }

    /// Stops a node in order, and returns when all its tasks have ended.
    pub(super) async fn stop(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if let Some(services) = node.services.take() {
            self.net.trace(format_args!("{} stops", node.id.short()));
            services.close().await;
        }
    }

    /// Kills a node: its tasks end wherever they are, and what is not durable is lost.
    pub(super) async fn kill(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        let Some(services) = node.services.take() else { return };
        self.net.trace(format_args!("{} is killed", node.id.short()));
        services.context.supervisor.abandon();
        drop(services);
        // Its tasks are told now, and see it when they run next.
        sleep(Duration::from_secs(20)).await;
        node.objects.crash();
        node.ledger.crash();
    }

    /// Pulls `live` at a node.
    pub(super) async fn pull(&self, number: usize) -> Result<Pulled> {
        let services = self.services(number);
        let pulled = pull::pull(&services, Pull::default(), &Job::silent()).await;
        let text = match &pulled {
            Ok(pulled) => format!("release {} ({})", pulled.sequence, pulled.changed),
            Err(failure) => failure.exit.code().to_owned(),
        };
        self.net.trace(format_args!("{} pulled: {text}", self.nodes[number].id.short()));
        pulled
    }

    /// Stores a statement at a node, as an operator's command there does.
    pub(super) fn say(&self, number: usize, make: impl FnOnce(&Library) -> Statement) -> Statement {
        let mut said = None;
        let services = self.services(number);
        services
            .library
            .change(&self.library, |library| {
                let made = make(library);
                said = Some(made.clone());
                Ok(vec![made])
            })
            .unwrap();
        let said = said.unwrap();
        let (node, kind) = (self.nodes[number].id.short(), said.kind().name());
        self.net.trace(format_args!("{node} signs {kind} {}", said.id().short()));
        said
    }

    /// Stops every node.
    pub(super) async fn end(mut self) -> (String, u64) {
        for number in 0..self.nodes.len() {
            self.stop(number).await;
        }
        self.net.digest()
    }
}

/// The membership of the node with this first key.
pub(super) fn membership(key: &Key) -> Member {
    Member {
        node: key.node(),
        key: key.public(),
        name: format!("node-{}", key.node().short()),
        role: NodeRole::Mirror,
        region: None,
        classes: Classes::all(),
        verbs: Verbs::PULL,
        expires_ms: 0,
        ticket: None,
    }
}

/// Makes a home whose node has this key.
fn make_home(root: &Path, key: &Key) {
    fs::create_dir_all(root.join("keys")).unwrap();
    key_file::write(&root.join("keys/node.key"), key, None).unwrap();
    Home::init(root, None, Role::Mirror).unwrap();
}

/// The next root of a library, with timekeepers of which `threshold` must vouch.
fn root_with(library: &Library, root: &Key, timekeepers: &[Key], threshold: u8) -> Statement {
    let mut next = library.root().unwrap().clone();
    next.version += 1;
    let mut keys: Vec<_> = timekeepers.iter().map(Key::public).collect();
    keys.sort_unstable();
    let (kind, classes) = (RoleKind::Timekeeper, Classes::all());
    next.roles.push(statement::Role { kind, classes, threshold, keys });
    let header = Header { library: Some(library.id()), sequence: next.version, time_ms: START_MS };
    Statement::sign(header, &Body::Root(next), &[root]).unwrap()
}

/// Gives a home a timekeeper's key, with which its node vouches once in `period`.
fn make_timekeeper(root: &Path, library: &LibraryId, key: &Key, period: Duration) {
    let home = Home::find(root).unwrap();
    let path = home.role_key_path(library, RoleKind::Timekeeper);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    key_file::write(&path, key, None).unwrap();
    let config = root.join("chuan.toml");
    let settings = fs::read_to_string(&config).unwrap();
    fs::write(config, format!("{settings}fresh_every = \"{}s\"\n", period.as_secs())).unwrap();
}

/// A folder in memory where the machine has one: homes sync their small files often.
fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
