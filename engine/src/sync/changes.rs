//! What a peer lacks of a class of which it has another version.
//!
//! Owns which old content a new file is held against: its own under the same path, and for a new path what was
//! removed. A wrong guess costs bytes, never correctness.

use std::collections::HashSet;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::PageId,
    limits::{ANSWER_BASES, ANSWER_REMOVED},
    manifest::{
        ChunkRef, Content, Entry, EntryPath,
        diff::{Change, ContentSink, DiffSink, content, diff},
        table::ClassHeader,
    },
    store::Store,
    sync::send::Sender,
};

/// Sends what is in the class and not in the version of it below `base`: new pages, parents first, and after an entry
/// page for each changed path in order its new content pages and chunks.
pub(super) fn send(
    store: &dyn Store,
    base: &PageId,
    header: &ClassHeader,
    sender: &mut Sender<'_>,
) -> Result<()> {
    let mut removed = Removed::default();
    let went = diff(store, Some(base), &header.root, &mut removed)
        .and_then(|()| diff(store, Some(base), &header.root, &mut Changes { store, sender, removed }));
    match went {
        // What this node cannot compare, the peer finds missing and asks for.
        Err(error) if !matches!(error, Error::Cancelled) => {
            sender.leave_out(&"a part of the changes", &error);
            Ok(())
        }
        went => went,
    }
}

/// First pass: the paths that went. What a new path holds may be theirs.
#[derive(Default)]
struct Removed {
    entries: Vec<(EntryPath, u64, Content)>,
    contents: HashSet<Content>,
}

impl DiffSink for Removed {
    fn page(&mut self, _: &PageId, _: &Bytes) -> Result<()> {
        Ok(())
    }

    fn change(&mut self, change: Change, _: u64) -> Result<()> {
        if let Change::Removed { path, entry } = change
            && self.entries.len() < ANSWER_REMOVED
            && entry.size > 0
        {
            self.contents.insert(entry.content.clone());
            self.entries.push((path, entry.size, entry.content));
        }
        Ok(())
    }
}

impl Removed {
    /// The removed files that a new one most likely came from: those of the same name in other directories first, then
    /// those nearest in size.
    fn bases(&self, path: &EntryPath, entry: &Entry) -> Vec<Content> {
        let mut all: Vec<_> = self
            .entries
            .iter()
            .map(|(old, size, content)| (name(old) != name(path), size.abs_diff(entry.size), content))
            .collect();
        if all.len() > ANSWER_BASES {
            all.select_nth_unstable_by_key(ANSWER_BASES, |(renamed, distance, _)| (*renamed, *distance));
            all.truncate(ANSWER_BASES);
        }
        all.into_iter().map(|(_, _, content)| content.clone()).collect()
    }
}

fn name(path: &EntryPath) -> Option<&str> {
    path.as_str().rsplit('/').next()
}

/// Second pass: sends.
struct Changes<'s, 'a> {
    store: &'s dyn Store,
    sender: &'s mut Sender<'a>,
    removed: Removed,
}

impl DiffSink for Changes<'_, '_> {
    fn page(&mut self, id: &PageId, bytes: &Bytes) -> Result<()> {
        self.sender.page(id, bytes)
    }

    fn change(&mut self, change: Change, first_chunk: u64) -> Result<()> {
        let (old, new) = match change {
            Change::Removed { .. } => return Ok(()),
            Change::Added { entry, .. } if self.removed.contents.contains(&entry.content) => return Ok(()),
            Change::Added { path, entry } => (self.removed.bases(&path, &entry), entry.content),
            Change::Changed { old, new, .. } => (vec![old.content], new.content),
        };
        content(self.store, &old, &new, &mut File { sender: self.sender, first_chunk })
    }
}

/// The new parts of one file.
struct File<'s, 'a> {
    sender: &'s mut Sender<'a>,
    first_chunk: u64,
}

impl ContentSink for File<'_, '_> {
    fn page(&mut self, id: &PageId, bytes: &Bytes) -> Result<()> {
        self.sender.page(id, bytes)
    }

    fn chunk(&mut self, ordinal: u64, chunk: ChunkRef) -> Result<()> {
        self.sender.chunks(self.first_chunk.saturating_add(ordinal), &[chunk])
    }
}
