//! Puts what the readers found back in path order: chunks go to the store as they come, entries into the tree of their
//! class in turn.
//!
//! Runs arrive in any order. Those of one job are taken in turn, and the chunks among them that belong to the file are
//! handed to the store at once; entries wait until the jobs before are done. Every file has a content builder of its own,
//! so that a file of a terabyte holds back pages, not lists. This file reads no file.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    IngestReport, Tally,
    cache::{Record, ScanCache, Writer},
    plan::{Kept, Stands},
    run::{Ends, Fate, Run, Said},
    source::Stat,
    walk::LeftOut,
};
use crate::{
    chunk::Profile,
    error::{Error, Result},
    id::PageId,
    limits::BATCH_IDS,
    manifest::{
        ChunkRef, Content, Entry, EntryKind, PageSink, Timestamp,
        builder::{ContentBuilder, EntryTreeBuilder, Tree},
        cursor,
    },
    progress::{Counts, Progress},
    store::{Appended, Object, Objects},
};

/// Bytes handed to the store at a time.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Takes runs and becomes trees.
pub(super) struct Assembler<'a> {
    batch: Batch<'a>,
    /// By the slots of their classes.
    trees: BTreeMap<u8, EntryTreeBuilder>,
    cache: Option<Writer>,
    jobs: BTreeMap<u64, Pending>,
    /// The job whose entries are due.
    due: u64,
    counts: Counts,
    pub(super) tally: Tally,
}

/// What a run ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retired {
    /// Parts of large files.
    pub(super) parts: usize,
    /// Jobs.
    pub(super) jobs: usize,
}

/// A job that is not yet retired.
#[derive(Default)]
struct Pending {
    /// The part and number of the run that is due.
    due: (u32, u32),
    waiting: BTreeMap<(u32, u32), Run>,
    file: Option<(ContentBuilder, u64)>,
    outcomes: Vec<Outcome>,
    complete: bool,
}

enum Outcome {
    /// What is to be in the tree; with its fate if it was read.
    Entry {
        kept: Kept,
        fate: Option<Fate>,
    },
    LeftOut {
        item: LeftOut,
        gone: Option<u64>,
    },
    Gap {
        path: String,
        why: String,
        stands: Stands,
        is_unsettled: bool,
    },
}

impl<'a> Assembler<'a> {
    /// Makes a tree for each of `slots`.
    pub(super) fn new(
        store: &'a dyn Objects,
        slots: impl Iterator<Item = u8>,
        cache: Option<Writer>,
    ) -> Result<Self> {
        Ok(Self {
            batch: Batch {
                store,
                objects: Vec::new(),
                bytes: 0,
                chunk_bytes: 0,
                saved: 0,
                new: Appended::default(),
            },
            trees: slots
                .map(|slot| Ok((slot, EntryTreeBuilder::new(store.library(), slot)?)))
                .collect::<Result<_>>()?,
            cache,
            jobs: BTreeMap::new(),
            due: 0,
            counts: Counts::default(),
            tally: Tally::default(),
        })
    }

    /// Takes one run; gives how much that ended.
    pub(super) fn take(&mut self, run: Run, progress: &mut dyn Progress) -> Result<Retired> {
        let mut retired = Retired::default();
        let job = self.jobs.entry(run.job).or_default();
        job.waiting.insert((run.part, run.number), run);
        while let Some(run) = job.waiting.remove(&job.due) {
            job.due.1 += 1;
            match run.ends {
                Ends::Nothing => {}
                Ends::Part => {
                    job.due = (run.part + 1, 0);
                    retired.parts += 1;
                }
                Ends::Job => job.complete = true,
            }
            self.counts.bytes += job.settle(run, &mut self.batch)?;
        }
        retired.jobs = self.retire(progress)?;
        self.counts.bytes_saved = self.tally.bytes_skipped + self.batch.saved;
        progress.advanced(&self.counts);
        Ok(retired)
    }

    /// Adds the entries of all complete jobs that are due.
    fn retire(&mut self, progress: &mut dyn Progress) -> Result<usize> {
        let mut retired = 0;
        while self.jobs.first_key_value().is_some_and(|(number, job)| *number == self.due && job.complete) {
            let Some((_, job)) = self.jobs.pop_first() else { break };
            for outcome in job.outcomes {
                self.add(outcome, progress)?;
            }
            self.due += 1;
            retired += 1;
        }
        Ok(retired)
    }

    fn add(&mut self, outcome: Outcome, progress: &mut dyn Progress) -> Result<()> {
        match outcome {
            Outcome::Entry { kept, fate } => self.entry(kept, fate)?,
            Outcome::LeftOut { item, gone } => self.tally.leave_out(item, gone, progress),
            Outcome::Gap { path, why, stands, is_unsettled } => {
                self.tally.gap(path, why, &stands, is_unsettled, progress);
                if let Stands::Previous(kept) = stands {
                    self.entry(*kept, None)?;
                }
            }
        }
        Ok(())
    }

    /// Puts an entry into the tree of its class.
    fn entry(&mut self, kept: Kept, fate: Option<Fate>) -> Result<()> {
        let Kept { path, slot, has_moved, mut entry, record } = kept;
        if entry.kind == EntryKind::File {
            self.tally.files += 1;
            self.counts.files += 1;
        }
        if let Some(fate) = fate {
            self.tally.files_read += 1;
            self.tally.bytes_read += entry.size;
            self.tally.file(fate, entry.size);
        } else {
            self.tally.bytes_skipped += entry.size;
            self.counts.bytes += entry.size;
        }
        self.remember(record);
        if has_moved {
            entry.content = self.batch.moved(entry.content, slot)?;
        }
        let tree = self.trees.get_mut(&slot);
        let tree = tree.ok_or_else(|| Error::Invalid(format!("{path} is in no class that has a tree")))?;
        tree.push(path, &entry, &mut self.batch)
    }

    /// Remembers a file's record. A cache that cannot be written is given up: it only saves time.
    fn remember(&mut self, record: Option<Record>) {
        if let Some(Err(error)) = self.cache.as_mut().map(|cache| cache.push(record)) {
            tracing::warn!(%error, "scan cache not written; the next publish reads every file");
            self.cache = None;
        }
    }

    /// Writes what is left, makes all of it durable, and gives the trees.
    pub(super) fn finish(mut self, began: Timestamp) -> Result<IngestReport> {
        if !self.jobs.is_empty() {
            return Err(Error::Cancelled);
        }
        let finish = |(slot, tree): (u8, EntryTreeBuilder)| Ok((slot, tree.finish(&mut self.batch)?));
        let trees: Vec<(u8, Tree)> = self.trees.into_iter().map(finish).collect::<Result<_>>()?;
        self.batch.flush()?;
        self.batch.store.commit()?;
        let roots: Vec<_> = trees.iter().map(|(slot, tree)| (*slot, tree.root)).collect();
        let cache = self.cache.map(|cache| cache.finish(began, &roots)).transpose();
        let cache: Option<ScanCache> = cache.unwrap_or_else(|error| {
            tracing::warn!(%error, "scan cache not written; the next publish reads every file");
            None
        });
        let Appended { chunks, chunk_bytes, page_bytes, .. } = self.batch.new;
        let tally = Tally {
            chunks_new: chunks,
            chunk_bytes_new: chunk_bytes,
            page_bytes_new: page_bytes,
            ..self.tally
        };
        Ok(IngestReport { trees, tally, cache })
    }
}

impl Pending {
    /// Takes the chunks and marks of the run that is due; gives how many bytes belong to files.
    fn settle(&mut self, run: Run, sink: &mut Batch<'_>) -> Result<u64> {
        let mut chunks = run.chunks.into_iter();
        let (mut taken, mut bytes) = (0, 0);
        let mut offset = run.offset;
        for mark in run.marks {
            let own = chunks.by_ref().take(mark.chunks.saturating_sub(taken));
            let slot = if let Said::File { slot, .. } = &mark.said { *slot } else { run.slot };
            bytes += self.extend(own, &mut offset, slot, sink)?;
            taken = mark.chunks;
            let outcome = match mark.said {
                Said::Keep(kept) => Outcome::Entry { kept, fate: None },
                Said::File { path, slot, stat, profile, extensions, fate } => {
                    let entry = self.end_file(&stat, profile, slot, sink)?;
                    let entry = Entry { extensions, ..entry };
                    offset = 0;
                    let record = Some(Record::of(&stat));
                    let kept = Kept { path, slot, has_moved: false, entry, record };
                    Outcome::Entry { kept, fate: Some(fate) }
                }
                Said::Again => {
                    self.file = None;
                    continue;
                }
                Said::LeftOut { item, gone } => {
                    self.file = None;
                    Outcome::LeftOut { item, gone }
                }
                Said::Gap { path, why, stands, is_unsettled } => {
                    self.file = None;
                    Outcome::Gap { path, why, stands, is_unsettled }
                }
            };
            self.outcomes.push(outcome);
        }
        Ok(bytes + self.extend(chunks, &mut offset, run.slot, sink)?)
    }

    /// Adds those of `chunks`, the first of which begins at `offset`, that go on where the open file ends; opens one where
    /// none is. A part begins with chunks that are not the file's where its guess was wrong.
    fn extend(
        &mut self,
        chunks: impl Iterator<Item = (ChunkRef, Bytes)>,
        offset: &mut u64,
        slot: u8,
        sink: &mut Batch<'_>,
    ) -> Result<u64> {
        let mut added = 0;
        for (chunk, bytes) in chunks {
            let (builder, end) = match &mut self.file {
                Some(file) => file,
                empty => empty.insert((sink.content(slot)?, 0)),
            };
            if offset == end {
                *end += u64::from(chunk.len);
                added += u64::from(chunk.len);
                sink.chunk(&chunk, bytes)?;
                builder.push(chunk, sink)?;
            }
            *offset += u64::from(chunk.len);
        }
        Ok(added)
    }

    fn end_file(&mut self, stat: &Stat, profile: Profile, slot: u8, sink: &mut Batch<'_>) -> Result<Entry> {
        let (builder, bytes) = match self.file.take() {
            Some(file) => file,
            None => (sink.content(slot)?, 0),
        };
        // What the reader promised; a slip here would publish half a file.
        if bytes != stat.size {
            return Err(Error::Corrupt(format!("{bytes} bytes were cut of a file of {}", stat.size)));
        }
        Ok(Entry {
            kind: EntryKind::File,
            size: stat.size,
            mtime: stat.mtime,
            mode: stat.mode,
            profile,
            content: builder.finish(sink)?,
            target: None,
            extensions: Vec::new(),
        })
    }
}

/// Objects on their way to the store, in order.
struct Batch<'a> {
    store: &'a dyn Objects,
    objects: Vec<Object>,
    bytes: usize,
    chunk_bytes: u64,
    /// Chunk bytes handed over that were held already.
    saved: u64,
    new: Appended,
}

impl Batch<'_> {
    /// Begins a file of the class in `slot`.
    fn content(&self, slot: u8) -> Result<ContentBuilder> {
        ContentBuilder::new(self.store.library(), slot)
    }

    fn chunk(&mut self, chunk: &ChunkRef, bytes: Bytes) -> Result<()> {
        self.chunk_bytes += u64::from(chunk.len);
        self.push(Object::Chunk { id: chunk.id, bytes })
    }

    /// The same content with pages of the class in `slot`: pages carry the class they belong to, chunks do not.
    fn moved(&mut self, content: Content, slot: u8) -> Result<Content> {
        let Content::Tree { .. } = content else { return Ok(content) };
        let store = self.store;
        let mut builder = self.content(slot)?;
        for chunk in cursor::chunks(store, &content) {
            builder.push(chunk?, self)?;
        }
        builder.finish(self)
    }

    fn push(&mut self, object: Object) -> Result<()> {
        self.bytes += object.bytes().len();
        self.objects.push(object);
        if self.bytes >= BATCH_BYTES || self.objects.len() >= BATCH_IDS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.objects.is_empty() {
            return Ok(());
        }
        let new = self.store.append(std::mem::take(&mut self.objects))?;
        self.saved += self.chunk_bytes.saturating_sub(new.chunk_bytes);
        self.new.chunks += new.chunks;
        self.new.chunk_bytes += new.chunk_bytes;
        self.new.pages += new.pages;
        self.new.page_bytes += new.page_bytes;
        self.bytes = 0;
        self.chunk_bytes = 0;
        Ok(())
    }
}

impl PageSink for Batch<'_> {
    fn put(&mut self, id: PageId, bytes: Bytes) -> Result<()> {
        self.push(Object::Page { id, bytes })
    }
}
