//! `releases` and `ls`: releases and their entries, without content.

use std::{collections::BTreeMap, sync::Arc};

use chuan_engine::{
    manifest::{Entry, EntryKind, Timestamp, union::union},
    statement::{Library, Release, Signed},
};

use crate::{
    command::{Ls, Releases},
    exit::Result,
    job::Job,
    library::{LibraryService, release},
    outcome::{Listed, ReleaseList, ReleaseRow, Row},
    services::Services,
};

/// The releases of a library that are known here, newest first.
pub(crate) async fn releases(services: &Arc<Services>, options: Releases) -> Result<ReleaseList> {
    services
        .blocking(move |services| {
            let library = services.library.named_or_only(options.library.as_deref())?;
            let mut releases = Vec::new();
            for said in library.releases().into_iter().rev() {
                releases.push(release_row(&services.library, &library, said)?);
            }
            Ok(ReleaseList {
                library: library.id().to_string(),
                library_name: library.name().to_owned(),
                timekeepers: library.timekeepers() as u64,
                releases,
            })
        })
        .await
}

/// The entries of a release, as rows of `job` in path order.
pub(crate) async fn ls(services: &Arc<Services>, options: Ls, job: &Job) -> Result<Listed> {
    let job = job.clone();
    services
        .blocking(move |services| {
            let found = release::resolve(&services.library, &options.release)?;
            let (held, classes_stale) = found.held_and_fresh(&services.library.holdings)?;
            let objects = services.context.objects(&found.library.id());
            for entry in union(&*objects, &held.trees()) {
                let (slot, path, entry) = entry?;
                job.row(entry_row(path.as_str(), held.name(slot), &entry))?;
            }
            let sums = held.sums();
            Ok(Listed {
                release: found.id.to_string(),
                channel: found.channel_name(),
                fresh_age_seconds: found.fresh_age_seconds(),
                timekeepers: found.library.timekeepers() as u64,
                lag: found.lag(&services.library)?,
                sequence: found.sequence,
                classes: held.rows(),
                classes_absent: held.classes_absent(),
                classes_stale,
                files: sums.files,
                bytes_total: sums.bytes,
            })
        })
        .await
}

fn release_row(
    libraries: &LibraryService,
    library: &Library,
    said: Signed<'_, Release>,
) -> Result<ReleaseRow> {
    let id = said.statement.id();
    let sums = match libraries.holdings.held(library, &said.body.manifest) {
        Ok(held) => Some(held.sums()),
        Err(error) if error.is_unreadable() => None,
        Err(error) => return Err(error.into()),
    };
    let complete = match &sums {
        Some(_) => libraries.holdings.is_complete(library, &said.body.manifest)?,
        None => false,
    };
    let channels = library.channels().filter(|channel| channel.body.release == id);
    let names: Vec<_> = channels.map(|channel| channel.body.name.clone()).collect();
    let mut fresh_ages_seconds = BTreeMap::new();
    for name in &names {
        fresh_ages_seconds.insert(name.clone(), libraries.fresh_age_here(library, name)?);
    }
    Ok(ReleaseRow {
        release: id.to_string(),
        sequence: said.statement.sequence(),
        time_ms: said.statement.time_ms(),
        manifest: said.body.manifest.to_string(),
        message: said.body.message.clone(),
        channels: names,
        fresh_ages_seconds,
        files: sums.map(|sums| sums.files),
        bytes: sums.map(|sums| sums.bytes),
        complete,
    })
}

fn entry_row(path: &str, class: &str, entry: &Entry) -> Row {
    Row::Entry {
        path: path.to_owned(),
        kind: match entry.kind {
            EntryKind::File => "file",
            EntryKind::Folder => "dir",
            EntryKind::Symlink => "link",
        }
        .to_owned(),
        size: entry.size,
        mtime_ms: milliseconds(entry.mtime),
        mode: entry.mode,
        chunks: entry.content.chunks(),
        class: class.to_owned(),
        target: entry.target.as_ref().map(ToString::to_string),
    }
}

fn milliseconds(time: Timestamp) -> i64 {
    time.seconds.saturating_mul(1000).saturating_add(i64::from(time.nanos / 1_000_000))
}
