//! Brings a folder to the state of a release: writes its files, verified; leaves files alone that are right;
//! and with [`delete`](Restore::delete) removes items that the release does not have.
//!
//! The plan is made from three sorted lists: the release, the record of the last restore (`record`), and the
//! folder (`disk`). Several threads carry it out. The caller's thread examines the destination and fetches
//! bytes, from the store or from the old file at a path; another thread writes, and takes small files from
//! threads that create them (`small`). Bounded channels of batches connect them. Memory does not grow with
//! the number of files.
//!
//! An interrupted restore leaves complete files and possibly unfinished ones in a folder of its own, which
//! the next restore removes. Items that cannot be restored are listed, and the rest continues.

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
mod hard_links;
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
mod small;
#[cfg(test)]
mod small_tests;
mod stat;
#[cfg(test)]
mod sync_tests;
mod temp;
#[cfg(test)]
mod temp_tests;
#[cfg(test)]
mod tests;
mod write;
#[cfg(test)]
mod xattr_tests;

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
    home::{Protected, home_around},
    id::{ChunkId, PageId},
    limits::{RESTORE_MAKERS, RESTORE_QUEUE_SHARES},
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
use small::Outlet;
use stat::DiskKind;
use temp::TempNames;
use write::{Failed, Written};

/// Maximum number of batches between the two threads.
const QUEUE_BATCHES: usize = 2;

/// The source of a restore, and its options.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The entry trees of the classes, ascending by slot.
    pub trees: Vec<(u8, PageId)>,
    /// The directory to write to; created if it does not exist.
    pub dest: PathBuf,
    /// Restores only this path with everything beneath it, or the paths that match this pattern with
    /// everything beneath them: `*` stays within a component, `**` does not.
    pub filter: Option<String>,
    /// Also compares the content of files that have not changed since the last restore.
    pub check: bool,
    /// Removes items that the release does not have, within the paths that `filter` selects.
    pub delete: bool,
    /// Restores hard links: files that were one file under several names become one file again.
    pub hard_links: bool,
    /// Gives files the extended attributes of the release, and removes others of the namespace `user`.
    /// Without it, extended attributes are neither set nor removed.
    pub xattrs: bool,
    /// Changes nothing, and reports every planned change to [`Progress::planned`].
    pub dry_run: bool,
    /// The directory of the records of restored folders; without it nothing is remembered.
    pub records: Option<PathBuf>,
    /// The open home: no part of it is changed, under any path.
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
            xattrs: false,
            dry_run: false,
            records: None,
            home: None,
        }
    }
}

/// The result of a restore or of a dry run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Files that are now as in the manifest.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of the files, those that were unchanged, or differed only in time or mode.
    pub files_unchanged: u64,
    /// Of the files, those that are hard links to another one.
    pub files_linked: u64,
    /// Bytes of the files that were written anew. If the file system can share blocks between files, bytes of
    /// a changed file that stayed in place are not included.
    pub bytes_written: u64,
    /// Of these, the bytes that came from the old file at the path, not from the store.
    pub bytes_reused: u64,
    /// Files whose extended attributes in the release were not restored, since that was not requested.
    pub xattrs_left: u64,
    /// Folders that are now as in the manifest.
    pub folders: u64,
    /// Symbolic links that are now as in the manifest.
    pub links: u64,
    /// Files, links and special files that were removed.
    pub files_removed: u64,
    /// Folders that were removed.
    pub folders_removed: u64,
    /// Files, links and special files that the release does not have and that stay.
    pub files_left: u64,
    /// Folders that the release does not have and that stay. The content of a folder that no restore made is
    /// not counted.
    pub folders_left: u64,
    /// The paths that could not be restored: the first [`RESTORE_FAILURES`](crate::limits::RESTORE_FAILURES),
    /// in path order.
    pub failures: Vec<Failure>,
    /// The number of failures.
    pub failures_total: u64,
    /// The worst kind of failure.
    pub failure: Option<FailureKind>,
}

/// Brings a folder to the state of a release, and makes that durable before it returns.
///
/// Set-user-id, set-group-id and sticky bits are not restored. Blocks; stops within a few mebibytes of work
/// once `cancel` is set.
///
/// An item that cannot be restored is listed in the report, and the rest continues.
///
/// # Errors
///
/// - [`Error::Full`] before anything is written, if space is lacking.
/// - [`Error::Busy`] if another restore writes to the same destination.
/// - [`Error::Invalid`] for a malformed pattern, and for a destination in a home.
/// - [`Error::Missing`] if nothing is selected, or if a page of the manifest is not held.
/// - [`Error::Cancelled`], and errors of the store or of the whole destination.
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
        // Checked once more: `..` behind a folder that was created only now may lead into a home.
        refuse_home(dest, &protected)?;
    }
    let is_there = !restore.dry_run || dest.exists();
    let locks = Locks::new(protected, restore.dry_run);
    let temp = temp::folder_name(open_top(dest, is_there)?.as_ref(), |name| selection.has(name))?;
    let temps = TempNames::new(&temp);
    let mut reading = is_there.then(|| Destination::open(dest, &temps, &locks)).transpose()?;
    let _lock = (!restore.dry_run).then(|| lock(dest)).transpose()?;
    if let Some(reading) = &mut reading {
        check_space(&selection, reading, restore)?;
    }
    let total = selection.total()?;
    let record = record_files(restore, is_there)?;
    let last = record.as_ref().map(Files::read).into_iter().flatten();
    let rules = Rules { deletes: restore.delete };
    let paths = selection.paths();
    let disk = DiskWalk::new(dest, &temps, &locks, Box::new(|path: &str| selection.has(path)))?;
    let plan = Plan::new(selection.entries(), last, disk, |path: &[u8]| paths.has(path), rules);

    let (steps, steps_in) = bounded(QUEUE_BATCHES);
    let (shares, shares_in) = bounded(RESTORE_QUEUE_SHARES);
    let fetcher = Fetcher {
        store,
        destination: reading,
        checks: restore.check,
        xattrs: restore.xattrs,
        shared: Shared::default(),
        links: restore.hard_links.then(|| Links::new(&selection)),
        cancel,
        progress,
        pool: Arc::new(BufferPool::new(4)),
        batch: Batch::default(),
        // Without a receiver of steps nothing is written.
        steps: (!restore.dry_run).then(|| Outlet { steps, shares, temps: temps.clone() }),
        counts: total.unwrap_or_default(),
        report: RestoreReport::default(),
        failures: Failures::default(),
        failed: Failed::default(),
        zeros: HashMap::new(),
    };
    let writing = if restore.dry_run { None } else { Some(Destination::open(dest, &temps, &locks)?) };
    let Some(mut writing) = writing else { return run_dry(fetcher, plan) };
    let unfinished = writing.begin()?;
    let journal = record.and_then(Journal::begin);
    let (written, outcome) = thread::scope(|scope| {
        for number in 0..RESTORE_MAKERS {
            let (unfinished, shares_in) = (unfinished.clone(), shares_in.clone());
            scope.spawn(move || small::make(number, &unfinished, &shares_in));
        }
        // Only these threads receive: if they end too early, the sender learns of it.
        drop(shares_in);
        let writer = scope.spawn(move || write::write(writing, journal, &steps_in));
        let mut fetcher = fetcher;
        let fetched = fetcher.all(plan);
        let Fetcher { report, failures, failed, steps, .. } = fetcher;
        // The other threads end when the last sender is dropped.
        drop(steps);
        let (written, wrote) = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // If the writer failed, the fetcher's error is only that the receiver is gone.
        (written, wrote.and(fetched).map(|()| (report, failures, failed)))
    });
    let Written { mut destination, journal, failures, failed, files_removed, folders_removed } = written;
    let synced = destination
        .sync()
        .map_err(|error| Error::io(format!("syncing the destination {}", dest.display()), error));
    // Also after a failure: the next restore then knows all writes and removals so far.
    if let Some(journal) = journal {
        journal.finish(&mut destination, outcome.is_ok());
    }
    let (mut report, fetch_failures, not_fetched) = outcome?;
    synced?;
    (report.files_removed, report.folders_removed) = (files_removed, folders_removed);
    for failed in [failed, not_fetched] {
        report.files = report.files.saturating_sub(failed.files);
        report.bytes = report.bytes.saturating_sub(failed.bytes);
        report.links = report.links.saturating_sub(failed.links);
        report.folders = report.folders.saturating_sub(failed.folders);
    }
    (report.failures, report.failures_total, report.failure) = fetch_failures.join(failures);
    Ok(report)
}

/// Carries out a plan as a dry run.
fn run_dry(mut fetcher: Fetcher<'_>, plan: impl Iterator<Item = Result<Action>>) -> Result<RestoreReport> {
    fetcher.all(plan)?;
    let Fetcher { mut report, failures, .. } = fetcher;
    (report.failures, report.failures_total, report.failure) = failures.join(Failures::default());
    Ok(report)
}

impl<S: PageSource + ?Sized> Selection<'_, S> {
    /// The totals, if they are known without a walk.
    fn total(&self) -> Result<Option<Counts>> {
        if !matches!(self.paths(), Paths::All) {
            return Ok(None);
        }
        let sums = self.sums()?;
        Ok(Some(Counts { files_total: Some(sums.files), bytes_total: Some(sums.bytes), ..Counts::default() }))
    }
}

/// The files of the destination's record, which is named after the destination's canonical path.
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

/// The home of a node, or the part of the home at `home`, that a folder is or lies in. Parts are recognised
/// by their inodes, so also behind a symbolic link and under a second mount. The last components of `folder`
/// need not exist.
///
/// # Errors
///
/// [`Error::Io`] if the path cannot be made absolute.
pub fn home_of(folder: &Path, home: &Path) -> Result<Option<PathBuf>> {
    protected_around(folder, &Protected::of(Some(home)))
}

fn protected_around(folder: &Path, protected: &Protected) -> Result<Option<PathBuf>> {
    let context = |error| Error::io(format!("resolving the destination {}", folder.display()), error);
    let path = std::path::absolute(folder).map_err(context)?;
    // The remaining components do not exist yet, and will be new folders.
    let Some(real) = path.ancestors().find_map(|above| above.canonicalize().ok()) else { return Ok(None) };
    Ok(home_around(&real, protected).map(Path::to_owned))
}

/// Opens the destination itself, if it exists.
fn open_top(dest: &Path, is_there: bool) -> Result<Option<Dir>> {
    let open = || std::fs::File::open(dest).map(Dir::from_std_file);
    let opened = is_there.then(open).transpose();
    opened.map_err(|error| Error::io(format!("opening the destination {}", dest.display()), error))
}

/// Excludes a second restore: each would remove the other's unfinished files. The lock ends with the handle.
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

/// Refuses a restore that cannot fit. Examines the files only if space may be short.
fn check_space<S: PageSource + ?Sized>(
    selection: &Selection<'_, S>,
    reading: &mut Destination,
    restore: &Restore,
) -> Result<()> {
    let Ok(stat) = fstatvfs(reading.as_fd()) else { return Ok(()) };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if selection.sums()?.bytes <= free {
        return Ok(());
    }
    let (mut growth, mut replaced) = (0u64, 0);
    for wanted in selection.entries() {
        let Wanted { path, entry, .. } = wanted?;
        // Another name of a file needs no space, and neither do holes.
        if entry.kind != EntryKind::File || (restore.hard_links && entry.link_group().is_some()) {
            continue;
        }
        let holes = entry.holes().iter().fold(0u64, |sum, hole| sum.saturating_add(hole.end - hole.start));
        let size = entry.size.saturating_sub(holes);
        let old = reading.look(path.as_str()).ok().flatten().filter(|old| old.kind == DiskKind::File);
        let old = match old {
            Some(old) if old.mark.size == entry.size && old.mark.mtime == entry.mtime => continue,
            old => old.map_or(0, |old| old.mark.size),
        };
        growth = growth.saturating_add(size.saturating_sub(old));
        // The old and the new file exist side by side until the new one is complete.
        replaced = old.min(size).max(replaced);
    }
    let needed = growth.saturating_add(replaced);
    if needed <= free {
        return Ok(());
    }
    Err(Error::Full(format!(
        "restoring needs {needed} bytes and {} has {free} free; make room, restore elsewhere, or restore less with the option `path`",
        restore.dest.display()
    )))
}
