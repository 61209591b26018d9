//! Golden bytes, bounds and reassembly of frames.

use proptest::prelude::*;

use super::*;
use crate::sync::message::{ErrorCode, Refusal};

fn hex(frame: &Frame) -> String {
    let encoded = frame.encode().unwrap();
    data_encoding::HEXLOWER.encode(&encoded.head) + &data_encoding::HEXLOWER.encode(&encoded.payload)
}

fn chunk(codec: ChunkCodec, raw_len: u32, data: &'static [u8]) -> Frame {
    Frame::Chunk(ChunkFrame { ordinal: 0x0102, codec, raw_len, data: Bytes::from_static(data) })
}

#[test]
fn frames_have_their_golden_bytes() {
    let bytes = Bytes::from_static(b"\xaa\xbb");
    // length 2, type, payload
    assert_eq!(hex(&Frame::Statement(bytes.clone())), "0200000003aabb");
    assert_eq!(hex(&Frame::Table(bytes.clone())), "0200000004aabb");
    assert_eq!(hex(&Frame::Header(bytes.clone())), "0200000005aabb");
    assert_eq!(hex(&Frame::Page(bytes)), "0200000006aabb");
    // length 16, chunk | ordinal 0x0102, raw, raw length 3 | data
    assert_eq!(hex(&chunk(ChunkCodec::Raw, 3, b"abc")), "100000000702010000000000000003000000616263");
    assert_eq!(hex(&chunk(ChunkCodec::Zstd, 9, b"abc")), "100000000702010000000000000109000000616263");
    assert_eq!(hex(&Frame::End(End { complete: false, chunks: 1, chunk_bytes: 3 })), "0300000008000103");
    assert_eq!(hex(&Frame::Error(Refusal::new(ErrorCode::Denied, ""))), "02000000090000");
}

#[test]
fn lengths_over_the_types_bound_are_refused_before_the_payload() {
    for kind in FrameKind::ALL {
        let limit = u32::try_from(kind.limit()).unwrap();
        for (len, fits) in [(limit, true), (limit + 1, false), (u32::MAX, false)] {
            let [a, b, c, d] = len.to_le_bytes();
            assert_eq!(FrameHeader::decode([a, b, c, d, kind as u8]).is_ok(), fits, "{kind:?} of {len}");
        }
    }
    for tag in [0, 13, 255] {
        assert!(FrameHeader::decode([0, 0, 0, 0, tag]).is_err());
    }
    assert!(Frame::Page(vec![0; PAGE_BYTES + 1].into()).encode().is_err());
}

/// An assembler with a lower bound refuses a larger frame by its header, and buffers none of its payload.
#[test]
fn a_peer_that_may_send_little_is_stopped_at_the_header() {
    let request = |len: u32| [&len.to_le_bytes()[..], &[FrameKind::Request as u8]].concat();
    let mut assembler = Assembler::up_to(512);
    assembler.push(Bytes::from(request(512)));
    assert!(assembler.next().unwrap().is_none(), "it waits for the payload");
    let mut assembler = Assembler::up_to(512);
    assembler.push(Bytes::from(request(513)));
    assert!(matches!(assembler.next(), Err(Error::Denied(_))));
    assert!(assembler.part.capacity() == 0 && assembler.slab.capacity() == 0);
}

#[test]
fn chunk_frames_that_contradict_themselves_are_refused() {
    for bad in [
        chunk(ChunkCodec::Raw, 2, b"abc"),
        chunk(ChunkCodec::Raw, 4, b"abc"),
        chunk(ChunkCodec::Raw, 0, b""),
        chunk(ChunkCodec::Zstd, 0, b""),
        chunk(ChunkCodec::Zstd, 3, b"abc"),
        chunk(ChunkCodec::Zstd, 1 << 20, b"abc"),
    ] {
        let Encoded { head, payload } = bad.encode().unwrap();
        let bytes = Bytes::from([&head[HEADER_LEN..], &payload].concat());
        assert!(Frame::decode(FrameKind::Chunk, bytes).is_err(), "{bad:?} passed");
    }
    for len in 0..CHUNK_HEADER_LEN {
        assert!(Frame::decode(FrameKind::Chunk, vec![0; len].into()).is_err());
    }
}

/// Symptom: a source sent a frame one byte at a time, and the receiver held one datagram per byte. Cause: the
/// received slices of a frame were kept in their original buffers.
#[test]
fn what_has_come_of_a_frame_keeps_no_buffer() {
    for payload in [FRAME_OWN_BYTES - 100, FRAME_OWN_BYTES + 100, PAGE_BYTES] {
        let frame = Frame::Page(vec![7; payload].into());
        let Encoded { head, payload } = frame.encode().unwrap();
        let mut assembler = Assembler::default();
        assembler.push(head);
        for byte in &payload[1..] {
            let datagram = Bytes::from(vec![*byte; 1200]);
            assembler.push(datagram.slice(..1));
            assert_eq!(assembler.next().unwrap(), None);
            assert!(datagram.is_unique());
        }
        let last = Bytes::from(vec![7; 1200]);
        assembler.push(last.slice(..1));
        let whole = assembler.next().unwrap();
        assert_eq!(whole, Some(frame));
        assert!(last.is_unique());
    }
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 1..200).prop_map(Bytes::from);
    let one = prop_oneof![
        bytes().prop_map(Frame::Statement),
        bytes().prop_map(Frame::Page),
        (FRAME_OWN_BYTES - 2..FRAME_OWN_BYTES + 3).prop_map(|len| Frame::Page(vec![5; len].into())),
        (any::<u64>(), bytes()).prop_map(|(ordinal, data)| {
            let raw_len = u32::try_from(data.len()).unwrap();
            Frame::Chunk(ChunkFrame { ordinal, codec: ChunkCodec::Raw, raw_len, data })
        }),
        any::<u64>().prop_map(|chunks| Frame::End(End { complete: true, chunks, chunk_bytes: 1 })),
    ];
    proptest::collection::vec(one, 0..20)
}

proptest! {
    #[test]
    fn frames_survive_any_cut_of_the_stream(
        frames in frames(),
        cuts in proptest::collection::vec(1usize..300, 1..40),
    ) {
        let mut stream = Vec::new();
        for frame in &frames {
            let Encoded { head, payload } = frame.encode().unwrap();
            stream.extend_from_slice(&head);
            stream.extend_from_slice(&payload);
        }
        let mut stream = Bytes::from(stream);
        let mut assembler = Assembler::default();
        let mut out = Vec::new();
        let mut cuts = cuts.into_iter().cycle();
        while !stream.is_empty() {
            let part = stream.split_to(cuts.next().unwrap().min(stream.len()));
            assembler.push(part);
            while let Some(frame) = assembler.next().unwrap() {
                out.push(frame);
            }
        }
        prop_assert!(assembler.is_between());
        prop_assert_eq!(out, frames);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut assembler = Assembler::default();
        assembler.push(bytes.into());
        while let Ok(Some(_)) = assembler.next() {}
    }
}
