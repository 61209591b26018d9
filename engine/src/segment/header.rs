//! The first block of a segment.
//!
//! ```text
//!    0   8  magic "CHUANSEG"
//!    8   2  format version, 1
//!   10   2  0
//!   12   4  key id: 0 = plain (others: encryption at rest, later)
//!   16  16  segment id
//!   32   4  number: the file's name
//!   36 4056 0
//! 4092   4  CRC32C of all before
//! ```

use super::{Fields, SegmentId};
use crate::{error::Result, limits::SEGMENT_BLOCK};

const MAGIC: &[u8; 8] = b"CHUANSEG";
const VERSION: u16 = 1;
const CRC_AT: usize = SEGMENT_BLOCK - 4;

/// What the first block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The random name.
    pub id: SegmentId,
    /// The number in the file's name.
    pub number: u32,
}

impl SegmentHeader {
    /// Encodes the block of [`SEGMENT_BLOCK`] bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_BLOCK);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.resize(CRC_AT, 0);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Decodes the first block; fails on anything but the bytes that [`encode`](Self::encode) makes.
    pub fn decode(block: &[u8]) -> Result<Self> {
        let mut fields = Fields::new(block, "the segment header");
        fields.expect(MAGIC, "has no magic: this is no segment")?;
        let version = fields.u16()?;
        fields.take::<6>()?;
        let header = Self { id: SegmentId::from_bytes(fields.take()?), number: fields.u32()? };
        let crc = block.split_at_checked(CRC_AT).map(|(body, _)| crc32c::crc32c(body));
        if block.get(CRC_AT..) != crc.map(u32::to_le_bytes).as_ref().map(<[u8; 4]>::as_slice) {
            return Err(fields.invalid("fails its checksum"));
        }
        if version != VERSION {
            return Err(fields.invalid(&format!("has version {version}: a newer chuan wrote it")));
        }
        if header.encode() != block {
            return Err(fields.invalid("is not canonical"));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> SegmentHeader {
        SegmentHeader { id: SegmentId::from_bytes(*b"0123456789abcdef"), number: 7 }
    }

    #[test]
    fn golden() {
        let block = example().encode();
        let hex = data_encoding::HEXLOWER.encode(&block);
        assert_eq!(
            &hex[..72],
            concat!(
                "434855414e534547", // CHUANSEG
                "0100",             // version
                "0000",
                "00000000",                         // key id
                "30313233343536373839616263646566", // segment id
                "07000000"                          // number
            )
        );
        assert!(block[36..CRC_AT].iter().all(|byte| *byte == 0));
        assert_eq!(&hex[2 * CRC_AT..], "d2f111f8");
        assert_eq!(SegmentHeader::decode(&block).unwrap(), example());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let block = example().encode();
        for bit in 0..block.len() * 8 {
            let mut bad = block.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bad).is_err(), "bit {bit}");
        }
        assert!(SegmentHeader::decode(&block[..SEGMENT_BLOCK - 1]).is_err());
        assert!(SegmentHeader::decode(&[]).is_err());
    }
}
