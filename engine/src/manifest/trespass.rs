//! Detects a trespass: a class gains a path that another class has. Every path is in one class. A publisher
//! applies the patterns of the classes when it makes a release. Nodes that hold the trees of both classes
//! check the result, since the publisher may not have applied the patterns.

use bytes::Bytes;

use super::{
    PageSource, cursor,
    diff::{Change, DiffSink, FirstChunk, diff},
    entry::EntryKind,
    path::EntryPath,
    position::PagePosition,
    union::has_under,
};
use crate::{
    error::{Error, Result},
    id::PageId,
};

/// A class that changed, and the other classes whose paths it must not gain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its slot.
    pub slot: u8,
    /// The root of its entry tree before; `None` if it is not known, or if there was none.
    pub old: Option<PageId>,
    /// The root of its entry tree now.
    pub new: PageId,
    /// The other classes: for each, its slot and the root of its entry tree, before and now.
    pub others: Vec<(u8, PageId)>,
}

/// A path that a class gained and that belongs to another class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trespass {
    /// The slot of the class that gained it.
    pub slot: u8,
    /// The slot of the class that has the path.
    pub other: u8,
    /// The gained path.
    pub path: EntryPath,
}

/// The first path that one of `classes` gained and that conflicts with another class. A gained path conflicts
/// if the other class has the same path, if it is a file and the other class has paths under it, or if it is
/// under a file of the other class. Two classes may have the same folder. Reads the pages that differ, and
/// looks up each gained path.
///
/// # Errors
///
/// [`Error::Missing`] if a page is not held; [`Error::Invalid`] if a page is forged.
pub fn find<S: PageSource + ?Sized>(source: &S, classes: &[Changed]) -> Result<Option<Trespass>> {
    for class in classes {
        let found = match gained_since(source, class, class.old.as_ref()) {
            // A part of the tree before is not held, so its paths are not known. All paths are then taken as
            // gained.
            Err(error) if class.old.is_some() && error.is_unreadable() => gained_since(source, class, None)?,
            found => found?,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn gained_since<S: PageSource + ?Sized>(
    source: &S,
    class: &Changed,
    old: Option<&PageId>,
) -> Result<Option<Trespass>> {
    let mut gained = Gained { source, class, found: None };
    match diff(source, old, &class.new, &mut gained) {
        // The sink ends the comparison with an error when it finds a trespass.
        Err(error) if gained.found.is_none() => Err(error),
        _ => Ok(gained.found),
    }
}

struct Gained<'a, S: PageSource + ?Sized> {
    source: &'a S,
    class: &'a Changed,
    found: Option<Trespass>,
}

impl<S: PageSource + ?Sized> Gained<'_, S> {
    /// Whether `path`, which may be a folder, conflicts with the tree under `root`.
    fn conflicts(&self, root: &PageId, path: &EntryPath, is_folder: bool) -> Result<bool> {
        for (end, _) in path.as_str().match_indices('/') {
            let above = path.as_str().get(..end).map(EntryPath::checked);
            let found = above.map(|above| cursor::find(self.source, root, &above)).transpose()?.flatten();
            if found.is_some_and(|entry| !is_directory(entry.kind)) {
                return Ok(true);
            }
        }
        match cursor::find(self.source, root, path)? {
            Some(entry) => Ok(!(is_folder && is_directory(entry.kind))),
            None => Ok(!is_folder && has_under(self.source, root, path)?),
        }
    }
}

impl<S: PageSource + ?Sized> DiffSink for Gained<'_, S> {
    fn page(&mut self, _: &PageId, _: &Bytes, _: Option<PagePosition>) -> Result<()> {
        Ok(())
    }

    fn change(&mut self, change: Change, _: FirstChunk) -> Result<()> {
        let (path, kind) = match change {
            Change::Added { path, entry } => (path, entry.kind),
            Change::Changed { path, old, new } if is_directory(old.kind) && !is_directory(new.kind) => {
                (path, new.kind)
            }
            _ => return Ok(()),
        };
        for (other, root) in &self.class.others {
            let conflicts = match self.conflicts(root, &path, is_directory(kind)) {
                // Only a node that holds the other class can check this.
                Err(error) if error.is_unreadable() => false,
                found => found?,
            };
            if conflicts {
                self.found = Some(Trespass { slot: self.class.slot, other: *other, path });
                return Err(Error::Invalid("a path belongs to another class".into()));
            }
        }
        Ok(())
    }
}

fn is_directory(kind: EntryKind) -> bool {
    kind == EntryKind::Folder
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::manifest::{
        Content,
        builder::EntryTreeBuilder,
        entry::Entry,
        testing::{LIBRARY, Pages, path, small},
    };

    const NAMES: [&str; 10] = ["a", "a!", "a.b", "a/b", "a/b.c", "a/b/c", "a/c", "ab", "b", "b/a"];

    fn build(names: &BTreeMap<&str, bool>, pages: &mut Pages) -> PageId {
        let folder =
            || Entry { kind: EntryKind::Folder, size: 0, content: Content::Inline(vec![]), ..small(0) };
        let mut builder = EntryTreeBuilder::new(LIBRARY, 0).unwrap();
        for (name, is_file) in names {
            builder.push(path(name), &if *is_file { small(1) } else { folder() }, pages).unwrap();
        }
        builder.finish(pages).unwrap().root
    }

    fn names() -> impl Strategy<Value = BTreeMap<&'static str, bool>> {
        prop::collection::btree_map(prop::sample::select(&NAMES[..]), any::<bool>(), 0..6)
    }

    proptest! {
        /// Compares with the rule in words: a path is new, and cannot be in one folder tree with the paths of
        /// the other class.
        #[test]
        fn gained_paths_of_another_class_are_found(before in names(), after in names(), other in names()) {
            let mut pages = Pages::default();
            let [old, new, theirs] = [&before, &after, &other].map(|names| build(names, &mut pages));
            let classes = [Changed { slot: 2, old: Some(old), new, others: vec![(0, theirs)] }];
            let found = find(&pages, &classes).unwrap();
            let gained = after.iter().filter(|(name, is_file)| match before.get(*name) {
                None => true,
                Some(was_file) => !was_file && **is_file,
            });
            let under = |inner: &str, outer: &str| inner.starts_with(&format!("{outer}/"));
            let wrong = gained.filter(|(name, is_file)| other.iter().any(|(theirs, theirs_is_file)| {
                (theirs == *name && (**is_file || *theirs_is_file))
                    || (under(name, theirs) && *theirs_is_file)
                    || (under(theirs, name) && **is_file)
            }));
            let expected = wrong.map(|(name, _)| path(name)).next();
            prop_assert_eq!(found.map(|found| (found.slot, found.other, found.path)), expected.map(|path| (2, 0, path)));
        }
    }

    #[test]
    fn without_the_tree_before_every_path_is_gained() {
        let mut pages = Pages::default();
        let tree = build(&BTreeMap::from([("a", true)]), &mut pages);
        let with = |old| [Changed { slot: 1, old, new: tree, others: vec![(0, tree)] }];
        assert_eq!(find(&pages, &with(Some(tree))).unwrap(), None, "a path of the tree before is not gained");
        assert!(find(&pages, &with(None)).unwrap().is_some());
    }
}
