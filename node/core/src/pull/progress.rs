//! The progress events of a pull.

use std::time::Duration;

use chuan_engine::sync::fetch::Report;
use tokio::time::Instant;

use crate::{
    job::{Job, Progress},
    system::Clock,
};

/// The time between two progress events: short, so that the last one of a killed pull is nearly exact.
const PAUSE: Duration = Duration::from_millis(25);

/// Reports the progress of a fetch. The total is known only if nothing is held; for a newer release, only the
/// walk finds it.
pub(super) fn progress_of(job: Job, first: bool, clock: Clock) -> impl FnMut(&Report) + Send + 'static {
    let mut reported: Option<Instant> = None;
    move |report| {
        if reported.is_some_and(|reported| reported.elapsed() < PAUSE) && !report.done {
            return;
        }
        reported = Some(clock.instant());
        let total = (first && report.bytes_total > 0).then_some(report.bytes_total);
        let fetched = report.chunk_bytes_fetched;
        job.progress(Progress {
            phase: "pull".to_owned(),
            bytes_done: if report.done { total.unwrap_or(fetched) } else { fetched },
            bytes_total: total,
            bytes_saved: if report.done { report.bytes_total.saturating_sub(fetched) } else { 0 },
            files_done: if report.done { report.files } else { 0 },
            files_total: (report.files > 0).then_some(report.files),
        });
    }
}
