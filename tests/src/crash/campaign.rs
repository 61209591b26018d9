//! Runs points, and counts their outcomes.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context, Result, anyhow, ensure};

use super::{
    calls::Call,
    check,
    point::{Fault, Job, Moment, Point},
    stage::{Case, Stage},
    tracer::{Act, Planted, Trace, Tracer},
};
use crate::rng::Rng;

/// The outcome of a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every promise was kept.
    Held,
    /// The command made fewer calls in this run.
    Missed,
    /// A promise was broken: the call, and the promise.
    Violated(String),
}

/// The homes and the programs of a crash test.
#[derive(Debug)]
pub struct Campaign {
    dir: PathBuf,
    stage: Stage,
    starter: PathBuf,
    seed: u64,
}

impl Campaign {
    /// Makes the homes in `dir`, an empty folder, from films of `film` bytes. `starter` is the binary
    /// `crash`.
    pub fn new(dir: &Path, film: u64, seed: u64, starter: &Path) -> Result<Self> {
        // The tracer compares paths with those that the kernel gives.
        let dir = fs::canonicalize(dir).with_context(|| format!("find {}", dir.display()))?;
        let stage = Stage::make(&dir, film, seed).context("make the homes")?;
        Ok(Self { dir, stage, starter: starter.to_owned(), seed })
    }

    /// The calls of a command that nothing disturbs.
    pub fn calls(&self, job: Job) -> Result<Vec<Call>> {
        let (case, trace) = self.trace(job, None, None, "undisturbed")?;
        let answer =
            check::acknowledged((job, Fault::Kill), trace.end, &output(&case, "out"), &output(&case, "err"))?;
        ensure!(answer.is_some(), "{} without a fault is not acknowledged", job.name());
        Ok(trace.calls)
    }

    /// Every point of every command, as far as the number of calls in one run goes, in an order without
    /// pattern: any part of it is a sample.
    pub fn points(&self) -> Result<Vec<Point>> {
        let mut points = Vec::new();
        for job in Job::ALL {
            let calls = self.calls(job)?;
            points.extend(Point::all(job, calls.len() as u64));
        }
        points.sort_by_cached_key(|point| hash(&point.to_string(), self.seed));
        Ok(points)
    }

    /// Runs one point, with a defect or without. `name` names a folder that no other thread uses. An error
    /// is one of this test, not of the program.
    pub fn run(&self, point: Point, planted: Option<Planted>, name: &str) -> Result<Outcome> {
        let act = match point.moment {
            Moment::Call(number) => Some((number, point.fault.act())),
            Moment::End => None,
        };
        let (case, trace) = self.trace(point.job, act, planted, name)?;
        if act.is_some() && trace.hit.is_none() {
            return Ok(Outcome::Missed);
        }
        if point.fault.is_power() {
            let disk = match point.fault {
                Fault::Torn => trace.disk.torn(&mut Rng::new(hash(&point.to_string(), self.seed)))?,
                _ => trace.disk,
            };
            disk.write()?;
        }
        let scratch = self.dir.join(format!("{name}.restored"));
        if scratch.exists() {
            fs::remove_dir_all(&scratch)?;
        }
        let (out, err) = (output(&case, "out"), output(&case, "err"));
        let held = check::acknowledged((point.job, point.fault), trace.end, &out, &err)
            .and_then(|answer| check::after(&self.stage, (&case, point.fault), answer.as_ref(), &scratch));
        Ok(match held {
            Ok(()) => Outcome::Held,
            Err(error) => {
                let call = trace.hit.map_or_else(|| "after the end".to_owned(), |call| call.to_string());
                Outcome::Violated(format!("{call}: {error:#}"))
            }
        })
    }

    /// Runs points on `threads` threads until all have run or `goes_on` says no; `done` hears each outcome.
    pub fn run_all(
        &self,
        points: &[Point],
        threads: usize,
        goes_on: &(dyn Fn() -> bool + Sync),
        done: &(dyn Fn(Point, Outcome) -> Result<()> + Sync),
    ) -> Result<()> {
        let next = AtomicUsize::new(0);
        let work = |worker: usize| -> Result<()> {
            while goes_on()
                && let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed))
            {
                let outcome = self.run(*point, None, &format!("point-{worker}"));
                done(*point, outcome.with_context(|| format!("the test of {point}"))?)?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|worker| scope.spawn(move || work(worker))).collect();
            let mut results = workers
                .into_iter()
                .map(|worker| worker.join().map_err(|_| anyhow!("a thread of the test panicked")).flatten());
            results.try_for_each(|result| result)
        })
    }

    /// Describes how to run one point again.
    pub fn replay(&self, point: Point) -> String {
        format!("make crash CRASH_SEED={} CRASH_POINTS={point}", self.seed)
    }

    fn trace(
        &self,
        job: Job,
        act: Option<(u64, Act)>,
        planted: Option<Planted>,
        name: &str,
    ) -> Result<(Case, Trace)> {
        let case = self.stage.case(job, &self.dir.join(name))?;
        let mut command = case.home.command(["--json"]);
        command.args(self.stage.args(&case));
        let tracer = Tracer { starter: self.starter.clone(), root: case.root.clone(), act, planted };
        let trace = tracer.run(&command, [&output(&case, "out"), &output(&case, "err")])?;
        Ok((case, trace))
    }
}

/// A file of the command's output, beside the watched folder.
fn output(case: &Case, name: &str) -> PathBuf {
    case.root.with_extension(name)
}

/// FNV-1a of a name, from a seed.
fn hash(name: &str, seed: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed;
    let hash = name.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Rng::new(hash).next_u64()
}

/// The part of the points that belongs to shard `index`, from 1, of `count`.
pub fn is_in_shard(point: Point, index: u64, count: u64) -> bool {
    hash(&point.to_string(), 0) % count == index % count
}

/// Counts of outcomes by command and fault.
#[derive(Clone, Debug, Default)]
pub struct Table(BTreeMap<(Job, Fault), [u64; 3]>);

impl Table {
    /// Counts one.
    pub fn add(&mut self, point: Point, outcome: &Outcome) {
        let [held, missed, violated] = self.0.entry((point.job, point.fault)).or_default();
        *match outcome {
            Outcome::Held => held,
            Outcome::Missed => missed,
            Outcome::Violated(_) => violated,
        } += 1;
    }

    /// Points that held, that were not reached, that were violated.
    pub fn totals(&self) -> [u64; 3] {
        self.0
            .values()
            .fold([0; 3], |[a, b, c], [held, missed, violated]| [a + held, b + missed, c + violated])
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "points that held / were not reached / were violated")?;
        write!(f, "{:14}", "")?;
        Fault::ALL.iter().try_for_each(|fault| write!(f, "{:>12}", fault.name()))?;
        for job in Job::ALL {
            write!(f, "\n{:14}", job.name())?;
            for fault in Fault::ALL {
                let [held, missed, violated] = self.0.get(&(job, fault)).copied().unwrap_or_default();
                write!(f, "{:>12}", format!("{held}/{missed}/{violated}"))?;
            }
        }
        let [held, missed, violated] = self.totals();
        write!(f, "\n{held} points held, {missed} were not reached, {violated} were violated")
    }
}
