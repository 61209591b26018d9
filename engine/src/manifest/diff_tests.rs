//! Compares contents with the simplest possible comparison: decoded pages and sets of ids, level by level.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    PageSource,
    diff::{self, ContentSink, Gap, Spare, Stood},
    entry::{ChunkRef, Content},
    page::{Items, Page},
    testing::{LIBRARY, Pages, Rng, chunk, content},
};
use crate::{
    error::Result,
    id::{LibraryId, PageId},
};

/// The results of a comparison.
#[derive(Debug, Default, PartialEq)]
struct Found {
    pages: Vec<PageId>,
    chunks: Vec<(u64, ChunkRef)>,
}

impl ContentSink for Found {
    fn page(&mut self, id: &PageId, _: &Bytes, _: Option<Stood>) -> Result<()> {
        self.pages.push(*id);
        Ok(())
    }

    fn chunks(&mut self, run: &[(u64, ChunkRef)], _: Gap, _: &[Spare]) -> Result<()> {
        self.chunks.extend(run);
        Ok(())
    }
}

/// Pages by level, in order, each with the number of chunks before it.
type Levels = BTreeMap<u8, Vec<(PageId, u64)>>;

fn decode(pages: &Pages, id: &PageId) -> Page {
    Page::decode(&pages.map[id]).unwrap()
}

fn add_root(pages: &Pages, content: &Content, levels: &mut Levels) {
    if let Content::Tree { root, .. } = content {
        levels.entry(decode(pages, root).level).or_default().push((*root, 0));
    }
}

/// The expected report of [`diff::content`], and the number of pages that it must read.
fn expected_difference(pages: &Pages, old: &[Content], new: &Content) -> (Found, usize) {
    let (mut found, mut reads) = (Found::default(), 0);
    let mut known = BTreeSet::new();
    let (mut old_levels, mut new_levels) = (Levels::new(), Levels::new());
    add_root(pages, new, &mut new_levels);
    for content in old {
        add_root(pages, content, &mut old_levels);
        if let Content::Inline(chunks) = content {
            known.extend(chunks.iter().map(|chunk| chunk.id));
        }
    }
    for level in (0..8).rev() {
        let of_old = old_levels.remove(&level).unwrap_or_default();
        let of_new = new_levels.remove(&level).unwrap_or_default();
        let ids = |level: &[(PageId, u64)]| level.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>();
        let (in_old, in_new) = (ids(&of_old), ids(&of_new));
        let sides = [(of_old, in_new, &mut old_levels, false), (of_new, in_old, &mut new_levels, true)];
        for (nodes, in_other, levels, is_new) in sides {
            let mut once = BTreeSet::new();
            for (id, first) in nodes.into_iter().filter(|(id, _)| !in_other.contains(id)) {
                if !once.insert(id) {
                    continue;
                }
                reads += 1;
                if is_new {
                    found.pages.push(id);
                }
                let mut first = first;
                match decode(pages, &id).items {
                    Items::Chunks(chunks) => {
                        for (ordinal, chunk) in (first..).zip(chunks) {
                            if known.insert(chunk.id) && is_new {
                                found.chunks.push((ordinal, chunk));
                            }
                        }
                    }
                    Items::ChunkIndex(children) => {
                        for child in children {
                            levels.entry(level - 1).or_default().push((child.id, first));
                            first += child.sums.chunks;
                        }
                    }
                    _ => unreachable!("no page of a chunk tree"),
                }
            }
        }
    }
    (found, reads)
}

/// Numbers of chunks after an edit: pieces are replaced, removed, inserted, moved and copied, everywhere.
fn edited(numbers: &[u64], seed: u64, edits: usize) -> Vec<u64> {
    let mut rng = Rng(seed);
    let mut edited = numbers.to_vec();
    for _ in 0..edits {
        let at = rng.below(edited.len() + 1);
        let end = (at + rng.below(8)).min(edited.len());
        let from = rng.below(edited.len() + 1);
        let copied = edited[from..(from + rng.below(300)).min(edited.len())].to_vec();
        let fresh: Vec<_> = (0..rng.below(8)).map(|_| rng.next()).collect();
        match rng.below(4) {
            0 => drop(edited.splice(at..end, copied)),
            1 => drop(edited.drain(at..end)),
            _ => drop(edited.splice(at..end, fresh)),
        }
    }
    edited
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn reports_the_same_as_the_simplest_comparison_and_reads_no_more(
        length in 0..6_000u64,
        period in prop_oneof![Just(u64::MAX), 1..2_000u64],
        seed in any::<u64>(),
        edits in 0..60usize,
        olds in 0..4usize,
    ) {
        let mut pages = Pages::default();
        let numbers: Vec<u64> = (0..length).map(|at| at % period).collect();
        let mut build = |numbers: &[u64]| content(&numbers.iter().map(|n| chunk(*n)).collect::<Vec<_>>(), &mut pages);
        let old: Vec<_> = (0..olds).map(|nth| build(&edited(&numbers, seed ^ nth as u64, nth * 4))).collect();
        let new = build(&edited(&numbers, seed.rotate_left(9), edits));
        prop_assume!(!old.contains(&new));

        let (expected, reads) = expected_difference(&pages, &old, &new);
        pages.reads.set(0);
        let mut found = Found::default();
        diff::content(&pages, &old, &new, &mut found).unwrap();
        prop_assert_eq!(&found.pages, &expected.pages);
        if let Content::Tree { .. } = new {
            prop_assert_eq!(found.chunks, expected.chunks);
        }
        // Roots are read to learn their level, even a root that two contents share.
        let roots = old.iter().filter(|content| matches!(content, Content::Tree { .. })).count() + 1;
        prop_assert!(pages.reads.get() <= reads + roots, "{} pages read, {reads} differ", pages.reads.get());
    }
}

/// A comparison requests the pages of one level together, since each request to a store on disk has a cost.
#[test]
fn requests_pages_in_batches() {
    struct Batches<'a>(&'a Pages, std::cell::Cell<usize>);
    impl PageSource for Batches<'_> {
        fn owner(&self) -> LibraryId {
            LIBRARY
        }

        fn page(&self, id: &PageId) -> Result<Bytes> {
            self.pages(&[*id]).map(|mut pages| pages.remove(0))
        }

        fn pages(&self, ids: &[PageId]) -> Result<Vec<Bytes>> {
            self.1.set(self.1.get() + usize::from(!ids.is_empty()));
            ids.iter().map(|id| self.0.page(id)).collect()
        }
    }

    let mut pages = Pages::default();
    let mut build =
        |numbers: &[u64]| content(&numbers.iter().map(|n| chunk(*n)).collect::<Vec<_>>(), &mut pages);
    let numbers: Vec<u64> = (0..40_000).collect();
    let (old, new) = (build(&numbers), build(&edited(&numbers, 3, 400)));
    let source = Batches(&pages, std::cell::Cell::new(0));
    diff::content(&source, &[old], &new, &mut Found::default()).unwrap();
    let (reads, requests) = (pages.reads.get(), source.1.get());
    assert!(reads > 300 && requests < reads / 20, "{requests} requests for {reads} pages");
}
