//! Deep verification: checks every record of every segment against its hash, and every entry of the index
//! against a record.
//!
//! It runs beside appends and reads: it checks everything that was committed when it began.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use chuan_engine::{
    Error, Result,
    id::LibraryId,
    limits::SEGMENT_BLOCK,
    segment::{Item, RecordKey, SegmentName},
    store::{Check, ObjectId},
};

use crate::{
    DiskStore,
    entry::{Indexed, Location, Position},
    objects::Inner,
    recover::{indexed, location},
    slot::Positions,
    view::{HeaderState, Sealing, SegmentView},
    walk,
};

/// Maximum damage listed; all is counted and logged.
const LISTED: usize = 10_000;
/// Records looked up at a time.
const BATCH: usize = 512;

/// The result of a scrub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Segments read.
    pub segments: u64,
    /// Intact records seen.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Intact records that the index does not know: `chuan rebuild` adds them again.
    pub unindexed: u64,
    /// Damage found.
    pub damaged: u64,
    /// The damage; at most ten thousand places are listed.
    pub damage: Vec<Damage>,
}

/// One damaged place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment file.
    pub file: PathBuf,
    /// The offset in it.
    pub offset: u64,
    /// The library that owns the file, if known.
    pub library: Option<LibraryId>,
    /// The damaged object, if known.
    pub id: Option<ObjectId>,
    /// Whether it is the place of records whose ids cannot be read. It does no harm once no object of the
    /// library is lost or missing.
    pub is_gap: bool,
    /// Whether only the index knows the library of the segment. Without the index, nothing of the segment
    /// could be read: it does harm although every object can be read now.
    pub is_header_lost: bool,
    /// A description of the damage.
    pub what: String,
}

impl ScrubReport {
    /// Whether no damage was found and every record is indexed.
    pub fn is_clean(&self) -> bool {
        self.damaged == 0 && self.unindexed == 0
    }
}

impl DiskStore {
    /// Reads everything. `progress` gets the bytes done and the bytes in all; `cancel` ends it with
    /// [`Error::Cancelled`].
    ///
    /// A damaged object without another intact copy moves to its library's lost set, so that the next pull
    /// restores it.
    pub fn scrub(&self, progress: &dyn Fn(u64, u64), cancel: &AtomicBool) -> Result<ScrubReport> {
        let store = self.inner();
        let ends = store.index.durable();
        let mut scrub = Scrub { store, cancel, report: ScrubReport::default(), matched: BTreeMap::new() };
        let known = store.index.get()?.segments();
        let mut files = Vec::new();
        for number in store.layout.list_segments()? {
            files.push((number, store.layout.segment(number).metadata().map_or(0, |meta| meta.len())));
        }
        let total = files.iter().map(|(_, len)| len).sum();
        for (number, len) in files {
            progress(scrub.report.bytes, total);
            let view = SegmentView::open(&store.layout, number, known.get(&number).copied())?;
            scrub.segment(&view, &ends)?;
            scrub.report.bytes += len;
        }
        progress(total, total);
        ends.iter().try_for_each(|(library, end)| scrub.index(library, end))?;
        Ok(scrub.report)
    }
}

struct Scrub<'a> {
    store: &'a Inner,
    cancel: &'a AtomicBool,
    report: ScrubReport,
    /// Number of records of each library that the index has exactly where they lie.
    matched: BTreeMap<LibraryId, u64>,
}

/// The records and damage of a segment since the last marker.
#[derive(Default)]
struct OpenGroup {
    records: Vec<(Indexed, Location)>,
    /// Intact records that are not indexed.
    others: u64,
    damage: Vec<Unreadable>,
}

/// A place without an intact record.
struct Unreadable {
    offset: u64,
    /// The key and location from its header, if the index has such keys.
    record: Option<(Indexed, Location)>,
    id: Option<ObjectId>,
    what: String,
}

impl Scrub<'_> {
    fn segment(&mut self, view: &SegmentView, ends: &Positions) -> Result<()> {
        let Some(name) = view.name else {
            self.report.segments += 1;
            if !view.is_blank()? {
                self.damage(view, 0, None, "the library of the segment is unknown: it is quarantined");
            }
            return Ok(());
        };
        // Begun after the scrub, or without any acknowledged record.
        let Some(end) = ends.get(&name.library).filter(|end| view.number <= end.segment) else {
            return Ok(());
        };
        self.report.segments += 1;
        match view.header {
            HeaderState::Intact => {}
            HeaderState::OneCopy => self.damage(view, 0, None, "the segment header is damaged"),
            HeaderState::Unreadable => self.lost_header(view),
        }
        if let Sealing::Damaged { offset } = view.footer {
            self.damage(view, offset, None, "the footer is damaged");
        }
        let mut until = view.records_end();
        if view.number == end.segment {
            if until < end.end {
                self.gap(view, until, "the file ends before the last committed group");
            }
            until = until.min(end.end);
        }
        let mut open = OpenGroup::default();
        walk::walk(&view.file, &view.path, name, (SEGMENT_BLOCK as u64, until), &mut |item| {
            self.take(view, &name, item, &mut open)
        })?;
        // Bytes after the last marker of an unsealed segment were never acknowledged.
        if !matches!(view.footer, Sealing::Open) || view.number == end.segment {
            self.compare_group(view, &name, &mut open)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        view: &SegmentView,
        name: &SegmentName,
        item: Item<'_>,
        open: &mut OpenGroup,
    ) -> Result<()> {
        match item {
            Item::Record { offset, header, payload } => {
                let place = location(view.number, &walk::entry(offset, &header));
                let of_newer = matches!(header.key, RecordKey::Reserved(..));
                match payload.and_then(|_| indexed(header.key)) {
                    Some(indexed) => open.records.push((indexed, place)),
                    None if of_newer && payload.is_some() => open.others += 1,
                    None => {
                        let id = header.key.lost_id();
                        let record = indexed_by_id(id).map(|indexed| (indexed, place));
                        let what = "the record does not match its id".to_owned();
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
                self.compare_group(view, name, open)?;
            }
        }
        Ok(())
    }

    /// Compares the records of a group with the index.
    fn compare_group(&mut self, view: &SegmentView, name: &SegmentName, open: &mut OpenGroup) -> Result<()> {
        let open = std::mem::take(open);
        self.report.records += open.records.len() as u64 + open.others;
        for records in open.records.chunks(BATCH) {
            let keys: Vec<Indexed> = records.iter().map(|(indexed, _)| *indexed).collect();
            let located = self.store.index.get()?.locate(&name.library, &keys)?;
            for ((indexed, place), held) in records.iter().zip(located) {
                match held {
                    Some(held) if held == *place => *self.matched.entry(name.library).or_default() += 1,
                    Some(_) => {}
                    None => {
                        self.report.unindexed += 1;
                        tracing::info!(
                            "{} at offset {}: the index does not know {}; run `chuan rebuild`",
                            view.path.display(),
                            place.offset,
                            indexed.id()
                        );
                    }
                }
            }
        }
        for Unreadable { offset, record, id, what } in open.damage {
            if let Some((indexed, place)) = record {
                let text = format!("{} at offset {offset}: {what}; pull it again", view.path.display());
                self.store.index.lose(&name.library, &[(indexed, place, text)])?;
            }
            match id {
                Some(_) => self.damage(view, offset, id, &what),
                None => self.gap(view, offset, &what),
            }
        }
        Ok(())
    }

    /// Finds index entries of a library without a record. Every matched record has one entry, so equal counts
    /// prove that there are none.
    fn index(&mut self, library: &LibraryId, end: &Position) -> Result<()> {
        let within = |place: &Location| (place.segment, u64::from(place.offset)) < (end.segment, end.end);
        let mut entries = 0u64;
        let index = self.store.index.get()?;
        index.visit(library, |_, place| {
            entries += u64::from(within(&place));
            Ok(())
        })?;
        if entries == self.matched.get(library).copied().unwrap_or_default() {
            return Ok(());
        }
        let mut batch = Vec::new();
        index.visit(library, |indexed, place| {
            batch.push((indexed, place));
            if batch.len() >= BATCH { self.check_entries(library, &mut batch) } else { Ok(()) }
        })?;
        self.check_entries(library, &mut batch)
    }

    fn check_entries(&mut self, library: &LibraryId, batch: &mut Vec<(Indexed, Location)>) -> Result<()> {
        let batch = std::mem::take(batch);
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        // Few at a time: a batch of the largest chunks must not be in memory at once.
        for records in batch.chunks(16) {
            let outcomes = self.store.try_read(library, records, Check::Verify)?;
            for ((indexed, place), outcome) in records.iter().zip(outcomes) {
                if let Err(text) = outcome {
                    self.store.lose(library, &[(*indexed, *place, text)])?;
                    let file = self.store.layout.segment(place.segment);
                    let what = "the index names a record that is not there".to_owned();
                    let (offset, id) = (u64::from(place.offset), Some(indexed.id()));
                    let library = Some(*library);
                    self.list(Damage {
                        file,
                        offset,
                        library,
                        id,
                        is_gap: false,
                        is_header_lost: false,
                        what,
                    });
                }
            }
        }
        Ok(())
    }

    fn damage(&mut self, view: &SegmentView, offset: u64, id: Option<ObjectId>, what: &str) {
        let named = id.map(|id| format!(" ({id})")).unwrap_or_default();
        // The report lists it, too; the caller finds out whether it does harm.
        tracing::info!("{} at offset {offset}: {what}{named}", view.path.display());
        self.list(Self::damage_at(view, offset, id, what));
    }

    /// Damage in the place of records, without their ids.
    fn gap(&mut self, view: &SegmentView, offset: u64, what: &str) {
        tracing::info!("{} at offset {offset}: {what}", view.path.display());
        self.list(Damage { is_gap: true, ..Self::damage_at(view, offset, None, what) });
    }

    fn lost_header(&mut self, view: &SegmentView) {
        let what = "both copies of the segment header are damaged; only the index knows its library";
        tracing::info!("{} at offset 0: {what}", view.path.display());
        self.list(Damage { is_header_lost: true, ..Self::damage_at(view, 0, None, what) });
    }

    fn damage_at(view: &SegmentView, offset: u64, id: Option<ObjectId>, what: &str) -> Damage {
        let library = view.name.map(|name| name.library);
        let (file, what) = (view.path.clone(), what.to_owned());
        Damage { file, offset, library, id, is_gap: false, is_header_lost: false, what }
    }

    fn list(&mut self, damage: Damage) {
        self.report.damaged += 1;
        if self.report.damage.len() < LISTED {
            self.report.damage.push(damage);
        }
    }
}

/// The index key of a damaged record, if its id alone tells it.
fn indexed_by_id(id: Option<ObjectId>) -> Option<Indexed> {
    match id? {
        ObjectId::Chunk(id) => Some(Indexed::Chunk(id)),
        ObjectId::Page(id) => Some(Indexed::Page(id)),
    }
}
