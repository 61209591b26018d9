//! The group that is being filled: records packed into an aligned buffer for their offset in a segment.
//!
//! It is written in pieces as it fills, so that the disk works while more records arrive. Without a marker
//! the pieces are not valid.

use chuan_engine::{
    limits::SEGMENT_BLOCK,
    segment::{
        FooterEntry, Marker, RECORD_HEADER_BYTES, RecordAddress, RecordHeader, RecordKey, SegmentId, align_up,
    },
};

use crate::aligned::AlignedBuf;

/// Whole blocks on their way to the file.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) buf: AlignedBuf,
    /// Their offset in the file.
    pub(crate) offset: u64,
}

/// Records that are written, and become durable, together.
#[derive(Debug)]
pub(crate) struct Group {
    buf: AlignedBuf,
    segment: SegmentId,
    start: u64,
    /// Bytes that have left the buffer.
    written: u64,
    entries: Vec<FooterEntry>,
}

impl Group {
    /// No group yet: [`begin`](Self::begin) one.
    pub(crate) fn new(buf: AlignedBuf) -> Self {
        Self { buf, segment: SegmentId::from_bytes([0; 16]), start: 0, written: 0, entries: Vec::new() }
    }

    /// Starts an empty group at an offset in a segment.
    pub(crate) fn begin(&mut self, segment: SegmentId, start: u64) {
        self.buf.clear();
        self.entries.clear();
        self.segment = segment;
        self.start = start;
        self.written = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of records so far.
    pub(crate) fn len(&self) -> u64 {
        self.written + self.buf.len() as u64
    }

    /// Bytes of the finished group with one more record of `payload_len` bytes.
    pub(crate) fn finished_len_with(&self, payload_len: usize) -> u64 {
        align_up(self.len() + (payload_len + 3 * RECORD_HEADER_BYTES) as u64)
    }

    /// Bytes of a finished group of one record of `payload_len` bytes.
    pub(crate) fn len_of_one(payload_len: usize) -> u64 {
        align_up((payload_len + 3 * RECORD_HEADER_BYTES) as u64)
    }

    pub(crate) fn entries(&self) -> &[FooterEntry] {
        &self.entries
    }

    /// Packs a record.
    pub(crate) fn push(&mut self, key: RecordKey, payload: &[u8]) -> FooterEntry {
        let header = RecordHeader::raw(key, payload);
        let offset = self.offset();
        self.buf.push(&header.encode(RecordAddress { segment: self.segment, offset }));
        self.buf.push(payload);
        let entry = FooterEntry {
            key,
            codec: header.codec,
            offset,
            raw_len: header.raw_len,
            stored_len: header.stored_len,
        };
        self.entries.push(entry);
        entry
    }

    /// Bytes that have not left the buffer.
    pub(crate) fn buffered(&self) -> usize {
        self.buf.len()
    }

    /// Takes all whole blocks out of the buffer and continues in `fresh`.
    pub(crate) fn split(&mut self, mut fresh: AlignedBuf) -> Piece {
        let whole = self.buf.len() - self.buf.len() % SEGMENT_BLOCK;
        fresh.clear();
        fresh.push(self.buf.as_slice().get(whole..).unwrap_or_default());
        let mut buf = std::mem::replace(&mut self.buf, fresh);
        buf.truncate(whole);
        let offset = self.start + self.written;
        self.written += whole as u64;
        Piece { buf, offset }
    }

    /// Ends the group with its two markers and pads it to whole blocks.
    pub(crate) fn finish(&mut self, number: u64) {
        let marker = Marker {
            segment: self.segment,
            group: number,
            records: u32::try_from(self.entries.len()).unwrap_or(u32::MAX),
            start: u32::try_from(self.start).unwrap_or(u32::MAX),
        };
        for _ in 0..2 {
            let address = RecordAddress { segment: self.segment, offset: self.offset() };
            self.buf.push(&RecordHeader::raw(RecordKey::Marker(marker), &[]).encode(address));
        }
        self.buf.pad_to_block();
    }

    /// The offset of the next record. Segments are far smaller than 4 GiB.
    fn offset(&self) -> u32 {
        u32::try_from(self.start + self.len()).unwrap_or(u32::MAX)
    }
}
