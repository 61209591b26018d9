//! Writes the files of a manifest to a directory, verified; what is there already is left alone or used.
//!
//! Two threads: the caller's walks the manifest, looks at the destination and fetches bytes, from the store or from the
//! old file in a path's place; the other one writes. A bounded channel of batches is between them.
//!
//! A restore that stops half-way leaves whole files and, at worst, unfinished ones under names of their own, which the
//! next restore removes. Files that the manifest does not name are never touched.

#[cfg(test)]
mod escape_tests;
mod fetch;
mod held;
mod old;
mod output;
mod place;
mod range;
#[cfg(test)]
mod tests;
mod write;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    thread,
};

use crossbeam_channel::bounded;
use globset::GlobMatcher;
use rustix::{
    fs::{FlockOperation, flock, fstatvfs, syncfs},
    io::Errno,
};

use crate::{
    chunk::chunker::BufferPool,
    error::{Error, Result},
    id::PageId,
    manifest::{Entry, EntryPath, PageSource, Sums, page::Page, pattern, union::union},
    progress::{Counts, Progress},
    store::Objects,
};

pub(crate) use place::is_temp_name;
pub use range::read_range;

use fetch::{Batch, Fetcher};
use place::{Place, Standing};

/// Batches between the two threads at most.
const QUEUE_BATCHES: usize = 2;

/// What is to be restored, and how.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The entry trees of the classes, by slot, ascending.
    pub trees: Vec<(u8, PageId)>,
    /// The directory to write to; made if it is not there.
    pub dest: PathBuf,
    /// Only paths that match this glob: `*` stays within a component, `**` does not.
    pub filter: Option<String>,
    /// Compares the content of files whose size and time are right, too.
    pub check: bool,
}

impl Restore {
    /// Restores all of `trees` to `dest`.
    pub fn new(trees: Vec<(u8, PageId)>, dest: impl Into<PathBuf>) -> Self {
        Self { trees, dest: dest.into(), filter: None, check: false }
    }
}

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Files that are now as the manifest says.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of the files, those that were so before, or all but for time and mode.
    pub files_unchanged: u64,
    /// Bytes of the files that were written anew. Where the file system can share blocks between files, what stayed in its
    /// place in a changed file is not among them.
    pub bytes_written: u64,
    /// Of these, bytes that came from the old file in the same place rather than from the store.
    pub bytes_reused: u64,
    /// Empty directories.
    pub directories: u64,
}

/// Restores files and makes them durable before it returns.
///
/// Set-user-id, set-group-id and sticky bits are not restored. Blocks; stops within a few mebibytes of work once `cancel`
/// is set.
///
/// # Errors
///
/// [`Error::Full`] before anything is written where space is lacking; [`Error::Busy`] where another restore writes to
/// the same destination; [`Error::Invalid`] for a malformed glob or where something is in a path's way;
/// [`Error::Missing`] where a page or chunk is not held; [`Error::Cancelled`]; what the store or the destination fails
/// with.
pub fn restore(
    store: &dyn Objects,
    restore: &Restore,
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<RestoreReport> {
    let filter = restore.filter.as_deref().map(pattern::parse).transpose()?;
    let filter = filter.map(|glob| glob.compile_matcher());
    std::fs::create_dir_all(&restore.dest)
        .map_err(|error| Error::io(format!("making the destination {}", restore.dest.display()), error))?;
    let mut place = Place::open(&restore.dest, false)?;
    lock(&place, &restore.dest)?;
    let selection = Selection { store, trees: &restore.trees, filter };
    let total = selection.total()?;
    check_space(&selection, &mut place, &restore.dest)?;
    let writing = Place::open(&restore.dest, true)?;
    let (steps, steps_in) = bounded(QUEUE_BATCHES);
    let mut fetcher = Fetcher {
        store,
        place: &mut place,
        check: restore.check,
        cancel,
        progress,
        pool: Arc::new(BufferPool::new(4)),
        batch: Batch::default(),
        entered: None,
        steps,
        counts: total.unwrap_or_default(),
        report: RestoreReport::default(),
    };
    let report = thread::scope(|scope| {
        let writer = scope.spawn(move || write::write(writing, &steps_in));
        let fetched = fetcher.all(selection.entries());
        let report = fetcher.report.clone();
        // Dropping the sender with the fetcher ends the writer.
        drop(fetcher);
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // Where the writer failed, the fetcher only found nobody to send to.
        written.and(fetched).map(|()| report)
    })?;
    syncfs(place.as_fd()).map_err(|error| {
        Error::io(format!("syncing the destination {}", restore.dest.display()), error.into())
    })?;
    Ok(report)
}

/// The entries to restore.
struct Selection<'a> {
    store: &'a dyn Objects,
    trees: &'a [(u8, PageId)],
    filter: Option<GlobMatcher>,
}

impl Selection<'_> {
    fn entries(&self) -> impl Iterator<Item = Result<(EntryPath, Entry)>> {
        let all = union(self.store, self.trees).map(|item| item.map(|(_, path, entry)| (path, entry)));
        all.filter(|entry| match (entry, &self.filter) {
            (Ok((path, _)), Some(filter)) => filter.is_match(path.as_str()),
            _ => true,
        })
    }

    /// What all trees hold.
    fn sums(&self) -> Result<Sums> {
        self.trees.iter().try_fold(Sums::default(), |all, (_, root)| {
            let sums = Page::decode(&self.store.page(root)?)?.sums()?;
            all.checked_add(sums).ok_or_else(|| Error::Invalid("the classes' sums overflow".into()))
        })
    }

    /// Totals, where they are known without a walk.
    fn total(&self) -> Result<Option<Counts>> {
        if self.filter.is_some() {
            return Ok(None);
        }
        let sums = self.sums()?;
        Ok(Some(Counts { files_total: Some(sums.files), bytes_total: Some(sums.bytes), ..Counts::default() }))
    }
}

/// Keeps a second restore out: each would remove the other's unfinished files. Ends with the handle.
fn lock(place: &Place, dest: &Path) -> Result<()> {
    match flock(place.as_fd(), FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(Error::Busy(format!(
            "another restore is writing to {}; wait for it, or choose another destination",
            dest.display()
        ))),
        // Some network file systems have no locks.
        Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        Err(error) => Err(Error::io(format!("locking the destination {}", dest.display()), error.into())),
    }
}

/// Refuses to begin what cannot fit. Looks at the files themselves only where space might be short.
fn check_space(selection: &Selection<'_>, place: &mut Place, dest: &Path) -> Result<()> {
    let Ok(stat) = fstatvfs(place.as_fd()) else { return Ok(()) };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if selection.sums()?.bytes <= free {
        return Ok(());
    }
    let (mut growth, mut replaced) = (0u64, 0);
    for entry in selection.entries() {
        let (path, entry) = entry?;
        let old = match place.look(path.as_str())? {
            Standing::File { size, mtime, .. } if size == entry.size && mtime == entry.mtime => continue,
            Standing::File { size, .. } => size,
            _ => 0,
        };
        growth = growth.saturating_add(entry.size.saturating_sub(old));
        // Old and new stand side by side until the new one is whole.
        replaced = old.min(entry.size).max(replaced);
    }
    let needed = growth.saturating_add(replaced);
    if needed <= free {
        return Ok(());
    }
    Err(Error::Full(format!(
        "restoring needs {needed} bytes and {} has {free} free; make room, restore elsewhere, or restore less with --path",
        dest.display()
    )))
}
