//! The log: groups appended to the open segment, which is sealed when full and followed by a new one.
//!
//! It has one owner, the writer. It decides where a record goes and when a segment is full; it knows nothing of the
//! index and of who waits. After any error its owner must not use it again but to drop it.

use chuan_engine::{
    Error, Result, limits,
    segment::{Footer, FooterEntry, RecordKey, SegmentHeader, SegmentId, align_up},
};

use crate::{
    Options,
    entry::Position,
    file::AppendFile,
    group::Group,
    layout::{Layout, sync_dir},
    space::{self, Space},
    walk,
};

/// What a segment's first allocation is, so that a small store stays small.
const FIRST_ALLOCATION: u64 = 4 * 1024 * 1024;

/// Where the log goes on after open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    /// The segment to append to, if one is fit for it.
    pub(crate) open: Option<Position>,
    /// The number that no segment has had yet.
    pub(crate) next_segment: u32,
    /// The number of the last group.
    pub(crate) last_group: u64,
}

/// The append-only log.
#[derive(Debug)]
pub(crate) struct Log {
    layout: Layout,
    options: Options,
    group: Group,
    open: Option<OpenSegment>,
    next_segment: u32,
    last_group: u64,
}

#[derive(Debug)]
struct OpenSegment {
    number: u32,
    id: SegmentId,
    file: AppendFile,
    /// The end of the last group.
    end: u64,
    /// Records in the segment, those of the group that is being filled not counted.
    records: u32,
    /// Those of them that this process wrote, or has read back, from `listed_from` on.
    entries: Vec<FooterEntry>,
    listed_from: u64,
}

impl Log {
    /// Goes on where `resume` says.
    pub(crate) fn resume(layout: Layout, options: Options, resume: Resume) -> Result<Self> {
        let mut log = Self {
            group: Group::with_capacity(capacity(&options)),
            layout,
            options,
            open: None,
            next_segment: resume.next_segment,
            last_group: resume.last_group,
        };
        if let Some(position) = resume.open {
            log.open = Some(OpenSegment {
                number: position.segment,
                id: position.id,
                file: AppendFile::open(&log.layout.segment(position.segment), &log.options)?,
                end: position.end,
                records: position.records,
                entries: Vec::new(),
                listed_from: position.end,
            });
            log.begin_group();
        }
        Ok(log)
    }

    /// Whether the group that is being filled has room for one more record of `payload_len` bytes, in its size and in
    /// its segment. Where not, commit it first.
    pub(crate) fn has_room(&self, payload_len: usize) -> bool {
        let Some(open) = &self.open else { return true };
        self.group.is_empty()
            || (self.group.len() < self.options.group_bytes
                && open.fits(&self.group, payload_len, self.options.segment_bytes))
    }

    /// Packs a record into the group; returns the number of its segment and its place. Seals the open segment and makes
    /// a new one where an empty group has no room for it.
    pub(crate) fn push(&mut self, key: RecordKey, payload: &[u8]) -> Result<(u32, FooterEntry)> {
        if self
            .open
            .as_ref()
            .is_some_and(|open| !open.fits(&self.group, payload.len(), self.options.segment_bytes))
        {
            self.seal()?;
        }
        let number = match &self.open {
            Some(open) => open.number,
            None => self.create()?,
        };
        let entry = self.group.push(key, payload);
        self.write(piece_bytes(&self.options))?;
        Ok((number, entry))
    }

    /// Whether the group is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.group.is_empty()
    }

    /// Writes what is left of the group and makes it durable with one sync. The position after it.
    pub(crate) fn commit(&mut self) -> Result<Position> {
        let group = self.last_group + 1;
        self.group.finish(group);
        let end = self.write(0)?;
        let Some(open) = &mut self.open else { return Err(Error::Invalid("an empty group".to_owned())) };
        open.file.sync()?;
        open.end = end;
        open.records += u32::try_from(self.group.entries().len()).unwrap_or(u32::MAX);
        open.entries.extend_from_slice(self.group.entries());
        let position = Position { segment: open.number, id: open.id, end, records: open.records, group };
        self.last_group = group;
        self.begin_group();
        Ok(position)
    }

    /// Bytes allocated to the open segment and not yet used.
    pub(crate) fn slack(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.file.allocated().saturating_sub(open.end))
    }

    /// Gives preallocated space back. Only for a log without an error.
    pub(crate) fn close(mut self) -> Result<()> {
        match &mut self.open {
            Some(open) if open.file.allocated() > open.end => open.file.truncate(open.end),
            _ => Ok(()),
        }
    }

    /// Writes the group's whole blocks once there are `least` bytes; returns the end of what is written of it.
    fn write(&mut self, least: usize) -> Result<u64> {
        let Some(open) = &mut self.open else { return Ok(0) };
        if let Some((bytes, offset)) = self.group.piece(least) {
            let len = bytes.len();
            open.make_room(offset + len as u64, &self.layout, &self.options)?;
            open.file.write(bytes, offset)?;
            self.group.written(len);
        }
        Ok(open.end + self.group.len())
    }

    fn begin_group(&mut self) {
        if let Some(open) = &self.open {
            self.group.begin(open.id, open.end);
        }
    }

    fn create(&mut self) -> Result<u32> {
        let number = self.next_segment;
        let mut id = [0; chuan_engine::segment::SEGMENT_ID_LEN];
        getrandom::fill(&mut id)
            .map_err(|error| Error::io("ask for randomness", std::io::Error::other(error.to_string())))?;
        let id = SegmentId::from_bytes(id);
        let header = SegmentHeader { id, number };
        let file = AppendFile::create(&self.layout.segment(number), &self.options)?;
        let mut open = OpenSegment {
            number,
            id,
            file,
            end: 0,
            records: 0,
            entries: Vec::new(),
            listed_from: limits::SEGMENT_BLOCK as u64,
        };
        self.next_segment += 1;
        // A store that has filled a segment is likely to fill the next: it is allocated in one piece.
        let first =
            if number > 1 && self.last_group > 0 { self.options.segment_bytes } else { FIRST_ALLOCATION };
        open.preallocate(first.min(self.options.segment_bytes), &self.layout);
        let mut block = crate::aligned::AlignedBuf::with_capacity(limits::SEGMENT_BLOCK);
        block.push(&header.encode());
        // Durable with the first group: without one, nothing of the segment counts.
        open.file.write(block.as_slice(), 0)?;
        sync_dir(&self.layout.segments())?;
        open.end = limits::SEGMENT_BLOCK as u64;
        self.open = Some(open);
        self.begin_group();
        Ok(number)
    }

    /// Ends the open segment with its footer. The group must be empty. Nothing is synced: the records are durable, and
    /// a footer that is lost or torn costs a scan.
    fn seal(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let mut entries = Vec::new();
        if open.listed_from > limits::SEGMENT_BLOCK as u64 {
            let path = self.layout.segment(open.number);
            entries = walk::list(&path, open.id, limits::SEGMENT_BLOCK as u64, open.listed_from)?;
        }
        entries.append(&mut open.entries);
        let footer = Footer { segment: open.id, entries };
        let at = u32::try_from(open.end).map_err(|_| Error::Invalid("a segment beyond 4 GiB".to_owned()))?;
        let bytes = footer.encode(at);
        let mut aligned = crate::aligned::AlignedBuf::with_capacity(bytes.len());
        aligned.push(&bytes);
        open.file.write(aligned.as_slice(), open.end)?;
        open.file.truncate(open.end + bytes.len() as u64)
    }
}

impl OpenSegment {
    /// Whether the segment with `group` and one more record, and the footer for all of it, stays within its size.
    fn fits(&self, group: &Group, payload_len: usize, segment_bytes: u64) -> bool {
        let records = self.records as usize + group.entries().len() + 1;
        self.end + group.finished_len_with(payload_len) + Footer::encoded_len(records) <= segment_bytes
    }

    /// Allocates up to `end` and beyond, where there is space; fails where `end` would go into the reserve.
    fn make_room(&mut self, end: u64, layout: &Layout, options: &Options) -> Result<()> {
        if end <= self.file.allocated() {
            return Ok(());
        }
        let wanted = align_up(end - self.file.allocated());
        if Space::of(layout.dir())?.usable() < wanted {
            return Err(space::full(layout.dir(), "the disk is full"));
        }
        if end > FIRST_ALLOCATION {
            self.preallocate(options.segment_bytes.max(end), layout);
        }
        if end > self.file.allocated() {
            self.file.allocate(end);
        }
        Ok(())
    }

    /// Allocates up to `end` if that leaves at least as much again.
    fn preallocate(&mut self, end: u64, layout: &Layout) {
        let wanted = end.saturating_sub(self.file.allocated());
        if Space::of(layout.dir()).is_ok_and(|space| space.usable() / 2 >= wanted) {
            self.file.allocate(end);
        }
    }
}

/// Bytes after which a piece of the open group is written: the disk works while the rest arrives.
fn piece_bytes(options: &Options) -> usize {
    usize::try_from(options.group_bytes / 4).unwrap_or(usize::MAX).max(limits::SEGMENT_BLOCK)
}

/// The buffer of a group: a piece, one record more, markers and padding.
fn capacity(options: &Options) -> usize {
    piece_bytes(options) + limits::CHUNK_BYTES + 2 * limits::SEGMENT_BLOCK
}
