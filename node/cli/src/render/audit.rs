//! The audit log as text. Records need no escaping for a terminal: their format allows no control characters.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use chuan_api::{
    human::time,
    outcome::{AuditActor, AuditGap, AuditRecord, AuditVerified, Audited, CheckpointShown},
};

use super::{counted, short, span, translated, word};
use crate::{say, text};

pub(super) fn record(out: &mut impl Write, record: &AuditRecord) -> io::Result<()> {
    let AuditRecord { index, verb, why, .. } = record;
    // The subject of a revocation ends with its reason, which an operator wrote.
    let subject =
        if verb == "revoke" { Cow::Borrowed(record.subject.as_str()) } else { translated(&record.subject) };
    write!(out, "{index:>6}  {}  {verb:<11}  {subject}", time(record.time_ms))?;
    if let Some(library) = &record.library {
        write!(out, "  {}", text!("record-in", library = short(library)))?;
    }
    match &record.actor {
        AuditActor::Node => {}
        AuditActor::Peer { node, .. } => write!(out, "  {}", text!("record-by-node", node = short(node)))?,
        AuditActor::Role { key, role } => {
            write!(out, "  {}", text!("record-by-role", role = word(role), key = short(key)))?;
        }
        AuditActor::Nobody => write!(out, "  {}", text!("record-by-unknown"))?,
    }
    if record.count > 1 {
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let seconds = record.span_ms as f64 / 1000.0;
        let times = counted(u64::from(record.count), "time");
        write!(out, "  {}", text!("record-times", times = times, time = span(seconds)))?;
    }
    match record.ending.as_str() {
        "ok" => writeln!(out),
        ending if why.is_empty() => writeln!(out, "  {}", word(ending)),
        ending => {
            let text = text!("record-ending", ending = word(ending), why = translated(why));
            writeln!(out, "  {text}")
        }
    }
}

pub(super) fn listed(out: &mut impl Write, listed: &Audited) -> io::Result<()> {
    say!(out, "log-listed", records = counted(listed.count, "record"), head = short(&listed.head))
}

pub(super) fn exported(out: &mut impl Write, exported: &Audited) -> io::Result<()> {
    let file = exported.file.clone().unwrap_or_else(|| text!("standard-output"));
    let records = counted(exported.count, "record");
    say!(out, "log-exported", records = records, file = file, head = exported.head)
}

pub(super) fn checkpoint(out: &mut impl Write, shown: &CheckpointShown) -> io::Result<()> {
    say!(
        out,
        "checkpoint",
        records = counted(shown.count, "record"),
        node = short(&shown.node),
        time = time(shown.time_ms),
        key = short(&shown.key),
        file = shown.file
    )
}

pub(super) fn verified(out: &mut impl Write, verified: &AuditVerified) -> io::Result<()> {
    let AuditVerified { count, proved, by, at, why, torn_bytes, gaps, .. } = verified;
    for AuditGap { from, to, checkpoint_node, checkpoint_key } in gaps {
        say!(
            out,
            "log-gap",
            records = counted(to - from, "record"),
            from = from,
            to = to,
            node = short(checkpoint_node),
            key = checkpoint_key
        )?;
    }
    if let Some(at) = at {
        say!(out, "log-altered", why = translated(why))?;
        return say!(out, "log-altered-at", record = at, records = counted(*proved, "record"));
    }
    if let (Some(node), Some(key)) = (&verified.checkpoint_node, &verified.checkpoint_key) {
        say!(out, "log-checkpoint-of", node = short(node), key = key)?;
    }
    if *proved > 0 {
        let records = counted(*proved, "record");
        match by.as_str() {
            "file" => say!(out, "log-proved-by-file", records = records)?,
            _ => say!(out, "log-proved-by-home", records = records)?,
        }
    }
    if *proved < *count {
        say!(out, "log-unproved", from = proved, records = counted(count - proved, "record"))?;
    }
    if *torn_bytes > 0 {
        say!(out, "log-torn", bytes = torn_bytes)?;
    }
    if by != "file" {
        say!(out, "log-stronger-proof")?;
    }
    Ok(())
}
