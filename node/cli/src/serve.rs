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

pub(super) async fn serve(root: &Path, listen: Option<&str>, show: Show, log: &Log) -> Result<Exit> {
    let mut signals = Signals::that_end_a_server()?;
    // From here on SIGHUP ends nothing, also while the home opens.
    let mut reloads = hang_up()?;
    let node = tokio::select! {
        node = Node::open_to_serve(root) => node?,
        () = signals.next() => return Err(Failure::interrupted()),
    };
    log.follow(&node.config());
    let address = match node.serve(listen).await {
        Ok(address) => address,
        Err(failure) => {
            node.close().await;
            return Err(failure.into());
        }
    };
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
            _ = reloads.recv() => reload(&node, log).await,
        }
    }
    node.stop_commands();
    tokio::select! {
        () = node.close() => {}
        () = signals.next() => {}
    }
    Ok(Exit::Ok)
}

/// Reads the settings again. Wrong ones are logged, and those before stay.
async fn reload(node: &Node, log: &Log) {
    match node.reload().await {
        Ok(changed) => {
            log.follow(&node.config());
            tracing::info!(changed = changed.join(", "), "the settings were read again");
            if changed.contains(&"listen") {
                tracing::warn!("`listen` has changed, and is used at the next start");
            }
        }
        Err(failure) => tracing::error!(%failure, "the settings stay as they were"),
    }
}
