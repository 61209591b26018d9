//! Deep verification: every record of every segment against its hash, and every entry of the index against a record.
//!
//! It works beside appends and reads: it looks at what was committed when it began.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use chuan_engine::{
    Error, Result,
    limits::SEGMENT_BLOCK,
    segment::Item,
    store::{Check, LostId},
};

use crate::{
    DiskStore,
    entry::{Indexed, Location, Position},
    recover::{indexed, location},
    view::{Sealing, View},
    walk,
};

/// Damage listed; all is counted and logged.
const LISTED: usize = 10_000;
/// Records looked up at a time.
const BATCH: usize = 512;

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Segments read.
    pub segments: u64,
    /// Whole records seen.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Whole records that the index does not know: `chuan rebuild` brings them back.
    pub unindexed: u64,
    /// Damage found.
    pub damaged: u64,
    /// The damage; at most ten thousand are listed.
    pub damage: Vec<Damage>,
}

/// One damaged place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment file.
    pub file: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// What was there, where that can be told.
    pub id: Option<LostId>,
    /// What is wrong.
    pub what: String,
}

impl ScrubReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.damaged == 0 && self.unindexed == 0
    }
}

/// Reads everything. `progress` is told of bytes done and in all; `cancel` ends it with [`Error::Cancelled`].
///
/// What is damaged and held nowhere else moves to the lost set, so that the next pull brings it back.
pub fn scrub(store: &DiskStore, progress: &dyn Fn(u64, u64), cancel: &AtomicBool) -> Result<ScrubReport> {
    let mut scrub = Scrub { store, cancel, report: ScrubReport::default(), matched: 0 };
    let Some(end) = store.index().position()? else { return Ok(scrub.report) };
    let known = store.index().segments();
    let mut views = Vec::new();
    for number in store.layout().list_segments()?.into_iter().filter(|number| *number <= end.segment) {
        views.push((number, store.layout().segment(number).metadata().map_or(0, |meta| meta.len())));
    }
    let total = views.iter().map(|(_, len)| len).sum();
    for (number, len) in views {
        progress(scrub.report.bytes, total);
        let view = View::open(store.layout(), number, known.get(&number).copied())?;
        scrub.segment(&view, &end)?;
        scrub.report.bytes += len;
    }
    progress(total, total);
    scrub.index(&end)?;
    Ok(scrub.report)
}

struct Scrub<'a> {
    store: &'a DiskStore,
    cancel: &'a AtomicBool,
    report: ScrubReport,
    /// Records that the index has exactly where they are.
    matched: u64,
}

/// What was seen of a segment since the last marker.
#[derive(Default)]
struct OpenGroup {
    records: Vec<(Indexed, Location)>,
    damage: Vec<Unreadable>,
}

/// A place without a whole record.
struct Unreadable {
    offset: u64,
    /// What its header says, where the index has such.
    record: Option<(Indexed, Location)>,
    id: Option<LostId>,
    what: String,
}

impl Scrub<'_> {
    fn segment(&mut self, view: &View, end: &Position) -> Result<()> {
        self.report.segments += 1;
        let Some(id) = view.id else {
            if !view.is_blank()? {
                self.damage(view, 0, None, "the segment's name is nowhere to be read");
            }
            return Ok(());
        };
        if !view.header_ok {
            self.damage(view, 0, None, "the segment header is damaged");
        }
        if let Sealing::Damaged { offset } = view.footer {
            self.damage(view, offset, None, "the footer is damaged");
        }
        let mut until = view.records_end();
        if view.number == end.segment {
            if until < end.end {
                self.damage(view, until, None, "the file ends before what was committed");
            }
            until = until.min(end.end);
        }
        let mut open = OpenGroup::default();
        walk::walk(&view.file, &view.path, id, (SEGMENT_BLOCK as u64, until), &mut |item| {
            self.take(view, item, &mut open)
        })?;
        // Bytes after the last marker of an unsealed segment were never acknowledged.
        if !matches!(view.footer, Sealing::Open) || view.number == end.segment {
            self.settle(view, &mut open)?;
        }
        Ok(())
    }

    fn take(&mut self, view: &View, item: Item<'_>, open: &mut OpenGroup) -> Result<()> {
        match item {
            Item::Record { offset, header, payload } => {
                let place = location(view.number, &walk::entry(offset, &header));
                match payload.and_then(|payload| indexed(header.key, payload)) {
                    Some(indexed) => open.records.push((indexed, place)),
                    None => {
                        let id = header.key.lost_id();
                        let record = indexed_by_id(id).map(|indexed| (indexed, place));
                        let what = "the record is not what its id names".to_owned();
                        open.damage.push(Unreadable { offset, record, id, what });
                    }
                }
            }
            Item::Gap { from, to, .. } => {
                let what = format!("no record can be read before offset {to}");
                open.damage.push(Unreadable { offset: from, record: None, id: None, what });
            }
            Item::Marker { .. } => {
                if self.cancel.load(Ordering::Relaxed) {
                    return Err(Error::Cancelled);
                }
                self.settle(view, open)?;
            }
        }
        Ok(())
    }

    /// Compares what was seen with the index.
    fn settle(&mut self, view: &View, open: &mut OpenGroup) -> Result<()> {
        let open = std::mem::take(open);
        self.report.records += open.records.len() as u64;
        for records in open.records.chunks(BATCH) {
            let keys: Vec<Indexed> = records.iter().map(|(indexed, _)| indexed.clone()).collect();
            for ((indexed, place), held) in records.iter().zip(self.store.index().locate(&keys)?) {
                match held {
                    Some(held) if held == *place => self.matched += 1,
                    Some(_) => {}
                    None => {
                        self.report.unindexed += 1;
                        tracing::error!(
                            "{} at offset {}: the index does not know {:?}; run `chuan rebuild`",
                            view.path.display(),
                            place.offset,
                            indexed.lost_id()
                        );
                    }
                }
            }
        }
        for Unreadable { offset, record, id, what } in open.damage {
            if let Some((indexed, place)) = record {
                let text = format!("{} at offset {offset}: {what}; pull it again", view.path.display());
                self.store.index().lose(&[(indexed, place, text)])?;
            }
            self.damage(view, offset, id, &what);
        }
        Ok(())
    }

    /// Looks for entries of the index that lead to no record. Every record that matched has one entry, so that
    /// counting is enough where all is well.
    fn index(&mut self, end: &Position) -> Result<()> {
        let within = |place: &Location| (place.segment, u64::from(place.offset)) < (end.segment, end.end);
        let mut entries = 0u64;
        self.store.index().visit(|_, place| {
            entries += u64::from(within(&place));
            Ok(())
        })?;
        if entries == self.matched {
            return Ok(());
        }
        let mut batch = Vec::new();
        self.store.index().visit(|indexed, place| {
            batch.push((indexed, place));
            if batch.len() >= BATCH { self.check_entries(&mut batch) } else { Ok(()) }
        })?;
        self.check_entries(&mut batch)
    }

    fn check_entries(&mut self, batch: &mut Vec<(Indexed, Location)>) -> Result<()> {
        let batch = std::mem::take(batch);
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        // Few at a time: a batch of the largest chunks must not be held at once.
        for records in batch.chunks(16) {
            for ((indexed, place), outcome) in
                records.iter().zip(self.store.try_read(records, Check::Verify)?)
            {
                if let Err(text) = outcome {
                    self.store.lose(&[(indexed.clone(), *place, text)])?;
                    let file = self.store.layout().segment(place.segment);
                    let what = "the index names a record that is not there".to_owned();
                    self.list(Damage { file, offset: u64::from(place.offset), id: indexed.lost_id(), what });
                }
            }
        }
        Ok(())
    }

    fn damage(&mut self, view: &View, offset: u64, id: Option<LostId>, what: &str) {
        tracing::error!("{} at offset {offset}: {what} ({id:?})", view.path.display());
        self.list(Damage { file: view.path.clone(), offset, id, what: what.to_owned() });
    }

    fn list(&mut self, damage: Damage) {
        self.report.damaged += 1;
        if self.report.damage.len() < LISTED {
            self.report.damage.push(damage);
        }
    }
}

/// How the index keys a damaged record, where its id alone tells it.
fn indexed_by_id(id: Option<LostId>) -> Option<Indexed> {
    match id? {
        LostId::Chunk(id) => Some(Indexed::Chunk(id)),
        LostId::Page(id) => Some(Indexed::Page(id)),
        LostId::Statement(_) => None,
    }
}
