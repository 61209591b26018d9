//! The options of a store.

use chuan_engine::limits;

use crate::Poison;

/// The options of a store. None of them changes the format: a store may be opened with other options each
/// time.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of a segment at which it is sealed; at most [`SEGMENT_BYTES`](limits::SEGMENT_BYTES), which is
    /// the default.
    pub segment_bytes: u64,
    /// Bytes after which a group commits by itself; [`GROUP_BYTES`](limits::GROUP_BYTES) by default.
    pub group_bytes: u64,
    /// Whether to write past the page cache (O_DIRECT) if the file system allows it; on by default.
    pub direct: bool,
    /// Shared with the other files of the home: after a failed write of one file, none accepts writes any
    /// more.
    pub poison: Poison,
    #[cfg(test)]
    pub(crate) faults: std::sync::Arc<crate::file::Faults>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: limits::SEGMENT_BYTES,
            group_bytes: limits::GROUP_BYTES,
            direct: true,
            poison: Poison::default(),
            #[cfg(test)]
            faults: Default::default(),
        }
    }
}
