//! Watches a node: serves a home, and prints a line for each event.
//!
//! ```text
//! cargo run --example events -- HOME
//! ```

use std::error::Error;

use chuan::{
    EventStream, Node,
    handle::{Next, NodeEvent, Stamped},
};

/// Passes a line for each event to `show`, until the node is closed.
pub(crate) async fn run(mut events: EventStream, mut show: impl FnMut(String)) {
    while let Some(next) = events.next().await {
        match next {
            Next::Event(Stamped { at_ms, event }) => show(format!("{at_ms} {}", text_of(&event))),
            Next::Missed(count) => show(format!("{count} events were missed")),
        }
    }
}

fn text_of(event: &NodeEvent) -> String {
    match event {
        NodeEvent::ChannelMoved { channel, sequence, .. } => {
            format!("channel {channel} is at release {sequence}")
        }
        NodeEvent::Pulled { bytes, took_ms, .. } => format!("pulled {bytes} bytes in {took_ms} ms"),
        NodeEvent::PeerLost { node, .. } => format!("peer {node} does not answer"),
        other => format!("{other:?}"),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let home = std::env::args().nth(1).ok_or("usage: events HOME")?;
    let node = Node::open(home).await?;
    let watching = tokio::spawn(run(node.events(), |line| println!("{line}")));
    node.serve(None).await?;
    tokio::signal::ctrl_c().await?;
    node.close().await;
    watching.await?;
    Ok(())
}
