//! `chuan ledger`: inspects both files of a home's ledger. For a home that does not open, makes the ledger
//! again from one of the files. Works on the files, so the home need not open.

use chuan_engine::{id::NodeId, ledger::Side};
use chuan_storage::{
    ledger::{self, Copy, Inspection},
    lock::HomeLock,
};

use crate::{
    exit::{Failure, Result},
    home::Home,
    outcome::{LedgerCopy, LedgerKept, LedgerShown},
};

/// Inspects both files.
pub fn show(home: &Home) -> Result<LedgerShown> {
    let node = home.node_id()?;
    Ok(shown(&node, home, &ledger::inspect(&home.ledger_dir(), &node)?))
}

/// Makes both files again from one of them, and keeps the old files under other names.
pub fn keep(home: &Home, side: Side, dry_run: bool, yes: bool) -> Result<LedgerKept> {
    let node = home.node_id()?;
    let dir = home.ledger_dir();
    let _lock = HomeLock::acquire_for(home.root(), "ledger keep")?;
    let inspection = ledger::inspect(&dir, &node)?;
    let [from, instead_of] = [side, side.other()].map(|side| copy(home, side, &inspection));
    if !from.present {
        return Err(Failure::missing(format!("{} does not exist; keep the other file", from.path)));
    }
    let left_behind = instead_of.last.saturating_sub(from.last);
    let mut kept = LedgerKept {
        node: node.to_string(),
        kept: side.name().to_owned(),
        done: false,
        from,
        instead_of,
        left_behind,
        set_aside: Vec::new(),
    };
    if dry_run {
        return Ok(kept);
    }
    if !yes {
        return Err(Failure::usage(format!(
            "this makes both files again from {} (records {} to {}), and not from the other file (records {} to {}); check \
             it with the option `dry-run`, and confirm it with the option `yes`",
            kept.from.path, kept.from.first, kept.from.last, kept.instead_of.first, kept.instead_of.last
        )));
    }
    let aside = ledger::keep(&dir, node, side)?;
    kept.set_aside = aside.iter().map(|path| path.display().to_string()).collect();
    kept.done = true;
    Ok(kept)
}

fn shown(node: &NodeId, home: &Home, inspection: &Inspection) -> LedgerShown {
    let is_gone = inspection.copies.iter().all(|copy| copy.as_ref().is_none_or(|copy| copy.header.is_none()));
    let verdict = match (&inspection.refused, inspection.mends) {
        (Some(_), _) => "refused",
        (None, true) if is_gone && inspection.lost == 0 => "lost",
        (None, true) => "mended",
        (None, false) => "sound",
    };
    LedgerShown {
        node: node.to_string(),
        verdict: verdict.to_owned(),
        refused: inspection.refused.clone(),
        found: inspection.found.clone(),
        lost: inspection.lost,
        copies: Side::BOTH.map(|side| copy(home, side, inspection)).to_vec(),
    }
}

fn copy(home: &Home, side: Side, inspection: &Inspection) -> LedgerCopy {
    let name = side.name().to_owned();
    let path = home.ledger_dir().join(&name).display().to_string();
    let [a, b] = &inspection.copies;
    let found = match side {
        Side::A => a,
        Side::B => b,
    };
    let Some(Copy { bytes, header, records, first, last, damaged, .. }) = found else {
        return LedgerCopy { name, path, ..LedgerCopy::default() };
    };
    LedgerCopy {
        name,
        path,
        present: true,
        bytes: *bytes,
        node: header.map(|header| header.node.to_string()),
        ledger: header.map(|header| header.ledger.to_string()),
        generation: header.map(|header| header.generation),
        records: *records,
        first: *first,
        last: *last,
        damaged: *damaged,
    }
}
