//! `diff`: the differences between two releases, over all classes, without content.
//!
//! Each class is compared on a thread of its own, which reads only subtrees that differ. The changes are
//! merged in path order, so that a path that moved from one class to another is one row. Memory holds a few
//! changes per class.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use bytes::Bytes;
use chuan_engine::{
    Error,
    id::PageId,
    manifest::{
        ChunkRef, Content, Entry, EntryKind, EntryPath, cursor,
        diff::{self, Change, DiffSink, FirstChunk},
        position::PagePosition,
    },
    store::Objects,
};

use crate::{
    command::Diff,
    exit::{Failure, Result},
    job::Job,
    library::{holdings::Held, release},
    outcome::{Differed, Row},
    services::Services,
};

/// The maximum number of changes of a class that wait to be merged.
const QUEUE_CHANGES: usize = 64;

/// The differences between two releases, as rows of `job` in path order. Reads only subtrees that differ.
pub(crate) async fn diff(services: &Arc<Services>, options: Diff, job: &Job) -> Result<Differed> {
    let job = job.clone();
    services
        .blocking(move |services| {
            let (libraries, holdings) = (&services.library, &services.library.holdings);
            let (old, new) =
                (release::resolve(libraries, &options.old)?, release::resolve(libraries, &options.new)?);
            if old.library.id() != new.library.id() {
                return Err(Failure::usage(format!(
                    "{} and {} are of two libraries, and only releases of one library are compared",
                    options.old, options.new
                )));
            }
            let (old_held, new_held) = (old.held(holdings)?, new.held(holdings)?);
            let differed = Differed {
                library: new.library.id().to_string(),
                library_name: new.library.name().to_owned(),
                old: old.id.to_string(),
                new: new.id.to_string(),
                old_channel: old.channel_name(),
                old_fresh_age_seconds: old.fresh_age_seconds(),
                new_channel: new.channel_name(),
                new_fresh_age_seconds: new.fresh_age_seconds(),
                timekeepers: new.library.timekeepers() as u64,
                classes_absent: old_held.classes_absent().max(new_held.classes_absent()),
                ..Differed::default()
            };
            let objects = services.context.objects(&old.library.id());
            let mut rows = Rows { store: &*objects, job: &job, differed };
            compare(&*objects, &pairs(&old_held, &new_held), &mut rows)?;
            Ok(rows.differed)
        })
        .await
}

/// The roots of a class's entry trees in two releases; `None` if a release does not have the class.
type Pair = (Option<PageId>, Option<PageId>);

/// The classes that differ. A class of a release that is not on this node cannot be compared.
fn pairs(old: &Held, new: &Held) -> Vec<Pair> {
    let root = |held: &Held, slot: u8, name: &str| {
        let mut classes = held.classes.iter().map(|class| &class.header);
        classes.find(|header| header.slot == slot && header.name == name).map(|header| header.root)
    };
    let mut pairs: Vec<Pair> = Vec::new();
    for header in old.classes.iter().map(|class| &class.header) {
        let other = root(new, header.slot, &header.name);
        if other != Some(header.root) && !new.absent.contains(&header.slot) {
            pairs.push((Some(header.root), other));
        }
    }
    for header in new.classes.iter().map(|class| &class.header) {
        if root(old, header.slot, &header.name).is_none() && !old.absent.contains(&header.slot) {
            pairs.push((None, Some(header.root)));
        }
    }
    pairs
}

/// Compares classes and adds the changes to `rows`.
fn compare(store: &dyn Objects, pairs: &[Pair], rows: &mut Rows<'_>) -> Result<(), Error> {
    thread::scope(|scope| {
        let mut streams = Vec::new();
        for pair in pairs {
            let (found, stream) = sync_channel(QUEUE_CHANGES);
            scope.spawn(move || find(store, pair, found));
            streams.push(Stream { rest: stream, next: None });
        }
        for stream in &mut streams {
            stream.advance()?;
        }
        // Returning early drops the streams, which ends the threads.
        while let Some(path) = streams.iter().filter_map(Stream::path).min().cloned() {
            let mut changes = Vec::new();
            for stream in streams.iter_mut().filter(|stream| stream.path() == Some(&path)) {
                changes.extend(stream.next.take());
                stream.advance()?;
            }
            rows.add(&path, changes)?;
        }
        Ok(())
    })
}

/// The changes of one class, in path order.
struct Stream {
    rest: Receiver<Result<Change, Error>>,
    next: Option<Change>,
}

impl Stream {
    fn path(&self) -> Option<&EntryPath> {
        self.next.as_ref().map(Change::path)
    }

    fn advance(&mut self) -> Result<(), Error> {
        self.next = self.rest.recv().ok().transpose()?;
        Ok(())
    }
}

/// Finds the changes of one class.
fn find(store: &dyn Objects, pair: &Pair, found: SyncSender<Result<Change, Error>>) {
    let mut sink = Found(found);
    let went = match pair {
        (old, Some(new)) => diff::diff(store, old.as_ref(), new, &mut sink),
        (Some(old), None) => cursor::entries(store, old).try_for_each(|item| {
            let (path, entry) = item?;
            sink.send(Change::Removed { path, entry })
        }),
        (None, None) => Ok(()),
    };
    if let Err(error) = went {
        // Fails if the receiver is dropped: then the comparison has ended already.
        let _ = sink.0.send(Err(error));
    }
}

struct Found(SyncSender<Result<Change, Error>>);

impl Found {
    fn send(&self, change: Change) -> Result<(), Error> {
        self.0.send(Ok(change)).map_err(|_| Error::Cancelled)
    }
}

impl DiffSink for Found {
    fn page(&mut self, _: &PageId, _: &Bytes, _: Option<PagePosition>) -> Result<(), Error> {
        Ok(())
    }

    fn change(&mut self, change: Change, _: FirstChunk) -> Result<(), Error> {
        self.send(change)
    }
}

/// Turns changes into rows.
struct Rows<'a> {
    store: &'a dyn Objects,
    job: &'a Job,
    differed: Differed,
}

impl Rows<'_> {
    /// Adds the changes at one path: of one class, or of the class that it left and the class that it moved
    /// to.
    fn add(&mut self, path: &EntryPath, changes: Vec<Change>) -> Result<(), Error> {
        let in_several = changes.len() > 1;
        let (mut old, mut new) = (None, None);
        for change in changes {
            let (before, after) = match change {
                Change::Added { entry, .. } => (None, Some(entry)),
                Change::Removed { entry, .. } => (Some(entry), None),
                Change::Changed { old, new, .. } => (Some(old), Some(new)),
            };
            old = old.or(before);
            new = new.or(after);
        }
        // A folder's time changes when an entry is added or removed: the rows of the entries show that
        // already.
        let is_touched_folder = |old: &Entry, new: &Entry| {
            old.kind == EntryKind::Folder && Entry { mtime: new.mtime, ..old.clone() } == *new
        };
        if let (Some(old), Some(new), false) = (&old, &new, in_several)
            && is_touched_folder(old, new)
        {
            return Ok(());
        }
        let (word, count) = match (&old, &new) {
            (Some(old), Some(new)) if in_several && self.is_same(old, new)? => {
                ("reclassified", &mut self.differed.reclassified)
            }
            (Some(_), Some(_)) => ("changed", &mut self.differed.changed),
            (Some(_), None) => ("removed", &mut self.differed.removed),
            (None, _) => ("added", &mut self.differed.added),
        };
        *count += 1;
        let size = |entry: Option<Entry>| entry.map(|entry| entry.size);
        let row = Row::Change {
            path: path.to_string(),
            change: word.to_owned(),
            size_old: size(old),
            size_new: size(new),
        };
        // A row fails only when the job is cancelled or its receiver is dropped.
        self.job.row(row).map_err(|_| Error::Cancelled)
    }

    /// Whether two entries of different classes are equal. Content is compared by its chunks, since page ids
    /// depend on the class.
    fn is_same(&self, old: &Entry, new: &Entry) -> Result<bool, Error> {
        let without_content = |entry: &Entry| Entry { content: Content::Inline(Vec::new()), ..entry.clone() };
        if without_content(old) != without_content(new) || old.content.chunks() != new.content.chunks() {
            return Ok(false);
        }
        let mut pairs =
            cursor::chunks(self.store, &old.content).zip(cursor::chunks(self.store, &new.content));
        let differs = |(old, new): (Result<ChunkRef, Error>, Result<ChunkRef, Error>)| Ok(old? != new?);
        let first = pairs.find_map(|pair| match differs(pair) {
            Ok(false) => None,
            different => Some(different),
        });
        first.transpose().map(|different| different.is_none())
    }
}
