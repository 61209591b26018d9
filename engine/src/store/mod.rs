//! The interfaces to the storage of a home's content and statements: [`objects`] for the chunks and pages of
//! libraries, [`ledger`] for statements and refs. Each has a strict implementation in memory ([`memory`]) and
//! a suite that every implementation runs ([`conformance`]).

pub mod conformance;
pub mod ledger;
pub mod memory;
pub mod objects;

pub use ledger::{Kept, Ledger, LostRecord, Record};
pub use objects::{Object, ObjectId, ObjectStores, Objects};

use crate::{
    error::{Error, Result},
    id::{LibraryId, StatementId},
    limits,
};

/// The current statement and release of a channel of a library on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefMove {
    /// The library.
    pub library: LibraryId,
    /// The channel's name, ≤ [`NAME_BYTES`](crate::limits::NAME_BYTES) bytes.
    pub channel: String,
    /// The channel statement that is current here.
    pub statement: StatementId,
    /// The release it names.
    pub release: StatementId,
    /// The statement's sequence. No statement of this channel with a lower sequence is accepted again (the
    /// rollback floor).
    pub sequence: u64,
}

/// The objects that an append added. Objects that were held or already waiting are not counted and not
/// written again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Chunks that were new.
    pub chunks: u64,
    /// Their raw bytes.
    pub chunk_bytes: u64,
    /// Pages that were new.
    pub pages: u64,
    /// Their bytes.
    pub page_bytes: u64,
}

impl Appended {
    /// Adds an object that was new.
    pub fn add(&mut self, object: &Object) {
        let bytes = object.bytes().len() as u64;
        let (count, total) = match object {
            Object::Chunk { .. } => (&mut self.chunks, &mut self.chunk_bytes),
            Object::Page { .. } => (&mut self.pages, &mut self.page_bytes),
        };
        *count += 1;
        *total += bytes;
    }
}

/// How far the tree below a page is known to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PageState {
    /// Not held.
    Absent,
    /// Held; the tree below is not known.
    Present,
    /// Held, and all pages below.
    Paged,
    /// Held, all pages and all chunks below.
    Full,
}

/// Whether a read hashes what it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Hash: for anything that goes to a file or a viewer.
    Verify,
    /// Do not hash: for a peer, which hashes it anyway.
    Trust,
}

/// Checks a batch against [`BATCH_IDS`](limits::BATCH_IDS), for implementations.
pub fn check_batch(len: usize) -> Result<()> {
    if len <= limits::BATCH_IDS {
        return Ok(());
    }
    Err(Error::Invalid(format!("{len} ids in one batch; at most {} are allowed", limits::BATCH_IDS)))
}
