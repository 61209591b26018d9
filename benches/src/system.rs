//! The whole program as a user runs it: publish, pull over the loopback interface, restore. Each step is one
//! process, timed from its start to its end.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::Result;
use chuan_benches::{cache, process};
use chuan_tests::{media, program::Home, rng::Rng};

use crate::{
    quic, reference,
    report::{Figure, Report},
    restore,
};

/// Films that the library is split into; none is much smaller than a segment at full size.
const FILMS: u64 = 4;

/// Makes the library that every run publishes, and beside it the same bytes as one file.
pub(crate) fn library(work: &Path, bytes: u64) -> Result<PathBuf> {
    let library = work.join("library");
    fs::create_dir(&library)?;
    for number in 0..FILMS {
        media::film(&library.join(format!("film {number}.mp4")), bytes / FILMS, number)?;
    }
    media::film(&work.join("one"), bytes, FILMS)?;
    Ok(library)
}

pub(crate) fn run(report: &mut Report, work: &Path, library: &Path, bytes: u64) -> Result<()> {
    let bytes_published = bytes / FILMS * FILMS;
    let origin = Home::init(work.join("origin"), "origin", "origin")?;
    let raw_write = reference::dd(work, bytes_published)?;
    let mut publish = origin.command(["-q", "publish"]);
    let ingest = process::run(publish.arg(library).args(["--library", "films"]))?;
    report.add(Figure::Ingest, bytes_published, ingest.took, raw_write);
    report.peak("publish", ingest.peak_bytes);

    let raw_quinn = quic::transfer(&work.join("one"), bytes)?;
    let mirror = Home::init(work.join("mirror"), "mirror", "mirror")?;
    let server = origin.serve()?;
    mirror.run(["join", &origin.ticket("films")?])?;
    // The appended data is only on the disk; the reference's file is in memory.
    cache::fill(&origin.path)?;
    let pull = process::run(&mut mirror.command(["-q", "pull", "films"]))?;
    report.add(Figure::Pull, bytes_published, pull.took, raw_quinn);
    report.peak("pull", pull.peak_bytes);
    report.peak("serve", process::peak(server.process.child.id()));
    server.stop()?;

    restore::run(report, work, &mirror, library, bytes_published)?;
    again(report, &origin, library)?;
    for dir in [origin.path, mirror.path] {
        fs::remove_dir_all(dir)?;
    }
    one(report, work, bytes)
}

/// Publishes the library again after a hundredth of it was replaced, in scattered places, one film had bytes
/// inserted, and every file got a new time: all of it must be read.
fn again(report: &mut Report, origin: &Home, library: &Path) -> Result<()> {
    media::edit(&library.join("film 0.mp4"), media::Edit::Inserts, 1)?;
    let mut bytes = 0;
    for number in 0..FILMS {
        let film = OpenOptions::new().write(true).open(library.join(format!("film {number}.mp4")))?;
        let len = film.metadata()?.len();
        let mut rng = Rng::new(bytes);
        for _ in 0..10 {
            let run = rng.bytes(usize::try_from(len / 1000)?);
            film.write_all_at(&run, rng.below(len - run.len() as u64))?;
        }
        film.set_modified(SystemTime::now())?;
        film.sync_all()?;
        bytes += len;
    }
    cache::fill(library)?;
    let hash = reference::hash(library)?;
    let mut publish = origin.command(["-q", "publish"]);
    let ingest = process::run(publish.arg(library).args(["--library", "films"]))?;
    report.add(Figure::IngestAgain, bytes, ingest.took, hash);
    report.peak("publish again", ingest.peak_bytes);
    Ok(())
}

/// Publishes one file of all the bytes.
fn one(report: &mut Report, work: &Path, bytes: u64) -> Result<()> {
    let origin = Home::init(work.join("origin"), "origin", "origin")?;
    let raw_write = reference::dd(work, bytes)?;
    let mut publish = origin.command(["-q", "publish"]);
    let ingest = process::run(publish.arg(work.join("one")).args(["--library", "films"]))?;
    report.add(Figure::IngestOne, bytes, ingest.took, raw_write);
    report.peak("publish", ingest.peak_bytes);
    Ok(fs::remove_dir_all(origin.path)?)
}
