//! Brings a folder to a release: writes its files, verified; leaves alone what is right; and with
//! [`delete`](Restore::delete) removes what the release does not have.
//!
//! A plan is made from three sorted lists: what the release has, what the last restore left (`record`), and what
//! stands in the folder (`disk`). Two threads carry it out: the caller's looks at the destination and fetches bytes,
//! from the store or from the old file in a path's place; the other one writes. A bounded channel of batches is between
//! them. Memory does not grow with the number of files.
//!
//! A restore that stops half-way leaves whole files and, at worst, unfinished ones in a folder of its own, which the next
//! restore removes. What cannot be restored is listed, and the rest goes on.

mod action;
mod batch;
#[cfg(test)]
mod bytes_tests;
mod destination;
mod disk;
#[cfg(test)]
mod escape_tests;
mod failures;
mod fetch;
mod held;
#[cfg(test)]
mod home_tests;
mod journal;
mod levels;
mod links;
#[cfg(test)]
mod locked_tests;
mod locks;
#[cfg(test)]
mod memory_tests;
mod names;
#[cfg(test)]
mod names_tests;
mod old;
mod output;
#[cfg(test)]
mod part_tests;
mod plan;
#[cfg(test)]
mod plan_tests;
mod range;
mod record;
#[cfg(test)]
mod record_tests;
mod remove;
mod select;
mod stat;
#[cfg(test)]
mod sync_tests;
mod temp;
#[cfg(test)]
mod temp_tests;
#[cfg(test)]
mod tests;
mod write;

use std::{
    collections::HashMap,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    thread,
};

use cap_std::fs::Dir;
use crossbeam_channel::bounded;
use rustix::{
    fs::{FlockOperation, flock, fstatvfs},
    io::Errno,
};

use crate::{
    chunk::chunker::BufferPool,
    error::{Error, Result},
    id::{ChunkId, PageId},
    ingest::{Protected, home_around},
    manifest::{EntryKind, PageSource},
    progress::{Counts, Progress},
    store::Objects,
};

pub use failures::{Failure, FailureKind};
pub use range::read_range;
pub use temp::is_temp_name;

use action::{Action, Rules, Wanted};
use batch::Batch;
use destination::Destination;
use disk::DiskWalk;
use failures::Failures;
use fetch::Fetcher;
use journal::Journal;
use links::{Links, Shared};
use locks::Locks;
use plan::Plan;
use record::Files;
use select::{Paths, Selection};
use stat::DiskKind;
use temp::TempNames;
use write::{Failed, Written};

/// Batches between the two threads at most.
const QUEUE_BATCHES: usize = 2;

/// What is to be restored, and how.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The entry trees of the classes, by slot, ascending.
    pub trees: Vec<(u8, PageId)>,
    /// The directory to write to; made if it is not there.
    pub dest: PathBuf,
    /// Only this path and what is beneath it, or what this pattern matches and what is beneath that: `*` stays within a
    /// component, `**` does not.
    pub filter: Option<String>,
    /// Compares the content also of files that have not changed since the last restore.
    pub check: bool,
    /// Removes what the release does not have, within what `filter` selects.
    pub delete: bool,
    /// Files that were one file under several names become so again.
    pub hard_links: bool,
    /// Changes nothing, and tells [`Progress::planned`] what would be done.
    pub dry_run: bool,
    /// The directory of the records of what was restored where; without it nothing is remembered.
    pub records: Option<PathBuf>,
    /// The home that is open: no part of it is touched, under whatever path it is met.
    pub home: Option<PathBuf>,
}

impl Restore {
    /// Restores all of `trees` to `dest`.
    pub fn new(trees: Vec<(u8, PageId)>, dest: impl Into<PathBuf>) -> Self {
        Self {
            trees,
            dest: dest.into(),
            filter: None,
            check: false,
            delete: false,
            hard_links: true,
            dry_run: false,
            records: None,
            home: None,
        }
    }
}

/// What a restore did, or, of a dry run, would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Files that are now as the manifest says.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of the files, those that were so before, or all but for time and mode.
    pub files_unchanged: u64,
    /// Of the files, those that are further names of another one.
    pub files_linked: u64,
    /// Bytes of the files that were written anew. Where the file system can share blocks between files, what stayed in its
    /// place in a changed file is not among them.
    pub bytes_written: u64,
    /// Of these, bytes that came from the old file in the same place rather than from the store.
    pub bytes_reused: u64,
    /// Folders that are now as the manifest says.
    pub folders: u64,
    /// Symbolic links that are now as the manifest says.
    pub links: u64,
    /// Files, links and special files that were removed.
    pub files_removed: u64,
    /// Folders that were removed.
    pub folders_removed: u64,
    /// Files, links and special files that stay though the release does not have them.
    pub files_left: u64,
    /// Folders that stay though the release does not have them. What is in one that no restore made is not counted.
    pub folders_left: u64,
    /// What could not be restored: the first [`RESTORE_FAILURES`](crate::limits::RESTORE_FAILURES), in path order.
    pub failures: Vec<Failure>,
    /// How many there are.
    pub failures_total: u64,
    /// The worst of them.
    pub failure: Option<FailureKind>,
}

/// Brings a folder to a release, and makes that durable before it returns.
///
/// Set-user-id, set-group-id and sticky bits are not restored. Blocks; stops within a few mebibytes of work once `cancel`
/// is set.
///
/// What cannot be restored by itself is listed in the report, and the rest goes on.
///
/// # Errors
///
/// [`Error::Full`] before anything is written where space is lacking; [`Error::Busy`] where another restore writes to
/// the same destination; [`Error::Invalid`] for a malformed pattern; [`Error::Missing`] where nothing is selected, or a page
/// of the manifest is not held; [`Error::Cancelled`]; what the store or the destination as a whole fails with.
pub fn restore(
    store: &dyn Objects,
    restore: &Restore,
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<RestoreReport> {
    let selection = Selection::new(store, &restore.trees, restore.filter.as_deref())?;
    let dest = &restore.dest;
    let protected = Protected::of(restore.home.as_deref());
    refuse_home(dest, &protected)?;
    if !restore.dry_run {
        std::fs::create_dir_all(dest)
            .map_err(|error| Error::io(format!("making the destination {}", dest.display()), error))?;
        // Once more: `..` behind a folder that was made only now may lead into one.
        refuse_home(dest, &protected)?;
    }
    let is_there = !restore.dry_run || dest.exists();
    let locks = Locks::new(protected, restore.dry_run);
    let temp = temp::folder_name(open_top(dest, is_there)?.as_ref(), |name| selection.has(name))?;
    let temps = TempNames::new(&temp);
    let mut looking = is_there.then(|| Destination::open(dest, &temps, &locks)).transpose()?;
    let _lock = (!restore.dry_run).then(|| lock(dest)).transpose()?;
    if let Some(looking) = &mut looking {
        check_space(&selection, looking, restore)?;
    }
    let total = selection.total()?;
    let record = record_files(restore, is_there)?;
    let last = record.as_ref().map(Files::read).into_iter().flatten();
    let rules = Rules { deletes: restore.delete };
    let paths = selection.paths();
    let disk = DiskWalk::new(dest, &temps, &locks, Box::new(|path: &str| selection.has(path)))?;
    let plan = Plan::new(selection.entries(), last, disk, |path: &[u8]| paths.has(path), rules);

    let (steps, steps_in) = bounded(QUEUE_BATCHES);
    let fetcher = Fetcher {
        store,
        destination: looking,
        checks: restore.check,
        shared: Shared::default(),
        links: restore.hard_links.then(|| Links::new(&selection)),
        cancel,
        progress,
        pool: Arc::new(BufferPool::new(4)),
        batch: Batch::default(),
        // Without a receiver of steps nothing is done.
        steps: (!restore.dry_run).then_some(steps),
        counts: total.unwrap_or_default(),
        report: RestoreReport::default(),
        failures: Failures::default(),
        failed: Failed::default(),
        zeros: HashMap::new(),
    };
    let writing = if restore.dry_run { None } else { Some(Destination::open(dest, &temps, &locks)?) };
    let Some(mut writing) = writing else { return looked_at(fetcher, plan) };
    writing.begin()?;
    let journal = record.and_then(Journal::begin);
    let (written, outcome) = thread::scope(|scope| {
        let writer = scope.spawn(move || write::write(writing, journal, &steps_in));
        let mut fetcher = fetcher;
        let fetched = fetcher.all(plan);
        let Fetcher { report, failures, failed, steps, .. } = fetcher;
        // The writer ends when there is no sender any more.
        drop(steps);
        let (written, wrote) = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // Where the writer failed, the fetcher only found that nothing is received any more.
        (written, wrote.and(fetched).map(|()| (report, failures, failed)))
    });
    let Written { mut destination, journal, failures, failed, files_removed, folders_removed } = written;
    let synced = destination
        .sync()
        .map_err(|error| Error::io(format!("syncing the destination {}", dest.display()), error));
    // Also after a failure: what was written and removed so far is known to the next restore.
    if let Some(journal) = journal {
        journal.finish(&mut destination, outcome.is_ok());
    }
    let (mut report, looked, not_had) = outcome?;
    synced?;
    (report.files_removed, report.folders_removed) = (files_removed, folders_removed);
    for failed in [failed, not_had] {
        report.files = report.files.saturating_sub(failed.files);
        report.bytes = report.bytes.saturating_sub(failed.bytes);
        report.links = report.links.saturating_sub(failed.links);
        report.folders = report.folders.saturating_sub(failed.folders);
    }
    (report.failures, report.failures_total, report.failure) = looked.join(failures);
    Ok(report)
}

/// Carries out a plan as far as it only looks.
fn looked_at(mut fetcher: Fetcher<'_>, plan: impl Iterator<Item = Result<Action>>) -> Result<RestoreReport> {
    fetcher.all(plan)?;
    let Fetcher { mut report, failures, .. } = fetcher;
    (report.failures, report.failures_total, report.failure) = failures.join(Failures::default());
    Ok(report)
}

impl<S: PageSource + ?Sized> Selection<'_, S> {
    /// Totals, where they are known without a walk.
    fn total(&self) -> Result<Option<Counts>> {
        if !matches!(self.paths(), Paths::All) {
            return Ok(None);
        }
        let sums = self.sums()?;
        Ok(Some(Counts { files_total: Some(sums.files), bytes_total: Some(sums.bytes), ..Counts::default() }))
    }
}

/// Where the destination's record lies: it is named after the destination's canonical path.
fn record_files(restore: &Restore, is_there: bool) -> Result<Option<Files>> {
    let Some(records) = restore.records.as_ref().filter(|_| is_there) else { return Ok(None) };
    let dest = &restore.dest;
    let folder = dest
        .canonicalize()
        .map_err(|error| Error::io(format!("resolving the destination {}", dest.display()), error))?;
    let folder = folder.as_os_str().as_bytes();
    Files::at(&records.join(ChunkId::of(folder).to_string()), folder).map(Some)
}

/// Refuses a destination that is, or lies in, a home or a protected folder.
fn refuse_home(dest: &Path, protected: &Protected) -> Result<()> {
    match protected_around(dest, protected)? {
        Some(home) => Err(Error::Invalid(format!(
            "the destination {} is, or lies in, the home of a node or a part of one, {}: nothing is restored into a \
             home; choose another folder",
            dest.display(),
            home.display()
        ))),
        None => Ok(()),
    }
}

/// The home of a node, or the part of the home at `home`, that a folder is or lies in. Parts are known by
/// their inodes, so also where they lie behind a symbolic link or are mounted a second time. The end of
/// `folder` need not be there.
///
/// # Errors
///
/// [`Error::Io`] where the path cannot be made absolute.
pub fn home_of(folder: &Path, home: &Path) -> Result<Option<PathBuf>> {
    protected_around(folder, &Protected::of(Some(home)))
}

fn protected_around(folder: &Path, protected: &Protected) -> Result<Option<PathBuf>> {
    let context = |error| Error::io(format!("resolving the destination {}", folder.display()), error);
    let path = std::path::absolute(folder).map_err(context)?;
    // The rest is not there yet, and will be a folder of its own.
    let Some(real) = path.ancestors().find_map(|above| above.canonicalize().ok()) else { return Ok(None) };
    Ok(home_around(&real, protected).map(Path::to_owned))
}

/// The destination itself, where it is there.
fn open_top(dest: &Path, is_there: bool) -> Result<Option<Dir>> {
    let open = || std::fs::File::open(dest).map(Dir::from_std_file);
    let opened = is_there.then(open).transpose();
    opened.map_err(|error| Error::io(format!("opening the destination {}", dest.display()), error))
}

/// Keeps a second restore out: each would remove the other's unfinished files. Ends with the handle.
fn lock(dest: &Path) -> Result<std::fs::File> {
    let context = || format!("locking the destination {}", dest.display());
    let folder = std::fs::File::open(dest).map_err(|error| Error::io(context(), error))?;
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(Error::Busy(format!(
            "another restore is writing to {}; wait for it, or choose another destination",
            dest.display()
        ))),
        // Some network file systems have no locks.
        Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(folder),
        Err(error) => Err(Error::io(context(), error.into())),
    }
}

/// Refuses to begin what cannot fit. Looks at the files themselves only where space might be short.
fn check_space<S: PageSource + ?Sized>(
    selection: &Selection<'_, S>,
    looking: &mut Destination,
    restore: &Restore,
) -> Result<()> {
    let Ok(stat) = fstatvfs(looking.as_fd()) else { return Ok(()) };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if selection.sums()?.bytes <= free {
        return Ok(());
    }
    let (mut growth, mut replaced) = (0u64, 0);
    for wanted in selection.entries() {
        let Wanted { path, entry, .. } = wanted?;
        // A further name of a file takes no room, and neither do holes.
        if entry.kind != EntryKind::File || (restore.hard_links && entry.link_group().is_some()) {
            continue;
        }
        let holes = entry.holes().iter().fold(0u64, |sum, hole| sum.saturating_add(hole.end - hole.start));
        let size = entry.size.saturating_sub(holes);
        let old = looking.look(path.as_str()).ok().flatten().filter(|old| old.kind == DiskKind::File);
        let old = match old {
            Some(old) if old.mark.size == entry.size && old.mark.mtime == entry.mtime => continue,
            old => old.map_or(0, |old| old.mark.size),
        };
        growth = growth.saturating_add(size.saturating_sub(old));
        // Old and new stand side by side until the new one is whole.
        replaced = old.min(size).max(replaced);
    }
    let needed = growth.saturating_add(replaced);
    if needed <= free {
        return Ok(());
    }
    Err(Error::Full(format!(
        "restoring needs {needed} bytes and {} has {free} free; make room, restore elsewhere, or restore less with --path",
        restore.dest.display()
    )))
}
