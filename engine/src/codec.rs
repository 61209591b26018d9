//! Wire messages and index values: `bincode` 2 with a size bound. The only user of `bincode`.
//!
//! The varints of `bincode` are not canonical. So nothing that is hashed, signed or stored in a segment is
//! encoded here.

use bincode::config;

/// Derive macros for the wire format of messages and index values.
pub use bincode::{Decode, Encode};

use crate::error::{Error, Result};

/// Encodes a wire message or index value.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, config::standard()).unwrap_or_default()
}

/// Decodes exactly one `T` from at most `LIMIT` bytes. Fails if bytes are left over.
pub fn decode<T: Decode<()>, const LIMIT: usize>(bytes: &[u8]) -> Result<T> {
    let (value, used) = bincode::decode_from_slice(bytes, config::standard().with_limit::<LIMIT>())
        .map_err(|error| Error::Invalid(format!("malformed message: {error}")))?;
    if used != bytes.len() {
        return Err(Error::Invalid(format!("malformed message: {} bytes left over", bytes.len() - used)));
    }
    Ok(value)
}
