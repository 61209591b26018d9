//! Turns what the engine says of its progress into events of a job, no more of them than anyone can read.

use std::time::{Duration, Instant};

use chuan_engine::progress::{Change, Counts, Progress};

use crate::{
    job::{self, Job},
    outcome::Row,
};

/// Between two events.
const PAUSE: Duration = Duration::from_millis(100);

/// Hears of one job's progress.
#[derive(Debug)]
pub(super) struct Reporter<'a> {
    job: &'a Job,
    phase: &'static str,
    told: Option<Instant>,
}

impl<'a> Reporter<'a> {
    /// Tells `job` of the progress of `phase`.
    pub(super) fn new(job: &'a Job, phase: &'static str) -> Self {
        Self { job, phase, told: None }
    }

    /// Tells of plain bytes, where nothing else is counted.
    pub(super) fn bytes(&mut self, bytes: u64, bytes_total: u64) {
        self.advanced(&Counts { bytes, bytes_total: Some(bytes_total), ..Counts::default() });
    }
}

impl Progress for Reporter<'_> {
    fn advanced(&mut self, counts: &Counts) {
        if self.told.is_some_and(|told| told.elapsed() < PAUSE) {
            return;
        }
        self.told = Some(Instant::now());
        self.job.progress(job::Progress {
            phase: self.phase.to_owned(),
            bytes_done: counts.bytes,
            bytes_total: counts.bytes_total,
            bytes_saved: counts.bytes_saved,
            files_done: counts.files,
            files_total: counts.files_total,
        });
    }

    fn skipped(&mut self, path: &str, why: &str) {
        self.job.note(format!("skipped: {path}: {why}"));
    }
    fn planned(&mut self, path: &str, change: Change, size_old: Option<u64>, size_new: Option<u64>) {
        let (path, change) = (path.to_owned(), change.word().to_owned());
        // Where the reader is gone the job is cancelled, and ends by itself.
        let _ = self.job.row(Row::Change { path, change, size_old, size_new });
    }
}
