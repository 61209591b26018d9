//! The list of records of a sealed segment. With it an index is rebuilt, and an id looked up, without reading
//! the payloads.
//!
//! The footer begins on a block after the last group and ends with the file:
//!
//! ```text
//! entry blocks   of 4096 bytes: up to 85 entries each, all but the last block full
//! tail           filter, zeros, trailer: whole blocks
//!
//! each entry block:              each entry:                    the trailer, the last 96 bytes of the file:
//!    0   …  entries               0  32  id field of the record  0   8  magic "CHUANEND"
//!    …   …  0                    32   4  offset of the record    8   2  version of the footer, 2
//! 4092   4  CRC32C of segment    36   4  raw length             10   2  0
//!           id, number of the    40   4  stored length          12   4  offset of the footer
//!           block (u32), and     44   1  kind                   16   4  entries
//!           bytes 0 to 4091      45   1  codec                  20   4  bytes of the filter
//!                                46   2  0                      24  16  segment id
//!                                                               40  32  library
//!                                                               72  20  0
//!                                                               92   4  CRC32C of the tail before this field
//! ```
//!
//! Entries ascend by id field, kind and offset. An id occurs twice if it was stored again after it was lost.
//! Markers are not listed. The [`filter`] covers the id fields. The tail and each block have checksums of
//! their own, so that a remote reader takes the tail in one read and then the one block that can hold an id.

pub use crate::limits::format::segment::TRAILER_BYTES;

use super::{Codec, Fields, RecordKey, SegmentId, SegmentName, align_up, filter, narrow};
use crate::{
    error::Result,
    id::{ID_LEN, LibraryId},
    limits::{SEGMENT_BLOCK, SEGMENT_BYTES},
};

const MAGIC: &[u8; 8] = b"CHUANEND";
const VERSION: u16 = 2;
/// Bytes of an entry.
const ENTRY_BYTES: usize = 48;
/// Bytes of a checksum.
const CRC_BYTES: usize = 4;
/// Maximum entries of a block.
const BLOCK_ENTRIES: usize = (SEGMENT_BLOCK - CRC_BYTES) / ENTRY_BYTES;

/// A record as the footer lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FooterEntry {
    /// Kind and id.
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

/// All records of a sealed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// The segment.
    pub segment: SegmentName,
    /// Its records, ordered by id.
    pub entries: Vec<FooterEntry>,
}

/// The end of a sealed segment: the layout of its footer. Only a valid [`Tail`] proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// The segment.
    pub segment: SegmentName,
    /// The offset of the footer.
    pub footer_offset: u32,
    /// Number of entries.
    pub entries: u32,
}

/// The verified end of a sealed segment: trailer and filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The trailer.
    pub trailer: Trailer,
    filter: Vec<u8>,
}

impl Footer {
    /// Bytes of a footer with this number of entries.
    pub fn encoded_len(entries: usize) -> u64 {
        (entries.div_ceil(BLOCK_ENTRIES) * SEGMENT_BLOCK) as u64 + Tail::encoded_len(entries)
    }

    /// Sorts the entries and encodes the footer for its offset in the segment.
    pub fn encode(&mut self, footer_offset: u32) -> Vec<u8> {
        self.entries.sort_unstable_by_key(FooterEntry::order);
        let len = usize::try_from(Self::encoded_len(self.entries.len())).unwrap_or_default();
        let mut out = Vec::with_capacity(len);
        for (number, block) in (0..).zip(self.entries.chunks(BLOCK_ENTRIES)) {
            let start = out.len();
            block.iter().for_each(|entry| entry.encode(&mut out));
            out.resize(start + SEGMENT_BLOCK - CRC_BYTES, 0);
            let crc = block_crc(&self.segment.id, number, out.get(start..).unwrap_or_default());
            out.extend_from_slice(&crc.to_le_bytes());
        }
        let trailer = Trailer { segment: self.segment, footer_offset, entries: narrow(self.entries.len()) };
        Tail { trailer, filter: self.filter() }.encode(&mut out);
        out
    }

    /// Decodes a footer. `bytes` are the segment from [`Trailer::footer_offset`] to its end.
    pub fn decode(bytes: &[u8], trailer: Trailer) -> Result<Self> {
        let fields = Fields::new(bytes, "the footer");
        let count = trailer.entries as usize;
        let (blocks, tail) = bytes
            .split_at_checked(count.div_ceil(BLOCK_ENTRIES) * SEGMENT_BLOCK)
            .ok_or_else(|| fields.invalid("is cut short"))?;
        let tail = Tail::decode(tail, trailer)?;
        let mut entries = Vec::with_capacity(count);
        for (number, block) in (0..).zip(blocks.chunks(SEGMENT_BLOCK)) {
            let here = (count - entries.len()).min(BLOCK_ENTRIES);
            entries.extend(decode_block(&trailer.segment.id, number, block, here)?);
        }
        let footer = Self { segment: trailer.segment, entries };
        let ascends = |pair: &[FooterEntry]| match pair {
            [one, next] => one.order() < next.order(),
            _ => true,
        };
        if !footer.entries.windows(2).all(ascends) || !footer.fits(trailer.footer_offset) {
            return Err(fields.invalid("is not in order"));
        }
        if footer.filter() != tail.filter {
            return Err(fields.invalid("has another filter than its entries make"));
        }
        Ok(footer)
    }

    fn filter(&self) -> Vec<u8> {
        filter::make(self.entries.len(), self.entries.iter().map(|entry| entry.key.id_field()))
    }

    /// Whether all records lie before the footer and do not overlap.
    fn fits(&self, footer_offset: u32) -> bool {
        let mut spans: Vec<_> = self.entries.iter().map(|entry| (entry.offset, entry.stored_len)).collect();
        spans.sort_unstable();
        let mut end = SEGMENT_BLOCK as u64;
        spans.into_iter().all(|(offset, stored_len)| {
            let follows = u64::from(offset) >= end;
            end = u64::from(offset) + super::RECORD_HEADER_BYTES as u64 + u64::from(stored_len);
            follows
        }) && end <= u64::from(footer_offset)
    }
}

/// Decodes one block of `count` entries.
fn decode_block(segment: &SegmentId, number: u32, block: &[u8], count: usize) -> Result<Vec<FooterEntry>> {
    let mut fields = Fields::new(block, "an entry block of the footer");
    let (body, crc) = block.split_at_checked(SEGMENT_BLOCK - CRC_BYTES).unwrap_or_default();
    if crc != block_crc(segment, number, body).to_le_bytes() {
        return Err(fields.invalid("fails its checksum"));
    }
    let entries = (0..count).map(|_| FooterEntry::decode(&mut fields)).collect::<Result<Vec<_>>>()?;
    let padding = body.get(count * ENTRY_BYTES..).unwrap_or_default();
    if padding.iter().any(|byte| *byte != 0) {
        return Err(fields.invalid("is not canonical"));
    }
    Ok(entries)
}

fn block_crc(segment: &SegmentId, number: u32, body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(segment.as_bytes());
    let crc = crc32c::crc32c_append(crc, &number.to_le_bytes());
    crc32c::crc32c_append(crc, body)
}

impl FooterEntry {
    /// The sort key of entries.
    fn order(&self) -> ([u8; ID_LEN], u8, u32) {
        (self.key.id_field(), self.key.kind(), self.offset)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.id_field());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.raw_len.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
        out.extend_from_slice(&[self.key.kind(), self.codec.tag(), 0, 0]);
    }

    fn decode(fields: &mut Fields<'_>) -> Result<Self> {
        let id = fields.take()?;
        let (offset, raw_len, stored_len) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (kind, codec) = (fields.u8()?, fields.u8()?);
        let key = RecordKey::from_fields(kind, id)
            .filter(|key| !matches!(key, RecordKey::Marker(_)))
            .ok_or_else(|| fields.invalid("lists a record of unknown kind"))?;
        let codec = Codec::from_tag(codec, &key)
            .filter(|codec| codec.allows(&key, raw_len, stored_len))
            .ok_or_else(|| fields.invalid("lists a record of unknown codec or size"))?;
        fields.expect(&[0; 2], "is not canonical")?;
        Ok(Self { key, codec, offset, raw_len, stored_len })
    }
}

impl Trailer {
    /// Decodes the last [`TRAILER_BYTES`] of a file of `file_len` bytes; fails if the segment is not sealed.
    pub fn decode(bytes: &[u8; TRAILER_BYTES], file_len: u64) -> Result<Self> {
        let mut fields = Fields::new(bytes, "the trailer");
        fields.expect(MAGIC, "has no magic: the segment is not sealed")?;
        let version = fields.u16()?;
        if version != VERSION {
            return Err(fields.invalid(&format!("has version {version}: a newer chuan wrote it")));
        }
        fields.expect(&[0; 2], "is not canonical")?;
        let (footer_offset, entries, filter_len) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let id = SegmentId::from_bytes(fields.take()?);
        let library = LibraryId::from_bytes(fields.take()?);
        fields.expect(&[0; 20], "is not canonical")?;
        let end = Footer::encoded_len(entries as usize).checked_add(u64::from(footer_offset));
        if end != Some(file_len)
            || file_len > SEGMENT_BYTES
            || filter_len as usize != filter::filter_len(entries as usize)
        {
            return Err(fields.invalid("does not fit the length of the file"));
        }
        Ok(Self { segment: SegmentName { id, library }, footer_offset, entries })
    }

    /// Bytes of the tail at the end of the file.
    pub fn tail_len(&self) -> u64 {
        Tail::encoded_len(self.entries as usize)
    }
}

impl Tail {
    fn encoded_len(entries: usize) -> u64 {
        align_up((filter::filter_len(entries) + TRAILER_BYTES) as u64)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let Trailer { segment, footer_offset, entries } = self.trailer;
        let start = out.len();
        let len = usize::try_from(self.trailer.tail_len()).unwrap_or_default();
        out.extend_from_slice(&self.filter);
        out.resize(start + len - TRAILER_BYTES, 0);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&footer_offset.to_le_bytes());
        out.extend_from_slice(&entries.to_le_bytes());
        out.extend_from_slice(&narrow(self.filter.len()).to_le_bytes());
        out.extend_from_slice(segment.id.as_bytes());
        out.extend_from_slice(segment.library.as_bytes());
        out.extend_from_slice(&[0; 20]);
        let crc = crc32c::crc32c(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
    }

    /// Decodes the last [`Trailer::tail_len`] bytes of a segment.
    pub fn decode(bytes: &[u8], trailer: Trailer) -> Result<Self> {
        let fields = Fields::new(bytes, "the footer's tail");
        let filter = bytes.get(..filter::filter_len(trailer.entries as usize)).unwrap_or_default();
        let tail = Self { trailer, filter: filter.to_vec() };
        let mut canonical = Vec::with_capacity(bytes.len());
        tail.encode(&mut canonical);
        if canonical != bytes {
            return Err(fields.invalid("fails its checksum"));
        }
        Ok(tail)
    }

    /// Whether the segment may hold a record with this id field. `false` is certain.
    pub fn may_hold(&self, id: &[u8; ID_LEN]) -> bool {
        filter::may_hold(&self.filter, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChunkId;

    const NAME: SegmentName = SegmentName {
        id: SegmentId::from_bytes(*b"0123456789abcdef"),
        library: LibraryId::from_bytes([0x11; 32]),
    };

    fn entry(byte: u8, offset: u32) -> FooterEntry {
        let key = RecordKey::Chunk(ChunkId::from_bytes([byte; 32]));
        FooterEntry { key, codec: Codec::Raw, offset, raw_len: 100, stored_len: 100 }
    }

    fn example() -> Footer {
        Footer { segment: NAME, entries: vec![entry(0xbb, 4096), entry(0xaa, 4252)] }
    }

    fn decode(bytes: &[u8]) -> Result<Footer> {
        Footer::decode(bytes, Trailer::decode(bytes.last_chunk().unwrap(), 8192 + bytes.len() as u64)?)
    }

    #[test]
    fn golden() {
        let bytes = example().encode(8192);
        assert_eq!(bytes.len(), 2 * SEGMENT_BLOCK);
        let hex = data_encoding::HEXLOWER.encode(&bytes);
        let entries = [
            &"aa".repeat(32), // the first: id
            "9c100000",       // offset
            "64000000",       // raw length
            "64000000",       // stored length
            "01000000",       // chunk, raw
            &"bb".repeat(32), // the second
            "00100000",
            "64000000",
            "64000000",
            "01000000",
        ]
        .concat();
        assert_eq!(hex[..entries.len()], entries);
        assert!(bytes[2 * ENTRY_BYTES..SEGMENT_BLOCK - CRC_BYTES].iter().all(|byte| *byte == 0));
        let tail = &hex[2 * SEGMENT_BLOCK - 8..];
        assert_eq!(&tail[..24], "917478d503006020841c4208"); // checksum of the block, filter of 20 bits in 8 bytes
        let trailer = concat!(
            "434855414e454e44", // CHUANEND
            "02000000",         // version
            "00200000",         // offset of the footer
            "02000000",         // entries
            "08000000",         // bytes of the filter
            "30313233343536373839616263646566",
            "1111111111111111111111111111111111111111111111111111111111111111",
            "0000000000000000000000000000000000000000",
            "f5c8646e"
        );
        assert_eq!(&hex[hex.len() - 2 * TRAILER_BYTES..], trailer);
        let mut sorted = example();
        sorted.entries.reverse();
        assert_eq!(decode(&bytes).unwrap(), sorted);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let good = example().encode(8192);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn many_entries_take_many_blocks_and_the_tail_is_read_alone() {
        let count = 2 * BLOCK_ENTRIES + 1;
        let id = |number: usize| ChunkId::of(&number.to_le_bytes());
        let entries = (0..count).map(|number| FooterEntry {
            key: RecordKey::Chunk(id(number)),
            ..entry(0, 4096 + 156 * narrow(number))
        });
        let mut footer = Footer { segment: NAME, entries: entries.collect() };
        let at = narrow(SEGMENT_BLOCK) * 16;
        let bytes = footer.encode(at);
        assert_eq!(bytes.len() as u64, Footer::encoded_len(count));
        let trailer =
            Trailer::decode(bytes.last_chunk().unwrap(), u64::from(at) + bytes.len() as u64).unwrap();
        assert_eq!(trailer.entries as usize, count);
        let tail_at = bytes.len() - usize::try_from(trailer.tail_len()).unwrap();
        let tail = Tail::decode(&bytes[tail_at..], trailer).unwrap();
        assert!((0..count).all(|number| tail.may_hold(id(number).as_bytes())));
        assert!((count..count + 50).any(|number| !tail.may_hold(id(number).as_bytes())));
        assert_eq!(Footer::decode(&bytes, trailer).unwrap(), footer);
        // Two blocks swapped.
        let swapped = [&bytes[4096..8192], &bytes[..4096], &bytes[8192..]].concat();
        assert!(Footer::decode(&swapped, trailer).is_err());
    }

    #[test]
    fn refuses_overlaps_and_wrong_order() {
        let mut footer = example();
        footer.entries[1].offset = 4097;
        assert!(decode(&footer.encode(8192)).is_err());

        // Written by a program that does not sort.
        let bytes = example().encode(8192);
        let mut bad = [&bytes[48..96], &bytes[..48], &bytes[96..]].concat();
        let crc = block_crc(&NAME.id, 0, &bad[..4092]).to_le_bytes();
        bad[4092..4096].copy_from_slice(&crc);
        assert!(decode(&bad).is_err());
    }
}
