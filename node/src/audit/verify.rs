//! `audit verify`: a log's files, or an export of them, against checkpoints.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use chuan_engine::audit::{Chain, Finding, Point, Verdict};

use super::{files::Files, kept::Kept};
use crate::{
    command::AuditVerify,
    exit::{Failure, Result},
    outcome::{AuditRecord, AuditVerified},
};

/// Bytes of a line of an export at most.
const LINE_BYTES: u64 = 16 * 1024;

/// Walks all of a home's log, against its own checkpoint and those that others have kept.
pub(crate) fn verify_files(files: &Files, others: &[Point]) -> Result<AuditVerified> {
    let own = Kept::read(files.dir())?.point;
    let mut chain = Chain::new(Point::START, others.iter().copied().chain([own]));
    for (number, first) in files.list()?.into_iter().enumerate() {
        if number > 0 {
            chain.seal();
        }
        files.read(first, 0, |bytes| chain.push(bytes, |_, _| {}))?;
    }
    Ok(answer(chain.finish(), others))
}

/// Walks an export against checkpoints; needs no home. A line that is no record was altered like any other.
pub(crate) fn verify_export(options: &AuditVerify) -> Result<AuditVerified> {
    let checkpoints = checkpoints(options)?;
    options.export.as_deref().map_or_else(
        || Err(Failure::usage("no export is named; give one with --export")),
        |export| walk_export(export, &checkpoints),
    )
}

/// What a peer has kept of the log, from a file.
pub(crate) fn checkpoints(options: &AuditVerify) -> Result<Vec<Point>> {
    match &options.checkpoint {
        None => Ok(Vec::new()),
        Some(path) => Err(Failure::invalid(format!("{} is no checkpoint", path.display()))),
    }
}

fn walk_export(path: &Path, checkpoints: &[Point]) -> Result<AuditVerified> {
    let failed = |error| Failure::io(format!("read {}", path.display()), error);
    let mut lines = BufReader::new(File::open(path).map_err(failed)?);
    let mut chain = Chain::new(Point::START, checkpoints.iter().copied());
    loop {
        let mut line = Vec::new();
        lines.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line).map_err(failed)?;
        if line.is_empty() {
            break;
        }
        if let Err(failure) = follow(&mut chain, &line) {
            let at = chain.at();
            let finding = Finding::Altered { at: at.count, why: failure.message };
            return Ok(answer(Verdict { at, proved: chain.proved(), finding }, checkpoints));
        }
    }
    Ok(answer(chain.finish(), checkpoints))
}

/// Takes a line of an export.
fn follow(chain: &mut Chain, line: &[u8]) -> Result<()> {
    let bad = |why: &dyn std::fmt::Display| Failure::invalid(format!("the line is no record: {why}"));
    let said = serde_json::from_slice::<AuditRecord>(line).map_err(|error| bad(&error))?;
    let record = said.to_record().map_err(|failure| bad(&failure))?;
    let before = chain.at().count;
    chain.push_record(&record).map_err(|error| bad(&error))?;
    let at = chain.at();
    if at.count > before && at.head.to_string() != said.id {
        return Err(Failure::invalid("the record has another id than the line says"));
    }
    Ok(())
}

fn answer(verdict: Verdict, others: &[Point]) -> AuditVerified {
    let Verdict { at, proved, finding } = verdict;
    let by = match proved {
        0 => "",
        _ if others.iter().any(|point| point.count == proved) => "file",
        _ => "home",
    };
    let mut verified = AuditVerified {
        count: at.count,
        head: at.head.to_string(),
        proved,
        by: by.to_owned(),
        ..AuditVerified::default()
    };
    let word = match finding {
        Finding::Proved => "proved",
        Finding::Unproved => "unproved",
        Finding::Torn { bytes } => {
            verified.torn_bytes = bytes;
            "torn"
        }
        Finding::Altered { at, why } => {
            (verified.at, verified.why) = (Some(at), why);
            "altered"
        }
    };
    verified.finding = word.to_owned();
    verified
}
