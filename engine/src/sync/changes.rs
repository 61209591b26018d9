//! What a peer lacks of a class of which it has other versions.
//!
//! Owns which old content a new file is held against: its own under the same path in every version the peer has, and
//! for a new path what was removed and what shares chunks with it. `origin` then says what each run of new chunks is made
//! from. A wrong guess costs bytes, never correctness.

mod removed;

use bytes::Bytes;

use self::removed::{Gone, Removed};
use crate::{
    error::{Error, Result},
    id::PageId,
    limits::ANSWER_LOOKUPS,
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
    // First the paths that went: what a new path holds may be theirs.
    let mut gone = Gone::new(base.have);
    let went = diff(store, Some(&base.root), &header.root, &mut gone).and_then(|()| {
        let removed = gone.index();
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
