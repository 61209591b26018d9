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
}

/// Nobody listens.
impl Progress for () {
    fn advanced(&mut self, _counts: &Counts) {}

    fn skipped(&mut self, _path: &str, _why: &str) {}
}
