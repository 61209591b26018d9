//! The file format of a segment, as pure codecs: bytes in, bytes out. It opens no file and decides nothing
//! about repair.
//!
//! A segment belongs to one library, which its header names. It is a file of 4096-byte blocks that is only
//! appended to:
//!
//! ```text
//! block 0      segment header            [`header`]
//! group        record, record, … marker, marker, zeros up to the next block     [`record`]
//! group        …
//! footer       only in a sealed segment: the list of its records                 [`footer`]
//! ```
//!
//! Groups begin on a block, so that a torn group does not touch the group before it, and a group can be
//! written with O_DIRECT and without read-modify-write. A group is valid if one of its two markers is intact:
//! one flipped bit cannot invalidate an acknowledged group. The checksum of a record's header covers the
//! segment's random id and the record's offset, so that a segment published as a file is never taken for
//! records of the segment that stores it. [`scan`] walks a segment and resynchronizes after damage.

pub mod filter;
pub mod footer;
pub mod header;
mod packed;
pub mod record;
pub mod scan;

use std::fmt;

use crate::{
    error::{Error, Result},
    id::LibraryId,
    limits,
};

pub use crate::limits::format::segment::{FIRST_GROUP, SEGMENT_ID_LEN};
pub use footer::{Footer, FooterEntry, Tail, Trailer};
pub use header::SegmentHeader;
pub use record::{Codec, Marker, RECORD_HEADER_BYTES, RecordAddress, RecordHeader, RecordKey, ReservedKind};
pub use scan::{Item, Scanner, Step};

/// The random id of a segment, never used again. It binds the records to their segment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId([u8; SEGMENT_ID_LEN]);

impl SegmentId {
    /// Takes the 16 bytes as they are.
    pub const fn from_bytes(bytes: [u8; SEGMENT_ID_LEN]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; SEGMENT_ID_LEN] {
        &self.0
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SegmentId(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// The id of a segment, and the library that owns all its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentName {
    /// The random id that binds the records to the segment.
    pub id: SegmentId,
    /// The library.
    pub library: LibraryId,
}

/// The next multiple of [`SEGMENT_BLOCK`](limits::SEGMENT_BLOCK) at or above `offset`.
pub const fn align_up(offset: u64) -> u64 {
    offset.next_multiple_of(limits::SEGMENT_BLOCK as u64)
}

/// Reads fixed fields off the front of untrusted bytes.
struct Fields<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (field, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.invalid("is cut short"))?;
        self.rest = rest;
        Ok(*field)
    }

    fn u8(&mut self) -> Result<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// Fails unless the next bytes are exactly `expected`.
    fn expect<const N: usize>(&mut self, expected: &[u8; N], problem: &str) -> Result<()> {
        if self.take::<N>()? == *expected { Ok(()) } else { Err(self.invalid(problem)) }
    }

    fn invalid(&self, problem: &str) -> Error {
        Error::Invalid(format!("{} {problem}", self.what))
    }
}

/// Narrows a count or length that is known to be below the segment's size.
fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

const _: () = assert!(limits::SEGMENT_BYTES < u32::MAX as u64);
