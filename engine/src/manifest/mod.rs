//! Merkle manifests: which paths a version of a library holds, and of which chunks each is made.
//!
//! ```text
//! release ─► table (ManifestId) ─► class header (Commitment) ─► entry tree: path → entry
//!                                                                               └─► chunk tree: (id, length) …
//! ```
//!
//! [`entry`] has the types, [`path`] the rules for paths, [`page`] the canonical bytes, [`table`] the class table and the
//! class header. [`builder`] builds and edits trees, [`cursor`] reads them back, [`position`] finds what stands at an
//! ordinal, [`diff`] compares two.
//!
//! Nothing here trusts a page: an id proves the bytes, [`page::Expect`] that they are what the parent says, and whoever
//! descends checks both. What is held of a tree is not known here but to [`verify`](crate::verify).

pub mod builder;
pub mod cursor;
pub mod cut;
pub mod diff;
mod diff_content;
mod edit;
pub mod entry;
#[cfg(test)]
mod forgery_tests;
#[cfg(test)]
mod format_tests;
mod item;
mod levels;
mod load;
pub mod page;
pub mod path;
pub mod position;
#[cfg(test)]
mod properties;
mod raw;
pub mod table;
#[cfg(test)]
mod testing;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::PageId,
    store::Store,
};

pub use entry::{ChunkRef, Content, Entry, EntryKind, Extension, Sums, Timestamp};
pub use page::{Page, TreeKind};
pub use path::EntryPath;

/// Where pages are read from.
pub trait PageSource {
    /// The canonical bytes of a page, verified; [`Error::Missing`] where it is not held.
    fn page(&self, id: &PageId) -> Result<Bytes>;
}

impl<S: Store + ?Sized> PageSource for S {
    fn page(&self, id: &PageId) -> Result<Bytes> {
        self.read_pages(std::slice::from_ref(id))?.pop().flatten().ok_or_else(|| {
            Error::Missing(format!("page {} is not held here; pull the library again", id.short()))
        })
    }
}

/// Where new pages are written to.
pub trait PageSink {
    /// Takes one page; called children before parents.
    fn put(&mut self, id: PageId, bytes: Bytes) -> Result<()>;
}

impl PageSink for Vec<(PageId, Bytes)> {
    fn put(&mut self, id: PageId, bytes: Bytes) -> Result<()> {
        self.push((id, bytes));
        Ok(())
    }
}
