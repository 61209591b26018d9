//! The answer of `restore` as text.

use std::io::{self, Write};

use chuan_api::outcome::Restored;

use super::{bytes, channel, classes, count, counted, lag, short, span};

/// The restored items, the items that stay, and the failures.
pub(super) fn restored(out: &mut impl Write, restored: &Restored) -> io::Result<()> {
    let (done, wrote) = match restored.dry_run {
        true => ("would restore", "would write"),
        false => ("restored", "wrote"),
    };
    writeln!(out, "{done} {} to {}", short(&restored.release), restored.dest)?;
    channel::age(out, restored.channel.as_deref(), restored.fresh_age_seconds, restored.timekeepers)?;
    lag::line(out, restored.channel.as_deref(), restored.lag.as_ref())?;
    writeln!(
        out,
        "{}, {}: {wrote} {} ({}), left {} alone, reused {} in {}",
        counted(restored.files, "file"),
        bytes(restored.bytes_total),
        count(restored.files_written),
        bytes(restored.bytes_written),
        count(restored.files_unchanged),
        bytes(restored.bytes_reused),
        span(restored.seconds),
    )?;
    rest(out, restored)?;
    if restored.failures_total > 0 {
        writeln!(
            out,
            "! {} not restored; --json lists the paths and the reasons",
            counted(restored.failures_total, "path")
        )?;
    }
    classes::stale(out, &restored.classes_stale)?;
    classes::absent(out, restored.classes_absent)
}

/// Hard links, removed items, and items that stay.
fn rest(out: &mut impl Write, restored: &Restored) -> io::Result<()> {
    if restored.files_linked > 0 {
        writeln!(out, "{} of these are hard links to others", counted(restored.files_linked, "file"))?;
    }
    if restored.xattrs_left > 0 {
        let files = counted(restored.xattrs_left, "file");
        writeln!(out, "extended attributes of {files} are not restored; --xattrs restores them")?;
    }
    if let Some(removed) = both(restored.files_removed, restored.folders_removed) {
        let verb = if restored.dry_run { "would remove" } else { "removed" };
        writeln!(out, "{verb} {removed} that the release does not have")?;
    }
    if let Some(left) = both(restored.files_left, restored.folders_left) {
        let verb = if restored.files_left + restored.folders_left == 1 { "stays" } else { "stay" };
        writeln!(out, "{left} {verb} that the release does not have; --delete removes them")?;
    }
    Ok(())
}

fn both(files: u64, folders: u64) -> Option<String> {
    match (files, folders) {
        (0, 0) => None,
        (files, 0) => Some(counted(files, "file")),
        (0, folders) => Some(counted(folders, "folder")),
        (files, folders) => Some(format!("{} and {}", counted(files, "file"), counted(folders, "folder"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_stay_and_failures_are_shown_only_if_there_are_any() {
        let text = |answer: &Restored| {
            let mut out = Vec::new();
            restored(&mut out, answer).unwrap();
            String::from_utf8(out).unwrap()
        };
        let plain =
            Restored { release: "ab".repeat(32), dest: "out".into(), files: 3, ..Restored::default() };
        assert_eq!(text(&plain).lines().count(), 2);
        let all = Restored {
            files_left: 2,
            files_removed: 1,
            folders_removed: 2,
            failures_total: 30,
            dry_run: true,
            ..plain
        };
        let text = text(&all);
        for part in [
            "would restore",
            "would remove 1 file and 2 folders that",
            "2 files stay that the release does not have",
            "30 paths not restored",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }
}
