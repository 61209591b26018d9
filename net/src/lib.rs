//! Chuan's transport: QUIC between node keys, and the tasks that drive the sync protocol over it.
//!
//! A node binds an [`Endpoint`] under its [`Identity`], lets [`serve::run`] answer its peers from a [`serve::Host`], and
//! opens [`Connection`]s to others, on which it joins libraries and pulls releases. Whether a key may have anything is decided
//! behind `Host`, from statements; what an answer is worth is decided by the engine, against the signed release. This
//! crate sees no storage and decides neither.
//!
//! In data-flow order: [`identity`] proves keys, [`endpoint`] bounds the socket, [`connection`] and [`serve`] are the two ends of a
//! connection, and behind them one task owns each session and moves the engine's frames.

pub mod acquaintance;
pub mod connection;
pub mod counts;
mod dial;
mod driver;
pub mod endpoint;
pub mod error;
mod frame;
pub mod identity;
mod knock;
pub mod limits;
mod patience;
mod pull;
pub mod serve;
mod sink;
mod standing;
#[cfg(test)]
mod tests;
mod window;

pub use acquaintance::{Acquaintance, Anybody, Stranger};
pub use connection::{Connection, WireStats};
pub use counts::{Counted, Counts};
pub use endpoint::Endpoint;
pub use error::{Error, Result};
pub use identity::{Identity, PeerKey};
