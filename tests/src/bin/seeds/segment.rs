//! The seed of the target `segment`.

use anyhow::Result;
use chuan_engine::{
    id::{ChunkId, LibraryId, PageId},
    segment::{
        Codec, Footer, FooterEntry, Marker, RecordAddress, RecordHeader, RecordKey, ReservedKind,
        SegmentHeader, SegmentId, SegmentName, align_up,
    },
};

/// The segment that the target `segment` expects.
const SEGMENT: SegmentName =
    SegmentName { id: SegmentId::from_bytes([7; 16]), library: LibraryId::from_bytes([8; 32]) };

/// A segment with two groups, with records of every kind and codec, and a footer.
pub(super) fn seed(pages: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut out = SegmentHeader { name: SEGMENT, number: 1 }.encode();
    let mut entries = Vec::new();
    let small = pages.iter().filter(|page| page.len() < 2000).take(2);
    for (group, page) in (0u8..).zip(small) {
        let start = narrow(out.len());
        let chunk = vec![group; 100];
        let text = b"the river ".repeat(20 + usize::from(group));
        let packed = zstd::bulk::compress(&text, 3)?;
        let raw = RecordHeader::raw;
        let zstd = RecordHeader {
            codec: Codec::Zstd,
            stored_len: narrow(packed.len()),
            ..raw(RecordKey::Chunk(ChunkId::of(&text)), &text)
        };
        let reserved = RecordKey::Reserved(ReservedKind::DeltaGroup, [group; 32]);
        for (header, payload) in [
            (raw(RecordKey::Page(PageId::of(&SEGMENT.library, page)), page), page),
            (raw(RecordKey::Chunk(ChunkId::of(&chunk)), &chunk), &chunk),
            (zstd, &packed),
            (raw(reserved, &chunk), &chunk),
        ] {
            let offset = narrow(out.len());
            let RecordHeader { key, codec, raw_len, stored_len, .. } = header;
            entries.push(FooterEntry { key, codec, offset, raw_len, stored_len });
            out.extend_from_slice(&header.encode(RecordAddress { segment: SEGMENT.id, offset }));
            out.extend_from_slice(payload);
        }
        let marker = Marker { segment: SEGMENT.id, group: group.into(), records: 4, start };
        for _ in 0..2 {
            let place = RecordAddress { segment: SEGMENT.id, offset: narrow(out.len()) };
            out.extend_from_slice(&raw(RecordKey::Marker(marker), &[]).encode(place));
        }
        out.resize(usize::try_from(align_up(out.len() as u64)).unwrap_or(out.len()), 0);
    }
    let mut footer = Footer { segment: SEGMENT, entries };
    out.extend_from_slice(&footer.encode(narrow(out.len())));
    Ok(out)
}

/// Offsets and lengths in a seed, far below 4 GiB.
fn narrow(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
