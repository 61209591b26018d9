//! Runs a process to its end, with its wall time and its peak resident memory.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// How often the peak is looked at. The kernel keeps the peak itself; only growth in a process's last moment is missed.
const LOOK: Duration = Duration::from_millis(5);

/// What a process cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) took: Duration,
    pub(crate) peak_bytes: u64,
}

/// Runs a command that must succeed; its output goes nowhere but in its error.
pub(crate) fn run(command: &mut Command) -> Result<Cost> {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let errors = child.stderr.take();
    let reader = thread::spawn(move || chuan_tests::program::drain(errors));
    let mut peak_bytes = 0;
    let status = loop {
        peak_bytes = peak_bytes.max(peak(&child));
        match child.try_wait()? {
            Some(status) => break status,
            None => thread::sleep(LOOK),
        }
    };
    let took = start.elapsed();
    let errors = reader.join().unwrap_or_default();
    ensure!(status.success(), "{command:?}: {status}\n{errors}");
    Ok(Cost { took, peak_bytes })
}

/// The peak resident memory of a running process; 0 once it has ended.
pub(crate) fn peak(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

/// The wall time of `work`.
pub(crate) fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let start = Instant::now();
    let value = work().context("timed work")?;
    Ok((value, start.elapsed()))
}
