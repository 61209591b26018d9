//! Limits that the system sets for the process (`ulimit`): they must end in an error, never in a signal.

use std::{env, os::unix::process::CommandExt, process::Command, thread};

use chuan::try_threads;
use chuan_api::exit::{Failure, Result};
use rustix::process::{Resource, Signal, getrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// glibc reads it at the start of a process only.
const ARENAS: &str = "MALLOC_ARENA_MAX";
/// Threads that a command uses beside one for each core.
const THREADS: usize = 12;

/// Where the address space is limited, starts the program again with one arena for all threads: by default
/// glibc reserves 64 MiB of address space for each thread, and a limit is reached with most of it unused.
pub(super) fn use_little_address_space() {
    if getrlimit(Resource::As).current.is_none() || env::var_os(ARENAS).is_some() {
        return;
    }
    let mut arguments = env::args_os();
    let mut again = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // It returns only where it fails; then this process goes on.
    let _ = again.args(arguments).env(ARENAS, "1").exec();
}

/// Fails where the system does not give as many threads as a command may use: the libraries below end the
/// process where they cannot start one.
pub(super) fn check_threads() -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    try_threads(cores + THREADS, None).map_err(|error| {
        Failure::io("start threads; raise the limit of this process (ulimit -u, ulimit -v)", error)
    })
}

/// Lets a write that exceeds the limit of a file's size fail, instead of ending the process.
pub(super) fn survive_file_size_limit() {
    // The handler stays although the stream is dropped.
    let _ = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()));
}
