//! The answer of `publish` as text.

use std::io::{self, Write};

use chuan_api::{
    human::{bytes, count},
    outcome::{GapRow, Published},
};

use super::{classes, counted, home, lag, listed, short, span, translated, word};
use crate::{
    say,
    table::{Align, pad},
    text,
};

/// Most items of a list that are named.
const NAMED: usize = 20;

/// The columns of the word for a change.
const CHANGE: usize = 12;

/// From when on the time is shown in which a publish waited for peers.
const SLOW_SECONDS: f64 = 1.0;

/// Writes the release, or the preview of a dry run, and the items that were not taken.
pub(super) fn published(out: &mut impl Write, published: &Published) -> io::Result<()> {
    if published.dry_run {
        preview(out, published)?;
    } else {
        release(out, published)?;
        say!(
            out,
            "published-content",
            files = counted(published.files, "file"),
            size = bytes(published.bytes_total),
            read = bytes(published.bytes_read),
            time = span((published.seconds - published.asked_seconds).max(0.0)),
            skipped = bytes(published.bytes_skipped),
            chunks = counted(published.chunks_new, "chunk"),
            new = bytes(published.chunk_bytes_new)
        )?;
        if published.changed {
            differences(out, published)?;
        }
    }
    if published.asked_seconds >= SLOW_SECONDS {
        say!(out, "waited", time = span(published.asked_seconds))?;
    }
    if let (Some(path), Some(class)) = (&published.path, &published.class) {
        writeln!(out, "{} ({class})", path.escape_debug())?;
    }
    classes::several(out, &published.classes)?;
    changes(out, published)?;
    not_taken(out, published)
}

fn release(out: &mut impl Write, published: &Published) -> io::Result<()> {
    let Published { library_name: name, sequence, .. } = published;
    if published.founded {
        say!(out, "founded", name = name, library = published.library)?;
    }
    published.home.iter().try_for_each(|root| home::founded(out, root))?;
    if published.contradicted {
        say!(out, "published-aside", name = name, sequence = sequence, release = published.release)?;
        return lag::contradicted(out, name, "live", Some(&published.release));
    }
    if published.side && published.changed {
        say!(out, "published-aside", name = name, sequence = sequence, release = published.release)?;
        return why_beside(out, published);
    }
    let release = &published.release;
    match (published.changed, published.side) {
        (true, _) => {
            say!(out, "published", name = name, sequence = sequence, release = release)?;
            replaced(out, published, false)
        }
        (false, true) => {
            say!(out, "unchanged-aside", name = name, sequence = sequence, release = release)?;
            why_beside(out, published)
        }
        (false, false) => say!(out, "unchanged", name = name, sequence = sequence, release = release),
    }
}

/// Why `live` is not on a release, and the command that moves it there.
fn why_beside(out: &mut impl Write, published: &Published) -> io::Result<()> {
    let Published { library_name: name, sequence, live_sequence: live, .. } = published;
    if published.live_follows {
        let publisher = short(&published.live_publisher);
        return say!(out, "live-follows", publisher = publisher, name = name, sequence = sequence);
    }
    say!(out, "live-stays", name = name, sequence = sequence, live = live)
}

/// The move of `live` back that the release replaces, or would replace.
fn replaced(out: &mut impl Write, published: &Published, is_preview: bool) -> io::Result<()> {
    published.replaces.iter().try_for_each(|back| {
        let signers: Vec<_> = back.signers.iter().map(|key| short(key)).collect();
        let (by, signers) = (word(&back.by), listed(&signers));
        let sequence = back.sequence;
        match is_preview {
            true => say!(out, "would-replace", sequence = sequence, by = by, signers = signers),
            false => say!(out, "replaces", sequence = sequence, by = by, signers = signers),
        }
    })
}

fn preview(out: &mut impl Write, published: &Published) -> io::Result<()> {
    let Published { library_name: name, sequence, .. } = published;
    if published.founded {
        say!(out, "would-found", name = name)?;
        if !published.beside.is_empty() {
            say!(out, "would-found-beside", name = name, libraries = listed(&published.beside))?;
        }
    } else if !published.changed {
        say!(out, "would-change-nothing", name = name, sequence = sequence)?;
    } else if published.side {
        say!(out, "would-publish-aside", name = name, sequence = sequence)?;
        why_it_would_stay(out, published)?;
    } else {
        say!(out, "would-publish", name = name, sequence = sequence)?;
        replaced(out, published, true)?;
    }
    differences(out, published)
}

/// How the files differ from those of the release before.
fn differences(out: &mut impl Write, published: &Published) -> io::Result<()> {
    let files = |files, size| text!("class-content", files = counted(files, "file"), size = bytes(size));
    say!(
        out,
        "published-files",
        new = files(published.files_new, published.bytes_new),
        changed = files(published.files_changed, published.bytes_changed),
        gone = files(published.files_gone, published.bytes_gone),
        all = files(published.files, published.bytes_total)
    )
}

/// Why `live` would not move to the release of a dry run.
fn why_it_would_stay(out: &mut impl Write, published: &Published) -> io::Result<()> {
    if published.contradicted {
        return lag::contradicted(out, &published.library_name, "live", None);
    }
    match published.live_follows {
        true => say!(out, "live-would-follow", publisher = short(&published.live_publisher)),
        false => say!(out, "live-would-stay", live = published.live_sequence),
    }
}

/// The paths that a dry run would publish otherwise than the last release.
fn changes(out: &mut impl Write, published: &Published) -> io::Result<()> {
    for row in published.changes.iter().take(NAMED) {
        let size = match (row.bytes_old, row.bytes_new) {
            (Some(old), Some(new)) if old != new => format!("{} -> {}", bytes(old), bytes(new)),
            (old, new) => bytes(new.or(old).unwrap_or_default()),
        };
        let class = match &row.class_old {
            Some(old) => format!("{old} -> {}", row.class),
            None => row.class.clone(),
        };
        let (change, path) = (pad(&word(&row.change), CHANGE, Align::Left), row.path.escape_debug());
        writeln!(
            out,
            "  {}",
            text!("changed-path", change = change, path = path, class = class, size = size)
        )?;
    }
    more(out, published.changes.len(), published.changes_total)
}

/// The items that differ between the release and the source. Notes have named the skipped items already.
fn not_taken(out: &mut impl Write, published: &Published) -> io::Result<()> {
    if published.excluded_total > 0 {
        say!(out, "excluded", items = counted(published.excluded_total, "item"))?;
        if published.dry_run {
            let named = &published.excluded;
            named.iter().take(NAMED).try_for_each(|item| {
                let (path, why) = (item.path.escape_debug(), translated(&item.reason));
                writeln!(out, "  {}", text!("excluded-item", path = path, why = why))
            })?;
            more(out, named.len(), published.excluded_total)?;
        }
    }
    if published.skipped_total > 0 {
        say!(out, "left-out", items = counted(published.skipped_total, "item"))?;
    }
    if published.xattrs_left_total > 0 {
        say!(out, "xattrs-left-out", files = counted(published.xattrs_left_total, "file"))?;
    }
    if published.unsettled_total > 0 {
        say!(out, "unsettled", files = counted(published.unsettled_total, "file"))?;
        rows(out, &published.unsettled, published.unsettled_total)?;
    }
    if published.gaps_total > 0 {
        let items = counted(published.gaps_total, "item");
        match published.dry_run {
            true => say!(out, "would-have-gaps", items = items)?,
            false => say!(out, "has-gaps", items = items)?,
        }
        rows(out, &published.gaps, published.gaps_total)?;
    }
    Ok(())
}

fn rows(out: &mut impl Write, rows: &[GapRow], total: u64) -> io::Result<()> {
    for row in rows.iter().take(NAMED) {
        let (path, why) = (row.path.escape_debug(), translated(&row.reason));
        let line = match row.stands.as_str() {
            "previous" => text!("gap-stays", path = path, why = why),
            _ => text!("gap-absent", path = path, why = why),
        };
        writeln!(out, "  {line}")?;
    }
    more(out, rows.len(), total)
}

fn more(out: &mut impl Write, listed: usize, total: u64) -> io::Result<()> {
    let named = listed.min(NAMED) as u64;
    if total > named {
        writeln!(out, "  {}", text!("items-more", number = count(total - named)))?;
    }
    Ok(())
}
