//! The answers about keys, roots and statements, as text.

use std::io::{self, Write};

use chuan_api::{
    human::{bytes, count, counted, time},
    outcome::{
        ALL_CLASSES, Carried, Fingerprints, KeyShown, MemberChanged, MemberList, MemberRow, Offered,
        ProposalShown, RoleShown, RootShown, TallyShown,
    },
};

use super::{acts, short, write_table};
use crate::{flags::theirs, table::Table};

pub(super) fn key(out: &mut impl Write, shown: &KeyShown) -> io::Result<()> {
    writeln!(out, "{}", shown.key)?;
    writeln!(out, "fingerprint  {}", shown.fingerprint)?;
    let passphrase = if shown.encrypted { "with a passphrase" } else { "WITHOUT a passphrase" };
    writeln!(out, "secret half  {} ({passphrase})", shown.file)
}

/// A file of roots: the current root, then the proposed one.
pub(super) fn root(out: &mut impl Write, shown: &RootShown) -> io::Result<()> {
    writeln!(out, "library      {} {}", shown.library_name, shown.library)?;
    writeln!(out, "             {}", shown.library_fingerprint)?;
    match &shown.fingerprint {
        Some(fingerprint) => {
            writeln!(out, "now          version {}: {fingerprint}", shown.version)?;
            roles(out, &shown.roles, shown.expires_ms)?;
        }
        None => writeln!(out, "now          no root is signed yet")?,
    }
    writeln!(out)?;
    match &shown.proposal {
        Some(proposed) => proposal(out, proposed)?,
        None => writeln!(out, "proposed     nothing")?,
    }
    shown.notes.iter().try_for_each(|note| writeln!(out, "{note}"))
}

fn roles(out: &mut impl Write, roles: &[RoleShown], expires_ms: i64) -> io::Result<()> {
    roles.iter().try_for_each(|held| role(out, held))?;
    match expires_ms {
        0 => Ok(()),
        ms => writeln!(out, "renew by     {} UTC; an overdue root stays valid", time(ms)),
    }
}

fn role(out: &mut impl Write, held: &RoleShown) -> io::Result<()> {
    let scope = if held.classes == [ALL_CLASSES] {
        String::new()
    } else {
        format!(" of {}", held.classes.join(", "))
    };
    let keys: Vec<_> = held.keys.iter().map(|key| short(key)).collect();
    writeln!(out, "{:<12} {} of {}{scope}: {}", held.role, held.threshold, keys.len(), keys.join(" "))
}

fn proposal(out: &mut impl Write, proposed: &ProposalShown) -> io::Result<()> {
    writeln!(out, "proposed     version {}: {}", proposed.version, proposed.fingerprint)?;
    roles(out, &proposed.roles, proposed.expires_ms)?;
    proposed.changes.iter().try_for_each(|change| writeln!(out, "             - {change}"))?;
    let of = |tally: &TallyShown| format!("{} of {} needed", tally.have, tally.need);
    let old = proposed.under_old.as_ref().map(|old| format!("{} by keys of the current root, ", of(old)));
    writeln!(
        out,
        "signatures   {}{} by keys of this root",
        old.unwrap_or_default(),
        of(&proposed.under_new)
    )?;
    if proposed.complete {
        return writeln!(out, "complete: it takes effect when it is applied to a home");
    }
    let keys: Vec<_> = proposed.waiting_for.iter().map(|key| short(key)).collect();
    writeln!(out, "waiting for  {}", keys.join(" "))
}

pub(super) fn fingerprints(out: &mut impl Write, shown: &Fingerprints) -> io::Result<()> {
    writeln!(out, "library      {}", shown.library)?;
    if let Some(root) = &shown.root {
        writeln!(out, "root         {root} (version {})", shown.version)?;
    }
    match &shown.proposed {
        Some(proposed) => writeln!(out, "proposed     {proposed} (version {})", shown.version + 1),
        None => Ok(()),
    }
}

pub(super) fn carried(out: &mut impl Write, carried: &Carried) -> io::Result<()> {
    let (number, size) = (counted(carried.statements, "statement"), bytes(carried.bytes));
    writeln!(out, "wrote {number} of library {}, {size}, to {}", short(&carried.library), carried.file)
}

pub(super) fn offered(out: &mut impl Write, offered: &Offered) -> io::Result<()> {
    for row in offered.statements.iter().filter(|row| !row.counts()) {
        writeln!(out, "{} {} {}: {}", row.result, row.kind, short(&row.statement), row.reason)?;
    }
    let new = offered.statements.iter().filter(|row| row.result == "new").count() as u64;
    let known = offered.statements.iter().filter(|row| row.result == "known").count() as u64;
    writeln!(out, "{} new, {} known already", counted(new, "statement"), count(known))
}

pub(super) fn members(out: &mut impl Write, list: &MemberList) -> io::Result<()> {
    let mut table =
        Table::new(&["NODE", "NAME", "STATE", "ROLE", "REGION", "VERBS", "CLASSES", "UNTIL (UTC)", "BY"]);
    for row in &list.members {
        table.row([
            short(&row.node),
            row.name.clone(),
            row.state.clone(),
            row.role.clone(),
            row.region.clone(),
            row.verbs.clone(),
            classes(row),
            if row.expires_ms == 0 { String::new() } else { time(row.expires_ms) },
            row.by.clone(),
        ]);
    }
    write_table(out, &table)?;
    for row in &list.members {
        let Some(at) = row.revoked_ms else { continue };
        let why = if row.reason.is_empty() { "no reason given".into() } else { theirs(&row.reason) };
        writeln!(out, "{} {} was revoked on {} UTC: {why}", short(&row.node), row.name, time(at))?;
    }
    Ok(())
}

pub(super) fn member(out: &mut impl Write, changed: &MemberChanged) -> io::Result<()> {
    let row = &changed.row;
    let node = short(&row.node);
    if row.state != "member" {
        writeln!(out, "{node} is {} now", row.state)?;
    } else {
        writeln!(out, "{node} {}", rights(row))?;
    }
    if let Some(before) = &changed.before {
        writeln!(out, "before: {}", rights(before))?;
    }
    let others: Vec<_> = changed.taken.iter().filter(|taken| taken.node != row.node).cloned().collect();
    acts::taken(out, &others, "")
}

fn rights(row: &MemberRow) -> String {
    let region = if row.region.is_empty() { String::new() } else { format!(" in region {}", row.region) };
    let (name, role, verbs) = (&row.name, &row.role, &row.verbs);
    let article = if role.starts_with(['o', 'e']) { "an" } else { "a" };
    format!("{name} is {article} {role}{region} that may {verbs} in {}", classes(row))
}

fn classes(row: &MemberRow) -> String {
    match (row.verbs.as_str(), row.classes.as_slice()) {
        ("", _) => String::new(),
        (_, [all]) if all == ALL_CLASSES => "all".to_owned(),
        (_, classes) => classes.join(","),
    }
}
