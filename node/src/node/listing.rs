//! `releases`, `ls` and `diff`: what there is, without its content.

use bytes::Bytes;
use chuan_engine::{
    Error,
    id::PageId,
    manifest::{
        Entry, EntryKind, Timestamp, cursor,
        diff::{self, Change, DiffSink, FirstChunk},
        position::PagePosition,
    },
    statement::{Library, Release, Said},
};

use super::{Inner, Node, release::class};
use crate::{
    command::{Diff, Ls, Releases},
    exit::Result,
    job::Job,
    outcome::{Differed, Listed, ReleaseList, ReleaseRow, Row},
};

impl Node {
    /// The releases of a library that are known here, newest first.
    pub async fn releases(&self, options: Releases) -> Result<ReleaseList> {
        self.blocking(move |node| {
            let library = node.libraries.named(&options.library)?;
            let mut releases = Vec::new();
            for said in library.releases().into_iter().rev() {
                releases.push(node.release_row(&library, said)?);
            }
            Ok(ReleaseList {
                library: library.id().to_string(),
                library_name: library.name().to_owned(),
                releases,
            })
        })
        .await
    }

    /// The entries of a release, as rows of `job` in path order.
    pub async fn ls(&self, options: Ls, job: &Job) -> Result<Listed> {
        let job = job.clone();
        self.blocking(move |node| {
            let found = node.release(&options.release)?;
            let class = found.class(node.store())?;
            for entry in cursor::entries(node.store(), &class.header.root) {
                let (path, entry) = entry?;
                job.row(entry_row(path.as_str(), &entry))?;
            }
            Ok(Listed {
                release: found.id.to_string(),
                sequence: found.sequence,
                files: class.header.sums.entries,
                bytes_total: class.header.sums.bytes,
            })
        })
        .await
    }

    /// What differs between two releases, as rows of `job` in path order. Reads only subtrees that differ.
    pub async fn diff(&self, options: Diff, job: &Job) -> Result<Differed> {
        let job = job.clone();
        self.blocking(move |node| {
            let (old, new) = (node.release(&options.old)?, node.release(&options.new)?);
            let (old_class, new_class) = (old.class(node.store())?, new.class(node.store())?);
            let differed =
                Differed { old: old.id.to_string(), new: new.id.to_string(), ..Differed::default() };
            let mut sink = Rows { job: &job, differed };
            diff::diff(node.store(), Some(&old_class.header.root), &new_class.header.root, &mut sink)?;
            Ok(sink.differed)
        })
        .await
    }
}

impl Inner {
    pub(super) fn release_row(&self, library: &Library, said: Said<'_, Release>) -> Result<ReleaseRow> {
        let id = said.statement.id();
        let class = match class(self.store(), &said.body.manifest) {
            Ok(class) => Some(class),
            Err(Error::Missing(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let complete = match &class {
            Some(_) => self.is_complete(library, &said.body.manifest)?,
            None => false,
        };
        let channels = library.channels().filter(|channel| channel.body.release == id);
        Ok(ReleaseRow {
            release: id.to_string(),
            sequence: said.statement.sequence(),
            time_ms: said.statement.time_ms(),
            manifest: said.body.manifest.to_string(),
            message: said.body.message.clone(),
            channels: channels.map(|channel| channel.body.name.clone()).collect(),
            files: class.as_ref().map(|class| class.header.sums.entries),
            bytes: class.as_ref().map(|class| class.header.sums.bytes),
            complete,
        })
    }
}

/// Turns changes into rows.
struct Rows<'a> {
    job: &'a Job,
    differed: Differed,
}

impl DiffSink for Rows<'_> {
    fn page(&mut self, _: &PageId, _: &Bytes, _: Option<PagePosition>) -> Result<(), Error> {
        Ok(())
    }

    fn change(&mut self, change: Change, _: FirstChunk) -> Result<(), Error> {
        let path = change.path().to_string();
        let (word, count, size_old, size_new) = match change {
            Change::Added { entry, .. } => ("added", &mut self.differed.added, None, Some(entry.size)),
            Change::Removed { entry, .. } => ("removed", &mut self.differed.removed, Some(entry.size), None),
            Change::Changed { old, new, .. } => {
                ("changed", &mut self.differed.changed, Some(old.size), Some(new.size))
            }
        };
        *count += 1;
        // A row fails only when nobody wants any more.
        let row = Row::Change { path, change: word.to_owned(), size_old, size_new };
        self.job.row(row).map_err(|_| Error::Cancelled)
    }
}

fn entry_row(path: &str, entry: &Entry) -> Row {
    Row::Entry {
        path: path.to_owned(),
        kind: if entry.kind == EntryKind::EmptyDir { "dir" } else { "file" }.to_owned(),
        size: entry.size,
        mtime_ms: milliseconds(entry.mtime),
        mode: entry.mode,
        chunks: entry.content.chunks(),
    }
}

fn milliseconds(time: Timestamp) -> i64 {
    time.seconds.saturating_mul(1000).saturating_add(i64::from(time.nanos / 1_000_000))
}
