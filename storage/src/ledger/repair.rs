//! Repair by an operator if the ledger cannot be opened: inspect both files, and keep one of them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use chuan_engine::{
    Error, Result,
    id::NodeId,
    ledger::{Header, LedgerId, LedgerRecord, Mend, Outcome, Scan, Side, image::image, plan},
};

use super::{
    files::{Directory, Files},
    open::identity,
    pair::{self, Pair},
};
use crate::Poison;

/// The state of both files.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// `a` and `b`; `None` where the file is missing.
    pub copies: [Option<Copy>; 2],
    /// The findings, in words.
    pub found: Vec<String>,
    /// Records that are readable in no copy.
    pub lost: u64,
    /// Why the ledger is not opened; `None` if it is, perhaps after a repair.
    pub refused: Option<String>,
    /// Whether the next start repairs something.
    pub mends: bool,
}

/// The state of one file.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Its path.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its header; `None` if that is damaged.
    pub header: Option<CopyHeader>,
    /// Readable records.
    pub records: u64,
    /// The first arrival number.
    pub first: u64,
    /// The last arrival number.
    pub last: u64,
    /// Damaged ranges.
    pub damaged: u64,
}

/// The identity in a file's header.
#[derive(Clone, Copy, Debug)]
pub struct CopyHeader {
    /// The node.
    pub node: NodeId,
    /// The ledger.
    pub ledger: LedgerId,
    /// How often the ledger was rewritten.
    pub generation: u64,
}

/// Inspects the ledger in `dir`, which may be in use or damaged. Changes nothing.
pub fn inspect(dir: &Path, node: &NodeId) -> Result<Inspection> {
    let pair = Pair::new(Arc::new(Directory::new(dir)), Poison::default());
    let files = pair.read()?;
    let mut inspection =
        Inspection { copies: [None, None], found: Vec::new(), lost: 0, refused: None, mends: false };
    for ((side, bytes), slot) in Side::BOTH.into_iter().zip(&files).zip(&mut inspection.copies) {
        let Some(bytes) = bytes else { continue };
        let scan = pair::scan(Some(bytes));
        *slot = Some(copy(pair.path(side), bytes.len() as u64, scan.as_ref()));
    }
    match plan(node, files.each_ref().map(Option::as_ref)) {
        Outcome::Open(plan) => {
            inspection.mends = plan.mend != Mend::None;
            inspection.found = plan.found.iter().map(ToString::to_string).collect();
            inspection.lost = plan.state().lost().map(|lost| lost.last() - lost.number + 1).sum();
        }
        Outcome::Gone(found) => {
            inspection.mends = true;
            inspection.found = found.iter().map(ToString::to_string).collect();
        }
        Outcome::Refused(refusal) => inspection.refused = Some(refusal.to_string()),
    }
    Ok(inspection)
}

fn copy(path: PathBuf, bytes: u64, scan: Option<&Scan>) -> Copy {
    let header = scan.and_then(|scan| scan.header).map(|header: Header| CopyHeader {
        node: header.identity.node,
        ledger: header.identity.ledger,
        generation: header.identity.generation,
    });
    let records = scan.map(|scan| &scan.records);
    Copy {
        path,
        bytes,
        header,
        records: records.map_or(0, |records| records.len() as u64),
        first: records.and_then(|records| records.first_key_value()).map_or(0, |(number, _)| *number),
        last: scan.map_or(0, Scan::highest),
        damaged: scan.map_or(1, |scan| scan.damage.len() as u64),
    }
}

/// Makes a new ledger of `node` from one file alone, of whatever node. Both old files are kept under other
/// names, and their paths are returned. The home must not be open. Durable when it returns; repeating it
/// after a crash completes it.
pub fn keep(dir: &Path, node: NodeId, side: Side) -> Result<Vec<PathBuf>> {
    keep_files(Arc::new(Directory::new(dir)), node, side)
}

pub(super) fn keep_files(files: Arc<dyn Files>, node: NodeId, side: Side) -> Result<Vec<PathBuf>> {
    let pair = Pair::new(files, Poison::default());
    let [a, b] = pair.read()?;
    let bytes = match side {
        Side::A => a,
        Side::B => b,
    };
    let path = pair.path(side);
    let bytes = bytes
        .ok_or_else(|| Error::Missing(format!("{} is not there; keep the other one", path.display())))?;
    let header = Header::decode(&bytes).ok();
    let owner = header.map_or(node, |header| header.identity.node);
    // Alone: the plan of one copy has lost records in place of those that it cannot read.
    let alone = match side {
        Side::A => [Some(&bytes), None],
        Side::B => [None, Some(&bytes)],
    };
    let Outcome::Open(plan) = plan(&owner, alone) else {
        return Err(Error::Corrupt(format!(
            "nothing in {} can be read; keep the other one, or put one back from a backup",
            path.display()
        )));
    };
    let records: Vec<LedgerRecord> = plan.carried();
    let image = image(identity(node)?, plan.highest, &records)?;
    pair.keep(&image, side)
}
