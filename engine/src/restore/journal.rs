//! The record that a running restore writes for the next one. Losing it costs the next restore only time: an
//! error here is logged and ends nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    destination::Destination,
    record::{Files, Remembered, Writer},
    stat::DiskKind,
};
use crate::{limits::RESTORE_LATE_PATHS, manifest::EntryKind};

/// The new record.
#[derive(Debug)]
pub(super) struct Journal {
    files: Files,
    /// `None` after a failed write.
    writer: Option<Writer>,
    /// Entries that came out of path order: a file that replaces a folder comes after the content of the
    /// folder.
    late: BTreeMap<String, Remembered>,
    /// Files that got another hard link after they were recorded.
    linked: BTreeSet<String>,
    has_linked: bool,
    /// The path that was recorded last.
    reached: String,
}

impl Journal {
    /// Begins the next record.
    pub(super) fn begin(files: Files) -> Option<Self> {
        let writer = logged(files.begin())?;
        Some(Self {
            files,
            writer: Some(writer),
            late: BTreeMap::new(),
            linked: BTreeSet::new(),
            has_linked: false,
            reached: String::new(),
        })
    }

    /// Adds an entry to the record.
    pub(super) fn push(&mut self, remembered: Remembered) {
        let Some(writer) = &mut self.writer else { return };
        if writer.is_next(&remembered.path) {
            self.reached.clone_from(&remembered.path);
            let pushed = writer.push(&remembered);
            if logged(pushed.map_err(|error| self.files.failed(error))).is_none() {
                self.writer = None;
            }
        } else if self.late.len() < RESTORE_LATE_PATHS {
            self.late.insert(remembered.path.clone(), remembered);
        }
    }

    /// Notes that the file at `first` got another hard link, which changes the recorded ctime of all its
    /// names.
    pub(super) fn linked(&mut self, first: &str) {
        self.has_linked = true;
        if self.linked.len() < RESTORE_LATE_PATHS {
            self.linked.insert(first.to_owned());
        }
    }

    /// Puts the record in its place. If the restore did not complete, the paths that it did not reach keep
    /// their entries of the previous record.
    pub(super) fn finish(self, destination: &mut Destination, is_whole: bool) {
        let Self { files, writer, late, linked, has_linked, reached } = self;
        let Some(writer) = writer else { return };
        let mut restat = |mut remembered: Remembered| {
            if has_linked && (remembered.is_linked || linked.contains(&remembered.path)) {
                let now = destination.look(&remembered.path).ok().flatten();
                let now = now.filter(|now| now.kind == DiskKind::File);
                if let Some(now) = now.filter(|now| now.mark.inode == remembered.mark.inode) {
                    remembered.mark = now.mark;
                }
            } else if remembered.kind != EntryKind::Folder
                && destination.names().has(remembered.mark.inode)
                && let Some(now) = destination.look_again(&remembered.path, &remembered.mark)
            {
                remembered.mark = now.mark;
            }
            remembered
        };
        let reached = (!is_whole).then_some(reached.as_str());
        logged(files.finish(writer, late.into_values(), reached, &mut restat));
    }
}

fn logged<T>(outcome: crate::Result<T>) -> Option<T> {
    outcome
        .inspect_err(|error| tracing::warn!(%error, "the next restore compares the content of more files"))
        .ok()
}
