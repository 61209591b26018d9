//! Keys and values of the column families. A key of content begins with the library.
//!
//! | family | key | value |
//! | --- | --- | --- |
//! | meta | `p`, library | see [`Position`](crate::entry::Position) |
//! | meta | `t`, library | four u64 LE |
//! | meta | `s`, segment number u32 BE | segment id, library |
//! | chunks, pages | library, id | location |
//! | marks | library, id of a page | state u8: 2 paged, 3 full |
//! | lost | library, kind u8, id | where it was last stored, for people |

use chuan_engine::{
    Result,
    id::{ChunkId, ID_LEN, LibraryId, PageId},
    segment::{SEGMENT_ID_LEN, SegmentId, SegmentName},
    store::{ObjectId, PageState},
};

use crate::entry::{Indexed, Location, malformed};

pub(super) const POSITION_PREFIX: u8 = b'p';
pub(super) const TOTALS_PREFIX: u8 = b't';
pub(super) const SEGMENT_PREFIX: u8 = b's';

/// The column family, key and value of a record.
pub(super) fn record(
    library: &LibraryId,
    indexed: &Indexed,
    location: &Location,
) -> (&'static str, Vec<u8>, Vec<u8>) {
    let (family, key) = record_key(library, indexed);
    (family, key, location.encode().to_vec())
}

pub(super) fn record_key(library: &LibraryId, indexed: &Indexed) -> (&'static str, Vec<u8>) {
    match indexed {
        Indexed::Chunk(id) => (super::CHUNKS, object(library, id.as_bytes()).to_vec()),
        Indexed::Page(id) => (super::PAGES, object(library, id.as_bytes()).to_vec()),
    }
}

/// The key of a chunk, a page or its mark.
pub(super) fn object(library: &LibraryId, id: &[u8; ID_LEN]) -> [u8; 2 * ID_LEN] {
    let mut key = [0; 2 * ID_LEN];
    let (first, second) = key.split_at_mut(ID_LEN);
    first.copy_from_slice(library.as_bytes());
    second.copy_from_slice(id);
    key
}

/// The id in the key of a chunk or page.
pub(super) fn parse_object(key: &[u8]) -> Result<[u8; ID_LEN]> {
    let parse = || key.split_at_checked(ID_LEN)?.1.try_into().ok();
    parse().ok_or_else(|| malformed("id"))
}

/// The key of a library's entry in meta.
pub(super) fn of_library(prefix: u8, library: &LibraryId) -> Vec<u8> {
    [&[prefix][..], library.as_bytes()].concat()
}

pub(super) fn parse_of_library(key: &[u8]) -> Result<LibraryId> {
    let parse = || key.split_first()?.1.try_into().ok();
    parse().map(LibraryId::from_bytes).ok_or_else(|| malformed("library"))
}

pub(super) fn segment(number: u32) -> Vec<u8> {
    [&[SEGMENT_PREFIX][..], &number.to_be_bytes()].concat()
}

pub(super) fn parse_segment(key: &[u8]) -> Option<u32> {
    let number = key.strip_prefix(&[SEGMENT_PREFIX])?;
    Some(u32::from_be_bytes(number.try_into().ok()?))
}

pub(super) fn segment_name(name: &SegmentName) -> Vec<u8> {
    [&name.id.as_bytes()[..], name.library.as_bytes()].concat()
}

pub(super) fn parse_segment_name(value: &[u8]) -> Result<SegmentName> {
    let parse = || {
        let (id, library) = value.split_first_chunk::<SEGMENT_ID_LEN>()?;
        Some(SegmentName {
            id: SegmentId::from_bytes(*id),
            library: LibraryId::from_bytes(library.try_into().ok()?),
        })
    };
    parse().ok_or_else(|| malformed("segment name"))
}

pub(super) fn lost(library: &LibraryId, id: &ObjectId) -> Vec<u8> {
    let (kind, id) = match id {
        ObjectId::Chunk(id) => (1, id.as_bytes()),
        ObjectId::Page(id) => (2, id.as_bytes()),
    };
    [&library.as_bytes()[..], &[kind], id].concat()
}

pub(super) fn parse_lost(key: &[u8]) -> Result<(LibraryId, ObjectId)> {
    let parse = || {
        let (library, rest) = key.split_first_chunk::<ID_LEN>()?;
        let ([kind], id) = rest.split_first_chunk::<1>()?;
        let id: [u8; ID_LEN] = id.try_into().ok()?;
        let id = match kind {
            1 => ObjectId::Chunk(ChunkId::from_bytes(id)),
            2 => ObjectId::Page(PageId::from_bytes(id)),
            _ => return None,
        };
        Some((LibraryId::from_bytes(*library), id))
    };
    parse().ok_or_else(|| malformed("lost id"))
}

pub(super) fn mark(state: PageState) -> Option<[u8; 1]> {
    match state {
        PageState::Absent | PageState::Present => None,
        PageState::Paged => Some([2]),
        PageState::Full => Some([3]),
    }
}

pub(super) fn parse_mark(value: &[u8]) -> Result<PageState> {
    match value {
        [2] => Ok(PageState::Paged),
        [3] => Ok(PageState::Full),
        _ => Err(malformed("mark")),
    }
}
