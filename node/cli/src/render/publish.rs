//! The answer of `publish` as text.

use std::io::{self, Write};

use chuan_api::{
    human::{bytes, count, counted, span},
    outcome::{GapRow, Published},
};

use super::{classes, home, short};

/// Most items of a list that are named.
const NAMED: usize = 20;

/// Writes the release, or the preview of a dry run, and the items that were not taken.
pub(super) fn published(out: &mut impl Write, published: &Published) -> io::Result<()> {
    if published.dry_run {
        preview(out, published)?;
    } else {
        release(out, published)?;
        writeln!(
            out,
            "{}, {}: read {} in {}, skipped {} unchanged; new: {}, {}",
            counted(published.files, "file"),
            bytes(published.bytes_total),
            bytes(published.bytes_read),
            span(published.seconds),
            bytes(published.bytes_skipped),
            counted(published.chunks_new, "chunk"),
            bytes(published.chunk_bytes_new),
        )?;
        classes::several(out, &published.classes)?;
    }
    not_taken(out, published)
}

fn release(out: &mut impl Write, published: &Published) -> io::Result<()> {
    let Published { library_name: name, sequence, .. } = published;
    if published.founded {
        writeln!(
            out,
            "founded library {name} ({}); its keys are in this home, root 1 of 1",
            published.library
        )?;
        published.home.iter().try_for_each(|root| home::founded(out, root))?;
    }
    if published.side && published.changed {
        writeln!(out, "published, live did not move: {name}@{sequence} {}", published.release)?;
        let (follows, switch) = match published.live_follows {
            true => (format!("publisher {}", short(&published.live_publisher)), " --publisher KEY"),
            false => ("no publisher".to_owned(), ""),
        };
        return writeln!(
            out,
            "live follows {follows}; `chuan channel set {name} live {sequence}{switch}` switches to it"
        );
    }
    if published.changed {
        return writeln!(out, "published {name}@{sequence} {}", published.release);
    }
    let is = if published.side { "is not on live" } else { "is current" };
    writeln!(out, "nothing changed: {name}@{sequence} {} {is}", published.release)
}

fn preview(out: &mut impl Write, published: &Published) -> io::Result<()> {
    let Published { library_name: name, sequence, .. } = published;
    if published.founded {
        writeln!(out, "dry run: would found library {name}")?;
    } else if !published.changed {
        writeln!(
            out,
            "dry run: no file is new, changed or gone since {name}@{sequence}; folders, links and modes are not compared"
        )?;
    } else {
        writeln!(out, "dry run: would publish a release after {name}@{sequence}")?;
    }
    let row = |word, files, size| format!("{word}: {}, {}", counted(files, "file"), bytes(size));
    writeln!(
        out,
        "{}; {}; {}; {}",
        row("new", published.files_new, published.bytes_new),
        row("changed", published.files_changed, published.bytes_changed),
        row("gone", published.files_gone, published.bytes_gone),
        row("in all", published.files, published.bytes_total),
    )
}

/// The items that differ between the release and the source. Notes have named the skipped items already.
fn not_taken(out: &mut impl Write, published: &Published) -> io::Result<()> {
    if published.excluded_total > 0 {
        writeln!(out, "excluded by patterns: {}", counted(published.excluded_total, "item"))?;
        if published.dry_run {
            let named = &published.excluded;
            named
                .iter()
                .take(NAMED)
                .try_for_each(|item| writeln!(out, "  {} ({})", item.path.escape_debug(), item.reason))?;
            more(out, named.len(), published.excluded_total)?;
        }
    }
    if published.skipped_total > 0 {
        writeln!(out, "left out: {}", counted(published.skipped_total, "item"))?;
    }
    if published.xattrs_left_total > 0 {
        writeln!(
            out,
            "extended attributes of {} are left out; --xattrs takes those of the namespace `user`, up to 1 KiB a file",
            counted(published.xattrs_left_total, "file")
        )?;
    }
    if published.unsettled_total > 0 {
        let being_written = counted(published.unsettled_total, "file");
        writeln!(out, "changed while they were read, and not taken as they are now: {being_written}")?;
        rows(out, &published.unsettled, published.unsettled_total)?;
    }
    if published.gaps_total > 0 {
        let word = if published.dry_run { "would have" } else { "has" };
        writeln!(
            out,
            "the release {word} gaps: {} could not be taken",
            counted(published.gaps_total, "item")
        )?;
        rows(out, &published.gaps, published.gaps_total)?;
    }
    Ok(())
}

fn rows(out: &mut impl Write, rows: &[GapRow], total: u64) -> io::Result<()> {
    for row in rows.iter().take(NAMED) {
        let stands = match row.stands.as_str() {
            "previous" => "stays as it was published",
            _ => "is not in the release",
        };
        writeln!(out, "  {} ({}): {stands}", row.path.escape_debug(), row.reason)?;
    }
    more(out, rows.len(), total)
}

fn more(out: &mut impl Write, listed: usize, total: u64) -> io::Result<()> {
    let named = listed.min(NAMED) as u64;
    if total > named {
        writeln!(out, "  and {} more; --json names up to 1,000", count(total - named))?;
    }
    Ok(())
}
