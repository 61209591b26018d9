//! Reads a directory or a file into the store and gives the entry trees that describe it, one a class.
//!
//! ```text
//!            work                     runs
//! planner ──────────► workers ─────────────────► assembler ──► store
//!   walk, previous      read, cut, name: each      path order, pages
//!   manifest, cache     mebibyte in one cache
//! ```
//!
//! A large file is worked on by all workers at once, in parts. All channels are bounded, and the planner may be only so many
//! jobs and parts ahead of the one that is due, so memory is bounded whatever the source holds. The assembler runs on the
//! caller's thread: progress is heard there.
//!
//! Nothing here signs or moves a channel. A publish that stops half-way leaves chunks that no release names; the next
//! one finds them and does not store them again.

mod assemble;
mod cache;
#[cfg(test)]
mod classes_tests;
mod large;
#[cfg(test)]
mod parts_tests;
mod plan;
mod read;
mod run;
mod seam;
mod source;
#[cfg(test)]
mod tests;
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
    chunk::chunker::{BufferPool, READ_BYTES},
    error::{Error, Result},
    id::PageId,
    limits::INGEST_PART_BYTES,
    manifest::{Timestamp, builder::Tree, classifier::Classifier, union::union},
    progress::Progress,
    store::Objects,
};

pub use cache::ScanCache;

use assemble::Assembler;
use large::Large;
use plan::{Item, Job, Previous, Rules, plan};
use read::{SMALL_BYTES, Work, Worker};
use run::Run;
use source::Source;
use walk::{Found, Walk, enumeration, plural, single};

/// Runs waiting for the assembler at most. A run is about a mebibyte.
const QUEUE_RUNS: usize = 4;
/// Jobs begun and not yet retired at most.
const WINDOW_JOBS: usize = 64;
/// Workers at most: more would only make a disk seek.
const WORKERS: usize = 4;

/// Buffers that a part fills.
#[expect(clippy::cast_possible_truncation, reason = "a part is some mebibytes")]
const PART_BUFFERS: usize = INGEST_PART_BYTES as usize / READ_BYTES;

/// What is to be published, and how.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// A directory, or a regular file. A file is published under its name.
    pub source: PathBuf,
    /// Which path is in which class. There will be a tree for each that is ours, also where nothing is in it.
    pub classes: Classifier,
    /// The entry trees of those classes in the previous release, by slot, ascending: what is unchanged is taken from them,
    /// and paths keep their profile, also where they are now in another class.
    pub previous: Vec<(u8, PageId)>,
    /// Where the scan cache is; `None` reads every file.
    pub cache: Option<PathBuf>,
    /// Reads unchanged files too.
    pub check: bool,
    /// Publishes without the files that cannot be read, rather than fail.
    pub skip_unreadable: bool,
    /// Where the source is a file: adds it to the previous entries, or puts it in the place of the one of its name,
    /// rather than make it the only one. Refused where another entry's path collides with its name.
    pub keep_others: bool,
    /// The time now, by the clock of the source's file system.
    pub began: Timestamp,
}

impl Ingest {
    /// A first publish of `source` as the one class `default`, begun at `began`.
    pub fn new(source: impl Into<PathBuf>, began: Timestamp) -> Self {
        Self {
            source: source.into(),
            classes: Classifier::default(),
            previous: Vec::new(),
            cache: None,
            check: false,
            skip_unreadable: false,
            keep_others: false,
            began,
        }
    }
}

/// What a publish made and did.
#[derive(Debug)]
pub struct IngestReport {
    /// The trees that the caller signs, by slot, ascending; their pages and chunks are durable.
    pub trees: Vec<(u8, Tree)>,
    /// What was done.
    pub tally: Tally,
    /// The scan cache, to be installed once the release is current.
    pub cache: Option<ScanCache>,
}

/// What a publish did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files in the trees.
    pub files: u64,
    /// Of these, the ones that were read.
    pub files_read: u64,
    /// Bytes of the files that were read.
    pub bytes_read: u64,
    /// Bytes of the files that were not.
    pub bytes_skipped: u64,
    /// Chunks that the store did not hold.
    pub chunks_new: u64,
    /// Their bytes.
    pub chunk_bytes_new: u64,
    /// Bytes of pages that the store did not hold.
    pub page_bytes_new: u64,
    /// Links and special files.
    pub skipped: Passed,
    /// What could not be read, where [`Ingest::skip_unreadable`] allowed it.
    pub unreadable: Passed,
}

/// Paths that were passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// How many.
    pub count: u64,
    /// The first of them, with the reason.
    pub first: Vec<(String, String)>,
}

impl Passed {
    /// How many are named at most.
    pub const NAMED: usize = 100;
}

/// Publishes a source into `store`: reads what changed, appends new chunks and pages, commits, and gives the trees that
/// the caller signs.
///
/// Blocks; stops within about a mebibyte of work once `cancel` is set. Whatever it fails with, the store is whole.
///
/// # Errors
///
/// [`Error::Invalid`] for names that cannot be published, paths in two classes and files that cannot be read, with the
/// remedy; [`Error::Denied`] for paths in classes that are not ours; [`Error::Cancelled`]; whatever the store fails with.
pub fn publish(
    store: &dyn Objects,
    ingest: &Ingest,
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<IngestReport> {
    publish_in_parts(store, ingest, INGEST_PART_BYTES, progress, cancel)
}

/// [`publish`] with large files cut in parts of so many bytes.
fn publish_in_parts(
    store: &dyn Objects,
    ingest: &Ingest,
    part_bytes: u64,
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<IngestReport> {
    let (source, name) = open(&ingest.source)?;
    let writer = ingest.cache.as_deref().map(cache::Writer::create).transpose().unwrap_or_else(|error| {
        tracing::warn!(%error, "scan cache not written; the next publish reads every file");
        None
    });
    let assembler = Assembler::new(store, ingest.classes.slots(), writer)?;
    let workers = thread::available_parallelism().map_or(2, usize::from).clamp(2, WORKERS);
    let (work, work_in) = bounded(workers);
    let (runs, runs_in) = bounded(QUEUE_RUNS);
    let (jobs, jobs_out) = bounded(WINDOW_JOBS);
    // One more than are worked on, so that who ends a part need not wait for the one before it to end.
    let (parts, parts_out) = bounded(workers + 1);
    let source = &source;
    thread::scope(|scope| {
        let planner = scope.spawn(move || {
            let window = Window { work, jobs, parts, part_bytes, cancel };
            run_planner(store, ingest, source, name.as_deref(), &mut |job| window.emit(job))
        });
        // Parts that were cut ahead of their turn keep their buffers.
        let pool = Arc::new(BufferPool::new(2 * QUEUE_RUNS + workers * PART_BUFFERS));
        for _ in 0..workers {
            let (work_in, runs, pool) = (work_in.clone(), runs.clone(), Arc::clone(&pool));
            scope.spawn(move || {
                let send = &mut |run| runs.send(run).is_ok();
                let mut worker = Worker { source, store, pool, cancel, send };
                work_in.into_iter().all(|work| worker.work(work));
            });
        }
        // Each end belongs to its threads alone now, so that one that stops ends the others.
        drop((work_in, runs));
        let assembled = run_assembler(assembler, runs_in, (jobs_out, parts_out), progress, cancel);
        let planned = planner.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let assembler = assembled?;
        planned?;
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        if !ingest.skip_unreadable {
            refuse_unreadable(&assembler.tally.unreadable)?;
        }
        assembler.finish(ingest.began)
    })
}

/// Lets the planner only so far ahead.
struct Window<'a> {
    work: Sender<Work>,
    jobs: Sender<()>,
    parts: Sender<()>,
    part_bytes: u64,
    cancel: &'a AtomicBool,
}

impl Window<'_> {
    /// Hands a job on as work once there is room for it; `false` when nobody wants it any more.
    fn emit(&self, mut job: Job) -> bool {
        if self.cancel.load(Ordering::Relaxed) || self.jobs.send(()).is_err() {
            return false;
        }
        let large = job.items.pop_if(|item| matches!(item, Item::Read { size, .. } if *size > SMALL_BYTES));
        let Some(Item::Read { path, slot, size, profile, old }) = large else {
            return self.work.send(Work::Small(job)).is_ok();
        };
        let large = Arc::new(Large::new(job.number, (path, slot), size, profile, old, self.part_bytes));
        (0..large.parts()).all(|part| {
            self.parts.send(()).is_ok() && self.work.send(Work::Part(Arc::clone(&large), part)).is_ok()
        })
    }
}

/// Opens the source; a file is a name in its directory.
fn open(path: &Path) -> Result<(Source, Option<String>)> {
    let context = || format!("opening the source {}", path.display());
    let metadata = std::fs::symlink_metadata(path).map_err(|error| Error::io(context(), error))?;
    let is_directory = metadata.is_dir() || (metadata.is_symlink() && path.is_dir());
    if is_directory {
        return Ok((Source::open(path).map_err(|error| Error::io(context(), error))?, None));
    }
    let name = path.file_name().and_then(OsStr::to_str).ok_or_else(|| {
        Error::Invalid(format!("the name of {} is not UTF-8: rename it, then publish again", path.display()))
    })?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let source = Source::open(parent).map_err(|error| Error::io(context(), error))?;
    Ok((source, Some(name.to_owned())))
}

fn run_planner(
    store: &dyn Objects,
    ingest: &Ingest,
    source: &Source,
    name: Option<&str>,
    emit: &mut dyn FnMut(Job) -> bool,
) -> Result<()> {
    let cache = match &ingest.cache {
        Some(path) if !ingest.previous.is_empty() => cache::Reader::open(path, &ingest.previous),
        _ => None,
    };
    let previous = Previous::new(union(store, &ingest.previous), cache)?;
    let (classes, check) = (&ingest.classes, ingest.check);
    match name {
        Some(name) => {
            let (path, stat) = single(source, name)?;
            let beside = ingest.keep_others.then(|| path.clone());
            let rules = Rules { classes, check, beside };
            plan(std::iter::once(Ok(Found::File { path, stat })), previous, &rules, emit)
        }
        None => plan(Walk::new(source)?, previous, &Rules { classes, check, beside: None }, emit),
    }
}

/// Takes runs until there are no more. Returning early drops the receivers, which ends every other thread.
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
        // The planner put one in for every job and every part.
        jobs.try_iter().take(retired.jobs).for_each(drop);
        parts.try_iter().take(retired.parts).for_each(drop);
    }
    Ok(assembler)
}

fn refuse_unreadable(unreadable: &Passed) -> Result<()> {
    if unreadable.count == 0 {
        return Ok(());
    }
    let count = usize::try_from(unreadable.count).unwrap_or(usize::MAX);
    let named: Vec<_> =
        unreadable.first.iter().take(20).map(|(path, why)| format!("{path:?} ({why})")).collect();
    Err(Error::Invalid(format!(
        "{} not be read: {}; mend that and publish again, or publish with --skip-unreadable",
        plural(count, "file could", "files could"),
        enumeration(&named, count)
    )))
}
