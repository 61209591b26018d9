//! Merkle manifests: which paths a version of a library holds, and of which chunks each is made.
//!
//! ```text
//! release ─► table (ManifestId) ─► class header (Commitment) ─► entry tree: path → entry
//!                                                                               └─► chunk tree: (id, length) …
//! ```
//!
//! [`entry`] has the types, [`path`] the rules for paths, [`page`] the canonical bytes, [`table`] the class table and the
//! class header, [`policy`] what a class says of itself and [`classifier`] which path that puts into which class. [`builder`] builds and edits trees, [`cursor`] reads them back, [`position`] finds what stands at an
//! ordinal, [`diff`] compares two, [`union`] reads the trees of several classes as one.
//!
//! Nothing here trusts a page: an id proves the bytes, [`page::Expect`] that they are what the parent says, and whoever
//! descends checks both. What is held of a tree is not known here but to [`verify`](crate::verify).

pub mod builder;
pub mod classifier;
pub mod cursor;
pub mod cut;
pub mod diff;
mod diff_content;
#[cfg(test)]
mod diff_tests;
mod edit;
pub mod entry;
mod expect;
pub mod extension;
#[cfg(test)]
mod forgery_tests;
#[cfg(test)]
mod format_tests;
mod item;
mod known;
mod levels;
#[cfg(test)]
mod link_tests;
mod load;
pub mod page;
pub mod path;
pub(crate) mod pattern;
pub mod policy;
pub mod position;
#[cfg(test)]
mod properties;
mod raw;
mod seen;
pub mod table;
#[cfg(test)]
pub(crate) mod testing;
pub mod trespass;
pub mod union;
mod view;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{LibraryId, PageId},
    limits::BATCH_IDS,
    store::Objects,
};

pub use entry::{ChunkRef, Content, Entry, EntryKind, Extension, Sums, Timestamp};
pub use page::{Page, TreeKind};
pub use path::{EntryPath, LinkTarget};
pub use policy::ClassRules;

/// Where pages of one library are read from.
pub trait PageSource {
    /// The library whose pages these are.
    fn owner(&self) -> LibraryId;

    /// The canonical bytes of a page, verified; [`Error::Missing`] where it is not held.
    fn page(&self, id: &PageId) -> Result<Bytes>;

    /// Several pages, in the order asked for; fails where one of them is not held.
    fn pages(&self, ids: &[PageId]) -> Result<Vec<Bytes>> {
        ids.iter().map(|id| self.page(id)).collect()
    }
}

impl<S: Objects + ?Sized> PageSource for S {
    fn owner(&self) -> LibraryId {
        self.library()
    }

    fn page(&self, id: &PageId) -> Result<Bytes> {
        let page = self.read_pages(std::slice::from_ref(id))?.pop().flatten();
        page.ok_or_else(|| not_held(id))
    }

    fn pages(&self, ids: &[PageId]) -> Result<Vec<Bytes>> {
        let mut pages = Vec::with_capacity(ids.len());
        for ids in ids.chunks(BATCH_IDS) {
            for (id, page) in ids.iter().zip(self.read_pages(ids)?) {
                pages.push(page.ok_or_else(|| not_held(id))?);
            }
        }
        Ok(pages)
    }
}

fn not_held(id: &PageId) -> Error {
    Error::Missing(format!("page {} is not held here; pull the library again", id.short()))
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
