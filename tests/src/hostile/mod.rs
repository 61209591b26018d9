//! A peer that speaks the real protocol and does not keep to it: any key, any hello, any request, any answer, at any speed.
//!
//! It shares the engine's messages and frames with the node under attack, and nothing of its transport: TLS and streams are
//! made here ([`tls`]), so that a bound which `net` keeps on both sides is not kept here. [`peer`] dials, [`source`] is dialled,
//! [`forge`] makes statements, [`process`] reads what an attack costs the attacked process.

pub mod forge;
pub mod peer;
pub mod process;
pub mod source;
pub mod tls;

use std::future::Future;

use anyhow::{Context, Result};

pub use peer::{Peer, Session};
pub use process::Usage;
pub use source::Source;

/// Runs an attack to its end, on threads of its own.
pub fn run<T>(attack: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the attacker's threads")?;
    let result = runtime.block_on(attack);
    // What an attack left running is of no use to anybody.
    runtime.shutdown_background();
    result
}
