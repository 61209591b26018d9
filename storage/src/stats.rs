//! What a store holds, in numbers.

/// What a store holds, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Chunks held.
    pub chunks: u64,
    /// Their raw bytes.
    pub chunk_bytes: u64,
    /// Pages, tables and class headers held.
    pub pages: u64,
    /// Their bytes.
    pub page_bytes: u64,
    /// Statements held.
    pub statements: u64,
    /// Objects that were held once and cannot be read any more.
    pub lost: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes of the segment files, as long as they are.
    pub segment_bytes: u64,
    /// Bytes that the file system still gives, the reserve taken off.
    pub usable_bytes: u64,
}
