//! Bytes on the wire for an edited film, beside the patch that zstd makes of the two whole files.
//!
//! A mirror has the original. The edited film is published over it, or beside it under a new path, and pulled
//! with `--packing smallest`. The bytes are those of all frames of the answer, without the handshake.

use std::{fmt, fs, path::Path, process::Command};

use anyhow::{Context, Result};
use chuan_benches::{
    film::{self, FilmEdit},
    process,
};
use chuan_tests::program::Home;

/// Bytes above the patch and a tenth that each new chunk may cost: its id and its length in a page.
const CHUNK_BYTES: u64 = 48;
/// Bytes above the patch and a tenth that an answer may cost: statements, table, header, index pages.
const ANSWER_BYTES: u64 = 2048;

/// Makes a film of about `bytes` and measures every edit of it.
pub(crate) fn run(work: &Path, bytes: u64) -> Result<Table> {
    let seconds = film::seconds(bytes);
    let original = work.join("original.mp4");
    eprintln!("making a film of {seconds} s");
    film::make(&original, seconds).context("make a film with ffmpeg")?;
    let mut table = Table { bytes: fs::metadata(&original)?.len(), rows: Vec::new() };
    for edit in FilmEdit::ALL {
        let edited = film::edit(&original, seconds, edit, work)?;
        let patch = patch(&original, &edited, &work.join("patch"))?;
        for is_beside in [false, true] {
            table.rows.push(row(&work.join("edit"), &original, edit, &edited, patch, is_beside)?);
        }
    }
    Ok(table)
}

/// The size of a patch.
fn patch(old: &Path, new: &Path, out: &Path) -> Result<u64> {
    let mut zstd = Command::new("zstd");
    zstd.args(["-q", "-f", "-1", "--long=31"]).arg(format!("--patch-from={}", old.display()));
    process::run(zstd.arg(new).arg("-o").arg(out)).context("make a patch with zstd")?;
    Ok(fs::metadata(out)?.len())
}

/// Publishes and pulls the original, then the edited film.
fn row(
    dir: &Path,
    original: &Path,
    edit: FilmEdit,
    edited: &Path,
    patch: u64,
    is_beside: bool,
) -> Result<Row> {
    let source = dir.join("source");
    fs::create_dir_all(&source)?;
    let film = source.join("film.mp4");
    fs::hard_link(original, &film)?;
    let origin = Home::init(dir.join("origin"), "origin", "origin")?;
    let mirror = Home::init(dir.join("mirror"), "mirror", "mirror")?;
    let publish = || process::run(origin.command(["-q", "publish", "--library", "films"]).arg(&source));
    publish()?;
    let server = origin.serve()?;
    mirror.run(["join", &origin.ticket("films")?])?;
    mirror.run(["-q", "pull", "films"])?;
    if is_beside {
        fs::hard_link(edited, source.join("edited.mp4"))?;
    } else {
        fs::remove_file(&film)?;
        fs::hard_link(edited, &film)?;
    }
    publish()?;
    let pulled = mirror.json(["pull", "films", "--packing", "smallest"])?;
    server.stop()?;
    fs::remove_dir_all(dir)?;
    let count = |key: &str| pulled.get(key).and_then(serde_json::Value::as_u64).context(key.to_owned());
    let row = Row {
        edit,
        is_beside,
        new_bytes: count("chunk_bytes_fetched")?,
        chunks: count("chunks_fetched")?,
        wire: count("frame_bytes_in")?,
        patch,
    };
    eprintln!("  {row}");
    Ok(row)
}

/// The bytes of all edits.
#[derive(Debug)]
pub(crate) struct Table {
    bytes: u64,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    edit: FilmEdit,
    /// Whether the edited film has a path of its own, and the original stays.
    is_beside: bool,
    new_bytes: u64,
    chunks: u64,
    wire: u64,
    patch: u64,
}

impl Row {
    /// The most bytes on the wire that reach the goal.
    const fn allowed(&self) -> u64 {
        self.patch + self.patch / 10 + CHUNK_BYTES * self.chunks + ANSWER_BYTES
    }

    /// Whether an edit costs too much. A remux is measured without a goal: the other container cuts every
    /// frame out of its surroundings.
    fn missed(&self) -> bool {
        self.edit != FilmEdit::Remux && self.wire > self.allowed()
    }
}

impl Table {
    pub(crate) fn missed(&self) -> bool {
        self.rows.iter().any(Row::missed)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nedits of a film of {} bytes, published over it or beside it\n", self.bytes)?;
        writeln!(
            f,
            "{:10} {:6} {:>11} {:>7} {:>11} {:>11} {:>7} {:>11}",
            "", "", "new bytes", "chunks", "on the wire", "patch", "ratio", "allowed"
        )?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { edit, new_bytes, chunks, wire, patch, .. } = self;
        let place = if self.is_beside { "beside" } else { "over" };
        let ratio = *wire as f64 / (*patch).max(1) as f64;
        let verdict = match (self.edit, self.missed()) {
            (FilmEdit::Remux, _) => "",
            (_, true) => "MISSED",
            (_, false) => "reached",
        };
        let edit = format!("{edit:?}");
        let allowed = self.allowed();
        write!(
            f,
            "{edit:10} {place:6} {new_bytes:11} {chunks:7} {wire:11} {patch:11} {ratio:7.2} {allowed:11}   {verdict}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_is_noticed_and_a_reached_one_is_not() {
        let row = |wire| Row {
            edit: FilmEdit::TrimStart,
            is_beside: false,
            new_bytes: 0,
            chunks: 2,
            wire,
            patch: 1000,
        };
        let table = |wire| Table { bytes: 1, rows: vec![row(wire)] };
        assert!(!table(1000 + 100 + 96 + 2048).missed());
        assert!(table(1000 + 100 + 96 + 2049).missed());
        assert!(table(5000).to_string().contains("MISSED"));
    }
}
