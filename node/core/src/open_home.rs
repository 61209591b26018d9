//! [`OpenHome`]: an open home of this process: its services, its admin socket, and the commands that run in
//! it. Owns opening and closing.

use std::{
    future::Future,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use chuan_engine::{
    Error,
    audit::{Event, Verb},
};
use chuan_storage::lock::{HomeLock, HomePlace};
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};

use crate::{
    admin::{
        Holder,
        server::{self, BoxFuture, Runner},
        socket,
    },
    command::{Command, Role},
    commands,
    context::{Context, Stage, Threads},
    exit::{Exit, Failure, Result},
    home::{Home, owner},
    job::{Cancel, Job},
    limits::HOME_LOOK,
    outcome::Outcome,
    services::Services,
    system::Clock,
};

/// An open home. The home is free again when this is dropped and its tasks have ended.
#[derive(Debug)]
pub(crate) struct OpenHome {
    pub(crate) services: Arc<Services>,
    /// The purpose for which this process was started.
    doing: String,
    /// The commands that run here.
    running: Mutex<Vec<Cancel>>,
    /// Whether a command of this process has said that the home takes no writes.
    is_announced: AtomicBool,
    place: HomePlace,
}

impl OpenHome {
    /// Makes a home at `root` and opens it.
    pub(crate) async fn init(root: &Path, name: Option<&str>, role: Role) -> Result<Arc<Self>> {
        Home::init(root, name, role)?;
        Self::open(root, "embedded").await
    }

    /// Opens the home at `root`: locks it, repairs what a crash left, and serves its admin socket. `doing`
    /// tells other processes the purpose of this one.
    ///
    /// # Errors
    ///
    /// [`Exit::Busy`] where another process has it open.
    pub(crate) async fn open(root: &Path, doing: &str) -> Result<Arc<Self>> {
        let home = Home::find(root)?;
        match HomeLock::acquire_for(home.root(), doing) {
            Ok(lock) => Self::open_locked(home, lock, doing).await,
            Err(error) => Err(owner::with_remedy(error.into(), home.root())),
        }
    }

    /// Like [`OpenHome::open`]; `None` where another process has the home open.
    pub(crate) async fn try_open(root: &Path, doing: &str) -> Result<Option<Arc<Self>>> {
        let home = Home::find(root)?;
        match HomeLock::acquire_for(home.root(), doing) {
            Ok(lock) => Self::open_locked(home, lock, doing).await.map(Some),
            Err(Error::Busy(_)) => Ok(None),
            Err(error) => Err(owner::with_remedy(error.into(), home.root())),
        }
    }

    async fn open_locked(home: Home, lock: HomeLock, doing: &str) -> Result<Arc<Self>> {
        // Before the store, which may take long to open after a crash: other processes find a socket that
        // will answer.
        let listener = match socket::bind(&home.run_dir()) {
            Ok(listener) => Some(listener),
            // A home that only reads works without it.
            Err(failure) if failure.is_unwritable() => {
                tracing::debug!(%failure, "no admin socket");
                None
            }
            Err(failure) => return Err(failure),
        };
        let place = lock.place()?;
        let opened = Event::new(Verb::Opened, doing);
        let root = home.root().to_owned();
        let services = Threads::Pool
            .run(move || {
                let context = Context::open(home, lock, opened, Clock::default())?;
                context.store.found().iter().for_each(|found| context.note(Event::new(Verb::Heal, found)));
                Services::load(context)
            })
            .await
            .map_err(|failure| owner::with_remedy(failure, &root))?;
        services.start();
        let (doing, running) = (doing.to_owned(), Mutex::default());
        let this = Arc::new(Self { services, doing, running, is_announced: AtomicBool::new(false), place });
        let handler = AdminHandler { holder: this.holder(), home: Arc::downgrade(&this) };
        let supervisor = &this.services.context.supervisor;
        let stop = supervisor.stopping(Stage::Admin);
        if let Some(listener) = listener {
            supervisor.spawn(Stage::Admin, server::run(listener, Arc::new(handler), stop));
        }
        Ok(this)
    }

    /// The process that holds the home: this one.
    pub(crate) fn holder(&self) -> Holder {
        Holder { pid: std::process::id(), doing: self.doing.clone() }
    }

    /// Returns once the home is at its path no more. Cancel-safe.
    pub(crate) async fn lost(&self) -> Failure {
        while self.place.is_current() {
            tokio::time::sleep(HOME_LOOK).await;
        }
        Failure::new(
            Exit::Io,
            format!(
                "the home {} was moved, deleted or replaced, or its disk was taken away, and this process writes no \
                 more; start it again with the folder in which the home is now",
                self.services.context.home.root().display()
            ),
        )
    }

    /// The address at which the node listens, while it does.
    pub(crate) fn listening(&self) -> Option<SocketAddr> {
        self.services.context.listening()
    }

    /// Runs any command to its end; its progress, notes and rows go to `job`.
    ///
    /// # Errors
    ///
    /// [`Exit::Busy`] once the home is being closed.
    pub(crate) async fn run(&self, command: Command, job: Job) -> Result<Outcome> {
        let admitted = self.admit()?;
        let cancel = job.cancel().clone();
        admitted.run(&cancel, self.run_admitted(command, job)).await
    }

    /// Like [`OpenHome::run`], of a command that was admitted: it may run although the home is being closed,
    /// which waits for it.
    pub(crate) async fn run_admitted(&self, command: Command, job: Job) -> Result<Outcome> {
        if !self.is_announced.swap(true, Ordering::Relaxed) {
            self.announce(&job).await;
        }
        self.run_to_end(command, job).await
    }

    /// Runs work as a command of this process: closing waits for it.
    ///
    /// # Errors
    ///
    /// As for [`OpenHome::run`].
    pub(crate) async fn track<T>(&self, job: &Job, work: impl Future<Output = Result<T>>) -> Result<T> {
        let admitted = self.admit()?;
        let _running = self.register(job.cancel());
        admitted.run(job.cancel(), work).await
    }

    /// Lets a command of this process begin: closing waits for it as long as the answer lives.
    ///
    /// # Errors
    ///
    /// [`Exit::Busy`] once the home is being closed.
    pub(crate) fn admit(&self) -> Result<Admitted> {
        let supervisor = &self.services.context.supervisor;
        // Held before the check: closing stops this stage after the one that is checked.
        let held = supervisor.hold(Stage::Commands);
        if supervisor.stopping(Stage::Admin).is_cancelled() {
            return Err(Failure::busy("the home is being closed; try again"));
        }
        Ok(Admitted { stop: supervisor.stopping(Stage::Commands), _held: held })
    }

    /// Says that the home was opened for reading only, if it was, and why.
    async fn announce(&self, job: &Job) {
        if let Some(why) = self.services.context.store.read_only() {
            job.say(format!("the home takes no writes, so this process only reads: {why}")).await;
        }
    }

    /// Like [`OpenHome::run_admitted`], of a command that the admin socket accepted.
    async fn run_accepted(&self, command: Command, job: Job) -> Result<Outcome> {
        self.announce(&job).await;
        self.run_to_end(command, job).await
    }

    async fn run_to_end(&self, command: Command, job: Job) -> Result<Outcome> {
        let _running = self.register(job.cancel());
        let result = match command {
            Command::Status => {
                let (services, holder) = (&self.services, self.holder());
                commands::status::status(services, holder)
                    .await
                    .map(|status| Outcome::Status(Box::new(status)))
            }
            command => commands::run(&self.services, command, &job).await,
        };
        self.services.audit.settle_if_due().await;
        result.map_err(|failure| owner::with_remedy(failure, self.services.context.home.root()))
    }

    /// Cancels every command that runs here, those of other processes included.
    pub(crate) fn stop_commands(&self) {
        self.running().iter().for_each(Cancel::cancel);
    }

    /// Takes no more commands and no more peers. Returns when the commands of other processes, those of this
    /// process, the answers to peers and the services have ended. Commands of this process are cancelled
    /// after [`CLOSE_PATIENCE`](crate::limits::CLOSE_PATIENCE).
    pub(crate) async fn close(&self) {
        self.services.close().await;
    }

    fn register(&self, cancel: &Cancel) -> Running<'_> {
        self.running().push(cancel.clone());
        Running { home: self, cancel: cancel.clone() }
    }

    fn running(&self) -> MutexGuard<'_, Vec<Cancel>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenHome {
    fn drop(&mut self) {
        self.services.context.supervisor.abandon();
    }
}

/// A command under way, as long as this is held.
struct Running<'a> {
    home: &'a OpenHome,
    cancel: Cancel,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.home.running().retain(|cancel| !cancel.is(&self.cancel));
    }
}

/// A command of this process under way: closing waits for it as long as this is held.
#[derive(Debug)]
pub(crate) struct Admitted {
    stop: CancellationToken,
    _held: TaskTrackerToken,
}

impl Admitted {
    /// Runs the command, or a part of it. Cancels it where closing has waited for it long enough.
    pub(crate) async fn run<T>(&self, cancel: &Cancel, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = self.stop.cancelled() => cancel.cancel(),
        }
        work.await
    }
}

/// Hands commands of the admin socket to the home, and does not keep it open.
struct AdminHandler {
    holder: Holder,
    home: Weak<OpenHome>,
}

impl Runner for AdminHandler {
    fn holder(&self) -> Holder {
        self.holder.clone()
    }

    fn run(&self, command: Command, job: Job) -> BoxFuture<Result<Outcome>> {
        let home = self.home.upgrade();
        Box::pin(async move {
            match home {
                Some(home) => home.run_accepted(command, job).await,
                None => Err(Failure::new(Exit::Busy, "the home is being closed; try again")),
            }
        })
    }
}
