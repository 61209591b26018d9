//! The payloads of statement and ref records; chunks and pages are their own.
//!
//! ```text
//! statement                          ref move
//!  0  32  library                     0  32  library
//! 32   1  kind                       32  32  the channel statement
//! 33   8  sequence                   64  32  the release it names
//! 41   …  the envelope as received   96   8  sequence
//!                                   104   1  length of the channel's name, 1 to 64
//!                                   105   …  the channel's name, UTF-8
//! ```
//!
//! The library stands outside the envelope because the first root, which the library is named after, cannot name it.

use super::Fields;
use crate::{
    error::Result,
    id::{LibraryId, StatementId},
    limits,
    statement::StatementKind,
    store::RefMove,
};

/// Bytes before a statement's envelope.
pub const STATEMENT_PREFIX_BYTES: usize = 41;
/// Bytes of a ref move without its channel's name.
pub const REF_FIXED_BYTES: usize = 105;

/// What stands before a statement's envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementPrefix {
    /// The library it speaks of.
    pub library: LibraryId,
    /// Its kind.
    pub kind: StatementKind,
    /// Its sequence.
    pub sequence: u64,
}

impl StatementPrefix {
    /// Encodes a statement's payload.
    pub fn encode(&self, envelope: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(STATEMENT_PREFIX_BYTES + envelope.len());
        out.extend_from_slice(self.library.as_bytes());
        out.push(self.kind as u8);
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(envelope);
        out
    }

    /// Splits a statement's payload; the rest is the envelope.
    pub fn decode(payload: &[u8]) -> Result<(Self, &[u8])> {
        let mut fields = Fields::new(payload, "the statement record");
        let library = LibraryId::from_bytes(fields.take()?);
        let kind = StatementKind::from_tag(fields.u8()?)?;
        let prefix = Self { library, kind, sequence: fields.u64()? };
        if fields.rest.is_empty() || fields.rest.len() > limits::STATEMENT_BYTES {
            return Err(fields.invalid("has an envelope out of bounds"));
        }
        Ok((prefix, fields.rest))
    }
}

/// Encodes a ref move's payload. A longer name than [`NAME_BYTES`](limits::NAME_BYTES) does not decode again: check
/// the object before.
pub fn encode_ref(to: &RefMove) -> Vec<u8> {
    let mut out = Vec::with_capacity(REF_FIXED_BYTES + to.channel.len());
    out.extend_from_slice(to.library.as_bytes());
    out.extend_from_slice(to.statement.as_bytes());
    out.extend_from_slice(to.release.as_bytes());
    out.extend_from_slice(&to.sequence.to_le_bytes());
    out.push(u8::try_from(to.channel.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(to.channel.as_bytes());
    out
}

/// Decodes a ref move's payload.
pub fn decode_ref(payload: &[u8]) -> Result<RefMove> {
    let mut fields = Fields::new(payload, "the ref record");
    let library = LibraryId::from_bytes(fields.take()?);
    let statement = StatementId::from_bytes(fields.take()?);
    let release = StatementId::from_bytes(fields.take()?);
    let sequence = fields.u64()?;
    let len = usize::from(fields.u8()?);
    if len != fields.rest.len() || len == 0 || len > limits::NAME_BYTES {
        return Err(fields.invalid("has a name out of bounds"));
    }
    let channel =
        std::str::from_utf8(fields.rest).map_err(|_| fields.invalid("has a name that is not UTF-8"))?;
    Ok(RefMove { library, channel: channel.to_owned(), statement, release, sequence })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> RefMove {
        RefMove {
            library: LibraryId::from_bytes([1; 32]),
            channel: "live".to_owned(),
            statement: StatementId::from_bytes([2; 32]),
            release: StatementId::from_bytes([3; 32]),
            sequence: 0x0102,
        }
    }

    #[test]
    fn goldens() {
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        let expected =
            ["01".repeat(32), "02".repeat(32), "03".repeat(32), "0201000000000000046c697665".to_owned()]
                .concat();
        assert_eq!(hex(&encode_ref(&example())), expected);
        let prefix =
            StatementPrefix { library: example().library, kind: StatementKind::Channel, sequence: 0x0102 };
        let expected = ["01".repeat(32), "030201000000000000".to_owned(), "73616964".to_owned()].concat();
        assert_eq!(hex(&prefix.encode(b"said")), expected);
        assert_eq!(StatementPrefix::decode(&prefix.encode(b"said")).unwrap(), (prefix, b"said".as_slice()));
        assert_eq!(decode_ref(&encode_ref(&example())).unwrap(), example());
    }

    #[test]
    fn refuses_what_is_cut_long_or_unknown() {
        let good = encode_ref(&example());
        for len in 0..good.len() {
            assert!(decode_ref(&good[..len]).is_err(), "{len} bytes");
        }
        assert!(decode_ref(&[good.as_slice(), b"x"].concat()).is_err());
        let mut bad = good.clone();
        bad[REF_FIXED_BYTES] = 0xff;
        assert!(decode_ref(&bad).is_err());
        let prefix = StatementPrefix { library: example().library, kind: StatementKind::Root, sequence: 1 };
        let mut bad = prefix.encode(b"said");
        assert!(StatementPrefix::decode(&bad[..STATEMENT_PREFIX_BYTES]).is_err());
        bad[32] = 99;
        assert!(StatementPrefix::decode(&bad).is_err());
    }
}
