//! A library of small files, pulled over the loopback interface: the cost of each file beyond its bytes.

use std::{fs, path::Path, time::Duration};

use anyhow::Result;
use chuan_benches::{cache, process};
use chuan_tests::{media, program::Home};

use crate::{
    quic,
    report::{Figure, Report},
};

/// Bytes of `BENCH_BYTES` for each file: 100,000 files at 2 GB, of half that size on average.
const BYTES_PER_FILE: u64 = 20_000;
/// Promised files a second.
const FILES_PER_S: f64 = 20_000.0;

/// The number of files.
pub(crate) fn count(bytes: u64) -> u64 {
    (bytes / BYTES_PER_FILE).max(1)
}

pub(crate) fn run(report: &mut Report, work: &Path, bytes: u64) -> Result<()> {
    let library = work.join("small");
    media::small_files(&library, count(bytes), 1)?;
    let small_bytes = media::bytes_below(&library)?;
    let origin = Home::init(work.join("origin"), "origin", "origin")?;
    process::run(origin.command(["-q", "publish"]).arg(&library).args(["--library", "films"]))?;

    // The same bytes in one stream, from the file that every run has.
    let one = work.join("one");
    let raw_quinn = quic::transfer(&one, bytes)?.mul_f64(small_bytes as f64 / bytes as f64);
    let mirror = Home::init(work.join("mirror"), "mirror", "mirror")?;
    let server = origin.serve()?;
    mirror.run(["join", &origin.ticket("films")?])?;
    cache::fill(&origin.path)?;
    let pull = process::run(&mut mirror.command(["-q", "pull", "films"]))?;
    report.add(Figure::Small, small_bytes, pull.took, raw_quinn);
    let promised = Duration::from_secs_f64(count(bytes) as f64 / FILES_PER_S);
    report.add(Figure::SmallFiles, small_bytes, pull.took, promised);
    report.peak("pull, small files", pull.peak_bytes);
    report.peak("serve, small files", process::peak(server.process.child.id()));
    server.stop()?;
    for dir in [library, origin.path, mirror.path] {
        fs::remove_dir_all(dir)?;
    }
    Ok(())
}
