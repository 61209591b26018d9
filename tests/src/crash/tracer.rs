//! Runs a program under `ptrace`, counts the calls that change files of one folder, over all its threads in
//! one order, and does something to one of them.
//!
//! The traced program is started by another one, [`become_traced`], which installs a seccomp filter and stops
//! itself: so only the calls of interest stop the program, and nothing here needs `unsafe`. All of a trace
//! runs on one thread, since the kernel lets only the thread that traces a process command it.

use std::{
    collections::HashMap,
    convert::Infallible,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    errno::Errno,
    libc,
    sys::{
        ptrace::{self, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, getpid},
};

use super::{
    calls::{self, Call, Sync, in_proc},
    disk::{Disk, Seen, see},
};

/// The word with which the binary of the crash test starts as a traced program.
pub const TRACED: &str = "traced";
/// Time limit for a traced program to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// An act on one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The process is killed before it.
    KillBefore,
    /// The process is killed after it.
    KillAfter,
    /// It fails with this error and does nothing.
    Fail(i32),
}

/// A wrong order of calls, as a program with a defect would make them. The tracer changes what the calls of
/// the right program do, so no build of the program has the defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// No sync of the folder of segments.
    UnsyncedFolder,
    /// The ledger is durable before the segments are: these are synced when the process ends.
    LedgerFirst,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With an exit code.
    Exit(i32),
    /// By a signal.
    Signal(Signal),
    /// It did not end in time, and was killed.
    Hung,
}

/// The result of a trace.
#[derive(Debug)]
pub struct Trace {
    /// The calls, in order.
    pub calls: Vec<Call>,
    /// The call to which something was done; `None` if the program made fewer calls.
    pub hit: Option<Call>,
    /// How the program ended.
    pub end: End,
    /// The durable content of the folder.
    pub disk: Disk,
}

/// A trace to be made.
#[derive(Debug)]
pub struct Tracer {
    /// The program that calls [`become_traced`] when its first argument is [`TRACED`].
    pub starter: PathBuf,
    /// The folder that is watched, without symbolic links in its path.
    pub root: PathBuf,
    /// The number of a call, from 1, and what happens to it.
    pub act: Option<(u64, Act)>,
    /// A defect.
    pub planted: Option<Planted>,
}

/// Installs the filter, stops until a tracer is there, and runs `program` in place of this process.
pub fn become_traced(program: &Path, args: impl Iterator<Item = std::ffi::OsString>) -> Result<Infallible> {
    seccompiler::apply_filter(&calls::filter()?).context("install the filter of system calls")?;
    kill(getpid(), Signal::SIGSTOP).context("stop for the tracer")?;
    let error = Command::new(program).args(args).exec();
    Err(error).with_context(|| format!("run {}", program.display()))
}

impl Tracer {
    /// Runs `command` to its end. `output` names two files, for its standard output and standard error.
    pub fn run(&self, command: &Command, output: [&Path; 2]) -> Result<Trace> {
        let mut traced = Command::new(&self.starter);
        traced.arg(TRACED).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => traced.env(name, value),
                None => traced.env_remove(name),
            };
        }
        let [out, err] = output.map(std::fs::File::create);
        traced.stdin(std::process::Stdio::null()).stdout(out?).stderr(err?);
        // A thread of its own: `waitpid` then sees the traced process and its threads, and no other child.
        thread::scope(|scope| {
            let trace = scope.spawn(|| self.trace(&mut traced));
            trace.join().map_err(|_| anyhow::anyhow!("the tracer panicked"))?
        })
    }

    fn trace(&self, command: &mut Command) -> Result<Trace> {
        let disk = Disk::of(&self.root)?;
        let child = command.spawn().with_context(|| format!("run {command:?}"))?;
        let main = Pid::from_raw(i32::try_from(child.id())?);
        let stopped = waitpid(main, Some(WaitPidFlag::WUNTRACED))?;
        ensure!(stopped == WaitStatus::Stopped(main, Signal::SIGSTOP), "{command:?}: {stopped:?}");
        let options = Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_TRACESECCOMP
            | Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_EXITKILL;
        ptrace::seize(main, options).context("trace the process")?;
        kill(main, Signal::SIGCONT).context("continue the process")?;
        let mut run = Run {
            tracer: self,
            main,
            disk,
            calls: Vec::new(),
            hit: None,
            is_cut: false,
            pending: HashMap::new(),
            late: Vec::new(),
        };
        let (ended, watch) = mpsc::channel::<()>();
        let end = thread::scope(|scope| {
            let guard = scope.spawn(move || {
                let is_hung = watch.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
                is_hung && kill(main, Signal::SIGKILL).is_ok()
            });
            let end = run.follow();
            if end.is_err() {
                let _ = kill(main, Signal::SIGKILL);
            }
            drop(ended);
            let is_hung = guard.join().unwrap_or_default();
            end.map(|end| if is_hung { End::Hung } else { end })
        })?;
        if !run.is_cut {
            run.late.drain(..).for_each(|seen| run.disk.keep(seen));
        }
        Ok(Trace { calls: run.calls, hit: run.hit, end, disk: run.disk })
    }
}

/// A trace under way.
struct Run<'t> {
    tracer: &'t Tracer,
    main: Pid,
    disk: Disk,
    calls: Vec<Call>,
    hit: Option<Call>,
    /// Nothing becomes durable any more.
    is_cut: bool,
    /// Threads in a call whose end matters.
    pending: HashMap<Pid, Pending>,
    /// Syncs of segments that take effect at the end.
    late: Vec<Seen>,
}

struct Pending {
    call: Call,
    seen: Option<Seen>,
    kills: bool,
}

impl Run<'_> {
    /// Handles every stop of every thread until the process has ended.
    fn follow(&mut self) -> Result<End> {
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
                Err(Errno::EINTR) => continue,
                status => status.context("wait for the traced process")?,
            };
            match status {
                WaitStatus::Exited(pid, code) if pid == self.main => return Ok(End::Exit(code)),
                WaitStatus::Signaled(pid, signal, _) if pid == self.main => return Ok(End::Signal(signal)),
                WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_SECCOMP) => self.enter(pid)?,
                WaitStatus::PtraceEvent(pid, ..) => resume(pid, None)?,
                WaitStatus::PtraceSyscall(pid) => self.leave(pid)?,
                WaitStatus::Stopped(pid, signal) => resume(pid, Some(signal))?,
                _ => {}
            }
        }
    }

    /// A thread is about to make a call of the filter.
    fn enter(&mut self, pid: Pid) -> Result<()> {
        let Some(mut regs) = alive(ptrace::getregs(pid))? else { return Ok(()) };
        let call = match calls::decode(pid, &regs, &self.tracer.root) {
            Ok(Some(call)) => call,
            Ok(None) => return resume(pid, None),
            // The process was killed while it was stopped here.
            Err(_) if self.hit.is_some() => return resume(pid, None),
            Err(error) => return Err(error),
        };
        self.calls.push(call.clone());
        let number = self.calls.len() as u64;
        let act = self.tracer.act.filter(|(nth, _)| *nth == number).map(|(_, act)| act);
        if act.is_some() {
            self.hit = Some(call.clone());
        }
        match act {
            Some(Act::KillBefore) => return self.kill(),
            Some(Act::Fail(errno)) => return skip(pid, &mut regs, -i64::from(errno)),
            Some(Act::KillAfter) | None => {}
        }
        if self.tracer.planted == Some(Planted::UnsyncedFolder)
            && call.sync != Sync::None
            && call.path.ends_with("store/segments")
        {
            return skip(pid, &mut regs, 0);
        }
        let kills = act == Some(Act::KillAfter);
        let seen = match call.sync {
            Sync::One(fd) if !self.is_cut => Some(see(&in_proc(pid, &format!("fd/{fd}")))?),
            _ => None,
        };
        if !kills && call.sync == Sync::None {
            return resume(pid, None);
        }
        self.pending.insert(pid, Pending { call, seen, kills });
        alive(ptrace::syscall(pid, None)).map(drop)
    }

    /// A thread has made a call whose end matters.
    fn leave(&mut self, pid: Pid) -> Result<()> {
        let Some(Pending { call, seen, kills }) = self.pending.remove(&pid) else { return resume(pid, None) };
        let Some(regs) = alive(ptrace::getregs(pid))? else { return Ok(()) };
        if regs.rax.cast_signed() >= 0 && !self.is_cut {
            self.settle(&call, seen)?;
        }
        if kills { self.kill() } else { resume(pid, None) }
    }

    fn settle(&mut self, call: &Call, seen: Option<Seen>) -> Result<()> {
        let is_of = |folder: &str| call.path.parent().is_some_and(|parent| parent.ends_with(folder));
        let is_late = self.tracer.planted == Some(Planted::LedgerFirst);
        match seen {
            Some(seen) if is_late && is_of("store/segments") => self.late.push(seen),
            Some(seen) => self.disk.keep(seen),
            None if call.sync == Sync::All => self.disk.sync_all()?,
            None => {}
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.is_cut = true;
        kill(self.main, Signal::SIGKILL).context("kill the process")
    }
}

/// Lets a thread return from a call that it does not make.
fn skip(pid: Pid, regs: &mut libc::user_regs_struct, result: i64) -> Result<()> {
    regs.orig_rax = u64::MAX;
    regs.rax = result.cast_unsigned();
    alive(ptrace::setregs(pid, *regs))?;
    resume(pid, None)
}

fn resume(pid: Pid, signal: Option<Signal>) -> Result<()> {
    alive(ptrace::cont(pid, signal)).map(drop)
}

/// The result of a request to a thread; `None` if the thread was killed meanwhile.
fn alive<T>(result: nix::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::ESRCH) => Ok(None),
        Err(error) => bail!("ptrace: {error}"),
    }
}
