//! The answer of `restore` as text.

use std::io::{self, Write};

use chuan_api::outcome::Restored;

use super::{bytes, channel, classes, count, counted, lag, short, span};
use crate::{say, text};

/// The restored items, the items that stay, and the failures.
pub(super) fn restored(out: &mut impl Write, restored: &Restored) -> io::Result<()> {
    let release = short(&restored.release);
    match restored.dry_run {
        true => say!(out, "would-restore", release = release, folder = restored.dest)?,
        false => say!(out, "restored", release = release, folder = restored.dest)?,
    }
    channel::age(out, restored.channel.as_deref(), restored.fresh_age_seconds, restored.timekeepers)?;
    lag::line(out, restored.channel.as_deref(), restored.lag.as_ref())?;
    let content =
        text!("class-content", files = counted(restored.files, "file"), size = bytes(restored.bytes_total));
    let (written, size) = (count(restored.files_written), bytes(restored.bytes_written));
    let (unchanged, reused) = (count(restored.files_unchanged), bytes(restored.bytes_reused));
    let wrote = match restored.dry_run {
        true => text!("would-write", number = written, size = size),
        false => text!("wrote", number = written, size = size),
    };
    say!(
        out,
        "restored-content",
        content = content,
        wrote = wrote,
        unchanged = unchanged,
        reused = reused,
        time = span(restored.seconds)
    )?;
    rest(out, restored)?;
    if restored.failures_total > 0 {
        say!(out, "not-restored", paths = counted(restored.failures_total, "path"))?;
    }
    classes::stale(out, &restored.classes_stale)?;
    classes::absent(out, restored.classes_absent)
}

/// Hard links, removed items, and items that stay.
fn rest(out: &mut impl Write, restored: &Restored) -> io::Result<()> {
    if restored.files_linked > 0 {
        say!(out, "restored-links", files = counted(restored.files_linked, "file"))?;
    }
    if restored.xattrs_left > 0 {
        say!(out, "xattrs-not-restored", files = counted(restored.xattrs_left, "file"))?;
    }
    if let Some(removed) = both(restored.files_removed, restored.folders_removed) {
        match restored.dry_run {
            true => say!(out, "would-remove", items = removed)?,
            false => say!(out, "removed", items = removed)?,
        }
    }
    if let Some(left) = both(restored.files_left, restored.folders_left) {
        match restored.files_left + restored.folders_left {
            1 => say!(out, "one-stays", items = left)?,
            _ => say!(out, "several-stay", items = left)?,
        }
    }
    Ok(())
}

fn both(files: u64, folders: u64) -> Option<String> {
    match (files, folders) {
        (0, 0) => None,
        (files, 0) => Some(counted(files, "file")),
        (0, folders) => Some(counted(folders, "folder")),
        (files, folders) => {
            Some(text!("both", files = counted(files, "file"), folders = counted(folders, "folder")))
        }
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
