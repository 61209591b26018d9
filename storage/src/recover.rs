//! What happens at open: the index learns what the segments hold past the position it knows, and the log learns where
//! to go on.
//!
//! The rules: a record counts when a marker follows it. Only bytes after the last marker of the last segment are ever
//! cut. A record that is damaged before a marker is reported with its file and offset, its id is put into the lost set
//! where it can be told, and its bytes stay. A segment in which this found anything is not appended to again: its last
//! sync may have failed.

use std::{collections::BTreeSet, fs::OpenOptions};

use chuan_engine::{
    Error, Result,
    limits::SEGMENT_BLOCK,
    segment::{
        FooterEntry, Item, Marker, Place, RECORD_HEADER_BYTES, RecordHeader, RecordKey, SegmentId, align_up,
        payload::{self, StatementPrefix},
    },
    store::LostId,
};
use rustix::fs::Advice;

use crate::{
    entry::{Indexed, Location, Position},
    index::{Change, Index},
    layout::Layout,
    log::Resume,
    view::{Sealing, View},
    walk,
};

/// Damage reports kept for the caller; all are logged.
const REPORTS: usize = 1000;
/// Records moved to the lost set at a time.
const LOSE_BATCH: usize = 1024;
/// Where the first group begins.
const FIRST_GROUP: u64 = SEGMENT_BLOCK as u64;

/// What was found at open.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) resume: Resume,
    /// Segments whose records were listed from their footer or scanned.
    pub(crate) segments: u64,
    /// Segments that had to be scanned.
    pub(crate) scanned: u64,
    /// Records that were given to the index.
    pub(crate) records: u64,
    /// Damage, each with its file and offset.
    pub(crate) damage: Vec<String>,
}

/// Brings the index up to date with the segments. `progress` is told of segments done and in all.
pub(crate) fn recover(layout: &Layout, index: &Index, progress: &dyn Fn(u64, u64)) -> Result<Recovered> {
    let numbers = layout.list_segments()?;
    let known = index.position()?;
    let mut damage = Vec::new();
    lose_missing(layout, index, &numbers, &mut damage)?;
    let from = known.map_or(0, |position| position.segment);
    let todo: Vec<u32> = numbers.iter().copied().filter(|number| *number >= from).collect();
    let last = numbers.last().copied();
    let mut recovered = Recovered {
        resume: Resume {
            open: None,
            next_segment: last.into_iter().chain(index.segments().keys().copied()).max().unwrap_or(0) + 1,
            last_group: known.map_or(0, |position| position.group),
        },
        segments: 0,
        scanned: 0,
        records: 0,
        damage,
    };
    for (done, number) in (0..).zip(&todo) {
        progress(done, todo.len() as u64);
        let view = View::open(layout, *number, index.segment_id(*number))?;
        let start = known.filter(|position| position.segment == *number);
        recovered.segment(index, &view, start, last == Some(*number))?;
    }
    progress(todo.len() as u64, todo.len() as u64);
    Ok(recovered)
}

impl Recovered {
    /// Takes in one segment from `known` on, or all of it.
    fn segment(&mut self, index: &Index, view: &View, known: Option<Position>, last: bool) -> Result<()> {
        self.segments += 1;
        let Some(id) = view.id else {
            // A crash right after the file was made leaves one without a name; nothing was acknowledged in it.
            if !view.is_blank()? {
                self.report(format!(
                    "{}: the segment's name is nowhere to be read; nothing of it is",
                    view.path.display()
                ));
            }
            return Ok(());
        };
        if known.is_some_and(|position| position.id != id) {
            let path = view.path.display();
            return Err(Error::Corrupt(format!(
                "the index knows another segment than {path}; it is rebuilt"
            )));
        }
        if !view.header_ok {
            self.report(format!("{} at offset 0: the segment header is damaged", view.path.display()));
        }
        let start = known.map_or(FIRST_GROUP, |position| position.end);
        if align_up(view.len) < start {
            let path = view.path.display();
            self.report(format!("{path} at offset {}: the file ends here, {start} were committed", view.len));
            return lose_where(index, &self.damage, &|location| {
                location.segment == view.number && end_of(location) > view.len
            });
        }
        let mut digest = Digest::new(view, id, known);
        match &view.footer {
            Sealing::Sealed { footer, .. } => digest.take_footer(&footer.entries, start)?,
            Sealing::Open | Sealing::Damaged { .. } => {
                self.scanned += 1;
                if matches!(view.footer, Sealing::Damaged { .. }) {
                    digest.damage.push((None, format!("{}: the footer is damaged", view.path.display())));
                }
                digest.scan(start)?;
            }
        }
        self.settle(index, view, digest, last)
    }

    /// Gives what was found to the index, and decides whether the segment is appended to.
    fn settle(&mut self, index: &Index, view: &View, digest: Digest<'_>, last: bool) -> Result<()> {
        let found_nothing = digest.position.end == digest.start && digest.damage.is_empty();
        digest.damage.iter().for_each(|(_, text)| self.report(text.clone()));
        if !found_nothing {
            let damaged: Vec<(LostId, String)> =
                digest.damage.into_iter().filter_map(|(id, text)| Some((id?, text))).collect();
            self.records += digest.records.len() as u64;
            let change = Change {
                records: &digest.records,
                fresh: false,
                damaged: &damaged,
                position: digest.position,
            };
            index.apply(&change)?;
        }
        self.resume.last_group = self.resume.last_group.max(digest.position.group);
        if !last || !matches!(view.footer, Sealing::Open) {
            return Ok(());
        }
        if let Some(torn) = digest.torn {
            cut(view, digest.position.end, torn)?;
        }
        if found_nothing && digest.torn.is_none() && view.header_ok {
            self.resume.open = Some(digest.position);
        }
        Ok(())
    }

    fn report(&mut self, text: String) {
        tracing::error!("{text}");
        if self.damage.len() < REPORTS {
            self.damage.push(text);
        }
    }
}

/// What one segment holds past a position.
struct Digest<'a> {
    view: &'a View,
    id: SegmentId,
    start: u64,
    records: Vec<(Indexed, Location)>,
    damage: Vec<(Option<LostId>, String)>,
    /// After the last marker.
    position: Position,
    /// Bytes after the last marker that are not blank.
    torn: Option<u64>,
}

impl<'a> Digest<'a> {
    fn new(view: &'a View, id: SegmentId, known: Option<Position>) -> Self {
        let position =
            known.unwrap_or(Position { segment: view.number, id, end: FIRST_GROUP, records: 0, group: 0 });
        Self { view, id, start: position.end, records: Vec::new(), damage: Vec::new(), position, torn: None }
    }

    /// Takes the footer's word; only statements and ref moves are read, for their keys.
    fn take_footer(&mut self, entries: &[FooterEntry], start: u64) -> Result<()> {
        for entry in entries.iter().filter(|entry| u64::from(entry.offset) >= start) {
            match self.indexed(entry)? {
                Ok(indexed) => self.records.push((indexed, location(self.view.number, entry))),
                Err(text) => self.damage.push((entry.key.lost_id(), text)),
            }
        }
        self.position.end = self.view.records_end();
        self.position.records = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        self.position.group = self.position.group.max(self.last_group()?);
        Ok(())
    }

    fn indexed(&self, entry: &FooterEntry) -> Result<Result<Indexed, String>> {
        let payload = match entry.key {
            RecordKey::Chunk(id) => return Ok(Ok(Indexed::Chunk(id))),
            RecordKey::Page(id) => return Ok(Ok(Indexed::Page(id))),
            RecordKey::Statement(_) | RecordKey::Ref | RecordKey::Marker(_) => self.payload(entry)?,
        };
        Ok(payload
            .and_then(|payload| indexed(entry.key, &payload))
            .ok_or_else(|| damaged(self.view, u64::from(entry.offset), "a statement or ref record")))
    }

    fn payload(&self, entry: &FooterEntry) -> Result<Option<Vec<u8>>> {
        use std::os::unix::fs::FileExt;
        let mut bytes = vec![0; RECORD_HEADER_BYTES + entry.stored_len as usize];
        self.view
            .file
            .read_exact_at(&mut bytes, u64::from(entry.offset))
            .map_err(|error| Error::io(format!("read {}", self.view.path.display()), error))?;
        let place = Place { segment: self.id, offset: entry.offset };
        let header = RecordHeader::decode(&bytes, place).ok();
        let payload = bytes.split_off(RECORD_HEADER_BYTES);
        Ok(header.filter(|header| header.key == entry.key && header.matches(&payload)).map(|_| payload))
    }

    /// The number of the group before the footer: its markers are in the last two blocks.
    fn last_group(&self) -> Result<u64> {
        let end = self.view.records_end();
        let start = end.saturating_sub(2 * SEGMENT_BLOCK as u64).max(FIRST_GROUP);
        let mut group = 0;
        walk::walk(&self.view.file, &self.view.path, self.id, (start, end), &mut |item| {
            if let Item::Marker { marker, .. } = item {
                group = marker.group;
            }
            Ok(())
        })?;
        Ok(group)
    }

    /// Reads every record from `start` on.
    fn scan(&mut self, start: u64) -> Result<()> {
        // What a failed write left in the page cache must not pass for what is on the disk.
        let _ = rustix::fs::fadvise(&self.view.file, start, None, Advice::DontNeed);
        let mut open = OpenGroup::default();
        let (view, id, end) = (self.view, self.id, self.view.records_end());
        walk::walk(&view.file, &view.path, id, (start, end), &mut |item| {
            self.take(item, &mut open);
            Ok(())
        })?;
        let unmarked = open.records.len() + open.damage.len() > 0 || open.gap;
        self.torn = unmarked.then(|| view.len.saturating_sub(self.position.end));
        Ok(())
    }

    fn take(&mut self, item: Item<'_>, open: &mut OpenGroup) {
        match item {
            Item::Record { offset, header, payload } => {
                open.seen += 1;
                let entry = walk::entry(offset, &header);
                match payload.and_then(|payload| indexed(header.key, payload)) {
                    Some(indexed) => open.records.push((indexed, location(self.view.number, &entry))),
                    None => open.damage.push((header.key.lost_id(), damaged(self.view, offset, "a record"))),
                }
            }
            Item::Gap { blank: true, .. } => {}
            Item::Gap { from, to, .. } => {
                open.gap = true;
                open.damage.push((None, damaged(self.view, from, &format!("what lies before offset {to}"))));
            }
            Item::Marker { offset, marker } => self.end_group(offset, &marker, open),
        }
    }

    /// A marker: all that was seen before it was durable.
    fn end_group(&mut self, offset: u64, marker: &Marker, open: &mut OpenGroup) {
        let open = std::mem::take(open);
        self.position.end = align_up(offset + RECORD_HEADER_BYTES as u64);
        self.position.group = self.position.group.max(marker.group);
        self.position.records = self.position.records.saturating_add(open.seen);
        self.records.extend(open.records);
        self.damage.extend(open.damage);
    }
}

/// What was seen since the last marker.
#[derive(Default)]
struct OpenGroup {
    seen: u32,
    records: Vec<(Indexed, Location)>,
    damage: Vec<(Option<LostId>, String)>,
    gap: bool,
}

/// How the index keys a record of which the payload is whole.
pub(crate) fn indexed(key: RecordKey, payload: &[u8]) -> Option<Indexed> {
    match key {
        RecordKey::Chunk(id) => Some(Indexed::Chunk(id)),
        RecordKey::Page(id) => Some(Indexed::Page(id)),
        RecordKey::Statement(id) => {
            let (prefix, _) = StatementPrefix::decode(payload).ok()?;
            Some(Indexed::Statement { id, prefix })
        }
        RecordKey::Ref => payload::decode_ref(payload).ok().map(Indexed::Ref),
        RecordKey::Marker(_) => None,
    }
}

pub(crate) fn location(segment: u32, entry: &FooterEntry) -> Location {
    Location { segment, offset: entry.offset, stored_len: entry.stored_len, raw_len: entry.raw_len }
}

fn damaged(view: &View, offset: u64, what: &str) -> String {
    format!("{} at offset {offset}: {what} is damaged", view.path.display())
}

fn end_of(location: &Location) -> u64 {
    u64::from(location.offset) + RECORD_HEADER_BYTES as u64 + u64::from(location.stored_len)
}

/// Cuts what follows the last marker of the last segment: it was never acknowledged.
fn cut(view: &View, end: u64, bytes: u64) -> Result<()> {
    tracing::warn!(
        "{}: cutting {bytes} bytes after the last marker, which no commit acknowledged",
        view.path.display()
    );
    OpenOptions::new()
        .write(true)
        .open(&view.path)
        .and_then(|file| file.set_len(end))
        .map_err(|error| Error::io(format!("truncate {}", view.path.display()), error))
}

/// Moves the records of segments whose files are gone to the lost set.
fn lose_missing(layout: &Layout, index: &Index, numbers: &[u32], damage: &mut Vec<String>) -> Result<()> {
    let known: BTreeSet<u32> = index.segments().into_keys().collect();
    for number in known.into_iter().filter(|number| !numbers.contains(number)) {
        let text =
            format!("{}: the segment file is gone, and all that it held", layout.segment(number).display());
        tracing::error!("{text}");
        damage.push(text);
        lose_where(index, damage, &|location| location.segment == number)?;
        index.forget_segment(number)?;
    }
    Ok(())
}

fn lose_where(index: &Index, damage: &[String], gone: &dyn Fn(&Location) -> bool) -> Result<()> {
    let text = damage.last().cloned().unwrap_or_default();
    let mut lost = Vec::new();
    index.visit(|indexed, location| {
        if gone(&location) {
            lost.push((indexed, location, text.clone()));
        }
        if lost.len() == LOSE_BATCH {
            index.lose(&std::mem::take(&mut lost))?;
        }
        Ok(())
    })?;
    index.lose(&lost)
}
