//! One command on a home, wherever it must run: in this process if the home is free, else in the one that holds it.
//! The lock alone decides which.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use crate::{
    admin,
    command::Command,
    exit::{Failure, Result},
    home::Home,
    job::{Cancel, Event, Job},
    node::Node,
    outcome::Outcome,
};

/// How long a home may be locked without anyone answering on its socket: the holder is starting or ending.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// A command that has ended, and the node that ran it if that was this process. The node must be closed, since other
/// commands may run in it by now.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) result: Result<Outcome>,
    pub(crate) node: Option<Node>,
}

/// Runs `command` on the home at `root`. Fails without having done anything where there is no home, or its holder does
/// not answer.
pub(crate) async fn run(
    root: &Path,
    command: Command,
    cancel: Cancel,
    events: mpsc::Sender<Event>,
) -> Result<Ran> {
    let home = Home::find(root)?;
    let run_dir = home.run_dir();
    let command = command.absolute()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(node) = Node::try_open(root, command.name()).await? {
            let result = node.run(command, Job::new(events, cancel)).await;
            return Ok(Ran { result, node: Some(node) });
        }
        let answer = tokio::select! {
            answer = admin::client::run(&run_dir, &command, &events) => answer?,
            () = cancel.cancelled() => return Err(Failure::interrupted()),
        };
        if let Some(result) = answer {
            return Ok(Ran { result, node: None });
        }
        pause(&home, deadline).await?;
    }
}

/// Opens the home to serve it; fails with the holder's name where it is held.
pub(crate) async fn open_to_serve(root: &Path) -> Result<Node> {
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
