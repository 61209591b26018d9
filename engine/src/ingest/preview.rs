//! What a publish would do: the same walk and the same plan, without storing anything.
//!
//! New and changed files are opened, to know whether they can be read, and small ones are looked through for secret keys;
//! no other content is read. So what only reading a file to its end shows is not known: a bad sector, a file that changes.

use std::{
    io::Read,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    Ingest, Opened, Tally,
    plan::{Item, Job, Kept, Stands, ToRead},
    read::{Stop, not_read, open},
    run::{Fate, Said},
    run_planner,
    secret::{LOOKED_THROUGH_BYTES, secret_in},
    source::Source,
};
use crate::{
    error::{Error, Result},
    manifest::EntryKind,
    progress::{Counts, Progress},
    store::Objects,
};

/// Counts what [`publish`](super::publish) would do; writes nothing, and reads little.
///
/// # Errors
///
/// As [`publish`](super::publish), but for what only reading shows.
pub fn preview(
    store: &dyn Objects,
    ingest: &Ingest,
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<Tally> {
    let opened = Opened::new(ingest)?;
    let mut preview = Preview { source: &opened.source, tally: Tally::default(), counts: Counts::default() };
    let gone = run_planner(store, ingest, &opened, &mut |job| {
        preview.take(job, progress);
        !cancel.load(Ordering::Relaxed)
    })?;
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Cancelled);
    }
    let mut tally = preview.tally;
    tally.files_gone += gone.files;
    tally.bytes_gone += gone.bytes;
    opened.check_single(&tally)?;
    Ok(tally)
}

struct Preview<'a> {
    source: &'a Source,
    tally: Tally,
    counts: Counts,
}

impl Preview<'_> {
    fn take(&mut self, job: Job, progress: &mut dyn Progress) {
        for item in job.items {
            match item {
                Item::Keep(kept) => self.keep(&kept),
                Item::Read(read) => match look(self.source, &read) {
                    Ok(size) => {
                        self.count(size);
                        self.tally.files_read += 1;
                        self.tally.bytes_read += size;
                        self.tally.file(Fate::of(&read, &read.stat), size);
                    }
                    Err(stop) => self.pass(not_read(&read, &stop), progress),
                },
                Item::LeftOut(item) => self.pass(Said::LeftOut { item, gone: None }, progress),
                Item::Gap { path, why, stands, is_unsettled } => {
                    self.pass(Said::Gap { path, why, stands, is_unsettled }, progress);
                }
            }
        }
        progress.advanced(&self.counts);
    }

    fn keep(&mut self, kept: &Kept) {
        if kept.entry.kind == EntryKind::File {
            self.count(kept.entry.size);
            self.tally.bytes_skipped += kept.entry.size;
        }
    }

    fn count(&mut self, bytes: u64) {
        self.tally.files += 1;
        self.counts.files += 1;
        self.counts.bytes += bytes;
    }

    /// Counts what would not be taken.
    fn pass(&mut self, said: Said, progress: &mut dyn Progress) {
        match said {
            Said::LeftOut { item, gone } => self.tally.leave_out(item, gone, progress),
            Said::Gap { path, why, stands, is_unsettled } => {
                self.tally.gap(path, why, &stands, is_unsettled, progress);
                if let Stands::Previous(kept) = stands {
                    self.keep(&kept);
                }
            }
            Said::Keep(_) | Said::File { .. } | Said::Again => {}
        }
    }
}

/// Opens a file as a publish would, and gives its size.
fn look(source: &Source, read: &ToRead) -> Result<u64, Stop> {
    let (mut file, stat) = open(source, read.path.as_str())?;
    if stat.size <= LOOKED_THROUGH_BYTES {
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(LOOKED_THROUGH_BYTES).read_to_end(&mut bytes)?;
        if let Some(secret) = secret_in(&bytes) {
            return Err(Stop::Secret(secret));
        }
    }
    Ok(stat.size)
}
