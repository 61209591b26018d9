//! The list of paths that could not be restored. A failure does not stop the restore.

use std::collections::BTreeSet;

use super::levels::shown;
use crate::{
    error::Error,
    limits::{RESTORE_FAILED_PATHS, RESTORE_FAILURES},
};

/// Why an item could not be restored, classified by the caller's remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureKind {
    /// The destination refuses it: something is in the way, belongs to another user, or is in use.
    Refused,
    /// The store does not hold all of it.
    Missing,
    /// Its data in the store is damaged.
    Corrupt,
}

/// A path that could not be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The path; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// The reason, as text.
    pub reason: String,
    /// The kind of the reason, to branch on.
    pub kind: FailureKind,
}

/// The first failures, and their number.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    list: Vec<Failure>,
    total: u64,
    worst: Option<FailureKind>,
    paths: BTreeSet<Box<[u8]>>,
}

impl Failures {
    /// Adds an error about a path.
    pub(super) fn push(&mut self, path: &[u8], error: &Error) {
        let kind = match error {
            Error::Missing(_) => FailureKind::Missing,
            Error::Corrupt(_) => FailureKind::Corrupt,
            _ => FailureKind::Refused,
        };
        // Errors about content begin with the path, which the failure has already.
        let begins = format!("{:?}: ", shown(path));
        self.add(path, error.to_string().replacen(&begins, "", 1), kind, 0);
    }

    /// Adds a failure that `beneath` paths below it share.
    pub(super) fn add(&mut self, path: &[u8], reason: String, kind: FailureKind, beneath: u64) {
        self.total += 1 + beneath;
        self.worst = self.worst.max(Some(kind));
        if self.list.len() < RESTORE_FAILURES {
            let more = match beneath {
                0 => String::new(),
                1 => " (1 path under it is not restored)".to_owned(),
                _ => format!(" ({beneath} paths under it are not restored)"),
            };
            self.list.push(Failure { path: shown(path), reason: reason + &more, kind });
        }
        self.mark(path);
    }

    /// Remembers a failed path that is listed elsewhere.
    pub(super) fn mark(&mut self, path: &[u8]) {
        if self.paths.len() < RESTORE_FAILED_PATHS {
            self.paths.insert(path.into());
        }
    }

    /// Whether a path failed. If too many paths failed to remember them all, `true` for every path.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.len() >= RESTORE_FAILED_PATHS || self.paths.contains(path.as_bytes())
    }

    /// The list in path order, the number of failures, and the worst kind.
    pub(super) fn join(self, other: Self) -> (Vec<Failure>, u64, Option<FailureKind>) {
        let mut list = self.list;
        list.extend(other.list);
        list.sort_by(|a, b| a.path.cmp(&b.path));
        list.truncate(RESTORE_FAILURES);
        (list, self.total + other.total, self.worst.max(other.worst))
    }
}
