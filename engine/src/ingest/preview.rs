//! A preview of a publish: the same walk and the same plan, without storing anything.
//!
//! New and changed files are opened, to check that they can be read, and small files are searched for secret
//! keys. No other content is read. So a preview does not find problems that only a complete read finds: a bad
//! sector, or a file that changes.

use std::{
    io::Read,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    Ingest, Opened, Planned, Tally,
    plan::{Fallback, Item, Job, Kept, ToRead},
    read::{Stop, not_read, open},
    run::{FileChange, ItemOutcome},
    run_planner,
    secret::{secret_at_start, secret_in},
    source::Source,
};
use crate::{
    error::{Error, Result},
    limits::{BACKUP_FILE_BYTES, BACKUP_HEAD_BYTES, INGEST_SEARCHED_BYTES},
    manifest::EntryKind,
    progress::{Counts, Progress},
    store::Objects,
};

/// Counts what [`publish`](super::publish) would do; writes nothing, and reads little.
///
/// # Errors
///
/// As [`publish`](super::publish), except for errors that only a complete read finds.
pub fn preview(
    store: &dyn Objects,
    ingest: &Ingest,
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<Tally> {
    let opened = Opened::new(ingest)?;
    let mut preview = Preview { source: &opened.source, tally: Tally::default(), counts: Counts::default() };
    let mut gone = run_planner(store, ingest, &opened, &mut |job| {
        preview.take(job, progress);
        !cancel.load(Ordering::Relaxed)
    })?;
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Cancelled);
    }
    let mut tally = preview.tally;
    gone.complete(&mut tally)?;
    tally.changes.merge(gone.listed, |planned| planned.path.clone());
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
                Item::Keep(kept) | Item::Unchanged(kept) => self.keep(&kept),
                Item::Read(read) => match look(self.source, &read) {
                    Ok(size) => {
                        self.count(read.slot, size);
                        if let Some(planned) = Planned::read(&read, size) {
                            self.tally.changes.push(planned);
                        }
                        self.tally.files_read += 1;
                        self.tally.bytes_read += size;
                        self.tally.file(FileChange::of(&read, &read.stat), size);
                    }
                    Err(stop) => self.count_unread(&read, &stop, progress),
                },
                Item::LeftOut(item) => {
                    self.count_skipped(ItemOutcome::LeftOut { item, gone: None }, progress);
                }
                Item::Gap { path, why, fallback, is_unsettled } => {
                    self.count_skipped(ItemOutcome::Gap { path, why, fallback, is_unsettled }, progress);
                }
            }
        }
        progress.advanced(&self.counts);
    }

    fn keep(&mut self, kept: &Kept) {
        if kept.entry.kind == EntryKind::File {
            self.count(kept.slot, kept.entry.size);
            if let Some(planned) = Planned::kept(kept) {
                self.tally.changes.push(planned);
            }
            self.tally.bytes_skipped += kept.entry.size;
        }
        self.tally.links += u64::from(kept.entry.kind == EntryKind::Symlink);
    }

    fn count(&mut self, slot: u8, bytes: u64) {
        let class = self.tally.classes.entry(slot).or_default();
        class.0 += 1;
        class.1 = class.1.saturating_add(bytes);
        self.tally.files += 1;
        self.counts.files += 1;
        self.counts.bytes += bytes;
    }

    /// Counts a file that would not be read.
    fn count_unread(&mut self, read: &ToRead, stop: &Stop, progress: &mut dyn Progress) {
        let outcome = not_read(read, stop);
        if let ItemOutcome::LeftOut { gone: Some(bytes), .. } = &outcome {
            let slot = read.before.as_ref().map_or(read.slot, |kept| kept.moved_from.unwrap_or(kept.slot));
            self.tally.changes.push(Planned::removed(&read.path, slot, *bytes));
        }
        self.count_skipped(outcome, progress);
    }

    /// Counts an item that would not be taken.
    fn count_skipped(&mut self, outcome: ItemOutcome, progress: &mut dyn Progress) {
        match outcome {
            ItemOutcome::LeftOut { item, gone } => self.tally.leave_out(item, gone, progress),
            ItemOutcome::Gap { path, why, fallback, is_unsettled } => {
                self.tally.gap(path, why, &fallback, is_unsettled);
                if let Fallback::Previous(kept) = fallback {
                    self.keep(&kept);
                }
            }
            ItemOutcome::Keep(_)
            | ItemOutcome::KeepWithout(_)
            | ItemOutcome::File { .. }
            | ItemOutcome::Retry => {}
        }
    }
}

/// Opens a file as a publish would, and returns its size.
fn look(source: &Source, read: &ToRead) -> Result<u64, Stop> {
    let _covered = source.cover();
    let (mut file, stat) = open(source, read.path.as_str())?;
    let is_searched = stat.size <= INGEST_SEARCHED_BYTES;
    if is_searched || stat.size <= BACKUP_FILE_BYTES {
        let mut bytes = Vec::new();
        let most = if is_searched { INGEST_SEARCHED_BYTES } else { BACKUP_HEAD_BYTES as u64 };
        Read::by_ref(&mut file).take(most).read_to_end(&mut bytes)?;
        if let Some(secret) = if is_searched { secret_in(&bytes) } else { secret_at_start(&bytes) } {
            return Err(Stop::Secret(secret));
        }
    }
    Ok(stat.size)
}
