//! Puts the results of the workers back in path order. Chunks go to the store as they arrive; entries go into
//! the tree of their class, in path order.
//!
//! Runs arrive in any order. The runs of one job are taken in their order, and the chunks of the file among
//! them go to the store at once. Entries wait until all earlier jobs are done. Every file has its own content
//! builder, so a file of a terabyte keeps pages in memory, not a list of all its chunks. This module reads no
//! file.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    IngestReport, Tally,
    cache::{Record, ScanCache, Writer},
    plan::{Fallback, Kept},
    run::{Ends, FileChange, ItemOutcome, Run},
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

/// Takes runs and builds the trees.
pub(super) struct Assembler<'a> {
    batch: Batch<'a>,
    /// By the slot of the class.
    trees: BTreeMap<u8, EntryTreeBuilder>,
    cache: Option<Writer>,
    jobs: BTreeMap<u64, Pending>,
    /// The number of the next job whose entries are added.
    due: u64,
    counts: Counts,
    pub(super) tally: Tally,
}

/// How many parts and jobs a run completed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retired {
    /// Parts of large files.
    pub(super) parts: usize,
    /// Jobs.
    pub(super) jobs: usize,
}

/// A job whose entries are not added yet.
#[derive(Default)]
struct Pending {
    /// The part and the number of the next run.
    due: (u32, u32),
    waiting: BTreeMap<(u32, u32), Run>,
    file: Option<(ContentBuilder, u64)>,
    outcomes: Vec<FinalOutcome>,
    complete: bool,
}

enum FinalOutcome {
    /// An entry for the tree, with its change if the file was read.
    Entry {
        kept: Kept,
        change: Option<FileChange>,
        lacks_xattrs: bool,
    },
    LeftOut {
        item: LeftOut,
        gone: Option<u64>,
    },
    Gap {
        path: String,
        why: String,
        fallback: Fallback,
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

    /// Takes one run; returns how many parts and jobs it completed.
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
            self.counts.bytes += job.apply(run, &mut self.batch)?;
        }
        retired.jobs = self.retire(progress)?;
        self.counts.bytes_saved = self.tally.bytes_skipped + self.batch.saved;
        progress.advanced(&self.counts);
        Ok(retired)
    }

    /// Adds the entries of all complete jobs, in order, up to the first job that is not complete.
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

    fn add(&mut self, outcome: FinalOutcome, progress: &mut dyn Progress) -> Result<()> {
        match outcome {
            FinalOutcome::Entry { kept, change, lacks_xattrs } => {
                self.tally.xattrs_left += u64::from(lacks_xattrs);
                self.entry(kept, change)?
            }
            FinalOutcome::LeftOut { item, gone } => self.tally.leave_out(item, gone, progress),
            FinalOutcome::Gap { path, why, fallback, is_unsettled } => {
                self.tally.gap(path, why, &fallback, is_unsettled);
                if let Fallback::Previous(kept) = fallback {
                    self.entry(*kept, None)?;
                }
            }
        }
        Ok(())
    }

    /// Puts an entry into the tree of its class.
    fn entry(&mut self, kept: Kept, change: Option<FileChange>) -> Result<()> {
        let Kept { path, slot, moved_from, mut entry, record } = kept;
        if entry.kind == EntryKind::File {
            self.tally.files += 1;
            self.counts.files += 1;
        }
        self.tally.links += u64::from(entry.kind == EntryKind::Symlink);
        if let Some(change) = change {
            self.tally.files_read += 1;
            self.tally.bytes_read += entry.size;
            self.tally.file(change, entry.size);
        } else {
            self.tally.bytes_skipped += entry.size;
            self.counts.bytes += entry.size;
        }
        self.remember(record);
        if moved_from.is_some() {
            entry.content = self.batch.moved(entry.content, slot)?;
        }
        let tree = self.trees.get_mut(&slot);
        let tree = tree.ok_or_else(|| Error::Invalid(format!("{path} is in no class that has a tree")))?;
        tree.push(path, &entry, &mut self.batch)
    }

    /// Adds a file's record to the scan cache. If the cache cannot be written, it is dropped: it only saves
    /// time.
    fn remember(&mut self, record: Option<Record>) {
        if let Some(Err(error)) = self.cache.as_mut().map(|cache| cache.push(record)) {
            tracing::warn!(%error, "scan cache not written; the next publish reads every file");
            self.cache = None;
        }
    }

    /// Writes the rest, makes everything durable, and returns the trees.
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
    /// Applies the chunks and marks of the next run; returns how many bytes belong to files.
    fn apply(&mut self, run: Run, sink: &mut Batch<'_>) -> Result<u64> {
        let mut chunks = run.chunks.into_iter();
        let (mut taken, mut bytes) = (0, 0);
        let mut offset = run.offset;
        for mark in run.marks {
            let own = chunks.by_ref().take(mark.chunks.saturating_sub(taken));
            let slot = if let ItemOutcome::File { slot, .. } = &mark.outcome { *slot } else { run.slot };
            bytes += self.extend(own, &mut offset, slot, sink)?;
            taken = mark.chunks;
            let outcome = match mark.outcome {
                ItemOutcome::Keep(kept) => FinalOutcome::Entry { kept, change: None, lacks_xattrs: false },
                ItemOutcome::KeepWithout(kept) => {
                    FinalOutcome::Entry { kept, change: None, lacks_xattrs: true }
                }
                ItemOutcome::File { path, slot, stat, profile, extensions, change, lacks_xattrs } => {
                    let entry = self.end_file(&stat, profile, slot, sink)?;
                    let entry = Entry { extensions, ..entry };
                    offset = 0;
                    let record = Some(Record::of(&stat));
                    let kept = Kept { path, slot, moved_from: None, entry, record };
                    FinalOutcome::Entry { kept, change: Some(change), lacks_xattrs }
                }
                ItemOutcome::Retry => {
                    self.file = None;
                    continue;
                }
                ItemOutcome::LeftOut { item, gone } => {
                    self.file = None;
                    FinalOutcome::LeftOut { item, gone }
                }
                ItemOutcome::Gap { path, why, fallback, is_unsettled } => {
                    self.file = None;
                    FinalOutcome::Gap { path, why, fallback, is_unsettled }
                }
            };
            self.outcomes.push(outcome);
        }
        Ok(bytes + self.extend(chunks, &mut offset, run.slot, sink)?)
    }

    /// Adds the chunks that continue the open file at its end, and opens a file if none is open. The first of
    /// `chunks` begins at `offset`. The first chunks of a part do not belong to the file if the part began at
    /// a wrong guess.
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
        // The reader guarantees this. An error here would publish an incomplete file.
        if bytes != stat.size {
            return Err(Error::Corrupt(format!("chunks of {bytes} bytes for a file of {} bytes", stat.size)));
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

/// Objects to be appended to the store, in order.
struct Batch<'a> {
    store: &'a dyn Objects,
    objects: Vec<Object>,
    bytes: usize,
    chunk_bytes: u64,
    /// Bytes of appended chunks that the store held already.
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

    /// Rebuilds the pages of the same content for the class in `slot`: pages contain their class, chunks do
    /// not.
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
