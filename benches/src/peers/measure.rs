//! One tool that does one task once, and the cost.

use std::{
    fs::File,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use chuan_benches::process::{self, Daemon};

use crate::wire;

/// The cost of one task for one tool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Time until the tool reported completion.
    pub(crate) took: Duration,
    /// The same, and until the file system that it wrote to was synced.
    pub(crate) durable: Duration,
    /// User and system time of all its processes.
    pub(crate) cpu: Duration,
    /// Peak resident memory of the largest of them.
    pub(crate) peak_bytes: u64,
    /// Bytes on the loopback interface in both directions; none if the task does not use it.
    pub(crate) wire_bytes: Option<u64>,
}

impl Measured {
    /// The cost of this task and then `next`.
    pub(crate) fn then(self, next: Measured) -> Measured {
        Measured {
            took: self.took + next.took,
            durable: self.durable + next.durable,
            cpu: self.cpu + next.cpu,
            peak_bytes: self.peak_bytes.max(next.peak_bytes),
            wire_bytes: self.wire_bytes.or(next.wire_bytes),
        }
    }
}

/// How the process at the other end of a transfer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    WhenTold,
    ByItself,
}

/// A command that works only on this machine's disk, writing to `dest`.
pub(crate) fn local(command: &mut Command, dest: &Path) -> Result<Measured> {
    let cost = process::run(command)?;
    let sync = sync(dest)?;
    Ok(Measured {
        took: cost.took,
        durable: cost.took + sync,
        cpu: cost.cpu,
        peak_bytes: cost.peak_bytes,
        wire_bytes: None,
    })
}

/// A command that moves data to or from `daemon`, over the loopback interface, to `dest`.
pub(crate) fn transfer(daemon: Daemon, ends: Ends, command: &mut Command, dest: &Path) -> Result<Measured> {
    let before = wire::bytes()?;
    let start = Instant::now();
    let cost = process::run(command)?;
    let (took, (daemon_cpu, daemon_peak)) = match ends {
        Ends::WhenTold => (cost.took, daemon.stop()?),
        Ends::ByItself => {
            let ended = daemon.end()?;
            (start.elapsed(), ended)
        }
    };
    let sync = sync(dest)?;
    Ok(Measured {
        took,
        durable: took + sync,
        cpu: cost.cpu + daemon_cpu,
        peak_bytes: cost.peak_bytes.max(daemon_peak),
        wire_bytes: Some(wire::bytes()?.saturating_sub(before)),
    })
}

/// Syncs the file system of `path`; returns the time that it took.
pub(crate) fn sync(path: &Path) -> Result<Duration> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let ((), took) = process::timed(|| rustix::fs::syncfs(&file).context("sync"))?;
    Ok(took)
}
