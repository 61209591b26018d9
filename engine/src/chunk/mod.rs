//! Content-defined chunks: [`profile`] holds the versioned parameters, [`cut`] finds cut points by a scan,
//! [`guide`] finds them with the help of an older version, [`chunker`] cuts a stream with both.

pub mod chunker;
pub mod cut;
pub mod guide;
pub mod profile;
#[cfg(test)]
pub(crate) mod testing;

pub use profile::Profile;
