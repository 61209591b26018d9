//! Two manifests of a million chunks compared: the time until all differences are known, and the bytes read
//! for it.
//!
//! Each case is timed over pages in memory and over a store on disk whose files are in the page cache. There
//! are two references from the same run. One is the same pages read one by one and hashed once by one thread:
//! a verified comparison that reads them cannot be faster. The other is a walk over both manifests: the cost
//! of a comparison without trees.

use std::{
    cell::Cell,
    fmt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use chuan_engine::{
    chunk::Profile,
    id::{ChunkId, LibraryId, PageId},
    manifest::{
        ChunkRef, Content, Entry, EntryKind, EntryPath, PageSink, PageSource, Timestamp,
        builder::{ContentBuilder, EntryTreeBuilder},
        cursor,
        diff::{self, Change, ContentSink, DiffSink, FirstChunk, Gap, Spare, Stood},
        position::PagePosition,
    },
    store::{Object, ObjectStores, Objects, memory::MemoryObjects},
};
use chuan_storage::{DiskStore, Options};
use chuan_tests::rng::Rng;

/// Chunks of the manifests at full size.
const CHUNKS: u64 = 1_000_000;
/// Bytes of new data in `BENCH_BYTES` for each chunk of the manifests.
const BYTES_PER_CHUNK: u64 = 2_000;
/// One chunk in this number changes.
const SHARE: u64 = 100;
/// Timed runs of each case.
const RUNS: usize = 7;
/// Goal for the time of a comparison at full size.
const GOAL: Duration = Duration::from_millis(20);

/// Two manifests and their difference.
#[derive(Clone, Copy, Debug)]
enum Case {
    /// One file; runs of chunks are replaced, as an edit does.
    Edit,
    /// One file; chunks all over it are replaced.
    Scattered,
    /// A hundred chunks a file; of some files all chunks are replaced.
    Films,
    /// Four chunks a file, in its entry; of some files the first is replaced.
    Small,
}

impl Case {
    const ALL: [Case; 4] = [Case::Edit, Case::Scattered, Case::Films, Case::Small];

    const fn name(self) -> &'static str {
        match self {
            Case::Edit => "one file, 1 % in 4 runs",
            Case::Scattered => "one file, 1 % anywhere",
            Case::Films => "1 % of files of 100",
            Case::Small => "1 % of files of 4",
        }
    }

    /// Chunks of one file.
    const fn chunks_a_file(self, chunks: u64) -> u64 {
        match self {
            Case::Edit | Case::Scattered => chunks,
            Case::Films => 100,
            Case::Small => 4,
        }
    }

    /// The chunks of `chunks` that are replaced.
    fn replaced(self, chunks: u64) -> Vec<bool> {
        let mut rng = Rng::new(11);
        let mut replaced = vec![false; usize::try_from(chunks).unwrap_or_default()];
        let (runs, run) = match self {
            Case::Edit => (4, chunks / SHARE / 4),
            Case::Films => (chunks / SHARE / 100, 100),
            Case::Scattered => (chunks / SHARE, 1),
            Case::Small => (chunks / SHARE / 4, 1),
        };
        let step = if matches!(self, Case::Small) { 4 } else { run.max(1) };
        for _ in 0..runs.max(1) {
            let at = rng.below((chunks / step).max(1)) * step;
            let at = usize::try_from(at).unwrap_or_default();
            replaced
                .iter_mut()
                .skip(at)
                .take(usize::try_from(run).unwrap_or(1))
                .for_each(|chunk| *chunk = true);
        }
        replaced
    }
}

/// The library of the manifests.
const LIBRARY: LibraryId = LibraryId::from_bytes([1; 32]);

/// Times every case. `bytes` scales them down, for a run that only tests completion.
pub(crate) fn run(work: &Path, bytes: u64) -> Result<Table> {
    let chunks = (bytes / BYTES_PER_CHUNK).clamp(1_000, CHUNKS);
    let mut rows = Vec::new();
    for case in Case::ALL {
        let home = work.join("diff");
        let memory = MemoryObjects::new(LIBRARY);
        let disk = DiskStore::open(&home, Options::default())?;
        rows.push(measure(case, "in memory", chunks, &memory)?);
        rows.push(measure(case, "on disk, warm", chunks, &*disk.of(&LIBRARY))?);
        drop(disk);
        std::fs::remove_dir_all(home)?;
    }
    Ok(Table { chunks, rows })
}

fn measure(case: Case, place: &'static str, chunks: u64, store: &dyn Objects) -> Result<Row> {
    let replaced = case.replaced(chunks);
    let old = build(case, &vec![false; replaced.len()], store)?;
    let new = build(case, &replaced, store)?;
    store.commit()?;

    let counted = Counted { store, pages: Cell::default(), bytes: Cell::default(), ids: Cell::default() };
    let found = compare(&counted, &old, &new)?;
    let changed = replaced.iter().filter(|replaced| **replaced).count() as u64;
    ensure!(found.chunks >= changed, "{}: {} of {changed} chunks found", case.name(), found.chunks);
    let touched = counted.ids.take();

    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(time(|| compare(store, &old, &new))?);
        floor.push(time(|| hash(store, &touched))?);
    }
    let walk = time(|| Ok(walk(store, &old)? + walk(store, &new)?))?;
    Ok(Row {
        case,
        place,
        ours: median(ours),
        floor: median(floor),
        walk,
        pages: counted.pages.get(),
        bytes: counted.bytes.get(),
        page_bytes_a_chunk: found.page_bytes as f64 / changed.max(1) as f64,
    })
}

/// Builds a manifest in which the chunks of `replaced` differ from those of one without; returns its root.
fn build(case: Case, replaced: &[bool], store: &dyn Objects) -> Result<PageId> {
    let mut pages = Pages { store, waiting: Vec::new() };
    let mut tree = EntryTreeBuilder::new(store.library(), 0)?;
    let (mut old, mut new) = (Rng::new(7), Rng::new(13));
    let a_file = usize::try_from(case.chunks_a_file(replaced.len() as u64))?;
    for (number, file) in replaced.chunks(a_file).enumerate() {
        let mut content = ContentBuilder::new(store.library(), 0)?;
        let mut size = 0;
        for replaced in file {
            let chunk = chunk(&mut old);
            let chunk = if *replaced { self::chunk(&mut new) } else { chunk };
            size += u64::from(chunk.len);
            content.push(chunk, &mut pages)?;
        }
        let content = content.finish(&mut pages)?;
        let path = EntryPath::new(format!("电影/{:03}/film-{number:07}.mkv", number / 1000))?;
        tree.push(path, &entry(content, size), &mut pages)?;
    }
    let root = tree.finish(&mut pages)?.root;
    pages.flush()?;
    Ok(root)
}

fn chunk(rng: &mut Rng) -> ChunkRef {
    let mut id = [0; 32];
    rng.fill(&mut id);
    ChunkRef {
        id: ChunkId::from_bytes(id),
        len: 16_384 + u32::try_from(rng.below(65_536)).unwrap_or_default(),
    }
}

/// A file of a made-up library.
pub(crate) fn entry(content: Content, size: u64) -> Entry {
    Entry {
        kind: EntryKind::File,
        size,
        mtime: Timestamp { seconds: 1_800_000_000, nanos: 0 },
        mode: 0o644,
        profile: Profile::Video,
        content,
        target: None,
        extensions: Vec::new(),
    }
}

/// Passes pages to a store in batches.
struct Pages<'a> {
    store: &'a dyn Objects,
    waiting: Vec<Object>,
}

impl Pages<'_> {
    fn flush(&mut self) -> chuan_engine::Result<()> {
        self.store.append(std::mem::take(&mut self.waiting)).map(drop)
    }
}

impl PageSink for Pages<'_> {
    fn put(&mut self, id: PageId, bytes: Bytes) -> chuan_engine::Result<()> {
        self.waiting.push(Object::Page { id, bytes });
        if self.waiting.len() >= 512 { self.flush() } else { Ok(()) }
    }
}

/// Counts the pages and bytes that are read.
struct Counted<'a> {
    store: &'a dyn Objects,
    pages: Cell<u64>,
    bytes: Cell<u64>,
    ids: Cell<Vec<PageId>>,
}

impl PageSource for Counted<'_> {
    fn owner(&self) -> LibraryId {
        self.store.library()
    }

    fn page(&self, id: &PageId) -> chuan_engine::Result<Bytes> {
        let bytes = self.store.page(id)?;
        self.pages.set(self.pages.get() + 1);
        self.bytes.set(self.bytes.get() + bytes.len() as u64);
        let mut ids = self.ids.take();
        ids.push(*id);
        self.ids.set(ids);
        Ok(bytes)
    }
}

/// The result of a comparison.
struct Found<'a, S: ?Sized> {
    source: &'a S,
    page_bytes: u64,
    chunks: u64,
}

fn compare<'a, S: PageSource + ?Sized>(source: &'a S, old: &PageId, new: &PageId) -> Result<Found<'a, S>> {
    let mut found = Found { source, page_bytes: 0, chunks: 0 };
    diff::diff(source, Some(old), new, &mut found)?;
    Ok(found)
}

impl<S: PageSource + ?Sized> DiffSink for Found<'_, S> {
    fn page(&mut self, _: &PageId, bytes: &Bytes, _: Option<PagePosition>) -> chuan_engine::Result<()> {
        self.page_bytes += bytes.len() as u64;
        Ok(())
    }

    fn change(&mut self, change: Change, _: FirstChunk) -> chuan_engine::Result<()> {
        match change {
            Change::Changed { old, new, .. } => {
                diff::content(self.source, &[old.content], &new.content, self)
            }
            Change::Added { .. } | Change::Removed { .. } => Ok(()),
        }
    }
}

impl<S: PageSource + ?Sized> ContentSink for Found<'_, S> {
    fn page(&mut self, _: &PageId, bytes: &Bytes, _: Option<Stood>) -> chuan_engine::Result<()> {
        self.page_bytes += bytes.len() as u64;
        Ok(())
    }

    fn chunks(&mut self, run: &[(u64, ChunkRef)], _: Gap, _: &[Spare]) -> chuan_engine::Result<()> {
        self.chunks += run.len() as u64;
        Ok(())
    }
}

/// Reads pages and hashes each.
fn hash(store: &dyn Objects, pages: &[PageId]) -> Result<u64> {
    let mut bytes = 0;
    for id in pages {
        let page = store.page(id)?;
        ensure!(PageId::of(&store.library(), &page) == *id, "page {} is another", id.short());
        bytes += page.len() as u64;
    }
    Ok(bytes)
}

/// Reads all chunks of a manifest, in order.
fn walk(store: &dyn Objects, root: &PageId) -> Result<u64> {
    let mut chunks = 0;
    for entry in cursor::entries(store, root) {
        for chunk in cursor::chunks(store, &entry?.1.content) {
            chunks += u64::from(chunk?.len > 0);
        }
    }
    Ok(chunks)
}

fn time<T>(work: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let start = Instant::now();
    std::hint::black_box(work().context("timed work")?);
    Ok(start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The times of all cases.
#[derive(Debug)]
pub(crate) struct Table {
    chunks: u64,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    case: Case,
    place: &'static str,
    ours: Duration,
    floor: Duration,
    walk: Duration,
    pages: u64,
    bytes: u64,
    page_bytes_a_chunk: f64,
}

impl Table {
    /// Whether comparing an edit takes too long. Scattered changes are measured without a goal: then most
    /// pages differ, and reading them takes most of the time.
    pub(crate) fn missed(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.case, Case::Edit) && row.ours > GOAL)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\ndiff of two manifests of {} chunks, 1 % changed; medians of {RUNS} runs",
            self.chunks
        )?;
        writeln!(
            f,
            "{:24} {:14} {:>8}   {:>12} {:>10}   {:>6} {:>8}   {:>12}   goal: {} ms",
            "",
            "",
            "ms",
            "read+hash ms",
            "walk ms",
            "pages",
            "MB",
            "page B/chunk",
            GOAL.as_millis()
        )?;
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        for row in &self.rows {
            writeln!(
                f,
                "{:24} {:14} {:8.2}   {:12.2} {:10.1}   {:6} {:8.2}   {:12.0}   {}",
                row.case.name(),
                row.place,
                ms(row.ours),
                ms(row.floor),
                ms(row.walk),
                row.pages,
                row.bytes as f64 / 1e6,
                row.page_bytes_a_chunk,
                if row.ours > GOAL { "MISSED" } else { "reached" },
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_replaces_about_one_in_a_hundred() {
        for case in Case::ALL {
            let replaced = case.replaced(100_000).into_iter().filter(|replaced| *replaced).count();
            let expected = if matches!(case, Case::Small) { 250 } else { 1_000 };
            assert!((expected * 7 / 10..=expected).contains(&replaced), "{case:?}: {replaced}");
        }
    }
}
