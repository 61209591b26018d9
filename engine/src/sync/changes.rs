//! Sends the parts of a class that a peer lacks, where the peer has other versions of the class.
//!
//! Owns the choice of the old contents with which a new file is compared. For a known path these are the
//! contents of that path in every version that the peer has. For a new path these are removed files, and the
//! file that shares most chunks with it. `origin` then chooses the base of each run of new chunks. A wrong
//! guess costs bytes, never correctness.

mod removed;

use std::cell::Cell;

use bytes::Bytes;

use self::removed::{Removed, RemovedSink};
use crate::{
    error::{Error, Result},
    id::PageId,
    limits::{ANSWER_LOOKUPS, ANSWER_SEARCH_BYTES},
    manifest::{
        ChunkRef, Content, Entry, EntryPath, TreeKind,
        cursor::find_at,
        diff::{Change, ContentSink, DiffSink, FirstChunk, Gap, Spare, Stood, content, diff},
        position::PagePosition,
        table::ClassHeader,
    },
    store::Objects,
    sync::{
        delta::{Part, Run},
        likeness::Samples,
        origin::{Old, Origin, pieces},
        send::Sender,
    },
};

/// A version of the class that the peer has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// Its index in the pull's `have`.
    pub(super) have: u8,
    /// The root of its entry tree.
    pub(super) root: PageId,
}

/// Sends the parts of the class that its version `base` lacks: new pages, parents first. After an entry page,
/// for each changed path in order, the content pages and chunks that the `older` versions lack too.
pub(super) fn send(
    store: &dyn Objects,
    base: &Version,
    older: &[Version],
    header: &ClassHeader,
    sender: &mut Sender<'_>,
) -> Result<()> {
    // The removed paths come first: the content of a new path may be theirs.
    let mut removed_files = RemovedSink::new(base.have);
    let went = diff(store, Some(&base.root), &header.root, &mut removed_files).and_then(|()| {
        let removed = removed_files.index();
        let older = Older { versions: older, left: ANSWER_LOOKUPS };
        let search_bytes = Cell::new(ANSWER_SEARCH_BYTES);
        let mut changes =
            Changes { store, sender, base, removed, older, samples: None, search_bytes: &search_bytes };
        diff(store, Some(&base.root), &header.root, &mut changes)
    });
    match went {
        // The peer finds the parts that this node cannot compare missing, and requests them.
        Err(error) if !matches!(error, Error::Cancelled) => {
            sender.leave_out(&"a part of the changes", &error);
            Ok(())
        }
        went => went,
    }
}

/// Versions before the base. An edit that is undone, or that starts from an earlier version, has most of its
/// bytes there.
struct Older<'s> {
    versions: &'s [Version],
    /// The remaining budget of look-ups.
    left: usize,
}

impl Older<'_> {
    /// The contents of `path` in these versions.
    fn contents(&mut self, store: &dyn Objects, path: &EntryPath) -> Result<Vec<Old>> {
        let affordable = self.versions.len().min(self.left);
        self.left -= affordable;
        let mut found = Vec::new();
        for Version { have, root } in self.versions.iter().take(affordable) {
            if let Some((first_chunk, entry)) = find_at(store, root, path)? {
                found.push(Old { have: *have, first_chunk, content: entry.content });
            }
        }
        Ok(found)
    }
}

/// The second pass, which sends.
struct Changes<'s, 'a> {
    store: &'s dyn Objects,
    sender: &'s mut Sender<'a>,
    base: &'s Version,
    removed: Removed,
    older: Older<'s>,
    /// Samples of the base; taken when the first new path needs them.
    samples: Option<Samples>,
    /// Bytes of old chunks that may still be searched.
    search_bytes: &'s Cell<u64>,
}

impl Changes<'_, '_> {
    /// The old contents from which a new path may have come.
    fn like(&mut self, path: &EntryPath, entry: &Entry) -> Result<Vec<Old>> {
        let mut old = self.removed.bases(path, entry);
        if let Content::Tree { .. } = entry.content {
            let samples = match &mut self.samples {
                Some(samples) => samples,
                none => none.insert(Samples::take(self.store, self.base, path)?),
            };
            old.extend(samples.most_like(self.store, &entry.content)?);
        }
        Ok(old)
    }
}

impl DiffSink for Changes<'_, '_> {
    fn page(&mut self, id: &PageId, bytes: &Bytes, stood: Option<PagePosition>) -> Result<()> {
        let part = stood.map(|first| Part::Pages { first, count: 1 });
        self.sender.page(id, bytes, part.map(|part| Run { have: self.base.have, part }))
    }

    fn change(&mut self, change: Change, first: FirstChunk) -> Result<()> {
        if let Change::Added { entry, .. } | Change::Changed { new: entry, .. } = &change
            && self.sender.is_without_pages()
            && !self.sender.wants(&(first.new..first.new.saturating_add(entry.content.chunks())))
        {
            return Ok(());
        }
        let (path, mut old, new) = match change {
            Change::Removed { .. } => return Ok(()),
            Change::Added { entry, .. } if self.removed.holds(&entry.content) => return Ok(()),
            Change::Added { path, entry } => {
                let like = self.like(&path, &entry)?;
                (path, like, entry.content)
            }
            Change::Changed { path, old, new } => {
                let old = Old { have: self.base.have, first_chunk: first.old, content: old.content };
                (path, vec![old], new.content)
            }
        };
        old.extend(self.older.contents(self.store, &path)?);
        let contents: Vec<_> = old.iter().map(|old| old.content.clone()).collect();
        let origin = Origin::new(self.store, self.sender.roots(), old, self.search_bytes);
        let mut file = File { sender: self.sender, first_chunk: first.new, origin };
        content(self.store, &contents, &new, &mut file)
    }
}

/// Sends the new parts of one file.
struct File<'s, 'a> {
    sender: &'s mut Sender<'a>,
    first_chunk: u64,
    origin: Origin<'s>,
}

impl ContentSink for File<'_, '_> {
    fn page(&mut self, id: &PageId, bytes: &Bytes, stood: Option<Stood>) -> Result<()> {
        let run = stood.and_then(|stood| {
            let old = self.origin.old.get(stood.content)?;
            let ordinal = old.first_chunk.saturating_add(stood.first);
            let first = PagePosition { tree: TreeKind::Content, level: stood.level, ordinal };
            Some(Run { have: old.have, part: Part::Pages { first, count: stood.pages } })
        });
        self.sender.page(id, bytes, run)
    }

    fn chunks(&mut self, run: &[(u64, ChunkRef)], gap: Gap, unused_base_runs: &[Spare]) -> Result<()> {
        let run: Vec<_> =
            run.iter().map(|(ordinal, chunk)| (self.first_chunk.saturating_add(*ordinal), *chunk)).collect();
        if !self.sender.saves_bytes() {
            return self.sender.full(&run);
        }
        let plan = self.sender.timed(|| self.origin.plan(&run, gap, unused_base_runs))?;
        for piece in pieces(&run) {
            if self.sender.wants_some(piece.chunks) {
                let (base, len) = self.sender.timed(|| self.origin.base(&plan, &piece));
                self.sender.delta(piece.chunks, &base, len)?;
            }
        }
        Ok(())
    }
}
