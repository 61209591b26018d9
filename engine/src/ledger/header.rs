//! The beginning of a ledger file.
//!
//! ```text
//!  0   8  magic "CHUANLGR"
//!  8   2  format version, 2
//! 10   2  0
//! 12   4  key id: 0 = plain (others: encryption at rest, later)
//! 16  32  node id
//! 48  16  ledger id, random
//! 64   8  generation, from 1
//! 72   8  base: the highest arrival number when the generation was begun
//! 80   8  records that were carried over into the generation
//! 88   4  0
//! 92   4  CRC32C of all before
//! ```

pub use crate::limits::format::ledger::HEADER_BYTES;

use super::{Fields, Identity, LedgerId};
use crate::id::NodeId;

const MAGIC: &[u8; 8] = b"CHUANLGR";
/// The format that this version reads and writes.
pub const VERSION: u16 = 2;
/// Offset of the checksum in the header.
const CRC_AT: usize = HEADER_BYTES - 4;

/// A decoded header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The identity of the file.
    pub identity: Identity,
    /// The highest arrival number when the generation was begun.
    pub base: u64,
    /// Records that were carried over.
    pub records: u64,
}

/// Why no header could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Another version of the format, under a valid checksum.
    Version(u16),
    /// Damaged, or cut short.
    Damaged,
}

impl Header {
    /// Encodes the header.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(self.identity.node.as_bytes());
        out.extend_from_slice(self.identity.ledger.as_bytes());
        out.extend_from_slice(&self.identity.generation.to_le_bytes());
        out.extend_from_slice(&self.base.to_le_bytes());
        out.extend_from_slice(&self.records.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out.try_into().unwrap_or([0; HEADER_BYTES])
    }

    /// Decodes the header at the front of a file. Accepts only the exact bytes that [`encode`](Self::encode)
    /// makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let (body, crc) = bytes
            .split_at_checked(CRC_AT)
            .and_then(|(body, rest)| Some((body, *rest.first_chunk::<4>()?)))
            .ok_or(HeaderError::Damaged)?;
        if !body.starts_with(MAGIC) || crc32c::crc32c(body).to_le_bytes() != crc {
            return Err(HeaderError::Damaged);
        }
        let mut fields = Fields::new(body);
        let version = fields.take::<8>().and_then(|_| fields.u16()).ok_or(HeaderError::Damaged)?;
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        let header = Self::fields(bytes).ok_or(HeaderError::Damaged)?;
        if bytes.starts_with(&header.encode()) { Ok(header) } else { Err(HeaderError::Damaged) }
    }

    /// Reads the fields without checking the checksum. The frames' own checksums tell whether the identity is
    /// right.
    pub(super) fn fields(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        fields.take::<16>()?;
        let node = NodeId::from_bytes(fields.take()?);
        let ledger = LedgerId::from_bytes(fields.take()?);
        let identity = Identity { node, ledger, generation: fields.u64()? };
        Some(Self { identity, base: fields.u64()?, records: fields.u64()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Header {
        let identity = Identity {
            node: NodeId::from_bytes([1; 32]),
            ledger: LedgerId::from_bytes(*b"0123456789abcdef"),
            generation: 3,
        };
        Header { identity, base: 0x0102, records: 7 }
    }

    #[test]
    fn golden() {
        let bytes = example().encode();
        let expected = [
            "434855414e4c4752020000000000000000".get(..32).unwrap(),
            &"01".repeat(32),
            "30313233343536373839616263646566",
            "0300000000000000",
            "0201000000000000",
            "0700000000000000",
            "00000000",
        ]
        .concat();
        let hex = data_encoding::HEXLOWER.encode(&bytes);
        assert_eq!(hex[..2 * CRC_AT], expected);
        assert_eq!(Header::decode(&bytes).unwrap(), example());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = example().encode();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bad), Err(HeaderError::Damaged), "bit {bit}");
        }
        for len in 0..HEADER_BYTES {
            assert_eq!(Header::decode(&bytes[..len]), Err(HeaderError::Damaged), "{len} bytes");
        }
    }

    #[test]
    fn another_version_is_distinguished_from_damage() {
        let mut bytes = example().encode();
        bytes[8] = 3;
        let crc = crc32c::crc32c(&bytes[..CRC_AT]).to_le_bytes();
        bytes[CRC_AT..].copy_from_slice(&crc);
        assert_eq!(Header::decode(&bytes), Err(HeaderError::Version(3)));
    }
}
