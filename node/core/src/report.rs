//! Turns the progress of the engine into events of a job, at a rate that a person can read.

use std::time::Duration;

use chuan_engine::progress::{Change, Counts, Progress};
use tokio::time::Instant;

use crate::{
    job::{self, Job},
    outcome::Row,
    system::Clock,
};

/// The minimum time between two events.
const PAUSE: Duration = Duration::from_millis(100);

/// Reports the progress of one job.
#[derive(Debug)]
pub(crate) struct Reporter<'a> {
    job: &'a Job,
    phase: &'static str,
    clock: Clock,
    reported: Option<Instant>,
}

impl<'a> Reporter<'a> {
    /// Reports the progress of `phase` to `job`.
    pub(crate) fn new(job: &'a Job, phase: &'static str, clock: Clock) -> Self {
        Self { job, phase, clock, reported: None }
    }

    /// Reports only bytes.
    pub(crate) fn bytes(&mut self, bytes: u64, bytes_total: u64) {
        self.advanced(&Counts { bytes, bytes_total: Some(bytes_total), ..Counts::default() });
    }
}

impl Progress for Reporter<'_> {
    fn advanced(&mut self, counts: &Counts) {
        if self.reported.is_some_and(|reported| reported.elapsed() < PAUSE) {
            return;
        }
        self.reported = Some(self.clock.instant());
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
        // A row fails if the receiver is dropped: then the job is cancelled and ends by itself.
        let _ = self.job.row(Row::Change { path, change, size_old, size_new });
    }
}
