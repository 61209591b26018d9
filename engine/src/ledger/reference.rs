//! The payload of a ref record: the current statement and release of a channel.
//!
//! ```text
//!   0  32  library
//!  32  32  the channel statement
//!  64  32  the release it names
//!  96   8  sequence
//! 104   1  length of the channel's name, 1 to 64
//! 105   …  the channel's name, UTF-8
//! ```

use super::Fields;
use crate::{
    id::{LibraryId, StatementId},
    limits::NAME_BYTES,
    store::RefMove,
};

/// Encodes a channel's move. The name was checked before: one longer than [`NAME_BYTES`] does not decode
/// again.
pub(super) fn encode(to: &RefMove) -> Vec<u8> {
    let mut out = to.library.as_bytes().to_vec();
    out.extend_from_slice(to.statement.as_bytes());
    out.extend_from_slice(to.release.as_bytes());
    out.extend_from_slice(&to.sequence.to_le_bytes());
    out.push(u8::try_from(to.channel.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(to.channel.as_bytes());
    out
}

/// Decodes a channel's move.
pub(super) fn decode(payload: &[u8]) -> Option<RefMove> {
    let mut fields = Fields::new(payload);
    let library = LibraryId::from_bytes(fields.take()?);
    let statement = StatementId::from_bytes(fields.take()?);
    let release = StatementId::from_bytes(fields.take()?);
    let sequence = fields.u64()?;
    let len = usize::from(fields.u8()?);
    if len != fields.rest.len() || !(1..=NAME_BYTES).contains(&len) {
        return None;
    }
    let channel = std::str::from_utf8(fields.rest).ok()?.to_owned();
    Some(RefMove { library, channel, statement, release, sequence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_and_refused_payloads() {
        let to = RefMove {
            library: LibraryId::from_bytes([1; 32]),
            channel: "live".to_owned(),
            statement: StatementId::from_bytes([2; 32]),
            release: StatementId::from_bytes([3; 32]),
            sequence: 0x0102,
        };
        let good = encode(&to);
        let expected = ["01".repeat(32), "02".repeat(32), "03".repeat(32)].concat();
        assert_eq!(data_encoding::HEXLOWER.encode(&good), expected + "0201000000000000046c697665");
        assert_eq!(decode(&good), Some(to));
        for len in 0..good.len() {
            assert_eq!(decode(&good[..len]), None, "{len} bytes");
        }
        assert_eq!(decode(&[good.as_slice(), b"x"].concat()), None);
        let mut bad = good;
        bad[105] = 0xff;
        assert_eq!(decode(&bad), None);
    }
}
