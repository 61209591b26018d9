//! `restore`: a release's files, written out.

use std::time::Instant;

use chuan_engine::restore;

use super::{Node, report::Reporter};
use crate::{command::Restore, exit::Result, job::Job, outcome::Restored};

impl Node {
    /// Writes a release's files to a folder, verified and durable. Files that are right are left alone, and nothing outside
    /// the folder is touched whatever the manifest says.
    pub async fn restore(&self, options: Restore, job: &Job) -> Result<Restored> {
        let job = job.clone();
        self.blocking(move |node| {
            let begun = Instant::now();
            let found = node.release(&options.release)?;
            let (held, classes_stale) = found.held_and_fresh(node)?;
            let order = restore::Restore {
                filter: options.path,
                check: options.check,
                ..restore::Restore::new(held.trees(), &options.dest)
            };
            let mut reporter = Reporter::new(&job, "restore");
            let objects = node.objects(&found.library.id());
            let report = restore::restore(&*objects, &order, &mut reporter, job.cancel().flag())?;
            Ok(Restored {
                release: found.id.to_string(),
                channel: found.channel_name(),
                fresh_age_seconds: found.fresh_age_seconds(),
                dest: options.dest.display().to_string(),
                files: report.files,
                files_written: report.files.saturating_sub(report.files_unchanged),
                files_unchanged: report.files_unchanged,
                bytes_total: report.bytes,
                bytes_written: report.bytes_written,
                bytes_reused: report.bytes_reused,
                classes_absent: held.classes_absent(),
                classes_stale,
                seconds: begun.elapsed().as_secs_f64(),
            })
        })
        .await
    }
}
