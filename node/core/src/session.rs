//! Commands on a home, one after the other, wherever they must run: in this process if the home is free, else in the one
//! that holds it. The lock alone decides which.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use chuan_engine::{
    limits::{BUNDLE_BYTES, STATEMENT_BYTES},
    statement::{Bundle, Library, Statement},
};
use tokio::sync::mpsc;

use crate::{
    admin,
    command::{Command, Envelope, Offer, Statements},
    exit::{Exit, Failure, Result},
    home::Home,
    job::{Event, Job},
    node::{Node, now_ms},
    outcome::{Offered, Outcome},
};

/// How long a home may be locked without anyone answering on its socket: the holder is starting or ending.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// Events that wait to be passed on, at most.
const EVENT_QUEUE: usize = 16;
/// Bytes of statements in one offer, about; base64 makes a third more of them.
const OFFER_BYTES: usize = 1024 * 1024;

const _: () = assert!(4 * (OFFER_BYTES + STATEMENT_BYTES) < 3 * admin::REQUEST_BYTES);

/// A home, for the time of one command of the command line or more that belong together.
#[derive(Debug)]
pub struct Session {
    home: Home,
    /// What others are told that this process does.
    doing: &'static str,
    /// The home, if it is open in this process.
    node: Option<Node>,
    job: Job,
}

impl Session {
    /// A session on the home at `root`, which is opened with its first command. Fails where there is no home.
    pub fn new(root: &Path, doing: &'static str, job: Job) -> Result<Self> {
        Ok(Self { home: Home::find(root)?, doing, node: None, job })
    }

    /// A session on a home that is open in this process.
    pub(crate) fn within(node: Node, job: Job) -> Self {
        Self { home: node.home().clone(), doing: "embedded", node: Some(node), job }
    }

    /// The home. Nothing in it but its keys may be touched: another process may hold it.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The node that ran the commands, if it was in this process. It must be closed, since other commands may run in it
    /// by now.
    pub fn into_node(self) -> Option<Node> {
        self.node
    }

    /// Runs a command to its end. Fails without having done anything where the home's holder does not answer.
    pub async fn run(&mut self, command: Command) -> Result<Outcome> {
        let job = self.job.clone();
        self.run_as(command, &job).await
    }

    async fn run_as(&mut self, command: Command, job: &Job) -> Result<Outcome> {
        let command = command.absolute()?;
        let run_dir = self.home.run_dir();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.node.is_none() {
                self.node = Node::try_open(self.home.root(), self.doing).await?;
            }
            if let Some(node) = &self.node {
                return node.run(command, job.clone()).await;
            }
            let answer = tokio::select! {
                answer = admin::client::run(&run_dir, &command, job) => answer?,
                () = job.cancel().cancelled() => return Err(Failure::interrupted()),
            };
            if let Some(result) = answer {
                return result;
            }
            pause(&self.home, deadline).await?;
        }
    }

    /// What is known of a library here, verified anew in this process.
    pub(crate) async fn library(&mut self, name: Option<&str>) -> Result<Library> {
        self.open(name, false).await
    }

    /// The same after hearing what peers know: to speak for the library.
    pub(crate) async fn newest(&mut self, name: Option<&str>) -> Result<Library> {
        self.open(name, true).await
    }

    async fn open(&mut self, name: Option<&str>, newest: bool) -> Result<Library> {
        let bundle = self.bundle(name, newest).await?;
        Ok(Library::open(bundle.library, bundle.statements, now_ms())?)
    }

    /// Like [`Session::library`]; `None` where it is not known.
    pub(crate) async fn find_library(&mut self, name: &str) -> Result<Option<Library>> {
        match self.library(Some(name)).await {
            Ok(library) => Ok(Some(library)),
            Err(failure) if failure.exit == Exit::Missing => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The statements of a library that are known here; with `newest` after hearing what peers know.
    pub(crate) async fn bundle(&mut self, name: Option<&str>, newest: bool) -> Result<Bundle> {
        let (sender, mut events) = mpsc::channel(EVENT_QUEUE);
        let job = Job::new(sender, self.job.cancel().clone());
        let outer = self.job.clone();
        let gather = tokio::spawn(async move {
            let mut bytes = BytesMut::new();
            while let Some(event) = events.recv().await {
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

    /// Hands finished statements of one library to the home, in the order given. What became of each is in the order, too.
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
                    // The last part's exchange brings what those before it did not.
                    (all.peers, all.told) = (offered.peers, offered.told);
                }
                _ => {
                    return Err(strange());
                }
            }
        }
        Ok(all)
    }

    /// Hands over statements that were made just now; fails where one of them does not count.
    pub(crate) async fn say(&mut self, library: &Library, statements: &[Statement]) -> Result<()> {
        let offered = self.offer(&library.id(), statements, true).await?;
        match offered.statements.into_iter().find(|row| !row.counts()) {
            Some(row) => Err(Failure::denied(format!("{}: {}", row.kind, row.reason))),
            None => Ok(()),
        }
    }
}

/// An answer to another command: the holder of the home is no node, or a newer one.
pub(crate) fn strange() -> Failure {
    Failure::internal("the home's holder answers something else than was asked")
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

/// Opens the home to serve it; fails with the holder's name where it is held.
pub async fn open_to_serve(root: &Path) -> Result<Node> {
    let home = Home::find(root)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(node) = Node::try_open(root, "serve").await? {
            return Ok(node);
        }
        if let Some(holder) = admin::client::holder(&home.run_dir()).await? {
            let (pid, doing, home) = (holder.pid, holder.doing, home.root().display());
            return Err(Failure::busy(match doing.as_str() {
                "serve" => format!("{home} is served already, by process {pid}"),
                _ => format!("{home} is in use by `{doing}` (process {pid}); serve it when that has ended"),
            }));
        }
        pause(&home, deadline).await?;
    }
}

async fn pause(home: &Home, deadline: Instant) -> Result<()> {
    if Instant::now() >= deadline {
        return Err(Failure::busy(format!(
            "{} is locked by a process that does not answer; if it hangs, end it and try again",
            home.root().display()
        )));
    }
    tokio::time::sleep(PAUSE).await;
    Ok(())
}
