//! Content-defined chunks: [`profile`] holds the versioned parameters, [`cut`] finds cut points, [`chunker`] feeds it
//! from a stream.

pub mod chunker;
pub mod cut;
pub mod profile;

pub use profile::Profile;

#[cfg(test)]
pub(crate) mod testing {
    //! Content that repeats from its seed.

    /// Incompressible bytes (xorshift64*).
    pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// `period` incompressible bytes, over and over.
    pub(crate) fn periodic(seed: u64, period: usize, len: usize) -> Vec<u8> {
        noise(seed, period).into_iter().cycle().take(len).collect()
    }
}
