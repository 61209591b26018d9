//! The content of one segment after a position, listed from its footer or by a scan. It changes nothing.

use chuan_engine::{
    Result,
    limits::SEGMENT_BLOCK,
    segment::{
        FIRST_GROUP, FooterEntry, Item, Marker, RECORD_HEADER_BYTES, RecordKey, SegmentName, align_up,
    },
    store::ObjectId,
};
use rustix::fs::Advice;

use crate::{
    entry::{Indexed, Location, Position},
    recover::{indexed, location},
    view::SegmentView,
    walk,
};

/// The content of one segment after a position.
pub(crate) struct Digest<'a> {
    view: &'a SegmentView,
    name: SegmentName,
    pub(crate) start: u64,
    pub(crate) records: Vec<(Indexed, Location)>,
    pub(crate) damage: Vec<Damaged>,
    /// The position after the last marker.
    pub(crate) position: Position,
    /// Bytes after the last marker, if they are not blank.
    pub(crate) torn: Option<u64>,
}

impl<'a> Digest<'a> {
    /// Starts at `known` if the index knows the segment. `group` is the library's last group so far.
    pub(crate) fn new(view: &'a SegmentView, name: SegmentName, known: Option<Position>, group: u64) -> Self {
        let first = Position { segment: view.number, id: name.id, end: FIRST_GROUP, records: 0, group };
        let position = known.unwrap_or(first);
        let start = position.end;
        Self { view, name, start, records: Vec::new(), damage: Vec::new(), position, torn: None }
    }

    /// Takes the records that the footer lists.
    pub(crate) fn take_footer(&mut self, entries: &[FooterEntry], start: u64) -> Result<()> {
        for entry in entries.iter().filter(|entry| u64::from(entry.offset) >= start) {
            // Records of a newer program stay in the segment and are not indexed.
            let indexed = indexed(entry.key).map(|indexed| (indexed, location(self.view.number, entry)));
            self.records.extend(indexed);
        }
        self.position.end = self.view.records_end();
        self.position.records = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        self.position.group = self.position.group.max(self.last_group()?);
        Ok(())
    }

    /// The number of the last group before the footer. Its markers are in the last two blocks.
    fn last_group(&self) -> Result<u64> {
        let end = self.view.records_end();
        let start = end.saturating_sub(2 * SEGMENT_BLOCK as u64).max(FIRST_GROUP);
        let mut group = 0;
        walk::walk(&self.view.file, &self.view.path, self.name, (start, end), &mut |item| {
            if let Item::Marker { marker, .. } = item {
                group = marker.group;
            }
            Ok(())
        })?;
        Ok(group)
    }

    /// Reads every record from `start` to `end`.
    pub(crate) fn scan(&mut self, start: u64, end: u64) -> Result<()> {
        // Bytes that a failed write left in the page cache must not be taken for bytes on the disk.
        let _ = rustix::fs::fadvise(&self.view.file, start, None, Advice::DontNeed);
        let mut open = OpenGroup::default();
        let (view, name) = (self.view, self.name);
        walk::walk(&view.file, &view.path, name, (start, end), &mut |item| {
            self.take(item, &mut open);
            Ok(())
        })?;
        let unmarked = open.records.len() + open.damage.len() > 0 || open.gap || open.seen > 0;
        self.torn = unmarked.then(|| view.len.saturating_sub(self.position.end));
        Ok(())
    }

    fn take(&mut self, item: Item<'_>, open: &mut OpenGroup) {
        match item {
            Item::Record { offset, header, payload } => {
                open.seen += 1;
                let entry = walk::entry(offset, &header);
                let of_newer = matches!(header.key, RecordKey::Reserved(..));
                match payload.and_then(|_| indexed(header.key)) {
                    Some(indexed) => open.records.push((indexed, location(self.view.number, &entry))),
                    // A record of a newer program is not indexed.
                    None if of_newer && payload.is_some() => {}
                    None => {
                        let text = damaged(self.view, offset, "a record");
                        open.damage.push(Damaged { id: header.key.lost_id(), is_gap: false, text });
                    }
                }
            }
            Item::Gap { blank: true, .. } => {}
            Item::Gap { from, to, .. } => {
                open.gap = true;
                let text = damaged(self.view, from, &format!("everything before offset {to}"));
                open.damage.push(Damaged { id: None, is_gap: true, text });
            }
            Item::Marker { offset, marker } => self.end_group(offset, &marker, open),
        }
    }

    /// A marker: everything before it was durable.
    fn end_group(&mut self, offset: u64, marker: &Marker, open: &mut OpenGroup) {
        let open = std::mem::take(open);
        self.position.end = align_up(offset + RECORD_HEADER_BYTES as u64);
        self.position.group = self.position.group.max(marker.group);
        self.position.records = self.position.records.saturating_add(open.seen);
        self.records.extend(open.records);
        self.damage.extend(open.damage);
    }
}

/// A damaged place.
pub(crate) struct Damaged {
    /// The damaged object, if known.
    pub(crate) id: Option<ObjectId>,
    /// Whether it is the place of records whose ids cannot be read.
    pub(crate) is_gap: bool,
    /// The file, the offset and a description.
    pub(crate) text: String,
}

/// The records and damage since the last marker.
#[derive(Default)]
struct OpenGroup {
    seen: u32,
    records: Vec<(Indexed, Location)>,
    damage: Vec<Damaged>,
    gap: bool,
}

fn damaged(view: &SegmentView, offset: u64, what: &str) -> String {
    format!("{} at offset {offset}: {what} is damaged", view.path.display())
}
