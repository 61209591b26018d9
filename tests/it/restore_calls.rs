//! The system calls with which a restore writes small files, counted: their number decides its speed.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    crash::{Call, tracer::Tracer},
    media,
    program::{Home, binary_named},
};

/// Files in two folders, and more than fit in one batch.
const FILES: u64 = 600;

/// Restores the library to `copy` in `dir`; returns its calls that change something there.
fn calls(home: &Home, dir: &std::path::Path) -> Result<Vec<Call>> {
    let copy = dir.join("copy");
    fs::create_dir_all(&copy)?;
    let copy = copy.canonicalize()?;
    let mut command = home.command(["-q", "restore", "films"]);
    command.arg(&copy);
    let tracer = Tracer { starter: binary_named("crash")?, root: copy, act: None, planted: None };
    let trace = tracer.run(&command, [&dir.join("out"), &dir.join("err")])?;
    let said = fs::read_to_string(dir.join("err"))?;
    ensure!(trace.end == chuan_tests::crash::tracer::End::Exit(0), "{:?}: {said}", trace.end);
    Ok(trace.calls)
}

#[test]
fn a_small_file_costs_four_calls_and_the_disk_is_synced_once() -> Result<()> {
    let dir = tempfile::Builder::new().prefix("chuan-it-").tempdir()?;
    let library = dir.path().join("library");
    fs::create_dir(&library)?;
    media::small_files(&library, FILES, 3)?;
    let home = Home::init(dir.path().join("home"), "origin", "origin")?;
    home.run(["publish".as_ref(), library.as_os_str(), "-l".as_ref(), "films".as_ref()])?;
    let calls = calls(&home, dir.path())?;

    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    calls.iter().for_each(|call| *counts.entry(call.name).or_default() += 1);
    let count = |name: &str| counts.get(name).copied().unwrap_or_default();
    // Create, write, set the time, move. The mode is right from the beginning.
    let per_file = ["openat2", "writev", "utimensat", "renameat"].map(count).iter().sum::<u64>();
    ensure!((4 * FILES..4 * FILES + 20).contains(&per_file), "{counts:?}");
    ensure!(calls.len() as u64 <= 4 * FILES + 50, "{counts:?}");
    ensure!(count("syncfs") == 1, "{counts:?}");
    let synced = calls.iter().rposition(|call| call.name == "syncfs").context("no sync")?;
    let moved = calls.iter().rposition(|call| call.name == "renameat").context("no move")?;
    ensure!(moved < synced, "a file is moved to its path behind the sync");
    ensure!(media::difference(&library, &dir.path().join("copy"))?.is_none());
    Ok(())
}
