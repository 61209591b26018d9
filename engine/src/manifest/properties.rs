//! Properties of all trees: one shape for one content, differences that can be applied, and small edits.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    builder::{self, Tree},
    cursor,
    diff::{self, Change, ContentSink, DiffSink, FirstChunk, Gap, Spare, Stood},
    entry::{ChunkRef, Content, Entry, Extension},
    page::{Items, Page},
    path::EntryPath,
    position::{self, PagePosition},
    testing::{LIBRARY, Pages, Rng, build, chunk, content, file, library, path, small},
};
use crate::{
    chunk::Profile,
    error::Result,
    id::{ChunkId, PageId},
};

type Edits = Vec<(EntryPath, Option<Entry>)>;

fn edit(pages: &mut Pages, root: &PageId, edits: Edits) -> Tree {
    let mut out = Pages::default();
    let tree = builder::edit(pages, root, edits, 0, &mut out).unwrap();
    pages.map.append(&mut out.map);
    tree
}

/// Collects a difference.
#[derive(Default)]
struct Found {
    pages: Vec<PageId>,
    changes: Vec<(Change, FirstChunk)>,
    chunks: Vec<(u64, ChunkRef)>,
    gaps: Vec<(Range<usize>, Gap)>,
    unused_base_runs: Vec<Spare>,
    stood: Vec<(PageId, PagePosition)>,
    stood_content: Vec<(PageId, Stood)>,
}

impl DiffSink for Found {
    fn page(&mut self, id: &PageId, bytes: &Bytes, stood: Option<PagePosition>) -> Result<()> {
        assert_eq!(PageId::of(&LIBRARY, bytes), *id);
        self.pages.push(*id);
        self.stood.extend(stood.map(|stood| (*id, stood)));
        Ok(())
    }

    fn change(&mut self, change: Change, first: FirstChunk) -> Result<()> {
        self.changes.push((change, first));
        Ok(())
    }
}

impl ContentSink for Found {
    fn page(&mut self, id: &PageId, bytes: &Bytes, stood: Option<Stood>) -> Result<()> {
        self.stood_content.extend(stood.map(|stood| (*id, stood)));
        DiffSink::page(self, id, bytes, None)
    }

    fn chunks(&mut self, run: &[(u64, ChunkRef)], gap: Gap, unused_base_runs: &[Spare]) -> Result<()> {
        self.unused_base_runs = unused_base_runs.to_vec();
        let first = self.chunks.len();
        self.chunks.extend(run);
        self.gaps.push((first..self.chunks.len(), gap));
        Ok(())
    }
}

fn apply(
    entries: &BTreeMap<EntryPath, Entry>,
    changes: &[(Change, FirstChunk)],
) -> BTreeMap<EntryPath, Entry> {
    let mut entries = entries.clone();
    for (change, _) in changes {
        match change.clone() {
            Change::Added { path, entry } => assert!(entries.insert(path, entry).is_none()),
            Change::Removed { path, entry } => assert_eq!(entries.remove(&path), Some(entry)),
            Change::Changed { path, old, new } => assert_eq!(entries.insert(path, new), Some(old)),
        }
    }
    entries
}

/// Entries of many shapes: long and short paths, long extensions, none to four chunks.
fn any_entry() -> impl Strategy<Value = Entry> {
    // Lower tags are for extensions whose bytes have a format.
    let extensions = prop::collection::btree_map(256..=u16::MAX, (any::<bool>(), 0..300usize), 0..3);
    (prop::collection::vec(any::<u64>(), 0..=4), extensions).prop_map(|(chunks, extensions)| {
        let chunks: Vec<_> = chunks.into_iter().map(chunk).collect();
        let size = chunks.iter().map(|chunk| u64::from(chunk.len)).sum();
        let mut entry = file(Content::Inline(chunks), size);
        entry.extensions = extensions
            .into_iter()
            .map(|(tag, (critical, len))| Extension { tag, critical, bytes: vec![7; len] })
            .collect();
        entry
    })
}

fn any_path() -> impl Strategy<Value = EntryPath> {
    let name = prop_oneof!["[a-c]{1,3}", "[一-丅]{1,3}", "[xy]{200,255}"];
    prop::collection::vec(name, 1..4).prop_map(|names| path(&names.join("/")))
}

fn any_entries(most: usize) -> impl Strategy<Value = BTreeMap<EntryPath, Entry>> {
    prop::collection::btree_map(any_path(), any_entry(), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn one_root_for_one_set_of_entries(entries in any_entries(900), order in any::<u64>(), steps in 1..6usize) {
        let mut pages = Pages::default();
        let straight = build(&entries, &mut pages);
        // The same set, built in another way: entries in parts and in any order, with other entries that are
        // removed again.
        let mut rng = Rng(order);
        let mut parts = vec![BTreeMap::new(); steps];
        for (path, entry) in &entries {
            parts[rng.below(steps)].insert(path.clone(), Some(entry.clone()));
        }
        let mut temporary = BTreeSet::new();
        for n in 0..rng.below(40) {
            let other = path(&format!("b/other{}", rng.below(1 << 20)));
            parts[0].insert(other.clone(), Some(small(n as u64)));
            temporary.insert(other);
        }
        let mut tree = build(&BTreeMap::new(), &mut pages);
        for part in parts {
            tree = edit(&mut pages, &tree.root, part.into_iter().collect());
        }
        let gone = temporary.into_iter().map(|path| (path, None)).collect();
        prop_assert_eq!(edit(&mut pages, &tree.root, gone), straight);
    }

    #[test]
    fn difference_applied_gives_the_new_tree(
        old in any_entries(500),
        new in any_entries(500),
        shared in any_entries(500),
        has_old in any::<bool>(),
    ) {
        let (mut old, mut new) = (old, new);
        old.extend(shared.clone());
        new.extend(shared);
        let mut pages = Pages::default();
        let old_root = build(&old, &mut pages).root;
        let mut new_pages = Pages::default();
        let new_root = build(&new, &mut new_pages).root;
        let both = Pages { map: pages.map.iter().chain(&new_pages.map).map(|(k, v)| (*k, v.clone())).collect(), ..Pages::default() };

        let mut found = Found::default();
        diff::diff(&both, has_old.then_some(&old_root), &new_root, &mut found).unwrap();
        let start = if has_old { old.clone() } else { BTreeMap::new() };
        prop_assert!(apply(&start, &found.changes) == new);
        prop_assert!(found.changes.is_sorted_by(|a, b| a.0.path() < b.0.path()));
        let before = |entries: &BTreeMap<EntryPath, Entry>, path| -> u64 {
            entries.range(..path).map(|(_, entry)| entry.content.chunks()).sum()
        };
        for (change, first) in &found.changes {
            let expected = FirstChunk {
                old: before(&start, change.path().clone()),
                new: before(&new, change.path().clone()),
            };
            prop_assert_eq!(*first, expected);
        }
        for (id, stood) in &found.stood {
            let (_, there) = position::page(&pages, &old_root, stood).unwrap().unwrap();
            prop_assert_eq!(Page::decode(&there).unwrap().level, Page::decode(&both.map[id]).unwrap().level);
        }
        // With the old pages and the reported pages, the new tree is complete.
        if has_old {
            for id in &found.pages {
                pages.map.insert(*id, new_pages.map[id].clone());
            }
            prop_assert_eq!(cursor::entries(&pages, &new_root).filter(|entry| entry.is_ok()).count(), new.len());
        }
    }

    #[test]
    fn content_difference_completes_the_old(
        old in prop::collection::vec(0..400u64, 0..1500),
        cut in any::<prop::sample::Index>(),
        removed in 0..30usize,
        inserted in prop::collection::vec(0..1000u64, 0..30),
    ) {
        let at = cut.index(old.len() + 1);
        let mut new = old.clone();
        new.splice(at..(at + removed).min(old.len()), inserted);
        let refs = |numbers: &[u64]| numbers.iter().map(|n| chunk(*n)).collect::<Vec<_>>();
        let (old, new) = (refs(&old), refs(&new));
        let (mut pages, mut new_pages) = (Pages::default(), Pages::default());
        let (old_content, new_content) = (content(&old, &mut pages), content(&new, &mut new_pages));
        let both = Pages { map: pages.map.iter().chain(&new_pages.map).map(|(k, v)| (*k, v.clone())).collect(), ..Pages::default() };
        let mut found = Found::default();
        diff::content(&both, &[Content::Inline(vec![]), old_content], &new_content, &mut found).unwrap();

        for id in &found.pages {
            pages.map.insert(*id, new_pages.map[id].clone());
        }
        let read: Vec<_> = cursor::chunks(&pages, &new_content).collect::<Result<_>>().unwrap();
        prop_assert!(read == new);
        let held: BTreeSet<_> = old.iter().map(|chunk| chunk.id).collect();
        let mut sent = BTreeSet::new();
        for (ordinal, chunk) in &found.chunks {
            prop_assert_eq!(new[usize::try_from(*ordinal).unwrap()], *chunk);
            prop_assert!(sent.insert(chunk.id), "a chunk was reported twice");
        }
        prop_assert!(new.iter().all(|chunk| held.contains(&chunk.id) || sent.contains(&chunk.id)));

        // Checks the positions around a run. A chunk that was reported although it was held is in a page that
        // both contents have: its position is known where the new content has that page, and elsewhere the
        // chunk is treated as new.
        let held: BTreeSet<_> = held.difference(&sent).collect();
        for (run, gap) in found.gaps {
            let ends = found.chunks[run].iter().map(|(ordinal, _)| usize::try_from(*ordinal).unwrap());
            let (first, last) = (ends.clone().min().unwrap(), ends.max().unwrap());
            if let Some(from) = gap.from.filter(|from| from.ordinal > 0) {
                let held = new[..first].iter().rposition(|chunk| held.contains(&chunk.id)).unwrap_or(0);
                prop_assert!(new[held..first].contains(&old[usize::try_from(from.ordinal).unwrap() - 1]));
            }
            if let Some(to) = gap.to {
                let mut after = new[last + 1..].split_inclusive(|chunk| held.contains(&chunk.id));
                prop_assert!(after.next().unwrap().contains(&old[usize::try_from(to.ordinal).unwrap()]));
            }
        }
        let kept: BTreeSet<_> = new.iter().map(|chunk| chunk.id).collect();
        let is_plain = held.len() == old.len();
        for unused in found.unused_base_runs.iter().filter(|_| is_plain) {
            let first = usize::try_from(unused.first.ordinal).unwrap();
            let unused_chunks = &old[first..first + usize::try_from(unused.chunks).unwrap()];
            prop_assert!(unused_chunks.iter().all(|chunk| !kept.contains(&chunk.id)));
            prop_assert_eq!(unused_chunks.iter().map(|chunk| u64::from(chunk.len)).sum::<u64>(), unused.bytes);
        }
        for (id, stood) in found.stood_content {
            prop_assert_eq!(stood.level, Page::decode(&both.map[&id]).unwrap().level);
            prop_assert!(stood.pages >= 1 && stood.content == 1);
        }
    }

    #[test]
    fn positions_find_every_page_and_chunk(entries in any_entries(120), film in prop::collection::vec(any::<u64>(), 5..300)) {
        let mut pages = Pages::default();
        let mut entries = entries;
        let film: Vec<_> = film.into_iter().map(chunk).collect();
        let size = film.iter().map(|chunk| u64::from(chunk.len)).sum();
        entries.insert(path("b/film"), file(content(&film, &mut pages), size));
        let root = build(&entries, &mut pages).root;
        let mut all = Vec::new();
        for entry in entries.values() {
            all.extend(cursor::chunks(&pages, &entry.content).collect::<Result<Vec<_>>>().unwrap());
        }
        for start in (0..=all.len()).step_by(61) {
            let read = position::chunks(&pages, &root, start as u64, 70).collect::<Result<Vec<_>>>().unwrap();
            let expected: Vec<_> = (0u64..).zip(all.iter().copied()).skip(start).take(70).collect();
            prop_assert!(read == expected);
        }
        let mut found = BTreeSet::new();
        for tree in [super::TreeKind::Entries, super::TreeKind::Content] {
            for level in (0..4).chain([position::ROOT_LEVEL]) {
                for ordinal in 0..=(all.len() + entries.len()) as u64 {
                    let at = position::PagePosition { tree, level, ordinal };
                    if let Some((id, bytes)) = position::page(&pages, &root, &at).unwrap() {
                        prop_assert_eq!(PageId::of(&LIBRARY, &bytes), id);
                        found.insert(id);
                    }
                }
            }
        }
        prop_assert_eq!(found.len(), pages.map.len());
    }
}

/// Prints and checks how many new pages single edits create.
fn check_touched(what: &str, depth: usize, mut touched: Vec<usize>) {
    touched.sort_unstable();
    let at = |per_mille: usize| touched[(touched.len() - 1) * per_mille / 1000];
    let (median, tail, most) = (at(500), at(999), at(1000));
    println!("{what}: depth {depth}, {} edits: median {median}, p99.9 {tail}, most {most}", touched.len());
    assert!(median <= 2 * depth, "{what}: median {median} pages at depth {depth}");
    assert!(tail <= 6 * depth, "{what}: p99.9 {tail} pages at depth {depth}");
}

#[test]
fn one_edit_of_a_library_touches_few_pages() {
    for (seed, n) in [(1, 2_000), (2, 60_000)] {
        println!("{n} entries: seed {seed}");
        let mut rng = Rng(seed);
        let (entries, mut pages) = (library(n), Pages::default());
        let tree = build(&entries, &mut pages);
        let paths: Vec<_> = entries.keys().cloned().collect();
        let mut touched = Vec::new();
        for round in 0..4_000 {
            let at = paths[rng.below(paths.len())].clone();
            let edit = match round % 3 {
                0 => (at, None),
                1 => (at, Some(small(rng.next()))),
                _ => (path(&format!("{at}{}", rng.below(1000))), Some(small(rng.next()))),
            };
            let mut out = Pages::default();
            builder::edit(&pages, &tree.root, [edit], 0, &mut out).unwrap();
            touched.push(out.map.keys().filter(|id| !pages.map.contains_key(id)).count());
        }
        check_touched(&format!("{n} entries"), usize::from(tree.level) + 1, touched);
    }
}

#[test]
fn one_edit_of_a_film_touches_few_pages() {
    let n = 8_000;
    let shapes: [(&str, u64); 9] = [
        ("random", u64::MAX),
        ("constant", 1),
        ("period 2", 2),
        ("period 10", 10),
        ("period 50", 50),
        ("period 100", 100),
        ("period 200", 200),
        ("period 300", 300),
        ("period 1000", 1000),
    ];
    for (shape, period) in shapes {
        let mut rng = Rng(period ^ 0x5eed);
        println!("{shape}: seed {}", rng.0);
        let (mut touched, mut depth) = (Vec::new(), 0);
        // Several contents of each shape, since one content may by chance have no item that fires, or many.
        for _ in 0..6 {
            let salt = rng.next();
            let all: Vec<_> = (0..n).map(|at| chunk((at % period).wrapping_mul(salt | 1))).collect();
            let mut pages = Pages::default();
            let content_before = content(&all, &mut pages);
            let top = *cursor_level(&pages, &content_before);
            depth = depth.max(usize::from(top) + 1);
            for round in 0..60 {
                let mut edited = all.clone();
                let at = rng.below(edited.len());
                match round % 3 {
                    0 => drop(edited.remove(at)),
                    1 => edited[at] = chunk(rng.next()),
                    _ => edited.insert(at, chunk(rng.next())),
                }
                let mut out = Pages::default();
                content(&edited, &mut out);
                touched.push(out.map.keys().filter(|id| !pages.map.contains_key(id)).count());
            }
        }
        check_touched(shape, depth, touched);
    }
}

fn cursor_level<'a>(pages: &'a Pages, content: &Content) -> &'a u8 {
    match content {
        Content::Tree { root, .. } => &pages.map[root][7],
        Content::Inline(_) => &0,
    }
}

#[test]
fn one_edit_reads_little() {
    let (entries, mut pages) = (library(60_000), Pages::default());
    let tree = build(&entries, &mut pages);
    let mut rng = Rng(3);
    let paths: Vec<_> = entries.keys().cloned().collect();
    let mut reads = Vec::new();
    for _ in 0..200 {
        pages.reads.set(0);
        let at = paths[rng.below(paths.len())].clone();
        let mut out = Pages::default();
        let new = builder::edit(&pages, &tree.root, [(at, None)], 0, &mut out).unwrap().root;
        reads.push(pages.reads.get());
        let mut all = Pages { map: pages.map.clone(), ..Pages::default() };
        all.map.append(&mut out.map);
        let mut found = Found::default();
        diff::diff(&all, Some(&tree.root), &new, &mut found).unwrap();
        assert_eq!(found.changes.len(), 1);
        assert!(all.reads.get() < 60, "a difference of one entry read {} pages", all.reads.get());
    }
    reads.sort_unstable();
    assert!(reads[199] < 400, "an edit of one entry read {} pages", reads[199]);
}

/// Paths that are so long and so different that nearly every page is full before an item fires.
fn wide_library(n: u64) -> BTreeMap<EntryPath, Entry> {
    let name = |n: u64| format!("{}/{n}", vec![format!("{n:05}{}", "长".repeat(80)); 10].join("/"));
    (0..n).map(|n| (path(&name(n)), small(n))).collect()
}

#[test]
fn edits_at_page_borders_give_the_tree_built_from_scratch() {
    for entries in [library(1500), wide_library(300)] {
        let mut pages = Pages::default();
        let root = build(&entries, &mut pages).root;
        let check = |edits: Edits| {
            let mut edited = entries.clone();
            for (path, entry) in &edits {
                match entry {
                    Some(entry) => drop(edited.insert(path.clone(), entry.clone())),
                    None => drop(edited.remove(path)),
                }
            }
            let tree = builder::edit(&pages, &root, edits, 0, &mut Pages::default()).unwrap();
            assert_eq!(tree, build(&edited, &mut Pages::default()));
        };
        let leaves = pages.map.values().filter_map(|bytes| match Page::decode(bytes).unwrap().items {
            Items::Entries(entries) => entries.last().cloned(),
            _ => None,
        });
        for (last, entry) in leaves.collect::<Vec<_>>() {
            let behind = path(&format!("{last}0"));
            check(vec![(behind.clone(), Some(small(9)))]);
            check(vec![(last.clone(), None)]);
            if let Some((next, _)) = entries.range(behind.clone()..).next() {
                check(vec![(next.clone(), None)]);
            }
            check(vec![(last, None), (behind, Some(entry))]);
        }
        check(vec![(path("￿"), Some(small(1)))]);
        check(vec![(path("!"), Some(small(1)))]);
        check(entries.keys().skip(20).map(|path| (path.clone(), None)).collect());
        check(entries.keys().map(|path| (path.clone(), None)).collect());
    }
}

#[test]
fn profiles_bound_chunks_in_entries() {
    let mut entry = small(1);
    entry.profile = Profile::Fine;
    let mut big = ChunkRef { id: ChunkId::of(b"x"), len: 65_536 };
    (entry.content, entry.size) = (Content::Inline(vec![big]), 65_536);
    let mut builder = builder::EntryTreeBuilder::new(LIBRARY, 0).unwrap();
    builder.push(path("a"), &entry, &mut Pages::default()).unwrap();
    big.len += 1;
    (entry.content, entry.size) = (Content::Inline(vec![big]), 65_537);
    assert!(builder.push(path("b"), &entry, &mut Pages::default()).is_err());
}
