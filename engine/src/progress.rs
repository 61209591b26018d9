//! How a long job says how far it is: counts, never times; whoever shows them has the clock.

/// How far a job is. All counts only grow; totals are `None` while they are not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files done.
    pub files: u64,
    /// Files in all.
    pub files_total: Option<u64>,
    /// Bytes of content dealt with, moved or not.
    pub bytes: u64,
    /// Bytes of content in all.
    pub bytes_total: Option<u64>,
    /// Of `bytes`, those that needed no work: unchanged files, held chunks, reused ranges.
    pub bytes_saved: u64,
}

/// Hears of a job's progress, on the thread that called the job; must return quickly.
pub trait Progress {
    /// The counts moved on: after about every MiB.
    fn advanced(&mut self, counts: &Counts);

    /// `path` is passed over; `why` completes "skipped: ".
    fn skipped(&mut self, path: &str, why: &str);

    /// A dry run would change `path`; with its size before and after, where it has one.
    fn planned(&mut self, _path: &str, _change: Change, _size_old: Option<u64>, _size_new: Option<u64>) {}
}

/// What a dry run would do to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Write a file.
    Written,
    /// Set the mode and time of a file whose content is right.
    Mended,
    /// Make a file a further name of another.
    Linked,
    /// Make a folder or a symbolic link.
    Made,
    /// Remove what is there.
    Removed,
}

impl Change {
    /// The word for it, in listings.
    pub const fn word(self) -> &'static str {
        match self {
            Change::Written => "written",
            Change::Mended => "mended",
            Change::Linked => "linked",
            Change::Made => "made",
            Change::Removed => "removed",
        }
    }
}

/// Nobody listens.
impl Progress for () {
    fn advanced(&mut self, _counts: &Counts) {}

    fn skipped(&mut self, _path: &str, _why: &str) {}
}
