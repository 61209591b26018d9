//! Keys and values of the column families.
//!
//! | family | key | value |
//! | --- | --- | --- |
//! | meta | `position` | see [`Position`](crate::entry::Position) |
//! | meta | `totals` | five u64 LE |
//! | meta | `s`, segment number u32 BE | segment id |
//! | chunks, pages | id | location |
//! | statements | kind u8, library, sequence u64 BE, id | location |
//! | refs | library, channel | location, ref payload |
//! | marks | id | state u8: of a page 2 paged, 3 full; of a statement 4 outdated |
//! | lost | kind u8, id | where it was last seen, for people |

use chuan_engine::{
    Result,
    id::{ChunkId, ID_LEN, LibraryId, PageId, StatementId},
    segment::payload::{self, StatementPrefix},
    statement::StatementKind,
    store::{LostId, PageState, RefMove},
};

use crate::entry::{Indexed, LOCATION_BYTES, Location, malformed};

pub(super) const POSITION: &[u8] = b"position";
pub(super) const TOTALS: &[u8] = b"totals";
pub(super) const SEGMENT_PREFIX: u8 = b's';
/// The mark of a statement that is not listed any more.
pub(super) const OUTDATED: [u8; 1] = [4];

/// The column family, key and value of a record.
pub(super) fn record(indexed: &Indexed, location: &Location) -> (&'static str, Vec<u8>, Vec<u8>) {
    let mut value = location.encode().to_vec();
    if let Indexed::Ref(to) = indexed {
        value.extend(payload::encode_ref(to));
    }
    let (family, key) = record_key(indexed);
    (family, key, value)
}

pub(super) fn record_key(indexed: &Indexed) -> (&'static str, Vec<u8>) {
    match indexed {
        Indexed::Chunk(id) => (super::CHUNKS, id.as_bytes().to_vec()),
        Indexed::Page(id) => (super::PAGES, id.as_bytes().to_vec()),
        Indexed::Statement { id, prefix } => (super::STATEMENTS, statement(id, prefix)),
        Indexed::Ref(to) => (super::REFS, [to.library.as_bytes(), to.channel.as_bytes()].concat()),
    }
}

fn statement(id: &StatementId, prefix: &StatementPrefix) -> Vec<u8> {
    [
        statements_prefix(prefix.kind, Some(&prefix.library)).as_slice(),
        &prefix.sequence.to_be_bytes(),
        id.as_bytes(),
    ]
    .concat()
}

/// What the keys of one kind's statements begin with, of one library or of all.
pub(super) fn statements_prefix(kind: StatementKind, library: Option<&LibraryId>) -> Vec<u8> {
    let mut prefix = vec![kind as u8];
    prefix.extend(library.map(LibraryId::as_bytes).into_iter().flatten());
    prefix
}

/// Library, sequence and id of a statement's key.
pub(super) fn parse_statement(kind: StatementKind, key: &[u8]) -> Result<Indexed> {
    let parse = || {
        let (_, rest) = key.split_first_chunk::<1>()?;
        let (library, rest) = rest.split_first_chunk::<ID_LEN>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let id = StatementId::from_bytes(rest.try_into().ok()?);
        let prefix = StatementPrefix {
            library: LibraryId::from_bytes(*library),
            kind,
            sequence: u64::from_be_bytes(*sequence),
        };
        Some(Indexed::Statement { id, prefix })
    };
    parse().ok_or_else(|| malformed("statement key"))
}

pub(super) fn parse_ref(value: &[u8]) -> Result<(RefMove, Location)> {
    let (location, payload) = value.split_at_checked(LOCATION_BYTES).ok_or_else(|| malformed("ref"))?;
    Ok((payload::decode_ref(payload)?, Location::decode(location)?))
}

pub(super) fn segment(number: u32) -> Vec<u8> {
    [&[SEGMENT_PREFIX][..], &number.to_be_bytes()].concat()
}

pub(super) fn parse_segment(key: &[u8]) -> Option<u32> {
    let number = key.strip_prefix(&[SEGMENT_PREFIX])?;
    Some(u32::from_be_bytes(number.try_into().ok()?))
}

pub(super) fn lost(id: &LostId) -> Vec<u8> {
    let (kind, id) = match id {
        LostId::Chunk(id) => (1, id.as_bytes()),
        LostId::Page(id) => (2, id.as_bytes()),
        LostId::Statement(id) => (3, id.as_bytes()),
    };
    [&[kind][..], id].concat()
}

pub(super) fn parse_lost(key: &[u8]) -> Result<LostId> {
    let parse = || {
        let ([kind], id) = key.split_first_chunk::<1>()?;
        let id: [u8; ID_LEN] = id.try_into().ok()?;
        match kind {
            1 => Some(LostId::Chunk(ChunkId::from_bytes(id))),
            2 => Some(LostId::Page(PageId::from_bytes(id))),
            3 => Some(LostId::Statement(StatementId::from_bytes(id))),
            _ => None,
        }
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
