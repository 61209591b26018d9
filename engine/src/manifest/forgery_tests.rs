//! Malformed pages and forged trees, which decoders, cursors and builders must refuse.

use super::{
    Sums,
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
    limits::{HOLES, PAGE_BYTES, PAGE_ITEMS_MAX, PATH_BYTES},
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
    refused("a folder with content", one(&|entry| entry.kind = EntryKind::Folder));
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
    refused("unsorted extensions", one(&|entry| entry.extensions = vec![extension(9, 0), extension(8, 0)]));
    refused("an extension twice", one(&|entry| entry.extensions = vec![extension(8, 0), extension(8, 0)]));
    refused(
        "too many extensions",
        one(&|entry| {
            entry.extensions = (8..25).map(|tag| extension(tag, 0)).collect();
        }),
    );
    refused(
        "too long extensions",
        one(&|entry| {
            entry.extensions = vec![extension(8, 4000), extension(9, 4000)];
        }),
    );

    let forged = |sums| chunk_index(1, vec![ChunkChild { id: page_id(1), sums }, chunk_child(2)]);
    refused("a child without chunks", forged(sums(0, 0, 0)));
    refused("sums that no chunks make", forged(sums(0, 1, 262_145)));
    refused("sums that overflow", forged(sums(0, u64::MAX, u64::MAX)));
    let child = |sums| index(vec![EntryChild { sums, ..entry_child(1, "a") }]);
    refused("a child without entries", child(sums(0, 0, 0)));
    refused("a child of too many entries", child(sums((1 << 32) + 1, 0, 0)));
    refused("a child of more files than entries", child(Sums { files: 65, ..sums(64, 70, 900_000) }));
    refused("a child with chunks and no file", child(Sums { files: 0, ..sums(64, 70, 900_000) }));
}

/// The bytes of a page with one entry at `path`, made by hand because no type allows such an entry.
fn one_entry(path: &str, kind: u8, mode: u16, rest: &[u8]) -> Vec<u8> {
    let mut bytes = leaf(vec![]).encode();
    bytes[8] = 1;
    bytes.extend([0, 0]);
    bytes.extend(u16::try_from(path.len()).unwrap().to_le_bytes());
    bytes.extend(path.as_bytes());
    bytes.extend([kind, 1]);
    bytes.extend(mode.to_le_bytes());
    bytes.extend([0; 8 + 4 + 8]);
    bytes.extend(rest);
    bytes
}

/// The bytes of a link after its size: no chunk, the target, no extension.
fn link_to(target: &[u8]) -> Vec<u8> {
    let len = u16::try_from(target.len()).unwrap().to_le_bytes();
    [&[0], &len[..], target, &[0]].concat()
}

#[test]
fn links_that_could_leave_are_refused() {
    let decode = |path: &str, target: &[u8]| Page::decode(&one_entry(path, 3, 0o777, &link_to(target)));
    for target in ["s01", ".", "..", "../..", "./../x", "s01//e1/", "../../一/二", "a/./b"] {
        let page = decode("a/b/l", target.as_bytes()).unwrap();
        let Items::Entries(entries) = &page.items else { panic!("a page of entries") };
        assert_eq!(entries[0].1.target.as_ref().unwrap().as_str(), target);
        assert_eq!(page.encode(), one_entry("a/b/l", 3, 0o777, &link_to(target.as_bytes())));
    }
    let long = "x".repeat(PATH_BYTES + 1);
    for target in [
        "",
        "/",
        "/etc/passwd",
        "../../..",
        "../.././../x",
        "a/..",
        "../a/../b",
        "a\0b",
        "a\nb",
        "a\u{85}",
        &long,
    ] {
        assert!(decode("a/b/l", target.as_bytes()).is_err(), "{target:?} was taken");
    }
    assert!(decode("l", b"..").is_err() && decode("a/l", b"..").is_ok());
    assert!(decode("a/l", b"\xff").is_err(), "a target that is not UTF-8 was taken");
    let link = link_to(b"x");
    assert!(Page::decode(&one_entry("l", 3, 0o755, &link)).is_err(), "a link's mode was taken");
    assert!(Page::decode(&one_entry("l", 1, 0o777, &link)).is_err(), "a file with a target was taken");
    assert!(Page::decode(&one_entry("l", 2, 0o777, &link)).is_err(), "a folder with a target was taken");
    assert!(Page::decode(&one_entry("l", 3, 0o777, &[0, 0])).is_err(), "a link without a target was taken");
    assert!(Page::decode(&one_entry("l", 4, 0o777, &link)).is_err(), "an unknown kind was taken");
    let content = [&[1], &[7; 32][..], &[0; 4], &link[1..]].concat();
    assert!(Page::decode(&one_entry("l", 3, 0o777, &content)).is_err(), "a link with content was taken");
}

#[test]
fn malformed_extensions_that_are_known_are_refused() {
    let with = |extension: Extension| {
        let mut entry = small(1);
        entry.extensions = vec![extension];
        leaf(vec![("b", entry)])
    };
    let refused = |what: &str, extension: Extension| {
        assert!(Page::decode(&with(extension).encode()).is_err(), "{what} was taken");
    };
    let size = small(1).size;
    let holes = |pairs: &[(u64, u64)]| Extension {
        tag: 2,
        critical: false,
        bytes: pairs.iter().flat_map(|(start, len)| [*start, *len]).flat_map(u64::to_le_bytes).collect(),
    };
    for good in [Extension::link_group("a"), holes(&[(0, 1), (2, 1)]), holes(&[(0, size)])] {
        let page = with(good);
        assert_eq!(Page::decode(&page.encode()).unwrap(), page);
    }
    for first in ["", "b", "c", "/a", "a//b", "../a", "a\n"] {
        refused(&format!("a link group named {first:?}"), Extension::link_group(first));
    }
    refused(
        "a link group that is no text",
        Extension { bytes: vec![b'a', 0xff], ..Extension::link_group("a") },
    );
    refused("a critical link group", Extension { critical: true, ..Extension::link_group("a") });
    refused("critical holes", Extension { critical: true, ..holes(&[(0, 1)]) });
    refused("critical attributes", Extension { tag: 3, critical: true, bytes: vec![] });
    refused("no hole", holes(&[]));
    refused("an empty hole", holes(&[(4, 0)]));
    refused("holes that touch", holes(&[(0, 4), (4, 4)]));
    refused("holes that overlap", holes(&[(0, 4), (3, 4)]));
    refused("holes out of order", holes(&[(8, 4), (0, 4)]));
    refused("a hole past the end", holes(&[(0, size + 1)]));
    refused("a hole whose end overflows", holes(&[(8, u64::MAX)]));
    refused("half a hole", Extension { bytes: vec![0; 24], ..holes(&[]) });
    refused("too many holes", holes(&(0..=HOLES as u64).map(|n| (2 * n, 1)).collect::<Vec<_>>()));

    let mut folder = small(1);
    (folder.kind, folder.size, folder.content) = (EntryKind::Folder, 0, Content::Inline(vec![]));
    folder.extensions = vec![Extension::link_group("a")];
    assert!(Page::decode(&leaf(vec![("b", folder.clone())]).encode()).is_err(), "a folder in a link group");
    folder.extensions = vec![Extension { tag: 3, critical: false, bytes: vec![1] }];
    assert!(Page::decode(&leaf(vec![("b", folder)]).encode()).is_ok(), "a reserved tag was not kept");
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

/// Reads a complete tree and returns the first error.
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

    // Pages of the other kind of tree, with a correct id.
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
fn builder_refuses_invalid_input() {
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
