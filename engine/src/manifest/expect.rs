//! Checks a page against the statements of its parent about it. By this check, a forged page becomes an
//! error.

use bytes::Bytes;

use super::{
    entry::{Content, Entry, Sums},
    page::{Page, TreeKind},
    path::EntryPath,
};
use crate::{
    error::{Error, Result},
    id::PageId,
};

/// The properties of a page that are known before it is read, from its parent or entry. A page is accepted
/// only if all of them match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// The kind of its tree.
    pub tree: TreeKind,
    /// Whether it is the root of a tree. An index page with one child is not a valid root.
    pub is_root: bool,
    /// Its class.
    pub slot: Option<u8>,
    /// Its level.
    pub level: Option<u8>,
    /// The sums over the items below it.
    pub sums: Option<Sums>,
    /// A path before all its paths.
    pub after: Option<EntryPath>,
    /// Its last path.
    pub last: Option<EntryPath>,
}

impl Expect {
    /// A root of which only the kind of tree is known.
    pub const fn root(tree: TreeKind) -> Self {
        Self { tree, is_root: true, slot: None, level: None, sums: None, after: None, last: None }
    }

    /// The root of the chunk tree of an entry of class `slot`, if the entry has a chunk tree.
    pub fn content(slot: u8, entry: &Entry) -> Option<(PageId, Self)> {
        let Content::Tree { root, chunks } = entry.content else { return None };
        let mut expect = Self::root(TreeKind::Content);
        expect.slot = Some(slot);
        expect.sums = Some(Sums { chunks, bytes: entry.size, ..Sums::default() });
        Some((root, expect))
    }

    /// Checks a page against the known properties.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`]: the tree is forged.
    pub fn check(&self, page: &Page) -> Result<()> {
        self.check_facts(&Facts {
            tree: page.tree(),
            slot: page.slot,
            level: page.level,
            count: page.len(),
            sums: page.sums()?,
            paths: page
                .path_range()
                .map(|(first, last)| (first.as_str().as_bytes(), last.as_str().as_bytes())),
        })
    }

    pub(super) fn check_facts(&self, facts: &Facts<'_>) -> Result<()> {
        let is_last =
            |last: &EntryPath| facts.paths.is_some_and(|(_, found)| found == last.as_str().as_bytes());
        let is_after =
            |after: &EntryPath| facts.paths.is_some_and(|(found, _)| found > after.as_str().as_bytes());
        let disagreement = if self.tree != facts.tree {
            "it belongs to another kind of tree"
        } else if self.slot.is_some_and(|slot| slot != facts.slot) {
            "it belongs to another class"
        } else if self.level.is_some_and(|level| level != facts.level) {
            "it is of another level"
        } else if self.sums.is_some_and(|expected| expected != facts.sums) {
            "its sums are not those that its parent states"
        } else if !self.last.as_ref().is_none_or(is_last) {
            "its last path is not the one its parent names"
        } else if !self.after.as_ref().is_none_or(is_after) {
            "its paths do not come after its left neighbour's"
        } else if !self.is_root && facts.count == 0 {
            "it is empty"
        } else if self.is_root && facts.level > 0 && facts.count < 2 {
            "it is a root with a single child"
        } else {
            return Ok(());
        };
        Err(Error::Invalid(format!("forged tree page: {disagreement}")))
    }

    /// Decodes a page whose bytes were verified against its id, and checks it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] as for [`Page::decode`] and [`Expect::check`].
    pub fn decode(&self, id: &PageId, bytes: &Bytes) -> Result<Page> {
        let page = Page::decode(bytes).map_err(|error| named(id, error))?;
        self.check(&page).map_err(|error| named(id, error))?;
        Ok(page)
    }
}

/// Adds the id of the page to an error.
pub(super) fn named(id: &PageId, error: Error) -> Error {
    match error {
        Error::Invalid(text) => Error::Invalid(format!("page {}: {text}", id.short())),
        error => error,
    }
}

/// The properties of a page as read, which are compared with [`Expect`].
pub(super) struct Facts<'a> {
    pub(super) tree: TreeKind,
    pub(super) slot: u8,
    pub(super) level: u8,
    pub(super) count: usize,
    pub(super) sums: Sums,
    /// The first and last path in a page of entries; in an index page, the last paths of its first and last
    /// child.
    pub(super) paths: Option<(&'a [u8], &'a [u8])>,
}
