//! `audit`: reads, verifies or exports the audit log.

use std::{
    io::{BufWriter, Write},
    ops::ControlFlow,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use crate::{
    audit_log::{Files, Log, line, verify_files},
    command::{AuditVerb, Tail},
    exit::{Failure, Result},
    file,
    job::Job,
    outcome::{Audited, Outcome, Row},
    services::Services,
};

/// How long a follower waits before it checks whether it was cancelled.
const FOLLOW_PAUSE: Duration = Duration::from_millis(200);
/// Bytes of lines in one event.
const EXPORT_BYTES: usize = 64 * 1024;

/// Reads, verifies or exports the audit log. Records are sent as rows, or as bytes if an export names no
/// file. Needs no store: it works while the index is rebuilt.
pub(crate) async fn audit(services: &Arc<Services>, verb: AuditVerb, job: &Job) -> Result<Outcome> {
    let job = job.clone();
    services
        .blocking(move |services| {
            let (log, audit) = (&services.context.log, &services.audit);
            match verb {
                AuditVerb::Tail(options) => tail(log, &options, &job),
                AuditVerb::Show(options) => show(log, options.record, &job),
                AuditVerb::Verify(options) => {
                    let (own, given) = (audit.own_checkpoints(), audit.given(&options)?);
                    let verified = verify_files(log.files(), &own, given.as_ref(), |jump| audit.is_own(jump));
                    verified.map(Outcome::AuditVerify)
                }
                AuditVerb::Checkpoint(options) => {
                    audit.write_checkpoint(&options).map(Outcome::AuditCheckpoint)
                }
                AuditVerb::Export(options) => match &options.file {
                    Some(file) => export_to(log, file),
                    None => export(log, &job),
                },
            }
        })
        .await
}

fn tail(log: &Log, options: &Tail, job: &Job) -> Result<Outcome> {
    let mut next = log.at().count.saturating_sub(options.number);
    loop {
        job.check()?;
        // The records after `next` are found by reading the complete file, so first check that there are any.
        if log.at().count > next {
            log.files().records(next, |record, id| {
                next = record.index.saturating_add(1);
                job.row(Row::Record(Box::new(line::shown(record, id))))?;
                Ok(ControlFlow::Continue(()))
            })?;
        }
        if !options.follow {
            return Ok(Outcome::Audit(end(log)));
        }
        log.wait_beyond(next, FOLLOW_PAUSE);
    }
}

fn show(log: &Log, record: Option<u64>, job: &Job) -> Result<Outcome> {
    let mut shown = false;
    log.files().records(record.unwrap_or(0), |found, id| {
        if record.is_some_and(|record| record != found.index) {
            return Ok(ControlFlow::Break(()));
        }
        job.row(Row::Record(Box::new(line::shown(found, id))))?;
        shown = true;
        Ok(if record.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    match record {
        Some(record) if !shown => {
            let count = log.at().count;
            Err(Failure::missing(format!("no record {record}: the log has {count}, numbered from 0")))
        }
        _ => Ok(Outcome::Audit(end(log))),
    }
}

fn export(log: &Log, job: &Job) -> Result<Outcome> {
    let mut lines = Vec::new();
    let exported = write_lines(log.files(), |line| {
        lines.extend_from_slice(line);
        if lines.len() < EXPORT_BYTES {
            return Ok(());
        }
        job.data(Bytes::from(std::mem::take(&mut lines)))
    })?;
    if !lines.is_empty() {
        job.data(Bytes::from(lines))?;
    }
    Ok(Outcome::AuditExport(exported))
}

fn export_to(log: &Log, path: &Path) -> Result<Outcome> {
    let failed = |error| Failure::io(format!("write {}", path.display()), error);
    // A link may lead to a file of another program, and a device or pipe must not be replaced.
    if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        let path = path.display();
        return Err(Failure::invalid(format!(
            "{path} is a link or no regular file; name another file, or none to write to standard output"
        )));
    }
    let exported = file::replace(path, 0o600, |file| {
        let mut file = BufWriter::new(file);
        let exported = write_lines(log.files(), |line| file.write_all(line).map_err(failed))?;
        file.flush().map_err(failed)?;
        Ok(exported)
    })?;
    Ok(Outcome::AuditExport(Audited { file: Some(path.display().to_string()), ..exported }))
}

fn end(log: &Log) -> Audited {
    let at = log.at();
    Audited { count: at.count, head: at.head.to_string(), file: None }
}

/// Passes every record to `take` as a line of JSON; returns how many there are.
fn write_lines(files: &Files, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<Audited> {
    let mut exported = Audited { head: chuan_engine::id::RecordId::NONE.to_string(), ..Audited::default() };
    files.records(0, |record, id| {
        let mut line = serde_json::to_vec(&line::shown(record, id))
            .map_err(|error| Failure::internal(format!("cannot encode a record: {error}")))?;
        line.push(b'\n');
        take(&line)?;
        (exported.count, exported.head) = (record.index.saturating_add(1), id.to_string());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(exported)
}
