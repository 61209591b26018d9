//! Tests of the format: goldens of every kind of object, one canonical form for each, and the rule for the
//! ends of pages.

use proptest::prelude::*;

use super::{
    Sums, cursor,
    entry::{ChunkRef, Content, Entry, EntryKind, Extension},
    page::{ChunkChild, EntryChild, Items, Page},
    path::LinkTarget,
    table::{ClassHeader, ClassTable},
    testing::{LIBRARY, Pages, build, chunk, content, file, library, path, small},
};
use crate::{
    id::{ChunkId, Commitment, ManifestId, PageId, Salt, boundary_hash},
    limits::PAGE_BYTES,
};

pub(super) fn sums(entries: u64, chunks: u64, bytes: u64) -> Sums {
    Sums { entries, files: entries, chunks, bytes }
}

pub(super) fn page_id(n: u8) -> PageId {
    PageId::from_bytes([n; 32])
}

pub(super) fn chunk_ref(n: u8, len: u32) -> ChunkRef {
    ChunkRef { id: ChunkId::from_bytes([n; 32]), len }
}

pub(super) fn entry_child(n: u8, last: &str) -> EntryChild {
    EntryChild { last: path(last), id: page_id(n), sums: sums(64, 70, 900_000) }
}

pub(super) fn chunk_child(n: u8) -> ChunkChild {
    ChunkChild { id: page_id(n), sums: sums(0, 64, 4_000_000) }
}

pub(super) fn leaf(entries: Vec<(&str, Entry)>) -> Page {
    let entries = entries.into_iter().map(|(name, entry)| (path(name), entry)).collect();
    Page { slot: 0, level: 0, items: Items::Entries(entries) }
}

/// One page of each kind, and the empty one.
fn samples() -> [Page; 5] {
    let mut film = file(Content::Tree { root: page_id(0xaa), chunks: 5 }, 400_000);
    film.extensions = vec![Extension { tag: 7, critical: true, bytes: vec![1, 2, 3] }];
    let poster = file(Content::Inline(vec![chunk_ref(0xbb, 20_000)]), 20_000);
    let mut dir = file(Content::Inline(vec![]), 0);
    (dir.kind, dir.mode) = (EntryKind::Folder, 0o755);
    let mut link = file(Content::Inline(vec![]), 0);
    (link.kind, link.mode) = (EntryKind::Symlink, Entry::LINK_MODE);
    link.target = Some(LinkTarget::new("../a/p.jpg", &path("b/l")).unwrap());
    let mut twin = poster.clone();
    twin.extensions = vec![Extension::link_group("a/p.jpg")];
    twin.extensions.extend(Extension::holes(std::iter::once(4096..16_384).collect()));
    [
        leaf(vec![("a/film.mkv", film), ("a/p.jpg", poster), ("b", dir), ("b/l", link), ("b/q.jpg", twin)]),
        Page {
            slot: 1,
            level: 1,
            items: Items::EntryIndex(vec![entry_child(1, "a/z"), entry_child(2, "a/é")]),
        },
        Page { slot: 0, level: 0, items: Items::Chunks(vec![chunk_ref(1, 1), chunk_ref(2, 262_144)]) },
        Page { slot: 63, level: 31, items: Items::ChunkIndex(vec![chunk_child(3), chunk_child(3)]) },
        leaf(vec![]),
    ]
}

pub(super) fn header() -> ClassHeader {
    ClassHeader {
        name: "default".into(),
        slot: 0,
        salt: Salt::from_bytes([0x5a; 32]),
        root: page_id(0xcc),
        level: 2,
        sums: sums(5000, 6000, 70_000_000),
        policy: vec![0xee],
    }
}

fn table() -> ClassTable {
    ClassTable {
        classes: vec![(0, Commitment::from_bytes([0x11; 32])), (9, Commitment::from_bytes([0x22; 32]))],
    }
}

/// Hexadecimal without the comments of a golden: text after `#`, and spaces, are removed. `xx*n` means n
/// times xx.
fn golden(text: &str) -> String {
    let words = text.lines().flat_map(|line| line.split('#').next().unwrap().split_whitespace());
    words
        .map(|word| match word.split_once('*') {
            Some((byte, times)) => byte.repeat(times.parse().unwrap()),
            None => word.to_owned(),
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[test]
fn goldens_of_pages() {
    let goldens = [
        "43485047 02 01 00 00 0500 0000          # magic, version, entries, slot 0, level 0, 5 items
         0000 0a00 612f66696c6d2e6d6b76          # shares nothing, 10 bytes: a/film.mkv
         01 01 a401 00f1536500000000 05000000    # file, video, 0644, mtime
         801a060000000000                        # 400,000 bytes
         ff aa*32 0500000000000000               # a tree of 5 chunks
         01 0700 01 0300 010203                  # one extension: tag 7, critical, 3 bytes
         0200 0500 702e6a7067                    # shares `a/`, then p.jpg
         01 01 a401 00f1536500000000 05000000
         204e000000000000                        # 20,000 bytes
         01 bb*32 204e0000 00                    # one chunk inline, no extension
         0000 0100 62                            # shares nothing, 1 byte: b
         02 01 ed01 00f1536500000000 05000000    # folder, 0755
         0000000000000000 00 00
         0100 0200 2f6c                          # shares `b`, then /l
         03 01 ff01 00f1536500000000 05000000    # link, 0777
         0000000000000000 00
         0a00 2e2e2f612f702e6a7067 00            # to ../a/p.jpg; no extension
         0200 0500 712e6a7067                    # shares `b/`, then q.jpg
         01 01 a401 00f1536500000000 05000000
         204e000000000000
         01 bb*32 204e0000 02                    # one chunk inline, two extensions
         0100 00 0700 612f702e6a7067             # link group of a/p.jpg
         0200 00 1000                            # one hole, at 4096, of 12,288 bytes
         0010000000000000 0030000000000000",
        "43485047 02 02 01 01 0200 0000          # entry index, slot 1, level 1, 2 items
         0000 0300 612f7a 01*32                  # last path a/z, page 01…
         4000000000000000 4000000000000000       # 64 entries, all files
         4600000000000000 a0bb0d0000000000
         0200 0200 c3a9 02*32                    # last path a/é
         4000000000000000 4000000000000000
         4600000000000000 a0bb0d0000000000",
        "43485047 02 03 00 00 0200 0000          # chunks, 2 items
         01*32 01000000
         02*32 00000400",
        "43485047 02 04 3f 1f 0200 0000          # chunk index, slot 63, level 31, 2 items
         03*32 4000000000000000 00093d0000000000
         03*32 4000000000000000 00093d0000000000",
        "43485047 02 01 00 00 0000 0000          # an empty class",
    ];
    for (page, text) in samples().iter().zip(goldens) {
        assert_eq!(hex(&page.encode()), golden(text));
        assert_eq!(Page::decode(&page.encode()).unwrap(), *page);
    }
    let ids: Vec<_> = samples().iter().map(|page| PageId::of(&LIBRARY, &page.encode()).short()).collect();
    assert_eq!(ids, PAGE_IDS);
}

const PAGE_IDS: [&str; 5] = ["f6734e8b27", "bad7c1eaef", "2a98fbe981", "fc4e2f35d5", "e31c8e1a51"];

#[test]
fn goldens_of_table_and_header() {
    let text = "43485442 02 02                   # magic, version, 2 classes
                00 11*32
                09 22*32";
    assert_eq!(hex(&table().encode()), golden(text));
    assert_eq!(ClassTable::decode(&table().encode()).unwrap(), table());
    assert_eq!(table().id(&LIBRARY).short(), "b9bd6ff044");

    let text = "4348434c 02 00 02 07             # magic, version, slot 0, level 2, 7 bytes of name
                5a*32 cc*32                      # salt, root
                8813000000000000 8813000000000000
                7017000000000000 801d2c0400000000
                0100 64656661756c74 ee           # 1 byte of policy; default; the policy";
    assert_eq!(hex(&header().encode()), golden(text));
    assert_eq!(ClassHeader::decode(&header().encode()).unwrap(), header());
    assert_eq!(header().id(&LIBRARY).short(), "b292481a1c");
}

/// The shape of trees is part of the format too: another cut rule would give other roots for the same
/// library.
#[test]
fn goldens_of_roots() {
    let mut pages = Pages::default();
    let tree = build(&library(3000), &mut pages);
    assert_eq!((tree.root.short().as_str(), tree.level, pages.map.len()), ("30f4bd13e2", 1, 33));
    let mut pages = Pages::default();
    let Content::Tree { root, .. } = content(&(0..3000).map(chunk).collect::<Vec<_>>(), &mut pages) else {
        panic!("3,000 chunks are a tree")
    };
    assert_eq!((root.short().as_str(), pages.map.len()), ("7b08b9c323", 39));
}

#[test]
fn corrupt_byte_is_refused_or_another_page() {
    for page in samples() {
        let bytes = page.encode();
        for at in 0..bytes.len() {
            for flip in 1..=255u8 {
                let mut corrupt = bytes.clone();
                corrupt[at] ^= flip;
                if let Ok(other) = Page::decode(&corrupt) {
                    assert!(other != page && other.encode() == corrupt, "byte {at} ^ {flip}");
                }
            }
            assert!(Page::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
        assert!(Page::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn corrupt_byte_of_table_or_header_is_refused_or_another() {
    let (table_bytes, header_bytes) = (table().encode(), header().encode());
    for at in 0..table_bytes.len().max(header_bytes.len()) {
        for flip in 1..=255u8 {
            let flipped = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= flip;
                }
                bytes
            };
            let corrupt = flipped(&table_bytes);
            if let (true, Ok(other)) = (at < table_bytes.len(), ClassTable::decode(&corrupt)) {
                assert!(other != table() && other.encode() == corrupt);
            }
            let corrupt = flipped(&header_bytes);
            if let (true, Ok(other)) = (at < header_bytes.len(), ClassHeader::decode(&corrupt)) {
                assert!(other != header() && other.encode() == corrupt);
            }
        }
        assert!(at >= table_bytes.len() || ClassTable::decode(&table_bytes[..at]).is_err());
        assert!(at >= header_bytes.len() || ClassHeader::decode(&header_bytes[..at]).is_err());
    }
    assert!(ClassTable::decode(&[&table_bytes[..], &[0]].concat()).is_err());
    assert!(ClassHeader::decode(&[&header_bytes[..], &[0]].concat()).is_err());
}

proptest! {
    #[test]
    fn decoded_pages_are_canonical(which in 0..5usize, edits in prop::collection::vec((any::<u16>(), any::<u8>(), 0..3u8), 1..6)) {
        let mut bytes = samples()[which].encode();
        for (at, byte, how) in edits {
            let at = usize::from(at) % bytes.len();
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Ok(page) = Page::decode(&bytes) {
            prop_assert_eq!(page.encode(), bytes);
        }
    }
}

#[test]
fn pages_are_cut_by_the_rule() {
    // The rule again, for all items at once instead of one item at a time.
    let all: Vec<_> = (0..20_000).map(chunk).collect();
    let hashes: Vec<_> = all.iter().map(|chunk| boundary_hash(0, chunk.id.as_bytes())).collect();
    let (mut rest, mut expected) = (&hashes[..], Vec::new());
    while !rest.is_empty() {
        let fires = |n: &usize| match *n {
            0..16 => false,
            16..64 => rest[n - 1] >> 57 == 0,
            _ => rest[n - 1] >> 59 == 0,
        };
        let forced = || {
            let half = rest.get(128..256)?.iter().rev().enumerate().min_by_key(|(_, hash)| **hash)?;
            (rest.len() > 256).then(|| 256 - half.0)
        };
        let len = (1..=rest.len().min(256)).find(fires).or_else(forced).unwrap_or(rest.len());
        expected.push(len);
        rest = &rest[len..];
    }
    assert!(expected.contains(&16) || expected.iter().any(|len| *len < 40));

    let mut pages = Pages::default();
    let Content::Tree { root, .. } = content(&all, &mut pages) else { panic!("many chunks are a tree") };
    let mut leaves = Vec::new();
    let mut stack = vec![root];
    while let Some(id) = stack.pop() {
        let page = Page::decode(&pages.map[&id]).unwrap();
        if let Items::Chunks(chunks) = &page.items {
            leaves.push(chunks.len());
        }
        stack.extend(page.expects(None).into_iter().map(|(id, _)| id).rev());
    }
    assert_eq!(leaves, expected);
    let average = all.len() / leaves.len();
    assert!((56..=90).contains(&average), "{average} items a page");
}

#[test]
fn long_paths_fill_pages_by_bytes() {
    let mut pages = Pages::default();
    let name =
        |n: u32| format!("{}/{}", vec![format!("{n:05}{}", "长".repeat(80)); 15].join("/"), "x".repeat(200));
    let entries = (0..300).map(|n| (path(&name(n)), small(u64::from(n)))).collect();
    let tree = build(&entries, &mut pages);
    assert!(tree.level >= 1 && pages.map.values().all(|bytes| bytes.len() <= PAGE_BYTES));
    assert!(pages.map.values().filter(|bytes| bytes.len() > PAGE_BYTES / 4).count() > 10);
    assert_eq!(cursor::entries(&pages, &tree.root).filter(|entry| entry.is_ok()).count(), 300);
}

#[test]
fn an_id_names_one_kind_of_object() {
    let bytes = table().encode();
    let mut pages = Pages::default();
    let id = pages.keep(bytes.clone());
    assert_ne!(ManifestId::of(&LIBRARY, &bytes).as_page(), id);
    // Bytes of a table that are stored under the hash of a page are not a table.
    assert!(ClassTable::load(&pages, &ManifestId::from_bytes(*id.as_bytes())).is_err());
    pages.map.insert(ManifestId::of(&LIBRARY, &bytes).as_page(), bytes.into());
    assert_eq!(ClassTable::load(&pages, &table().id(&LIBRARY)).unwrap(), table());
}
