//! A complete ledger file, as creation, compaction and repair write it.

use super::{FrameId, Header, Identity, frame, record::LedgerRecord};
use crate::{error::Result, limits::LEDGER_PACKED_BYTES};

/// The bytes of a generation.
#[derive(Clone, Debug)]
pub struct Image {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Its last frame.
    pub last: FrameId,
}

/// Writes a generation that carries over `records`. Their arrival numbers ascend and are ≤ `base`.
pub fn image(identity: Identity, base: u64, records: &[LedgerRecord]) -> Result<Image> {
    let count = records.len() as u64;
    let header = Header { identity, base, records: count }.encode();
    let mut bytes = header.to_vec();
    let mut last = FrameId::of(&header);
    let mut write = |records: &[LedgerRecord]| {
        let frame = frame::encode(&identity, &last, records)?;
        last = FrameId::of(&frame);
        bytes.extend_from_slice(&frame);
        Ok(())
    };
    let mut rest = records;
    while !rest.is_empty() {
        let (packed, after) = rest.split_at_checked(pack(rest)).unwrap_or((rest, &[]));
        write(packed)?;
        rest = after;
    }
    write(&[LedgerRecord::closing(base, count)])?;
    Ok(Image { bytes, last })
}

/// How many records from the front fit in one frame: at least one.
fn pack(records: &[LedgerRecord]) -> usize {
    let mut bytes = 0;
    let fitting = records.iter().take_while(|record| {
        bytes += record.encoded_len();
        bytes <= LEDGER_PACKED_BYTES
    });
    fitting.count().max(1)
}
