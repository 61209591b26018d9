//! The benchmark at tiny size: that it runs to its end, not how fast.

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
