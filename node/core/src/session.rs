//! [`Session`]: runs commands on a home, one after the other. They run in this process if the home is free,
//! else in the process that holds it. Only the home lock decides which.

use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::BytesMut;
use chuan_engine::{
    limits::{BUNDLE_BYTES, STATEMENT_BYTES},
    statement::{Bundle, Library, Statement},
};
use tokio::time::Instant;

use crate::{
    admin,
    command::{Command, Envelope, Offer, Statements},
    exit::{Exit, Failure, Result},
    home::Home,
    job::{Event, Job},
    limits::ADMIN_REQUEST_BYTES,
    open_home::{Admitted, OpenHome},
    outcome::{Offered, Outcome},
    system::{Clock, Randomness},
};

/// How long a home may be locked without an answer on its socket: its holder is starting or ending.
const HOLDER_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// The approximate number of bytes of statements in one offer; base64 adds a third.
const OFFER_BYTES: usize = 1024 * 1024;

const _: () = assert!(4 * (OFFER_BYTES + STATEMENT_BYTES) < 3 * ADMIN_REQUEST_BYTES);

/// A home for the time of one command of the command line, or of several that belong together.
#[derive(Debug)]
pub struct Session {
    home: Home,
    /// The purpose of this process, as other processes see it.
    doing: &'static str,
    /// The home, if it is open in this process.
    open: Option<Arc<OpenHome>>,
    /// The session as a command of that home, from its first command on: closing waits for all of them.
    admitted: Option<Admitted>,
    job: Job,
}

impl Session {
    /// A session on the home at `root`, which is opened with its first command. Fails where there is no home.
    pub fn new(root: &Path, doing: &'static str, job: Job) -> Result<Self> {
        Ok(Self { home: Home::find(root)?, doing, open: None, admitted: None, job })
    }

    /// A session on a home that is open in this process.
    pub(crate) fn within(open: Arc<OpenHome>, job: Job) -> Self {
        let home = open.services.context.home.clone();
        Self { home, doing: "embedded", open: Some(open), admitted: None, job }
    }

    /// The home. Only its keys may be used: another process may hold the home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The clock of the home, if it is open in this process; else that of the machine.
    pub(crate) fn clock(&self) -> Clock {
        self.open.as_ref().map_or_else(Clock::default, |open| open.services.context.clock)
    }

    /// The time by [`Session::clock`], in milliseconds since 1970: the time of statements that the caller's
    /// key signs.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock().now_ms()
    }

    /// The randomness of the home, if it is open in this process; else that of the machine.
    pub(crate) fn randomness(&self) -> Randomness {
        self.open.as_ref().map_or_else(Randomness::default, |open| open.services.context.randomness)
    }

    /// The open home in which the commands ran, if that was in this process.
    pub(crate) fn into_home(self) -> Option<Arc<OpenHome>> {
        self.open
    }

    /// Sends a note for people.
    pub(crate) async fn say(&self, note: String) {
        self.job.say(note).await;
    }

    /// Runs a command to its end. If the home's holder does not answer, fails without any effect.
    pub async fn run(&mut self, command: Command) -> Result<Outcome> {
        let job = self.job.clone();
        // On the heap: the future has the state of every command, and a thread's stack would hold it once for
        // each caller in which it is nested.
        Box::pin(self.run_as(command, &job)).await
    }

    async fn run_as(&mut self, command: Command, job: &Job) -> Result<Outcome> {
        let command = command.absolute()?;
        let run_dir = self.home.run_dir();
        let deadline = self.clock().instant() + HOLDER_TIMEOUT;
        loop {
            if self.open.is_none() {
                self.open = OpenHome::try_open(self.home.root(), self.doing).await?;
            }
            if let Some(open) = &self.open {
                let admitted = match &mut self.admitted {
                    Some(admitted) => admitted,
                    none => none.insert(open.admit()?),
                };
                return admitted.run(job.cancel(), Box::pin(open.run_admitted(command, job.clone()))).await;
            }
            let answer = tokio::select! {
                answer = admin::client::run(&run_dir, &command, job) => answer?,
                () = job.cancel().cancelled() => return Err(Failure::interrupted()),
            };
            if let Some(result) = answer {
                return result;
            }
            pause(&self.home, self.clock(), deadline).await?;
        }
    }

    /// A library from the statements that the home knows, verified again in this process.
    pub(crate) async fn library(&mut self, name: Option<&str>) -> Result<Library> {
        self.open(name, false).await
    }

    /// The same after asking peers: for commands that sign for the library.
    pub(crate) async fn newest(&mut self, name: Option<&str>) -> Result<Library> {
        self.open(name, true).await
    }

    async fn open(&mut self, name: Option<&str>, newest: bool) -> Result<Library> {
        let bundle = self.bundle(name, newest).await?;
        Ok(Library::open(bundle.library, bundle.statements, self.now_ms())?)
    }

    /// Like [`Session::library`]; `None` where it is not known.
    pub(crate) async fn find_library(&mut self, name: &str) -> Result<Option<Library>> {
        match self.library(Some(name)).await {
            Ok(library) => Ok(Some(library)),
            Err(failure) if failure.exit == Exit::Missing => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Waits until no other command founds a library in this home; none does as long as the answer lives.
    pub(crate) async fn founding_turn(&self) -> Result<File> {
        let dir = self.home.keys_dir();
        let failed = |error| Failure::io(format!("lock {}", dir.display()), error);
        let turn = File::open(&dir).map_err(failed)?;
        loop {
            match turn.try_lock() {
                Ok(()) => return Ok(turn),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.job.cancel().cancelled() => return Err(Failure::interrupted()),
            }
        }
    }

    /// The statements of a library that are known here; with `newest`, after an exchange with peers.
    pub(crate) async fn bundle(&mut self, name: Option<&str>, newest: bool) -> Result<Bundle> {
        let (job, mut events) = Job::watched(self.job.cancel().clone());
        let outer = self.job.clone();
        let gather = tokio::spawn(async move {
            let mut bytes = BytesMut::new();
            while let Some(event) = events.next().await {
                match event {
                    Event::Data(data) if bytes.len() + data.len() <= BUNDLE_BYTES => {
                        bytes.extend_from_slice(&data)
                    }
                    Event::Note(note) => outer.say(note).await,
                    _ => {}
                }
            }
            bytes
        });
        let command = Command::Statements(Statements { library: name.map(str::to_owned), newest });
        let outcome = self.run_as(command, &job).await;
        drop(job);
        let bytes = gather.await.map_err(|error| Failure::internal(format!("a command failed: {error}")))?;
        outcome?;
        Ok(Bundle::decode(&bytes)?)
    }

    /// Offers signed statements of one library to the home, in the given order. Returns the outcome of each,
    /// in that order.
    pub(crate) async fn offer(
        &mut self,
        library: &chuan_engine::id::LibraryId,
        statements: &[Statement],
        unopposed: bool,
    ) -> Result<Offered> {
        let mut all = Offered { library: library.to_string(), ..Offered::default() };
        for part in parts(statements) {
            let statements = part.iter().map(Envelope::from).collect();
            let offer = Offer { library: library.to_string(), statements, unopposed };
            match self.run(Command::Offer(offer)).await? {
                Outcome::Offer(offered) => {
                    all.statements.extend(offered.statements);
                    // The exchange after the last part also sends the statements of earlier parts.
                    (all.peers, all.told) = (offered.peers, offered.told);
                    all.asked_seconds += offered.asked_seconds;
                }
                _ => {
                    return Err(mismatch());
                }
            }
        }
        Ok(all)
    }

    /// Offers new statements to the home; fails if one of them is not effective. Returns how long it waited
    /// for peers, in seconds.
    pub(crate) async fn offer_effective(
        &mut self,
        library: &Library,
        statements: &[Statement],
    ) -> Result<f64> {
        let offered = self.offer(&library.id(), statements, true).await?;
        match offered.statements.iter().find(|row| !row.counts()) {
            Some(row) => Err(Failure::denied(format!("{}: {}", row.kind, row.reason))),
            None => Ok(offered.asked_seconds),
        }
    }
}

/// The time by the clock of the machine, in milliseconds since 1970: for programs that sign without a home.
pub fn now_ms() -> i64 {
    Clock::default().now_ms()
}

/// The error for the outcome of another command: the process that holds the home may run another version.
pub(crate) fn mismatch() -> Failure {
    Failure::internal("unexpected response from the running node (another version?)")
}

/// Statements in parts that fit a request, each with at least one.
fn parts(statements: &[Statement]) -> Vec<&[Statement]> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (place, statement) in statements.iter().enumerate() {
        if bytes >= OFFER_BYTES {
            parts.extend(statements.get(start..place));
            (start, bytes) = (place, 0);
        }
        bytes += statement.bytes().len();
    }
    parts.extend(statements.get(start..).filter(|rest| !rest.is_empty()));
    parts
}

/// Opens the home to serve it; fails with the name of the holder if another process holds it.
pub(crate) async fn open_to_serve(root: &Path) -> Result<Arc<OpenHome>> {
    let home = Home::find(root)?;
    let clock = Clock::default();
    let deadline = clock.instant() + HOLDER_TIMEOUT;
    loop {
        if let Some(open) = OpenHome::try_open(root, "serve").await? {
            return Ok(open);
        }
        if let Some(holder) = admin::client::holder(&home.run_dir()).await? {
            let (pid, doing, home) = (holder.pid, holder.doing, home.root().display());
            return Err(Failure::busy(match doing.as_str() {
                "serve" => format!("{home} is served already, by process {pid}"),
                _ => format!("{home} is in use by `{doing}` (process {pid}); serve it when that has ended"),
            }));
        }
        pause(&home, clock, deadline).await?;
    }
}

async fn pause(home: &Home, clock: Clock, deadline: Instant) -> Result<()> {
    if clock.instant() >= deadline {
        return Err(Failure::busy(format!(
            "{} is locked by a process that does not answer; if it hangs, end it and try again",
            home.root().display()
        )));
    }
    tokio::time::sleep(PAUSE).await;
    Ok(())
}
