//! [`Node`]: a home, open. Owns what runs in it (the store, the libraries, the admin socket, the listener) and how all
//! of it begins and ends; each command has a file of its own.

mod acquaint;
mod address;
mod audit;
mod behind;
mod cat;
mod channels;
mod checkpoint;
mod class_list;
mod classes;
mod clock;
mod conflicts;
mod diff;
mod fresh;
mod gossip;
mod here;
mod intake;
mod invite;
mod join;
mod lag;
mod ledger;
mod libraries;
mod listing;
mod maintain;
mod me;
mod members;
mod peer;
mod publish;
mod pull;
mod release;
mod report;
mod restore;
mod rotate;
mod said;
mod serve;
mod statements;
mod status;
mod store;
mod talks;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use chuan_engine::{
    Error,
    audit::{Event, Verb},
    id::{LibraryId, NodeId},
    store::{Ledger, Objects, Shelves},
};
use chuan_net::Counts;
use chuan_storage::{Losses, lock::HomeLock};
use tokio::sync::OwnedMutexGuard;

use crate::{
    admin::{
        Holder,
        server::{BoxFuture, Runner, Server},
        socket,
    },
    audit::{FailedAuths, Files, Log},
    command::{Command, Role},
    exit::{Exit, Failure, Result},
    home::{Home, config::Config},
    job::{Cancel, Job},
    outcome::{Identity, Outcome},
};
use audit::Keeper;
use checkpoint::OwnCheckpoints;
use libraries::Libraries;
use me::Me;
use serve::Serving;
use store::HomeStore;

pub(crate) use channels::{before_current, named as channel_named};
pub use clock::now_ms;
pub(crate) use fresh::age as fresh_age;
pub(crate) use members::{named as member_named, row as member_row};
pub(crate) use publish::node_role;
pub(crate) use release::find as find_release;

/// An open home. Cheap to clone; the home is free again when every clone is dropped and what runs in it has ended.
///
/// Every method is one command. All of them may run at once, but for two that change one library, which wait for each
/// other. Dropping a future stops waiting for the command, not the
/// command: use the [`Job`]'s [`Cancel`] for that.
#[derive(Clone, Debug)]
pub struct Node(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    home: Home,
    config: Config,
    me: Me,
    /// What this process was started to do.
    doing: String,
    store: Arc<HomeStore>,
    libraries: Libraries<HomeStore>,
    /// By label: held by what changes a library for long.
    turns: Mutex<BTreeMap<String, Weak<tokio::sync::Mutex<()>>>>,
    running: Mutex<Vec<Cancel>>,
    /// Held while `peers.json` is read and written again.
    peers: Mutex<()>,
    serving: Mutex<Option<Serving>>,
    /// Held while the node's key is replaced.
    rotating: Mutex<()>,
    admin: Mutex<Option<Server>>,
    log: Log,
    /// Failed authentications that the log has not been told yet.
    failed: Mutex<FailedAuths>,
    keeper: Mutex<Option<Keeper>>,
    /// Contradictions that the log was told of, by their subjects; none where it was not looked yet.
    told: Mutex<Option<BTreeSet<String>>>,
    own: Mutex<OwnCheckpoints>,
    /// What a listener was asked.
    counts: Arc<Counts>,
    /// What of the store's damage the log was told of.
    losses: Mutex<Losses>,
}

impl Node {
    /// Makes a home at `root` and opens it. `name` may be left to the node's id.
    pub async fn init(root: &Path, name: Option<&str>, role: Role) -> Result<Node> {
        Home::init(root, name, role)?;
        Node::open(root).await
    }

    /// Opens the home at `root`: locks it, serves its admin socket, finishes what a crash left undone. Fails with
    /// [`Exit::Busy`] where another process has it open.
    pub async fn open(root: &Path) -> Result<Node> {
        match HomeLock::acquire_for(Home::find(root)?.root(), "embedded") {
            Ok(lock) => Node::open_locked(Home::find(root)?, lock, "embedded").await,
            Err(error) => Err(error.into()),
        }
    }

    /// Like [`Node::open`]; `None` where another process has the home open. `doing` tells others what this one does.
    pub(crate) async fn try_open(root: &Path, doing: &str) -> Result<Option<Node>> {
        let home = Home::find(root)?;
        match HomeLock::acquire_for(home.root(), doing) {
            Ok(lock) => Node::open_locked(home, lock, doing).await.map(Some),
            Err(Error::Busy(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn open_locked(home: Home, lock: HomeLock, doing: &str) -> Result<Node> {
        let config = home.config()?;
        // Before the store, whose opening may take long after a crash: others find someone who will answer.
        let listener = socket::bind(&home.run_dir())?;
        let opened = Event::new(Verb::Opened, doing);
        let (me, home, store, libraries, log) = on_thread(move || {
            let log = Log::open(Files::at(home.audit_dir()), opened, now_ms());
            let store = Arc::new(HomeStore::open(&home, lock, log.arrival())?);
            log.follow(Arc::clone(&store) as Arc<dyn Ledger>);
            store.found().iter().for_each(|found| log.note(Event::new(Verb::Heal, found), now_ms()));
            let libraries = Libraries::load(Arc::clone(&store), &ledger::roots_of(&home), now_ms())?;
            libraries.leave_out(ledger::sources_of(&home));
            ledger::keep_roots(&home, &libraries);
            rotate::finish_rotation(&home, &libraries)?;
            Ok((Me::of(&home)?, home, store, libraries, log))
        })
        .await?;
        let inner = Arc::new(Inner {
            home,
            config,
            me,
            doing: doing.to_owned(),
            store,
            libraries,
            turns: Mutex::default(),
            running: Mutex::default(),
            peers: Mutex::default(),
            serving: Mutex::default(),
            rotating: Mutex::default(),
            admin: Mutex::default(),
            log,
            failed: Mutex::default(),
            keeper: Mutex::default(),
            told: Mutex::default(),
            own: Mutex::default(),
            counts: Arc::default(),
            losses: Mutex::default(),
        });
        let opened = Arc::clone(&inner);
        on_thread(move || {
            opened.take_up_checkpoints();
            opened.follow_everything();
            Ok(())
        })
        .await?;
        *lock_of(&inner.keeper) = Some(Keeper::start(Arc::downgrade(&inner)));
        let reception = Reception { holder: inner.holder(), node: Arc::downgrade(&inner) };
        *lock_of(&inner.admin) = Some(Server::start(listener, Arc::new(reception)));
        Ok(Node(inner))
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.0.me.id()
    }

    /// Where the node listens, while it serves.
    pub fn listening(&self) -> Option<SocketAddr> {
        self.0.listening()
    }

    /// The home.
    pub(crate) fn home(&self) -> &Home {
        &self.0.home
    }

    /// Who the node is, and where peers may reach it.
    pub fn identity(&self) -> Result<Identity> {
        identity(&self.0.home, &self.0.config, self.listening())
    }

    /// Runs any command; what it says goes to `job`.
    pub async fn run(&self, command: Command, job: Job) -> Result<Outcome> {
        let _running = self.0.register(job.cancel());
        let result = match command {
            Command::Id => self.identity().map(Outcome::Id),
            Command::Ingest(options) => {
                self.ingest(options, &job).await.map(|ingested| Outcome::Ingest(Box::new(ingested)))
            }
            Command::Rotate(options) => self.rotate(options).await.map(Outcome::Rotate),
            Command::Join(options) => self.join(options).await.map(Outcome::Join),
            Command::Pull(options) => {
                self.pull(options, &job).await.map(|pulled| Outcome::Pull(Box::new(pulled)))
            }
            Command::Restore(options) => self.restore(options, &job).await.map(Outcome::Restore),
            Command::Releases(options) => self.releases(options).await.map(Outcome::Releases),
            Command::Ls(options) => self.ls(options, &job).await.map(Outcome::Ls),
            Command::Diff(options) => self.diff(options, &job).await.map(Outcome::Diff),
            Command::Cat(options) => self.cat(options, &job).await.map(Outcome::Cat),
            Command::Verify(options) => self.verify(options, &job).await.map(Outcome::Verify),
            Command::Rebuild => self.rebuild(&job).await.map(Outcome::Rebuild),
            Command::Audit(options) => self.audit(options.verb, &job).await,
            Command::Statements(options) => self.statements(options, &job).await.map(Outcome::Statements),
            Command::Offer(options) => self.offer(options).await.map(Outcome::Offer),
            Command::Classes(options) => self.classes(options).await.map(Outcome::Classes),
            Command::Channels(options) => self.channels(options).await.map(Outcome::Channels),
            Command::History(options) => self.history(options).await.map(Outcome::History),
            Command::Conflicts(options) => self.conflicts(options).await.map(Outcome::Conflicts),
            Command::Members(options) => self.members(options).await.map(Outcome::Members),
            Command::Status => self.status().await.map(|status| Outcome::Status(Box::new(status))),
        };
        self.settle_audit_if_due().await;
        result
    }

    /// Asks every command that runs here to stop, also those of other processes.
    pub fn stop_commands(&self) {
        lock_of(&self.0.running).iter().for_each(Cancel::cancel);
    }

    /// Takes no more commands and no more peers, and returns when those under way have ended.
    pub async fn close(&self) {
        let admin = lock_of(&self.0.admin).take();
        if let Some(admin) = admin {
            admin.stop().await;
        }
        let serving = lock_of(&self.0.serving).take();
        if let Some(serving) = serving {
            serving.stop().await;
        }
        self.close_audit().await;
    }

    /// Works on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let node = self.clone();
        on_thread(move || work(&node.0)).await
    }
}

impl Inner {
    fn holder(&self) -> Holder {
        Holder { pid: std::process::id(), doing: self.doing.clone() }
    }

    /// Waits until nothing else changes the library of this name for long.
    async fn turn(&self, library: &str, job: &Job) -> Result<OwnedMutexGuard<()>> {
        let turn = {
            let mut turns = lock_of(&self.turns);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let turn = turns.get(library).and_then(Weak::upgrade).unwrap_or_default();
            turns.insert(library.to_owned(), Arc::downgrade(&turn));
            turn
        };
        if let Ok(guard) = Arc::clone(&turn).try_lock_owned() {
            return Ok(guard);
        }
        job.say(format!("waiting for another publish or pull of {library}")).await;
        tokio::select! {
            guard = turn.lock_owned() => Ok(guard),
            () = job.cancel().cancelled() => Err(Failure::interrupted()),
        }
    }

    fn register(self: &Arc<Self>, cancel: &Cancel) -> Running {
        lock_of(&self.running).push(cancel.clone());
        Running { node: Arc::clone(self), cancel: cancel.clone() }
    }

    /// Where the node listens, while it serves.
    fn listening(&self) -> Option<SocketAddr> {
        lock_of(&self.serving).as_ref().map(Serving::address)
    }

    /// The chunks and pages of a library.
    fn objects(&self, library: &LibraryId) -> Arc<dyn Objects> {
        self.store.of(library)
    }

    /// The statements and refs of all libraries.
    fn ledger(&self) -> &dyn Ledger {
        &*self.store
    }
}

/// A command under way, as long as this is held.
struct Running {
    node: Arc<Inner>,
    cancel: Cancel,
}

impl Drop for Running {
    fn drop(&mut self) {
        lock_of(&self.node.running).retain(|cancel| !cancel.is(&self.cancel));
    }
}

/// Hands commands from the admin socket to the node, and does not keep it open.
struct Reception {
    holder: Holder,
    node: Weak<Inner>,
}

impl Runner for Reception {
    fn holder(&self) -> Holder {
        self.holder.clone()
    }

    fn run(&self, command: Command, job: Job) -> BoxFuture<Result<Outcome>> {
        let node = self.node.upgrade().map(Node);
        Box::pin(async move {
            match node {
                Some(node) => node.run(command, job).await,
                None => Err(Failure::new(Exit::Busy, "the home is being closed; try again")),
            }
        })
    }
}

/// Who the node of a home is. `listening` is where it listens now, if it does.
pub fn identity(home: &Home, config: &Config, listening: Option<SocketAddr>) -> Result<Identity> {
    let key = home.node_key()?;
    Ok(Identity {
        id: home.node_id()?.to_string(),
        key: key.public().to_string(),
        name: config.name.clone(),
        role: config.role.as_str().to_owned(),
        region: config.region.clone().unwrap_or_default(),
        addresses: address::announced(config, listening)?,
        home: home.root().display().to_string(),
    })
}

/// Works on a thread that may block.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let result = tokio::task::spawn_blocking(work).await;
    result.map_err(|error| Failure::internal(format!("a command failed: {error}")))?
}

/// A lock whose holder panicked still guards whole data: all of them are held for single assignments.
fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
