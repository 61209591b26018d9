//! Seeds of the target `ledger`: two copies, after the length of the first.

use anyhow::Result;
use chuan_engine::{
    id::NodeId,
    ledger::{FrameId, Identity, LedgerId, LedgerRecord, frame, image::image},
    statement::Statement,
    store::ledger::Record,
};

/// Statements of one batch.
const BATCH: usize = 2;
/// Statements in a ledger.
const STATEMENTS: usize = 6;

pub(super) fn seeds(statements: &[Statement]) -> Result<Vec<Vec<u8>>> {
    let identity =
        Identity { node: NodeId::from_bytes([7; 32]), ledger: LedgerId::from_bytes([5; 16]), generation: 2 };
    let records: Vec<_> = (1..)
        .zip(statements.iter().take(STATEMENTS))
        .map(|(number, statement)| LedgerRecord::of(number, &Record::from(statement)))
        .collect();
    let begun = image(identity, 0, &[])?;
    let (mut whole, mut before) = (begun.bytes, begun.last);
    for batch in records.chunks(BATCH) {
        let frame = frame::encode(&identity, &before, batch)?;
        before = FrameId::of(&frame);
        whole.extend_from_slice(&frame);
    }
    let compacted = image(Identity { generation: 3, ..identity }, STATEMENTS as u64, &records)?.bytes;
    let torn = whole.get(..whole.len() - 9).unwrap_or_default().to_vec();
    let mut damaged = whole.clone();
    if let Some(byte) = damaged.get_mut(300) {
        *byte ^= 1;
    }
    let pair = |a: &[u8], b: &[u8]| -> Result<Vec<u8>> {
        Ok([u16::try_from(a.len())?.to_le_bytes().as_slice(), a, b].concat())
    };
    Ok(vec![
        pair(&whole, &whole)?,
        pair(&torn, &whole)?,
        pair(&whole, &torn)?,
        pair(&damaged, &damaged)?,
        pair(&compacted, &whole)?,
        pair(&whole, &[])?,
    ])
}
