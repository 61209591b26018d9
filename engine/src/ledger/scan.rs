//! Reads one copy of the ledger, past any damage. It decides nothing: `plan` does.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    FrameId, HEADER_BYTES, Header, Identity,
    frame::{self, FRAME_FIXED_BYTES, FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader},
    record::{Decoded, LedgerRecord, RecordKind},
};

/// Bytes of the checksum that ends a frame.
const CHECKSUM_BYTES: u64 = (FRAME_FIXED_BYTES - FRAME_HEADER_BYTES) as u64;

/// A record and the offset of its header in the file.
#[derive(Clone, Debug)]
pub struct RecordAt {
    /// The record.
    pub record: LedgerRecord,
    /// Where its header begins.
    pub offset: u64,
}

/// A range of a file that is no valid frame.
#[derive(Clone, Debug)]
pub struct Damage {
    /// Where it begins.
    pub offset: u64,
    /// Where it ends.
    pub end: u64,
    /// A description of the damage, for people.
    pub what: &'static str,
    /// The frame's header, if it is readable.
    pub header: Option<FrameHeader>,
    /// Complete records in it.
    pub salvaged: Vec<RecordAt>,
    /// Records in it of which only the header is readable, without their payloads.
    pub heads: Vec<LedgerRecord>,
    /// Bytes after the last readable record; all bytes if there is none.
    pub rest: usize,
}

/// One copy, as far as it is readable.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The identity under which its frames were read.
    pub identity: Identity,
    /// Its header; `None` where it is damaged.
    pub header: Option<Header>,
    /// The records of valid frames, by arrival number.
    pub records: BTreeMap<u64, RecordAt>,
    /// Hashes of the valid frames, in order.
    pub frames: Vec<FrameId>,
    /// Ranges that are no valid frame, in order.
    pub damage: Vec<Damage>,
    /// Base and record count of the closing record, if it is valid.
    pub closing: Option<(u64, u64)>,
    /// Where the last valid frame ends.
    pub end: u64,
    /// Bytes of the file, without zeros at its end that are in no frame.
    pub len: u64,
}

impl Scan {
    /// Reads a copy whose frames were written under `identity`.
    pub fn new(bytes: &Bytes, identity: Identity, header: Option<Header>) -> Self {
        let mut scan = Self {
            identity,
            header,
            records: BTreeMap::new(),
            frames: Vec::new(),
            damage: Vec::new(),
            closing: None,
            end: HEADER_BYTES.min(bytes.len()) as u64,
            len: bytes.len() as u64,
        };
        let mut before = header.map(|header| FrameId::of(&header.encode()));
        let mut at = HEADER_BYTES;
        while at < bytes.len() {
            match frame::decode_front(&bytes.slice(at..), &identity) {
                Ok(frame) => {
                    // After damage, the hash of the frame before is not known.
                    if before.is_some_and(|before| before != frame.header.before) {
                        scan.note(at, at, "the frame before this one is missing");
                    }
                    before = Some(frame.id);
                    at += frame.header.len;
                    scan.take(frame, at);
                }
                // Space without a frame: file systems leave zeros after the end of a file after a crash.
                Err(_) if bytes.iter().skip(at).all(|byte| *byte == 0) => {
                    scan.len = at as u64;
                    break;
                }
                Err(what) => {
                    before = None;
                    let damage = Damage::at(bytes, at, &identity, what);
                    at = usize::try_from(damage.end).unwrap_or(usize::MAX);
                    scan.damage.push(damage);
                }
            }
        }
        scan
    }

    /// Whether nothing in it is damaged or missing, as far as this copy alone can tell.
    pub fn is_clean(&self) -> bool {
        self.header.is_some() && self.damage.is_empty() && self.closing.is_some()
    }

    /// The highest arrival number of its valid frames; the base if there is none above it.
    pub fn highest(&self) -> u64 {
        let last = self.records.last_key_value().map_or(0, |(_, at)| at.record.last());
        last.max(self.base())
    }

    /// The highest arrival number when its generation was begun; 0 if that is not known.
    pub fn base(&self) -> u64 {
        self.header.map(|header| header.base).or(self.closing.map(|(base, _)| base)).unwrap_or(0)
    }

    /// The highest arrival number that any record or frame header in it names, damaged frames included.
    pub(super) fn reach(&self) -> u64 {
        let named = self.damage.iter().flat_map(|damage| {
            let salvaged = damage.salvaged.iter().map(|at| at.record.last());
            let heads = damage.heads.iter().map(|head| head.number);
            salvaged.chain(heads).chain(damage.header.map(|header| header.last))
        });
        named.max().unwrap_or(0).max(self.highest())
    }

    /// The offset up to which frames and records account for the bytes.
    pub(super) fn known_end(&self) -> u64 {
        self.damage.iter().map(Damage::known_end).max().unwrap_or(0).max(self.end)
    }

    /// Whether it ends inside the part that its generation began with. Then nothing tells whether batches
    /// followed.
    pub(super) fn is_cut_in_image(&self) -> bool {
        self.closing.is_none()
            && self.tail().is_some_and(|tail| {
                let is_image = tail.header.is_some_and(|header| header.last <= self.base());
                is_image && tail.known_end() > tail.end && tail.rest as u64 > CHECKSUM_BYTES
            })
    }

    /// The damage at its end, after the last valid frame.
    pub fn tail(&self) -> Option<&Damage> {
        self.damage.last().filter(|damage| damage.offset >= self.end && damage.end > damage.offset)
    }

    /// Removes the damage at its end: a batch that was never acknowledged.
    pub(super) fn drop_tail(&mut self) {
        if self.tail().is_some() {
            self.len = self.damage.pop().map_or(self.len, |torn| torn.offset);
        }
    }

    fn take(&mut self, frame: frame::Frame, end: usize) {
        let begin = end as u64 - frame.header.len as u64;
        for (record, at) in frame.records {
            if record.kind == RecordKind::Closing {
                self.closing = Some((record.number, record.payload_number().unwrap_or(0)));
                continue;
            }
            let taken = RecordAt { offset: begin + at as u64, record };
            if self.records.last_key_value().is_some_and(|(last, _)| *last >= taken.record.number) {
                self.note(end, end, "arrival numbers do not ascend");
                self.records.entry(taken.record.number).or_insert(taken);
            } else {
                self.records.insert(taken.record.number, taken);
            }
        }
        self.frames.push(frame.id);
        self.end = end as u64;
    }

    fn note(&mut self, offset: usize, end: usize, what: &'static str) {
        let (salvaged, heads, rest) = Default::default();
        let (offset, end) = (offset as u64, end as u64);
        self.damage.push(Damage { offset, end, what, header: None, salvaged, heads, rest });
    }
}

impl Damage {
    /// Examines bytes that are no valid frame, up to where the next frame may begin.
    fn at(bytes: &Bytes, at: usize, identity: &Identity, what: &'static str) -> Self {
        let rest = bytes.slice(at..);
        let header = frame::decode_header(&rest, identity);
        let end = match header {
            Some(header) => at.saturating_add(header.len).min(bytes.len()),
            None => next_frame(&rest, identity).map_or(bytes.len(), |found| at + found),
        };
        let mut damage = Self {
            offset: at as u64,
            end: end as u64,
            what,
            header,
            salvaged: Vec::new(),
            heads: Vec::new(),
            rest: end - at,
        };
        damage.salvage(&bytes.slice(at..end), identity);
        damage
    }

    /// The offset up to which a header or record accounts for the bytes: the frame's end by its header, or
    /// the end of a frame whose last record is the last readable one.
    fn known_end(&self) -> u64 {
        let read = self.end - self.offset - self.rest as u64;
        match self.header {
            Some(header) => self.offset + header.len as u64,
            None if read == 0 => self.offset,
            None => self.offset + read + CHECKSUM_BYTES,
        }
    }

    /// Walks the records of a damaged frame, as far as their lengths are readable.
    fn salvage(&mut self, bytes: &Bytes, identity: &Identity) {
        let mut at = FRAME_HEADER_BYTES;
        while at < bytes.len() {
            match LedgerRecord::decode_front(&bytes.slice(at..), identity) {
                Decoded::Whole(record, len) => {
                    self.salvaged.push(RecordAt { record, offset: self.offset + at as u64 });
                    at += len;
                }
                // The closing record of a compaction has no content that must be restored.
                Decoded::Head(record, len) => {
                    self.heads.extend((record.kind != RecordKind::Closing).then_some(record));
                    at += len;
                }
                Decoded::Cut(record) if record.kind == RecordKind::Closing => return,
                Decoded::Cut(record) => {
                    self.heads.push(record);
                    at = bytes.len();
                }
                Decoded::Damaged => return,
            }
            self.rest = bytes.len().saturating_sub(at);
        }
    }
}

/// Where the next readable frame header begins in `bytes`, after the first byte.
fn next_frame(bytes: &[u8], identity: &Identity) -> Option<usize> {
    let mut at = 1;
    while let Some(rest) = bytes.get(at..) {
        let found = rest.windows(FRAME_MAGIC.len()).position(|window| window == FRAME_MAGIC)?;
        let candidate = at + found;
        if frame::decode_header(bytes.get(candidate..).unwrap_or_default(), identity).is_some() {
            return Some(candidate);
        }
        at = candidate + 1;
    }
    None
}
