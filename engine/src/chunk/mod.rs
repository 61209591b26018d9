//! Content-defined chunks: [`profile`] holds the versioned parameters, [`cut`] finds cut points, [`chunker`] feeds it
//! from a stream.

pub mod chunker;
pub mod cut;
pub mod profile;

pub use profile::Profile;
