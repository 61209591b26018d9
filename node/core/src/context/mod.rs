//! [`Context`]: the state that every service of an open home needs. Owns the home's files, the store, the
//! audit log, the node's key, the clock, the randomness and the supervisor. Knows no service.

mod events;
mod metrics;
mod node_key;
mod store;
mod supervisor;

use std::{net::SocketAddr, sync::Arc};

use chuan_api::node_event::NodeEvent;
use chuan_engine::{
    audit::Event,
    id::{LibraryId, NodeId},
    statement::Key,
    store::{Ledger, ObjectStores, Objects},
};
use chuan_net::link::{Network, Quic};
use chuan_storage::lock::HomeLock;
use tokio::sync::watch;

pub(crate) use events::Events;
pub use events::{EventStream, Next};
pub(crate) use metrics::{Acted, Metrics, RefusedAt, Success};
pub(crate) use node_key::NodeKey;
pub(crate) use store::StoreHandle;
pub(crate) use supervisor::{Stage, Supervisor};

use crate::{
    audit_log::{Files, Log},
    exit::{Failure, Result},
    home::{Home, config::Config},
    signed_record::SignedRecord,
    system::{Clock, Randomness},
};

/// The state that the services of one open home share. The home stays locked as long as a context lives.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) home: Home,
    /// The settings, which [`Context::reload`] replaces.
    settings: watch::Sender<Arc<Config>>,
    /// The node's id, and the key that it has now.
    pub(crate) key: NodeKey,
    pub(crate) clock: Clock,
    /// The source of new keys.
    pub(crate) randomness: Randomness,
    /// The way to reach other nodes.
    pub(crate) network: Arc<dyn Network>,
    threads: Threads,
    pub(crate) store: Arc<StoreHandle>,
    /// The audit log.
    pub(crate) log: Log,
    /// The record of all that publishers' keys have signed on this machine.
    pub(crate) signed_record: SignedRecord,
    /// The address at which the node listens; `None` while it does not. `serve` is the only writer.
    pub(crate) listening: watch::Sender<Option<SocketAddr>>,
    pub(crate) supervisor: Supervisor,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    /// A bug that the simulator must find.
    #[cfg(test)]
    pub(crate) planted: crate::sim::Planted,
}

impl Context {
    /// Opens the log, the ledger and the store of a locked home, and repairs what a crash left. Blocks.
    ///
    /// # Errors
    ///
    /// Damage that the ledger or the store cannot repair by itself, with the remedy.
    pub(crate) fn open(home: Home, lock: HomeLock, opened: Event, clock: Clock) -> Result<Self> {
        let config = home.config()?;
        let log = Log::open(Files::at(home.audit_dir()), opened, clock.now_ms());
        let store = Arc::new(StoreHandle::open(&home, lock, log.arrival())?);
        log.follow(Arc::clone(&store) as Arc<dyn Ledger>);
        let key = NodeKey::of(&home)?;
        let signed_record = SignedRecord::beside(&home);
        Ok(Self { signed_record, ..Self::assemble(home, config, clock, store, key, log) })
    }

    fn assemble(
        home: Home,
        config: Config,
        clock: Clock,
        store: Arc<StoreHandle>,
        key: NodeKey,
        log: Log,
    ) -> Self {
        let (listening, _) = watch::channel(None);
        Self {
            home,
            settings: watch::Sender::new(Arc::new(config)),
            key,
            clock,
            randomness: Randomness::default(),
            network: Arc::new(Quic),
            threads: Threads::default(),
            store,
            log,
            signed_record: SignedRecord::default(),
            listening,
            supervisor: Supervisor::default(),
            events: Events::default(),
            metrics: Metrics::default(),
            #[cfg(test)]
            planted: crate::sim::Planted::default(),
        }
    }

    /// A home at `root`, made where there is none, whose content and ledger are kept in memory.
    #[cfg(test)]
    pub(crate) fn in_memory(
        root: &std::path::Path,
        objects: Arc<dyn ObjectStores>,
        ledger: Arc<dyn Ledger>,
        clock: Clock,
    ) -> Result<Self> {
        let home = match Home::find(root) {
            Ok(home) => home,
            Err(_) => Home::init(root, None, crate::command::Role::Mirror)?,
        };
        let opened = Event::new(chuan_engine::audit::Verb::Opened, "test");
        let (config, key) = (home.config()?, NodeKey::of(&home)?);
        let log = Log::open(Files::at(home.audit_dir()), opened, clock.now_ms());
        let store = Arc::new(StoreHandle::in_memory(objects, ledger));
        Ok(Self::assemble(home, config, clock, store, key, log))
    }

    /// The same context in a simulated network: blocking work runs in the calling task.
    #[cfg(test)]
    pub(crate) fn simulated(
        self,
        network: Arc<dyn Network>,
        randomness: Randomness,
        planted: crate::sim::Planted,
    ) -> Self {
        Self { network, randomness, threads: Threads::Inline, planted, ..self }
    }

    /// The settings as they are now.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.settings.borrow())
    }

    /// Changes with every reload of the settings.
    pub(crate) fn settings(&self) -> watch::Receiver<Arc<Config>> {
        self.settings.subscribe()
    }

    /// Reads the settings again, and uses them from now on, except the address to listen on. Returns the
    /// names of those that changed. Blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or breaks a rule; the settings stay as they were.
    pub(crate) fn reload(&self) -> Result<Vec<&'static str>> {
        let config = self.home.config()?;
        let changed = self.config().changed(&config);
        self.settings.send_replace(Arc::new(config));
        Ok(changed)
    }

    /// Runs work that may block.
    ///
    /// # Errors
    ///
    /// The failure of `work`; internal where it panics.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.threads.run(work).await
    }

    /// The time, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// This node's id.
    pub(crate) fn me(&self) -> NodeId {
        self.key.id()
    }

    /// The key that peers are shown.
    pub(crate) fn signing_key(&self) -> Key {
        self.key.current()
    }

    /// The address at which the node listens; `None` while it does not.
    pub(crate) fn listening(&self) -> Option<SocketAddr> {
        *self.listening.borrow()
    }

    /// The chunks and pages of a library.
    pub(crate) fn objects(&self, library: &LibraryId) -> Arc<dyn Objects> {
        self.store.of(library)
    }

    /// The statements and refs of all libraries.
    pub(crate) fn ledger(&self) -> &dyn Ledger {
        &*self.store
    }

    /// Sends an event to the readers of the node's event stream.
    pub(crate) fn emit(&self, event: NodeEvent) {
        self.events.emit(self.now_ms(), event);
    }

    /// Writes an event to the audit log before the act that it records. Durable when it returns; where it
    /// fails, the act must not be done. Blocks.
    pub(crate) fn audit(&self, event: Event) -> Result<()> {
        self.log.append(event, self.now_ms())
    }

    /// Writes an event to the audit log after the fact. Never fails: events that cannot be written are
    /// counted, and the count is written when that is possible again. Blocks little.
    pub(crate) fn note(&self, event: Event) {
        self.log.note(event, self.now_ms());
    }
}

/// Where blocking work runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Threads {
    /// On threads of the runtime that may block.
    #[default]
    Pool,
    /// In the calling task, one after the other: for the simulator, where the order of everything must
    /// replay.
    #[cfg(test)]
    Inline,
}

impl Threads {
    /// Runs `work`, and returns its result.
    ///
    /// # Errors
    ///
    /// The failure of `work`; internal where it panics.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match self {
            Threads::Pool => {
                tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| match error.is_cancelled() {
                    // The runtime is shut down.
                    true => Err(Failure::interrupted()),
                    false => Err(Failure::internal(format!("a command failed: {error}"))),
                })
            }
            #[cfg(test)]
            Threads::Inline => work(),
        }
    }
}
