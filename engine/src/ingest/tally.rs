//! What a publish did, and what it did not take.

use super::{plan::Stands, run::Fate, walk::LeftOut};
use crate::progress::Progress;

/// What a publish did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files in the trees.
    pub files: u64,
    /// Of these, the ones that were read.
    pub files_read: u64,
    /// Bytes of the files that were read.
    pub bytes_read: u64,
    /// Bytes of the files that were not.
    pub bytes_skipped: u64,
    /// Files at paths that had none.
    pub files_new: u64,
    /// Their bytes.
    pub bytes_new: u64,
    /// Files whose size, time or mode is not what was published.
    pub files_changed: u64,
    /// Their bytes now.
    pub bytes_changed: u64,
    /// Files that were published and are no longer there, or left out now.
    pub files_gone: u64,
    /// Their bytes.
    pub bytes_gone: u64,
    /// Chunks that the store did not hold.
    pub chunks_new: u64,
    /// Their bytes.
    pub chunk_bytes_new: u64,
    /// Bytes of pages that the store did not hold.
    pub page_bytes_new: u64,
    /// What is not published and need not be, with the reason: special files, links that lead out, keys and homes, what
    /// was deleted meanwhile.
    pub skipped: Listed<(String, String)>,
    /// What patterns leave out, with the pattern. A folder counts once.
    pub excluded: Listed<(String, String)>,
    /// What cannot be published, and a second run would not take either.
    pub gaps: Listed<Gap>,
    /// Files that changed while they were read.
    pub unsettled: Listed<Gap>,
}

/// Something that the release has not as the source has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its path, with what is not UTF-8 replaced.
    pub path: String,
    /// Why.
    pub reason: String,
    /// Whether the release has it as it was published before; else it has nothing there.
    pub stands: bool,
}

/// A list of which only the first are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<T>,
}

/// How many are named at most.
const NAMED: usize = 1000;

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

impl<T> Listed<T> {
    pub(super) fn push(&mut self, item: T) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(item);
        }
    }
}

impl Tally {
    /// Counts a file that is read.
    pub(super) fn file(&mut self, fate: Fate, bytes: u64) {
        let (files, sum) = match fate {
            Fate::New => (&mut self.files_new, &mut self.bytes_new),
            Fate::Changed => (&mut self.files_changed, &mut self.bytes_changed),
            Fate::Same => return,
        };
        *files += 1;
        *sum += bytes;
    }

    /// Counts something that is not published; `gone` has its bytes if it was.
    pub(super) fn leave_out(&mut self, item: LeftOut, gone: Option<u64>, progress: &mut dyn Progress) {
        self.files_gone += u64::from(gone.is_some());
        self.bytes_gone += gone.unwrap_or_default();
        let LeftOut { path, why, is_excluded } = item;
        if is_excluded {
            self.excluded.push((path, why));
        } else {
            progress.skipped(&path, &why);
            self.skipped.push((path, why));
        }
    }

    /// Counts something that is not published as it is.
    pub(super) fn gap(
        &mut self,
        path: String,
        reason: String,
        stands: &Stands,
        is_unsettled: bool,
        progress: &mut dyn Progress,
    ) {
        progress.skipped(&path, &reason);
        let gap = Gap { path, reason, stands: !matches!(stands, Stands::Nothing) };
        if is_unsettled { self.unsettled.push(gap) } else { self.gaps.push(gap) }
    }
}
