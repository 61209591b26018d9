//! The sync protocol, without I/O.

pub mod frame;
pub mod message;
