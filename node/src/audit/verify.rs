//! `audit verify`: a log's files, or an export of them, against checkpoints.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
};

use chuan_engine::{
    audit::{Chain, Finding, Point, Verdict},
    id::{NodeId, StatementId},
    statement::{Body, PublicKey, Statement},
};

use super::{files::Files, kept::Kept};
use crate::{
    command::AuditVerify,
    exit::{Failure, Result},
    home::file,
    outcome::{AuditRecord, AuditVerified},
};

/// Bytes of a line of an export at most.
const LINE_BYTES: u64 = 16 * 1024;

/// A checkpoint from a file: whose log it is of, how far that went, and which key says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) id: StatementId,
    pub(crate) node: NodeId,
    pub(crate) key: PublicKey,
    pub(crate) point: Point,
}

impl Given {
    /// Reads the file that is named, if one is, and checks the signature in it. Whether the key is the node's is the caller's
    /// to check, or to show.
    pub(crate) fn read(options: &AuditVerify) -> Result<Option<Self>> {
        let Some(path) = &options.checkpoint else { return Ok(None) };
        let statement = Statement::decode(&file::read(path)?)?;
        let keys = statement.verify_signatures()?;
        match (statement.body(), keys.as_slice()) {
            (Body::Checkpoint(said), [key]) => Ok(Some(Self {
                id: statement.id(),
                node: said.node,
                key: *key,
                point: Point { count: said.count, head: said.head },
            })),
            _ => Err(Failure::invalid(format!("{} is no checkpoint", path.display()))),
        }
    }
}

/// Walks all of a home's log, against what the home itself knows, and what somebody else has kept.
pub(crate) fn verify_files(files: &Files, own: &[Point], given: Option<&Given>) -> Result<AuditVerified> {
    let kept = Kept::read(files.dir())?.point;
    let points = own.iter().copied().chain([kept]).chain(given.map(|given| given.point));
    let mut chain = Chain::new(Point::START, points);
    for (number, first) in files.list()?.into_iter().enumerate() {
        if number > 0 {
            chain.seal();
        }
        files.read(first, 0, |bytes| chain.push(bytes, |_, _| {}))?;
    }
    Ok(answer(chain.finish(), given))
}

/// Walks an export against a checkpoint, if one is given; needs no home. A line that is no record was altered like any other.
pub(crate) fn verify_export(options: &AuditVerify) -> Result<AuditVerified> {
    let given = Given::read(options)?;
    let path = options.export.as_deref();
    let path = path.ok_or_else(|| Failure::usage("no export is named; give one with --export"))?;
    let failed = |error| Failure::io(format!("read {}", path.display()), error);
    let mut lines = BufReader::new(File::open(path).map_err(failed)?);
    let mut chain = Chain::new(Point::START, given.map(|given| given.point));
    loop {
        let mut line = Vec::new();
        lines.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line).map_err(failed)?;
        if line.is_empty() {
            break;
        }
        if let Err(failure) = follow(&mut chain, &line) {
            let at = chain.at();
            let finding = Finding::Altered { at: at.count, why: failure.message };
            return Ok(answer(Verdict { at, proved: chain.proved(), finding }, given.as_ref()));
        }
    }
    Ok(answer(chain.finish(), given.as_ref()))
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

fn answer(verdict: Verdict, given: Option<&Given>) -> AuditVerified {
    let Verdict { at, mut proved, mut finding } = verdict;
    let mut by = if proved > 0 { "home" } else { "" };
    // What the home says of itself finds damage; who brings a checkpoint asks what that one proves.
    if let (Some(given), Finding::Proved | Finding::Unproved | Finding::Torn { .. }) = (given, &finding) {
        (proved, by) = (given.point.count, "file");
        if finding == Finding::Proved && proved < at.count {
            finding = Finding::Unproved;
        }
    }
    let mut verified = AuditVerified {
        count: at.count,
        head: at.head.to_string(),
        proved,
        by: by.to_owned(),
        checkpoint_node: given.map(|given| given.node.to_string()),
        checkpoint_key: given.map(|given| given.key.to_string()),
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
