//! The answers about policies and request files, as text.

use std::io::{self, Write};

use chuan_api::{
    human::{count, counted, time},
    outcome::{NodeTaken, PolicyShown, Preview, RequestShown},
};

use super::short;
use crate::flags::theirs;

/// The losses of an act, which was not signed.
pub(super) fn preview(out: &mut impl Write, shown: &Preview) -> io::Result<()> {
    writeln!(out, "{}: nothing was signed; the act:", shown.library_name)?;
    shown.says.iter().try_for_each(|line| writeln!(out, "- {}", theirs(line)))?;
    taken(out, &shown.nodes, "would")?;
    for channel in &shown.channels {
        let (name, before, lost) =
            (&channel.name, channel.sequence_before, counted(channel.releases, "release"));
        match channel.sequence_after {
            Some(after) => {
                writeln!(out, "! channel {name} moves back from {before} to {after}: {lost} less")?
            }
            None => writeln!(out, "! channel {name} has no release any more; it points to {before} now")?,
        }
    }
    if shown.this_node {
        writeln!(out, "! the node of this home loses its membership")?;
    }
    if shown.nodes.is_empty() && shown.channels.is_empty() {
        writeln!(out, "it takes nothing away")?;
    }
    match &shown.refused {
        Some(why) => writeln!(out, "! refused as it is: {}", why),
        None if shown.confirm => writeln!(out, "`--yes` confirms it"),
        None => Ok(()),
    }
}

/// Nodes that lose rights.
pub(super) fn taken(out: &mut impl Write, nodes: &[NodeTaken], how: &str) -> io::Result<()> {
    nodes.iter().try_for_each(|taken| {
        let NodeTaken { node, name, before, after, .. } = taken;
        let verb = if how.is_empty() { "loses".to_owned() } else { format!("{how} lose") };
        match taken.loses.as_str() {
            "membership" => writeln!(out, "! {name} {node} {verb} its membership; before: {before}"),
            _ => writeln!(out, "! {name} {node} {verb} rights: {after}; before: {before}"),
        }
    })
}

pub(super) fn request(out: &mut impl Write, shown: &RequestShown) -> io::Result<()> {
    writeln!(out, "library      {} {}", shown.library_name, shown.library)?;
    writeln!(out, "             {}", shown.library_fingerprint)?;
    writeln!(out, "requests     {}, sequence {}:", shown.kind, shown.sequence)?;
    shown.says.iter().try_for_each(|line| writeln!(out, "             - {}", theirs(line)))?;
    writeln!(out, "fingerprint  {}", shown.fingerprint)?;
    writeln!(out, "made         {} UTC, valid until {}", time(shown.time_ms), time(shown.expires_ms))?;
    let tally = &shown.signatures;
    let keys = counted(tally.of, "key");
    writeln!(out, "signatures   {} of {} needed, {keys} may sign", tally.have, tally.need)?;
    let keys = |keys: &[String]| keys.iter().map(|key| short(key)).collect::<Vec<_>>().join(" ");
    if !shown.signed_by.is_empty() {
        writeln!(out, "signed by    {}", keys(&shown.signed_by))?;
    }
    if shown.applied {
        writeln!(out, "applied: it is effective in this home, which passes it on to peers")?;
    } else if shown.complete {
        writeln!(
            out,
            "complete: `chuan sign {} --apply` applies it, in any home of the library",
            shown.file
        )?;
    } else {
        writeln!(out, "waiting for  {}: `chuan sign {}`", keys(&shown.waiting_for), shown.file)?;
    }
    shown.notes.iter().try_for_each(|note| writeln!(out, "{note}"))?;
    super::private_addresses(out, shown.addresses_private == Some(true))?;
    match &shown.ticket {
        Some(ticket) => writeln!(out, "the ticket is valid once the request is applied:\n{ticket}"),
        None => Ok(()),
    }
}

pub(super) fn policy(out: &mut impl Write, shown: &PolicyShown) -> io::Result<()> {
    if shown.set {
        writeln!(out, "the policy of {} is set, sequence {}:", shown.library_name, shown.sequence)?;
    } else if !shown.changes.is_empty() {
        writeln!(out, "{}: nothing was set; changes that the file makes:", shown.library_name)?;
    }
    if !shown.changes.is_empty() {
        shown.changes.iter().try_for_each(|line| writeln!(out, "- {line}"))?;
        if !shown.takes.is_empty() {
            writeln!(out, "! less is kept, copied or served of: {}", shown.takes.join(", "))?;
        }
        return left(out, shown);
    }
    match &shown.statement {
        Some(_) => {
            let signers: Vec<_> = shown.signers.iter().map(|key| short(key)).collect();
            let (sequence, made) = (shown.sequence, time(shown.time_ms));
            writeln!(out, "sequence {sequence} of {made} UTC, signed by {}", signers.join(" "))?;
        }
        None if shown.classes.is_empty() && shown.findings.is_empty() && shown.excludes.is_empty() => {
            writeln!(out, "{} has no policy: every class keeps everything", shown.library_name)?;
        }
        None => {}
    }
    writeln!(out, "known junk is {}", if shown.junk { "left out" } else { "published" })?;
    if !shown.excludes.is_empty() {
        writeln!(out, "left out by name: {}", shown.excludes.join(" "))?;
    }
    for row in &shown.classes {
        let name = row.name.clone().unwrap_or_else(|| format!("in slot {}", row.slot));
        writeln!(out, "class {name}: {}", row.says.join("; "))?;
    }
    if shown.unknown > 0 {
        writeln!(out, "{} fields are of a newer chuan", count(shown.unknown))?;
    }
    shown.findings.iter().try_for_each(|found| writeln!(out, "{}: {}", found.level, found.text))?;
    left(out, shown)
}

fn left(out: &mut impl Write, shown: &PolicyShown) -> io::Result<()> {
    if shown.left.is_empty() {
        return Ok(());
    }
    writeln!(out, "for `chuan publish --policy`, which a publisher signs: {}", shown.left.join(", "))
}
