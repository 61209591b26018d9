//! Chuan's transport: QUIC between node keys, and the tasks that drive the sync protocol over it.
//!
//! A node binds an [`Endpoint`] under its [`Identity`], lets [`serve::run`] answer its peers from a
//! [`serve::PeerHandler`], and opens [`Connection`]s to other nodes, on which it joins libraries and pulls
//! releases. The handler decides from statements what a key may read; the engine checks every answer against
//! the signed release. This crate sees no storage and decides neither. [`link`] has the same as traits, for
//! another transport.
//!
//! In data-flow order: [`identity`] proves keys, [`endpoint`] bounds the socket, [`connection`] and [`serve`]
//! are the two ends of a connection; behind [`serve`] one task owns each session and moves the engine's
//! frames.

mod admission;
mod answer_slots;
pub mod connection;
pub mod counts;
mod dial;
mod driver;
pub mod endpoint;
pub mod error;
mod frame;
mod handshakes;
pub mod identity;
pub mod limits;
pub mod link;
mod patience;
pub mod peer_verifier;
mod pull;
pub mod serve;
mod sink;
#[cfg(test)]
mod tests;
mod window;

pub use connection::{Connection, WireStats};
pub use counts::{Counted, Counts};
pub use endpoint::Endpoint;
pub use error::{Error, Result};
pub use identity::{Identity, PeerKey};
pub use peer_verifier::{AcceptAny, FirstKeyOnly, PeerVerifier, successions};
