//! `serve`: runs the node until a signal ends it. SIGHUP makes it read its settings again.

use std::path::Path;

use chuan::node::Node;
use chuan_api::{
    exit::{Exit, Failure, Result},
    json::Ready,
};

use super::{
    Show,
    log::Log,
    output::Output,
    signals::{Signals, hang_up},
};
use crate::text;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The address to listen on (UDP): IP:PORT, port 0 for any free port [default: from chuan.toml]
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<String>,
    /// Fetch nothing without a command: new releases wait for `pull`
    #[arg(long)]
    pub(super) no_follow: bool,
}

pub(super) async fn serve(root: &Path, options: &Options, show: Show, log: &Log) -> Result<Exit> {
    let mut signals = Signals::that_end_a_server()?;
    // From here on SIGHUP ends nothing, also while the home opens.
    let mut reloads = hang_up()?;
    let node = tokio::select! {
        node = Node::open_to_serve(root) => node?,
        () = signals.next() => return Err(Failure::interrupted()),
    };
    log.follow(&node.config());
    let used = node.config().listen.clone();
    let address = match node.serve(options.listen.as_deref()).await {
        Ok(address) => address,
        Err(failure) => {
            node.close().await;
            return Err(failure.into());
        }
    };
    if !options.no_follow {
        node.follow();
    }
    if show.json || !show.quiet {
        let id = node.id().to_string();
        let ready = Ready { event: "ready", node: id.clone(), address: address.to_string() };
        // Scripts wait for this line. When the reader closes the pipe after it, the node continues to serve.
        let text = text!("serving", node = id, address = address);
        Output::stdout(show.json, "serve").line(&text, &ready.object())?;
    }
    loop {
        tokio::select! {
            () = signals.next() => break,
            _ = reloads.recv() => reload(&node, &used, log).await,
            failure = node.home_lost() => {
                tracing::error!(%failure, "the node stops");
                // The answer of `serve` is the code alone: a node that closed in order would write first.
                std::process::exit(failure.exit.number().into());
            }
        }
    }
    node.stop_commands();
    tokio::select! {
        () = node.close() => {}
        () = signals.next() => {}
    }
    Ok(Exit::Ok)
}

/// Reads the settings again. Wrong ones are logged, and those before stay. `used` is the setting `listen` at
/// the start.
async fn reload(node: &Node, used: &str, log: &Log) {
    match node.reload().await {
        Ok(changed) => {
            log.follow(&node.config());
            tracing::info!(changed = changed.join(", "), "the settings were read again");
            if changed.contains(&"listen") && node.config().listen != used {
                tracing::warn!("`listen` has changed, and is used at the next start");
            }
        }
        Err(failure) => tracing::error!(%failure, "the settings stay as they were"),
    }
}
