//! The trees of several classes, read as one: what a restore, a listing and a publish go through.
//!
//! A path is in one class. Where publishers of different classes put it in two all the same, the class of the lower slot
//! has it: who publishes one class cannot take a path away from another that was there before.

use std::iter::Peekable;

use super::{
    PageSource,
    cursor::{self, Entries},
    entry::Entry,
    path::EntryPath,
};
use crate::{error::Result, id::PageId};

/// All entries of `trees`, each the slot of a class and the root of its entry tree, ascending by slot. They come in path
/// order, each path once.
pub fn union<'a, S: PageSource + ?Sized>(source: &'a S, trees: &[(u8, PageId)]) -> Union<'a, S> {
    let trees = trees.iter().map(|(slot, root)| (*slot, cursor::entries(source, root).peekable()));
    Union { trees: trees.collect(), has_warned: false }
}

/// What the first of `trees` that has it says of `path`, and in which slot.
///
/// # Errors
///
/// As [`cursor::find`].
pub fn find<S: PageSource + ?Sized>(
    source: &S,
    trees: &[(u8, PageId)],
    path: &EntryPath,
) -> Result<Option<(u8, Entry)>> {
    for (slot, root) in trees {
        if let Some(entry) = cursor::find(source, root, path)? {
            return Ok(Some((*slot, entry)));
        }
    }
    Ok(None)
}

/// The iterator of [`union()`]; ends after its first error. Memory is one page of names a level of every tree.
pub struct Union<'a, S: PageSource + ?Sized> {
    trees: Vec<(u8, Peekable<Entries<'a, S>>)>,
    has_warned: bool,
}

impl<S: PageSource + ?Sized> std::fmt::Debug for Union<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Union").field("trees", &self.trees.len()).finish_non_exhaustive()
    }
}

impl<S: PageSource + ?Sized> Union<'_, S> {
    /// Which tree has the next path; of those that have the same, the first. An error comes before all paths.
    fn first(&mut self) -> Option<usize> {
        let mut first: Option<(usize, &EntryPath)> = None;
        for (index, (_, tree)) in self.trees.iter_mut().enumerate() {
            match tree.peek() {
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

    /// Passes over `path` in the trees after the one that had it.
    fn pass(&mut self, index: usize, slot: u8, path: &EntryPath) {
        for (other, tree) in self.trees.iter_mut().skip(index + 1) {
            let is_same = |item: &Result<(EntryPath, Entry)>| matches!(item, Ok((next, _)) if next == path);
            if tree.next_if(is_same).is_some() && !self.has_warned {
                tracing::warn!(%path, slot, other, "a path is in two classes; that of the lower slot counts");
                self.has_warned = true;
            }
        }
    }
}

impl<S: PageSource + ?Sized> Iterator for Union<'_, S> {
    type Item = Result<(u8, EntryPath, Entry)>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.first()?;
        let (slot, tree) = self.trees.get_mut(index)?;
        let slot = *slot;
        match tree.next()? {
            Ok((path, entry)) => {
                self.pass(index, slot, &path);
                Some(Ok((slot, path, entry)))
            }
            Err(error) => {
                self.trees.clear();
                Some(Err(error))
            }
        }
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
            testing::{Pages, path, small},
        },
    };

    fn build(slot: u8, numbers: &[u64], pages: &mut Pages) -> (u8, PageId) {
        let files: BTreeMap<_, _> = numbers.iter().map(|n| (path(&format!("{n:05}")), small(*n))).collect();
        let mut builder = EntryTreeBuilder::new(slot).unwrap();
        files.into_iter().for_each(|(path, entry)| builder.push(path, &entry, pages).unwrap());
        (slot, builder.finish(pages).unwrap().root)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn it_is_the_tree_of_all_entries(classes in prop::collection::vec(prop::collection::vec(0..3000u64, 0..300), 0..5)) {
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
