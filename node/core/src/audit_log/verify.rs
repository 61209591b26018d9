//! `audit verify`: compares a log's files, or an export of them, with checkpoints.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
};

use chuan_engine::{
    audit::{Chain, Finding, Gap, Jump, Point, Verdict},
    id::{NodeId, StatementId},
    statement::{Body, PublicKey, Statement},
};

use super::{files::Files, kept::Kept, line};
use crate::{
    command::AuditVerify,
    exit::{Failure, Result},
    file,
    outcome::{AuditGap, AuditRecord, AuditVerified},
};

/// The maximum length of a line of an export, in bytes.
const LINE_BYTES: u64 = 16 * 1024;

/// A checkpoint from a file: the node of the log, the signed point, and the signing key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) id: StatementId,
    pub(crate) node: NodeId,
    pub(crate) key: PublicKey,
    pub(crate) point: Point,
}

impl Given {
    /// Reads the checkpoint file of the options, if there is one, and checks its signature. Whether the key
    /// belongs to the node must be checked, or shown, by the caller.
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
            _ => Err(Failure::invalid(format!("{} is not a checkpoint", path.display()))),
        }
    }
}

/// Walks the complete log of a home. Compares it with the home's own checkpoints `own`, and with the
/// checkpoint `given` that another party kept. `is_own` tells whether the key of a jump belongs to the node.
pub(crate) fn verify_files(
    files: &Files,
    own: &[Point],
    given: Option<&Given>,
    is_own: impl Fn(&Jump) -> bool,
) -> Result<AuditVerified> {
    let kept = Kept::read(files.dir())?.point;
    let points = own.iter().copied().chain([kept]).chain(given.map(|given| given.point));
    let mut chain = Chain::new(Point::START, points);
    for first in files.list()? {
        files.enter(&mut chain, first)?;
        files.read(first, 0, |bytes| chain.push(bytes, |_, _| {}))?;
    }
    Ok(answer(chain.finish(), given, is_own))
}

/// Walks an export, and compares it with a checkpoint if one is given; needs no home. A line that is not a
/// record is an altered one.
pub fn verify_export(options: &AuditVerify) -> Result<AuditVerified> {
    let given = Given::read(options)?;
    let path = options.export.as_deref();
    let path = path.ok_or_else(|| Failure::usage("no export is named; give one with the option `export`"))?;
    let failed = |error| Failure::io(format!("read {}", path.display()), error);
    let mut lines = BufReader::new(File::open(path).map_err(failed)?);
    // People compare the keys of the jumps, like the key of the given checkpoint: without a home, the node's
    // keys are unknown.
    let is_same = |jump: &Jump| given.is_none_or(|given| given.node == jump.node);
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
            let verdict = Verdict { finding, at, proved: chain.proved(), ..chain.finish() };
            return Ok(answer(verdict, given.as_ref(), is_same));
        }
    }
    Ok(answer(chain.finish(), given.as_ref(), is_same))
}

/// Adds a line of an export to the chain.
fn follow(chain: &mut Chain, line: &[u8]) -> Result<()> {
    let bad = |why: &dyn std::fmt::Display| Failure::invalid(format!("the line is not a record: {why}"));
    let said = serde_json::from_slice::<AuditRecord>(line).map_err(|error| bad(&error))?;
    let record = line::record(&said).map_err(|failure| bad(&failure))?;
    if chain.at().count != record.index {
        Jump::of(&record).into_iter().for_each(|jump| chain.jump(jump));
    }
    let before = chain.at().count;
    chain.push_record(&record).map_err(|error| bad(&error))?;
    let at = chain.at();
    if at.count > before && at.head.to_string() != said.id {
        return Err(Failure::invalid("the record has another id than the line says"));
    }
    Ok(())
}

fn answer(verdict: Verdict, given: Option<&Given>, is_own: impl Fn(&Jump) -> bool) -> AuditVerified {
    let Verdict { at, mut proved, gaps, mut finding } = verdict;
    if let Some(gap) = gaps.iter().find(|gap| !is_own(&gap.jump)) {
        let why =
            format!("the log continues from a checkpoint by key {}, which is not the node's", gap.jump.key);
        (proved, finding) = (proved.min(gap.from), Finding::Altered { at: gap.jump.to.count, why });
    }
    let mut by = if proved > 0 { "home" } else { "" };
    // The home's own checkpoints find damage. With a given checkpoint, the answer is what this checkpoint
    // proves.
    if let (Some(given), Finding::Proved | Finding::Unproved | Finding::Torn { .. }) = (given, &finding) {
        let count = given.point.count;
        let is_missing = |gap: &Gap| gap.from < count && count < gap.jump.to.count;
        (proved, by) = (if gaps.iter().any(is_missing) { 0 } else { count }, "file");
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
        gaps: gaps.iter().map(gap_row).collect(),
        ..AuditVerified::default()
    };
    let word = match finding {
        Finding::Torn { bytes } => {
            verified.torn_bytes = bytes;
            "torn"
        }
        Finding::Altered { at, why } => {
            (verified.at, verified.why) = (Some(at), why);
            "altered"
        }
        Finding::Proved | Finding::Unproved if !verified.gaps.is_empty() => "gap",
        Finding::Proved => "proved",
        Finding::Unproved => "unproved",
    };
    verified.finding = word.to_owned();
    verified
}

fn gap_row(gap: &Gap) -> AuditGap {
    let Jump { to, node, key, .. } = &gap.jump;
    AuditGap {
        from: gap.from,
        to: to.count,
        checkpoint_node: node.to_string(),
        checkpoint_key: key.to_string(),
    }
}
