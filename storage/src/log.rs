//! The log: packs records into groups for the open segment, which is sealed when full and followed by a new one.
//!
//! It has one owner, the writer. It decides where a record goes and when a segment is full, and leaves the writing to
//! [`disk`](crate::disk); it knows nothing of the index and of who waits. After any error its owner must not use it again
//! but to drop it.

use chuan_engine::{
    Error, Result, limits,
    segment::{Footer, FooterEntry, RecordKey, SegmentHeader, SegmentId},
};

use crate::{
    Options,
    aligned::AlignedBuf,
    disk::{Disk, Step},
    entry::{Indexed, Location, Position},
    group::Group,
    settle::{Answer, Settled},
};

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
    disk: Disk,
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
    /// The end of the last group.
    end: u64,
    /// Records in the segment, those of the group that is being filled not counted.
    records: u32,
    /// Those of them that this process wrote, which lie from `listed_from` on.
    entries: Vec<FooterEntry>,
    listed_from: u64,
}

impl Log {
    /// Goes on where `resume` says, on a disk thread that has its segment open.
    pub(crate) fn resume(disk: Disk, options: Options, resume: Resume) -> Self {
        let open = resume.open.map(|position| OpenSegment {
            number: position.segment,
            id: position.id,
            end: position.end,
            records: position.records,
            entries: Vec::new(),
            listed_from: position.end,
        });
        let mut log = Self {
            disk,
            group: Group::new(AlignedBuf::with_capacity(capacity(&options))),
            options,
            open,
            next_segment: resume.next_segment,
            last_group: resume.last_group,
        };
        log.begin_group();
        log
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
        let is_full =
            |open: &mut OpenSegment| !open.fits(&self.group, payload.len(), self.options.segment_bytes);
        if let Some(full) = self.open.take_if(is_full) {
            let OpenSegment { id: segment, end, entries, listed_from, .. } = full;
            self.disk.send(Step::Seal { segment, end, entries, listed_from })?;
        }
        let number = match &self.open {
            Some(open) => open.number,
            None => self.create()?,
        };
        let entry = self.group.push(key, payload);
        // The last piece waits for the markers.
        let is_piece = self.group.buffered() >= piece_bytes(&self.options);
        if is_piece && self.group.len() < self.options.group_bytes {
            let piece = self.group.split(self.buffer());
            self.disk.send(Step::Write(piece))?;
        }
        Ok((number, entry))
    }

    /// Whether the group is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.group.is_empty()
    }

    /// Ends the group and hands on what becomes of its `records` once it is durable.
    pub(crate) fn commit(&mut self, records: Vec<(Indexed, Location)>, cost: u64) -> Result<()> {
        let number = self.last_group + 1;
        self.group.finish(number);
        let fresh = self.buffer();
        let Some(open) = &mut self.open else { return Err(Error::Invalid("an empty group".to_owned())) };
        open.end += self.group.len();
        open.records += u32::try_from(self.group.entries().len()).unwrap_or(u32::MAX);
        open.entries.extend_from_slice(self.group.entries());
        let OpenSegment { number: segment, id, end, records: in_segment, .. } = *open;
        let position = Position { segment, id, end, records: in_segment, group: number };
        let piece = self.group.split(fresh);
        self.disk.send(Step::Commit(piece, Settled { position, records, cost }))?;
        self.last_group = number;
        self.begin_group();
        Ok(())
    }

    /// Has `answer` told once all that was committed is durable and visible.
    pub(crate) fn barrier(&self, answer: Answer) -> Result<()> {
        self.disk.send(Step::Barrier(answer))
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
        self.disk.send(Step::Create(SegmentHeader { id, number }))?;
        self.next_segment += 1;
        let end = limits::SEGMENT_BLOCK as u64;
        self.open = Some(OpenSegment { number, id, end, records: 0, entries: Vec::new(), listed_from: end });
        self.begin_group();
        Ok(number)
    }

    fn buffer(&self) -> AlignedBuf {
        self.disk.free_buffer().unwrap_or_else(|| AlignedBuf::with_capacity(capacity(&self.options)))
    }
}

impl OpenSegment {
    /// Whether the segment with `group` and one more record, and the footer for all of it, stays within its bounds.
    fn fits(&self, group: &Group, payload_len: usize, segment_bytes: u64) -> bool {
        let records = self.records as usize + group.entries().len() + 1;
        records <= limits::SEGMENT_RECORDS
            && self.end + group.finished_len_with(payload_len) + Footer::encoded_len(records) <= segment_bytes
    }
}

/// Bytes after which a piece of the open group is written: the disk works while the rest arrives.
fn piece_bytes(options: &Options) -> usize {
    usize::try_from(options.group_bytes / 2).unwrap_or(usize::MAX).max(limits::SEGMENT_BLOCK)
}

/// The buffer of a group: a piece, one record more, markers and padding.
fn capacity(options: &Options) -> usize {
    piece_bytes(options) + limits::CHUNK_BYTES + 2 * limits::SEGMENT_BLOCK
}
