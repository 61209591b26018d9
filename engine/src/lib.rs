//! The core library of Chuan.
//!
//! All decisions of Chuan are made in this crate, and nothing else: it has no sockets, no RocksDB, and no
//! clock or randomness of its own (these are arguments). Files and threads are used only in [`ingest`],
//! [`restore`] and `home`, which recognises the folders that both leave alone.
//!
//! In data-flow order: [`chunk`] cuts bytes, [`id`] hashes them to ids, [`manifest`] arranges the ids in
//! Merkle trees, [`statement`] lets keys sign a manifest, [`store`] is the interface to the storage of all
//! this, [`segment`] is its format on disk, [`sync`] transfers it between nodes, [`restore`] and [`verify`]
//! read it back, [`schedule`] chooses when a node fetches releases. In addition, [`ledger`] is the format in
//! which a home stores statements and refs, and [`audit`] is the format of a node's audit log.

pub mod audit;
pub mod chunk;
pub mod codec;
pub mod error;
mod home;
pub mod id;
pub mod ingest;
pub mod ledger;
pub mod limits;
pub mod manifest;
pub mod own_file;
pub mod progress;
pub mod restore;
pub mod rights;
pub mod schedule;
pub mod segment;
pub mod slab;
pub mod statement;
pub mod store;
pub mod sync;
mod text;
pub mod verify;
mod xattr;

pub use error::{Error, Result};
