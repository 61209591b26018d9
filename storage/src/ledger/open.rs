//! How a ledger is created, and how it is opened, whatever the state of its files.

use std::{
    path::Path,
    sync::{Arc, Mutex, RwLock},
};

use chuan_engine::{
    Error, Result,
    id::NodeId,
    ledger::{
        Identity, LEDGER_ID_LEN, LedgerId, LedgerRecord, LedgerState, Mend, Outcome, Plan, Refusal, Side,
        image::image,
    },
};

use super::{
    DiskLedger, End, LedgerView,
    files::{Directory, Files},
    pair::Pair,
};
use crate::Poison;

/// An opened ledger, and the findings on the way.
#[derive(Debug)]
pub struct Opened {
    /// The ledger.
    pub ledger: DiskLedger,
    /// The findings and repairs, in words; empty if both files were sound.
    pub found: Vec<String>,
    /// Whether some of it was damage. A batch torn by a crash is not.
    pub damaged: bool,
    /// Whether both files were missing or unreadable: everything in the ledger is lost.
    pub gone: bool,
}

/// Creates the ledger of a new home in `dir`. An existing one stays as it is. Durable when it returns.
pub fn create(dir: &Path, node: NodeId) -> Result<()> {
    let files = directory(dir)?;
    let pair = Pair::new(Arc::new(files), Poison::default());
    match pair.read()? {
        [None, None] => pair.renew(&image(identity(node)?, 0, &[])?),
        _ => Ok(()),
    }
}

impl DiskLedger {
    /// Opens the ledger of `node` in `dir` and repairs it. `known` is the highest arrival number that
    /// anything outside the ledger names: if the files end before it, an older pair was put in their place.
    ///
    /// Fails with [`Error::Corrupt`] only if an operator must decide which copy is valid. If a copy cannot be
    /// repaired because nothing can be written, the ledger is read-only.
    pub fn open(dir: &Path, node: NodeId, known: u64, poison: Poison) -> Result<Opened> {
        Self::open_files(Arc::new(directory(dir)?), node, known, poison)
    }

    pub(super) fn open_files(
        files: Arc<dyn Files>,
        node: NodeId,
        known: u64,
        poison: Poison,
    ) -> Result<Opened> {
        let pair = Pair::new(files, poison.clone());
        let outcome = pair.plan(&node)?;
        pair.remove_new();
        let (plan, found, gone) = match outcome {
            Outcome::Refused(refusal) => return Err(refused(&pair, &refusal)),
            Outcome::Gone(found) => {
                Side::BOTH.into_iter().try_for_each(|side| pair.set_aside(side, "damaged").map(drop))?;
                let highest = known.max(1);
                let lost = LedgerRecord::lost(1, highest, "both files of the ledger were gone");
                pair.renew(&image(identity(node)?, highest, &[lost])?)?;
                (None, found, true)
            }
            Outcome::Open(plan) => {
                let found = plan.found.clone();
                (Some(plan), found, false)
            }
        };
        let mut opened = Opened {
            damaged: gone || found.iter().any(|finding| finding.is_damage),
            found: found.iter().map(ToString::to_string).collect(),
            gone,
            ledger: match plan {
                Some(plan) => open_plan(pair, node, poison, *plan)?,
                None => reopen(pair, node, poison)?,
            },
        };
        opened.note_older(known)?;
        Ok(opened)
    }
}

impl Opened {
    /// Records as lost the numbers above the end of the files.
    fn note_older(&mut self, known: u64) -> Result<()> {
        let ledger = &self.ledger;
        let highest = ledger.view().state.highest();
        if highest >= known {
            return Ok(());
        }
        self.found.push(format!(
            "ledger/a and ledger/b end at record {highest}, and the audit log counts {known}: an older pair was put in \
             their place; ask peers for what is missing with `chuan pull`"
        ));
        self.damaged = true;
        let mut end = ledger.lock();
        if end.read_only.is_some() {
            return Ok(());
        }
        ledger.record_lost_up_to(&mut end, known, "an older pair of files was put back")
    }
}

/// Carries out a plan. If the files cannot be repaired, the valid records can be read.
fn open_plan(pair: Pair, node: NodeId, poison: Poison, plan: Plan) -> Result<DiskLedger> {
    let mended = pair.mend(&plan);
    match mended {
        Ok(()) if plan.mend == Mend::None => Ok(ledger(pair, node, poison, &plan, None)),
        Ok(()) => reopen(pair, node, poison),
        Err(error) => {
            tracing::warn!(%error, "the ledger cannot be mended; the home opens for reading only");
            // One file may have been replaced: each record is read where it lies now.
            let plan = match pair.plan(&node) {
                Ok(Outcome::Open(now)) => *now,
                _ => plan,
            };
            Ok(ledger(pair, node, poison, &plan, Some(format!("the ledger cannot be mended: {error}"))))
        }
    }
}

/// Opens files that were just written.
fn reopen(pair: Pair, node: NodeId, poison: Poison) -> Result<DiskLedger> {
    match pair.plan(&node)? {
        Outcome::Open(plan) if plan.mend == Mend::None => Ok(ledger(pair, node, poison, &plan, None)),
        Outcome::Open(plan) => Err(Error::Corrupt(format!(
            "{} was written and does not read back ({}): the disk is failing",
            pair.path(Side::A).display(),
            plan.found.first().map_or_else(String::new, ToString::to_string)
        ))),
        Outcome::Gone(_) => Err(Error::Corrupt(format!(
            "{} was written and does not read back: the disk is failing",
            pair.path(Side::A).display()
        ))),
        Outcome::Refused(refusal) => Err(refused(&pair, &refusal)),
    }
}

fn ledger(pair: Pair, node: NodeId, poison: Poison, plan: &Plan, read_only: Option<String>) -> DiskLedger {
    let end =
        End { identity: plan.identity, offset: plan.end, last: plan.last, room: 0, compact_at: 0, read_only };
    let state: LedgerState = plan.state();
    DiskLedger {
        node,
        pair,
        poison,
        view: RwLock::new(LedgerView { state, identities: plan.identities }),
        end: Mutex::new(end),
    }
}

fn directory(dir: &Path) -> Result<Directory> {
    let files = Directory::new(dir);
    files.create().map_err(|error| Error::io(format!("make {}", dir.display()), error))?;
    Ok(files)
}

/// The identity of a new ledger.
pub(super) fn identity(node: NodeId) -> Result<Identity> {
    let mut id = [0; LEDGER_ID_LEN];
    getrandom::fill(&mut id)
        .map_err(|error| Error::io("get random bytes for a ledger's id", std::io::Error::other(error)))?;
    Ok(Identity { node, ledger: LedgerId::from_bytes(id), generation: 1 })
}

/// The error for files between which an operator must choose.
fn refused(pair: &Pair, refusal: &Refusal) -> Error {
    let [a, b] = Side::BOTH.map(|side| pair.path(side).display().to_string());
    match refusal {
        Refusal::Version(..) => Error::Invalid(format!("{a}, {b}: {refusal}; use the chuan that wrote it")),
        _ => Error::Corrupt(format!(
            "{a}, {b}: {refusal}; put the right file back, or look with `chuan ledger show` \
             and choose one with `chuan ledger keep a` or `chuan ledger keep b`"
        )),
    }
}
