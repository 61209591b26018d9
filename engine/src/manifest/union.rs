//! Reads the trees of several classes as one, for a restore, a listing or a publish.
//!
//! A path is in one class. If publishers of different classes put it in two classes nevertheless, the entry
//! of the class with the lower slot is effective. So the publisher of one class cannot take a path away from
//! an earlier class. The same rule applies if one class has a file and another has a path under the path of
//! the file, since no folder can contain both.

use std::iter::Peekable;

use super::{
    PageSource,
    cursor::{self, Entries},
    entry::{Entry, EntryKind},
    path::EntryPath,
};
use crate::{error::Result, id::PageId};

/// All entries of `trees`. Each tree is the slot of a class and the root of its entry tree, ascending by
/// slot. The entries are in path order, each path once, and no path is under a file.
pub fn union<'a, S: PageSource + ?Sized>(source: &'a S, trees: &[(u8, PageId)]) -> Union<'a, S> {
    let tree = |(slot, root): &(u8, PageId)| Tree {
        slot: *slot,
        root: *root,
        entries: cursor::entries(source, root).peekable(),
    };
    Union { source, trees: trees.iter().map(tree).collect(), files: Vec::new(), has_warned: false }
}

/// The entry at `path` in the first of `trees` that has it, with the slot of that tree. `None` for a path
/// that [`union()`] leaves out.
///
/// # Errors
///
/// As for [`cursor::find`].
pub fn find<S: PageSource + ?Sized>(
    source: &S,
    trees: &[(u8, PageId)],
    path: &EntryPath,
) -> Result<Option<(u8, Entry)>> {
    for (end, _) in path.as_str().match_indices('/') {
        let above = path.as_str().get(..end).map(EntryPath::checked);
        let found = above.map(|above| find_one(source, trees, &above)).transpose()?.flatten();
        if found.is_some_and(|(_, entry)| entry.kind != EntryKind::Folder) {
            return Ok(None);
        }
    }
    find_one(source, trees, path)
}

/// Whether one of `trees` has `path` or a path under it.
///
/// # Errors
///
/// As for [`cursor::find`].
pub fn has<S: PageSource + ?Sized>(source: &S, trees: &[(u8, PageId)], path: &EntryPath) -> Result<bool> {
    if find(source, trees, path)?.is_some() {
        return Ok(true);
    }
    for (_, root) in trees {
        if has_under(source, root, path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Like [`find`], for a path that is not under a file.
fn find_one<S: PageSource + ?Sized>(
    source: &S,
    trees: &[(u8, PageId)],
    path: &EntryPath,
) -> Result<Option<(u8, Entry)>> {
    // Whether one of the trees so far has a path under `path`.
    let mut is_directory = false;
    for (slot, root) in trees {
        match cursor::find(source, root, path)? {
            Some(entry) if entry.kind == EntryKind::Folder || !is_directory => {
                return Ok(Some((*slot, entry)));
            }
            _ => is_directory = is_directory || has_under(source, root, path)?,
        }
    }
    Ok(None)
}

/// Whether a tree has a path under `path`.
pub(super) fn has_under<S: PageSource + ?Sized>(source: &S, root: &PageId, path: &EntryPath) -> Result<bool> {
    // This is not the path of an entry, but a position in their order.
    let begin = EntryPath::checked(&format!("{path}/"));
    let first = cursor::entries_from(source, root, begin).next().transpose()?;
    Ok(first.is_some_and(|(found, _)| is_under(&found, path)))
}

/// Whether `path` is under `above`, whatever the kind of `above` is.
fn is_under(path: &EntryPath, above: &EntryPath) -> bool {
    path.as_str().strip_prefix(above.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

/// The iterator of [`union()`]. It ends after its first error. Memory is one page of child ids per level of
/// every tree, and at most as many file paths as a path has bytes.
pub struct Union<'a, S: PageSource + ?Sized> {
    source: &'a S,
    trees: Vec<Tree<'a, S>>,
    /// The files so far whose paths are prefixes of the last returned path, each a prefix of the next. They
    /// are kept because other paths may come between a file and the paths under it in another tree: `a.b`
    /// comes between `a` and `a/b`.
    files: Vec<EntryPath>,
    has_warned: bool,
}

struct Tree<'a, S: PageSource + ?Sized> {
    slot: u8,
    root: PageId,
    entries: Peekable<Entries<'a, S>>,
}

impl<S: PageSource + ?Sized> std::fmt::Debug for Union<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Union").field("trees", &self.trees.len()).finish_non_exhaustive()
    }
}

impl<S: PageSource + ?Sized> Union<'_, S> {
    fn step(&mut self) -> Result<Option<(u8, EntryPath, Entry)>> {
        while let Some(index) = self.first() {
            let Some(tree) = self.trees.get_mut(index) else { break };
            let slot = tree.slot;
            let Some((path, entry)) = tree.entries.next().transpose()? else { break };
            while self.files.pop_if(|file| !path.as_str().starts_with(file.as_str())).is_some() {}
            let is_file = entry.kind != EntryKind::Folder;
            if self.files.iter().any(|file| is_under(&path, file))
                || (is_file && self.is_directory_before(index, &path)?)
            {
                self.warn(&path, slot);
                continue;
            }
            self.pass(index, &path);
            if is_file && self.is_prefix_of_next(&path) {
                self.files.push(path.clone());
            }
            return Ok(Some((slot, path, entry)));
        }
        Ok(None)
    }

    /// The index of the tree with the next path, or the first of several trees with the same path. An error
    /// comes before all paths.
    fn first(&mut self) -> Option<usize> {
        let mut first: Option<(usize, &EntryPath)> = None;
        for (index, tree) in self.trees.iter_mut().enumerate() {
            match tree.entries.peek() {
                None => {}
                Some(Err(_)) => return Some(index),
                Some(Ok((path, _))) if first.is_none_or(|(_, least)| path < least) => {
                    first = Some((index, path))
                }
                Some(Ok(_)) => {}
            }
        }
        first.map(|(index, _)| index)
    }

    /// Whether a tree before the tree at `index` has a path under `path`. In most cases, the next entry of
    /// the tree is enough to decide.
    fn is_directory_before(&mut self, index: usize, path: &EntryPath) -> Result<bool> {
        for tree in self.trees.iter_mut().take(index) {
            let Some(Ok((next, _))) = tree.entries.peek() else { continue };
            let may_follow = next.as_str().starts_with(path.as_str());
            if may_follow && (is_under(next, path) || has_under(self.source, &tree.root, path)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Skips `path` in the trees after the one that had it.
    fn pass(&mut self, index: usize, path: &EntryPath) {
        let is_same = |item: &Result<(EntryPath, Entry)>| matches!(item, Ok((next, _)) if next == path);
        let mut passed = None;
        for tree in self.trees.iter_mut().skip(index + 1) {
            if tree.entries.next_if(is_same).is_some() {
                passed = Some(tree.slot);
            }
        }
        if let Some(slot) = passed {
            self.warn(path, slot);
        }
    }

    /// Whether a later path has this path as its prefix.
    fn is_prefix_of_next(&mut self, path: &EntryPath) -> bool {
        let is_next = |item: &Result<(EntryPath, Entry)>| {
            item.as_ref().is_ok_and(|(next, _)| next.as_str().starts_with(path.as_str()))
        };
        self.trees.iter_mut().any(|tree| tree.entries.peek().is_some_and(is_next))
    }

    fn warn(&mut self, path: &EntryPath, slot: u8) {
        if !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(%path, slot, "a path conflicts with another class; the entry of the lower slot is effective");
        }
    }
}

impl<S: PageSource + ?Sized> Iterator for Union<'_, S> {
    type Item = Result<(u8, EntryPath, Entry)>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if matches!(step, Some(Err(_))) {
            self.trees.clear();
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        error::Error,
        manifest::{
            builder::EntryTreeBuilder,
            testing::{LIBRARY, Pages, path, small},
        },
    };

    fn build(slot: u8, numbers: &[u64], pages: &mut Pages) -> (u8, PageId) {
        let files: BTreeMap<_, _> = numbers.iter().map(|n| (path(&format!("{n:05}")), small(*n))).collect();
        let mut builder = EntryTreeBuilder::new(LIBRARY, slot).unwrap();
        files.into_iter().for_each(|(path, entry)| builder.push(path, &entry, pages).unwrap());
        (slot, builder.finish(pages).unwrap().root)
    }

    /// Names that are prefixes of each other, with characters before and after the slash in the order of
    /// bytes.
    const NAMES: [&str; 12] =
        ["a", "a!", "a!/b", "a.b", "a.b/c", "a/b", "a/b.c", "a/b/c", "a/b/c/d", "a/c", "ab", "b"];

    fn directory() -> Entry {
        Entry {
            kind: EntryKind::Folder,
            size: 0,
            content: crate::manifest::Content::Inline(vec![]),
            ..small(0)
        }
    }

    fn build_named(slot: u8, names: &BTreeMap<&str, bool>, pages: &mut Pages) -> (u8, PageId) {
        let mut builder = EntryTreeBuilder::new(LIBRARY, slot).unwrap();
        for (name, is_file) in names {
            let entry = if *is_file { small(u64::from(slot)) } else { directory() };
            builder.push(path(name), &entry, pages).unwrap();
        }
        (slot, builder.finish(pages).unwrap().root)
    }

    proptest! {
        /// Symptom: one class had the file `masters` and another `masters/a.mov`. The union returned both, no
        /// folder could contain both, and so the publisher of one class could make every restore of the
        /// library fail.
        #[test]
        fn nothing_lies_under_a_file(
            classes in prop::collection::vec(
                prop::collection::btree_map(prop::sample::select(&NAMES[..]), any::<bool>(), 0..8), 0..4),
        ) {
            let mut pages = Pages::default();
            let mut trees = Vec::new();
            let mut expected: BTreeMap<&str, (u8, bool)> = BTreeMap::new();
            for (slot, names) in (0..).zip(&classes) {
                trees.push(build_named(slot, names, &mut pages));
                for (name, is_file) in names {
                    let under = |inner: &str, outer: &str| inner.starts_with(&format!("{outer}/"));
                    let in_the_way = |(other, (_, other_is_file)): (&&str, &(u8, bool))| {
                        name == other || (under(name, other) && *other_is_file) || (under(other, name) && *is_file)
                    };
                    if !expected.iter().any(in_the_way) {
                        expected.insert(name, (slot, *is_file));
                    }
                }
            }
            let found = union(&pages, &trees).map(|item| item.unwrap());
            let found: Vec<_> =
                found.map(|(slot, path, entry)| (path.to_string(), (slot, entry.kind == EntryKind::File))).collect();
            let expected_now: Vec<_> = expected.iter().map(|(name, entry)| ((*name).to_owned(), *entry)).collect();
            prop_assert_eq!(found, expected_now);
            for name in NAMES {
                let found = find(&pages, &trees, &path(name)).unwrap();
                let found = found.map(|(slot, entry)| (slot, entry.kind == EntryKind::File));
                prop_assert_eq!(found, expected.get(name).copied(), "{}", name);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn it_has_all_entries_each_once(classes in prop::collection::vec(prop::collection::vec(0..3000u64, 0..300), 0..5)) {
            let mut pages = Pages::default();
            let mut expected = BTreeMap::new();
            let mut trees = Vec::new();
            for (slot, numbers) in (0..).zip(&classes) {
                trees.push(build(slot, numbers, &mut pages));
                for number in numbers {
                    expected.entry(*number).or_insert(slot);
                }
            }
            let found: Vec<_> = union(&pages, &trees).map(|item| item.unwrap()).collect();
            prop_assert_eq!(found.len(), expected.len());
            for ((slot, at, entry), (number, lowest)) in found.iter().zip(&expected) {
                prop_assert_eq!((slot, at, entry), (lowest, &path(&format!("{number:05}")), &small(*number)));
                prop_assert_eq!(find(&pages, &trees, at).unwrap(), Some((*lowest, entry.clone())));
            }
        }
    }

    #[test]
    fn it_ends_at_a_missing_page() {
        let mut pages = Pages::default();
        let trees = [build(0, &[1, 3], &mut pages), build(1, &[2], &mut pages)];
        pages.map.remove(&trees[1].1);
        let read: Vec<_> = union(&pages, &trees).collect();
        assert!(matches!(&read[..], [Err(Error::Missing(_))]), "{read:?}");
    }
}
