//! Walks over stores that hold all, some or damaged parts of a class.

use std::collections::BTreeMap;

use super::*;
use crate::{
    chunk::Profile,
    id::{LibraryId, Salt},
    manifest::{
        Content, Entry, EntryKind, EntryPath, PageSink, Timestamp,
        builder::{ContentBuilder, EntryTreeBuilder},
        page::{Items, Page},
        testing::LIBRARY,
    },
    store::{Object, ObjectId, memory::MemoryObjects},
};

/// A class whose pages and chunks are put into a store one by one.
struct Class {
    header: ClassHeader,
    pages: BTreeMap<PageId, Bytes>,
    chunks: BTreeMap<ChunkId, Bytes>,
}

struct Sink<'a>(&'a mut BTreeMap<PageId, Bytes>);

impl PageSink for Sink<'_> {
    fn put(&mut self, id: PageId, bytes: Bytes) -> Result<()> {
        self.0.insert(id, bytes);
        Ok(())
    }
}

/// A class of files; each file has the chunks of the given numbers.
fn class(files: impl IntoIterator<Item = Vec<u64>>) -> Class {
    let (mut pages, mut chunks) = (BTreeMap::new(), BTreeMap::new());
    let mut entries = EntryTreeBuilder::new(LIBRARY, 0).unwrap();
    for (at, numbers) in files.into_iter().enumerate() {
        let (mut content, mut size) = (ContentBuilder::new(LIBRARY, 0).unwrap(), 0);
        for number in numbers {
            let bytes = Bytes::from(format!("chunk {number}"));
            let chunk = ChunkRef { id: ChunkId::of(&bytes), len: u32::try_from(bytes.len()).unwrap() };
            size += u64::from(chunk.len);
            chunks.insert(chunk.id, bytes);
            content.push(chunk, &mut Sink(&mut pages)).unwrap();
        }
        let content = content.finish(&mut Sink(&mut pages)).unwrap();
        let entry = Entry {
            kind: EntryKind::File,
            size,
            mtime: Timestamp::default(),
            mode: 0o644,
            profile: Profile::Video,
            content,
            target: None,
            extensions: vec![],
        };
        let path = EntryPath::new(format!("film{at:05}")).unwrap();
        entries.push(path, &entry, &mut Sink(&mut pages)).unwrap();
    }
    let tree = entries.finish(&mut Sink(&mut pages)).unwrap();
    let header = ClassHeader {
        name: "default".into(),
        slot: 0,
        salt: Salt::from_bytes([7; 32]),
        root: tree.root,
        level: tree.level,
        sums: tree.sums,
        policy: vec![],
    };
    Class { header, pages, chunks }
}

impl Class {
    fn table(&self) -> ClassTable {
        ClassTable { classes: vec![(0, self.header.id(&LIBRARY))] }
    }

    /// Puts the header, and the pages and chunks that the filters select, into a store.
    fn put(&self, store: &MemoryObjects, page: impl Fn(&PageId) -> bool, chunk: impl Fn(&ChunkId) -> bool) {
        let object = |id: PageId, bytes: Vec<u8>| Object::Page { id, bytes: bytes.into() };
        let mut objects = vec![
            object(self.table().id(&LIBRARY).as_page(), self.table().encode()),
            object(self.header.id(&LIBRARY).as_page(), self.header.encode()),
        ];
        let pages = self.pages.iter().filter(|(id, _)| page(id));
        objects.extend(pages.map(|(id, bytes)| Object::Page { id: *id, bytes: bytes.clone() }));
        let chunks = self.chunks.iter().filter(|(id, _)| chunk(id));
        objects.extend(chunks.map(|(id, bytes)| Object::Chunk { id: *id, bytes: bytes.clone() }));
        store.append(objects).unwrap();
        store.commit().unwrap();
    }

    fn mark(&self, store: &MemoryObjects, limit: usize) -> (Walked, Missing) {
        let mut missing = Missing::up_to(limit);
        let walked = mark_full(store, &self.header.id(&LIBRARY), &mut missing).unwrap();
        (walked, missing)
    }
}

/// A library of one long film, one film of constant content, and many short files.
fn sample() -> Class {
    let films = [(0..3000).collect(), vec![5; 40_000]];
    class(films.into_iter().chain((0..700).map(|n| vec![n, n + 10_000, 77])))
}

fn state(store: &MemoryObjects, id: PageId) -> PageState {
    store.page_states(&[id]).unwrap()[0]
}

#[test]
fn whole_class_is_marked_and_then_skipped() {
    let (class, store) = (sample(), MemoryObjects::new(LIBRARY));
    class.put(&store, |_| true, |_| true);
    let (walked, missing) = class.mark(&store, 10);
    assert_eq!((walked.state, missing.is_empty()), (PageState::Full, true));
    assert!(class.pages.keys().all(|id| state(&store, *id) == PageState::Full));
    assert_eq!(state(&store, class.header.id(&LIBRARY).as_page()), PageState::Full);
    assert_eq!(class.mark(&store, 10).0.pages, 1);

    let report = structure(&store, &class.table().id(&LIBRARY), 10).unwrap();
    assert!(report.is_whole() && report.absent.is_empty());
    let walked = report.classes[0].walked;
    // Of the constant film, each page is walked once per distinct combination of checked properties.
    assert!(walked.pages <= class.pages.len() as u64 + 2, "{} of {}", walked.pages, class.pages.len());
}

#[test]
fn missing_pages_are_found_from_the_top_by_their_positions() {
    let (class, store) = (sample(), MemoryObjects::new(LIBRARY));
    class.put(&store, |_| false, |_| true);
    let mut rounds = 0;
    loop {
        let (walked, missing) = class.mark(&store, 64);
        if missing.is_empty() {
            assert_eq!(walked.state, PageState::Full);
            break;
        }
        rounds += 1;
        assert!(missing.pages.len() <= 64 && missing.chunks.is_empty());
        for page in missing.pages {
            // A source answers a position with exactly this page.
            let all = Whole(&class);
            let (id, bytes) = position::page(&all, &class.header.root, &page.at).unwrap().unwrap();
            assert_eq!(id, page.id);
            page.expect.decode(&id, &bytes).unwrap();
            store.append(vec![Object::Page { id, bytes }]).unwrap();
        }
        store.commit().unwrap();
    }
    assert!(rounds < 40, "{rounds} rounds for {} pages", class.pages.len());
}

/// All pages of a class, as a source holds them.
struct Whole<'a>(&'a Class);

impl PageSource for Whole<'_> {
    fn owner(&self) -> LibraryId {
        LIBRARY
    }

    fn page(&self, id: &PageId) -> Result<Bytes> {
        self.0.pages.get(id).cloned().ok_or_else(|| Error::Missing(id.to_string()))
    }
}

#[test]
fn missing_chunks_are_reported_once_by_ordinal() {
    let (class, store) = (sample(), MemoryObjects::new(LIBRARY));
    let gone = |n: u64| ChunkId::of(format!("chunk {n}").as_bytes());
    let gone: BTreeMap<_, _> = [5, 77, 2999, 10_300].map(|n| (gone(n), n)).into();
    class.put(&store, |_| true, |id| !gone.contains_key(id));
    let (walked, missing) = class.mark(&store, 1000);
    assert_eq!(walked.state, PageState::Paged);
    let found: BTreeMap<_, _> = missing.chunks.iter().map(|(at, chunk)| (chunk.id, *at)).collect();
    assert_eq!(found.len(), missing.chunks.len(), "a chunk was reported twice");
    assert!(found.keys().eq(gone.keys()));
    for (ordinal, chunk) in &missing.chunks {
        let mut named = position::chunks(&store, &class.header.root, *ordinal, 1);
        assert_eq!(named.next().unwrap().unwrap(), (*ordinal, *chunk));
    }
    assert_eq!(found[&ChunkId::of(b"chunk 5")], 5);

    // Complete pages were marked, and are not walked again.
    assert_eq!(state(&store, class.header.root), PageState::Paged);
    let again = class.mark(&store, 1000).0;
    assert!(again.pages <= walked.pages);
    let report = structure(&store, &class.table().id(&LIBRARY), 2).unwrap();
    assert!(!report.is_whole());
    assert_eq!(report.classes[0].missing.chunks.len(), 2);
    class.put(&store, |_| true, |_| true);
    assert_eq!(class.mark(&store, 1).0.state, PageState::Full);
}

#[test]
fn a_page_is_never_full_above_a_gap() {
    let class = sample();
    for victim in class.chunks.keys().step_by(401) {
        let store = MemoryObjects::new(LIBRARY);
        class.put(&store, |_| true, |id| id != victim);
        class.mark(&store, 10);
        for (id, bytes) in &class.pages {
            let page = Page::decode(bytes).unwrap();
            let chunks: Vec<ChunkRef> = match &page.items {
                Items::Chunks(chunks) => chunks.clone(),
                Items::Entries(entries) => entries
                    .iter()
                    .flat_map(|(_, entry)| match &entry.content {
                        Content::Inline(chunks) => chunks.clone(),
                        Content::Tree { .. } => vec![],
                    })
                    .collect(),
                _ => vec![],
            };
            let below = page.expects(None).iter().all(|(id, _)| state(&store, *id) == PageState::Full);
            let is_full = below && chunks.iter().all(|chunk| chunk.id != *victim);
            let expected = if is_full { PageState::Full } else { PageState::Paged };
            assert_eq!(state(&store, *id), expected);
        }
    }
}

#[test]
fn no_page_is_skipped_while_an_object_is_lost() {
    let (class, store) = (sample(), MemoryObjects::new(LIBRARY));
    class.put(&store, |_| true, |_| true);
    class.mark(&store, 1);
    let victim = ChunkId::of(b"chunk 1234");
    assert!(store.lose(ObjectId::Chunk(victim)));
    let (walked, missing) = class.mark(&store, 5);
    assert_eq!((walked.state, missing.chunks[0].1.id), (PageState::Paged, victim));

    // A damaged page is reported as missing, not as an error.
    let page = *class.pages.keys().next().unwrap();
    assert!(store.damage(ObjectId::Page(page)));
    let report = structure(&store, &class.table().id(&LIBRARY), 5).unwrap();
    assert_eq!(report.classes[0].missing.pages[0].id, page);
}

#[test]
fn deep_reports_damage() {
    let (class, store) = (class([(0..50).collect(), vec![7; 3]]), MemoryObjects::new(LIBRARY));
    class.put(&store, |_| true, |_| true);
    let damaged = ChunkId::of(b"chunk 33");
    assert!(store.damage(ObjectId::Chunk(damaged)));
    let mut bad = Vec::new();
    let report =
        deep(&store, &class.header.id(&LIBRARY), &mut |at, chunk| bad.push((at, chunk.id)), &mut |_| Ok(()))
            .unwrap();
    assert_eq!((report.chunks, report.bad, bad), (53, 1, vec![(33, damaged)]));
}

#[test]
fn a_bomb_of_equal_pages_is_walked_quickly() {
    // 2^40 chunks out of six pages: each index names the page below 256 times.
    let (store, mut class) = (MemoryObjects::new(LIBRARY), class([vec![1; 6]]));
    let chunk = ChunkRef { id: ChunkId::of(b"chunk 1"), len: 7 };
    let mut page = Page { slot: 0, level: 0, items: Items::Chunks(vec![chunk; 256]) };
    for _ in 0..4 {
        let bytes = Bytes::from(page.encode());
        let child = crate::manifest::page::ChunkChild {
            id: PageId::of(&LIBRARY, &bytes),
            sums: page.sums().unwrap(),
        };
        page = Page { slot: 0, level: page.level + 1, items: Items::ChunkIndex(vec![child; 256]) };
        class.pages.insert(child.id, bytes);
    }
    let (bytes, sums) = (Bytes::from(page.encode()), page.sums().unwrap());
    let content = Content::Tree { root: PageId::of(&LIBRARY, &bytes), chunks: sums.chunks };
    class.pages.insert(PageId::of(&LIBRARY, &bytes), bytes);
    let Items::Entries(mut entries) = Page::decode(&class.pages[&class.header.root]).unwrap().items else {
        panic!("the root of one entry is a leaf")
    };
    (entries[0].1.content, entries[0].1.size) = (content, sums.bytes);
    let root = Page { slot: 0, level: 0, items: Items::Entries(entries) };
    let bytes = Bytes::from(root.encode());
    (class.header.root, class.header.sums) = (PageId::of(&LIBRARY, &bytes), root.sums().unwrap());
    class.pages.insert(class.header.root, bytes);
    class.put(&store, |_| true, |_| true);
    let (walked, _) = class.mark(&store, 1);
    assert_eq!((walked.state, walked.pages), (PageState::Full, 6));
}

#[test]
fn forged_sums_above_a_full_page_are_refused() {
    let (class, store) = (class((0..400).map(|n| vec![n])), MemoryObjects::new(LIBRARY));
    class.put(&store, |_| true, |_| true);
    class.mark(&store, 1);
    let mut forged = class.header.clone();
    forged.sums.entries += 1;
    let bytes = Bytes::from(forged.encode());
    store.append(vec![Object::Page { id: forged.id(&LIBRARY).as_page(), bytes }]).unwrap();
    store.commit().unwrap();
    assert!(matches!(
        mark_full(&store, &forged.id(&LIBRARY), &mut Missing::up_to(1)),
        Err(Error::Invalid(_))
    ));
}
