//! The progress events of a pull.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chuan_engine::sync::fetch::Report;
use tokio::time::Instant;

use crate::{
    job::{Job, Progress},
    system::Clock,
};

/// The time between two progress events: short, so that the last one of a killed pull is nearly exact.
const PAUSE: Duration = Duration::from_millis(25);

/// Keeps the last report of a fetch in `last`, beside `progress`: a fetch that fails returns none.
pub(super) fn keeping(
    last: Arc<Mutex<Report>>,
    mut progress: impl FnMut(&Report) + Send + 'static,
) -> impl FnMut(&Report) + Send + 'static {
    move |report| {
        if !report.done {
            report.clone_into(&mut last.lock().unwrap_or_else(PoisonError::into_inner));
        }
        progress(report);
    }
}

/// Reports the progress of a fetch. The total is the content of the release; content that is held counts as
/// done when the fetch finds it.
pub(super) fn progress_of(job: Job, clock: Clock) -> impl FnMut(&Report) + Send + 'static {
    let mut reported: Option<Instant> = None;
    move |report| {
        if reported.is_some_and(|reported| reported.elapsed() < PAUSE) && !report.done {
            return;
        }
        reported = Some(clock.instant());
        let total = (report.bytes_total > 0).then_some(report.bytes_total);
        let fetched = report.chunk_bytes_fetched;
        let held = match report.done {
            true => report.bytes_total.saturating_sub(fetched),
            false => report.chunk_bytes_held.min(report.bytes_total.saturating_sub(fetched)),
        };
        job.progress(Progress {
            phase: "pull".to_owned(),
            bytes_done: fetched + held,
            bytes_total: total,
            bytes_saved: held,
            files_done: if report.done { report.files } else { 0 },
            files_total: (report.files > 0).then_some(report.files),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Cancel, Event};

    /// Symptom: a pull that continued an earlier one showed no total, and none of what was here already.
    #[tokio::test]
    async fn a_pull_that_continues_shows_its_total_and_what_is_here() {
        let (job, mut events) = Job::watched(Cancel::default());
        let mut report = Report { files: 2, bytes_total: 100, chunk_bytes_held: 60, ..Report::default() };
        let mut progress = progress_of(job, Clock::default());
        progress(&report);
        (report.done, report.chunk_bytes_fetched) = (true, 40);
        progress(&report);
        drop(progress);
        let mut seen = Vec::new();
        while let Some(event) = events.next().await {
            let Event::Progress(progress) = event else { continue };
            assert_eq!((progress.bytes_total, progress.files_total), (Some(100), Some(2)));
            seen.push((progress.bytes_done, progress.bytes_saved, progress.files_done));
        }
        assert_eq!(seen, [(60, 60, 0), (100, 60, 2)]);
    }
}
