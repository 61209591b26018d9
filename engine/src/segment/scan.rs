//! Walks a segment's records and resynchronizes after damage. Sans-IO: the caller supplies the bytes.
//!
//! A record with an intact header is skipped by its length, whatever its payload. After a damaged header, the
//! walk continues at the next offset with an intact header that was made for exactly that offset.

use super::{
    Marker, RECORD_HEADER_BYTES, RecordAddress, RecordHeader, RecordKey, SegmentName, align_up,
    record::RECORD_MAGIC,
};
use crate::limits::SEGMENT_BLOCK;

/// The result of a step.
#[derive(Debug)]
pub enum Step<'a> {
    /// Call again with at least this many bytes from [`Scanner::offset`] on. It never asks for bytes beyond
    /// the end that it was given.
    Need(usize),
    /// An item was found.
    Found(Item<'a>),
    /// The end was reached.
    End,
}

/// An item found in a segment.
#[derive(Debug)]
pub enum Item<'a> {
    /// A record with an intact header.
    Record {
        /// Its offset.
        offset: u64,
        /// The header.
        header: RecordHeader,
        /// The payload, if it matches the header.
        payload: Option<&'a [u8]>,
    },
    /// The end of a group. Each group ends with two markers.
    Marker {
        /// Its offset.
        offset: u64,
        /// The decoded marker.
        marker: Marker,
    },
    /// Bytes that are no record.
    Gap {
        /// Offset of the first byte.
        from: u64,
        /// Offset after the last byte.
        to: u64,
        /// Whether all are zero, as preallocated space is.
        blank: bool,
    },
}

/// A walk over one segment.
#[derive(Clone, Debug)]
pub struct Scanner {
    segment: SegmentName,
    offset: u64,
    end: u64,
    gap: Option<Gap>,
    after_marker: bool,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    from: u64,
    blank: bool,
}

impl Scanner {
    /// Walks from `start`, where a group begins, to `end`: the footer, or the end of the file.
    pub fn new(segment: SegmentName, start: u64, end: u64) -> Self {
        Self { segment, offset: start, end, gap: None, after_marker: false }
    }

    /// The offset from which the next bytes are needed.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes one step. `window` holds the bytes from [`offset`](Self::offset) on.
    pub fn step<'a>(&mut self, window: &'a [u8]) -> Step<'a> {
        let left = self.end.saturating_sub(self.offset);
        if left < RECORD_HEADER_BYTES as u64 {
            return self.finish(window);
        }
        if window.len() < RECORD_HEADER_BYTES {
            return Step::Need(RECORD_HEADER_BYTES);
        }
        match self.header(window) {
            Some(_) if self.gap.is_some() => self.end_gap(self.offset),
            Some(header) => self.record(header, window),
            None if self.after_marker && !self.offset.is_multiple_of(SEGMENT_BLOCK as u64) => {
                self.offset = align_up(self.offset).min(self.end);
                Step::Need(RECORD_HEADER_BYTES)
            }
            None => self.search(window),
        }
    }

    /// The header at the front of `window`, if it is intact and its payload ends before the end.
    fn header(&self, window: &[u8]) -> Option<RecordHeader> {
        let address = RecordAddress { segment: self.segment.id, offset: u32::try_from(self.offset).ok()? };
        let header = RecordHeader::decode(window, address).ok()?;
        (header.total_len() <= self.end - self.offset).then_some(header)
    }

    fn record<'a>(&mut self, header: RecordHeader, window: &'a [u8]) -> Step<'a> {
        let offset = self.offset;
        let end = RECORD_HEADER_BYTES + header.stored_len as usize;
        let Some(payload) = window.get(RECORD_HEADER_BYTES..end) else {
            return Step::Need(end);
        };
        self.offset += header.total_len();
        self.after_marker = false;
        if let RecordKey::Marker(marker) = header.key {
            self.after_marker = true;
            return Step::Found(Item::Marker { offset, marker });
        }
        let payload = header.matches(&self.segment.library, payload).then_some(payload);
        Step::Found(Item::Record { offset, header, payload })
    }

    /// Moves to the next offset in `window` at which a record may begin.
    fn search<'a>(&mut self, window: &'a [u8]) -> Step<'a> {
        self.after_marker = false;
        let skip = next_magic(window);
        let blank = window.get(..skip).is_some_and(is_blank);
        let gap = self.gap.get_or_insert(Gap { from: self.offset, blank: true });
        gap.blank &= blank;
        self.offset += skip as u64;
        Step::Need(RECORD_HEADER_BYTES)
    }

    fn finish<'a>(&mut self, window: &'a [u8]) -> Step<'a> {
        let left = self.end.saturating_sub(self.offset);
        if left > 0 && !self.after_marker {
            if (window.len() as u64) < left {
                return Step::Need(usize::try_from(left).unwrap_or(usize::MAX));
            }
            let gap = self.gap.get_or_insert(Gap { from: self.offset, blank: true });
            gap.blank &= is_blank(window);
        }
        self.offset = self.end;
        if self.gap.is_some() { self.end_gap(self.end) } else { Step::End }
    }

    fn end_gap<'a>(&mut self, to: u64) -> Step<'a> {
        match self.gap.take() {
            Some(Gap { from, blank }) => Step::Found(Item::Gap { from, to, blank }),
            None => Step::End,
        }
    }
}

/// The offset of the next magic in `window` after its first byte, or of the beginning of a magic at its end;
/// the length of `window` if there is none.
fn next_magic(window: &[u8]) -> usize {
    let [first, ..] = RECORD_MAGIC;
    let mut at = 1;
    // Preallocated space is skipped by the block: a search byte by byte would cost more than reading it.
    while let Some(block) = window.get(at..at + SEGMENT_BLOCK).filter(|block| is_blank(block)) {
        at += block.len();
    }
    let rest = window.get(at..).unwrap_or_default();
    rest.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == first)
        .find(|(found, _)| {
            rest.get(*found..).is_some_and(|tail| {
                let len = tail.len().min(RECORD_MAGIC.len());
                tail.get(..len) == RECORD_MAGIC.get(..len)
            })
        })
        .map_or(window.len(), |(found, _)| at + found)
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |any, byte| any | byte) == 0
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test data is small")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        id::{ChunkId, LibraryId},
        segment::{ReservedKind, SegmentId},
    };

    const SEGMENT: SegmentId = SegmentId::from_bytes(*b"0123456789abcdef");
    const NAME: SegmentName = SegmentName { id: SEGMENT, library: LibraryId::from_bytes([0x11; 32]) };

    /// Groups of chunks, as a segment holds them from offset 4096 on, and the chunks' offsets.
    fn groups(chunks: &[Vec<Vec<u8>>]) -> (Vec<u8>, Vec<u64>) {
        let mut out = vec![0; SEGMENT_BLOCK];
        let mut offsets = Vec::new();
        for (group, chunks) in (1..).zip(chunks) {
            let start = out.len() as u32;
            for chunk in chunks {
                offsets.push(out.len() as u64);
                push(&mut out, RecordKey::Chunk(ChunkId::of(chunk)), chunk);
            }
            let marker = Marker { segment: SEGMENT, group, records: chunks.len() as u32, start };
            push(&mut out, RecordKey::Marker(marker), b"");
            push(&mut out, RecordKey::Marker(marker), b"");
            out.resize(out.len().next_multiple_of(SEGMENT_BLOCK), 0);
        }
        (out, offsets)
    }

    fn push(out: &mut Vec<u8>, key: RecordKey, payload: &[u8]) {
        let address = RecordAddress { segment: SEGMENT, offset: out.len() as u32 };
        out.extend_from_slice(&RecordHeader::raw(key, payload).encode(address));
        out.extend_from_slice(payload);
    }

    #[derive(Debug, Default, PartialEq)]
    struct Seen {
        good: Vec<u64>,
        damaged: Vec<u64>,
        markers: Vec<u64>,
        gaps: Vec<(u64, u64, bool)>,
    }

    /// Walks `file` through windows of at most `window` bytes, or as many as the scanner asks for.
    fn walk(file: &[u8], window: usize) -> Seen {
        let mut scanner = Scanner::new(NAME, SEGMENT_BLOCK.min(file.len()) as u64, file.len() as u64);
        let mut seen = Seen::default();
        let mut want = window;
        loop {
            let from = scanner.offset() as usize;
            let to = (from + want.max(window)).min(file.len());
            match scanner.step(&file[from..to]) {
                Step::Need(len) => want = len,
                Step::Found(Item::Record { offset, payload: Some(_), .. }) => seen.good.push(offset),
                Step::Found(Item::Record { offset, payload: None, .. }) => seen.damaged.push(offset),
                Step::Found(Item::Marker { marker, .. }) => seen.markers.push(marker.group),
                Step::Found(Item::Gap { from, to, blank }) => seen.gaps.push((from, to, blank)),
                Step::End => return seen,
            }
        }
    }

    fn example() -> (Vec<u8>, Vec<u64>) {
        groups(&[vec![vec![1; 5000], vec![2; 100]], vec![vec![3; 9000]]])
    }

    #[test]
    fn finds_all_of_a_whole_segment() {
        let (file, offsets) = example();
        for window in [1, 56, 1000, 1 << 20] {
            let seen = walk(&file, window);
            assert_eq!(seen, Seen { good: offsets.clone(), markers: vec![1, 1, 2, 2], ..Seen::default() });
        }
    }

    #[test]
    fn preallocated_space_is_a_blank_gap() {
        let (mut file, _) = example();
        let end = file.len() as u64;
        file.resize(file.len() + 100_000, 0);
        assert_eq!(walk(&file, 4096).gaps, [(end, end + 100_000, true)]);
        let last = file.len() - 1;
        file[last] = 1;
        assert_eq!(walk(&file, 4096).gaps, [(end, end + 100_000, false)]);
    }

    #[test]
    fn a_flipped_bit_loses_one_record_at_most() {
        let (file, offsets) = example();
        for at in SEGMENT_BLOCK..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 4;
            let seen = walk(&bad, 4096);
            assert!(seen.good.len() + 1 >= offsets.len(), "byte {at}: {seen:?}");
            assert!(seen.markers.contains(&1) && seen.markers.contains(&2), "byte {at}: {seen:?}");
        }
    }

    #[test]
    fn records_within_content_are_content() {
        let (inner, _) = groups(&[vec![vec![7; 300]]]);
        let (mut file, offsets) = groups(&[vec![inner, vec![8; 10]]]);
        // Without an intact header to skip it, the walk goes through the content.
        file[SEGMENT_BLOCK] ^= 1;
        let seen = walk(&file, 4096);
        assert_eq!(seen.good, offsets[1..]);
        assert_eq!(seen.gaps, [(offsets[0], offsets[1], false)]);
    }

    #[test]
    fn a_record_of_a_reserved_kind_is_stepped_over() {
        let chunk = b"after it".as_slice();
        let inner = groups(&[vec![vec![7; 300]]]).0;
        let key = RecordKey::Reserved(ReservedKind::DeltaGroup, [9; 32]);
        let mut file = vec![0; SEGMENT_BLOCK];
        push(&mut file, key, &inner);
        let after = file.len() as u64;
        push(&mut file, RecordKey::Chunk(ChunkId::of(chunk)), chunk);
        let seen = walk(&file, 1000);
        assert_eq!(seen, Seen { good: vec![SEGMENT_BLOCK as u64, after], ..Seen::default() });
        // Damage in it is found and affects no other record.
        file[SEGMENT_BLOCK + RECORD_HEADER_BYTES] ^= 1;
        let seen = walk(&file, 1000);
        assert_eq!((seen.good, seen.damaged), (vec![after], vec![SEGMENT_BLOCK as u64]));
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(mut file in proptest::collection::vec(any::<u8>(), 0..20_000), magics in
            proptest::collection::vec(0usize..20_000, 0..20), window in 1usize..5000) {
            for at in magics {
                if let Some(slot) = file.get_mut(at..at + 4) {
                    slot.copy_from_slice(&RECORD_MAGIC);
                }
            }
            let seen = walk(&file, window);
            prop_assert!(seen.good.is_empty() && seen.markers.is_empty());
        }
    }
}
