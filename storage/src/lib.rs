//! Chuan's store on disk: append-only segment files, which are the truth, and a RocksDB index derived from them.
//!
//! ```text
//! DIR/segments/00000001.seg …    what is kept                    [`segment` codec in the engine; `log`, `file`, `group`]
//! DIR/index/00000001/            where it lies; can be thrown away at any time                    [`index`, `recover`]
//! ```
//!
//! Content belongs to a library: a segment is one library's, its header says whose, and keys of the index begin with it.
//! Libraries share threads, memory and the disk, and no look-up.
//!
//! A write goes `objects` → `queue` → `writer` (one thread, which owns the `log`) → a group in the library's open
//! segment → fdatasync → the index. A read goes `index` → `reader` → segment file → hash. The index keeps no journal of
//! its own: it holds the position up to which it knows each library's segments, in the same atomic flush as what it knows,
//! and at open everything after that position is read from the segments again. A rebuild makes another index beside the
//! one in use, and then takes its place.
//!
//! It decides nothing about content and sees no network. No RocksDB type leaves this crate.

mod aligned;
mod digest;
mod disk;
mod entry;
mod file;
mod group;
mod index;
mod layout;
pub mod ledger;
pub mod lock;
mod log;
mod objects;
mod options;
mod poison;
mod queue;
mod reader;
pub mod rebuild;
mod recover;
pub mod scrub;
mod settle;
mod slot;
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
pub use poison::Poison;
pub use stats::{LibraryStats, Losses, Stats};
pub use store::DiskStore;
