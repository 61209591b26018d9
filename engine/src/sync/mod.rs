//! The sync protocol, without I/O.

mod changes;
pub mod fetch;
pub mod frame;
pub mod message;
mod pack;
mod place;
mod recent;
mod send;
pub mod session;
