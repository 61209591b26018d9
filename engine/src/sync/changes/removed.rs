//! The files that were removed from a class, and the choice of those from which a new file most likely came.
//!
//! The files are indexed once, by name and by size. A release may rename tens of thousands of files; a scan
//! of all removed files for each of them took quadratic time.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use crate::{
    error::Result,
    id::PageId,
    limits::{ANSWER_BASES, ANSWER_REMOVED},
    manifest::{
        Content, Entry, EntryPath,
        diff::{Change, DiffSink, FirstChunk},
        position::PagePosition,
    },
    sync::origin::Old,
};

/// Collects the removed files during a comparison.
pub(super) struct RemovedSink {
    have: u8,
    files: Vec<(EntryPath, u64, Old)>,
    contents: HashSet<Content>,
}

/// The removed files, indexed for a search of files similar to a new one.
pub(super) struct Removed {
    files: Vec<(EntryPath, u64, Old)>,
    contents: HashSet<Content>,
    /// Indexes of the files, ascending by size.
    by_size: Vec<usize>,
    /// The indexes of the files of each name, ascending by size.
    by_name: HashMap<String, Vec<usize>>,
    /// How many files were examined.
    #[cfg(test)]
    pub(super) steps: std::cell::Cell<usize>,
}

impl RemovedSink {
    /// `have` is the index of the version in the request.
    pub(super) fn new(have: u8) -> Self {
        Self { have, files: Vec::new(), contents: HashSet::new() }
    }

    /// Indexes all collected files.
    pub(super) fn index(self) -> Removed {
        let Self { files, contents, .. } = self;
        let mut by_size: Vec<usize> = (0..files.len()).collect();
        by_size.sort_by_key(|index| files.get(*index).map(|(_, size, _)| *size));
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for index in &by_size {
            if let Some(name) = files.get(*index).and_then(|(path, ..)| name(path)) {
                by_name.entry(name.to_owned()).or_default().push(*index);
            }
        }
        Removed {
            files,
            contents,
            by_size,
            by_name,
            #[cfg(test)]
            steps: std::cell::Cell::default(),
        }
    }
}

impl DiffSink for RemovedSink {
    fn page(&mut self, _: &PageId, _: &Bytes, _: Option<PagePosition>) -> Result<()> {
        Ok(())
    }

    fn change(&mut self, change: Change, first: FirstChunk) -> Result<()> {
        if let Change::Removed { path, entry } = change
            && self.files.len() < ANSWER_REMOVED
            && entry.size > 0
        {
            self.contents.insert(entry.content.clone());
            let old = Old { have: self.have, first_chunk: first.old, content: entry.content };
            self.files.push((path, entry.size, old));
        }
        Ok(())
    }
}

impl Removed {
    /// Whether a removed file had this content.
    pub(super) fn holds(&self, content: &Content) -> bool {
        self.contents.contains(content)
    }

    /// The removed files from which a new one most likely came: those of the same name in other directories
    /// first, then those nearest in size.
    pub(super) fn bases(&self, path: &EntryPath, entry: &Entry) -> Vec<Old> {
        let same = name(path).and_then(|name| self.by_name.get(name)).map_or(&[][..], Vec::as_slice);
        let mut found: Vec<usize> = self.nearest(same, entry.size).take(ANSWER_BASES).collect();
        for index in self.nearest(&self.by_size, entry.size) {
            if found.len() >= ANSWER_BASES {
                break;
            }
            if !found.contains(&index) {
                found.push(index);
            }
        }
        found.into_iter().filter_map(|index| self.files.get(index)).map(|(_, _, old)| old.clone()).collect()
    }

    /// The indexes in `sorted`, which ascend by file size, the nearest to `size` first.
    fn nearest<'a>(&'a self, sorted: &'a [usize], size: u64) -> impl Iterator<Item = usize> + 'a {
        let size_of = |index: &usize| self.files.get(*index).map_or(0, |(_, size, _)| *size);
        let at = sorted.partition_point(|index| size_of(index) < size);
        let (smaller, larger) = sorted.split_at(at);
        let (mut smaller, mut larger) = (smaller.iter().rev().peekable(), larger.iter().peekable());
        std::iter::from_fn(move || {
            #[cfg(test)]
            self.steps.set(self.steps.get() + 1);
            let distance = |index: &&usize| size_of(index).abs_diff(size);
            match (smaller.peek().map(distance), larger.peek().map(distance)) {
                (Some(below), Some(above)) if below < above => smaller.next(),
                (_, Some(_)) => larger.next(),
                _ => smaller.next(),
            }
            .copied()
        })
    }
}

fn name(path: &EntryPath) -> Option<&str> {
    path.as_str().rsplit('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chunk::Profile,
        id::ChunkId,
        manifest::{ChunkRef, EntryKind, Timestamp},
    };

    fn entry(size: u32) -> Entry {
        let chunk = ChunkRef { id: ChunkId::of(&size.to_le_bytes()), len: size };
        Entry {
            kind: EntryKind::File,
            size: u64::from(size),
            mtime: Timestamp::default(),
            mode: 0o644,
            profile: Profile::Video,
            content: Content::Inline(vec![chunk]),
            extensions: vec![],
            target: None,
        }
    }

    fn removed(files: impl IntoIterator<Item = (String, u32)>) -> Removed {
        let mut removed_files = RemovedSink::new(3);
        for (path, size) in files {
            let change = Change::Removed { path: EntryPath::new(path).unwrap(), entry: entry(size) };
            removed_files.change(change, FirstChunk::default()).unwrap();
        }
        removed_files.index()
    }

    fn sizes(removed: &Removed, path: &str, size: u32) -> Vec<u64> {
        let bases = removed.bases(&EntryPath::new(path).unwrap(), &entry(size));
        let size = |old: &Old| match &old.content {
            Content::Inline(chunks) => u64::from(chunks[0].len),
            Content::Tree { .. } => panic!("inline"),
        };
        bases.iter().map(size).collect()
    }

    #[test]
    fn files_of_the_same_name_come_before_those_nearest_in_size() {
        let files = [("a/x", 10), ("b/x", 900), ("a/y", 100), ("a/z", 110), ("b/y", 130), ("c/w", 95)];
        let removed = removed(files.map(|(path, size)| (path.to_owned(), size)));
        assert_eq!(sizes(&removed, "n/x", 100), [10, 900, 100, 95]);
        assert_eq!(sizes(&removed, "n/new", 1000), [900, 130, 110, 100]);
        assert!(removed.holds(&entry(95).content) && !removed.holds(&entry(96).content));
    }

    /// Symptom: 20,000 renamed and changed files cost 45 s of a core in one pull. Cause: all removed files
    /// were examined for each new file. The test counts steps, not time, so that a slow machine does not fail
    /// it.
    #[test]
    fn the_origin_of_a_new_file_is_found_in_a_few_steps() {
        let count = 10_000u32;
        let removed = removed((0..count).map(|n| (format!("old/{n}.js"), 1000 + n)));
        for n in 0..count {
            assert_eq!(sizes(&removed, &format!("new/{n}-b.js"), 1000 + n).len(), ANSWER_BASES);
        }
        let steps = removed.steps.get();
        assert!(steps <= 4 * ANSWER_BASES * count as usize, "{steps} steps for {count} files");
    }
}
