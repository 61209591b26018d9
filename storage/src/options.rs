//! What can be chosen about a store.

use chuan_engine::limits;

use crate::Poison;

/// What can be chosen about a store. Nothing here changes the format: a store may be opened with other options each
/// time.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of a segment at which it is sealed; at most [`SEGMENT_BYTES`](limits::SEGMENT_BYTES), which is the default.
    pub segment_bytes: u64,
    /// Bytes after which a group commits by itself; [`GROUP_BYTES`](limits::GROUP_BYTES) by default.
    pub group_bytes: u64,
    /// Whether to append past the page cache (O_DIRECT) where the file system lets us; on by default.
    pub direct: bool,
    /// What the store shares with the other files of the home: where a write of one fails, none takes any more.
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
