//! What a peer lacks of a class of which it has another version.
//!
//! Owns which old content a new file is held against: its own under the same path in every version the peer has, and
//! for a new path what was removed. A wrong guess costs bytes, never correctness.

use std::collections::HashSet;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::PageId,
    limits::{ANSWER_BASES, ANSWER_LOOKUPS, ANSWER_REMOVED},
    manifest::{
        ChunkRef, Content, Entry, EntryPath,
        cursor::find,
        diff::{Change, ContentSink, DiffSink, FirstChunk, Gap, Stood, content, diff},
        position::PagePosition,
        table::ClassHeader,
    },
    store::Store,
    sync::send::Sender,
};

/// Sends what is in the class and not in the version of it below `base`: new pages, parents first, and after an entry
/// page for each changed path in order those of its content pages and chunks that `older` versions do not have either.
pub(super) fn send(
    store: &dyn Store,
    base: &PageId,
    older: &[PageId],
    header: &ClassHeader,
    sender: &mut Sender<'_>,
) -> Result<()> {
    let mut removed = Removed::default();
    let went = diff(store, Some(base), &header.root, &mut removed).and_then(|()| {
        let older = Older { roots: older, left: ANSWER_LOOKUPS };
        diff(store, Some(base), &header.root, &mut Changes { store, sender, removed, older })
    });
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
    fn page(&mut self, _: &PageId, _: &Bytes, _: Option<PagePosition>) -> Result<()> {
        Ok(())
    }

    fn change(&mut self, change: Change, _: FirstChunk) -> Result<()> {
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

/// Versions before the base. An edit that is taken back, or made to the version before, has most of its bytes there.
struct Older<'s> {
    roots: &'s [PageId],
    /// Look-ups still to be afforded.
    left: usize,
}

impl Older<'_> {
    /// What `path` held in those versions.
    fn contents(&mut self, store: &dyn Store, path: &EntryPath) -> Result<Vec<Content>> {
        let affordable = self.roots.len().min(self.left);
        self.left -= affordable;
        let found = self.roots.iter().take(affordable).map(|root| find(store, root, path));
        found.filter_map(|entry| entry.map(|entry| entry.map(|entry| entry.content)).transpose()).collect()
    }
}

/// Second pass: sends.
struct Changes<'s, 'a> {
    store: &'s dyn Store,
    sender: &'s mut Sender<'a>,
    removed: Removed,
    older: Older<'s>,
}

impl DiffSink for Changes<'_, '_> {
    fn page(&mut self, id: &PageId, bytes: &Bytes, _: Option<PagePosition>) -> Result<()> {
        self.sender.page(id, bytes)
    }

    fn change(&mut self, change: Change, first: FirstChunk) -> Result<()> {
        let (path, mut old, new) = match change {
            Change::Removed { .. } => return Ok(()),
            Change::Added { entry, .. } if self.removed.contents.contains(&entry.content) => return Ok(()),
            Change::Added { path, entry } => {
                let bases = self.removed.bases(&path, &entry);
                (path, bases, entry.content)
            }
            Change::Changed { path, old, new } => (path, vec![old.content], new.content),
        };
        old.extend(self.older.contents(self.store, &path)?);
        content(self.store, &old, &new, &mut File { sender: self.sender, first_chunk: first.new })
    }
}

/// The new parts of one file.
struct File<'s, 'a> {
    sender: &'s mut Sender<'a>,
    first_chunk: u64,
}

impl ContentSink for File<'_, '_> {
    fn page(&mut self, id: &PageId, bytes: &Bytes, _: Option<Stood>) -> Result<()> {
        self.sender.page(id, bytes)
    }

    fn chunks(&mut self, run: &[(u64, ChunkRef)], _: Gap) -> Result<()> {
        run.iter().try_for_each(|(ordinal, chunk)| {
            self.sender.chunks(self.first_chunk.saturating_add(*ordinal), &[*chunk])
        })
    }
}
