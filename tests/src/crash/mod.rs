//! The crash test: a command is stopped at any one of its calls that change files, and everything that was
//! acknowledged must be there afterwards.
//!
//! [`tracer`] counts the calls of all threads in one order and disturbs one of them, [`disk`] is the model of
//! a loss of power, [`point`] names what is tested, and [`campaign`] runs points and counts the results. The
//! commands run in small homes that are made once. A run is not fully determined by its point: threads change
//! the order of calls from run to run, and a run may end before the call of its point.

mod calls;
pub mod campaign;
mod check;
pub mod disk;
pub mod point;
mod stage;
pub mod tracer;

use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

pub use calls::Call;
pub use campaign::{Campaign, Outcome, Table};
pub use point::{Fault, Job, Moment, Point};
pub use tracer::Planted;

/// A new folder for the homes of a test: in memory where the system has such a place, since the model of the
/// disk needs no real one.
pub fn folder() -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("chuan-crash-");
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        builder.tempdir_in(memory).or_else(|_| builder.tempdir())
    } else {
        builder.tempdir()
    };
    Ok(made?)
}
