//! Formats that this program reads but does not write: packed payloads, and records of kinds that newer
//! programs write.

use std::{fs, path::Path};

use bytes::Bytes;
use chuan_engine::{
    id::ChunkId,
    segment::{
        Codec, Footer, FooterEntry, Marker, RECORD_HEADER_BYTES, RecordAddress, RecordHeader, RecordKey,
        ReservedKind, SegmentHeader, SegmentId, SegmentName, align_up,
    },
    store::{
        Check,
        objects::{ObjectId, Objects},
    },
};

use super::support::{
    FILMS, capture_log, chunk, contents, films, flip, object_id, put, read_back, scratch, scrub, small,
};
use crate::{DiskStore, Error, layout::Layout};

const NAME: SegmentName = SegmentName { id: SegmentId::from_bytes([0x5e; 16]), library: FILMS };

fn text() -> Bytes {
    Bytes::from("以下字幕由志愿者翻译。".repeat(300))
}

/// Writes the first segment as a newer program would: a packed chunk, a record of a reserved kind, and a raw
/// chunk. Returns the offsets of the three.
fn write(dir: &Path, sealed: bool) -> Vec<u32> {
    let text = text();
    let packed = zstd::bulk::compress(&text, 3).unwrap();
    let raw = vec![9; 5000];
    let key = RecordKey::Chunk(ChunkId::of(&text));
    let packed_header =
        RecordHeader { codec: Codec::Zstd, stored_len: packed.len() as u32, ..RecordHeader::raw(key, &text) };
    let reserved = RecordKey::Reserved(ReservedKind::DeltaGroup, [4; 32]);
    let mut file = SegmentHeader { name: NAME, number: 1 }.encode();
    let mut entries = Vec::new();
    for (header, payload) in [
        (packed_header, &packed),
        (RecordHeader::raw(reserved, &raw), &raw),
        (RecordHeader::raw(RecordKey::Chunk(ChunkId::of(&raw)), &raw), &raw),
    ] {
        let offset = file.len() as u32;
        let RecordHeader { key, codec, raw_len, stored_len, .. } = header;
        entries.push(FooterEntry { key, codec, offset, raw_len, stored_len });
        file.extend_from_slice(&header.encode(RecordAddress { segment: NAME.id, offset }));
        file.extend_from_slice(payload);
    }
    let marker = RecordKey::Marker(Marker { segment: NAME.id, group: 1, records: 3, start: 4096 });
    for _ in 0..2 {
        let address = RecordAddress { segment: NAME.id, offset: file.len() as u32 };
        file.extend_from_slice(&RecordHeader::raw(marker, &[]).encode(address));
    }
    file.resize(align_up(file.len() as u64) as usize, 0);
    let offsets = entries.iter().map(|entry| entry.offset).collect();
    if sealed {
        let footer = Footer { segment: NAME, entries }.encode(file.len() as u32);
        file.extend_from_slice(&footer);
    }
    fs::create_dir_all(dir.join("segments")).unwrap();
    fs::write(Layout::new(dir).segment(1), file).unwrap();
    offsets
}

#[test]
fn packed_records_are_read_and_reserved_ones_skipped() {
    for sealed in [false, true] {
        let home = scratch();
        let dir = home.path();
        write(dir, sealed);
        let before = fs::read(Layout::new(dir).segment(1)).unwrap();
        let (store, logged) = capture_log(|| DiskStore::open(dir, small()).unwrap());
        assert!(logged.is_empty(), "sealed {sealed}: {logged:?}");
        let ids = [ChunkId::of(&text()), ChunkId::of(&[9; 5000])];
        for check in [Check::Verify, Check::Trust] {
            let read = films(&store).read_chunks(&ids, check).unwrap();
            assert_eq!(read, [Some(text()), Some(Bytes::from(vec![9; 5000]))], "sealed {sealed}");
        }
        let stats = store.library_stats(&FILMS).unwrap();
        assert_eq!((stats.chunks, stats.chunk_bytes), (2, text().len() as u64 + 5000));
        let report = scrub(&store).unwrap();
        assert!(report.is_clean() && report.records == 3, "sealed {sealed}: {report:?}");
        let report = store.rebuild(&|_, _| {}).unwrap();
        assert_eq!((report.chunks, report.damage.len()), (2, 0), "sealed {sealed}");
        put(&films(&store), &[chunk(1, 100)]);
        assert_eq!(read_back(&films(&store), &[chunk(1, 100)]).0, contents(&[chunk(1, 100)]));
        drop(store);
        assert!(fs::read(Layout::new(dir).segment(1)).unwrap().starts_with(&before), "it was changed");
    }
}

#[test]
fn damage_in_records_of_newer_programs_is_found() {
    let home = scratch();
    let dir = home.path();
    let offsets = write(dir, true);
    let store = DiskStore::open(dir, small()).unwrap();
    let id = ChunkId::of(&text());
    let path = Layout::new(dir).segment(1);
    let in_payload = |at: usize| u64::from(offsets[at]) + RECORD_HEADER_BYTES as u64 + 20;
    flip(&path, in_payload(1), 0);
    let report = scrub(&store).unwrap();
    let [damage] = &report.damage[..] else { panic!("{report:?}") };
    assert_eq!((damage.offset, damage.id), (u64::from(offsets[1]), None));
    assert!(films(&store).lost().unwrap().is_empty());

    flip(&path, in_payload(0), 0);
    assert!(matches!(films(&store).read_chunks(&[id], Check::Verify), Err(Error::Corrupt(_))));
    assert_eq!(films(&store).lost().unwrap(), [ObjectId::Chunk(id)]);
    let whole = chuan_engine::store::objects::Object::Chunk { id, bytes: text() };
    put(&films(&store), std::slice::from_ref(&whole));
    assert_eq!(
        read_back(&films(&store), std::slice::from_ref(&whole)).0,
        contents(std::slice::from_ref(&whole))
    );
    assert_eq!(object_id(&whole), ObjectId::Chunk(id));
    assert!(films(&store).lost().unwrap().is_empty());
}
