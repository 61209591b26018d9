//! Chuan's store on disk: append-only segment files, which are the truth, and a RocksDB index derived from them.
//!
//! ```text
//! DIR/segments/00000001.seg …    what is kept                    [`segment` codec in the engine; `log`, `file`, `group`]
//! DIR/index/                     where it lies; can be thrown away at any time                    [`index`, `recover`]
//! ```
//!
//! A write goes `store` → `queue` → `writer` (one thread, which owns the `log`) → a group in the open segment →
//! fdatasync → the index. A read goes `index` → `reader` → segment file → hash. The index keeps no journal of its own:
//! it holds the position up to which it knows the segments, in the same atomic flush as what it knows, and at open
//! everything after that position is read from the segments again.
//!
//! It decides nothing about content and sees no network. No RocksDB type leaves this crate.

mod aligned;
mod disk;
mod entry;
mod file;
mod group;
mod index;
mod layout;
pub mod lock;
mod log;
mod options;
mod queue;
mod reader;
pub mod rebuild;
mod recover;
pub mod scrub;
mod settle;
mod space;
mod stats;
mod store;
mod view;
mod walk;
mod writer;

#[cfg(test)]
mod tests;

pub use chuan_engine::{Error, Result};
pub use options::Options;
pub use stats::{Losses, Stats};
pub use store::DiskStore;
