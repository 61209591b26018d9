//! Types for records of the store and its index: the key, the payload on its way to the log, the location,
//! and how far the index knows a library's segments.

use bytes::Bytes;
use chuan_engine::{
    Error, Result,
    id::{ChunkId, PageId},
    limits::CHUNK_BYTES,
    segment::{RecordKey, SEGMENT_ID_LEN, SegmentId},
    store::{Appended, ObjectId},
};

/// Bytes of an encoded [`Location`].
pub(crate) const LOCATION_BYTES: usize = 16;
/// Bytes of an encoded [`Position`].
const POSITION_BYTES: usize = 40;

/// The key of a record in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Indexed {
    Chunk(ChunkId),
    Page(PageId),
}

impl Indexed {
    pub(crate) fn record_key(&self) -> RecordKey {
        match self {
            Indexed::Chunk(id) => RecordKey::Chunk(*id),
            Indexed::Page(id) => RecordKey::Page(*id),
        }
    }

    pub(crate) fn id(&self) -> ObjectId {
        match self {
            Indexed::Chunk(id) => ObjectId::Chunk(*id),
            Indexed::Page(id) => ObjectId::Page(*id),
        }
    }
}

/// An object on its way to its library's segment.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) key: Indexed,
    /// The payload of its record.
    pub(crate) payload: Bytes,
}

impl Incoming {
    /// Counts it as a new object.
    pub(crate) fn count(&self, appended: &mut Appended) {
        let bytes = self.payload.len() as u64;
        match self.key {
            Indexed::Chunk(_) => {
                appended.chunks += 1;
                appended.chunk_bytes += bytes;
            }
            Indexed::Page(_) => {
                appended.pages += 1;
                appended.page_bytes += bytes;
            }
        }
    }
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    /// Number of the segment.
    pub(crate) segment: u32,
    /// Offset of the record's header.
    pub(crate) offset: u32,
    /// Bytes of payload, 1 to `raw_len`.
    pub(crate) stored_len: u32,
    /// Bytes of the object, at most [`CHUNK_BYTES`].
    pub(crate) raw_len: u32,
}

impl Location {
    pub(crate) fn encode(&self) -> [u8; LOCATION_BYTES] {
        let mut out = [0; LOCATION_BYTES];
        for (place, field) in
            out.chunks_exact_mut(4).zip([self.segment, self.offset, self.stored_len, self.raw_len])
        {
            place.copy_from_slice(&field.to_le_bytes());
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let (fields, rest) = bytes.as_chunks::<4>();
        let [segment, offset, stored_len, raw_len] = fields else { return Err(malformed("location")) };
        let location = Self {
            segment: u32::from_le_bytes(*segment),
            offset: u32::from_le_bytes(*offset),
            stored_len: u32::from_le_bytes(*stored_len),
            raw_len: u32::from_le_bytes(*raw_len),
        };
        // A read allocates these lengths before it sees the record.
        let is_possible =
            (1..=location.raw_len).contains(&location.stored_len) && location.raw_len as usize <= CHUNK_BYTES;
        if rest.is_empty() && is_possible { Ok(location) } else { Err(malformed("location")) }
    }
}

/// How far the index knows a library's segments: the end of the last group in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Number of the segment.
    pub(crate) segment: u32,
    /// The segment's random id.
    pub(crate) id: SegmentId,
    /// Offset of the end in the segment.
    pub(crate) end: u64,
    /// Records in the segment up to there.
    pub(crate) records: u32,
    /// Number of the last group.
    pub(crate) group: u64,
}

impl Position {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(POSITION_BYTES);
        out.extend_from_slice(&self.segment.to_le_bytes());
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(&self.end.to_le_bytes());
        out.extend_from_slice(&self.records.to_le_bytes());
        out.extend_from_slice(&self.group.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes).ok_or_else(|| malformed("position"))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (segment, rest) = bytes.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk::<SEGMENT_ID_LEN>()?;
        let (end, rest) = rest.split_first_chunk()?;
        let (records, rest) = rest.split_first_chunk()?;
        let (group, rest) = rest.split_first_chunk()?;
        rest.is_empty().then_some(Self {
            segment: u32::from_le_bytes(*segment),
            id: SegmentId::from_bytes(*id),
            end: u64::from_le_bytes(*end),
            records: u32::from_le_bytes(*records),
            group: u64::from_le_bytes(*group),
        })
    }
}

/// The error for an index value that does not decode. Its checksum was valid, so another program wrote it.
pub(crate) fn malformed(what: &str) -> Error {
    Error::Corrupt(format!("the index holds a malformed {what}; run `chuan rebuild`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_other_lengths() {
        let location = Location { segment: 1, offset: 2, stored_len: 3, raw_len: 4 };
        assert_eq!(Location::decode(&location.encode()).unwrap(), location);
        for (stored_len, raw_len) in [(0, 4), (5, 4), (1, u32::MAX), (u32::MAX, u32::MAX)] {
            let bytes = Location { stored_len, raw_len, ..location }.encode();
            assert!(Location::decode(&bytes).is_err(), "{stored_len}, {raw_len}");
        }
        let id = SegmentId::from_bytes([7; 16]);
        let position = Position { segment: 1, id, end: 2, records: 3, group: 4 };
        assert_eq!(Position::decode(&position.encode()).unwrap(), position);
        for len in 0..LOCATION_BYTES {
            assert!(Location::decode(&location.encode()[..len]).is_err());
        }
        assert!(Position::decode(&[position.encode(), vec![0]].concat()).is_err());
        assert!(Position::decode(&[]).is_err());
    }
}
