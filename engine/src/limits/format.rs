//! Sizes of fixed fields, as `docs/format.md` and `docs/protocol.md` define them. They are no bounds that
//! could be tuned: another size is another version of the format. The byte map of a format stands beside
//! its encoder.

/// Bytes of an id.
pub const ID_LEN: usize = 32;
/// Bytes of a secret seed and of a public key.
pub const KEY_LEN: usize = 32;
/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;
/// Bytes of the exporter that a joiner signs: it binds the proof of a ticket to one connection.
pub const EXPORTER_LEN: usize = 32;

/// Pages of a manifest.
pub mod page {
    use super::ID_LEN;
    use crate::limits::{EXTENSION_BYTES, EXTENSIONS, PATH_BYTES};

    /// Bytes of a page before its first item.
    pub const PAGE_HEADER_BYTES: usize = 12;
    /// Bytes of a path's two lengths.
    pub const PATH_HEADER_BYTES: usize = 4;
    /// Bytes of a chunk reference.
    pub const CHUNK_REF_BYTES: usize = ID_LEN + 4;
    /// Bytes of a chunk tree's child.
    pub const CHUNK_CHILD_BYTES: usize = ID_LEN + 16;
    /// Bytes of an entry tree's child without its path.
    pub const ENTRY_CHILD_BYTES: usize = ID_LEN + 32;
    /// Bytes of an entry without its path, at least: its fixed fields.
    pub const ENTRY_MIN_BYTES: usize = 26;
    /// Bytes of an entry without its path, at most: a link, whose target is longer than any inline list.
    pub const ENTRY_MAX_BYTES: usize = ENTRY_MIN_BYTES + 2 + PATH_BYTES + EXTENSIONS * 5 + EXTENSION_BYTES;
}

/// Segments of a store.
pub mod segment {
    use crate::limits::SEGMENT_BLOCK;

    /// Bytes of a segment id.
    pub const SEGMENT_ID_LEN: usize = 16;
    /// Offset of the first group in a segment: the segment's header fills one block.
    pub const FIRST_GROUP: u64 = SEGMENT_BLOCK as u64;
    /// Bytes of a record's header.
    pub const RECORD_HEADER_BYTES: usize = 56;
    /// Bytes of the trailer that ends a sealed segment.
    pub const TRAILER_BYTES: usize = 96;
}

/// Files of a ledger.
pub mod ledger {
    /// Bytes of a ledger id.
    pub const LEDGER_ID_LEN: usize = 16;
    /// Bytes of the header.
    pub const HEADER_BYTES: usize = 96;
    /// Bytes of a frame before its records.
    pub const FRAME_HEADER_BYTES: usize = 64;
    /// Bytes of a frame besides its records.
    pub const FRAME_FIXED_BYTES: usize = FRAME_HEADER_BYTES + 4;
    /// Bytes of a record before its payload.
    pub const RECORD_HEADER_BYTES: usize = 96;
}
