//! Frames: the encoding of messages, statements, pages and chunks on a stream.
//!
//! ```text
//! frame   length u32 LE, of the payload | type u8 | payload
//! chunk   ordinal u64 LE | codec u8: 0 raw, 1 zstd | raw length u32 LE | data
//! ```
//!
//! | type | payload | at most |
//! | --- | --- | --- |
//! | 1 hello | [`Hello`] | [`HELLO_BYTES`] |
//! | 2 request | [`Request`] | [`FRAME_CONTROL_BYTES`] |
//! | 3 statement | an envelope as received | [`STATEMENT_BYTES`] |
//! | 4 table | a class table's canonical bytes | [`FRAME_HEADER_BYTES`] |
//! | 5 header | a class header's canonical bytes | [`FRAME_HEADER_BYTES`] |
//! | 6 page | a tree page's canonical bytes | [`PAGE_BYTES`] |
//! | 7 chunk | as above | [`FRAME_CHUNK_BYTES`] |
//! | 8 end | [`End`] | [`FRAME_SMALL_BYTES`] |
//! | 9 error | [`Refusal`] | [`FRAME_SMALL_BYTES`] |
//! | 10 delta | [`Delta`] | [`FRAME_DELTA_BYTES`] |
//! | 11 inventory | [`Inventory`] | [`FRAME_CONTROL_BYTES`] |
//! | 12 holding | [`Holding`] | [`FRAME_HOLDING_BYTES`] |
//!
//! A length is checked against the type's bound before any byte of the payload is read or allocated. Payloads
//! are [`Bytes`]: this module does not copy a chunk on its way from the store to the socket, and copies it
//! once on the way back, when it is reassembled. Ids are checked in [`fetch`](super::fetch), not here.

use std::{collections::VecDeque, fmt};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{
    codec,
    error::{Error, Result},
    limits::{
        CHUNK_BYTES, FRAME_CHUNK_BYTES, FRAME_CONTROL_BYTES, FRAME_DELTA_BYTES, FRAME_HEADER_BYTES,
        FRAME_HOLDING_BYTES, FRAME_OWN_BYTES, FRAME_SLABS, FRAME_SMALL_BYTES, HELLO_BYTES, PAGE_BYTES,
        STATEMENT_BYTES,
    },
    slab::Slabs,
    sync::{
        delta::Delta,
        exchange::Inventory,
        message::{End, Hello, Holding, Refusal, Request},
    },
};

/// Bytes of a frame's header.
pub const HEADER_LEN: usize = 5;
/// Bytes of the fixed fields before a chunk's data.
pub const CHUNK_HEADER_LEN: usize = 13;

/// A message on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A hello: the dialler's, or that of another member in the answer to a request for peers.
    Hello(Hello),
    /// A request.
    Request(Request),
    /// An envelope as received.
    Statement(Bytes),
    /// A class table.
    Table(Bytes),
    /// A class header.
    Header(Bytes),
    /// A tree page.
    Page(Bytes),
    /// A chunk.
    Chunk(ChunkFrame),
    /// The end of a complete or incomplete answer.
    End(End),
    /// The end of an answer that failed, with the reason.
    Error(Refusal),
    /// Chunks or pages, encoded against data that the receiver has.
    Delta(Delta),
    /// The statements that the answerer knows.
    Inventory(Inventory),
    /// The releases that the answerer holds instead of the wanted one.
    Holding(Holding),
}

/// A chunk as sent; unverified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkFrame {
    /// One of the chunk's class-wide ordinals in the requested class.
    pub ordinal: u64,
    /// How `data` is packed.
    pub codec: ChunkCodec,
    /// Bytes of the chunk once unpacked, 1 to [`CHUNK_BYTES`].
    pub raw_len: u32,
    /// The packed chunk.
    pub data: Bytes,
}

/// How a chunk's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ChunkCodec {
    /// Not compressed.
    Raw = 0,
    /// One zstd frame.
    Zstd = 1,
}

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// [`Frame::Hello`].
    Hello = 1,
    /// [`Frame::Request`].
    Request = 2,
    /// [`Frame::Statement`].
    Statement = 3,
    /// [`Frame::Table`].
    Table = 4,
    /// [`Frame::Header`].
    Header = 5,
    /// [`Frame::Page`].
    Page = 6,
    /// [`Frame::Chunk`].
    Chunk = 7,
    /// [`Frame::End`].
    End = 8,
    /// [`Frame::Error`].
    Error = 9,
    /// [`Frame::Delta`].
    Delta = 10,
    /// [`Frame::Inventory`].
    Inventory = 11,
    /// [`Frame::Holding`].
    Holding = 12,
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FrameKind::Hello => "hello",
            FrameKind::Request => "request",
            FrameKind::Statement => "statement",
            FrameKind::Table => "table",
            FrameKind::Header => "header",
            FrameKind::Page => "page",
            FrameKind::Chunk => "chunk",
            FrameKind::End => "end",
            FrameKind::Error => "error",
            FrameKind::Delta => "delta",
            FrameKind::Inventory => "inventory",
            FrameKind::Holding => "holding",
        })
    }
}

/// An encoded frame; the two parts follow each other on the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The frame's header, and a chunk's fixed fields.
    pub head: Bytes,
    /// The rest; shares memory with its source.
    pub payload: Bytes,
}

/// A frame's header; the length is within the bound of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The type of the frame.
    pub kind: FrameKind,
    /// Bytes of the payload.
    pub len: usize,
}

impl Frame {
    /// Its type.
    pub fn kind(&self) -> FrameKind {
        match self {
            Frame::Hello(_) => FrameKind::Hello,
            Frame::Request(_) => FrameKind::Request,
            Frame::Statement(_) => FrameKind::Statement,
            Frame::Table(_) => FrameKind::Table,
            Frame::Header(_) => FrameKind::Header,
            Frame::Page(_) => FrameKind::Page,
            Frame::Chunk(_) => FrameKind::Chunk,
            Frame::End(_) => FrameKind::End,
            Frame::Error(_) => FrameKind::Error,
            Frame::Delta(_) => FrameKind::Delta,
            Frame::Inventory(_) => FrameKind::Inventory,
            Frame::Holding(_) => FrameKind::Holding,
        }
    }

    /// Encodes the frame. Fails where it exceeds the bound of its type, which the receiver would refuse.
    pub fn encode(&self) -> Result<Encoded> {
        let payload = match self {
            Frame::Hello(hello) => codec::encode(hello).into(),
            Frame::Request(request) => codec::encode(request).into(),
            Frame::End(end) => codec::encode(end).into(),
            Frame::Error(refusal) => codec::encode(refusal).into(),
            Frame::Delta(delta) => codec::encode(delta).into(),
            Frame::Inventory(inventory) => codec::encode(inventory).into(),
            Frame::Holding(holding) => codec::encode(holding).into(),
            Frame::Statement(bytes) | Frame::Table(bytes) | Frame::Header(bytes) | Frame::Page(bytes) => {
                bytes.clone()
            }
            Frame::Chunk(chunk) => chunk.data.clone(),
        };
        let fields = if matches!(self, Frame::Chunk(_)) { CHUNK_HEADER_LEN } else { 0 };
        let header = FrameHeader::new(self.kind(), fields + payload.len())?;
        let mut head = BytesMut::with_capacity(HEADER_LEN + fields);
        header.put(&mut head);
        if let Frame::Chunk(chunk) = self {
            head.put_u64_le(chunk.ordinal);
            head.put_u8(chunk.codec as u8);
            head.put_u32_le(chunk.raw_len);
        }
        Ok(Encoded { head: head.freeze(), payload })
    }

    /// Decodes the payload of a frame of `kind`.
    pub fn decode(kind: FrameKind, payload: Bytes) -> Result<Self> {
        FrameHeader::new(kind, payload.len())?;
        Ok(match kind {
            FrameKind::Hello => Frame::Hello(Hello::decode(&payload)?),
            FrameKind::Request => Frame::Request(Request::decode(&payload)?),
            FrameKind::Statement => Frame::Statement(payload),
            FrameKind::Table => Frame::Table(payload),
            FrameKind::Header => Frame::Header(payload),
            FrameKind::Page => Frame::Page(payload),
            FrameKind::Chunk => Frame::Chunk(ChunkFrame::decode(payload)?),
            FrameKind::End => Frame::End(End::decode(&payload)?),
            FrameKind::Error => Frame::Error(Refusal::decode(&payload)?),
            FrameKind::Delta => Frame::Delta(Delta::decode(&payload)?),
            FrameKind::Inventory => Frame::Inventory(Inventory::decode(&payload)?),
            FrameKind::Holding => Frame::Holding(Holding::decode(&payload)?),
        })
    }

    /// Whether this frame ends an answer.
    pub fn is_last(&self) -> bool {
        matches!(self, Frame::End(_) | Frame::Error(_))
    }
}

impl Encoded {
    /// Bytes on the stream.
    pub fn len(&self) -> usize {
        self.head.len() + self.payload.len()
    }

    /// Always false: a frame has a header.
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl ChunkFrame {
    fn decode(mut payload: Bytes) -> Result<Self> {
        let short = |_| Error::Peer("a chunk frame ends within its fields".into());
        let ordinal = payload.try_get_u64_le().map_err(short)?;
        let codec = match payload.try_get_u8().map_err(short)? {
            0 => ChunkCodec::Raw,
            1 => ChunkCodec::Zstd,
            other => return Err(Error::Peer(format!("chunk {ordinal} has the unknown codec {other}"))),
        };
        let raw_len = payload.try_get_u32_le().map_err(short)?;
        let fits = raw_len as usize <= CHUNK_BYTES
            && match codec {
                ChunkCodec::Raw => payload.len() == raw_len as usize,
                ChunkCodec::Zstd => payload.len() < raw_len as usize,
            };
        if raw_len == 0 || !fits {
            let len = payload.len();
            return Err(Error::Peer(format!("chunk {ordinal} claims {raw_len} bytes and carries {len}")));
        }
        Ok(Self { ordinal, codec, raw_len, data: payload })
    }
}

impl FrameKind {
    const ALL: [FrameKind; 12] = [
        FrameKind::Hello,
        FrameKind::Request,
        FrameKind::Statement,
        FrameKind::Table,
        FrameKind::Header,
        FrameKind::Page,
        FrameKind::Chunk,
        FrameKind::End,
        FrameKind::Error,
        FrameKind::Delta,
        FrameKind::Inventory,
        FrameKind::Holding,
    ];

    /// Maximum number of bytes of the payload.
    pub const fn limit(self) -> usize {
        match self {
            FrameKind::Hello => HELLO_BYTES,
            FrameKind::Request | FrameKind::Inventory => FRAME_CONTROL_BYTES,
            FrameKind::Statement => STATEMENT_BYTES,
            FrameKind::Table | FrameKind::Header => FRAME_HEADER_BYTES,
            FrameKind::Page => PAGE_BYTES,
            FrameKind::Chunk => FRAME_CHUNK_BYTES,
            FrameKind::End | FrameKind::Error => FRAME_SMALL_BYTES,
            FrameKind::Delta => FRAME_DELTA_BYTES,
            FrameKind::Holding => FRAME_HOLDING_BYTES,
        }
    }
}

impl FrameHeader {
    fn new(kind: FrameKind, len: usize) -> Result<Self> {
        if len > kind.limit() {
            return Err(Error::Peer(format!(
                "a frame of kind `{kind}` has {len} bytes, more than {}",
                kind.limit()
            )));
        }
        Ok(Self { kind, len })
    }

    /// Reads a header; fails on an unknown type and on a length beyond the type's bound.
    pub fn decode(bytes: [u8; HEADER_LEN]) -> Result<Self> {
        let [a, b, c, d, tag] = bytes;
        let kind = FrameKind::ALL
            .into_iter()
            .find(|kind| *kind as u8 == tag)
            .ok_or_else(|| Error::Peer(format!("unknown frame type {tag}")))?;
        Self::new(kind, u32::from_le_bytes([a, b, c, d]) as usize)
    }

    fn put(self, out: &mut BytesMut) {
        // Every bound is far below 2³².
        out.put_u32_le(u32::try_from(self.len).unwrap_or(u32::MAX));
        out.put_u8(self.kind as u8);
    }
}

/// Reassembles frames from a stream's buffers.
///
/// Push received buffers, then call [`next`](Assembler::next) until it returns `None`. A stream that ends
/// while [`is_between`](Assembler::is_between) is false was cut. Holds at most one frame and the buffers
/// pushed since. The received part of a frame is copied out of the buffers at once, since even a small slice
/// may keep a whole datagram in memory.
#[derive(Debug)]
pub struct Assembler {
    waiting: VecDeque<Bytes>,
    len: usize,
    header: Option<FrameHeader>,
    /// The received part of the payload of `header`.
    part: BytesMut,
    /// The memory in which the next large payload is reassembled.
    slab: BytesMut,
    /// Whether no payload was reassembled in `slab` yet.
    is_new: bool,
    slabs: Slabs,
    /// Maximum number of bytes of a payload, in addition to the bound of its type.
    most: usize,
}

impl Default for Assembler {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            len: 0,
            header: None,
            part: BytesMut::new(),
            slab: BytesMut::new(),
            is_new: false,
            slabs: Slabs::up_to(FRAME_SLABS),
            most: usize::MAX,
        }
    }
}

impl Assembler {
    /// An assembler that takes no frame with a payload larger than `most`, whatever its type.
    pub fn up_to(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Adds a received buffer.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.len += bytes.len();
            self.waiting.push_back(bytes);
        }
    }

    /// The next complete frame; `None` until more is pushed. After an error the stream must not be used.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] for a frame beyond [`up_to`](Self::up_to), of which only the header was read;
    /// another error for a malformed frame.
    #[expect(clippy::should_implement_trait, reason = "more may come after `None`, and an error ends it")]
    pub fn next(&mut self) -> Result<Option<Frame>> {
        let header = match self.header {
            Some(header) => header,
            None if self.len < HEADER_LEN => return Ok(None),
            None => {
                let header = FrameHeader::decode(self.take_header())?;
                if header.len > self.most {
                    return Err(Error::Denied(format!(
                        "a frame of kind `{}` has {} bytes",
                        header.kind, header.len
                    )));
                }
                self.begin(header.len);
                *self.header.insert(header)
            }
        };
        self.gather(header.len);
        if self.part.len() < header.len {
            return Ok(None);
        }
        self.header = None;
        let payload = self.finish(header.len);
        Frame::decode(header.kind, payload).map(Some)
    }

    /// Bytes that were pushed and belong to frames that were not returned yet.
    pub fn buffered(&self) -> usize {
        self.len + self.part.len() + self.header.map_or(0, |_| HEADER_LEN)
    }

    /// Whether no part of a next frame has come.
    pub fn is_between(&self) -> bool {
        self.len == 0 && self.header.is_none()
    }

    fn take_header(&mut self) -> [u8; HEADER_LEN] {
        self.len -= HEADER_LEN;
        let mut header = [0; HEADER_LEN];
        for byte in &mut header {
            while let Some(first) = self.waiting.front_mut() {
                if let Ok(next) = first.try_get_u8() {
                    *byte = next;
                    break;
                }
                self.waiting.pop_front();
            }
        }
        header
    }

    /// Allocates room for a payload of `len` bytes.
    fn begin(&mut self, len: usize) {
        if len <= FRAME_OWN_BYTES {
            self.part = BytesMut::with_capacity(len);
            return;
        }
        if self.slab.capacity() < len {
            self.slab = self.slabs.take(len);
            self.slab.clear();
            self.is_new = true;
        }
        self.part = std::mem::take(&mut self.slab);
    }

    /// Copies the received bytes of a payload of `len` bytes together.
    fn gather(&mut self, len: usize) {
        let mut missing = len.saturating_sub(self.part.len());
        while missing > 0 {
            let Some(first) = self.waiting.front_mut() else { break };
            let more = first.split_to(first.len().min(missing));
            missing -= more.len();
            self.len -= more.len();
            self.part.extend_from_slice(&more);
            if first.is_empty() {
                self.waiting.pop_front();
            }
        }
    }

    /// Returns the payload, which is complete.
    fn finish(&mut self, len: usize) -> Bytes {
        let mut part = std::mem::take(&mut self.part);
        if len <= FRAME_OWN_BYTES {
            return part.freeze();
        }
        let payload = part.split().freeze();
        self.slab = part;
        if std::mem::take(&mut self.is_new) {
            self.slabs.keep(payload.clone());
        }
        payload
    }
}

#[cfg(test)]
mod tests;
