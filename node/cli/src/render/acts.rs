//! The answers about policies and request files, as text.

use std::io::{self, Write};

use chuan_api::{
    human::{count, ranges, time},
    outcome::{NodeTaken, PolicyShown, Preview, RequestShown},
};

use super::{counted, listed, short, translated, wide_field, word};
use crate::{flags::theirs, say, text};

/// The losses of an act, which was not signed.
pub(super) fn preview(out: &mut impl Write, shown: &Preview) -> io::Result<()> {
    say!(out, "preview", library = shown.library_name)?;
    shown.says.iter().try_for_each(|line| writeln!(out, "- {}", theirs(&translated(line))))?;
    taken(out, &shown.nodes, true)?;
    for channel in &shown.channels {
        let (name, before) = (&channel.name, channel.sequence_before);
        match channel.sequence_after {
            Some(after) => {
                let left = leaves(&channel.leaves, channel.releases, after);
                say!(out, "preview-leaves", channel = name, before = before, after = after, left = left)?;
            }
            None => say!(out, "preview-no-release", channel = name, before = before)?,
        }
    }
    if shown.this_node {
        say!(out, "preview-this-node")?;
    }
    if shown.nodes.is_empty() && shown.channels.is_empty() {
        say!(out, "preview-nothing")?;
    }
    match &shown.refused {
        Some(why) => say!(out, "preview-refused", why = translated(why)),
        None if shown.confirm => say!(out, "preview-confirm"),
        None => Ok(()),
    }
}

/// The releases that a channel leaves by a move.
pub(super) fn leaves(leaves: &[u64], total: u64, after: u64) -> String {
    let releases = ranges(leaves, total);
    match total {
        1 => text!("leaves-one", release = releases, after = after),
        _ => text!("leaves", releases = releases, after = after),
    }
}

/// Nodes that lose rights, or would lose them.
pub(super) fn taken(out: &mut impl Write, nodes: &[NodeTaken], is_preview: bool) -> io::Result<()> {
    nodes.iter().try_for_each(|taken| {
        let NodeTaken { node, name, .. } = taken;
        let (before, after) = (translated(&taken.before), translated(&taken.after));
        match (taken.loses.as_str(), is_preview) {
            ("membership", true) => say!(out, "would-lose-all", name = name, node = node, before = before),
            ("membership", false) => say!(out, "loses-all", name = name, node = node, before = before),
            (_, true) => say!(out, "would-lose", name = name, node = node, after = after, before = before),
            (_, false) => say!(out, "loses", name = name, node = node, after = after, before = before),
        }
    })
}

pub(super) fn request(out: &mut impl Write, shown: &RequestShown) -> io::Result<()> {
    wide_field(out, &text!("label-library"), &format!("{} {}", shown.library_name, shown.library))?;
    wide_field(out, "", &shown.library_fingerprint)?;
    let requests = text!("requests", kind = word(&shown.kind), sequence = shown.sequence);
    wide_field(out, &text!("label-requests"), &requests)?;
    shown
        .says
        .iter()
        .try_for_each(|line| wide_field(out, "", &format!("- {}", theirs(&translated(line)))))?;
    wide_field(out, &text!("label-fingerprint"), &shown.fingerprint)?;
    let made = text!("made", time = time(shown.time_ms), until = time(shown.expires_ms));
    wide_field(out, &text!("label-made"), &made)?;
    let tally = &shown.signatures;
    let keys = counted(tally.of, "key");
    let signatures = text!("signatures", have = tally.have, need = tally.need, keys = keys);
    wide_field(out, &text!("label-signatures"), &signatures)?;
    let keys = |keys: &[String]| keys.iter().map(|key| short(key)).collect::<Vec<_>>().join(" ");
    if !shown.signed_by.is_empty() {
        wide_field(out, &text!("label-signed-by"), &keys(&shown.signed_by))?;
    }
    if shown.applied {
        say!(out, "request-applied")?;
    } else if shown.complete {
        say!(out, "request-complete", file = shown.file)?;
    } else {
        let waiting = text!("request-waiting", keys = keys(&shown.waiting_for), file = shown.file);
        wide_field(out, &text!("label-waiting-for"), &waiting)?;
    }
    shown.notes.iter().try_for_each(|note| writeln!(out, "{}", translated(note)))?;
    super::private_addresses(out, shown.addresses_private == Some(true))?;
    match &shown.ticket {
        Some(ticket) => {
            say!(out, "request-ticket")?;
            writeln!(out, "{ticket}")
        }
        None => Ok(()),
    }
}

pub(super) fn policy(out: &mut impl Write, shown: &PolicyShown) -> io::Result<()> {
    if shown.set {
        say!(out, "policy-set", library = shown.library_name, sequence = shown.sequence)?;
    } else if !shown.changes.is_empty() {
        say!(out, "policy-changes", library = shown.library_name)?;
    }
    if !shown.changes.is_empty() {
        shown.changes.iter().try_for_each(|line| writeln!(out, "- {}", translated(line)))?;
        if !shown.takes.is_empty() {
            say!(out, "policy-takes", classes = listed(&shown.takes))?;
        }
        return left(out, shown);
    }
    match &shown.statement {
        Some(_) => {
            let signers: Vec<_> = shown.signers.iter().map(|key| short(key)).collect();
            let (sequence, made) = (shown.sequence, time(shown.time_ms));
            say!(out, "policy-signed", sequence = sequence, time = made, signers = signers.join(" "))?;
        }
        None if shown.classes.is_empty() && shown.findings.is_empty() && shown.excludes.is_empty() => {
            say!(out, "policy-none", library = shown.library_name)?;
        }
        None => {}
    }
    if shown.junk {
        say!(out, "junk-left-out")?
    } else {
        say!(out, "junk-published")?
    }
    if !shown.excludes.is_empty() {
        say!(out, "policy-excludes", patterns = shown.excludes.join(" "))?;
    }
    for row in &shown.classes {
        let name = row.name.clone().unwrap_or_else(|| text!("in-slot", slot = row.slot));
        let says: Vec<_> = row.says.iter().map(|says| translated(says)).collect();
        say!(out, "policy-class", class = name, says = says.join(&text!("joint")))?;
    }
    if shown.unknown > 0 {
        say!(out, "policy-unknown", number = count(shown.unknown))?;
    }
    for found in &shown.findings {
        say!(out, "finding", level = word(&found.level), text = translated(&found.text))?;
    }
    left(out, shown)
}

fn left(out: &mut impl Write, shown: &PolicyShown) -> io::Result<()> {
    if shown.left.is_empty() {
        return Ok(());
    }
    let left: Vec<_> = shown.left.iter().map(|setting| translated(setting)).collect();
    say!(out, "policy-left", settings = listed(&left))
}
