//! What a restore under way remembers for the next one. Losing it costs the next one time: what fails here is logged,
//! and ends nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    destination::Destination,
    record::{Files, Remembered, Writer},
    stat::DiskKind,
};
use crate::{limits::RESTORE_LATE_PATHS, manifest::EntryKind};

/// The next record in the making.
#[derive(Debug)]
pub(super) struct Journal {
    files: Files,
    /// `None` once a write failed.
    writer: Option<Writer>,
    /// What came out of path order: a file that takes the place of a folder comes after all that was in it.
    late: BTreeMap<String, Remembered>,
    /// Files that got further names after they were remembered.
    linked: BTreeSet<String>,
    has_linked: bool,
    /// The path that was remembered last.
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

    /// Remembers something.
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

    /// Notes that the file at `first` got a further name, which changes what is to be remembered of all its names.
    pub(super) fn linked(&mut self, first: &str) {
        self.has_linked = true;
        if self.linked.len() < RESTORE_LATE_PATHS {
            self.linked.insert(first.to_owned());
        }
    }

    /// Puts the record in its place. Of a restore that did not come to its end, what it did not reach stays as the record
    /// before had it.
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
    outcome.inspect_err(|error| tracing::warn!(%error, "the next restore will have to compare more")).ok()
}
