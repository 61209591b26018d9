//! Chuan's store on disk: append-only segment files, which are the primary data, and a RocksDB index derived
//! from them.
//!
//! ```text
//! DIR/segments/00000001.seg …    the objects      [`segment` codec in the engine; `log`, `file`, `group`]
//! DIR/index/00000001/            where each object lies; can be deleted at any time    [`index`, `recover`]
//! ```
//!
//! Content belongs to a library: all records of a segment belong to one library, which the segment's header
//! names, and keys of the index begin with the library. Libraries share threads, memory and the disk, but no
//! look-up.
//!
//! A write goes `objects` → `queue` → `writer` (one thread, which owns the `log`) → a group in the library's
//! open segment → fdatasync → the index. A read goes `index` → `reader` → segment file → hash. The index has
//! no journal of its own: it stores the position up to which it knows each library's segments, in the same
//! atomic flush as its entries. At open, everything after that position is read from the segments again. A
//! rebuild makes a second index beside the one in use and then replaces it.
//!
//! It decides nothing about content and sees no network. No RocksDB type leaves this crate.

mod aligned;
mod digest;
mod disk;
mod entry;
mod file;
mod give_back;
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
pub mod resources;
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
pub use give_back::LibraryEnd;
pub use index::IndexEntry;
pub use options::Options;
pub use poison::Poison;
pub use stats::{LibraryStats, Losses, Stats};
pub use store::DiskStore;
