//! `bench`: the speed of Chuan on this machine, each figure beside a reference from the same run, on the same
//! disk.
//!
//! Absolute figures drift from hour to hour on a shared or virtual machine, so only the ratios have goals.
//! Subject and reference alternate, and the medians of all runs are compared. Both start from the same state:
//! their sources are in the page cache, or, where a row says so, both are not. Written data must reach the
//! disk where the reference's does (`fsync`). `restore` syncs although `cp` does not, so it has a second row
//! beside `cp` and `sync -f`.
//!
//! `bench diff` runs only the comparison of manifests. Two parts are not part of the rest: `bench large` runs
//! every command on a library of millions of chunks, and `bench edits` counts the bytes on the wire for edits
//! of a film (with ffmpeg and zstd). `bench system link` and the like run some parts of it.
//!
//! ```text
//! BENCH_BYTES   bytes of new data, with K, M or G (2G)
//! BENCH_RUNS    runs of each figure (5)
//! BENCH_DIR     working directory, on the disk to be measured (the temporary directory)
//! BENCH_LARGE   chunks of the library that `bench large` makes (5000000)
//! BENCH_GOALS   `off`: print the verdicts, but do not fail on them
//! ```

mod chunking;
mod diff;
mod edits;
mod large;
mod link;
mod quic;
mod reference;
mod report;
mod restore;
mod small;
mod store;
mod system;

use std::{env, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use chuan_benches::sample::parse_bytes;

use crate::report::Report;

/// The options of a run.
#[derive(Debug)]
struct Options {
    bytes: u64,
    runs: usize,
    dir: PathBuf,
    goals: bool,
}

/// The parts that `measure` knows by name.
const PARTS: [&str; 5] = ["chunking", "store", "system", "small", "link"];

fn main() -> Result<ExitCode> {
    let args: Vec<_> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => {}
        parts if parts.iter().all(|part| PARTS.contains(part)) => {
            let options = options()?;
            let report = measure(&options, parts)?;
            print!("{report}");
            let missed = options.goals && report.missed();
            return Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        ["diff"] => {
            print!("{}", manifests(&options()?)?);
            return Ok(ExitCode::SUCCESS);
        }
        ["edits"] => return edits(),
        ["large"] => return large(),
        ["raw-send", file] => return quic::send(file.as_ref()).map(|()| ExitCode::SUCCESS),
        ["raw-receive", address] => return quic::receive(address.parse()?).map(|()| ExitCode::SUCCESS),
        other => bail!(
            "unknown arguments {other:?}; `bench` takes none, `diff`, `edits`, `large` or some of {PARTS:?}, and its options \
             from the environment"
        ),
    }
    let options = options()?;
    let report = measure(&options, &PARTS)?;
    print!("{report}");
    let diffs = manifests(&options)?;
    print!("{diffs}");
    let missed = options.goals && (report.missed() || diffs.missed());
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The comparison of manifests, which needs no network and little disk.
fn manifests(options: &Options) -> Result<diff::Table> {
    let work = tempfile::Builder::new().prefix("chuan-bench-").tempdir_in(&options.dir)?;
    diff::run(work.path(), options.bytes)
}

/// Edits of a film of a sixth of `BENCH_BYTES`, at most 40 s long.
fn edits() -> Result<ExitCode> {
    let options = options()?;
    let work = tempfile::Builder::new().prefix("chuan-bench-").tempdir_in(&options.dir)?;
    let table = edits::run(work.path(), options.bytes / 6)?;
    print!("{table}");
    Ok(if options.goals && table.missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A library of `BENCH_LARGE` chunks.
fn large() -> Result<ExitCode> {
    let options = options()?;
    let chunks = env::var("BENCH_LARGE").unwrap_or_else(|_| "5000000".to_owned());
    let chunks = chunks.parse().context("BENCH_LARGE is no number")?;
    let work = tempfile::Builder::new().prefix("chuan-bench-").tempdir_in(&options.dir)?;
    let table = large::run(work.path(), chunks)?;
    print!("{table}");
    Ok(if options.goals && table.missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn measure(options: &Options, parts: &[&str]) -> Result<Report> {
    fs::create_dir_all(&options.dir).with_context(|| format!("make {}", options.dir.display()))?;
    let work = tempfile::Builder::new().prefix("chuan-bench-").tempdir_in(&options.dir)?;
    let mut report = Report::new(options.bytes, options.runs, work.path());
    let library = system::library(work.path(), options.bytes)?;
    for run in 1..=options.runs {
        eprintln!("run {run} of {}", options.runs);
        if parts.contains(&"chunking") {
            chunking::run(&mut report, options.bytes)?;
        }
        if parts.contains(&"store") {
            store::run(&mut report, work.path(), options.bytes)?;
        }
        if parts.contains(&"system") {
            system::run(&mut report, work.path(), &library, options.bytes)?;
        }
        if parts.contains(&"small") {
            small::run(&mut report, work.path(), options.bytes)?;
        }
        if parts.contains(&"link") {
            link::run(&mut report, work.path(), options.bytes)?;
        }
    }
    Ok(report)
}

fn options() -> Result<Options> {
    let text = |name: &str, fallback: &str| env::var(name).unwrap_or_else(|_| fallback.to_owned());
    Ok(Options {
        bytes: parse_bytes(&text("BENCH_BYTES", "2G")).context("BENCH_BYTES")?,
        runs: text("BENCH_RUNS", "5").parse().context("BENCH_RUNS is no number")?,
        dir: env::var_os("BENCH_DIR").map_or_else(env::temp_dir, PathBuf::from),
        goals: text("BENCH_GOALS", "on") != "off",
    })
}
