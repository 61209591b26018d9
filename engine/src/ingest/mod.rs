//! Reads a directory or a file into the store and returns the entry trees that describe it, one for each
//! class.
//!
//! ```text
//!            work                     runs
//! planner ──────────► workers ─────────────────► assembler ──► store
//!   walk, previous      read, cut, name: each      path order, pages
//!   manifest, cache     mebibyte in one cache
//! ```
//!
//! All workers read a large file together, in parts. All channels are bounded, and the planner is at most a
//! fixed number of jobs and parts ahead of the assembler, so memory is bounded for any source. The assembler
//! runs on the caller's thread and reports progress there.
//!
//! This module signs nothing and moves no channel. An interrupted publish leaves chunks that no release
//! names. The next publish finds them and does not store them again.

mod assemble;
mod cache;
#[cfg(test)]
mod classes_tests;
mod collide;
mod delete;
mod exclude;
#[cfg(test)]
mod gap_tests;
mod item;
#[cfg(test)]
mod kind_tests;
mod large;
#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod parts_tests;
mod plan;
mod preview;
mod read;
mod room;
#[cfg(test)]
mod room_tests;
mod run;
mod seam;
mod secret;
#[cfg(test)]
mod secret_tests;
mod source;
mod tally;
#[cfg(test)]
mod tests;
mod total;
#[cfg(test)]
mod vanished_tests;
mod walk;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::{
    chunk::chunker::BufferPool,
    error::{Error, Result},
    home::Protected,
    id::PageId,
    limits::{CHUNKER_READ_BYTES, INGEST_PART_BYTES, INGEST_SMALL_BYTES},
    manifest::{
        EntryKind, EntryPath, PageSource, Sums, Timestamp,
        builder::Tree,
        classifier::Classifier,
        page::Page,
        union::{has, union},
    },
    progress::Progress,
    rights::{self, raised},
    store::Objects,
};

pub use cache::{Reader as ScanReader, Record as ScanRecord, ScanCache};
pub use delete::MaxDelete;
pub use exclude::{EXCLUDE_FILE, JUNK, Patterns};
pub use preview::preview;
pub use room::{Room, check_room};
pub use secret::{BACKUP_HEADING, KEY_ARMOR, KEY_HEADING, RECORD_FORMAT};
pub use tally::{Gap, Listed, Planned, PlannedChange, Tally};

use assemble::Assembler;
use delete::Gone;
use exclude::Excludes;
use large::Large;
use plan::{Item, Job, Previous, Rules, plan};
use read::{Work, Worker};
use run::Run;
use secret::refuse_home;
use source::Source;
use total::{Counting, WithTotal};
use walk::{Found, Walk, WalkRules, single};

/// Maximum number of runs that wait for the assembler. A run is about a mebibyte.
const QUEUE_RUNS: usize = 4;
/// Maximum number of jobs in progress.
const WINDOW_JOBS: usize = 64;
/// Maximum number of workers: more would only make a disk seek.
const WORKERS: usize = 4;

/// Buffers that a part fills.
#[expect(clippy::cast_possible_truncation, reason = "a part is some mebibytes")]
const PART_BUFFERS: usize = INGEST_PART_BYTES as usize / CHUNKER_READ_BYTES;

/// The source of a publish, and its options.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// A directory, or a regular file.
    pub source: PathBuf,
    /// The path of a source that is a file, in the library; without it, the file's name. A directory has
    /// none.
    pub path: Option<EntryPath>,
    /// The class of each path. Each class that this publisher may publish gets a tree, also if it is empty.
    pub classes: Classifier,
    /// The entry trees of those classes in the previous release, ascending by slot. Unchanged entries are
    /// taken from them, and paths keep their profile, also if they move to another class.
    pub previous: Vec<(u8, PageId)>,
    /// The path of the scan cache; with `None` every file is read.
    pub cache: Option<PathBuf>,
    /// Reads unchanged files too.
    pub check: bool,
    /// Patterns of names to leave out.
    pub patterns: Patterns,
    /// Takes a growing file up to the size that it had when it was opened, instead of keeping its published
    /// version.
    pub takes_growing: bool,
    /// Takes the extended attributes of files. Without it, the trees have none.
    pub xattrs: bool,
    /// How many of the published files, and of their bytes, may be missing from the source.
    pub max_delete: MaxDelete,
    /// The open home: it is never published, under any path.
    pub home: Option<PathBuf>,
    /// If the source is a file: adds it to the previous entries, or replaces the entry of the same name,
    /// instead of publishing it as the only file. Fails if the path of another entry collides with its name.
    pub keep_others: bool,
    /// The current time, by the clock of the source's file system.
    pub began: Timestamp,
}

impl Ingest {
    /// A first publish of `source` as the one class `default`, begun at `began`.
    pub fn new(source: impl Into<PathBuf>, began: Timestamp) -> Self {
        Self {
            source: source.into(),
            path: None,
            classes: Classifier::default(),
            previous: Vec::new(),
            cache: None,
            check: false,
            patterns: Patterns::default(),
            takes_growing: false,
            xattrs: false,
            max_delete: MaxDelete::default(),
            home: None,
            keep_others: false,
            began,
        }
    }
}

/// The result of a publish.
#[derive(Debug)]
pub struct IngestReport {
    /// The trees for the caller to sign, ascending by slot; their pages and chunks are durable.
    pub trees: Vec<(u8, Tree)>,
    /// The counts.
    pub tally: Tally,
    /// The scan cache; install it once the release is current.
    pub cache: Option<ScanCache>,
}

/// Publishes a source into `store`: reads changed files, appends new chunks and pages, commits, and returns
/// the trees for the caller to sign.
///
/// Blocks; stops within about a mebibyte of work once `cancel` is set. The store stays consistent on every
/// error.
///
/// # Errors
///
/// - [`Error::Invalid`] for a source that is a home or inside one, for paths in two classes, for malformed
///   patterns, if more is gone than [`Ingest::max_delete`] permits, and for a single file that cannot be
///   published.
/// - [`Error::Denied`] for paths in classes that this publisher may not publish.
/// - [`Error::Cancelled`], and any error of the store.
///
/// Items of a folder that cannot be published are not an error: they are listed in [`Tally::gaps`] and
/// [`Tally::unsettled`].
pub fn publish(
    store: &dyn Objects,
    ingest: &Ingest,
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<IngestReport> {
    publish_in_parts(store, ingest, INGEST_PART_BYTES, progress, cancel)
}

/// [`publish`] with large files cut in parts of `part_bytes`.
fn publish_in_parts(
    store: &dyn Objects,
    ingest: &Ingest,
    part_bytes: u64,
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<IngestReport> {
    let opened = Opened::new(ingest)?;
    let writer = ingest.cache.as_deref().map(cache::Writer::create).transpose().unwrap_or_else(|error| {
        tracing::warn!(%error, "scan cache not written; the next publish reads every file");
        None
    });
    let assembler = Assembler::new(store, ingest.classes.slots(), writer)?;
    let workers = thread::available_parallelism().map_or(2, usize::from).clamp(2, WORKERS);
    let (work, work_in) = bounded(workers);
    let (runs, runs_in) = bounded(QUEUE_RUNS);
    let (jobs, jobs_out) = bounded(WINDOW_JOBS);
    // One more than there are workers, so that a worker that ends a part need not wait for the part before
    // it.
    let (parts, parts_out) = bounded(workers + 1);
    let opened = &opened;
    let source = &opened.source;
    let (begin, begun) = bounded(1);
    let counting = &Counting::default();
    thread::scope(|scope| {
        scope.spawn(move || counting.run(store, ingest, opened, &begun));
        let planner = scope.spawn(move || {
            let window = Window { work, jobs, parts, part_bytes, cancel };
            run_planner(store, ingest, opened, &mut |job| window.emit(job))
        });
        // Parts that were cut early keep their buffers until their turn.
        let pool = Arc::new(BufferPool::new(2 * QUEUE_RUNS + workers * PART_BUFFERS));
        for _ in 0..workers {
            let (work_in, runs, pool) = (work_in.clone(), runs.clone(), Arc::clone(&pool));
            scope.spawn(move || {
                let send = &mut |run| runs.send(run).is_ok();
                let (takes_growing, xattrs) = (ingest.takes_growing, ingest.xattrs);
                let mut worker = Worker { source, store, pool, cancel, takes_growing, xattrs, send };
                work_in.into_iter().all(|work| worker.work(work));
            });
        }
        // Each channel end now belongs only to its threads, so that one thread that stops ends the others.
        drop((work_in, runs));
        let mut progress = WithTotal { progress, counting, begin: Some(begin) };
        let assembled = run_assembler(assembler, runs_in, (jobs_out, parts_out), &mut progress, cancel);
        counting.is_over.store(true, Ordering::Relaxed);
        drop(progress);
        let planned = planner.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let mut assembler = assembled?;
        let mut gone = planned?;
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        gone.complete(&mut assembler.tally)?;
        opened.check_single(&assembler.tally)?;
        assembler.finish(ingest.began)
    })
}

/// Limits how far the planner runs ahead.
struct Window<'a> {
    work: Sender<Work>,
    jobs: Sender<()>,
    parts: Sender<()>,
    part_bytes: u64,
    cancel: &'a AtomicBool,
}

impl Window<'_> {
    /// Sends a job to the workers once there is room for it; `false` if the workers or the assembler have
    /// ended.
    fn emit(&self, mut job: Job) -> bool {
        if self.cancel.load(Ordering::Relaxed) || self.jobs.send(()).is_err() {
            return false;
        }
        let large =
            job.items.pop_if(|item| matches!(item, Item::Read(read) if read.stat.size > INGEST_SMALL_BYTES));
        let Some(Item::Read(read)) = large else {
            return self.work.send(Work::Small(job)).is_ok();
        };
        let large = Arc::new(Large::new(job.number, *read, self.part_bytes));
        (0..large.parts()).all(|part| {
            self.parts.send(()).is_ok() && self.work.send(Work::Part(Arc::clone(&large), part)).is_ok()
        })
    }
}

/// Checks a source and the patterns, and reads nothing of it.
///
/// # Errors
///
/// Those of [`publish`] for a source that cannot be opened, or is a home, and for malformed patterns.
pub fn check(ingest: &Ingest) -> Result<()> {
    Opened::new(ingest).map(drop)
}

/// Whether a publish of this source would take no file and no link, as of an empty folder. An item that
/// cannot be taken counts as one.
///
/// # Errors
///
/// As [`publish`], for what is found before anything is read.
pub fn is_empty(ingest: &Ingest) -> Result<bool> {
    let opened = Opened::new(ingest)?;
    if opened.single.is_some() {
        return Ok(false);
    }
    let was_published = |_: &EntryPath| Ok(false);
    let rules =
        WalkRules { excludes: &opened.excludes, protected: &opened.protected, was_published: &was_published };
    for found in Walk::new(&opened.source, rules)? {
        if !matches!(found?, Found::Folder { .. } | Found::LeftOut(_)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The paths of the entries other than folders in `trees` whose name is `name`, at most `limit` of them, in
/// path order: where a file of this name may belong.
///
/// # Errors
///
/// Those of reading the trees.
pub fn paths_of_name(
    store: &dyn Objects,
    trees: &[(u8, PageId)],
    name: &str,
    limit: usize,
) -> Result<Vec<EntryPath>> {
    let mut paths = Vec::new();
    for entry in union(store, trees) {
        let (_, path, entry) = entry?;
        if paths.len() == limit {
            break;
        }
        if entry.kind != EntryKind::Folder && path.components().next_back() == Some(name) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// A source that was checked and may be published.
struct Opened {
    source: Source,
    /// The path in the library of the only file to publish, if the source is a file.
    single: Option<EntryPath>,
    excludes: Excludes,
    protected: Protected,
}

impl Opened {
    fn new(ingest: &Ingest) -> Result<Self> {
        let excludes = Excludes::new(&ingest.patterns)?;
        let protected = Protected::of(ingest.home.as_deref());
        let _covered = rights::cover(rights::is_kept_for(&ingest.source));
        let (source, single) = open(ingest)?;
        let _covered = source.cover();
        refuse_home(&ingest.source, &protected)?;
        Ok(Self { source, single, excludes, protected })
    }

    /// Fails if the source is a single file that was not taken: otherwise a release without it would be
    /// published.
    fn check_single(&self, tally: &Tally) -> Result<()> {
        let gaps = tally.gaps.first.iter().chain(&tally.unsettled.first).map(|gap| (&gap.path, &gap.reason));
        let left_out = tally.skipped.first.iter().map(|(path, why)| (path, why));
        match gaps.chain(left_out).next() {
            Some((path, why)) if self.single.is_some() => {
                Err(Error::Invalid(format!("{path:?} is not published: {why}")))
            }
            _ => Ok(()),
        }
    }
}

/// Opens the source; a file is opened as a name in its directory, and gets its path in the library.
fn open(ingest: &Ingest) -> Result<(Source, Option<EntryPath>)> {
    let path = ingest.source.as_path();
    let context = || format!("opening the source {}", path.display());
    let metadata = raised(|| std::fs::symlink_metadata(path)).map_err(|error| Error::io(context(), error))?;
    let is_directory = metadata.is_dir() || (metadata.is_symlink() && path.is_dir());
    if is_directory {
        return Ok((Source::open(path).map_err(|error| Error::io(context(), error))?, None));
    }
    let name = path.file_name().and_then(OsStr::to_str).ok_or_else(|| {
        Error::Invalid(format!("the name of {} is not UTF-8: rename it, then publish again", path.display()))
    })?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let at = match &ingest.path {
        Some(at) => at.clone(),
        None => EntryPath::new(name)
            .map_err(|error| Error::Invalid(format!("{error}: rename it, then publish again")))?,
    };
    let source = Source::of_file(parent, name, &at).map_err(|error| Error::io(context(), error))?;
    Ok((source, Some(at)))
}

/// Walks the source and emits the jobs; returns the published files that are gone.
fn run_planner(
    store: &dyn Objects,
    ingest: &Ingest,
    opened: &Opened,
    emit: &mut dyn FnMut(Job) -> bool,
) -> Result<Gone> {
    let cache = match &ingest.cache {
        Some(path) if !ingest.previous.is_empty() => cache::Reader::open(path, &ingest.previous),
        _ => None,
    };
    let mut gone = Gone::new(ingest.max_delete, published(store, &ingest.previous)?);
    let previous = Previous::new(union(store, &ingest.previous), cache)?;
    let (classes, check) = (&ingest.classes, ingest.check);
    match &opened.single {
        Some(path) => {
            let (path, stat) = (path.clone(), single(&opened.source, path)?);
            let only_path = ingest.keep_others.then(|| path.clone());
            let rules = Rules { classes, check, only_path };
            plan(std::iter::once(Ok(Found::File { path, stat })), previous, &rules, &mut gone, emit)?;
        }
        None => {
            let was_published = |path: &EntryPath| has(store, &ingest.previous, path);
            let walk_rules = WalkRules {
                excludes: &opened.excludes,
                protected: &opened.protected,
                was_published: &was_published,
            };
            let rules = Rules { classes, check, only_path: None };
            plan(Walk::new(&opened.source, walk_rules)?, previous, &rules, &mut gone, emit)?;
        }
    }
    Ok(gone)
}

/// The sums of the previous trees.
fn published(store: &dyn Objects, trees: &[(u8, PageId)]) -> Result<Sums> {
    trees.iter().try_fold(Sums::default(), |all, (_, root)| {
        let sums = Page::decode(&store.page(root)?)?.sums()?;
        all.checked_add(sums).ok_or_else(|| Error::Invalid("the classes' sums overflow".into()))
    })
}

/// Takes runs until there are no more. An early return drops the receivers, which ends every other thread.
fn run_assembler<'a>(
    mut assembler: Assembler<'a>,
    runs: Receiver<Run>,
    (jobs, parts): (Receiver<()>, Receiver<()>),
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<Assembler<'a>> {
    for run in &runs {
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let retired = assembler.take(run, progress)?;
        // The planner put one token into the channel for every job and every part.
        jobs.try_iter().take(retired.jobs).for_each(drop);
        parts.try_iter().take(retired.parts).for_each(drop);
    }
    Ok(assembler)
}
