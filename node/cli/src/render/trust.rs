//! The answers about keys, roots and statements, as text.

use std::io::{self, Write};

use chuan_api::{
    human::{bytes, count, time},
    outcome::{
        ALL_CLASSES, Carried, Fingerprints, KeyShown, MemberChanged, MemberList, MemberRow, Offered,
        ProposalShown, RoleShown, RootShown, TallyShown,
    },
};

use super::{acts, counted, listed, short, together, translated, wide_field, word, write_table};
use crate::{
    flags::theirs,
    say,
    table::{Table, left},
    text,
};

pub(super) fn key(out: &mut impl Write, shown: &KeyShown) -> io::Result<()> {
    writeln!(out, "{}", shown.key)?;
    wide_field(out, &text!("label-fingerprint"), &shown.fingerprint)?;
    let secret = match shown.encrypted {
        true => text!("secret-encrypted", file = shown.file),
        false => text!("secret-plain", file = shown.file),
    };
    wide_field(out, &text!("label-secret"), &secret)
}

/// A file of roots: the current root, then the proposed one.
pub(super) fn root(out: &mut impl Write, shown: &RootShown) -> io::Result<()> {
    wide_field(out, &text!("label-library"), &format!("{} {}", shown.library_name, shown.library))?;
    wide_field(out, "", &shown.library_fingerprint)?;
    match &shown.fingerprint {
        Some(fingerprint) => {
            let root = text!("root-version", version = shown.version, fingerprint = fingerprint);
            wide_field(out, &text!("label-now"), &root)?;
            roles(out, &shown.roles, shown.expires_ms)?;
        }
        None => wide_field(out, &text!("label-now"), &text!("root-none"))?,
    }
    writeln!(out)?;
    match &shown.proposal {
        Some(proposed) => proposal(out, proposed)?,
        None => wide_field(out, &text!("label-proposed"), &text!("proposed-nothing"))?,
    }
    shown.notes.iter().try_for_each(|note| writeln!(out, "{}", translated(note)))
}

fn roles(out: &mut impl Write, roles: &[RoleShown], expires_ms: i64) -> io::Result<()> {
    roles.iter().try_for_each(|held| role(out, held))?;
    match expires_ms {
        0 => Ok(()),
        ms => wide_field(out, &text!("label-renew-by"), &text!("renew-by", time = time(ms))),
    }
}

fn role(out: &mut impl Write, held: &RoleShown) -> io::Result<()> {
    let keys: Vec<_> = held.keys.iter().map(|key| short(key)).collect();
    let count = format!("{} of {}", held.threshold, keys.len());
    let (count, keys) = (translated(&count), keys.join(" "));
    let text = match held.classes == [ALL_CLASSES] {
        true => text!("role", count = count, keys = keys),
        false => text!("role-of", count = count, classes = listed(&held.classes), keys = keys),
    };
    wide_field(out, &held.role, &text)
}

fn proposal(out: &mut impl Write, proposed: &ProposalShown) -> io::Result<()> {
    let root = text!("root-version", version = proposed.version, fingerprint = proposed.fingerprint);
    wide_field(out, &text!("label-proposed"), &root)?;
    roles(out, &proposed.roles, proposed.expires_ms)?;
    proposed
        .changes
        .iter()
        .try_for_each(|change| wide_field(out, "", &format!("- {}", translated(change))))?;
    let of = |tally: &TallyShown| text!("tally", have = tally.have, need = tally.need);
    let new = of(&proposed.under_new);
    let signatures = match &proposed.under_old {
        Some(old) => text!("signatures-of-both", old = of(old), new = new),
        None => text!("signatures-of-one", new = new),
    };
    wide_field(out, &text!("label-signatures"), &signatures)?;
    if proposed.complete {
        return say!(out, "root-complete");
    }
    let keys: Vec<_> = proposed.waiting_for.iter().map(|key| short(key)).collect();
    wide_field(out, &text!("label-waiting-for"), &keys.join(" "))
}

pub(super) fn fingerprints(out: &mut impl Write, shown: &Fingerprints) -> io::Result<()> {
    wide_field(out, &text!("label-library"), &shown.library)?;
    let versioned = |fingerprint: &String, version| {
        text!("fingerprint-of-version", fingerprint = fingerprint, version = version)
    };
    if let Some(root) = &shown.root {
        wide_field(out, &text!("label-root"), &versioned(root, shown.version))?;
    }
    match &shown.proposed {
        Some(proposed) => wide_field(out, &text!("label-proposed"), &versioned(proposed, shown.version + 1)),
        None => Ok(()),
    }
}

pub(super) fn carried(out: &mut impl Write, carried: &Carried) -> io::Result<()> {
    let (number, size) = (counted(carried.statements, "statement"), bytes(carried.bytes));
    let library = short(&carried.library);
    say!(out, "carried", statements = number, library = library, size = size, file = carried.file)
}

pub(super) fn offered(out: &mut impl Write, offered: &Offered) -> io::Result<()> {
    for row in offered.statements.iter().filter(|row| !row.counts()) {
        say!(
            out,
            "offered-row",
            result = word(&row.result),
            kind = word(&row.kind),
            statement = short(&row.statement),
            why = translated(&row.reason)
        )?;
    }
    let new = offered.statements.iter().filter(|row| row.result == "new").count() as u64;
    let known = offered.statements.iter().filter(|row| row.result == "known").count() as u64;
    say!(out, "offered", new = counted(new, "statement"), known = count(known))
}

pub(super) fn members(out: &mut impl Write, list: &MemberList) -> io::Result<()> {
    let mut table = Table::new(&[
        left(text!("col-node")),
        left(text!("col-name")),
        left(text!("col-state")),
        left(text!("col-role")),
        left(text!("col-region")),
        left(text!("col-verbs")),
        left(text!("col-classes")),
        left(text!("col-until")),
        left(text!("col-by")),
    ]);
    for row in &list.members {
        table.row([
            short(&row.node),
            row.name.clone(),
            word(&row.state),
            row.role.clone(),
            row.region.clone(),
            together(&row.verbs.split(',').collect::<Vec<_>>()),
            classes(row),
            if row.expires_ms == 0 { String::new() } else { time(row.expires_ms) },
            word(&row.by),
        ]);
    }
    write_table(out, &table)?;
    for row in &list.members {
        if row.state == "lapsed" {
            let why = translated(&row.reason);
            say!(out, "has-lapsed", node = short(&row.node), name = row.name, why = why)?;
        }
        let Some(at) = row.revoked_ms else { continue };
        let why = if row.reason.is_empty() { text!("no-reason") } else { theirs(&row.reason).into_owned() };
        say!(out, "was-revoked", node = short(&row.node), name = row.name, time = time(at), why = why)?;
    }
    Ok(())
}

pub(super) fn member(out: &mut impl Write, changed: &MemberChanged) -> io::Result<()> {
    let row = &changed.row;
    let node = short(&row.node);
    if row.state != "member" {
        say!(out, "member-state", node = node, state = word(&row.state))?;
    } else {
        writeln!(out, "{node} {}", rights(row))?;
    }
    if let Some(before) = &changed.before {
        say!(out, "member-before", rights = rights(before))?;
    }
    let others: Vec<_> = changed.taken.iter().filter(|taken| taken.node != row.node).cloned().collect();
    acts::taken(out, &others, false)
}

/// The role of a node in a sentence.
fn node_role(role: &str) -> String {
    match role {
        "origin" => text!("role-origin"),
        "mirror" => text!("role-mirror"),
        "edge" => text!("role-edge"),
        other => other.to_owned(),
    }
}

fn rights(row: &MemberRow) -> String {
    let every = row.classes == [ALL_CLASSES];
    let classes = |row| if every { text!("classes-every") } else { classes(row) };
    let (name, role, region) = (&row.name, node_role(&row.role), &row.region);
    let verbs = together(&row.verbs.split(',').collect::<Vec<_>>());
    match region.is_empty() {
        true => text!("rights", name = name, role = role, verbs = verbs, classes = classes(row)),
        false => {
            let classes = classes(row);
            text!("rights-in", name = name, role = role, region = region, verbs = verbs, classes = classes)
        }
    }
}

fn classes(row: &MemberRow) -> String {
    match (row.verbs.as_str(), row.classes.as_slice()) {
        ("", _) => String::new(),
        (_, [all]) if all == ALL_CLASSES => text!("classes-all"),
        (_, classes) => together(classes),
    }
}
