//! The ledger's files as text.

use std::io::{self, Write};

use chuan_api::{
    human::{bytes, counted},
    outcome::{LedgerCopy, LedgerKept, LedgerShown, LedgerStatus},
};

use super::short;

pub(super) fn shown(out: &mut impl Write, shown: &LedgerShown) -> io::Result<()> {
    shown.copies.iter().try_for_each(|each| copy(out, each, &shown.node))?;
    shown.found.iter().try_for_each(|found| writeln!(out, "found      {found}"))?;
    if let Some(why) = &shown.refused {
        writeln!(out, "refused    {why}")?;
        writeln!(
            out,
            "           put the right file back, or `chuan ledger keep a|b` makes both anew from one"
        )?;
    }
    if shown.lost > 0 {
        writeln!(out, "lost       {}; `chuan pull` asks peers for them", counted(shown.lost, "record"))?;
    }
    let verdict = match shown.verdict.as_str() {
        "sound" => "both files are sound",
        "mended" => "the next start repairs it",
        "lost" => "both files are gone or unreadable; the next start begins a new ledger and asks peers",
        _ => "the home does not open until a file is chosen",
    };
    writeln!(out, "{verdict}")
}

/// The ledger in `status`; nothing if it is sound.
pub(super) fn status(out: &mut impl Write, status: &LedgerStatus) -> io::Result<()> {
    match status.state.as_str() {
        "lost" => {
            let lost = counted(status.lost, "record");
            writeln!(out, "ledger     {lost} lost: `chuan pull` asks peers, `chuan verify` names them")?;
        }
        "mended" => writeln!(out, "ledger     damage was found and repaired when the home was opened")?,
        "read-only" => writeln!(out, "ledger     damaged, and cannot be repaired: for reading only")?,
        _ => {}
    }
    status.found.iter().try_for_each(|found| writeln!(out, "           {found}"))?;
    status
        .left_out
        .iter()
        .try_for_each(|library| writeln!(out, "left out   {} {}", library.library, library.reason))
}

pub(super) fn kept(out: &mut impl Write, kept: &LedgerKept) -> io::Result<()> {
    let LedgerKept { from, instead_of, left_behind, .. } = kept;
    if let Some(owner) = from.node.as_ref().filter(|owner| **owner != kept.node) {
        writeln!(out, "{} is the ledger of another node, {}", from.path, short(owner))?;
    }
    let verb = if kept.done { "made" } else { "would make" };
    writeln!(out, "{verb} both files anew from {} ({})", from.path, counted(from.records, "record"))?;
    if *left_behind > 0 {
        writeln!(
            out,
            "{} of {} come after its last record and are not taken over",
            counted(*left_behind, "record"),
            instead_of.path
        )?;
    }
    kept.set_aside.iter().try_for_each(|path| writeln!(out, "set aside  {path}"))
}

fn copy(out: &mut impl Write, copy: &LedgerCopy, node: &str) -> io::Result<()> {
    write!(out, "ledger/{}   ", copy.name)?;
    if !copy.present {
        return writeln!(out, "missing");
    }
    match (&copy.node, copy.generation) {
        (Some(owner), _) if owner != node => write!(out, "of another node, {}; ", short(owner))?,
        (Some(_), Some(generation)) => write!(out, "generation {generation}; ")?,
        _ => write!(out, "header damaged; ")?,
    }
    let (first, last) = (copy.first, copy.last);
    write!(out, "{}, {first} to {last}, {}", counted(copy.records, "record"), bytes(copy.bytes))?;
    match copy.damaged {
        0 => writeln!(out),
        damaged => writeln!(out, "; {} damaged", counted(damaged, "place")),
    }
}
