//! Publishing into several classes at once: one tree for each class, and together the same entries as with
//! one class.

use std::{collections::BTreeMap, fs};

use proptest::prelude::*;

use super::{
    tests::{Library, roots},
    *,
};
use crate::{
    chunk::testing::noise,
    manifest::{ClassRules, Content, Entry, EntryKind, classifier::Class, cursor, page::Page},
    store::{PageState, memory::MemoryObjects},
    verify::{self, Missing},
};

fn class(slot: u8, name: &str, patterns: &[&str]) -> Class {
    let policy = ClassRules::of_paths(patterns.iter().copied());
    Class { slot, name: name.into(), policy, is_ours: true }
}

fn classes(masters: &[&str], trailers: &[&str]) -> Classifier {
    let (masters, trailers) = (class(1, "masters", masters), class(2, "trailers", trailers));
    Classifier::new(vec![Class::default_class(), masters, trailers]).unwrap()
}

impl Library {
    fn publish_classes(&mut self, classes: &Classifier) -> Result<IngestReport> {
        let ingest = Ingest { classes: classes.clone(), ..self.ingest() };
        let mut report = publish(&self.store, &ingest, &mut (), &AtomicBool::new(false))?;
        self.previous = roots(&report);
        if let Some(cache) = report.cache.take() {
            cache.install()?;
        }
        Ok(report)
    }

    fn entries_of(&self, slot: u8) -> BTreeMap<String, Entry> {
        let (_, root) = self.previous.iter().find(|(other, _)| *other == slot).unwrap();
        let entries = cursor::entries(&self.store, root);
        entries.map(|entry| entry.map(|(path, entry)| (path.to_string(), entry)).unwrap()).collect()
    }

    /// The files of a class.
    fn names_of(&self, slot: u8) -> Vec<String> {
        let files = self.entries_of(slot).into_iter().filter(|(_, entry)| entry.kind == EntryKind::File);
        files.map(|(path, _)| path).collect()
    }

    /// The folders of a class.
    fn folders_of(&self, slot: u8) -> Vec<String> {
        let folders = self.entries_of(slot).into_iter().filter(|(_, entry)| entry.kind == EntryKind::Folder);
        folders.map(|(path, _)| path).collect()
    }

    /// Every page of every tree names the class of the tree.
    fn check_slots(&self) {
        for (slot, root) in &self.previous {
            let page = Page::decode(&self.store.read_pages(&[*root]).unwrap()[0].clone().unwrap()).unwrap();
            assert_eq!(page.slot, *slot);
            for entry in self.entries_of(*slot).values() {
                if let Content::Tree { root, .. } = &entry.content {
                    let bytes = self.store.read_pages(&[*root]).unwrap()[0].clone().unwrap();
                    assert_eq!(Page::decode(&bytes).unwrap().slot, *slot);
                }
            }
        }
    }
}

#[test]
fn each_class_gets_its_own_tree_in_one_pass() {
    let mut library = Library::new();
    let film = noise(1, 3_000_000);
    library.write("masters/a.mov", &film);
    library.write("masters/b.txt", b"small");
    library.write("trailers/a.mp4", &film);
    library.write("trailers/b.txt", b"small, too");
    library.write("readme", b"for all");
    let report = library.publish_classes(&classes(&["masters/**"], &["trailers/**"])).unwrap();
    assert_eq!(library.names_of(0), ["readme"]);
    assert_eq!(library.names_of(1), ["masters/a.mov", "masters/b.txt"]);
    assert_eq!(library.names_of(2), ["trailers/a.mp4", "trailers/b.txt"]);
    assert_eq!(
        (library.folders_of(1), library.folders_of(2)),
        (vec!["masters".into()], vec!["trailers".into()])
    );
    library.check_slots();
    // Content that two classes share is stored once. The same content has a different tree in each class.
    assert!(report.tally.chunk_bytes_new < 3_000_100, "{:?}", report.tally);
    let (master, trailer) =
        (&library.entries_of(1)["masters/a.mov"], &library.entries_of(2)["trailers/a.mp4"]);
    assert_ne!(master.content, trailer.content);
    assert_eq!((report.tally.files, report.tally.files_read), (5, 5));

    let again = library.publish_classes(&classes(&["masters/**"], &["trailers/**"])).unwrap();
    assert_eq!((again.tally.files_read, again.tally.page_bytes_new), (0, 0));
}

#[test]
fn an_empty_class_has_a_tree_of_its_own() {
    let mut library = Library::new();
    let report = library.publish_classes(&classes(&["masters/**"], &["trailers/**"])).unwrap();
    let mut roots: Vec<_> = report.trees.iter().map(|(_, tree)| tree.root).collect();
    assert!(report.trees.iter().all(|(_, tree)| tree.sums.entries == 0));
    roots.dedup();
    assert_eq!(roots.len(), 3, "so that no two classes have the same salt");
}

#[test]
fn a_path_that_changes_its_class_is_not_read_again() {
    let mut library = Library::new();
    library.write("masters/a.mov", &noise(1, 3_000_000));
    library.write("masters/b.txt", b"small");
    library.write("trailers/c.mp4", &noise(2, 2_000_000));
    library.publish_classes(&classes(&["masters/**"], &["trailers/**"])).unwrap();
    let before = library.entries();
    let report =
        library.publish_classes(&classes(&["masters/*.txt"], &["trailers/**", "masters/*.mov"])).unwrap();
    assert_eq!((report.tally.files_read, report.tally.bytes_read, report.tally.chunks_new), (0, 0, 0));
    assert_eq!(library.names_of(1), ["masters/b.txt"]);
    assert_eq!(library.names_of(2), ["masters/a.mov", "trailers/c.mp4"]);
    library.check_slots();
    let chunks = |entry: &Entry| -> Vec<_> {
        cursor::chunks(&library.store, &entry.content).map(|chunk| chunk.unwrap()).collect()
    };
    for (path, entry) in library.entries() {
        assert_eq!(chunks(&entry), chunks(&before[&path]), "{path}");
    }

    // The file changed and moved to another class: its old version still guides the cuts.
    let mut film = noise(1, 3_000_000);
    film[1_500_000] ^= 1;
    library.write("masters/a.mov", &film);
    let report = library.publish_classes(&classes(&["masters/**"], &["trailers/**"])).unwrap();
    assert!(report.tally.files_read == 1 && report.tally.chunks_new <= 2, "{:?}", report.tally);
    library.check_slots();
}

/// A library that was published as one class is divided into several classes without reading a file.
#[test]
fn a_library_of_one_class_is_divided() {
    let mut library = Library::new();
    library.write("masters/a.mov", &noise(1, 1_000_000));
    library.write("b", b"b");
    library.publish_classes(&Classifier::default()).unwrap();
    let report = library.publish_classes(&classes(&["masters/**"], &["trailers/**"])).unwrap();
    assert_eq!((report.tally.files_read, report.tally.chunks_new), (0, 0));
    assert_eq!((library.names_of(0), library.names_of(1)), (vec!["b".into()], vec!["masters/a.mov".into()]));
}

#[test]
fn a_path_in_two_classes_or_in_none_of_ours_ends_the_publish() {
    let mut library = Library::new();
    library.write("masters/a.srt", b"x");
    let error = library.publish_classes(&classes(&["masters/**"], &["**/*.srt"])).unwrap_err().to_string();
    assert!(error.contains("masters/a.srt") && error.contains("`masters`") && error.contains("`trailers`"));
    let theirs = Class { is_ours: false, ..class(1, "masters", &["masters/**"]) };
    let some = Classifier::new(vec![theirs, class(2, "trailers", &["trailers/**"])]).unwrap();
    assert!(matches!(library.publish_classes(&some), Err(Error::Denied(_))));
    fs::remove_dir_all(library.path("masters")).unwrap();
    library.write("trailers/a", b"x");
    let report = library.publish_classes(&some).unwrap();
    assert_eq!(report.trees.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_single_file_goes_beside_the_others_of_every_class() {
    let mut library = Library::new();
    let classes = classes(&["**/*.mov", "*.mov"], &["*.mp4"]);
    for name in ["a.mov", "b.mp4", "c.txt"] {
        library.write(name, name.as_bytes());
    }
    library.publish_classes(&classes).unwrap();
    library.write("b.mov", b"new");
    let one = Ingest {
        source: library.path("b.mov"),
        keep_others: true,
        classes: classes.clone(),
        ..library.ingest()
    };
    let report = publish(&library.store, &one, &mut (), &AtomicBool::new(false)).unwrap();
    library.previous = roots(&report);
    assert_eq!((library.names_of(0), library.names_of(2)), (vec!["c.txt".into()], vec!["b.mp4".into()]));
    assert_eq!(library.names_of(1), ["a.mov", "b.mov"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// For any patterns: the trees of the classes together equal the tree of one class, and each tree is
    /// complete.
    #[test]
    fn the_trees_of_classes_are_the_one_tree_divided(
        files in prop::collection::btree_map("[ab](/[abc]){0,2}\\.(mov|srt)", 0..400_000usize, 0..12),
        suffix in prop::sample::select(&["mov", "srt"][..]),
        folder in "[ab]",
    ) {
        let (mut one, mut several) = (Library::new(), Library::new());
        for (path, len) in &files {
            let bytes = noise(*len as u64, *len);
            one.write(path, &bytes);
            several.write(path, &bytes);
        }
        one.publish_classes(&Classifier::default()).unwrap();
        let masters = format!("{folder}/**/*.{suffix}");
        let trailers = format!("*.{suffix}");
        let report = several.publish_classes(&classes(&[&masters], &[&trailers])).unwrap();
        let strip = |library: &Library| -> BTreeMap<String, (u64, Vec<_>)> {
            let chunks = |entry: &Entry| cursor::chunks(&library.store, &entry.content).map(|c| c.unwrap()).collect();
            library.entries().into_iter().map(|(path, entry)| (path, (entry.size, chunks(&entry)))).collect()
        };
        prop_assert_eq!(strip(&one), strip(&several));
        prop_assert_eq!(one.entries().len() as u64, report.trees.iter().map(|(_, tree)| tree.sums.entries).sum::<u64>());
        several.check_slots();
        check_whole(&several.store, &report);
    }
}

/// Walks the trees as a mirror does, which checks the class of every page.
fn check_whole(store: &MemoryObjects, report: &IngestReport) {
    for (slot, tree) in &report.trees {
        let header = crate::manifest::table::ClassHeader {
            name: "x".into(),
            slot: *slot,
            salt: crate::id::Salt::of_class(&crate::id::SaltKey::of_publisher(&[1; 32]), &tree.root),
            root: tree.root,
            level: tree.level,
            sums: tree.sums,
            policy: Vec::new(),
        };
        let marks = verify::Marks { trust: false, set: false };
        let walked = verify::walk(store, &header, marks, &mut Missing::up_to(1)).unwrap();
        assert_eq!(walked.state, PageState::Full);
    }
}
