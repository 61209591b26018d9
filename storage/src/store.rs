//! The store on disk: open, close, statistics. [`objects`](crate::objects) has the operations on objects.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use chuan_engine::{Error, Result, id::LibraryId};

use crate::{
    Losses, Options, Stats,
    disk::Disk,
    give_back::{self, LibraryEnd},
    index::{self, Cache, Generation, Index},
    layout::Layout,
    log::Log,
    objects::{Inner, LibraryObjects},
    queue::{Queue, Refusal},
    reader::RecordReader,
    recover::{self, Recovered, Until},
    settle::Settle,
    slot::IndexSlot,
    space::Space,
    stats::{LibraryStats, LossCounts},
    writer,
};

/// Stores objects in a directory, with the libraries kept apart.
///
/// Dropping it ends the writer: uncommitted objects are dropped, and remaining handles fail with
/// [`Error::Busy`]. One process opens a directory at a time; take [`HomeLock`](crate::lock::HomeLock) first.
#[derive(Debug)]
pub struct DiskStore {
    inner: Arc<Inner>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl DiskStore {
    /// Opens the store in `dir`, or creates it.
    ///
    /// Recovers from a crash: adds groups that the index does not know, and cuts off bytes after the last
    /// marker. Rebuilds the index if it is damaged, with a warning that names it. An index that cannot be
    /// opened for another reason, such as a full disk or too many open files, stays as it is, and the error
    /// names the reason. Damage in segments is logged with file and offset; the store opens all the same.
    /// Segments of another format are refused with [`Error::Invalid`], and nothing is changed.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        let layout = Layout::new(dir);
        layout.create()?;
        layout.check_format()?;
        let (cache, losses) = (index::cache(), Arc::new(LossCounts::default()));
        let (index, recovered) = open_index(&layout, &cache, &losses)?;
        let durable = index.positions()?;
        let index = Arc::new(IndexSlot::new(index, durable));
        let queue = Arc::new(Queue::new(dir.to_owned(), options.poison.clone()));
        let settle = Settle::start(layout.clone(), index.clone(), queue.clone())?;
        let disk = Disk::start(layout.clone(), options.clone(), queue.clone(), settle)?;
        let log = Log::resume(disk, options, recovered.resume);
        let writer = Some(writer::start(log, queue.clone())?);
        let reader = RecordReader::new(layout.clone());
        let inner = Inner { layout, index, queue, reader, cache, losses, rebuilding: Mutex::new(()) };
        Ok(Self { inner: Arc::new(inner), writer: Mutex::new(writer) })
    }

    /// Opens a store that exists for reading only, with no write to the disk: on a full or read-only file
    /// system. Content that the index does not know yet is indexed in memory. Appends fail with
    /// [`Error::Full`] and the reason `why`; damage that reads find is known until the store is closed.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] with `why` if the index is damaged or missing: building one needs a disk that takes
    /// writes.
    pub fn open_read_only(dir: &Path, why: &str) -> Result<Self> {
        let layout = Layout::new(dir);
        layout.check_format()?;
        let (cache, losses) = (index::cache(), Arc::new(LossCounts::default()));
        let generation = Generation::current(&layout.index())?;
        if generation.is_noted_damaged() {
            return Err(Error::Full(format!("{why}; the index is damaged, and building one needs room")));
        }
        let opened = Index::open_read_only(generation, &cache, losses.clone()).and_then(|index| {
            recover::recover(&layout, &index, Until::End, &|_, _| {})?;
            Ok(index)
        });
        let index = opened.map_err(|error| match error {
            Error::Corrupt(text) => Error::Full(format!("{why}; it cannot be read either: {text}")),
            error => error,
        })?;
        let durable = index.positions()?;
        let index = Arc::new(IndexSlot::new(index, durable));
        let queue = Arc::new(Queue::refusing(dir.to_owned(), Refusal::Full(why.to_owned())));
        let reader = RecordReader::new(layout.clone());
        let inner = Inner { layout, index, queue, reader, cache, losses, rebuilding: Mutex::new(()) };
        Ok(Self { inner: Arc::new(inner), writer: Mutex::default() })
    }

    /// The content of the store, in numbers.
    pub fn stats(&self) -> Result<Stats> {
        let numbers = self.inner.layout.list_segments()?;
        let slack = self.inner.queue.slack();
        let segment_bytes: u64 = numbers
            .iter()
            .filter_map(|number| Some(self.inner.layout.segment(*number).metadata().ok()?.len()))
            .sum();
        let mut stats = Stats {
            segments: numbers.len() as u64,
            segment_bytes: segment_bytes.saturating_sub(slack),
            usable_bytes: Space::of(self.inner.layout.dir())?.usable().saturating_add(slack),
            ..Stats::default()
        };
        for totals in self.inner.index.get()?.totals().values() {
            stats.chunks += totals.chunks;
            stats.chunk_bytes += totals.chunk_bytes;
            stats.pages += totals.pages;
            stats.page_bytes += totals.page_bytes;
            stats.lost += totals.lost;
        }
        Ok(stats)
    }

    /// The content of a library, in numbers.
    pub fn library_stats(&self, library: &LibraryId) -> Result<LibraryStats> {
        let totals = self.inner.index.get()?.totals().get(library).copied().unwrap_or_default();
        Ok(LibraryStats {
            chunks: totals.chunks,
            chunk_bytes: totals.chunk_bytes,
            pages: totals.pages,
            page_bytes: totals.page_bytes,
            lost: totals.lost,
        })
    }

    /// The libraries that have, or had, objects in the store.
    pub fn libraries(&self) -> Result<Vec<LibraryId>> {
        Ok(self.inner.index.get()?.totals().into_keys().collect())
    }

    /// The end of a library's content now, for [`give_back`](Self::give_back).
    pub fn end(&self, library: &LibraryId) -> Result<LibraryEnd> {
        give_back::end(&self.inner, library)
    }

    /// Removes everything that was appended to a library after `end`, and returns the freed bytes of its
    /// segments. The caller ensures that nothing else was appended to the library meanwhile, that nothing
    /// durable names it, and that nothing is appended to the library before this returns.
    ///
    /// Where a full disk stopped the store, it still takes no writes before it is opened again. If the
    /// library had or has lost objects, nothing is removed and the result is 0. After a crash at any step,
    /// the store opens and all content before `end` is there.
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`] if the content of the disk is not known; [`Error::Busy`] during a rebuild; any
    /// error of the index and of the files.
    pub fn give_back(&self, end: &LibraryEnd) -> Result<u64> {
        give_back::give_back(&self.inner, end, &|| self.join())
    }

    /// Damage found and repaired since the store was opened. Damage that the opening found is included.
    pub fn losses(&self) -> Losses {
        self.inner.losses.get()
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Blocks until the store's threads have ended. Called once the queue gives them no more work.
    fn join(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the store's thread panicked");
        }
    }

    /// The objects of a library.
    pub(crate) fn library(&self, library: LibraryId) -> LibraryObjects {
        LibraryObjects { library, store: Arc::clone(&self.inner) }
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        self.inner.queue.close();
        self.join();
        self.inner.index.close();
    }
}

/// Opens the index and brings it up to date. If it is damaged, builds another from the segments and removes
/// the damaged one.
fn open_index(layout: &Layout, cache: &Cache, losses: &Arc<LossCounts>) -> Result<(Index, Recovered)> {
    let open = |generation: &Generation| {
        let index = Index::open(generation.clone(), cache, losses.clone())?;
        let recovered = recover::recover(layout, &index, Until::End, &|_, _| {})?;
        generation.remove_others()?;
        Ok((index, recovered))
    };
    let generation = Generation::current(&layout.index())?;
    let damage = if generation.is_noted_damaged() {
        "it was found damaged while it was in use".to_owned()
    } else {
        match open(&generation) {
            Err(Error::Corrupt(text)) => text,
            other => return other,
        }
    };
    tracing::warn!("building the index {} anew from the segments: {damage}", generation.dir().display());
    open(&generation.next())
}
