//! Progress of a long job: counts only, never times. The caller has the clock.

/// The progress of a job. Counts only grow. A total is `None` while it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files done.
    pub files: u64,
    /// Total files.
    pub files_total: Option<u64>,
    /// Bytes of content processed, transferred or not.
    pub bytes: u64,
    /// Total bytes of content.
    pub bytes_total: Option<u64>,
    /// The part of `bytes` that needed no work: unchanged files, held chunks, reused ranges.
    pub bytes_saved: u64,
}

/// Receives the progress of a job, on the thread that called the job. Its methods must return quickly.
pub trait Progress {
    /// The counts have changed. Called about once per MiB.
    fn advanced(&mut self, counts: &Counts);

    /// `path` is skipped. `why` completes the text "skipped: ".
    fn skipped(&mut self, path: &str, why: &str);

    /// A dry run would change `path`. The sizes are those before and after the change, where the path has a
    /// size.
    fn planned(&mut self, _path: &str, _change: Change, _size_old: Option<u64>, _size_new: Option<u64>) {}
}

/// A change that a dry run would make to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Write a file.
    Written,
    /// Set the mode and time of a file whose content is right.
    Mended,
    /// Make the path another name (hard link) of an existing file.
    Linked,
    /// Make a folder or a symbolic link.
    Made,
    /// Remove the existing item.
    Removed,
}

impl Change {
    /// The word for the change, in listings.
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

/// Ignores all progress.
impl Progress for () {
    fn advanced(&mut self, _counts: &Counts) {}

    fn skipped(&mut self, _path: &str, _why: &str) {}
}
