//! `diff`: what differs between two releases, over all classes, without its content.
//!
//! Each class is compared on a thread of its own, which reads only what differs; what they find is merged in path order, so
//! that a path that went from one class to another is one row. Memory is a few changes a class.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
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

use super::{Node, release::Held};
use crate::{
    command::Diff,
    exit::Result,
    job::Job,
    outcome::{Differed, Row},
};

/// Changes of a class that wait to be merged.
const QUEUE_CHANGES: usize = 64;

impl Node {
    /// What differs between two releases, as rows of `job` in path order. Reads only subtrees that differ.
    pub async fn diff(&self, options: Diff, job: &Job) -> Result<Differed> {
        let job = job.clone();
        self.blocking(move |node| {
            let (old, new) = (node.release(&options.old)?, node.release(&options.new)?);
            let (old_held, new_held) = (old.held(node)?, new.held(node)?);
            let differed = Differed {
                old: old.id.to_string(),
                new: new.id.to_string(),
                old_channel: old.channel_name(),
                old_fresh_age_seconds: old.fresh_age_seconds(),
                new_channel: new.channel_name(),
                new_fresh_age_seconds: new.fresh_age_seconds(),
                classes_absent: old_held.classes_absent().max(new_held.classes_absent()),
                ..Differed::default()
            };
            let objects = node.objects(&old.library.id());
            let mut rows = Rows { store: &*objects, job: &job, differed };
            compare(&*objects, &pairs(&old_held, &new_held), &mut rows)?;
            Ok(rows.differed)
        })
        .await
    }
}

/// The roots of a class's entry trees in two releases; `None` where a release does not have it.
type Pair = (Option<PageId>, Option<PageId>);

/// The classes that differ. One that a release has and this node has not cannot be compared.
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

/// Compares classes and hands the changes to `rows`.
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
        // Where nobody listens any more, that is the error.
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
    /// Adds what changed at one path: in one class, or in the one that it left and the one that it came to.
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
        // Whatever is put into a folder or taken out of it changes its time: that says nothing that the other rows do not.
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
        // A row fails only when nobody wants any more.
        self.job.row(row).map_err(|_| Error::Cancelled)
    }

    /// Whether two entries of different classes say the same. Their content does where its chunks do: pages carry their
    /// class.
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
