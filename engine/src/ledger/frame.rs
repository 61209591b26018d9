//! A frame: the records of one batch, or a part of a compaction. It is valid as a whole or not at all.
//!
//! ```text
//!  0   4  magic 89 "CHL"
//!  4   4  length of the frame, all of it
//!  8   8  first arrival number
//! 16   8  last arrival number
//! 24   4  records, at least 1
//! 28  32  hash of the frame before in this generation; of the header for the first
//! 60   4  CRC32C of the identity and bytes 0 to 59
//! 64   …  records, by ascending arrival number                                   [`record`](super::record)
//!  …   4  CRC32C of the identity and all before
//! ```

use bytes::Bytes;

use super::{
    Fields, Identity,
    record::{Decoded, LedgerRecord},
};
use crate::{
    error::{Error, Result},
    id,
    limits::LEDGER_FRAME_BYTES,
};

pub use crate::{
    id::FrameId,
    limits::format::ledger::{FRAME_FIXED_BYTES, FRAME_HEADER_BYTES},
};

/// The magic at the start of every frame.
pub const FRAME_MAGIC: [u8; 4] = *b"\x89CHL";

/// Offset of the checksum in the frame's header.
const CRC_AT: usize = FRAME_HEADER_BYTES - 4;

/// A decoded frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of the frame.
    pub len: usize,
    /// The first arrival number.
    pub first: u64,
    /// The last arrival number.
    pub last: u64,
    /// Number of records.
    pub records: u32,
    /// Hash of the frame before.
    pub before: FrameId,
}

/// Encodes a frame. Fails if it would be larger than [`LEDGER_FRAME_BYTES`] or has no records.
pub fn encode(identity: &Identity, before: &FrameId, records: &[LedgerRecord]) -> Result<Bytes> {
    let len = FRAME_FIXED_BYTES + records.iter().map(LedgerRecord::encoded_len).sum::<usize>();
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return Err(Error::Invalid("a batch without records".into()));
    };
    records.iter().try_for_each(LedgerRecord::check)?;
    let too_long = || {
        Error::Invalid(format!(
            "a batch of {len} bytes for the ledger; at most {LEDGER_FRAME_BYTES} are allowed: split it"
        ))
    };
    if len > LEDGER_FRAME_BYTES {
        return Err(too_long());
    }
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(&FRAME_MAGIC);
    out.extend_from_slice(&u32::try_from(len).map_err(|_| too_long())?.to_le_bytes());
    out.extend_from_slice(&first.number.to_le_bytes());
    out.extend_from_slice(&last.last().to_le_bytes());
    out.extend_from_slice(&u32::try_from(records.len()).map_err(|_| too_long())?.to_le_bytes());
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(&crc32c::crc32c_append(identity.seed(), &out).to_le_bytes());
    records.iter().for_each(|record| record.encode(identity, &mut out));
    out.extend_from_slice(&crc32c::crc32c_append(identity.seed(), &out).to_le_bytes());
    Ok(out.into())
}

/// Reads the frame header at the front of `bytes`.
pub fn decode_header(bytes: &[u8], identity: &Identity) -> Option<FrameHeader> {
    if !bytes.starts_with(&FRAME_MAGIC) {
        return None;
    }
    let body = bytes.get(..CRC_AT)?;
    let mut fields = Fields::new(bytes);
    fields.take::<4>()?;
    let len = usize::try_from(fields.u32()?).ok()?;
    let (first, last, records) = (fields.u64()?, fields.u64()?, fields.u32()?);
    let before = FrameId::from_bytes(fields.take()?);
    let sound = crc32c::crc32c_append(identity.seed(), body) == fields.u32()?
        && (FRAME_FIXED_BYTES..=LEDGER_FRAME_BYTES).contains(&len)
        && first <= last
        && records > 0;
    sound.then_some(FrameHeader { len, first, last, records, before })
}

/// Reads the frame at the front of `bytes`: its header, its records with their offsets in it, and its hash.
/// The error is a description for people.
pub fn decode_front(bytes: &Bytes, identity: &Identity) -> Result<Frame, &'static str> {
    let header = decode_header(bytes, identity).ok_or("no frame begins here")?;
    let whole = bytes.get(..header.len).ok_or("the frame is cut short")?;
    let (body, crc) = whole.split_at_checked(header.len.saturating_sub(4)).unwrap_or((whole, &[]));
    if crc32c::crc32c_append(identity.seed(), body).to_le_bytes() != *crc {
        return Err("the frame fails its checksum");
    }
    let body = bytes.slice_ref(body);
    let mut records = Vec::new();
    let mut at = FRAME_HEADER_BYTES;
    while at < body.len() {
        let Decoded::Whole(record, len) = LedgerRecord::decode_front(&body.slice(at..), identity) else {
            return Err("a record fails its checksum");
        };
        records.push((record, at));
        at += len;
    }
    let ascending = records.is_sorted_by(|(left, _), (right, _)| left.last() < right.number);
    let ends = records
        .first()
        .zip(records.last())
        .is_some_and(|((first, _), (last, _))| first.number == header.first && last.last() == header.last);
    if !ascending || !ends || u32::try_from(records.len()) != Ok(header.records) {
        return Err("the records do not match the frame's header");
    }
    Ok(Frame { header, records, id: id::FrameId::of(whole) })
}

/// A decoded frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its header.
    pub header: FrameHeader,
    /// Its records, with their offsets in the frame.
    pub records: Vec<(LedgerRecord, usize)>,
    /// Its hash.
    pub id: FrameId,
}
