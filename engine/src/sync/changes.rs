//! What a peer lacks of a class of which it has other versions.
//!
//! Owns which old content a new file is held against: its own under the same path in every version the peer has, and
//! for a new path what was removed and what shares chunks with it. `origin` then says what each run of new chunks is made
//! from. A wrong guess costs bytes, never correctness.

use std::collections::HashSet;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::PageId,
    limits::{ANSWER_BASES, ANSWER_LOOKUPS, ANSWER_REMOVED},
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
        origin::{Old, Origin},
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

/// Sends what is in the class and not in its version `base`: new pages, parents first, and after an entry page for each
/// changed path in order those of its content pages and chunks that `older` versions do not have either.
pub(super) fn send(
    store: &dyn Objects,
    base: &Version,
    older: &[Version],
    header: &ClassHeader,
    sender: &mut Sender<'_>,
) -> Result<()> {
    let mut removed = Removed { have: base.have, ..Removed::default() };
    let went = diff(store, Some(&base.root), &header.root, &mut removed).and_then(|()| {
        let older = Older { versions: older, left: ANSWER_LOOKUPS };
        let mut changes = Changes { store, sender, base, removed, older, samples: None };
        diff(store, Some(&base.root), &header.root, &mut changes)
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
    have: u8,
    entries: Vec<(EntryPath, u64, Old)>,
    contents: HashSet<Content>,
}

impl DiffSink for Removed {
    fn page(&mut self, _: &PageId, _: &Bytes, _: Option<PagePosition>) -> Result<()> {
        Ok(())
    }

    fn change(&mut self, change: Change, first: FirstChunk) -> Result<()> {
        if let Change::Removed { path, entry } = change
            && self.entries.len() < ANSWER_REMOVED
            && entry.size > 0
        {
            self.contents.insert(entry.content.clone());
            let old = Old { have: self.have, first_chunk: first.old, content: entry.content };
            self.entries.push((path, entry.size, old));
        }
        Ok(())
    }
}

impl Removed {
    /// The removed files that a new one most likely came from: those of the same name in other directories first, then
    /// those nearest in size.
    fn bases(&self, path: &EntryPath, entry: &Entry) -> Vec<Old> {
        let mut all: Vec<_> = self
            .entries
            .iter()
            .map(|(path_old, size, old)| (name(path_old) != name(path), size.abs_diff(entry.size), old))
            .collect();
        if all.len() > ANSWER_BASES {
            all.select_nth_unstable_by_key(ANSWER_BASES, |(renamed, distance, _)| (*renamed, *distance));
            all.truncate(ANSWER_BASES);
        }
        all.into_iter().map(|(_, _, old)| old.clone()).collect()
    }
}

fn name(path: &EntryPath) -> Option<&str> {
    path.as_str().rsplit('/').next()
}

/// Versions before the base. An edit that is taken back, or made to the version before, has most of its bytes there.
struct Older<'s> {
    versions: &'s [Version],
    /// Look-ups still to be afforded.
    left: usize,
}

impl Older<'_> {
    /// What `path` held in those versions.
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

/// Second pass: sends.
struct Changes<'s, 'a> {
    store: &'s dyn Objects,
    sender: &'s mut Sender<'a>,
    base: &'s Version,
    removed: Removed,
    older: Older<'s>,
    /// What the base holds, once a new path asks.
    samples: Option<Samples>,
}

impl Changes<'_, '_> {
    /// What a new path may have come from.
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
        let (path, mut old, new) = match change {
            Change::Removed { .. } => return Ok(()),
            Change::Added { entry, .. } if self.removed.contents.contains(&entry.content) => return Ok(()),
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
        let origin = Origin::new(self.store, self.sender.roots(), old);
        let mut file = File { sender: self.sender, first_chunk: first.new, origin };
        content(self.store, &contents, &new, &mut file)
    }
}

/// The new parts of one file.
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

    fn chunks(&mut self, run: &[(u64, ChunkRef)], gap: Gap, spare: &[Spare]) -> Result<()> {
        let run: Vec<_> =
            run.iter().map(|(ordinal, chunk)| (self.first_chunk.saturating_add(*ordinal), *chunk)).collect();
        if !self.sender.saves_bytes() {
            return self.sender.full(&run);
        }
        self.origin.split(&run, gap, spare, &mut |part, base, len| self.sender.delta(part, &base, len))
    }
}
