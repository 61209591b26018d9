//! Runs processes and measures their cost: wall time, CPU time and peak resident memory, including their
//! descendants.
//!
//! The CPU time is read after a process has ended and before it is reaped, so that nothing is missed. The
//! peak is polled: the kernel records the peak itself, so only growth in a process's last moment is missed.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid},
};

/// Polling interval of the peak.
const LOOK: Duration = Duration::from_millis(5);
/// Polls between two searches for new descendants.
const SEARCH: u32 = 40;
/// Time limit of any process of a benchmark: it is then killed.
const PATIENCE: Duration = Duration::from_mins(5);
/// Unit of CPU time in `/proc`, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The cost of a process.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// From its start to its end.
    pub took: Duration,
    /// User and system time.
    pub cpu: Duration,
    /// Peak resident memory, of the largest process if there were several.
    pub peak_bytes: u64,
}

/// Runs a command that must succeed; its standard error is only used in the error.
///
/// # Errors
///
/// Fails if it does not start, does not succeed, or does not end within five minutes.
pub fn run(command: &mut Command) -> Result<Cost> {
    let start = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("run {command:?}"))?;
    let errors = child.stderr.take();
    let reader = thread::spawn(move || chuan_tests::program::drain(errors));
    let watch = Watch::start(&child);
    wait_unreaped(&child)?;
    let took = start.elapsed();
    let cpu = cpu(&child)?;
    let peak_bytes = watch.end();
    let status = child.wait()?;
    let errors = reader.join().unwrap_or_default();
    ensure!(status.success(), "{command:?}: {status}\n{errors}");
    Ok(Cost { took, cpu, peak_bytes })
}

/// A process that runs beside the measured one; dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    watch: Option<Watch>,
    cpu_before: Duration,
}

impl Daemon {
    /// Starts a command, and waits until `ready` returns a value for a line of its output.
    ///
    /// # Errors
    ///
    /// Fails if the output ends first.
    pub fn start<T: Send + 'static>(
        command: &mut Command,
        ready: impl Fn(&str) -> Option<T> + Send + 'static,
    ) -> Result<(Self, T)> {
        let mut daemon = Self::spawn(command.stdout(Stdio::piped()))?;
        let stdout = daemon.child.stdout.take().context("the daemon's output")?;
        let (found, answer) = mpsc::channel();
        // Reads to the end, so that the daemon never blocks on a full pipe.
        thread::spawn(move || look_for(stdout, &ready, &found));
        let Ok(answer) = answer.recv_timeout(PATIENCE) else {
            bail!("{command:?} did not become ready");
        };
        daemon.begin()?;
        Ok((daemon, answer))
    }

    /// Starts a command, and waits until `ready` returns true.
    ///
    /// # Errors
    ///
    /// Fails if the process ends first.
    pub fn start_until(command: &mut Command, ready: impl Fn() -> bool) -> Result<Self> {
        let mut daemon = Self::spawn(command.stdout(Stdio::null()))?;
        while !ready() {
            if let Some(status) = daemon.child.try_wait()? {
                bail!("{command:?} ended before it was ready: {status}");
            }
            thread::sleep(LOOK);
        }
        daemon.begin()?;
        Ok(daemon)
    }

    /// Starts the measurement.
    fn begin(&mut self) -> Result<()> {
        self.cpu_before = cpu(&self.child)?;
        self.watch = Some(Watch::start(&self.child));
        Ok(())
    }

    fn spawn(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.with_context(|| format!("run {command:?}"))?;
        Ok(Self { child, watch: None, cpu_before: Duration::ZERO })
    }

    /// Asks the process to end, and waits for it; returns its CPU time since it was ready, and its peak.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be signalled or waited for.
    pub fn stop(self) -> Result<(Duration, u64)> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("stop a daemon")?;
        self.end()
    }

    /// Waits until the process has ended by itself; returns the same as [`stop`](Self::stop).
    ///
    /// # Errors
    ///
    /// Fails if it cannot be waited for.
    pub fn end(mut self) -> Result<(Duration, u64)> {
        wait_unreaped(&self.child)?;
        let cpu = cpu(&self.child)?.saturating_sub(self.cpu_before);
        let peak_bytes = self.watch.take().map_or(0, Watch::end);
        self.child.wait()?;
        Ok((cpu, peak_bytes))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn look_for<T>(stdout: ChildStdout, ready: &impl Fn(&str) -> Option<T>, found: &Sender<T>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if let Some(answer) = ready(&line) {
            let _ = found.send(answer);
        }
    }
}

/// Polls a process and its descendants from a thread of its own, and kills the process at the time limit.
#[derive(Debug)]
struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<u64>,
}

impl Watch {
    fn start(child: &Child) -> Self {
        let (stop, stopped) = mpsc::channel();
        let (id, pid) = (child.id(), Pid::from_child(child));
        let thread = thread::spawn(move || {
            let start = Instant::now();
            let (mut family, mut peak_bytes) = (BTreeSet::from([id]), 0);
            for look in 0u32.. {
                if look % SEARCH == 1 {
                    search(&mut family);
                }
                peak_bytes = family.iter().map(|id| peak(*id)).fold(peak_bytes, u64::max);
                match stopped.recv_timeout(LOOK) {
                    Err(RecvTimeoutError::Timeout) if start.elapsed() > PATIENCE => {
                        let _ = kill_process(pid, Signal::KILL);
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            peak_bytes
        });
        Self { stop, thread }
    }

    fn end(self) -> u64 {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

/// Adds the descendants that are running now.
fn search(family: &mut BTreeSet<u32>) {
    let mut parents = Vec::new();
    for item in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = item.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let parent = stat(id).and_then(|fields| fields.get(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (id, parent)));
    }
    // A child's number may be below its parent's: repeat until no more are found.
    loop {
        let found: Vec<_> = parents
            .iter()
            .filter(|(id, parent)| family.contains(parent) && !family.contains(id))
            .map(|(id, _)| *id)
            .collect();
        if found.is_empty() {
            return;
        }
        family.extend(found);
    }
}

/// The peak resident memory of a running process; 0 once it has ended.
pub fn peak(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

/// The fields of `/proc/ID/stat` after the name, which may contain anything: the first is the third of
/// proc(5).
fn stat(id: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// The CPU time of a process that is not reaped, and of its reaped descendants.
fn cpu(child: &Child) -> Result<Duration> {
    let fields = stat(child.id()).context("a process that is not reaped is in /proc")?;
    // utime, stime, cutime, cstime
    let ticks = fields.iter().skip(11).take(4).map(|field| field.parse::<f64>());
    Ok(Duration::from_secs_f64(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND))
}

/// Waits for a process's end and leaves it in the process table.
fn wait_unreaped(child: &Child) -> Result<()> {
    loop {
        match waitid(WaitId::Pid(Pid::from_child(child)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(Errno::INTR) => {}
            outcome => return outcome.map(drop).context("wait for a process"),
        }
    }
}

/// The wall time of `work`.
///
/// # Errors
///
/// Returns the error of `work`.
pub fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let start = Instant::now();
    let value = work().context("timed work")?;
    Ok((value, start.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grandchilds_time_and_memory_are_counted() {
        // 64 MiB held and some work done by a child of the shell.
        let script = "(head -c 67108864 /dev/zero | tail -c 67108864 | cksum; cksum /dev/null)";
        let cost = run(Command::new("sh").args(["-c", script])).unwrap();
        assert!(cost.cpu > Duration::ZERO, "{cost:?}");
        assert!(cost.cpu <= cost.took * 4 + Duration::from_millis(50), "{cost:?}");
    }

    #[test]
    fn a_command_that_fails_says_why() {
        let error = run(Command::new("sh").args(["-c", "echo no such film >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("no such film"), "{error}");
    }

    #[test]
    fn a_daemon_is_ready_when_it_says_so_and_ends_when_it_is_told() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo starting; echo address 7; exec sleep 60"]);
        let (daemon, port) =
            Daemon::start(&mut command, |line| line.strip_prefix("address ")?.parse::<u16>().ok()).unwrap();
        assert_eq!(port, 7);
        daemon.stop().unwrap();
        assert!(Daemon::start(&mut Command::new("true"), |_| Some(())).is_err());
    }
}
