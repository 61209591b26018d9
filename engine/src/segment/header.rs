//! The first block of a segment.
//!
//! ```text
//!    0   8  magic "CHUANSEG"
//!    8   2  format version, 2
//!   10   2  0
//!   12   4  key id: 0 = plain (others: encryption at rest, later)
//!   16  16  segment id
//!   32   4  number: the file's name
//!   36  32  library
//!   68 1976 0
//! 2044   4  CRC32C of all before
//! 2048 2048 the same again
//! ```
//!
//! There are two copies, because nothing else in the file names the library: one damaged sector must not make
//! a whole segment unreadable.

use super::{Fields, SegmentId, SegmentName};
use crate::{error::Result, id::LibraryId, limits::SEGMENT_BLOCK};

const MAGIC: &[u8; 8] = b"CHUANSEG";
/// The version that this program writes, and the only one that it reads.
pub const FORMAT_VERSION: u16 = 2;
/// Bytes of one copy.
const COPY_BYTES: usize = SEGMENT_BLOCK / 2;
/// Where format 1, which had one copy, had its checksum.
const FIRST_FORMAT_CRC_AT: usize = SEGMENT_BLOCK - CRC_BYTES;
/// Bytes of a checksum.
const CRC_BYTES: usize = 4;

/// The decoded first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The random id and the library.
    pub name: SegmentName,
    /// The number in the file's name.
    pub number: u32,
}

impl SegmentHeader {
    /// Encodes the block of [`SEGMENT_BLOCK`] bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(COPY_BYTES);
        copy.extend_from_slice(MAGIC);
        copy.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        copy.extend_from_slice(&[0; 6]);
        copy.extend_from_slice(self.name.id.as_bytes());
        copy.extend_from_slice(&self.number.to_le_bytes());
        copy.extend_from_slice(self.name.library.as_bytes());
        copy.resize(COPY_BYTES - CRC_BYTES, 0);
        let crc = crc32c::crc32c(&copy);
        copy.extend_from_slice(&crc.to_le_bytes());
        copy.repeat(2)
    }

    /// Decodes the first block from either intact copy; fails if none is intact. The block is undamaged if it
    /// equals what [`encode`](Self::encode) makes of the result.
    pub fn decode(block: &[u8]) -> Result<Self> {
        let (first, second) = block.split_at_checked(COPY_BYTES).unwrap_or((block, &[]));
        Self::decode_copy(first).or_else(|error| Self::decode_copy(second).map_err(|_| error))
    }

    fn decode_copy(copy: &[u8]) -> Result<Self> {
        let mut fields = Fields::new(copy, "the segment header");
        fields.expect(MAGIC, "has no magic: this is no segment")?;
        let version = fields.u16()?;
        fields.take::<6>()?;
        let (id, number) = (SegmentId::from_bytes(fields.take()?), fields.u32()?);
        let library = LibraryId::from_bytes(fields.take()?);
        if !ends_in_crc(copy, COPY_BYTES - CRC_BYTES) {
            return Err(fields.invalid("fails its checksum"));
        }
        if version != FORMAT_VERSION {
            return Err(fields.invalid(&format!("has version {version}")));
        }
        let header = Self { name: SegmentName { id, library }, number };
        if !header.encode().starts_with(copy) {
            return Err(fields.invalid("is not canonical"));
        }
        Ok(header)
    }

    /// The format version of an intact first block of another format than this program's.
    pub fn other_version(block: &[u8]) -> Option<u16> {
        let version = |copy: &[u8]| {
            let version = u16::from_le_bytes(*copy.strip_prefix(MAGIC)?.first_chunk()?);
            (version != FORMAT_VERSION).then_some(version)
        };
        let (first, second) = block.split_at_checked(COPY_BYTES)?;
        let of_copy = |copy| version(copy).filter(|_| ends_in_crc(copy, COPY_BYTES - CRC_BYTES));
        let of_first_format = || version(block).filter(|_| ends_in_crc(block, FIRST_FORMAT_CRC_AT));
        of_copy(first).or_else(|| of_copy(second)).or_else(of_first_format)
    }
}

/// Whether `bytes` are `crc_at` bytes followed by their checksum.
fn ends_in_crc(bytes: &[u8], crc_at: usize) -> bool {
    bytes
        .split_at_checked(crc_at)
        .is_some_and(|(body, crc)| crc == crc32c::crc32c(body).to_le_bytes().as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> SegmentHeader {
        let name = SegmentName {
            id: SegmentId::from_bytes(*b"0123456789abcdef"),
            library: LibraryId::from_bytes([0x11; 32]),
        };
        SegmentHeader { name, number: 7 }
    }

    #[test]
    fn golden() {
        let block = example().encode();
        let hex = data_encoding::HEXLOWER.encode(&block);
        assert_eq!(
            &hex[..136],
            concat!(
                "434855414e534547", // CHUANSEG
                "0200",             // version
                "0000",
                "00000000",                                                         // key id
                "30313233343536373839616263646566",                                 // segment id
                "07000000",                                                         // number
                "1111111111111111111111111111111111111111111111111111111111111111"  // library
            )
        );
        assert_eq!(block.len(), SEGMENT_BLOCK);
        assert!(block[68..COPY_BYTES - CRC_BYTES].iter().all(|byte| *byte == 0));
        assert_eq!(&hex[2 * (COPY_BYTES - CRC_BYTES)..2 * COPY_BYTES], "c3644e83");
        assert_eq!(block[..COPY_BYTES], block[COPY_BYTES..]);
        assert_eq!(SegmentHeader::decode(&block).unwrap(), example());
    }

    #[test]
    fn a_flipped_bit_is_noticed_and_loses_nothing() {
        let block = example().encode();
        for bit in 0..block.len() * 8 {
            let mut bad = block.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let read = SegmentHeader::decode(&bad).unwrap();
            assert_eq!(read, example(), "bit {bit}");
            assert_ne!(read.encode(), bad, "bit {bit}");
            assert_eq!(SegmentHeader::other_version(&bad), None, "bit {bit}");
            // With the other copy damaged too, nothing is read.
            bad[if bit / 8 < COPY_BYTES { COPY_BYTES } else { 0 }..][..512].fill(0);
            assert!(SegmentHeader::decode(&bad).is_err(), "bit {bit}");
        }
        assert!(SegmentHeader::decode(&block[..COPY_BYTES - 1]).is_err());
        assert!(SegmentHeader::decode(&[]).is_err());
    }

    #[test]
    fn other_formats_are_distinguished_from_damage() {
        // As format 1 wrote it: one copy, no library, and the checksum at the end of the block.
        let mut first = Vec::from(*MAGIC);
        first.extend_from_slice(&1u16.to_le_bytes());
        first.extend_from_slice(&[0; 6]);
        first.extend_from_slice(b"0123456789abcdef");
        first.extend_from_slice(&7u32.to_le_bytes());
        first.resize(FIRST_FORMAT_CRC_AT, 0);
        let crc = crc32c::crc32c(&first);
        first.extend_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::other_version(&first), Some(1));
        assert!(SegmentHeader::decode(&first).is_err());
        first[100] ^= 1;
        assert_eq!(SegmentHeader::other_version(&first), None);

        let mut later = example().encode();
        later[8] = 3;
        let crc = crc32c::crc32c(&later[..COPY_BYTES - CRC_BYTES]).to_le_bytes();
        later[COPY_BYTES - CRC_BYTES..COPY_BYTES].copy_from_slice(&crc);
        later.copy_within(..COPY_BYTES, COPY_BYTES);
        assert_eq!(SegmentHeader::other_version(&later), Some(3));
        assert!(SegmentHeader::decode(&later).is_err());
        assert_eq!(SegmentHeader::other_version(&example().encode()), None);
        assert_eq!(SegmentHeader::other_version(&[0; SEGMENT_BLOCK]), None);
    }
}
