//! Gives back the room of work that failed: removes everything that was appended to a library after a moment.
//!
//! The order is index first, files second. The index forgets the records, durably, before a file changes: a
//! crash in between leaves valid records that the next open adds again, and never an entry without its
//! record.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
};

use chuan_engine::{
    Error, Result,
    id::LibraryId,
    own_file,
    segment::{FIRST_GROUP, SegmentName},
};

use crate::{
    digest::Digest,
    entry::{Indexed, Location, Position},
    layout::{Layout, sync_dir},
    objects::Inner,
    queue::Refusal,
    view::{Sealing, SegmentView},
};

/// The end of a library's content at one moment.
#[derive(Clone, Copy, Debug)]
pub struct LibraryEnd {
    library: LibraryId,
    position: Option<Position>,
    /// Whether objects were lost: then later appends may have healed them, and are not removed.
    has_lost: bool,
}

/// The end of a library's content now.
pub(crate) fn end(store: &Inner, library: &LibraryId) -> Result<LibraryEnd> {
    let position = store.index.durable().get(library).copied();
    Ok(LibraryEnd { library: *library, position, has_lost: has_lost(store, library)? })
}

/// Removes everything that was appended to a library after `end`; see [`DiskStore::give_back`]. `join` blocks
/// until the store's threads have ended.
///
/// [`DiskStore::give_back`]: crate::DiskStore::give_back
pub(crate) fn give_back(store: &Inner, end: &LibraryEnd, join: &dyn Fn()) -> Result<u64> {
    let _only = store
        .rebuilding
        .try_lock()
        .map_err(|_| Error::Busy("the index is being rebuilt; no room is given back".to_owned()))?;
    if end.has_lost || has_lost(store, &end.library)? {
        return Ok(0);
    }
    release(store, &end.library, join)?;
    let segments = segments_after(store, end)?;
    store.index.rewind(&end.library, end.position, |index| {
        for (number, name) in &segments {
            index.remove(&end.library, &records_after(store, *number, *name, end.position)?)?;
        }
        let gone: Vec<u32> = segments.keys().copied().filter(|number| end.is_gone(*number)).collect();
        index.forget_segments(&gone)
    })?;
    store.reader.close(segments.keys());
    let freed = segments.keys().rev().map(|number| cut(&store.layout, *number, end)).sum();
    sync_dir(&store.layout.segments())?;
    freed
}

fn has_lost(store: &Inner, library: &LibraryId) -> Result<bool> {
    Ok(store.index.get()?.totals().get(library).is_some_and(|totals| totals.lost > 0))
}

/// Makes the store's threads leave the files of a library alone.
fn release(store: &Inner, library: &LibraryId, join: &dyn Fn()) -> Result<()> {
    let (answer, answered) = crossbeam_channel::bounded(1);
    let queue = &store.queue;
    let refusal = match queue.push_release(*library, answer) {
        Ok(()) => match answered.recv() {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(refusal)) => Some(refusal),
            Err(_) => queue.refusal(),
        },
        Err(_) => queue.refusal(),
    };
    match refusal {
        // The threads end by themselves.
        Some(Refusal::Full(_)) => {
            join();
            Ok(())
        }
        Some(refusal) => Err(refusal.into()),
        None => queue.check(),
    }
}

impl LibraryEnd {
    /// Whether nothing of a segment belongs to the content before the end.
    fn is_gone(&self, number: u32) -> bool {
        self.position.is_none_or(|position| position.segment != number)
    }
}

/// The library's segments that have, or may have, bytes after its end. A segment in which nothing was
/// committed is known only from its header.
fn segments_after(store: &Inner, end: &LibraryEnd) -> Result<BTreeMap<u32, SegmentName>> {
    let known = store.index.get()?.segments();
    let first = end.position.map_or(0, |position| position.segment);
    let mut found = BTreeMap::new();
    for number in store.layout.list_segments()?.into_iter().filter(|number| *number >= first) {
        let name = match known.get(&number) {
            Some(name) => Some(*name),
            None => SegmentView::name(&store.layout, number)?,
        };
        found.extend(name.filter(|name| name.library == end.library).map(|name| (number, name)));
    }
    Ok(found)
}

/// The committed records of a segment after a position, if the segment is that of the position; else all of
/// them.
fn records_after(
    store: &Inner,
    number: u32,
    name: SegmentName,
    position: Option<Position>,
) -> Result<Vec<(Indexed, Location)>> {
    let view = SegmentView::open(&store.layout, number, Some(name))?;
    let known = position.filter(|position| position.segment == number);
    let start = known.map_or(FIRST_GROUP, |position| position.end);
    let mut digest = Digest::new(&view, name, known, 0);
    match &view.footer {
        Sealing::Sealed { footer, .. } => digest.take_footer(&footer.entries, start)?,
        Sealing::Open | Sealing::Damaged { .. } => digest.scan(start, view.records_end())?,
    }
    Ok(digest.records)
}

/// Removes a segment's file, or cuts it at the end; returns the freed bytes.
fn cut(layout: &Layout, number: u32, end: &LibraryEnd) -> Result<u64> {
    let path = layout.segment(number);
    let context = |error| Error::io(format!("give back the room of {}", path.display()), error);
    let len = path.metadata().map_err(context)?.len();
    match end.position.filter(|position| position.segment == number) {
        None => fs::remove_file(&path).map(|()| len).map_err(context),
        Some(position) => {
            let file = own_file::open(OpenOptions::new().write(true), &path).map_err(context)?;
            let cut = file.set_len(position.end.min(len)).and_then(|()| file.sync_all());
            cut.map(|()| len.saturating_sub(position.end)).map_err(context)
        }
    }
}
