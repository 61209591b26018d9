//! The audit log as text. Records need no escaping for a terminal: their format allows no control characters.

use std::io::{self, Write};

use chuan_api::{
    human::{counted, span, time},
    outcome::{AuditActor, AuditGap, AuditRecord, AuditVerified, Audited, CheckpointShown},
};

use super::short;

pub(super) fn record(out: &mut impl Write, record: &AuditRecord) -> io::Result<()> {
    let AuditRecord { index, verb, subject, why, .. } = record;
    write!(out, "{index:>6}  {}  {verb:<11}  {subject}", time(record.time_ms))?;
    if let Some(library) = &record.library {
        write!(out, "  in {}", short(library))?;
    }
    match &record.actor {
        AuditActor::Node => {}
        AuditActor::Peer { node, .. } => write!(out, "  by node {}", short(node))?,
        AuditActor::Role { key, role } => write!(out, "  by {role} {}", short(key))?,
        AuditActor::Nobody => write!(out, "  by an unknown peer")?,
    }
    if record.count > 1 {
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let seconds = record.span_ms as f64 / 1000.0;
        write!(out, "  {} in {}", counted(u64::from(record.count), "time"), span(seconds))?;
    }
    match record.ending.as_str() {
        "ok" => writeln!(out),
        ending if why.is_empty() => writeln!(out, "  {ending}"),
        ending => writeln!(out, "  {ending}: {why}"),
    }
}

pub(super) fn listed(out: &mut impl Write, listed: &Audited) -> io::Result<()> {
    writeln!(out, "{} in the log, the last one {}", counted(listed.count, "record"), short(&listed.head))
}

pub(super) fn exported(out: &mut impl Write, exported: &Audited) -> io::Result<()> {
    let file = exported.file.as_deref().unwrap_or("standard output");
    writeln!(out, "exported {} to {file}, the last one {}", counted(exported.count, "record"), exported.head)
}

pub(super) fn checkpoint(out: &mut impl Write, shown: &CheckpointShown) -> io::Result<()> {
    writeln!(
        out,
        "{} in the log of node {} at {} UTC, by key {}; written to {}",
        counted(shown.count, "record"),
        short(&shown.node),
        time(shown.time_ms),
        short(&shown.key),
        shown.file
    )
}

pub(super) fn verified(out: &mut impl Write, verified: &AuditVerified) -> io::Result<()> {
    let AuditVerified { count, proved, by, at, why, torn_bytes, gaps, .. } = verified;
    for AuditGap { from, to, checkpoint_node, checkpoint_key } in gaps {
        writeln!(
            out,
            "GAP: {} from record {from} on are missing; record {to} continues from a checkpoint of node {}, signed by key \
             {checkpoint_key}",
            counted(to - from, "record"),
            short(checkpoint_node),
        )?;
    }
    if let Some(at) = at {
        writeln!(out, "ALTERED: {why}")?;
        return writeln!(
            out,
            "found at record {at}; proved unchanged: the first {}",
            counted(*proved, "record")
        );
    }
    let whose = if by == "file" { "the given checkpoint" } else { "this home's own checkpoint" };
    if let (Some(node), Some(key)) = (&verified.checkpoint_node, &verified.checkpoint_key) {
        writeln!(out, "the given checkpoint is of node {}, signed by key {key}", short(node))?;
    }
    if *proved > 0 {
        writeln!(out, "proved unchanged: {}, by {whose}", counted(*proved, "record"))?;
    }
    if *proved < *count {
        writeln!(
            out,
            "unproved from record {proved} on: {} in a valid chain, which may have been cut off or written anew",
            counted(count - proved, "record"),
        )?;
    }
    if *torn_bytes > 0 {
        writeln!(out, "{torn_bytes} bytes at the end are incomplete; the next start cuts them off")?;
    }
    if by != "file" {
        writeln!(
            out,
            "the holder of this home could have written all of the log anew: for a stronger proof, take a checkpoint from a \
             peer (`chuan audit checkpoint`) and give it with --checkpoint"
        )?;
    }
    Ok(())
}
