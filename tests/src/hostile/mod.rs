//! A peer that uses the real protocol and breaks its rules: any key, any hello, any request, any answer, at
//! any speed.
//!
//! It shares the engine's messages and frames with the attacked node, but none of its transport: TLS and
//! streams are made here ([`tls`]), without the limits that `net` applies on both sides. [`peer`] dials,
//! [`source`] is dialled, [`forge`] makes statements, [`process`] measures the cost for the attacked process.

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
    // Tasks that an attack left running are of no more use.
    runtime.shutdown_background();
    result
}
