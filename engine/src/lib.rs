//! The deciding core of Chuan.
//!
//! Everything that decides lives here and nothing that does: no sockets, no RocksDB, no clock and no randomness of its
//! own (they are arguments). Files and threads enter only in [`ingest`] and [`restore`].
//!
//! In data-flow order: [`chunk`] cuts bytes, [`id`] names them, [`manifest`] arranges the names in Merkle trees,
//! [`statement`] lets keys vouch for a manifest, [`store`] is the seam to what keeps all of it, [`segment`] is the form it
//! takes on disk, [`sync`] moves it between nodes, [`restore`] and [`verify`] bring it back.
//! Beside them, [`ledger`] is the form in which a home keeps statements and refs, and [`audit`] that in which a node
//! remembers who did what.

pub mod audit;
pub mod chunk;
pub mod codec;
pub mod error;
pub mod id;
pub mod ingest;
pub mod ledger;
pub mod limits;
pub mod manifest;
pub mod progress;
pub mod restore;
pub mod segment;
pub mod slab;
pub mod statement;
pub mod store;
pub mod sync;
pub mod verify;

pub use error::{Error, Result};
