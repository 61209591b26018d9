//! Wire messages and index values: `bincode` 2 with a bound. The only user of `bincode`.
//!
//! Its varints are not canonical, so nothing that is hashed, signed or kept in a segment passes through here.

use bincode::config;

/// Derives the wire form of messages and index values.
pub use bincode::{Decode, Encode};

use crate::error::{Error, Result};

/// Encodes a wire message or index value.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, config::standard()).unwrap_or_default()
}

/// Decodes exactly one `T` of at most `LIMIT` bytes; fails where input is left over.
pub fn decode<T: Decode<()>, const LIMIT: usize>(bytes: &[u8]) -> Result<T> {
    let (value, used) = bincode::decode_from_slice(bytes, config::standard().with_limit::<LIMIT>())
        .map_err(|error| Error::Invalid(format!("malformed message: {error}")))?;
    if used != bytes.len() {
        return Err(Error::Invalid(format!("malformed message: {} bytes left over", bytes.len() - used)));
    }
    Ok(value)
}
