//! Content-defined chunks: [`profile`] holds the versioned parameters, [`cut`] finds cut points, [`guide`] finds them by
//! the example of an older version, [`chunker`] feeds both from a stream.

pub mod chunker;
pub mod cut;
pub mod guide;
pub mod profile;
#[cfg(test)]
pub(crate) mod testing;

pub use profile::Profile;
