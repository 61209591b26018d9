//! Chuan's transport: QUIC between node keys.

pub mod endpoint;
pub mod error;
pub mod identity;
pub mod limits;

pub use endpoint::Endpoint;
pub use error::{Error, Result};
pub use identity::Identity;
