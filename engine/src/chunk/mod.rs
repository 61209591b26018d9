//! Content-defined chunks: [`profile`] holds the versioned parameters, [`cut`] finds cut points by a scan,
//! [`guide`] finds them with the help of an older version, [`chunker`] cuts a stream with both.

pub mod chunker;
pub mod cut;
pub mod guide;
pub mod profile;
#[cfg(test)]
pub(crate) mod testing;

use crate::id::ChunkId;
pub use profile::Profile;

/// One chunk of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunkRef {
    /// The BLAKE3 hash of its bytes.
    pub id: ChunkId,
    /// Its length in bytes, 1 to the profile's maximum.
    pub len: u32,
}
