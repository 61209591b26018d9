//! A record's header; the payload follows it at once.
//!
//! ```text
//!  0   4  magic 89 "CHR"
//!  4   1  kind: 1 chunk, 2 page, 3 statement, 4 ref move, 5 marker
//!  5   1  codec of the payload: 0 raw (1 zstd, 2 delta: later)
//!  6   1  flags, 0
//!  7   1  base count, 0 (≤ 4 with codec delta, later)
//!  8   4  raw length
//! 12   4  stored length: bytes of payload
//! 16  32  id: of the chunk, page or statement; 0 for a ref move; for a marker see below
//! 48   4  CRC32C of the payload of a statement or ref move; 0 for the others: a chunk's or page's id covers it
//! 52   4  CRC32C of segment id, offset of the record in its segment (u32), and bytes 0 to 51
//! ```
//!
//! A marker has no payload. In place of an id it has: segment id (16), number of the group in the store (u64), records
//! in the group (u32), offset of the group (u32). It names its segment so that a segment is readable without its first
//! block.

use super::{Fields, SEGMENT_ID_LEN, SegmentId};
use crate::{
    error::Result,
    id::{ChunkId, ID_LEN, PageId, StatementId, is_unbound_page},
    limits,
    store::LostId,
};

/// Bytes of a record's header.
pub const RECORD_HEADER_BYTES: usize = 56;
/// What every record begins with.
pub const RECORD_MAGIC: [u8; 4] = *b"\x89CHR";

const CRC_AT: usize = RECORD_HEADER_BYTES - 4;

/// Where a record lies: what its checksum binds it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The segment.
    pub segment: SegmentId,
    /// The offset of the record's header in the segment.
    pub offset: u32,
}

/// What a record holds, and under which name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKey {
    /// A chunk.
    Chunk(ChunkId),
    /// A page, table or class header.
    Page(PageId),
    /// A statement.
    Statement(StatementId),
    /// A channel's move.
    Ref,
    /// The end of a group.
    Marker(Marker),
}

/// The end of a group: all before it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    /// The segment it stands in.
    pub segment: SegmentId,
    /// The group's number: one higher than that of the group before, in this segment or an earlier one.
    pub group: u64,
    /// Records in the group, markers not counted.
    pub records: u32,
    /// Where in the segment the group begins.
    pub start: u32,
}

/// How a payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    Raw = 0,
    // 1 is kept for zstd, 2 for delta.
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// What it is.
    pub key: RecordKey,
    /// How the payload is stored.
    pub codec: Codec,
    /// Bytes of the object.
    pub raw_len: u32,
    /// Bytes of payload.
    pub stored_len: u32,
    /// CRC32C of the payload of a statement or ref move, else 0.
    pub payload_crc: u32,
}

impl RecordHeader {
    /// The header of a payload stored raw.
    pub fn raw(key: RecordKey, payload: &[u8]) -> Self {
        let len = super::narrow(payload.len());
        let payload_crc = if key.has_payload_crc() { crc32c::crc32c(payload) } else { 0 };
        Self { key, codec: Codec::Raw, raw_len: len, stored_len: len, payload_crc }
    }

    /// Encodes the header for its place.
    pub fn encode(&self, place: Place) -> [u8; RECORD_HEADER_BYTES] {
        let mut out = Vec::with_capacity(RECORD_HEADER_BYTES);
        out.extend_from_slice(&RECORD_MAGIC);
        out.extend_from_slice(&[self.key.kind(), self.codec as u8, 0, 0]);
        out.extend_from_slice(&self.raw_len.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
        out.extend_from_slice(&self.key.id_field());
        out.extend_from_slice(&self.payload_crc.to_le_bytes());
        out.extend_from_slice(&bound_crc(place, &out).to_le_bytes());
        out.try_into().unwrap_or([0; RECORD_HEADER_BYTES])
    }

    /// Decodes the header at the front of `bytes`, which were read at `place`.
    pub fn decode(bytes: &[u8], place: Place) -> Result<Self> {
        let mut fields = Fields::new(bytes, "the record header");
        fields.expect(&RECORD_MAGIC, "has no magic")?;
        let (kind, codec) = (fields.u8()?, fields.u8()?);
        let reserved = fields.u16()?;
        let (raw_len, stored_len) = (fields.u32()?, fields.u32()?);
        let id: [u8; ID_LEN] = fields.take()?;
        let payload_crc = fields.u32()?;
        let crc = fields.u32()?;
        if bytes.get(..CRC_AT).map(|body| bound_crc(place, body)) != Some(crc) {
            return Err(fields.invalid("fails its checksum"));
        }
        let key = RecordKey::from_fields(kind, id)
            .ok_or_else(|| fields.invalid(&format!("has unknown kind {kind}: a newer chuan wrote it")))?;
        if codec != Codec::Raw as u8 || reserved != 0 {
            return Err(fields.invalid("has an unknown codec or flag: a newer chuan wrote it"));
        }
        let header = Self { key, codec: Codec::Raw, raw_len, stored_len, payload_crc };
        if raw_len != stored_len
            || raw_len as usize > key.max_len()
            || (payload_crc != 0 && !key.has_payload_crc())
        {
            return Err(fields.invalid("has lengths or checksums out of bounds"));
        }
        Ok(header)
    }

    /// Bytes of header and payload.
    pub fn total_len(&self) -> u64 {
        RECORD_HEADER_BYTES as u64 + u64::from(self.stored_len)
    }

    /// Whether `payload` is what the header names.
    pub fn matches(&self, payload: &[u8]) -> bool {
        payload.len() == self.stored_len as usize
            && match &self.key {
                RecordKey::Chunk(id) => ChunkId::of(payload) == *id,
                RecordKey::Page(id) => is_unbound_page(id, payload),
                RecordKey::Statement(_) | RecordKey::Ref => crc32c::crc32c(payload) == self.payload_crc,
                RecordKey::Marker(_) => true,
            }
    }
}

impl RecordKey {
    /// The kind's tag.
    pub const fn kind(&self) -> u8 {
        match self {
            RecordKey::Chunk(_) => 1,
            RecordKey::Page(_) => 2,
            RecordKey::Statement(_) => 3,
            RecordKey::Ref => 4,
            RecordKey::Marker(_) => 5,
        }
    }

    /// The name under which it could be lost.
    pub fn lost_id(&self) -> Option<LostId> {
        match self {
            RecordKey::Chunk(id) => Some(LostId::Chunk(*id)),
            RecordKey::Page(id) => Some(LostId::Page(*id)),
            RecordKey::Statement(id) => Some(LostId::Statement(*id)),
            RecordKey::Ref | RecordKey::Marker(_) => None,
        }
    }

    /// The 32 bytes of the id field.
    pub(super) fn id_field(&self) -> [u8; ID_LEN] {
        match self {
            RecordKey::Chunk(id) => *id.as_bytes(),
            RecordKey::Page(id) => *id.as_bytes(),
            RecordKey::Statement(id) => *id.as_bytes(),
            RecordKey::Ref => [0; ID_LEN],
            RecordKey::Marker(marker) => marker.id_field(),
        }
    }

    pub(super) fn from_fields(kind: u8, id: [u8; ID_LEN]) -> Option<Self> {
        match kind {
            1 => Some(RecordKey::Chunk(ChunkId::from_bytes(id))),
            2 => Some(RecordKey::Page(PageId::from_bytes(id))),
            3 => Some(RecordKey::Statement(StatementId::from_bytes(id))),
            4 => (id == [0; ID_LEN]).then_some(RecordKey::Ref),
            5 => Marker::from_id_field(&id).map(RecordKey::Marker),
            _ => None,
        }
    }

    /// Bytes of payload at most.
    pub(super) fn max_len(&self) -> usize {
        match self {
            RecordKey::Chunk(_) => limits::CHUNK_BYTES,
            RecordKey::Page(_) => limits::PAGE_BYTES,
            RecordKey::Statement(_) => limits::STATEMENT_BYTES + super::payload::STATEMENT_PREFIX_BYTES,
            RecordKey::Ref => super::payload::REF_FIXED_BYTES + limits::NAME_BYTES,
            RecordKey::Marker(_) => 0,
        }
    }

    fn has_payload_crc(&self) -> bool {
        matches!(self, RecordKey::Statement(_) | RecordKey::Ref)
    }
}

impl Marker {
    fn id_field(&self) -> [u8; ID_LEN] {
        let mut out = Vec::with_capacity(ID_LEN);
        out.extend_from_slice(self.segment.as_bytes());
        out.extend_from_slice(&self.group.to_le_bytes());
        out.extend_from_slice(&self.records.to_le_bytes());
        out.extend_from_slice(&self.start.to_le_bytes());
        out.try_into().unwrap_or([0; ID_LEN])
    }

    fn from_id_field(id: &[u8; ID_LEN]) -> Option<Self> {
        let mut fields = Fields::new(id, "the marker");
        Some(Self {
            segment: SegmentId::from_bytes(fields.take::<SEGMENT_ID_LEN>().ok()?),
            group: fields.u64().ok()?,
            records: fields.u32().ok()?,
            start: fields.u32().ok()?,
        })
    }
}

fn bound_crc(place: Place, body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(place.segment.as_bytes());
    let crc = crc32c::crc32c_append(crc, &place.offset.to_le_bytes());
    crc32c::crc32c_append(crc, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: SegmentId = SegmentId::from_bytes(*b"0123456789abcdef");
    const PLACE: Place = Place { segment: SEGMENT, offset: 4096 };

    fn examples() -> [(RecordHeader, &'static [u8]); 5] {
        let marker = Marker { segment: SEGMENT, group: 3, records: 2, start: 4096 };
        [
            (RecordKey::Chunk(ChunkId::of(b"bytes")), b"bytes".as_slice()),
            (RecordKey::Page(PageId::unbound(b"page")), b"page"),
            (RecordKey::Statement(StatementId::of(b"said")), b"said"),
            (RecordKey::Ref, b"ref"),
            (RecordKey::Marker(marker), b""),
        ]
        .map(|(key, payload)| (RecordHeader::raw(key, payload), payload))
    }

    #[test]
    fn goldens() {
        let hex = |at: usize| data_encoding::HEXLOWER.encode(&examples()[at].0.encode(PLACE));
        let chunk = concat!(
            "89434852",                                                         // magic
            "01",                                                               // kind: chunk
            "00",                                                               // codec: raw
            "00",                                                               // flags
            "00",                                                               // base count
            "05000000",                                                         // raw length
            "05000000",                                                         // stored length
            "df19b1f105ff929191ce49d0bbfdc5b4edc2a71a40f502dc955359eb33649e24", // id
            "00000000",                                                         // the id covers the payload
            "a9a1f7a8"                                                          // header checksum
        );
        assert_eq!(hex(0), chunk);
        let marker = concat!(
            "89434852",
            "05000000",                         // kind: marker
            "0000000000000000",                 // no payload
            "30313233343536373839616263646566", // segment id
            "0300000000000000",                 // group 3
            "02000000",                         // of two records
            "00100000",                         // which begins at 4096
            "00000000",
            "945ffbf9"
        );
        assert_eq!(hex(4), marker);
        assert_eq!(&hex(3)[96..], "175f5be3513d7569");
    }

    #[test]
    fn round_trips() {
        for (header, payload) in examples() {
            assert_eq!(RecordHeader::decode(&header.encode(PLACE), PLACE).unwrap(), header);
            assert!(header.matches(payload));
            assert!(!header.matches(b"other"));
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for (header, _) in examples() {
            let good = header.encode(PLACE);
            for bit in 0..good.len() * 8 {
                let mut bad = good;
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(RecordHeader::decode(&bad, PLACE).is_err(), "bit {bit}");
            }
            assert!(RecordHeader::decode(&good[..RECORD_HEADER_BYTES - 1], PLACE).is_err());
        }
    }

    #[test]
    fn a_header_is_good_in_its_place_only() {
        let bytes = examples()[0].0.encode(PLACE);
        let elsewhere = Place { offset: 8192, ..PLACE };
        assert!(RecordHeader::decode(&bytes, elsewhere).is_err());
        let other = Place { segment: SegmentId::from_bytes(*b"another segment!"), ..PLACE };
        assert!(RecordHeader::decode(&bytes, other).is_err());
    }
}
