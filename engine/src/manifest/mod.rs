//! Merkle manifests: the paths of one version of a library, and the chunks of each path.
//!
//! ```text
//! release ─► table (ManifestId) ─► class header (Commitment) ─► entry tree: path → entry
//!                                                                               └─► chunk tree: (id, length)
//! ```
//!
//! [`entry`] has the types, [`path`] the rules for paths, [`page`] the canonical bytes, [`table`] the class
//! table and the class header. [`policy`] has the rules of a class about paths, and [`classifier`] assigns
//! paths to classes by these rules. [`builder`] builds and edits trees, [`cursor`] reads them, [`position`]
//! finds a page or chunk by its ordinal, [`diff`] compares two trees, [`union`] reads the trees of several
//! classes as one.
//!
//! No page is trusted. The id of a page proves its bytes, and [`page::Expect`] proves that the page is what
//! its parent says. Every walk down a tree checks both. Only [`verify`](crate::verify) examines which parts
//! of a tree are held.

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
    error::Result,
    id::{LibraryId, PageId},
};

pub use entry::{ChunkRef, Content, Entry, EntryKind, Extension, Sums, Timestamp};
pub use page::{Page, TreeKind};
pub use path::{EntryPath, LinkTarget};
pub use policy::ClassRules;

/// A source of the pages of one library.
pub trait PageSource {
    /// The library that the pages belong to.
    fn owner(&self) -> LibraryId;

    /// The canonical bytes of a page, verified. [`Error::Missing`](crate::Error::Missing) if the page is not
    /// held.
    fn page(&self, id: &PageId) -> Result<Bytes>;

    /// Several pages, in the order of `ids`. Fails if one of them is not held.
    fn pages(&self, ids: &[PageId]) -> Result<Vec<Bytes>> {
        ids.iter().map(|id| self.page(id)).collect()
    }
}

/// A destination for new pages.
pub trait PageSink {
    /// Takes one page. Children are passed before their parents.
    fn put(&mut self, id: PageId, bytes: Bytes) -> Result<()>;
}

impl PageSink for Vec<(PageId, Bytes)> {
    fn put(&mut self, id: PageId, bytes: Bytes) -> Result<()> {
        self.push((id, bytes));
        Ok(())
    }
}
