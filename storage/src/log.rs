//! The log: packs records into groups, each of one library, for that library's open segment. A full segment
//! is sealed, and a new one follows.
//!
//! It has one owner, the writer. It decides where a record goes, when a segment is full and which segments
//! stay open; [`disk`](crate::disk) does the writing. After any error its owner may only drop it.
//!
//! Memory: a few groups are filled side by side, so that libraries that are written at once do not end each
//! other's groups. Footer entries are kept for one full segment's worth of records in all; entries that were
//! dropped are read back from the file when their segment is sealed.

use std::{collections::BTreeMap, mem};

use chuan_engine::{
    Error, Result,
    id::LibraryId,
    limits::{self, OPEN_SEGMENTS},
    segment::{Footer, FooterEntry, SegmentHeader, SegmentId, SegmentName},
};

use crate::{
    Options,
    aligned::AlignedBuf,
    disk::{Allocation, Disk, Step},
    entry::{Incoming, Indexed, Location, Position},
    group::Group,
    queue::cost,
    recover::location,
    settle::{Answer, Settled},
};

/// Maximum groups that are filled side by side, each with its own buffer.
const FILLING_GROUPS: usize = 4;
const _: () = assert!(FILLING_GROUPS < OPEN_SEGMENTS);

/// Where the log continues after open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resume {
    pub(crate) libraries: BTreeMap<LibraryId, ResumeLibrary>,
    /// The last segment number used.
    pub(crate) last_segment: u32,
}

/// Where one library continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResumeLibrary {
    /// The segment to append to, if there is one that may be appended to.
    pub(crate) open: Option<Position>,
    /// The number of the last group.
    pub(crate) last_group: u64,
    /// Whether the library has filled a segment before.
    pub(crate) has_sealed: bool,
}

/// The append-only log.
#[derive(Debug)]
pub(crate) struct Log {
    disk: Disk,
    options: Options,
    libraries: BTreeMap<LibraryId, Library>,
    /// The groups that are being filled, the least recently used first.
    filling: Vec<Filling>,
    /// Libraries whose segments the disk thread has open, the least recently used first.
    open: Vec<LibraryId>,
    last_segment: u32,
}

/// Where a library's next record goes.
#[derive(Debug)]
struct Library {
    segment: Option<Segment>,
    last_group: u64,
    has_sealed: bool,
}

/// The segment that a library is appended to.
#[derive(Debug)]
struct Segment {
    number: u32,
    id: SegmentId,
    /// The end of the last group.
    end: u64,
    /// Records in the segment, without those of the group that is being filled.
    records: u32,
    /// The entries of the records from offset `listed_from` on.
    entries: Vec<FooterEntry>,
    listed_from: u64,
}

/// A group that is being filled.
#[derive(Debug)]
struct Filling {
    library: LibraryId,
    group: Group,
    records: Vec<(Indexed, Location)>,
    /// The cost of the records in the queue.
    cost: u64,
}

impl Log {
    /// Continues where `resume` says.
    pub(crate) fn resume(disk: Disk, options: Options, resume: Resume) -> Self {
        let libraries = resume.libraries.into_iter().map(|(library, resume)| {
            let segment = resume.open.map(|position| Segment {
                number: position.segment,
                id: position.id,
                end: position.end,
                records: position.records,
                entries: Vec::new(),
                listed_from: position.end,
            });
            let ResumeLibrary { last_group, has_sealed, .. } = resume;
            (library, Library { segment, last_group, has_sealed })
        });
        Self {
            disk,
            options,
            libraries: libraries.collect(),
            filling: Vec::new(),
            open: Vec::new(),
            last_segment: resume.last_segment,
        }
    }

    /// Packs an object into its library's group; first ends that group if the object does not fit.
    pub(crate) fn put(&mut self, library: LibraryId, object: Incoming) -> Result<()> {
        self.fill(library)?;
        if !self.has_room(object.payload.len()) {
            self.commit_current()?;
        }
        if self.current()?.group.is_empty() {
            self.begin(library, object.payload.len())?;
        }
        let (number, piece_bytes) = (self.segment(&library)?.number, piece_bytes(&self.options));
        let filling = self.current()?;
        let cost = cost(&object);
        let entry = filling.group.push(object.key.record_key(), &object.payload);
        filling.records.push((object.key, location(number, &entry)));
        filling.cost += cost;
        // The last piece waits for the markers.
        let is_piece = filling.group.buffered() >= piece_bytes;
        if is_piece && filling.group.len() < self.options.group_bytes {
            let fresh = self.buffer();
            let piece = self.current()?.group.split(fresh);
            self.disk.send(Step::Write(number, piece))?;
        }
        Ok(())
    }

    /// Ends a library's group, if there is one.
    pub(crate) fn commit(&mut self, library: &LibraryId) -> Result<()> {
        if !self.filling.iter().any(|filling| filling.library == *library) {
            return Ok(());
        }
        self.fill(*library)?;
        self.commit_current()
    }

    /// Drops a library's group that is not committed, and closes its segment after the last one that is: the
    /// library's next record begins a segment. Returns the cost of the dropped records in the queue.
    pub(crate) fn release(&mut self, library: &LibraryId) -> Result<u64> {
        let dropped = self.filling.extract_if(.., |filling| filling.library == *library);
        let cost = dropped.map(|filling| filling.cost).sum();
        let segment = self.libraries.get_mut(library).and_then(|state| state.segment.take());
        let is_open = self.open.iter().any(|open| open == library);
        self.open.retain(|open| open != library);
        if let (Some(segment), true) = (segment, is_open) {
            self.disk.send(Step::Close { number: segment.number, end: segment.end })?;
        }
        Ok(cost)
    }

    /// Answers once all committed groups are durable and visible.
    pub(crate) fn barrier(&self, answer: Answer) -> Result<()> {
        self.disk.send(Step::Barrier(answer))
    }

    /// Makes the library's group the current one: the last in `filling`.
    fn fill(&mut self, library: LibraryId) -> Result<()> {
        if self.filling.last().is_some_and(|filling| filling.library == library) {
            return Ok(());
        }
        if let Some(at) = self.filling.iter().position(|filling| filling.library == library) {
            let found = self.filling.remove(at);
            self.filling.push(found);
            return Ok(());
        }
        if self.filling.len() >= FILLING_GROUPS {
            self.filling.rotate_left(1);
            self.commit_current()?;
            let oldest = self.current()?;
            oldest.library = library;
            return Ok(());
        }
        self.filling.push(Filling {
            library,
            group: Group::new(AlignedBuf::with_capacity(capacity(&self.options))),
            records: Vec::new(),
            cost: 0,
        });
        Ok(())
    }

    fn current(&mut self) -> Result<&mut Filling> {
        self.filling.last_mut().ok_or_else(|| Error::Invalid("a record without a group".to_owned()))
    }

    /// Whether the current group has room for one more record of `payload_len` bytes, within the bounds of
    /// group and segment.
    fn has_room(&self, payload_len: usize) -> bool {
        let Some(filling) = self.filling.last() else { return true };
        let library = self.libraries.get(&filling.library);
        let Some(segment) = library.and_then(|library| library.segment.as_ref()) else { return true };
        filling.group.is_empty()
            || (filling.group.len() < self.options.group_bytes
                && segment.fits(&filling.group, payload_len, self.options.segment_bytes))
    }

    /// Ends the current group and hands it over, with the records that become visible once it is durable.
    fn commit_current(&mut self) -> Result<()> {
        if self.current()?.group.is_empty() {
            return Ok(());
        }
        let fresh = self.buffer();
        let Some(filling) = self.filling.last_mut() else { return Ok(()) };
        let library = filling.library;
        let state = self.libraries.get_mut(&library).ok_or_else(no_segment)?;
        let segment = state.segment.as_mut().ok_or_else(no_segment)?;
        state.last_group += 1;
        filling.group.finish(state.last_group);
        segment.end += filling.group.len();
        segment.records += u32::try_from(filling.group.entries().len()).unwrap_or(u32::MAX);
        segment.entries.extend_from_slice(filling.group.entries());
        let Segment { number, id, end, records, .. } = *segment;
        let position = Position { segment: number, id, end, records, group: state.last_group };
        let piece = filling.group.split(fresh);
        let settled = Settled {
            library,
            position,
            records: mem::take(&mut filling.records),
            cost: mem::take(&mut filling.cost),
        };
        filling.group.begin(id, end);
        self.disk.send(Step::Commit(piece, settled))?;
        self.forget_entries();
        Ok(())
    }

    /// Opens the library's segment, with room for a first record, and begins the empty current group in it.
    fn begin(&mut self, library: LibraryId, payload_len: usize) -> Result<()> {
        let segment_bytes = self.options.segment_bytes;
        let len = Group::len_of_one(payload_len);
        let state = self.libraries.entry(library).or_insert_with(Library::new);
        if let Some(full) = state.segment.take_if(|segment| !segment.fits_empty(len, segment_bytes)) {
            state.has_sealed = true;
            // If its file was closed in the meantime, it is opened once more.
            self.open(library, Some(full.resume()))?;
            self.open.retain(|open| *open != library);
            let Segment { number, id, end, entries, listed_from, .. } = full;
            let segment = SegmentName { id, library };
            self.disk.send(Step::Seal { number, segment, end, entries, listed_from })?;
        }
        let resume = self.segment(&library).ok().map(Segment::resume);
        self.open(library, resume)?;
        let segment = self.segment(&library)?;
        let (id, end) = (segment.id, segment.end);
        self.current()?.group.begin(id, end);
        Ok(())
    }

    /// Makes the disk thread open a library's segment: the one to be resumed, or a new one. If too many are
    /// open, the least recently used one is closed, not sealed.
    fn open(&mut self, library: LibraryId, resume: Option<(u32, u64)>) -> Result<()> {
        if let Some(at) = self.open.iter().position(|open| *open == library) {
            self.open.remove(at);
            self.open.push(library);
            return Ok(());
        }
        if self.open.len() >= OPEN_SEGMENTS {
            self.close_one()?;
        }
        match resume {
            Some((number, end)) => self.disk.send(Step::Resume { number, library, end })?,
            None => self.create(library)?,
        }
        self.open.push(library);
        Ok(())
    }

    /// Closes the least recently used segment in which no group is being filled. There are fewer groups than
    /// open segments, so one exists.
    fn close_one(&mut self) -> Result<()> {
        let is_filled = |library: &LibraryId| {
            self.filling.iter().any(|filling| filling.library == *library && !filling.group.is_empty())
        };
        let Some(at) = self.open.iter().position(|library| !is_filled(library)) else { return Ok(()) };
        let library = self.open.remove(at);
        let Some(segment) = self.libraries.get_mut(&library).and_then(|state| state.segment.as_mut()) else {
            return Ok(());
        };
        segment.forget_entries();
        let (number, end) = segment.resume();
        self.disk.send(Step::Close { number, end })
    }

    fn create(&mut self, library: LibraryId) -> Result<()> {
        let number = self.last_segment + 1;
        let mut id = [0; chuan_engine::segment::SEGMENT_ID_LEN];
        getrandom::fill(&mut id)
            .map_err(|error| Error::io("ask for randomness", std::io::Error::other(error.to_string())))?;
        let id = SegmentId::from_bytes(id);
        let state = self.libraries.entry(library).or_insert_with(Library::new);
        let end = limits::SEGMENT_BLOCK as u64;
        state.segment = Some(Segment { number, id, end, records: 0, entries: Vec::new(), listed_from: end });
        // A library that has filled a segment is likely to fill the next.
        let allocation = if state.has_sealed { Allocation::Whole } else { Allocation::First };
        let header = SegmentHeader { name: SegmentName { id, library }, number };
        self.disk.send(Step::Create(header, allocation))?;
        self.last_segment = number;
        Ok(())
    }

    /// Drops the footer entries of the least recently used segments while all entries together are too many.
    fn forget_entries(&mut self) {
        let mut listed: usize = self.segments().map(|segment| segment.entries.len()).sum();
        for library in &self.open {
            if listed <= limits::SEGMENT_RECORDS {
                return;
            }
            if let Some(segment) = self.libraries.get_mut(library).and_then(|state| state.segment.as_mut()) {
                listed -= segment.entries.len();
                segment.forget_entries();
            }
        }
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.open.iter().filter_map(|library| self.libraries.get(library)?.segment.as_ref())
    }

    fn segment(&self, library: &LibraryId) -> Result<&Segment> {
        self.libraries.get(library).and_then(|state| state.segment.as_ref()).ok_or_else(no_segment)
    }

    fn buffer(&self) -> AlignedBuf {
        self.disk.free_buffer().unwrap_or_else(|| AlignedBuf::with_capacity(capacity(&self.options)))
    }
}

impl Library {
    /// A library without a segment.
    fn new() -> Self {
        Self { segment: None, last_group: 0, has_sealed: false }
    }
}

impl Segment {
    /// Whether the segment with `group`, one more record and the footer for all of it stays within its
    /// bounds.
    fn fits(&self, group: &Group, payload_len: usize, segment_bytes: u64) -> bool {
        self.fits_more(group.entries().len() + 1, group.finished_len_with(payload_len), segment_bytes)
    }

    /// The same for a group of one record that takes `len` bytes.
    fn fits_empty(&self, len: u64, segment_bytes: u64) -> bool {
        self.fits_more(1, len, segment_bytes)
    }

    fn fits_more(&self, records: usize, len: u64, segment_bytes: u64) -> bool {
        let records = self.records as usize + records;
        records <= limits::SEGMENT_RECORDS && self.end + len + Footer::encoded_len(records) <= segment_bytes
    }

    /// Its number, and the offset at which it continues.
    fn resume(&self) -> (u32, u64) {
        (self.number, self.end)
    }

    fn forget_entries(&mut self) {
        self.entries = Vec::new();
        self.listed_from = self.end;
    }
}

fn no_segment() -> Error {
    Error::Invalid("a group without a segment".to_owned())
}

/// Bytes after which a piece of the group is written, so that the disk works while more records arrive.
fn piece_bytes(options: &Options) -> usize {
    usize::try_from(options.group_bytes / 2).unwrap_or(usize::MAX).max(limits::SEGMENT_BLOCK)
}

/// The size of a group's buffer: a piece, one more record, markers and padding.
fn capacity(options: &Options) -> usize {
    piece_bytes(options) + limits::CHUNK_BYTES + 2 * limits::SEGMENT_BLOCK
}
