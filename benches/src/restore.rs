//! Restoring from a mirror's store, beside `cp -r` of the same files: to an empty directory, over a changed
//! tree, and over a correct one.

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, ensure};
use chuan_benches::{cache, process};
use chuan_tests::{media, program::Home};

use crate::{
    reference::{self, Copied},
    report::{Figure, Report},
};

/// Restores `mirror`'s library, which is `library`, and compares the result.
pub(crate) fn run(report: &mut Report, work: &Path, mirror: &Home, library: &Path, bytes: u64) -> Result<()> {
    let target = work.join("restored");
    let restore = |report: &mut Report, args: &[&str]| {
        let cost = process::run(mirror.command(["-q", "restore", "films"]).args(args).arg(&target))?;
        report.peak("restore", cost.peak_bytes);
        let difference = media::difference(library, &target)?;
        ensure!(difference.is_none(), "restore gave other bytes: {difference:?}");
        anyhow::Ok(cost.took)
    };
    let prepare_all =
        |prepare: fn(&Path) -> Result<()>| prepare(library).and_then(|()| prepare(&mirror.path));

    prepare_all(cache::drop_files)?;
    let copied = reference::cp(library, &work.join("copy"))?;
    prepare_all(cache::drop_files)?;
    let took = restore(report, &[])?;
    add_both(report, [Figure::RestoreCold, Figure::RestoreColdSynced], bytes, took, &copied);
    fs::remove_dir_all(&target)?;

    prepare_all(cache::fill)?;
    let copied = reference::cp(library, &work.join("copy"))?;
    let took = restore(report, &[])?;
    add_both(report, [Figure::Restore, Figure::RestoreSynced], bytes, took, &copied);

    media::change(&target, bytes)?;
    let took = restore(report, &[])?;
    report.add(Figure::RestoreOver, bytes, took, copied.synced);

    let hashed = reference::hash(library)?;
    let took = restore(report, &["--check"])?;
    report.add(Figure::RestoreCheck, bytes, took, hashed);
    Ok(fs::remove_dir_all(target)?)
}

fn add_both(report: &mut Report, figures: [Figure; 2], bytes: u64, took: Duration, copied: &Copied) {
    for (figure, reference) in figures.into_iter().zip([copied.took, copied.synced]) {
        report.add(figure, bytes, took, reference);
    }
}
