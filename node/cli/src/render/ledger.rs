//! The ledger's files as text.

use std::io::{self, Write};

use chuan_api::{
    human::bytes,
    outcome::{LedgerCopy, LedgerKept, LedgerShown, LedgerStatus},
};

use super::{counted, field, short, translated};
use crate::{say, text};

pub(super) fn shown(out: &mut impl Write, shown: &LedgerShown) -> io::Result<()> {
    shown.copies.iter().try_for_each(|each| copy(out, each, &shown.node))?;
    shown.found.iter().try_for_each(|found| field(out, &text!("label-found"), &translated(found)))?;
    if let Some(why) = &shown.refused {
        field(out, &text!("label-refused"), &translated(why))?;
        field(out, "", &text!("ledger-choose"))?;
    }
    if shown.lost > 0 {
        let lost = text!("ledger-lost-records", records = counted(shown.lost, "record"));
        field(out, &text!("label-lost"), &lost)?;
    }
    match shown.verdict.as_str() {
        "sound" => say!(out, "ledger-sound"),
        "mended" => say!(out, "ledger-repaired-next"),
        "lost" => say!(out, "ledger-gone"),
        _ => say!(out, "ledger-refused"),
    }
}

/// The ledger in `status`; nothing if it is sound.
pub(super) fn status(out: &mut impl Write, status: &LedgerStatus) -> io::Result<()> {
    match status.state.as_str() {
        "lost" => {
            let lost = text!("ledger-lost", records = counted(status.lost, "record"));
            field(out, &text!("label-ledger"), &lost)?;
        }
        "mended" => field(out, &text!("label-ledger"), &text!("ledger-mended"))?,
        "read-only" => field(out, &text!("label-ledger"), &text!("ledger-read-only"))?,
        _ => {}
    }
    status.found.iter().try_for_each(|found| field(out, "", &translated(found)))?;
    status.left_out.iter().try_for_each(|library| {
        let why = format!("{} {}", library.library, translated(&library.reason));
        field(out, &text!("label-left-out"), &why)
    })
}

pub(super) fn kept(out: &mut impl Write, kept: &LedgerKept) -> io::Result<()> {
    let LedgerKept { from, instead_of, left_behind, .. } = kept;
    if let Some(owner) = from.node.as_ref().filter(|owner| **owner != kept.node) {
        say!(out, "ledger-of-other", path = from.path, node = short(owner))?;
    }
    let records = counted(from.records, "record");
    match kept.done {
        true => say!(out, "ledger-made", path = from.path, records = records)?,
        false => say!(out, "ledger-would-make", path = from.path, records = records)?,
    }
    if *left_behind > 0 {
        let records = counted(*left_behind, "record");
        say!(out, "ledger-left-behind", records = records, path = instead_of.path)?;
    }
    kept.set_aside.iter().try_for_each(|path| field(out, &text!("label-set-aside"), path))
}

fn copy(out: &mut impl Write, copy: &LedgerCopy, node: &str) -> io::Result<()> {
    write!(out, "ledger/{}   ", copy.name)?;
    if !copy.present {
        return say!(out, "ledger-copy-missing");
    }
    let head = match (&copy.node, copy.generation) {
        (Some(owner), _) if owner != node => text!("ledger-copy-other", node = short(owner)),
        (Some(_), Some(generation)) => text!("ledger-copy-generation", generation = generation),
        _ => text!("ledger-copy-no-header"),
    };
    let records = text!(
        "ledger-copy-records",
        records = counted(copy.records, "record"),
        first = copy.first,
        last = copy.last,
        size = bytes(copy.bytes)
    );
    let damage = match copy.damaged {
        0 => String::new(),
        damaged => text!("joint") + &text!("ledger-copy-damaged", places = counted(damaged, "place")),
    };
    writeln!(out, "{head}{}{records}{damage}", text!("joint"))
}
