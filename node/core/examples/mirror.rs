//! Embeds a mirror: joins a library with a ticket, pulls it, and serves it to other members.
//!
//! ```text
//! cargo run --example mirror -- HOME TICKET
//! ```

use std::{error::Error, path::Path};

use chuan::{
    Node,
    command::Role,
    handle::{Channel, Pulled, Update},
};

/// Makes the home at `root`, joins, pulls and listens. The node serves until it is closed.
pub(crate) async fn run(root: &Path, ticket: &str) -> Result<(Node, Pulled), chuan::Error> {
    let node = Node::init(root, None, Role::Mirror).await?;
    let library = node.join_library(ticket).await?;
    let mut pull = library.pull(Channel::LIVE);
    while let Some(update) = pull.next().await {
        match update {
            Update::Counts(counts) => eprintln!("{} bytes", counts.bytes_done),
            other => eprintln!("{other:?}"),
        }
    }
    let pulled = pull.await?;
    let address = node.serve(Some("127.0.0.1:0")).await?;
    println!("release {} of {} on {address}", pulled.sequence, library.name());
    Ok((node, pulled))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(home), Some(ticket)) = (args.next(), args.next()) else {
        return Err("usage: mirror HOME TICKET".into());
    };
    let (node, _) = run(home.as_ref(), &ticket).await?;
    tokio::signal::ctrl_c().await?;
    node.close().await;
    Ok(())
}
