//! [`Services`]: the services of an open home, built in the order in which they depend on each other. Owns no
//! state of its own beside the turns of long commands.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak, atomic::AtomicBool},
};

use tokio::sync::OwnedMutexGuard;

use crate::{
    audit::AuditService,
    context::{Context, Stage},
    exchange::ExchangeService,
    exit::{Failure, Result},
    job::Job,
    library::LibraryService,
    limits::{CLOSE_GRACE, CLOSE_PATIENCE},
    peers::PeerService,
    serve::ServeService,
};

/// The services of an open home. Commands take them as an argument.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) context: Arc<Context>,
    pub(crate) library: Arc<LibraryService>,
    pub(crate) audit: Arc<AuditService>,
    pub(crate) peers: Arc<PeerService>,
    pub(crate) exchange: Arc<ExchangeService>,
    pub(crate) serve: Arc<ServeService>,
    turns: Turns,
    /// Whether the service `follow` has begun.
    pub(crate) is_following: AtomicBool,
    /// Held while the node's key is replaced.
    rotation: Arc<tokio::sync::Mutex<()>>,
}

impl Services {
    /// Loads the services over an open context, and moves channels that a crash left behind. Starts no task.
    /// Blocks.
    pub(crate) fn load(context: Context) -> Result<Arc<Self>> {
        let context = Arc::new(context);
        let library = Arc::new(LibraryService::load(Arc::clone(&context))?);
        crate::rotation::finish(&context, &library)?;
        let audit = Arc::new(AuditService::open(Arc::clone(&context), Arc::clone(&library)));
        let peers = Arc::new(PeerService::load(Arc::clone(&context), Arc::clone(&library))?);
        let exchange = ExchangeService::new(Arc::clone(&context), Arc::clone(&library), Arc::clone(&peers));
        let exchange = Arc::new(exchange);
        let serve = ServeService::new(&context, &library, &audit, &peers, &exchange);
        library.follow_everything();
        let (serve, turns, rotation) = (Arc::new(serve), Turns::default(), Arc::default());
        let is_following = AtomicBool::new(false);
        Ok(Arc::new(Self { context, library, audit, peers, exchange, serve, turns, is_following, rotation }))
    }

    /// Starts the tasks that run as long as the home is open.
    pub(crate) fn start(&self) {
        self.audit.start();
        self.peers.start();
    }

    /// Stops every stage in order, and returns when all tasks have ended. Only commands of this process that
    /// do not end although they were cancelled are left behind. Not cancel-safe: where the future is dropped,
    /// later stages are not stopped.
    pub(crate) async fn close(&self) {
        let supervisor = &self.context.supervisor;
        for stage in Stage::ORDER {
            match stage {
                Stage::Commands => {
                    if !supervisor.stop_after(stage, CLOSE_PATIENCE, CLOSE_GRACE).await {
                        tracing::warn!("a command still runs in the home that is being closed");
                    }
                }
                stage => supervisor.stop(stage).await,
            }
        }
        self.context.events.end();
    }

    /// Works on a thread that may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Services) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let services = Arc::clone(self);
        let context = Arc::clone(&self.context);
        context.blocking(move || work(&services)).await
    }

    /// Waits until no other command changes the library of this label or id for long. The turn goes by the
    /// id: the owner of another library may give it the same label. Only a library that is founded at the
    /// moment has its label alone.
    pub(crate) async fn turn(&self, library: &str, job: &Job) -> Result<OwnedMutexGuard<()>> {
        let known = self.library.find(library).ok().flatten();
        let (key, label) =
            known.as_ref().map_or((library.to_owned(), library), |it| (it.id().to_string(), it.name()));
        self.turns.take(key, label, job).await
    }

    /// The libraries that `[[follow]]` in `chuan.toml` names, and that are not known here.
    pub(crate) fn follows_unknown(&self) -> Vec<String> {
        let config = self.context.config();
        let names = config.follow.iter().map(|follow| follow.library.clone());
        names.filter(|name| matches!(self.library.find(name), Ok(None))).collect()
    }

    /// Warns of these libraries: a name may be mistyped.
    pub(crate) fn warn_of_unknown_follows(&self) {
        for library in self.follows_unknown() {
            tracing::warn!(library, "`[[follow]]` in chuan.toml names a library that is not known here");
        }
    }

    /// Waits until no other command replaces the node's key.
    pub(crate) async fn rotation_turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.rotation).lock_owned().await
    }
}

/// One lock for each library, held by a command that changes it for long.
#[derive(Debug, Default)]
struct Turns(Mutex<BTreeMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the turn of a library. Fails where the job is cancelled meanwhile.
    async fn take(&self, key: String, label: &str, job: &Job) -> Result<OwnedMutexGuard<()>> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let turn = turns.get(&key).and_then(Weak::upgrade).unwrap_or_default();
            turns.insert(key, Arc::downgrade(&turn));
            turn
        };
        if let Ok(guard) = Arc::clone(&turn).try_lock_owned() {
            return Ok(guard);
        }
        job.say(format!("waiting for another publish or pull of {label}")).await;
        tokio::select! {
            guard = turn.lock_owned() => Ok(guard),
            () = job.cancel().cancelled() => Err(Failure::interrupted()),
        }
    }
}
