//! What lies where in a sealed segment, so that an index can be rebuilt without reading the payloads.
//!
//! The footer begins on a block after the last group and ends with the file, which is a multiple of the block:
//!
//! ```text
//!  0   8  magic "CHUANFTR"          each entry:                     the last 32 bytes of the file:
//!  8   2  version, 1                 0  32  id field of the record   0   8  magic "CHUANEND"
//! 10   2  0                         32   4  offset of the record     8   4  offset of the footer
//! 12   4  entries                   36   4  raw length              12   4  entries
//! 16  16  segment id                40   4  stored length           16  12  0
//! 32   …  entries, by offset        44   1  kind                    28   4  CRC32C of the footer before this field
//!  …   …  0                         45   1  codec
//!                                   46   2  0
//! ```
//!
//! Markers are not listed.

use super::{Codec, Fields, RecordKey, SegmentId, align_up, narrow};
use crate::{
    error::Result,
    limits::{SEGMENT_BLOCK, SEGMENT_BYTES},
};

const MAGIC: &[u8; 8] = b"CHUANFTR";
const END_MAGIC: &[u8; 8] = b"CHUANEND";
const VERSION: u16 = 1;
const HEAD_BYTES: usize = 32;
const ENTRY_BYTES: usize = 48;

/// Bytes of the trailer that ends a sealed segment.
pub const TRAILER_BYTES: usize = 32;

/// A record's place, as the footer lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FooterEntry {
    /// What it is.
    pub key: RecordKey,
    /// How its payload is stored.
    pub codec: Codec,
    /// The offset of its header.
    pub offset: u32,
    /// Bytes of the object.
    pub raw_len: u32,
    /// Bytes of payload.
    pub stored_len: u32,
}

/// All records of a sealed segment, by offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// The segment.
    pub segment: SegmentId,
    /// Its records.
    pub entries: Vec<FooterEntry>,
}

/// The end of a sealed segment: where its footer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// The offset of the footer.
    pub footer_offset: u32,
    /// Entries in it.
    pub entries: u32,
}

impl Footer {
    /// Bytes of a footer of so many entries.
    pub fn encoded_len(entries: usize) -> u64 {
        align_up((HEAD_BYTES + TRAILER_BYTES + ENTRY_BYTES * entries) as u64)
    }

    /// Encodes the footer for its offset in the segment.
    pub fn encode(&self, footer_offset: u32) -> Vec<u8> {
        let trailer = Trailer { footer_offset, entries: narrow(self.entries.len()) };
        let len =
            (HEAD_BYTES + TRAILER_BYTES + ENTRY_BYTES * self.entries.len()).next_multiple_of(SEGMENT_BLOCK);
        let mut out = Vec::with_capacity(len);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&trailer.entries.to_le_bytes());
        out.extend_from_slice(self.segment.as_bytes());
        for entry in &self.entries {
            entry.encode(&mut out);
        }
        out.resize(len - TRAILER_BYTES, 0);
        out.extend_from_slice(END_MAGIC);
        out.extend_from_slice(&trailer.footer_offset.to_le_bytes());
        out.extend_from_slice(&trailer.entries.to_le_bytes());
        out.extend_from_slice(&[0; 12]);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Decodes a footer: `bytes` are the segment from [`Trailer::footer_offset`] to its end.
    pub fn decode(bytes: &[u8], trailer: Trailer) -> Result<Self> {
        let mut fields = Fields::new(bytes, "the footer");
        let crc_at = bytes.len().saturating_sub(4);
        let (body, crc) = bytes.split_at_checked(crc_at).unwrap_or_default();
        if crc != crc32c::crc32c(body).to_le_bytes() {
            return Err(fields.invalid("fails its checksum"));
        }
        fields.expect(MAGIC, "has no magic")?;
        let version = fields.u16()?;
        if version != VERSION {
            return Err(fields.invalid(&format!("has version {version}: a newer chuan wrote it")));
        }
        fields.take::<2>()?;
        let count = fields.u32()?;
        if u64::from(count) > SEGMENT_BYTES / ENTRY_BYTES as u64
            || Self::encoded_len(count as usize) != bytes.len() as u64
        {
            return Err(fields.invalid("has a count that does not fit its length"));
        }
        let segment = SegmentId::from_bytes(fields.take()?);
        let entries = (0..count).map(|_| FooterEntry::decode(&mut fields)).collect::<Result<Vec<_>>>()?;
        let footer = Self { segment, entries };
        if footer.encode(trailer.footer_offset) != bytes || !footer.in_order(trailer.footer_offset) {
            return Err(fields.invalid("is not canonical"));
        }
        Ok(footer)
    }

    /// Whether the records follow one another without overlap before the footer.
    fn in_order(&self, footer_offset: u32) -> bool {
        let mut end = SEGMENT_BLOCK as u64;
        self.entries.iter().all(|entry| {
            let follows = u64::from(entry.offset) >= end;
            end = u64::from(entry.offset) + super::RECORD_HEADER_BYTES as u64 + u64::from(entry.stored_len);
            follows
        }) && end <= u64::from(footer_offset)
    }
}

impl FooterEntry {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.id_field());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.raw_len.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
        out.extend_from_slice(&[self.key.kind(), self.codec as u8, 0, 0]);
    }

    fn decode(fields: &mut Fields<'_>) -> Result<Self> {
        let id = fields.take()?;
        let (offset, raw_len, stored_len) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let kind = fields.u8()?;
        let rest: [u8; 3] = fields.take()?;
        let key = RecordKey::from_fields(kind, id)
            .filter(|key| !matches!(key, RecordKey::Marker(_)) && stored_len as usize <= key.max_len())
            .ok_or_else(|| fields.invalid("lists a record of unknown kind or size"))?;
        if rest != [0; 3] || raw_len != stored_len {
            return Err(fields.invalid("lists a record of unknown codec"));
        }
        Ok(Self { key, codec: Codec::Raw, offset, raw_len, stored_len })
    }
}

impl Trailer {
    /// Decodes the last [`TRAILER_BYTES`] of a file of `file_len` bytes; fails where it is not sealed.
    pub fn decode(bytes: &[u8; TRAILER_BYTES], file_len: u64) -> Result<Self> {
        let mut fields = Fields::new(bytes, "the trailer");
        fields.expect(END_MAGIC, "has no magic: the segment is not sealed")?;
        let trailer = Self { footer_offset: fields.u32()?, entries: fields.u32()? };
        fields.expect(&[0; 12], "is not canonical")?;
        let end = Footer::encoded_len(trailer.entries as usize).checked_add(u64::from(trailer.footer_offset));
        if end != Some(file_len) || file_len > SEGMENT_BYTES {
            return Err(fields.invalid("does not fit the length of the file"));
        }
        Ok(trailer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChunkId;

    fn example() -> Footer {
        let entry = |byte, offset| FooterEntry {
            key: RecordKey::Chunk(ChunkId::from_bytes([byte; 32])),
            codec: Codec::Raw,
            offset,
            raw_len: 100,
            stored_len: 100,
        };
        Footer {
            segment: SegmentId::from_bytes(*b"0123456789abcdef"),
            entries: vec![entry(0xaa, 4096), entry(0xbb, 4252)],
        }
    }

    fn trailer_of(bytes: &[u8]) -> Result<Trailer> {
        Trailer::decode(bytes.last_chunk().unwrap(), 8192 + bytes.len() as u64)
    }

    #[test]
    fn golden() {
        let bytes = example().encode(8192);
        assert_eq!(bytes.len(), SEGMENT_BLOCK);
        let hex = data_encoding::HEXLOWER.encode(&bytes);
        let expected = [
            "434855414e465452", // CHUANFTR
            "0100",             // version
            "0000",
            "02000000",                         // entries
            "30313233343536373839616263646566", // segment id
            &"aa".repeat(32),                   // the first: id
            "00100000",                         // offset
            "64000000",                         // raw length
            "64000000",                         // stored length
            "01000000",                         // chunk, raw
            &"bb".repeat(32),                   // the second
            "9c100000",
            "64000000",
            "64000000",
            "01000000",
        ]
        .concat();
        assert_eq!(hex[..expected.len()], expected);
        let trailer = concat!(
            "434855414e454e44", // CHUANEND
            "00200000",         // offset of the footer
            "02000000",         // entries
            "000000000000000000000000",
            "bff83bd3"
        );
        assert_eq!(&hex[hex.len() - 64..], trailer);
        let trailer = trailer_of(&bytes).unwrap();
        assert_eq!(Footer::decode(&bytes, trailer).unwrap(), example());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let good = example().encode(8192);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let read = trailer_of(&bad).and_then(|trailer| Footer::decode(&bad, trailer));
            assert!(read.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn refuses_overlaps() {
        let mut footer = example();
        footer.entries[1].offset = 4097;
        let bytes = footer.encode(8192);
        assert!(Footer::decode(&bytes, trailer_of(&bytes).unwrap()).is_err());
    }
}
