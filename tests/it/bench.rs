//! The benchmarks at tiny size, to check that they run to their end, not how fast.

use std::{env, process::Command};

use anyhow::{Result, ensure};
use chuan_tests::program;

#[test]
fn the_benchmark_runs_to_its_end_at_tiny_size() -> Result<()> {
    let bench = program::binary()?.with_file_name("bench");
    ensure!(bench.is_file(), "no `bench` beside `chuan`: run `cargo build --workspace` first");
    let dir = tempfile::tempdir()?;
    let output = Command::new(bench)
        .env("BENCH_BYTES", "8M")
        .env("BENCH_RUNS", "1")
        .env("BENCH_DIR", dir.path())
        .env("BENCH_GOALS", "off")
        .env("CHUAN_BIN", program::binary()?)
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "ingest of new data",
        "ingest of one new file",
        "ingest again",
        "pull to an empty peer",
        "restore",
        "chunker",
        "store put",
        "store get",
        "peak",
    ] {
        ensure!(text.contains(line), "no `{line}` in {text}");
    }
    ensure!(std::fs::read_dir(dir.path())?.next().is_none(), "the benchmark left something behind");
    Ok(())
}

#[test]
fn the_comparison_with_peers_runs_to_its_end() -> Result<()> {
    let peers = program::binary()?.with_file_name("peers");
    ensure!(peers.is_file(), "no `peers` beside `chuan`: run `cargo build --workspace` first");
    let dir = tempfile::tempdir()?;
    let (work, out) = (dir.path().join("work"), dir.path().join("results/today.md"));
    let output = Command::new(peers)
        .env("PEERS_BYTES", "4M")
        .env("PEERS_RUNS", "1")
        .env("PEERS_DIR", &work)
        .env("PEERS_OUT", &out)
        .env("CHUAN_BIN", program::binary()?)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout)?;
    ensure!(std::fs::read_to_string(&out)?.ends_with(&text), "the file differs from the output");
    for line in text.lines().filter(|line| line.contains("**chuan**")) {
        // Without ffmpeg there is no film to edit.
        ensure!(
            !line.contains("no figure") && !line.contains("not run") || line.contains("ffmpeg"),
            "{line}\n{errors}"
        );
    }
    ensure!(text.matches("**chuan**").count() == 11, "{text}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    ensure!(!text.contains(dir.path().to_string_lossy().as_ref()) && !text.contains(host.trim()), "{text}");
    ensure!(std::fs::read_dir(&work)?.next().is_none(), "the benchmark left something behind");
    Ok(())
}
