//! The sync protocol, without I/O.

mod changes;
pub mod fetch;
pub mod frame;
pub mod message;
mod pack;
#[cfg(test)]
mod pair;
mod place;
mod recent;
mod send;
pub mod session;
#[cfg(test)]
mod tests;
