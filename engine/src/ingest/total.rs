//! The total of a publish: a second walk over the source, beside the work, since the planner is only a little
//! ahead of the workers. It begins once there is enough work that a total is of use.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crossbeam_channel::{Receiver, Sender};

use super::{
    Ingest, Opened,
    plan::{Item, Job},
    run_planner,
};
use crate::{
    error::Result,
    limits::INGEST_TOTAL_AFTER_BYTES,
    manifest::EntryKind,
    progress::{Change, Counts, Progress},
    store::Objects,
};

/// Files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// The count of one publish, shared by its two ends.
#[derive(Debug, Default)]
pub(super) struct Counting {
    found: Mutex<Option<Total>>,
    /// The publish has ended: the count is of no use any more.
    pub(super) is_over: AtomicBool,
}

impl Counting {
    /// Waits for `begin`, then counts. Returns early when the other end of `begin` is gone, or the publish is
    /// over.
    pub(super) fn run(&self, store: &dyn Objects, ingest: &Ingest, opened: &Opened, begin: &Receiver<()>) {
        if begin.recv().is_err() {
            return;
        }
        // A source that cannot be walked fails the publish itself.
        if let Ok(total) = count(store, ingest, opened, &self.is_over)
            && !self.is_over.load(Ordering::Relaxed)
        {
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(total);
        }
    }

    fn found(&self) -> Option<Total> {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files and bytes that a publish takes.
pub(super) fn count(
    store: &dyn Objects,
    ingest: &Ingest,
    opened: &Opened,
    is_over: &AtomicBool,
) -> Result<Total> {
    let mut total = Total::default();
    run_planner(store, ingest, opened, &mut |job: Job| {
        for item in &job.items {
            let bytes = match item {
                Item::Unchanged(kept) => kept.entry.size,
                Item::Keep(kept) if kept.entry.kind == EntryKind::File => kept.entry.size,
                Item::Read(read) => read.stat.size,
                Item::Keep(_) | Item::LeftOut(_) | Item::Gap { .. } => continue,
            };
            total.files += 1;
            total.bytes = total.bytes.saturating_add(bytes);
        }
        !is_over.load(Ordering::Relaxed)
    })?;
    Ok(total)
}

/// Adds the total to the progress of a publish as soon as it is known.
pub(super) struct WithTotal<'a> {
    pub(super) progress: &'a mut dyn Progress,
    pub(super) counting: &'a Counting,
    /// Begins the count; dropped once it has begun.
    pub(super) begin: Option<Sender<()>>,
}

impl Progress for WithTotal<'_> {
    fn advanced(&mut self, counts: &Counts) {
        if counts.bytes >= INGEST_TOTAL_AFTER_BYTES
            && let Some(begin) = self.begin.take()
        {
            let _ = begin.try_send(());
        }
        let total = self.counting.found();
        self.progress.advanced(&Counts {
            files_total: total.map(|total| total.files),
            // A file that grew meanwhile may exceed it.
            bytes_total: total.map(|total| total.bytes.max(counts.bytes)),
            ..*counts
        });
    }

    fn skipped(&mut self, path: &str, why: &str) {
        self.progress.skipped(path, why);
    }

    fn planned(&mut self, path: &str, change: Change, size_old: Option<u64>, size_new: Option<u64>) {
        self.progress.planned(path, change, size_old, size_new);
    }
}
