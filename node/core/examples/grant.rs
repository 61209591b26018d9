//! Grants a class of a library to a node, shows the members, and revokes the node again. The home must have
//! the operator's key.
//!
//! ```text
//! cargo run --example grant -- HOME LIBRARY NODE_KEY CLASS
//! ```

use std::error::Error;

use chuan::{
    Node,
    handle::{Grant, Member, PublicKey},
};

/// Grants, and revokes; returns the node's membership after each.
pub(crate) async fn run(
    node: &Node,
    library: &str,
    key: PublicKey,
    class: &str,
) -> Result<[Member; 2], chuan::Error> {
    let members = node.library(library).await?.members();
    let grant = Grant::new().class(class).name("second-mirror").node_key(key);
    let granted = members.grant(key.node(), grant).await?;
    for member in members.list().await? {
        println!("{} {:?} {:?}", member.name, member.state, member.classes);
    }
    let revoked = members.revoke(key.node(), "the example is over").await?;
    Ok([granted, revoked])
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [home, library, key, class] = args.as_slice() else {
        return Err("usage: grant HOME LIBRARY NODE_KEY CLASS".into());
    };
    let node = Node::open(home).await?;
    run(&node, library, key.parse()?, class).await?;
    node.close().await;
    Ok(())
}
