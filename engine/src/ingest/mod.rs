//! Reads a directory or a file into the store and gives the entry tree that describes it.
//!
//! ```text
//!            jobs                 runs               named runs
//! planner ──────────► readers ──────────► hashers ──────────────► assembler ──► store
//!   walk, previous      read, cut            BLAKE3                  path order, pages
//!   manifest, cache
//! ```
//!
//! All channels are bounded, and the planner may be only so many jobs ahead of the one that is due, so memory is bounded
//! whatever the source holds. The assembler runs on the caller's thread: progress is heard there.
//!
//! Nothing here signs or moves a channel. A publish that stops half-way leaves chunks that no release names; the next
//! one finds them and does not store them again.

mod assemble;
mod cache;
mod plan;
mod read;
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
    chunk::chunker::BufferPool,
    error::{Error, Result},
    id::{ChunkId, PageId},
    manifest::{ChunkRef, Timestamp, builder::Tree, cursor},
    progress::Progress,
    store::Store,
};

pub use cache::ScanCache;

use assemble::Assembler;
use plan::{Job, Previous, Rules, plan};
use read::{FileReader, Run};
use source::Source;
use walk::{Found, Walk, enumeration, plural, single};

/// Runs waiting between two stages at most. A run is about a mebibyte.
const QUEUE_RUNS: usize = 4;
/// Jobs begun and not yet retired at most.
const WINDOW_JOBS: usize = 64;
/// Threads of a stage at most: more would only make a disk seek.
const STAGE_THREADS: usize = 4;

/// What is to be published, and how.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// A directory, or a regular file. A file is published under its name.
    pub source: PathBuf,
    /// The entry tree of the previous release: what is unchanged is taken from it, and paths keep their profile.
    pub previous: Option<PageId>,
    /// Where the scan cache is; `None` reads every file.
    pub cache: Option<PathBuf>,
    /// The slot of the class.
    pub slot: u8,
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
    /// A first publish of `source` into class slot 0, begun at `began`.
    pub fn new(source: impl Into<PathBuf>, began: Timestamp) -> Self {
        Self {
            source: source.into(),
            previous: None,
            cache: None,
            slot: 0,
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
    /// The tree that the caller signs; its pages and chunks are durable.
    pub tree: Tree,
    /// What was done.
    pub tally: Tally,
    /// The scan cache, to be installed once the release is current.
    pub cache: Option<ScanCache>,
}

/// What a publish did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files in the tree.
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

/// Publishes a source into `store`: reads what changed, appends new chunks and pages, commits, and gives the tree that
/// the caller signs.
///
/// Blocks; stops within about a mebibyte of work once `cancel` is set. Whatever it fails with, the store is whole.
///
/// # Errors
///
/// [`Error::Invalid`] for names that cannot be published and for files that cannot be read, with the remedy;
/// [`Error::Cancelled`]; whatever the store fails with.
pub fn publish(
    store: &dyn Store,
    ingest: &Ingest,
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<IngestReport> {
    let (source, name) = open(&ingest.source)?;
    let writer = ingest.cache.as_deref().map(cache::Writer::create).transpose().unwrap_or_else(|error| {
        tracing::warn!(%error, "scan cache not written; the next publish reads every file");
        None
    });
    let assembler = Assembler::new(store, ingest.slot, writer)?;
    let stages = thread::available_parallelism().map_or(2, usize::from).clamp(2, STAGE_THREADS);
    let (jobs, jobs_in) = bounded(stages);
    let (window, window_out) = bounded(WINDOW_JOBS);
    let (cut, cut_in) = bounded(QUEUE_RUNS);
    let (named, named_in) = bounded(QUEUE_RUNS);
    let source = &source;
    thread::scope(|scope| {
        let planner = scope.spawn(move || {
            let mut emit =
                |job| !cancel.load(Ordering::Relaxed) && window.send(()).is_ok() && jobs.send(job).is_ok();
            run_planner(store, ingest, source, name.as_deref(), &mut emit)
        });
        let pool = Arc::new(BufferPool::new(4 * QUEUE_RUNS));
        for _ in 0..stages {
            let (jobs_in, cut, pool) = (jobs_in.clone(), cut.clone(), Arc::clone(&pool));
            scope.spawn(move || run_reader(source, pool, cancel, &jobs_in, &cut));
            let (cut_in, named) = (cut_in.clone(), named.clone());
            scope.spawn(move || run_hasher(&cut_in, &named));
        }
        // Each end belongs to its threads alone now, so that one that stops ends the others.
        drop((jobs_in, cut, cut_in, named));
        let assembled = run_assembler(assembler, named_in, window_out, progress, cancel);
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
    store: &dyn Store,
    ingest: &Ingest,
    source: &Source,
    name: Option<&str>,
    emit: &mut dyn FnMut(Job) -> bool,
) -> Result<()> {
    let cache = match (&ingest.cache, &ingest.previous) {
        (Some(path), Some(root)) => cache::Reader::open(path, root),
        _ => None,
    };
    let entries = ingest.previous.iter().flat_map(|root| cursor::entries(store, root));
    let previous = Previous::new(entries, cache)?;
    match name {
        Some(name) => {
            let (path, stat) = single(source, name)?;
            let beside = ingest.keep_others.then(|| path.clone());
            let rules = Rules { check: ingest.check, beside };
            plan(std::iter::once(Ok(Found::File { path, stat })), previous, &rules, emit)
        }
        None => plan(Walk::new(source)?, previous, &Rules { check: ingest.check, beside: None }, emit),
    }
}

fn run_reader(
    source: &Source,
    pool: Arc<BufferPool>,
    cancel: &AtomicBool,
    jobs: &Receiver<Job>,
    cut: &Sender<Run>,
) {
    let send = &mut |run| cut.send(run).is_ok();
    let mut reader = FileReader { source, pool, cancel, send };
    for job in jobs {
        if !reader.job(job) {
            return;
        }
    }
}

fn run_hasher(cut: &Receiver<Run>, named: &Sender<Run>) {
    for mut run in cut {
        run.refs = run
            .chunks
            .iter()
            .map(|bytes| ChunkRef {
                id: ChunkId::of(bytes),
                len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            })
            .collect();
        if named.send(run).is_err() {
            return;
        }
    }
}

/// Takes runs until there are no more. Returning early drops the receivers, which ends every other thread.
fn run_assembler<'a>(
    mut assembler: Assembler<'a>,
    named: Receiver<Run>,
    window: Receiver<()>,
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<Assembler<'a>> {
    for run in &named {
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        for _ in 0..assembler.take(run, progress)? {
            // The planner put one in for every job.
            let _ = window.try_recv();
        }
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
