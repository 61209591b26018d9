//! What no decoder, cursor or builder takes: malformed pages, forged trees.

use super::{
    builder::{EntryTreeBuilder, edit},
    cursor,
    entry::{Content, Entry, EntryKind, Extension},
    format_tests::{chunk_child, chunk_ref, entry_child, header, leaf, page_id, sums},
    page::{ChunkChild, EntryChild, Items, Page},
    table::{ClassHeader, ClassTable},
    testing::{LIBRARY, Pages, build, chunk, content, library, path, small},
};
use crate::{
    error::{Error, Result},
    id::{Commitment, PageId},
    limits::{PAGE_BYTES, PAGE_ITEMS_MAX},
};

#[test]
fn malformed_pages_are_refused() {
    let refused = |what: &str, page: Page| assert!(Page::decode(&page.encode()).is_err(), "{what} was taken");
    let one = |change: &dyn Fn(&mut Entry)| {
        let mut entry = small(1);
        change(&mut entry);
        leaf(vec![("a", entry)])
    };
    let index = |children| Page { slot: 0, level: 1, items: Items::EntryIndex(children) };
    let chunks = |chunks| Page { slot: 0, level: 0, items: Items::Chunks(chunks) };
    let chunk_index = |level, children| Page { slot: 0, level, items: Items::ChunkIndex(children) };
    assert!(Page::decode(&one(&|_| {}).encode()).is_ok());

    refused("unsorted paths", leaf(vec![("b", small(1)), ("a", small(2))]));
    refused("a path twice", leaf(vec![("a", small(1)), ("a", small(2))]));
    refused("a path after its extension", leaf(vec![("ab", small(1)), ("a", small(2))]));
    refused("unsorted children", index(vec![entry_child(1, "b"), entry_child(2, "a")]));
    refused("a slot out of range", Page { slot: 64, ..chunks(vec![chunk(1)]) });
    refused("chunks above level 0", Page { level: 1, ..chunks(vec![chunk(1)]) });
    refused("an index at level 0", chunk_index(0, vec![chunk_child(1)]));
    refused("a level out of range", chunk_index(32, vec![chunk_child(1)]));
    refused("no chunk", chunks(vec![]));
    refused("no child", chunk_index(1, vec![]));
    refused("too many items", chunks(vec![chunk(1); PAGE_ITEMS_MAX + 1]));
    refused("an empty chunk", chunks(vec![chunk_ref(1, 0)]));
    refused("a chunk too long", chunks(vec![chunk_ref(1, 262_145)]));
    refused("sizes that do not add up", one(&|entry| entry.size += 1));
    refused("a mode out of range", one(&|entry| entry.mode = 0o10000));
    refused("a time out of range", one(&|entry| entry.mtime.nanos = 1_000_000_000));
    refused("a directory with content", one(&|entry| entry.kind = EntryKind::EmptyDir));
    refused(
        "a tree that could be inline",
        one(&|entry| {
            (entry.content, entry.size) = (Content::Tree { root: page_id(1), chunks: 4 }, 4);
        }),
    );
    refused(
        "more chunks than bytes",
        one(&|entry| {
            (entry.content, entry.size) = (Content::Tree { root: page_id(1), chunks: 5 }, 4);
        }),
    );
    refused(
        "more bytes than chunks",
        one(&|entry| {
            (entry.content, entry.size) = (Content::Tree { root: page_id(1), chunks: 5 }, 5 * 262_144 + 1);
        }),
    );
    refused(
        "five inline chunks",
        one(&|entry| {
            (entry.content, entry.size) = (Content::Inline(vec![chunk_ref(1, 1); 5]), 5);
        }),
    );
    let extension = |tag, len| Extension { tag, critical: false, bytes: vec![0; len] };
    refused("unsorted extensions", one(&|entry| entry.extensions = vec![extension(2, 0), extension(1, 0)]));
    refused("an extension twice", one(&|entry| entry.extensions = vec![extension(1, 0), extension(1, 0)]));
    refused(
        "too many extensions",
        one(&|entry| {
            entry.extensions = (0..17).map(|tag| extension(tag, 0)).collect();
        }),
    );
    refused(
        "too long extensions",
        one(&|entry| {
            entry.extensions = vec![extension(1, 600), extension(2, 600)];
        }),
    );

    let forged = |sums| chunk_index(1, vec![ChunkChild { id: page_id(1), sums }, chunk_child(2)]);
    refused("a child without chunks", forged(sums(0, 0, 0)));
    refused("sums that no chunks make", forged(sums(0, 1, 262_145)));
    refused("sums that overflow", forged(sums(0, u64::MAX, u64::MAX)));
    let child = |sums| index(vec![EntryChild { sums, ..entry_child(1, "a") }]);
    refused("a child without entries", child(sums(0, 0, 0)));
    refused("a child of too many entries", child(sums((1 << 32) + 1, 0, 0)));
}

#[test]
fn uncompressed_or_overlong_pages_are_refused() {
    let bytes = leaf(vec![("ab", small(1)), ("ac", small(1))]).encode();
    let item = 4 + 2 + 26 + 36;
    assert_eq!(bytes[12 + item..][..5], [1, 0, 1, 0, b'c']);
    let mut loose = bytes.clone();
    loose.splice(12 + item..12 + item + 5, [0, 0, 2, 0, b'a', b'c']);
    assert!(Page::decode(&bytes).is_ok() && Page::decode(&loose).is_err());

    let count_only = [&bytes[..8], &[0, 1, 0, 0]].concat();
    assert!(Page::decode(&count_only).is_err());
    assert!(Page::decode(&vec![0; PAGE_BYTES + 1]).is_err());
}

#[test]
fn malformed_tables_and_headers_are_refused() {
    let commitment = Commitment::from_bytes([1; 32]);
    let tables =
        [vec![], vec![(1, commitment), (0, commitment)], vec![(0, commitment); 2], vec![(64, commitment)]];
    for classes in tables {
        assert!(
            ClassTable::decode(&ClassTable { classes: classes.clone() }.encode()).is_err(),
            "{classes:?}"
        );
    }
    let refused = |change: &dyn Fn(&mut ClassHeader)| {
        let mut header = header();
        change(&mut header);
        assert!(ClassHeader::decode(&header.encode()).is_err(), "{header:?}");
    };
    for name in ["", "a b", "a*", "a/b", "a\n", &"n".repeat(65)] {
        refused(&|header| header.name = name.into());
    }
    refused(&|header| header.slot = 64);
    refused(&|header| header.level = 32);
    refused(&|header| header.policy = vec![0; 4097]);
    refused(&|header| header.sums.entries = (1 << 32) + 1);
    refused(&|header| header.sums.bytes = 5999);
    refused(&|header| header.sums.bytes = 6000 * 262_144 + 1);
}

/// Reads all of a tree and gives the first error.
fn first_error(pages: &Pages, root: &PageId) -> Option<Error> {
    cursor::entries(pages, root).find_map(Result::err)
}

#[test]
fn forged_trees_are_refused() {
    let mut pages = Pages::default();
    let root = build(&library(400), &mut pages).root;
    let page = Page::decode(&pages.map[&root]).unwrap();
    let Items::EntryIndex(children) = page.items.clone() else { panic!("400 entries have an index") };
    assert!(first_error(&pages, &root).is_none());

    let mut refused = |what: &str, change: &dyn Fn(&mut Page, &mut Vec<EntryChild>)| {
        let (mut page, mut children) = (page.clone(), children.clone());
        change(&mut page, &mut children);
        page.items = Items::EntryIndex(children);
        Page::decode(&page.encode()).unwrap_or_else(|error| panic!("{what}: {error}"));
        let root = pages.keep(page.encode());
        assert!(matches!(first_error(&pages, &root), Some(Error::Invalid(_))), "{what} was taken");
    };
    refused("one entry more", &|_, children| children[1].sums.entries += 1);
    refused("one chunk fewer", &|_, children| children[1].sums.chunks -= 1);
    refused("one byte more", &|_, children| children[1].sums.bytes += 1);
    refused("another last path", &|_, children| children[0].last = path(&format!("{}x", children[0].last)));
    refused("another class", &|page, _| page.slot = 1);
    refused("a wrong level", &|page, _| page.level = 2);
    refused("a root with one child", &|_, children| children.truncate(1));

    // Pages of the other kind of tree under a right id.
    let Content::Tree { root: film, .. } = content(&(0..400).map(chunk).collect::<Vec<_>>(), &mut pages)
    else {
        panic!("400 chunks are a tree")
    };
    assert!(matches!(first_error(&pages, &film), Some(Error::Invalid(_))));
    let swapped = Content::Tree { root, chunks: 400 };
    assert!(matches!(cursor::chunks(&pages, &swapped).next(), Some(Err(Error::Invalid(_)))));
}

#[test]
fn overlapping_leaves_are_refused() {
    let mut pages = Pages::default();
    let mut child = |first: &str, last: &str| {
        let page = leaf(vec![(first, small(1)), (last, small(2))]);
        EntryChild { last: path(last), sums: page.sums().unwrap(), id: pages.keep(page.encode()) }
    };
    let (left, right) = (child("a", "m"), child("k", "z"));
    let root = Page { slot: 0, level: 1, items: Items::EntryIndex(vec![left, right]) };
    let root = pages.keep(root.encode());
    assert!(matches!(first_error(&pages, &root), Some(Error::Invalid(_))));
}

#[test]
fn forged_chunk_trees_are_refused() {
    let mut pages = Pages::default();
    let chunks: Vec<_> = (0..400).map(chunk).collect();
    let Content::Tree { root, .. } = content(&chunks, &mut pages) else { panic!("400 chunks are a tree") };
    let page = Page::decode(&pages.map[&root]).unwrap();
    let Items::ChunkIndex(children) = page.items.clone() else { panic!("400 chunks have an index") };
    let mut refused = |what: &str, change: &dyn Fn(&mut Page, &mut Vec<ChunkChild>)| {
        let (mut page, mut children) = (page.clone(), children.clone());
        change(&mut page, &mut children);
        page.items = Items::ChunkIndex(children);
        let root = pages.keep(page.encode());
        let error = cursor::chunks(&pages, &Content::Tree { root, chunks: 400 }).find_map(Result::err);
        assert!(matches!(error, Some(Error::Invalid(_))), "{what} was taken");
    };
    refused("one chunk more", &|_, children| children[1].sums.chunks += 1);
    refused("one byte fewer", &|_, children| children[1].sums.bytes -= 1);
    refused("another class", &|page, _| page.slot = 1);
    refused("a wrong level", &|page, _| page.level = 3);
    refused("a child left out", &|_, children| children.truncate(2));
}

#[test]
fn builder_refuses_what_no_tree_holds() {
    let mut pages = Pages::default();
    assert!(EntryTreeBuilder::new(LIBRARY, 64).is_err());
    let mut builder = EntryTreeBuilder::new(LIBRARY, 0).unwrap();
    builder.push(path("b"), &small(1), &mut pages).unwrap();
    for refused in ["a", "b"] {
        assert!(builder.push(path(refused), &small(1), &mut pages).is_err());
    }
    let tree = build(&library(10), &mut pages);
    let mut out = Pages::default();
    assert!(edit(&pages, &tree.root, [], 1, &mut out).is_err(), "a tree of another class was taken");
    let unsorted = [(path("b"), None), (path("a"), None)];
    assert!(edit(&pages, &tree.root, unsorted, 0, &mut out).is_err());
}
