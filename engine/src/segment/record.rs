//! The header of a record. The payload follows directly.
//!
//! ```text
//!  0   4  magic 89 "CHR"
//!  4   1  kind: 1 chunk, 2 page, 5 marker; 6 reference, 7 delta group: reserved; 3 and 4 were format 1's
//!  5   1  codec of the payload: 0 raw, 1 zstd
//!  6   2  0
//!  8   4  raw length
//! 12   4  stored length: bytes of payload
//! 16  32  id: of the chunk or page; for a marker see below
//! 48   4  CRC32C of the payload of a reserved kind; 0 for the others: the id covers a chunk or page
//! 52   4  CRC32C of segment id, offset of the record in its segment (u32), and bytes 0 to 51
//! ```
//!
//! A packed payload is exactly one zstd frame, shorter than the raw bytes. Only chunks and pages are packed.
//! Nothing is written packed yet.
//!
//! A record of a reserved kind was written by a newer program. It is skipped and kept unchanged. Of its
//! header, only magic, kind, stored length and the two checksums have a meaning here.
//!
//! A marker has no payload. Its id field holds: segment id (16), number of the group in its library (u64),
//! records in the group (u32), offset of the group (u32). It names its segment so that a segment is readable
//! without its first block.

use std::borrow::Cow;

pub use crate::limits::format::segment::RECORD_HEADER_BYTES;

use super::{Fields, SEGMENT_ID_LEN, SegmentId, packed};
use crate::{
    error::{Error, Result},
    id::{ChunkId, ID_LEN, LibraryId, PageId, is_page},
    limits,
    store::ObjectId,
};

/// The magic at the start of every record.
pub const RECORD_MAGIC: [u8; 4] = *b"\x89CHR";

/// Offset of the checksum in the record's header.
const CRC_AT: usize = RECORD_HEADER_BYTES - 4;

/// The address of a record. The checksum of its header is bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordAddress {
    /// The segment.
    pub segment: SegmentId,
    /// The offset of the record's header in the segment.
    pub offset: u32,
}

/// The kind and id of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKey {
    /// A chunk.
    Chunk(ChunkId),
    /// A page, table or class header.
    Page(PageId),
    /// The end of a group.
    Marker(Marker),
    /// A kind that only newer programs write, and the id field.
    Reserved(ReservedKind, [u8; ID_LEN]),
}

/// Kinds of records that have a tag but are not written yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ReservedKind {
    /// A file that is kept in address, outside the segments.
    Reference = 6,
    /// Chunks stored as their difference to other chunks.
    DeltaGroup = 7,
}

/// The end of a group: everything before it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    /// The segment that holds it.
    pub segment: SegmentId,
    /// The group's number: one higher than that of the library's previous group, in this segment or an
    /// earlier one.
    pub group: u64,
    /// Records in the group, without its markers.
    pub records: u32,
    /// Where in the segment the group begins.
    pub start: u32,
}

/// How a payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Uncompressed.
    Raw,
    /// One zstd frame. Read, never written.
    Zstd,
    /// Any codec of a record of a [reserved kind](RecordKey::Reserved).
    Reserved(u8),
}

/// The header before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Kind and id.
    pub key: RecordKey,
    /// How the payload is stored.
    pub codec: Codec,
    /// Bytes of the object.
    pub raw_len: u32,
    /// Bytes of payload.
    pub stored_len: u32,
    /// CRC32C of the payload if no id covers it, else 0.
    pub payload_crc: u32,
}

impl Codec {
    /// The codec's tag.
    pub const fn tag(self) -> u8 {
        match self {
            Codec::Raw => 0,
            Codec::Zstd => 1,
            Codec::Reserved(tag) => tag,
        }
    }

    pub(super) fn from_tag(tag: u8, key: &RecordKey) -> Option<Self> {
        match (key, tag) {
            (RecordKey::Reserved(..), _) => Some(Codec::Reserved(tag)),
            (_, 0) => Some(Codec::Raw),
            (RecordKey::Chunk(_) | RecordKey::Page(_), 1) => Some(Codec::Zstd),
            _ => None,
        }
    }

    /// Whether a record of this codec may have these lengths.
    pub(super) fn allows(self, key: &RecordKey, raw_len: u32, stored_len: u32) -> bool {
        let within = |len: u32| len as usize <= key.max_len();
        match self {
            Codec::Raw => raw_len == stored_len && within(raw_len),
            Codec::Zstd => (1..raw_len).contains(&stored_len) && within(raw_len),
            Codec::Reserved(_) => within(stored_len),
        }
    }
}

impl RecordHeader {
    /// The header of a payload stored raw.
    pub fn raw(key: RecordKey, payload: &[u8]) -> Self {
        let len = super::narrow(payload.len());
        let payload_crc = if key.has_payload_crc() { crc32c::crc32c(payload) } else { 0 };
        Self { key, codec: Codec::Raw, raw_len: len, stored_len: len, payload_crc }
    }

    /// Encodes the header for its address.
    pub fn encode(&self, address: RecordAddress) -> [u8; RECORD_HEADER_BYTES] {
        let mut out = Vec::with_capacity(RECORD_HEADER_BYTES);
        out.extend_from_slice(&RECORD_MAGIC);
        out.extend_from_slice(&[self.key.kind(), self.codec.tag(), 0, 0]);
        out.extend_from_slice(&self.raw_len.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
        out.extend_from_slice(&self.key.id_field());
        out.extend_from_slice(&self.payload_crc.to_le_bytes());
        out.extend_from_slice(&bound_crc(address, &out).to_le_bytes());
        out.try_into().unwrap_or([0; RECORD_HEADER_BYTES])
    }

    /// Decodes the header at the front of `bytes`, which were read at `address`.
    pub fn decode(bytes: &[u8], address: RecordAddress) -> Result<Self> {
        let mut fields = Fields::new(bytes, "the record header");
        fields.expect(&RECORD_MAGIC, "has no magic")?;
        let (kind, codec) = (fields.u8()?, fields.u8()?);
        let reserved = fields.u16()?;
        let (raw_len, stored_len) = (fields.u32()?, fields.u32()?);
        let id: [u8; ID_LEN] = fields.take()?;
        let payload_crc = fields.u32()?;
        let crc = fields.u32()?;
        if bytes.get(..CRC_AT).map(|body| bound_crc(address, body)) != Some(crc) {
            return Err(fields.invalid("fails its checksum"));
        }
        let key = RecordKey::from_fields(kind, id)
            .ok_or_else(|| fields.invalid(&format!("has unknown kind {kind}: a newer chuan wrote it")))?;
        let is_reserved = matches!(key, RecordKey::Reserved(..));
        let codec = Codec::from_tag(codec, &key)
            .filter(|_| reserved == 0 || is_reserved)
            .ok_or_else(|| fields.invalid("has an unknown codec or flag: a newer chuan wrote it"))?;
        if !codec.allows(&key, raw_len, stored_len) || (payload_crc != 0 && !key.has_payload_crc()) {
            return Err(fields.invalid("has lengths or checksums out of bounds"));
        }
        Ok(Self { key, codec, raw_len, stored_len, payload_crc })
    }

    /// Bytes of header and payload.
    pub fn total_len(&self) -> u64 {
        RECORD_HEADER_BYTES as u64 + u64::from(self.stored_len)
    }

    /// Unpacks the object's bytes from its payload; borrows them if they are stored raw. Their length is the
    /// one in the header. [`names`](Self::names) tells whether they match the id.
    pub fn unpack<'a>(&self, payload: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        if payload.len() != self.stored_len as usize {
            return Err(Error::Invalid("a record's payload is cut short".to_owned()));
        }
        match self.codec {
            Codec::Raw | Codec::Reserved(_) => Ok(Cow::Borrowed(payload)),
            Codec::Zstd => packed::unpack(payload, self.raw_len as usize).map(Cow::Owned),
        }
    }

    /// Whether these unpacked bytes match the header, in a segment of `library`.
    pub fn names(&self, library: &LibraryId, bytes: &[u8]) -> bool {
        match &self.key {
            RecordKey::Chunk(id) => ChunkId::of(bytes) == *id,
            RecordKey::Page(id) => is_page(library, id, bytes),
            RecordKey::Reserved(..) => crc32c::crc32c(bytes) == self.payload_crc,
            RecordKey::Marker(_) => true,
        }
    }

    /// Whether `payload` matches the header, in a segment of `library`.
    pub fn matches(&self, library: &LibraryId, payload: &[u8]) -> bool {
        self.unpack(payload).is_ok_and(|bytes| self.names(library, &bytes))
    }
}

impl RecordKey {
    /// The kind's tag.
    pub const fn kind(&self) -> u8 {
        match self {
            RecordKey::Chunk(_) => 1,
            RecordKey::Page(_) => 2,
            RecordKey::Marker(_) => 5,
            RecordKey::Reserved(kind, _) => *kind as u8,
        }
    }

    /// The id that goes to the lost set if the record is lost.
    pub fn lost_id(&self) -> Option<ObjectId> {
        match self {
            RecordKey::Chunk(id) => Some(ObjectId::Chunk(*id)),
            RecordKey::Page(id) => Some(ObjectId::Page(*id)),
            RecordKey::Marker(_) | RecordKey::Reserved(..) => None,
        }
    }

    /// The 32 bytes of the id field.
    pub(super) fn id_field(&self) -> [u8; ID_LEN] {
        match self {
            RecordKey::Chunk(id) => *id.as_bytes(),
            RecordKey::Page(id) => *id.as_bytes(),
            RecordKey::Marker(marker) => marker.id_field(),
            RecordKey::Reserved(_, id) => *id,
        }
    }

    pub(super) fn from_fields(kind: u8, id: [u8; ID_LEN]) -> Option<Self> {
        match kind {
            1 => Some(RecordKey::Chunk(ChunkId::from_bytes(id))),
            2 => Some(RecordKey::Page(PageId::from_bytes(id))),
            5 => Marker::from_id_field(&id).map(RecordKey::Marker),
            6 => Some(RecordKey::Reserved(ReservedKind::Reference, id)),
            7 => Some(RecordKey::Reserved(ReservedKind::DeltaGroup, id)),
            _ => None,
        }
    }

    /// Maximum bytes of payload.
    pub(super) fn max_len(&self) -> usize {
        match self {
            RecordKey::Chunk(_) => limits::CHUNK_BYTES,
            RecordKey::Page(_) => limits::PAGE_BYTES,
            RecordKey::Marker(_) => 0,
            RecordKey::Reserved(..) => limits::RESERVED_RECORD_BYTES,
        }
    }

    fn has_payload_crc(&self) -> bool {
        matches!(self, RecordKey::Reserved(..))
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

fn bound_crc(address: RecordAddress, body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(address.segment.as_bytes());
    let crc = crc32c::crc32c_append(crc, &address.offset.to_le_bytes());
    crc32c::crc32c_append(crc, body)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test data is small")]
mod tests {
    use super::*;

    const SEGMENT: SegmentId = SegmentId::from_bytes(*b"0123456789abcdef");
    const ADDRESS: RecordAddress = RecordAddress { segment: SEGMENT, offset: 4096 };
    const LIBRARY: LibraryId = LibraryId::from_bytes([0x11; 32]);

    fn examples() -> [(RecordHeader, &'static [u8]); 3] {
        let marker = Marker { segment: SEGMENT, group: 3, records: 2, start: 4096 };
        [
            (RecordKey::Chunk(ChunkId::of(b"bytes")), b"bytes".as_slice()),
            (RecordKey::Page(PageId::of(&LIBRARY, b"page")), b"page"),
            (RecordKey::Marker(marker), b""),
        ]
        .map(|(key, payload)| (RecordHeader::raw(key, payload), payload))
    }

    #[test]
    fn goldens() {
        let hex = |at: usize| data_encoding::HEXLOWER.encode(&examples()[at].0.encode(ADDRESS));
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
        assert_eq!(hex(2), marker);
    }

    #[test]
    fn round_trips() {
        for (header, payload) in examples() {
            assert_eq!(RecordHeader::decode(&header.encode(ADDRESS), ADDRESS).unwrap(), header);
            assert!(header.matches(&LIBRARY, payload));
            assert!(!header.matches(&LIBRARY, b"other"));
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for (header, _) in examples() {
            let good = header.encode(ADDRESS);
            for bit in 0..good.len() * 8 {
                let mut bad = good;
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(RecordHeader::decode(&bad, ADDRESS).is_err(), "bit {bit}");
            }
            assert!(RecordHeader::decode(&good[..RECORD_HEADER_BYTES - 1], ADDRESS).is_err());
        }
    }

    /// A header with changed fields and a valid checksum.
    fn forged(header: &RecordHeader, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut bytes = header.encode(ADDRESS).to_vec();
        change(&mut bytes);
        let crc = bound_crc(ADDRESS, &bytes[..CRC_AT]).to_le_bytes();
        bytes[CRC_AT..].copy_from_slice(&crc);
        bytes
    }

    #[test]
    fn packed_payloads_are_read() {
        let raw = b"the river ".repeat(1000);
        let packed = zstd::bulk::compress(&raw, 3).unwrap();
        let key = RecordKey::Chunk(ChunkId::of(&raw));
        let (raw_len, stored_len) = (raw.len() as u32, packed.len() as u32);
        let header = RecordHeader { key, codec: Codec::Zstd, raw_len, stored_len, payload_crc: 0 };
        let read = RecordHeader::decode(&header.encode(ADDRESS), ADDRESS).unwrap();
        assert_eq!(read, header);
        assert_eq!(read.unpack(&packed).unwrap(), raw);
        assert!(read.matches(&LIBRARY, &packed));
        let other = RecordHeader { key: RecordKey::Chunk(ChunkId::of(b"other")), ..header };
        assert!(!other.matches(&LIBRARY, &packed));
        assert!(!read.matches(&LIBRARY, &raw));
        // Not shorter than raw, longer than a chunk may be, and kinds that are never packed.
        for (raw_len, stored_len) in [(10, 10), (10, 11), (10, 0), (limits::CHUNK_BYTES as u32 + 1, 10)] {
            let bytes = RecordHeader { raw_len, stored_len, ..header }.encode(ADDRESS);
            assert!(RecordHeader::decode(&bytes, ADDRESS).is_err(), "{raw_len}, {stored_len}");
        }
        let marker = RecordHeader { codec: Codec::Zstd, ..examples()[2].0 };
        assert!(RecordHeader::decode(&marker.encode(ADDRESS), ADDRESS).is_err());
        let unknown = forged(&header, |bytes| bytes[5] = 2);
        assert!(RecordHeader::decode(&unknown, ADDRESS).is_err());
    }

    #[test]
    fn reserved_kinds_are_known_and_nothing_else_is() {
        let payload = b"from a newer program";
        for (tag, kind) in [(6, ReservedKind::Reference), (7, ReservedKind::DeltaGroup)] {
            let header = RecordHeader::raw(RecordKey::Reserved(kind, [9; 32]), payload);
            // Codec, flags, base count and raw length have a meaning for that program only.
            let bytes = forged(&header, |bytes| {
                bytes[5..8].copy_from_slice(&[3, 1, 4]);
                bytes[8..12].copy_from_slice(&1_000_000_000u32.to_le_bytes());
            });
            assert_eq!(bytes[4], tag);
            let read = RecordHeader::decode(&bytes, ADDRESS).unwrap();
            assert_eq!((read.key, read.stored_len), (header.key, payload.len() as u32));
            assert!(read.matches(&LIBRARY, payload) && !read.matches(&LIBRARY, b"From a newer program"));
            let long = RecordHeader { stored_len: limits::RESERVED_RECORD_BYTES as u32 + 1, ..header };
            assert!(RecordHeader::decode(&long.encode(ADDRESS), ADDRESS).is_err());
        }
        for tag in (0..=u8::MAX).filter(|tag| !(1..=7).contains(tag)) {
            let bytes = forged(&examples()[0].0, |bytes| bytes[4] = tag);
            assert!(RecordHeader::decode(&bytes, ADDRESS).is_err(), "kind {tag}");
        }
    }

    #[test]
    fn a_header_is_valid_at_its_address_only() {
        let bytes = examples()[0].0.encode(ADDRESS);
        let elsewhere = RecordAddress { offset: 8192, ..ADDRESS };
        assert!(RecordHeader::decode(&bytes, elsewhere).is_err());
        let other = RecordAddress { segment: SegmentId::from_bytes(*b"another segment!"), ..ADDRESS };
        assert!(RecordHeader::decode(&bytes, other).is_err());
    }
}
