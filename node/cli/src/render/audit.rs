//! The audit log as text. Nothing in a record needs to be made fit for a terminal: its form allows no control characters.

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
        AuditActor::Nobody => write!(out, "  by nobody known")?,
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
            "GAP: {} from record {from} on are not here; record {to} goes on from a checkpoint of node {}, signed by key \
             {checkpoint_key}",
            counted(to - from, "record"),
            short(checkpoint_node),
        )?;
    }
    if let Some(at) = at {
        writeln!(out, "ALTERED: {why}")?;
        return writeln!(
            out,
            "it shows at record {at}; the first {} are as they were written",
            counted(*proved, "record")
        );
    }
    let whose = if by == "file" { "the checkpoint given" } else { "this home's own checkpoint" };
    if let (Some(node), Some(key)) = (&verified.checkpoint_node, &verified.checkpoint_key) {
        writeln!(out, "the checkpoint given is of node {}, signed by key {key}", short(node))?;
    }
    if *proved > 0 {
        writeln!(out, "{} as they were written, by {whose}", counted(*proved, "record"))?;
    }
    if *proved < *count {
        writeln!(
            out,
            "unproved from record {proved} on: {} that hang together, and may have been cut off or written anew",
            counted(count - proved, "record"),
        )?;
    }
    if *torn_bytes > 0 {
        writeln!(out, "{torn_bytes} bytes at the end are torn; the next start cuts them off")?;
    }
    if by != "file" {
        writeln!(
            out,
            "whoever holds this home could have written all of it anew: \
             a peer's `chuan audit checkpoint` and --checkpoint here prove more"
        )?;
    }
    Ok(())
}
